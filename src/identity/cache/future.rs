//! The pending answer of a cache.

use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures::FutureExt as _;
use tokio::time::Sleep;

use super::cached::State;
use super::flight::{Failure, Flight};
use super::slot::{Ticket, late};
use crate::clock::{Moment, Monotonic};
use crate::error::{AuthError, AuthErrorKind};
use crate::identity::load::{Cacheable, Load};
use crate::identity::runtime::timer;
use crate::observe;

/// A pending value of a [`Cached`](crate::Cached) source.
pub struct CachedFuture<S, V> {
    state: Progress<S, V>,
}

enum Progress<S, V> {
    Done(Option<Result<V, AuthError>>),
    /// Boxed, since a hit need not carry what only a miss needs.
    Waiting(Box<Waiting<S, V>>),
}

struct Waiting<S, V> {
    /// Keeps the load alive while somebody waits for it.
    cache: Arc<State<S, V>>,
    ticket: Ticket<V, Flight<V>>,
    patience: Pin<Box<Sleep>>,
    /// When this caller has waited for long enough, be it for several loads.
    until: Monotonic,
    restarts: u8,
}

/// How often one caller takes over a load that came to nothing: its runtime stopped, its value was
/// invalidated, or had expired by the time the caller was polled. Each time needs that to happen
/// again, so this only bounds the absurd.
const MAX_RESTARTS: u8 = 3;

/// Nothing in it is ever pinned.
impl<S, V> Unpin for CachedFuture<S, V> {}

impl<S, V> CachedFuture<S, V> {
    pub(super) fn done(answer: Result<V, AuthError>) -> Self {
        Self {
            state: Progress::Done(Some(answer)),
        }
    }
}

impl<S: Load<V>, V: Cacheable> CachedFuture<S, V> {
    /// Waits for a load: until then at most, if it has waited for another one before.
    pub(super) fn waiting(
        cache: Arc<State<S, V>>,
        ticket: Ticket<V, Flight<V>>,
        now: &Moment,
        until: Option<Monotonic>,
    ) -> Self {
        if ticket.handle.is_this_task() {
            return Self::done(ticket.fallback.ok_or_else(|| {
                AuthError::new(
                    AuthErrorKind::Configuration,
                    "the source asks its own cache and would wait for itself: give it a client \
                     without this layer",
                )
            }));
        }
        let timeout = cache.slot.policy().load_timeout;
        let until = until
            // It was not polled in time, for which it is not to blame: a machine that slept.
            .filter(|until| *until > now.monotonic)
            .unwrap_or_else(|| now.monotonic.saturating_add(timeout));
        match timer(ticket.patience.min(until.since(now.monotonic))) {
            Ok(patience) => Self {
                state: Progress::Waiting(Box::new(Waiting {
                    cache,
                    ticket,
                    patience,
                    until,
                    restarts: 0,
                })),
            },
            Err(error) => Self::done(ticket.fallback.ok_or(error)),
        }
    }
}

impl<S: Load<V>, V: Cacheable> Future for CachedFuture<S, V> {
    type Output = Result<V, AuthError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let (cache, until, restarts) = match &mut self.state {
                Progress::Done(answer) => {
                    return Poll::Ready(answer.take().unwrap_or_else(|| Err(lost())));
                }
                Progress::Waiting(waiting) => match ready!(waiting.poll(cx)) {
                    Some(answer) => {
                        self.state = Progress::Done(None);
                        return Poll::Ready(answer);
                    }
                    None => (
                        Arc::clone(&waiting.cache),
                        waiting.until,
                        waiting.restarts + 1,
                    ),
                },
            };
            self.state = match cache.join(Some(until)).state {
                Progress::Waiting(mut waiting) if restarts > MAX_RESTARTS => {
                    Progress::Done(Some(waiting.best().ok_or_else(lost)))
                }
                Progress::Waiting(mut waiting) => {
                    waiting.restarts = restarts;
                    Progress::Waiting(waiting)
                }
                done => done,
            };
        }
    }
}

impl<S: Load<V>, V: Cacheable> Waiting<S, V> {
    /// The answer, or `None` if the load came to nothing and another one is needed.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<V, AuthError>>> {
        let slot = &self.cache.slot;
        let number = self.ticket.number;
        Poll::Ready(match self.ticket.handle.result.poll_unpin(cx) {
            Poll::Ready(_) if slot.is_invalidated(number) => self.again(),
            // This caller may come late to it: a machine that slept, a thread that was busy.
            Poll::Ready(Ok(value)) => self.cache.usable(value).map(Ok),
            Poll::Ready(Err(Failure::Source(error))) => Some(self.best().ok_or(error)),
            Poll::Ready(Err(Failure::RuntimeStopped)) => {
                slot.lose(number);
                self.again()
            }
            Poll::Pending => {
                ready!(self.poll_patience(cx));
                let now = self.cache.clock.moment();
                self.cache.slot.expire(&now);
                if !self.cache.slot.is_invalidated(number)
                    && let Some(value) = self.best()
                {
                    return Poll::Ready(Some(Ok(value)));
                }
                // Who came to this load late has time for another one.
                let timeout = self.cache.slot.policy().load_timeout;
                let enough = self.until.since(now.monotonic) < timeout / 2;
                enough.then(|| Err(late(timeout)))
            }
        })
    }

    /// Another load, if there is time for one: `None`.
    fn again(&self) -> Option<Result<V, AuthError>> {
        let timeout = self.cache.slot.policy().load_timeout;
        let enough = self.cache.clock.moment().monotonic >= self.until;
        enough.then(|| Err(late(timeout)))
    }

    /// A timer belongs to the runtime it was made on. If that has stopped, polling it panics, and this
    /// caller, who lives on another one, has waited for long enough.
    fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let patience = self.patience.as_mut();
        catch_unwind(AssertUnwindSafe(|| patience.poll(cx))).unwrap_or(Poll::Ready(()))
    }

    /// What to go on with, if the load is of no use: what another one brought meanwhile, or what there
    /// was before, unless that was rejected meanwhile.
    fn best(&mut self) -> Option<V> {
        let fallback = self.ticket.fallback.take();
        let still = || fallback.filter(|value| self.cache.slot.holds(value));
        let at_hand = self.cache.at_hand();
        at_hand.or_else(|| {
            let value = self.cache.usable(still()?)?;
            observe::stale_serve(&self.cache.slot.policy().name);
            Some(value)
        })
    }
}

impl<S, V> fmt::Debug for CachedFuture<S, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedFuture").finish_non_exhaustive()
    }
}

fn lost() -> AuthError {
    AuthError::transient(
        "the load came to nothing several times: its async runtime stopped, or the credential was \
         invalidated or had expired by the time it was there",
    )
}
