//! Configurations that are replaced while their layers are in use.

mod crowd;
mod replacing;
#[cfg(feature = "watch")]
mod watching;

use aws_credential_types::Credentials;
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use tower::{Layer, ServiceExt};
use tower_client_auth::{
    ApiName, AuthError, AuthSelector, AuthorizationMode, BoxError, Config, LiveAuthLayer,
    LiveSelector,
};

use crate::support::{Recorder, Seen};

/// A configuration each of whose values has its number in it.
fn numbered(number: usize) -> String {
    format!(
        r#"{{"apis": {{
            "catalog":  {{"mode": "API_KEY", "endpoint": "https://g{number}.example.com/g{number}",
                          "api_key": "key-g{number}"}},
            "orders":   {{"mode": "AWS_IAM", "endpoint": "https://orders.g{number}.example.com/g{number}",
                          "region": "region-g{number}"}},
            "partners": {{"mode": "OPENID_CONNECT", "endpoint": "https://partners.g{number}.example.com/g{number}"}}
        }} }}"#
    )
}

fn config(number: usize) -> Config {
    numbered(number).parse().expect("a good configuration")
}

fn credentials() -> Credentials {
    Credentials::new("AKIDEXAMPLE", "secret", None, None, "test")
}

fn selector() -> AuthSelector {
    let tokens = || async { Ok("Bearer token") };
    let selector = config(1).selector().aws_credentials(credentials());
    selector
        .and_then(|selector| selector.tokens(AuthorizationMode::OpenIdConnect, tokens))
        .expect("a selector")
}

fn live() -> LiveSelector {
    selector().live()
}

/// A request to one of the APIs, for the layer that serves it.
fn request(api: &str) -> Request<Full<Bytes>> {
    let mut request = Request::get("/items?page=2")
        .body(Full::default())
        .expect("a request");
    request.extensions_mut().insert(ApiName::new(api));
    request
}

async fn send(layer: &LiveAuthLayer, request: Request<Full<Bytes>>) -> Result<Seen, BoxError> {
    let server = Recorder::new();
    layer.layer(server.clone()).oneshot(request).await?;
    Ok(server.only())
}

/// By which configuration a request was authorized: the number that all of it agrees in.
fn generation(seen: &Seen) -> usize {
    let host = seen.head.uri.host().expect("a host").split('.');
    let in_host = host.rev().nth(2);
    let in_path = seen.head.uri.path().split('/').nth(1);
    let credential = match (&seen.all("x-api-key")[..], &seen.all("authorization")[..]) {
        ([key], []) => key.strip_prefix("key-"),
        ([], ["Bearer token"]) => in_path,
        ([], [signature]) => {
            let scope = signature.split('/').nth(2);
            scope.and_then(|region| region.strip_prefix("region-"))
        }
        _ => None,
    };
    assert_eq!(in_host, in_path, "{seen:?}");
    assert_eq!(credential, in_path, "{seen:?}");
    let number = in_path.and_then(|text| text.strip_prefix('g'));
    number.and_then(|text| text.parse().ok()).expect("a number")
}

fn refusal(result: Result<(), AuthError>) -> String {
    result.expect_err("a refusal").to_string()
}
