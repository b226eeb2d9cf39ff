//! The engine by itself: the order of its steps, replays, and room for what is to come.

use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, request};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full, StreamBody, channel::Channel};
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
use tower_client_auth::{
    Applied, AuthBody, AuthError, AuthOverride, AuthorizeLayer, Authorizer, BearerTokenLayer,
    BoxError, Buffer, CloneBody, Need, Passthrough, PayloadHash, Token, TokenSource, Verdict,
};

use crate::support::Recorder;

const URL: &str = "https://api.example.com/items";

/// Three modes in one type, as a selector will have them; the third is to leave a request alone.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mode {
    Bearer,
    Signed,
}

#[derive(Clone)]
struct ByHeader;

impl Authorizer for ByHeader {
    type Plan = Mode;
    type Credential = &'static str;
    type Acquire = Ready<Result<&'static str, AuthError>>;

    fn cover(&self, head: &mut request::Parts) -> Result<Option<(Mode, Need)>, AuthError> {
        let mode = head.headers.remove("x-mode");
        Ok(match mode.as_ref().map(HeaderValue::as_bytes) {
            Some(b"bearer") => Some((Mode::Bearer, Need::Head)),
            Some(b"signed") => Some((Mode::Signed, Need::Payload)),
            _ => None,
        })
    }

    fn acquire(&self, plan: &Mode) -> Self::Acquire {
        ready(Ok(match plan {
            Mode::Bearer => "token",
            Mode::Signed => "key",
        }))
    }

    fn apply(
        &self,
        plan: &mut Mode,
        credential: &&'static str,
        payload: &PayloadHash,
        head: &mut request::Parts,
    ) -> Result<Applied, AuthError> {
        let value = match plan {
            Mode::Bearer => (*credential).to_owned(),
            Mode::Signed => payload.to_string(),
        };
        let value = HeaderValue::try_from(value).expect("ASCII");
        head.headers.insert("x-applied", value);
        Ok(Applied::default())
    }
}

/// Reports a request's head before its body has come, as a real client does.
fn head_first(
    count: Arc<AtomicUsize>,
) -> impl Service<
    Request<AuthBody<Channel<Bytes>>>,
    Response = Response<AuthBody<Channel<Bytes>>>,
    Error = Infallible,
    Future: Send,
> + Clone {
    service_fn(move |request: Request<AuthBody<Channel<Bytes>>>| {
        count.fetch_add(1, Ordering::SeqCst);
        let (head, body) = request.into_parts();
        let mut response = Response::new(body);
        *response.headers_mut() = head.headers;
        ready(Ok(response))
    })
}

#[tokio::test(start_paused = true)]
async fn an_endless_bearer_body_streams_through_a_layer_that_buffers_for_signatures() {
    let calls = Arc::new(AtomicUsize::new(0));
    let client = head_first(Arc::clone(&calls));
    let service = ServiceBuilder::new()
        .layer(AuthorizeLayer::with_authorizer(ByHeader).payload(Buffer::new(64)))
        .service(client);

    // Bearer: the answer is there while the body still comes, and far more than the limit passes.
    let (mut sender, body) = Channel::<Bytes>::new(4);
    let request = Request::post(URL).header("x-mode", "bearer").body(body);
    let response = service.clone().oneshot(request.expect("a request")).await;
    let response = response.expect("an answer before the body's end");
    assert_eq!(response.headers()["x-applied"], "token");
    let mut arriving = response.into_body();
    for _ in 0..1000 {
        let chunk = Bytes::from_static(&[7; 32]);
        sender.send_data(chunk).await.expect("a receiver");
        let frame = arriving.frame().await.expect("a frame").expect("no error");
        assert_eq!(frame.into_data().expect("data").len(), 32);
    }

    // Signed, through the very same service: nothing is sent before the body has ended.
    let (mut sender, body) = Channel::<Bytes>::new(4);
    let request = Request::post(URL).header("x-mode", "signed").body(body);
    let mut answer = Box::pin(service.clone().oneshot(request.expect("a request")));
    sender.send_data(Bytes::from("hello")).await.expect("room");
    let early = tokio::time::timeout(Duration::from_secs(3600), &mut answer).await;
    assert!(early.is_err(), "it waits for the body");
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    let mut trailers = HeaderMap::new();
    trailers.insert("x-end", HeaderValue::from_static("1"));
    sender.send_trailers(trailers).await.expect("room");
    drop(sender);
    let response = answer.await.expect("an answer");
    assert_eq!(
        response.headers()["x-applied"],
        PayloadHash::of(b"hello").to_string()
    );
    let body = response.into_body().collect().await.expect("no error");
    assert_eq!(body.trailers().expect("given back")["x-end"], "1");
    assert_eq!(body.to_bytes(), "hello");

    // Neither: left alone.
    let (sender, body) = Channel::<Bytes>::new(4);
    drop(sender);
    let request = Request::post(URL).body(body).expect("a request");
    let response = service.oneshot(request).await.expect("an answer");
    assert!(!response.headers().contains_key("x-applied"));
}

/// Hands out `token-1`, `token-2`, … and moves on when the current one is rejected.
#[derive(Clone, Default)]
struct Numbered {
    rejected: Arc<AtomicUsize>,
    asked: Arc<AtomicUsize>,
}

impl TokenSource for Numbered {
    type Future = Ready<Result<Token, AuthError>>;

    fn token(&self) -> Self::Future {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let number = self.rejected.load(Ordering::SeqCst) + 1;
        ready(Token::new(format!("token-{number}")))
    }

    fn rejected(&self, _token: &Token) {
        self.rejected.fetch_add(1, Ordering::SeqCst);
    }
}

fn status(code: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from("from the server"));
    *response.status_mut() = code;
    response
}

/// Says 401 to the first `times` requests.
fn unauthorized(times: usize) -> Recorder {
    Recorder::answering(move |before, _| {
        status(if before < times {
            StatusCode::UNAUTHORIZED
        } else {
            StatusCode::OK
        })
    })
}

fn post(body: &'static str) -> Request<Full<Bytes>> {
    Request::post(URL)
        .header("x-own", "kept")
        .body(Full::from(body))
        .expect("a request")
}

#[tokio::test]
async fn a_rejected_token_is_replaced_and_the_request_sent_once_more() {
    let server = unauthorized(1);
    let source = Numbered::default();
    let layer = BearerTokenLayer::new("https://api.example.com", source).expect("a layer");
    let service = ServiceBuilder::new()
        .layer(layer.retry_rejected(CloneBody))
        .service(server.clone());
    let response = service.oneshot(post("hello")).await.expect("an answer");
    assert_eq!(response.status(), StatusCode::OK);
    let seen = server.seen();
    assert_eq!(seen.len(), 2);
    for (number, seen) in seen.iter().enumerate() {
        assert_eq!(seen.body, "hello");
        assert_eq!(seen.one("x-own"), "kept");
        let expected = format!("Bearer token-{}", number + 1);
        assert_eq!(seen.one("authorization"), expected);
    }
}

#[tokio::test]
async fn a_second_rejection_is_the_callers_answer() {
    let server = unauthorized(usize::MAX);
    let source = Numbered::default();
    let layer = BearerTokenLayer::new("https://api.example.com", source.clone()).expect("a layer");
    let service = ServiceBuilder::new()
        .layer(layer.retry_rejected(CloneBody))
        .service(server.clone());
    let response = service.oneshot(post("hello")).await.expect("an answer");
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(server.seen().len(), 2);
    assert_eq!(source.rejected.load(Ordering::SeqCst), 2, "told of both");
}

#[tokio::test]
async fn without_retries_the_source_still_hears_of_a_rejection() {
    let server = unauthorized(usize::MAX);
    let source = Numbered::default();
    let layer = BearerTokenLayer::new("https://api.example.com", source.clone()).expect("a layer");
    let service = ServiceBuilder::new().layer(layer).service(server.clone());
    let response = service.oneshot(post("hello")).await.expect("an answer");
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(server.seen().len(), 1);
    assert_eq!(source.rejected.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_body_that_cannot_be_had_again_gets_the_servers_answer() {
    let streaming = || {
        let frames = futures::stream::iter([Ok::<_, Infallible>(Frame::data(Bytes::from("hi")))]);
        StreamBody::new(frames)
    };
    let server = unauthorized(usize::MAX);
    let layer = || BearerTokenLayer::new("https://api.example.com", Numbered::default());
    let request = || Request::post(URL).body(streaming()).expect("a request");

    let service = ServiceBuilder::new()
        .layer(layer().expect("a layer").retry_rejected(Passthrough))
        .service(server.clone());
    let response = service.oneshot(request()).await.expect("an answer");
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);

    // `Buffer` streams what a token does not need read, and so has nothing to send again.
    let service = ServiceBuilder::new()
        .layer(layer().expect("a layer").retry_rejected(Buffer::default()))
        .service(server.clone());
    let response = service.oneshot(request()).await.expect("an answer");
    let body = response.into_body().collect().await.expect("no error");
    assert_eq!(body.to_bytes(), "from the server");
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn if_no_new_token_can_be_had_the_servers_answer_stands() {
    let asked = Arc::new(AtomicUsize::new(0));
    let source = move || {
        let first = asked.fetch_add(1, Ordering::SeqCst) == 0;
        async move {
            match first {
                true => Ok("token"),
                false => Err(BoxError::from("the issuer is down")),
            }
        }
    };
    let server = unauthorized(usize::MAX);
    let layer = BearerTokenLayer::new("https://api.example.com", source).expect("a layer");
    let service = ServiceBuilder::new()
        .layer(layer.retry_rejected(CloneBody))
        .service(server.clone());
    let response = service.oneshot(post("hello")).await.expect("an answer");
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn if_the_new_token_cannot_be_used_the_servers_answer_stands() {
    for (second, why) in [
        (Token::from("line\nbreak"), "malformed"),
        (
            Token::from("old").expires_at(SystemTime::UNIX_EPOCH),
            "expired",
        ),
    ] {
        let asked = AtomicUsize::new(0);
        let source = move || {
            let first = asked.fetch_add(1, Ordering::SeqCst) == 0;
            let token = if first {
                Token::from("good")
            } else {
                second.clone()
            };
            async move { Ok::<_, BoxError>(token) }
        };
        let server = unauthorized(usize::MAX);
        let layer = BearerTokenLayer::new("https://api.example.com", source).expect("a layer");
        let service = ServiceBuilder::new()
            .layer(layer.retry_rejected(CloneBody))
            .service(server.clone());
        let response = service.oneshot(post("hello")).await.expect("an answer");
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{why}");
        assert_eq!(server.seen().len(), 1, "{why}");
    }
}

#[tokio::test]
async fn a_rejected_token_is_not_sent_again() {
    let server = unauthorized(usize::MAX);
    let token = Token::new("the-only-one").expect("a token");
    let layer = BearerTokenLayer::new("https://api.example.com", token).expect("a layer");
    let service = ServiceBuilder::new()
        .layer(layer.retry_rejected(CloneBody))
        .service(server.clone());
    let response = service.oneshot(post("hello")).await.expect("an answer");
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn an_overriding_token_is_the_callers_to_renew() {
    let server = unauthorized(usize::MAX);
    let source = Numbered::default();
    let layer = BearerTokenLayer::new("https://api.example.com", source.clone()).expect("a layer");
    let service = ServiceBuilder::new()
        .layer(layer.retry_rejected(CloneBody))
        .service(server.clone());
    let mut request = post("hello");
    let own = Token::new("another-user").expect("a token");
    request
        .extensions_mut()
        .insert(AuthOverride::new().token(own));
    service.oneshot(request).await.expect("an answer");
    assert_eq!(server.only().one("authorization"), "Bearer another-user");
    assert_eq!(source.asked.load(Ordering::SeqCst), 0);
    assert_eq!(source.rejected.load(Ordering::SeqCst), 0);
}

/// Applies what the body hashed to, and asks for one more try whatever the answer.
#[derive(Clone)]
struct Insists;

impl Authorizer for Insists {
    type Plan = usize;
    type Credential = ();
    type Acquire = Ready<Result<(), AuthError>>;

    fn cover(&self, _head: &mut request::Parts) -> Result<Option<(usize, Need)>, AuthError> {
        Ok(Some((0, Need::Payload)))
    }

    fn acquire(&self, _plan: &usize) -> Self::Acquire {
        ready(Ok(()))
    }

    fn apply(
        &self,
        attempts: &mut usize,
        _credential: &(),
        payload: &PayloadHash,
        head: &mut request::Parts,
    ) -> Result<Applied, AuthError> {
        *attempts += 1;
        assert!(!head.headers.contains_key("x-hash"), "unsigned each time");
        let hash = HeaderValue::try_from(payload.to_string()).expect("ASCII");
        head.headers.insert("x-hash", hash);
        head.headers
            .insert("x-attempt", HeaderValue::from(*attempts as u64));
        Ok(Applied::default())
    }

    fn judge(
        &self,
        _plan: &usize,
        _credential: &(),
        _head: &http::response::Parts,
        _peeked: Option<&[u8]>,
    ) -> Verdict {
        Verdict::Resync
    }
}

#[tokio::test]
async fn a_buffered_body_is_sent_again_with_its_trailers() {
    let server = Recorder::new();
    let service = ServiceBuilder::new()
        .layer(AuthorizeLayer::with_authorizer(Insists).retry_rejected(Buffer::default()))
        .service(server.clone());
    let mut trailers = HeaderMap::new();
    trailers.insert("x-checksum", HeaderValue::from_static("7"));
    let with_trailers =
        Full::<Bytes>::from("hello").with_trailers(ready(Some(Ok::<_, Infallible>(trailers))));
    let request = Request::post(URL).body(with_trailers).expect("a request");
    service.oneshot(request).await.expect("an answer");
    let seen = server.seen();
    assert_eq!(seen.len(), 2, "once more, and never a third time");
    for (at, seen) in seen.iter().enumerate() {
        assert_eq!(seen.body, "hello");
        assert_eq!(seen.one("x-attempt"), (at + 1).to_string());
        assert_eq!(seen.one("x-hash"), PayloadHash::of(b"hello").to_string());
        assert_eq!(seen.trailers.as_ref().expect("kept")["x-checksum"], "7");
    }
}

/// A body of ten bytes that takes a virtual second for each.
struct Slow {
    left: u8,
    wait: Pin<Box<tokio::time::Sleep>>,
}

impl Body for Slow {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        std::task::ready!(self.wait.as_mut().poll(cx));
        self.left -= 1;
        self.wait = Box::pin(tokio::time::sleep(Duration::from_secs(1)));
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"x")))))
    }
}

#[derive(Clone)]
struct Timed(tokio::time::Instant);

impl Timed {
    fn header(&self, head: &mut request::Parts, name: &'static str) {
        let seconds = self.0.elapsed().as_secs();
        head.headers.insert(name, HeaderValue::from(seconds));
    }
}

impl Authorizer for Timed {
    type Plan = ();
    type Credential = u64;
    type Acquire = Pin<Box<dyn Future<Output = Result<u64, AuthError>> + Send>>;

    fn cover(&self, head: &mut request::Parts) -> Result<Option<((), Need)>, AuthError> {
        self.header(head, "x-covered");
        Ok(Some(((), Need::Payload)))
    }

    fn acquire(&self, _plan: &()) -> Self::Acquire {
        let asked = self.0.elapsed().as_secs();
        Box::pin(async move {
            tokio::time::sleep(Duration::from_secs(5)).await;
            Ok(asked)
        })
    }

    fn apply(
        &self,
        _plan: &mut (),
        asked: &u64,
        _payload: &PayloadHash,
        head: &mut request::Parts,
    ) -> Result<Applied, AuthError> {
        head.headers.insert("x-asked", HeaderValue::from(*asked));
        self.header(head, "x-applied");
        Ok(Applied::default())
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_upload_ages_neither_credential_nor_signature() {
    let server = Recorder::new();
    let service = ServiceBuilder::new()
        .layer(
            AuthorizeLayer::with_authorizer(Timed(tokio::time::Instant::now()))
                .payload(Buffer::default()),
        )
        .service(server.clone());
    let body = Slow {
        left: 10,
        wait: Box::pin(tokio::time::sleep(Duration::from_secs(1))),
    };
    let request = Request::post(URL).body(body).expect("a request");
    service.oneshot(request).await.expect("an answer");
    let seen = server.only();
    assert_eq!(seen.body, "xxxxxxxxxx");
    assert_eq!(seen.one("x-covered"), "0");
    assert_eq!(seen.one("x-asked"), "10", "after the body");
    assert_eq!(seen.one("x-applied"), "15", "after the credential");
}

#[tokio::test]
async fn a_scheme_that_needs_the_payload_says_so_over_a_body_it_may_not_read() {
    let server = Recorder::new();
    let service = ServiceBuilder::new()
        .layer(AuthorizeLayer::with_authorizer(Insists))
        .service(server.clone());
    let error = service.oneshot(post("hello")).await.expect_err("no hash");
    let error = AuthError::find(error.as_ref()).expect("ours");
    assert!(error.to_string().contains("Buffer::default"), "{error}");
    assert!(server.seen().is_empty());
}

#[test]
fn futures_and_services_cross_threads() {
    fn is_send<T: Send>(value: T) -> T {
        value
    }
    fn is_send_sync<T: Send + Sync>(value: T) -> T {
        value
    }
    let layer = BearerTokenLayer::new("https://api.example.com", Numbered::default());
    let mut service = ServiceBuilder::new()
        .layer(is_send_sync(layer.expect("a layer")).retry_rejected(CloneBody))
        .service(is_send_sync(Recorder::new()));
    service = is_send_sync(service);
    drop(is_send(service.call(post("hello"))));
}
