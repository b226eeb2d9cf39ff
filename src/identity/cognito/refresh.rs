//! How a user pool's session is refreshed, and ended.

use std::collections::HashMap;
use std::future::Future;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use super::claims::Claims;
use super::error::{Asked, CognitoError};
use super::kept::Kept;
use super::user_pool::UserPool;
use super::wire::{Issued, Step};
use crate::clock::Moment;
use crate::error::{AuthError, AuthErrorKind};
use crate::identity::oauth::{Issuer, TokenReply};
use crate::identity::token::Token;
use crate::secret::Secret;

impl Issuer for UserPool {
    /// The identity pool and a REST API want the ID token, other APIs the access token.
    const BOTH_KINDS: bool = true;

    const NOBODY: &'static str = "nobody is signed in: sign in with `Session::sign_in`";

    async fn refresh(&self, kept: &Secret) -> Result<TokenReply, AuthError> {
        let kept = Kept::parse(kept);
        let mut reply = match self.exchange(&kept).await {
            Err(error) if is_unknown(&error) => self.exchange_the_older_way(&kept).await?,
            answer => answer?,
        };
        reply.refresh = reply.refresh.map(|token| {
            let claims = Claims::of(reply.access.expose());
            kept.replaced_by(token, &claims).into_text()
        });
        Ok(reply)
    }

    fn revoke(&self, kept: &Secret) -> impl Future<Output = Result<(), AuthError>> + Send {
        let kept = Kept::parse(kept);
        async move {
            #[derive(Serialize)]
            #[serde(rename_all = "PascalCase")]
            struct RevokeToken<'a> {
                client_id: &'a str,
                #[serde(skip_serializing_if = "Option::is_none")]
                client_secret: Option<&'a str>,
                token: &'a str,
            }

            let call = RevokeToken {
                client_id: self.client_id(),
                client_secret: self.secret().map(Secret::expose),
                token: kept.token.expose(),
            };
            let answer = self.endpoint.ask(Asked::Revoke, "RevokeToken", &call);
            match answer.await {
                // Cognito says nothing, or an empty object. A sign-in page of some network's says more.
                Ok(reply) if reply.body.trim_ascii().is_empty() => Ok(()),
                Ok(reply) => self
                    .endpoint
                    .read::<HashMap<String, IgnoredAny>>(&reply)
                    .map(drop),
                // It is worthless already.
                Err(error) if error.kind() == AuthErrorKind::SignInRequired => Ok(()),
                Err(error) => Err(error),
            }
        }
    }

    fn moment(&self) -> Moment {
        UserPool::moment(self)
    }

    fn subject(token: &Token) -> Option<String> {
        Claims::of(token.expose()).subject().map(str::to_owned)
    }
}

impl UserPool {
    /// Works with and without rotation of refresh tokens.
    async fn exchange(&self, kept: &Kept) -> Result<TokenReply, AuthError> {
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct GetTokensFromRefreshToken<'a> {
            client_id: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            client_secret: Option<&'a str>,
            refresh_token: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            device_key: Option<&'a str>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Answer {
            authentication_result: Issued,
        }

        let call = GetTokensFromRefreshToken {
            client_id: self.client_id(),
            client_secret: self.secret().map(Secret::expose),
            refresh_token: kept.token.expose(),
            device_key: kept.device_key.as_deref(),
        };
        let start = UserPool::moment(self);
        let operation = "GetTokensFromRefreshToken";
        let answer: Answer = self.endpoint.call(Asked::Refresh, operation, &call).await?;
        answer.authentication_result.tokens(&self.endpoint, start)
    }

    /// For servers that know the older call only.
    async fn exchange_the_older_way(&self, kept: &Kept) -> Result<TokenReply, AuthError> {
        let username = match (&kept.username, self.secret()) {
            (Some(username), _) => username,
            (None, None) => "",
            (None, Some(_)) => {
                return Err(AuthError::refused(
                    "the server knows the older call for a refresh only, which takes the user's name along with a \
                     client secret, and the access token of the sign-in did not tell it",
                ));
            }
        };
        // Of what goes with a user, only the hash.
        let parameters = self
            .proof_for(username)?
            .with("REFRESH_TOKEN", kept.token.clone());
        let parameters = match &kept.device_key {
            Some(key) => parameters.with("DEVICE_KEY", key.as_str()),
            None => parameters,
        };
        let flow = "REFRESH_TOKEN_AUTH";
        match self.initiate_as(Asked::Refresh, flow, parameters).await? {
            Step::Done(tokens) => Ok(tokens),
            Step::Challenge(_) => Err(self.endpoint.unreadable()),
        }
    }
}

/// Whether the server does not know the operation at all.
fn is_unknown(error: &AuthError) -> bool {
    CognitoError::of(error).is_some_and(|error| {
        matches!(
            error.code(),
            "UnknownOperationException" | "UnsupportedOperationException"
        )
    })
}
