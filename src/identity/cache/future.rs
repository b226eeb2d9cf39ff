//! The pending answer of a cache.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures::FutureExt as _;
use tokio::time::Sleep;

use super::cached::State;
use super::flight::{Failure, Flight, timer};
use super::slot::{Ticket, late};
use crate::error::{AuthError, AuthErrorKind};
use crate::identity::load::{Cacheable, Load};

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
    pub(super) fn waiting(cache: Arc<State<S, V>>, ticket: Ticket<V, Flight<V>>) -> Self {
        if ticket.handle.is_this_task() {
            return Self::done(ticket.fallback.ok_or_else(|| {
                AuthError::new(
                    AuthErrorKind::Configuration,
                    "the source asks its own cache and would wait for itself: give it a client \
                     without this layer",
                )
            }));
        }
        match timer(ticket.patience) {
            Ok(patience) => Self {
                state: Progress::Waiting(Box::new(Waiting {
                    cache,
                    ticket,
                    patience,
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
            let (cache, restarts) = match &mut self.state {
                Progress::Done(answer) => {
                    return Poll::Ready(answer.take().unwrap_or_else(|| Err(lost())));
                }
                Progress::Waiting(waiting) => match ready!(waiting.poll(cx)) {
                    Some(answer) => {
                        self.state = Progress::Done(None);
                        return Poll::Ready(answer);
                    }
                    None => (Arc::clone(&waiting.cache), waiting.restarts + 1),
                },
            };
            self.state = match cache.join().state {
                Progress::Waiting(_) if restarts > MAX_RESTARTS => {
                    Progress::Done(Some(Err(lost())))
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
            Poll::Ready(_) if slot.is_invalidated(number) => None,
            // This caller may come late to it: a machine that slept, a thread that was busy.
            Poll::Ready(Ok(value)) => self.cache.usable(value).map(Ok),
            Poll::Ready(Err(Failure::Source(error))) => Some(self.fallback().ok_or(error)),
            Poll::Ready(Err(Failure::RuntimeStopped)) => {
                slot.lose(number);
                None
            }
            Poll::Pending => {
                ready!(self.patience.as_mut().poll(cx));
                if slot.is_invalidated(number) {
                    None
                } else if self.ticket.fallback.is_some() {
                    self.fallback().map(Ok)
                } else {
                    let error = late(self.ticket.patience);
                    // The next caller starts afresh; if this load answers after all, its value counts.
                    slot.fail(number, error.clone(), &self.cache.clock.moment());
                    Some(Err(error))
                }
            }
        })
    }

    /// What to go on with, if it still may be used.
    fn fallback(&mut self) -> Option<V> {
        self.cache.usable(self.ticket.fallback.take()?)
    }
}

impl<S, V> fmt::Debug for CachedFuture<S, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedFuture").finish_non_exhaustive()
    }
}

fn lost() -> AuthError {
    AuthError::transient("the load was lost: its async runtime stopped")
}
