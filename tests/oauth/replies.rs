//! Promise 31: no reply makes it panic, whatever the bytes are.

use http::StatusCode;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::json;
use tower_client_auth::oauth::{
    MemoryStore, OAuthClient, OAuthError, Provider, RefreshTokenStore, TokenType,
};
use tower_client_auth::{Secret, Token, TokenSource};

use super::issuer::{CLIENT, Issuer, text};
use crate::support::promise;

/// JSON of the right members with values of any kind, JSON that was damaged, and bytes.
fn bodies() -> impl Strategy<Value = String> {
    let names = prop_oneof![
        Just("access_token"),
        Just("token_type"),
        Just("expires_in"),
        Just("refresh_token"),
        Just("id_token"),
        Just("scope"),
        Just("error"),
        Just("error_description"),
        Just("issuer"),
        Just("token_endpoint"),
        Just("device_code"),
        Just("user_code"),
        Just("verification_uri"),
        Just("interval"),
        Just("authorization_endpoint"),
        Just("token_endpoint_auth_methods_supported"),
        Just("device_authorization_endpoint"),
        Just("verification_uri_complete"),
    ];
    let values = prop_oneof![
        3 => Just("\"https://login.example.com/tenant\"".to_owned()),
        3 => Just("\"https://login.example.com/token\"".to_owned()),
        3 => "\"[a-zA-Z0-9._-]{0,40}\"",
        1 => "\"\\PC{0,20}\"",
        1 => Just("\"Bearer\"".to_owned()),
        1 => Just("\"\\u0000\\ud800\"".to_owned()),
        1 => Just("\"invalid_grant\"".to_owned()),
        1 => any::<f64>().prop_map(|n| n.to_string()),
        1 => any::<i64>().prop_map(|n| n.to_string()),
        1 => Just("1e999".to_owned()),
        1 => Just("null".to_owned()),
        1 => Just("[\"a\",1]".to_owned()),
        1 => Just("{\"a\":{}}".to_owned()),
        1 => Just("[".repeat(300)),
    ];
    // A reply as it should be, with some members that should not.
    let whole = [
        json!({ "access_token": "t", "token_type": "Bearer", "expires_in": 60, "refresh_token": "r" }),
        json!({ "error": "invalid_grant", "error_description": "no" }),
        json!({ "device_code": "d", "user_code": "U", "verification_uri": "https://login.example.com/" }),
        super::issuer::metadata(),
        json!({}),
    ];
    let changes = prop::collection::vec((names, values), 0..3);
    let object = (prop::sample::select(whole.to_vec()), changes).prop_map(|(whole, changes)| {
        let whole = whole.as_object().expect("an object");
        let kept = whole
            .iter()
            .filter(|(name, _)| changes.iter().all(|(other, _)| other != name));
        let mut members: Vec<_> = kept
            .map(|(name, value)| format!("\"{name}\":{value}"))
            .collect();
        members.extend(
            changes
                .iter()
                .map(|(name, value)| format!("\"{name}\":{value}")),
        );
        format!("{{{}}}", members.join(","))
    });
    prop_oneof![
        6 => object.clone(),
        2 => (object, any::<prop::sample::Index>()).prop_map(|(mut text, at)| {
            let mut at = at.index(text.len());
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            text.truncate(at);
            text
        }),
        1 => "\\PC{0,60}",
    ]
}

#[test]
fn whatever_a_provider_says_is_an_answer() {
    answers(100_000);
}

#[test]
#[ignore = "a soak"]
fn whatever_a_provider_says_is_an_answer_soak() {
    answers(10_000_000);
}

fn answers(cases: u32) {
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[8; 32]);
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let mut runner = TestRunner::new_with_rng(config, rng);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .expect("a runtime");
    let counts = std::cell::RefCell::new([0u64; 4]);
    let statuses = prop_oneof![
        4 => Just(200u16), 2 => Just(400), 1 => Just(401), 1 => 201u16..600,
    ];
    let kinds = prop_oneof![
        6 => Just("application/json"), 1 => Just("text/html"), 1 => Just(""), 1 => Just("application/jwt+json; a=\"b")
    ];
    runner
        .run(
            &(bodies(), statuses, kinds, 0..7u8),
            |(body, status, kind, grant)| {
                let issuer = Issuer::default();
                let status = StatusCode::from_u16(status).expect("a status");
                let endpoint = Provider::new("https://login.example.com/token", issuer.transport())
                    .and_then(|p| {
                        p.device_authorization_endpoint("https://login.example.com/device")
                    })
                    .and_then(|p| p.authorization_endpoint("https://login.example.com/authorize"))
                    .expect("a provider");
                let known = OAuthClient::new(endpoint, CLIENT);
                let scripted = || text(status, kind, &body);
                let error = runtime.block_on(async {
                    match grant {
                        // Where the answer is the token endpoint's.
                        0 => {
                            issuer.answers(scripted());
                            known.client_credentials().token().await.err()
                        }
                        1 => {
                            issuer.answers(scripted());
                            let store = MemoryStore::new();
                            let key = format!("https://login.example.com/token {CLIENT}");
                            store.save(&key, &Secret::new("r")).await.expect("saved");
                            known.refresh_token(store).token().await.err()
                        }
                        2 => {
                            issuer.answers(scripted());
                            let subject = Token::from("subject");
                            let exchange = known.token_exchange(subject, TokenType::Jwt);
                            exchange.token().await.err()
                        }
                        3 => {
                            let login = known.authorization_code().begin("https://a/").await;
                            let login = login.expect("a login");
                            issuer.answers(scripted());
                            let answer = format!("/?code=c&state={}", login.state());
                            login.finish(&answer).await.err()
                        }
                        4 => {
                            let login = known.device_authorization().begin().await;
                            issuer.answers(scripted());
                            login.expect("a login").finish().await.err()
                        }
                        // And the others'.
                        5 => {
                            issuer.answers(scripted());
                            issuer.client().client_credentials().token().await.err()
                        }
                        _ => {
                            issuer.answers(scripted());
                            known.device_authorization().begin().await.err()
                        }
                    }
                });
                let mut counts = counts.borrow_mut();
                counts[0] += 1;
                match error {
                    None => counts[1] += 1,
                    Some(error) => {
                        counts[if error.is_transient() { 2 } else { 3 }] += 1;
                        let _ = (
                            OAuthError::of(&error).map(ToString::to_string),
                            format!("{error:?}"),
                        );
                    }
                }
                Ok(())
            },
        )
        .expect("no panic");
    let [all, good, transient, other] = counts.into_inner();
    assert!(
        good > all / 50 && transient > all / 10 && other > all / 20,
        "{good} {transient} {other}"
    );
    promise(
        31,
        format!(
            "{all} random replies to 7 requests: {good} used, {transient} transient errors, {other} others, 0 panics"
        ),
    );
}
