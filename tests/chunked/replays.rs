//! Promise 18 at a server that checks: an upload in chunks that is sent again is signed anew, chunk by chunk, and is
//! the same object; or it is not sent again.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use http_body_util::Full;
use tokio::task::JoinHandle;
use tower::service_fn;
use tower_client_auth::layer::{InspectErrors, PeekBody, ReplayedBody};
use tower_client_auth::sigv4::SigningCredentials;
use tower_client_auth::{AuthError, Buffer, Clock, CloneBody, CredentialsSource, ReplayBody};

use super::generated;
use super::in_process::InProcess;
use super::*;
use crate::oracle::Random;
use crate::support::promise;

const URI: &str = "https://s3.eu-west-1.amazonaws.com/uploads/key";

/// Why the first attempt is refused.
#[derive(Clone, Copy, Debug)]
enum Refusal {
    /// The credentials are over.
    Expired,
    /// The clock is off.
    Skewed,
}

impl Refusal {
    fn answer(self) -> Response<Full<Bytes>> {
        let (code, message) = match self {
            Refusal::Expired => ("ExpiredToken", "The provided token has expired."),
            Refusal::Skewed => (
                "RequestTimeTooSkewed",
                "The difference between the request time and the current time is too large.",
            ),
        };
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>"
        );
        Response::builder()
            .status(StatusCode::FORBIDDEN)
            .header("content-type", "application/xml")
            .header("date", httpdate::fmt_http_date(now()))
            .body(Full::from(body))
            .expect("an answer")
    }
}

/// When it is.
#[derive(Clone, Copy, Debug)]
enum When {
    AtOnce,
    HalfWay,
    AtTheEnd,
}

/// How it is kept.
#[derive(Clone, Copy, Debug)]
enum Kept {
    Replay(usize),
    Clone,
}

fn now() -> SystemTime {
    Clock::system().now()
}

/// Credentials that are over, and then those that the server knows.
#[derive(Clone, Default)]
struct Renewed(Arc<AtomicUsize>);

impl CredentialsSource for Renewed {
    type Future = Ready<Result<SigningCredentials, AuthError>>;

    fn credentials(&self) -> Self::Future {
        let credentials = match self.0.fetch_add(1, Ordering::SeqCst) {
            0 => Credentials::new("AKIDOVER", "another secret", None, None, "tests"),
            _ => credentials(),
        };
        ready(SigningCredentials::new(credentials))
    }
}

/// What stands before the server, and refuses the first attempt.
#[derive(Clone)]
struct Gateway {
    server: InProcess,
    refusal: Refusal,
    when: When,
    sends: Arc<AtomicUsize>,
    /// The connection of the first attempt, which goes on by itself; and whether that went out whole.
    first: Arc<Mutex<Option<JoinHandle<bool>>>>,
}

impl Gateway {
    fn new(server: &InProcess, refusal: Refusal, when: When) -> Self {
        Self {
            server: server.clone(),
            refusal,
            when,
            sends: Arc::default(),
            first: Arc::default(),
        }
    }

    async fn answer(self, request: Request<AnyBody>) -> Response<Full<Bytes>> {
        let (head, mut body) = request.into_parts();
        if self.sends.fetch_add(1, Ordering::SeqCst) == 0 {
            let length = body.size_hint().exact().expect("a length");
            let wanted = match self.when {
                When::AtOnce => 0,
                When::HalfWay => length / 2,
                When::AtTheEnd => length,
            };
            let mut got = 0;
            while got < wanted {
                let frame = body.frame().await.expect("more").expect("a frame");
                got += frame.data_ref().map_or(0, |data| data.len() as u64);
            }
            let rest = tokio::spawn(async move {
                let rest = body.collect().await;
                rest.is_ok_and(|rest| got + rest.to_bytes().len() as u64 == length)
            });
            *self.first.lock().expect("no panic") = Some(rest);
            return self.refusal.answer();
        }
        let body = body.collect().await.expect("a whole body").to_bytes();
        let (status, answer) = self.server.ask(Request::from_parts(head, body)).await;
        let answer = Response::builder().status(status).body(Full::from(answer));
        answer.expect("an answer")
    }

    /// Whether the first attempt went out whole.
    async fn first_is_whole(&self) -> bool {
        let first = self.first.lock().expect("no panic").take();
        first.expect("an attempt").await.expect("no panic")
    }
}

type Answered = Response<PeekBody<Full<Bytes>>>;

fn service(
    gateway: &Gateway,
    mode: Mode,
    kept: Kept,
) -> BoxCloneService<Request<Generated>, Answered, BoxError> {
    let layer = layer(gateway.refusal);
    let chunked = mode.chunked().chunk_size(8 * KIB as usize).expect("a size");
    let answering = gateway.clone();
    let gateway = service_fn(move |request| {
        let answer = answering.clone().answer(request);
        async { Ok::<_, Infallible>(answer.await) }
    });
    match kept {
        Kept::Replay(limit) => ServiceBuilder::new()
            .layer(layer.retry_rejected(chunked.keeping(ReplayBody::new(limit))))
            .map_request(|request: Request<ChunkedBody<ReplayedBody<Generated>>>| request.map(any))
            .service(gateway)
            .boxed_clone(),
        Kept::Clone => ServiceBuilder::new()
            .layer(layer.retry_rejected(chunked.keeping(CloneBody)))
            .map_request(|request: Request<ChunkedBody<Generated>>| request.map(any))
            .service(gateway)
            .boxed_clone(),
    }
}

/// One that lacks what it is refused for.
fn layer(refusal: Refusal) -> SigV4Layer<Renewed, Buffer, InspectErrors> {
    let source = Renewed::default();
    let layer = SigV4Layer::new(REGION, "s3", source.clone()).expect("a layer");
    let layer = layer.inspect_errors(64 * 1024);
    match refusal {
        Refusal::Expired => layer,
        Refusal::Skewed => {
            source.0.store(1, Ordering::SeqCst);
            layer.clock(Clock::from_fn(|| now() - Duration::from_secs(3600)))
        }
    }
}

#[tokio::test]
async fn what_was_refused_is_signed_anew_and_accepted() {
    let (server, _folder) = InProcess::new();
    let mut random = Random(0x5eed_0000_0006_0037);
    let (mut uploads, mut stopped) = (0, 0);
    for mode in Mode::all() {
        for refusal in [Refusal::Expired, Refusal::Skewed] {
            for when in [When::AtOnce, When::HalfWay, When::AtTheEnd] {
                let length = 1 + random.below(100_000) as u64;
                for kept in [Kept::Replay(length as usize), Kept::Clone] {
                    let what = format!("{mode:?}, {refusal:?}, {when:?}, {kept:?}, {length} bytes");
                    let gateway = Gateway::new(&server, refusal, when);
                    let service = service(&gateway, mode, kept);
                    let (seed, largest) = (random.next(), random.pick(&[100, 10_000, 50_000]));
                    let put = mode.put(URI, Generated::new(seed, length, largest));
                    let answer = service.clone().oneshot(put).await.expect(&what);
                    let (status, answer) = read(answer).await;
                    assert_eq!(status, StatusCode::OK, "{what}: {answer}");
                    assert_eq!(gateway.sends.load(Ordering::SeqCst), 2, "{what}");
                    if !gateway.first_is_whole().await {
                        stopped += 1;
                    }

                    let get = Request::get(URI).body(Generated::nothing());
                    let answer = service.oneshot(get.expect("a request")).await.expect(&what);
                    assert_eq!(answer.status(), StatusCode::OK, "{what}");
                    let object = answer.into_body().collect().await.expect(&what).to_bytes();
                    assert!(object == generated::bytes(seed, 0, length), "{what}");
                    uploads += 1;
                }
            }
        }
    }
    assert!(stopped >= uploads / 6, "{stopped} of {uploads}");
    promise(
        18,
        format_args!(
            "{uploads} of {uploads} uploads in chunks refused at first, {stopped} of them stopped on their way: signed \
             anew they are accepted by s3s, and are the objects they were"
        ),
    );
}

/// What was kept, and what is still to come.
#[tokio::test]
async fn a_body_beyond_the_limit_can_be_refused_early() {
    const LIMIT: usize = 10_000;
    const LENGTH: u64 = 10 * LIMIT as u64;
    let (server, _folder) = InProcess::new();
    let (mut again, mut once) = (0, 0);
    for mode in Mode::all() {
        for when in [When::AtOnce, When::HalfWay, When::AtTheEnd] {
            let what = format!("{mode:?}, {when:?}");
            let gateway = Gateway::new(&server, Refusal::Expired, when);
            let service = service(&gateway, mode, Kept::Replay(LIMIT));
            let put = mode.put(URI, Generated::new(1, LENGTH, 1_000));
            let (status, answer) = read(service.oneshot(put).await.expect(&what)).await;
            let sends = gateway.sends.load(Ordering::SeqCst);
            if matches!(when, When::AtOnce) {
                assert_eq!((status, sends), (StatusCode::OK, 2), "{what}: {answer}");
                assert!(!gateway.first_is_whole().await, "{what}");
                again += 1;
            } else {
                assert_eq!((status, sends), (StatusCode::FORBIDDEN, 1), "{what}");
                assert_eq!(answer, read(Refusal::Expired.answer()).await.1, "{what}");
                assert!(gateway.first_is_whole().await, "{what}: the upload goes on");
                once += 1;
            }
        }
    }
    promise(
        18,
        format_args!(
            "{again} of {again} uploads in chunks, larger than what is kept, sent again when refused at once; {once} \
             refused later, and sent once"
        ),
    );
}
