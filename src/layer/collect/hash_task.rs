//! Hashing on tokio's blocking threads.

use std::future::Future;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::error::{AuthError, AuthErrorKind};
use crate::layer::body::Readied;
use crate::payload::PayloadHash;

/// Hashes data on another thread, and gives both back.
pub(in crate::layer) struct HashTask(JoinHandle<(Bytes, PayloadHash)>);

impl HashTask {
    /// The data itself where there is no tokio runtime.
    pub(super) fn start(data: Bytes) -> Result<Self, Bytes> {
        let Ok(runtime) = Handle::try_current() else {
            return Err(data);
        };
        Ok(Self(runtime.spawn_blocking(move || {
            let hash = PayloadHash::of(&data);
            (data, hash)
        })))
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Readied<Bytes>> {
        Poll::Ready(match ready!(Pin::new(&mut self.0).poll(cx)) {
            Ok(hashed) => Ok(hashed),
            Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
            Err(_) => Err(AuthError::new(
                AuthErrorKind::Configuration,
                "the tokio runtime shut down before it had hashed the body, and nothing was sent: \
                 let requests end before their runtime does",
            )),
        })
    }
}

impl Drop for HashTask {
    /// What waits for a thread need not be hashed any more.
    fn drop(&mut self) {
        self.0.abort();
    }
}
