//! A session at MiniStack's user pool goes on: its tokens are renewed, and it outlives the program.

use std::fs;
use std::time::Duration;

use futures::future::join_all;
use http::StatusCode;
use tokio::time::sleep;
use tower_client_auth::cognito::{Session, SignIn, UserPool};
use tower_client_auth::oauth::{FileStore, OAuthError, TokenKind, Tokens};
use tower_client_auth::{AuthError, AuthErrorKind, Token, TokenSource};

use super::pools::{Pools, REFRESH, Wire, claims, file, needs_user, send, stays, verdict};
use crate::servers;

pub(super) const KINDS: [TokenKind; 2] = [TokenKind::Access, TokenKind::Id];

/// What a server says that does not know an operation.
pub(super) const UNKNOWN: &str = r#"{"__type":"UnknownOperationException"}"#;

const NOT_AUTHORIZED: &str = "NotAuthorizedException";

/// The token of each kind, both asked for at once.
pub(super) async fn both(session: &Session) -> [Result<Token, AuthError>; 2] {
    let [access, id] = KINDS.map(|kind| session.tokens(kind).token());
    let (access, id) = tokio::join!(access, id);
    [access, id]
}

#[tokio::test]
async fn calls_go_on_when_the_first_tokens_have_ended() {
    if servers::skipped("cognito, renewal") {
        return;
    }
    let (pools, wire) = (Pools::shared(), Wire::default());
    let session = Session::new(pools.users("short", &wire));
    pools.sign_in(&session, "alice").await;
    let apis = KINDS.map(|kind| pools.bearing(session.tokens(kind)));
    let mut sent = 0;
    // Tokens last for seconds: without a refresh, this ends soon.
    while wire.calls(REFRESH) < 3 {
        let calls = apis.iter().map(|api| send(api, pools.get("/prod/pool")));
        for answer in join_all(calls).await {
            let (status, body) = answer.expect("a token");
            assert_eq!(status, StatusCode::OK, "after {sent}: {body}");
            sent += 1;
        }
        sleep(Duration::from_millis(100)).await;
    }
    assert!(session.is_signed_in().await.expect("known"));
    session.settled().await;
    println!("user pool, renewal: {sent} requests accepted with tokens of 3 refreshes");
}

#[tokio::test]
async fn one_refresh_brings_both_tokens() {
    const REFRESHES: usize = 5;
    if servers::skipped("cognito, both kinds") {
        return;
    }
    let (pools, wire) = (Pools::shared(), Wire::default());
    let session = Session::new(pools.users("secret", &wire));
    pools.sign_in(&session, "bob").await;
    for refreshes in 0..=REFRESHES {
        for _ in 0..3 {
            for (token, purpose) in both(&session).await.into_iter().zip(["access", "id"]) {
                let claims = claims(token.expect("a token").expose());
                assert_eq!(claims["token_use"], purpose);
            }
        }
        assert_eq!(wire.calls(REFRESH), refreshes);
        for kind in KINDS {
            session.tokens(kind).invalidate();
        }
    }
    println!(
        "user pool, both kinds: {} tokens by {REFRESHES} refreshes",
        2 * REFRESHES
    );
}

#[tokio::test]
async fn a_session_outlives_the_program() {
    if servers::skipped("cognito, stored sessions") {
        return;
    }
    let pools = Pools::shared();
    let path = file("session");
    let session = |wire: &Wire| {
        let session = Session::new(pools.users("plain", wire));
        session.store(FileStore::new(&path))
    };
    let wire = Wire::default();
    let tokens = pools.tokens("plain", "alice", &wire).await;
    let first = session(&wire);
    first.sign_in(&tokens).await.expect("a session");
    drop(first);
    let text = fs::read_to_string(&path).expect("a file");
    let refresh = tokens.refresh_token().expect("a refresh token");
    assert!(text.contains(refresh.expose()));
    assert!(!text.contains(tokens.access_token().expose()));

    let wire = Wire::default();
    let second = session(&wire);
    assert!(second.is_signed_in().await.expect("known"));
    let api = pools.bearing(second.tokens(TokenKind::Id));
    let (status, body) = send(&api, pools.get("/prod/pool")).await.expect("a token");
    assert_eq!(status, StatusCode::OK, "{body}");
    assert_eq!(wire.all(), [REFRESH]);

    // Nobody has signed in to another account, nor by another client.
    let wire = Wire::default();
    let other = Session::new(pools.users("short", &wire)).store(FileStore::new(&path));
    for nobody in [session(&wire).account("work"), other] {
        assert!(!nobody.is_signed_in().await.expect("known"));
        for token in both(&nobody).await {
            assert_eq!(verdict(&token.expect_err("nobody")), needs_user(""));
        }
    }
    assert!(wire.all().is_empty());
}

/// The first token after those of the sign-in.
async fn refreshed(users: UserPool, tokens: &Tokens) -> Result<Token, AuthError> {
    let session = Session::new(users);
    session.sign_in(tokens).await.expect("a session");
    let access = session.tokens(TokenKind::Access);
    access.token().await.expect("that of the sign-in");
    access.invalidate();
    access.token().await
}

#[tokio::test]
async fn the_older_call_serves_where_the_newer_is_unknown() {
    if servers::skipped("cognito, REFRESH_TOKEN_AUTH") {
        return;
    }
    let pools = Pools::shared();
    let secret = pools.text("/clients/secret/secret");
    for app in ["plain", "secret"] {
        let wire = Wire::refusing(REFRESH, UNKNOWN);
        let users = pools.users(app, &wire);
        // The hash is of the user's name, whatever was signed in with.
        let step = users.sign_in(pools.alias("alice"), pools.password("alice"));
        let tokens = step.await.and_then(SignIn::tokens).expect("tokens");
        let before = wire.all().len();
        let token = refreshed(users.clone(), &tokens).await.expect("a token");
        assert_eq!(claims(token.expose())["username"], "alice");
        assert_eq!(wire.all()[before..], [REFRESH, "InitiateAuth"]);

        // Without that name, and with another secret.
        let refresh = tokens.refresh_token().expect("a refresh token").clone();
        let nameless = Tokens::new(Token::from("opaque")).with_refresh_token(refresh);
        let token = refreshed(users.clone(), &nameless).await;
        let wrong = users.client_secret(format!("{secret}x"));
        match app {
            "plain" => drop(token.expect("no hash, no name")),
            _ => {
                // Which would be refused, and is not sent.
                let error = token.expect_err("the hash of no name");
                assert_eq!(verdict(&error), stays(""));
                assert!(error.to_string().contains("the user's name"), "{error}");
                let error = refreshed(wrong, &tokens).await;
                let error = error.expect_err("the hash of another secret");
                assert_eq!(verdict(&error), stays(NOT_AUTHORIZED));
            }
        }
    }
}

#[tokio::test]
async fn machines_have_tokens_of_their_own() {
    if servers::skipped("cognito, machines") {
        return;
    }
    let (pools, wire) = (Pools::shared(), Wire::default());
    let domain = "cognito-tests.auth.us-east-1.amazoncognito.com";
    let grant = |users: UserPool, scope: &str| {
        let client = users.oauth_client(domain).expect("a domain");
        client.client_credentials().scope(scope)
    };
    let (scope, other) = (pools.text("/scope"), pools.text("/other_scope"));
    let machine = pools.users("machine", &wire);
    let tokens = grant(machine.clone(), scope).cached();
    let token = claims(tokens.token().await.expect("a token").expose());
    assert_eq!(token["scope"], scope);
    assert_eq!(token["client_id"], pools.client_id("machine"));
    let api = pools.bearing(tokens);
    for _ in 0..3 {
        let (status, body) = send(&api, pools.get("/prod/pool")).await.expect("a token");
        assert_eq!(status, StatusCode::OK, "{body}");
    }
    assert_eq!(wire.all(), ["/oauth2/token"]);

    let bare = pools.bare(pools.client_id("machine"), &wire);
    for (grant, code) in [
        (grant(bare.client_secret("wrong"), scope), "invalid_client"),
        (grant(machine.clone(), other), "invalid_grant"),
        (grant(machine, "orders/none"), "invalid_scope"),
    ] {
        let error = grant.token().await.expect_err(code);
        let said = OAuthError::of(&error).map_or("", OAuthError::code);
        assert_eq!(
            (error.kind(), error.is_transient(), said),
            (AuthErrorKind::Source, false, code)
        );
    }
}
