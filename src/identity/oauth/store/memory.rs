//! A store that ends with the program.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{RefreshTokenStore, StoreFuture, StoreLock};
use crate::secret::Secret;

/// Keeps refresh tokens in memory, until the program ends. Clones share them.
///
/// For tests, and for programs whose users sign in anew each time.
#[derive(Clone, Default)]
pub struct MemoryStore {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    tokens: Mutex<HashMap<String, Secret>>,
    /// One for each key. There are as many as there are sessions.
    locks: Mutex<HashMap<String, Arc<futures::lock::Mutex<()>>>>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn tokens(&self) -> MutexGuard<'_, HashMap<String, Secret>> {
        self.shared
            .tokens
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl RefreshTokenStore for MemoryStore {
    fn load<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Option<Secret>> {
        Box::pin(async move { Ok(self.tokens().get(key).cloned()) })
    }

    fn save<'a>(&'a self, key: &'a str, token: &'a Secret) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            self.tokens().insert(key.to_owned(), token.clone());
            Ok(())
        })
    }

    fn clear<'a>(&'a self, key: &'a str) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            self.tokens().remove(key);
            Ok(())
        })
    }

    fn lock<'a>(&'a self, key: &'a str) -> StoreFuture<'a, StoreLock> {
        let lock = {
            let locks = self.shared.locks.lock();
            let mut locks = locks.unwrap_or_else(PoisonError::into_inner);
            Arc::clone(locks.entry(key.to_owned()).or_default())
        };
        Box::pin(async move { Ok(StoreLock::new(lock.lock_owned().await)) })
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").finish_non_exhaustive()
    }
}
