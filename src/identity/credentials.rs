//! Where AWS credentials come from.

use std::future::{Future, Ready, ready};
use std::sync::Arc;

use aws_credential_types::Credentials;

use crate::error::AuthError;
use crate::sigv4::SigningCredentials;

/// Hands out the AWS credentials for a request.
///
/// Implemented for [`SigningCredentials`] that never change and for `Cached` (feature `cache`)
/// around any [`ProvideCredentials`](aws_credential_types::provider::ProvideCredentials), which is
/// what [`SigV4Layer::from_provider`](crate::AuthorizeLayer::from_provider) builds. A provider is not
/// a source by itself: asking one for every request is asking the metadata service or STS for every
/// request.
///
/// The contract of [`TokenSource`](crate::TokenSource) holds here too.
pub trait CredentialsSource {
    /// The pending credentials.
    type Future: Future<Output = Result<SigningCredentials, AuthError>>;

    /// The credentials to sign with now.
    fn credentials(&self) -> Self::Future;

    /// The credentials if they are at hand, which saves a warm request the way through
    /// [`credentials`](CredentialsSource::credentials). `None`, the default, is always right.
    fn at_hand(&self) -> Option<SigningCredentials> {
        None
    }

    /// Whether the source looks at the clock itself and hands out nothing that has expired, so that
    /// the layer need not look again. `false`, the default, is always right.
    #[doc(hidden)]
    fn checks_expiry(&self) -> bool {
        false
    }

    /// The server rejected these credentials, so the next answer should be different ones.
    ///
    /// May be called several times, and late: compare with [`SigningCredentials::is_same`].
    fn rejected(&self, credentials: &SigningCredentials) {
        let _ = credentials;
    }
}

impl CredentialsSource for SigningCredentials {
    type Future = Ready<Result<SigningCredentials, AuthError>>;

    fn credentials(&self) -> Self::Future {
        ready(Ok(self.clone()))
    }

    fn at_hand(&self) -> Option<SigningCredentials> {
        Some(self.clone())
    }
}

impl<S: CredentialsSource + ?Sized> CredentialsSource for Arc<S> {
    type Future = S::Future;

    fn credentials(&self) -> Self::Future {
        (**self).credentials()
    }

    fn at_hand(&self) -> Option<SigningCredentials> {
        (**self).at_hand()
    }

    fn checks_expiry(&self) -> bool {
        (**self).checks_expiry()
    }

    fn rejected(&self, credentials: &SigningCredentials) {
        (**self).rejected(credentials);
    }
}

/// What [`SigV4Layer::new`](crate::AuthorizeLayer) takes for credentials: any
/// [`CredentialsSource`], or plain [`Credentials`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no source of AWS credentials by itself",
    note = "a `ProvideCredentials` goes into `SigV4Layer::from_provider`, or into `Cached::credentials`"
)]
pub trait IntoCredentialsSource {
    /// The source it turns into.
    type Source: CredentialsSource;

    /// Turns it into a source.
    ///
    /// # Errors
    ///
    /// Those of [`SigningCredentials::new`], for plain credentials.
    fn into_credentials_source(self) -> Result<Self::Source, AuthError>;
}

impl<S: CredentialsSource> IntoCredentialsSource for S {
    type Source = S;

    fn into_credentials_source(self) -> Result<S, AuthError> {
        Ok(self)
    }
}

impl IntoCredentialsSource for Credentials {
    type Source = SigningCredentials;

    fn into_credentials_source(self) -> Result<SigningCredentials, AuthError> {
        SigningCredentials::new(self)
    }
}
