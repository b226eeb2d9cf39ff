//! Faults of every kind, and what is left of them when they are over.

use std::io::ErrorKind;
use std::time::Duration;

use futures::FutureExt;
use tokio::time::{Instant, sleep, sleep_until};
use tower_client_auth::{AuthErrorKind, Cached, TokenSource};

use super::{
    COLD_PAUSE, Fault, HOUR, LOAD_TIMEOUT, MINUTE, Provider, Random, SECOND, Traffic, WARM_PAUSE,
};
use crate::support::promise;

/// Ten that pass, and two that the crate takes for refusals: an answer without a token, and one
/// whose token is over already, are mistakes of the source's as far as anybody can tell. Those
/// answer requests for a while; they must not stay for good either.
const FAULTS: [Fault; 12] = [
    Fault::Io(ErrorKind::ConnectionRefused),
    Fault::Io(ErrorKind::ConnectionReset),
    Fault::Io(ErrorKind::ConnectionAborted),
    Fault::Io(ErrorKind::BrokenPipe),
    Fault::Io(ErrorKind::TimedOut),
    Fault::Io(ErrorKind::UnexpectedEof),
    Fault::Io(ErrorKind::NotConnected),
    Fault::Io(ErrorKind::AddrNotAvailable),
    Fault::Hang,
    Fault::Panic,
    Fault::Empty,
    Fault::Expired,
];

/// The time between two requests is below this.
const GAP: Duration = Duration::from_millis(500);

/// What a load takes that works.
const ANSWER: Duration = Duration::from_millis(20);

/// How long a fault outlasted itself.
#[derive(Debug, Default)]
struct Aftermath {
    faults: usize,
    /// From the fault's end until the last request failed.
    failing: Duration,
    /// And until there was a new token.
    renewed: Duration,
}

/// The provider is struck for a while, and requests come all the time until it has answered again.
async fn strike(fault: Fault, with_token: bool, random: &mut Random) -> Aftermath {
    const LIFE: Duration = Duration::from_secs(600);
    let provider = Provider::new(LIFE).taking(ANSWER);
    let cache = Cached::new(provider.clone());
    let mut lasting = if fault == Fault::Hang { 90 } else { 40 } * SECOND;
    let mut valid_until = None;
    if with_token {
        cache.prefetch().await.expect("a token");
        valid_until = Some(provider.record(1).end);
        // Advisory since 100 seconds at most, mandatory in 40 seconds, over in 100.
        sleep(500 * SECOND).await;
        lasting = 150 * SECOND;
    }
    let ends = Instant::now() + Duration::from_millis(1) + random.within(lasting);
    provider.fails(Instant::now(), ends, fault);

    // A load that hangs does so for a while after the provider is well. Behind the requests only the
    // next one of them finds out.
    let hangs = match fault {
        Fault::Hang => LOAD_TIMEOUT + GAP,
        _ => Duration::ZERO,
    };
    // The long pauses are for the advisory window only.
    let pause = valid_until.map_or(COLD_PAUSE, |end| {
        let advisory = (end - MINUTE).saturating_duration_since(ends + hangs);
        WARM_PAUSE.min(advisory + COLD_PAUSE)
    });
    let before = provider.tokens();
    let mut last_failure = None;
    let mut traffic = Traffic::new(&cache, |outcome| {
        if let Err(error) = outcome.answer {
            let valid = valid_until.is_some_and(|end| outcome.asked < end);
            assert!(!valid, "{fault:?}: {error:?} in spite of a valid token");
            assert_eq!(error.is_transient(), fault.is_transient(), "{error:?}");
            last_failure = last_failure.max(Some(outcome.answered));
        }
    });
    while provider.tokens() == before {
        let late = Instant::now().duration_since(ends);
        assert!(late <= hangs + pause + GAP + ANSWER, "{fault:?}: {late:?}");
        traffic.ask();
        sleep(Duration::from_millis(1) + random.within(GAP)).await;
    }
    traffic.end().await;
    let failing = last_failure.map_or(Duration::ZERO, |at| at.duration_since(ends));
    assert!(
        failing <= hangs + COLD_PAUSE,
        "{fault:?}, {}: failing {failing:?} after its end",
        if with_token { "with a token" } else { "cold" },
    );
    let answer = cache.token().now_or_never().expect("no wait");
    answer.expect("it is well again");
    Aftermath {
        faults: provider.faults(),
        failing,
        renewed: provider.record(before + 1).at.duration_since(ends),
    }
}

#[tokio::test(start_paused = true)]
async fn no_fault_is_for_good() {
    const EACH: usize = 1_000;
    let mut random = Random(0xfa_017);
    let mut faults = 0;
    let (mut hung, mut others) = (Aftermath::default(), Aftermath::default());
    for fault in FAULTS {
        for with_token in [false, true] {
            let mut of_this_kind = 0;
            while of_this_kind < EACH {
                let after = strike(fault, with_token, &mut random).await;
                of_this_kind += after.faults;
                let worst = match fault {
                    Fault::Hang => &mut hung,
                    _ => &mut others,
                };
                worst.failing = worst.failing.max(after.failing);
                worst.renewed = worst.renewed.max(after.renewed);
            }
            faults += of_this_kind;
        }
    }
    promise(
        9,
        format!(
            "after {faults} faults of 12 kinds the last request failed {:.1} s after the fault at \
             the latest, {:.1} s after one that hangs ({:.0} s and {:.0} s until the next token \
             where one was valid)",
            others.failing.as_secs_f64(),
            hung.failing.as_secs_f64(),
            others.renewed.as_secs_f64(),
            hung.renewed.as_secs_f64(),
        ),
    );
}

#[tokio::test(start_paused = true)]
async fn a_refusal_comes_at_once_and_is_not_asked_for_again() {
    let provider = Provider::new(HOUR);
    let cache = Cached::new(provider.clone());
    let start = Instant::now();
    provider.fails(start, start + SECOND, Fault::Refusal);
    cache.token().await.expect_err("a refusal");
    assert_eq!(Instant::now(), start, "at once");
    let mut calls = 1;
    for tick in 0..1_000 {
        sleep_until(start + Duration::from_millis(tick)).await;
        for _ in 0..100 {
            let error = cache.token().now_or_never().expect("no wait");
            let error = error.expect_err("a refusal");
            assert!(!error.is_transient());
            assert_eq!(error.kind(), AuthErrorKind::Source);
            let cause = std::error::Error::source(&error).expect("a cause");
            assert_eq!(cause.to_string(), "invalid_client");
            calls += 1;
        }
    }
    assert_eq!(provider.loads(), 1);
    promise(
        10,
        format!(
            "{} fetch for {calls} requests in one second after a refusal",
            provider.loads()
        ),
    );
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_is_mended_is_noticed_within_five_seconds() {
    const TICK: Duration = Duration::from_millis(50);
    let mut latest = Duration::ZERO;
    for refused in [SECOND / 10, SECOND, 10 * SECOND, MINUTE, 10 * MINUTE, HOUR] {
        let provider = Provider::new(HOUR);
        let cache = Cached::new(provider.clone());
        let start = Instant::now();
        provider.fails(start, start + refused, Fault::Refusal);
        while cache.token().await.is_err() {
            sleep(TICK).await;
        }
        let late = start.elapsed() - refused;
        assert!(late <= COLD_PAUSE + TICK, "{late:?} after {refused:?}");
        latest = latest.max(late);
        assert!(provider.faults() <= fetches(refused), "{refused:?}");
    }
    promise(
        10,
        format!(
            "a refusal is noticed to be over within {:.1} s",
            latest.as_secs_f64()
        ),
    );
}

/// How many loads a refusal of this length allows at most: pauses of 1 s, 2 s, and from then on 4 s,
/// none of which is ever shorter.
fn fetches(refused: Duration) -> usize {
    match refused.as_secs() {
        0 => 1,
        1..3 => 2,
        seconds => 3 + (seconds as usize - 3) / 4,
    }
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_only_has_expired_tokens_is_not_asked_all_the_time() {
    const CALLS: u32 = 100_000;
    const TIME: Duration = Duration::from_secs(600);
    let provider = Provider::new(HOUR);
    let cache = Cached::new(provider.clone());
    let start = Instant::now();
    provider.fails(start, start + TIME, Fault::Expired);
    for call in 0..CALLS {
        sleep_until(start + TIME * call / CALLS).await;
        let error = cache.token().await.expect_err("over already");
        assert_eq!(error.kind(), AuthErrorKind::Expired);
    }
    let (least, most) = (TIME.as_secs() as usize / 6, fetches(TIME));
    let loads = provider.loads();
    assert!(
        (least..=most).contains(&loads),
        "{loads}, not {least}..{most}"
    );
    promise(
        12,
        format!(
            "{loads} fetches for {CALLS} requests in {TIME:?} when all answers are over already"
        ),
    );
}
