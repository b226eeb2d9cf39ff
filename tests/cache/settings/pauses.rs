//! How long a load may take, and the pauses between loads.

use std::future::{pending, ready};

use tokio::time::sleep;

use super::*;

type Setting = fn(CachedBuilder<Source, Token>) -> CachedBuilder<Source, Token>;

#[tokio::test(start_paused = true)]
async fn a_load_may_take_as_long_as_set() {
    let settings: [(Setting, u32); 2] = [(|b| b, 30), (|b| b.load_timeout(5 * SECOND), 5)];
    for (set, seconds) in settings {
        let loads = Loads::default();
        let cache = set(loads.builder(|_| pending())).build().expect("a cache");
        let (answer, waited) = ask(&cache).await;
        let error = answer.expect_err("no answer");
        assert!(error.is_transient());
        assert!(
            cause(&error).contains(&format!("{seconds} seconds")),
            "{error:?}"
        );
        assert_about(waited, seconds * SECOND);
        // And as long again, in case it answers after all.
        sleep(seconds * SECOND - 10 * MILLISECOND).await;
        assert_eq!(loads.stopped(), 0);
        sleep(20 * MILLISECOND).await;
        assert_eq!(loads.stopped(), 1);
        assert_eq!(loads.begun(), 1);
        assert_eq!(cache.status().failures, 1, "one load fails once");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_within_as_long_again_is_used() {
    for (answers_after, used) in [(9_900, true), (10_100, false)] {
        let loads = Loads::default();
        let builder = loads.builder(move |number| async move {
            sleep(answers_after * MILLISECOND).await;
            endless(number)
        });
        let cache = builder.load_timeout(5 * SECOND).build().expect("a cache");
        assert!(ask(&cache).await.0.is_err());
        sleep(6 * SECOND).await;
        assert_eq!(cache.status().ready, used);
        assert_eq!(cache.at_hand().is_some(), used);
        assert_eq!(loads.answered(), usize::from(used));
    }
}

/// The times between the beginnings of the next loads, if there is a request every `step`.
async fn pauses(cache: &Cached<Source>, loads: &Loads, step: Duration, count: usize) -> Vec<f64> {
    let mut pauses = Vec::new();
    let mut last = None;
    while pauses.len() < count {
        let before = loads.begun();
        if let Ok(token) = cache.token().await {
            cache.rejected(&token);
        }
        settle().await;
        if loads.begun() > before {
            let now = Instant::now();
            if let Some(last) = last.replace(now) {
                pauses.push((now - last).as_secs_f64());
            }
        }
        sleep(step).await;
    }
    pauses
}

/// `expected` are the pauses in seconds; each may be a quarter longer, and is seen a step late.
#[track_caller]
fn assert_pauses(pauses: &[f64], expected: &[f64], step: Duration) {
    let step = step.as_secs_f64() + 0.005;
    for (pause, expected) in pauses.iter().zip(expected) {
        let most = expected * 1.25 + step;
        assert!((*expected - 0.002..=most).contains(pause), "{pauses:?}");
    }
    assert_eq!(pauses.len(), expected.len());
}

#[tokio::test(start_paused = true)]
async fn pauses_with_a_valid_token_are_as_long_as_set() {
    let settings: [(Setting, [f64; 8]); 2] = [
        (|b| b, [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]),
        (
            |b| b.back_off(10 * SECOND, 25 * SECOND),
            [10.0, 20.0, 25.0, 25.0, 25.0, 25.0, 25.0, 25.0],
        ),
    ];
    for (set, expected) in settings {
        let loads = Loads::default();
        let builder = loads.builder(|number| {
            ready(match number {
                1 => lasting(number, 24 * HOUR),
                _ => down(number),
            })
        });
        let cache = set(builder).build().expect("a cache");
        cache.prefetch().await.expect("a token");
        sleep(23 * HOUR + HOUR / 2).await; // past the refresh point, by any jitter
        let step = 100 * MILLISECOND;
        let mut found = Vec::new();
        let mut last = None;
        while found.len() < expected.len() {
            let before = loads.begun();
            assert_eq!(warm(&cache), "token-1");
            settle().await;
            if loads.begun() > before
                && let Some(last) = last.replace(Instant::now())
            {
                found.push(last.elapsed().as_secs_f64());
            }
            sleep(step).await;
        }
        assert_pauses(&found, &expected, step);
    }
}

#[tokio::test(start_paused = true)]
async fn pauses_without_a_token_are_as_long_as_set() {
    let settings: [(Setting, [f64; 9]); 2] = [
        (|b| b, [0.0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 4.0, 4.0]),
        (
            |b| b.cold_back_off(2 * SECOND, 5 * SECOND),
            [0.0, 2.0, 4.0, 5.0, 5.0, 5.0, 5.0, 5.0, 5.0],
        ),
    ];
    for (set, expected) in settings {
        let loads = Loads::default();
        let cache = set(loads.builder(|number| ready(down(number)))).build();
        let cache = cache.expect("a cache");
        let step = 10 * MILLISECOND;
        let found = pauses(&cache, &loads, step, expected.len()).await;
        assert_pauses(&found, &expected, step);
    }
}

#[tokio::test(start_paused = true)]
async fn within_a_pause_the_last_error_is_the_answer() {
    let loads = Loads::default();
    let builder = loads.builder(|number| ready(down(number)));
    let cache = builder.cold_back_off(2 * SECOND, 5 * SECOND).build();
    let cache = cache.expect("a cache");
    for expected in ["failure-1", "failure-2", "failure-2", "failure-2"] {
        let (answer, waited) = ask(&cache).await;
        assert_eq!(cause(&answer.expect_err("an outage")), expected);
        assert_about(waited, Duration::ZERO);
    }
    assert_eq!(loads.begun(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_held_for_as_long_as_set() {
    let settings: [(Setting, [f64; 5]); 2] = [
        (|b| b, [1.0, 2.0, 4.0, 4.0, 4.0]),
        (
            |b| b.refusal_hold(10 * SECOND, 15 * SECOND),
            [10.0, 15.0, 15.0, 15.0, 15.0],
        ),
    ];
    for (set, expected) in settings {
        let loads = Loads::default();
        let refused = |_| ready(Err(AuthError::terminal("revoked").into()));
        let cache = set(loads.builder(refused)).build().expect("a cache");
        let step = 10 * MILLISECOND;
        let found = pauses(&cache, &loads, step, expected.len()).await;
        assert_pauses(&found, &expected, step);
        let error = ask(&cache).await.0.expect_err("a refusal");
        assert!(!error.is_transient());
        assert_eq!(cause(&error), "revoked");
    }
}

/// Every token is rejected as soon as it is sent. The first is replaced at once.
#[tokio::test(start_paused = true)]
async fn a_rejected_token_stays_for_as_long_as_set() {
    let settings: [(Setting, [f64; 8]); 2] = [
        (|b| b, [0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0]),
        (
            |b| b.rejected_hold(10 * SECOND, 15 * SECOND),
            [0.0, 10.0, 15.0, 15.0, 15.0, 15.0, 15.0, 15.0],
        ),
    ];
    for (set, expected) in settings {
        let loads = Loads::default();
        let cache = set(loads.builder(|number| ready(endless(number)))).build();
        let cache = cache.expect("a cache");
        let step = 10 * MILLISECOND;
        let found = pauses(&cache, &loads, step, expected.len()).await;
        // The request after the one that was rejected loads: one step more.
        assert_pauses(&found, &expected, 2 * step);
    }
}
