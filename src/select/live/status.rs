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
