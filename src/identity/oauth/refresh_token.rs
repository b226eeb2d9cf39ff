//! The grant that keeps a user signed in.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;

use super::client::OAuthClient;
use super::error::Asked;
use super::form::Form;
use super::future::GrantFuture;
use super::options::{Options, option_setters};
use super::reply::TokenReply;
use super::session::{Ended, Session, State, Unsaved};
use super::store::{RefreshTokenStore, key};
use super::tokens::{TokenKind, Tokens};
use crate::error::{AuthError, AuthErrorKind, BoxError};
use crate::identity::cache::{CacheRef, Cached};
use crate::identity::runtime::{detached, timer};
use crate::identity::source::TokenSource;
use crate::identity::token::Token;
use crate::secret::Secret;

/// Tokens of a user who has signed in, for as long as the session lasts: the refresh token grant
/// ([RFC 6749, section 6]), with rotation.
///
/// ```no_run
/// # use tower_client_auth::{BearerTokenLayer, BoxError, Transport};
/// use tower_client_auth::oauth::{FileStore, OAuthClient, Provider};
///
/// # async fn send(_: http::Request<http_body_util::Full<bytes::Bytes>>)
/// #     -> Result<http::Response<http_body_util::Full<bytes::Bytes>>, tower_client_auth::BoxError> {
/// #     Ok(http::Response::default())
/// # }
/// # async fn example() -> Result<(), BoxError> {
/// # let transport = Transport::new(tower::service_fn(send));
/// let provider = Provider::discover("https://login.example.com", transport)?;
/// let client = OAuthClient::new(provider, "command-line");
///
/// let session = client.refresh_token(FileStore::new("/home/me/.config/my-program/sessions.json"));
/// if !session.is_signed_in().await? {
///     let login = client.device_authorization().scope("openid offline_access").begin().await?;
///     println!("open {} and enter {}", login.verification_uri(), login.user_code());
///     session.sign_in(&login.finish().await?).await?;
/// }
/// let layer = BearerTokenLayer::new("https://api.example.com", session.cached())?;
/// # Ok(())
/// # }
/// ```
///
/// Clones are one session. One that is then given another setting is a source of its own, over the same store.
///
/// # What it calls, and when
///
/// The token endpoint, each time it is asked for a token: behind a [`Cached`], which
/// [`cached`](RefreshToken::cached) is, once for all requests and again before the token ends. The first time
/// after [`sign_in`](RefreshToken::sign_in) the access token that came along is handed out.
///
/// No caller stops a refresh half-way: it runs on a task of its own, and the answer is waited for up to six
/// times as long as the transport's timeout says, because a refresh token that was replaced and did not arrive
/// is lost. Requests do not wait for that long behind a cache. The end of the runtime does stop it: a program
/// that is about to exit awaits [`settled`](RefreshToken::settled).
///
/// # What it stores
///
/// The refresh token, in its [`RefreshTokenStore`], under the provider, the client's id and the
/// [`account`](RefreshToken::account). With every refresh it holds the store's lock, reads the token anew,
/// and saves the one that replaces it **before** the access token is used: so that programs which share a store
/// never use one twice, for which providers revoke the whole family. If it cannot be saved, after three
/// attempts, it is kept in memory and saved with the next refresh. Access tokens and ID tokens are not stored.
///
/// # What failures mean
///
/// | what | the error | |
/// |---|---|---|
/// | the provider cannot be reached, is slow, answers 5xx, 429, or with something else than a token | transient | the session stays: it is asked again after a pause |
/// | the store fails | transient, unless it says otherwise: [`FileStore`](super::FileStore) does of a file it cannot trust | as above |
/// | the connection breaks after the provider has replaced the token, or the program is killed then | whatever the provider says to the old token: [`SignInRequired`], if it has no grace period | |
/// | nobody has signed in | [`SignInRequired`] | |
/// | `invalid_grant`: the session has ended, or was revoked | [`SignInRequired`] | the token stays stored, and is not sent again for five minutes |
/// | `invalid_client`, `invalid_scope`, … | [`Source`](AuthErrorKind::Source) | the session stays: check the client's registration |
///
/// [RFC 6749, section 6]: https://www.rfc-editor.org/rfc/rfc6749#section-6
/// [`SignInRequired`]: AuthErrorKind::SignInRequired
#[derive(Clone)]
#[must_use = "a grant does nothing until it is asked for a token"]
pub struct RefreshToken {
    client: OAuthClient,
    options: Options,
    kind: TokenKind,
    key: String,
    store: Arc<dyn RefreshTokenStore>,
    session: Arc<Session>,
}

/// Between attempts to save a refresh token. A disk that is busy, a keyring that is locked: some of it passes.
const SAVE_PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(1)];

impl OAuthClient {
    /// Tokens of the user whose refresh token is in `store`, or will be once the user has signed in.
    pub fn refresh_token(&self, store: impl RefreshTokenStore) -> RefreshToken {
        RefreshToken {
            key: key(&self.provider().id(), &[self.id()]),
            client: self.clone(),
            options: Options::default(),
            kind: TokenKind::default(),
            store: Arc::new(store),
            session: Arc::default(),
        }
    }
}

impl RefreshToken {
    option_setters!();

    /// Which account's session it is, for programs that hold several with one client.
    pub fn account(mut self, name: &str) -> Self {
        self.key = key(&self.client.provider().id(), &[self.client.id(), name]);
        self.separate()
    }

    /// Which token the API is sent. The access token by default.
    pub fn token_kind(mut self, kind: TokenKind) -> Self {
        self.kind = kind;
        self.separate()
    }

    fn set(mut self, change: impl FnOnce(&mut Options)) -> Self {
        change(&mut self.options);
        self.separate()
    }

    /// Nothing that another session, or a token of another kind, has in memory is this one's.
    fn separate(mut self) -> Self {
        self.session = Arc::default();
        self
    }

    /// Keeps a token for all requests, and renews it before it ends.
    pub fn cached(self) -> Cached<Self> {
        Cached::new(self)
    }

    /// Stores what a sign-in brought, in place of an older session. Caches over this source forget the older
    /// session's token.
    ///
    /// # Errors
    ///
    /// Those of the store: the older session is then still the one. [`AuthErrorKind::Configuration`] for tokens of
    /// another provider or client.
    pub async fn sign_in(&self, tokens: &Tokens) -> Result<(), AuthError> {
        if tokens.is_of_another(&self.client) {
            return Err(AuthError::new(
                AuthErrorKind::Configuration,
                "these tokens were issued to another client, or by another provider: each session has its own",
            ));
        }
        let (session, tokens) = (self.clone(), tokens.clone());
        detached(async move { session.replace(&tokens).await }).await
    }

    async fn replace(&self, tokens: &Tokens) -> Result<(), AuthError> {
        let _held = self.hold().await?;
        let stored = match tokens.refresh_token() {
            Some(token) => self.store.save(&self.key, token).await,
            // The session lasts as long as its access token.
            None => self.store.clear(&self.key).await,
        };
        stored.map_err(store_failed)?;
        let fresh = match self.kind {
            TokenKind::Access => Some(tokens.access_token()),
            TokenKind::Id => tokens.id_token(),
        };
        let fresh = fresh.cloned();
        *self.session.state() = match tokens.refresh_token() {
            // What it is for was asked for at the sign-in, and is not known here.
            Some(_) if !self.options.are_default() => State::default(),
            Some(_) => State {
                fresh,
                ..State::default()
            },
            None => State {
                only: fresh,
                ..State::default()
            },
        };
        self.session.tell_caches();
        Ok(())
    }

    /// Waits until no refresh is under way, so that the program can end without losing what it brings.
    pub async fn settled(&self) {
        drop(self.session.changing.lock().await);
    }

    /// Whether there is a session, as far as is known without asking the provider. Only a token shows for
    /// certain: [`Cached::prefetch`] is an [`AuthErrorKind::SignInRequired`] error if the user has
    /// to sign in.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub async fn is_signed_in(&self) -> Result<bool, AuthError> {
        let stored = self.load().await?;
        let state = self.session.state();
        Ok(match (&stored, &state.ended) {
            (Some(stored), Some(ended)) => stored.expose() != ended.token.expose(),
            (Some(_), None) => true,
            (None, _) => state.only.as_ref().is_some_and(|only| self.lasts(only)),
        })
    }

    /// Ends the session: forgets it here, caches over this source included, and has the provider revoke the
    /// refresh token, if it is known to do that ([RFC 7009]).
    ///
    /// # Errors
    ///
    /// Those of the store: nothing has changed then. If only the provider could not be told, the error says so,
    /// and the session is forgotten here all the same.
    ///
    /// [RFC 7009]: https://www.rfc-editor.org/rfc/rfc7009#section-2
    pub async fn sign_out(&self) -> Result<(), AuthError> {
        let session = self.clone();
        let ended = detached(async move { session.forget().await }).await?;
        match ended {
            Some(token) => self.revoke(&token).await,
            None => Ok(()),
        }
    }

    /// Ends the session here. Returns the refresh token that it had.
    async fn forget(&self) -> Result<Option<Secret>, AuthError> {
        let _held = self.hold().await?;
        let stored = self.load().await?;
        self.store.clear(&self.key).await.map_err(store_failed)?;
        let state = std::mem::take(&mut *self.session.state());
        self.session.tell_caches();
        Ok(state.current(stored))
    }

    /// Keeps others from changing the session: tasks of this program, then whoever shares the store.
    async fn hold(&self) -> Result<impl Send + use<>, AuthError> {
        let here = Arc::clone(&self.session.changing).lock_owned().await;
        let everywhere = self.store.lock(&self.key).await.map_err(store_failed)?;
        // Dropped in this order.
        Ok((everywhere, here))
    }

    async fn revoke(&self, token: &Secret) -> Result<(), AuthError> {
        let told = async {
            let metadata = self.client.provider().metadata().await?;
            let Some(endpoint) = metadata.revocation_endpoint.clone() else {
                return Ok(());
            };
            let form = Form::default()
                .with_secret("token", token)
                .with("token_type_hint", "refresh_token");
            let asked = Asked::Revocation;
            let answer = self.client.ask(&metadata, &endpoint, asked, form).await;
            answer.map(drop)
        };
        told.await.map_err(|error: AuthError| {
            AuthError::passing(
                "signed out here, but the provider could not be told, and the refresh token may be good still",
            )
            .with_source(error)
        })
    }

    async fn refresh(self) -> Result<Token, AuthError> {
        let _held = self.hold().await?;
        // Somebody else may have refreshed while this one waited.
        let mut stored = self.load().await?;
        let mut second = false;
        loop {
            let current = self.session.state().current(stored.clone());
            let (Some(kept), Some(current)) = (&stored, current) else {
                return Err(AuthError::new(
                    AuthErrorKind::SignInRequired,
                    "nobody is signed in: there is no refresh token in the store, or the sign-in brought none \
                     (many providers want the scope `offline_access` for one)",
                ));
            };
            if let Some(error) = self.session.state().has_ended(&current) {
                return Err(error);
            }
            match self.ask(&current).await {
                Ok(reply) => {
                    self.keep(kept, &current, &reply).await;
                    return self.pick(reply);
                }
                Err(error) if error.kind() == AuthErrorKind::SignInRequired => {
                    // A store without a lock: another program was quicker.
                    let newer = self.load().await?;
                    let differs = match &newer {
                        Some(newer) => newer.expose() != kept.expose(),
                        None => true,
                    };
                    if !differs || second {
                        self.session.state().ended = Some(Ended::now(current, error.clone()));
                        return Err(error);
                    }
                    (stored, second) = (newer, true);
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn ask(&self, current: &Secret) -> Result<TokenReply, AuthError> {
        let mut form = Form::of_grant("refresh_token").with_secret("refresh_token", current);
        self.options.write(&mut form)?;
        self.client.grant(Asked::RefreshToken, form).await
    }

    /// Saves the refresh token that came instead of the one that was used.
    async fn keep(&self, stored: &Secret, used: &Secret, reply: &TokenReply) {
        let next = reply.refresh.as_ref().unwrap_or(used);
        let saved = match next.expose() == stored.expose() {
            true => Ok(()),
            false => self.save(stored, next).await,
        };
        let mut state = self.session.state();
        state.ended = None;
        state.unsaved = match saved {
            Ok(()) => None,
            Err(error) => {
                crate::observe::refresh_token_unsaved(&error);
                Some(Unsaved {
                    stored: stored.clone(),
                    token: next.clone(),
                })
            }
        };
    }

    /// Puts a refresh token in the place of the one that is stored. What is at stake is the session, so a store
    /// that fails, or panics, is asked again.
    async fn save(&self, stored: &Secret, next: &Secret) -> Result<(), AuthError> {
        let mut pauses = SAVE_PAUSES.into_iter();
        loop {
            let attempt = async {
                // In a store without a lock, somebody else may have signed in or out by now.
                let now = self.load().await?;
                match now.is_some_and(|now| now.expose() == stored.expose()) {
                    true => self.store.save(&self.key, next).await.map_err(store_failed),
                    false => Ok(()),
                }
            };
            let attempt = AssertUnwindSafe(attempt).catch_unwind().await;
            let error = match attempt {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(error)) => error,
                Err(_) => AuthError::passing("the refresh token store panicked"),
            };
            match pauses.next() {
                Some(pause) => timer(pause)?.await,
                None => return Err(error),
            }
        }
    }

    fn pick(&self, reply: TokenReply) -> Result<Token, AuthError> {
        match self.kind {
            TokenKind::Access => Ok(reply.access),
            TokenKind::Id => reply.id.ok_or_else(|| {
                AuthError::refused(
                    "the provider refreshed the session without a new ID token: sign in with the scope \
                     `openid`, or send the access token",
                )
            }),
        }
    }

    async fn load(&self) -> Result<Option<Secret>, AuthError> {
        let stored = self.store.load(&self.key).await;
        stored.map_err(store_failed)
    }

    /// What came with the sign-in: once, or for as long as it lasts if that is all there is.
    fn at_sign_in(&self) -> Option<Token> {
        let mut state = self.session.state();
        let token = match state.fresh.take() {
            Some(fresh) => fresh,
            None => state.only.clone()?,
        };
        self.lasts(&token).then_some(token)
    }

    fn lasts(&self, token: &Token) -> bool {
        !token.has_expired(&self.client.moment())
    }
}

impl TokenSource for RefreshToken {
    type Future = GrantFuture;

    fn token(&self) -> Self::Future {
        let session = self.clone();
        GrantFuture::new(async move {
            match session.at_sign_in() {
                Some(token) => Ok(token),
                None => detached(session.refresh()).await,
            }
        })
    }

    fn must_finish(&self) -> bool {
        true
    }

    fn rejected(&self, token: &Token) {
        let mut state = self.session.state();
        state.only.take_if(|only| only.is_same(token));
    }

    fn kept_by(&self, cache: CacheRef) {
        self.session.add_cache(cache);
    }
}

impl fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefreshToken")
            .field("client", &self.client)
            .field("options", &self.options)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// What a store says is its own, unless it is one of ours.
fn store_failed(error: BoxError) -> AuthError {
    match error.downcast::<AuthError>() {
        Ok(own) => *own,
        Err(error) => AuthError::passing("the refresh token store failed").with_source(error),
    }
}
