//! The grant that turns one token into another.

use std::fmt;
use std::sync::Arc;

use super::any_source::AnySource;
use super::client::OAuthClient;
use super::error::{Asked, OAuthError};
use super::form::Form;
use super::future::GrantFuture;
use super::options::{Options, option_setters};
use crate::error::AuthError;
use crate::identity::cache::{CacheRef, Cached};
use crate::identity::source::TokenSource;
use crate::identity::token::Token;
use crate::secret::Secret;

/// One token in exchange for another: [RFC 8693]. A platform's token for one that an API takes, a user's token
/// for one with less scope.
///
/// ```
/// # use tower_client_auth::{BearerTokenLayer, TokenFile, Transport};
/// # use tower_client_auth::oauth::{OAuthClient, Provider, TokenType};
/// # async fn send(_: http::Request<http_body_util::Full<bytes::Bytes>>)
/// #     -> Result<http::Response<http_body_util::Full<bytes::Bytes>>, tower_client_auth::BoxError> {
/// #     Ok(http::Response::default())
/// # }
/// # let transport = Transport::new(tower::service_fn(send));
/// let provider = Provider::new("https://sts.example.com/token", transport)?;
/// let pod = TokenFile::new("/var/run/secrets/tokens/sts");
/// let tokens = OAuthClient::new(provider, "orders-service")
///     .token_exchange(pod, TokenType::Jwt)
///     .audience("https://api.example.com")
///     .cached();
/// let layer = BearerTokenLayer::new("https://api.example.com", tokens)?;
/// # Ok::<(), tower_client_auth::AuthError>(())
/// ```
///
/// # What it calls, and when
///
/// The source of the subject token (and that of the actor token, if there is one), then the token endpoint,
/// each time it is asked for a token: behind a [`Cached`] once for all requests, and again before the token
/// ends. Let the subject's source be a cache itself if it does I/O: `subject.cached()`.
///
/// # What it keeps
///
/// Nothing. The cache keeps the token, in memory; nothing is stored.
///
/// # What failures mean
///
/// As with [`ClientCredentials`](super::ClientCredentials). An `invalid_grant` or `invalid_request` may be
/// the subject token's fault: its source is then told that it was [rejected](TokenSource::rejected), so that
/// the next attempt has another one.
///
/// [RFC 8693]: https://www.rfc-editor.org/rfc/rfc8693#section-2
#[derive(Clone)]
#[must_use = "a grant does nothing until it is asked for a token"]
pub struct TokenExchange {
    client: OAuthClient,
    subject: Party,
    actor: Option<Party>,
    requested: Option<TokenType>,
    options: Options,
}

/// What kind of token it is that is exchanged: [RFC 8693, section 3].
///
/// [RFC 8693, section 3]: https://www.rfc-editor.org/rfc/rfc8693#section-3
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TokenType {
    /// An OAuth access token, of any format.
    AccessToken,
    /// An OAuth refresh token.
    RefreshToken,
    /// An OpenID Connect ID token.
    IdToken,
    /// A JSON Web Token that is none of these, such as a Kubernetes service account's.
    Jwt,
    /// A SAML 1.1 assertion, base64url.
    Saml1,
    /// A SAML 2.0 assertion, base64url.
    Saml2,
    /// A URI of the provider's own.
    Other(String),
}

impl TokenType {
    /// The URI that stands for it.
    pub fn uri(&self) -> &str {
        match self {
            Self::AccessToken => "urn:ietf:params:oauth:token-type:access_token",
            Self::RefreshToken => "urn:ietf:params:oauth:token-type:refresh_token",
            Self::IdToken => "urn:ietf:params:oauth:token-type:id_token",
            Self::Jwt => "urn:ietf:params:oauth:token-type:jwt",
            Self::Saml1 => "urn:ietf:params:oauth:token-type:saml1",
            Self::Saml2 => "urn:ietf:params:oauth:token-type:saml2",
            Self::Other(uri) => uri,
        }
    }
}

/// Whom a token speaks for, and where it comes from.
#[derive(Clone)]
struct Party {
    source: Arc<dyn AnySource>,
    kind: TokenType,
}

impl OAuthClient {
    /// Tokens in exchange for those of `subject`, which are of the type `kind`.
    pub fn token_exchange<S>(&self, subject: S, kind: TokenType) -> TokenExchange
    where
        S: TokenSource + Send + Sync + 'static,
        S::Future: Send + 'static,
    {
        TokenExchange {
            client: self.clone(),
            subject: Party::new(subject, kind),
            actor: None,
            requested: None,
            options: Options::default(),
        }
    }
}

impl TokenExchange {
    /// The party that acts for the subject, whom the new token is to name as well.
    pub fn actor<S>(mut self, actor: S, kind: TokenType) -> Self
    where
        S: TokenSource + Send + Sync + 'static,
        S::Future: Send + 'static,
    {
        self.actor = Some(Party::new(actor, kind));
        self
    }

    /// What kind of token to ask for. The provider decides by default.
    pub fn requested_type(mut self, kind: TokenType) -> Self {
        self.requested = Some(kind);
        self
    }

    option_setters!();

    fn set(mut self, change: impl FnOnce(&mut Options)) -> Self {
        change(&mut self.options);
        self
    }

    /// Keeps a token for all requests, and renews it before it ends.
    pub fn cached(self) -> Cached<Self> {
        Cached::new(self)
    }

    async fn exchange(self) -> Result<Token, AuthError> {
        let mut form = Form::of_grant("urn:ietf:params:oauth:grant-type:token-exchange");
        let subject = self.subject.source.fetch().await?;
        form.push_secret("subject_token", &Secret::new(subject.expose()));
        form.push("subject_token_type", self.subject.kind.uri());
        if let Some(actor) = &self.actor {
            let token = actor.source.fetch().await?;
            form.push_secret("actor_token", &Secret::new(token.expose()));
            form.push("actor_token_type", actor.kind.uri());
        }
        if let Some(requested) = &self.requested {
            form.push("requested_token_type", requested.uri());
        }
        self.options.write(&mut form)?;
        let answer = self.client.grant(Asked::TokenExchange, form).await;
        if let Err(error) = &answer
            && let Some(error) = OAuthError::of(error)
            && matches!(error.code(), "invalid_grant" | "invalid_request")
        {
            self.subject.source.reject(&subject);
        }
        Ok(answer?.access)
    }
}

impl TokenSource for TokenExchange {
    type Future = GrantFuture;

    fn token(&self) -> Self::Future {
        GrantFuture::new(self.clone().exchange())
    }

    /// What a session's sign-out ends, it ends here too.
    fn kept_by(&self, cache: CacheRef) {
        self.subject.source.kept_by(cache.clone());
        if let Some(actor) = &self.actor {
            actor.source.kept_by(cache);
        }
    }
}

impl fmt::Debug for TokenExchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenExchange")
            .field("client", &self.client)
            .field("subject", &self.subject.kind)
            .field("actor", &self.actor.as_ref().map(|actor| &actor.kind))
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl Party {
    fn new<S>(source: S, kind: TokenType) -> Self
    where
        S: TokenSource + Send + Sync + 'static,
        S::Future: Send + 'static,
    {
        Self {
            source: Arc::new(source),
            kind,
        }
    }
}
