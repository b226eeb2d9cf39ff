//! OAuth 2.0 and OpenID Connect: token sources for APIs that such providers protect (feature `oauth`).
//!
//! ```
//! # use tower_client_auth::{BearerTokenLayer, Transport};
//! use tower_client_auth::oauth::{OAuthClient, Provider};
//!
//! # async fn send(_: http::Request<http_body_util::Full<bytes::Bytes>>)
//! #     -> Result<http::Response<http_body_util::Full<bytes::Bytes>>, tower_client_auth::BoxError> {
//! #     Ok(http::Response::default())
//! # }
//! # let client = tower::service_fn(send);
//! let transport = Transport::new(client); // an HTTP client of yours, or `Transport::hyper()`
//! let provider = Provider::discover("https://login.example.com", transport)?;
//! let client = OAuthClient::new(provider, "orders-service").secret("s3cr%t +/:");
//! let tokens = client.client_credentials().scope("orders:read").cached();
//! let layer = BearerTokenLayer::new("https://api.example.com", tokens)?;
//! # Ok::<(), tower_client_auth::AuthError>(())
//! ```
//!
//! | who the token is for | grant | |
//! |---|---|---|
//! | the program itself | [`ClientCredentials`] | a [`TokenSource`](crate::TokenSource) |
//! | a user who signed in before | [`RefreshToken`] | a token source, over a [`RefreshTokenStore`] |
//! | whoever another token is for | [`TokenExchange`] | a token source |
//! | a user with a browser here | [`AuthorizationCode`] | a sign-in, for [`RefreshToken::sign_in`] |
//! | a user with a browser elsewhere | [`DeviceAuthorization`] | a sign-in, for [`RefreshToken::sign_in`] |
//!
//! Each page says what the grant calls and when, what it keeps and stores, and what each failure means.
//!
//! # Failures
//!
//! | | is it [transient](crate::AuthError::is_transient)? | [`AuthErrorKind`](crate::AuthErrorKind) |
//! |---|---|---|
//! | it may pass: the network, a provider that is down, slow or says nonsense | yes | `Source` |
//! | it stays: the client is not known, or may not have what it asks for | no | `Source` |
//! | only the user can help: nobody is signed in, or the session has ended | no | `SignInRequired` |
//! | the program or its configuration is wrong | no | `Configuration`, `PlainText`, `MalformedCredential` |
//!
//! A provider that cannot be reached never signs anybody out; one whose answer got lost may, and
//! [`RefreshToken`] says how. No error and no event has a secret in it, nor
//! anything that a provider sent but a status and a registered error code.
//!
//! # Providers differ
//!
//! | | |
//! |---|---|
//! | a refresh token | mostly by the scope `offline_access`; Google's by `.parameter("access_type", "offline")` and `.parameter("prompt", "consent")`; OpenID providers may want `prompt=consent` beside the scope |
//! | the API that the token is for | `audience` for Auth0, `resource` after RFC 8707, a scope such as `api://orders/.default` for Entra ID |
//! | the secret | in the header; GitHub takes it in the form only |
//! | assertions | for the issuer; Okta and Entra ID want [`AssertionAudience::Endpoint`] |
//! | discovery | GitHub has none; Entra ID's `common` names another issuer than it is asked by: use the tenant's |
//! | a sign-in's redirect | any port on loopback; Cognito and some others want the very one that is registered |
//!
//! # The lives of tokens
//!
//! `expires_in` counts from when a token was asked for; without it, a JSON Web Token's own `exp` and `iat` do;
//! a token with neither is kept until an API rejects it. Tokens are not verified: that is the API's business.
//! An ID token's claims are, at sign-in. The bare JWT bearer grant (RFC 7523, section 2.1) is not there.

mod any_source;
mod authorization_code;
mod client;
mod client_credentials;
mod device;
mod error;
mod form;
mod future;
mod id_token;
mod keeper;
mod key;
mod loopback;
mod metadata;
mod options;
mod provider;
mod random;
mod refresh_token;
mod reply;
mod state;
mod store;
mod token_exchange;
mod tokens;

pub use super::token_kind::TokenKind;
pub use authorization_code::{AuthorizationCode, AuthorizationRequest};
pub use client::{AssertionAudience, OAuthClient};
pub use client_credentials::ClientCredentials;
pub use device::{DeviceAuthorization, DeviceLogin};
pub use error::OAuthError;
pub use future::GrantFuture;
pub use key::PrivateKey;
pub use loopback::LoopbackLogin;
pub use provider::Provider;
pub use refresh_token::RefreshToken;
pub use store::{FileStore, MemoryStore, RefreshTokenStore, StoreFuture, StoreLock};
pub use token_exchange::{TokenExchange, TokenType};
pub use tokens::Tokens;

// What Cognito has in common with OAuth.
#[cfg(feature = "cognito")]
pub(super) use self::{
    any_source::AnySource,
    error::is_for_now,
    future::Boxed,
    keeper::{Issuer, Keeper},
    metadata::is_plain_url,
    reply::{MAX_TOKEN, Text, TokenReply},
    state::Pair,
    store::{key, store_failed},
};
