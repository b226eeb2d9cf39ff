//! What operators can see: events for `tracing`, numbers for `metrics`. Nothing in them is secret, and
//! without these features none of it is compiled.
//!
//! The facade `metrics` rather than a trait of this crate's own: programs have a recorder already, or none,
//! and nothing has to be handed through layers and caches for it.

#![cfg_attr(
    not(all(feature = "tracing", feature = "metrics")),
    allow(unused_variables, dead_code, reason = "there may be nobody to tell")
)]

#[cfg(feature = "cache")]
pub(crate) use self::cache::{Load, stale_serve};
use crate::error::AuthError;
use crate::layer::{AuthHint, Verdict};

/// A response said that a credential is no good, or that it was not applied well.
pub(crate) fn rejected(verdict: Verdict, status: http::StatusCode) {
    let verdict = match verdict {
        Verdict::Accept => return,
        Verdict::Refresh => "refresh",
        Verdict::Resync => "resync",
    };
    #[cfg(feature = "tracing")]
    tracing::debug!(
        verdict,
        status = status.as_u16(),
        "the server rejected the credential"
    );
    #[cfg(feature = "metrics")]
    metrics::counter!("tower_client_auth_rejections_total", "verdict" => verdict).increment(1);
}

/// A request is sent again, with another credential or by another clock.
pub(crate) fn replayed(with_another_credential: bool) {
    let reason = match with_another_credential {
        true => "refresh",
        false => "resync",
    };
    #[cfg(feature = "tracing")]
    tracing::debug!(reason, "the request is sent again");
    #[cfg(feature = "metrics")]
    metrics::counter!("tower_client_auth_replays_total", "reason" => reason).increment(1);
}

/// A rejected request is not sent again, for want of another credential or another copy of its body.
pub(crate) fn not_replayed(error: Option<&AuthError>) {
    let reason = match error {
        Some(_) => "no other credential",
        None => "the body cannot be had again",
    };
    #[cfg(feature = "tracing")]
    match error {
        Some(error) => tracing::warn!(reason, %error, "a rejected request is not sent again"),
        None => tracing::debug!(reason, "a rejected request is not sent again"),
    }
    #[cfg(feature = "metrics")]
    metrics::counter!("tower_client_auth_replays_forgone_total", "reason" => reason).increment(1);
}

/// How far a server's clock turned out to be off ours: not at all any more, if it is zero.
#[cfg(feature = "sigv4")]
pub(crate) fn skewed(seconds: i64) {
    #[cfg(feature = "tracing")]
    match seconds {
        0 => tracing::info!("signatures for the server go by this machine's clock again"),
        _ => tracing::warn!(
            seconds,
            "the server's clock is off this machine's; later signatures go by the server's"
        ),
    }
    #[cfg(feature = "metrics")]
    metrics::gauge!("tower_client_auth_clock_skew_seconds").set(seconds as f64);
}

/// A presigned URL ends sooner than it was asked to.
#[cfg(feature = "sigv4")]
pub(crate) fn shortened(expires_in: std::time::Duration, asked: u32) {
    #[cfg(feature = "tracing")]
    tracing::warn!(
        seconds = expires_in.as_secs(),
        asked,
        "a presigned URL ends with the credentials that signed it, sooner than it was asked to"
    );
}

/// A request was refused, and there is an idea why.
pub(crate) fn hinted(hint: &AuthHint, status: http::StatusCode) {
    #[cfg(feature = "tracing")]
    match hint.is_for_operators() {
        true => tracing::warn!(status = status.as_u16(), %hint, "the request was refused"),
        false => tracing::debug!(status = status.as_u16(), %hint, "the request was refused"),
    }
    #[cfg(feature = "metrics")]
    metrics::counter!("tower_client_auth_refusals_total", "hint" => hint.name()).increment(1);
}

/// A configuration is in use in place of the one before.
#[cfg(feature = "amplify")]
pub(crate) fn configuration_replaced(generation: u64) {
    #[cfg(feature = "tracing")]
    tracing::info!(generation, "the configuration was replaced");
    #[cfg(feature = "metrics")]
    count_replacement("replaced", false);
}

/// A configuration cannot be used, or not even be read.
#[cfg(feature = "amplify")]
pub(crate) fn configuration_refused(error: &AuthError) {
    #[cfg(feature = "tracing")]
    tracing::warn!(%error, "a new configuration was refused, and the one before stays in use");
    #[cfg(feature = "metrics")]
    count_replacement("refused", true);
}

/// The operating system will not tell of changes.
#[cfg(feature = "watch")]
pub(crate) fn not_watching() {
    #[cfg(feature = "tracing")]
    tracing::warn!(
        "the configuration file is read every 2 s: it is gone, or changes cannot be watched where it is"
    );
}

#[cfg(all(feature = "amplify", feature = "metrics"))]
fn count_replacement(outcome: &'static str, is_refused: bool) {
    metrics::counter!("tower_client_auth_config_replacements_total", "outcome" => outcome)
        .increment(1);
    metrics::gauge!("tower_client_auth_config_refused").set(f64::from(u8::from(is_refused)));
}

/// A program's listener was told of a configuration, and panicked.
#[cfg(feature = "amplify")]
pub(crate) fn listener_panicked() {
    #[cfg(feature = "tracing")]
    tracing::error!("a listener of `LiveSelector::on_replace` panicked");
}

/// A new refresh token is in memory only.
#[cfg(feature = "oauth")]
pub(crate) fn refresh_token_unsaved(error: &AuthError) {
    #[cfg(feature = "tracing")]
    tracing::warn!(
        %error,
        "a new refresh token could not be saved: it is in memory only until the next refresh"
    );
}

/// A user's session has ended, and requests go out as a guest's.
#[cfg(feature = "cognito")]
pub(crate) fn fell_back_to_guest(error: &AuthError) {
    #[cfg(feature = "tracing")]
    tracing::warn!(%error, "the session has ended: requests are signed with a guest's credentials");
    #[cfg(feature = "metrics")]
    metrics::counter!("tower_client_auth_guest_fallbacks_total").increment(1);
}

/// The id of an identity is in memory only, or not even looked up.
#[cfg(feature = "cognito")]
pub(crate) fn identity_id_unsaved(error: &AuthError) {
    #[cfg(feature = "tracing")]
    tracing::warn!(
        %error,
        "the id of an identity could not be read or saved: it is asked for again"
    );
}

/// A task goes on in the span that it was started in.
#[cfg(feature = "oauth")]
pub(crate) fn in_span_of_caller<F: Future>(task: F) -> impl Future<Output = F::Output> {
    #[cfg(feature = "tracing")]
    let task = tracing::Instrument::in_current_span(task);
    task
}

#[cfg(feature = "cache")]
mod cache {
    use std::sync::Arc;
    use std::time::Duration;

    use crate::clock::Monotonic;
    use crate::error::AuthError;

    /// A load on its way.
    pub(crate) struct Load {
        cache: Arc<str>,
        start: Monotonic,
    }

    impl Load {
        pub(crate) fn start(cache: &Arc<str>) -> Self {
            Self {
                cache: Arc::clone(cache),
                start: Monotonic::now(),
            }
        }

        /// It brought something that ends in so long, if it ends at all.
        pub(crate) fn landed(&self, expires_in: Option<Duration>) {
            let took = Monotonic::now().since(self.start);
            #[cfg(feature = "tracing")]
            tracing::debug!(
                cache = &*self.cache,
                took_ms = took.as_millis() as u64,
                expires_in_s = expires_in.map(|left| left.as_secs()),
                "a credential was loaded"
            );
            #[cfg(feature = "metrics")]
            {
                self.count("success", took);
                if let Some(left) = expires_in {
                    metrics::histogram!(
                        "tower_client_auth_seconds_to_expiry",
                        "cache" => Arc::clone(&self.cache)
                    )
                    .record(left);
                }
            }
        }

        /// Its callers have given up on it.
        pub(crate) fn overdue(&self) {
            let took = Monotonic::now().since(self.start);
            #[cfg(feature = "tracing")]
            tracing::warn!(
                cache = &*self.cache,
                took_ms = took.as_millis() as u64,
                "a credential's source has not answered in time"
            );
            #[cfg(feature = "metrics")]
            metrics::counter!(
                "tower_client_auth_overdue_loads_total",
                "cache" => Arc::clone(&self.cache)
            )
            .increment(1);
        }

        pub(crate) fn failed(&self, error: &AuthError) {
            let took = Monotonic::now().since(self.start);
            // Not its source: that is the program's own, and may say anything.
            #[cfg(feature = "tracing")]
            tracing::warn!(
                cache = &*self.cache,
                took_ms = took.as_millis() as u64,
                %error,
                transient = error.is_transient(),
                "a credential could not be loaded"
            );
            #[cfg(feature = "metrics")]
            self.count(
                match error.is_transient() {
                    true => "transient",
                    false => "terminal",
                },
                took,
            );
        }

        #[cfg(feature = "metrics")]
        fn count(&self, outcome: &'static str, took: Duration) {
            let cache = || Arc::clone(&self.cache);
            metrics::counter!(
                "tower_client_auth_refreshes_total",
                "cache" => cache(), "outcome" => outcome
            )
            .increment(1);
            metrics::histogram!("tower_client_auth_refresh_duration_seconds", "cache" => cache())
                .record(took);
        }
    }

    /// A request got a credential that is due for renewal.
    #[inline]
    pub(crate) fn stale_serve(cache: &Arc<str>) {
        #[cfg(feature = "metrics")]
        metrics::counter!(
            "tower_client_auth_stale_serves_total",
            "cache" => Arc::clone(cache)
        )
        .increment(1);
    }
}
