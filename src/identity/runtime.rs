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

/// Does it to the end, whatever becomes of the caller.
#[cfg(feature = "oauth")]
pub(super) async fn detached<T, F>(work: F) -> Result<T, AuthError>
where
    F: Future<Output = Result<T, AuthError>> + Send + 'static,
    T: Send + 'static,
{
    let runtime = tokio::runtime::Handle::try_current().map_err(|_| no_runtime())?;
    // Dropping its handle does not stop a task.
    match runtime.spawn(crate::observe::in_span_of_caller(work)).await {
        Ok(answer) => answer,
        Err(error) if error.is_panic() => Err(AuthError::passing(
            "the transport or the refresh token store panicked",
        )),
        Err(_) => Err(AuthError::passing(
            "what was done to the session was stopped by the end of its runtime",
        )),
    }
}
