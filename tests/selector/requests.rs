//! What a layer of the selector does to a request.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use tower::{Layer, ServiceExt};
use tower_client_auth::{
    ApiName, AuthErrorKind, AuthOverride, AuthorizationMode, Buffer, CloneBody, OutOfScope,
};

use super::{complete, credential, every_mode, expectations, get, send, sent, uri};
use crate::support::Recorder;

#[tokio::test]
async fn every_api_gets_the_credential_of_its_mode() {
    let selector = complete(&every_mode());
    let all = selector.layer_for_all().expect("a layer");
    for (name, endpoint, expected) in expectations() {
        let one = selector.layer(name).expect("a layer");
        let absolute = format!("{endpoint}/items/7?a=1&b=%2F");
        for layer in [&one, &all] {
            let seen = sent(layer, get(&absolute)).await;
            assert_eq!(credential(&seen), expected, "{name}");
            assert_eq!(uri(&seen).to_string(), absolute);
        }
        // As a path, it is completed, whatever the mode.
        let seen = sent(&one, get("/items/7?a=1&b=%2F")).await;
        assert_eq!(
            (credential(&seen), uri(&seen).to_string()),
            (expected.clone(), absolute.clone())
        );
        let mut request = get("/items/7?a=1&b=%2F");
        request.extensions_mut().insert(ApiName::new(name));
        let seen = sent(&all, request).await;
        assert_eq!(
            (credential(&seen), uri(&seen).to_string()),
            (expected, absolute)
        );
    }
}

#[tokio::test]
async fn a_path_is_joined_with_exactly_one_slash() {
    let selector = complete(&every_mode());
    for (api, path, expected) in [
        ("open", "/items", "https://open.example.com/v1/items"),
        ("open", "/", "https://open.example.com/v1/"),
        ("open", "/?a=b", "https://open.example.com/v1/?a=b"),
        // The endpoint ends in a slash, as people write them.
        ("keyed", "/items", "https://keyed.example.com/v1/items"),
        (
            "keyed",
            "//items//7/",
            "https://keyed.example.com/v1//items//7/",
        ),
        ("members", "/items", "https://members.example.com/items"),
        ("members", "/", "https://members.example.com/"),
        ("members", "//", "https://members.example.com//"),
        (
            "signed",
            "/a%2Fb/%E2%82%AC/a+b?q=a+b&r=%2f",
            "https://signed.example.com/prod/a%2Fb/%E2%82%AC/a+b?q=a+b&r=%2f",
        ),
        (
            "partners",
            "/..data/.well-known/x",
            "https://partners.example.com:8443/v1/..data/.well-known/x",
        ),
        // The endpoint itself is all that there is of a GraphQL API.
        ("graph", "/", "https://graph.example.com/graphql"),
        ("graph", "/?a=b", "https://graph.example.com/graphql?a=b"),
        ("graph", "/x", "https://graph.example.com/graphql/x"),
    ] {
        let layer = selector.layer(api).expect("a layer");
        assert_eq!(uri(&sent(&layer, get(path)).await).to_string(), expected);
    }
}

#[tokio::test]
async fn a_path_that_means_another_is_an_error() {
    let selector = complete(&every_mode());
    let all = selector.layer_for_all().expect("a layer");
    for path in [
        "/..\\admin",
        "/..%2fadmin",
        "/..%5Cadmin",
        "/..;/admin",
        "/%2E%2e%3Bx/admin",
        "/../admin",
        "/a/./b",
        "/a/..",
        "/%2e%2E/admin",
        "/a/%2e/b",
        "/.%2E",
    ] {
        for (layer, target) in [
            (selector.layer("keyed").expect("a layer"), path.to_owned()),
            (
                selector.layer("keyed").expect("a layer"),
                format!("https://keyed.example.com/v1{path}"),
            ),
            (all.clone(), format!("https://keyed.example.com/v1{path}")),
        ] {
            let (kind, message) = send(&layer, get(&target)).await.expect_err(&target);
            assert_eq!(kind, AuthErrorKind::Request, "{target}");
            assert!(message.contains("`.` or `..`"), "{message}");
        }
    }
    for target in ["*", "example.com:443"] {
        let mut request = get("/");
        *request.uri_mut() = target.parse().expect("a target");
        let layer = selector.layer("open").expect("a layer");
        let (kind, _) = send(&layer, request).await.expect_err(target);
        assert_eq!(kind, AuthErrorKind::Request);
    }
}

#[tokio::test]
async fn a_layer_for_several_apis_must_be_told_where_a_path_goes() {
    let selector = complete(&every_mode());
    let layer = selector.layer_for(["open", "keyed"]).expect("a layer");
    let (kind, message) = send(&layer, get("/items")).await.expect_err("no API");
    assert_eq!(kind, AuthErrorKind::Request);
    assert_eq!(
        message,
        "the request's URI is only a path, and the layer serves several APIs: insert an `ApiName` \
         into the request's extensions, one of `open` and `keyed`"
    );

    for uri in ["/items", "https://open.example.com/v1/x"] {
        let mut request = get(uri);
        request.extensions_mut().insert(ApiName::new("signed"));
        let (kind, message) = send(&layer, request).await.expect_err("not among them");
        assert_eq!(kind, AuthErrorKind::Request);
        assert_eq!(
            message,
            "the request names the API `signed`, and the layer serves `open` and `keyed`"
        );
    }
}

#[tokio::test]
async fn the_callers_headers_travel_and_are_signed() {
    let layer = complete(&every_mode()).layer("signed").expect("a layer");
    let mut request = get("/x");
    for (name, value) in [("x-api-key", "mine"), ("x-tenant", "blue")] {
        request
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    let seen = sent(&layer, request).await;
    assert_eq!(seen.one("x-tenant"), "blue");
    assert_eq!(
        credential(&seen),
        "key mine, signature ap-south-1/execute-api"
    );
    let signed = "SignedHeaders=host;x-amz-date;x-amz-security-token;x-api-key;x-tenant,";
    assert!(seen.one("authorization").contains(signed), "{seen:?}");
    // Not on the list of headers that API Gateway's CORS set-up allows; AppSync gets it.
    assert!(seen.all("x-amz-content-sha256").is_empty());
    let layer = complete(&every_mode()).layer("graph").expect("a layer");
    assert_eq!(
        sent(&layer, get("/"))
            .await
            .all("x-amz-content-sha256")
            .len(),
        1
    );
}

#[tokio::test]
async fn what_belongs_to_no_api_goes_out_as_it_is_or_not_at_all() {
    let selector = complete(&every_mode());
    let one = selector.layer("keyed").expect("a layer");
    let all = selector.layer_for_all().expect("a layer");
    for uri in [
        "https://keyed.example.com/",
        "https://keyed.example.com/v10/x",
        "https://keyed.example.com/V1/x",
        "https://keyed.example.com:8443/v1/x",
        "https://elsewhere.example.com/v1/x",
        "https://signed.example.com/production",
    ] {
        for layer in [&one, &all] {
            assert_eq!(credential(&sent(layer, get(uri)).await), "nothing", "{uri}");
            let strict = layer.clone().out_of_scope(OutOfScope::Reject);
            let (kind, _) = send(&strict, get(uri)).await.expect_err(uri);
            assert_eq!(kind, AuthErrorKind::Request);
            let mut request = get(uri);
            request.extensions_mut().insert(AuthOverride::skip());
            assert_eq!(
                credential(&sent(&strict, request).await),
                "nothing",
                "{uri}"
            );
        }
    }
    // An API without a credential has an origin all the same.
    let open = selector
        .layer("open")
        .expect("a layer")
        .out_of_scope(OutOfScope::Reject);
    assert!(
        send(&open, get("https://open.example.com/v1/x"))
            .await
            .is_ok()
    );
    assert!(
        send(&open, get("https://elsewhere.example.com/v1/x"))
            .await
            .is_err()
    );
}

#[tokio::test]
async fn plain_http_to_an_api_is_an_error() {
    let selector = complete(&every_mode());
    for (name, endpoint, _) in expectations() {
        let plain = endpoint
            .replace("https://", "http://")
            .replace(":8443", ":80")
            + "/x";
        for named in [true, false] {
            for layer in [selector.layer(name), selector.layer_for_all()] {
                let mut request = get(&plain);
                if named {
                    request.extensions_mut().insert(ApiName::new(name));
                }
                let outcome = send(&layer.expect("a layer"), request).await;
                match name {
                    "open" => assert!(outcome.is_ok()),
                    _ => assert_eq!(outcome.expect_err(name).0, AuthErrorKind::PlainText),
                }
            }
        }
    }
}

#[tokio::test]
async fn a_rejected_token_is_replaced_once() {
    let fetched = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&fetched);
    let selector = every_mode()
        .selector()
        .tokens(AuthorizationMode::OpenIdConnect, move || {
            let fetch = counter.fetch_add(1, Ordering::Relaxed);
            async move { Ok(format!("token-{fetch}")) }
        })
        .expect("a mode with tokens");
    let recorder = Recorder::answering(|before, _| {
        let mut response = Response::new(Full::<Bytes>::default());
        if before == 0 {
            *response.status_mut() = StatusCode::UNAUTHORIZED;
        }
        response
    });
    // A body that only streams cannot be had again; tokens do not need it read.
    let layer = selector
        .layer("partners")
        .expect("a layer")
        .retry_rejected(CloneBody);
    let request = Request::builder()
        .method(Method::POST)
        .uri("/orders")
        .body(Full::<Bytes>::from("an order"))
        .expect("a request");
    let response = layer
        .layer(recorder.clone())
        .oneshot(request)
        .await
        .expect("an answer");
    assert_eq!(response.status(), StatusCode::OK);
    let seen = recorder.seen();
    let sent: Vec<_> = seen
        .iter()
        .map(|seen| (credential(seen), uri(seen).to_string(), seen.body.clone()))
        .collect();
    let expected = |token: &str| {
        let uri = "https://partners.example.com:8443/v1/orders".to_owned();
        (
            format!("token {token}"),
            uri,
            Bytes::from_static(b"an order"),
        )
    };
    assert_eq!(sent, [expected("token-0"), expected("token-1")]);
    assert_eq!(fetched.load(Ordering::Relaxed), 2);
}

/// Under `Buffer`, a token's requests stream: what can be sent twice is what has no body.
#[tokio::test]
async fn a_request_without_a_body_is_sent_again_under_buffer_too() {
    for (body, times) in [("", 2), ("an order", 1)] {
        let fetched = AtomicUsize::new(0);
        let selector = every_mode()
            .selector()
            .tokens(AuthorizationMode::OpenIdConnect, move || {
                let fetch = fetched.fetch_add(1, Ordering::Relaxed);
                async move { Ok(format!("token-{fetch}")) }
            })
            .expect("a mode with tokens");
        let recorder = Recorder::answering(|_, _| {
            let mut response = Response::new(Full::<Bytes>::default());
            *response.status_mut() = StatusCode::UNAUTHORIZED;
            response
        });
        let layer = selector
            .layer("partners")
            .expect("a layer")
            .retry_rejected(Buffer::default());
        let request = Request::post("/orders")
            .body(Full::<Bytes>::from(body))
            .expect("a request");
        let answer = layer
            .layer(recorder.clone())
            .oneshot(request)
            .await
            .expect("an answer");
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(recorder.seen().len(), times, "{body:?}");
    }
}

#[tokio::test]
async fn only_signatures_need_the_body() {
    let selector = complete(&every_mode());
    for (name, _, usual) in expectations() {
        let layer = selector
            .layer(name)
            .expect("a layer")
            .payload(Buffer::new(4));
        let request = Request::post("/x")
            .body(Full::<Bytes>::from("more than four"))
            .expect("a request");
        let recorder = Recorder::new();
        let outcome = layer.layer(recorder.clone()).oneshot(request).await;
        assert_eq!(outcome.is_err(), usual.starts_with("signature"), "{name}");
    }
}
