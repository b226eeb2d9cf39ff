//! What is known of a user's session beside what is stored.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use crate::clock::{Moment, Monotonic};
use crate::error::AuthError;
use crate::identity::cache::CacheRef;
use crate::identity::token::Token;
use crate::identity::token_kind::TokenKind;
use crate::lock::lock;
use crate::secret::Secret;

/// What all clones with the same settings share.
#[derive(Default)]
pub(super) struct Session {
    state: Mutex<State>,
    /// What keeps tokens of this session.
    caches: Mutex<Vec<CacheRef>>,
    /// Held while the session changes, whatever the store's own lock is worth.
    pub(super) changing: Arc<futures::lock::Mutex<()>>,
    /// Held while it becomes another, and not while it is refreshed, which may take its time.
    pub(super) switching: futures::lock::Mutex<()>,
    /// Refresh tokens whose end the provider could not be told of.
    unrevoked: Mutex<Vec<Secret>>,
}

impl Session {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    pub(super) fn unrevoked(&self) -> MutexGuard<'_, Vec<Secret>> {
        lock(&self.unrevoked)
    }

    pub(super) fn add_cache(&self, cache: CacheRef) {
        let mut caches = self.caches();
        caches.retain(|cache| !cache.is_gone());
        caches.push(cache);
    }

    /// Has them forget what they keep, in the order they came: one that loads from another of them does so
    /// from one that has forgotten.
    pub(super) fn tell_caches(&self) {
        self.caches().iter().for_each(CacheRef::invalidate);
    }

    fn caches(&self) -> MutexGuard<'_, Vec<CacheRef>> {
        lock(&self.caches)
    }
}

#[derive(Default)]
pub(super) struct State {
    /// Came with the sign-in, or with a token of the other kind, and have not been used.
    pub(super) fresh: Pair<Fresh>,
    /// The tokens of a session that cannot be refreshed.
    pub(super) only: Option<Pair<Token>>,
    pub(super) unsaved: Option<Unsaved>,
    pub(super) ended: Option<Ended>,
    /// Whose session it is, as far as its tokens tell.
    pub(super) subject: Option<String>,
    /// Whether there has been a session since somebody last signed out.
    pub(super) was_seen: bool,
}

/// An access token and an ID token, as far as there are any.
#[derive(Clone)]
pub(in crate::identity) struct Pair<T> {
    access: Option<T>,
    id: Option<T>,
}

impl<T> Default for Pair<T> {
    fn default() -> Self {
        Self {
            access: None,
            id: None,
        }
    }
}

impl<T> Pair<T> {
    pub(in crate::identity) fn with(mut self, kind: TokenKind, token: Option<T>) -> Self {
        *self.of(kind) = token;
        self
    }

    pub(super) fn of(&mut self, kind: TokenKind) -> &mut Option<T> {
        match kind {
            TokenKind::Access => &mut self.access,
            TokenKind::Id => &mut self.id,
        }
    }

    pub(super) fn get(&self, kind: TokenKind) -> Option<&T> {
        match kind {
            TokenKind::Access => self.access.as_ref(),
            TokenKind::Id => self.id.as_ref(),
        }
    }

    pub(super) fn map<U>(self, mut change: impl FnMut(T) -> U) -> Pair<U> {
        Pair {
            access: self.access.map(&mut change),
            id: self.id.map(change),
        }
    }

    pub(super) fn any(&self, is_it: impl FnMut(&T) -> bool) -> bool {
        self.access.iter().chain(&self.id).any(is_it)
    }
}

/// A token that nobody has used.
pub(super) struct Fresh {
    pub(super) token: Token,
    /// When it is too old to begin with, before it ends.
    stale: Option<Monotonic>,
}

/// Until when a token without an end may be begun with.
const UNUSED: Duration = Duration::from_secs(5 * 60);

impl Fresh {
    /// What came with a sign-in is used for as long as it lasts.
    pub(super) fn of_sign_in(token: Token) -> Self {
        Self { token, stale: None }
    }

    /// What came along with a token of the other kind is used in the first half of its life. Later, one that
    /// lasts longer is worth a request.
    pub(super) fn of_refresh(token: Token, now: Moment) -> Self {
        let life = token.clone().received(now, None).deadline();
        let half = life.map_or(UNUSED, |end| end.left(&now) / 2);
        Self {
            token,
            stale: Some(now.monotonic.saturating_add(half)),
        }
    }

    pub(super) fn is_stale(&self, now: &Moment) -> bool {
        self.stale.is_some_and(|stale| now.monotonic >= stale)
    }
}

/// A refresh token that the provider does not take any more, and what it said.
pub(super) struct Ended {
    pub(super) token: Secret,
    error: AuthError,
    at: Monotonic,
}

/// For how long a provider is believed that a session has ended. Some say so of a token that another of their
/// servers has only just issued, and a program that runs on should find out.
const ENDED: Duration = Duration::from_secs(5 * 60);

/// A refresh token that could not be saved, and the one in the store that it replaces.
pub(super) struct Unsaved {
    pub(super) stored: Secret,
    pub(super) token: Secret,
}

impl Ended {
    pub(super) fn now(token: Secret, error: AuthError) -> Self {
        Self {
            token,
            error,
            at: Monotonic::now(),
        }
    }
}

impl State {
    /// What the provider said of this refresh token, if it is believed still that the session has ended.
    pub(super) fn has_ended(&self, current: &Secret) -> Option<AuthError> {
        let ended = self.ended.as_ref()?;
        let is_it = ended.token.expose() == current.expose();
        (is_it && Monotonic::now().since(ended.at) < ENDED).then(|| ended.error.clone())
    }

    /// The refresh token that counts: what is stored, unless that has been used and its successor could not be
    /// saved.
    pub(super) fn current(&self, stored: Option<Secret>) -> Option<Secret> {
        match (&self.unsaved, stored) {
            (Some(unsaved), Some(stored)) if unsaved.stored.expose() == stored.expose() => {
                Some(unsaved.token.clone())
            }
            (_, stored) => stored,
        }
    }
}
