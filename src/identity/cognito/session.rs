//! Who uses the program: a guest, or a user who has signed in; and what requests are sent as, accordingly.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex};

use super::claims::Claims;
use super::credentials::{IdentityCredentials, SessionProvider, User};
use super::identity_pool::{CACHE, IdentityPool};
use super::kept::Kept;
use super::tokens::UserTokens;
use super::user_pool::UserPool;
use crate::clock::Clock;
use crate::error::{AuthError, AuthErrorKind};
use crate::identity::Cached;
use crate::identity::oauth::{
    Keeper, MemoryStore, Pair, RefreshTokenStore, TokenKind, Tokens, key,
};
use crate::identity::token::Token;
use crate::lock::lock;
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
/// // as a guest, unless somebody is signed in from before
/// let iam = SigV4Layer::new("eu-west-1", "execute-api", session.credentials()?)?;
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
/// APIs. Clones are one session, also those that are then given another identity pool.
///
/// # What requests are sent as
///
/// | | the user's tokens | AWS credentials |
/// |---|---|---|
/// | nobody is signed in | an error, [`SignInRequired`] | a guest's; [`SignInRequired`] if the pool gives nothing to guests |
/// | a user is signed in | the user's | the user's |
/// | the session has expired, was revoked, or is gone from its store while the program runs | [`SignInRequired`] | [`SignInRequired`]: never a guest's, unless the program [wants that](Session::fall_back_to_guest) |
/// | Cognito, or the store, cannot be reached | transient errors, once what is there has ended | the same |
///
/// An error that Cognito has a part in has a [`CognitoError`](super::CognitoError) as its source: so a session that has
/// ended can be told from one that never was.
///
/// Once [`sign_in`](Session::sign_in) or [`sign_out`](Session::sign_out) has returned, no request that is sent from
/// then on has a credential of before: caches forget theirs, and what a refresh under way brings is nobody's.
/// Requests that are under way meanwhile go out as one or the other.
///
/// # What it stores
///
/// In its [`RefreshTokenStore`], in memory by default: the refresh token with the user's name and the device's key,
/// under the pool, the app client and the [`account`](Session::account); and the id of the identity. Neither passwords
/// nor any other tokens. Other programs
/// that share the store are not told of a sign-in or sign-out, and notice when what they hold ends: after another has
/// signed out, the user has to sign in here too, or sign out here, and after another user's sign-in all that was held is
/// dropped. A program that is about to end awaits [`settled`](Session::settled), or what a refresh brings may be lost.
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
    /// Those that credentials come from, of all clones: with the session's store and account.
    identities: Arc<Mutex<Vec<IdentityPool>>>,
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
        let keeper = settings.users.as_ref().map(|users| {
            let [pool, client] = users.names();
            let mut names = vec![pool, client];
            names.extend(settings.account.as_deref());
            let key = key(&users.endpoint.id(), &names);
            Keeper::new(users.clone(), key, Arc::clone(&settings.store))
        });
        // In this order, in which they are told when the session changes: what loads from another after it.
        let clock = settings.clock();
        let tokens = |kind, name| {
            let source = UserTokens::new(keeper.clone(), kind);
            Cached::named(source, name, clock.clone())
        };
        let access = tokens(TokenKind::Access, "user pool access token");
        let id = tokens(TokenKind::Id, "user pool ID token");
        Self {
            settings,
            keeper,
            access,
            id,
            identities: Arc::default(),
            credentials: None,
        }
        .with_credentials()
    }

    /// The same session, with the credentials that its settings ask for.
    fn with_credentials(mut self) -> Self {
        let settings = &self.settings;
        self.credentials = settings.identities.clone().map(|mut pool| {
            if let Some(account) = &settings.account {
                pool.set_account(account);
            }
            pool.set_default_store(&settings.store);
            let pool = pool.clock(settings.clock());
            lock(&self.identities).push(pool.clone());
            let user = self.keeper.clone().map(|keeper| User {
                keeper,
                tokens: self.id.clone(),
            });
            let source = IdentityCredentials::new(pool, user, settings.fall_back);
            Cached::named(source, CACHE, settings.clock())
        });
        self
    }

    /// Where AWS credentials come from, for guests and for users. It goes by the user pool's clock.
    pub fn identity_pool(mut self, pool: IdentityPool) -> Self {
        self.settings.identities = Some(pool);
        self.with_credentials()
    }

    /// Where the session is kept between runs of the program: a [`FileStore`](crate::oauth::FileStore), or a
    /// keyring of your own. What other clones have in another store is another session.
    pub fn store(mut self, store: impl RefreshTokenStore) -> Self {
        self.settings.store = Arc::new(store);
        Self::of(self.settings)
    }

    /// Which account's session it is, for programs that hold several in one store. Each is a session of its own.
    pub fn account(mut self, name: &str) -> Self {
        self.settings.account = Some(name.to_owned());
        Self::of(self.settings)
    }

    /// Signs requests with a guest's credentials once the user's session has expired or was revoked, in place of an
    /// error. Whoever reads an answer may then take what guests see for what the user sees. Each time, there is an
    /// event (feature `tracing`) and a count (feature `metrics`).
    pub fn fall_back_to_guest(mut self) -> Self {
        self.settings.fall_back = true;
        self.with_credentials()
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
        let users = self.user_pool()?;
        let keeper = self.keeper.clone().ok_or_else(no_user_pool)?;
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
        keeper.replace(kept, pair, self.forget_identity()).await
    }

    /// Ends the session: forgets it here, and has the user pool revoke the refresh token. Cognito then refuses the
    /// access tokens that came from it. An API that only checks signatures takes them, and ID tokens, until they end;
    /// so do AWS's services with credentials that were given out.
    ///
    /// # Errors
    ///
    /// Those of the store: nothing has changed then. If only the pool could not be told, the error says so, and the
    /// session is forgotten here all the same; if that error is [transient](AuthError::is_transient), signing out once
    /// more tells it.
    pub async fn sign_out(&self) -> Result<(), AuthError> {
        match &self.keeper {
            Some(keeper) => keeper.sign_out(self.forget_identity()).await,
            // Nobody can have signed in.
            None => Ok(()),
        }
    }

    /// Fetches the user's tokens anew, whatever is left of those at hand: after something was changed about the user,
    /// a group or an attribute, that tokens and credentials should tell of. The next requests use them, and credentials
    /// that come of them. A session without a refresh token keeps the tokens that it has.
    ///
    /// # Errors
    ///
    /// Those of [`tokens`](Session::tokens): what is at hand has been forgotten all the same.
    pub async fn refresh(&self) -> Result<(), AuthError> {
        let keeper = self.keeper.as_ref().ok_or_else(no_user_pool)?;
        keeper.forget_tokens().await?;
        self.access.prefetch().await
    }

    /// Whether the user has to sign in before requests can be sent as theirs: nobody is signed in, or the session has
    /// ended. Fetches a token for that if there is none, which the next requests then use: this is how a program finds
    /// out at its start.
    ///
    /// # Errors
    ///
    /// Those of [`tokens`](Session::tokens), but for the one that says so.
    pub async fn needs_sign_in(&self) -> Result<bool, AuthError> {
        self.access.needs_sign_in().await
    }

    /// The user's name in the pool, whatever alias was used to sign in. `None` if nobody is signed in, or the tokens
    /// did not tell.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub async fn username(&self) -> Result<Option<String>, AuthError> {
        let Some(keeper) = &self.keeper else {
            return Ok(None);
        };
        if let Some(kept) = keeper.kept().await? {
            return Ok(Kept::parse(&kept).username);
        }
        let only = keeper.only(TokenKind::Access);
        Ok(only.and_then(|token| Claims::of(token.expose()).username().map(str::to_owned)))
    }

    /// Whether a user is signed in, as far as is known without asking the pool: a session that has ended in the
    /// meantime is in its store still. [`needs_sign_in`](Session::needs_sign_in) finds out.
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

    /// A guest's identity is not the user's, nor the other way round: as Amplify has it.
    fn forget_identity(&self) -> impl Future<Output = ()> + Send + use<> {
        let pools = lock(&self.identities).clone();
        async move {
            for pool in pools {
                pool.forget_identity().await;
            }
        }
    }
}

impl Settings {
    fn clock(&self) -> Clock {
        let users = self.users.as_ref().map(|pool| &pool.clock);
        let own = users.or(self.identities.as_ref().map(|pool| &pool.clock));
        own.cloned().unwrap_or_else(Clock::system)
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
