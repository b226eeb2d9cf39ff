//! From a configuration to the session of its user pool and its identity pool.

use super::Config;
use super::model::{AuthConfig, IdentityPoolConfig, UserPoolConfig};
use crate::error::{AuthError, AuthErrorKind};
use crate::identity::Transport;
use crate::identity::cognito::{IdentityPool, Session, UserPool};

impl Config {
    /// The session of the user pool and the identity pool that the configuration names, or of the one of them that
    /// it does name. Feature `cognito`.
    ///
    /// ```no_run
    /// # use tower_client_auth::{BoxError, Config, Transport};
    /// # fn example(transport: Transport) -> Result<(), BoxError> {
    /// use tower_client_auth::oauth::FileStore;
    ///
    /// let config = Config::from_path("amplifyconfiguration.json")?;
    /// let session = config
    ///     .session(transport)? // with feature `hyper-client`: Transport::hyper()?
    ///     .store(FileStore::new("/home/me/.config/my-program/session.json"));
    /// let orders = config.selector().session(session.clone()).layer("orders")?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// How users sign in is the program's choice, by the method of [`UserPool`] that it calls: what a file says of
    /// flows (`authenticationFlowType`) is not heeded. The domain of the pool's web pages, for
    /// [`UserPool::oauth_client`], is in `auth.user_pool` under `oauth`.
    ///
    /// # Errors
    ///
    /// [`AuthErrorKind::Configuration`] if it names neither, or what cannot be the id or the endpoint of one.
    pub fn session(&self, transport: Transport) -> Result<Session, AuthError> {
        let AuthConfig {
            user_pool,
            identity_pool,
            ..
        } = &self.auth;
        let users = user_pool
            .as_ref()
            .map(|pool| users(pool, transport.clone()));
        let identities = identity_pool
            .as_ref()
            .map(|pool| identities(pool, transport));
        match (users.transpose()?, identities.transpose()?) {
            (Some(users), Some(identities)) => Ok(Session::new(users).identity_pool(identities)),
            (Some(users), None) => Ok(Session::new(users)),
            (None, Some(identities)) => Ok(Session::of_guests(identities)),
            (None, None) => Err(AuthError::new(
                AuthErrorKind::Configuration,
                "the configuration has neither a user pool nor an identity pool, so there is nobody to sign in: add \
                 them, or give token sources and credentials to `Config::selector`",
            )),
        }
    }
}

fn users(config: &UserPoolConfig, transport: Transport) -> Result<UserPool, AuthError> {
    check_region("user", &config.id, &config.region)?;
    let mut pool = UserPool::new(&config.id, &config.client_id, transport)?;
    if let Some(endpoint) = &config.endpoint {
        pool = pool.endpoint(endpoint)?;
    }
    Ok(match &config.client_secret {
        Some(secret) if !secret.expose().is_empty() => pool.client_secret(secret.clone()),
        _ => pool,
    })
}

fn identities(
    config: &IdentityPoolConfig,
    transport: Transport,
) -> Result<IdentityPool, AuthError> {
    check_region("identity", &config.id, &config.region)?;
    let mut pool = IdentityPool::new(&config.id, transport)?;
    if let Some(endpoint) = &config.endpoint {
        pool = pool.endpoint(endpoint)?;
    }
    Ok(match config.allow_guests {
        true => pool,
        false => pool.refuse_guests(),
    })
}

/// A pool's id begins with its region: if the configuration names another, one of them is a slip.
fn check_region(which: &str, id: &str, region: &str) -> Result<(), AuthError> {
    let rest = id.strip_prefix(region);
    match rest.is_some_and(|rest| rest.starts_with(['_', ':'])) {
        true => Ok(()),
        false => Err(AuthError::new(
            AuthErrorKind::Configuration,
            format!(
                "the id of the {which} pool does not begin with its region, `{region}`, as ids of pools do: correct \
                 one of them"
            ),
        )),
    }
}
