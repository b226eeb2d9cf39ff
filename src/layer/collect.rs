//! Reading a body into memory, and hashing it on the way or afterwards.

mod collected;
#[cfg(feature = "cache")]
mod hash_task;

use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http::{HeaderMap, HeaderName, header, request};
use http_body::Body;
use pin_project_lite::pin_project;

use self::collected::Collected;
#[cfg(feature = "cache")]
use self::hash_task::HashTask;
use super::auth_body::{Buffered, Prepared};
use super::body::Readied;
use crate::error::{AuthError, AuthErrorKind, BoxError};
use crate::payload::PayloadHash;

impl<B: Body> BufferFuture<B> {
    /// Refuses what is announced as too large before any of it is read.
    pub(super) fn new(
        limit: usize,
        hashing: Hashing,
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
                hashing,
                announced,
                expected: least,
                data: Collected::Nothing,
                trailers: None,
            },
        })
    }
}

/// Where the hash comes from.
pub(super) enum Hashing {
    Known(PayloadHash),
    /// Computed while the body is read.
    OnTheWay,
    /// On another thread, once a body of at least so many bytes has been read.
    #[cfg(feature = "cache")]
    Elsewhere {
        from: usize,
    },
    #[cfg(feature = "cache")]
    UnderWay(HashTask),
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
        hashing: Hashing,
        // The caller's `Content-Length`, which must turn out true.
        announced: Option<u64>,
        // How much to make room for.
        expected: u64,
        data: Collected,
        trailers: Option<Box<HeaderMap>>,
    }
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

impl<B: Body> Future for BufferFuture<B>
where
    B::Error: Into<BoxError>,
{
    type Output = Readied<Prepared<B>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (buffered, hash) = ready!(self.poll_buffered(cx))?;
        Poll::Ready(Ok((buffered.into(), hash)))
    }
}

impl<B: Body> BufferFuture<B>
where
    B::Error: Into<BoxError>,
{
    pub(super) fn poll_buffered(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Readied<Buffered>> {
        self.project().collect.poll_collect(cx)
    }
}

impl<B: Body> Collect<B>
where
    B::Error: Into<BoxError>,
{
    fn poll_collect(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Readied<Buffered>> {
        #[cfg(feature = "cache")]
        if let Hashing::UnderWay(task) = self.as_mut().project().hashing {
            let (data, hash) = ready!(task.poll(cx))?;
            return Poll::Ready(Ok((self.seal(data), hash)));
        }
        ready!(self.as_mut().poll_read(cx))?;
        let this = self.as_mut().project();
        let (data, hash) = mem::replace(this.data, Collected::Nothing).finish();
        #[cfg(feature = "cache")]
        let data = match this.hashing {
            Hashing::Elsewhere { from } if data.len() >= *from => match HashTask::start(data) {
                Ok(task) => {
                    *this.hashing = Hashing::UnderWay(task);
                    return self.poll_collect(cx);
                }
                Err(data) => data,
            },
            _ => data,
        };
        let hash = match this.hashing {
            Hashing::Known(hash) => *hash,
            _ => hash.unwrap_or_else(|| PayloadHash::of(&data)),
        };
        Poll::Ready(Ok((self.seal(data), hash)))
    }

    fn seal(self: Pin<&mut Self>, data: Bytes) -> Buffered {
        let trailers = self.project().trailers.take();
        Buffered { data, trailers }
    }

    /// Reads the body to its end.
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), AuthError>> {
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
                        let hashes = matches!(this.hashing, Hashing::OnTheWay);
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
        Poll::Ready(Ok(()))
    }
}

impl<B> fmt::Debug for BufferFuture<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BufferFuture").finish_non_exhaustive()
    }
}
