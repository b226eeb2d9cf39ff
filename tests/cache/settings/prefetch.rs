//! Loading ahead of the first request.

use std::future::ready;

use tokio::time::sleep;
use tower_client_auth::AuthErrorKind;

use super::*;

#[tokio::test(start_paused = true)]
async fn a_prefetch_loads_once_and_what_is_warm_stays() {
    let loads = Loads::default();
    let cache = loads.cached(|number| async move {
        sleep(SECOND).await;
        endless(number)
    });
    let start = Instant::now();
    let crowd = (0..100).map(|_| cache.prefetch());
    for answer in futures::future::join_all(crowd).await {
        answer.expect("a token");
    }
    assert_about(start.elapsed(), SECOND);
    assert_eq!(loads.begun(), 1);
    assert_eq!(warm(&cache), "token-1");
    for _ in 0..100 {
        cache
            .prefetch()
            .now_or_never()
            .expect("no wait")
            .expect("ok");
    }
    settle().await;
    assert_eq!(loads.begun(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_prefetch_is_joined_by_requests() {
    let loads = Loads::default();
    let cache = loads.cached(|number| async move {
        sleep(SECOND).await;
        endless(number)
    });
    let (prefetched, (answer, _)) = tokio::join!(cache.prefetch(), ask(&cache));
    prefetched.expect("a token");
    assert_eq!(answer.expect("a token"), "token-1");
    assert_eq!(loads.begun(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_error_of_a_prefetch_is_the_one_a_request_would_get() {
    let loads = Loads::default();
    let cache = loads.cached(|number| {
        ready(match number {
            1 => down(number),
            2 => Err(AuthError::terminal("a wrong secret").into()),
            _ => endless(number),
        })
    });
    let error = cache.prefetch().await.expect_err("an outage");
    assert_eq!(error.kind(), AuthErrorKind::Source);
    assert!(error.is_transient());
    assert_eq!(cause(&error), "failure-1");
    let error = cache.prefetch().await.expect_err("a refusal");
    assert_eq!(error.kind(), AuthErrorKind::Source);
    assert!(!error.is_transient());
    assert_eq!(cause(&error), "a wrong secret");
    // The refusal holds.
    let error = cache.prefetch().await.expect_err("a refusal");
    assert_eq!(cause(&error), "a wrong secret");
    assert_eq!(loads.begun(), 2);
    sleep(3 * SECOND).await;
    cache.prefetch().await.expect("a token");
    assert_eq!(loads.begun(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_prefetch_loads_anew_what_is_over() {
    let loads = Loads::default();
    let cache = loads.cached(|number| ready(lasting(number, 60 * SECOND)));
    cache.prefetch().await.expect("a token");
    sleep(60 * SECOND).await;
    cache.prefetch().await.expect("a token");
    assert_eq!(warm(&cache), "token-2");
}

#[tokio::test]
async fn a_prefetch_that_is_not_polled_loads_nothing() {
    let loads = Loads::default();
    let cache = loads.cached(|number| ready(endless(number)));
    drop(cache.prefetch());
    settle().await;
    assert_eq!(loads.begun(), 0);
}
