//! A session at MiniStack's user pool ends: by a sign-out, here or elsewhere.

use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use tower_client_auth::cognito::Session;
use tower_client_auth::oauth::{TokenKind, Tokens};
use tower_client_auth::{AuthErrorKind, TokenSource};

use super::pools::{Pools, REFRESH, Wire, needs_user, send, verdict};
use super::refresh::{KINDS, UNKNOWN, both};
use crate::loopback::{self, Http};
use crate::ministack::MiniStack;
use crate::servers;

const NOT_AUTHORIZED: &str = "NotAuthorizedException";

/// Calls an operation with nothing of this crate's in between.
async fn raw(operation: &str, parameters: Value) -> (StatusCode, Value) {
    let request = Request::post(MiniStack::shared().uri("localhost", "/"))
        .header(header::CONTENT_TYPE, "application/x-amz-json-1.1")
        .header(
            "x-amz-target",
            format!("AWSCognitoIdentityProviderService.{operation}"),
        )
        .body(Full::from(parameters.to_string()).boxed())
        .expect("a request");
    let response = loopback::client(Http::One, None).request(request).await;
    let (head, body) = response.expect("an answer").into_parts();
    let body = body.collect().await.expect("a body").to_bytes();
    (head.status, serde_json::from_slice(&body).expect("JSON"))
}

/// Has the next token of each kind come by a refresh.
async fn use_up(session: &Session) {
    for kind in KINDS {
        let tokens = session.tokens(kind);
        tokens.token().await.expect("a token");
        tokens.invalidate();
    }
}

#[tokio::test]
async fn what_was_revoked_elsewhere_is_not_asked_for_again() {
    if servers::skipped("cognito, revocation") {
        return;
    }
    let (pools, wire) = (Pools::shared(), Wire::default());
    let tokens = pools.tokens("plain", "alice", &wire).await;
    let session = || Session::new(pools.users("plain", &wire));
    let (here, elsewhere) = (session(), session());
    for session in [&here, &elsewhere] {
        session.sign_in(&tokens).await.expect("a session");
    }
    elsewhere.sign_out().await.expect("told the pool");

    // What there is may be used to its end.
    use_up(&here).await;
    let api = pools.bearing(here.tokens(TokenKind::Access));
    for _ in 0..20 {
        for token in both(&here).await {
            let error = token.expect_err("revoked");
            assert_eq!(verdict(&error), needs_user(NOT_AUTHORIZED));
        }
        let error = send(&api, pools.get("/prod/pool")).await;
        assert_eq!(
            verdict(&error.expect_err("revoked")),
            needs_user(NOT_AUTHORIZED)
        );
    }
    assert_eq!(wire.calls(REFRESH), 1);
    assert!(!here.is_signed_in().await.expect("known"));

    pools.sign_in(&here, "alice").await;
    let (status, body) = send(&api, pools.get("/prod/pool")).await.expect("a token");
    assert_eq!(status, StatusCode::OK, "{body}");
}

#[tokio::test]
async fn a_sign_out_revokes() {
    if servers::skipped("cognito, sign-out") {
        return;
    }
    let pools = Pools::shared();
    for (wire, is_told) in [
        (Wire::default(), true),
        (Wire::refusing("RevokeToken", UNKNOWN), false),
    ] {
        let tokens = pools.tokens("plain", "alice", &wire).await;
        let refresh = tokens.refresh_token().expect("a refresh token");
        let stolen = json!({
            "ClientId": pools.client_id("plain"),
            "RefreshToken": refresh.expose(),
        });
        assert_eq!(raw(REFRESH, stolen.clone()).await.0, StatusCode::OK);
        let session = Session::new(pools.users("plain", &wire));
        session.sign_in(&tokens).await.expect("a session");
        let answer = session.sign_out().await;
        let (status, said) = raw(REFRESH, stolen).await;
        match answer {
            Ok(()) => {
                assert!(is_told);
                assert_eq!(status, StatusCode::BAD_REQUEST);
                assert_eq!(said["__type"], NOT_AUTHORIZED);
            }
            Err(error) => {
                assert!(!is_told, "{error:?}");
                let expected = (AuthErrorKind::Source, false, "UnknownOperationException");
                assert_eq!(verdict(&error), expected);
                assert_eq!(status, StatusCode::OK);
            }
        }
        // Told or not, here it is over.
        assert!(!session.is_signed_in().await.expect("known"));
        for token in both(&session).await {
            assert_eq!(verdict(&token.expect_err("nobody")), needs_user(""));
        }
        session.sign_out().await.expect("nothing to do");
        assert_eq!((wire.calls("RevokeToken"), wire.calls(REFRESH)), (1, 0));
    }
}

#[tokio::test]
async fn tokens_of_another_client_make_no_session() {
    if servers::skipped("cognito, another client") {
        return;
    }
    let (pools, wire) = (Pools::shared(), Wire::default());
    let tokens = pools.tokens("plain", "alice", &wire).await;
    let session = Session::new(pools.users("short", &wire));
    let error = session.sign_in(&tokens).await.expect_err("another's");
    assert_eq!(error.kind(), AuthErrorKind::Configuration);
    // Where it is not known whose they are, the pool says so.
    let refresh = tokens.refresh_token().expect("a refresh token").clone();
    let unmarked = Tokens::new(tokens.access_token().clone()).with_refresh_token(refresh);
    session.sign_in(&unmarked).await.expect("a session");
    let error = session.tokens(TokenKind::Id).token().await;
    assert_eq!(
        verdict(&error.expect_err("another's")),
        needs_user(NOT_AUTHORIZED)
    );
}
