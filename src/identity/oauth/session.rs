//! What is known of a user's session beside what is stored.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::Monotonic;
use crate::error::AuthError;
use crate::identity::cache::CacheRef;
use crate::identity::token::Token;
use crate::secret::Secret;

/// What all clones with the same settings share.
#[derive(Default)]
pub(super) struct Session {
    state: Mutex<State>,
    /// What keeps tokens of this session.
    caches: Mutex<Vec<CacheRef>>,
    /// Held while the session changes, whatever the store's own lock is worth.
    pub(super) changing: Arc<futures::lock::Mutex<()>>,
}

impl Session {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn add_cache(&self, cache: CacheRef) {
        let mut caches = self.caches();
        caches.retain(|cache| !cache.is_gone());
        caches.push(cache);
    }

    /// Has them forget what they keep.
    pub(super) fn tell_caches(&self) {
        self.caches().iter().for_each(CacheRef::invalidate);
    }

    fn caches(&self) -> MutexGuard<'_, Vec<CacheRef>> {
        self.caches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Default)]
pub(super) struct State {
    /// Came with the sign-in, and has not been used.
    pub(super) fresh: Option<Token>,
    /// The token of a session that has no other.
    pub(super) only: Option<Token>,
    pub(super) unsaved: Option<Unsaved>,
    pub(super) ended: Option<Ended>,
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
