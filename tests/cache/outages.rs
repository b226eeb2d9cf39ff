//! Providers that fail.
//!
//! All in virtual time. The cache's own randomness is left alone: what is asserted holds for any.

mod clocks;
mod faults;
mod provider;
mod rates;

use std::io::ErrorKind;
use std::ops::Range;
use std::time::Duration;

use futures::FutureExt;
use tokio::time::{Instant, sleep, sleep_until};
use tower_client_auth::{Cached, TokenSource};

pub(super) use provider::{Fault, Outcome, Provider, Random, Traffic};

use crate::support::promise;

pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const MINUTE: Duration = Duration::from_secs(60);
pub(super) const HOUR: Duration = Duration::from_secs(3600);

/// How long a load may take, by default.
pub(super) const LOAD_TIMEOUT: Duration = Duration::from_secs(30);

/// The longest pause after a failure while there is no valid token, or not for long: 4 s, stretched
/// by up to a quarter.
pub(super) const COLD_PAUSE: Duration = Duration::from_secs(5);

/// The same in the advisory window: 60 s and a quarter.
pub(super) const WARM_PAUSE: Duration = Duration::from_secs(75);

/// Of one hour the last 15 minutes are advisory, and the refresh comes in the first half of them; in
/// the last minute requests wait. So a provider that hangs from minute 52.5 on is noticed by nobody
/// until minute 59.
#[tokio::test(start_paused = true)]
async fn a_warm_request_never_waits_for_a_refresh() {
    const TICKS: u32 = 10_000;
    const READS: u32 = 100;
    let provider = Provider::new(HOUR);
    let cache = Cached::new(provider.clone());
    cache.prefetch().await.expect("a token");
    let from = Instant::now() + 52 * MINUTE + 30 * SECOND;
    let until = Instant::now() + 59 * MINUTE;
    provider.fails(from, until, Fault::Hang);
    let mut waits = 0;
    let mut beside_a_refresh = 0;
    for tick in 0..TICKS {
        sleep_until(from + (until - from) * tick / TICKS).await;
        for _ in 0..READS {
            match cache.token().now_or_never() {
                Some(answer) => assert_eq!(answer.expect("a token").expose(), "token-1"),
                None => waits += 1,
            }
        }
        if cache.status().refreshing {
            beside_a_refresh += READS;
        }
    }
    assert_eq!(waits, 0);
    assert!(beside_a_refresh > TICKS * READS / 2, "{beside_a_refresh}");
    // 30 s each, with pauses of 1, 2, 4, … between them.
    assert!(
        (5..=10).contains(&provider.faults()),
        "{}",
        provider.faults()
    );
    promise(
        2,
        format!(
            "{waits} of {} requests in the advisory window waited, {beside_a_refresh} of them \
             while one of {} refreshes hung",
            TICKS * READS,
            provider.faults(),
        ),
    );
}

/// What an outage did to the requests.
#[derive(Debug, Default)]
struct Toll {
    failures: usize,
    slowest: Duration,
    fetches: usize,
}

/// 100,000 requests, ten at a time, evenly from `requests` on and until a minute after the token's
/// end; all times are from when the first token came.
async fn outage(life: Duration, requests: Duration, times: Range<Duration>, fault: Fault) -> Toll {
    const MOMENTS: u32 = 10_000;
    const AT_A_TIME: u32 = 10;
    let provider = Provider::new(life).taking(Duration::from_millis(50));
    let cache = Cached::new(provider.clone());
    let start = Instant::now();
    cache.prefetch().await.expect("a token");
    provider.fails(start + times.start, start + times.end, fault);
    let mut toll = Toll::default();
    let mut traffic = Traffic::new(&cache, |outcome| {
        toll.failures += usize::from(outcome.answer.is_err());
        toll.slowest = toll.slowest.max(outcome.answered - outcome.asked);
    });
    let span = life + MINUTE - requests;
    for moment in 0..MOMENTS {
        let after = span.mul_f64(f64::from(moment) / f64::from(MOMENTS));
        sleep_until(start + requests + after).await;
        for _ in 0..AT_A_TIME {
            traffic.ask();
        }
    }
    traffic.end().await;
    toll.fetches = provider.faults();
    assert!(toll.fetches > 5, "the outage was noticed: {toll:?}");
    assert_eq!(provider.tokens(), 2, "and was over in the end");
    toll
}

/// 55 minutes of outage, wherever they are in an hour that ends in time for another load, and
/// wherever they are in the last hour of a day.
#[tokio::test(start_paused = true)]
async fn an_outage_within_a_tokens_life_fails_nothing_and_is_no_hammering() {
    const OUTAGE: Duration = Duration::from_secs(55 * 60);
    const FAULTS: [Fault; 5] = [
        Fault::Io(ErrorKind::ConnectionRefused),
        Fault::Slow,
        Fault::Hang,
        Fault::Panic,
        Fault::Expired,
    ];
    /// A timeout that requests might have.
    const PATIENCE: Duration = Duration::from_secs(10);
    let mut worst = Toll::default();
    let mut runs = 0;
    for fault in FAULTS {
        // The last load of the outage must have failed, and its pause be over.
        let margin = match fault {
            Fault::Hang => LOAD_TIMEOUT + 2 * COLD_PAUSE,
            _ => 2 * COLD_PAUSE,
        };
        let latest = HOUR - margin - OUTAGE;
        let of_an_hour = [30 * SECOND, 2 * MINUTE, 4 * MINUTE, latest]
            .map(|begins| (HOUR, Duration::ZERO, begins, 60));
        // Here the first request comes with the outage, or the refresh might have come before it.
        let of_a_day = [
            (Duration::ZERO, 60),
            (3 * MINUTE + 55 * SECOND, 60),
            // In the last minute requests wait, and there are no pauses above 5 s.
            (latest, 60 + 60 / 4),
        ]
        .map(|(begins, most)| (24 * HOUR, 23 * HOUR + begins, 23 * HOUR + begins, most));
        for (life, requests, begins, most) in of_an_hour.into_iter().chain(of_a_day) {
            let toll = outage(life, requests, begins..begins + OUTAGE, fault).await;
            let run = format!("{fault:?} from {begins:?} on: {toll:?}");
            assert_eq!(toll.failures, 0, "{run}");
            assert!(toll.slowest < PATIENCE, "{run}");
            assert!(toll.fetches <= most, "{run}");
            worst.failures += toll.failures;
            worst.slowest = worst.slowest.max(toll.slowest);
            if most == 60 {
                worst.fetches = worst.fetches.max(toll.fetches);
            }
            runs += 1;
        }
    }
    promise(
        3,
        format!(
            "{} of 100,000 requests failed in each of {runs} outages of 55 minutes, and none took \
             longer than {:?}",
            worst.failures, worst.slowest
        ),
    );
    promise(
        4,
        format!("at most {} fetches in such an outage", worst.fetches),
    );
}

/// What those who joined a load get that hangs, when the next load answers.
#[tokio::test(start_paused = true)]
async fn who_joined_a_load_that_hangs_does_not_fail_beside_a_valid_token() {
    let provider = Provider::new(HOUR);
    let cache = Cached::new(provider.clone());
    let start = Instant::now();
    provider.fails(start, start + SECOND, Fault::Hang);
    let ask = || {
        tokio::spawn({
            let call = cache.token();
            async move { (call.await, Instant::now()) }
        })
    };
    let first = ask();
    sleep(20 * SECOND).await;
    let second = ask(); // joins the first one's load
    sleep_until(start + LOAD_TIMEOUT + SECOND).await;
    let (answer, _) = first.await.expect("no panic");
    assert!(answer.expect_err("it hangs").is_transient());
    let third = cache.token().await.expect("a token");
    assert_eq!(third.expose(), "token-1");
    let (answer, at) = second.await.expect("no panic");
    let token = answer.map_err(|error| (error, at - start));
    assert_eq!(token.expect("the third one's token").expose(), "token-1");
}
