//! Credentials of MiniStack's identity pool sign for real: each service takes them, and none of their twins.

use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use bytes::Bytes;
use http::request::Builder;
use http::{Method, Request, StatusCode, header};
use http_body_util::Full;
use tower::ServiceExt;
use tower_client_auth::sigv4::SigningCredentials;
use tower_client_auth::{AuthHint, AuthOverride, Cached, Standing};

use super::identities::{GET_CREDENTIALS, GET_ID, signing, who_am_i};
use super::pools::{Change, Pools, Wire, send};
use crate::ministack::{MiniStack, Twin};
use crate::servers;

/// S3, REST and query services answer 403, JSON services 400.
const REFUSALS: [StatusCode; 2] = [StatusCode::FORBIDDEN, StatusCode::BAD_REQUEST];

/// A good request to each service, by its signing name. What one puts there, another gets.
fn calls(pools: &Pools, object: &str) -> [(&'static str, Request<Full<Bytes>>); 4] {
    let object = format!("/{}/{object}", pools.text("/bucket"));
    let object = || pools.stack.uri("localhost", &object);
    let call =
        |request: Builder, body: &'static str| request.body(Full::from(body)).expect("a request");
    [
        ("s3", call(Request::put(object()), "it is ok")),
        ("s3", call(Request::get(object()), "")),
        ("sts", who_am_i()),
        (
            "execute-api",
            call(Request::post(pools.api("/prod/iam?a=1")), "{}"),
        ),
    ]
}

/// What the pool gave out, with a mistake.
fn mistaken(good: &Credentials) -> [Credentials; 3] {
    let [key, secret] = [good.access_key_id(), good.secret_access_key()];
    let token = good.session_token().expect("a session token");
    let altered = Some(format!("{token}A"));
    let token = Some(token.to_owned());
    [
        Credentials::new(key, "A".repeat(40), token, None, "tests"),
        Credentials::new(key, secret, None, None, "tests"),
        Credentials::new(key, secret, altered, None, "tests"),
    ]
}

#[tokio::test]
async fn guests_and_users_sign_requests() {
    if servers::skipped("cognito, signatures") {
        return;
    }
    let (pools, wire) = (Pools::shared(), Wire::default());
    let session = pools.session("plain", &wire);
    let (mut accepted, mut refused) = (0, 0);
    for standing in [Standing::Guest, Standing::SignedIn] {
        if standing == Standing::SignedIn {
            pools.sign_in(&session, "alice").await;
        }
        let credentials = session.credentials().expect("an identity pool");
        let provider = session.provider().expect("an identity pool");
        let good = provider.provide_credentials().await.expect("credentials");
        assert!(good.expiry().is_some());
        for (service, request) in calls(pools, &format!("{standing:?}")) {
            let api = signing(service, credentials.clone());
            let (status, body) = send(&api, request.clone()).await.expect("sent");
            assert_eq!(status, StatusCode::OK, "{standing:?}, {service}: {body}");
            let is_put = request.method() == Method::PUT;
            assert!(is_put || body.contains("ok") || body.contains("Arn"));
            accepted += 1;

            let mut changed = request.clone();
            let change = Change(|request| Twin::Path.change(request));
            changed.extensions_mut().insert(change);
            let mut twins = vec![changed];
            for wrong in mistaken(&good) {
                let wrong = SigningCredentials::new(wrong).expect("credentials");
                let wrong = AuthOverride::new().credentials(wrong);
                let mut twin = request.clone();
                twin.extensions_mut().insert(wrong.expect("credentials"));
                twins.push(twin);
            }
            for twin in twins {
                let (status, body) = send(&api, twin).await.expect("sent");
                assert!(REFUSALS.contains(&status), "{service}: {status} {body}");
                refused += 1;
            }
        }
        denied(&credentials, standing).await;
    }
    assert_eq!((wire.calls(GET_ID), wire.calls(GET_CREDENTIALS)), (2, 2));
    println!("identity pool, signatures: {accepted} accepted, all {refused} twins refused");
}

/// What neither role allows is not done, and it is known who it was that asked.
async fn denied<P>(credentials: &Cached<P, SigningCredentials>, standing: Standing)
where
    P: ProvideCredentials + 'static,
{
    let request = Request::post(MiniStack::shared().uri("localhost", "/"))
        .header(header::CONTENT_TYPE, "application/x-amz-json-1.0")
        .header("x-amz-target", "AmazonSQS.ListQueues")
        .body(Full::from("{}"));
    let sqs = signing("sqs", credentials.clone());
    let response = sqs.oneshot(request.expect("a request")).await;
    let response = response.expect("an answer");
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    match AuthHint::of(&response) {
        Some(AuthHint::AccessDenied { standing: said, .. }) => assert_eq!(*said, Some(standing)),
        other => panic!("{other:?}"),
    }
}
