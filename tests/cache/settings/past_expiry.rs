//! AWS credentials past their expiry, when no newer ones can be had.

use std::future::{pending, ready};
use std::sync::Mutex;
use std::time::SystemTime;

use aws_credential_types::provider::error::CredentialsError;
use tokio::time::{sleep, sleep_until};
use tower_client_auth::{AuthErrorKind, Clock, CredentialsSource, ManualClock};

use super::credentials::{CachedCredentials, Provided, Provider, keys, manual_clock, send};
use super::*;

const LIFETIME: Duration = Duration::from_secs(1000);
const BY: Duration = Duration::from_secs(900);

/// How the provider is, from the second load on.
#[derive(Clone, Copy)]
enum Mood {
    Well,
    Down,
    Refuses,
    Hangs,
}

struct Bench {
    cache: CachedCredentials,
    clock: ManualClock,
    loads: Loads,
    mood: Arc<Mutex<Mood>>,
    start: Instant,
}

impl Bench {
    /// A cache that has loaded credentials for [`LIFETIME`].
    async fn new(by: Option<Duration>, mood: Mood) -> Self {
        let clock = manual_clock();
        let loads = Loads::default();
        let mood = Arc::new(Mutex::new(mood));
        let provider = {
            let (clock, mood) = (clock.clone(), Arc::clone(&mood));
            Provider::new(&loads, move |number| -> BoxFuture<'static, Provided> {
                let mood = match number {
                    1 => Mood::Well,
                    _ => *mood.lock().expect("no panic"),
                };
                match mood {
                    Mood::Well => ready(Ok(keys(number, Some(clock.now() + LIFETIME)))).boxed(),
                    Mood::Down => ready(Err(CredentialsError::provider_error("503"))).boxed(),
                    Mood::Refuses => ready(Err(CredentialsError::not_loaded("none"))).boxed(),
                    Mood::Hangs => pending().boxed(),
                }
            })
        };
        let mut builder = Cached::credentials_builder(provider).clock(Clock::from(clock.clone()));
        if let Some(by) = by {
            builder = builder.serve_past_expiry(by);
        }
        let cache = builder.build().expect("a cache");
        cache.prefetch().await.expect("credentials");
        Self {
            cache,
            clock,
            loads,
            mood,
            start: Instant::now(),
        }
    }

    /// Sends a request when the first credentials are that old.
    async fn at(&self, age: Duration) -> (Result<String, AuthError>, Duration) {
        sleep_until(self.start + age).await;
        send(&self.cache, &self.clock).await
    }
}

#[tokio::test(start_paused = true)]
async fn they_sign_for_that_long_and_no_longer() {
    for mood in [Mood::Down, Mood::Refuses] {
        let bench = Bench::new(Some(BY), mood).await;
        for age in [500, 999, 1001, 1200, 1500, 1899] {
            let (answer, waited) = bench.at(age * SECOND).await;
            assert_eq!(answer.expect("sent"), "AKID1", "{age}");
            assert_about(waited, Duration::ZERO);
            let status = bench.cache.status();
            assert!(status.ready, "{age}");
            assert_eq!(
                status.expires_in.expect("an end").is_zero(),
                age > 1000,
                "{status:?}"
            );
        }
        let (answer, _) = bench.at(LIFETIME + BY).await;
        let error = answer.expect_err("over");
        assert_eq!(error.kind(), AuthErrorKind::Source);
        assert!(!bench.cache.status().ready);
        assert!(CredentialsSource::at_hand(&bench.cache).is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn they_do_not_unless_that_is_set() {
    for by in [None, Some(Duration::ZERO)] {
        let bench = Bench::new(by, Mood::Down).await;
        let (answer, _) = bench.at(LIFETIME - MILLISECOND).await;
        assert_eq!(answer.expect("sent"), "AKID1");
        let (answer, _) = bench.at(LIFETIME).await;
        let error = answer.expect_err("over");
        assert_eq!(error.kind(), AuthErrorKind::Source);
        assert!(cause(&error).contains("error"), "{error:?}");
        assert!(!bench.cache.status().ready);
    }
}

#[tokio::test(start_paused = true)]
async fn the_provider_is_asked_again_all_along_and_the_new_ones_are_used() {
    for mood in [Mood::Down, Mood::Refuses, Mood::Hangs] {
        let bench = Bench::new(Some(BY), mood).await;
        // A request a second, from before the expiry on.
        for age in 990..1400 {
            let (answer, _) = bench.at(age * SECOND).await;
            assert_eq!(answer.expect("sent"), "AKID1", "{age}");
        }
        // A pause is of 75 s at most, and a load that hangs of 30.
        let loads = bench.loads.begun();
        assert!((410 / 106 + 1..30).contains(&loads), "{loads}");
        *bench.mood.lock().expect("no panic") = Mood::Well;
        let mut seconds = 0;
        while bench.at((1400 + seconds) * SECOND).await.0.expect("sent") == "AKID1" {
            seconds += 1;
            assert!(seconds <= 106);
        }
        let (answer, waited) = send(&bench.cache, &bench.clock).await;
        let number = bench.loads.begun();
        assert_eq!(answer.expect("sent"), format!("AKID{number}"));
        assert_about(waited, Duration::ZERO);
        let status = bench.cache.status();
        assert_about(status.expires_in.expect("an end"), LIFETIME);
    }
}

#[tokio::test(start_paused = true)]
async fn a_load_that_hangs_is_waited_for_as_in_the_mandatory_window() {
    let bench = Bench::new(Some(BY), Mood::Hangs).await;
    let (early, later, late) = tokio::join!(
        bench.at(1100 * SECOND),
        bench.at(1103 * SECOND),
        bench.at(1106 * SECOND),
    );
    for ((answer, waited), expected) in [(early, 5), (later, 2), (late, 0)] {
        assert_eq!(answer.expect("sent"), "AKID1");
        assert_about(waited, expected * SECOND);
    }
    // The next load, after a pause, is waited for again, and at the end half of what is left.
    for (age, expected) in [(1132, 5000), (1895, 2500)] {
        let (answer, waited) = bench.at(age * SECOND).await;
        assert_eq!(answer.expect("sent"), "AKID1");
        assert_about(waited, expected * MILLISECOND);
    }
    // Then there is nothing to go on with.
    let (answer, waited) = bench.at(LIFETIME + BY).await;
    let error = answer.expect_err("over");
    assert!(error.is_transient());
    assert!(waited > 20 * SECOND, "{waited:?}");
}

/// The load that was waited for brings the new ones.
#[tokio::test(start_paused = true)]
async fn what_comes_in_time_is_used_at_once() {
    let bench = Bench::new(Some(BY), Mood::Well).await;
    let (answer, _) = bench.at(1500 * SECOND).await;
    assert_eq!(answer.expect("sent"), "AKID2");
}

/// A cache over a provider that only has what ended then.
fn stale(loads: &Loads, clock: &ManualClock, end: SystemTime) -> CachedCredentials {
    let provider = Provider::new(loads, move |number| -> BoxFuture<'static, Provided> {
        ready(Ok(keys(number, Some(end)))).boxed()
    });
    Cached::credentials_builder(provider)
        .clock(Clock::from(clock.clone()))
        .serve_past_expiry(BY)
        .build()
        .expect("a cache")
}

/// What comes past its expiry already may be used as well, within the limit: the metadata service
/// hands out what it has when it has no connection itself.
#[tokio::test(start_paused = true)]
async fn what_comes_past_its_expiry_is_used_within_the_limit() {
    for (past, used) in [(10, true), (899, true), (901, false)] {
        let clock = manual_clock();
        let loads = Loads::default();
        let end = clock.now() - past * SECOND;
        let cache = stale(&loads, &clock, end);
        let (answer, _) = send(&cache, &clock).await;
        match used {
            true => assert_eq!(answer.expect("sent"), "AKID1"),
            false => assert_eq!(answer.expect_err("over").kind(), AuthErrorKind::Expired),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn for_ever_is_long() {
    let bench = Bench::new(Some(Duration::MAX), Mood::Down).await;
    let (answer, _) = bench.at(1000 * LIFETIME).await;
    assert_eq!(answer.expect("sent"), "AKID1");
}

/// Which it does for hours, perhaps: no reason to ask it at every request.
#[tokio::test(start_paused = true)]
async fn a_provider_with_nothing_but_old_ones_is_not_asked_at_every_request() {
    let clock = manual_clock();
    let loads = Loads::default();
    let end = clock.now() - 10 * SECOND;
    let cache = stale(&loads, &clock, end);
    for _ in 0..8_000 {
        let (answer, waited) = send(&cache, &clock).await;
        answer.expect("sent");
        assert_about(waited, Duration::ZERO);
        sleep(100 * MILLISECOND).await;
    }
    // At 0, 1, 3, 7, 15, 31 and 63 s, then every minute.
    assert!((12..=20).contains(&loads.begun()), "{}", loads.begun());
}
