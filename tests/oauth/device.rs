//! The device grant, against what RFC 8628 has of it: a stand-in of ours.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};
use tokio::time::Instant;
use tower_client_auth::AuthErrorKind;
use tower_client_auth::oauth::{DeviceLogin, OAuthClient, Provider};

use super::issuer::{CANARY, CLIENT, FAULTS, Issuer, SECOND, json_response, metadata, refusal};

fn begins(issuer: &Issuer, device: &Value) {
    issuer.answers(json_response(StatusCode::OK, device));
    issuer.answers(json_response(StatusCode::OK, &metadata()));
}

fn device() -> Value {
    json!({
        "device_code": format!("{CANARY}code"),
        "user_code": "WDJB-MJHT",
        "verification_uri": "https://login.example.com/device",
        "verification_uri_complete": "https://login.example.com/device?user_code=WDJB-MJHT",
        "expires_in": 600,
        "interval": 5,
    })
}

async fn begin(issuer: &Issuer) -> Result<DeviceLogin, tower_client_auth::AuthError> {
    let client = OAuthClient::new(issuer.provider(), CLIENT);
    client.device_authorization().scope("openid").begin().await
}

#[tokio::test(start_paused = true)]
async fn it_waits_as_the_provider_says() {
    let issuer = Issuer::default();
    // Polls at 5, 10, 20, 30 and 40 s: the answers, the last one first.
    for code in [
        "authorization_pending",
        "authorization_pending",
        "slow_down",
        "authorization_pending",
    ] {
        issuer.answers(refusal(StatusCode::BAD_REQUEST, code));
    }
    begins(&issuer, &device());
    let login = begin(&issuer).await.expect("a login");
    assert_eq!(login.user_code(), "WDJB-MJHT");
    assert_eq!(login.verification_uri(), "https://login.example.com/device");
    assert!(
        login
            .verification_uri_complete()
            .expect("one")
            .ends_with("WDJB-MJHT")
    );
    assert_eq!(login.expires_in(), 600 * SECOND);
    assert!(!format!("{login:?}").contains(CANARY));
    let start = Instant::now();
    let tokens = login.finish().await.expect("tokens");
    assert_eq!(start.elapsed(), 40 * SECOND);
    assert!(tokens.refresh_token().is_some());
    let forms = issuer.forms();
    assert_eq!(forms.len(), 1 + 5);
    assert_eq!(
        (&*forms[0]["client_id"], &*forms[0]["scope"]),
        (CLIENT, "openid")
    );
    for form in &forms[1..] {
        assert_eq!(
            form["grant_type"],
            "urn:ietf:params:oauth:grant-type:device_code"
        );
        assert_eq!(form["device_code"], format!("{CANARY}code"));
        assert_eq!(form["client_id"], CLIENT);
    }
}

#[tokio::test(start_paused = true)]
async fn a_user_who_says_no_or_nothing_has_to_sign_in_again() {
    for (code, word) in [
        ("access_denied", "said no"),
        ("expired_token", "in time"),
        ("invalid_grant", "sign in again"),
    ] {
        let issuer = Issuer::default();
        issuer.answers(refusal(StatusCode::BAD_REQUEST, code));
        begins(&issuer, &device());
        let login = begin(&issuer).await.expect("a login");
        let error = login.finish().await.expect_err(code);
        assert_eq!(error.kind(), AuthErrorKind::SignInRequired);
        assert!(error.to_string().contains(word), "{error}");
    }
    // The provider would say `authorization_pending` for ever.
    let issuer = Issuer::default();
    for _ in 0..200 {
        issuer.answers(refusal(StatusCode::BAD_REQUEST, "authorization_pending"));
    }
    begins(&issuer, &device());
    let start = Instant::now();
    let error = begin(&issuer)
        .await
        .expect("a login")
        .finish()
        .await
        .expect_err("too late");
    assert_eq!(error.kind(), AuthErrorKind::SignInRequired);
    // The last poll comes just before the end.
    assert_eq!(start.elapsed(), 598 * SECOND);
    assert_eq!(issuer.forms().len(), 1 + 120);
}

#[tokio::test(start_paused = true)]
async fn an_outage_while_it_waits_is_waited_through() {
    for fault in FAULTS {
        let issuer = Issuer::default();
        begins(&issuer, &device());
        let login = begin(&issuer).await.expect("a login");
        issuer.fails(fault, Instant::now() + 120 * SECOND);
        let start = Instant::now();
        let _ = login.finish().await.expect("tokens in spite of it");
        assert!(start.elapsed() <= 200 * SECOND, "{fault:?}");
        let polls = issuer.forms().len();
        assert!(
            polls <= 8,
            "{fault:?}: asked less and less often, not {polls} times"
        );
        // Where it begins, an outage is the answer.
        let issuer = Issuer::default();
        issuer.fails(fault, Instant::now() + 3600 * SECOND);
        let error = begin(&issuer).await.expect_err("an outage");
        assert!(error.is_transient(), "{fault:?}: {error}");
        assert!(!format!("{error} {error:?}").contains("c4nary"));
    }
}

/// An outage of some seconds must not slow down all that comes after it.
#[tokio::test(start_paused = true)]
async fn after_an_outage_it_waits_as_before() {
    let issuer = Issuer::default();
    // Polls at 5 (down), 15 (down), 35, 40 and 45 s.
    for status in [400, 400, 503, 503] {
        let code = if status == 400 {
            "authorization_pending"
        } else {
            "server_error"
        };
        issuer.answers(refusal(
            StatusCode::from_u16(status).expect("a status"),
            code,
        ));
    }
    begins(&issuer, &device());
    let login = begin(&issuer).await.expect("a login");
    let start = Instant::now();
    let _ = login.finish().await.expect("tokens");
    assert_eq!(start.elapsed(), 45 * SECOND);
}

#[tokio::test]
async fn an_id_token_has_to_be_for_this_client() {
    for (audience, is_good) in [(CLIENT, true), ("other", false)] {
        let issuer = Issuer::default();
        let claims =
            json!({ "iss": super::issuer::ISSUER, "aud": audience, "exp": 4_102_444_800_u64 });
        let payload = base64::Engine::encode(
            &base64::engine::general_purpose::URL_SAFE_NO_PAD,
            claims.to_string(),
        );
        let reply = json!({ "access_token": "a", "id_token": format!("e30.{payload}.c2ln") });
        issuer.answers(json_response(StatusCode::OK, &reply));
        let mut quick = device();
        quick["interval"] = 1.into();
        begins(&issuer, &quick);
        let done = begin(&issuer).await.expect("a login").finish().await;
        assert_eq!(done.is_ok(), is_good, "{done:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_terminal_would_obey_is_not_shown() {
    for (name, value) in [
        ("user_code", "A\u{1b}[2J"),
        ("user_code", ""),
        ("user_code", "A\nB"),
        ("user_code", "\u{202e}B-A"),
        ("user_code", "A\u{ad}B"),
        ("user_code", "A\u{e0041}"),
        ("user_code", &"A".repeat(3_000)),
        (
            "verification_uri",
            "https://login.example.com/\u{1b}]0;x\u{7}",
        ),
        ("verification_uri", "javascript:alert(1)"),
        ("verification_uri", "file:///etc/passwd"),
        ("verification_uri", "login.example.com"),
        ("verification_uri", ""),
    ] {
        let issuer = Issuer::default();
        let mut odd = device();
        odd[name] = value.into();
        begins(&issuer, &odd);
        let error = begin(&issuer).await.expect_err(value);
        assert!(
            !error.is_transient() && error.to_string().contains("shown"),
            "{error}"
        );
    }
    // The link is a convenience: without it there is the code.
    let issuer = Issuer::default();
    let mut odd = device();
    odd["verification_uri_complete"] = "javascript:alert(1)".into();
    begins(&issuer, &odd);
    let login = begin(&issuer).await.expect("a login");
    assert_eq!(login.verification_uri_complete(), None);
}

#[tokio::test(start_paused = true)]
async fn numbers_may_be_missing_or_odd() {
    for (interval, expires, first) in [
        (json!(null), json!(null), 5),
        (json!("7"), json!("60"), 7),
        (json!(0), json!(60), 1),
        (json!(-3), json!(60), 1),
        (json!(1e300), json!(1e300), 5),
        (json!(3600), json!(7200), 3600),
    ] {
        let issuer = Issuer::default();
        let mut odd = device();
        odd["interval"] = interval.clone();
        odd["expires_in"] = expires;
        begins(&issuer, &odd);
        let login = begin(&issuer).await.expect("a login");
        assert!(login.expires_in() <= Duration::from_secs(86_400));
        let start = Instant::now();
        let _ = login.finish().await.expect("tokens");
        assert_eq!(start.elapsed(), first * SECOND, "{interval}");
    }
}

#[tokio::test]
async fn a_provider_without_the_grant_is_told_apart() {
    let issuer = Issuer::default();
    let provider = Provider::new("https://login.example.com/token", issuer.transport());
    let client = OAuthClient::new(provider.expect("a provider"), CLIENT);
    let error = client
        .device_authorization()
        .begin()
        .await
        .expect_err("no endpoint");
    assert_eq!(error.kind(), AuthErrorKind::Configuration);
    assert_eq!(issuer.exchanges(), 0);
}
