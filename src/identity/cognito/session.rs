//! Who uses the program: a guest, or a user who has signed in; and what requests are sent as, accordingly.

use std::fmt;
use std::sync::Arc;

use super::claims::Claims;
use super::credentials::{IdentityCredentials, SessionProvider};
use super::endpoint::Endpoint;
use super::identity_pool::IdentityPool;
use super::kept::Kept;
use super::tokens::UserTokens;
use super::user_pool::UserPool;
use crate::error::{AuthError, AuthErrorKind};
use crate::identity::Cached;
use crate::identity::oauth::{
    Keeper, MemoryStore, Pair, RefreshTokenStore, TokenKind, Tokens, key,
};
use crate::identity::token::Token;
use crate::sigv4::SigningCredentials;

/// Whether somebody is signed in, and what requests are sent as: the user's tokens, and the AWS credentials of the
/// user or of a guest. What layers use of it follows when the user signs in or out.
///
/// ```no_run
/// # use tower_client_auth::{BearerTokenLayer, BoxError, Secret, SigV4Layer, TokenStyle, Transport};
/// use tower_client_auth::cognito::{IdentityPool, Session, UserPool};
/// use tower_client_auth::oauth::{FileStore, TokenKind};
///
/// # async fn example(transport: Transport, password: Secret) -> Result<(), BoxError> {
/// let users = UserPool::new("eu-west-1_AbCdEfGhI", "4h57k1l5jm2o1aexample", transport.clone())?;
/// let identities = IdentityPool::new("eu-west-1:01234567-89ab-cdef-0123-456789abcdef", transport)?;
/// let session = Session::new(users)
///     .identity_pool(identities)
///     .store(FileStore::new("/home/me/.config/my-program/session.json"));
///
/// let iam = SigV4Layer::new("eu-west-1", "execute-api", session.credentials()?)?; // as a guest
/// let user = BearerTokenLayer::new("https://api.example.com", session.tokens(TokenKind::Access))?
///     .style(TokenStyle::Raw);
///
/// let tokens = session.user_pool()?.sign_in("alice", password).await?.tokens()?;
/// session.sign_in(&tokens).await?; // from here on both layers send requests as alice
/// session.sign_out().await?; // and from here on as a guest, and not at all
/// # Ok(())
/// # }
/// ```
///
/// From Amplify's configuration file it comes by `Config::session`, and `AuthSelector::session` gives it to the
/// APIs. Clones are one session. One that is then given another setting is another session.
///
/// # What requests are sent as
///
/// | | the user's tokens | AWS credentials |
/// |---|---|---|
/// | nobody is signed in | an error, [`SignInRequired`] | a guest's; [`SignInRequired`] if the pool gives nothing to guests |
/// | a user is signed in | the user's | the user's |
/// | the session has expired, or was revoked | [`SignInRequired`] | [`SignInRequired`]: never a guest's, unless the program [wants that](Session::fall_back_to_guest) |
/// | Cognito, or the store, cannot be reached | transient errors, once what is there has ended | the same |
///
/// Once [`sign_in`](Session::sign_in) or [`sign_out`](Session::sign_out) has returned, no request that is sent from
/// then on has a credential of before: caches forget theirs, and what a refresh under way brings is nobody's.
/// Requests that are under way meanwhile go out as one or the other.
///
/// # What it stores
///
/// In its [`RefreshTokenStore`], in memory by default: the refresh token, under the pool, the app client and the
/// [`account`](Session::account), and the id of the identity. Neither passwords nor any other tokens. Other programs
/// that share the store are not told of a sign-in or sign-out, and notice when what they hold ends.
///
/// # What it calls
///
/// `GetTokensFromRefreshToken`, once for both kinds of token, behind caches, before one of them ends; where a server
/// does not know that, `InitiateAuth` with `REFRESH_TOKEN_AUTH`. A refresh token that Cognito replaces (rotation) is
/// saved before anything is sent with the new tokens; [`RefreshToken`](crate::oauth::RefreshToken) says more about
/// what happens when that fails. `RevokeToken` at sign-out. See [`IdentityPool`] for what that calls.
///
/// [`SignInRequired`]: AuthErrorKind::SignInRequired
#[derive(Clone)]
#[must_use = "a session does nothing until its tokens or credentials are used"]
pub struct Session {
    settings: Settings,
    /// `None` without a user pool.
    keeper: Option<Keeper<UserPool>>,
    access: Cached<UserTokens>,
    id: Cached<UserTokens>,
    /// As the credentials come from it: with this session's store and account.
    identities: Option<IdentityPool>,
    credentials: Option<Cached<IdentityCredentials, SigningCredentials>>,
}

#[derive(Clone)]
struct Settings {
    users: Option<UserPool>,
    identities: Option<IdentityPool>,
    store: Arc<dyn RefreshTokenStore>,
    account: Option<String>,
    fall_back: bool,
}

impl Session {
    /// A session of users of this pool.
    pub fn new(user_pool: UserPool) -> Self {
        Self::of(Settings {
            users: Some(user_pool),
            ..Settings::default()
        })
    }

    /// A session in which nobody signs in: guests of an identity pool, or users that somebody else vouches for by the
    /// pool's [logins](IdentityPool::login).
    pub fn of_guests(identity_pool: IdentityPool) -> Self {
        Self::of(Settings {
            identities: Some(identity_pool),
            ..Settings::default()
        })
    }

    fn of(settings: Settings) -> Self {
        let store = Arc::clone(&settings.store);
        let keeper = settings.users.as_ref().map(|users| {
            let [pool, client] = users.names();
            let mut names = vec![pool, client];
            names.extend(settings.account.as_deref());
            let key = key(&Endpoint::id(&users.endpoint), &names);
            Keeper::new(users.clone(), key, Arc::clone(&store))
        });
        // In this order, in which they are told when the session changes: what loads from another after it.
        let tokens = |kind, name| Cached::named(UserTokens::new(keeper.clone(), kind), name);
        let access = tokens(TokenKind::Access, "user pool access token");
        let id = tokens(TokenKind::Id, "user pool ID token");
        let identities = settings.identities.clone().map(|mut pool| {
            if let Some(account) = &settings.account {
                pool.set_account(account);
            }
            pool.set_default_store(&store);
            pool
        });
        let credentials = identities.clone().map(|pool| {
            let user = keeper.clone().map(|keeper| (keeper, id.clone()));
            let source = IdentityCredentials::new(pool, user, settings.fall_back);
            Cached::named(source, "identity pool credentials")
        });
        Self {
            settings,
            keeper,
            access,
            id,
            identities,
            credentials,
        }
    }

    fn with(self, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = self.settings;
        change(&mut settings);
        Self::of(settings)
    }

    /// Where AWS credentials come from, for guests and for users.
    pub fn identity_pool(self, pool: IdentityPool) -> Self {
        self.with(|settings| settings.identities = Some(pool))
    }

    /// Where the session is kept between runs of the program: a [`FileStore`](crate::oauth::FileStore), or a
    /// keyring of your own.
    pub fn store(self, store: impl RefreshTokenStore) -> Self {
        self.with(|settings| settings.store = Arc::new(store))
    }

    /// Which account's session it is, for programs that hold several in one store.
    pub fn account(self, name: &str) -> Self {
        self.with(|settings| settings.account = Some(name.to_owned()))
    }

    /// Signs requests with a guest's credentials once the user's session has expired or was revoked, in place of an
    /// error. Whoever reads an answer may then take what guests see for what the user sees.
    pub fn fall_back_to_guest(self) -> Self {
        self.with(|settings| settings.fall_back = true)
    }

    /// Where users sign in.
    ///
    /// # Errors
    ///
    /// [`AuthErrorKind::Configuration`] for a session without a user pool.
    pub fn user_pool(&self) -> Result<&UserPool, AuthError> {
        self.settings.users.as_ref().ok_or_else(no_user_pool)
    }

    /// The user's tokens: what a [`BearerTokenLayer`](crate::BearerTokenLayer) takes. All that ask share them.
    ///
    /// A REST API whose method names scopes for its Cognito authorizer wants the access token, one without scopes the
    /// ID token. Without a user pool, each is an error.
    pub fn tokens(&self, kind: TokenKind) -> Cached<UserTokens> {
        match kind {
            TokenKind::Access => self.access.clone(),
            TokenKind::Id => self.id.clone(),
        }
    }

    /// AWS credentials, of the user or of a guest: what a [`SigV4Layer`](crate::SigV4Layer) takes. All that ask share
    /// them.
    ///
    /// # Errors
    ///
    /// [`AuthErrorKind::Configuration`] for a session without an identity pool.
    pub fn credentials(
        &self,
    ) -> Result<Cached<IdentityCredentials, SigningCredentials>, AuthError> {
        self.credentials.clone().ok_or_else(|| {
            AuthError::new(
                AuthErrorKind::Configuration,
                "the session has no identity pool, and so no AWS credentials: give it one with \
                 `Session::identity_pool`, or in the configuration",
            )
        })
    }

    /// The id of the user's identity in the identity pool, or of the guest's: such as is in the path of files that are
    /// a user's own.
    ///
    /// # Errors
    ///
    /// As for [`credentials`](Session::credentials), and those of [`IdentityPool`].
    pub async fn identity_id(&self) -> Result<String, AuthError> {
        self.credentials()?.source().identity_id().await
    }

    /// AWS credentials, of the user or of a guest, for clients of AWS's SDKs.
    ///
    /// # Errors
    ///
    /// As for [`credentials`](Session::credentials).
    pub fn provider(&self) -> Result<SessionProvider, AuthError> {
        Ok(SessionProvider::new(self.credentials()?))
    }

    /// Starts the session of a user: with what [`UserPool::sign_in`] brought, or a sign-in in a browser by
    /// [`UserPool::oauth_client`]. It takes the place of the session before.
    ///
    /// # Errors
    ///
    /// [`AuthErrorKind::Configuration`] for tokens of another app client, or without a user pool; those of the store.
    /// The older session is then still the one.
    pub async fn sign_in(&self, tokens: &Tokens) -> Result<(), AuthError> {
        let (users, keeper) = (self.user_pool()?, self.keeper()?);
        if tokens.client_id().is_some_and(|id| id != users.client_id()) {
            return Err(AuthError::new(
                AuthErrorKind::Configuration,
                "these tokens were issued to another app client than the session's",
            ));
        }
        let claims = Claims::of(tokens.access_token().expose());
        let kept = tokens.refresh_token().cloned();
        let kept = kept.map(|token| Kept::new(token, &claims).into_text());
        let pair = Pair::<Token>::default()
            .with(TokenKind::Access, Some(tokens.access_token().clone()))
            .with(TokenKind::Id, tokens.id_token().cloned());
        self.forget_identity().await;
        keeper.clone().replace(kept, pair).await
    }

    /// Ends the session: forgets it here, and has the user pool revoke the refresh token, and with it the access
    /// tokens that came from it, as far as somebody asks the pool about them. Without a session, nothing happens.
    ///
    /// # Errors
    ///
    /// Those of the store: nothing has changed then. If only the pool could not be told, the error says so, and the
    /// session is forgotten here all the same.
    pub async fn sign_out(&self) -> Result<(), AuthError> {
        let keeper = self.keeper()?;
        // A guest who signs out stays the same guest.
        if keeper.is_somebodys().await? {
            self.forget_identity().await;
        }
        keeper.sign_out().await
    }

    /// Whether a user is signed in, as far as is known without asking the pool. Only a token shows for certain:
    /// [`Cached::prefetch`] of [`tokens`](Session::tokens) is an [`AuthErrorKind::SignInRequired`] error if the user
    /// has to sign in.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub async fn is_signed_in(&self) -> Result<bool, AuthError> {
        match &self.keeper {
            Some(keeper) => keeper.is_signed_in().await,
            None => Ok(false),
        }
    }

    /// Waits until no refresh is under way, so that the program can end without losing what it brings.
    pub async fn settled(&self) {
        if let Some(keeper) = &self.keeper {
            keeper.settled().await;
        }
    }

    fn keeper(&self) -> Result<&Keeper<UserPool>, AuthError> {
        self.keeper.as_ref().ok_or_else(no_user_pool)
    }

    /// A guest's identity is not the user's, nor the other way round: as Amplify has it.
    async fn forget_identity(&self) {
        if let Some(pool) = &self.identities {
            pool.forget_identity().await;
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            users: None,
            identities: None,
            store: Arc::new(MemoryStore::new()),
            account: None,
            fall_back: false,
        }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("user_pool", &self.settings.users)
            .field("identity_pool", &self.settings.identities)
            .field("falls_back_to_guest", &self.settings.fall_back)
            .finish_non_exhaustive()
    }
}

pub(super) fn no_user_pool() -> AuthError {
    AuthError::new(
        AuthErrorKind::Configuration,
        "the session has no user pool, so nobody can sign in: make it with `Session::new`, or give the configuration \
         a user pool",
    )
}
