//! How a cache is doing.

use std::time::Duration;

use crate::error::AuthError;

/// How a cache is doing, at one moment.
///
/// ```
/// # tokio_test(async {
/// use tower_client_auth::{Cached, Token};
///
/// let tokens = Cached::new(|| async { Ok(Token::from("mF_9.B5f-4.1JqM")) });
/// assert!(!tokens.status().ready);
/// tokens.prefetch().await?;
/// assert!(tokens.status().ready);
/// # Ok(())
/// # });
/// # fn tokio_test(work: impl Future<Output = Result<(), tower_client_auth::AuthError>>) {
/// #     let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
/// #     runtime.expect("a runtime").block_on(work).expect("no error");
/// # }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CacheStatus {
    /// Whether there is a credential that a request would be sent with now.
    ///
    /// An idle cache lets its credential expire, and then is not ready until somebody asks. A readiness
    /// probe that only looks here would keep the traffic away that ends this: let it await
    /// [`prefetch`](crate::Cached::prefetch) with a timeout, which costs nothing while there is a
    /// credential, or fail only if [`failures_in_a_row`](CacheStatus::failures_in_a_row) says so too.
    pub ready: bool,
    /// How long until it ends. `None` if there is none, or if it does not say.
    ///
    /// Zero for AWS credentials that are being used past their expiry.
    pub expires_in: Option<Duration>,
    /// How long ago it came.
    pub age: Option<Duration>,
    /// Whether a load is under way.
    pub refreshing: bool,
    /// How many loads have brought a credential.
    pub refreshes: u64,
    /// How many loads have failed.
    pub failures: u64,
    /// How many of them since the last success.
    pub failures_in_a_row: u32,
    /// What the last of those failed with. `None` again after a success.
    pub last_error: Option<AuthError>,
}
