//! The settings by which a credential's life is divided.

use std::future::{pending, ready};
use std::time::SystemTime;

use tokio::time::sleep;
use tower_client_auth::{Clock, ManualClock};

use super::*;

const LIFETIME: Duration = Duration::from_secs(1000);

type Setting = fn(CachedBuilder<Source, Token>) -> CachedBuilder<Source, Token>;

/// How old a token is when the second load begins, if there is a request in every second.
async fn refreshed_at(cache: &Cached<Source>, loads: &Loads, until: Duration) -> Option<Duration> {
    cache.prefetch().await.expect("a token");
    let start = Instant::now();
    while start.elapsed() < until {
        assert_eq!(warm(cache), "token-1", "behind the requests");
        settle().await;
        if loads.begun() > 1 {
            return Some(start.elapsed());
        }
        sleep(SECOND).await;
    }
    None
}

/// A life of 1000 s. What is set is the window's length; the refresh comes in its first half, and is
/// seen within a second.
#[tokio::test(start_paused = true)]
async fn the_advisory_window_is_as_long_as_set_and_a_third_at_most() {
    let settings: [(Setting, f64); 4] = [
        (|b| b, 300.0),
        (|b| b.advisory_window(100 * SECOND), 100.0),
        (|b| b.advisory_window(200 * SECOND), 200.0),
        (|b| b.advisory_window(900 * SECOND), 1000.0 / 3.0),
    ];
    for (set, window) in settings {
        let mut earliest = f64::MAX;
        let mut latest = 0.0_f64;
        for _ in 0..40 {
            let loads = Loads::default();
            let builder = loads.builder(|number| ready(lasting(number, LIFETIME)));
            let builder = set(builder).mandatory_window(SECOND);
            let cache = builder.build().expect("a cache");
            let at = refreshed_at(&cache, &loads, LIFETIME).await;
            let at = at.expect("a refresh").as_secs_f64();
            assert!(at >= 1000.0 - window, "{window}: {at}");
            assert!(at <= 1000.0 - window / 2.0 + 1.1, "{window}: {at}");
            earliest = earliest.min(at);
            latest = latest.max(at);
        }
        // Forty at the same place would be no jitter at all.
        assert!(latest - earliest > window / 20.0, "{earliest}..{latest}");
    }
}

/// Whether a request has to wait when a token of [`LIFETIME`] is that old.
async fn waits_at(set: Setting, age: Duration) -> bool {
    let loads = Loads::default();
    let builder = loads.builder(|number| async move {
        if number > 1 {
            pending::<()>().await;
        }
        lasting(number, LIFETIME)
    });
    let cache = set(builder).build().expect("a cache");
    cache.prefetch().await.expect("a token");
    sleep(age).await;
    at_once(&cache).is_none()
}

#[tokio::test(start_paused = true)]
async fn the_mandatory_window_is_as_long_as_set_and_a_tenth_at_most() {
    let settings: [(Setting, u32); 4] = [
        (|b| b, 60),
        (|b| b.mandatory_window(20 * SECOND), 20),
        (|b| b.mandatory_window(80 * SECOND), 80),
        (|b| b.mandatory_window(500 * SECOND), 100),
    ];
    for (set, window) in settings {
        let begin = LIFETIME - window * SECOND;
        assert!(!waits_at(set, begin - SECOND).await, "{window}");
        assert!(waits_at(set, begin + SECOND).await, "{window}");
    }
    let none = |b: CachedBuilder<Source, Token>| b.mandatory_window(Duration::ZERO);
    assert!(!waits_at(none, LIFETIME - SECOND).await);
}

/// Also if the advisory one is so short that its refresh would come later than that.
#[tokio::test(start_paused = true)]
async fn requests_wait_in_the_mandatory_window_whatever_the_advisory_one() {
    let settings: [Setting; 3] = [
        |b| b.advisory_window(Duration::ZERO),
        |b| b.advisory_window(60 * SECOND),
        |b| b.advisory_window(80 * SECOND),
    ];
    for set in settings {
        for _ in 0..20 {
            assert!(waits_at(set, LIFETIME - 59 * SECOND).await);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_period_renews_what_has_no_end_or_one_far_away() {
    for _ in 0..20 {
        for lifetime in [None, Some(24 * HOUR)] {
            let loads = Loads::default();
            let builder = loads.builder(move |number| {
                ready(match lifetime {
                    Some(lifetime) => lasting(number, lifetime),
                    None => endless(number),
                })
            });
            let cache = builder.refresh_every(100 * SECOND).build();
            let cache = cache.expect("a cache");
            let at = refreshed_at(&cache, &loads, HOUR).await.expect("a refresh");
            assert!((75 * SECOND..102 * SECOND).contains(&at), "{at:?}");
            assert_eq!(warm(&cache), "token-2");
        }
    }
    // Off by default.
    let loads = Loads::default();
    let cache = loads.cached(|number| ready(endless(number)));
    assert_eq!(refreshed_at(&cache, &loads, 24 * HOUR).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_period_longer_than_the_life_changes_nothing() {
    let loads = Loads::default();
    let builder = loads.builder(|number| ready(lasting(number, LIFETIME)));
    let cache = builder.refresh_every(24 * HOUR).build().expect("a cache");
    let at = refreshed_at(&cache, &loads, LIFETIME).await;
    let at = at.expect("a refresh");
    assert!((700 * SECOND..852 * SECOND).contains(&at), "{at:?}");
}

#[tokio::test(start_paused = true)]
async fn a_lifetime_is_assumed_where_none_is_said() {
    let loads = Loads::default();
    let builder = loads.builder(|number| {
        ready(match number {
            1 => endless(number),
            _ => lasting(number, LIFETIME),
        })
    });
    let cache = builder.assume_lifetime(60 * SECOND).build();
    let cache = cache.expect("a cache");
    cache.prefetch().await.expect("a token");
    assert_about(cache.status().expires_in.expect("an end"), 60 * SECOND);
    sleep(61 * SECOND).await;
    assert!(!cache.status().ready, "over");
    assert_eq!(ask(&cache).await.0.expect("a token"), "token-2");
    sleep(61 * SECOND).await;
    assert_eq!(warm(&cache), "token-2", "which says so itself");
    assert_eq!(loads.begun(), 2);

    // By default it is kept.
    let loads = Loads::default();
    let cache = loads.cached(|number| ready(endless(number)));
    cache.prefetch().await.expect("a token");
    assert_eq!(cache.status().expires_in, None);
    for _ in 0..12 {
        sleep(30 * 24 * HOUR).await;
        assert_eq!(warm(&cache), "token-1");
    }
}

#[tokio::test(start_paused = true)]
async fn lives_are_counted_by_the_clock_that_was_set() {
    let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let manual = ManualClock::new(start);
    let loads = Loads::default();
    let wall = manual.clone();
    let script = move |number| {
        let wall = wall.clone();
        async move { Ok(Token::new(format!("token-{number}"))?.expires_at(wall.now() + LIFETIME)) }
    };
    let builder = loads.builder(script.clone());
    let cache = builder.clock(Clock::from(manual.clone())).build();
    let cache = cache.expect("a cache");
    cache.prefetch().await.expect("a token");
    assert_about(cache.status().expires_in.expect("an end"), LIFETIME);
    manual.jump_forward(LIFETIME - SECOND);
    assert_about(cache.status().expires_in.expect("an end"), SECOND);
    manual.jump_forward(SECOND);
    assert!(!cache.status().ready);
    assert_eq!(ask(&cache).await.0.expect("a token"), "token-2");

    // By the system's clock, that was years ago.
    let cache = loads.cached(script);
    assert!(ask(&cache).await.0.is_err());
}
