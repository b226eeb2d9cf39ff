//! MiniStack's identity pools: whose credentials there are, who is remembered, and who gets none.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_credential_types::provider::ProvideCredentials;
use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::Full;
use tower::{Layer, ServiceExt};
use tower_client_auth::cognito::{IdentityPool, Session};
use tower_client_auth::oauth::{FileStore, TokenKind};
use tower_client_auth::sigv4::SigningCredentials;
use tower_client_auth::{
    AuthBody, AuthError, AuthErrorKind, BoxError, Cached, SigV4Layer, Token, TokenSource,
};

use super::pools::{
    Api, Pools, REFRESH, Wire, client, file, forged, needs_user, send, stays, verdict,
};
use crate::ministack::{MiniStack, REGION};
use crate::servers;

pub(super) const GET_ID: &str = "GetId";
pub(super) const GET_CREDENTIALS: &str = "GetCredentialsForIdentity";
const NOT_AUTHORIZED: &str = "NotAuthorizedException";
const NO_GUESTS: &str = r#"{"__type":"NotAuthorizedException",
    "message":"Unauthenticated access is not supported for this identity pool."}"#;

/// Signs requests to a service.
pub(super) fn signing<P>(service: &str, credentials: Cached<P, SigningCredentials>) -> Api
where
    P: ProvideCredentials + 'static,
{
    let layer = SigV4Layer::new(REGION, service, credentials).expect("a layer");
    let client = client::<AuthBody<Full<Bytes>>>();
    layer.layer(client).boxed_clone()
}

/// Signs requests to STS as a session says.
pub(super) fn sts(session: &Session) -> Api {
    signing("sts", session.credentials().expect("an identity pool"))
}

/// The role that requests are signed with, as STS knows it.
pub(super) async fn role(sts: &Api) -> Result<String, AuthError> {
    let (status, answer) = send(sts, who_am_i()).await?;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let role = answer.split("assumed-role/").nth(1);
    let role = role.and_then(|rest| rest.split('/').next());
    Ok(role.expect("a role").to_owned())
}

pub(super) fn who_am_i() -> Request<Full<Bytes>> {
    let form = "application/x-www-form-urlencoded; charset=utf-8";
    Request::post(MiniStack::shared().uri("localhost", "/"))
        .header(header::CONTENT_TYPE, form)
        .body(Full::from("Action=GetCallerIdentity&Version=2011-06-15"))
        .expect("a request")
}

#[tokio::test]
async fn one_service_follows_the_user() {
    if servers::skipped("cognito, roles") {
        return;
    }
    let (pools, wire) = (Pools::shared(), Wire::default());
    let session = pools.session("plain", &wire);
    let sts = sts(&session);
    assert_eq!(role(&sts).await.expect("a guest"), "guest");
    for user in ["alice", "bob"] {
        pools.sign_in(&session, user).await;
        assert_eq!(role(&sts).await.expect("a user"), "member");
    }
    session.sign_out().await.expect("signed out");
    for _ in 0..5 {
        assert_eq!(role(&sts).await.expect("a guest"), "guest");
    }
    // Once for each of the four.
    assert_eq!((wire.calls(GET_ID), wire.calls(GET_CREDENTIALS)), (4, 4));
    assert_eq!(wire.calls(REFRESH), 0);
}

#[tokio::test]
async fn nobody_becomes_a_guest_unasked() {
    if servers::skipped("cognito, no downgrade") {
        return;
    }
    let (pools, wire) = (Pools::shared(), Wire::default());
    let tokens = pools.tokens("plain", "alice", &wire).await;
    let session = pools.session("plain", &wire);
    session.sign_in(&tokens).await.expect("a session");
    let revoked = sts(&session);
    assert_eq!(role(&revoked).await.expect("a user"), "member");
    let elsewhere = pools.session("plain", &wire);
    elsewhere.sign_in(&tokens).await.expect("a session");
    elsewhere.sign_out().await.expect("told the pool");
    session.tokens(TokenKind::Id).invalidate();
    session.credentials().expect("a pool").invalidate();
    for _ in 0..3 {
        let error = role(&revoked).await.expect_err("revoked");
        assert_eq!(verdict(&error), needs_user(NOT_AUTHORIZED));
    }
    assert_eq!(wire.calls(REFRESH), 1);
    // Unless the program says so, as of the very same session.
    let asked = sts(&session.fall_back_to_guest());
    assert_eq!(role(&asked).await.expect("a guest"), "guest");

    // Of a client that the identity pool does not know.
    let session = pools.session("srp_only", &wire);
    let untrusted = sts(&session);
    assert_eq!(role(&untrusted).await.expect("a guest"), "guest");
    pools.sign_in(&session, "alice").await;
    let error = role(&untrusted).await.expect_err("not trusted");
    assert_eq!(verdict(&error), stays(NOT_AUTHORIZED));
}

#[tokio::test]
async fn a_guest_is_remembered_and_a_user_forgotten() {
    if servers::skipped("cognito, identities") {
        return;
    }
    let pools = Pools::shared();
    let path = file("identity");
    let store = || FileStore::new(&path);
    let guest = async |wire: &Wire| {
        let pool = pools.identities(wire).store(store());
        pool.identity_id().await.expect("an identity")
    };
    let wire = Wire::default();
    let first = pools.session("plain", &wire).store(store());
    assert_eq!(role(&sts(&first)).await.expect("a guest"), "guest");
    let id = guest(&wire).await;
    assert_eq!(wire.all(), [GET_ID, GET_CREDENTIALS]);

    let wire = Wire::default();
    let second = pools.session("plain", &wire).store(store());
    assert_eq!(role(&sts(&second)).await.expect("a guest"), "guest");
    assert_eq!(guest(&wire).await, id);
    assert_eq!(wire.all(), [GET_CREDENTIALS]);
    // A guest who signs out stays the same guest.
    second.sign_out().await.expect("nothing to do");
    assert_eq!(guest(&wire).await, id);
    // Others are others.
    let pool = pools.identities(&wire);
    assert_ne!(pool.identity_id().await.expect("an identity"), id);
    let other = pools.session("plain", &wire).store(store()).account("work");
    assert_eq!(role(&sts(&other)).await.expect("a guest"), "guest");
    assert_eq!(wire.calls(GET_ID), 2);

    pools.sign_in(&second, "alice").await;
    assert_eq!(role(&sts(&second)).await.expect("a user"), "member");
    let text = || fs::read_to_string(&path).expect("a file");
    let id_token = second.tokens(TokenKind::Id).token().await;
    let pool = pools.identities(&Wire::default());
    let pool = pool.login(
        pools.text("/user_pool/provider"),
        id_token.expect("a token"),
    );
    let alice = pool.identity_id().await.expect("an identity");
    assert!(text().contains(&alice) && !text().contains(&id));
    second.sign_out().await.expect("signed out");
    assert!(!text().contains(&alice));
}

#[tokio::test]
async fn a_pool_takes_what_it_trusts() {
    if servers::skipped("cognito, logins") {
        return;
    }
    let (pools, wire) = (Pools::shared(), Wire::default());
    let tokens = pools.tokens("plain", "alice", &wire).await;
    let access = tokens.access_token().expose();
    let id = tokens.id_token().expect("an ID token").expose();
    let others = pools.tokens("srp_only", "alice", &wire).await;
    let provider = pools.text("/user_pool/provider");
    let login = |provider: &str, token: &str| {
        let pool = pools.identities(&wire);
        pool.login(provider, Token::from(token))
    };
    let role_by = async |pool: IdentityPool| role(&signing("sts", pool.cached())).await;
    let good = login(provider, id);
    let twice = [
        good.identity_id().await,
        login(provider, id).identity_id().await,
    ];
    let [first, second] = twice.map(|identity| identity.expect("an identity"));
    assert_eq!(first, second);
    assert_eq!(role_by(good).await.expect("a user"), "member");
    let elsewhere = IdentityPool::new("us-east-1:0-0-0", wire.transport()).expect("a pool");
    let others = others.id_token().expect("an ID token").expose();
    for (what, pool, code) in [
        ("access token", login(provider, access), NOT_AUTHORIZED),
        ("altered", login(provider, &forged(id)), NOT_AUTHORIZED),
        ("opaque", login(provider, "opaque"), NOT_AUTHORIZED),
        ("another client", login(provider, others), NOT_AUTHORIZED),
        (
            "another name",
            login("accounts.google.com", id),
            NOT_AUTHORIZED,
        ),
        ("another pool", elsewhere, "ResourceNotFoundException"),
    ] {
        let error = role_by(pool).await.expect_err(what);
        assert_eq!(verdict(&error), stays(code), "{what}");
    }
    // A source that fails is asked once, and no guest comes of it.
    let (before, asked) = (wire.all().len(), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&asked);
    let failing = pools.identities(&wire).login(provider, move || {
        counted.fetch_add(1, Ordering::SeqCst);
        async { Err::<Token, BoxError>("no issuer".into()) }
    });
    let error = role_by(failing).await.expect_err("no token");
    assert_eq!(verdict(&error), (AuthErrorKind::Source, true, ""));
    assert_eq!(
        (asked.load(Ordering::SeqCst), wire.all().len()),
        (1, before)
    );
}

#[tokio::test]
async fn where_guests_get_nothing_a_user_has_to_sign_in() {
    if servers::skipped("cognito, no guests") {
        return;
    }
    let (pools, wire) = (Pools::shared(), Wire::default());
    let pool = pools.identities(&wire).refuse_guests();
    let error = pool.identity_id().await.expect_err("a guest");
    assert_eq!(verdict(&error), needs_user(""));
    let session = Session::new(pools.users("plain", &wire)).identity_pool(pool);
    let sts = sts(&session);
    let error = role(&sts).await.expect_err("a guest");
    assert_eq!(verdict(&error), needs_user(""));
    let provider = session.provider().expect("an identity pool");
    let error = provider.provide_credentials().await.expect_err("a guest");
    let ours = AuthError::find(&error).expect("an error of this crate");
    assert_eq!(verdict(ours), needs_user(""));
    assert!(wire.all().is_empty());
    pools.sign_in(&session, "alice").await;
    assert_eq!(role(&sts).await.expect("a user"), "member");

    // And where it is the pool that says so; what passes is told from it.
    let passes = r#"{"__type":"TooManyRequestsException"}"#;
    let throttled = (AuthErrorKind::Source, true, "TooManyRequestsException");
    for operation in [GET_ID, GET_CREDENTIALS] {
        for (answer, expected) in [(NO_GUESTS, needs_user(NOT_AUTHORIZED)), (passes, throttled)] {
            let wire = Wire::refusing(operation, answer);
            let session = Session::of_guests(pools.identities(&wire));
            let error = role(&self::sts(&session)).await.expect_err("a guest");
            assert_eq!(verdict(&error), expected, "{operation}");
        }
    }
}
