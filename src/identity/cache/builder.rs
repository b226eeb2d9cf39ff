//! The settings of a cache.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use super::cached::Cached;
use super::policy::Policy;
use crate::clock::Clock;
use crate::error::{AuthError, AuthErrorKind};
use crate::identity::load::{Cacheable, Load};

/// Sets up a [`Cached`]. Each setting names its default; most programs need none of them.
#[must_use = "a builder does nothing until `build`"]
pub struct CachedBuilder<S, V> {
    source: S,
    policy: Policy,
    clock: Clock,
    _value: PhantomData<fn() -> V>,
}

impl<S: Load<V>, V: Cacheable> CachedBuilder<S, V> {
    pub(super) fn new(source: S) -> Self {
        Self {
            policy: Policy::of(&source),
            source,
            clock: Clock::system(),
            _value: PhantomData,
        }
    }

    /// What operators know the cache by, in events and in numbers: features `tracing` and `metrics`.
    /// `credentials` by default.
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.policy.name = name.into();
        self
    }

    /// How long a load may take before those who wait for it get an error. 30 s by default.
    ///
    /// The source is given as long again to answer after all, and that answer is used. Then it is
    /// stopped.
    pub fn load_timeout(mut self, timeout: Duration) -> Self {
        self.policy.load_timeout = timeout;
        self
    }

    /// For how long before its end a credential is renewed behind the requests that use it. Defaults to
    /// 5, 15 or 60 minutes, depending on the lifetime. Never more than a third of that, nor less than the
    /// mandatory window.
    pub fn advisory_window(mut self, window: Duration) -> Self {
        self.policy.advisory_window = Some(window);
        self
    }

    /// For how long before its end requests wait for a newer credential. Defaults to 1 minute. Never
    /// more than a tenth of the lifetime.
    pub fn mandatory_window(mut self, window: Duration) -> Self {
        self.policy.mandatory_window = window;
        self
    }

    /// How long such requests wait for one refresh before they go on with the credential that is still
    /// valid. Defaults to 5 s. Never more than half of what is left.
    pub fn mandatory_wait(mut self, wait: Duration) -> Self {
        self.policy.mandatory_wait = wait;
        self
    }

    /// The pause after a refresh that failed while there is a valid credential, at first and at most.
    /// Defaults to 1 s and 60 s. Like all pauses here, it is stretched at random by up to a quarter.
    pub fn back_off(mut self, first: Duration, longest: Duration) -> Self {
        self.policy.back_off = (first, longest);
        self
    }

    /// The pause after the second failure in a row, and at most, without a valid credential: in it
    /// requests get the last error. Also the pause in the mandatory window. Defaults to 0.1 s and 4 s.
    pub fn cold_back_off(mut self, first: Duration, longest: Duration) -> Self {
        self.policy.cold_back_off = (first, longest);
        self
    }

    /// For how long a refusal (an error that is [not transient](AuthError::is_transient)) answers
    /// requests that have no valid credential, at first and at most. Defaults to 1 s and 4 s.
    pub fn refusal_hold(mut self, first: Duration, longest: Duration) -> Self {
        self.policy.refusal = (first, longest);
        self
    }

    /// For how long a credential that replaced a rejected one is used although it is rejected too,
    /// at first and at most. Defaults to 1 s and 60 s. Never more than a quarter of the lifetime.
    pub fn rejected_hold(mut self, first: Duration, longest: Duration) -> Self {
        self.policy.rejected_hold = (first, longest);
        self
    }

    /// Renews a credential behind the requests once it is this old, or up to a quarter sooner, even if
    /// its end is far away or unknown: for sources that change at times of their own, such as files.
    /// Off by default.
    pub fn refresh_every(mut self, period: Duration) -> Self {
        self.policy.refresh_every = Some(period);
        self
    }

    /// How long a credential lasts that does not say so itself. For ever by default, which is until it
    /// is rejected.
    pub fn assume_lifetime(mut self, lifetime: Duration) -> Self {
        self.policy.assumed_lifetime = Some(lifetime);
        self
    }

    /// Lets a load finish even if nobody waits for it any more and the cache itself is gone: for sources
    /// that would lose something otherwise, such as a refresh token that the server replaces at every
    /// use. No other load is started beside it. It is bounded all the same: by the load timeout once the
    /// cache is gone, by twice that while it is there. Defaults to what the source says
    /// ([`must_finish`](crate::TokenSource::must_finish)), which for a closure is no.
    pub fn finish_loads(mut self, finish: bool) -> Self {
        self.policy.finish = finish;
        self
    }

    /// The wall clock that lives are counted by. The system's by default.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// The cache.
    ///
    /// # Errors
    ///
    /// [`AuthErrorKind::Configuration`] for a load timeout, a refresh period or an assumed lifetime of
    /// zero, with which every request would wait or fail, and for a first pause that is longer than
    /// the longest.
    pub fn build(self) -> Result<Cached<S, V>, AuthError> {
        let policy = &self.policy;
        for (value, setting) in [
            (Some(policy.load_timeout), "load_timeout"),
            (policy.refresh_every, "refresh_every"),
            (policy.assumed_lifetime, "assume_lifetime"),
        ] {
            if value.is_some_and(|value| value.is_zero()) {
                return Err(bad_setting(setting, "must be longer than zero"));
            }
        }
        for ((first, longest), setting) in [
            (policy.back_off, "back_off"),
            (policy.cold_back_off, "cold_back_off"),
            (policy.refusal, "refusal_hold"),
            (policy.rejected_hold, "rejected_hold"),
        ] {
            if first > longest {
                return Err(bad_setting(setting, "has a first pause above the longest"));
            }
        }
        Ok(Cached::over(self.source, self.policy, self.clock))
    }
}

#[cfg(feature = "sigv4")]
impl<P: Load<crate::sigv4::SigningCredentials>> CachedBuilder<P, crate::sigv4::SigningCredentials> {
    /// Goes on with credentials for this long past their expiry, if no newer ones can be had. Off by
    /// default.
    ///
    /// What AWS's SDKs call static stability: the metadata service of an instance may be out of
    /// order, and AWS then accepts credentials that seem to have expired. It is for the credentials of
    /// instances and containers; those of STS end when they say. Each load is waited for as in the
    /// mandatory window.
    pub fn serve_past_expiry(mut self, by: Duration) -> Self {
        self.policy.past_expiry = by;
        self
    }
}

fn bad_setting(setting: &str, problem: &str) -> AuthError {
    AuthError::new(
        AuthErrorKind::Configuration,
        format!("the cache's `{setting}` {problem}"),
    )
}

impl<S, V> fmt::Debug for CachedBuilder<S, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedBuilder")
            .field("policy", &self.policy)
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}
