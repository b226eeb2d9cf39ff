//! The AWS credentials of a session: the user's, or a guest's.

use std::fmt;

use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, future};

use super::claims::Claims;
use super::identity_pool::{IdentityPool, Logins, is_about_time, provider_error};
use super::tokens::UserTokens;
use super::user_pool::UserPool;
use crate::error::{AuthError, AuthErrorKind};
use crate::identity::cache::CacheRef;
use crate::identity::oauth::Keeper;
use crate::identity::source::TokenSource as _;
use crate::identity::token::Token;
use crate::identity::{Cached, CredentialsSource as _};
use crate::sigv4::SigningCredentials;

/// What the credentials of a [`Session`](super::Session) come from.
#[derive(Clone)]
pub struct IdentityCredentials {
    pub(super) pool: IdentityPool,
    user: Option<(Keeper<UserPool>, Cached<UserTokens>)>,
    fall_back: bool,
}

impl IdentityCredentials {
    pub(super) fn new(
        pool: IdentityPool,
        user: Option<(Keeper<UserPool>, Cached<UserTokens>)>,
        fall_back: bool,
    ) -> Self {
        Self {
            pool,
            user,
            fall_back,
        }
    }

    async fn fetch(&self) -> Result<Credentials, AuthError> {
        let Some((keeper, tokens)) = &self.user else {
            return self.pool.fetch().await;
        };
        if !keeper.is_somebodys().await? {
            return self.pool.fetch().await;
        }
        match self.fetch_for_user(keeper, tokens).await {
            Err(error) if self.fall_back && error.kind() == AuthErrorKind::SignInRequired => {
                self.pool.fetch().await
            }
            answer => answer,
        }
    }

    async fn fetch_for_user(
        &self,
        keeper: &Keeper<UserPool>,
        tokens: &Cached<UserTokens>,
    ) -> Result<Credentials, AuthError> {
        let token = tokens.token().await?;
        let refused = match self.pool.credentials(&logins(keeper, &token)).await {
            Err(error) if is_about_time(&error) => error,
            answer => return answer,
        };
        tokens.rejected(&token);
        let newer = tokens.token().await?;
        match newer.is_alike(&token) {
            true => Err(refused),
            false => self.pool.credentials(&logins(keeper, &newer)).await,
        }
    }

    pub(super) async fn identity_id(&self) -> Result<String, AuthError> {
        match &self.user {
            Some((keeper, tokens)) if keeper.is_somebodys().await? => {
                let token = tokens.token().await?;
                self.pool.identity_of(&logins(keeper, &token)).await
            }
            _ => self.pool.identity_id().await,
        }
    }

    pub(in crate::identity) fn kept_by(&self, cache: CacheRef) {
        self.pool.login_sources_kept_by(&cache);
        if let Some((keeper, _)) = &self.user {
            keeper.add_cache(cache);
        }
    }
}

/// What the user pool vouches for a user with.
fn logins(keeper: &Keeper<UserPool>, token: &Token) -> Logins {
    let claims = Claims::of(token.expose());
    let provider = match claims.provider() {
        Some(provider) => provider.to_owned(),
        None => keeper.issuer.login_name(),
    };
    Logins::from([(provider, token.clone())])
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
/// of a sign-in or a sign-out: switch that off (`IdentityCache::no_cache()`), or make the clients anew.
#[derive(Clone)]
pub struct SessionProvider {
    cached: Cached<IdentityCredentials, SigningCredentials>,
}

impl SessionProvider {
    pub(super) fn new(cached: Cached<IdentityCredentials, SigningCredentials>) -> Self {
        Self { cached }
    }

    pub(super) fn pool(&self) -> &IdentityPool {
        &self.cached.source().pool
    }

    pub(in crate::identity) fn kept_by(&self, cache: CacheRef) {
        self.cached.source().kept_by(cache);
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
