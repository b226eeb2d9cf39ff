//! Many callers at once, on a paused clock: they share one load, and nothing that one of them does is
//! to the harm of another.
//!
//! The largest runs are left out by default:
//! `cargo test --release --all-features --test main cache::crowds -- --ignored --nocapture`

mod departures;
mod panics;
mod rejections;
mod tasks;
mod tenants;
mod threads;

use std::future::Future;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::future::pending;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tower_client_auth::{AuthErrorKind, BoxError, Cached, Token, TokenSource};

use super::{Issuer, numbered};
use crate::support::promise;

const CROWD: u64 = 10_000;

/// How long a load may take, by default.
const LOAD_TIMEOUT: Duration = Duration::from_secs(30);

/// What tokio's timers may come late by, which count in milliseconds.
const TICK: Duration = Duration::from_millis(2);

/// Splitmix64: the same schedules on every machine, and any number is a good seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn one_in(&mut self, many: u64) -> bool {
        self.below(many) == 0
    }

    fn millis(&mut self, below: u64) -> Duration {
        Duration::from_millis(self.below(below))
    }
}

/// Runs `count` callers at once, each on a task of its own: nobody is looked after merely because a
/// neighbour was woken.
async fn crowd<F>(count: u64, run: impl FnMut(u64) -> F) -> Vec<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    let mut running: JoinSet<_> = (0..count).map(run).collect();
    let mut outputs = Vec::new();
    while let Some(output) = running.join_next().await {
        outputs.push(output.expect("one that does not panic"));
    }
    outputs
}

/// Runs as many schedules, thousands at a time: virtual time passes for all of them at once.
async fn schedules<F>(count: u64, run: impl Fn(u64) -> F) -> Vec<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    const AT_ONCE: u64 = 2_000;
    let mut outputs = Vec::new();
    for first in (0..count).step_by(AT_ONCE as usize) {
        let batch = AT_ONCE.min(count - first);
        outputs.extend(crowd(batch, |number| run(first + number)).await);
    }
    outputs
}

/// How many tasks there are, once all that can end has been given the chance to.
async fn tasks_left() -> usize {
    // A runtime runs a few dozen of them before it comes back here.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    tokio::runtime::Handle::current()
        .metrics()
        .num_alive_tasks()
}

#[tokio::test(start_paused = true)]
async fn a_cold_cache_makes_one_fetch() {
    const ROUNDS: usize = 100;
    let issuer = Issuer::default();
    let kept = Cached::new(issuer.source(numbered));
    let mut random = Random(1);
    for round in 1..=ROUNDS {
        // A cache that is new, and one that was told to forget.
        let cache = match round % 2 {
            0 => Cached::new(issuer.source(numbered)),
            _ => kept.clone(),
        };
        cache.invalidate();
        // They come all at the same moment, or at any time while the load is under way.
        let spread = if round % 4 < 2 { 1 } else { 1_000 };
        let answers = crowd(CROWD, |_| {
            let (cache, arrival) = (cache.clone(), random.millis(spread));
            async move {
                sleep(arrival).await;
                cache.token().await
            }
        });
        for answer in answers.await {
            let token = answer.expect("a token");
            assert_eq!(token.expose(), format!("token-{round}"));
        }
        assert_eq!(issuer.loads(), round);
    }
    promise(
        1,
        format!(
            "{ROUNDS} cold caches x {CROWD} callers, {} fetches",
            issuer.loads()
        ),
    );
}

/// Lets a crowd come within `spread`, and returns how long the one waited that waited longest. No
/// one of them gets a token.
async fn disappoint<S>(cache: &Cached<S>, spread: Duration, text: &str) -> Duration
where
    S: TokenSource<Future: Send> + Send + Sync + 'static,
{
    let mut random = Random(5);
    let answers = crowd(CROWD, |_| {
        let arrival = random.millis(spread.as_millis() as u64 + 1);
        let cache = cache.clone();
        async move {
            sleep(arrival).await;
            let begun = Instant::now();
            (cache.token().await, begun.elapsed())
        }
    });
    let mut longest = Duration::ZERO;
    for (answer, waited) in answers.await {
        let error = answer.expect_err("a failure");
        assert_eq!(error.kind(), AuthErrorKind::Source);
        let cause = std::error::Error::source(&error).expect("a cause");
        assert!(cause.to_string().contains(text), "{cause}");
        longest = longest.max(waited);
    }
    longest
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_shared_and_not_repeated_for_each_caller() {
    let down = |_| Err::<String, BoxError>("the issuer is down".into());
    let issuer = Issuer::default();
    let cache = Cached::new(issuer.source(down));
    let longest = disappoint(&cache, Duration::ZERO, "is down").await;
    assert_eq!(issuer.loads(), 1);
    assert!(longest <= Duration::from_secs(1) + TICK, "{longest:?}");
    promise(
        5,
        format!("{CROWD} waiters, a failing provider: 1 fetch, answered after {longest:?}"),
    );

    // One that hangs. Whoever comes later waits no longer either, for whichever load it is: another
    // one starts when the first has had its time.
    for (spread, fetches) in [(0, 1), (25, 2)] {
        let issuer = Issuer::default();
        let loads = issuer.loads.clone();
        let cache = Cached::new(move || {
            loads.fetch_add(1, Ordering::SeqCst);
            pending::<Result<Token, BoxError>>()
        });
        let longest = disappoint(&cache, Duration::from_secs(spread), "30 seconds").await;
        promise(
            5,
            format!(
                "{CROWD} waiters within {spread} s, a hanging provider: fetches {}, answered after \
                 {longest:?} at most",
                issuer.loads()
            ),
        );
        assert!(issuer.loads() <= fetches, "{}", issuer.loads());
        assert!(longest <= LOAD_TIMEOUT + TICK, "{longest:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn callers_with_less_patience_than_a_load_takes_converge() {
    const CALLERS: u64 = 1_000;
    let issuer = Issuer::default();
    let loads = issuer.loads.clone();
    let cache = Cached::new(move || {
        let number = loads.fetch_add(1, Ordering::SeqCst) + 1;
        async move {
            sleep(Duration::from_secs(2)).await;
            numbered(number)
        }
    });
    let answers = crowd(CALLERS, |number| {
        let cache = cache.clone();
        async move {
            sleep(Duration::from_millis(100 * number)).await;
            timeout(Duration::from_secs(1), cache.token()).await
        }
    })
    .await;
    let served = answers.iter().filter(|a| matches!(a, Ok(Ok(_)))).count();
    promise(
        7,
        format!(
            "{CALLERS} callers, 1 s each, a load of 2 s: {served} served, {} fetch",
            issuer.loads()
        ),
    );
    assert!(served >= 980, "{served}");
    assert_eq!(issuer.loads(), 1);
}
