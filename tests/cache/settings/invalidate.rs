//! Forgetting what there is.

use std::future::ready;
use std::sync::OnceLock;

use tokio::time::sleep;

use super::*;

/// Each load takes ten seconds.
async fn slowly(number: usize) -> Answer {
    sleep(10 * SECOND).await;
    endless(number)
}

#[tokio::test(start_paused = true)]
async fn what_is_there_is_forgotten() {
    let loads = Loads::default();
    let cache = loads.cached(|number| ready(endless(number)));
    cache.prefetch().await.expect("a token");
    cache.invalidate();
    assert!(cache.at_hand().is_none());
    assert!(!cache.status().ready);
    settle().await;
    assert_eq!(loads.begun(), 1, "until a request comes");
    assert_eq!(ask(&cache).await.0.expect("a token"), "token-2");
    assert_eq!(warm(&cache), "token-2");
}

#[tokio::test(start_paused = true)]
async fn of_nothing_nothing_is_forgotten() {
    let loads = Loads::default();
    let cache = loads.cached(|number| ready(endless(number)));
    cache.invalidate();
    cache.invalidate();
    assert_eq!(ask(&cache).await.0.expect("a token"), "token-1");
}

#[tokio::test(start_paused = true)]
async fn a_load_under_way_is_stopped_and_those_who_wait_get_the_next() {
    let loads = Loads::default();
    let cache = loads.cached(slowly);
    let forget = async {
        sleep(5 * SECOND).await;
        cache.invalidate();
        settle().await;
        assert_eq!(loads.stopped(), 1);
        assert_eq!(loads.begun(), 2, "for those who wait");
        ask(&cache).await
    };
    let waiting = futures::future::join_all((0..100).map(|_| ask(&cache)));
    let (before, after) = tokio::join!(waiting, forget);
    for (answer, waited) in before {
        assert_eq!(answer.expect("a token"), "token-2");
        assert_about(waited, 15 * SECOND);
    }
    assert_eq!(after.0.expect("a token"), "token-2");
    assert_eq!(loads.begun(), 2);
    assert_eq!(loads.answered(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_load_that_must_finish_does_so_and_is_not_used() {
    let loads = Loads::default();
    let builder = loads.builder(slowly).finish_loads(true);
    let cache = builder.build().expect("a cache");
    let forget = async {
        sleep(5 * SECOND).await;
        cache.invalidate();
        sleep(5 * SECOND + 10 * MILLISECOND).await;
        assert_eq!((loads.stopped(), loads.answered()), (0, 1));
        assert!(!cache.status().ready, "what it brought is nobody's");
    };
    let ((answer, _), ()) = tokio::join!(ask(&cache), forget);
    assert_eq!(answer.expect("a token"), "token-2");
    assert_eq!((loads.begun(), loads.answered()), (2, 2));
    assert_eq!(cache.status().refreshes, 1);
}

#[tokio::test(start_paused = true)]
async fn a_load_that_must_finish_is_waited_for_before_there_is_another() {
    let loads = Loads::default();
    let builder = loads.builder(slowly).finish_loads(true);
    let cache = builder.build().expect("a cache");
    let late = async {
        sleep(5 * SECOND).await;
        cache.invalidate();
        ask(&cache).await
    };
    let ((early, early_wait), (late, late_wait)) = tokio::join!(ask(&cache), late);
    assert_eq!(early.expect("a token"), "token-2");
    assert_eq!(late.expect("a token"), "token-2");
    assert_about(early_wait, 20 * SECOND);
    assert_about(late_wait, 15 * SECOND);
    assert_eq!(loads.begun(), 2);
}

/// Its callers have given up on it, so that the cache does not count it as under way any more.
#[tokio::test(start_paused = true)]
async fn an_answer_that_comes_late_is_not_used_either() {
    for forget in [false, true] {
        let loads = Loads::default();
        let cache = loads.cached(|number| async move {
            sleep(40 * SECOND).await;
            endless(number)
        });
        assert!(ask(&cache).await.0.is_err());
        sleep(5 * SECOND).await;
        if forget {
            cache.invalidate();
        }
        sleep(6 * SECOND).await;
        assert_eq!(cache.status().ready, !forget);
    }
}

/// In an advisory window the old value is served while the new one is on its way: neither is used.
#[tokio::test(start_paused = true)]
async fn a_refresh_under_way_is_forgotten_with_the_value() {
    for finish in [false, true] {
        let loads = Loads::default();
        let builder = loads.builder(|number| async move {
            if number == 2 {
                sleep(10 * SECOND).await;
            }
            endless(number)
        });
        let builder = builder.refresh_every(100 * SECOND).finish_loads(finish);
        let cache = builder.build().expect("a cache");
        cache.prefetch().await.expect("a token");
        sleep(100 * SECOND).await;
        assert_eq!(warm(&cache), "token-1");
        settle().await;
        assert_eq!(loads.begun(), 2);
        cache.invalidate();
        assert_eq!(ask(&cache).await.0.expect("a token"), "token-3");
        sleep(20 * SECOND).await;
        assert_eq!(warm(&cache), "token-3");
        assert_eq!(loads.stopped(), usize::from(!finish));
    }
}

/// Somebody mended the configuration, and says so.
#[tokio::test(start_paused = true)]
async fn failures_and_rejections_are_forgotten_too() {
    let loads = Loads::default();
    let cache = loads.cached(|number| {
        ready(match number {
            1 | 2 => Err(AuthError::terminal("revoked").into()),
            _ => endless(number),
        })
    });
    for _ in 0..2 {
        assert!(ask(&cache).await.0.is_err());
    }
    assert_eq!(loads.begun(), 1, "it holds");
    cache.invalidate();
    assert!(ask(&cache).await.0.is_err());
    assert_eq!(loads.begun(), 2);
    assert_eq!(cache.status().failures_in_a_row, 1);
    cache.invalidate();
    let first = cache.token().await.expect("a token");
    assert_eq!(first.expose(), "token-3");

    cache.rejected(&first);
    let second = cache.token().await.expect("a token");
    assert_eq!(second.expose(), "token-4");
    cache.rejected(&second);
    assert_eq!(warm(&cache), "token-4", "only just replaced");
    cache.invalidate();
    let third = cache.token().await.expect("a token");
    assert_eq!(third.expose(), "token-5");
    cache.rejected(&third);
    assert_eq!(ask(&cache).await.0.expect("a token"), "token-6");
}

/// From inside the source, whose load it is.
#[tokio::test(start_paused = true)]
async fn a_source_may_invalidate_its_own_cache() {
    let loads = Loads::default();
    let own: Arc<OnceLock<Cached<Source>>> = Arc::default();
    let script = {
        let own = Arc::clone(&own);
        move |number| {
            let own = Arc::clone(&own);
            async move {
                if number == 1 {
                    own.get().expect("set below").invalidate();
                    sleep(SECOND).await;
                }
                endless(number)
            }
        }
    };
    let cache = loads.cached(script);
    assert!(own.set(cache.clone()).is_ok());
    assert_eq!(ask(&cache).await.0.expect("a token"), "token-2");
    assert_eq!(loads.stopped(), 1);
}
