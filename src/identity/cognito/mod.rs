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
//! | | what does it |
//! |---|---|
//! | signing up, forgotten passwords, a user's attributes, remembering devices | AWS's own SDK, or the pool's web pages |
//! | signing out everywhere (`GlobalSignOut`) | AWS's own SDK, with the access token |
//! | passkeys and passwords by choice (`USER_AUTH`), SRP within `CUSTOM_AUTH` | nothing here |
//! | sign-in in a browser, with the pool's own page | [`UserPool::oauth_client`], and its authorization code grant; the page's cookie ends with its `/logout`, not with [`Session::sign_out`] |
//! | texts for Lambda triggers (`ClientMetadata`), a role by name (`CustomRoleArn`) | nothing here |
//! | being told of sign-ins and sign-outs | the program makes them; sessions that end show as [`SignInRequired`] errors |
//!
//! [`SignInRequired`]: crate::AuthErrorKind::SignInRequired

mod claims;
mod credentials;
mod endpoint;
mod error;
mod identity_id;
mod identity_pool;
mod issuing;
mod kept;
mod logins;
mod mac;
mod provider;
mod refresh;
mod session;
mod sign_in;
mod srp;
mod tokens;
mod user_pool;
mod wire;

pub use credentials::{IdentityCredentials, SessionProvider};
pub use error::CognitoError;
pub use identity_pool::IdentityPool;
pub use session::Session;
pub use sign_in::{Challenge, ChooseFactor, Code, Factor, NewPassword, SetUpTotp, SignIn};
pub use tokens::UserTokens;
pub use user_pool::UserPool;

pub use super::token_kind::TokenKind;
pub(super) use provider::{kept_by, with_standing};
