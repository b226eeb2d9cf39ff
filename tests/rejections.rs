//! What becomes of an answer that refuses a request: the request is sent once more, or the answer is the
//! caller's.

mod hints;
mod noise;
mod peek;
mod renewals;
mod replay_body;
mod replays;
mod skew;

use std::convert::Infallible;
use std::fmt::Debug;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use bytes::Bytes;
use futures::future::BoxFuture;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, request};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use tokio::time::sleep;
use tower::{Service, ServiceExt};
use tower_client_auth::sigv4::SigningCredentials;
use tower_client_auth::{AuthError, BoxError, CredentialsSource};

use crate::oracle::Random;

const ORIGIN: &str = "https://api.example.com";
const URL: &str = "https://api.example.com/orders";
const REGION: &str = "eu-west-1";
const SERVICE: &str = "execute-api";

/// What AWS's services name their errors in, if not in the body.
const ERROR_TYPE: &str = "x-amzn-errortype";

type Answer = dyn Fn(&request::Parts) -> Response<Full<Bytes>> + Send + Sync;

/// A server that counts what it is sent, and leaves the bodies unread.
#[derive(Clone)]
struct Server {
    sends: Arc<AtomicUsize>,
    answer: Arc<Answer>,
    /// How long a request is under way, and its answer.
    trip: (Duration, Duration),
}

impl Server {
    fn new(
        answer: impl Fn(&request::Parts) -> Response<Full<Bytes>> + Send + Sync + 'static,
    ) -> Self {
        Self {
            sends: Arc::default(),
            answer: Arc::new(answer),
            trip: (Duration::ZERO, Duration::ZERO),
        }
    }

    /// Takes no time by default.
    fn taking(mut self, there: Duration, back: Duration) -> Self {
        self.trip = (there, back);
        self
    }

    fn sends(&self) -> usize {
        self.sends.load(Ordering::SeqCst)
    }
}

async fn pause(time: Duration) {
    if !time.is_zero() {
        sleep(time).await;
    }
}

impl<B> Service<Request<B>> for Server {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        self.sends.fetch_add(1, Ordering::SeqCst);
        let (server, head) = (self.clone(), request.into_parts().0);
        Box::pin(async move {
            pause(server.trip.0).await;
            let answer = (server.answer)(&head);
            pause(server.trip.1).await;
            Ok::<_, Infallible>(answer)
        })
    }
}

fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Response<Full<Bytes>> {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    let body = Full::new(Bytes::from(body.to_owned()));
    response.body(body).expect("an answer")
}

/// A refusal of AWS's that is named in a header.
fn typed(status: u16, code: &str) -> Response<Full<Bytes>> {
    answer(status, &[(ERROR_TYPE, code)], "")
}

/// A refusal as S3 puts it.
fn xml(code: &str, message: &str) -> Response<Full<Bytes>> {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code>\
         <Message>{message}</Message><RequestId>4442587FB7D0A2F9</RequestId></Error>"
    );
    answer(403, &[("content-type", "application/xml")], &body)
}

fn post(uri: &str) -> Request<Full<Bytes>> {
    let request = Request::post(uri).body(Full::from("hello"));
    request.expect("a request")
}

/// Sends a request, and reads the answer to its end.
async fn send<S, B, R>(service: &S, request: Request<B>) -> Response<Bytes>
where
    S: Service<Request<B>, Response = Response<R>, Error = BoxError> + Clone,
    R: Body,
    R::Error: Debug,
{
    let answer = service.clone().oneshot(request).await.expect("an answer");
    let (head, body) = answer.into_parts();
    let body = body.collect().await.expect("a whole body");
    Response::from_parts(head, body.to_bytes())
}

/// Hands out other credentials each time: `AKID1`, `AKID2` and so on.
#[derive(Clone, Default)]
struct Rotating {
    asked: Arc<AtomicUsize>,
}

impl CredentialsSource for Rotating {
    type Future = Ready<Result<SigningCredentials, AuthError>>;

    fn credentials(&self) -> Self::Future {
        let number = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        ready(SigningCredentials::new(keys(number)))
    }
}

fn keys(number: usize) -> Credentials {
    Credentials::new(format!("AKID{number}"), "secret", None, None, "test")
}

/// 2026-11-23 12:00:00, a whole second.
fn noon() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_435_200)
}

fn date(time: SystemTime) -> HeaderValue {
    HeaderValue::try_from(httpdate::fmt_http_date(time)).expect("ASCII")
}

fn trailers(value: u64) -> HeaderMap {
    let name = HeaderName::from_static("x-checksum");
    HeaderMap::from_iter([(name, HeaderValue::from(value))])
}

fn random_bytes(random: &mut Random, length: usize) -> Vec<u8> {
    // The upper bits: the lower ones of this generator are the weak ones.
    (0..length).map(|_| (random.next() >> 56) as u8).collect()
}

/// Cuts it anywhere, with empty pieces among the others.
fn cut(random: &mut Random, mut rest: &[u8]) -> Vec<Bytes> {
    let mut pieces = Vec::new();
    let largest = random.pick(&[1, 3, 20, 100]);
    while !rest.is_empty() {
        let (piece, tail) = rest.split_at(random.below(largest + 1).min(rest.len()));
        pieces.push(Bytes::copy_from_slice(piece));
        rest = tail;
    }
    pieces
}
