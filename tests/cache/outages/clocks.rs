//! Clocks that jump: a laptop that slept, a clock that is set.

use std::time::{Duration, SystemTime};

use futures::FutureExt;
use tokio::time::{Instant, sleep, sleep_until};
use tower_client_auth::{Cached, Clock, ManualClock, TokenSource};

use super::{Fault, HOUR, LOAD_TIMEOUT, MINUTE, Provider, SECOND};

/// What a token says of its life.
#[derive(Clone, Copy, PartialEq)]
enum Says {
    HowLong,
    WhenItEnds,
}

const TOKENS: [Says; 2] = [Says::HowLong, Says::WhenItEnds];

/// A cache that holds a token of an hour, by a clock that can be set.
struct Machine {
    wall: ManualClock,
    provider: Provider,
    cache: Cached<Provider>,
    /// When the token came.
    start: Instant,
}

impl Machine {
    async fn new(token: Says) -> Self {
        let wall = ManualClock::new(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000));
        let mut provider = Provider::new(HOUR);
        if token == Says::WhenItEnds {
            provider = provider.by(&wall);
        }
        let cache = Cached::builder(provider.clone()).clock(Clock::from(wall.clone()));
        let cache = cache.build().expect("a cache");
        cache.prefetch().await.expect("a token");
        Self {
            wall,
            provider,
            cache,
            start: Instant::now(),
        }
    }

    /// What is there at once.
    fn at_once(&self) -> Option<String> {
        let answer = self.cache.token().now_or_never()?;
        Some(answer.expect("a token").expose().to_owned())
    }

    async fn token(&self) -> String {
        let token = self.cache.token().await;
        token.expect("a token").expose().to_owned()
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_night_asleep_the_next_request_gets_another_token() {
    // Fresh, advisory, mandatory.
    for minute in [0, 30, 53, 59] {
        for token in TOKENS {
            let machine = Machine::new(token).await;
            sleep_until(machine.start + minute * MINUTE).await;
            machine.wall.jump_forward(8 * HOUR);
            assert!(!machine.cache.status().ready);
            assert_eq!(machine.at_once(), None);
            assert_eq!(machine.token().await, "token-2");
            assert_eq!(machine.provider.loads(), 2);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_night_asleep_an_outage_does_not_bring_the_old_token_back() {
    for token in TOKENS {
        let machine = Machine::new(token).await;
        sleep(30 * MINUTE).await;
        let now = Instant::now();
        machine.provider.fails(now, now + MINUTE, Fault::Slow);
        machine.wall.jump_forward(8 * HOUR);
        machine.cache.token().await.expect_err("an outage");
        sleep(MINUTE).await;
        assert_eq!(machine.token().await, "token-2");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_slept_does_not_wake_with_the_old_token() {
    for token in TOKENS {
        let machine = Machine::new(token).await;
        sleep_until(machine.start + 59 * MINUTE + SECOND).await;
        let now = Instant::now();
        machine.provider.fails(now, now + SECOND, Fault::Hang);
        let waits = tokio::spawn(machine.cache.token());
        sleep(2 * SECOND).await;
        machine.wall.jump_forward(8 * HOUR);
        // It would go on with what it had about now.
        sleep(4 * SECOND).await;
        assert!(!waits.is_finished());
        // It began before the night, and has not answered.
        sleep(LOAD_TIMEOUT).await;
        assert_eq!(machine.token().await, "token-2");
        if let Ok(token) = waits.await.expect("no panic") {
            assert_eq!(token.expose(), "token-2");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_back_lengthens_no_life() {
    for minute in [0, 30, 44] {
        for token in TOKENS {
            let machine = Machine::new(token).await;
            sleep_until(machine.start + minute * MINUTE).await;
            let yesterday = machine.wall.now() - 24 * HOUR;
            machine.wall.set(yesterday);
            assert_eq!(machine.at_once().as_deref(), Some("token-1"));
            sleep_until(machine.start + HOUR).await;
            assert_eq!(machine.token().await, "token-2", "after minute {minute}");
            assert_eq!(machine.provider.loads(), 2);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_forward_brings_the_refresh_forward() {
    for token in TOKENS {
        let machine = Machine::new(token).await;
        sleep(44 * MINUTE).await;
        assert_eq!(machine.at_once().as_deref(), Some("token-1"));
        assert_eq!(machine.provider.loads(), 1, "fresh");
        machine.wall.jump_forward(10 * MINUTE);
        assert_eq!(machine.at_once().as_deref(), Some("token-1"), "behind it");
        assert!(machine.cache.status().refreshing);
        sleep(Duration::from_millis(1)).await;
        assert_eq!(machine.at_once().as_deref(), Some("token-2"));
        assert_eq!(machine.provider.loads(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_into_the_last_minute_makes_requests_wait() {
    for token in TOKENS {
        let machine = Machine::new(token).await;
        sleep(44 * MINUTE).await;
        machine.wall.jump_forward(15 * MINUTE + 30 * SECOND);
        assert_eq!(machine.at_once(), None);
        assert_eq!(machine.token().await, "token-2");
    }
}
