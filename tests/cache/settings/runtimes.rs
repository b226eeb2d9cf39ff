//! One cache, several runtimes: some stop, and some are not run.

use std::future::{pending, ready};
use std::sync::LazyLock;

use tokio::runtime::{Builder, Runtime};
use tokio::time::advance;
use tower_client_auth::AuthErrorKind;

use super::*;

/// Virtual time, by which all the clocks of a test start at nearly the same moment.
fn runtime() -> Runtime {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build();
    runtime.expect("a runtime")
}

fn threaded() -> Runtime {
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build();
    runtime.expect("a runtime")
}

/// The loads with these numbers never answer; all others do at once.
fn hanging(hang: &'static [usize]) -> impl Fn(usize) -> BoxFuture<'static, Answer> {
    move |number| match hang.contains(&number) {
        true => pending().boxed(),
        false => ready(endless(number)).boxed(),
    }
}

static STATIC_LOADS: LazyLock<Loads> = LazyLock::new(Loads::default);
static STATIC: LazyLock<Cached<Source>> = LazyLock::new(|| STATIC_LOADS.cached(hanging(&[1, 3])));

/// As programs have it, and tests: a static, and a runtime for each of them.
#[test]
fn a_static_cache_outlives_its_runtimes() {
    let first = runtime();
    first.block_on(async {
        assert!(at_once(&STATIC).is_none());
        settle().await;
    });
    assert_eq!(STATIC_LOADS.begun(), 1);
    assert!(STATIC.status().refreshing);
    drop(first);
    assert_eq!(STATIC_LOADS.stopped(), 1);
    assert!(!STATIC.status().refreshing, "it came to nothing");
    assert_eq!(STATIC.status().failures, 0, "by nobody's fault");

    let second = runtime();
    let (answer, waited) = second.block_on(ask(&STATIC));
    assert_eq!(answer.expect("a token"), "token-2");
    assert_about(waited, Duration::ZERO);

    // The same again, from the second to a third.
    STATIC.invalidate();
    second.block_on(async {
        assert!(at_once(&STATIC).is_none());
        settle().await;
    });
    assert_eq!(STATIC_LOADS.begun(), 3);
    drop(second);
    let third = runtime();
    assert_eq!(third.block_on(ask(&STATIC)).0.expect("a token"), "token-4");
    drop(third);
    assert_eq!(warm(&STATIC), "token-4", "outside any runtime too");
}

/// A cache that holds `token-1`, which is to be renewed: by the wall clock, so that it is by the
/// time of every runtime.
fn due(runtime: &Runtime, loads: &Loads, hang: &'static [usize]) -> Cached<Source> {
    let builder = loads.builder(hanging(hang));
    let cache = builder.refresh_every(MILLISECOND).build();
    let cache = cache.expect("a cache");
    runtime.block_on(cache.prefetch()).expect("a token");
    std::thread::sleep(5 * MILLISECOND);
    cache
}

#[test]
fn a_refresh_whose_runtime_is_dropped_is_begun_again_at_once() {
    let (first, second) = (runtime(), runtime());
    let loads = Loads::default();
    let cache = due(&first, &loads, &[2]);
    first.block_on(async {
        assert_eq!(warm(&cache), "token-1");
        settle().await;
    });
    assert_eq!(loads.begun(), 2);
    drop(first);
    assert_eq!(loads.stopped(), 1);
    second.block_on(async {
        assert_eq!(warm(&cache), "token-1");
        settle().await;
        assert_eq!(warm(&cache), "token-3");
    });
}

/// It does not get a chance to say so.
#[test]
fn a_refresh_whose_runtime_is_not_run_is_in_the_way_for_the_load_timeout() {
    let (first, second) = (runtime(), runtime());
    let loads = Loads::default();
    let cache = due(&first, &loads, &[2]);
    first.block_on(async {
        assert_eq!(warm(&cache), "token-1");
        settle().await;
    });
    assert_eq!(loads.begun(), 2);
    second.block_on(async {
        for _ in 0..20 {
            assert_eq!(warm(&cache), "token-1");
            settle().await;
            assert_eq!(loads.begun(), 2);
            advance(SECOND).await;
        }
        advance(11 * SECOND).await;
        assert_eq!(warm(&cache), "token-1");
        settle().await;
        assert_eq!(cache.status().failures, 1);
        // It has failed, which is followed by a pause.
        advance(2 * SECOND).await;
        assert_eq!(warm(&cache), "token-1");
        settle().await;
        assert_eq!(warm(&cache), "token-3");
    });
    // What ran in the first is not in the way of what came later.
    first.block_on(async {
        settle().await;
        assert_eq!(cache.status().refreshes, 2);
    });
}

/// Without a token there is no way around waiting, and none beyond the timeout.
#[test]
fn a_load_whose_runtime_is_not_run_is_in_the_way_for_the_load_timeout() {
    let (first, second) = (runtime(), runtime());
    let loads = Loads::default();
    let cache = loads.cached(hanging(&[1]));
    first.block_on(async {
        assert!(at_once(&cache).is_none());
        settle().await;
    });
    second.block_on(async {
        let (answer, waited) = ask(&cache).await;
        assert!(answer.expect_err("no answer").is_transient());
        assert!(waited < 31 * SECOND, "{waited:?}");
        assert_eq!(ask(&cache).await.0.expect("a token"), "token-2");
    });
}

/// Those who wait in one runtime for a load in another.
#[test]
fn who_waits_for_a_load_elsewhere_takes_over_when_that_runtime_stops() {
    for younger_stops in [false, true] {
        let (first, second) = (runtime(), runtime());
        let (stops, stays) = match younger_stops {
            true => (second, first),
            false => (first, second),
        };
        let loads = Loads::default();
        let cache = loads.cached(hanging(&[1]));
        stops.block_on(async {
            assert!(at_once(&cache).is_none());
            settle().await;
        });
        let crowd = stays.block_on(async {
            let mut crowd: Vec<_> = (0..10).map(|_| cache.token()).collect();
            for call in &mut crowd {
                assert!(call.now_or_never().is_none());
            }
            crowd
        });
        assert_eq!(loads.begun(), 1);
        drop(stops);
        for answer in stays.block_on(futures::future::join_all(crowd)) {
            assert_eq!(answer.expect("a token").expose(), "token-2");
        }
        assert_eq!(loads.begun(), 2);
    }
}

/// Threads and real time: nobody hangs, whichever runtime stops when.
#[test]
fn runtimes_that_come_and_go_hang_nobody() {
    const RUNTIMES: usize = 200;
    let loads = Loads::default();
    let cache = loads.cached(|number| async move {
        tokio::task::yield_now().await;
        match number % 3 {
            0 => pending().await,
            _ => lasting(number, MILLISECOND),
        }
    });
    let stays = threaded();
    let done = Arc::new(AtomicUsize::new(0));
    let asks = {
        let (cache, done) = (cache.clone(), Arc::clone(&done));
        stays.spawn(async move {
            let mut tokens = 0;
            while done.load(Ordering::SeqCst) == 0 {
                tokens += usize::from(ask_for_a_while(&cache).await);
            }
            tokens
        })
    };
    for number in 0..RUNTIMES {
        let comes = if number % 2 == 0 {
            threaded()
        } else {
            runtime()
        };
        comes.block_on(async {
            assert!(cache.token().now_or_never().is_none_or(|a| a.is_ok()));
            settle().await;
        });
        match number % 4 {
            0 => comes.shutdown_background(),
            _ => drop(comes),
        }
    }
    done.store(1, Ordering::SeqCst);
    stays.block_on(async {
        asks.await.expect("no panic");
        // Whatever is left hanging is given up at some time; nothing is stuck for ever.
        cache.invalidate();
        while !ask_for_a_while(&cache).await {
            cache.invalidate();
        }
    });
}

/// Whether there is a token, asked for with some patience.
async fn ask_for_a_while(cache: &Cached<Source>) -> bool {
    let call = tokio::time::timeout(5 * MILLISECOND, cache.token()).await;
    call.is_ok_and(|answer| answer.is_ok())
}

/// Every way for a runtime to be gone while there is a handle of it.
fn gone() -> [tokio::runtime::Handle; 4] {
    let (dropped, closed) = (runtime(), runtime());
    let (dropped_threads, closed_threads) = (threaded(), threaded());
    let handles = [&dropped, &closed, &dropped_threads, &closed_threads];
    let handles = handles.map(|runtime| runtime.handle().clone());
    drop((dropped, dropped_threads));
    closed.shutdown_background();
    closed_threads.shutdown_timeout(SECOND);
    handles
}

#[test]
fn in_a_runtime_that_is_gone_the_error_says_so() {
    for handle in gone() {
        let loads = Loads::default();
        let cache = loads.cached(hanging(&[]));
        let entered = handle.enter();
        for _ in 0..3 {
            let error = at_once(&cache).expect("no wait").expect_err("no runtime");
            assert_eq!(error.kind(), AuthErrorKind::Configuration);
            assert!(error.to_string().contains("tokio runtime"), "{error}");
        }
        let error = cache.prefetch().now_or_never().expect("no wait");
        assert_eq!(
            error.expect_err("none").kind(),
            AuthErrorKind::Configuration
        );
        let status = cache.status();
        assert!(!status.refreshing && !status.ready);
        drop(entered);
        assert_eq!(loads.begun(), 0);
        let (answer, _) = runtime().block_on(ask(&cache));
        assert_eq!(answer.expect("a token"), "token-1", "the next one is well");
    }
}

#[test]
fn in_a_runtime_that_is_gone_a_valid_token_is_used() {
    for handle in gone() {
        let stays = runtime();
        let loads = Loads::default();
        let cache = due(&stays, &loads, &[]);
        let entered = handle.enter();
        for _ in 0..3 {
            assert_eq!(warm(&cache), "token-1");
        }
        drop(entered);
        assert_eq!(loads.begun(), 1);
        stays.block_on(async {
            assert_eq!(warm(&cache), "token-1");
            settle().await;
            assert_eq!(warm(&cache), "token-2", "the next one is well");
        });
    }
}

/// With a load under way in a runtime that is well.
#[test]
fn in_a_runtime_that_is_gone_nobody_can_wait_but_nobody_panics() {
    for handle in gone() {
        let stays = runtime();
        let loads = Loads::default();
        let cache = loads.cached(hanging(&[1]));
        stays.block_on(async {
            assert!(at_once(&cache).is_none());
            settle().await;
        });
        let entered = handle.enter();
        let mut call = cache.token();
        let first = (&mut call).now_or_never();
        drop(entered);
        // Either at once, or by the load it waits for.
        let answer = first.unwrap_or_else(|| {
            cache.invalidate();
            stays.block_on(call)
        });
        match answer {
            Ok(token) => assert_eq!(token.expose(), "token-2"),
            Err(error) => assert!(format!("{error:?}").contains("runtime"), "{error:?}"),
        }
    }
}

/// The same in a mandatory window, where a request has something to go on with.
#[test]
fn in_a_runtime_that_is_gone_nobody_waits_for_something_newer() {
    let age = 950 * SECOND;
    let gone = runtime();
    gone.block_on(advance(age + SECOND)); // every runtime has a clock of its own
    let handle = gone.handle().clone();
    drop(gone);
    let stays = runtime();
    let loads = Loads::default();
    let builder = loads.builder(|number| async move {
        if number == 2 {
            pending::<()>().await;
        }
        lasting(number, 1000 * SECOND)
    });
    let cache = builder.mandatory_window(100 * SECOND).build();
    let cache = cache.expect("a cache");
    stays.block_on(async {
        cache.prefetch().await.expect("a token");
        advance(age).await;
        assert!(at_once(&cache).is_none(), "waits a little");
        settle().await;
    });
    assert_eq!(loads.begun(), 2);
    let entered = handle.enter();
    assert_eq!(warm(&cache), "token-1");
    drop(entered);
    let (answer, waited) = stays.block_on(ask(&cache));
    assert_eq!(answer.expect("a token"), "token-1");
    assert_about(waited, 5 * SECOND);
}

/// The caller's own runtime stops, and the load's does not: the call is polled in a third.
#[test]
fn a_call_may_move_to_another_runtime() {
    for waits in [false, true] {
        let (loading, calling, polling) = (runtime(), runtime(), runtime());
        let loads = Loads::default();
        let cache = loads.cached(hanging(&[1]));
        loading.block_on(async {
            assert!(at_once(&cache).is_none());
            settle().await;
        });
        let mut call = {
            let _entered = calling.enter();
            cache.token()
        };
        if waits {
            let early = calling.block_on(async { (&mut call).now_or_never() });
            assert!(early.is_none());
        }
        drop(calling);
        let early = polling.block_on(async { (&mut call).now_or_never() });
        cache.invalidate();
        let answer = early.unwrap_or_else(|| polling.block_on(call));
        match answer {
            Ok(token) => assert_eq!(token.expose(), "token-2"),
            // There is no timer any more to wait by, or its time is up: the load stands still.
            Err(error) => {
                let text = format!("{error:?}");
                let is_clear = text.contains("runtime") || text.contains("not answered");
                assert!(is_clear, "{text}");
            }
        }
    }
}
