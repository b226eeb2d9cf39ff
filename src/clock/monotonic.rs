//! Monotonic time, as a number.
//!
//! - With feature `test-util` it is tokio's time, so that a paused test runtime pauses us as well.
//! - With a cache on Linux it is the kernel's own count, because the hot path can then read it
//!   roughly: 7 ns instead of 23.
//! - Elsewhere it is the standard library's.

use std::time::Duration;

/// Monotonic time in nanoseconds, from a point that is the same for the whole process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Monotonic(i64);

impl Monotonic {
    pub(crate) fn checked_add(self, after: Duration) -> Option<Self> {
        let after = i64::try_from(after.as_nanos()).ok()?;
        self.0.checked_add(after).map(Self)
    }

    /// From `earlier` until here; zero if it is not earlier.
    #[cfg(any(feature = "cache", feature = "event-stream", feature = "test-util"))]
    pub(crate) fn since(self, earlier: Self) -> Duration {
        let nanos = self.0.saturating_sub(earlier.0);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(0))
    }
}

#[cfg(feature = "cache")]
impl Monotonic {
    /// Earlier than any other.
    pub(crate) const MIN: Self = Self(i64::MIN);

    pub(crate) fn saturating_sub(self, by: Duration) -> Self {
        let by = i64::try_from(by.as_nanos()).unwrap_or(i64::MAX);
        Self(self.0.saturating_sub(by))
    }

    pub(crate) fn saturating_add(self, after: Duration) -> Self {
        self.checked_add(after).unwrap_or(Self(i64::MAX))
    }

    /// For an atomic.
    pub(crate) fn as_nanos(self) -> i64 {
        self.0
    }
}

#[cfg(all(feature = "cache", target_os = "linux", not(feature = "test-util")))]
mod reading {
    use std::time::{Duration, SystemTime};

    use rustix::time::{ClockId, Timespec, clock_gettime};

    use super::Monotonic;

    /// How far a coarse clock may be behind: a kernel ticks 100 times a second or more. Readings are
    /// put this much ahead, so that nothing is used past its end.
    const TICK: Duration = Duration::from_millis(10);

    impl Monotonic {
        pub(crate) fn now() -> Self {
            Self(nanos(clock_gettime(ClockId::Monotonic)))
        }

        #[inline]
        pub(crate) fn roughly() -> Self {
            let tick = TICK.as_nanos() as i64;
            Self(nanos(clock_gettime(ClockId::MonotonicCoarse)).saturating_add(tick))
        }
    }

    #[inline]
    #[allow(clippy::disallowed_methods, reason = "this is the place that may ask")]
    pub(in crate::clock) fn wall_roughly() -> SystemTime {
        let now = clock_gettime(ClockId::RealtimeCoarse);
        // A clock before 1970 is left to the reading that knows how.
        match (u64::try_from(now.tv_sec), u32::try_from(now.tv_nsec)) {
            (Ok(seconds), Ok(nanos)) => SystemTime::UNIX_EPOCH
                .checked_add(Duration::new(seconds, nanos) + TICK)
                .unwrap_or_else(SystemTime::now),
            _ => SystemTime::now(),
        }
    }

    #[inline]
    #[allow(
        clippy::unnecessary_cast,
        reason = "a `long` is shorter on some machines"
    )]
    fn nanos(time: Timespec) -> i64 {
        time.tv_sec
            .saturating_mul(1_000_000_000)
            .saturating_add(time.tv_nsec as i64)
    }
}

#[cfg(not(all(feature = "cache", target_os = "linux", not(feature = "test-util"))))]
mod reading {
    use std::sync::OnceLock;
    use std::time::Instant;

    use super::Monotonic;

    impl Monotonic {
        pub(crate) fn now() -> Self {
            static START: OnceLock<Instant> = OnceLock::new();
            let now = instant();
            let start = *START.get_or_init(|| now);
            // A paused clock may stand before the start that another thread saw.
            Self(match now.checked_duration_since(start) {
                Some(after) => i64::try_from(after.as_nanos()).unwrap_or(i64::MAX),
                None => -i64::try_from(start.duration_since(now).as_nanos()).unwrap_or(i64::MAX),
            })
        }

        #[cfg(feature = "cache")]
        #[inline]
        pub(crate) fn roughly() -> Self {
            Self::now()
        }
    }

    #[cfg(feature = "cache")]
    #[inline]
    #[allow(clippy::disallowed_methods, reason = "this is the place that may ask")]
    pub(in crate::clock) fn wall_roughly() -> std::time::SystemTime {
        std::time::SystemTime::now()
    }

    #[cfg(feature = "test-util")]
    fn instant() -> Instant {
        tokio::time::Instant::now().into_std()
    }

    #[cfg(not(feature = "test-util"))]
    #[allow(clippy::disallowed_methods, reason = "this is the place that may ask")]
    fn instant() -> Instant {
        Instant::now()
    }
}

#[cfg(feature = "cache")]
pub(super) use reading::wall_roughly;

#[cfg(all(test, feature = "cache"))]
mod tests {
    use super::*;

    #[test]
    fn a_rough_reading_is_never_behind_and_hardly_ahead() {
        for _ in 0..1_000 {
            let before = Monotonic::now();
            let rough = Monotonic::roughly();
            assert!(rough >= before);
            assert!(rough.since(Monotonic::now()) <= Duration::from_millis(20));
        }
    }

    #[test]
    fn arithmetic_ends_at_the_ends() {
        let now = Monotonic::now();
        assert_eq!(now.checked_add(Duration::MAX), None);
        assert_eq!(now.saturating_add(Duration::MAX).0, i64::MAX);
        assert_eq!(
            now.since(now.saturating_add(Duration::from_secs(1))),
            Duration::ZERO
        );
        assert!(Monotonic::MIN < now.saturating_sub(Duration::MAX));
    }
}
