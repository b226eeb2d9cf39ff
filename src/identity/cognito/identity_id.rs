//! Which identity of a pool somebody has: asked for once, and remembered.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::error::AuthError;
use crate::identity::oauth::{RefreshTokenStore, store_failed};
use crate::lock::lock;
use crate::secret::Secret;

/// The identity that was last in use, in memory and in a store: one text, `<owner> <id>`. It is of use to its owner
/// only, so nothing has to be wiped in time when somebody signs in.
#[derive(Clone)]
pub(super) struct Identities {
    key: String,
    store: Option<Arc<dyn RefreshTokenStore>>,
    last: Arc<Mutex<Option<Secret>>>,
    /// The store could not be read: who knows what is in it. It is not overwritten.
    unread: Arc<AtomicBool>,
}

impl Identities {
    pub(super) fn new(key: String) -> Self {
        Self {
            key,
            store: None,
            last: Arc::default(),
            unread: Arc::default(),
        }
    }

    pub(super) fn rename(&mut self, key: String) {
        self.key = key;
        self.forget_in_memory();
    }

    pub(super) fn set_store(&mut self, store: Arc<dyn RefreshTokenStore>) {
        self.store = Some(store);
        self.forget_in_memory();
    }

    pub(super) fn set_default_store(&mut self, store: &Arc<dyn RefreshTokenStore>) {
        if self.store.is_none() {
            self.set_store(Arc::clone(store));
        }
    }

    /// Nothing that a clone has in memory is this one's.
    pub(super) fn forget_in_memory(&mut self) {
        self.last = Arc::default();
        self.unread = Arc::default();
    }

    /// The identity of this owner, if it is known.
    pub(super) async fn of(&self, owner: Option<&str>) -> Option<String> {
        let owner = owner?;
        let last = self.last().clone();
        let text = match last {
            Some(text) => Some(text),
            None => self.load().await,
        };
        let text = text?;
        let (known, id) = text.expose().split_once(' ')?;
        (known == owner).then(|| id.to_owned())
    }

    /// Keeps it in memory.
    pub(super) fn remember(&self, owner: Option<&str>, id: &str) {
        if let Some(owner) = owner {
            *self.last() = Some(Secret::new(format!("{owner} {id}")));
        }
    }

    /// Keeps in the store what is in memory.
    pub(super) async fn save(&self) {
        let last = self.last().clone();
        if let (Some(store), Some(text)) = (&self.store, last)
            && !self.unread.load(Ordering::Relaxed)
        {
            report(store.save(&self.key, &text).await);
        }
    }

    pub(super) async fn forget(&self) {
        *self.last() = None;
        if let Some(store) = &self.store {
            let cleared = report(store.clear(&self.key).await);
            self.unread.store(cleared.is_none(), Ordering::Relaxed);
        }
    }

    async fn load(&self) -> Option<Secret> {
        let store = self.store.as_ref()?;
        let loaded = report(store.load(&self.key).await);
        self.unread.store(loaded.is_none(), Ordering::Relaxed);
        let text = loaded??;
        *self.last() = Some(text.clone());
        Some(text)
    }

    fn last(&self) -> MutexGuard<'_, Option<Secret>> {
        lock(&self.last)
    }
}

/// An id that cannot be kept is asked for again: no reason for a request to fail.
fn report<T>(answer: Result<T, crate::error::BoxError>) -> Option<T> {
    let error: AuthError = match answer {
        Ok(value) => return Some(value),
        Err(error) => store_failed(error),
    };
    crate::observe::identity_id_unsaved(&error);
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    #[tokio::test]
    async fn nobody_gets_the_identity_of_another() {
        use crate::identity::oauth::MemoryStore;

        let store: Arc<dyn RefreshTokenStore> = Arc::new(MemoryStore::new());
        let identities = || {
            let mut identities = Identities::new("key".to_owned());
            identities.set_default_store(&store);
            identities
        };
        let known = identities();
        known.remember(Some("alice"), "id of alice");
        known.save().await;
        // The second has it from the store.
        for known in [&known, &identities()] {
            assert_eq!(
                known.of(Some("alice")).await.as_deref(),
                Some("id of alice")
            );
            assert_eq!(known.of(Some("bob")).await, None);
            assert_eq!(known.of(Some("guest")).await, None);
            assert_eq!(known.of(None).await, None);
        }
        known.remember(None, "id of somebody");
        known.save().await;
        assert_eq!(
            identities().of(Some("alice")).await.as_deref(),
            Some("id of alice")
        );
        known.forget().await;
        assert_eq!(known.of(Some("alice")).await, None);
        assert_eq!(identities().of(Some("alice")).await, None);
    }
}
