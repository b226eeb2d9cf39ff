//! Whether and how a request's body is read before it is sent.

use std::convert::Infallible;
use std::future::{Future, Pending};

use http::{header, request};
use http_body::Body;

use super::auth_body::{AuthBody, Buffered, Prepared};
use super::collect::{BufferFuture, Hashing};
use super::guard::has_header;
use super::{Need, Sealing};
use crate::error::{AuthError, AuthErrorKind, BoxError};
use crate::payload::PayloadHash;

/// How bodies are made ready: [`Passthrough`], [`CloneBody`], [`ReplayBody`](super::ReplayBody), [`Buffer`],
/// `Chunked` or `SignedEvents`.
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

    /// A body that nothing need be known of, as it is under [`Need::Head`].
    fn stream(&self, body: B) -> Self::Prepared;

    /// Whether a body is read although the scheme needs nothing of it, so that it can be sent again.
    fn reads_ahead(&self, body: &B) -> bool {
        let _ = body;
        false
    }

    /// Readies the body as far as `need` asks; [`Need::Head`] and [`Need::Hashed`] read none of it, and
    /// are done at once, unless it is [read ahead](Self::reads_ahead).
    ///
    /// May say in the head how the body is encoded.
    fn prepare(
        &self,
        head: &mut request::Parts,
        need: Need,
        body: B,
    ) -> Step<Readied<Self::Prepared>, Self::Future>;

    /// Before sending: what a second sending would need, if there can be one.
    fn keep(&self, prepared: &Self::Prepared) -> Option<Self::Spare>;

    /// After a rejection: the body once more.
    fn replay(&self, spare: Self::Spare) -> Option<Self::Prepared>;

    /// The body to send.
    fn seal(&self, prepared: Self::Prepared, sealing: Sealing) -> Self::Body;

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
    impl Sealed for crate::layer::ReplayBody {}
    #[cfg(feature = "sigv4")]
    impl<P> Sealed for crate::layer::Chunked<P> {}
    #[cfg(feature = "event-stream")]
    impl Sealed for crate::layer::SignedEvents {}
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

    fn stream(&self, body: B) -> B {
        body
    }

    fn prepare(
        &self,
        _head: &mut request::Parts,
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

    fn seal(&self, prepared: B, _sealing: Sealing) -> B {
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

    fn stream(&self, body: B) -> B {
        body
    }

    fn prepare(
        &self,
        _head: &mut request::Parts,
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

    fn seal(&self, prepared: B, _sealing: Sealing) -> B {
        prepared
    }

    fn bypass(&self, body: B) -> B {
        body
    }
}

#[inline]
pub(super) fn unread<T>(need: Need, body: T) -> Readied<T> {
    match need {
        Need::Head => Ok((body, PayloadHash::Unsigned)),
        Need::Hashed(hash) => Ok((body, hash)),
        _ => Err(AuthError::new(
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
/// that only streams through cannot, unless it is empty: [`read_ahead`](Buffer::read_ahead) changes that.
///
/// Hashing takes the executor's thread about 0.6 ms for a MiB:
/// [`hash_elsewhere_from`](Buffer::hash_elsewhere_from) has large bodies hashed on other threads.
#[derive(Clone, Copy, Debug)]
pub struct Buffer {
    limit: usize,
    ahead: bool,
    /// Bodies of at least so many bytes are hashed elsewhere.
    #[cfg(feature = "cache")]
    elsewhere: Option<usize>,
}

impl Buffer {
    /// 10 MiB: [API Gateway's own limit for a payload][quota], so that what fits there fits here.
    ///
    /// [quota]: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-execution-service-limits-table.html
    pub const DEFAULT_LIMIT: usize = 10 * 1024 * 1024;

    /// Reads bodies of up to `limit` bytes. A larger one is [`AuthErrorKind::PayloadTooLarge`], and
    /// nothing is sent; where its length is announced, nothing is read either.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            ahead: false,
            #[cfg(feature = "cache")]
            elsewhere: None,
        }
    }

    /// Reads bodies within the limit whether or not the scheme needs them, so that
    /// [`retry_rejected`](crate::AuthorizeLayer::retry_rejected) can send them again. Those that do not say
    /// beforehand that they are within it stream through as ever, and are sent once.
    ///
    /// For layers with several schemes: a selector's bodies are hashed under `AWS_IAM`, and not under a
    /// token.
    ///
    /// ```
    /// use tower_client_auth::{BearerTokenLayer, Buffer, Token};
    ///
    /// let token = Token::new("mF_9.B5f-4.1JqM")?;
    /// let layer = BearerTokenLayer::new("https://api.example.com", token)?
    ///     .retry_rejected(Buffer::default().read_ahead());
    /// # Ok::<(), tower_client_auth::AuthError>(())
    /// ```
    #[must_use]
    pub fn read_ahead(mut self) -> Self {
        self.ahead = true;
        self
    }

    /// Hashes bodies of `bytes` or more on tokio's blocking threads ([`spawn_blocking`](tokio::task::spawn_blocking)),
    /// so that the executor has its thread back meanwhile; smaller ones are hashed where they are read, as all are
    /// without this.
    ///
    /// For programs whose other tasks cannot wait for large bodies: a MiB takes about 0.6 ms with SHA extensions, and
    /// several times as long without. The request itself takes longer, by the way to another thread and back: some
    /// 20 µs at 64 KiB, which are hashed in 40, and up to 80 µs at a MiB. So less than 64 KiB is seldom worth it.
    /// A body in many chunks is hashed once it is all there, and not while it comes.
    ///
    /// Outside a tokio runtime every body is hashed where it is read. What need not be hashed, as its
    /// hash is known or the scheme does not ask for it, goes nowhere. Where a runtime shuts down first, its
    /// requests fail with [`AuthErrorKind::Configuration`], and nothing is sent.
    ///
    /// ```
    /// # #[cfg(feature = "sigv4")] {
    /// use aws_credential_types::Credentials;
    /// use tower_client_auth::{Buffer, SigV4Layer};
    ///
    /// let credentials = Credentials::new("AKIDEXAMPLE", "secret", None, None, "example");
    /// let layer = SigV4Layer::new("eu-west-1", "execute-api", credentials)?
    ///     .payload(Buffer::default().hash_elsewhere_from(256 * 1024));
    /// # }
    /// # Ok::<(), tower_client_auth::AuthError>(())
    /// ```
    #[cfg(feature = "cache")]
    #[must_use]
    pub fn hash_elsewhere_from(mut self, bytes: usize) -> Self {
        // There is nothing to hash in nothing.
        self.elsewhere = Some(bytes.max(1));
        self
    }

    fn hashing(&self) -> Hashing {
        #[cfg(feature = "cache")]
        if let Some(from) = self.elsewhere {
            return Hashing::Elsewhere { from };
        }
        Hashing::OnTheWay
    }

    /// Whether a body says that it is not over the limit.
    fn fits<B: Body>(&self, body: &B) -> bool {
        let upper = body.size_hint().upper();
        upper.is_some_and(|upper| upper <= self.limit as u64)
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

    #[inline]
    fn stream(&self, body: B) -> Prepared<B> {
        Prepared::stream(body)
    }

    #[inline]
    fn reads_ahead(&self, body: &B) -> bool {
        self.ahead && self.fits(body)
    }

    #[inline]
    fn prepare(
        &self,
        head: &mut request::Parts,
        need: Need,
        body: B,
    ) -> Step<Readied<Prepared<B>>, BufferFuture<B>> {
        let known = match need {
            Need::Head => Some(PayloadHash::Unsigned),
            Need::Hashed(hash) => Some(hash),
            _ => None,
        };
        if known.is_some() && !self.reads_ahead(&body) {
            return Step::Now(unread(need, Prepared::stream(body)));
        }
        // What has no body need not wait to be polled.
        if body.is_end_stream() && !has_header(&head.headers, &header::CONTENT_LENGTH) {
            let hash = known.unwrap_or(PayloadHash::EMPTY);
            return Step::Now(Ok((Buffered::default().into(), hash)));
        }
        let hashing = known.map_or_else(|| self.hashing(), Hashing::Known);
        match BufferFuture::new(self.limit, hashing, head, body) {
            Ok(future) => Step::Later(future),
            Err(error) => Step::Now(Err(error)),
        }
    }

    #[inline]
    fn keep(&self, prepared: &Prepared<B>) -> Option<Buffered> {
        prepared.buffered().or_else(|| prepared.nothing_left())
    }

    fn replay(&self, spare: Buffered) -> Option<Prepared<B>> {
        Some(spare.into())
    }

    #[inline]
    fn seal(&self, prepared: Prepared<B>, _sealing: Sealing) -> AuthBody<B> {
        prepared.into()
    }

    fn bypass(&self, body: B) -> AuthBody<B> {
        body.into()
    }
}
