//! A cache, as its source knows it.

use std::fmt;
use std::sync::{Arc, Weak};

use super::cached::State;
use super::flight::Flight;
use super::ledger::Handle as _;
use crate::identity::load::{Cacheable, Load};

/// A cache, as its source knows it: without its type, and without keeping it alive.
#[derive(Clone)]
#[cfg_attr(
    not(feature = "oauth"),
    allow(dead_code, reason = "there may be no source that asks for it")
)]
pub struct CacheRef {
    cache: Weak<dyn Forget>,
}

#[cfg_attr(
    not(feature = "oauth"),
    allow(dead_code, reason = "there may be no source that asks for it")
)]
pub(super) trait Forget: Send + Sync {
    fn forget(&self);
}

impl<S: Load<V>, V: Cacheable> Forget for State<S, V> {
    fn forget(&self) {
        self.slot.invalidate().iter().for_each(Flight::abort);
    }
}

impl CacheRef {
    pub(super) fn new<S: Load<V>, V: Cacheable>(cache: &Arc<State<S, V>>) -> Self {
        let cache = Arc::downgrade(cache);
        Self { cache }
    }
}

#[cfg(feature = "oauth")]
impl CacheRef {
    /// Has it forget what it keeps.
    pub(crate) fn invalidate(&self) {
        if let Some(cache) = self.cache.upgrade() {
            cache.forget();
        }
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.cache.strong_count() == 0
    }
}

impl fmt::Debug for CacheRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheRef").finish_non_exhaustive()
    }
}
