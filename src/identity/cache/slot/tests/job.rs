//! A load, as far as those see it who wait for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use shuttle::sync::{Condvar, Mutex};

use super::super::Handle;
use crate::error::AuthError;
use crate::identity::Token;

pub(super) struct Job {
    pub(super) number: u64,
    /// The standard library's: looking at these is no step that shuttle could interrupt.
    is_aborted: AtomicBool,
    has_ended: AtomicBool,
    outcome: Mutex<Option<Outcome>>,
    ended: Condvar,
}

#[derive(Clone)]
pub(super) enum Outcome {
    Landed(Token),
    Failed(AuthError),
    Lost,
}

impl Handle for Arc<Job> {
    fn has_ended(&self) -> bool {
        self.has_ended.load(Ordering::SeqCst)
    }

    fn abort(&self) {
        self.is_aborted.store(true, Ordering::SeqCst);
    }
}

impl Job {
    pub(super) fn new(number: u64) -> Arc<Self> {
        Arc::new(Self {
            number,
            is_aborted: AtomicBool::new(false),
            has_ended: AtomicBool::new(false),
            outcome: Mutex::new(None),
            ended: Condvar::new(),
        })
    }

    pub(super) fn is_aborted(&self) -> bool {
        self.is_aborted.load(Ordering::SeqCst)
    }

    pub(super) fn end(&self, outcome: Outcome) {
        self.has_ended.store(true, Ordering::SeqCst);
        *self.outcome.lock().expect("no panic") = Some(outcome);
        self.ended.notify_all();
    }

    /// Waits for its end. If that does not come, shuttle says that all threads hang.
    pub(super) fn wait(&self) -> Outcome {
        let mut outcome = self.outcome.lock().expect("no panic");
        loop {
            match &*outcome {
                Some(outcome) => return outcome.clone(),
                None => outcome = self.ended.wait(outcome).expect("no panic"),
            }
        }
    }
}
