//! The one error type of the crate.

use std::borrow::Cow;
use std::convert::Infallible;
use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::sync::Arc;

/// Any error at all, the way tower's own middleware spells it.
pub type BoxError = Box<dyn StdError + Send + Sync + 'static>;

/// Why a request could not be authorized, or a layer could not be built.
///
/// The services of this crate answer with [`BoxError`], so that they compose with every other
/// tower middleware. The errors of the service *below* them come through untouched; errors of this
/// crate are `AuthError`s, which [`AuthError::find`] picks out of any chain:
///
/// ```
/// use tower_client_auth::{AuthError, AuthErrorKind, BoxError};
///
/// fn worth_another_try(error: &BoxError) -> bool {
///     match AuthError::find(error.as_ref()) {
///         Some(auth) => auth.is_transient(),
///         None => true, // the transport's own error
///     }
/// }
/// # let e: BoxError = AuthError::new(AuthErrorKind::Request, "no host").into();
/// # assert!(!worth_another_try(&e));
/// ```
///
/// The text never contains a secret, a request body or a response body, and ends in what to do
/// about it where that is known. It is cheap to clone, so one failure can answer many waiters.
///
/// **When an `AuthError` comes out of a service, the request was not sent**, or, if a body that streams turns
/// out not to be what it was announced as, not to its end: no server takes that for a whole request.
#[derive(Clone)]
pub struct AuthError {
    inner: Arc<Inner>,
}

struct Inner {
    kind: AuthErrorKind,
    transient: bool,
    message: Cow<'static, str>,
    source: Option<BoxError>,
}

/// What went wrong, coarsely enough to act on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AuthErrorKind {
    /// A layer was given something it cannot work with: an empty key, a malformed origin, no async
    /// runtime for a cache. Fix the program or its configuration.
    Configuration,
    /// This request cannot be authorized as it stands: no host anywhere, a `Host` header that
    /// names somebody else, a header that cannot be signed. Fix the request.
    Request,
    /// The credential would have crossed a network in plain text.
    PlainText,
    /// The body is larger than the layer was told to buffer.
    PayloadTooLarge,
    /// The body failed while it was read; the body's own error is the source. Or it was not what it was
    /// announced as, which shows while it is sent.
    Payload,
    /// The token or credentials source failed; its error is the source.
    Source,
    /// The source handed over something that cannot be used as a credential: an empty token, one
    /// with control characters.
    MalformedCredential,
    /// The credential has expired, and there was no newer one to be had.
    Expired,
    /// Only the user can help, by signing in: nobody has, or the session has ended or was revoked. An
    /// issuer that cannot be reached is never a reason for it.
    SignInRequired,
}

impl AuthError {
    /// An error with a message of its own, for [`Authorizer`](crate::Authorizer)s and sources
    /// outside this crate. It counts as permanent; see [`AuthError::transient`].
    ///
    /// The message goes to logs and users: keep secrets out of it.
    pub fn new(kind: AuthErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self::build(kind, false, message.into(), None)
    }

    /// A source failed in a way that may pass: a timeout, a 503, a connection reset.
    pub fn transient(source: impl Into<BoxError>) -> Self {
        Self::build(
            AuthErrorKind::Source,
            true,
            "the credential source failed; the request was not sent".into(),
            Some(source.into()),
        )
    }

    /// A source failed in a way that will not pass by itself: a revoked refresh token, a wrong
    /// client secret.
    pub fn terminal(source: impl Into<BoxError>) -> Self {
        Self::build(
            AuthErrorKind::Source,
            false,
            "the credential source refused; the request was not sent".into(),
            Some(source.into()),
        )
    }

    /// A source failed in a way that may pass, in words of this crate's.
    #[cfg(feature = "oauth")]
    pub(crate) fn passing(message: impl Into<Cow<'static, str>>) -> Self {
        Self::build(AuthErrorKind::Source, true, message.into(), None)
    }

    /// A source failed in a way that stays, in words of this crate's.
    #[cfg(feature = "oauth")]
    pub(crate) fn refused(message: impl Into<Cow<'static, str>>) -> Self {
        Self::build(AuthErrorKind::Source, false, message.into(), None)
    }

    /// The same error with a cause, which [`std::error::Error::source`] then returns.
    #[must_use]
    pub fn with_source(self, source: impl Into<BoxError>) -> Self {
        Self::build(
            self.kind(),
            self.inner.transient,
            self.inner.message.clone(),
            Some(source.into()),
        )
    }

    /// What went wrong.
    pub fn kind(&self) -> AuthErrorKind {
        self.inner.kind
    }

    /// Whether the same request may succeed later with nothing changed.
    ///
    /// Only sources fail so; everything else asks for a change to the program, its configuration
    /// or the request.
    pub fn is_transient(&self) -> bool {
        self.inner.transient
    }

    /// The first `AuthError` in the chain that starts at `error`, itself included.
    ///
    /// Other middleware wraps errors, so the outermost one is often not ours.
    pub fn find<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a AuthError> {
        find_in_chain(error)
    }

    /// What a user's own source answered: an `AuthError` stays what it is. Anything else counts as
    /// transient, since a source that knows better says so, at the latest by an `AuthError` further
    /// down in the chain.
    pub(crate) fn from_source(error: BoxError) -> Self {
        match error.downcast::<AuthError>() {
            Ok(own) => *own,
            Err(error) => match AuthError::find(error.as_ref()) {
                Some(found) if !found.is_transient() => AuthError::terminal(error),
                Some(_) => AuthError::transient(error),
                None => AuthError::transient(error),
            },
        }
    }

    /// A header map has an end, and panics beyond it unless it is asked to try.
    pub(crate) fn too_many_headers() -> Self {
        Self::new(
            AuthErrorKind::Request,
            "the request has more headers than a header map can hold",
        )
    }

    /// Everything in a signature was checked when it came in; this is so that a mistake there could
    /// not become a panic.
    #[cfg(feature = "sigv4")]
    pub(crate) fn unwritable_signature() -> Self {
        Self::new(
            AuthErrorKind::Request,
            "the signature cannot be written into a header",
        )
    }

    fn build(
        kind: AuthErrorKind,
        transient: bool,
        message: Cow<'static, str>,
        source: Option<BoxError>,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                kind,
                transient,
                message,
                source,
            }),
        }
    }
}

/// The first error of a kind in the chain that starts at `error`, itself included.
pub(crate) fn find_in_chain<'a, E: StdError + 'static>(
    error: &'a (dyn StdError + 'static),
) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        // An `io::Error` leaves what it wraps out of its own chain.
        next = match error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
        {
            Some(wrapped) => Some(wrapped),
            None => error.source(),
        };
    }
    None
}

impl fmt::Display for AuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.inner.message)
    }
}

impl fmt::Debug for AuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A cause is shown by its own words, not by its Debug: other people's Debug impls print
        // replies and configuration structs whole.
        f.debug_struct("AuthError")
            .field("kind", &self.inner.kind)
            .field("transient", &self.inner.transient)
            .field("message", &self.inner.message)
            .field("source", &self.inner.source.as_ref().map(|s| s.to_string()))
            .finish()
    }
}

impl StdError for AuthError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.inner.source {
            Some(source) => Some(source.as_ref()),
            None => None,
        }
    }
}

/// Lets constructors take `impl TryInto<Scope>`, a ready-made scope included.
impl From<Infallible> for AuthError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}
