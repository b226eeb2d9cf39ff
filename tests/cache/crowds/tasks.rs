//! Promise 14: no task outlives its cache, but one that must finish.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::time::{sleep, timeout};
use tower_client_auth::{AuthError, Cached, Token, TokenSource};

use super::{LOAD_TIMEOUT, Random, TICK, tasks_left};
use crate::support::promise;

/// Takes `delay` for its answer, and counts the loads that came so far.
struct Slow {
    delay: Duration,
    must_finish: bool,
    answered: Arc<AtomicU64>,
}

impl Slow {
    fn new(delay: Duration) -> Self {
        Self {
            delay,
            must_finish: false,
            answered: Arc::default(),
        }
    }

    fn hanging() -> Self {
        Self::new(Duration::from_secs(1_000_000))
    }
}

impl TokenSource for Slow {
    type Future = BoxFuture<'static, Result<Token, AuthError>>;

    fn token(&self) -> Self::Future {
        let (delay, answered) = (self.delay, Arc::clone(&self.answered));
        async move {
            sleep(delay).await;
            answered.fetch_add(1, Ordering::SeqCst);
            Ok(Token::from("t"))
        }
        .boxed()
    }

    fn must_finish(&self) -> bool {
        self.must_finish
    }
}

#[tokio::test(start_paused = true)]
async fn no_load_outlives_its_cache() {
    const AT_ONCE: usize = 1_000;
    const BATCHES: usize = 100;
    let answered = Arc::new(AtomicU64::new(0));
    for batch in 0..BATCHES {
        let caches: Vec<_> = (0..AT_ONCE)
            .map(|_| {
                Cached::new(Slow {
                    answered: Arc::clone(&answered),
                    ..Slow::hanging()
                })
            })
            .collect();
        let mut calls: Vec<_> = caches.iter().map(Cached::token).collect();
        for call in &mut calls {
            assert!(call.now_or_never().is_none());
        }
        // Before the task was first polled, after that, within the time a load may take, after it.
        match batch % 4 {
            0 => {}
            1 => assert_eq!(tasks_left().await, AT_ONCE, "under way, and counted"),
            2 => sleep(LOAD_TIMEOUT / 2).await,
            _ => sleep(LOAD_TIMEOUT * 3 / 2).await,
        }
        // Whoever waits holds the cache as well.
        match batch / 4 % 2 {
            0 => {
                drop(caches);
                assert_eq!(tasks_left().await, AT_ONCE);
                drop(calls);
            }
            _ => {
                drop(calls);
                assert_eq!(tasks_left().await, AT_ONCE);
                drop(caches);
            }
        }
        assert_eq!(tasks_left().await, 0);
    }
    assert_eq!(answered.load(Ordering::SeqCst), 0);
    promise(
        14,
        format!(
            "{} caches dropped with a load under way, 0 live tasks",
            AT_ONCE * BATCHES
        ),
    );
}

/// A load that its callers have given up is let go on, for an answer that comes late is used. Where
/// there is no cache to use it, or it would not use it, there is no reason to.
#[tokio::test(start_paused = true)]
async fn loads_that_were_given_up_end_with_their_cache() {
    const CACHES: usize = 1_000;
    let mut random = Random(41);
    let (mut most, mut given_up) = (0, 0);
    for number in 0..CACHES {
        let cache = Cached::new(Slow::hanging());
        // Some wait until the end, some leave sooner, and the next one starts another load.
        for _ in 0..2 + random.below(5) {
            drop(timeout(random.millis(40_000), cache.token()).await);
            sleep(random.millis(20_000)).await;
            most = most.max(tasks_left().await);
        }
        given_up += cache.status().failures;
        match number % 2 {
            0 => cache.invalidate(),
            _ => drop(cache),
        }
        assert_eq!(tasks_left().await, 0);
    }
    assert!(most <= 2, "loads at once for one cache: {most}");
    assert!(given_up > CACHES as u64, "{given_up}");
    promise(
        14,
        format!(
            "{CACHES} caches dropped or invalidated after {given_up} loads were given up: 0 live \
             tasks; {most} at once at most"
        ),
    );
}

#[tokio::test(start_paused = true)]
async fn a_load_that_must_finish_does_so_without_its_cache() {
    const CACHES: u64 = 1_000;
    let answered = Arc::new(AtomicU64::new(0));
    let mut random = Random(14);
    for number in 0..CACHES {
        let by_itself = Slow {
            must_finish: number % 2 == 0,
            answered: Arc::clone(&answered),
            ..Slow::new(Duration::from_millis(10_000))
        };
        let cache = match number % 2 {
            0 => Cached::new(by_itself),
            _ => Cached::builder(by_itself)
                .finish_loads(true)
                .build()
                .expect("a cache"),
        };
        assert!(cache.token().now_or_never().is_none());
        let after = random.millis(9_000);
        tokio::spawn(async move {
            sleep(after).await;
            drop(cache);
        });
    }
    sleep(Duration::from_millis(9_500)).await;
    assert_eq!(tasks_left().await, CACHES as usize, "the loads alone");
    assert_eq!(answered.load(Ordering::SeqCst), 0);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(answered.load(Ordering::SeqCst), CACHES);
    assert_eq!(tasks_left().await, 0);
    promise(
        14,
        format!("{CACHES} loads that must finish: all did, then 0 live tasks"),
    );
}

#[tokio::test(start_paused = true)]
async fn the_builder_has_the_last_word_on_what_must_finish() {
    let source = Slow {
        must_finish: true,
        ..Slow::hanging()
    };
    let cache = Cached::builder(source).finish_loads(false).build();
    let cache = cache.expect("a cache");
    assert!(cache.token().now_or_never().is_none());
    drop(cache);
    assert_eq!(tasks_left().await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_load_that_must_finish_and_hangs_is_gone_a_load_timeout_after_its_cache() {
    const CACHES: u64 = 1_000;
    let mut random = Random(30);
    for _ in 0..CACHES {
        let cache = Cached::new(Slow {
            must_finish: true,
            ..Slow::hanging()
        });
        // Dropped at any time until the load would have ended by itself, often a caller or an
        // invalidation later.
        let mut left = random.millis(2 * LOAD_TIMEOUT.as_millis() as u64);
        let call = cache.token(); // which is when it starts
        if random.one_in(2) {
            let sooner = left.mul_f64(random.below(1_000) as f64 / 1_000.0);
            drop(timeout(sooner, call).await);
            left -= sooner;
            if random.one_in(2) {
                cache.invalidate();
            }
        } else {
            drop(call);
        }
        sleep(left).await;
        drop(cache);
        sleep(LOAD_TIMEOUT + TICK).await;
        assert_eq!(tasks_left().await, 0);
    }
    promise(
        14,
        format!("{CACHES} loads that must finish and hang: gone {LOAD_TIMEOUT:?} after the drop"),
    );
}
