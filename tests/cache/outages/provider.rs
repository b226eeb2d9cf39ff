//! A provider with outages, and a record of all that it did.

use std::future::pending;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tower_client_auth::{AuthError, BoxError, Cached, ManualClock, Token, TokenSource, token_fn};

/// What goes wrong with a load.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::cache) enum Fault {
    /// An error of the transport, at once.
    Io(io::ErrorKind),
    /// One that comes after a second.
    Slow,
    Hang,
    /// A token, but not before its callers have given up.
    Late,
    Panic,
    /// An answer without a token in it.
    Empty,
    /// A token that is over already.
    Expired,
    Refusal,
}

impl Fault {
    /// By the rules of the crate, what a source throws passes, unless it says otherwise; and a token
    /// that cannot be used is a mistake in the source rather than an outage.
    pub(in crate::cache) fn is_transient(self) -> bool {
        !matches!(self, Self::Empty | Self::Expired | Self::Refusal)
    }

    /// What the source answers in its place; nothing if it is only late.
    async fn strike(self) -> Result<Option<Token>, BoxError> {
        let token = match self {
            Self::Late => {
                sleep(Duration::from_secs(45)).await;
                return Ok(None);
            }
            Self::Io(kind) => return Err(io::Error::from(kind).into()),
            Self::Slow => {
                sleep(Duration::from_secs(1)).await;
                return Err("503".into());
            }
            Self::Hang => pending().await,
            // A panic that does not print itself: there are thousands of them.
            Self::Panic => std::panic::resume_unwind(Box::new("a bug in the source")),
            Self::Empty => Token::from(""),
            Self::Expired => Token::new("expired")?.expires_at(SystemTime::UNIX_EPOCH),
            Self::Refusal => return Err(AuthError::terminal("invalid_client").into()),
        };
        Ok(Some(token))
    }
}

/// All clones are one provider.
#[derive(Clone)]
pub(in crate::cache) struct Provider {
    life: Duration,
    takes: Duration,
    wall: Option<ManualClock>,
    record: Arc<Record>,
}

#[derive(Default)]
struct Record {
    loads: AtomicUsize,
    faults: AtomicUsize,
    outages: Mutex<Vec<(Instant, Instant, Fault)>>,
    handed: Mutex<Vec<Handed>>,
}

/// A token that was handed out.
#[derive(Clone, Copy, Debug)]
pub(in crate::cache) struct Handed {
    pub(in crate::cache) asked: Instant,
    pub(in crate::cache) at: Instant,
    pub(in crate::cache) end: Instant,
}

impl Provider {
    /// Hands out `token-1`, `token-2` and so on, each of which lasts for `life`.
    pub(in crate::cache) fn new(life: Duration) -> Self {
        Self {
            life,
            takes: Duration::ZERO,
            wall: None,
            record: Arc::default(),
        }
    }

    /// How long an answer takes. It does not take any time by default.
    pub(in crate::cache) fn taking(mut self, time: Duration) -> Self {
        self.takes = time;
        self
    }

    /// Names the time of day at which a token ends instead of how long it lasts.
    pub(in crate::cache) fn by(mut self, wall: &ManualClock) -> Self {
        self.wall = Some(wall.clone());
        self
    }

    pub(in crate::cache) fn fails(&self, from: Instant, until: Instant, fault: Fault) {
        let mut outages = lock(&self.record.outages);
        outages.push((from, until, fault));
    }

    pub(in crate::cache) fn loads(&self) -> usize {
        self.record.loads.load(Ordering::SeqCst)
    }

    /// How many of the loads were in an outage.
    pub(in crate::cache) fn faults(&self) -> usize {
        self.record.faults.load(Ordering::SeqCst)
    }

    /// How many tokens it has handed out.
    pub(in crate::cache) fn tokens(&self) -> usize {
        lock(&self.record.handed).len()
    }

    /// A token's number by its text.
    pub(in crate::cache) fn number(&self, token: &Token) -> usize {
        let number = token.expose().strip_prefix("token-").expect("one of ours");
        number.parse().expect("a number")
    }

    pub(in crate::cache) fn record(&self, number: usize) -> Handed {
        lock(&self.record.handed)[number - 1]
    }

    async fn answer(self) -> Result<Token, BoxError> {
        let asked = Instant::now();
        self.record.loads.fetch_add(1, Ordering::SeqCst);
        let wall = self.wall.as_ref().map(ManualClock::now);
        let fault = lock(&self.record.outages)
            .iter()
            .find(|(from, until, _)| (*from..*until).contains(&asked))
            .map(|(_, _, fault)| *fault);
        if let Some(fault) = fault {
            self.record.faults.fetch_add(1, Ordering::SeqCst);
            if let Some(token) = fault.strike().await? {
                return Ok(token);
            }
        }
        if !self.takes.is_zero() {
            sleep(self.takes).await;
        }
        let mut handed = lock(&self.record.handed);
        handed.push(Handed {
            asked,
            at: Instant::now(),
            end: asked + self.life,
        });
        let token = Token::new(format!("token-{}", handed.len()))?;
        Ok(match wall {
            Some(wall) => token.expires_at(wall + self.life),
            None => token.expires_in(self.life),
        })
    }
}

impl TokenSource for Provider {
    type Future = BoxFuture<'static, Result<Token, AuthError>>;

    fn token(&self) -> Self::Future {
        // Through a closure, so that errors count as what they count as in one.
        let this = self.clone();
        token_fn(move || this.clone().answer()).token().boxed()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What became of a request.
pub(in crate::cache) struct Outcome {
    pub(in crate::cache) asked: Instant,
    pub(in crate::cache) answered: Instant,
    pub(in crate::cache) answer: Result<Token, AuthError>,
}

/// Requests that do not wait for each other. Each outcome is given to `heed`, once.
pub(in crate::cache) struct Traffic<F> {
    cache: Cached<Provider>,
    waiting: JoinSet<Outcome>,
    heed: F,
}

impl<F: FnMut(Outcome)> Traffic<F> {
    pub(in crate::cache) fn new(cache: &Cached<Provider>, heed: F) -> Self {
        Self {
            cache: cache.clone(),
            waiting: JoinSet::new(),
            heed,
        }
    }

    pub(in crate::cache) fn ask(&mut self) {
        let asked = Instant::now();
        let mut call = self.cache.token();
        if let Some(answer) = (&mut call).now_or_never() {
            (self.heed)(Outcome {
                asked,
                answered: asked,
                answer,
            });
        } else {
            self.waiting.spawn(async move {
                let answer = call.await;
                let answered = Instant::now();
                Outcome {
                    asked,
                    answered,
                    answer,
                }
            });
        }
        while let Some(outcome) = self.waiting.try_join_next() {
            (self.heed)(outcome.expect("no panic"));
        }
    }

    /// How many requests wait.
    pub(in crate::cache) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Lets those that wait come to an end.
    pub(in crate::cache) async fn end(mut self) {
        while let Some(outcome) = self.waiting.join_next().await {
            (self.heed)(outcome.expect("no panic"));
        }
    }
}

/// Chance that is the same in every run (xorshift).
pub(in crate::cache) struct Random(pub(in crate::cache) u64);

impl Random {
    pub(in crate::cache) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    /// A duration below `bound`, in milliseconds, which is as finely as tokio's timers tell times apart.
    pub(in crate::cache) fn within(&mut self, bound: Duration) -> Duration {
        Duration::from_millis(self.below(bound.as_millis() as u64))
    }
}
