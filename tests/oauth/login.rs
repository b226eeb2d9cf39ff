//! The authorization code grant: what the browser is sent with, and what it may come back with.

use std::collections::HashMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tower_client_auth::oauth::{AuthorizationRequest, LoopbackLogin, OAuthClient, Provider};
use tower_client_auth::{AuthError, AuthErrorKind, Secret};

use super::issuer::{CANARY, CLIENT, FAULTS, ISSUER, Issuer, SECOND, json_response, metadata};

const CALLBACK: &str = "https://app.example.com/callback";

async fn begin(issuer: &Issuer, scope: &str) -> AuthorizationRequest {
    let login = issuer.client().authorization_code().scope(scope);
    login.begin(CALLBACK).await.expect("a login")
}

fn query(url: &str) -> HashMap<String, String> {
    let (_, query) = url.split_once('?').expect("a query");
    form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .collect()
}

#[tokio::test]
async fn the_browser_is_sent_with_a_challenge_and_the_code_comes_with_its_verifier() {
    let issuer = Issuer::default();
    let login = begin(&issuer, "openid offline_access").await;
    assert!(
        login
            .url()
            .starts_with("https://login.example.com/authorize?")
    );
    let mut sent = query(login.url());
    let (state, nonce) = (
        sent.remove("state").expect("a state"),
        sent.remove("nonce").expect("a nonce"),
    );
    let challenge = sent.remove("code_challenge").expect("a challenge");
    let expected = [
        ("response_type", "code"),
        ("client_id", CLIENT),
        ("redirect_uri", CALLBACK),
        ("scope", "openid offline_access"),
        ("code_challenge_method", "S256"),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(sent, expected.into_iter().collect());
    assert!(state.len() >= 22 && nonce.len() >= 22 && state != nonce);
    assert!(!format!("{login:?}").contains(&*state));

    let _ = login
        .finish(&format!("{CALLBACK}?code=a%2Bb&state={state}"))
        .await
        .expect("tokens");
    let form = issuer.forms().pop().expect("a form");
    assert_eq!(form["grant_type"], "authorization_code");
    assert_eq!(form["code"], "a+b");
    assert_eq!(form["redirect_uri"], CALLBACK);
    let verifier = &form["code_verifier"];
    assert!((43..=128).contains(&verifier.len()));
    assert_eq!(URL_SAFE_NO_PAD.encode(Sha256::digest(verifier)), challenge);

    // Another login has other secrets, and without `openid` no nonce.
    let other = query(begin(&issuer, "read").await.url());
    assert_ne!(other["state"], state);
    assert_ne!(other["code_challenge"], challenge);
    assert!(!other.contains_key("nonce"));
}

#[tokio::test]
async fn only_the_answer_to_this_login_is_taken() {
    use AuthErrorKind::{SignInRequired, Source};

    let encoded: String = form_urlencoded::byte_serialize(ISSUER.as_bytes()).collect();
    // `S` stands for the login's own state.
    for (answer, kind) in [
        ("", SignInRequired),
        ("?", SignInRequired),
        ("?code=c4nary", SignInRequired),
        ("?code=c4nary&state=", SignInRequired),
        ("?code=c4nary&state=other", SignInRequired),
        ("?code=c4nary&state=Sx", SignInRequired),
        ("?code=c4nary&state=S&state=S", SignInRequired),
        ("?code=c4nary&code=c4nary&state=S", SignInRequired),
        ("#code=c4nary&state=S", SignInRequired),
        (
            "?error=access_denied&error_description=c4nary&state=S",
            SignInRequired,
        ),
        ("?error=c4nary&state=S", Source),
        ("?error=invalid_scope&state=S", Source),
        ("?state=S", Source),
        (
            "?code=c4nary&state=S&iss=https%3A%2F%2Fevil.example.com",
            Source,
        ),
    ] {
        let issuer = Issuer::default();
        let login = begin(&issuer, "openid").await;
        let state = query(login.url())["state"].clone();
        let answer = answer.replace("=S", &format!("={state}"));
        let error = login
            .finish(&format!("{CALLBACK}{answer}"))
            .await
            .expect_err(&answer);
        assert_eq!(error.kind(), kind, "{answer}: {error}");
        assert!(
            !format!("{error} {error:?}").contains("c4nary"),
            "{error:?}"
        );
        assert!(issuer.forms().is_empty(), "{answer}: no code was sent");
    }
    // A provider that says it always names itself has to.
    for (answer, is_good) in [(String::new(), false), (format!("&iss={encoded}"), true)] {
        let issuer = Issuer::default();
        let mut names = metadata();
        names["authorization_response_iss_parameter_supported"] = true.into();
        issuer.answers(json_response(StatusCode::OK, &names));
        let login = begin(&issuer, "read").await;
        let state = query(login.url())["state"].clone();
        let done = login
            .finish(&format!("/callback?code=c&state={state}{answer}"))
            .await;
        assert_eq!(done.is_ok(), is_good, "{done:?}");
    }
}

#[tokio::test]
async fn a_login_can_be_put_away() {
    let issuer = Issuer::default();
    let login = begin(&issuer, "read").await;
    let (url, state) = (login.url().to_owned(), login.state().to_owned());
    assert_eq!(query(&url)["state"], state);
    let put_away = login.to_secret();
    drop(login);
    let resumed = issuer.client().authorization_code().resume(&put_away);
    let resumed = resumed.expect("a login");
    assert_eq!(resumed.url(), url);
    // A stray visit leaves it as it is.
    let stray = resumed.finish("/callback?code=evil&state=guess").await;
    stray.expect_err("another state");
    let answer = format!("/callback?code=good&state={state}");
    let _ = resumed.finish(&answer).await.expect("tokens");
    assert_eq!(issuer.forms().len(), 1);
    for odd in ["", "c4nary", "{}", "[1]"] {
        let resumed = issuer
            .client()
            .authorization_code()
            .resume(&Secret::new(odd));
        let error = resumed.expect_err("no login");
        assert_eq!(error.kind(), AuthErrorKind::MalformedCredential);
        assert!(!format!("{error:?}").contains("c4nary"));
    }
}

#[tokio::test]
async fn an_id_token_has_to_be_for_this_login() {
    let jwt = |claims: Value| {
        let part = |json: &str| URL_SAFE_NO_PAD.encode(json);
        format!(
            "{}.{}.c2ln",
            part(r#"{"alg":"RS256"}"#),
            part(&claims.to_string())
        )
    };
    for (change, is_good) in [
        (json!({}), true),
        (json!({ "nonce": "other" }), false),
        (json!({ "nonce": null }), false),
        (json!({ "aud": "other" }), false),
        (json!({ "iss": "https://evil.example.com" }), false),
        (json!({ "exp": 1_700_000_000 }), false),
    ] {
        let issuer = Issuer::default();
        let login = begin(&issuer, "openid").await;
        let sent = query(login.url());
        let mut claims = json!({ "iss": ISSUER, "aud": CLIENT, "nonce": sent["nonce"], "exp": 4_102_444_800_u64 });
        for (name, value) in change.as_object().expect("members") {
            claims[name] = value.clone();
        }
        let reply = json!({ "access_token": "a", "id_token": jwt(claims) });
        issuer.answers(json_response(StatusCode::OK, &reply));
        let done = login
            .finish(&format!("/callback?code=c&state={}", sent["state"]))
            .await;
        assert_eq!(done.is_ok(), is_good, "{change}");
        match done {
            Ok(tokens) => assert!(tokens.id_token().is_some()),
            Err(error) => assert!(!error.is_transient() && error.to_string().contains("ID token")),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_told_from_a_refusal() {
    for fault in FAULTS {
        let issuer = Issuer::default();
        let login = begin(&issuer, "read").await;
        let state = query(login.url())["state"].clone();
        issuer.fails(fault, tokio::time::Instant::now() + 60 * SECOND);
        let error = login
            .finish(&format!("/?code={CANARY}&state={state}"))
            .await
            .expect_err("a fault");
        assert!(error.is_transient(), "{fault:?}: {error}");
        assert!(!format!("{error} {error:?}").contains("c4nary"));
        let error = issuer.client().authorization_code().begin(CALLBACK).await;
        assert!(error.expect_err("a fault").is_transient(), "{fault:?}");
    }
}

#[tokio::test]
async fn an_endpoint_may_have_a_query_of_its_own() {
    let issuer = Issuer::default();
    for (endpoint, start) in [
        (
            "https://a.example.com/authorize",
            "https://a.example.com/authorize?response_type=",
        ),
        (
            "https://a.example.com/?p=B2C",
            "https://a.example.com/?p=B2C&response_type=",
        ),
        (
            "https://a.example.com/?",
            "https://a.example.com/?response_type=",
        ),
    ] {
        let provider = Provider::new("https://a.example.com/token", issuer.transport())
            .and_then(|provider| provider.authorization_endpoint(endpoint))
            .expect("a provider");
        let login = OAuthClient::new(provider, CLIENT).authorization_code();
        let login = login
            .parameter("prompt", "login")
            .begin(CALLBACK)
            .await
            .expect("a login");
        assert!(login.url().starts_with(start), "{}", login.url());
        assert_eq!(query(login.url())["prompt"], "login");
    }
    let provider = Provider::new("https://a.example.com/token", issuer.transport());
    let login = OAuthClient::new(provider.expect("a provider"), CLIENT).authorization_code();
    let error = login.begin(CALLBACK).await.expect_err("no endpoint");
    assert_eq!(error.kind(), AuthErrorKind::Configuration);
}

async fn listen(issuer: &Issuer, redirect: &str) -> Result<LoopbackLogin, AuthError> {
    issuer.client().authorization_code().listen(redirect).await
}

/// Sends bytes to the listener, and returns its answer.
async fn visit(port: u16, request: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port))
        .await
        .expect("a listener");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    // The listener may close before all has been sent.
    let _ = stream.read_to_string(&mut answer).await;
    answer
}

fn port_of(login: &LoopbackLogin) -> (String, u16) {
    let sent = query(login.url());
    let authority = sent["redirect_uri"].strip_prefix("http://").expect("http");
    let authority = authority.split('/').next().expect("an authority");
    let port = authority
        .rsplit(':')
        .next()
        .expect("a port")
        .parse()
        .expect("a port");
    (sent["state"].clone(), port)
}

#[tokio::test]
async fn the_listener_takes_the_answer_and_nothing_else() {
    let issuer = Issuer::default();
    let login = listen(&issuer, "http://127.0.0.1/callback")
        .await
        .expect("a login");
    let (state, port) = port_of(&login);
    let finished = tokio::spawn(login.finish());
    // Connections that ask for nothing, as browsers open them ahead.
    let mut idle = Vec::new();
    for _ in 0..80 {
        idle.push(
            TcpStream::connect(("127.0.0.1", port))
                .await
                .expect("a listener"),
        );
    }
    let host = format!("host: 127.0.0.1:{port}\r\n");
    for stray in [
        format!("GET /favicon.ico HTTP/1.1\r\n{host}\r\n"),
        format!("GET /callback HTTP/1.1\r\n{host}\r\n"),
        format!("GET /callback?code=evil&state=guess HTTP/1.1\r\n{host}\r\n"),
        format!("GET /callback?code=evil&state={state}&state={state} HTTP/1.1\r\n{host}\r\n"),
        format!("GET /callback/?code=evil&state={state} HTTP/1.1\r\n{host}\r\n"),
        format!("POST /callback?code=evil&state={state} HTTP/1.1\r\n{host}\r\n"),
        // A name that has been made to mean this machine.
        format!(
            "GET /callback?code=evil&state={state} HTTP/1.1\r\nhost: evil.example.com:{port}\r\n\r\n"
        ),
        format!("GET /callback?code=evil&state={state} HTTP/1.1\r\n\r\n"),
        "c4nary\r\n\r\n".to_owned(),
        format!("GET /{} HTTP/1.1\r\n", "x".repeat(20_000)),
    ] {
        let answer = visit(port, &stray).await;
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 404"),
            "{stray}: {answer}"
        );
        assert!(!finished.is_finished(), "{stray}");
    }
    // In pieces, as networks deliver.
    let mut stream = TcpStream::connect(("127.0.0.1", port))
        .await
        .expect("a listener");
    let request =
        format!("GET /callback?code=good&state={state} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n");
    for piece in request.as_bytes().chunks(40) {
        stream.write_all(piece).await.expect("sent");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.contains("signed in"),
        "{answer}"
    );
    for header in [
        "cache-control: no-store",
        "referrer-policy: no-referrer",
        "connection: close",
    ] {
        assert!(answer.contains(header), "{answer}");
    }
    assert!(!answer.contains(&state), "nothing that came is shown");
    let _ = finished.await.expect("no panic").expect("tokens");
    assert_eq!(issuer.forms().pop().expect("a form")["code"], "good");
    TcpStream::connect(("127.0.0.1", port))
        .await
        .expect_err("it listens no more");
}

#[tokio::test]
async fn a_refusal_in_the_browser_ends_the_login() {
    let issuer = Issuer::default();
    let login = listen(&issuer, "http://localhost/").await.expect("a login");
    let (state, port) = port_of(&login);
    let finished = tokio::spawn(login.finish());
    let request = format!(
        "GET /?error=access_denied&state={state} HTTP/1.1\r\nhost: localhost:{port}\r\n\r\n"
    );
    let answer = visit(port, &request).await;
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    let error = finished.await.expect("no panic").expect_err("refused");
    assert_eq!(error.kind(), AuthErrorKind::SignInRequired);
}

#[tokio::test]
async fn a_browser_that_does_not_come_back_ends_the_login() {
    let issuer = Issuer::default();
    let login = listen(&issuer, "http://127.0.0.1/").await.expect("a login");
    let login = login.timeout(Duration::from_millis(50));
    let error = login.finish().await.expect_err("nobody came");
    assert_eq!(error.kind(), AuthErrorKind::SignInRequired);
    assert!(error.to_string().contains("in time"), "{error}");
}

#[tokio::test]
async fn only_this_machine_is_listened_on() {
    let issuer = Issuer::default();
    for redirect in [
        "https://127.0.0.1/callback",
        "http://app.example.com/callback",
        "http://0.0.0.0/callback",
        "http://127.0.0.2/callback",
        "http://c4nary@127.0.0.1/callback",
        "http://127.0.0.1/callback?c4nary",
        "http://127.0.0.1/#c4nary",
        "http://127.0.0.1:99999/",
        "/callback",
        "",
    ] {
        let error = listen(&issuer, redirect).await.expect_err(redirect);
        assert_eq!(error.kind(), AuthErrorKind::Configuration, "{redirect}");
        assert!(!format!("{error:?}").contains("c4nary"));
    }
    let taken = listen(&issuer, "http://127.0.0.1/").await.expect("a login");
    let (_, port) = port_of(&taken);
    let error = listen(&issuer, &format!("http://127.0.0.1:{port}/"))
        .await
        .expect_err("taken");
    assert!(error.to_string().contains("another login"), "{error}");
    drop(taken);
    listen(&issuer, &format!("http://127.0.0.1:{port}/"))
        .await
        .map(drop)
        .expect("free again");
}
