//! Keeps a user signed in: one refresh at a time, and never with a refresh token that was used already.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::select;

use super::reply::TokenReply;
use super::state::{Ended, Fresh, Pair, Session, State, Unsaved};
use super::store::{RefreshTokenStore, store_failed};
use crate::clock::Moment;
use crate::error::{AuthError, AuthErrorKind};
use crate::identity::cache::CacheRef;
use crate::identity::runtime::{detached, timer};
use crate::identity::token::Token;
use crate::identity::token_kind::TokenKind;
use crate::secret::Secret;

/// How a session is refreshed and ended, where it was issued.
///
/// What is stored is a text of the issuer's choice: the refresh token, and whatever belongs to it.
pub(in crate::identity) trait Issuer: Clone + Send + Sync + 'static {
    /// New tokens. A refresh token among them is the text that takes the place of `kept`.
    ///
    /// [`AuthErrorKind::SignInRequired`] means that the session has ended.
    fn refresh(&self, kept: &Secret) -> impl Future<Output = Result<TokenReply, AuthError>> + Send;

    /// Makes the refresh token worthless.
    fn revoke(&self, kept: &Secret) -> impl Future<Output = Result<(), AuthError>> + Send;

    fn moment(&self) -> Moment;

    /// Whose token it is, as far as it tells.
    fn subject(token: &Token) -> Option<String> {
        let _ = token;
        None
    }

    /// Whether one session's tokens of both kinds are in use, so that a refresh brings both of them.
    const BOTH_KINDS: bool;

    /// What is said when there is no session.
    const NOBODY: &'static str;
}

/// A session: what is stored of it, and what is known beside that. Clones are one.
#[derive(Clone)]
pub(in crate::identity) struct Keeper<I> {
    pub(in crate::identity) issuer: I,
    key: String,
    store: Arc<dyn RefreshTokenStore>,
    session: Arc<Session>,
}

/// Between attempts to save a refresh token. A disk that is busy, a keyring that is locked: some of it passes.
const SAVE_PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(1)];

impl<I: Issuer> Keeper<I> {
    pub(in crate::identity) fn new(
        issuer: I,
        key: String,
        store: Arc<dyn RefreshTokenStore>,
    ) -> Self {
        Self {
            issuer,
            key,
            store,
            session: Arc::default(),
        }
    }

    /// Another session: nothing that this one has in memory is that one's.
    pub(super) fn change(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self.session = Arc::default();
        self
    }

    pub(super) fn set_key(&mut self, key: String) {
        self.key = key;
    }

    /// Has a cache forget what it keeps whenever the session becomes another, after those that were added
    /// before.
    pub(in crate::identity) fn add_cache(&self, cache: CacheRef) {
        self.session.add_cache(cache);
    }

    /// A token that is at hand, or a new one. No caller stops a refresh half-way.
    pub(in crate::identity) async fn token(self, kind: TokenKind) -> Result<Token, AuthError> {
        match self.at_hand(kind) {
            Some(token) => Ok(token),
            None => detached(self.refresh(kind)).await,
        }
    }

    /// The server does not take this token.
    pub(in crate::identity) fn rejected(&self, kind: TokenKind, token: &Token) {
        if let Some(only) = &mut self.session.state().only {
            only.of(kind).take_if(|only| only.is_same(token));
        }
    }

    /// Stores another session in place of this one. Without anything to store, it lasts as long as `tokens` do.
    ///
    /// `also` is what else there is to forget of the session before: once the new one is stored, and before caches
    /// are told.
    pub(in crate::identity) async fn replace(
        self,
        kept: Option<Secret>,
        tokens: Pair<Token>,
        also: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), AuthError> {
        detached(async move {
            let _held = self.hold().await?;
            let _switching = self.session.switching.lock().await;
            let stored = match &kept {
                Some(text) => self.store.save(&self.key, text).await,
                None => self.store.clear(&self.key).await,
            };
            stored.map_err(store_failed)?;
            let known = State {
                subject: tokens.get(TokenKind::Access).and_then(I::subject),
                was_seen: true,
                ..State::default()
            };
            *self.session.state() = match kept {
                Some(_) => State {
                    fresh: tokens.map(Fresh::of_sign_in),
                    ..known
                },
                None => State {
                    only: Some(tokens),
                    ..known
                },
            };
            let _told = Telling(&self.session);
            forget_also(also).await;
            Ok(())
        })
        .await
    }

    /// Waits until no refresh is under way.
    pub(in crate::identity) async fn settled(&self) {
        drop(self.session.changing.lock().await);
    }

    /// Whether there is a session that is not known to have ended.
    pub(in crate::identity) async fn is_signed_in(&self) -> Result<bool, AuthError> {
        let stored = self.load().await?;
        let state = self.session.state();
        Ok(match (state.current(stored), &state.ended) {
            (Some(current), Some(ended)) => current.expose() != ended.token.expose(),
            (Some(_), None) => true,
            (None, _) => state
                .only
                .as_ref()
                .is_some_and(|only| only.any(|token| self.lasts(token))),
        })
    }

    /// Whether anybody has signed in and not out again, be the session good still or not. A store that has lost what
    /// it had does not make a guest of anybody.
    #[cfg(feature = "cognito")]
    pub(in crate::identity) async fn is_somebodys(&self) -> Result<bool, AuthError> {
        let keeper = self.clone();
        // Nobody holds the lock who is not polled any more.
        detached(async move {
            // What is stored and what caches hold are not of one session yet while it becomes another.
            let _settled = keeper.session.switching.lock().await;
            let stored = keeper.load().await?;
            let mut state = keeper.session.state();
            state.was_seen |= stored.is_some();
            Ok(state.was_seen)
        })
        .await
    }

    /// What is stored of the session.
    #[cfg(feature = "cognito")]
    pub(in crate::identity) async fn kept(&self) -> Result<Option<Secret>, AuthError> {
        let stored = self.load().await?;
        Ok(self.session.state().current(stored))
    }

    /// A token of a session that has no other.
    #[cfg(feature = "cognito")]
    pub(in crate::identity) fn only(&self, kind: TokenKind) -> Option<Token> {
        self.session.state().only.as_ref()?.get(kind).cloned()
    }

    /// Has whatever there is fetched anew, of a session that can be refreshed.
    #[cfg(feature = "cognito")]
    pub(in crate::identity) async fn forget_tokens(&self) -> Result<(), AuthError> {
        let keeper = self.clone();
        detached(async move {
            // What a refresh under way brings is of before.
            let _held = keeper.session.changing.lock().await;
            keeper.session.state().fresh = Pair::default();
            keeper.session.tell_caches();
            Ok(())
        })
        .await
    }

    /// Ends the session here, and then where it was issued. If it had none, tells the issuer of the one before that
    /// it could not be told of.
    pub(in crate::identity) async fn sign_out(
        &self,
        also: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), AuthError> {
        let keeper = self.clone();
        detached(async move {
            let ended = keeper.forget(also).await?;
            let untold = std::mem::take(&mut *keeper.session.unrevoked());
            let mut failed = None;
            for kept in ended.into_iter().chain(untold) {
                if let Err(error) = keeper.issuer.revoke(&kept).await {
                    if error.is_transient() {
                        keeper.session.unrevoked().push(kept);
                    }
                    // One that can be mended by asking again says more than one that cannot.
                    let told = |failed: &AuthError| !failed.is_transient();
                    if failed.as_ref().is_none_or(told) {
                        failed = Some(error);
                    }
                }
            }
            let Some(error) = failed else {
                return Ok(());
            };
            const WHAT: &str =
                "signed out here, but the provider could not be told, and the refresh token may be good still";
            Err(match error.is_transient() {
                true => AuthError::passing(format!("{WHAT}: signing out once more tells it")),
                false => AuthError::refused(WHAT),
            }
            .with_source(error))
        })
        .await
    }

    /// Ends the session here. Returns what was stored of it.
    async fn forget(
        &self,
        also: impl Future<Output = ()> + Send,
    ) -> Result<Option<Secret>, AuthError> {
        let _held = self.hold().await?;
        let _switching = self.session.switching.lock().await;
        let stored = self.load().await?;
        self.store.clear(&self.key).await.map_err(store_failed)?;
        let state = std::mem::take(&mut *self.session.state());
        let _told = Telling(&self.session);
        if state.was_seen || stored.is_some() {
            forget_also(also).await;
        }
        Ok(state.current(stored))
    }

    /// Keeps others from changing the session: tasks of this program, then whoever shares the store.
    async fn hold(&self) -> Result<impl Send + use<I>, AuthError> {
        let here = Arc::clone(&self.session.changing).lock_owned().await;
        let everywhere = self.store.lock(&self.key).await.map_err(store_failed)?;
        // Dropped in this order.
        Ok((everywhere, here))
    }

    async fn refresh(self, kind: TokenKind) -> Result<Token, AuthError> {
        let _held = self.hold().await?;
        if I::BOTH_KINDS
            && let Some(token) = self.at_hand(kind)
        {
            return Ok(token);
        }
        // Somebody else may have refreshed while this one waited.
        let mut stored = self.load().await?;
        self.session.state().was_seen |= stored.is_some();
        let mut second = false;
        loop {
            let current = self.session.state().current(stored.clone());
            let (Some(kept), Some(current)) = (&stored, current) else {
                return Err(self.nobody());
            };
            if let Some(error) = self.session.state().has_ended(&current) {
                return Err(error);
            }
            let start = self.issuer.moment();
            match self.issuer.refresh(&current).await {
                Ok(reply) => {
                    self.keep(kept, &current, &reply).await;
                    return self.pick(kind, reply, start);
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

    fn nobody(&self) -> AuthError {
        let has_only = self.session.state().only.as_ref().map(drop);
        let message = match has_only {
            Some(()) => {
                "the session is over: its token has expired or was rejected, and the sign-in brought no refresh \
                 token: sign in again"
            }
            None if self.session.state().was_seen => {
                "the session is not in its store any more: another program has signed out, or it was lost: sign in \
                 again"
            }
            None => I::NOBODY,
        };
        AuthError::new(AuthErrorKind::SignInRequired, message)
    }

    /// Saves the text that came instead of the one that was used.
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

    /// The token that was wanted. The other one waits for whoever wants that.
    fn pick(&self, kind: TokenKind, reply: TokenReply, start: Moment) -> Result<Token, AuthError> {
        let mut brought = Pair::default()
            .with(TokenKind::Access, Some(reply.access))
            .with(TokenKind::Id, reply.id);
        let subject = brought.get(TokenKind::Access).and_then(I::subject);
        let wanted = brought.get(kind).cloned();
        if I::BOTH_KINDS {
            let mut state = self.session.state();
            let another = subject.is_some() && state.subject.is_some() && state.subject != subject;
            state.subject = subject.or(state.subject.take());
            if !another {
                brought.of(kind).take();
            }
            state.fresh = brought.map(|token| Fresh::of_refresh(token, start));
            drop(state);
            if another {
                // Another program that shares the store has signed in somebody else. No cache is to hold on to whoever
                // it was before, this load's own included: what it brought is at hand for the next.
                self.session.tell_caches();
            }
        }
        wanted.ok_or_else(|| {
            AuthError::refused(
                "the provider refreshed the session without a new ID token: sign in with the scope `openid`, or \
                 send the access token",
            )
        })
    }

    async fn load(&self) -> Result<Option<Secret>, AuthError> {
        let stored = self.store.load(&self.key).await;
        stored.map_err(store_failed)
    }

    /// What came with the sign-in, or with a token of the other kind: once, or for as long as it lasts if that is
    /// all there is.
    fn at_hand(&self, kind: TokenKind) -> Option<Token> {
        let mut state = self.session.state();
        let token = match state.fresh.of(kind).take() {
            Some(fresh) if fresh.is_stale(&self.issuer.moment()) => return None,
            Some(fresh) => fresh.token,
            None => state.only.as_mut()?.of(kind).clone()?,
        };
        self.lasts(&token).then_some(token)
    }

    fn lasts(&self, token: &Token) -> bool {
        !token.has_expired(&self.issuer.moment())
    }
}

/// Tells the caches of another session, whatever becomes of the task that does.
struct Telling<'a>(&'a Session);

impl Drop for Telling<'_> {
    fn drop(&mut self) {
        self.0.tell_caches();
    }
}

/// How long it may take to forget what is of use to nobody else anyway.
const ALSO: Duration = Duration::from_secs(5);

/// Neither a panic nor a hang of it is a reason for the session not to be another.
async fn forget_also(also: impl Future<Output = ()> + Send) {
    let also = pin!(AssertUnwindSafe(also).catch_unwind());
    if let Ok(limit) = timer(ALSO) {
        select(also, limit).await;
    }
}
