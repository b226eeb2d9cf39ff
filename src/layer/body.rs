//! Whether and how a request's body is read before it is sent.

use std::convert::Infallible;
use std::fmt;
use std::future::{Future, Pending};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderMap, header, request};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::{Applied, Need};
use crate::error::{AuthError, AuthErrorKind, BoxError};
use crate::payload::{PayloadHash, PayloadHasher};

/// How bodies are made ready: [`Passthrough`], [`CloneBody`] or [`Buffer`].
///
/// The choice is part of a layer's type, because it decides what body the service below gets and
/// whether a request can be sent twice. Sealed: the ways a body can be prepared are the engine's
/// business.
pub trait PreparePayload<B>: sealed::Sealed {
    /// The body between preparation and sending.
    type Prepared;
    /// What is kept to send it again.
    type Spare;
    /// The body the service below gets.
    type Body;
    /// Resolves when the body is ready.
    type Future: Future<Output = Readied<Self::Prepared>>;

    /// Readies the body as far as `need` asks; [`Need::Head`] and [`Need::Hashed`] never read any
    /// of it, and are done at once.
    fn prepare(
        &self,
        head: &request::Parts,
        need: Need,
        body: B,
    ) -> Step<Readied<Self::Prepared>, Self::Future>;

    /// Before sending: what a second sending would need, if there can be one.
    fn keep(&self, prepared: &Self::Prepared) -> Option<Self::Spare>;

    /// After a rejection: the body once more.
    fn replay(&self, spare: Self::Spare) -> Option<Self::Prepared>;

    /// The body to send.
    fn seal(&self, prepared: Self::Prepared, applied: Applied) -> Self::Body;

    /// The body of a request that is left alone.
    fn bypass(&self, body: B) -> Self::Body;
}

/// A body that is ready, and what it hashes to.
pub type Readied<T> = Result<(T, PayloadHash), AuthError>;

/// Something that is done, or a future that will have done it. What is done need not be moved into a
/// future and out again, which on the hot path is most of the cost.
#[derive(Debug)]
pub enum Step<T, F> {
    /// Done.
    Now(T),
    /// Still to be awaited.
    Later(F),
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Passthrough {}
    impl Sealed for super::CloneBody {}
    impl Sealed for super::Buffer {}
}

/// Bodies go through untouched, and cannot be sent twice. For schemes that look at the head only;
/// one that needs the payload is answered with an error.
#[derive(Clone, Copy, Debug, Default)]
pub struct Passthrough;

impl<B> PreparePayload<B> for Passthrough {
    type Prepared = B;
    type Spare = Infallible;
    type Body = B;
    type Future = Pending<Readied<B>>;

    fn prepare(
        &self,
        _head: &request::Parts,
        need: Need,
        body: B,
    ) -> Step<Readied<B>, Self::Future> {
        Step::Now(unread(need, body))
    }

    fn keep(&self, _prepared: &B) -> Option<Infallible> {
        None
    }

    fn replay(&self, spare: Infallible) -> Option<B> {
        match spare {}
    }

    fn seal(&self, prepared: B, _applied: Applied) -> B {
        prepared
    }

    fn bypass(&self, body: B) -> B {
        body
    }
}

/// Bodies go through untouched and are cloned beforehand, so that they can be sent twice. For
/// bodies whose clones are cheap and complete, such as `Full<Bytes>` or `Empty`.
#[derive(Clone, Copy, Debug, Default)]
pub struct CloneBody;

impl<B: Clone> PreparePayload<B> for CloneBody {
    type Prepared = B;
    type Spare = B;
    type Body = B;
    type Future = Pending<Readied<B>>;

    fn prepare(
        &self,
        _head: &request::Parts,
        need: Need,
        body: B,
    ) -> Step<Readied<B>, Self::Future> {
        Step::Now(unread(need, body))
    }

    fn keep(&self, prepared: &B) -> Option<B> {
        Some(prepared.clone())
    }

    fn replay(&self, spare: B) -> Option<B> {
        Some(spare)
    }

    fn seal(&self, prepared: B, _applied: Applied) -> B {
        prepared
    }

    fn bypass(&self, body: B) -> B {
        body
    }
}

fn unread<T>(need: Need, body: T) -> Readied<T> {
    match need {
        Need::Head => Ok((body, PayloadHash::Unsigned)),
        Need::Hashed(hash) => Ok((body, hash)),
        Need::Payload => Err(AuthError::new(
            AuthErrorKind::Configuration,
            "the credential covers the payload, and this layer does not read bodies: use \
             `.payload(Buffer::default())`",
        )),
    }
}

/// Bodies are read whole and hashed where the scheme needs the payload, up to a limit; everything
/// else streams through.
///
/// A buffered body is sent with its exact length, trailers included, and can be sent twice. A body
/// that only streams through never can.
#[derive(Clone, Copy, Debug)]
pub struct Buffer {
    limit: usize,
}

impl Buffer {
    /// 10 MiB: [API Gateway's own limit for a payload][quota], so that what fits there fits here.
    ///
    /// [quota]: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-execution-service-limits-table.html
    pub const DEFAULT_LIMIT: usize = 10 * 1024 * 1024;

    /// Reads bodies of up to `limit` bytes. A larger one is [`AuthErrorKind::PayloadTooLarge`], and
    /// nothing is sent; where its length is announced, nothing is read either.
    pub fn new(limit: usize) -> Self {
        Self { limit }
    }
}

impl Default for Buffer {
    fn default() -> Self {
        Self::new(Self::DEFAULT_LIMIT)
    }
}

impl<B: Body> PreparePayload<B> for Buffer
where
    B::Error: Into<BoxError>,
{
    type Prepared = Prepared<B>;
    type Spare = Buffered;
    type Body = AuthBody<B>;
    type Future = BufferFuture<B>;

    fn prepare(
        &self,
        head: &request::Parts,
        need: Need,
        body: B,
    ) -> Step<Readied<Prepared<B>>, BufferFuture<B>> {
        if need != Need::Payload {
            return Step::Now(unread(need, Prepared(Repr::Stream(body))));
        }
        match self.collect(head, body) {
            Ok(collect) => Step::Later(BufferFuture { collect }),
            Err(error) => Step::Now(Err(error)),
        }
    }

    fn keep(&self, prepared: &Prepared<B>) -> Option<Buffered> {
        match &prepared.0 {
            Repr::Buffered(buffered) => Some(buffered.clone()),
            Repr::Stream(_) => None,
        }
    }

    fn replay(&self, spare: Buffered) -> Option<Prepared<B>> {
        Some(Prepared(Repr::Buffered(spare)))
    }

    fn seal(&self, prepared: Prepared<B>, _applied: Applied) -> AuthBody<B> {
        match prepared.0 {
            Repr::Buffered(buffered) => AuthBody {
                kind: Kind::Buffered { buffered },
            },
            Repr::Stream(body) => self.bypass(body),
        }
    }

    fn bypass(&self, body: B) -> AuthBody<B> {
        AuthBody {
            kind: Kind::Stream { body },
        }
    }
}

impl Buffer {
    /// Refuses what is announced as too large before any of it is read.
    fn collect<B: Body>(&self, head: &request::Parts, body: B) -> Result<Collect<B>, AuthError> {
        let announced = content_length(head)?;
        let least = body.size_hint().lower().max(announced.unwrap_or(0));
        if usize::try_from(least).map_or(true, |least| least > self.limit) {
            return Err(self.too_large());
        }
        Ok(Collect {
            body,
            limit: self.limit,
            announced,
            expected: least,
            data: Collected::Nothing,
            trailers: None,
            hasher: PayloadHasher::default(),
        })
    }

    fn too_large(&self) -> AuthError {
        too_large(self.limit)
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

fn content_length(head: &request::Parts) -> Result<Option<u64>, AuthError> {
    let mut lengths = head.headers.get_all(header::CONTENT_LENGTH).iter();
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
            "the request's `Content-Length` is not one number",
        ));
    }
    Ok(parsed)
}

/// A body that has been read, or is about to stream.
pub struct Prepared<B>(Repr<B>);

enum Repr<B> {
    Buffered(Buffered),
    Stream(B),
}

impl<B> fmt::Debug for Prepared<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared").finish_non_exhaustive()
    }
}

/// A whole body in memory. Clones share the bytes.
#[derive(Clone)]
pub struct Buffered {
    data: Bytes,
    trailers: Option<HeaderMap>,
}

impl fmt::Debug for Buffered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffered")
            .field("len", &self.data.len())
            .finish_non_exhaustive()
    }
}

pin_project! {
    /// Reads a body for [`Buffer`].
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
        // The caller's `Content-Length`, which must turn out true.
        announced: Option<u64>,
        // How much to make room for.
        expected: u64,
        data: Collected,
        trailers: Option<HeaderMap>,
        hasher: PayloadHasher,
    }
}

/// One chunk is kept as it came; several are copied together, because a list of tiny chunks would
/// cost many times their bytes.
enum Collected {
    Nothing,
    One(Bytes),
    Many(BytesMut),
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
            Self::Many(chunks) => chunks.len(),
        }
    }

    fn push(&mut self, chunk: Bytes, expected: u64) {
        match std::mem::replace(self, Self::Nothing) {
            Self::Nothing => *self = Self::One(chunk),
            Self::One(first) => {
                let reserve = expected.min(MAX_RESERVE) as usize;
                let mut all = BytesMut::with_capacity(reserve.max(first.len() + chunk.len()));
                all.extend_from_slice(&first);
                all.extend_from_slice(&chunk);
                *self = Self::Many(all);
            }
            Self::Many(mut all) => {
                all.extend_from_slice(&chunk);
                *self = Self::Many(all);
            }
        }
    }

    fn freeze(self) -> Bytes {
        match self {
            Self::Nothing => Bytes::new(),
            Self::One(chunk) => chunk,
            Self::Many(chunks) => chunks.freeze(),
        }
    }
}

impl<B: Body> Future for BufferFuture<B>
where
    B::Error: Into<BoxError>,
{
    type Output = Readied<Prepared<B>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (buffered, hash) = ready!(self.project().collect.poll_collect(cx))?;
        Poll::Ready(Ok((Prepared(Repr::Buffered(buffered)), hash)))
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
                    this.hasher.update(&chunk);
                    if !chunk.is_empty() {
                        this.data.push(chunk, *this.expected);
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
                        *this.trailers = Some(trailers);
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
        let data = std::mem::replace(this.data, Collected::Nothing).freeze();
        let hash = std::mem::take(this.hasher).finish();
        let trailers = this.trailers.take();
        Poll::Ready(Ok((Buffered { data, trailers }, hash)))
    }
}

impl<B> fmt::Debug for BufferFuture<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BufferFuture").finish_non_exhaustive()
    }
}

pin_project! {
    /// The body [`Buffer`] hands to the service below: buffered bytes with their trailers, or the
    /// caller's body as it streams.
    ///
    /// Its data is [`Bytes`] whatever the caller's was, since that is what clients take; a caller's
    /// `Bytes` are passed on without copying.
    pub struct AuthBody<B> {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[project = KindProj]
    enum Kind<B> {
        Buffered { buffered: Buffered },
        Stream { #[pin] body: B },
    }
}

impl<B: Body> Body for AuthBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.project().kind.project() {
            KindProj::Buffered { buffered } => Poll::Ready(buffered.next_frame().map(Ok)),
            KindProj::Stream { body } => body.poll_frame(cx).map_ok(|frame| {
                frame.map_data(|mut data| {
                    let length = data.remaining();
                    data.copy_to_bytes(length)
                })
            }),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Buffered { buffered } => buffered.data.is_empty() && buffered.trailers.is_none(),
            Kind::Stream { body } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Buffered { buffered } => buffered.size_hint(),
            Kind::Stream { body } => body.size_hint(),
        }
    }
}

impl Buffered {
    fn next_frame(&mut self) -> Option<Frame<Bytes>> {
        if self.data.is_empty() {
            self.trailers.take().map(Frame::trailers)
        } else {
            Some(Frame::data(std::mem::take(&mut self.data)))
        }
    }

    fn size_hint(&self) -> SizeHint {
        let length = self.data.len() as u64;
        match self.trailers {
            None => SizeHint::with_exact(length),
            // HTTP/1 sends trailers only after a chunked body, and hyper chunks only where the
            // length is not exact.
            Some(_) => {
                let mut hint = SizeHint::new();
                hint.set_lower(length);
                hint
            }
        }
    }
}

impl<B> fmt::Debug for AuthBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthBody").finish_non_exhaustive()
    }
}

/// So that one client can serve requests that pass a buffering layer and requests that do not.
impl<B> From<B> for AuthBody<B> {
    fn from(body: B) -> Self {
        Self {
            kind: Kind::Stream { body },
        }
    }
}

impl<B: Clone> Clone for AuthBody<B> {
    fn clone(&self) -> Self {
        let kind = match &self.kind {
            Kind::Buffered { buffered } => Kind::Buffered {
                buffered: buffered.clone(),
            },
            Kind::Stream { body } => Kind::Stream { body: body.clone() },
        };
        Self { kind }
    }
}

/// So that a redirect layer below can send a request without its body.
impl<B: Default> Default for AuthBody<B> {
    fn default() -> Self {
        Self {
            kind: Kind::Stream { body: B::default() },
        }
    }
}
