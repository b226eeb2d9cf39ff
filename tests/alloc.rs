//! What is allocated, how much of it at once, and what is in it when it is given back.
//!
//! A binary of its own, because an allocator is for the whole program.

#[path = "alloc/chunks.rs"]
mod chunks;
#[path = "alloc/meter.rs"]
mod meter;
#[path = "../benches/sign/requests.rs"]
mod requests;
#[allow(dead_code, reason = "shared with tests that need more of it")]
#[path = "support.rs"]
mod support;
#[path = "alloc/wiping.rs"]
mod wiping;

use std::cell::Cell;
use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use bytes::Bytes;
use futures::FutureExt as _;
use futures::executor::block_on;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Empty, Full};
use tower::{Layer, Service, service_fn};
use tower_client_auth::sigv4::{Presigning, SigningCredentials};
use tower_client_auth::{
    ApiConfig, ApiKeyLayer, AuthBody, AuthError, AuthErrorKind, AuthorizationMode,
    BearerTokenLayer, BoxError, Buffer, Cached, CloneBody, Config, SigV4Layer, Token, TokenSource,
};
use tower_http::auth::AddAuthorizationLayer;
use tower_http::set_header::SetRequestHeaderLayer;

use self::meter::measure;
use self::support::promise;

#[global_allocator]
static METER: meter::Meter = meter::Meter;

const MIB: usize = 1024 * 1024;
const TEN_GIB: u64 = 10 * 1024 * MIB as u64;
const ORIGIN: &str = "https://api.example.com";
const HOUR: Duration = Duration::from_secs(3600);

/// A body far larger than memory: one chunk, over and over.
struct Synthetic {
    chunk: Bytes,
    left: u64,
    known: bool,
    read: Rc<Cell<u64>>,
}

impl Synthetic {
    fn new(chunk: usize, length: u64, known: bool) -> (Self, Rc<Cell<u64>>) {
        let read = Rc::new(Cell::new(0));
        let body = Self {
            chunk: Bytes::from(vec![b'x'; chunk]),
            left: length,
            known,
            read: Rc::clone(&read),
        };
        (body, read)
    }
}

impl Body for Synthetic {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let next = self.left.min(self.chunk.len() as u64);
        self.left -= next;
        self.read.set(self.read.get() + next);
        Poll::Ready(Some(Ok(Frame::data(self.chunk.slice(..next as usize)))))
    }

    fn size_hint(&self) -> SizeHint {
        match self.known {
            true => SizeHint::with_exact(self.left),
            false => SizeHint::default(),
        }
    }
}

fn credentials() -> Credentials {
    Credentials::new("AKIDEXAMPLE", "secret", None, None, "test")
}

fn sigv4(limit: usize) -> SigV4Layer<SigningCredentials> {
    let layer = SigV4Layer::new("eu-west-1", "s3", credentials()).expect("a layer");
    layer
        .scope(ORIGIN)
        .expect("an origin")
        .payload(Buffer::new(limit))
}

fn put<B>(body: B) -> Request<B> {
    Request::put("https://api.example.com/object")
        .body(body)
        .expect("a request")
}

/// Reads a body as it comes and keeps nothing, as a transport does.
async fn upload<B>(request: Request<B>) -> Result<Response<u64>, BoxError>
where
    B: Body<Data = Bytes, Error = Infallible>,
{
    read(request).await
}

async fn read<B>(request: Request<B>) -> Result<Response<u64>, BoxError>
where
    B: Body<Data = Bytes>,
    BoxError: From<B::Error>,
{
    let mut body = pin!(request.into_body());
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        length += frame?.data_ref().map_or(0, Bytes::len) as u64;
    }
    Ok(Response::new(length))
}

#[test]
fn a_body_over_the_limit_costs_no_more_than_the_limit() {
    for (chunk, known) in [
        (64 * 1024, false),
        (64 * 1024, true),
        (1, false),
        (3 * MIB, false),
    ] {
        let (body, read) = Synthetic::new(chunk, TEN_GIB, known);
        let mut service = sigv4(MIB).layer(service_fn(upload::<AuthBody<Synthetic>>));
        let (answer, _, peak) = measure(|| block_on(service.call(put(body))));
        let error = answer.expect_err("too large");
        let error = AuthError::find(error.as_ref()).expect("an error of the layer");
        assert_eq!(error.kind(), AuthErrorKind::PayloadTooLarge);
        assert!(error.to_string().contains("1048576 bytes"), "{error}");
        assert!(peak < 4 * MIB, "{peak}");
        let most = if known { 0 } else { MIB + chunk };
        assert!(read.get() <= most as u64, "{} of {most}", read.get());
        promise(
            33,
            format!(
                "10 GiB in chunks of {chunk} bytes, length {}, limit 1 MiB: {} KiB peak heap, \
                 {} KiB read",
                if known { "known" } else { "unknown" },
                peak / 1024,
                read.get() / 1024,
            ),
        );
    }
}

#[test]
fn a_body_up_to_the_limit_costs_no_multiple_of_it() {
    for chunk in [1, 7, 4096, MIB] {
        let (body, read) = Synthetic::new(chunk, MIB as u64, false);
        let mut service = sigv4(MIB).layer(service_fn(upload::<AuthBody<Synthetic>>));
        let (answer, _, peak) = measure(|| block_on(service.call(put(body))));
        let answer = answer.expect("an answer");
        assert_eq!(answer.into_body(), MIB as u64);
        assert_eq!(read.get(), MIB as u64);
        assert!(peak < 4 * MIB, "{peak}");
        promise(
            33,
            format!(
                "1 MiB in chunks of {chunk} bytes: {} KiB peak heap",
                peak / 1024
            ),
        );
    }
}

#[test]
fn an_endless_body_streams_through() {
    let bearer = BearerTokenLayer::new(ORIGIN, Token::from("mF_9")).expect("a layer");
    let mut bearer = bearer.payload(Buffer::new(MIB)).layer(service_fn(upload));
    let mut unsigned = sigv4(MIB).unsigned_payload().layer(service_fn(upload));
    for name in ["bearer", "unsigned"] {
        let (body, _) = Synthetic::new(64 * 1024, TEN_GIB, false);
        let (answer, _, peak) = measure(|| match name {
            "bearer" => bearer.call(put(body)).now_or_never(),
            _ => unsigned.call(put(body)).now_or_never(),
        });
        let answer = answer.expect("at once").expect("an answer");
        assert_eq!(answer.into_body(), TEN_GIB);
        assert!(peak < 64 * 1024, "{peak}");
        promise(
            33,
            format!("10 GiB streamed through a {name} layer: {peak} bytes peak heap"),
        );
    }
}

type Plain = Request<Empty<Bytes>>;

/// What a warm request costs: built beforehand, and dropped afterwards.
fn cost<S>(service: &mut S, headers: usize) -> usize
where
    S: Service<Plain, Response = Response<()>>,
    S::Error: std::fmt::Debug,
{
    cost_of(service, || {
        let mut request = put(Empty::new());
        for at in 0..headers {
            let name = HeaderName::try_from(format!("x-header-{at}")).expect("a name");
            request
                .headers_mut()
                .insert(name, HeaderValue::from_static("value"));
        }
        request
    })
}

fn cost_of<S>(service: &mut S, request: impl Fn() -> Plain) -> usize
where
    S: Service<Plain, Response = Response<()>>,
    S::Error: std::fmt::Debug,
{
    for _ in 0..3 {
        service
            .call(request())
            .now_or_never()
            .expect("at once")
            .expect("an answer");
    }
    let requests: Vec<_> = (0..10).map(|_| request()).collect();
    let (_, count, _) = measure(|| {
        for request in requests {
            service
                .call(request)
                .now_or_never()
                .expect("at once")
                .expect("an answer");
        }
    });
    assert_eq!(count % 10, 0, "every request costs the same");
    count / 10
}

async fn nothing(_request: Plain) -> Result<Response<()>, Infallible> {
    Ok(Response::new(()))
}

/// The header values of a signature and the growth of the map they go into; nothing else.
#[test]
fn a_signature_allocates_nothing_but_headers() {
    const MOST: usize = 3;
    for sample in requests::samples() {
        let (signer, credentials) = sample.signer();
        let layer = SigV4Layer::new(requests::REGION, sample.service, sample.credentials());
        let layer = match sample.signed {
            true => layer.expect("a layer"),
            false => layer.expect("a layer").unsigned_payload(),
        };
        let mut service = layer.layer(service_fn(async |request| {
            drop::<Request<AuthBody<Full<Bytes>>>>(request);
            Ok::<_, Infallible>(Response::new(()))
        }));
        let sign = || {
            let (mut head, payload) = (sample.fresh(), sample.payload());
            let time = SystemTime::UNIX_EPOCH + HOUR;
            measure(|| {
                signer
                    .sign(&mut head, &credentials, &payload, time)
                    .expect("signed")
            })
            .1
        };
        let mut call = || {
            let request = Request::from_parts(sample.fresh(), Full::new(sample.body.clone()));
            measure(|| {
                service
                    .call(request)
                    .now_or_never()
                    .expect("at once")
                    .expect("signed")
            })
            .1
        };
        // What a thread keeps, and what the signatures of a second share: the layer reads the clock, so
        // that another second may begin at any call.
        sign();
        call();
        let (signed, called) = ((0..10).map(|_| sign()).max(), (0..10).map(|_| call()).min());
        let (signed, called) = (signed.expect("ten"), called.expect("ten"));
        promise(
            33,
            format!(
                "{} ({}): a signature makes {signed} allocations, a call of the layer {called}",
                sample.name, sample.what
            ),
        );
        assert!(signed <= MOST && called <= MOST, "{signed} {called}");
    }
}

/// Two for the URL, and nothing else: the text of path and query, and what clones of its authority share.
#[test]
fn a_presigned_url_allocates_nothing_but_its_text() {
    const MOST: usize = 2;
    let minute = Presigning::expires_in(Duration::from_secs(60)).expect("a time");
    for sample in requests::samples() {
        let (signer, credentials) = sample.signer();
        let sign = || {
            let (mut head, payload) = (sample.fresh(), sample.payload());
            let time = SystemTime::UNIX_EPOCH + HOUR;
            let sign = || signer.presign(&mut head, &credentials, &payload, time, &minute);
            let (signed, count, _) = measure(sign);
            signed.expect("signed");
            count
        };
        sign();
        let most = (0..10).map(|_| sign()).max().expect("ten");
        promise(
            33,
            format!(
                "{} ({}): a presigned URL makes {most} allocations",
                sample.name, sample.what
            ),
        );
        assert!(most <= MOST, "{most}");
    }
}

/// A selector's layer costs what the layer of its mode costs.
#[test]
fn a_selected_request_allocates_no_more_than_with_the_layer_of_its_mode() {
    const KEY: &str = "da2-fakeApiId123456";
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime");
    let _entered = runtime.enter();
    let credentials = || Credentials::new("AKIDEXAMPLE", "secret", None, None, "test");
    let source = Cached::new(|| async { Ok(Token::from("mF_9").expires_in(HOUR)) });
    runtime.block_on(source.token()).expect("a token");

    let mut config = Config::default();
    for (name, mode) in [
        ("key", AuthorizationMode::ApiKey),
        ("token", AuthorizationMode::OpenIdConnect),
        ("iam", AuthorizationMode::AwsIam),
    ] {
        // Three of one host, so that all of them have to be searched.
        let mut api = ApiConfig::new(format!("{ORIGIN}/{name}"), mode).expect("a URL");
        api.region = Some("eu-west-1".to_owned());
        api.api_key = Some(KEY.into());
        config.apis.insert(name.to_owned(), api);
    }
    let selector = config
        .selector()
        .aws_credentials(credentials())
        .and_then(|selector| selector.tokens(AuthorizationMode::OpenIdConnect, source.clone()))
        .expect("a selector");
    let all = selector.layer_for_all().expect("a layer");

    let key = ApiKeyLayer::new(ORIGIN, KEY).expect("a layer");
    let token = BearerTokenLayer::new(ORIGIN, source).expect("a layer");
    let iam = SigV4Layer::new("eu-west-1", "execute-api", credentials())
        .and_then(|layer| layer.scope(ORIGIN))
        .expect("a layer");
    let costs = [
        (
            "API_KEY",
            cost_at("/key/x", &mut all.layer(service_fn(no_body))),
            cost_at("/key/x", &mut key.layer(service_fn(nothing))),
        ),
        (
            "OPENID_CONNECT",
            cost_at("/token/x", &mut all.layer(service_fn(no_body))),
            cost_at("/token/x", &mut token.layer(service_fn(nothing))),
        ),
        (
            "AWS_IAM",
            cost_at("/iam/x", &mut all.layer(service_fn(no_body))),
            cost_at("/iam/x", &mut iam.layer(service_fn(no_body))),
        ),
    ];
    for (mode, selected, own) in costs {
        println!("allocations of a request in mode {mode}: {selected}, of its own layer {own}");
        assert!(selected <= own, "{mode}: {selected} > {own}");
    }
}

async fn no_body(_request: Request<AuthBody<Empty<Bytes>>>) -> Result<Response<()>, Infallible> {
    Ok(Response::new(()))
}

/// What a warm request to a path costs.
/// To be able to send a request again costs a copy of its headers, and nothing else.
#[test]
fn a_request_that_may_be_sent_again_costs_a_clone_of_its_headers() {
    for headers in [0, 1, 5, 20] {
        let token = || BearerTokenLayer::new(ORIGIN, Token::from("token")).expect("a layer");
        let plain = cost(&mut token().layer(service_fn(nothing)), headers);
        let retrying = token().retry_rejected(CloneBody);
        let kept = cost(&mut retrying.layer(service_fn(nothing)), headers);
        let mut map = HeaderMap::new();
        for at in 0..headers {
            let name = HeaderName::try_from(format!("x-header-{at}")).expect("a name");
            map.insert(name, HeaderValue::from_static("value"));
        }
        let (_copy, clone, _) = measure(|| map.clone());
        promise(
            17,
            format!(
                "{headers} headers: {plain} allocations a request, {kept} with retries on; a clone of \
                 the headers makes {clone}"
            ),
        );
        assert!(kept - plain <= clone, "{headers}: {plain} {kept} {clone}");
    }
}

fn cost_at<S>(path: &str, service: &mut S) -> usize
where
    S: Service<Plain, Response = Response<()>>,
    S::Error: std::fmt::Debug,
{
    cost_of(service, || {
        let mut request = put(Empty::new());
        *request.uri_mut() = format!("{ORIGIN}{path}").parse().expect("a URI");
        request
    })
}

#[test]
fn a_warm_request_allocates_no_more_than_with_a_fixed_header() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime");
    let _entered = runtime.enter();
    let inner = service_fn(nothing);
    let text = HeaderValue::from_static("da2-fakeApiId123456");
    let name = HeaderName::from_static("x-api-key");
    let mut fixed = SetRequestHeaderLayer::overriding(name, text).layer(inner);
    let mut header = ApiKeyLayer::new(ORIGIN, "da2-fakeApiId123456")
        .expect("a layer")
        .layer(inner);
    let mut added = AddAuthorizationLayer::bearer("mF_9.B5f-4.1JqM").layer(inner);
    let token = Token::new("mF_9.B5f-4.1JqM").expect("a token");
    let mut bearer = BearerTokenLayer::new(ORIGIN, token)
        .expect("a layer")
        .layer(inner);
    let lasting = || async { Ok(Token::from("mF_9").expires_in(HOUR)) };
    let source = Cached::new(lasting);
    runtime.block_on(source.token()).expect("a token");
    let mut cached = BearerTokenLayer::new(ORIGIN, source)
        .expect("a layer")
        .layer(inner);

    // An empty map is allocated by the first header; one of six is full and must grow.
    for headers in [0, 3, 6, 20] {
        let (fixed, key) = (cost(&mut fixed, headers), cost(&mut header, headers));
        let added = cost(&mut added, headers);
        let (bearer, cached) = (cost(&mut bearer, headers), cost(&mut cached, headers));
        promise(
            33,
            format!(
                "allocations of a request with {headers} headers: API key {key} (set-header \
                 {fixed}), token {bearer}, cached token {cached} (add-authorization {added})"
            ),
        );
        assert!(key <= fixed, "{key} > {fixed}");
        assert!(
            bearer <= added && cached <= added,
            "{bearer}, {cached} > {added}"
        );
    }
}
