//! Where the crate gets the time from, and the only place that asks the system for it.

#[cfg(feature = "test-util")]
mod manual;
mod monotonic;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

#[cfg(feature = "test-util")]
pub use manual::ManualClock;
pub(crate) use monotonic::Monotonic;

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

    /// Whether it is the machine's own.
    #[cfg(feature = "event-stream")]
    pub(crate) fn is_system(&self) -> bool {
        matches!(self.source, Source::System)
    }

    /// The time of day together with the monotonic time.
    pub(crate) fn moment(&self) -> Moment {
        Moment {
            wall: self.now(),
            monotonic: Monotonic::now(),
        }
    }

    /// The same for the hot path: never behind, at most 10 ms ahead, and on Linux at a third
    /// of the price.
    #[cfg(feature = "cache")]
    #[inline]
    pub(crate) fn moment_roughly(&self) -> Moment {
        Moment {
            wall: match &self.source {
                Source::System => monotonic::wall_roughly(),
                _ => self.now(),
            },
            monotonic: Monotonic::roughly(),
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

/// One reading of both clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) wall: SystemTime,
    pub(crate) monotonic: Monotonic,
}

/// When something ends, on both clocks.
///
/// A laptop that sleeps stops its monotonic clock, and an administrator may set the wall clock
/// back: whichever of the two says "over" first is believed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    wall: SystemTime,
    monotonic: Monotonic,
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

    #[inline]
    pub(crate) fn has_passed(&self, now: &Moment) -> bool {
        now.wall >= self.wall || now.monotonic >= self.monotonic
    }
}

/// What only a cache needs to know.
#[cfg(feature = "cache")]
impl Deadline {
    /// The deadline of something that ends at a time of day, learned at `seen`.
    pub(crate) fn at(seen: Moment, wall: SystemTime) -> Option<Self> {
        let left = wall.duration_since(seen.wall).unwrap_or(Duration::ZERO);
        Some(Self {
            wall,
            monotonic: seen.monotonic.checked_add(left)?,
        })
    }

    /// The one that the monotonic clock reaches first: the only clock that two deadlines share for
    /// certain.
    pub(crate) fn earlier(self, other: Self) -> Self {
        if self.monotonic < other.monotonic {
            self
        } else {
            other
        }
    }

    /// How long from `now` on, by the clock that gets there first.
    pub(crate) fn left(&self, now: &Moment) -> Duration {
        let wall = self.wall.duration_since(now.wall).unwrap_or_default();
        wall.min(self.monotonic.since(now.monotonic))
    }

    /// How long it is past at `now`, by the clock that got there first.
    pub(crate) fn past(&self, now: &Moment) -> Duration {
        let wall = now.wall.duration_since(self.wall).unwrap_or_default();
        wall.max(now.monotonic.since(self.monotonic))
    }

    /// The same deadline, sooner.
    pub(crate) fn sooner(self, by: Duration) -> Self {
        Self {
            wall: self.wall.checked_sub(by).unwrap_or(SystemTime::UNIX_EPOCH),
            monotonic: self.monotonic.saturating_sub(by),
        }
    }

    /// The same deadline, later.
    pub(crate) fn later(self, by: Duration) -> Self {
        Self {
            wall: self.wall.checked_add(by).unwrap_or_else(far_future),
            monotonic: self.monotonic.saturating_add(by),
        }
    }
}

/// Where a wall clock cannot add any more: further than any deadline, nearer than its last second.
#[cfg(feature = "cache")]
fn far_future() -> SystemTime {
    const A_THOUSAND_YEARS: Duration = Duration::from_secs(1_000 * 366 * 24 * 3600);
    let now = Clock::system().now();
    now.checked_add(A_THOUSAND_YEARS).unwrap_or(now)
}
