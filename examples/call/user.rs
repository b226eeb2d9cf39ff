//! A user who can sign in: at a user pool, or at an OpenID provider.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use tower_client_auth::cognito::Session;
use tower_client_auth::config::OidcConfig;
use tower_client_auth::oauth::{OAuthClient, Provider, RefreshToken, TokenKind, Tokens};
use tower_client_auth::{AuthError, AuthErrorKind, TokenSource as _};

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

impl CredentialArgs {
    /// Whether somebody in particular is to sign in, or in a particular way.
    pub(crate) fn asks_for_user(&self) -> bool {
        self.user.is_some() || self.browser || self.device
    }
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
            (Self::Pool(session), Some(name)) => is_signed_in && is_called(session, name).await?,
            _ => is_signed_in,
        })
    }

    /// Whether the session of whoever has signed in has ended.
    pub(crate) async fn needs_sign_in(&self) -> Result<bool, AuthError> {
        match self {
            Self::Pool(session) => session.needs_sign_in().await,
            Self::Oidc(user) => user.session.clone().cached().needs_sign_in().await,
        }
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

/// Whether a name is the user's: the one in the pool, or one that may stand for it at a sign-in.
async fn is_called(session: &Session, name: &str) -> Result<bool, AuthError> {
    if session.username().await?.is_some_and(|own| own == name) {
        return Ok(true);
    }
    let token = match session.tokens(TokenKind::Id).token().await {
        Ok(token) => token,
        // Whoever it was has to sign in again.
        Err(error) if error.kind() == AuthErrorKind::SignInRequired => return Ok(false),
        Err(error) => return Err(error),
    };
    let claims = claims(token.expose()).unwrap_or_default();
    let is = |claim: &str| claims[claim].as_str() == Some(name);
    let mail = claims["email"].as_str();
    Ok(is("cognito:username")
        || is("preferred_username")
        || is("phone_number")
        || mail.is_some_and(|mail| mail.eq_ignore_ascii_case(name)))
}

/// What an ID token calls its user. It is only printed.
pub(crate) fn name_in(tokens: &Tokens) -> Option<String> {
    let claims = claims(tokens.id_token()?.expose())?;
    let names = ["cognito:username", "preferred_username", "email", "sub"];
    let name = names.iter().find_map(|name| claims[*name].as_str());
    name.map(crate::output::printable)
}

/// What a token says. It came from the provider itself, and nothing is allowed because of it.
fn claims(token: &str) -> Option<Value> {
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    serde_json::from_slice(&payload).ok()
}
