//! What the slot synchronises with. In this crate's unit tests it is shuttle's, which runs the same
//! code through schedules of its own choosing.

pub(super) use imp::*;

#[cfg(not(test))]
mod imp {
    use std::sync::Arc;
    pub(in super::super) use std::sync::atomic::{AtomicI64, Ordering};
    pub(in super::super) use std::sync::{Mutex, MutexGuard};

    use arc_swap::ArcSwapOption;

    /// A value that is read without a lock.
    pub(in super::super) struct Current<T>(ArcSwapOption<T>);

    impl<T> Current<T> {
        pub(in super::super) const fn empty() -> Self {
            Self(ArcSwapOption::const_empty())
        }

        #[inline]
        pub(in super::super) fn read<R>(&self, look: impl FnOnce(Option<&T>) -> R) -> R {
            look(self.0.load().as_deref())
        }

        pub(in super::super) fn get(&self) -> Option<Arc<T>> {
            self.0.load_full()
        }

        pub(in super::super) fn set(&self, value: Option<Arc<T>>) {
            self.0.store(value);
        }
    }
}

#[cfg(test)]
mod imp {
    use std::sync::Arc;

    pub(in super::super) use shuttle::sync::atomic::{AtomicI64, Ordering};
    pub(in super::super) use shuttle::sync::{Mutex, MutexGuard};

    /// Stands in for arc-swap, which shuttle cannot look into: every access is a step of its own.
    pub(in super::super) struct Current<T>(Mutex<Option<Arc<T>>>);

    impl<T> Current<T> {
        pub(in super::super) fn empty() -> Self {
            Self(Mutex::new(None))
        }

        pub(in super::super) fn read<R>(&self, look: impl FnOnce(Option<&T>) -> R) -> R {
            look(self.get().as_deref())
        }

        pub(in super::super) fn get(&self) -> Option<Arc<T>> {
            self.0.lock().expect("no panic").clone()
        }

        pub(in super::super) fn set(&self, value: Option<Arc<T>>) {
            *self.0.lock().expect("no panic") = value;
        }
    }
}
