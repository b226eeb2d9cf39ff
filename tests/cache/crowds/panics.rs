//! Promise 8: a provider's panic is an error, and the next call works.

use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, join_all};
use tokio::time::sleep;
use tower_client_auth::{AuthError, AuthErrorKind, Cached, Token, TokenSource};

use super::tasks_left;
use crate::support::promise;

/// Panics on every third load, at each place where a source can.
#[derive(Clone)]
struct Shaky {
    loads: Arc<AtomicUsize>,
    lifetime: Duration,
}

impl Shaky {
    fn new(lifetime: Duration) -> Self {
        Self {
            loads: Arc::default(),
            lifetime,
        }
    }
}

impl TokenSource for Shaky {
    type Future = BoxFuture<'static, Result<Token, AuthError>>;

    fn token(&self) -> Self::Future {
        let load = self.loads.fetch_add(1, Ordering::SeqCst) + 1;
        let lifetime = self.lifetime;
        if load % 9 == 3 {
            stumble(); // before there is a future
        }
        async move {
            if load % 9 == 6 {
                stumble(); // when it is first polled
            }
            sleep(Duration::from_millis(10)).await;
            if load.is_multiple_of(9) {
                stumble();
            }
            Ok(Token::from(format!("token-{load}")).expires_in(lifetime))
        }
        .boxed()
    }
}

/// Panics past the hook, which would print tens of thousands of messages that the test asked for.
/// To everything else it is a panic like any other.
fn stumble() -> ! {
    resume_unwind(Box::new("a bug in the source"))
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_an_error_and_the_next_call_works() {
    const CALLS: usize = 100_000;
    let source = Shaky::new(Duration::from_secs(1));
    let cache = Cached::new(source.clone());
    let (mut calls, mut failed, mut escaped) = (0, 0, 0);
    while calls < CALLS {
        let before = source.loads.load(Ordering::SeqCst);
        // One caller, or several that share the panic.
        let crowd = (0..1 + before % 5).map(|_| {
            let call = async { cache.token().await };
            AssertUnwindSafe(call).catch_unwind()
        });
        for answer in join_all(crowd).await {
            calls += 1;
            let load = before + 1;
            match answer {
                Ok(Ok(token)) => {
                    assert_ne!(load % 3, 0);
                    assert_eq!(token.expose(), format!("token-{load}"));
                }
                Ok(Err(error)) => {
                    failed += 1;
                    assert_eq!(load % 3, 0, "only panics fail: {error}");
                    assert_eq!(error.kind(), AuthErrorKind::Source);
                    assert!(error.is_transient());
                    let cause = std::error::Error::source(&error).expect("a cause");
                    assert_eq!(cause.to_string(), "the source panicked");
                }
                Err(_) => escaped += 1,
            }
        }
        assert_eq!(source.loads.load(Ordering::SeqCst), before + 1);
        // After a panic the next call comes at once. Without one the token has to be over first;
        // nothing is invalidated, which would make the cache forget the panic as well.
        if before % 3 != 2 {
            sleep(Duration::from_secs(1)).await;
        }
    }
    let loads = source.loads.load(Ordering::SeqCst);
    assert_eq!(escaped, 0);
    assert_eq!(cache.status().failures as usize, loads / 3);
    assert_eq!(cache.status().refreshes as usize, loads - loads / 3);
    assert_eq!(tasks_left().await, 0);
    promise(
        8,
        format!(
            "{calls} calls, {loads} loads of which {} panicked: {failed} errors, {escaped} panics \
             escaped, every next call worked",
            loads / 3
        ),
    );
}

#[tokio::test(start_paused = true)]
async fn a_panic_behind_the_requests_harms_none() {
    const CALLS: usize = 10_000;
    let source = Shaky::new(Duration::from_secs(60));
    let cache = Cached::new(source.clone());
    for _ in 0..CALLS {
        cache.token().await.expect("a token");
        sleep(Duration::from_secs(1)).await;
    }
    let (loads, failures) = (
        source.loads.load(Ordering::SeqCst),
        cache.status().failures as usize,
    );
    assert_eq!(failures, loads / 3);
    assert!(failures > CALLS / 60 / 3, "it did panic: {failures}");
    promise(
        8,
        format!("{CALLS} calls, {failures} refreshes that panicked behind them: 0 errors"),
    );
}
