//! What a cache can hold, and what it can load from.

use std::future::Future;

use super::source::TokenSource;
use super::token::Token;
use crate::clock::Moment;
use crate::error::AuthError;

/// What a cache can hold: sealed, since it is about the crate's two kinds of credential.
pub trait Cacheable: Clone + Send + Sync + sealed::Sealed + 'static {
    #[doc(hidden)]
    #[allow(private_interfaces)]
    fn received(self, start: Moment) -> Self;
    #[doc(hidden)]
    fn may_expire(&self) -> bool;
    #[doc(hidden)]
    #[allow(private_interfaces)]
    fn has_expired(&self, now: &Moment) -> bool;
    #[doc(hidden)]
    fn is_same(&self, other: &Self) -> bool;
}

/// What a cache can load from: every [`TokenSource`] and every AWS credentials provider that can
/// cross threads. It comes with those, and is not to be implemented by hand.
#[diagnostic::on_unimplemented(
    message = "a cache cannot load from `{Self}`",
    note = "closures return a `Result` with `tower_client_auth::BoxError`; `token_fn` takes any error",
    note = "source and future must be `Send` and `'static`, since loads run on tasks of their own"
)]
pub trait Load<V>: Send + Sync + 'static {
    #[doc(hidden)]
    fn load(&self) -> impl Future<Output = Result<V, AuthError>> + Send;
    #[doc(hidden)]
    fn rejected(&self, value: &V) {
        let _ = value;
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
}

#[cfg(feature = "sigv4")]
impl<P> Load<crate::sigv4::SigningCredentials> for P
where
    P: aws_credential_types::provider::ProvideCredentials + 'static,
{
    async fn load(&self) -> Result<crate::sigv4::SigningCredentials, AuthError> {
        use aws_credential_types::provider::error::CredentialsError;

        let credentials = self
            .provide_credentials()
            .await
            .map_err(|error| match error {
                CredentialsError::CredentialsNotLoaded(_)
                | CredentialsError::InvalidConfiguration(_) => AuthError::terminal(error),
                _ => AuthError::transient(error),
            })?;
        crate::sigv4::SigningCredentials::new(credentials)
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Token {}
    #[cfg(feature = "sigv4")]
    impl Sealed for crate::sigv4::SigningCredentials {}
}

macro_rules! cacheable {
    ($type:ty) => {
        #[allow(private_interfaces)]
        impl Cacheable for $type {
            fn received(self, start: Moment) -> Self {
                <$type>::received(self, start)
            }
            fn may_expire(&self) -> bool {
                <$type>::may_expire(self)
            }
            fn has_expired(&self, now: &Moment) -> bool {
                <$type>::has_expired(self, now)
            }
            fn is_same(&self, other: &Self) -> bool {
                <$type>::is_same(self, other)
            }
        }
    };
}

cacheable!(Token);
#[cfg(feature = "sigv4")]
cacheable!(crate::sigv4::SigningCredentials);
