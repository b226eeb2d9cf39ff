//! Promise 25, for providers: nothing that is sent or received is in any output.

use http::StatusCode;
use serde_json::json;
use tower_client_auth::oauth::{
    AuthorizationCode, FileStore, MemoryStore, OAuthClient, OAuthError, RefreshTokenStore,
    TokenType,
};
use tower_client_auth::{AuthError, BoxError, Secret, TokenSource};

use super::issuer::{CLIENT, FAULTS, ISSUER, Issuer, SECOND, json_response, metadata, text};
use crate::secrets::{Detector, Output};
use crate::support::promise;

const CLIENT_SECRET: &str = "ClientSecret%t/+:=&-8sKd02mQx";
const ACCESS: &str = "AccessTokenOfTheReply_91c2ab7Qx";
const REFRESH: &str = "rt.KeptInTheStore_5hG2aQwZ";
const ROTATED: &str = "rt.ThatReplacedIt_8d7fK2mVx";
const ID: &str = "IdTokenOfTheReply.jwt_3jR8wNq";
const CODE: &str = "cd.OneTimeInTheUrl_6vB1xEyT";
const DEVICE: &str = "DeviceCodeThatIsPolled_2kL9pTz";
const SUBJECT: &str = "SubjectTokenOfExchange_4pT0yU8";
const PAGE: &str = "WordsOfAProxysPage_7dK2mF0sLq";
const EXTRA: &str = "ParameterOfTheProvider_1qW8eR";

fn detector() -> Detector {
    Detector::new(&[
        ("client secret", CLIENT_SECRET),
        ("access token", ACCESS),
        ("refresh token", REFRESH),
        ("rotated refresh token", ROTATED),
        ("ID token", ID),
        ("code", CODE),
        ("device code", DEVICE),
        ("subject token", SUBJECT),
        ("page", PAGE),
        ("parameter", EXTRA),
    ])
}

fn note(output: &Output, answer: Result<impl std::fmt::Debug, AuthError>) -> usize {
    match answer {
        Ok(value) => {
            output.debug(&value);
            0
        }
        Err(error) => {
            output.error(&error);
            if let Some(provider) = OAuthError::of(&error) {
                output.debug(provider);
                output.line(provider.to_string());
            }
            1
        }
    }
}

/// Everything a server may say, with all that it knows in it.
fn replies() -> Vec<http::Response<super::issuer::Body>> {
    let all = format!(
        "{CLIENT_SECRET} {ACCESS} {REFRESH} {ROTATED} {ID} {CODE} {DEVICE} {SUBJECT} {PAGE} {EXTRA}"
    );
    let json =
        |status: u16, value| json_response(StatusCode::from_u16(status).expect("a status"), &value);
    let mut replies = vec![
        json(
            200,
            json!({ "access_token": ACCESS, "refresh_token": ROTATED, "id_token": ID, "scope": all }),
        ),
        json(200, json!({ "access_token": ACCESS, "token_type": all })),
        json(200, json!({ "access_token": format!("{ACCESS}\n") })),
        json(
            200,
            json!({ "access_token": [ACCESS], "refresh_token": { ROTATED: 1 } }),
        ),
        json(
            200,
            json!({ "access_token": ACCESS, "expires_in": all, "id_token": 7 }),
        ),
        json(200, json!({ all.as_str(): all })),
        json(200, json!({ "issuer": all, "token_endpoint": all })),
        json(
            200,
            json!({ "issuer": ISSUER, "token_endpoint": format!("http://evil.example.com/{ACCESS}") }),
        ),
        json(
            200,
            json!({ "device_code": DEVICE, "user_code": "\u{1b}", "verification_uri": all }),
        ),
        text(StatusCode::OK, "text/html", &all),
        text(
            StatusCode::OK,
            "application/json",
            &format!("{{\"access_token\":\"{ACCESS}\",\"x\":{all}"),
        ),
        text(StatusCode::BAD_GATEWAY, &format!("text/{PAGE}"), &all),
        text(StatusCode::FOUND, "text/html", &all),
    ];
    for (status, code) in [
        (400, "invalid_grant"),
        (401, "invalid_client"),
        (400, "invalid_request"),
        (400, all.as_str()),
        (200, REFRESH),
        (503, ACCESS),
    ] {
        let words = json!({ "error": code, "error_description": all, "error_uri": all });
        replies.push(json(status, words));
    }
    replies
}

#[tokio::test(start_paused = true)]
async fn no_reply_and_no_request_is_repeated() {
    let output = Output::default();
    let _tracing = output.trace();
    let mut failures = 0;
    let (count, steps) = (replies().len(), 6);
    for number in 0..count {
        for step in 0..steps {
            // Instead of the document, and instead of the answer that follows it.
            for later in [false, true] {
                let issuer = Issuer::default();
                let reply = replies().swap_remove(number);
                issuer.answers(reply);
                if later {
                    issuer.answers(json_response(StatusCode::OK, &metadata()));
                }
                let client = OAuthClient::new(issuer.provider(), CLIENT).secret(CLIENT_SECRET);
                failures += take_step(step, &client, &output).await;
            }
        }
    }
    for fault in FAULTS {
        let issuer = Issuer::default();
        issuer.fails(fault, tokio::time::Instant::now() + 3600 * SECOND);
        for step in 0..steps {
            let client = OAuthClient::new(issuer.provider(), CLIENT).secret_in_body(CLIENT_SECRET);
            failures += take_step(step, &client, &output).await;
        }
    }
    // Files.
    let path = super::store::folder("spills").join("sessions.json");
    let store = FileStore::new(&path);
    store
        .save("key", &Secret::new(REFRESH))
        .await
        .expect("saved");
    output.debug(&store);
    let content = std::fs::read_to_string(&path).expect("a file");
    for damaged in [
        content.replace('}', ""),
        content.replace("1,", "9,"),
        content.replace(':', "="),
    ] {
        std::fs::write(&path, damaged).expect("written");
        let error = store.load("key").await.expect_err("damaged");
        output.error(error.as_ref());
        failures += 1;
    }
    assert!(failures > 300, "{failures}");
    let text = output.text();
    // The subscriber was there.
    assert!(text.contains("refresh"), "events were written down");
    assert_eq!(detector().hits(&text), []);
    promise(
        25,
        format!(
            "{failures} failures of providers and stores, 0 hits in {} KiB of output",
            text.len() / 1024
        ),
    );
}

async fn take_step(step: usize, client: &OAuthClient, output: &Output) -> usize {
    output.debug(client);
    match step {
        0 => {
            let grant = client.client_credentials().parameter("x", EXTRA).scope("a");
            output.debug(&grant);
            note(output, grant.cached().token().await)
        }
        1 => {
            let store = MemoryStore::new();
            let key = format!("{ISSUER} {CLIENT}");
            store
                .save(&key, &Secret::new(REFRESH))
                .await
                .expect("saved");
            output.debug(&store);
            let session = client.refresh_token(store);
            output.debug(&session);
            let failures = note(output, session.clone().cached().token().await);
            failures + note(output, session.sign_out().await)
        }
        2 => {
            let subject = || async { Ok::<_, BoxError>(SUBJECT) };
            let exchange = client.token_exchange(subject, TokenType::Jwt);
            output.debug(&exchange);
            note(output, exchange.cached().token().await)
        }
        3 => match client.device_authorization().begin().await {
            Ok(login) => {
                output.debug(&login);
                note(output, login.finish().await)
            }
            Err(error) => note(output, Err::<(), _>(error)),
        },
        4 => {
            let login: AuthorizationCode = client.authorization_code().parameter("y", EXTRA);
            output.debug(&login);
            match login.begin("https://app.example.com/").await {
                Ok(login) => {
                    output.debug(&login);
                    let state = login.url().split("state=").nth(1).expect("a state");
                    let state = state.split('&').next().expect("a state");
                    let back = format!("https://app.example.com/?code={CODE}&state={state}");
                    note(output, login.finish(&back).await)
                }
                Err(error) => note(output, Err::<(), _>(error)),
            }
        }
        _ => match client
            .authorization_code()
            .begin("https://app.example.com/")
            .await
        {
            Ok(login) => {
                let state = login.url().split("state=").nth(1).expect("a state");
                let state = state.split('&').next().expect("a state");
                let back = format!("/?error={CODE}&error_description={PAGE}&state={state}");
                note(output, login.finish(&back).await)
            }
            Err(error) => note(output, Err::<(), _>(error)),
        },
    }
}
