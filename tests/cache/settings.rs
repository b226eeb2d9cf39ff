//! What can be set, asked and told.
//!
//! All in virtual time. The cache's own randomness is left alone: what is asserted holds for any.

mod bad;
mod credentials;
mod finish;
mod invalidate;
mod malformed;
mod mandatory;
mod past_expiry;
mod pauses;
mod prefetch;
mod runtimes;
mod status;
mod windows;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::time::Instant;
use tower_client_auth::{AuthError, BoxError, Cached, CachedBuilder, Token, TokenSource};

const SECOND: Duration = Duration::from_secs(1);
const MILLISECOND: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(3600);

type Answer = Result<Token, BoxError>;
type Source = Box<dyn Fn() -> BoxFuture<'static, Answer> + Send + Sync>;

/// What became of the loads of a source.
#[derive(Clone, Default)]
struct Loads(Arc<Counts>);

#[derive(Default)]
struct Counts {
    begun: AtomicUsize,
    answered: AtomicUsize,
    stopped: AtomicUsize,
}

impl Loads {
    fn begun(&self) -> usize {
        self.0.begun.load(Ordering::SeqCst)
    }

    fn answered(&self) -> usize {
        self.0.answered.load(Ordering::SeqCst)
    }

    /// How many were dropped half-way.
    fn stopped(&self) -> usize {
        self.0.stopped.load(Ordering::SeqCst)
    }

    /// A source that does what `script` says; it is given the number of the load, from 1.
    fn source<Fut>(&self, script: impl Fn(usize) -> Fut + Send + Sync + 'static) -> Source
    where
        Fut: Future<Output = Answer> + Send + 'static,
    {
        let loads = self.clone();
        Box::new(move || {
            let number = loads.0.begun.fetch_add(1, Ordering::SeqCst) + 1;
            let mut end = End(Some(loads.clone()));
            let work = script(number);
            Box::pin(async move {
                let answer = work.await;
                if let Some(loads) = end.0.take() {
                    loads.0.answered.fetch_add(1, Ordering::SeqCst);
                }
                answer
            })
        })
    }

    fn builder<Fut>(
        &self,
        script: impl Fn(usize) -> Fut + Send + Sync + 'static,
    ) -> CachedBuilder<Source, Token>
    where
        Fut: Future<Output = Answer> + Send + 'static,
    {
        Cached::builder(self.source(script))
    }

    fn cached<Fut>(&self, script: impl Fn(usize) -> Fut + Send + Sync + 'static) -> Cached<Source>
    where
        Fut: Future<Output = Answer> + Send + 'static,
    {
        self.builder(script).build().expect("a cache")
    }
}

/// Counts a load that is dropped.
struct End(Option<Loads>);

impl Drop for End {
    fn drop(&mut self) {
        if let Some(loads) = self.0.take() {
            loads.0.stopped.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// `token-<number>`, without an end.
fn endless(number: usize) -> Answer {
    Ok(Token::new(format!("token-{number}"))?)
}

/// `token-<number>`, which lasts for that long.
fn lasting(number: usize, lifetime: Duration) -> Answer {
    Ok(Token::new(format!("token-{number}"))?.expires_in(lifetime))
}

/// A transient error that names its load.
fn down(number: usize) -> Answer {
    Err(format!("failure-{number}").into())
}

/// What a request gets, if it need not wait.
fn at_once(cache: &Cached<Source>) -> Option<Result<String, AuthError>> {
    let answer = cache.token().now_or_never()?;
    Some(answer.map(|token| token.expose().to_owned()))
}

/// The token a request gets without waiting.
#[track_caller]
fn warm(cache: &Cached<Source>) -> String {
    let answer = at_once(cache).expect("no wait");
    answer.expect("a token")
}

/// What a request gets, and how long it waits for it.
async fn ask(cache: &Cached<Source>) -> (Result<String, AuthError>, Duration) {
    let start = Instant::now();
    let answer = cache.token().await;
    let answer = answer.map(|token| token.expose().to_owned());
    (answer, start.elapsed())
}

/// What the source said.
fn cause(error: &AuthError) -> String {
    let cause = std::error::Error::source(error).expect("a cause");
    cause.to_string()
}

/// Tokio's timers go by milliseconds, and virtual time by its timers.
#[track_caller]
fn assert_about(actual: Duration, expected: Duration) {
    assert!(
        actual + 2 * MILLISECOND >= expected && actual <= expected + 5 * MILLISECOND,
        "{actual:?} instead of {expected:?}"
    );
}

/// Lets tasks run that are ready, and time stand still.
async fn settle() {
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}
