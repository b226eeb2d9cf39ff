//! How an identity pool is asked: for the id of an identity, and for credentials with it.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use serde::{Deserialize, Serialize};

use super::error::{Asked, CognitoError};
use super::identity_pool::IdentityPool;
use super::logins::{Logins, Voucher, fingerprint, owner};
use crate::error::{AuthError, AuthErrorKind};
use crate::identity::oauth::Text;
use crate::identity::transport::Reply;
use crate::lock::lock;
use crate::standing::Standing;

/// Real ones have 55 characters or so.
const MAX_ID: usize = 256;

impl IdentityPool {
    /// Credentials of whoever `voucher` vouches for.
    pub(super) async fn issue(&self, voucher: &dyn Voucher) -> Result<Credentials, AuthError> {
        let logins = voucher.logins().await?;
        let refused = match self.credentials(&logins).await {
            Err(error) if is_refusal(&error) && !self.is_hopeless(&logins) => error,
            answer => return answer,
        };
        // They may be over by the pool's clock, or revoked. Others are asked for once: if those are refused as well,
        // it is not about the tokens, and each further try would be a refresh for nothing.
        let newer = voucher.renewed(&logins, &refused).await?;
        let both = [&logins, &newer].map(fingerprint);
        let answer = match both[0] == both[1] {
            true => Err(refused),
            false => self.credentials(&newer).await,
        };
        if answer.as_ref().is_err_and(is_refusal) {
            *lock(&self.hopeless) = both;
        }
        answer
    }

    fn is_hopeless(&self, logins: &Logins) -> bool {
        logins.is_empty() || lock(&self.hopeless).contains(&fingerprint(logins))
    }

    /// Credentials of whoever these logins vouch for; of a guest, if there are none.
    async fn credentials(&self, logins: &Logins) -> Result<Credentials, AuthError> {
        self.check_guest(logins)?;
        let owner = owner(logins);
        if let Some(id) = self.identities.of(owner.as_deref()).await {
            match self.ask_for_credentials(&id, logins).await {
                // The identity was deleted, or belongs to somebody else by now. A guest has nothing but it.
                Err(error) if is_refusal(&error) && (!logins.is_empty() || is_gone(&error)) => {}
                answer => return answer,
            }
        }
        let id = self.ask_for_id(logins).await?;
        // Here at once, or each try would make another guest. In the store, where it takes the place of another,
        // once it has proved good for something.
        self.identities.remember(owner.as_deref(), &id);
        let credentials = self.ask_for_credentials(&id, logins).await?;
        self.identities.save().await;
        Ok(credentials)
    }

    fn check_guest(&self, logins: &Logins) -> Result<(), AuthError> {
        match self.guests || !logins.is_empty() {
            true => Ok(()),
            false => Err(AuthError::new(
                AuthErrorKind::SignInRequired,
                "nobody is signed in, and the identity pool gives nothing to guests: sign in",
            )),
        }
    }

    async fn ask_for_id(&self, logins: &Logins) -> Result<String, AuthError> {
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct GetId<'a> {
            identity_pool_id: &'a str,
            #[serde(skip_serializing_if = "BTreeMap::is_empty")]
            logins: BTreeMap<&'a str, &'a str>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Answer {
            identity_id: String,
        }

        let call = GetId {
            identity_pool_id: &self.id,
            logins: exposed(logins),
        };
        let answer: Answer = self.endpoint.call(asked(logins), "GetId", &call).await?;
        let id = answer.identity_id;
        // It is stored, and stands in paths of files.
        match id.len() <= MAX_ID && id.bytes().all(|b| b.is_ascii_graphic()) {
            true => Ok(id),
            false => Err(self.endpoint.unreadable()),
        }
    }

    async fn ask_for_credentials(
        &self,
        id: &str,
        logins: &Logins,
    ) -> Result<Credentials, AuthError> {
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct GetCredentialsForIdentity<'a> {
            identity_id: &'a str,
            #[serde(skip_serializing_if = "BTreeMap::is_empty")]
            logins: BTreeMap<&'a str, &'a str>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Answer {
            credentials: Issued,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Issued {
            access_key_id: String,
            secret_key: Text,
            session_token: Text,
            expiration: f64,
        }

        let call = GetCredentialsForIdentity {
            identity_id: id,
            logins: exposed(logins),
        };
        let operation = "GetCredentialsForIdentity";
        let reply = self.endpoint.ask(asked(logins), operation, &call).await?;
        let answer: Answer = self.endpoint.read(&reply)?;
        let issued = answer.credentials;
        let end = self.end(&reply, issued.expiration);
        let standing = match logins.is_empty() {
            true => Standing::Guest,
            false => Standing::SignedIn,
        };
        *lock(&self.issued) = Some((issued.access_key_id.clone(), standing));
        Ok(Credentials::new(
            issued.access_key_id,
            issued.secret_key.0.expose(),
            Some(issued.session_token.0.expose().to_owned()),
            Some(end.ok_or_else(|| self.endpoint.unreadable())?),
            "CognitoIdentityPool",
        ))
    }

    /// When credentials end by this machine's clock, which need not be the pool's: how long they last is told by
    /// the answer's own date.
    fn end(&self, reply: &Reply, seconds: f64) -> Option<SystemTime> {
        let since_epoch = Duration::try_from_secs_f64(seconds).ok()?;
        let end = SystemTime::UNIX_EPOCH.checked_add(since_epoch)?;
        let date = reply.headers.get(http::header::DATE);
        let date = date.and_then(|date| httpdate::parse_http_date(date.to_str().ok()?).ok());
        match date {
            Some(date) => {
                let life = end.duration_since(date).unwrap_or_default();
                self.clock.now().checked_add(life)
            }
            None => Some(end),
        }
    }

    pub(super) async fn identity_of(&self, voucher: &dyn Voucher) -> Result<String, AuthError> {
        let logins = voucher.logins().await?;
        self.check_guest(&logins)?;
        let owner = owner(&logins);
        if let Some(id) = self.identities.of(owner.as_deref()).await {
            return Ok(id);
        }
        let id = self.ask_for_id(&logins).await?;
        self.identities.remember(owner.as_deref(), &id);
        self.identities.save().await;
        Ok(id)
    }
}

fn asked(logins: &Logins) -> Asked {
    match logins.is_empty() {
        true => Asked::GuestCredentials,
        false => Asked::Credentials,
    }
}

fn exposed(logins: &Logins) -> BTreeMap<&str, &str> {
    let logins = logins.iter();
    logins
        .map(|(provider, token)| (provider.as_str(), token.expose()))
        .collect()
}

/// Whether the pool said no to this identity or these logins, rather than to anybody.
fn is_refusal(error: &AuthError) -> bool {
    let code = CognitoError::of(error).map(CognitoError::code);
    !error.is_transient()
        && matches!(
            code,
            Some(
                "NotAuthorizedException"
                    | "ResourceNotFoundException"
                    | "ResourceConflictException"
            )
        )
}

/// Whether the pool took a token for one that is over.
pub(super) fn is_about_time(error: &AuthError) -> bool {
    CognitoError::of(error).is_some_and(|error| error.says("expired"))
}

/// Whether a guest's identity is not there any more, or not a guest's.
fn is_gone(error: &AuthError) -> bool {
    CognitoError::of(error).is_some_and(|error| {
        error.code() == "ResourceNotFoundException" || error.says("is forbidden")
    })
}
