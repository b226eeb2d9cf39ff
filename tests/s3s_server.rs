//! s3s, somebody else's S3 server, checks what the layer signs: it must accept the request as it was
//! signed, and refuse it as soon as anything that was signed changes on the way.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use aws_credential_types::Credentials;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, HOST};
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, Version};
use http_body_util::{BodyExt, Full};
use s3s::auth::SimpleAuth;
use s3s::dto::{GetObjectInput, GetObjectOutput, PutObjectInput, PutObjectOutput, StreamingBlob};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};
use tower::{Layer, ServiceExt, service_fn};
use tower_client_auth::{
    AuthBody, AuthOverride, BoxError, Clock, IntoCredentialsSource, PayloadHash, Scope, SigV4Layer,
};

use crate::support::promise;

const KEY: &str = "AKIDEXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

/// Answers every GET with the key that was asked for, and reads what is PUT. All else is 501.
struct Echo;

type Pending<'a, T> = Pin<Box<dyn Future<Output = S3Result<S3Response<T>>> + Send + 'a>>;

/// Written out the way `async_trait` would.
impl S3 for Echo {
    fn get_object<'a, 'f>(
        &'a self,
        request: S3Request<GetObjectInput>,
    ) -> Pending<'f, GetObjectOutput>
    where
        'a: 'f,
        Self: 'f,
    {
        Box::pin(async move {
            let body = s3s::Body::from(request.input.key);
            Ok(S3Response::new(GetObjectOutput {
                body: Some(StreamingBlob::from(body)),
                ..GetObjectOutput::default()
            }))
        })
    }

    /// s3s checks the payload hash while the body is read, which is up to us.
    fn put_object<'a, 'f>(
        &'a self,
        request: S3Request<PutObjectInput>,
    ) -> Pending<'f, PutObjectOutput>
    where
        'a: 'f,
        Self: 'f,
    {
        Box::pin(async move {
            let body = request.input.body.map(s3s::Body::from).unwrap_or_default();
            match body.collect().await {
                Ok(_) => Ok(S3Response::new(PutObjectOutput::default())),
                Err(e) => Err(s3_error!(AccessDenied, "{e}")),
            }
        })
    }
}

/// What reaches the server of a request: an HTTP/1 client sends a path and `Host`, an HTTP/2 client
/// the whole URI and no `Host`.
#[derive(Clone, Copy, Debug)]
enum Wire {
    Http1,
    Http2,
}

type Signing = SigV4Layer<<Credentials as IntoCredentialsSource>::Source>;

type Change = dyn Fn(&mut Request<Bytes>) + Send + Sync;

/// What somebody between the layer and the server does to a request.
#[derive(Clone)]
struct Tamper {
    what: &'static str,
    change: Arc<Change>,
}

fn tamper(
    what: &'static str,
    change: impl Fn(&mut Request<Bytes>) + Send + Sync + 'static,
) -> Tamper {
    let change = Arc::new(change);
    Tamper { what, change }
}

fn nothing() -> Tamper {
    tamper("nothing", |_| {})
}

fn server() -> S3Service {
    let mut builder = S3ServiceBuilder::new(Echo);
    builder.set_auth(SimpleAuth::from_single(KEY, SECRET));
    builder.build()
}

async fn deliver(
    request: Request<AuthBody<Full<Bytes>>>,
    wire: Wire,
    tamper: Tamper,
) -> Result<Response<s3s::Body>, BoxError> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let mut request = Request::from_parts(head, body);
    match wire {
        Wire::Http1 => {
            let authority = request.uri().authority().expect("absolute").as_str();
            let host = HeaderValue::from_str(authority)?;
            request.headers_mut().entry(HOST).or_insert(host);
            let path = request.uri().path_and_query().expect("a path").as_str();
            *request.uri_mut() = path.parse()?;
        }
        Wire::Http2 => {
            request.headers_mut().remove(HOST);
            *request.version_mut() = Version::HTTP_2;
        }
    }
    let length = request.body().len().into();
    request.headers_mut().insert(CONTENT_LENGTH, length);
    (tamper.change)(&mut request);
    Ok(server().oneshot(request.map(Full::new)).await?)
}

/// The server's answer, with its text.
async fn ask(
    layer: &Signing,
    request: &Request<Bytes>,
    wire: Wire,
    change: &Tamper,
) -> (StatusCode, String) {
    let change = change.clone();
    let client = service_fn(move |request| deliver(request, wire, change.clone()));
    let request = request.clone().map(Full::new);
    let answer = layer.layer(client).oneshot(request).await.expect("sent");
    let status = answer.status();
    let body = answer
        .into_body()
        .collect()
        .await
        .expect("a body")
        .to_bytes();
    (status, String::from_utf8_lossy(&body).into_owned())
}

async fn accepted(layer: &Signing, request: &Request<Bytes>, change: &Tamper) -> String {
    let mut answers = Vec::new();
    for wire in [Wire::Http1, Wire::Http2] {
        let (status, body) = ask(layer, request, wire, change).await;
        assert_eq!(status, StatusCode::OK, "{wire:?} {request:?}: {body}");
        answers.push(body);
    }
    assert_eq!(answers[0], answers[1]);
    answers.remove(0)
}

/// `reason` is a code or a message: a request may be refused for more than one.
async fn refused(layer: &Signing, request: &Request<Bytes>, change: &Tamper, reason: &str) {
    for wire in [Wire::Http1, Wire::Http2] {
        let (status, body) = ask(layer, request, wire, change).await;
        let refused = status == StatusCode::FORBIDDEN && body.contains(&format!(">{reason}<"));
        let changed = change.what;
        assert!(
            refused,
            "{changed} changed, {wire:?} {request:?}: {status} {body}"
        );
    }
}

const MISMATCH: &str = "SignatureDoesNotMatch";
const HASH_MISMATCH: &str = "UploadStreamError: Sha256Mismatch";

fn layer() -> Signing {
    layer_of(KEY, SECRET, None)
}

fn layer_of(key: &str, secret: &str, token: Option<&str>) -> Signing {
    let token = token.map(str::to_owned);
    let credentials = Credentials::new(key, secret, token, None, "test");
    SigV4Layer::new("eu-west-1", "s3", credentials).expect("a layer")
}

fn uri(path: &str) -> String {
    format!("https://s3.eu-west-1.amazonaws.com/bucket{path}")
}

fn get(path: &str) -> Request<Bytes> {
    let request = Request::get(uri(path)).header("x-amz-meta-note", "a");
    request.body(Bytes::new()).expect(path)
}

fn put(body: &'static str) -> Request<Bytes> {
    let request = Request::put(uri("/key?a=1")).header("x-amz-meta-note", "a");
    request.body(body.into()).expect("a request")
}

fn edit_uri(request: &mut Request<Bytes>, edit: impl Fn(&str) -> String) {
    let edited = edit(&request.uri().to_string());
    *request.uri_mut() = edited.parse::<Uri>().expect(&edited);
}

/// Changes to what is signed, whatever the request.
fn tampering() -> [Tamper; 9] {
    const NOTE: &str = "x-amz-meta-note";
    let set = |request: &mut Request<Bytes>, name: &'static str, value: &str| {
        let value = HeaderValue::from_str(value).expect("a value");
        assert!(
            request.headers_mut().insert(name, value).is_some(),
            "{name}"
        );
    };
    [
        tamper("the path", |r| {
            edit_uri(r, |uri| uri.replacen("/bucket/", "/bucket/x", 1));
        }),
        tamper("the query", |r| {
            let sign = if r.uri().query().is_some() { '&' } else { '?' };
            edit_uri(r, |uri| format!("{uri}{sign}x=1"));
        }),
        tamper("the method", |r| *r.method_mut() = Method::DELETE),
        tamper("a header's value", move |r| set(r, NOTE, "b")),
        tamper("a header's number", |r| {
            let note = r.headers()[NOTE].clone();
            r.headers_mut().append(NOTE, note);
        }),
        tamper("a header's presence", |r| {
            assert!(r.headers_mut().remove(NOTE).is_some());
        }),
        tamper("the payload hash", move |r| {
            let other = PayloadHash::of(b"another body").to_string();
            set(r, "x-amz-content-sha256", &other);
        }),
        tamper("the time by seconds", move |r| {
            let date = r.headers()["x-amz-date"].to_str().expect("ASCII");
            let (rest, second) = date.split_at(date.len() - 2);
            let other = if second == "0Z" { "1Z" } else { "0Z" };
            let other = format!("{rest}{other}");
            set(r, "x-amz-date", &other);
        }),
        tamper("the host", move |r| {
            if r.headers().contains_key(HOST) {
                set(r, "host", "s3.us-east-1.amazonaws.com");
            } else {
                edit_uri(r, |uri| uri.replacen("eu-west-1", "us-east-1", 1));
            }
        }),
    ]
}

/// The request is accepted as it was signed, and refused after each change to it. How many were.
async fn accepted_only_untouched(layer: &Signing, request: &Request<Bytes>) -> usize {
    accepted(layer, request, &nothing()).await;
    let changes = tampering();
    for change in &changes {
        refused(layer, request, change, MISMATCH).await;
    }
    changes.len()
}

#[tokio::test]
async fn awkward_keys_are_accepted_and_mean_what_they_say() {
    let keys = [
        ("/a(b)!*'.txt", "a(b)!*'.txt"),
        ("/a%28b%29%21%2A%27.txt", "a(b)!*'.txt"),
        ("/a+b", "a+b"),
        ("/a%2Bb", "a+b"),
        ("/a%20b", "a b"),
        ("/a%2Fb", "a/b"),
        ("/a%2fb/", "a/b/"),
        ("/a%252Fb", "a%2Fb"),
        ("/caf%C3%A9", "café"),
        ("/caf%c3%a9", "café"),
        ("/café", "café"),
        ("/%7Ea~-._", "~a~-._"),
        ("/%41%2d%5F", "A-_"),
        ("/a:b@c=d;e,f$g&h", "a:b@c=d;e,f$g&h"),
        ("/\"{|}[]^\\", "\"{|}[]^\\"),
        ("/50%", "50%"),
        ("/50%zz", "50%zz"),
        ("//a//b//", "/a//b//"),
        ("/./a/../b/.", "./a/../b/."),
        ("/%2E%2e/a", "../a"),
    ];
    let layer = layer();
    let mut refusals = 0;
    for (path, key) in keys {
        assert_eq!(
            accepted(&layer, &get(path), &nothing()).await,
            key,
            "{path}"
        );
        refusals += accepted_only_untouched(&layer, &get(path)).await;
    }
    #[rustfmt::skip]
    let queries = [
        "?", "?a", "?a=", "?=a", "?a&&b&", "?a=b=c", "?a=1&a=1&a=2", "?x-amz-date=1&X-Amz-Date=2",
        "?b=2&a=1&C=3&a-b=4&a%20=5", "?a=%20&b=+&c=%2B", "?a=%2F&b=/&c=%2f", "?a=~-._%7E%2D",
        "?caf%C3%A9=%c3%a9", "?café=é", "?a=!*'();:@$,/?[]{}|^`\\", "?a=%&b=%zz&c=%2",
        "?a=%00%0A",
    ];
    for query in queries {
        let request = get(&format!("/key{query}"));
        refusals += accepted_only_untouched(&layer, &request).await;
    }
    promise(
        30,
        format_args!(
            "s3s accepts {} keys and {} queries over HTTP/1 and HTTP/2, and refuses all {refusals} \
             changes to them",
            keys.len(),
            queries.len(),
        ),
    );
}

#[tokio::test]
async fn odd_spacing_in_headers_is_accepted() {
    #[rustfmt::skip]
    let values = ["", " ", "  a   b  ", "\ta\t", "\"a   b\"", "a,  b", "a;b", "café"];
    for value in values {
        let mut request = get("/key");
        let value = HeaderValue::from_bytes(value.as_bytes()).expect("a value");
        request.headers_mut().append("x-note", value);
        accepted_only_untouched(&layer(), &request).await;
    }
    let mut request = get("/key");
    for value in ["b", " a  a ", "", "b"] {
        request
            .headers_mut()
            .append("x-note", HeaderValue::from_static(value));
    }
    accepted_only_untouched(&layer(), &request).await;
    let swap = tamper("the order of values", |r| {
        let mut values: Vec<_> = r.headers().get_all("x-note").iter().cloned().collect();
        values.reverse();
        r.headers_mut().remove("x-note");
        for value in values {
            r.headers_mut().append("x-note", value);
        }
    });
    refused(&layer(), &request, &swap, MISMATCH).await;
}

/// s3s differs from AWS's documentation here, or cannot tell what was sent. Where it comes round,
/// the case belongs above.
#[tokio::test]
async fn what_s3s_reads_in_another_way_is_refused() {
    // It sorts by name alone; AWS sorts parameters of one name by value.
    refused(&layer(), &get("/key?a=2&a=1"), &nothing(), MISMATCH).await;
    // It takes the query for UTF-8, and replaces what is not.
    refused(&layer(), &get("/key?a=%FF"), &nothing(), MISMATCH).await;
    // It makes spaces of tabs and no-break spaces; AWS folds spaces.
    // It does not see header values that are not UTF-8.
    for value in [b"a\tb".as_slice(), b"a\xc2\xa0b", b"\xff"] {
        let mut request = get("/key");
        let value = HeaderValue::from_bytes(value).expect("a value");
        request.headers_mut().append("x-note", value);
        refused(&layer(), &request, &nothing(), MISMATCH).await;
    }
    // It takes the key for UTF-8, as S3 does, and does not get as far as the signature.
    let (status, _) = ask(&layer(), &get("/%FF"), Wire::Http1, &nothing()).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn every_spelling_of_the_host_is_accepted() {
    let v6 = Scope::origin("https://[2001:db8::1]:8443").expect("a scope");
    let layer = layer().scope(Scope::aws().union(v6)).expect("a layer");
    for origin in [
        "https://s3.eu-west-1.amazonaws.com:443",
        "https://S3.EU-west-1.amazonaws.com",
        "https://s3.eu-west-1.amazonaws.com:8443",
        "https://user:password@s3.eu-west-1.amazonaws.com",
        "https://[2001:db8::1]:8443",
        "http://localhost:80",
        "http://127.0.0.1:9000",
    ] {
        let request = Request::get(format!("{origin}/bucket/key"));
        let request = request.body(Bytes::new()).expect("a request");
        accepted(&layer, &request, &nothing()).await;
    }
    let mut request = get("/key");
    let host = HeaderValue::from_static("S3.eu-west-1.amazonaws.com:443");
    request.headers_mut().insert(HOST, host);
    accepted(&layer, &request, &nothing()).await;
}

#[tokio::test]
async fn a_signed_body_cannot_change() {
    let other_body = tamper("the body", |r| *r.body_mut() = Bytes::from_static(b"hallo"));
    for body in ["", "hello"] {
        accepted_only_untouched(&layer(), &put(body)).await;
    }
    refused(&layer(), &put("hello"), &other_body, HASH_MISMATCH).await;
}

#[tokio::test]
async fn a_known_payload_hash_is_taken_and_a_wrong_one_refused() {
    let mut request = put("hello");
    let known = AuthOverride::new().payload_hash(PayloadHash::of(b"hello"));
    request.extensions_mut().insert(known);
    accepted_only_untouched(&layer(), &request).await;

    let wrong = AuthOverride::new().payload_hash(PayloadHash::of(b"hallo"));
    request.extensions_mut().insert(wrong);
    refused(&layer(), &request, &nothing(), HASH_MISMATCH).await;
}

#[tokio::test]
async fn an_unsigned_body_may_change_and_nothing_else() {
    let layer = layer().unsigned_payload();
    let other_body = tamper("the body", |r| *r.body_mut() = Bytes::from_static(b"hallo"));
    accepted(&layer, &put("hello"), &other_body).await;
    accepted_only_untouched(&layer, &put("hello")).await;
}

#[tokio::test]
async fn headers_that_change_on_the_way_are_not_signed() {
    let mut request = put("hello");
    #[rustfmt::skip]
    let changing = ["user-agent", "x-forwarded-for", "via", "traceparent", "accept-encoding", "te"];
    for name in changing {
        request
            .headers_mut()
            .insert(name, HeaderValue::from_static("before"));
    }
    let change = tamper("what proxies change", move |r| {
        for name in changing {
            r.headers_mut()
                .insert(name, HeaderValue::from_static("after"));
        }
    });
    accepted(&layer(), &request, &change).await;
}

#[tokio::test]
async fn only_the_right_credentials_are_accepted() {
    for request in [get("/key"), put("hello")] {
        let wrong = layer_of(KEY, "another secret", None);
        refused(&wrong, &request, &nothing(), MISMATCH).await;
        let unknown = layer_of("AKIDNOBODY", SECRET, None);
        refused(&unknown, &request, &nothing(), "NotSignedUp").await;
        let unsigned = tamper("the signature", |r| {
            assert!(r.headers_mut().remove(AUTHORIZATION).is_some())
        });
        refused(&layer(), &request, &unsigned, "AccessDenied").await;
    }
}

#[tokio::test]
async fn a_session_token_cannot_change_or_go_missing() {
    let name = "x-amz-security-token";
    let layer = layer_of(KEY, SECRET, Some("IQoJb3JpZ2luX2VjE/+=="));
    let other = tamper("the token", move |r| {
        let other = HeaderValue::from_static("IQoJb3JpZ2luX2VjE/+=a");
        assert!(r.headers_mut().insert(name, other).is_some());
    });
    let missing = tamper("the token", move |r| {
        assert!(r.headers_mut().remove(name).is_some())
    });
    for request in [get("/key"), put("hello")] {
        accepted_only_untouched(&layer, &request).await;
        refused(&layer, &request, &other, MISMATCH).await;
        refused(&layer, &request, &missing, MISMATCH).await;
    }
}

#[tokio::test]
async fn a_clock_may_be_off_by_minutes_and_no_more() {
    let now = || Clock::system().now();
    for (minutes, ok) in [(14, true), (20, false)] {
        let off = Duration::from_secs(60 * minutes);
        let fast = layer().clock(Clock::from_fn(move || now() + off));
        let slow = layer().clock(Clock::from_fn(move || now() - off));
        for layer in [fast, slow] {
            if ok {
                accepted(&layer, &get("/key"), &nothing()).await;
            } else {
                refused(&layer, &get("/key"), &nothing(), "RequestTimeTooSkewed").await;
            }
        }
    }
}
