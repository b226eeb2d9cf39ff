//! A load under way: a tokio task of its own, and the answer that everybody who waits for it shares.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{Either, Shared, select};
use tokio::runtime;
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::{Sleep, sleep};

use super::cached::State;
use super::ledger::Handle;
use super::slot::late;
use crate::error::{AuthError, AuthErrorKind};
use crate::identity::load::{Cacheable, Load};
use crate::identity::runtime::{no_runtime, timer};
use crate::observe;

/// The handle of a load.
pub(super) struct Flight<V> {
    pub(super) result: Shared<LoadTask<V>>,
    abort: AbortHandle,
}

impl<V> Clone for Flight<V> {
    fn clone(&self) -> Self {
        Self {
            result: self.result.clone(),
            abort: self.abort.clone(),
        }
    }
}

impl<V> Handle for Flight<V> {
    fn abort(&self) {
        self.abort.abort();
    }

    fn has_ended(&self) -> bool {
        self.abort.is_finished()
    }
}

impl<V: Cacheable> Flight<V> {
    /// Starts load `number` on the runtime at hand.
    pub(super) fn launch<S: Load<V>>(
        cache: &Arc<State<S, V>>,
        number: u64,
    ) -> Result<Self, AuthError> {
        let runtime = runtime::Handle::try_current().map_err(|_| no_runtime())?;
        let timeout = cache.slot.policy().load_timeout;
        let limit = timer(timeout)?;
        let work = load(
            Arc::downgrade(cache),
            number,
            Arc::clone(&cache.source),
            limit,
            timeout,
        );
        // What the source does is part of what its caller is doing.
        #[cfg(feature = "tracing")]
        let work = {
            use tracing::Instrument as _;

            let name = &*cache.slot.policy().name;
            let span = tracing::info_span!("refresh", cache = name, load = number);
            work.instrument(span).in_current_span()
        };
        let task = runtime.spawn(work);
        // It cannot have come to an end yet, which takes the lock that the caller holds.
        if task.is_finished() {
            return Err(no_runtime());
        }
        Ok(Self {
            abort: task.abort_handle(),
            result: LoadTask { task }.shared(),
        })
    }

    /// Whether the task that asks is the load itself.
    pub(super) fn is_this_task(&self) -> bool {
        tokio::task::try_id() == Some(self.abort.id())
    }
}

/// The task. It holds the cache weakly, so that dropping the cache ends it.
async fn load<S, V>(
    cache: Weak<State<S, V>>,
    number: u64,
    source: Arc<S>,
    limit: Pin<Box<Sleep>>,
    timeout: Duration,
) -> Result<V, AuthError>
where
    S: Load<V>,
    V: Cacheable,
{
    // Made here and not by whoever spawns the task: that one holds the slot's lock, and a runtime that
    // is shutting down drops the task on the spot.
    let observed = match cache.upgrade() {
        Some(cache) => observe::Load::start(&cache.slot.policy().name),
        None => return Err(abandoned()),
    };
    let mut landing = Landing {
        cache,
        number,
        observed,
        landed: false,
    };
    let answer = landing.load(source, limit, timeout).await;
    landing.landed = true;
    if let Err(error) = &answer {
        landing.observed.failed(error);
    }
    if let (Err(error), Some(cache)) = (&answer, landing.cache.upgrade()) {
        let now = cache.clock.moment();
        cache.slot.fail(landing.number, error.clone(), &now);
    }
    answer
}

/// Tells the cache what came of a load, also of one whose runtime goes away.
struct Landing<S: Load<V>, V: Cacheable> {
    cache: Weak<State<S, V>>,
    number: u64,
    observed: observe::Load,
    landed: bool,
}

impl<S: Load<V>, V: Cacheable> Landing<S, V> {
    async fn load(
        &self,
        source: Arc<S>,
        limit: Pin<Box<Sleep>>,
        timeout: Duration,
    ) -> Result<V, AuthError> {
        let Some(start) = self.cache.upgrade().map(|cache| cache.clock.moment()) else {
            return Err(abandoned());
        };
        // Also a panic before there is a future.
        let work = AssertUnwindSafe(async move { source.load().await })
            .catch_unwind()
            .map(|answer| answer.unwrap_or_else(|_| Err(panicked())));
        let value = {
            let work = std::pin::pin!(work);
            match select(work, limit).await {
                Either::Left((answer, _)) => answer?,
                // Its callers have given up. An answer that comes after all is used; a second limit
                // ends what would otherwise pile up.
                Either::Right(((), work)) => {
                    if self.cache.strong_count() == 0 {
                        return Err(abandoned());
                    }
                    self.observed.overdue();
                    match select(work, Box::pin(sleep(timeout))).await {
                        Either::Left((answer, _)) => answer?,
                        Either::Right(_) => return Err(late(timeout)),
                    }
                }
            }
        };
        value.check()?;
        let Some(cache) = self.cache.upgrade() else {
            return Ok(value);
        };
        let policy = cache.slot.policy();
        let value = value.received(start, policy.assumed_lifetime);
        let schedule = policy.schedule(&start, value.deadline());
        let value = value.extended(policy.past_expiry);
        let now = cache.clock.moment();
        match value.deadline() {
            Some(end) if end.has_passed(&start) => return Err(expired()),
            Some(end) if end.has_passed(&now) => return Err(expired_on_the_way()),
            _ => {}
        }
        let left = value.deadline().map(|end| end.left(&now));
        self.observed.landed(left);
        let needless = cache.slot.land(self.number, value.clone(), schedule, now);
        // Those who wait for them find this value.
        needless.iter().for_each(Flight::abort);
        Ok(value)
    }
}

impl<S: Load<V>, V: Cacheable> Drop for Landing<S, V> {
    fn drop(&mut self) {
        if self.landed {
            return;
        }
        if let Some(cache) = self.cache.upgrade() {
            cache.slot.lose(self.number);
        }
    }
}

/// The answer of a load's task.
pub(super) struct LoadTask<V> {
    task: JoinHandle<Result<V, AuthError>>,
}

#[derive(Clone)]
pub(super) enum Failure {
    Source(AuthError),
    RuntimeStopped,
}

impl<V> Future for LoadTask<V> {
    type Output = Result<V, Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(match ready!(Pin::new(&mut self.task).poll(cx)) {
            Ok(answer) => answer.map_err(Failure::Source),
            Err(error) if error.is_panic() => Err(Failure::Source(panicked())),
            Err(_) => Err(Failure::RuntimeStopped),
        })
    }
}

/// The panic's text is not ours to repeat: it may hold anything.
fn panicked() -> AuthError {
    AuthError::transient("the source panicked")
}

fn expired() -> AuthError {
    AuthError::new(
        AuthErrorKind::Expired,
        "the source returned a credential that has expired already: check the source, and this \
         machine's clock",
    )
}

/// A short life and a slow answer, or a machine that slept: the next one may well be in time.
fn expired_on_the_way() -> AuthError {
    AuthError::transient("the credential expired before the source's answer was there")
}

fn abandoned() -> AuthError {
    AuthError::transient("the cache was dropped while it loaded")
}
