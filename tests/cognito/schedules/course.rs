//! Who was signed in when, and what a request may therefore go out as.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tower_client_auth::{AuthError, AuthErrorKind};

use super::Tally;

/// What nobody's requests are of, and guests' credentials.
pub(super) const NOBODY: u64 = 0;

/// How many loads a caller may have to begin anew, each for a switch, before it is told to come again.
const PATIENCE: usize = 4;

/// Who has been signed in so far, one after the other.
pub(super) struct Course {
    steps: Mutex<Steps>,
}

struct Steps {
    /// Sign-ins, by their number.
    sign_ins: Vec<u64>,
    /// The last one whose `sign_in` or `sign_out` has returned.
    settled: usize,
}

/// When a request began.
#[derive(Clone, Copy)]
pub(super) struct Start(usize);

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Access,
    Id,
    Credentials,
}

impl Course {
    pub(super) fn new() -> Self {
        Self {
            steps: Mutex::new(Steps {
                sign_ins: vec![NOBODY],
                settled: 0,
            }),
        }
    }

    fn steps(&self) -> MutexGuard<'_, Steps> {
        self.steps.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A switch to this sign-in, or to nobody, is about to be asked for.
    pub(super) fn begins(&self, sign_in: u64) {
        self.steps().sign_ins.push(sign_in);
    }

    /// And has been done.
    pub(super) fn settles(&self) {
        let mut steps = self.steps();
        steps.settled = steps.sign_ins.len() - 1;
    }

    pub(super) fn switches(&self) -> u64 {
        self.steps().sign_ins.len() as u64 - 1
    }

    /// A request begins.
    pub(super) fn now(&self) -> Start {
        Start(self.steps().settled)
    }

    /// A request has ended, in what it carries or in an error.
    pub(super) fn judge(
        &self,
        start: Start,
        kind: Kind,
        answer: Result<u64, AuthError>,
        tally: &mut Tally,
    ) {
        let steps = self.steps();
        let possible = &steps.sign_ins[start.0..];
        let switches = possible.len() - 1;
        tally.requests += 1;
        match answer {
            Ok(sign_in) if !possible.contains(&sign_in) => tally.crossed += 1,
            Ok(NOBODY) => tally.as_guest += 1,
            Ok(_) => tally.as_user += 1,
            Err(error) if error.kind() == AuthErrorKind::SignInRequired => {
                assert!(
                    possible.contains(&NOBODY),
                    "somebody was signed in all the time: {error:?}"
                );
                if kind == Kind::Credentials {
                    assert!(switches > 0, "guests are welcome: {error:?}");
                    tally.turned_away += 1;
                } else {
                    tally.refused += 1;
                }
            }
            Err(error) => {
                assert!(
                    switches >= PATIENCE && error.is_transient(),
                    "{error:?} after {switches} switches"
                );
                tally.worn_out += 1;
            }
        }
    }
}
