//! Promise 21: what tower expects of a service.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt;
use http::{Request, Response, StatusCode};
use tower::{Layer, Service, ServiceBuilder, ServiceExt};
use tower_client_auth::{AuthError, BearerTokenLayer, BoxError, CloneBody, Token, TokenSource};
use tower_test::mock;

use crate::support::promise;

const ORIGIN: &str = "https://api.example.com";

fn request() -> Request<()> {
    Request::get("https://api.example.com/")
        .body(())
        .expect("a request")
}

/// Counts what a service must not suffer: a call without readiness of its own.
#[derive(Default)]
struct Breaches {
    unready_calls: AtomicUsize,
    calls: AtomicUsize,
}

/// A service whose readiness is its own: a clone has none, and a call uses it up.
struct Strict {
    ready: bool,
    breaches: Arc<Breaches>,
    answer: fn(usize) -> StatusCode,
    delay: Duration,
}

impl Strict {
    fn new(answer: fn(usize) -> StatusCode, delay: Duration) -> Self {
        Self {
            ready: false,
            breaches: Arc::default(),
            answer,
            delay,
        }
    }
}

impl Clone for Strict {
    fn clone(&self) -> Self {
        Self {
            ready: false,
            breaches: Arc::clone(&self.breaches),
            answer: self.answer,
            delay: self.delay,
        }
    }
}

impl Service<Request<()>> for Strict {
    type Response = Response<()>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<()>, BoxError>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _request: Request<()>) -> Self::Future {
        if !std::mem::take(&mut self.ready) {
            self.breaches.unready_calls.fetch_add(1, Ordering::SeqCst);
        }
        let count = self.breaches.calls.fetch_add(1, Ordering::SeqCst);
        let (status, delay) = ((self.answer)(count), self.delay);
        Box::pin(async move {
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            let mut response = Response::new(());
            *response.status_mut() = status;
            Ok(response)
        })
    }
}

/// A token after a delay, so that schedules differ.
#[derive(Clone)]
struct Delayed(Duration);

impl TokenSource for Delayed {
    type Future = Pin<Box<dyn Future<Output = Result<Token, AuthError>> + Send>>;

    fn token(&self) -> Self::Future {
        let delay = self.0;
        Box::pin(async move {
            tokio::time::sleep(delay).await;
            Token::new("token")
        })
    }
}

/// Xorshift: seeded, so that a failure can be had again.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

#[tokio::test(start_paused = true)]
async fn the_readied_service_is_the_one_that_is_called() {
    const SCHEDULES: u64 = 10_000;
    let mut random = Random(0x5eed);
    let (mut calls, mut unready, mut answered) = (0, 0, 0);
    for schedule in 0..SCHEDULES {
        // Some answers are rejections, so that second calls are part of it.
        let answer: fn(usize) -> StatusCode = match random.below(3) {
            0 => |_| StatusCode::OK,
            1 => |count| match count % 2 {
                0 => StatusCode::UNAUTHORIZED,
                _ => StatusCode::OK,
            },
            _ => |_| StatusCode::UNAUTHORIZED,
        };
        let strict = Strict::new(answer, Duration::from_millis(random.below(4)));
        let breaches = Arc::clone(&strict.breaches);
        let source = Delayed(Duration::from_millis(random.below(4)));
        let layer = BearerTokenLayer::new(ORIGIN, source)
            .expect("a layer")
            .retry_rejected(CloneBody);
        let requests = 1 + random.below(4);
        let patience = Duration::from_millis(1 + random.below(12));
        let drive = |mut service: BoxedService, requests: u64| async move {
            let mut calls = Vec::new();
            for _ in 0..requests {
                let ready = service.ready().await.expect("ready");
                // Some callers give up half-way.
                calls.push(tokio::time::timeout(patience, ready.call(request())));
            }
            futures::future::join_all(calls).await
        };
        let service: BoxedService = match schedule % 3 {
            0 => boxed(layer.layer(strict)),
            1 => boxed(
                ServiceBuilder::new()
                    .layer(layer)
                    .concurrency_limit(2)
                    .service(strict),
            ),
            _ => boxed(
                ServiceBuilder::new()
                    .buffer(4)
                    .layer(layer)
                    .buffer(4)
                    .concurrency_limit(3)
                    .service(strict),
            ),
        };
        // A limit of two admits no third call before an answer: drive those one at a time.
        let results = match schedule % 3 {
            1 => {
                let mut results = Vec::new();
                let mut service = service;
                for _ in 0..requests {
                    let ready = service.ready().await.expect("ready");
                    let call = ready.call(request());
                    results.push(tokio::time::timeout(patience, call).await);
                }
                results
            }
            _ => drive(service, requests).await,
        };
        answered += results.iter().filter(|r| r.is_ok()).count();
        calls += breaches.calls.load(Ordering::SeqCst);
        unready += breaches.unready_calls.load(Ordering::SeqCst);
    }
    assert_eq!(unready, 0);
    assert!(answered > 0 && calls > SCHEDULES as usize);
    promise(
        21,
        format!(
            "{SCHEDULES} schedules, {calls} calls below, {answered} answers, {unready} unready calls"
        ),
    );
}

type BoxedService = tower::util::BoxService<Request<()>, Response<()>, BoxError>;

fn boxed<S>(service: S) -> BoxedService
where
    S: Service<Request<()>, Response = Response<()>, Error = BoxError> + Send + 'static,
    S::Future: Send + 'static,
{
    tower::util::BoxService::new(service)
}

#[tokio::test]
async fn back_pressure_and_errors_come_through() {
    let token = Token::new("token").expect("a token");
    let layer = BearerTokenLayer::new(ORIGIN, token).expect("a layer");
    let (inner, mut below) = mock::pair::<Request<()>, Response<()>>();
    let mut service = layer.layer(inner);

    below.allow(0);
    assert!(service.ready().now_or_never().is_none(), "no slot, no call");
    below.allow(1);
    let answer = service.ready().await.expect("a slot").call(request());
    let serve = async {
        let (sent, respond) = below.next_request().await.expect("a request");
        assert_eq!(sent.headers()["authorization"], "Bearer token");
        respond.send_response(Response::new(()));
    };
    let (answer, ()) = futures::join!(answer, serve);
    assert_eq!(answer.expect("an answer").status(), StatusCode::OK);

    below.allow(1);
    let answer = service.ready().await.expect("a slot").call(request());
    let fail = async {
        let (_, respond) = below.next_request().await.expect("a request");
        respond.send_error("the line is down");
    };
    let (answer, ()) = futures::join!(answer, fail);
    let error = answer.expect_err("what the service below said");
    assert_eq!(error.to_string(), "the line is down");
    assert!(AuthError::find(error.as_ref()).is_none(), "not ours");

    // Readiness fails below: so it does above.
    drop(below);
    assert!(service.ready().await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_second_call_waits_for_readiness_of_its_own() {
    // Another token each time: the same one would not be worth a second attempt.
    let fetched = Arc::new(AtomicUsize::new(0));
    let source = move || {
        let number = fetched.fetch_add(1, Ordering::Relaxed);
        async move { Ok(format!("token-{number}")) }
    };
    let layer = BearerTokenLayer::new(ORIGIN, source).expect("a layer");
    let layer = layer.retry_rejected(CloneBody);
    let (inner, mut below) = mock::pair::<Request<()>, Response<()>>();
    let mut service = layer.layer(inner);

    below.allow(1);
    let mut answer = Box::pin(service.ready().await.expect("a slot").call(request()));
    assert!(answer.as_mut().now_or_never().is_none());
    let (_, respond) = below.next_request().await.expect("a request");
    let mut rejection = Response::new(());
    *rejection.status_mut() = StatusCode::UNAUTHORIZED;
    respond.send_response(rejection);
    // No slot is free, so there is no second request yet.
    let early = tokio::time::timeout(Duration::from_secs(60), &mut answer).await;
    assert!(early.is_err());
    assert!(below.next_request().now_or_never().is_none());

    below.allow(1);
    let serve = async {
        let (_, respond) = below.next_request().await.expect("the second attempt");
        respond.send_response(Response::new(()));
    };
    let (answer, ()) = futures::join!(answer, serve);
    assert_eq!(answer.expect("an answer").status(), StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_uses_the_service_it_serves_is_starved_of_its_slot() {
    // The documented hazard, kept here so that the documentation stays true: the layer holds the
    // only slot while the source waits for one.
    let client = ServiceBuilder::new()
        .concurrency_limit(1)
        .service(Strict::new(|_| StatusCode::OK, Duration::ZERO));
    let source = {
        let client = client.clone();
        move || {
            let client = client.clone();
            async move {
                client.oneshot(request()).await?;
                Ok("token")
            }
        }
    };
    let layer = BearerTokenLayer::new(ORIGIN, source).expect("a layer");
    let call = layer.layer(client).oneshot(request());
    let day = Duration::from_secs(24 * 3600);
    assert!(tokio::time::timeout(day, call).await.is_err(), "a deadlock");
}
