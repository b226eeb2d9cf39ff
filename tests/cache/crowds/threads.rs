//! The same on real threads and in real time, which a paused clock cannot show: races.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tower_client_auth::{AuthError, AuthErrorKind, Cached, Token, TokenSource};

use super::{Random, tasks_left};
use crate::support::promise;

const WORKERS: usize = 4;
const CALLERS: u64 = 64;
const CALLS: u64 = 400;

const MILLISECOND: Duration = Duration::from_millis(1);

/// A watchdog and no measurement: nothing here takes as long on any machine.
const FOR_EVER: Duration = Duration::from_secs(60);

/// Answers after one to three milliseconds with a token that lasts for thirty, unless it is out of
/// order for longer than that. A token's text is when it ends, in nanoseconds since the start.
struct Issuer {
    start: Instant,
    loads: Arc<AtomicU64>,
}

const LIFETIME: Duration = Duration::from_millis(30);

/// Long enough for the token at hand to be over before it ends.
fn is_outage(load: u64) -> bool {
    load / 16 % 4 == 1
}

impl TokenSource for Issuer {
    type Future = BoxFuture<'static, Result<Token, AuthError>>;

    fn token(&self) -> Self::Future {
        let load = self.loads.fetch_add(1, Ordering::SeqCst);
        let mut random = Random(load);
        let end = (Instant::now() + LIFETIME).duration_since(self.start);
        async move {
            sleep(MILLISECOND + random.millis(3)).await;
            match is_outage(load) || random.one_in(10) {
                true => Err(AuthError::transient("down")),
                false => Ok(Token::from(end.as_nanos().to_string()).expires_in(LIFETIME)),
            }
        }
        .boxed()
    }
}

#[test]
fn on_real_threads_nobody_hangs_and_nobody_gets_what_is_over() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(on_real_threads());
}

async fn on_real_threads() {
    let start = Instant::now();
    let loads = Arc::new(AtomicU64::new(0));
    let world = World {
        cache: Cached::builder(Issuer {
            start,
            loads: Arc::clone(&loads),
        })
        // As short as lives are here.
        .back_off(MILLISECOND, 4 * MILLISECOND)
        .cold_back_off(MILLISECOND, 4 * MILLISECOND)
        .rejected_hold(MILLISECOND, 4 * MILLISECOND)
        .build()
        .expect("a cache"),
        start,
        loads,
        invalidations: Arc::default(),
    };
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        callers.spawn(world.clone().call(Random(caller)));
    }
    // Also from a thread that belongs to no runtime.
    let outside = std::thread::spawn({
        let world = world.clone();
        move || {
            for _ in 0..50 {
                std::thread::sleep(Duration::from_millis(10));
                if !world.is_calm() {
                    world.invalidate();
                }
                world.cache.status();
            }
        }
    });
    let (mut tokens, mut errors, mut left) = (0, 0, 0);
    while let Some(caller) = callers.join_next().await {
        let [got, failed, gone] = caller.expect("a caller that does not panic");
        tokens += got;
        errors += failed;
        left += gone;
    }
    outside.join().expect("no panic");
    let loads = world.loads();
    drop(world);
    let ended = timeout(FOR_EVER, async {
        while tasks_left().await > 0 {
            sleep(MILLISECOND).await;
        }
    });
    ended.await.expect("no task outlives its cache");
    promise(
        6,
        format!(
            "{WORKERS} threads, {CALLERS} callers x {CALLS} calls: {tokens} got a token, {errors} an \
             error, {left} left, {loads} loads; 0 hung, 0 got what was over"
        ),
    );
    assert_eq!(tokens + errors + left, CALLERS * CALLS);
    // How many depends on the machine.
    assert!(tokens > CALLERS, "{tokens}");
}

/// What the callers share.
#[derive(Clone)]
struct World {
    cache: Cached<Issuer>,
    start: Instant,
    loads: Arc<AtomicU64>,
    invalidations: Arc<AtomicU64>,
}

impl World {
    fn loads(&self) -> u64 {
        self.loads.load(Ordering::SeqCst)
    }

    fn invalidate(&self) {
        self.invalidations.fetch_add(1, Ordering::SeqCst);
        self.cache.invalidate();
    }

    /// In an outage nobody takes away what there is: it has to come to its own end.
    fn is_calm(&self) -> bool {
        is_outage(self.loads())
    }

    /// How often something has happened that sends a caller to the next load.
    fn upheavals(&self) -> u64 {
        self.invalidations.load(Ordering::SeqCst) + self.loads()
    }

    /// Calls again and again, and counts tokens, errors, and the times it left.
    async fn call(self, mut random: Random) -> [u64; 3] {
        let mut counts = [0; 3];
        for _ in 0..CALLS {
            let patience = match random.one_in(4) {
                true => random.millis(4),
                false => FOR_EVER,
            };
            let (before, upheavals) = (self.start.elapsed(), self.upheavals());
            let outcome = match timeout(patience, self.cache.token()).await {
                Ok(Ok(token)) => {
                    let end: u128 = token.expose().parse().expect("nanoseconds");
                    assert!(end > before.as_nanos(), "over before it was asked for");
                    if random.one_in(20) && !self.is_calm() {
                        self.cache.rejected(&token);
                    }
                    0
                }
                Ok(Err(error)) => {
                    self.expect(&error, upheavals);
                    1
                }
                Err(_) => {
                    assert!(patience < FOR_EVER, "it hangs");
                    2
                }
            };
            counts[outcome] += 1;
            if outcome == 1 {
                sleep(MILLISECOND).await;
            }
            if random.one_in(200) && !self.is_calm() {
                self.invalidate();
            }
            match random.below(3) {
                0 => tokio::task::yield_now().await,
                1 => sleep(random.millis(3)).await,
                _ => {}
            }
        }
        counts
    }

    /// The issuer is down at times. A machine that is busy may take longer for a load than a token
    /// lasts. And a caller gives up after four loads that were invalidated, or over when it saw them.
    fn expect(&self, error: &AuthError, upheavals: u64) {
        if error.kind() == AuthErrorKind::Expired {
            return;
        }
        assert_eq!(error.kind(), AuthErrorKind::Source, "{error}");
        let cause = std::error::Error::source(error).expect("a cause");
        match cause.to_string().as_str() {
            "down" => {}
            text if text.contains("came to nothing several times") => {
                assert!(self.upheavals() >= upheavals + 3, "it was not");
            }
            text => panic!("not expected: {text}"),
        }
    }
}
