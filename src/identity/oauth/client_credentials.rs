//! The grant for programs that act for themselves.

use std::fmt;

use super::client::OAuthClient;
use super::error::Asked;
use super::form::Form;
use super::future::GrantFuture;
use super::options::{Options, option_setters};
use crate::identity::cache::Cached;
use crate::identity::source::TokenSource;

/// Tokens for a program that acts for itself: the client credentials grant ([RFC 6749, section 4.4]).
///
/// ```
/// # use tower_client_auth::{BearerTokenLayer, Transport};
/// # use tower_client_auth::oauth::{OAuthClient, Provider};
/// # async fn send(_: http::Request<http_body_util::Full<bytes::Bytes>>)
/// #     -> Result<http::Response<http_body_util::Full<bytes::Bytes>>, tower_client_auth::BoxError> {
/// #     Ok(http::Response::default())
/// # }
/// # let transport = Transport::new(tower::service_fn(send));
/// let provider = Provider::discover("https://login.example.com", transport)?;
/// let tokens = OAuthClient::new(provider, "orders-service")
///     .secret("s3cr%t +/:")
///     .client_credentials()
///     .scope("orders:read orders:write")
///     .audience("https://api.example.com")
///     .cached();
/// let layer = BearerTokenLayer::new("https://api.example.com", tokens)?;
/// # Ok::<(), tower_client_auth::AuthError>(())
/// ```
///
/// Customised: a key instead of a secret, an endpoint that is known, and a cache with numbers of its own.
///
/// ```no_run
/// # use std::time::Duration;
/// # use tower_client_auth::{Cached, Transport};
/// # use tower_client_auth::oauth::{OAuthClient, PrivateKey, Provider};
/// # async fn send(_: http::Request<http_body_util::Full<bytes::Bytes>>)
/// #     -> Result<http::Response<http_body_util::Full<bytes::Bytes>>, tower_client_auth::BoxError> {
/// #     Ok(http::Response::default())
/// # }
/// # let transport = Transport::new(tower::service_fn(send));
/// let provider = Provider::new("https://login.example.com/oauth2/token", transport)?;
/// let key = PrivateKey::from_pem(&std::fs::read("client-key.pem")?)?.key_id("2026-11");
/// let grant = OAuthClient::new(provider, "orders-service")
///     .private_key(key)
///     .client_credentials()
///     .resource("https://api.example.com");
/// let tokens = Cached::builder(grant).advisory_window(Duration::from_secs(600)).build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # What it calls, and when
///
/// The token endpoint, each time it is asked for a token: behind a [`Cached`], which
/// [`cached`](ClientCredentials::cached) is, once for all requests and again before the token ends. Before
/// the first time, the discovery document, for a provider that is [discovered](super::Provider::discover).
///
/// # What it keeps
///
/// Nothing but what discovery found. The cache keeps the token, in memory; nothing is stored. A refresh token
/// that comes along is thrown away: the client can always ask anew.
///
/// # What failures mean
///
/// | the provider | the error | |
/// |---|---|---|
/// | cannot be reached, is slow, answers 5xx, 429, or with something else than a token | transient | it is asked again after a pause |
/// | `invalid_client` | [`Source`](crate::AuthErrorKind::Source) | check the client's id and secret, or its key |
/// | `unauthorized_client`, `invalid_scope`, `invalid_target`, … | [`Source`](crate::AuthErrorKind::Source) | check the client's registration, or what is asked for |
/// | 404, a redirect | [`Source`](crate::AuthErrorKind::Source) | check the URL |
///
/// [`OAuthError::of`](super::OAuthError::of) has the provider's own words.
///
/// [RFC 6749, section 4.4]: https://www.rfc-editor.org/rfc/rfc6749#section-4.4
#[derive(Clone)]
#[must_use = "a grant does nothing until it is asked for a token"]
pub struct ClientCredentials {
    client: OAuthClient,
    options: Options,
}

impl OAuthClient {
    /// Tokens for the client itself.
    pub fn client_credentials(&self) -> ClientCredentials {
        ClientCredentials {
            client: self.clone(),
            options: Options::default(),
        }
    }
}

impl ClientCredentials {
    option_setters!();

    fn set(mut self, change: impl FnOnce(&mut Options)) -> Self {
        change(&mut self.options);
        self
    }

    /// Keeps a token for all requests, and renews it before it ends.
    pub fn cached(self) -> Cached<Self> {
        Cached::new(self)
    }
}

impl TokenSource for ClientCredentials {
    type Future = GrantFuture;

    fn token(&self) -> Self::Future {
        let Self { client, options } = self.clone();
        GrantFuture::new(async move {
            let mut form = Form::of_grant("client_credentials");
            options.write(&mut form)?;
            let reply = client.grant(Asked::ClientCredentials, form).await?;
            Ok(reply.access)
        })
    }
}

impl fmt::Debug for ClientCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCredentials")
            .field("client", &self.client)
            .field("options", &self.options)
            .finish()
    }
}
