//! When a cache loads, how long it waits, and when it tries again: numbers and arithmetic.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Deadline, Moment};
use crate::error::AuthError;
use crate::identity::load::Load;

/// How long a load may take before its callers are told that it failed. Longer than any token
/// endpoint that works, and short enough that a connection that hangs does not take all requests
/// with it.
pub(super) const LOAD_TIMEOUT: Duration = Duration::from_secs(30);

/// For how long before its end a credential is renewed behind the requests that use it, by its
/// lifetime. Enough to sit out a provider's restart, and for a long-lived credential an outage of
/// half an hour at least.
fn advisory_window(lifetime: Duration) -> Duration {
    if lifetime <= SHORT_LIFE {
        ADVISORY_SHORT
    } else if lifetime < LONG_LIFE {
        ADVISORY_MEDIUM
    } else {
        ADVISORY_LONG
    }
}

const MINUTE: Duration = Duration::from_secs(60);
const SHORT_LIFE: Duration = Duration::from_secs(20 * 60);
const LONG_LIFE: Duration = Duration::from_secs(90 * 60);
const ADVISORY_SHORT: Duration = Duration::from_secs(5 * 60);
const ADVISORY_MEDIUM: Duration = Duration::from_secs(15 * 60);
const ADVISORY_LONG: Duration = Duration::from_secs(60 * 60);

/// No more than this part of a lifetime is advisory: refreshes come at two thirds of it at the
/// earliest, so that there are at most one and a half times as many as there must be.
const ADVISORY_PART: u32 = 3;

/// For how long before its end requests wait for the next credential: what a request may spend on
/// its way, and two machines' clocks may differ by.
pub(super) const MANDATORY_WINDOW: Duration = MINUTE;

/// No more than this part of a lifetime is mandatory.
const MANDATORY_PART: u32 = 10;

/// How long a request waits for a newer credential while it has one that is valid still. A provider
/// that is well answers sooner; one that is not should not slow down requests that could be sent.
pub(super) const MANDATORY_WAIT: Duration = Duration::from_secs(5);

/// What a refresh that failed waits for while there is a valid credential, at first and at most: there
/// is time, and a provider that is down is not helped by questions.
pub(super) const BACK_OFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// The same without a valid credential, from the second failure in a row; the first is tried again
/// at once. Requests fail meanwhile, so an outage should not outlast itself by much.
pub(super) const COLD_BACK_OFF: (Duration, Duration) =
    (Duration::from_millis(100), Duration::from_secs(4));

/// For how long a refusal (a revoked refresh token, a wrong client secret) is the answer. Nothing
/// is likely to change within it, and whoever mends the configuration should not wait for longer.
pub(super) const REFUSAL: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(4));

/// How long a credential that replaced a rejected one stays, even if it is rejected too, at first
/// and at most.
pub(super) const REJECTED_HOLD: (Duration, Duration) =
    (Duration::from_secs(1), Duration::from_secs(60));

/// No longer than this part of its life. Servers count lives in whole seconds, and by clocks of their own:
/// a short one may be over sooner than it says, which is no reason to go without the next.
const REJECTED_HOLD_PART: u32 = 4;

/// However short that is, the issuer is not asked more often.
const LEAST_REJECTED_HOLD: Duration = Duration::from_millis(500);

/// A credential that is rejected this soon after it came has never worked: the next one probably
/// will not either.
const REJECTED_SOON: Duration = Duration::from_secs(5);

/// In the first part of its life, that is.
const REJECTED_SOON_PART: u32 = 3;

/// Every delay is stretched by up to this part of itself, at random, so that many processes do not
/// come back at once.
const JITTER: f64 = 0.25;

/// The numbers of one cache.
#[derive(Clone, Debug)]
pub(super) struct Policy {
    /// What operators know it by.
    pub(super) name: Arc<str>,
    pub(super) load_timeout: Duration,
    /// Instead of the one by lifetime.
    pub(super) advisory_window: Option<Duration>,
    pub(super) mandatory_window: Duration,
    pub(super) mandatory_wait: Duration,
    pub(super) back_off: (Duration, Duration),
    pub(super) cold_back_off: (Duration, Duration),
    pub(super) refusal: (Duration, Duration),
    pub(super) rejected_hold: (Duration, Duration),
    pub(super) refresh_every: Option<Duration>,
    pub(super) assumed_lifetime: Option<Duration>,
    pub(super) past_expiry: Duration,
    /// Whether loads are let finish that nobody waits for.
    pub(super) finish: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            name: Arc::from("credentials"),
            load_timeout: LOAD_TIMEOUT,
            advisory_window: None,
            mandatory_window: MANDATORY_WINDOW,
            mandatory_wait: MANDATORY_WAIT,
            back_off: BACK_OFF,
            cold_back_off: COLD_BACK_OFF,
            refusal: REFUSAL,
            rejected_hold: REJECTED_HOLD,
            refresh_every: None,
            assumed_lifetime: None,
            past_expiry: Duration::ZERO,
            finish: false,
        }
    }
}

/// What happens to a credential when.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Schedule {
    /// From here on it is renewed behind the requests.
    pub(super) refresh: Option<Deadline>,
    /// From here on requests wait for the next one.
    pub(super) wait: Option<Deadline>,
    /// When it ends by its own account.
    pub(super) expiry: Option<Deadline>,
    /// From here on it is not used. The expiry, unless it may serve past that.
    pub(super) end: Option<Deadline>,
}

/// How far a credential has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Fresh,
    Advisory,
    Mandatory,
    /// It serves past its expiry.
    Expired,
    Over,
}

impl Schedule {
    #[inline]
    pub(super) fn is_fresh(&self, now: &Moment) -> bool {
        !is_past(&self.refresh, now)
    }

    /// Whether its advisory window is over, if there is one.
    #[inline]
    pub(super) fn is_pressing(&self, now: &Moment) -> bool {
        is_past(&self.wait, now)
    }

    pub(super) fn stage(&self, now: &Moment) -> Stage {
        if is_past(&self.end, now) {
            Stage::Over
        } else if is_past(&self.expiry, now) {
            Stage::Expired
        } else if is_past(&self.wait, now) {
            Stage::Mandatory
        } else if is_past(&self.refresh, now) {
            Stage::Advisory
        } else {
            Stage::Fresh
        }
    }

    /// Whether any clock need be read at all.
    #[inline]
    pub(super) fn is_timed(&self) -> bool {
        self.refresh.is_some()
    }
}

#[inline]
fn is_past(deadline: &Option<Deadline>, now: &Moment) -> bool {
    deadline.as_ref().is_some_and(|d| d.has_passed(now))
}

impl Policy {
    /// The defaults for a source.
    pub(super) fn of<V>(source: &impl Load<V>) -> Self {
        Self {
            finish: source.must_finish(),
            ..Self::default()
        }
    }

    /// How long a load is under way before another one is started beside it. One that must finish is
    /// given all the time there is: two of its kind would use the same refresh token.
    pub(super) fn overdue(&self) -> Duration {
        match self.finish {
            true => self.load_timeout.saturating_mul(2),
            false => self.load_timeout,
        }
    }

    /// The schedule of a credential that was asked for at `start` and says that it lasts until `end`.
    pub(super) fn schedule(&self, start: &Moment, end: Option<Deadline>) -> Schedule {
        let every = self.refresh_every.and_then(|every| {
            // Sooner rather than later: it is a promise of freshness.
            Deadline::new(*start, every.mul_f64(1.0 - JITTER * fastrand::f64()))
        });
        let Some(end) = end else {
            return Schedule {
                refresh: every,
                ..Schedule::default()
            };
        };
        let lifetime = end.left(start);
        let mandatory = self.mandatory_window.min(lifetime / MANDATORY_PART);
        let advisory = self
            .advisory_window
            .unwrap_or_else(|| advisory_window(lifetime))
            .min(lifetime / ADVISORY_PART)
            .max(mandatory);
        // Anywhere in the first half of the window, so that a fleet that started together does not
        // refresh together.
        let ahead = advisory.mul_f64(1.0 - fastrand::f64() / 2.0);
        let refresh = end.sooner(ahead.max(mandatory));
        Schedule {
            refresh: Some(every.map_or(refresh, |every| every.earlier(refresh))),
            wait: Some(end.sooner(mandatory)),
            expiry: Some(end),
            end: Some(end.later(self.past_expiry)),
        }
    }

    /// How long to leave the provider alone after the `nth` failure in a row: while there is a
    /// credential, and without one.
    pub(super) fn hold(&self, nth: u32, error: &AuthError) -> (Duration, Duration) {
        let warm = delay(self.back_off, nth);
        let cold = match (error.is_transient(), nth) {
            (false, _) => delay(self.refusal, nth),
            (true, 1) => Duration::ZERO,
            (true, _) => delay(self.cold_back_off, nth - 1),
        };
        (warm, cold)
    }

    /// How long to leave the provider alone after the `nth` credential in a row that was due for renewal
    /// when it came.
    pub(super) fn due_again(&self, nth: u32) -> Duration {
        let delay = delay(self.back_off, nth);
        self.refresh_every.map_or(delay, |every| every.min(delay))
    }

    /// Whether a credential that was rejected at that age has ever worked, as it seems. `life` is how long
    /// it lasts, if it says so.
    pub(super) fn never_worked(age: Duration, life: Option<Duration>) -> bool {
        match life {
            None | Some(Duration::ZERO) => age < REJECTED_SOON,
            Some(life) => age < REJECTED_SOON.min(life / REJECTED_SOON_PART),
        }
    }

    /// How long the next credential stays, after the `nth` in a row that never worked. The one after a
    /// credential that did is the 0th.
    pub(super) fn rejected(&self, nth: u32, life: Option<Duration>) -> Duration {
        if nth == 0 {
            return Duration::ZERO;
        }
        let hold = delay(self.rejected_hold, nth);
        match life {
            // One that is served past its end has none left to go by.
            None | Some(Duration::ZERO) => hold,
            Some(life) => hold.min(LEAST_REJECTED_HOLD.max(life / REJECTED_HOLD_PART)),
        }
    }
}

/// Doubles from the first to the longest, and stretches at random.
fn delay((first, longest): (Duration, Duration), nth: u32) -> Duration {
    let doublings = nth.saturating_sub(1).min(31);
    let delay = first.saturating_mul(1 << doublings).min(longest);
    // A setting may be as long as a `Duration` gets.
    let stretched = delay.as_secs_f64() * (1.0 + JITTER * fastrand::f64());
    Duration::try_from_secs_f64(stretched).unwrap_or(delay)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    fn schedule(lifetime: Duration) -> (Moment, Schedule) {
        let start = Clock::system().moment();
        let schedule = Policy::default().schedule(&start, Deadline::new(start, lifetime));
        (start, schedule)
    }

    fn seconds(deadline: Option<Deadline>, start: &Moment) -> f64 {
        deadline.expect("a deadline").left(start).as_secs_f64()
    }

    #[test]
    fn the_windows_are_those_of_the_documentation() {
        // lifetime, the advisory window, the mandatory one, in seconds
        for (lifetime, advisory, mandatory) in [
            (1.0, 1.0 / 3.0, 0.1),
            (60.0, 20.0, 6.0),
            (15.0 * 60.0, 5.0 * 60.0, 60.0),
            (20.0 * 60.0, 5.0 * 60.0, 60.0),
            (21.0 * 60.0, 7.0 * 60.0, 60.0),
            (60.0 * 60.0, 15.0 * 60.0, 60.0),
            (90.0 * 60.0, 30.0 * 60.0, 60.0),
            (24.0 * 3600.0, 3600.0, 60.0),
        ] {
            for _ in 0..200 {
                let (start, schedule) = schedule(Duration::from_secs_f64(lifetime));
                let refresh = lifetime - seconds(schedule.refresh, &start);
                assert!(refresh <= advisory + 1e-6, "{lifetime}: {refresh}");
                assert!(refresh >= advisory / 2.0 - 1e-6, "{lifetime}: {refresh}");
                let wait = lifetime - seconds(schedule.wait, &start);
                assert!((wait - mandatory).abs() < 1e-6, "{lifetime}: {wait}");
                assert!((seconds(schedule.end, &start) - lifetime).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn delays_double_up_to_the_longest_and_never_fall_short() {
        let mut expected = 1.0;
        for nth in 1..100 {
            for _ in 0..20 {
                let (warm, _) = Policy::default().hold(nth, &AuthError::transient("down"));
                let warm = warm.as_secs_f64();
                assert!(
                    (expected..=expected * 1.25).contains(&warm),
                    "{nth}: {warm}"
                );
            }
            expected = (expected * 2.0_f64).min(60.0);
        }
    }

    #[test]
    fn refusals_are_kept_for_one_to_five_seconds() {
        for nth in 1..50 {
            let (_, cold) = Policy::default().hold(nth, &AuthError::terminal("invalid_client"));
            assert!((1.0..=5.0).contains(&cold.as_secs_f64()), "{cold:?}");
        }
    }

    #[test]
    fn without_a_credential_the_first_failure_is_tried_again_at_once() {
        let error = AuthError::transient("reset");
        assert_eq!(Policy::default().hold(1, &error).1, Duration::ZERO);
        for nth in 2..50 {
            let (_, cold) = Policy::default().hold(nth, &error);
            assert!((0.1..=5.0).contains(&cold.as_secs_f64()), "{cold:?}");
        }
    }

    #[test]
    fn a_short_life_shortens_a_hold_and_none_at_all_does_not() {
        let policy = Policy::default();
        let seconds = Duration::from_secs;
        for (life, most) in [
            (None, 75.0),
            (Some(Duration::ZERO), 75.0),
            (Some(Duration::from_millis(1)), 0.5),
            (Some(seconds(2)), 0.5),
            (Some(seconds(40)), 10.0),
            (Some(seconds(3600)), 75.0),
        ] {
            let hold = policy.rejected(20, life).as_secs_f64();
            assert!(hold <= most && hold >= most / 1.25, "{life:?}: {hold}");
        }
        assert!(Policy::never_worked(seconds(4), Some(Duration::ZERO)));
        assert!(!Policy::never_worked(seconds(1), Some(seconds(2))));
        assert!(Policy::never_worked(seconds(4), Some(seconds(3600))));
        assert!(!Policy::never_worked(seconds(5), None));
    }

    #[test]
    fn settings_may_be_as_long_as_they_get() {
        let policy = Policy {
            load_timeout: Duration::MAX,
            advisory_window: Some(Duration::MAX),
            mandatory_window: Duration::MAX,
            back_off: (Duration::MAX, Duration::MAX),
            cold_back_off: (Duration::MAX, Duration::MAX),
            refusal: (Duration::MAX, Duration::MAX),
            rejected_hold: (Duration::MAX, Duration::MAX),
            refresh_every: Some(Duration::MAX),
            past_expiry: Duration::MAX,
            finish: true,
            ..Policy::default()
        };
        assert_eq!(policy.overdue(), Duration::MAX);
        for nth in [1, 2, u32::MAX] {
            policy.hold(nth, &AuthError::transient("down"));
            policy.hold(nth, &AuthError::terminal("refused"));
            policy.rejected(nth, None);
            policy.rejected(nth, Some(Duration::MAX));
        }
        let start = Clock::system().moment();
        for lifetime in [0, 1, u64::MAX / 1_000_000_000 / 4] {
            let end = Deadline::new(start, Duration::from_secs(lifetime));
            let schedule = policy.schedule(&start, end);
            assert!(schedule.is_timed());
            assert!(seconds(schedule.refresh, &start) <= lifetime as f64);
        }
    }

    #[test]
    fn what_never_ends_is_only_refreshed_when_asked_to() {
        let start = Clock::system().moment();
        assert!(!Policy::default().schedule(&start, None).is_timed());
        let policy = Policy {
            refresh_every: Some(Duration::from_secs(60)),
            ..Policy::default()
        };
        let schedule = policy.schedule(&start, None);
        assert!((45.0..=60.0).contains(&seconds(schedule.refresh, &start)));
        assert!(schedule.wait.is_none() && schedule.end.is_none());
    }
}
