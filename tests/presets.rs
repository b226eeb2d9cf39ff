//! What [`SigningOptions::for_service`] knows of services, through the layer.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower::{Layer, ServiceExt};
use tower_client_auth::sigv4::SigningOptions;
use tower_client_auth::{
    AuthError, AuthErrorKind, AuthOverride, BoxError, Buffer, PayloadHash, Scope, SigV4Layer,
};

use crate::schemes::layer_credentials;
use crate::support::{Recorder, Seen};

const BODY: &[u8] = b"{\"query\":{}}";
const LATTICE: &str = "https://svc-1.abc.vpc-lattice-svcs.eu-west-1.on.aws/orders";

/// What is sent if the layer for a service may buffer `limit` bytes.
async fn send(
    service: &str,
    limit: usize,
    request: Request<Full<Bytes>>,
    options: Option<SigningOptions>,
) -> Result<Seen, AuthError> {
    let recorder = Recorder::new();
    let mut layer = SigV4Layer::new("eu-west-1", service, layer_credentials())?
        .scope(Scope::any_https().allow_plain_http())?
        .payload(Buffer::new(limit));
    if let Some(options) = options {
        layer = layer.options(options);
    }
    let outcome: Result<Response<_>, BoxError> =
        layer.layer(recorder.clone()).oneshot(request).await;
    match outcome {
        Ok(_) => Ok(recorder.only()),
        Err(error) => {
            assert!(recorder.seen().is_empty(), "{error}");
            Err(*error.downcast().expect("an error of ours"))
        }
    }
}

fn post(uri: &str) -> Request<Full<Bytes>> {
    let body = Full::new(Bytes::from_static(BODY));
    Request::post(uri).body(body).expect(uri)
}

fn signs(seen: &Seen, name: &str) -> bool {
    let list = seen.one("authorization").split("SignedHeaders=").nth(1);
    let list = list.and_then(|list| list.split(',').next());
    list.expect("a list")
        .split(';')
        .any(|signed| signed == name)
}

#[tokio::test]
async fn a_payload_for_lattice_is_not_signed_and_streams() {
    // There is no room for the body: it can only have streamed.
    let seen = send("vpc-lattice-svcs", 1, post(LATTICE), None).await;
    let seen = seen.expect("sent");
    assert_eq!(seen.one("x-amz-content-sha256"), "UNSIGNED-PAYLOAD");
    assert!(signs(&seen, "x-amz-content-sha256"));
    assert_eq!(seen.body, BODY);
}

#[tokio::test]
async fn a_known_hash_is_of_no_use_to_lattice() {
    let mut request = post(LATTICE);
    let hash = AuthOverride::new().payload_hash(PayloadHash::of(BODY));
    request.extensions_mut().insert(hash);
    let seen = send("vpc-lattice-svcs", 1, request, None).await;
    let seen = seen.expect("sent");
    assert_eq!(seen.one("x-amz-content-sha256"), "UNSIGNED-PAYLOAD");
}

#[tokio::test]
async fn a_payload_for_lattice_is_not_sent_in_plain_text_but_to_loopback() {
    for with_hash in [false, true] {
        let request = |uri: &str| {
            let mut request = post(uri);
            if with_hash {
                let hash = AuthOverride::new().payload_hash(PayloadHash::of(BODY));
                request.extensions_mut().insert(hash);
            }
            request
        };
        let plain = LATTICE.replace("https", "http");
        let refused = send("vpc-lattice-svcs", 1, request(&plain), None).await;
        let refused = refused.expect_err("plain text").kind();
        assert_eq!(refused, AuthErrorKind::PlainText);
        let local = "http://127.0.0.1:8080/";
        let seen = send("vpc-lattice-svcs", 1, request(local), None).await;
        assert_eq!(
            seen.expect("sent").one("x-amz-content-sha256"),
            "UNSIGNED-PAYLOAD"
        );
    }
}

#[tokio::test]
async fn options_replace_the_whole_preset() {
    let usual = SigningOptions::default();
    let seen = send("vpc-lattice-svcs", 99, post(LATTICE), Some(usual.clone())).await;
    assert!(seen.expect("sent").all("x-amz-content-sha256").is_empty());
    let refused = send("vpc-lattice-svcs", 1, post(LATTICE), Some(usual.clone())).await;
    assert_eq!(
        refused.expect_err("too large").kind(),
        AuthErrorKind::PayloadTooLarge
    );

    // And a service that we do not know can have what Lattice has.
    let unsigned = usual.sign_payload(false);
    let seen = send("mine", 1, post("https://x.example/"), Some(unsigned)).await;
    let seen = seen.expect("sent");
    assert_eq!(seen.one("x-amz-content-sha256"), "UNSIGNED-PAYLOAD");
}

#[tokio::test]
async fn opensearch_serverless_gets_the_hash_and_no_signed_length() {
    let mut request = post("https://abc.eu-west-1.aoss.amazonaws.com/movies/_search");
    let length = BODY.len().into();
    request.headers_mut().insert("content-length", length);
    let seen = send("aoss", 99, request, None).await.expect("sent");
    let hash = PayloadHash::of(BODY).to_string();
    assert_eq!(seen.one("x-amz-content-sha256"), hash);
    assert!(signs(&seen, "x-amz-content-sha256"));
    assert!(!signs(&seen, "content-length"));

    // A domain with servers takes a hash, and needs none.
    let request = post("https://movies.eu-west-1.es.amazonaws.com/movies/_search");
    let seen = send("es", 99, request, None).await.expect("sent");
    assert!(seen.all("x-amz-content-sha256").is_empty());
}
