//! A store that can be made to fail, and to take its time, and that shows what is in it. It has no lock.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::sleep;
use tower_client_auth::oauth::{RefreshTokenStore, StoreFuture};
use tower_client_auth::{BoxError, Secret};

/// Clones are one.
#[derive(Clone, Default)]
pub(in crate::cognito) struct Disk {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    texts: Mutex<BTreeMap<String, String>>,
    fails_to_read: AtomicBool,
    fails_to_write: AtomicBool,
    fails_to_clear: AtomicBool,
    /// What its delays are drawn from.
    delays: Mutex<Option<fastrand::Rng>>,
}

impl Disk {
    /// Takes some milliseconds before it does something, and before it says so.
    pub(in crate::cognito) fn slow(seed: u64) -> Self {
        let disk = Self::default();
        *lock(&disk.shared.delays) = Some(fastrand::Rng::with_seed(seed));
        disk
    }

    pub(in crate::cognito) fn fails_to_read(&self, fails: bool) {
        self.shared.fails_to_read.store(fails, Ordering::SeqCst);
    }

    pub(in crate::cognito) fn fails_to_write(&self, fails: bool) {
        self.shared.fails_to_write.store(fails, Ordering::SeqCst);
    }

    pub(in crate::cognito) fn fails_to_clear(&self, fails: bool) {
        self.shared.fails_to_clear.store(fails, Ordering::SeqCst);
    }

    /// What is in it, without the keys.
    pub(in crate::cognito) fn texts(&self) -> Vec<String> {
        lock(&self.shared.texts).values().cloned().collect()
    }

    async fn pause(&self) {
        let millis = {
            let mut delays = lock(&self.shared.delays);
            delays.as_mut().map(|random| random.u64(0..30))
        };
        if let Some(millis) = millis {
            sleep(Duration::from_millis(millis)).await;
        }
    }
}

fn check(fails: &AtomicBool, words: &str) -> Result<(), BoxError> {
    match fails.load(Ordering::SeqCst) {
        true => Err(words.into()),
        false => Ok(()),
    }
}

impl RefreshTokenStore for Disk {
    fn load<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Option<Secret>> {
        Box::pin(async move {
            self.pause().await;
            check(&self.shared.fails_to_read, "the disk cannot be read")?;
            let found = lock(&self.shared.texts).get(key).cloned();
            self.pause().await;
            Ok(found.map(Secret::new))
        })
    }

    fn save<'a>(&'a self, key: &'a str, token: &'a Secret) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            self.pause().await;
            check(&self.shared.fails_to_write, "the disk is full")?;
            let text = token.expose().to_owned();
            lock(&self.shared.texts).insert(key.to_owned(), text);
            self.pause().await;
            Ok(())
        })
    }

    fn clear<'a>(&'a self, key: &'a str) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            self.pause().await;
            check(&self.shared.fails_to_clear, "the disk is read-only")?;
            lock(&self.shared.texts).remove(key);
            self.pause().await;
            Ok(())
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
