//! The grant that keeps a user signed in.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::client::OAuthClient;
use super::error::Asked;
use super::form::Form;
use super::future::GrantFuture;
use super::options::{Options, option_setters};
use super::reply::TokenReply;
use super::store::RefreshTokenStore;
use super::tokens::{TokenKind, Tokens};
use crate::clock::{Clock, Monotonic};
use crate::error::{AuthError, AuthErrorKind, BoxError};
use crate::identity::cache::{CacheRef, Cached};
use crate::identity::runtime::no_runtime;
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
/// Clones are one session.
///
/// # What it calls, and when
///
/// The token endpoint, each time it is asked for a token: behind a [`Cached`], which
/// [`cached`](RefreshToken::cached) is, once for all requests and again before the token ends. The first time
/// after [`sign_in`](RefreshToken::sign_in) the access token that came along is handed out.
///
/// A refresh is never stopped half-way: it runs on a task of its own, and the answer is waited for up to six
/// times as long as the transport's timeout says, because a refresh token that was replaced and did not arrive
/// is lost. Requests do not wait for that long behind a cache.
///
/// # What it stores
///
/// The refresh token, in its [`RefreshTokenStore`], under the provider, the client's id and the
/// [`account`](RefreshToken::account). With every refresh it holds the store's lock, reads the token anew,
/// and saves the one that replaces it **before** the access token is used: so that programs which share a store
/// never use one twice, for which providers revoke the whole family. If it cannot be saved it is kept in
/// memory and saved with the next refresh. Access tokens and ID tokens are not stored.
///
/// # What failures mean
///
/// | what | the error | |
/// |---|---|---|
/// | the provider cannot be reached, is slow, answers 5xx, 429, or with something else than a token | transient | the session stays: it is asked again after a pause |
/// | the store fails | transient | as above |
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
    session: Arc<Session>,
}

/// What all clones share.
struct Session {
    store: Box<dyn RefreshTokenStore>,
    state: Mutex<State>,
    /// What keeps tokens of this session.
    caches: Mutex<Vec<CacheRef>>,
}

#[derive(Default)]
struct State {
    /// Came with the sign-in, and has not been used.
    fresh: Option<Token>,
    /// The token of a session that has no other.
    only: Option<Token>,
    unsaved: Option<Unsaved>,
    ended: Option<Ended>,
}

/// A refresh token that the provider does not take any more, and what it said.
struct Ended {
    token: Secret,
    error: AuthError,
    at: Monotonic,
}

/// For how long a provider is believed that a session has ended. Some say so of a token that another of their
/// servers has only just issued, and a program that runs on should find out.
const ENDED: Duration = Duration::from_secs(5 * 60);

/// A refresh token that could not be saved, and the one in the store that it replaces.
struct Unsaved {
    stored: Secret,
    token: Secret,
}

impl OAuthClient {
    /// Tokens of the user whose refresh token is in `store`, or will be once the user has signed in.
    pub fn refresh_token(&self, store: impl RefreshTokenStore) -> RefreshToken {
        RefreshToken {
            key: key(&self.provider().id(), &[self.id()]),
            client: self.clone(),
            options: Options::default(),
            kind: TokenKind::default(),
            session: Arc::new(Session {
                store: Box::new(store),
                state: Mutex::default(),
                caches: Mutex::default(),
            }),
        }
    }
}

impl RefreshToken {
    option_setters!();

    /// Which account's session it is, for programs that hold several with one client. Call it before anything
    /// else.
    pub fn account(mut self, name: &str) -> Self {
        self.key = key(&self.client.provider().id(), &[self.client.id(), name]);
        self
    }

    /// Sends the ID token to the API instead of the access token.
    pub fn send(mut self, kind: TokenKind) -> Self {
        self.kind = kind;
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
    /// Those of the store. The older session is then still the one.
    pub async fn sign_in(&self, tokens: &Tokens) -> Result<(), AuthError> {
        let store = &self.session.store;
        let _lock = store.lock(&self.key).await.map_err(store_failed)?;
        match tokens.refresh_token() {
            Some(token) => store.save(&self.key, token).await,
            // The session lasts as long as its access token.
            None => store.clear(&self.key).await,
        }
        .map_err(store_failed)?;
        let fresh = match self.kind {
            TokenKind::Access => Some(tokens.access_token()),
            TokenKind::Id => tokens.id_token(),
        };
        *self.state() = State {
            fresh: fresh.cloned(),
            only: match tokens.refresh_token() {
                Some(_) => None,
                None => fresh.cloned(),
            },
            ..State::default()
        };
        self.tell_caches();
        Ok(())
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
        let state = self.state();
        Ok(match (&stored, &state.ended) {
            (Some(stored), Some(ended)) => stored.expose() != ended.token.expose(),
            (Some(_), None) => true,
            (None, _) => state.only.as_ref().is_some_and(|only| {
                let over = only.has_expired(&Clock::system().moment());
                !over
            }),
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
        let store = &self.session.store;
        let lock = store.lock(&self.key).await.map_err(store_failed)?;
        let stored = self.load().await?;
        store.clear(&self.key).await.map_err(store_failed)?;
        let state = std::mem::take(&mut *self.state());
        self.tell_caches();
        drop(lock);
        match self.current(&state, stored) {
            Some(token) => self.revoke(&token).await,
            None => Ok(()),
        }
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

    fn tell_caches(&self) {
        self.caches().iter().for_each(CacheRef::invalidate);
    }

    fn caches(&self) -> MutexGuard<'_, Vec<CacheRef>> {
        let caches = self.session.caches.lock();
        caches.unwrap_or_else(PoisonError::into_inner)
    }

    /// Refreshes, whatever becomes of the caller.
    async fn refresh(self) -> Result<Token, AuthError> {
        let store = &self.session.store;
        let _lock = store.lock(&self.key).await.map_err(store_failed)?;
        // Somebody else may have refreshed while this one waited.
        let mut stored = self.load().await?;
        let mut second = false;
        loop {
            let current = self.current(&self.state(), stored.clone());
            let (Some(kept), Some(current)) = (&stored, current) else {
                return Err(AuthError::new(
                    AuthErrorKind::SignInRequired,
                    "nobody is signed in: there is no refresh token in the store, or the sign-in brought none \
                     (most providers want the scope `offline_access` for one)",
                ));
            };
            if let Some(ended) = &self.state().ended
                && ended.token.expose() == current.expose()
                && Monotonic::now().since(ended.at) < ENDED
            {
                return Err(ended.error.clone());
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
                        self.state().ended = Some(Ended {
                            token: current,
                            error: error.clone(),
                            at: Monotonic::now(),
                        });
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
            false => self.session.store.save(&self.key, next).await,
        };
        let mut state = self.state();
        state.ended = None;
        state.unsaved = match saved {
            Ok(()) => None,
            Err(error) => {
                crate::observe::refresh_token_unsaved(&store_failed(error));
                Some(Unsaved {
                    stored: stored.clone(),
                    token: next.clone(),
                })
            }
        };
    }

    /// The refresh token that counts: what is stored, unless that has been used and its successor could not be
    /// saved.
    fn current(&self, state: &State, stored: Option<Secret>) -> Option<Secret> {
        match (&state.unsaved, stored) {
            (Some(unsaved), Some(stored)) if unsaved.stored.expose() == stored.expose() => {
                Some(unsaved.token.clone())
            }
            (_, stored) => stored,
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
        let stored = self.session.store.load(&self.key).await;
        stored.map_err(store_failed)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.session
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// What came with the sign-in, once.
    fn take_fresh(&self) -> Option<Token> {
        let token = self.state().fresh.take()?;
        let over = token.has_expired(&Clock::system().moment());
        (!over).then_some(token)
    }
}

impl TokenSource for RefreshToken {
    type Future = GrantFuture;

    fn token(&self) -> Self::Future {
        let session = self.clone();
        GrantFuture::new(async move {
            if let Some(token) = session.take_fresh() {
                return Ok(token);
            }
            let runtime = tokio::runtime::Handle::try_current().map_err(|_| no_runtime())?;
            let refresh = crate::observe::in_span_of_caller(session.refresh());
            // Dropping its handle does not stop a task.
            match runtime.spawn(refresh).await {
                Ok(answer) => answer,
                Err(error) if error.is_panic() => {
                    Err(AuthError::passing("the refresh token store panicked"))
                }
                Err(_) => Err(AuthError::passing(
                    "a refresh was stopped by the end of its runtime",
                )),
            }
        })
    }

    fn must_finish(&self) -> bool {
        true
    }

    fn kept_by(&self, cache: CacheRef) {
        let mut caches = self.caches();
        caches.retain(|cache| !cache.is_gone());
        caches.push(cache);
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

/// What a session is kept under: names with what is odd about them encoded, so that no two keys are alike.
fn key(provider: &str, names: &[&str]) -> String {
    let mut key = provider.to_owned();
    for name in names {
        key.push(' ');
        key.extend(form_urlencoded::byte_serialize(name.as_bytes()));
    }
    key
}

/// What a store says is its own, unless it is one of ours.
fn store_failed(error: BoxError) -> AuthError {
    match error.downcast::<AuthError>() {
        Ok(own) => *own,
        Err(error) => AuthError::passing("the refresh token store failed").with_source(error),
    }
}
