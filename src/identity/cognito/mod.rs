//! Amazon Cognito: users who sign in at a user pool, and the AWS credentials that an identity pool gives to them and
//! to guests. Feature `cognito`.
//!
//! ```no_run
//! # use tower_client_auth::{BoxError, Config, Secret, Transport};
//! # async fn example(transport: Transport, password: Secret) -> Result<(), BoxError> {
//! let config = Config::from_path("amplifyconfiguration.json")?;
//! let session = config.session(transport)?;
//! let auth = config.selector().session(session.clone()).layer_for_all()?;
//!
//! // requests go out as a guest
//! let tokens = session.user_pool()?.sign_in("alice", password).await?.tokens()?;
//! session.sign_in(&tokens).await?;
//! // and as alice
//! # drop(auth);
//! # Ok(())
//! # }
//! ```
//!
//! | | |
//! |---|---|
//! | [`Session`] | a guest, or a user who has signed in: tokens and credentials that follow |
//! | [`UserPool`] | signs users in: SRP, password, second factors, new passwords, custom challenges |
//! | [`IdentityPool`] | AWS credentials for guests, for users, and for the tokens of other providers |
//! | [`CognitoError`] | what Cognito said |
//!
//! Over HTTP they talk by a [`Transport`](crate::Transport); what has to outlive a run of the program is in a
//! [`RefreshTokenStore`](crate::oauth::RefreshTokenStore).
//!
//! # What is not there
//!
//! Signing up, forgotten passwords, a user's attributes, and remembered devices: a program does those with AWS's own
//! SDK, or in the pool's web pages. Passkeys (`WEB_AUTHN`) come as [`SignIn::Other`].

mod claims;
mod credentials;
mod endpoint;
mod error;
mod identity_id;
mod identity_pool;
mod kept;
mod refresh;
mod session;
mod sign_in;
mod srp;
mod tokens;
mod user_pool;

use std::any::Any;

use super::cache::CacheRef;
use crate::sigv4::SigningCredentials;

pub use credentials::{IdentityCredentials, SessionProvider};
pub use error::CognitoError;
pub use identity_pool::IdentityPool;
pub use session::Session;
pub use sign_in::{Challenge, ChooseFactor, Code, Factor, NewPassword, SetUpTotp, SignIn};
pub use tokens::UserTokens;
pub use user_pool::UserPool;

/// Credentials with what their provider knows of them, if it is one of these: what goes through a
/// `ProvideCredentials` has no room for it.
pub(super) fn with_standing(
    provider: &dyn Any,
    credentials: SigningCredentials,
) -> SigningCredentials {
    let standing = if let Some(pool) = provider.downcast_ref::<IdentityPool>() {
        pool.standing_of(credentials.access_key_id())
    } else if let Some(own) = provider.downcast_ref::<IdentityCredentials>() {
        own.pool.standing_of(credentials.access_key_id())
    } else if let Some(provider) = provider.downcast_ref::<SessionProvider>() {
        provider.pool().standing_of(credentials.access_key_id())
    } else {
        None
    };
    credentials.of(standing)
}

/// Tells a provider of credentials that a cache keeps them, if it is one of these.
pub(super) fn kept_by(provider: &dyn Any, cache: CacheRef) {
    if let Some(pool) = provider.downcast_ref::<IdentityPool>() {
        pool.login_sources_kept_by(&cache);
    } else if let Some(credentials) = provider.downcast_ref::<IdentityCredentials>() {
        credentials.kept_by(cache);
    } else if let Some(provider) = provider.downcast_ref::<SessionProvider>() {
        provider.kept_by(cache);
    }
}
