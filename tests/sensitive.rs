//! Promise 26: every credential header is marked sensitive, so that loggers leave it out and HPACK
//! does not index it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{HeaderName, Request, Response, StatusCode};
use http_body_util::Full;
use tower::{Layer, ServiceExt};
use tower_client_auth::{
    ApiKeyLayer, AuthorizeLayer, Authorizer, BearerTokenLayer, BoxError, CloneBody, Existing,
    TokenStyle,
};

use crate::schemes::{API_KEY, CANARY, Scheme, Setup, send};
use crate::support::{Recorder, Seen, promise};

const ORIGIN: &str = "https://api.example.com";
const URI: &str = "https://api.example.com/x";

#[tokio::test]
async fn every_credential_header_is_marked() {
    let mut marked = 0;
    for scheme in Scheme::ALL {
        for existing in [Existing::Keep, Existing::Replace, Existing::Reject] {
            let setup = Setup {
                existing,
                ..Setup::at(ORIGIN)
            };
            let (outcome, recorder) = send(scheme, &setup, scheme.request(URI)).await;
            assert_eq!(outcome, Ok(()), "{scheme:?}");
            let seen = recorder.only();
            for name in scheme.headers() {
                assert!(!seen.one(name).is_empty(), "{scheme:?} {name}");
            }
            marked += assert_marked(&seen, &format!("{scheme:?} {existing:?}"));
        }
    }
    assert_eq!(
        marked,
        3 * (2 + 2 + 1 + 1 + 1 + 1),
        "one per credential header"
    );
    promise(
        26,
        format!("{marked} credential headers of {marked} are marked sensitive"),
    );
}

#[tokio::test]
async fn a_header_of_any_name_is_marked() {
    for name in [
        "ocp-apim-subscription-key",
        "x-goog-api-key",
        "cookie",
        "proxy-authorization",
    ] {
        let name = HeaderName::from_static(name);
        let layer = ApiKeyLayer::new(ORIGIN, API_KEY).expect("a layer");
        let layer = layer.header_name(name.clone()).expect("a name");
        assert_eq!(assert_marked(&through(layer).await, name.as_str()), 1);

        let source = || async { Ok::<_, BoxError>(String::from("CANARY")) };
        let layer = BearerTokenLayer::new(ORIGIN, source).expect("a layer");
        let layer = layer.header_name(name.clone()).expect("a name");
        assert_eq!(
            assert_marked(&through(layer.clone()).await, name.as_str()),
            1
        );
        let layer = layer.style(TokenStyle::Raw);
        assert_eq!(assert_marked(&through(layer).await, name.as_str()), 1);
    }
}

/// The caller's own credential is as secret as the layer's, and nobody remembers to mark it.
#[tokio::test]
async fn a_credential_that_is_kept_is_marked() {
    for scheme in Scheme::ALL {
        for copies in 1..=3 {
            let mut request = scheme.request(URI);
            for name in scheme.headers() {
                for _ in 0..copies {
                    let name = HeaderName::from_static(name);
                    let value = http::HeaderValue::from_static("CANARY");
                    request.headers_mut().append(name, value);
                }
            }
            let (outcome, recorder) = send(scheme, &Setup::at(ORIGIN), request).await;
            assert_eq!(outcome, Ok(()), "{scheme:?}");
            let marked = assert_marked(&recorder.only(), &format!("{scheme:?}"));
            assert_eq!(marked, scheme.headers().len(), "{scheme:?} {copies}");
        }
    }
}

#[tokio::test]
async fn a_replayed_request_is_marked_as_well() {
    for style in [TokenStyle::Bearer, TokenStyle::Raw] {
        let recorder = Recorder::answering(|before, _| {
            let mut response = Response::new(Full::default());
            if before == 0 {
                *response.status_mut() = StatusCode::UNAUTHORIZED;
            }
            response
        });
        let asked = Arc::new(AtomicUsize::new(0));
        let source = move || {
            let generation = asked.fetch_add(1, Ordering::Relaxed);
            async move { Ok::<_, BoxError>(format!("CANARY-{generation}")) }
        };
        let layer = BearerTokenLayer::new(ORIGIN, source)
            .expect("a layer")
            .style(style)
            .retry_rejected(CloneBody);
        let request = Request::get(URI).body(Full::<Bytes>::default());
        let client = layer.layer(recorder.clone());
        let response = client.oneshot(request.expect("a request")).await;
        assert_eq!(response.expect("an answer").status(), 200);

        let seen = recorder.seen();
        assert_eq!(seen.len(), 2);
        for (generation, seen) in seen.iter().enumerate() {
            assert!(
                seen.one("authorization")
                    .ends_with(&format!("-{generation}"))
            );
            assert_eq!(assert_marked(seen, "replayed"), 1);
        }
    }
}

async fn through<A>(layer: AuthorizeLayer<A>) -> Seen
where
    A: Authorizer + Clone,
{
    let recorder = Recorder::new();
    let request = Request::get(URI).body(Full::<Bytes>::default());
    let client = layer.layer(recorder.clone());
    let sent = client.oneshot(request.expect("a request")).await;
    sent.expect("an answer");
    recorder.only()
}

/// How many headers carry a secret; all of them are marked.
fn assert_marked(seen: &Seen, name: &str) -> usize {
    let holds = |bytes: &[u8]| String::from_utf8_lossy(bytes).contains(CANARY);
    let secrets = seen.head.headers.iter();
    let secrets = secrets.filter(|(_, value)| holds(value.as_bytes()));
    secrets
        .map(|(header, value)| assert!(value.is_sensitive(), "{name}: {header}"))
        .count()
}
