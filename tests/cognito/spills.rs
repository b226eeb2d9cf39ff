//! Promise 25, for Cognito: nothing that is sent or received is in any output.

use aws_credential_types::provider::ProvideCredentials as _;
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};
use tokio::time::sleep;
use tower::{Layer as _, ServiceExt as _};
use tower_client_auth::cognito::{CognitoError, Session, SignIn, UserPool};
use tower_client_auth::oauth::{MemoryStore, TokenKind, Tokens};
use tower_client_auth::{
    AuthError, BearerTokenLayer, BoxError, CredentialsSource as _, SigV4Layer, Token,
    TokenSource as _, TokenStyle,
};

use super::stand_in::{Call, Disk, FAULTS, SECOND, Said, StandIn};
use crate::secrets::{Detector, Output};
use crate::support::{Recorder, promise};

const PASSWORD: &str = "PasswordOfTheUser%t/+:=&-8sKd02mQx";
const NEW_PASSWORD: &str = "TheNextPassword/+~4pT0yU8sd7dK2";
const MFA_CODE: &str = "CodeOfASecondFactor_5hG2aQwZ";
const ANSWER: &str = "AnswerToATrigger_6vB1xEyT";
const EMAIL: &str = "EmailOfTheUser@0f9e8d7c.example";
const CLIENT_SECRET: &str = "1qW8eR3jR8wNqAppClients5tG7hJ";
const SESSION: &str = "AYABe-BetweenTwoSteps_4pT0yU8sKd";
const BLOCK: &str = "VGhlQmxvY2tPZlRoZVByb29mLTdkSzJtRjBzTHEh";
const TOTP: &str = "JBSWY3DPEHPK3PXPQRSTUVWX";
const ACCESS: &str = "AccessOfAlice.e30.91c2ab7Qx-Zr";
const ID: &str = "IdentityOfAlice.e30.3jR8wNq-Ty";
const REFRESH: &str = "KeptForAMonth.5hG2aQwZ-8d7fK2";
const ROTATED: &str = "ThatReplacedIt.8d7fK2mV-x1qW8";
const SECRET_KEY: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYz5";
const AWS_TOKEN: &str = "FwoGZXIvYXdzOfAnIdentity//++q9Lm";
const SUBJECT: &str = "TokenOfAnotherProvider.2kL9pTz-w";
const WORDS: &str = "WordsOfThePoolOrATrigger_7dK2mF0sLq";

const SECRETS: [(&str, &str); 17] = [
    ("password", PASSWORD),
    ("new password", NEW_PASSWORD),
    ("MFA code", MFA_CODE),
    ("answer", ANSWER),
    ("attribute", EMAIL),
    ("client secret", CLIENT_SECRET),
    ("session", SESSION),
    ("secret block", BLOCK),
    ("TOTP secret", TOTP),
    ("access token", ACCESS),
    ("ID token", ID),
    ("refresh token", REFRESH),
    ("rotated refresh token", ROTATED),
    ("AWS secret", SECRET_KEY),
    ("AWS session token", AWS_TOKEN),
    ("another provider's token", SUBJECT),
    ("message", WORDS),
];

/// All that there is to spill, in one text.
fn all() -> String {
    SECRETS.map(|(_, text)| text).join(" ")
}

fn challenge(name: &str, mut parameters: Value) -> Said {
    parameters["USERNAME"] = "alice".into();
    parameters["CODE_DELIVERY_DESTINATION"] = WORDS.into();
    Said::json(
        200,
        &json!({ "ChallengeName": name, "Session": SESSION, "ChallengeParameters": parameters }),
    )
}

/// Challenges, each of a kind of its own.
fn challenges() -> [Said; 7] {
    [
        challenge(
            "NEW_PASSWORD_REQUIRED",
            json!({ "requiredAttributes": "[\"userAttributes.email\"]", "userAttributes": all() }),
        ),
        challenge("EMAIL_OTP", json!({})),
        challenge(
            "SOFTWARE_TOKEN_MFA",
            json!({ "FRIENDLY_DEVICE_NAME": WORDS }),
        ),
        challenge(
            "SELECT_MFA_TYPE",
            json!({ "MFAS_CAN_CHOOSE": "[\"SMS_MFA\",\"SOFTWARE_TOKEN_MFA\"]" }),
        ),
        challenge(
            "MFA_SETUP",
            json!({ "MFAS_CAN_SETUP": "[\"SOFTWARE_TOKEN_MFA\"]" }),
        ),
        challenge("CUSTOM_CHALLENGE", json!({ "question": all() })),
        challenge(&all(), json!({})),
    ]
}

fn verifier() -> Said {
    challenge(
        "PASSWORD_VERIFIER",
        json!({ "SRP_B": "a7c3f1", "SALT": "7d3a", "SECRET_BLOCK": BLOCK, "USER_ID_FOR_SRP": "alice" }),
    )
}

/// What goes well, whatever was asked.
fn well() -> Value {
    json!({
        "AuthenticationResult": {
            "AccessToken": ACCESS,
            "IdToken": ID,
            "RefreshToken": ROTATED,
            "ExpiresIn": 3600,
            "TokenType": WORDS,
            "NewDeviceMetadata": { "DeviceKey": WORDS },
        },
        "IdentityId": "eu-west-1:0",
        "Credentials": {
            "AccessKeyId": "ASIAEXAMPLE",
            "SecretKey": SECRET_KEY,
            "SessionToken": AWS_TOKEN,
            "Expiration": 4e9,
        },
        "SecretCode": TOTP,
        "Session": SESSION,
    })
}

/// The same with something odd in one place.
fn odd(part: &str, member: &str, value: impl Into<Value>) -> Said {
    let mut reply = well();
    reply[part][member] = value.into();
    Said::json(200, &reply)
}

/// Everything a server may say, with all that it knows in it.
fn replies() -> Vec<Said> {
    let text = |status: u16, kind: &'static str, text: String| Said {
        status,
        kind,
        error_type: None,
        text,
    };
    let mut replies = vec![
        Said::json(200, &well()),
        odd("AuthenticationResult", "AccessToken", vec![ACCESS]),
        odd("AuthenticationResult", "AccessToken", format!("{ACCESS}\n")),
        odd("AuthenticationResult", "IdToken", format!("{ID} \u{fc}")),
        odd(
            "AuthenticationResult",
            "RefreshToken",
            json!({ ROTATED: 1 }),
        ),
        odd("AuthenticationResult", "ExpiresIn", all()),
        odd("Credentials", "AccessKeyId", all()),
        odd("Credentials", "SecretKey", format!("{SECRET_KEY}\n")),
        odd("Credentials", "SessionToken", all()),
        odd("Credentials", "Expiration", 0),
        odd("Credentials", "Expiration", all()),
        Said::json(200, &json!({ all(): all() })),
        Said::json(200, &json!([all()])),
        Said::json(
            200,
            &json!({ "SecretCode": [TOTP], "Session": { SESSION: 1 } }),
        ),
        text(200, "text/html", all()),
        text(
            200,
            "application/json",
            format!("{{\"IdentityId\":\"{WORDS}\",{}", all()),
        ),
        text(302, "text/html", all()),
        text(404, "text/html", all()),
        text(502, "text/html", all()),
    ];
    for code in [
        "NotAuthorizedException",
        "UserLambdaValidationException",
        "TooManyRequestsException",
        "ResourceNotFoundException",
        &all(),
    ] {
        replies.push(Said::refusal(code, &all()));
        replies.push(Said {
            error_type: Some(code.to_owned()),
            ..Said::json(400, &json!({ "message": all() }))
        });
    }
    replies.push(Said {
        status: 500,
        ..Said::refusal("InternalErrorException", &all())
    });
    replies.extend(challenges());
    replies.push(verifier());
    replies
}

/// What a program does.
#[derive(Clone, Copy)]
enum Deed {
    Password,
    Proof,
    Custom,
    /// A sign-in with that challenge.
    Challenge(usize),
    Session,
    Guest,
}

/// Each, with a call of it that is answered with something else.
const DEEDS: [(Deed, Call); 19] = [
    (Deed::Password, Call::InitiateAuth),
    (Deed::Proof, Call::InitiateAuth),
    (Deed::Proof, Call::RespondToAuthChallenge),
    (Deed::Custom, Call::InitiateAuth),
    (Deed::Challenge(0), Call::RespondToAuthChallenge),
    (Deed::Challenge(1), Call::RespondToAuthChallenge),
    (Deed::Challenge(2), Call::RespondToAuthChallenge),
    (Deed::Challenge(3), Call::RespondToAuthChallenge),
    (Deed::Challenge(4), Call::AssociateSoftwareToken),
    (Deed::Challenge(4), Call::VerifySoftwareToken),
    (Deed::Challenge(4), Call::RespondToAuthChallenge),
    (Deed::Challenge(5), Call::RespondToAuthChallenge),
    (Deed::Challenge(6), Call::RespondToAuthChallenge),
    (Deed::Session, Call::GetTokensFromRefreshToken),
    (Deed::Session, Call::GetId),
    (Deed::Session, Call::GetCredentialsForIdentity),
    (Deed::Session, Call::RevokeToken),
    (Deed::Guest, Call::GetId),
    (Deed::Guest, Call::GetCredentialsForIdentity),
];

fn note<T>(output: &Output, answer: Result<T, AuthError>) -> usize {
    let Err(error) = answer else {
        return 0;
    };
    output.error(&error);
    if let Some(cognito) = CognitoError::of(&error) {
        output.debug(cognito);
        output.line(cognito.to_string());
    }
    1
}

async fn take(deed: Deed, stand_in: &StandIn, output: &Output) -> usize {
    let users = stand_in.users().client_secret(CLIENT_SECRET);
    output.debug(&users);
    match deed {
        Deed::Password | Deed::Challenge(_) => {
            let first = users.sign_in_with_password("alice", PASSWORD).await;
            answer(first, output).await
        }
        Deed::Proof => answer(users.sign_in("alice", PASSWORD).await, output).await,
        Deed::Custom => answer(users.sign_in_custom("alice").await, output).await,
        Deed::Session => use_session(users, stand_in, output).await,
        Deed::Guest => {
            let subject = || async { Ok::<_, BoxError>(SUBJECT) };
            let guests = stand_in.identities();
            let others = guests.clone().login("login.example.com", subject);
            let mut failures = 0;
            for pool in [guests, others] {
                output.debug(&pool);
                failures += note(output, pool.identity_id().await);
                let cached = pool.cached();
                output.debug(&cached);
                failures += note(output, cached.credentials().await);
                output.debug(&cached.status());
            }
            failures
        }
    }
}

/// Answers whatever is asked, for some steps.
async fn answer(first: Result<SignIn, AuthError>, output: &Output) -> usize {
    let (mut next, mut failures) = (first, 0);
    for _ in 0..3 {
        let step = match next {
            Ok(step) => step,
            Err(error) => return failures + note(output, Err::<(), _>(error)),
        };
        output.debug(&step);
        if let Err(error) = step.clone().tokens() {
            output.error(&error);
        }
        next = match step {
            SignIn::NewPassword(new) => {
                output.debug(&new);
                let new = new.attribute("email", EMAIL);
                output.debug(&new);
                new.answer(NEW_PASSWORD).await
            }
            SignIn::Code(code) => {
                output.debug(&code);
                code.answer(MFA_CODE).await
            }
            SignIn::ChooseFactor(choice) => {
                output.debug(&choice);
                match choice.choices().first() {
                    Some(factor) => choice.choose(*factor).await,
                    None => return failures,
                }
            }
            SignIn::SetUpTotp(mut app) => {
                match app.begin().await {
                    Ok(secret) => output.debug(&secret),
                    Err(error) => failures += note(output, Err::<(), _>(error)),
                }
                output.debug(&app);
                app.finish(MFA_CODE).await
            }
            SignIn::Other(other) => {
                output.debug(&other);
                other.answer(&[("ANSWER", ANSWER)]).await
            }
            _ => return failures,
        };
    }
    failures + note(output, next)
}

async fn use_session(users: UserPool, stand_in: &StandIn, output: &Output) -> usize {
    let session = Session::new(users)
        .identity_pool(stand_in.identities())
        .store(MemoryStore::new());
    output.debug(&session);
    let tokens = Tokens::new(Token::from(ACCESS))
        .with_id_token(Token::from(ID))
        .with_refresh_token(REFRESH);
    output.debug(&tokens);
    let mut failures = note(output, session.sign_in(&tokens).await);
    for kind in [TokenKind::Access, TokenKind::Id] {
        let cached = session.tokens(kind);
        output.debug(&cached);
        for _ in 0..2 {
            let future = cached.token();
            output.debug(&future);
            match future.await {
                Ok(token) => {
                    output.debug(&token);
                    cached.rejected(&token);
                }
                Err(error) => failures += note(output, Err::<(), _>(error)),
            }
            sleep(6 * SECOND).await;
        }
        output.debug(&cached.status());
    }
    let cached = session.credentials().expect("a pool");
    output.debug(&cached);
    match cached.credentials().await {
        Ok(credentials) => output.debug(&credentials),
        Err(error) => failures += note(output, Err::<(), _>(error)),
    }
    let provider = session.provider().expect("a pool");
    output.debug(&provider);
    if let Err(error) = provider.provide_credentials().await {
        output.error(&error);
    }
    failures += note(output, session.is_signed_in().await);
    failures += note(output, session.sign_out().await);
    session.settled().await;
    output.debug(&session);
    failures
}

fn check(output: &Output) -> usize {
    let text = output.text();
    assert!(text.contains("refresh"), "events were written down");
    assert_eq!(Detector::new(&SECRETS).hits(&text), []);
    text.len() / 1024
}

#[tokio::test(start_paused = true)]
async fn no_reply_and_no_request_is_repeated() {
    let output = Output::default();
    let _tracing = output.trace();
    let mut failures = 0;
    for (deed, call) in DEEDS {
        for reply in replies() {
            let stand_in = StandIn::new();
            stand_in.says(None, Said::json(200, &well()));
            match deed {
                Deed::Challenge(kind) => {
                    let challenge = challenges()[kind].clone();
                    stand_in.says(Some(Call::InitiateAuth), challenge);
                }
                Deed::Proof => stand_in.says(Some(Call::InitiateAuth), verifier()),
                _ => {}
            }
            stand_in.says(Some(call), reply);
            failures += take(deed, &stand_in, &output).await;
        }
    }
    for fault in FAULTS {
        for deed in [Deed::Password, Deed::Proof, Deed::Session, Deed::Guest] {
            let stand_in = StandIn::new();
            stand_in.fails(fault, None);
            failures += take(deed, &stand_in, &output).await;
        }
    }
    assert!(failures > 300, "{failures}");
    let length = check(&output);
    promise(
        25,
        format!("{failures} failures of Cognito's, 0 hits in {length} KiB of output"),
    );
}

#[tokio::test(start_paused = true)]
async fn a_story_that_goes_well_says_nothing_either() {
    let output = Output::default();
    let _tracing = output.trace();
    let stand_in = StandIn::new();
    stand_in.says(None, Said::json(200, &well()));
    let disk = Disk::default();
    let users = stand_in.users().client_secret(CLIENT_SECRET);
    let session = Session::new(users)
        .identity_pool(stand_in.identities())
        .store(disk.clone());
    let recorder = Recorder::new();
    let origin = "https://api.example.com";
    let access = BearerTokenLayer::new(origin, session.tokens(TokenKind::Access));
    let id = BearerTokenLayer::new(origin, session.tokens(TokenKind::Id));
    let id = id.expect("a layer").style(TokenStyle::Raw);
    let credentials = session.credentials().expect("a pool");
    let iam = SigV4Layer::new("eu-west-1", "execute-api", credentials).expect("a layer");
    let access = access.expect("a layer").layer(recorder.clone());
    let id = id.layer(recorder.clone());
    let iam = iam.layer(recorder.clone());
    let get = |url: &str| {
        let request = Request::get(url).body(Full::<Bytes>::default());
        request.expect("a request")
    };
    let gateway = "https://a1b2c3.execute-api.eu-west-1.amazonaws.com/prod/orders";

    let users = session.user_pool().expect("a user pool");
    let done = users.sign_in_with_password("alice", PASSWORD).await;
    let tokens = done.expect("signed in").tokens().expect("tokens");
    session.sign_in(&tokens).await.expect("stored");
    for disk_is_full in [false, true, false] {
        disk.fails_to_write(disk_is_full);
        for service in [&access, &id] {
            let answer = service.clone().oneshot(get(origin)).await;
            output.debug(&answer.expect("an answer"));
        }
        let answer = iam.clone().oneshot(get(gateway)).await;
        output.debug(&answer.expect("an answer"));
        output.debug(&(&access, &iam));
        // All of it is over, and a refresh brings another refresh token, which is not always saved.
        sleep(2 * 3600 * SECOND).await;
        let rotated = match disk_is_full {
            false => format!("{ROTATED}-1"),
            true => ROTATED.to_owned(),
        };
        let reply = odd("AuthenticationResult", "RefreshToken", rotated);
        stand_in.says(Some(Call::GetTokensFromRefreshToken), reply);
    }
    session.sign_out().await.expect("signed out");
    let error = access.clone().oneshot(get(origin)).await;
    output.error(error.expect_err("nobody").as_ref());
    output.debug(&session);

    let seen = recorder.seen();
    for request in &seen {
        output.debug(&request.head);
    }
    let sent = |name: &str| -> Vec<&str> { seen.iter().flat_map(|seen| seen.all(name)).collect() };
    assert!(sent("authorization").contains(&&*format!("Bearer {ACCESS}")));
    assert!(sent("authorization").contains(&ID), "they were there");
    assert!(sent("x-amz-security-token").contains(&AWS_TOKEN));
    let length = check(&output);
    promise(
        25,
        format!(
            "a user's story of {} requests, 0 hits in {length} KiB of output",
            seen.len()
        ),
    );
}
