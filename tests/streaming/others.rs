//! Requests that are not cut into chunks although the layer could: other operations, services and schemes.

use std::future::{Ready, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use http::request::Parts;
use http::{Method, StatusCode};
use http_body_util::Full;
use tower_client_auth::sigv4::SigningOptions;
use tower_client_auth::{
    ApiKeyLayer, Applied, AuthorizeLayer, Authorizer, Checksum, ChunkedBody, ManualClock, Need,
    PayloadHash,
};

use super::*;

const HOUR: Duration = Duration::from_secs(3600);

fn hello() -> Full<Bytes> {
    Full::from("hello")
}

/// S3 takes nothing else in chunks.
#[tokio::test]
async fn what_uploads_no_object_is_read_first() {
    let hash = PayloadHash::of(b"hello").to_string();
    for (method, query, in_chunks) in [
        (Method::PUT, "/key", true),
        (Method::PUT, "/a/key?", true),
        (Method::PUT, "/key?partNumber=1&uploadId=x", true),
        (Method::PUT, "/key?x-id=PutObject&x-mine=1", true),
        (Method::PUT, "/key?tagging", false),
        (Method::PUT, "/key?tagging=&x-id=PutObjectTagging", false),
        (Method::PUT, "/bucket?accelerate", false),
        (Method::PUT, "/bucket?analytics", false),
        (Method::PUT, "/bucket?cors", false),
        (Method::PUT, "/bucket?encryption", false),
        (Method::PUT, "/bucket?lifecycle", false),
        (Method::PUT, "/bucket?logging", false),
        (Method::PUT, "/bucket?metrics", false),
        (Method::PUT, "/bucket?notification", false),
        (Method::PUT, "/bucket?object-lock", false),
        (Method::PUT, "/bucket?ownershipControls", false),
        (Method::PUT, "/bucket?policy", false),
        (Method::PUT, "/bucket?publicAccessBlock", false),
        (Method::PUT, "/bucket?replication", false),
        (Method::PUT, "/bucket?requestPayment", false),
        (Method::PUT, "/bucket?tagging", false),
        (Method::PUT, "/bucket?versioning", false),
        (Method::PUT, "/bucket?website", false),
        (Method::PUT, "/key?acl", false),
        (Method::PUT, "/key?legal-hold", false),
        (Method::PUT, "/key?retention", false),
        (Method::PUT, "/key?renameObject&x-id=RenameObject", false),
        (Method::PUT, "/key?versionId=1&tagging", false),
        (Method::PUT, "/", false),
        (Method::PUT, "/?acl", false),
        (Method::POST, "/key?uploadId=x", false),
        (Method::POST, "/?delete", false),
        (Method::POST, "/key", false),
    ] {
        let uri = format!("https://bucket.s3.eu-west-1.amazonaws.com{query}");
        for chunked in [Chunked::signed(), Chunked::unsigned(Checksum::Crc32)] {
            // Of a length that nobody knows, and of one that is known.
            for known in [true, false] {
                let mut body = frames(vec![data("hel"), data("lo")]);
                if known {
                    body = hello().map_err(|e| match e {}).boxed_unsync();
                }
                let request = Request::builder().method(&method).uri(&uri);
                let request = request.body(body).expect("a request");
                match (in_chunks, known) {
                    (true, false) => {
                        refused(chunked, request).await;
                        continue;
                    }
                    (true, true) => {
                        let sent = send(chunked, request).await.expect("sent");
                        assert_eq!(Parsed::of(sent.whole()).data(), b"hello", "{uri}");
                        continue;
                    }
                    (false, _) => {}
                }
                let sent = send(chunked, request).await.expect("sent");
                assert_eq!(sent.whole(), b"hello", "{method} {uri}");
                assert_eq!(sent.hint.exact(), Some(5));
                assert_eq!(sent.header("x-amz-content-sha256"), hash);
                assert_eq!(sent.header("content-encoding"), "");
            }
        }
    }
    let large = Full::new(Bytes::from(vec![0; 11 * 1024 * 1024]));
    let request = Request::post(format!("{URL}?uploadId=x")).body(large);
    let error = refused(Chunked::signed(), request.expect("a request")).await;
    assert_eq!(error.kind(), AuthErrorKind::PayloadTooLarge);
}

/// Of AWS's services, only the S3 family takes chunks.
#[tokio::test]
async fn services_without_chunks_get_the_whole_body() {
    let credentials = || Credentials::new("AKIDEXAMPLE", "secret", None, None, "test");
    for service in ["execute-api", "es", "lambda", "aoss"] {
        let layer = SigV4Layer::new("eu-west-1", service, credentials()).expect("a layer");
        let layer = layer.payload(Chunked::signed().checksum(Checksum::Crc32));
        let sent = send_by(layer.clone(), put(hello())).await.expect("sent");
        assert_eq!(sent.whole(), b"hello", "{service}");
        assert_eq!(sent.header("content-encoding"), "");
        assert!(!sent.header("x-amz-content-sha256").contains("STREAMING"));

        let options = SigningOptions::for_service(service).chunks(true);
        let sent = send_by(layer.options(options), put(hello()))
            .await
            .expect("sent");
        assert_eq!(Parsed::of(sent.whole()).data(), b"hello");
    }
}

/// What has nothing in it can be sent again, whatever becomes of other bodies.
#[tokio::test]
async fn a_rejected_get_is_sent_again() {
    for length in [0, 5] {
        let times = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&times);
        let client = service_fn(move |request: Request<ChunkedBody<Full<Bytes>>>| {
            let time = counter.fetch_add(1, Ordering::Relaxed);
            async move {
                request
                    .into_body()
                    .collect()
                    .await
                    .map_err(|e| e.to_string())?;
                let mut answer = Response::new(Full::<Bytes>::default());
                if time == 0 {
                    *answer.status_mut() = StatusCode::FORBIDDEN;
                    // Another time than the layer's clock has.
                    let then = httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + HOUR);
                    let then = HeaderValue::from_str(&then).map_err(|e| e.to_string())?;
                    answer.headers_mut().insert("date", then);
                }
                Ok::<_, String>(answer)
            }
        });
        let credentials = Credentials::new("AKIDEXAMPLE", "secret", None, None, "test");
        let layer = SigV4Layer::new("eu-west-1", "s3", credentials).expect("a layer");
        let clock = ManualClock::new(SystemTime::UNIX_EPOCH + 2 * HOUR);
        let layer = layer.retry_rejected(Chunked::signed()).clock(clock);
        let request = put(Full::from(Bytes::from(vec![b'x'; length])));
        let answer = layer.layer(client).oneshot(request).await.expect("sent");
        let (status, expected) = match length {
            0 => (StatusCode::OK, 2),
            _ => (StatusCode::FORBIDDEN, 1),
        };
        assert_eq!(answer.status(), status);
        assert_eq!(times.load(Ordering::Relaxed), expected);
    }
}

/// Asks for a body as it is told to, and signs nothing.
#[derive(Clone)]
struct Digests(Need);

impl Authorizer for Digests {
    type Plan = ();
    type Credential = ();
    type Acquire = Ready<Result<(), AuthError>>;

    fn cover(&self, _head: &mut Parts) -> Result<Option<((), Need)>, AuthError> {
        Ok(Some(((), self.0)))
    }

    fn acquire(&self, (): &()) -> Self::Acquire {
        ready(Ok(()))
    }

    fn apply(
        &self,
        (): &mut (),
        (): &(),
        payload: &PayloadHash,
        head: &mut Parts,
    ) -> Result<Applied, AuthError> {
        let digest = HeaderValue::from_str(&payload.to_string()).expect("digits");
        head.headers.insert("x-digest", digest);
        Ok(Applied::default())
    }
}

#[tokio::test]
async fn under_other_schemes_bodies_stream_or_are_read() {
    let request = || {
        Request::put("https://api.example.com/x")
            .body(hello())
            .expect("a request")
    };
    let client = || {
        service_fn(async |request: Request<_>| {
            let digest = request.headers().get("x-digest").cloned();
            let (hint, body, _) = read(request.into_body()).await;
            Ok::<_, Infallible>(Response::new((digest, hint, body)))
        })
    };
    let layer = ApiKeyLayer::new("https://api.example.com", "key").expect("a layer");
    let layer = layer.payload(Chunked::signed());
    let answer = layer
        .layer(client())
        .oneshot(request())
        .await
        .expect("sent");
    let (_, hint, body) = answer.into_body();
    assert_eq!(body.expect("whole"), b"hello");
    assert_eq!(hint.exact(), Some(5));

    let by = |need| AuthorizeLayer::with_authorizer(Digests(need)).payload(Chunked::signed());
    let layer = by(Need::Payload);
    let answer = layer
        .layer(client())
        .oneshot(request())
        .await
        .expect("sent");
    let (digest, _, body) = answer.into_body();
    assert_eq!(body.expect("whole"), b"hello");
    assert_eq!(
        digest.expect("a digest"),
        PayloadHash::of(b"hello").to_string().as_str()
    );

    // One that asks for chunks has to sign them.
    let layer = by(Need::Chunks);
    let answer = layer
        .layer(client())
        .oneshot(request())
        .await
        .expect("sent");
    let error = answer.into_body().2.expect_err("no signer");
    let error = AuthError::find(error.as_ref()).expect("ours");
    says(
        error,
        AuthErrorKind::Configuration,
        "`Chunked` is for layers that sign",
    );
}
