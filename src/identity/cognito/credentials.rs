//! The AWS credentials of a session: the user's, or a guest's.

use std::fmt;

use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, future};

use super::claims::Claims;
use super::identity_pool::{IdentityPool, provider_error};
use super::issuing::is_about_time;
use super::logins::{Logins, Voucher};
use super::tokens::UserTokens;
use super::user_pool::UserPool;
use crate::error::{AuthError, AuthErrorKind};
use crate::identity::cache::CacheRef;
use crate::identity::oauth::{Boxed, Keeper};
use crate::identity::source::TokenSource as _;
use crate::identity::token::Token;
use crate::identity::token_kind::TokenKind;
use crate::identity::{Cached, CredentialsSource as _};
use crate::observe;
use crate::sigv4::SigningCredentials;

/// What the credentials of a [`Session`](super::Session) come from.
#[derive(Clone)]
pub struct IdentityCredentials {
    pool: IdentityPool,
    user: Option<User>,
    fall_back: bool,
}

/// The user of the session, for whom the user pool vouches.
#[derive(Clone)]
pub(super) struct User {
    pub(super) keeper: Keeper<UserPool>,
    pub(super) tokens: Cached<UserTokens>,
}

impl Voucher for User {
    fn logins(&self) -> Boxed<'_, Logins> {
        Box::pin(async { Ok(self.vouch(self.tokens.token().await?)) })
    }

    /// Not by way of the cache: what an identity pool refuses is good still for the APIs that take it.
    fn renewed<'a>(&'a self, refused: &'a Logins, why: &'a AuthError) -> Boxed<'a, Logins> {
        Box::pin(async move {
            if self.keeper.only(TokenKind::Id).is_some() && is_about_time(why) {
                refused
                    .values()
                    .for_each(|token| self.tokens.rejected(token));
                return Err(AuthError::new(
                    AuthErrorKind::SignInRequired,
                    "the session is over: the identity pool finds that its token has expired, and the sign-in brought \
                     no refresh token: sign in again",
                )
                .with_source(why.clone()));
            }
            Ok(self.vouch(self.keeper.clone().token(TokenKind::Id).await?))
        })
    }
}

impl User {
    fn vouch(&self, token: Token) -> Logins {
        let claims = Claims::of(token.expose());
        let provider = match claims.provider() {
            Some(provider) => provider.to_owned(),
            None => self.keeper.issuer.login_name(),
        };
        Logins::from([(provider, token)])
    }
}

impl IdentityCredentials {
    pub(super) fn new(pool: IdentityPool, user: Option<User>, fall_back: bool) -> Self {
        Self {
            pool,
            user,
            fall_back,
        }
    }

    /// The user, if anybody is signed in.
    async fn user(&self) -> Result<Option<&User>, AuthError> {
        Ok(match &self.user {
            Some(user) if user.keeper.is_somebodys().await? => Some(user),
            _ => None,
        })
    }

    /// What is said of the user's session, and whether a guest takes its place.
    fn falls_back(&self, error: &AuthError) -> bool {
        let falls = self.fall_back && error.kind() == AuthErrorKind::SignInRequired;
        if falls {
            observe::fell_back_to_guest(error);
        }
        falls
    }

    async fn fetch(&self) -> Result<Credentials, AuthError> {
        if let Some(user) = self.user().await? {
            match self.pool.issue(user).await {
                Err(error) if self.falls_back(&error) => {}
                answer => return answer,
            }
        }
        self.pool.issue(self.pool.sources()).await
    }

    pub(super) async fn identity_id(&self) -> Result<String, AuthError> {
        if let Some(user) = self.user().await? {
            match self.pool.identity_of(user).await {
                Err(error) if self.falls_back(&error) => {}
                answer => return answer,
            }
        }
        self.pool.identity_id().await
    }

    pub(super) fn pool(&self) -> &IdentityPool {
        &self.pool
    }

    pub(super) fn kept_by(&self, cache: CacheRef) {
        self.pool.kept_by(&cache);
        if let Some(user) = &self.user {
            user.keeper.add_cache(cache);
        }
    }
}

impl ProvideCredentials for IdentityCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async { self.fetch().await.map_err(provider_error) })
    }
}

impl fmt::Debug for IdentityCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdentityCredentials")
            .field("pool", &self.pool)
            .finish_non_exhaustive()
    }
}

/// The AWS credentials of a [`Session`](super::Session), for clients of AWS's SDKs.
///
/// They come from the session's own cache. The SDKs keep what they were given in one of theirs, which hears nothing
/// of a sign-in or a sign-out: switch that off (`IdentityCache::no_cache()`), or make the clients anew. The same goes
/// for whatever wraps this, `SharedCredentialsProvider` and provider chains among them: a layer of this crate takes
/// [`Session::credentials`](super::Session::credentials) instead.
#[derive(Clone)]
pub struct SessionProvider {
    cached: Cached<IdentityCredentials, SigningCredentials>,
}

impl SessionProvider {
    pub(super) fn new(cached: Cached<IdentityCredentials, SigningCredentials>) -> Self {
        Self { cached }
    }

    pub(super) fn source(&self) -> &IdentityCredentials {
        self.cached.source()
    }
}

impl ProvideCredentials for SessionProvider {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            let credentials = self.cached.credentials().await.map_err(provider_error)?;
            Ok(credentials.credentials().clone())
        })
    }
}

impl fmt::Debug for SessionProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionProvider").finish_non_exhaustive()
    }
}
