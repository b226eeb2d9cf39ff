//! How far the clocks of servers are off ours, by origin.
//!
//! A server refuses signatures that are more than some minutes old or early. When it does, and its `Date`
//! says that the two clocks differ, the request can be signed again by that clock. That is a guess: `Date`
//! may be somebody else's, a cache's or a proxy's. Later requests go by it too if the server says that it is
//! the clock or the signature, or once a signature by that clock has been accepted. A guess that does not
//! help is dropped, and not made again for a while unless the server says that it is the clock.

use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use foldhash::fast::RandomState;
use http::uri::Authority;
use http::{HeaderMap, header};

use super::Reason;
use crate::observe;

/// Differences up to this long are no reason for a refusal: most services take five minutes either way.
pub(in super::super) const TOLERANCE: Duration = Duration::from_secs(4 * 60);

/// A clock that is further off than a day is not believed.
const MOST: Duration = Duration::from_secs(24 * 3600);

/// A `Date` has whole seconds: on average it is half a second behind.
const HALF_A_SECOND: Duration = Duration::from_millis(500);

/// For how long a guess that did not help is not made again. Other requests may have been refused for
/// reasons of their own.
const REFUTED_FOR: Duration = Duration::from_secs(10 * 60);

/// Of how many origins the clocks are known. The oldest are forgotten; they can be learned again.
const KEPT: usize = 64;

/// What is known of the clocks of servers. Clones share it.
#[derive(Clone, Default)]
pub(in super::super) struct Skews {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    hashes: RandomState,
    /// Whether anything is known, which costs less to ask.
    any: AtomicBool,
    origins: ArcSwap<Vec<Known>>,
}

/// What is known of one origin.
#[derive(Clone)]
struct Known {
    origin: Origin,
    skew: Skew,
    /// Whether a signature by that clock was accepted.
    proven: bool,
    /// A skew that did not help, and when that turned out.
    refuted: Option<(Skew, SystemTime)>,
}

/// Where a request goes, as a hash, because every request carries it along. Its key is random, so that a host
/// that shares the clock of another cannot be looked for elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Origin(u64);

/// By how much a server's clock is ahead of ours; or behind, if it is below zero. In milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) struct Skew(i64);

impl Skew {
    fn between(server: SystemTime, ours: SystemTime) -> Self {
        let millis = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        match server.duration_since(ours) {
            Ok(ahead) => Self(millis(ahead)),
            Err(error) => Self(-millis(error.duration())),
        }
    }

    /// The server's time, when it is `time` here.
    pub(in super::super) fn apply(self, time: SystemTime) -> SystemTime {
        let by = Duration::from_millis(self.0.unsigned_abs());
        let there = match self.0 {
            0.. => time.checked_add(by),
            _ => time.checked_sub(by),
        };
        there.unwrap_or(time)
    }

    fn is_zero(self) -> bool {
        self.0 == 0
    }

    fn size(self) -> Duration {
        Duration::from_millis(self.0.unsigned_abs())
    }

    /// Whether it is the same, measured another time.
    fn is_like(self, other: Self) -> bool {
        self.distance(other) <= TOLERANCE
    }

    fn distance(self, other: Self) -> Duration {
        Duration::from_millis(self.0.abs_diff(other.0))
    }

    /// In whole seconds, rounded down.
    pub(in super::super) fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }
}

/// One signature: where it went, when, and by which clock it was made.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Attempt {
    origin: Origin,
    sent: SystemTime,
    skew: Skew,
}

impl Skews {
    /// An attempt at `now`, by our clock, and the time to sign it for: by a `guess`, or by what is known.
    #[inline]
    pub(in super::super) fn attempt(
        &self,
        https: bool,
        authority: &Authority,
        now: SystemTime,
        guess: Option<Skew>,
    ) -> (Attempt, SystemTime) {
        let mut hasher = self.shared.hashes.build_hasher();
        hasher.write(authority.as_str().as_bytes());
        hasher.write_u8(u8::from(https));
        let mut attempt = Attempt {
            origin: Origin(hasher.finish()),
            sent: now,
            skew: Skew::default(),
        };
        match (guess, self.shared.any.load(Ordering::Relaxed)) {
            (None, false) => return (attempt, now),
            (None, true) => attempt.skew = self.of(attempt.origin),
            (Some(guess), _) => attempt.skew = guess,
        }
        (attempt, attempt.skew.apply(now))
    }

    #[cold]
    fn of(&self, origin: Origin) -> Skew {
        let known = self.shared.origins.load();
        let known = known.iter().find(|known| known.origin == origin);
        known.map_or_else(Skew::default, |known| known.skew)
    }

    /// Hears that a signature was accepted, whatever came of the request.
    #[inline]
    pub(in super::super) fn accepted(&self, attempt: &Attempt) {
        if !attempt.skew.is_zero() {
            self.prove(attempt);
        }
    }

    #[cold]
    fn prove(&self, attempt: &Attempt) {
        let is_settled = |known: &Known| {
            known.is_about(attempt) && known.proven && known.skew.is_like(attempt.skew)
        };
        if self.shared.origins.load().iter().any(is_settled) {
            return;
        }
        let mut is_news = false;
        self.update(attempt, |known| {
            is_news = !known.skew.is_like(attempt.skew);
            *known = Known {
                skew: attempt.skew,
                proven: true,
                ..Known::new(attempt)
            };
        });
        if is_news {
            observe::skewed(attempt.skew.seconds());
        }
    }

    /// Hears that a request was refused, and that the clock may be why: `reason` is [`Reason::Clock`] where
    /// the server says so. The answer with these headers came at `now`, by our clock. Differences of `tolerance`
    /// are no reason for a refusal.
    ///
    /// Returns how far the server's clock is off, if a signature by it may do.
    pub(in super::super) fn refused(
        &self,
        attempt: &Attempt,
        reason: Option<Reason>,
        headers: &HeaderMap,
        (now, tolerance): (SystemTime, Duration),
    ) -> Option<Skew> {
        let is_certain = reason == Some(Reason::Clock);
        let Some(skew) = skew_that_matters(attempt, headers, (now, tolerance)) else {
            if attempt.skew.is_zero() {
                return None;
            }
            // By the server's own clock, and still refused. If that is about the clock, ours may do.
            self.refute(attempt, is_certain, now);
            return is_certain.then(Skew::default);
        };
        // Clocks that agree need no correction.
        let agrees = skew.size() <= tolerance;
        let skew = if agrees { Skew::default() } else { skew };
        let (mut may_help, mut is_news) = (true, false);
        self.update(attempt, |known| {
            let is_refuted = |(refuted, at): (Skew, SystemTime)| {
                let since = now.duration_since(at);
                refuted.is_like(skew) && since.is_ok_and(|since| since < REFUTED_FOR)
            };
            may_help = is_certain || !known.refuted.is_some_and(is_refuted);
            let was_proven = known.proven && known.skew.is_like(attempt.skew);
            if !was_proven && !attempt.skew.is_zero() {
                known.refuted = Some((attempt.skew, now));
            }
            // Another request may have learned it meanwhile, and proved it.
            is_news = may_help && reason.is_some() && !known.skew.is_like(skew);
            if is_news {
                (known.skew, known.proven) = (skew, false);
            }
        });
        if is_news {
            observe::skewed(skew.seconds());
        }
        may_help.then_some(skew)
    }

    /// A signature by that clock was refused. What has been proven is dropped only if the server says that
    /// it is the clock.
    fn refute(&self, attempt: &Attempt, is_certain: bool, now: SystemTime) {
        let mut is_news = false;
        self.update(attempt, |known| {
            let is_known = known.skew.is_like(attempt.skew);
            if is_known && known.proven && !is_certain {
                return;
            }
            known.refuted = Some((attempt.skew, now));
            if is_known {
                is_news = true;
                (known.skew, known.proven) = (Skew::default(), false);
            }
        });
        if is_news {
            observe::skewed(0);
        }
    }

    /// Changes what is known of an attempt's origin.
    fn update(&self, attempt: &Attempt, mut change: impl FnMut(&mut Known)) {
        self.shared.origins.rcu(|all| {
            let mut all = Vec::clone(all);
            let at = all.iter().position(|known| known.is_about(attempt));
            let mut known = match at {
                Some(at) => all.remove(at),
                None => Known::new(attempt),
            };
            change(&mut known);
            if !known.skew.is_zero() || known.refuted.is_some() {
                all.push(known);
            }
            let surplus = all.len().saturating_sub(KEPT);
            all.drain(..surplus);
            all
        });
        // It stays so: two threads that change it could not tell which of them comes last.
        self.shared.any.store(true, Ordering::Relaxed);
    }
}

impl Known {
    fn new(attempt: &Attempt) -> Self {
        Self {
            origin: attempt.origin,
            skew: Skew::default(),
            proven: false,
            refuted: None,
        }
    }

    fn is_about(&self, attempt: &Attempt) -> bool {
        self.origin == attempt.origin
    }
}

/// The skew by an answer's `Date`, if it differs from the one that the attempt was made with.
pub(in super::super) fn skew_that_matters(
    attempt: &Attempt,
    headers: &HeaderMap,
    (now, tolerance): (SystemTime, Duration),
) -> Option<Skew> {
    let skew = measure(attempt, headers, now)?;
    let on_the_way = now.duration_since(attempt.sent).unwrap_or_default();
    // A server that looked at its clock when the request was sent, or when the answer was, is right both
    // times.
    let uncertain = HALF_A_SECOND + on_the_way / 2;
    (skew.distance(attempt.skew) > tolerance + uncertain).then_some(skew)
}

/// The skew by an answer's `Date`, measured against the middle of the time the request was under way.
///
/// `None` if there is no `Date` or more than one, if it is a cache's (RFC 9111, section 5.1: then there is an
/// `Age`), and if it is too far off to be true.
fn measure(attempt: &Attempt, headers: &HeaderMap, now: SystemTime) -> Option<Skew> {
    if headers.contains_key(header::AGE) {
        return None;
    }
    let mut dates = headers.get_all(header::DATE).iter();
    let (Some(date), None) = (dates.next(), dates.next()) else {
        return None;
    };
    let date = httpdate::parse_http_date(date.to_str().ok()?.trim()).ok()?;
    let on_the_way = now.duration_since(attempt.sent).unwrap_or_default();
    let middle = attempt.sent.checked_add(on_the_way / 2)?;
    let skew = Skew::between(date.checked_add(HALF_A_SECOND)?, middle);
    (skew.size() <= MOST + HALF_A_SECOND).then_some(skew)
}

#[cfg(test)]
mod tests;
