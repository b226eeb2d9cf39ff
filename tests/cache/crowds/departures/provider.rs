//! Providers that do what they like.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use futures::FutureExt;
use futures::future::{BoxFuture, pending};
use tokio::time::sleep;
use tower_client_auth::{AuthError, Token, TokenSource};

use super::super::{LOAD_TIMEOUT, Random};

/// What a load ends in.
#[derive(Clone, Copy)]
enum Outcome {
    Token,
    /// One that is over soon.
    Brief(Duration),
    Outage,
    Refusal,
    Expired,
    Malformed,
    Panic,
    /// Before there is a future.
    PanicAtOnce,
    Hangs,
}

#[derive(Clone, Copy)]
struct Step {
    delay: Duration,
    outcome: Outcome,
}

/// Goes through its steps again and again, until it is healed.
pub(super) struct Provider {
    steps: Vec<Step>,
    must_finish: bool,
    /// From then on all is well.
    pub(super) healed: Arc<AtomicBool>,
    loads: AtomicUsize,
}

impl TokenSource for Provider {
    type Future = BoxFuture<'static, Result<Token, AuthError>>;

    fn token(&self) -> Self::Future {
        let load = self.loads.fetch_add(1, Ordering::SeqCst);
        let mut step = self.steps[load % self.steps.len()];
        if self.healed.load(Ordering::SeqCst) {
            step.outcome = Outcome::Token;
            step.delay = Duration::from_millis(10);
        }
        if let Outcome::PanicAtOnce = step.outcome {
            stumble();
        }
        async move {
            // A load may be over before anybody can wait for it.
            if !step.delay.is_zero() {
                sleep(step.delay).await;
            }
            let token = Token::from(format!("token-{load}"));
            match step.outcome {
                Outcome::Token => Ok(token),
                Outcome::Brief(life) => Ok(token.expires_in(step.delay + life)),
                Outcome::Outage => Err(AuthError::transient("down")),
                Outcome::Refusal => Err(AuthError::terminal("invalid_client")),
                Outcome::Expired => Ok(token.expires_at(SystemTime::UNIX_EPOCH)),
                Outcome::Malformed => Ok(Token::from("two\nlines")),
                Outcome::Panic | Outcome::PanicAtOnce => stumble(),
                Outcome::Hangs => pending().await,
            }
        }
        .boxed()
    }

    fn must_finish(&self) -> bool {
        self.must_finish
    }
}

/// Panics past the hook, which would print a message for each of the many.
fn stumble() -> ! {
    resume_unwind(Box::new("a bug in the source"))
}

impl Provider {
    pub(super) fn draw(random: &mut Random) -> Self {
        // Some are slower than a load may be.
        let slow = random.one_in(5);
        let steps = (0..1 + random.below(4))
            .map(|_| Step {
                delay: match random.below(4) {
                    0 => Duration::ZERO,
                    1 if slow => random.millis(70_000),
                    _ => random.millis(2_000),
                },
                outcome: match random.below(if slow { 12 } else { 11 }) {
                    0 => Outcome::Outage,
                    1 => Outcome::Refusal,
                    2 => Outcome::Expired,
                    3 => Outcome::Malformed,
                    4 => Outcome::Panic,
                    5 => Outcome::PanicAtOnce,
                    6 | 7 => Outcome::Brief(Duration::from_millis(1) + random.millis(2_000)),
                    11 => Outcome::Hangs,
                    _ => Outcome::Token,
                },
            })
            .collect();
        Self {
            steps,
            must_finish: random.one_in(4),
            healed: Arc::default(),
            loads: AtomicUsize::new(0),
        }
    }

    /// How long its longest load keeps a caller waiting.
    pub(super) fn longest(&self) -> Duration {
        let of = |step: &Step| match step.outcome {
            Outcome::Hangs => LOAD_TIMEOUT,
            _ => step.delay.min(LOAD_TIMEOUT),
        };
        self.steps.iter().map(of).max().unwrap_or_default()
    }
}
