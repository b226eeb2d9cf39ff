//! A user who can sign in: at a user pool, or at an OpenID provider.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use tower_client_auth::AuthError;
use tower_client_auth::cognito::Session;
use tower_client_auth::config::OidcConfig;
use tower_client_auth::oauth::{OAuthClient, Provider, RefreshToken, Tokens};

use crate::args::CredentialArgs;
use crate::exit::Failure;
use crate::world::World;

pub(crate) enum User {
    Pool(Box<Session>),
    Oidc(Box<OidcUser>),
}

pub(crate) struct OidcUser {
    pub(crate) client: OAuthClient,
    pub(crate) session: RefreshToken,
    pub(crate) scope: String,
    pub(crate) audience: Option<String>,
}

/// Without a refresh token, the user would have to sign in every time.
const SCOPE: &str = "openid offline_access";

impl User {
    pub(crate) fn of_pool(session: Session) -> Self {
        Self::Pool(Box::new(session))
    }

    pub(crate) fn of_oidc(world: &World, oidc: &OidcConfig) -> Result<Self, Failure> {
        let provider = Provider::discover(&oidc.issuer, world.transport.clone())?;
        let mut client = OAuthClient::new(provider, oidc.client_id.as_str());
        if let Some(secret) = &oidc.client_secret {
            client = client.secret(secret.clone());
        }
        Ok(Self::Oidc(Box::new(OidcUser {
            session: world.refresh_token(&client),
            client,
            scope: match &oidc.scopes[..] {
                [] => SCOPE.to_owned(),
                scopes => scopes.join(" "),
            },
            audience: oidc.audience.clone(),
        })))
    }

    pub(crate) async fn is_signed_in(&self) -> Result<bool, AuthError> {
        match self {
            Self::Pool(session) => session.is_signed_in().await,
            Self::Oidc(user) => user.session.is_signed_in().await,
        }
    }

    /// Whether whoever is to sign in has done so, as far as is known here.
    pub(crate) async fn is_who_was_asked_for(
        &self,
        args: &CredentialArgs,
    ) -> Result<bool, AuthError> {
        let is_signed_in = self.is_signed_in().await?;
        Ok(match (self, &args.user) {
            (Self::Pool(session), Some(name)) => {
                is_signed_in && session.username().await?.as_ref() == Some(name)
            }
            _ => is_signed_in,
        })
    }

    pub(crate) async fn begin(&self, tokens: &Tokens) -> Result<(), AuthError> {
        match self {
            Self::Pool(session) => session.sign_in(tokens).await,
            Self::Oidc(user) => user.session.sign_in(tokens).await,
        }
    }

    pub(crate) async fn sign_out(&self) -> Result<(), AuthError> {
        match self {
            Self::Pool(session) => session.sign_out().await,
            Self::Oidc(user) => user.session.sign_out().await,
        }
    }

    /// So that no refresh token is lost when the program ends.
    pub(crate) async fn settled(&self) {
        match self {
            Self::Pool(session) => session.settled().await,
            Self::Oidc(user) => user.session.settled().await,
        }
    }
}

/// What an ID token calls its user. It came from the provider itself, and is only printed.
pub(crate) fn name_in(tokens: &Tokens) -> Option<String> {
    let payload = tokens.id_token()?.expose().split('.').nth(1)?;
    let payload = URL_SAFE_NO_PAD.decode(payload).ok()?;
    let claims: Value = serde_json::from_slice(&payload).ok()?;
    let names = ["cognito:username", "preferred_username", "email", "sub"];
    let name = names.iter().find_map(|name| claims[*name].as_str());
    name.map(crate::output::printable)
}
