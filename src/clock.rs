//! Where the crate gets the time from, and the only place that asks the system for it.

use std::fmt;
use std::sync::Arc;
#[cfg(feature = "test-util")]
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime};

/// The wall clock that signatures and expiries are measured against.
///
/// [`Clock::system`] is the default everywhere. A different one is for machines whose clock is off
/// by a known amount ([`Clock::from_fn`]) and for tests (`ManualClock`, feature `test-util`).
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use tower_client_auth::Clock;
///
/// let clock = Clock::from_fn(|| SystemTime::UNIX_EPOCH + Duration::from_secs(1_440_938_160));
/// assert_eq!(clock.now(), SystemTime::UNIX_EPOCH + Duration::from_secs(1_440_938_160));
/// ```
#[derive(Clone, Default)]
pub struct Clock {
    source: Source,
}

#[derive(Clone, Default)]
enum Source {
    #[default]
    System,
    Function(Arc<dyn Fn() -> SystemTime + Send + Sync>),
    #[cfg(feature = "test-util")]
    Manual(ManualClock),
}

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Self::default()
    }

    /// A clock that asks `now` each time.
    pub fn from_fn(now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self {
            source: Source::Function(Arc::new(now)),
        }
    }

    /// The time of day.
    #[allow(clippy::disallowed_methods, reason = "this is the place that may ask")]
    pub fn now(&self) -> SystemTime {
        match &self.source {
            Source::System => SystemTime::now(),
            Source::Function(now) => now(),
            #[cfg(feature = "test-util")]
            Source::Manual(clock) => clock.now(),
        }
    }

    /// The time of day together with the monotonic time.
    pub(crate) fn moment(&self) -> Moment {
        Moment {
            wall: self.now(),
            monotonic: monotonic_now(),
        }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.source {
            Source::System => "Clock::System",
            Source::Function(_) => "Clock::Function",
            #[cfg(feature = "test-util")]
            Source::Manual(_) => "Clock::Manual",
        })
    }
}

/// Follows tokio's clock where there is one, so that a paused test runtime pauses us as well.
#[cfg(any(feature = "cache", feature = "test-util"))]
fn monotonic_now() -> Instant {
    tokio::time::Instant::now().into_std()
}

#[cfg(not(any(feature = "cache", feature = "test-util")))]
#[allow(clippy::disallowed_methods, reason = "this is the place that may ask")]
fn monotonic_now() -> Instant {
    Instant::now()
}

/// One reading of both clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) wall: SystemTime,
    monotonic: Instant,
}

/// When something ends, on both clocks.
///
/// A laptop that sleeps stops its monotonic clock, and an administrator may set the wall clock
/// back: whichever of the two says "over" first is believed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    wall: SystemTime,
    monotonic: Instant,
}

impl Deadline {
    /// `after` past `start`; `None` where that is beyond what the clocks can express, which is as
    /// good as never.
    pub(crate) fn new(start: Moment, after: Duration) -> Option<Self> {
        Some(Self {
            wall: start.wall.checked_add(after)?,
            monotonic: start.monotonic.checked_add(after)?,
        })
    }

    /// The deadline of something that ends at a time of day, learned at `seen`.
    #[cfg(feature = "cache")]
    pub(crate) fn at(seen: Moment, wall: SystemTime) -> Option<Self> {
        let left = wall.duration_since(seen.wall).unwrap_or(Duration::ZERO);
        Some(Self {
            wall,
            monotonic: seen.monotonic.checked_add(left)?,
        })
    }

    /// The one that the monotonic clock reaches first: the only clock that two deadlines share for
    /// certain.
    #[cfg(feature = "cache")]
    pub(crate) fn earlier(self, other: Self) -> Self {
        if self.monotonic < other.monotonic {
            self
        } else {
            other
        }
    }

    pub(crate) fn has_passed(&self, now: &Moment) -> bool {
        now.wall >= self.wall || now.monotonic >= self.monotonic
    }
}

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
#[cfg(feature = "test-util")]
#[derive(Clone, Debug)]
pub struct ManualClock {
    reading: Arc<Mutex<Reading>>,
}

#[cfg(feature = "test-util")]
#[derive(Debug)]
struct Reading {
    wall: SystemTime,
    at: Instant,
}

#[cfg(feature = "test-util")]
impl ManualClock {
    /// A clock that reads `now` at this moment of tokio's time.
    pub fn new(now: SystemTime) -> Self {
        Self {
            reading: Arc::new(Mutex::new(Reading {
                wall: now,
                at: monotonic_now(),
            })),
        }
    }

    /// The time of day this clock shows.
    pub fn now(&self) -> SystemTime {
        let reading = self.lock();
        let elapsed = monotonic_now().saturating_duration_since(reading.at);
        reading.wall.checked_add(elapsed).unwrap_or(reading.wall)
    }

    /// Sets the wall clock, as an administrator or NTP would; monotonic time does not move.
    pub fn set(&self, now: SystemTime) {
        *self.lock() = Reading {
            wall: now,
            at: monotonic_now(),
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

#[cfg(feature = "test-util")]
impl From<ManualClock> for Clock {
    fn from(clock: ManualClock) -> Self {
        Self {
            source: Source::Manual(clock),
        }
    }
}
