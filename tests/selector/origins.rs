//! Promise 22, for the selector: no API's credential goes to another place than that API.

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use tower::{Layer, ServiceBuilder, ServiceExt};
use tower_client_auth::{ApiName, AuthOverride, AuthorizationMode};
use tower_http::follow_redirect::FollowRedirectLayer;

use super::{complete, credential, every_mode, get};
use crate::schemes::has_credential;
use crate::support::{Recorder, promise};

/// The APIs with a key.
const KEYED: [&str; 2] = ["graph", "keyed"];

/// Ways to write a place that is not `https://<name>.example.com/v1`, or not quite.
fn foreign(name: &str) -> Vec<String> {
    let host = format!("{name}.example.com");
    vec![
        format!("https://evil.example/{host}"),
        format!("https://{host}.evil.example/v1/x"),
        format!("https://evil.{host}/v1/x"),
        format!("https://{host}./v1/x"),
        format!("https://{host}:444/v1/x"),
        format!("https://{host}@evil.example/v1/x"),
        format!("https://{host}:443@evil.example/v1/x"),
        "https://example.com/v1/x".to_owned(),
        "https://[::ffff:1.2.3.4]/v1/x".to_owned(),
        "https://127.0.0.1/v1/x".to_owned(),
        "http://localhost/v1/x".to_owned(),
        "https://evil.example/v1/x?https://keyed.example.com/v1".to_owned(),
    ]
}

#[tokio::test]
async fn no_credential_goes_to_a_place_that_is_not_its_apis() {
    let selector = complete(&every_mode());
    let all = selector.layer_for_all().expect("a layer");
    let mut cases = 0;
    for name in [
        "keyed", "signed", "graph", "members", "partners", "scripted",
    ] {
        let one = selector.layer(name).expect("a layer");
        for target in foreign(name) {
            for mode in AuthorizationMode::ALL {
                for (layer, named) in [(&one, false), (&one, true), (&all, false), (&all, true)] {
                    let mut request = get(&target);
                    request
                        .extensions_mut()
                        .insert(AuthOverride::new().mode(*mode));
                    if named {
                        request.extensions_mut().insert(ApiName::new(name));
                    }
                    let recorder = Recorder::new();
                    let outcome = layer.layer(recorder.clone()).oneshot(request).await;
                    for seen in recorder.seen() {
                        assert!(!has_credential(&seen), "{name} {mode} {target}");
                    }
                    cases += 1;
                    // Not even an error, unless the API has no such mode.
                    let has_mode = *mode != AuthorizationMode::ApiKey || KEYED.contains(&name);
                    assert!(outcome.is_ok() || !has_mode, "{name} {mode} {target}");
                }
            }
        }
    }
    promise(
        22,
        format!("{cases} requests to strangers through the selector: 0 credentials"),
    );
}

#[tokio::test]
async fn a_redirect_finds_its_own_api_or_none() {
    let selector = complete(&every_mode());
    let mut cases = 0;
    for (from, to, expected) in [
        ("keyed", "https://evil.example/v1/x", "nothing"),
        ("keyed", "https://keyed.example.com/elsewhere", "nothing"),
        ("keyed", "https://open.example.com/v1/x", "nothing"),
        (
            "keyed",
            "https://scripted.example.com/v1/x",
            "token CANARY-token-91bc-AWS_LAMBDA",
        ),
        (
            "scripted",
            "https://keyed.example.com/v1/x",
            "key da2-CANARYfake1234567890",
        ),
        (
            "signed",
            "https://members.example.com/",
            "token CANARY-token-91bc-AMAZON_COGNITO_USER_POOLS",
        ),
    ] {
        for status in [301, 302, 303, 307, 308] {
            let recorder = Recorder::answering(move |before, _| {
                let mut response = Response::new(Full::<Bytes>::default());
                if before == 0 {
                    *response.status_mut() = StatusCode::from_u16(status).expect("a status");
                    response
                        .headers_mut()
                        .insert(header::LOCATION, to.parse().expect("a value"));
                }
                response
            });
            let client = ServiceBuilder::new()
                .layer(FollowRedirectLayer::new())
                .layer(selector.layer_for_all().expect("a layer"))
                .service(recorder.clone());
            let (_, endpoint) = (from, format!("https://{from}.example.com/"));
            let path = if from == "signed" { "prod/x" } else { "v1/x" };
            let request = Request::builder()
                .method(Method::GET)
                .uri(format!("{endpoint}{path}"))
                .body(Full::<Bytes>::default())
                .expect("a request");
            client.oneshot(request).await.expect("an answer");
            let seen = recorder.seen();
            assert_eq!(seen.len(), 2);
            assert_ne!(credential(&seen[0]), "nothing");
            assert_eq!(credential(&seen[1]), expected, "{from} {to} {status}");
            cases += 1;
        }
    }
    promise(
        22,
        format!(
            "{cases} redirects between the APIs of a selector and to strangers, each with the credential of where it led"
        ),
    );
}
