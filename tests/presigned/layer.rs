//! Where a layer that presigns sends its signature, and what a request says of its own.

mod existing;
mod printing;

use http::header::{CONTENT_TYPE, HOST};
use tower_client_auth::{AuthError, AuthErrorKind, AuthOverride, BoxError};

use super::*;
use crate::schemes::{OWN_SESSION, SESSION, layer_credentials, own_credentials, signing_time};
use crate::support::promise;

const ORIGIN: &str = "https://api.example.com";
const REGION: &str = "eu-west-1";

fn layer(service: &str) -> SigV4Layer<Source> {
    let layer = SigV4Layer::new(REGION, service, layer_credentials()).expect("a layer");
    layer
        .scope(ORIGIN)
        .expect("an origin")
        .clock(Clock::from_fn(signing_time))
        .presigned(lasting(MINUTE))
}

/// All that goes into the query: with and without SigV4a, for services that are told of the payload or not.
fn layers() -> Vec<(&'static str, SigV4Layer<Source>)> {
    let everywhere = |service| layer(service).region_set("*").expect("a set");
    vec![
        ("execute-api", layer("execute-api")),
        ("s3", layer("s3")),
        ("s3, unsigned", layer("s3").unsigned_payload()),
        ("lambda, unsigned", layer("lambda").unsigned_payload()),
        ("s3, SigV4a", everywhere("s3")),
        ("execute-api, SigV4a", everywhere("execute-api")),
        ("iotdevicegateway", layer("iotdevicegateway")),
        (
            "chosen headers",
            layer("execute-api").presigned(lasting(MINUTE).signed_headers([]).expect("names")),
        ),
    ]
}

async fn through(
    layer: &SigV4Layer<Source>,
    request: Request<Bytes>,
) -> (Result<(), AuthErrorKind>, Recorder) {
    let recorder = Recorder::new();
    let sent = layer
        .layer(recorder.clone())
        .oneshot(request.map(Full::new));
    let outcome = match sent.await {
        Ok(_) => Ok(()),
        Err(error) => Err(kind(&error)),
    };
    if outcome.is_err() {
        assert!(recorder.seen().is_empty(), "an error, and yet it was sent");
    }
    (outcome, recorder)
}

fn kind(error: &BoxError) -> AuthErrorKind {
    AuthError::find(error.as_ref()).expect("ours").kind()
}

fn get(uri: &str) -> Request<Bytes> {
    request(Method::GET, &uri.parse().expect(uri), &[])
}

#[tokio::test]
async fn strangers_get_no_parameter_and_plain_http_is_refused() {
    let mut cases = 0;
    for (what, layer) in layers() {
        for stranger in [
            "https://evil.example/x?a=1",
            "https://api.example.com.evil.example/x?a=1",
            "https://api.example.com:444/x?a=1",
            "http://127.0.0.1/x?a=1&X-Amz-Date=theirs",
            "https://evil.example/x?X-Amz-Signature=1&X-Amz-Signature=2",
        ] {
            let (outcome, recorder) = through(&layer, get(stranger)).await;
            assert_eq!(outcome, Ok(()), "{what}");
            assert_eq!(recorder.only().head.uri, stranger, "{what}");
            assert!(recorder.only().head.headers.is_empty(), "{what}");
            cases += 1;
        }
        for plain in ["http://api.example.com/x", "http://api.example.com:443/x"] {
            let (outcome, _) = through(&layer, get(plain)).await;
            assert_eq!(outcome, Err(AuthErrorKind::PlainText), "{what} {plain}");
            cases += 1;
        }
    }
    promise(
        22,
        format!("{cases} requests past a layer that presigns, no parameter of it there"),
    );
}

#[tokio::test]
async fn a_request_brings_credentials_and_a_payload_hash_of_its_own() {
    let own = AuthOverride::new().credentials(own_credentials());
    let own = own.expect("credentials");
    let mut request = get(&format!("{ORIGIN}/x"));
    request.extensions_mut().insert(own.clone());
    let (_, recorder) = through(&layer("s3"), request).await;
    let uri = recorder.only().head.uri.to_string();
    assert!(uri.contains("X-Amz-Credential=AKIDCANARYOWN%2F"), "{uri}");
    assert!(uri.contains(OWN_SESSION) && !uri.contains(SESSION), "{uri}");
    assert!(recorder.only().head.headers.is_empty());

    let mut request = get(&format!("{ORIGIN}/x"));
    let hash = PayloadHash::of(b"known before");
    request.extensions_mut().insert(own.payload_hash(hash));
    let (_, recorder) = through(&layer("s3"), request).await;
    let uri = recorder.only().head.uri.to_string();
    assert!(
        uri.contains(&format!("X-Amz-Content-Sha256={hash}&")),
        "{uri}"
    );
    assert!(uri.contains("AKIDCANARYOWN"), "{uri}");

    let mut request = get(&format!("{ORIGIN}/x"));
    request.extensions_mut().insert(AuthOverride::skip());
    let (_, recorder) = through(&layer("s3"), request).await;
    assert_eq!(recorder.only().head.uri, "https://api.example.com/x");
}

#[tokio::test]
async fn a_header_that_was_chosen_has_to_be_there() {
    let chosen = lasting(MINUTE).signed_headers([HOST, CONTENT_TYPE]);
    let layer = layer("execute-api").presigned(chosen.expect("names"));
    let (outcome, _) = through(&layer, get(&format!("{ORIGIN}/x"))).await;
    assert_eq!(outcome, Err(AuthErrorKind::Request));
    let uri = format!("{ORIGIN}/x").parse().expect("a URI");
    let headers = [("content-type", "text/plain"), ("x-other", "1")];
    let (outcome, recorder) = through(&layer, request(Method::GET, &uri, &headers)).await;
    assert_eq!(outcome, Ok(()));
    let query = recorder.only().head.uri.to_string();
    assert!(
        query.contains("X-Amz-SignedHeaders=content-type%3Bhost&"),
        "{query}"
    );
}
