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
    // Without a builder, with one that is not told, and with one that is.
    for (must_finish, builder, finishes) in [
        (false, None, false),
        (true, None, true),
        (false, Some(None), false),
        (true, Some(None), true),
        (false, Some(Some(true)), true),
        (true, Some(Some(false)), false),
    ] {
        let loads = Loads::default();
        let source = Says {
            source: loads.source(|number| async move {
                sleep(10 * SECOND).await;
                endless(number)
            }),
            must_finish,
        };
        let cache = match builder {
            None => Ok(Cached::new(source)),
            Some(None) => Cached::builder(source).build(),
            Some(Some(finish)) => Cached::builder(source).finish_loads(finish).build(),
        };
        let cache = cache.expect("a cache");
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

/// Two of them would use the same refresh token: the second waits for the first as long as that may
/// answer after all.
#[tokio::test(start_paused = true)]
async fn no_two_loads_that_must_finish_are_under_way_at_once() {
    for finish in [false, true] {
        let loads = Loads::default();
        let builder = loads.builder(|number| async move {
            sleep(if number == 1 { 40 * SECOND } else { SECOND }).await;
            endless(number)
        });
        let cache = builder.finish_loads(finish).build().expect("a cache");
        assert!(ask(&cache).await.0.is_err());
        sleep(SECOND).await;
        let (answer, waited) = ask(&cache).await;
        let (token, after) = match finish {
            true => ("token-1", 9 * SECOND),
            false => ("token-2", SECOND),
        };
        assert_eq!(answer.expect("a token"), token);
        assert_about(waited, after);
        sleep(20 * SECOND).await;
        assert_eq!(warm(&cache), token);
        assert_eq!(loads.begun(), if finish { 1 } else { 2 });
    }
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
