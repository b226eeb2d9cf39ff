//! What a sign-in brings.

use std::fmt;

use super::client::OAuthClient;
use super::reply::TokenReply;
use crate::identity::token::Token;
use crate::secret::Secret;

/// What a provider issued when the user signed in: for
/// [`RefreshToken::sign_in`](super::RefreshToken::sign_in), or to be used as they are.
#[derive(Clone)]
#[must_use = "nobody is signed in by tokens that no session has"]
pub struct Tokens {
    access: Token,
    refresh: Option<Secret>,
    id: Option<Token>,
    scope: Option<String>,
    /// Whose they are: the provider and the client.
    owner: Option<(String, String)>,
}

impl Tokens {
    /// Tokens that were obtained in some other way: by another library, in a provider's console.
    pub fn new(access: Token) -> Self {
        Self {
            access,
            refresh: None,
            id: None,
            scope: None,
            owner: None,
        }
    }

    /// With a refresh token.
    pub fn with_refresh_token(mut self, token: impl Into<Secret>) -> Self {
        self.refresh = Some(token.into());
        self
    }

    /// With an ID token. It is not checked.
    pub fn with_id_token(mut self, token: Token) -> Self {
        self.id = Some(token);
        self
    }

    /// What another than a token endpoint has issued.
    #[cfg(feature = "cognito")]
    pub(in crate::identity) fn of_client(
        reply: TokenReply,
        provider: String,
        client: &str,
    ) -> Self {
        Self {
            access: reply.access,
            refresh: reply.refresh,
            id: reply.id,
            scope: reply.scope,
            owner: Some((provider, client.to_owned())),
        }
    }

    /// The client that they were issued to, if that is known.
    #[cfg(feature = "cognito")]
    pub(in crate::identity) fn client_id(&self) -> Option<&str> {
        self.owner.as_ref().map(|(_, id)| id.as_str())
    }

    pub(super) fn issued(reply: TokenReply, client: &OAuthClient) -> Self {
        Self {
            access: reply.access,
            refresh: reply.refresh,
            id: reply.id,
            scope: reply.scope,
            owner: Some((client.provider().id(), client.id().to_owned())),
        }
    }

    pub(super) fn is_of_another(&self, client: &OAuthClient) -> bool {
        self.owner
            .as_ref()
            .is_some_and(|(provider, id)| *provider != client.provider().id() || id != client.id())
    }

    /// The access token.
    pub fn access_token(&self) -> &Token {
        &self.access
    }

    /// The refresh token. Providers give one if the client may have it and asked for it, mostly by the scope
    /// `offline_access`.
    pub fn refresh_token(&self) -> Option<&Secret> {
        self.refresh.as_ref()
    }

    /// The ID token, which is there if the scope `openid` was asked for.
    pub fn id_token(&self) -> Option<&Token> {
        self.id.as_ref()
    }

    /// The scope that was granted, if the provider says so. It may be less than what was asked for.
    pub fn scope(&self) -> Option<&str> {
        self.scope.as_deref()
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens")
            .field("access", &self.access)
            .field("refresh", &self.refresh)
            .field("id", &self.id)
            .field("scope", &self.scope)
            .finish()
    }
}
