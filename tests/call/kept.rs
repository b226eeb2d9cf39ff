//! Sessions that are kept: for whom, for which places, and where to.

use std::io::ErrorKind;
use std::net::TcpListener;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::answers::Canned;
use super::pty::Terminal;
use super::{Folder, call, run};

const USER: &str = "0a1b2c3d-0000-4000-8000-000000000000";

/// A server's answer.
pub(super) fn answer(body: &Value) -> &'static [u8] {
    let body = body.to_string();
    let length = body.len();
    let head =
        "HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.1\r\nconnection: close\r\n";
    format!("{head}content-length: {length}\r\n\r\n{body}")
        .leak()
        .as_bytes()
}

/// The tokens of a user of the pool, whose name there is nothing that anybody types.
pub(super) fn tokens(with_session: bool) -> Value {
    let token = |claims: Value| {
        let claims = URL_SAFE_NO_PAD.encode(claims.to_string());
        format!("e30.{claims}.CANARY")
    };
    let mut tokens = json!({
        "AccessToken": token(json!({ "username": USER, "token_use": "access" })),
        "IdToken": token(json!({
            "cognito:username": USER,
            "email": "Alice@example.com",
            "token_use": "id",
        })),
        "TokenType": "Bearer",
        "ExpiresIn": 3600,
    });
    if with_session {
        tokens["RefreshToken"] = "CANARY-r".into();
    }
    json!({ "AuthenticationResult": tokens })
}

/// A server that nobody is to ask.
struct Untouched(TcpListener);

impl Untouched {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("a listener");
        Self(listener)
    }

    fn origin(&self) -> String {
        let port = self.0.local_addr().expect("an address").port();
        format!("http://elsewhere.localhost:{port}")
    }

    /// Whoever had connected would wait to be accepted.
    #[track_caller]
    fn is_untouched(&self) {
        let came = self.0.accept().expect_err("nobody");
        assert_eq!(came.kind(), ErrorKind::WouldBlock);
    }
}

/// A file with an API for users, one for signatures, and both pools.
fn file(api: &str, pool: &str, identities: &str) -> Value {
    json!({
        "apis": {
            "me": { "endpoint": format!("{api}/v1"), "mode": "AMAZON_COGNITO_USER_POOLS" },
            "orders": { "endpoint": format!("{api}/v2"), "mode": "AWS_IAM", "region": "eu-west-1" },
        },
        "auth": {
            "user_pool": {
                "id": "eu-west-1_A", "client_id": "c", "region": "eu-west-1", "endpoint": pool,
            },
            "identity_pool": {
                "id": "eu-west-1:01234567-89ab-cdef-0123-456789abcdef", "region": "eu-west-1",
                "endpoint": identities, "allow_guests": false,
            },
        },
    })
}

fn sign_in(folder: &Folder) {
    let mut terminal = Terminal::run(&call(folder, &["sign-in", "--user", USER]));
    terminal.expect(&format!("Password of {USER} at tests.localhost:"));
    terminal.type_secret("CANARY-p");
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(0), "{screen}");
    assert!(screen.contains(&format!("signed in: {USER}")), "{screen}");
    assert!(!screen.contains("CANARY"), "{screen}");
}

/// Whoever writes a file may not have the token of somebody who signed in by another.
#[test]
fn a_session_goes_to_no_place_that_another_file_names() {
    let folder = Folder::new();
    let pool = Canned::new(vec![answer(&tokens(true))]);
    let (api, identities) = (Untouched::new(), Untouched::new());
    let good = file(&api.origin(), &pool.origin, &identities.origin());
    let write = |file: &str| folder.write("tower-client-auth.json", file);
    write(&good.to_string());
    sign_in(&folder);
    let already = format!("signed in already: {USER}\n");
    assert_eq!(run(&mut call(&folder, &["sign-in"])).good(), already);

    let elsewhere = Untouched::new();
    let mut one_more = good.clone();
    one_more["apis"]["more"] = json!({ "endpoint": elsewhere.origin(), "mode": "NONE" });
    let mut provider = good.clone();
    provider["auth"]["oidc"] = json!({ "issuer": elsewhere.origin(), "client_id": "c" });
    for (what, other) in [
        (
            "the API",
            file(&elsewhere.origin(), &pool.origin, &identities.origin()),
        ),
        (
            "the identity pool",
            file(&api.origin(), &pool.origin, &elsewhere.origin()),
        ),
        (
            "the user pool",
            file(&api.origin(), &elsewhere.origin(), &identities.origin()),
        ),
        ("one more API", one_more),
        ("one more provider", provider),
    ] {
        write(&other.to_string());
        for name in ["me", "orders"] {
            let run = run(&mut call(&folder, &["--api", name, "--timeout", "5", "/"]));
            assert_eq!(run.code, Some(4), "{what}: {run:#?}");
            run.is(4, &["nobody is signed in"]);
            assert_eq!(run.out, "", "{what}");
        }
        elsewhere.is_untouched();
        api.is_untouched();
        identities.is_untouched();
    }

    // The same places, in another order and in other words.
    let text = format!(
        r#"{{ "auth": {}, "apis": {{
            "b": {{ "mode": "NONE", "endpoint": "{}/v9" }}, "a": {{ "mode": "NONE", "endpoint": "{}" }} }} }}"#,
        good["auth"],
        api.origin().replace("elsewhere", "ELSEWHERE"),
        api.origin(),
    );
    write(&text);
    assert_eq!(run(&mut call(&folder, &["sign-in"])).good(), already);
}

/// It is called something else in the pool.
#[test]
fn a_user_is_who_has_that_email_address() {
    let folder = Folder::new();
    let fresh = || answer(&tokens(false));
    let pool = Canned::new(vec![answer(&tokens(true)), fresh(), fresh()]);
    let api = Canned::new(vec![answer(&json!("welcome"))]);
    let identities = Untouched::new();
    let good = file(&api.origin, &pool.origin, &identities.origin());
    folder.write("tower-client-auth.json", good.to_string());
    sign_in(&folder);
    let line = ["--api", "me", "--user", "alice@example.com", "/"];
    let welcome = run(&mut call(&folder, &line));
    welcome.is(
        0,
        &["* configuration: tower-client-auth.json, which is in this folder"],
    );
    assert_eq!(welcome.out, "\"welcome\"");
    let other = run(&mut call(
        &folder,
        &["--api", "me", "--user", "bob@example.com", "/"],
    ));
    other.is(4, &["another user's"]);
    identities.is_untouched();
}

#[test]
fn what_cannot_be_kept_is_said() {
    let folder = Folder::new();
    let nobody = Untouched::new();
    let write = |pool: &str| {
        let file = file(&nobody.origin(), pool, &nobody.origin());
        folder.write("tower-client-auth.json", file.to_string());
    };
    write(&nobody.origin());
    let homeless = |arguments: &[&str]| {
        let mut command = call(&folder, arguments);
        command.env_remove("HOME").env_remove("XDG_CONFIG_HOME");
        command
    };
    run(&mut homeless(&["--api", "me", "/"])).is(
        4,
        &[
            "there is no home folder to keep a session in",
            "type `call --config tower-client-auth.json --api me --store sessions.json sign-in`",
        ],
    );
    let pool = Canned::new(vec![answer(&tokens(true))]);
    write(&pool.origin);
    let mut terminal = Terminal::run(&homeless(&["sign-in", "--user", "alice"]));
    terminal.expect("Password of alice");
    terminal.type_secret("CANARY");
    terminal.expect("forgotten when this ends: there is no home folder, so type `--store PATH`");
    assert_eq!(terminal.end().0, Some(0));
    nobody.is_untouched();
}
