//! Where tokens come from: the trait, closures, and tokens that never change.

use std::fmt;
use std::future::{Future, Ready, ready};
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::token::Token;
use crate::error::{AuthError, BoxError};

/// Hands out the token for a request.
///
/// Implemented for a [`Token`] that never changes, for any closure that returns a future (see
/// below), and for `Cached` (feature `cache`), which is what to wrap a source in that does I/O:
/// without it the source is asked for every single request.
///
/// ```
/// use tower_client_auth::{BearerTokenLayer, Token};
///
/// # async fn fetch() -> Result<String, std::io::Error> { Ok("t".into()) }
/// // any async closure over strings or `Token`s; errors convert with `?`
/// let layer = BearerTokenLayer::new("https://api.example.com", || async {
///     Ok(fetch().await?)
/// })?;
/// # Ok::<(), tower_client_auth::AuthError>(())
/// ```
///
/// # Contract
///
/// - A source must use a transport of its own. The layer holds a slot of the service below it while
///   it waits for the token; a source that sends its request through that same service deadlocks as
///   soon as a concurrency limit is full.
/// - An error that is an [`AuthError`] keeps its kind; any other counts as transient.
/// - The future may be dropped at any point. A source that must not stop half-way (a rotating
///   refresh token) says so ([`must_finish`](TokenSource::must_finish)) and belongs in a cache, which
///   runs it on a task of its own; for a closure, set `finish_loads` where the cache is built.
pub trait TokenSource {
    /// The pending token.
    type Future: Future<Output = Result<Token, AuthError>>;

    /// The token to use now.
    fn token(&self) -> Self::Future;

    /// The token if it is at hand, which saves a warm request the way through
    /// [`token`](TokenSource::token). `None`, the default, is always right.
    fn at_hand(&self) -> Option<Token> {
        None
    }

    /// Whether the source looks at the clock itself and hands out nothing that has expired, so that
    /// the layer need not look again. `false`, the default, is always right.
    #[doc(hidden)]
    fn checks_expiry(&self) -> bool {
        false
    }

    /// Whether a call must not be stopped half-way, because what it leaves behind could not be had
    /// again: a refresh token that the server replaces at every use. A cache then lets a load finish
    /// that nobody waits for any more, even after the cache is dropped, within its load timeout. `false`
    /// is the default.
    fn must_finish(&self) -> bool {
        false
    }

    /// A cache keeps what this source hands out, for sources that know when that is no good any more.
    #[cfg(feature = "cache")]
    #[doc(hidden)]
    fn kept_by(&self, cache: super::cache::CacheRef) {
        let _ = cache;
    }

    /// The server rejected `token`, so the next answer should be a different one.
    ///
    /// May be called several times with one token, and late, when a newer one is already there: a
    /// source that remembers tokens compares with [`Token::is_same`].
    fn rejected(&self, token: &Token) {
        let _ = token;
    }
}

/// A token that never changes.
impl TokenSource for Token {
    type Future = Ready<Result<Token, AuthError>>;

    fn token(&self) -> Self::Future {
        ready(Ok(self.clone()))
    }

    fn at_hand(&self) -> Option<Token> {
        Some(self.clone())
    }
}

impl<S: TokenSource + ?Sized> TokenSource for Arc<S> {
    type Future = S::Future;

    fn token(&self) -> Self::Future {
        (**self).token()
    }

    fn at_hand(&self) -> Option<Token> {
        (**self).at_hand()
    }

    fn checks_expiry(&self) -> bool {
        (**self).checks_expiry()
    }

    fn must_finish(&self) -> bool {
        (**self).must_finish()
    }

    #[cfg(feature = "cache")]
    fn kept_by(&self, cache: super::cache::CacheRef) {
        (**self).kept_by(cache);
    }

    fn rejected(&self, token: &Token) {
        (**self).rejected(token);
    }
}

/// Closures. The error type is fixed, because a generic one would leave every closure that uses `?`
/// without a type; [`token_fn`] takes any.
impl<F, Fut, T> TokenSource for F
where
    F: Fn() -> Fut,
    Fut: Future<Output = Result<T, BoxError>>,
    T: Into<Token>,
{
    type Future = TokenFuture<Fut, T>;

    fn token(&self) -> Self::Future {
        TokenFuture::new(self())
    }
}

/// A source from a function whose error is of any type.
///
/// ```
/// use tower_client_auth::{BearerTokenLayer, token_fn};
///
/// async fn fetch() -> Result<String, std::io::Error> {
///     Ok("token".into())
/// }
/// let layer = BearerTokenLayer::new("https://api.example.com", token_fn(fetch))?;
/// # Ok::<(), tower_client_auth::AuthError>(())
/// ```
pub fn token_fn<F, Fut, T, E>(function: F) -> TokenFn<F>
where
    F: Fn() -> Fut,
    Fut: Future<Output = Result<T, E>>,
    T: Into<Token>,
    E: Into<BoxError>,
{
    TokenFn { function }
}

/// What [`token_fn`] returns.
#[derive(Clone)]
pub struct TokenFn<F> {
    function: F,
}

impl<F> fmt::Debug for TokenFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenFn").finish_non_exhaustive()
    }
}

impl<F, Fut, T, E> TokenSource for TokenFn<F>
where
    F: Fn() -> Fut,
    Fut: Future<Output = Result<T, E>>,
    T: Into<Token>,
    E: Into<BoxError>,
{
    type Future = TokenFuture<Fut, T>;

    fn token(&self) -> Self::Future {
        TokenFuture::new((self.function)())
    }
}

pin_project! {
    /// The pending answer of a closure.
    pub struct TokenFuture<Fut, T> {
        #[pin]
        future: Fut,
        _token: PhantomData<fn() -> T>,
    }
}

impl<Fut, T> TokenFuture<Fut, T> {
    fn new(future: Fut) -> Self {
        Self {
            future,
            _token: PhantomData,
        }
    }
}

impl<Fut, T, E> Future for TokenFuture<Fut, T>
where
    Fut: Future<Output = Result<T, E>>,
    T: Into<Token>,
    E: Into<BoxError>,
{
    type Output = Result<Token, AuthError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = ready!(self.project().future.poll(cx));
        Poll::Ready(match answer {
            Ok(token) => Ok(token.into()),
            Err(error) => Err(AuthError::from_source(error.into())),
        })
    }
}

impl<Fut, T> fmt::Debug for TokenFuture<Fut, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenFuture").finish_non_exhaustive()
    }
}
