//! What the crate needs of a tokio runtime, with errors in place of panics.

use std::panic::catch_unwind;
use std::pin::Pin;
use std::time::Duration;

use tokio::runtime;
use tokio::time::{Sleep, sleep};

use crate::error::{AuthError, AuthErrorKind};

pub(super) fn no_runtime() -> AuthError {
    AuthError::new(
        AuthErrorKind::Configuration,
        "tokens and credentials are fetched on tokio, and there is no tokio runtime here that runs: \
         send the request from inside one",
    )
}

/// A tokio timer. A runtime cannot be asked whether it has any: tokio panics over one that has none.
pub(super) fn timer(after: Duration) -> Result<Pin<Box<Sleep>>, AuthError> {
    runtime::Handle::try_current().map_err(|_| no_runtime())?;
    catch_unwind(|| Box::pin(sleep(after))).map_err(|_| {
        AuthError::new(
            AuthErrorKind::Configuration,
            "fetching tokens and credentials needs the tokio runtime's timer: call `enable_time` or \
             `enable_all` where the runtime is built",
        )
    })
}
