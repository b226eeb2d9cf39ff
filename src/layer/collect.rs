//! Reading a body into memory, and hashing it on the way.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, header, request};
use http_body::Body;
use pin_project_lite::pin_project;

use super::auth_body::{Buffered, Prepared};
use super::body::Readied;
use crate::error::{AuthError, AuthErrorKind, BoxError};
use crate::payload::{PayloadHash, PayloadHasher};

impl<B: Body> BufferFuture<B> {
    /// Refuses what is announced as too large before any of it is read. Computes the hash unless it is
    /// `known`.
    pub(super) fn new(
        limit: usize,
        known: Option<PayloadHash>,
        head: &request::Parts,
        body: B,
    ) -> Result<Self, AuthError> {
        let announced = content_length(&head.headers, &header::CONTENT_LENGTH)?;
        let least = body.size_hint().lower().max(announced.unwrap_or(0));
        if usize::try_from(least).map_or(true, |least| least > limit) {
            return Err(too_large(limit));
        }
        Ok(Self {
            collect: Collect {
                body,
                limit,
                known,
                announced,
                expected: least,
                data: Collected::Nothing,
                trailers: None,
            },
        })
    }
}

fn too_large(limit: usize) -> AuthError {
    AuthError::new(
        AuthErrorKind::PayloadTooLarge,
        format!(
            "the body is larger than the {limit} bytes this layer buffers to hash it: raise the \
             limit with `Buffer::new`, give its hash with `AuthOverride::payload_hash`, or leave \
             the payload unsigned where the service allows that"
        ),
    )
}

/// A length that the request's head gives.
pub(super) fn content_length(
    headers: &HeaderMap,
    name: &HeaderName,
) -> Result<Option<u64>, AuthError> {
    let mut lengths = headers.get_all(name).iter();
    let Some(first) = lengths.next() else {
        return Ok(None);
    };
    let parsed = std::str::from_utf8(first.as_bytes())
        .ok()
        .filter(|text| text.bytes().all(|b| b.is_ascii_digit()))
        .and_then(|text| text.parse().ok());
    if parsed.is_none() || lengths.any(|other| other != first) {
        return Err(AuthError::new(
            AuthErrorKind::Request,
            format!("the request's `{name}` is not one number"),
        ));
    }
    Ok(parsed)
}

pin_project! {
    /// Reads a body for [`Buffer`](super::Buffer).
    pub struct BufferFuture<B> {
        #[pin]
        collect: Collect<B>,
    }
}

pin_project! {
    struct Collect<B> {
        #[pin]
        body: B,
        limit: usize,
        known: Option<PayloadHash>,
        // The caller's `Content-Length`, which must turn out true.
        announced: Option<u64>,
        // How much to make room for.
        expected: u64,
        data: Collected,
        trailers: Option<Box<HeaderMap>>,
    }
}

/// One chunk is kept as it came; several are copied together, because a list of tiny chunks would
/// cost many times their bytes.
enum Collected {
    Nothing,
    One(Bytes),
    // Boxed, as every pending request pays for the room, and those of one chunk need none of it.
    Many(Box<Many>),
}

struct Many {
    data: BytesMut,
    /// If the hash is not known.
    hasher: Option<PayloadHasher>,
}

/// A body that always has something ready, empty frames for instance, must not keep the thread.
const FRAMES_AT_ONCE: usize = 256;

/// Trailers are kept beside the data; no server takes more than this in header fields.
const MAX_TRAILERS: usize = 64 * 1024;

fn size_of_fields(fields: &HeaderMap) -> usize {
    let sizes = fields
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len());
    sizes.sum()
}

/// The most that is allocated on the word of an announced length.
const MAX_RESERVE: u64 = 64 * 1024;

impl Collected {
    fn len(&self) -> usize {
        match self {
            Self::Nothing => 0,
            Self::One(chunk) => chunk.len(),
            Self::Many(many) => many.data.len(),
        }
    }

    fn push(&mut self, chunk: Bytes, expected: u64, hashes: bool) {
        match self {
            Self::Nothing => *self = Self::One(chunk),
            Self::One(first) => {
                let reserve = expected.min(MAX_RESERVE) as usize;
                let mut many = Many {
                    data: BytesMut::with_capacity(reserve.max(first.len() + chunk.len())),
                    hasher: hashes.then(PayloadHasher::default),
                };
                many.push(first);
                many.push(&chunk);
                *self = Self::Many(Box::new(many));
            }
            Self::Many(many) => many.push(&chunk),
        }
    }

    fn finish(self, known: Option<PayloadHash>) -> (Bytes, PayloadHash) {
        let hash = |data: &Bytes| known.unwrap_or_else(|| PayloadHash::of(data));
        match self {
            Self::Nothing => (Bytes::new(), hash(&Bytes::new())),
            Self::One(chunk) => {
                let hash = hash(&chunk);
                (chunk, hash)
            }
            Self::Many(many) => {
                let data = many.data.freeze();
                let hash = many.hasher.map(PayloadHasher::finish);
                let hash = hash.or(known).unwrap_or_else(|| PayloadHash::of(&data));
                (data, hash)
            }
        }
    }
}

impl Many {
    /// Hashes while the data comes, so that a large body is not hashed in one go at its end.
    fn push(&mut self, chunk: &[u8]) {
        if let Some(hasher) = &mut self.hasher {
            hasher.update(chunk);
        }
        self.data.extend_from_slice(chunk);
    }
}

impl<B: Body> Future for BufferFuture<B>
where
    B::Error: Into<BoxError>,
{
    type Output = Readied<Prepared<B>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (buffered, hash) = ready!(self.project().collect.poll_collect(cx))?;
        Poll::Ready(Ok((buffered.into(), hash)))
    }
}

impl<B: Body> Collect<B>
where
    B::Error: Into<BoxError>,
{
    fn poll_collect(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Readied<Buffered>> {
        let mut this = self.project();
        let mut frames = 0;
        while !this.body.is_end_stream() {
            frames += 1;
            if frames > FRAMES_AT_ONCE {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            let Some(frame) = ready!(this.body.as_mut().poll_frame(cx)) else {
                break;
            };
            let frame = frame.map_err(|error| {
                AuthError::new(
                    AuthErrorKind::Payload,
                    "the request's body failed while it was read; nothing was sent",
                )
                .with_source(error)
            })?;
            match frame.into_data() {
                Ok(mut data) => {
                    if data.remaining() > *this.limit - this.data.len() {
                        return Poll::Ready(Err(too_large(*this.limit)));
                    }
                    let chunk = data.copy_to_bytes(data.remaining());
                    if !chunk.is_empty() {
                        let hashes = this.known.is_none();
                        this.data.push(chunk, *this.expected, hashes);
                    }
                }
                Err(frame) => {
                    // The last frame there can be: transports send nothing after it.
                    if let Ok(trailers) = frame.into_trailers() {
                        if size_of_fields(&trailers) > MAX_TRAILERS {
                            return Poll::Ready(Err(AuthError::new(
                                AuthErrorKind::PayloadTooLarge,
                                "the body's trailers are larger than 64 KiB",
                            )));
                        }
                        *this.trailers = Some(Box::new(trailers));
                        break;
                    }
                }
            }
        }
        let length = this.data.len() as u64;
        if this.announced.is_some_and(|announced| announced != length) {
            return Poll::Ready(Err(AuthError::new(
                AuthErrorKind::Request,
                format!(
                    "the request's `Content-Length` does not match its body, which has {length} \
                     bytes: leave the header to the client"
                ),
            )));
        }
        let data = std::mem::replace(this.data, Collected::Nothing);
        let (data, hash) = data.finish(*this.known);
        let trailers = this.trailers.take();
        Poll::Ready(Ok((Buffered { data, trailers }, hash)))
    }
}

impl<B> fmt::Debug for BufferFuture<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BufferFuture").finish_non_exhaustive()
    }
}
