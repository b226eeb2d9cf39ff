//! What a cache can hold, and what it can load from.

use std::future::Future;
use std::time::Duration;

use super::cache::CacheRef;
use super::source::TokenSource;
use super::token::Token;
use crate::clock::{Deadline, Moment};
use crate::error::AuthError;

/// What a cache can hold: sealed, since it is about the crate's two kinds of credential.
pub trait Cacheable: Clone + Send + Sync + sealed::Credential + 'static {}

impl Cacheable for Token {}
#[cfg(feature = "sigv4")]
impl Cacheable for crate::sigv4::SigningCredentials {}

/// What a cache can load from: every [`TokenSource`] and every AWS credentials provider that can
/// cross threads. It comes with those, and is not to be implemented by hand.
#[diagnostic::on_unimplemented(
    message = "a cache cannot load from `{Self}`",
    note = "closures return a `Result` with `tower_client_auth::BoxError`; `token_fn` takes any error",
    note = "source and future must be `Send` and `'static`, since loads run on tasks of their own"
)]
pub trait Load<V>: Send + Sync + sealed::Source<V> + 'static {
    #[doc(hidden)]
    fn load(&self) -> impl Future<Output = Result<V, AuthError>> + Send;
    #[doc(hidden)]
    fn rejected(&self, value: &V) {
        let _ = value;
    }
    #[doc(hidden)]
    fn must_finish(&self) -> bool {
        false
    }
    #[doc(hidden)]
    fn kept_by(&self, cache: CacheRef) {
        let _ = cache;
    }
}

impl<S> Load<Token> for S
where
    S: TokenSource + Send + Sync + 'static,
    S::Future: Send,
{
    fn load(&self) -> impl Future<Output = Result<Token, AuthError>> + Send {
        self.token()
    }

    fn rejected(&self, token: &Token) {
        TokenSource::rejected(self, token);
    }

    fn must_finish(&self) -> bool {
        TokenSource::must_finish(self)
    }

    fn kept_by(&self, cache: CacheRef) {
        TokenSource::kept_by(self, cache);
    }
}

#[cfg(feature = "sigv4")]
impl<P> Load<crate::sigv4::SigningCredentials> for P
where
    P: aws_credential_types::provider::ProvideCredentials + 'static,
{
    async fn load(&self) -> Result<crate::sigv4::SigningCredentials, AuthError> {
        use aws_credential_types::provider::error::CredentialsError;

        let credentials = self.provide_credentials().await.map_err(|error| {
            // A provider of ours, perhaps within another, has said it better already.
            match (AuthError::find(&error), &error) {
                (Some(own), _) => own.clone(),
                (None, CredentialsError::CredentialsNotLoaded(_))
                | (None, CredentialsError::InvalidConfiguration(_)) => AuthError::terminal(error),
                _ => AuthError::transient(error),
            }
        })?;
        let credentials = crate::sigv4::SigningCredentials::new(credentials)?;
        #[cfg(feature = "cognito")]
        let credentials = super::cognito::with_standing(self, credentials);
        Ok(credentials)
    }

    /// Of the providers, only ours know when their credentials are no good any more.
    #[cfg(feature = "cognito")]
    fn kept_by(&self, cache: CacheRef) {
        super::cognito::kept_by(self, cache);
    }
}

pub(super) mod sealed {
    use super::*;

    /// Everything a cache can load from is one of these two.
    pub trait Source<V> {}

    impl<S> Source<Token> for S
    where
        S: TokenSource + Send + Sync + 'static,
        S::Future: Send,
    {
    }

    #[cfg(feature = "sigv4")]
    impl<P> Source<crate::sigv4::SigningCredentials> for P where
        P: aws_credential_types::provider::ProvideCredentials + 'static
    {
    }

    /// What a cache has to know about a credential.
    #[allow(private_interfaces)]
    pub trait Credential: Sized {
        /// Fixes its end: it was asked for at `start`, and lasts for `assumed` if it does not say.
        fn received(self, start: Moment, assumed: Option<Duration>) -> Self;
        /// When it ends, once it has been received.
        fn deadline(&self) -> Option<Deadline>;
        /// Lets it be used for longer than it says.
        fn extended(self, by: Duration) -> Self;
        /// Whether it can be sent at all.
        fn check(&self) -> Result<(), AuthError>;
        /// Whether it is this very generation, not merely one with the same text.
        fn is_same(&self, other: &Self) -> bool;
    }

    #[allow(private_interfaces)]
    impl Credential for Token {
        fn received(self, start: Moment, assumed: Option<Duration>) -> Self {
            self.received(start, assumed)
        }

        fn deadline(&self) -> Option<Deadline> {
            self.deadline()
        }

        /// A bearer token is never sent past its end.
        fn extended(self, _by: Duration) -> Self {
            self
        }

        fn check(&self) -> Result<(), AuthError> {
            self.check()
        }

        fn is_same(&self, other: &Self) -> bool {
            self.is_same(other)
        }
    }

    #[cfg(feature = "sigv4")]
    #[allow(private_interfaces)]
    impl Credential for crate::sigv4::SigningCredentials {
        fn received(self, start: Moment, assumed: Option<Duration>) -> Self {
            self.received(start, assumed)
        }

        fn deadline(&self) -> Option<Deadline> {
            self.deadline()
        }

        fn extended(self, by: Duration) -> Self {
            self.extended(by)
        }

        /// They were checked when they were made.
        fn check(&self) -> Result<(), AuthError> {
            Ok(())
        }

        fn is_same(&self, other: &Self) -> bool {
            self.is_same(other)
        }
    }
}
