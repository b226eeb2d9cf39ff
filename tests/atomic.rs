//! A failed authorization leaves nothing half done: whatever step fails, nothing was sent.

use std::future::ready;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use bytes::Bytes;
use futures::stream;
use http::{HeaderMap, HeaderValue, Request, Response, Version, request};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use tower::util::BoxCloneSyncService;
use tower::{Layer, Service, ServiceExt};
use tower_client_auth::sigv4::{Signer, SigningCredentials, SigningOptions, SigningScope};
use tower_client_auth::{
    ApiKeyLayer, AuthError, AuthErrorKind, BearerTokenLayer, BoxError, Buffer, Cached, Clock,
    Existing, PayloadHash, SigV4Layer, Token, token_fn,
};

use crate::support::{Recorder, promise};

const ORIGIN: &str = "https://api.example.com";
const GOOD: &str = "https://api.example.com/orders?a=1";

type Body = UnsyncBoxBody<Bytes, io::Error>;
type Client = BoxCloneSyncService<Request<Body>, Response<Full<Bytes>>, BoxError>;

/// Clients over one recorder, the failures they were driven into, and what they failed at.
struct Bench {
    recorder: Recorder,
    failures: usize,
}

impl Bench {
    fn client<L>(&self, layer: L) -> Client
    where
        L: Layer<Recorder>,
        L::Service: Service<Request<Body>, Response = Response<Full<Bytes>>, Error = BoxError>,
        L::Service: Clone + Send + Sync + 'static,
        <L::Service as Service<Request<Body>>>::Future: Send,
    {
        BoxCloneSyncService::new(layer.layer(self.recorder.clone()))
    }

    async fn fails(
        &mut self,
        step: &str,
        client: &Client,
        request: Request<Body>,
        kind: AuthErrorKind,
    ) {
        let outcome = client.clone().oneshot(request).await;
        let Err(error) = outcome else {
            panic!("{step}: the request went through");
        };
        let found = AuthError::find(error.as_ref()).map(AuthError::kind);
        assert_eq!(found, Some(kind), "{step}: {error}");
        assert!(
            self.recorder.seen().is_empty(),
            "{step}: something was sent"
        );
        self.failures += 1;
    }
}

fn request(uri: &str) -> Request<Body> {
    let body = Full::from("hello").map_err(|never| match never {});
    Request::put(uri)
        .body(body.boxed_unsync())
        .expect("a request")
}

fn with(name: &'static str, value: &'static str) -> Request<Body> {
    let mut request = request(GOOD);
    request
        .headers_mut()
        .append(name, HeaderValue::from_static(value));
    request
}

fn crowded() -> Request<Body> {
    let mut request = request(GOOD);
    *request.headers_mut() = full();
    request
}

/// As many headers as a map can hold.
fn full() -> HeaderMap {
    let mut map = HeaderMap::new();
    for at in 0.. {
        let name = http::HeaderName::try_from(format!("x-{at}")).expect("a name");
        if map.try_insert(name, HeaderValue::from_static("")).is_err() {
            break;
        }
    }
    map
}

fn bearer<T: tower_client_auth::TokenSource>(source: T) -> BearerTokenLayer<T> {
    BearerTokenLayer::new(ORIGIN, source).expect("a layer")
}

fn api_key() -> ApiKeyLayer {
    ApiKeyLayer::new(ORIGIN, "da2-fakeApiId123456").expect("a layer")
}

fn credentials(end: Option<SystemTime>) -> Credentials {
    Credentials::new("AKIDEXAMPLE", "secret", Some("session".into()), end, "test")
}

fn sigv4() -> SigV4Layer<SigningCredentials> {
    let layer = SigV4Layer::new("eu-west-1", "s3", credentials(None)).expect("a layer");
    layer.scope(ORIGIN).expect("an origin")
}

fn past() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1)
}

#[tokio::test]
async fn whatever_step_fails_nothing_is_sent() {
    use AuthErrorKind::*;
    let mut bench = Bench {
        recorder: Recorder::new(),
        failures: 0,
    };

    // The first step is the same for all.
    let strict = Existing::Reject;
    let query = api_key().query("key").expect("a name").existing(strict);
    let token = Token::from("mF_9");
    let schemes = [
        (
            bench.client(bearer(token.clone()).existing(strict)),
            with("authorization", "Basic x"),
        ),
        (
            bench.client(api_key().existing(strict)),
            with("x-api-key", "x"),
        ),
        (
            bench.client(query),
            request("https://api.example.com/?k%65y=x"),
        ),
        (
            bench.client(sigv4().existing(strict)),
            with("authorization", "Basic x"),
        ),
    ];
    for (client, taken) in schemes {
        for (step, request, kind) in [
            ("host mismatch", with("host", "elsewhere.example"), Request),
            ("plain text", request("http://api.example.com/"), PlainText),
            ("relative", request("/orders"), Request),
            ("port", request("https://api.example.com:99999/"), Request),
            ("taken", taken, Request),
        ] {
            bench.fails(step, &client, request, kind).await;
        }
    }

    let long = format!("https://api.example.com/{}", "x".repeat(65_510));
    let query = bench.client(api_key().query("key").expect("a name"));
    bench
        .fails("too long", &query, request(&long), Request)
        .await;
    bench
        .fails("too many", &bench.client(api_key()), crowded(), Request)
        .await;

    let down = || ready(Err::<Token, _>(io::Error::from(io::ErrorKind::TimedOut)));
    let over = || ready(Ok::<_, BoxError>(Token::from("mF_9").expires_at(past())));
    for (step, client, kind) in [
        ("source", bench.client(bearer(token_fn(down))), Source),
        (
            "cache",
            bench.client(bearer(Cached::new(token_fn(down)))),
            Source,
        ),
        (
            "cached expiry",
            bench.client(bearer(Cached::new(over))),
            Expired,
        ),
        ("expiry", bench.client(bearer(over)), Expired),
        (
            "malformed",
            bench.client(bearer(Token::from("a\nb"))),
            MalformedCredential,
        ),
    ] {
        bench.fails(step, &client, request(GOOD), kind).await;
    }
    bench
        .fails("too many", &bench.client(bearer(token)), crowded(), Request)
        .await;

    let never = Clock::from_fn(|| SystemTime::UNIX_EPOCH - Duration::from_secs(1));
    let over = SigV4Layer::new("eu-west-1", "s3", credentials(Some(past()))).expect("a layer");
    let over = over.scope(ORIGIN).expect("an origin");
    let torn = || {
        let frames = [
            Ok(Frame::data("hel".into())),
            Err(io::ErrorKind::BrokenPipe.into()),
        ];
        request(GOOD).map(|_| StreamBody::new(stream::iter(frames)).boxed_unsync())
    };
    for (step, client, request, kind) in [
        (
            "over the limit",
            bench.client(sigv4().payload(Buffer::new(4))),
            request(GOOD),
            PayloadTooLarge,
        ),
        ("body error", bench.client(sigv4()), torn(), Payload),
        (
            "length",
            bench.client(sigv4()),
            with("content-length", "4"),
            Request,
        ),
        ("expiry", bench.client(over), request(GOOD), Expired),
        (
            "signing time",
            bench.client(sigv4().clock(never)),
            request(GOOD),
            Request,
        ),
        ("too many", bench.client(sigv4()), crowded(), Request),
    ] {
        bench.fails(step, &client, request, kind).await;
    }
    promise(
        34,
        format!("{} failed requests, nothing sent", bench.failures),
    );
}

/// Everything there is to a head: order and sensitivity count.
fn image(head: &request::Parts) -> String {
    let headers: Vec<_> = head
        .headers
        .iter()
        .map(|(name, value)| (name, value.as_bytes(), value.is_sensitive()))
        .collect();
    let tag = head.extensions.get::<u32>();
    let (method, uri, version) = (&head.method, &head.uri, head.version);
    format!(
        "{method:?} {uri:?} {version:?} {headers:?} {} {tag:?}",
        head.extensions.len()
    )
}

#[test]
fn a_head_that_cannot_be_signed_is_as_it_was() {
    let scope = SigningScope::new("eu-west-1", "s3").expect("a scope");
    let signer = Signer::new(scope, SigningOptions::for_service("s3"));
    let credentials = SigningCredentials::new(credentials(None)).expect("credentials");
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let head = |uri: &str, hosts: &[&'static str]| {
        let mut request = Request::patch(uri)
            .version(Version::HTTP_2)
            .extension(7_u32)
            .header("x-b", "2")
            .header("x-amz-date", "20150830T123600Z")
            .header("authorization", "AWS4-HMAC-SHA256 of yesterday")
            .header("x-a", " 1 ")
            .header("x-b", "1")
            .body(())
            .expect("a request");
        for host in hosts {
            request
                .headers_mut()
                .append("host", HeaderValue::from_static(host));
        }
        if let Some(value) = request.headers_mut().get_mut("x-a") {
            value.set_sensitive(true);
        }
        request.into_parts().0
    };
    let mut crowded = head(GOOD, &[]);
    for (name, value) in full() {
        if crowded
            .headers
            .try_append(name.expect("a name"), value)
            .is_err()
        {
            break;
        }
    }
    let before_time = SystemTime::UNIX_EPOCH - Duration::from_nanos(1);
    let after_time = SystemTime::UNIX_EPOCH + Duration::from_secs(253_402_300_800);
    for (step, mut head, time) in [
        ("no host", head("/orders?a=1", &[]), now),
        ("an empty host", head(GOOD, &[""]), now),
        ("two hosts", head(GOOD, &["a", "b"]), now),
        ("before 1970", head(GOOD, &[]), before_time),
        ("after 9999", head(GOOD, &[]), after_time),
        ("too many headers", crowded, now),
    ] {
        let before = image(&head);
        let error = signer.sign(&mut head, &credentials, &PayloadHash::EMPTY, time);
        assert_eq!(
            error.expect_err(step).kind(),
            AuthErrorKind::Request,
            "{step}"
        );
        assert!(image(&head) == before, "{step}: the head has changed");
    }
    // The same head signs where nothing is in the way.
    let mut good = head(GOOD, &[]);
    let before = image(&good);
    signer
        .sign(&mut good, &credentials, &PayloadHash::EMPTY, now)
        .expect("a signature");
    assert!(image(&good) != before);
    promise(34, "6 heads that could not be signed, all as they were");
}

/// The one request that is sent although its authorization failed is the first of two, and its
/// answer is then the caller's.
#[tokio::test]
async fn a_failed_second_attempt_sends_nothing_more() {
    let recorder = Recorder::answering(|_, _| {
        Response::builder()
            .status(401)
            .body(Full::default())
            .expect("an answer")
    });
    let asked = Arc::<AtomicUsize>::default();
    let count = Arc::clone(&asked);
    let source = token_fn(move || {
        ready(match count.fetch_add(1, Ordering::Relaxed) {
            0 => Ok(Token::from("mF_9")),
            _ => Err(io::Error::from(io::ErrorKind::TimedOut)),
        })
    });
    let layer = bearer(source).retry_rejected(tower_client_auth::CloneBody);
    let request = Request::put(GOOD)
        .body(Full::<Bytes>::from("hello"))
        .expect("a request");
    let answer = layer.layer(recorder.clone()).oneshot(request).await;
    assert_eq!(answer.expect("the first answer").status(), 401);
    assert_eq!(recorder.only().one("authorization"), "Bearer mF_9");
    assert_eq!(asked.load(Ordering::Relaxed), 2);
}
