//! How a cache says it is doing.

use std::future::ready;

use tokio::time::{sleep, timeout};
use tower_client_auth::{AuthErrorKind, CacheStatus};

use super::*;

/// The status, which changes nothing however often it is asked for.
async fn status(cache: &Cached<Source>, loads: &Loads) -> CacheStatus {
    let begun = loads.begun();
    let status = cache.status();
    for _ in 0..100 {
        let again = cache.status();
        assert_eq!(format!("{again:?}"), format!("{status:?}"));
    }
    settle().await;
    assert_eq!(loads.begun(), begun, "a status starts nothing");
    status
}

/// What a cache has counted: loads that brought something, that failed, and that failed since.
#[track_caller]
fn assert_counts(status: &CacheStatus, refreshes: u64, failures: u64, in_a_row: u32) {
    let counts = (status.refreshes, status.failures, status.failures_in_a_row);
    assert_eq!(counts, (refreshes, failures, in_a_row), "{status:?}");
    assert_eq!(status.last_error.is_some(), in_a_row > 0, "{status:?}");
}

#[tokio::test(start_paused = true)]
async fn a_life_in_statuses() {
    let loads = Loads::default();
    // The first and the third bring something, all take a second, the rest fail.
    let cache = loads.cached(|number| async move {
        sleep(SECOND).await;
        match number {
            1 | 3 => lasting(number, 1000 * SECOND),
            _ => down(number),
        }
    });

    let empty = status(&cache, &loads).await;
    assert!(!empty.ready && !empty.refreshing);
    assert_eq!((empty.expires_in, empty.age), (None, None));
    assert_counts(&empty, 0, 0, 0);
    sleep(HOUR).await;
    assert_eq!(loads.begun(), 0);

    let first = cache.token();
    sleep(SECOND / 2).await;
    let loading = status(&cache, &loads).await;
    assert!(!loading.ready && loading.refreshing);
    assert_eq!((loading.expires_in, loading.age), (None, None));
    assert_counts(&loading, 0, 0, 0);
    first.await.expect("a token");

    let ready = status(&cache, &loads).await;
    assert!(ready.ready && !ready.refreshing);
    assert_about(ready.expires_in.expect("an end"), 999 * SECOND);
    assert_about(ready.age.expect("an age"), Duration::ZERO);
    assert_counts(&ready, 1, 0, 0);

    sleep(889 * SECOND).await; // past the refresh point by any jitter, and nobody came
    let idle = status(&cache, &loads).await;
    assert!(idle.ready && !idle.refreshing);
    assert_about(idle.expires_in.expect("an end"), 110 * SECOND);
    assert_about(idle.age.expect("an age"), 889 * SECOND);
    assert_eq!(loads.begun(), 1);

    assert_eq!(warm(&cache), "token-1");
    sleep(SECOND / 2).await;
    let refreshing = status(&cache, &loads).await;
    assert!(refreshing.ready && refreshing.refreshing);
    assert_counts(&refreshing, 1, 0, 0);

    sleep(SECOND).await;
    let failing = status(&cache, &loads).await;
    assert!(failing.ready && !failing.refreshing);
    assert_counts(&failing, 1, 1, 1);
    let error = failing.last_error.expect("an error");
    assert_eq!(error.kind(), AuthErrorKind::Source);
    assert_eq!(cause(&error), "failure-2");

    sleep(2 * SECOND).await; // the pause is over
    assert_eq!(warm(&cache), "token-1");
    sleep(2 * SECOND).await;
    assert_eq!(warm(&cache), "token-3");
    let recovered = status(&cache, &loads).await;
    assert!(recovered.ready && !recovered.refreshing);
    assert_about(recovered.age.expect("an age"), SECOND);
    assert_counts(&recovered, 2, 1, 0);

    sleep(1000 * SECOND).await;
    let over = status(&cache, &loads).await;
    assert!(!over.ready && !over.refreshing);
    assert_eq!((over.expires_in, over.age), (None, None));
    assert_counts(&over, 2, 1, 0);
    sleep(HOUR).await;
    assert_eq!(loads.begun(), 3);

    for failures in 1..=2 {
        assert!(ask(&cache).await.0.is_err());
        let failing = status(&cache, &loads).await;
        assert!(!failing.ready && !failing.refreshing);
        assert_eq!((failing.expires_in, failing.age), (None, None));
        assert_counts(&failing, 2, 1 + u64::from(failures), failures);
        let error = failing.last_error.expect("an error");
        assert_eq!(cause(&error), format!("failure-{}", 3 + failures));
    }
}

#[tokio::test(start_paused = true)]
async fn what_has_no_end_does_not_end() {
    let loads = Loads::default();
    let cache = loads.cached(|number| ready(endless(number)));
    cache.prefetch().await.expect("a token");
    sleep(24 * HOUR).await;
    let status = status(&cache, &loads).await;
    assert!(status.ready);
    assert_eq!(status.expires_in, None);
    assert_about(status.age.expect("an age"), 24 * HOUR);
}

#[tokio::test(start_paused = true)]
async fn what_was_rejected_is_not_ready() {
    let loads = Loads::default();
    let cache = loads.cached(|number| ready(endless(number)));
    let token = cache.token().await.expect("a token");
    cache.rejected(&token);
    let status = status(&cache, &loads).await;
    assert!(!status.ready && !status.refreshing);
    assert_counts(&status, 1, 0, 0);
}

/// It is late for those who wait, whether or not anybody does; and late once.
#[tokio::test(start_paused = true)]
async fn a_load_that_hangs_fails_once() {
    for patience in [10 * SECOND, 60 * SECOND] {
        let loads = Loads::default();
        let cache = loads.cached(|number| async move {
            if number == 1 {
                std::future::pending::<()>().await;
            }
            endless(number)
        });
        let call = timeout(patience, cache.token()).await;
        assert_ne!(call.is_err(), patience > 30 * SECOND);
        sleep(90 * SECOND).await;
        assert_eq!(loads.stopped(), 1);
        let after = status(&cache, &loads).await;
        assert!(!after.ready && !after.refreshing, "{after:?}");
        assert_counts(&after, 0, 1, 1);
        assert_eq!(ask(&cache).await.0.expect("a token"), "token-2");
        assert_counts(&status(&cache, &loads).await, 1, 1, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_status_prints_no_secret() {
    let loads = Loads::default();
    let cache = loads.cached(|number| ready(endless(number)));
    cache.prefetch().await.expect("a token");
    assert!(!format!("{:?} {cache:?}", cache.status()).contains("token-"));
}
