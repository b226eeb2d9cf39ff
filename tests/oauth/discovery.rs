//! Where a provider's endpoints are, and what is not believed of it.

use http::{Request, StatusCode};
use serde_json::json;
use tokio::time::sleep;
use tower_client_auth::oauth::{OAuthClient, Provider};
use tower_client_auth::{AuthErrorKind, TokenSource, Transport};

use super::issuer::{CLIENT, Fault, Issuer, SECOND, SECRET, json_response, metadata, text};
use crate::support::Recorder;

#[tokio::test(start_paused = true)]
async fn the_document_is_asked_for_once_a_day() {
    let issuer = Issuer::default();
    let provider = issuer.provider();
    let client = OAuthClient::new(provider.clone(), CLIENT).secret(SECRET);
    assert_eq!(issuer.exchanges(), 0, "not before it is needed");
    let grants: Vec<_> = (0..50).map(|_| client.client_credentials()).collect();
    let answers = futures::future::join_all(grants.iter().map(TokenSource::token)).await;
    assert!(answers.into_iter().all(|answer| answer.is_ok()));
    assert_eq!(issuer.exchanges(), 1 + 50);
    sleep(25 * 3600 * SECOND).await;
    client.client_credentials().token().await.expect("a token");
    assert_eq!(issuer.exchanges(), 1 + 50 + 2);
    // If it cannot be had again, the endpoints are still where they were.
    sleep(25 * 3600 * SECOND).await;
    issuer.answers(text(StatusCode::BAD_GATEWAY, "text/plain", "down"));
    client.client_credentials().token().await.expect("a token");
    // And asked for again before long.
    let before = issuer.exchanges();
    sleep(301 * SECOND).await;
    for _ in 0..2 {
        client.client_credentials().token().await.expect("a token");
    }
    assert_eq!(issuer.exchanges() - before, 3);
}

#[tokio::test]
async fn a_provider_speaks_for_itself_only() {
    for (change, word) in [
        (
            json!({ "issuer": "https://login.example.com/tenant/" }),
            "another issuer",
        ),
        (
            json!({ "issuer": "https://evil.example.com" }),
            "another issuer",
        ),
        (json!({ "issuer": 7 }), "cannot be read"),
        (json!({ "token_endpoint": null }), "token_endpoint"),
        (
            json!({ "token_endpoint": "http://login.example.com/token" }),
            "token_endpoint",
        ),
        (
            json!({ "token_endpoint": "http://127.0.0.1/token" }),
            "token_endpoint",
        ),
        (json!({ "token_endpoint": "/token" }), "token_endpoint"),
        (
            json!({ "token_endpoint": "https://c4nary:x@login.example.com/token" }),
            "token_endpoint",
        ),
        (
            json!({ "token_endpoint": "ftp://login.example.com/token" }),
            "token_endpoint",
        ),
        (
            json!({ "revocation_endpoint": "http://login.example.com/revoke" }),
            "revocation_endpoint",
        ),
        (
            json!({ "device_authorization_endpoint": "" }),
            "device_authorization_endpoint",
        ),
        (
            json!({ "authorization_endpoint": "https://login.example.com/\u{9b}31m" }),
            "authorization_endpoint",
        ),
        (
            json!({ "authorization_endpoint": "https://login.example.com/?a=`id`" }),
            "authorization_endpoint",
        ),
    ] {
        let issuer = Issuer::default();
        let mut document = metadata();
        for (name, value) in change.as_object().expect("members") {
            document[name] = value.clone();
        }
        issuer.answers(json_response(StatusCode::OK, &document));
        let error = issuer
            .client()
            .client_credentials()
            .token()
            .await
            .expect_err(word);
        assert!(error.to_string().contains(word), "{error}");
        assert!(!format!("{error:?}").contains("c4nary"), "{error:?}");
        assert!(issuer.forms().is_empty(), "no secret was sent");
        // It is asked again, and may have been mended.
        issuer
            .client()
            .client_credentials()
            .token()
            .await
            .expect("a token");
    }
}

#[tokio::test]
async fn both_well_known_places_are_looked_at() {
    let recorder = Recorder::answering(move |number, seen| match (number, seen.head.uri.path()) {
        (0, _) => response(StatusCode::NOT_FOUND, "{}"),
        (1, "/.well-known/oauth-authorization-server/tenant") => {
            response(StatusCode::OK, &metadata().to_string())
        }
        _ => response(StatusCode::OK, r#"{"access_token":"t"}"#),
    });
    let transport = Transport::new(recorder.clone());
    let provider =
        Provider::discover(super::issuer::ISSUER, transport.clone()).expect("a provider");
    let client = OAuthClient::new(provider, CLIENT).secret(SECRET);
    client.client_credentials().token().await.expect("a token");
    let seen = recorder.seen();
    let targets: Vec<_> = seen.iter().map(|seen| seen.head.uri.to_string()).collect();
    assert_eq!(
        targets,
        [
            "https://login.example.com/tenant/.well-known/openid-configuration",
            "https://login.example.com/.well-known/oauth-authorization-server/tenant",
            "https://login.example.com/token",
        ]
    );
    assert!(seen[0].all("authorization").is_empty() && seen[1].all("authorization").is_empty());
    assert!(seen[2].head.headers["authorization"].is_sensitive());

    let nowhere = Recorder::answering(|_, _| response(StatusCode::NOT_FOUND, "c4nary"));
    let provider = Provider::discover(
        "https://login.example.com/",
        Transport::new(nowhere.clone()),
    );
    let client = OAuthClient::new(provider.expect("a provider"), CLIENT);
    let error = client
        .client_credentials()
        .token()
        .await
        .expect_err("no document");
    assert!(!error.is_transient());
    assert!(error.to_string().contains("check the issuer"), "{error}");
    assert_eq!(nowhere.seen().len(), 2);
    // A server that knows no such path may say so in other words, and so may a firewall.
    for status in [StatusCode::BAD_REQUEST, StatusCode::FORBIDDEN] {
        let odd = Recorder::answering(move |number, _| match number {
            0 => response(status, "<no/>"),
            1 => response(StatusCode::OK, &metadata().to_string()),
            _ => response(StatusCode::OK, r#"{"access_token":"t"}"#),
        });
        let provider = Provider::discover(super::issuer::ISSUER, Transport::new(odd));
        let client = OAuthClient::new(provider.expect("a provider"), CLIENT);
        client.client_credentials().token().await.expect("a token");
        let firewall = Recorder::answering(move |_, _| response(status, "<no/>"));
        let provider = Provider::discover(super::issuer::ISSUER, Transport::new(firewall));
        let client = OAuthClient::new(provider.expect("a provider"), CLIENT);
        let error = client
            .client_credentials()
            .token()
            .await
            .expect_err("no document");
        assert!(error.is_transient(), "{error}");
    }
}

fn response(status: StatusCode, body: &str) -> http::Response<http_body_util::Full<bytes::Bytes>> {
    http::Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .body(body.to_owned().into())
        .expect("a response")
}

#[test]
fn urls_that_cannot_keep_a_secret_are_refused() {
    use AuthErrorKind::{Configuration, PlainText};

    let transport = Issuer::default().transport();
    for (url, kind) in [
        ("http://login.example.com", PlainText),
        ("http://10.0.0.1:8080", PlainText),
        ("login.example.com", Configuration),
        ("/tenant", Configuration),
        ("", Configuration),
        ("https://c4nary:x@login.example.com", Configuration),
        ("https://login.example.com/?c4nary", Configuration),
        ("https://login.example.com/#c4nary", Configuration),
        ("ftp://login.example.com", Configuration),
    ] {
        let error = Provider::discover(url, transport.clone()).expect_err(url);
        assert_eq!(error.kind(), kind, "{url}: {error}");
        assert!(
            !format!("{error} {error:?}").contains("c4nary"),
            "{error:?}"
        );
        if !url.contains(['?', '#']) {
            let error = Provider::new(url, transport.clone()).expect_err(url);
            assert_eq!(error.kind(), kind, "{url}: {error}");
        }
    }
    for url in [
        "http://127.0.0.1:3000",
        "http://localhost/a",
        "http://[::1]:1/",
        "https://a",
    ] {
        Provider::discover(url, transport.clone()).expect(url);
        Provider::new(url, transport.clone()).expect(url);
    }
    let discovered = Provider::discover("https://a", transport).expect("a provider");
    let error = discovered
        .issuer("https://b")
        .expect_err("it says so itself");
    assert_eq!(error.kind(), Configuration);
}

#[tokio::test(start_paused = true)]
async fn a_transport_has_its_own_patience_and_its_own_limit() {
    let issuer = Issuer::default();
    let transport = issuer.transport().timeout(SECOND / 2).max_reply(100);
    let provider = Provider::new("https://login.example.com/token", transport).expect("a provider");
    let grant = OAuthClient::new(provider, CLIENT).client_credentials();
    let start = tokio::time::Instant::now();
    issuer.fails(Fault::StalledInside, start + SECOND);
    let error = grant.token().await.expect_err("no answer");
    assert!(error.to_string().contains("within 0.5 s"), "{error}");
    assert_eq!(start.elapsed(), SECOND / 2);
    let reply = json!({ "access_token": "t", "padding": "x".repeat(100) });
    issuer.answers(json_response(StatusCode::OK, &reply));
    let error = grant.token().await.expect_err("too long");
    assert!(error.to_string().contains("more than 100 bytes"), "{error}");
}

#[tokio::test]
async fn an_endless_reply_is_not_read_to_its_end() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    let read = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&read);
    let service = tower::service_fn(move |_: Request<http_body_util::Full<bytes::Bytes>>| {
        let count = Arc::clone(&count);
        let frames = futures::stream::repeat_with(move || {
            count.fetch_add(4096, Ordering::SeqCst);
            Ok::<_, std::io::Error>(http_body::Frame::data(bytes::Bytes::from(vec![b' '; 4096])))
        });
        std::future::ready(Ok::<_, std::io::Error>(http::Response::new(
            http_body_util::StreamBody::new(frames),
        )))
    });
    let transport = Transport::new(service);
    let provider = Provider::new("https://login.example.com/token", transport).expect("a provider");
    let grant = OAuthClient::new(provider, CLIENT).client_credentials();
    let error = grant.token().await.expect_err("too long");
    assert!(error.is_transient());
    let read = read.load(Ordering::SeqCst);
    assert!(read <= 1024 * 1024 + 2 * 4096, "{read}");
    crate::support::promise(
        33,
        format!("of an endless token reply {read} bytes were read"),
    );
}
