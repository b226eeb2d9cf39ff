//! Which identity of a pool somebody has: asked for once, and remembered.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use super::claims::Claims;
use super::identity_pool::Logins;
use crate::error::AuthError;
use crate::identity::oauth::{RefreshTokenStore, store_failed};
use crate::secret::Secret;

/// Whom a guest's identity belongs to.
const GUEST: &str = "guest";

/// Whom an identity belongs to, as a text that says no more than that. `None` if the logins do not tell: tokens
/// that are no JSON Web Tokens.
pub(super) fn owner(logins: &Logins) -> Option<String> {
    if logins.is_empty() {
        return Some(GUEST.to_owned());
    }
    let mut hash = Sha256::new();
    for (provider, token) in logins {
        let claims = Claims::of(token.expose());
        for part in [provider, claims.subject()?] {
            // Lengths, so that no two lists of texts are alike.
            hash.update(part.len().to_be_bytes());
            hash.update(part);
        }
    }
    Some(URL_SAFE_NO_PAD.encode(hash.finalize()))
}

/// The identity that was last in use, in memory and in a store: one text, `<owner> <id>`. It is of use to its owner
/// only, so nothing has to be wiped in time when somebody signs in.
#[derive(Clone)]
pub(super) struct Identities {
    key: String,
    store: Option<Arc<dyn RefreshTokenStore>>,
    last: Arc<Mutex<Option<Secret>>>,
}

impl Identities {
    pub(super) fn new(key: String) -> Self {
        Self {
            key,
            store: None,
            last: Arc::default(),
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

    pub(super) async fn remember(&self, owner: Option<&str>, id: &str) {
        let Some(owner) = owner else {
            return;
        };
        let text = Secret::new(format!("{owner} {id}"));
        *self.last() = Some(text.clone());
        if let Some(store) = &self.store {
            report(store.save(&self.key, &text).await);
        }
    }

    pub(super) async fn forget(&self) {
        *self.last() = None;
        if let Some(store) = &self.store {
            report(store.clear(&self.key).await);
        }
    }

    async fn load(&self) -> Option<Secret> {
        let store = self.store.as_ref()?;
        let text = report(store.load(&self.key).await)??;
        *self.last() = Some(text.clone());
        Some(text)
    }

    fn last(&self) -> MutexGuard<'_, Option<Secret>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
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
    use crate::identity::token::Token;

    fn logins(pairs: &[(&str, &str)]) -> Logins {
        let token = |subject: &str| {
            let claims = URL_SAFE_NO_PAD.encode(format!(r#"{{"sub":"{subject}"}}"#));
            Token::from(format!("e30.{claims}.c2ln"))
        };
        let pairs = pairs.iter();
        pairs
            .map(|(provider, subject)| ((*provider).to_owned(), token(subject)))
            .collect()
    }

    #[test]
    fn an_owner_is_a_person_at_a_provider() {
        let guest = owner(&Logins::new()).expect("an owner");
        let alice = owner(&logins(&[("a", "alice")])).expect("an owner");
        let others = [
            guest.clone(),
            owner(&logins(&[("a", "bob")])).expect("an owner"),
            owner(&logins(&[("b", "alice")])).expect("an owner"),
            owner(&logins(&[("aa", "lice")])).expect("an owner"),
            owner(&logins(&[("a", "alice"), ("b", "alice")])).expect("an owner"),
        ];
        assert!(!others.contains(&alice));
        assert_eq!(owner(&logins(&[("a", "alice")])), Some(alice));
        let opaque = Logins::from([("a".to_owned(), Token::from("opaque"))]);
        assert_eq!(owner(&opaque), None);
    }

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
        known.remember(Some("alice"), "id of alice").await;
        // The second has it from the store.
        for known in [&known, &identities()] {
            assert_eq!(
                known.of(Some("alice")).await.as_deref(),
                Some("id of alice")
            );
            assert_eq!(known.of(Some("bob")).await, None);
            assert_eq!(known.of(Some(GUEST)).await, None);
            assert_eq!(known.of(None).await, None);
        }
        known.remember(None, "id of somebody").await;
        assert_eq!(
            identities().of(Some("alice")).await.as_deref(),
            Some("id of alice")
        );
        known.forget().await;
        assert_eq!(known.of(Some("alice")).await, None);
        assert_eq!(identities().of(Some("alice")).await, None);
    }
}
