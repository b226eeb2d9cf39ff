//! A clock that tests can set.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use super::{Clock, Monotonic, Source};

/// A clock for tests: it stands where it was set, moves with tokio's (pausable) time, and can be
/// made to jump.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use tower_client_auth::{Clock, ManualClock};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_440_938_160);
/// let manual = ManualClock::new(start);
/// let clock = Clock::from(manual.clone());
///
/// tokio::time::advance(Duration::from_secs(60)).await;
/// assert_eq!(clock.now(), start + Duration::from_secs(60));
///
/// manual.jump_forward(Duration::from_secs(3600)); // a laptop wakes up: only the wall clock moved
/// assert_eq!(clock.now(), start + Duration::from_secs(3660));
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ManualClock {
    reading: Arc<Mutex<Reading>>,
}

#[derive(Debug)]
struct Reading {
    wall: SystemTime,
    at: Monotonic,
}

impl ManualClock {
    /// A clock that reads `now` at this moment of tokio's time.
    pub fn new(now: SystemTime) -> Self {
        Self {
            reading: Arc::new(Mutex::new(Reading {
                wall: now,
                at: Monotonic::now(),
            })),
        }
    }

    /// The time of day this clock shows.
    pub fn now(&self) -> SystemTime {
        let reading = self.lock();
        let elapsed = Monotonic::now().since(reading.at);
        reading.wall.checked_add(elapsed).unwrap_or(reading.wall)
    }

    /// Sets the wall clock, as an administrator or NTP would; monotonic time does not move.
    pub fn set(&self, now: SystemTime) {
        *self.lock() = Reading {
            wall: now,
            at: Monotonic::now(),
        };
    }

    /// Moves only the wall clock forward, as a suspended machine sees it when it wakes.
    pub fn jump_forward(&self, by: Duration) {
        let now = self.now();
        self.set(now.checked_add(by).unwrap_or(now));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Reading> {
        self.reading
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl From<ManualClock> for Clock {
    fn from(clock: ManualClock) -> Self {
        Self {
            source: Source::Manual(clock),
        }
    }
}
