//! Where refresh tokens are kept between requests, and between runs of a program.

mod file;
mod memory;

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

pub use file::FileStore;
pub use memory::MemoryStore;

use crate::error::{AuthError, BoxError};
use crate::secret::Secret;

/// Keeps refresh tokens: [`MemoryStore`], [`FileStore`], or a keyring or database of your own.
///
/// Texts by key: a key names the provider, the client and the account, so that one store serves them all and
/// no token goes to a provider that did not issue it. What is kept for a key is text for the crate alone.
///
/// ```
/// use std::collections::HashMap;
/// use std::sync::Mutex;
/// use tower_client_auth::Secret;
/// use tower_client_auth::oauth::{RefreshTokenStore, StoreFuture};
///
/// /// Stands for a keyring.
/// #[derive(Default)]
/// struct Keyring(Mutex<HashMap<String, Secret>>);
///
/// impl RefreshTokenStore for Keyring {
///     fn load<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Option<Secret>> {
///         Box::pin(async move { Ok(self.0.lock().unwrap().get(key).cloned()) })
///     }
///     fn save<'a>(&'a self, key: &'a str, token: &'a Secret) -> StoreFuture<'a, ()> {
///         Box::pin(async move {
///             self.0.lock().unwrap().insert(key.to_owned(), token.clone());
///             Ok(())
///         })
///     }
///     fn clear<'a>(&'a self, key: &'a str) -> StoreFuture<'a, ()> {
///         Box::pin(async move {
///             self.0.lock().unwrap().remove(key);
///             Ok(())
///         })
///     }
/// }
/// ```
///
/// # Contract
///
/// - What was saved is what is loaded next, by whoever shares the store. A save that fails changes nothing.
/// - An error counts as transient, unless it is an [`AuthError`] that says otherwise. It
///   signs nobody out.
/// - Providers that rotate refresh tokens revoke a whole family if one is used twice. So whatever is shared by
///   several programs, or by several sources in one, must [`lock`](RefreshTokenStore::lock).
pub trait RefreshTokenStore: Send + Sync + 'static {
    /// What is kept for `key`.
    fn load<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Option<Secret>>;

    /// Keeps `token` for `key`, in place of what was there.
    fn save<'a>(&'a self, key: &'a str, token: &'a Secret) -> StoreFuture<'a, ()>;

    /// Keeps nothing for `key` any more.
    fn clear<'a>(&'a self, key: &'a str) -> StoreFuture<'a, ()>;

    /// Waits until nobody else holds the lock of `key`, and holds it until the value is dropped: from before
    /// a token is loaded until after its successor is saved. Without it, the default, nobody is kept out.
    fn lock<'a>(&'a self, key: &'a str) -> StoreFuture<'a, StoreLock> {
        let _ = key;
        Box::pin(async { Ok(StoreLock::none()) })
    }
}

/// The pending answer of a store.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send + 'a>>;

/// Keeps others from refreshing until it is dropped.
pub struct StoreLock {
    _guard: Option<Box<dyn Any + Send>>,
}

impl StoreLock {
    /// A lock that is held for as long as `guard` lives.
    pub fn new(guard: impl Send + 'static) -> Self {
        Self {
            _guard: Some(Box::new(guard)),
        }
    }

    /// No lock at all.
    pub fn none() -> Self {
        Self { _guard: None }
    }
}

impl fmt::Debug for StoreLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreLock").finish_non_exhaustive()
    }
}

impl<S: RefreshTokenStore + ?Sized> RefreshTokenStore for Arc<S> {
    fn load<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Option<Secret>> {
        (**self).load(key)
    }

    fn save<'a>(&'a self, key: &'a str, token: &'a Secret) -> StoreFuture<'a, ()> {
        (**self).save(key, token)
    }

    fn clear<'a>(&'a self, key: &'a str) -> StoreFuture<'a, ()> {
        (**self).clear(key)
    }

    fn lock<'a>(&'a self, key: &'a str) -> StoreFuture<'a, StoreLock> {
        (**self).lock(key)
    }
}

/// What a session is kept under: names with what is odd about them encoded, so that no two keys are alike.
pub(in crate::identity) fn key(provider: &str, names: &[&str]) -> String {
    let mut key = provider.to_owned();
    for name in names {
        key.push(' ');
        key.extend(form_urlencoded::byte_serialize(name.as_bytes()));
    }
    key
}

/// What a store says is its own, unless it is one of ours.
pub(in crate::identity) fn store_failed(error: BoxError) -> AuthError {
    match error.downcast::<AuthError>() {
        Ok(own) => *own,
        Err(error) => AuthError::passing("the refresh token store failed").with_source(error),
    }
}
