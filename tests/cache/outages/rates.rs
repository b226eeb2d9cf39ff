//! How often a provider is asked while all is well.

use std::time::Duration;

use futures::FutureExt;
use tokio::time::{Instant, sleep_until};
use tower_client_auth::{Cached, TokenSource};

use super::{HOUR, MINUTE, Provider, SECOND};
use crate::support::promise;

/// A refresh comes at two thirds of a life at the earliest.
#[tokio::test(start_paused = true)]
async fn short_lived_tokens_do_not_make_a_storm() {
    const LIFETIMES: u32 = 200;
    const LIVES: u32 = 50;
    const REQUESTS_PER_LIFE: u32 = 60;
    let mut worst = (0.0, Duration::ZERO);
    for step in 0..LIFETIMES {
        // From a second to a day, in even ratios.
        let exponent = f64::from(step) / f64::from(LIFETIMES - 1);
        let life = Duration::from_secs_f64(86_400_f64.powf(exponent));
        // Some providers take their time.
        let provider = Provider::new(life).taking(life.min(MINUTE) * (step % 3) / 50);
        let cache = Cached::new(provider.clone());
        let start = Instant::now();
        for request in 0..LIVES * REQUESTS_PER_LIFE {
            sleep_until(start + life * request / REQUESTS_PER_LIFE).await;
            cache.token().await.expect("a token");
        }
        let lives = start.elapsed().as_secs_f64() / life.as_secs_f64();
        let fetches = provider.loads() as f64;
        assert!(
            fetches <= 1.5 * lives + 2.0,
            "{life:?}: {fetches} in {lives}"
        );
        let ratio = fetches / lives;
        if ratio > worst.0 {
            worst = (ratio, life);
        }
    }
    promise(
        11,
        format!(
            "at most {:.2} fetches a life (of {:.1} s), over {LIVES} lives each of {LIFETIMES} \
             lengths from 1 s to 24 h",
            worst.0,
            worst.1.as_secs_f64()
        ),
    );
}

#[tokio::test(start_paused = true)]
async fn a_fleet_does_not_refresh_at_once() {
    const FLEET: usize = 10_000;
    let provider = Provider::new(HOUR);
    let fleet: Vec<_> = (0..FLEET).map(|_| Cached::new(provider.clone())).collect();
    let start = Instant::now();
    let calls = fleet.iter().map(|cache| cache.token());
    for answer in futures::future::join_all(calls).await {
        answer.expect("a token");
    }
    assert_eq!(Instant::now(), start, "at the same moment");
    assert_eq!(provider.loads(), FLEET);

    let mut before = FLEET;
    let mut most = 0;
    let mut refreshing = 0;
    // Fifteen minutes, the advisory window, and what went before it; the last second counts what
    // the one before it began.
    for second in 44 * 60..=59 * 60 {
        sleep_until(start + second * SECOND).await;
        let loads = provider.loads();
        most = most.max(loads - before);
        refreshing += u32::from(loads > before);
        before = loads;
        for cache in &fleet {
            let answer = cache.token().now_or_never().expect("no wait");
            answer.expect("a token");
        }
    }
    assert_eq!(provider.loads(), 2 * FLEET, "each of them once");
    assert!(most <= FLEET / 50, "{most} in a second");
    promise(
        13,
        format!(
            "{FLEET} caches with one expiry refresh within {refreshing} s, no more than {:.2} % of \
             them in any second",
            100.0 * most as f64 / FLEET as f64
        ),
    );
}
