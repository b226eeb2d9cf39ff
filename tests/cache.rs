//! The cache: one load for many callers, whoever gives up; generations.

mod crowds;
mod outages;
mod settings;
mod soak;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, SystemTime};

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::time::sleep;
use tower_client_auth::{
    AuthError, AuthErrorKind, BoxError, Cached, Clock, ManualClock, Token, TokenSource,
};

/// Counts its loads; each takes a virtual second and hands out `token-<load>`.
#[derive(Clone, Default)]
struct Issuer {
    loads: Arc<AtomicUsize>,
}

impl Issuer {
    fn loads(&self) -> usize {
        self.loads.load(Ordering::SeqCst)
    }

    /// `answer` is given the number of the load, from 1.
    fn cached<T: Into<Token> + Send + 'static>(
        &self,
        answer: impl Fn(usize) -> Result<T, BoxError> + Clone + Send + Sync + 'static,
    ) -> impl TokenSource<Future: Send> + Clone {
        Cached::new(self.source(answer))
    }

    /// The first load never ends, the others do at once.
    fn hanging_first(&self) -> impl TokenSource<Future: Send> + Send + Sync + 'static {
        let loads = Arc::clone(&self.loads);
        move || {
            let number = loads.fetch_add(1, Ordering::SeqCst) + 1;
            async move {
                if number == 1 {
                    std::future::pending::<()>().await;
                }
                numbered(number)
            }
        }
    }

    fn source<T: Into<Token> + Send + 'static>(
        &self,
        answer: impl Fn(usize) -> Result<T, BoxError> + Clone + Send + Sync + 'static,
    ) -> impl TokenSource<Future: Send> + Send + Sync + 'static {
        let loads = Arc::clone(&self.loads);
        move || {
            let number = loads.fetch_add(1, Ordering::SeqCst) + 1;
            let answer = answer.clone();
            async move {
                sleep(Duration::from_secs(1)).await;
                answer(number)
            }
        }
    }
}

fn numbered(number: usize) -> Result<String, BoxError> {
    Ok(format!("token-{number}"))
}

#[tokio::test(start_paused = true)]
async fn a_crowd_makes_one_load() {
    let issuer = Issuer::default();
    let cache = issuer.cached(numbered);
    let crowd = (0..10_000).map(|_| cache.token());
    for answer in futures::future::join_all(crowd).await {
        assert_eq!(answer.expect("a token").expose(), "token-1");
    }
    assert_eq!(issuer.loads(), 1);
    assert!(
        cache.token().now_or_never().is_some(),
        "a hit does not wait"
    );
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_shared_and_the_next_caller_asks_again() {
    let issuer = Issuer::default();
    let cache = issuer.cached(|load| match load {
        1 => Err("the issuer is down".into()),
        _ => numbered(load),
    });
    let crowd = (0..1_000).map(|_| cache.token());
    for answer in futures::future::join_all(crowd).await {
        let error = answer.expect_err("a failure");
        assert_eq!(error.kind(), AuthErrorKind::Source);
        assert!(error.is_transient());
    }
    assert_eq!(issuer.loads(), 1);
    assert_eq!(cache.token().await.expect("a token").expose(), "token-2");
}

#[tokio::test(start_paused = true)]
async fn a_load_survives_the_caller_that_started_it() {
    let issuer = Issuer::default();
    let cache = issuer.cached(numbered);
    let impatient = tokio::time::timeout(Duration::from_millis(10), cache.token()).await;
    assert!(impatient.is_err());
    sleep(Duration::from_secs(2)).await;
    let answer = cache.token().now_or_never().expect("it has landed");
    assert_eq!(answer.expect("a token").expose(), "token-1");
    assert_eq!(issuer.loads(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_expired_token_is_loaded_again() {
    let issuer = Issuer::default();
    let cache = issuer.cached(|load| {
        let token = Token::new(format!("token-{load}"))?;
        Ok(token.expires_in(Duration::from_secs(60)))
    });
    cache.token().await.expect("a token");
    // Counted from when the load began, a second before it ended.
    sleep(Duration::from_millis(58_900)).await;
    assert_eq!(cache.token().await.expect("a token").expose(), "token-1");
    sleep(Duration::from_millis(200)).await;
    assert_eq!(cache.token().await.expect("a token").expose(), "token-2");
    assert_eq!(issuer.loads(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_suspended_machine_does_not_send_an_expired_token() {
    let issuer = Issuer::default();
    let manual = ManualClock::new(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000));
    let source = issuer.source(|load| {
        let token = Token::new(format!("token-{load}"))?;
        Ok(token.expires_in(Duration::from_secs(3600)))
    });
    let cache = Cached::builder(source)
        .clock(Clock::from(manual.clone()))
        .build()
        .expect("a cache");
    cache.token().await.expect("a token");
    manual.jump_forward(Duration::from_secs(8 * 3600)); // asleep: only the wall clock moved
    assert_eq!(cache.token().await.expect("a token").expose(), "token-2");
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_has_expired_already_is_an_error_that_says_so() {
    let issuer = Issuer::default();
    let cache = issuer.cached(|_| {
        let token = Token::new("late")?;
        Ok(token.expires_at(SystemTime::UNIX_EPOCH))
    });
    let error = cache.token().await.expect_err("expired");
    assert_eq!(error.kind(), AuthErrorKind::Expired);
    assert!(error.to_string().contains("clock"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_rejection_evicts_its_own_token_and_no_newer_one() {
    let issuer = Issuer::default();
    let cache = issuer.cached(numbered);
    let first = cache.token().await.expect("a token");
    cache.rejected(&first);
    let second = cache.token().await.expect("a token");
    assert_eq!(second.expose(), "token-2");
    cache.rejected(&first); // late
    let still = cache.token().now_or_never().expect("no load").expect("ok");
    assert!(still.is_same(&second));
    assert_eq!(issuer.loads(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_the_source_is_an_error_and_the_next_call_works() {
    let issuer = Issuer::default();
    let cache = issuer.cached(|load| match load {
        1 => panic!("a bug in the source"),
        _ => numbered(load),
    });
    let error = cache.token().await.expect_err("a panic");
    assert_eq!(error.kind(), AuthErrorKind::Source);
    assert!(!error.to_string().contains("bug"), "its text is not ours");
    assert_eq!(cache.token().await.expect("a token").expose(), "token-2");
}

#[tokio::test(start_paused = true)]
async fn clones_share_and_the_last_one_ends_the_load() {
    let issuer = Issuer::default();
    let landed = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&landed);
    let cache = issuer.cached(move |load| {
        count.fetch_add(1, Ordering::SeqCst);
        numbered(load)
    });
    drop(tokio::time::timeout(Duration::from_millis(1), cache.clone().token()).await);
    drop(cache);
    sleep(Duration::from_secs(10)).await;
    assert_eq!(issuer.loads(), 1, "it began");
    assert_eq!(landed.load(Ordering::SeqCst), 0, "and was stopped");
}

/// Remembers its token until that very one is rejected, as the contract of a source has it.
struct Remembering {
    loads: AtomicUsize,
    token: Mutex<Token>,
}

impl Remembering {
    fn new() -> Self {
        Self {
            loads: AtomicUsize::new(1),
            token: Mutex::new(Token::from("token-1")),
        }
    }
}

impl TokenSource for Remembering {
    type Future = std::future::Ready<Result<Token, AuthError>>;

    fn token(&self) -> Self::Future {
        std::future::ready(Ok(self.token.lock().expect("no panic").clone()))
    }

    fn rejected(&self, token: &Token) {
        let mut current = self.token.lock().expect("no panic");
        if current.is_same(token) {
            let number = self.loads.fetch_add(1, Ordering::SeqCst) + 1;
            *current = Token::from(format!("token-{number}"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_recognises_its_token_through_a_cache() {
    // Also through two of them.
    let cache = Cached::new(Cached::new(Remembering::new()));
    for number in 1..4 {
        let token = cache.token().await.expect("a token");
        assert_eq!(token.expose(), format!("token-{number}"));
        sleep(Duration::from_secs(10)).await; // it worked for a while
        cache.rejected(&token);
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_cache_gives_no_second_life() {
    let issuer: &'static Issuer = Box::leak(Box::default());
    let inner = issuer.cached(|load| {
        let token = Token::new(format!("token-{load}"))?;
        Ok(token.expires_in(Duration::from_secs(60)))
    });
    inner.token().await.expect("a token");
    sleep(Duration::from_secs(50)).await;
    let outer = Cached::new(inner);
    assert_eq!(outer.token().await.expect("a token").expose(), "token-1");
    sleep(Duration::from_secs(10)).await;
    assert_eq!(outer.token().await.expect("a token").expose(), "token-2");
}

#[tokio::test(start_paused = true)]
async fn a_load_that_never_answers_is_an_error_and_the_next_caller_starts_another() {
    let issuer = Issuer::default();
    let cache = Cached::new(issuer.hanging_first());
    let error = cache.token().await.expect_err("no answer");
    assert!(error.is_transient());
    let source = std::error::Error::source(&error).expect("a cause");
    assert!(source.to_string().contains("30 seconds"), "{source}");
    assert_eq!(cache.token().await.expect("a token").expose(), "token-2");
    assert_eq!(issuer.loads(), 2);
}

#[tokio::test(start_paused = true)]
async fn impatient_callers_do_not_wait_for_a_load_that_hangs_for_ever() {
    let issuer = Issuer::default();
    let cache = Cached::new(issuer.hanging_first());
    for _ in 0..30 {
        let call = tokio::time::timeout(Duration::from_secs(1), cache.token());
        assert!(call.await.is_err(), "within the time a load may take");
    }
    let call = tokio::time::timeout(Duration::from_secs(1), cache.token());
    let token = call.await.expect("another load").expect("a token");
    assert_eq!(token.expose(), "token-2");
}

#[tokio::test(start_paused = true)]
async fn a_late_answer_counts_and_spares_the_load_that_was_started_for_it() {
    let issuer = Issuer::default();
    let cache = Cached::new({
        let loads = Arc::clone(&issuer.loads);
        move || {
            let number = loads.fetch_add(1, Ordering::SeqCst) + 1;
            async move {
                // The first takes 40 seconds, the second 20, so that the first ends before it.
                sleep(Duration::from_secs(if number == 1 { 40 } else { 20 })).await;
                numbered(number)
            }
        }
    });
    cache.token().await.expect_err("30 seconds have passed");
    let second = cache.token(); // joins the second load, which ends at 50
    sleep(Duration::from_secs(11)).await;
    let late = cache.token().now_or_never().expect("it has landed");
    assert_eq!(late.expect("a token").expose(), "token-1");
    assert_eq!(second.await.expect("a token").expose(), "token-1");
    sleep(Duration::from_secs(60)).await;
    assert_eq!(cache.token().await.expect("a token").expose(), "token-1");
    assert_eq!(issuer.loads(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_comes_late_to_its_token_gets_a_newer_one() {
    let issuer = Issuer::default();
    let cache = issuer.cached(|load| {
        let token = Token::new(format!("token-{load}"))?;
        Ok(token.expires_in(Duration::from_secs(60)))
    });
    let call = cache.token();
    sleep(Duration::from_secs(3600)).await;
    assert_eq!(call.await.expect("a token").expose(), "token-2");
}

#[tokio::test(start_paused = true)]
async fn a_source_that_asks_its_own_cache_is_told_so() {
    type Own = Arc<dyn Fn() -> BoxFuture<'static, Result<Token, AuthError>> + Send + Sync>;
    let own: Arc<OnceLock<Own>> = Arc::default();
    let cache = Cached::new({
        let own = Arc::clone(&own);
        move || {
            let ask = own.get().expect("set below").clone();
            async move { Ok(ask().await?) }
        }
    });
    let again = cache.clone();
    let ask: Own = Arc::new(move || again.token().boxed());
    assert!(own.set(ask).is_ok());
    let error = cache.token().await.expect_err("it would wait for itself");
    assert_eq!(error.kind(), AuthErrorKind::Configuration);
    assert!(error.to_string().contains("its own cache"), "{error}");
}

#[test]
fn a_runtime_that_stops_hangs_nobody() {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime")
    };
    let issuer = Issuer::default();
    let cache = Cached::new(issuer.hanging_first());
    let first = runtime();
    let stranded = first.block_on(async {
        let mut call = cache.token();
        assert!((&mut call).now_or_never().is_none());
        tokio::task::yield_now().await;
        Some(call)
    });
    let stranded = stranded.expect("not awaited yet");
    assert_eq!(issuer.loads(), 1);
    drop(first);
    let second = runtime();
    let token = second.block_on(stranded).expect("taken over");
    assert_eq!(token.expose(), "token-2");
    let token = second.block_on(cache.token()).expect("kept");
    assert_eq!(token.expose(), "token-2");
}

#[test]
fn without_a_timer_the_error_says_what_is_missing() {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let cache = Cached::new(|| async { Ok("token") });
    let answer = runtime
        .expect("a runtime")
        .block_on(async { cache.token().await });
    let error: AuthError = answer.expect_err("no timer");
    assert_eq!(error.kind(), AuthErrorKind::Configuration);
    assert!(error.to_string().contains("enable_time"), "{error}");
}

#[test]
fn outside_a_runtime_the_error_says_what_is_missing() {
    let cache = Cached::new(|| async { Ok("token") });
    let answer = cache.token().now_or_never().expect("no wait");
    let error: AuthError = answer.expect_err("no runtime");
    assert_eq!(error.kind(), AuthErrorKind::Configuration);
    assert!(error.to_string().contains("tokio runtime"), "{error}");
}
