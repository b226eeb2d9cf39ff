//! What challenges send, call by call, to a user pool that says what a script has it say.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};
use sha2::Sha256;
use tower::service_fn;
use tower_client_auth::cognito::{Session, SignIn, UserPool};
use tower_client_auth::{BoxError, Transport};

use super::pools::{needs_user, verdict};

const CLIENT: &str = "4h57k1l5jm2o1aexample";
const SECRET: &str = "an app client's secret";
const USER: &str = "0d3c4f5e-alice";
const ALIAS: &str = "alice@example.com";
const DEVICE: &str = "eu-west-1_01234567-89ab-cdef-0123-456789abcdef";

const MISMATCH: &str = "CodeMismatchException";
const NOT_AUTHORIZED: &str = "NotAuthorizedException";

/// A status, and what comes with it.
type Said = (u16, Value);

/// What is still to be said, and what was asked: operations, each with its parameters.
#[derive(Clone)]
struct Script(Arc<Mutex<(VecDeque<Said>, Vec<Value>)>>);

impl Script {
    fn new(said: impl IntoIterator<Item = Said>) -> Self {
        let said = said.into_iter().collect();
        Self(Arc::new(Mutex::new((said, Vec::new()))))
    }

    fn users(&self, secret: Option<&str>) -> UserPool {
        let script = self.clone();
        let transport = Transport::new(service_fn(move |asked| script.clone().answer(asked)));
        let users = UserPool::new("eu-west-1_A", CLIENT, transport).expect("a user pool");
        match secret {
            Some(secret) => users.client_secret(secret),
            None => users,
        }
    }

    async fn answer(self, asked: Request<Full<Bytes>>) -> Result<Response<Full<Bytes>>, BoxError> {
        let target = asked.headers()["x-amz-target"].to_str()?;
        let operation = target.strip_prefix("AWSCognitoIdentityProviderService.");
        let operation = operation.ok_or("another service")?.to_owned();
        let body = asked.into_body().collect().await?.to_bytes();
        let parameters: Value = serde_json::from_slice(&body)?;
        let mut script = self.0.lock().expect("no panic");
        script.1.push(json!([operation, parameters]));
        let (status, answer) = script.0.pop_front().ok_or("nothing is left to say")?;
        let answer = Full::from(answer.to_string());
        Ok(Response::builder().status(status).body(answer)?)
    }

    /// Signs in as a program does whose user enters this. Returns what the user reads.
    async fn sign_in(&self, entered: &[&str]) -> Vec<String> {
        let step = self.users(None).sign_in_custom(USER).await;
        let mut step = step.expect("a step");
        let mut read = vec![shown(&mut step).await];
        for &text in entered {
            let answer = match &mut step {
                SignIn::Code(code) => code.answer(text).await,
                SignIn::NewPassword(new) => {
                    let new = new.clone().attribute("email", ALIAS);
                    new.answer(text).await
                }
                SignIn::ChooseFactor(choice) => {
                    let mut factors = choice.choices().iter();
                    let factor = factors.find(|factor| format!("{factor:?}") == text);
                    choice.choose(*factor.expect("a choice")).await
                }
                SignIn::SetUpTotp(app) => app.finish(text).await,
                SignIn::Other(other) => other.answer(&[("ANSWER", text)]).await,
                other => panic!("{other:?}"),
            };
            read.push(match answer {
                Ok(next) => {
                    step = next;
                    shown(&mut step).await
                }
                Err(error) => {
                    let (_, _, code) = verdict(&error);
                    assert_eq!(verdict(&error), needs_user(code));
                    code.to_owned()
                }
            });
        }
        read
    }

    /// Exactly this was asked after the start, and everything has been said.
    fn ends<const N: usize>(&self, begun: Value, asked: [Value; N]) {
        let script = self.0.lock().expect("no panic");
        assert_eq!(script.1[0], json!(["InitiateAuth", begun]));
        assert_eq!(script.1[1..], asked);
        assert!(script.0.is_empty(), "{:?}", script.0);
    }
}

async fn shown(step: &mut SignIn) -> String {
    match step {
        SignIn::Done(tokens) => tokens.access_token().expose().to_owned(),
        SignIn::Code(code) => format!("{:?} {:?}", code.factor(), code.sent_to()),
        SignIn::NewPassword(new) => new.required_attributes().join(", "),
        SignIn::ChooseFactor(choice) => format!("{:?}", choice.choices()),
        SignIn::SetUpTotp(app) => app.begin().await.expect("a secret").expose().to_owned(),
        SignIn::Other(other) => format!("{} {:?}", other.name(), other.parameter("why")),
        other => panic!("{other:?}"),
    }
}

fn posed(name: &str, session: &str, parameters: Value) -> Said {
    let mut challenge = json!({ "ChallengeName": name, "Session": session });
    challenge["ChallengeParameters"] = parameters;
    (200, challenge)
}

fn refused(code: &str) -> Said {
    (400, json!({ "__type": code, "message": "No." }))
}

fn issued(access: &str, refresh: Option<&str>) -> Said {
    let tokens = json!({ "AccessToken": access, "ExpiresIn": 3600 });
    let tokens = with(tokens, "RefreshToken", refresh);
    (200, json!({ "AuthenticationResult": tokens }))
}

fn last() -> Said {
    issued("last", None)
}

fn with(mut object: Value, name: &str, value: Option<&str>) -> Value {
    if let Some(value) = value {
        object[name] = value.into();
    }
    object
}

/// What belongs to a user of a client with this secret.
fn hashed(parameters: Value, user: &str, secret: Option<&str>) -> Value {
    let hash = secret.map(|secret| {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("a key");
        mac.update(format!("{user}{CLIENT}").as_bytes());
        let hash: [u8; 32] = mac.finalize().into_bytes().into();
        STANDARD.encode(hash)
    });
    with(parameters, "SECRET_HASH", hash.as_deref())
}

fn begun(flow: &str, parameters: Value) -> Value {
    json!({ "AuthFlow": flow, "ClientId": CLIENT, "AuthParameters": parameters })
}

fn custom() -> Value {
    begun("CUSTOM_AUTH", json!({ "USERNAME": USER }))
}

fn answered(name: &str, session: &str, mut answers: Value) -> Value {
    if answers["USERNAME"].is_null() {
        answers["USERNAME"] = USER.into();
    }
    let call = json!({ "ChallengeName": name, "ClientId": CLIENT, "Session": session });
    let mut call = json!(["RespondToAuthChallenge", call]);
    call[1]["ChallengeResponses"] = answers;
    call
}

#[tokio::test]
async fn the_code_of_a_factor_that_was_chosen_is_sent() {
    for (factor, name, place) in [
        ("Sms", "SMS_MFA", "sent"),
        ("Email", "EMAIL_OTP", "sent"),
        ("Totp", "SOFTWARE_TOKEN_MFA", "shown"),
    ] {
        let can = r#"["SOFTWARE_TOKEN_MFA","EMAIL_OTP","SMS_MFA"]"#;
        let places =
            json!({ "CODE_DELIVERY_DESTINATION": "sent", "FRIENDLY_DEVICE_NAME": "shown" });
        let script = Script::new([
            posed("SELECT_MFA_TYPE", "s1", json!({ "MFAS_CAN_CHOOSE": can })),
            posed(name, "s2", places),
            refused(MISMATCH),
            last(),
        ]);
        let read = script.sign_in(&[factor, "000000", "123456"]).await;
        // In an order of their own, whatever the pool's.
        let code = format!("{factor} {:?}", Some(place));
        assert_eq!(read, ["[Sms, Email, Totp]", &code, MISMATCH, "last"]);
        let chosen = answered("SELECT_MFA_TYPE", "s1", json!({ "ANSWER": name }));
        let member = format!("{name}_CODE");
        let code = |code| answered(name, "s2", with(json!({}), &member, Some(code)));
        script.ends(custom(), [chosen, code("000000"), code("123456")]);
    }
}

#[tokio::test]
async fn an_app_is_set_up() {
    const WRONG: &str = "EnableSoftwareTokenMFAException";
    let poses = |can| {
        let parameters = json!({ "MFAS_CAN_SETUP": can, "why": can });
        posed("MFA_SETUP", "s1", parameters)
    };
    let script = Script::new([
        poses(r#"["SOFTWARE_TOKEN_MFA"]"#),
        (200, json!({ "SecretCode": "JBSWY3DP", "Session": "s2" })),
        refused(WRONG),
        (200, json!({ "Status": "ERROR", "Session": "s2" })),
        (200, json!({ "Status": "SUCCESS", "Session": "s3" })),
        last(),
    ]);
    let read = script.sign_in(&["000000", "111111", "123456"]).await;
    assert_eq!(read, ["JBSWY3DP", WRONG, "", "last"]);
    let verify = |code| json!(["VerifySoftwareToken", { "Session": "s2", "UserCode": code }]);
    let associate = json!(["AssociateSoftwareToken", { "Session": "s1" }]);
    let last = answered("MFA_SETUP", "s3", json!({}));
    let [wrong, another, right] = ["000000", "111111", "123456"].map(verify);
    script.ends(custom(), [associate, wrong, another, right, last]);
    // Whoever can only set up something else has nothing to do with an app.
    for can in [r#"["SMS_MFA"]"#, "[]", "SOFTWARE_TOKEN_MFA"] {
        let script = Script::new([poses(can)]);
        let read = script.sign_in(&[]).await;
        assert_eq!(read, [format!("MFA_SETUP {:?}", Some(can))]);
        script.ends(custom(), []);
    }
}

#[tokio::test]
async fn a_password_is_chosen_along_with_what_is_required() {
    const WEAK: &str = "InvalidPasswordException";
    let name = "NEW_PASSWORD_REQUIRED";
    for (required, shown) in [
        (r#"["userAttributes.email"]"#, "email"),
        (r#"["email"]"#, "email"),
        ("userAttributes.email", ""),
    ] {
        let parameters = json!({ "requiredAttributes": required });
        let script = Script::new([posed(name, "s1", parameters), refused(WEAK), last()]);
        let read = script.sign_in(&["weak", "Str0nger!"]).await;
        assert_eq!(read, [shown, WEAK, "last"], "{required}");
        let password = |password| {
            let answers = json!({ "NEW_PASSWORD": password, "userAttributes.email": ALIAS });
            answered(name, "s1", answers)
        };
        script.ends(custom(), [password("weak"), password("Str0nger!")]);
    }
}

#[tokio::test]
async fn a_challenge_of_any_name_is_answered_and_not_repeated() {
    for (name, printed) in [("WEB_AUTHN", "WEB_AUTHN"), ("c4nary", "of another name")] {
        let pose = || posed(name, "s1", json!({ "why": "c4nary?" }));
        let script = Script::new([pose(), refused(NOT_AUTHORIZED), last()]);
        let read = script.sign_in(&["x", "y"]).await;
        let shown = format!("{name} {:?}", Some("c4nary?"));
        assert_eq!(read, [shown.as_str(), NOT_AUTHORIZED, "last"]);
        let answer = |answer| answered(name, "s1", json!({ "ANSWER": answer }));
        script.ends(custom(), [answer("x"), answer("y")]);

        let users = Script::new([pose()]).users(None);
        let step = users.sign_in_custom(USER).await.expect("a challenge");
        let error = step.clone().tokens().expect_err("a challenge");
        assert_eq!(verdict(&error), needs_user(""));
        for text in [error.to_string(), format!("{step:?}")] {
            assert!(text.contains(printed) && !text.contains("c4nary"), "{text}");
        }
        assert!(!format!("{error:?}").contains("c4nary"), "{error:?}");
    }
}

#[tokio::test]
async fn the_name_in_the_pool_takes_the_place_of_an_alias() {
    for (parameters, user) in [
        (json!({ "USERNAME": USER }), USER),
        (json!({ "USER_ID_FOR_SRP": USER }), USER),
        (json!({ "USER_ID_FOR_SRP": "b", "USERNAME": USER }), USER),
        (json!({ "username": USER }), ALIAS),
    ] {
        // The second challenge does not repeat it.
        let first = posed("EMAIL_OTP", "s1", parameters);
        let script = Script::new([first, posed("SMS_MFA", "s2", json!({})), last()]);
        let users = script.users(Some(SECRET));
        let mut step = users.sign_in_with_password(ALIAS, "p").await;
        for code in ["1", "2"] {
            let Ok(SignIn::Code(challenge)) = step else {
                panic!("{step:?}");
            };
            step = challenge.answer(code).await;
        }
        drop(step.and_then(SignIn::tokens).expect("tokens"));
        let named = |user, name: &str, value: &str| {
            hashed(json!({ "USERNAME": user, name: value }), user, Some(SECRET))
        };
        let first = answered("EMAIL_OTP", "s1", named(user, "EMAIL_OTP_CODE", "1"));
        let second = answered("SMS_MFA", "s2", named(user, "SMS_MFA_CODE", "2"));
        let begun = begun("USER_PASSWORD_AUTH", named(ALIAS, "PASSWORD", "p"));
        script.ends(begun, [first, second]);
    }
}

#[tokio::test]
async fn a_device_is_named_when_its_session_is_refreshed() {
    let device = Some(DEVICE);
    for (device, secret) in [(device, None), (device, Some(SECRET)), (None, Some(SECRET))] {
        let claims = with(json!({ "username": USER }), "device_key", device);
        let claims = URL_SAFE_NO_PAD.encode(claims.to_string());
        let script = Script::new([
            issued(&format!("e30.{claims}.c2ln"), Some("r1")),
            // Which does not tell whose it is: the same device's still.
            issued("opaque", Some("r2")),
            refused("UnknownOperationException"),
            last(),
        ]);
        let session = Session::new(script.users(secret));
        let step = script.users(secret).sign_in_custom(USER).await;
        let tokens = step.and_then(SignIn::tokens).expect("tokens");
        session.sign_in(&tokens).await.expect("signed in");
        session.refresh().await.expect("tokens");
        session.refresh().await.expect("tokens");
        let refreshed = |token| {
            let call = json!({ "ClientId": CLIENT, "RefreshToken": token });
            let call = with(with(call, "DeviceKey", device), "ClientSecret", secret);
            json!(["GetTokensFromRefreshToken", call])
        };
        let older = with(json!({ "REFRESH_TOKEN": "r2" }), "DEVICE_KEY", device);
        let older = begun("REFRESH_TOKEN_AUTH", hashed(older, USER, secret));
        let older = json!(["InitiateAuth", older]);
        let begun = hashed(json!({ "USERNAME": USER }), USER, secret);
        let begun = self::begun("CUSTOM_AUTH", begun);
        script.ends(begun, [refreshed("r1"), refreshed("r2"), older]);
    }
}
