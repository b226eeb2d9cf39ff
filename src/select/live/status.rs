//! How the latest replacements went.

use crate::error::AuthError;

/// How a [`LiveSelector`](crate::LiveSelector) is doing, for dashboards and readiness probes.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LiveStatus {
    /// The number of the configuration in use: 1 for that which the selector was made of.
    pub generation: u64,
    /// How many configurations were refused so far.
    pub refused: u64,
    /// Why the latest one was refused. `None` if it is in use.
    pub refusal: Option<AuthError>,
}

impl LiveStatus {
    pub(super) fn new() -> Self {
        Self {
            generation: 1,
            refused: 0,
            refusal: None,
        }
    }

    pub(super) fn replaced(&mut self) {
        self.generation += 1;
        self.refusal = None;
    }

    pub(super) fn refused(&mut self, error: &AuthError) {
        self.refused += 1;
        self.refusal = Some(error.clone());
    }
}
