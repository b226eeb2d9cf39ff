//! Who is told of replacements, in their order, and without a lock.

use std::collections::VecDeque;
use std::ops::DerefMut;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::config::Config;
use crate::error::AuthError;
use crate::observe;

pub(super) type Listener = Arc<dyn Fn(Result<&Config, &AuthError>) + Send + Sync>;

/// The new configuration, or why it is not in use.
pub(super) type Outcome = Result<Arc<Config>, AuthError>;

#[derive(Default)]
pub(super) struct Telling {
    listeners: Vec<Listener>,
    untold: VecDeque<(Outcome, u64)>,
    /// Somebody is telling, and goes on until all is told.
    is_under_way: bool,
}

impl Telling {
    pub(super) fn listen(&mut self, listener: Listener) {
        self.listeners.push(listener);
    }

    pub(super) fn add(&mut self, outcome: Outcome, generation: u64) {
        self.untold.push_back((outcome, generation));
    }

    /// Tells what is untold. One thread does so at a time, for others as well, and a listener that replaces a
    /// configuration hears of it after this one: so all are told in order.
    pub(super) fn tell<G: DerefMut>(
        lock: impl Fn() -> G,
        of: impl Fn(&mut G::Target) -> &mut Self,
    ) {
        loop {
            let mut guard = lock();
            let telling = of(&mut guard);
            if telling.is_under_way {
                return;
            }
            let Some((outcome, generation)) = telling.untold.pop_front() else {
                return;
            };
            telling.is_under_way = true;
            let listeners = telling.listeners.clone();
            drop(guard);
            // Whatever panics there must not keep others from being told.
            let told = catch_unwind(AssertUnwindSafe(|| match &outcome {
                Ok(_) => observe::configuration_replaced(generation),
                Err(error) => observe::configuration_refused(error),
            }));
            let mut panicked = told.is_err();
            for listener in listeners {
                let outcome = outcome.as_ref().map(|config| &**config);
                panicked |= catch_unwind(AssertUnwindSafe(|| listener(outcome))).is_err();
            }
            of(&mut lock()).is_under_way = false;
            if panicked {
                let _ = catch_unwind(observe::listener_panicked);
            }
        }
    }
}
