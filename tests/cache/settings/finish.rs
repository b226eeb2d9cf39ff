//! Loads that nobody waits for any more.

use std::future::{pending, ready};

use tokio::time::{sleep, timeout};

use super::*;

/// A source that has to finish, or not, by its own account.
struct Says {
    source: Source,
    must_finish: bool,
}

impl TokenSource for Says {
    type Future = BoxFuture<'static, Result<Token, AuthError>>;

    fn token(&self) -> Self::Future {
        let answer = (self.source)();
        Box::pin(async { answer.await.map_err(AuthError::transient) })
    }

    fn must_finish(&self) -> bool {
        self.must_finish
    }
}

#[tokio::test(start_paused = true)]
async fn a_load_finishes_or_stops_with_its_cache_as_set_or_as_the_source_says() {
    for (must_finish, set, finishes) in [
        (false, None, false),
        (true, None, true),
        (false, Some(true), true),
        (true, Some(false), false),
    ] {
        let loads = Loads::default();
        let source = Says {
            source: loads.source(|number| async move {
                sleep(10 * SECOND).await;
                endless(number)
            }),
            must_finish,
        };
        let mut builder = Cached::builder(source);
        if let Some(finish) = set {
            builder = builder.finish_loads(finish);
        }
        let cache = builder.build().expect("a cache");
        assert_eq!(TokenSource::must_finish(&cache), finishes);
        assert!(timeout(SECOND, cache.token()).await.is_err());
        drop(cache);
        sleep(8 * SECOND).await;
        assert_eq!(loads.stopped(), usize::from(!finishes));
        sleep(2 * SECOND).await;
        assert_eq!(loads.answered(), usize::from(finishes));
        assert_eq!(loads.begun(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn the_load_timeout_bounds_even_what_must_finish() {
    let loads = Loads::default();
    let builder = loads.builder(|_| pending()).finish_loads(true);
    let cache = builder.load_timeout(5 * SECOND).build().expect("a cache");
    assert!(timeout(SECOND, cache.token()).await.is_err());
    drop(cache);
    sleep(3 * SECOND).await;
    assert_eq!(loads.stopped(), 0);
    sleep(2 * SECOND).await;
    assert_eq!(loads.stopped(), 1);
}

/// A caller that has left does not end a load as long as there is a cache, whatever is set.
#[tokio::test(start_paused = true)]
async fn a_caller_that_leaves_stops_nothing() {
    for finish in [false, true] {
        let loads = Loads::default();
        let builder = loads.builder(|number| async move {
            sleep(10 * SECOND).await;
            endless(number)
        });
        let cache = builder.finish_loads(finish).build().expect("a cache");
        assert!(timeout(SECOND, cache.token()).await.is_err());
        sleep(10 * SECOND).await;
        assert_eq!(warm(&cache), "token-1");
    }
}

/// A caller keeps the cache that it waits for.
#[tokio::test(start_paused = true)]
async fn who_waits_gets_an_answer_from_a_cache_that_is_gone() {
    let loads = Loads::default();
    let cache = loads.cached(|number| async move {
        sleep(10 * SECOND).await;
        endless(number)
    });
    let call = cache.token();
    drop(cache);
    assert_eq!(call.await.expect("a token").expose(), "token-1");
    assert_eq!(loads.stopped(), 0);
}

/// Dropped outside any runtime, with and without a load under way.
#[test]
fn a_cache_may_be_dropped_anywhere() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.expect("a runtime");
    for finish in [false, true] {
        let loads = Loads::default();
        let builder = loads.builder(|_| pending()).finish_loads(finish);
        let cache = builder.build().expect("a cache");
        runtime.block_on(async {
            assert!(at_once(&cache).is_none());
            settle().await;
        });
        drop(cache);
        runtime.block_on(settle());
        assert_eq!(loads.begun(), 1);
        assert_eq!(loads.stopped(), usize::from(!finish));
    }
    drop(Loads::default().cached(|number| ready(endless(number))));
}
