//! `Cached`: one credential for many requests, fetched once.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use futures::FutureExt as _;
use futures::future::Shared;
use tokio::runtime::Handle;
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::{Instant, Sleep, sleep, timeout};

use super::load::{Cacheable, Load};
use super::source::TokenSource;
use super::token::Token;
use crate::clock::Clock;
use crate::error::{AuthError, AuthErrorKind};

/// Keeps what a source returned until it expires or is rejected.
///
/// - A hit completes at once: no lock, no task switch, no allocation.
/// - However many requests miss at the same moment, the source is asked once, and all of them get
///   that one answer, success or failure.
/// - The load runs on a tokio task of its own, so a request that gives up (a timeout, a closed
///   connection) does not take it along: whoever comes next finds it under way or done.
/// - A load that takes longer than 30 seconds is an error for those who wait for it, and the next
///   request starts another.
/// - A rejection evicts the value it names and no other: a late one cannot evict a newer value.
///
/// Clones share one cache. Dropping the last one stops a load that is under way.
///
/// ```
/// use std::time::Duration;
/// use tower_client_auth::{BearerTokenLayer, Cached, Token};
///
/// # async fn ask_the_issuer() -> Result<(String, u64), std::io::Error> { Ok(("t".into(), 60)) }
/// let source = Cached::new(|| async {
///     let (token, seconds) = ask_the_issuer().await?;
///     Ok(Token::from(token).expires_in(Duration::from_secs(seconds)))
/// });
/// let layer = BearerTokenLayer::new("https://api.example.com", source)?;
/// # Ok::<(), tower_client_auth::AuthError>(())
/// ```
///
/// A closure that shares state with its futures clones it twice, once for itself and once for each
/// future; a type that implements [`TokenSource`] may read better:
///
/// ```
/// use std::sync::Arc;
/// use tower_client_auth::Cached;
///
/// # struct Issuer; impl Issuer { async fn token(&self) -> Result<String, std::io::Error> { Ok("t".into()) } }
/// # let issuer = Arc::new(Issuer);
/// let source = Cached::new(move || {
///     let issuer = Arc::clone(&issuer);
///     async move { Ok(issuer.token().await?) }
/// });
/// ```
///
/// # Errors
///
/// The source's own error; [`AuthErrorKind::Expired`] if it returned something that is over
/// already; [`AuthErrorKind::Configuration`] outside a tokio runtime (which must have its timer
/// enabled), and for a source that asks its own cache. A panic in the source is an
/// [`AuthErrorKind::Source`] error, and the next request asks again.
pub struct Cached<S, V = Token> {
    state: Arc<State<S, V>>,
}

impl<S: Load<Token>> Cached<S, Token> {
    /// Caches the tokens of `source`.
    pub fn new(source: S) -> Self {
        Self::with_clock(source, Clock::system())
    }
}

impl<S, V> Cached<S, V>
where
    S: Load<V>,
    V: Cacheable,
{
    /// Caches the values of `source` against a clock other than the system's: for tests.
    pub fn with_clock(source: S, clock: Clock) -> Self {
        Self {
            state: Arc::new(State {
                source: Arc::new(source),
                clock,
                current: ArcSwapOption::const_empty(),
                loads: Mutex::new(Loads {
                    started: 0,
                    landed: 0,
                    flight: None,
                }),
            }),
        }
    }

    fn get(&self) -> CachedFuture<S, V> {
        match self.state.fresh() {
            Some(value) => CachedFuture {
                state: Progress::Done(Some(Ok(value))),
            },
            None => self.state.join(),
        }
    }

    fn evict(&self, rejected: &V) {
        let current = self.state.current.load();
        if let Some(value) = current.as_ref()
            && value.is_same(rejected)
        {
            // Only if it is still this very value: a newer one may have landed in between.
            self.state.current.compare_and_swap(&current, None);
        }
        self.state.source.rejected(rejected);
    }
}

#[cfg(feature = "sigv4")]
impl<P> Cached<P, crate::sigv4::SigningCredentials>
where
    P: aws_credential_types::provider::ProvideCredentials + 'static,
{
    /// Caches the credentials of any AWS credentials provider, the default chain of `aws-config`
    /// among them, which does not cache by itself.
    ///
    /// ```
    /// use aws_credential_types::Credentials;
    /// use tower_client_auth::{Cached, SigV4Layer};
    ///
    /// # let provider = Credentials::new("AKIDEXAMPLE", "secret", None, None, "example");
    /// let credentials = Cached::credentials(provider); // share it between layers by cloning
    /// let orders = SigV4Layer::new("eu-west-1", "execute-api", credentials.clone())?;
    /// let search = SigV4Layer::new("eu-west-1", "es", credentials)?;
    /// # Ok::<(), tower_client_auth::AuthError>(())
    /// ```
    pub fn credentials(provider: P) -> Self {
        Self::with_clock(provider, Clock::system())
    }
}

impl<S, V> Clone for Cached<S, V> {
    fn clone(&self) -> Self {
        Self {
            state: Arc::clone(&self.state),
        }
    }
}

impl<S, V> fmt::Debug for Cached<S, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cached").finish_non_exhaustive()
    }
}

impl<S: Load<Token>> TokenSource for Cached<S, Token> {
    type Future = CachedFuture<S, Token>;

    fn token(&self) -> Self::Future {
        self.get()
    }

    fn at_hand(&self) -> Option<Token> {
        self.state.fresh()
    }

    fn checks_expiry(&self) -> bool {
        true
    }

    fn rejected(&self, token: &Token) {
        self.evict(token);
    }
}

#[cfg(feature = "sigv4")]
impl<P> super::credentials::CredentialsSource for Cached<P, crate::sigv4::SigningCredentials>
where
    P: Load<crate::sigv4::SigningCredentials>,
{
    type Future = CachedFuture<P, crate::sigv4::SigningCredentials>;

    fn credentials(&self) -> Self::Future {
        self.get()
    }

    fn rejected(&self, credentials: &crate::sigv4::SigningCredentials) {
        self.evict(credentials);
    }
}

/// A pending value of a [`Cached`] source.
pub struct CachedFuture<S, V> {
    state: Progress<S, V>,
}

/// Nothing in it is ever pinned.
impl<S, V> Unpin for CachedFuture<S, V> {}

enum Progress<S, V> {
    Done(Option<Result<V, AuthError>>),
    Waiting(Waiting<S, V>),
}

struct Waiting<S, V> {
    /// Keeps the load alive while somebody waits for it.
    cache: Arc<State<S, V>>,
    number: u64,
    result: Shared<LoadTask<V>>,
    patience: Pin<Box<Sleep>>,
    restarts: u8,
}

/// How often one caller takes over a load that came to nothing: its runtime stopped, or its value had
/// expired by the time the caller was polled. Each time needs that to happen again, so this only
/// bounds the absurd.
const MAX_RESTARTS: u8 = 3;

/// How long a load may take. Longer than any token endpoint that works, and short enough that a
/// connection that hangs does not take all requests with it.
const LOAD_TIMEOUT: Duration = Duration::from_secs(30);

impl<S, V> Future for CachedFuture<S, V>
where
    S: Load<V>,
    V: Cacheable,
{
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
                Progress::Waiting(waiting) if restarts <= MAX_RESTARTS => {
                    Progress::Waiting(Waiting {
                        restarts,
                        ..waiting
                    })
                }
                Progress::Waiting(_) => Progress::Done(Some(Err(lost()))),
                done => done,
            };
        }
    }
}

impl<S, V> Waiting<S, V>
where
    S: Load<V>,
    V: Cacheable,
{
    /// The answer, or `None` if the load came to nothing and another one is needed.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<V, AuthError>>> {
        match self.result.poll_unpin(cx) {
            // This caller may come late to it: a machine that slept, a thread that was busy.
            Poll::Ready(Ok(value)) if self.cache.is_over(&value) => Poll::Ready(None),
            Poll::Ready(Ok(value)) => Poll::Ready(Some(Ok(value))),
            Poll::Ready(Err(Failure::Source(error))) => Poll::Ready(Some(Err(error))),
            Poll::Ready(Err(Failure::RuntimeStopped)) => {
                self.cache.forget(self.number);
                Poll::Ready(None)
            }
            Poll::Pending => {
                ready!(self.patience.as_mut().poll(cx));
                // The next caller starts afresh; if this load answers after all, its value counts.
                self.cache.forget(self.number);
                Poll::Ready(Some(Err(late())))
            }
        }
    }
}

impl<S, V> fmt::Debug for CachedFuture<S, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedFuture").finish_non_exhaustive()
    }
}

struct State<S, V> {
    source: Arc<S>,
    clock: Clock,
    current: ArcSwapOption<V>,
    /// Taken on a miss only, and never across an await.
    loads: Mutex<Loads<V>>,
}

struct Loads<V> {
    /// How many there have been.
    started: u64,
    /// The latest that has landed: its value is never replaced by an earlier load's.
    landed: u64,
    flight: Option<Flight<V>>,
}

struct Flight<V> {
    number: u64,
    since: Instant,
    result: Shared<LoadTask<V>>,
    abort: AbortHandle,
}

impl<S, V> State<S, V>
where
    S: Load<V>,
    V: Cacheable,
{
    fn fresh(&self) -> Option<V> {
        let current = self.current.load();
        let value = current.as_deref()?;
        (!self.is_over(value)).then(|| value.clone())
    }

    fn is_over(&self, value: &V) -> bool {
        value.may_expire() && value.has_expired(&self.clock.moment())
    }

    /// Waits for the load under way, or starts one.
    fn join(self: &Arc<Self>) -> CachedFuture<S, V> {
        let done = |answer| CachedFuture {
            state: Progress::Done(Some(answer)),
        };
        let Ok(runtime) = Handle::try_current() else {
            return done(Err(AuthError::new(
                AuthErrorKind::Configuration,
                "`Cached` loads on a tokio task, and there is no tokio runtime here: send the \
                 request from inside one",
            )));
        };
        let patience = match patience() {
            Ok(patience) => patience,
            Err(error) => return done(Err(error)),
        };
        // Dropped after the lock is free again.
        let _overdue;
        let mut loads = self.lock();
        // A load may have landed since the caller looked.
        if let Some(value) = self.fresh() {
            return done(Ok(value));
        }
        // Nobody need have waited for all of that time: callers with timeouts of their own give up
        // before.
        _overdue = loads
            .flight
            .take_if(|flight| flight.since.elapsed() >= LOAD_TIMEOUT);
        let flight = match &loads.flight {
            Some(flight) if tokio::task::try_id() == Some(flight.abort.id()) => {
                return done(Err(AuthError::new(
                    AuthErrorKind::Configuration,
                    "the source asks its own cache and would wait for itself: give it a client \
                     without this layer",
                )));
            }
            Some(flight) => flight,
            None => {
                loads.started += 1;
                let number = loads.started;
                let task = runtime.spawn(Self::load(
                    Arc::downgrade(self),
                    number,
                    Arc::clone(&self.source),
                    self.clock.clone(),
                ));
                loads.flight.insert(Flight {
                    number,
                    since: Instant::now(),
                    abort: task.abort_handle(),
                    result: LoadTask { task }.shared(),
                })
            }
        };
        CachedFuture {
            state: Progress::Waiting(Waiting {
                cache: Arc::clone(self),
                number: flight.number,
                result: flight.result.clone(),
                patience,
                restarts: 0,
            }),
        }
    }

    /// The task. It holds the cache weakly, so that dropping the cache ends it.
    async fn load(
        cache: Weak<Self>,
        number: u64,
        source: Arc<S>,
        clock: Clock,
    ) -> Result<V, AuthError> {
        let landing = Landing { cache, number };
        let start = clock.moment();
        // Its callers have given up long before; this ends what would otherwise pile up.
        let answer = timeout(2 * LOAD_TIMEOUT, source.load()).await;
        let value = answer.map_err(|_| late())??.received(start);
        if value.may_expire() && value.has_expired(&clock.moment()) {
            return Err(AuthError::new(
                AuthErrorKind::Expired,
                "the source returned a credential that has expired already: \
                 check the source, and this machine's clock",
            ));
        }
        landing.land(&value);
        Ok(value)
    }
}

impl<S, V> State<S, V> {
    fn lock(&self) -> MutexGuard<'_, Loads<V>> {
        self.loads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes room for another load, unless there is one already.
    fn forget(&self, number: u64) {
        let mut loads = self.lock();
        let flight = loads.flight.take_if(|flight| flight.number == number);
        drop(loads);
        drop(flight);
    }
}

impl<S, V> Drop for State<S, V> {
    fn drop(&mut self) {
        if let Some(flight) = self.lock().flight.take() {
            flight.abort.abort();
        }
    }
}

/// Makes room for the next load when this one ends, by returning, by panicking, or by its runtime
/// going away.
struct Landing<S, V> {
    cache: Weak<State<S, V>>,
    number: u64,
}

impl<S, V: Clone> Landing<S, V> {
    /// Stores the value and makes room in one step: in between, a value that has just been rejected
    /// could be had once more from the load it came with.
    fn land(&self, value: &V) {
        let Some(cache) = self.cache.upgrade() else {
            return;
        };
        let mut loads = cache.lock();
        if self.number > loads.landed {
            loads.landed = self.number;
            cache.current.store(Some(Arc::new(value.clone())));
        }
        let flight = loads.flight.take_if(|flight| flight.number == self.number);
        drop(loads);
        drop(flight);
    }
}

impl<S, V> Drop for Landing<S, V> {
    fn drop(&mut self) {
        if let Some(cache) = self.cache.upgrade() {
            cache.forget(self.number);
        }
    }
}

/// The answer of a load's task.
struct LoadTask<V> {
    task: JoinHandle<Result<V, AuthError>>,
}

#[derive(Clone)]
enum Failure {
    Source(AuthError),
    RuntimeStopped,
}

impl<V> Future for LoadTask<V> {
    type Output = Result<V, Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(match ready!(Pin::new(&mut self.task).poll(cx)) {
            Ok(answer) => answer.map_err(Failure::Source),
            // The panic's text is not ours to repeat: it may hold anything.
            Err(error) if error.is_panic() => {
                Err(Failure::Source(AuthError::transient("the source panicked")))
            }
            Err(_) => Err(Failure::RuntimeStopped),
        })
    }
}

fn patience() -> Result<Pin<Box<Sleep>>, AuthError> {
    // A runtime cannot be asked whether it has a timer: tokio panics over one that has none.
    std::panic::catch_unwind(|| Box::pin(sleep(LOAD_TIMEOUT))).map_err(|_| {
        AuthError::new(
            AuthErrorKind::Configuration,
            "`Cached` needs the tokio runtime's timer: call `enable_time` or `enable_all` where the \
             runtime is built",
        )
    })
}

fn late() -> AuthError {
    AuthError::transient(format!(
        "the source has not answered within {} seconds",
        LOAD_TIMEOUT.as_secs()
    ))
}

fn lost() -> AuthError {
    AuthError::transient("the load was lost: its async runtime stopped")
}
