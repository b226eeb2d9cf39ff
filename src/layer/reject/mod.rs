//! What a response says about the credential it was asked with.
//!
//! ```text
//! challenge   a 401's `WWW-Authenticate`, RFC 6750
//! aws         error codes and messages, from headers and bodies
//! skew        how far a server's clock is off ours
//! ```

mod aws;
mod challenge;
#[cfg(feature = "sigv4")]
mod skew;

pub(super) use aws::{Reason, Refusal};
pub(super) use challenge::Challenge;
#[cfg(feature = "sigv4")]
pub(super) use skew::{Attempt, Skew, Skews, TOLERANCE, skew_that_matters};
