//! Sessions: no refresh token is used twice, none is lost, and nobody is signed out by a network.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use futures::FutureExt;
use futures::future::join_all;
use http::StatusCode;
use serde_json::json;
use tokio::time::{Instant, sleep, timeout};
use tower_client_auth::oauth::{
    FileStore, MemoryStore, OAuthClient, RefreshTokenStore, StoreFuture, TokenKind, TokenType,
    Tokens,
};
use tower_client_auth::{AuthErrorKind, BoxError, Secret, TokenSource};

use super::issuer::{CLIENT, FAULTS, ISSUER, Issuer, SECOND, json_response, refusal};
use super::store::folder;
use crate::support::promise;

fn key() -> String {
    format!("{ISSUER} {CLIENT}")
}

async fn signed_in(issuer: &Issuer) -> MemoryStore {
    let store = MemoryStore::new();
    let token = Secret::new(issuer.session());
    store.save(&key(), &token).await.expect("saved");
    store
}

/// An issuer that rotates.
fn strict() -> Issuer {
    let issuer = Issuer::default();
    issuer.rotates();
    issuer
}

#[tokio::test(start_paused = true)]
async fn a_crowd_rotates_a_token_and_never_uses_one_twice() {
    // Without a cache each of them refreshes.
    let issuer = strict();
    let session = issuer.client().refresh_token(signed_in(&issuer).await);
    for _ in 0..50 {
        let crowd = (0..100).map(|_| session.token());
        for answer in join_all(crowd).await {
            answer.expect("a token");
        }
    }
    assert_eq!(issuer.forms().len(), 5_000);
    assert!(!issuer.has_revoked());
    // With one, one of them does.
    let issuer = strict();
    issuer.lifetime(60);
    let session = issuer
        .client()
        .refresh_token(signed_in(&issuer).await)
        .cached();
    let mut rotations = 0;
    while rotations < 50 {
        let crowd = (0..100).map(|_| session.token());
        for answer in join_all(crowd).await {
            answer.expect("a token");
        }
        sleep(20 * SECOND).await;
        rotations = issuer.forms().len();
    }
    assert!(!issuer.has_revoked());
    promise(
        35,
        format!("100 callers over {rotations} rotations: each refresh token used once"),
    );
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_gives_up_takes_no_token_along() {
    let issuer = strict();
    let session = issuer.client().refresh_token(signed_in(&issuer).await);
    for _ in 0..200 {
        // Dropped at once, after a first poll, or after all of it.
        drop(session.token());
        drop(session.token().now_or_never());
        drop(timeout(SECOND, session.token()).await);
    }
    // What is under way comes to its end.
    sleep(SECOND).await;
    session.token().await.expect("a token");
    assert!(!issuer.has_revoked());
}

#[tokio::test]
async fn sources_that_share_a_file_never_use_a_token_twice() {
    let issuer = strict();
    let folder = folder("shared");
    let path = folder.join("sessions.json");
    let token = Secret::new(issuer.session());
    FileStore::new(&path)
        .save(&key(), &token)
        .await
        .expect("saved");
    // Each with a store of its own, as programs have.
    let programs: Vec<_> = (0..8)
        .map(|_| issuer.client().refresh_token(FileStore::new(&path)))
        .collect();
    for _ in 0..5 {
        let crowd = programs
            .iter()
            .flat_map(|program| (0..3).map(|_| program.token()));
        for answer in join_all(crowd).await {
            answer.expect("a token");
        }
    }
    assert_eq!(issuer.forms().len(), 120);
    assert!(!issuer.has_revoked());
}

#[tokio::test(start_paused = true)]
async fn an_outage_signs_nobody_out() {
    let mut outages = 0;
    for fault in FAULTS {
        let issuer = strict();
        let session = issuer.client().refresh_token(signed_in(&issuer).await);
        session.token().await.expect("a token");
        issuer.fails(fault, Instant::now() + 1_000 * SECOND);
        for _ in 0..10 {
            let error = session.token().await.expect_err("an outage");
            assert!(error.is_transient(), "{fault:?}: {error}");
            assert!(session.is_signed_in().await.expect("a store"), "{fault:?}");
        }
        sleep(1_000 * SECOND).await;
        session.token().await.expect("a token");
        outages += 1;
    }
    promise(
        9,
        format!("{outages} kinds of outage: nobody is signed out"),
    );
}

#[tokio::test(start_paused = true)]
async fn a_session_that_has_ended_is_not_asked_for_again() {
    let issuer = strict();
    let store = signed_in(&issuer).await;
    let session = issuer.client().refresh_token(store.clone());
    session.token().await.expect("a token");
    issuer.answers(refusal(StatusCode::BAD_REQUEST, "invalid_grant"));
    let before = issuer.exchanges();
    for _ in 0..100 {
        let error = session.token().await.expect_err("over");
        assert_eq!(error.kind(), AuthErrorKind::SignInRequired);
        assert!(!error.is_transient());
        assert!(error.to_string().contains("sign in again"), "{error}");
    }
    assert_eq!(issuer.exchanges() - before, 1, "a dead token is sent once");
    assert!(!session.is_signed_in().await.expect("a store"));
    // Another program has signed in.
    let token = Secret::new(issuer.session());
    store.save(&key(), &token).await.expect("saved");
    assert!(session.is_signed_in().await.expect("a store"));
    session.token().await.expect("a token");
    // A provider that was mistaken is asked again in a while.
    issuer.answers(refusal(StatusCode::BAD_REQUEST, "invalid_grant"));
    session.token().await.expect_err("over, it says");
    sleep(301 * SECOND).await;
    session.token().await.expect("a token");
}

/// Somebody else refreshes between this program's reading and its sending: a store without a lock.
#[tokio::test(start_paused = true)]
async fn a_store_without_a_lock_is_read_again_before_giving_up() {
    let issuer = strict();
    let racing = Racing::default();
    let session = issuer.client().refresh_token(racing.clone());
    let (stale, fresh) = (Secret::new("stale"), Secret::new(issuer.session()));
    racing.save(&key(), &stale).await.expect("saved");
    // The first to read it gets the stale one, and from then on the fresh one is there.
    *racing.0.next.lock().expect("no panic") = Some(fresh);
    session.token().await.expect("a token");
    assert_eq!(issuer.forms().len(), 2);
}

#[derive(Clone, Default)]
struct Racing(Arc<Race>);

#[derive(Default)]
struct Race {
    tokens: Mutex<HashMap<String, Secret>>,
    next: Mutex<Option<Secret>>,
    full: AtomicBool,
    panics: AtomicBool,
}

impl RefreshTokenStore for Racing {
    fn load<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Option<Secret>> {
        Box::pin(async move {
            let mut tokens = self.0.tokens.lock().expect("no panic");
            let found = tokens.get(key).cloned();
            if let Some(next) = self.0.next.lock().expect("no panic").take() {
                tokens.insert(key.to_owned(), next);
            }
            Ok(found)
        })
    }

    fn save<'a>(&'a self, key: &'a str, token: &'a Secret) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            assert!(!self.0.panics.load(Ordering::SeqCst), "a bug");
            if self.0.full.load(Ordering::SeqCst) {
                return Err("the disk is full".into());
            }
            let mut tokens = self.0.tokens.lock().expect("no panic");
            tokens.insert(key.to_owned(), token.clone());
            Ok(())
        })
    }

    fn clear<'a>(&'a self, key: &'a str) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            self.0.tokens.lock().expect("no panic").remove(key);
            Ok(())
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_loses_no_session() {
    let issuer = strict();
    let disk = Racing::default();
    let session = issuer.client().refresh_token(disk.clone());
    let first = issuer.session();
    disk.save(&key(), &Secret::new(&*first))
        .await
        .expect("saved");
    disk.0.full.store(true, Ordering::SeqCst);
    for panics in [false, true, false] {
        disk.0.panics.store(panics, Ordering::SeqCst);
        let token = session.token().await;
        token.expect("a token, from a refresh token in memory");
    }
    disk.0.full.store(false, Ordering::SeqCst);
    session.token().await.expect("a token");
    assert!(!issuer.has_revoked());
    let stored = disk.load(&key()).await.expect("a store").expect("a token");
    assert_ne!(stored.expose(), first);
    // It is the one that counts, for another program too.
    let other = issuer.client().refresh_token(disk);
    other.token().await.expect("a token");
    session.token().await.expect("a token");
    assert!(!issuer.has_revoked());
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_is_no_reason_to_sign_in() {
    struct Broken;
    impl RefreshTokenStore for Broken {
        fn load<'a>(&'a self, _: &'a str) -> StoreFuture<'a, Option<Secret>> {
            Box::pin(async { Err(BoxError::from("no keyring")) })
        }
        fn save<'a>(&'a self, _: &'a str, _: &'a Secret) -> StoreFuture<'a, ()> {
            Box::pin(async { Err(BoxError::from("no keyring")) })
        }
        fn clear<'a>(&'a self, _: &'a str) -> StoreFuture<'a, ()> {
            Box::pin(async { Ok(()) })
        }
    }
    let issuer = strict();
    let session = issuer.client().refresh_token(Broken);
    let error = session.token().await.expect_err("no store");
    assert_eq!(
        (error.kind(), error.is_transient()),
        (AuthErrorKind::Source, true)
    );
    let cause = std::error::Error::source(&error).expect("a cause");
    assert_eq!(cause.to_string(), "no keyring");
    session.is_signed_in().await.expect_err("nobody knows");
    assert_eq!(issuer.exchanges(), 0);
}

async fn tokens(issuer: &Issuer) -> tower_client_auth::oauth::Tokens {
    let login = issuer
        .client()
        .device_authorization()
        .begin()
        .await
        .expect("a login");
    login.finish().await.expect("tokens")
}

#[tokio::test(start_paused = true)]
async fn signing_in_and_out_is_seen_by_the_layers_of_a_selector() {
    use http::Request;
    use tower::{ServiceBuilder, ServiceExt as _};
    use tower_client_auth::{AuthBody, AuthError, AuthorizationMode, Config};

    let config: Config =
        r#"{"apis": {"a": {"endpoint": "https://a.example.com", "mode": "OPENID_CONNECT"}}}"#
            .parse()
            .expect("a configuration");
    let issuer = strict();
    let session = issuer.client().refresh_token(MemoryStore::new());
    let selector = config
        .selector()
        .tokens(AuthorizationMode::OpenIdConnect, session.clone())
        .expect("a mode");
    let service = ServiceBuilder::new()
        .layer(selector.layer("a").expect("a layer"))
        .service_fn(|request: Request<AuthBody<String>>| async move {
            let value = request.headers()["authorization"].clone();
            Ok::<_, tower_client_auth::BoxError>(http::Response::new(value))
        });
    let sent = async || {
        let request = Request::get("/").body(String::new()).expect("a request");
        let answer = service.clone().oneshot(request).await;
        answer.map(|answer| answer.into_body())
    };
    for _ in 0..3 {
        let signed_in = tokens(&issuer).await;
        session.sign_in(&signed_in).await.expect("signed in");
        let value = sent().await.expect("sent");
        assert_eq!(value, signed_in.access_token().expose());
    }
    // Here it is over, whether the provider could be told or not.
    drop(session.sign_out().await);
    let error = sent().await.expect_err("nobody");
    let error = AuthError::find(error.as_ref()).expect("ours");
    assert_eq!(error.kind(), AuthErrorKind::SignInRequired);
}

#[tokio::test(start_paused = true)]
async fn signing_in_and_out_is_seen_by_all_clones() {
    let issuer = strict();
    let session = issuer.client().refresh_token(MemoryStore::new());
    let clone = session.clone();
    let error = clone.token().await.expect_err("nobody");
    assert_eq!(error.kind(), AuthErrorKind::SignInRequired);
    assert!(error.to_string().contains("offline_access"), "{error}");
    assert!(!clone.is_signed_in().await.expect("a store"));

    let signed_in = tokens(&issuer).await;
    session.sign_in(&signed_in).await.expect("signed in");
    assert!(clone.is_signed_in().await.expect("a store"));
    // What came with the sign-in is used, once.
    let before = issuer.exchanges();
    let first = clone.token().await.expect("a token");
    assert!(first.is_same(signed_in.access_token()));
    assert_eq!(issuer.exchanges(), before);
    let second = session.token().await.expect("a token");
    assert!(!second.is_same(&first));

    issuer.answers(json_response(StatusCode::OK, &json!({})));
    session.sign_out().await.expect("signed out");
    let revoked = issuer.forms().pop().expect("a form");
    assert_eq!(revoked["token_type_hint"], "refresh_token");
    assert_ne!(
        &revoked["token"],
        signed_in.refresh_token().expect("one").expose()
    );
    let error = clone.token().await.expect_err("nobody");
    assert_eq!(error.kind(), AuthErrorKind::SignInRequired);

    // The provider cannot be told: signed out here all the same.
    session
        .sign_in(&tokens(&issuer).await)
        .await
        .expect("signed in");
    issuer.answers(refusal(
        StatusCode::SERVICE_UNAVAILABLE,
        "temporarily_unavailable",
    ));
    let error = session.sign_out().await.expect_err("not told");
    assert!(error.to_string().starts_with("signed out here"), "{error}");
    assert!(!session.is_signed_in().await.expect("a store"));
    // It is told when it can be.
    issuer.answers(json_response(StatusCode::OK, &json!({})));
    let asked = issuer.forms().len();
    session.sign_out().await.expect("told");
    assert_eq!(issuer.forms().len(), asked + 1);
    session.sign_out().await.expect("nobody to sign out");
    assert_eq!(issuer.forms().len(), asked + 1);
}

#[tokio::test(start_paused = true)]
async fn a_session_without_a_refresh_token_lasts_as_long_as_its_token() {
    let issuer = strict();
    let session = issuer.client().refresh_token(MemoryStore::new());
    issuer.answers(json_response(
        StatusCode::OK,
        &json!({ "access_token": "short", "expires_in": 60, "token_type": "Bearer" }),
    ));
    let login = {
        let device = json!({
            "device_code": "d", "user_code": "U", "verification_uri": "https://login.example.com/device",
        });
        issuer.answers(json_response(StatusCode::OK, &device));
        issuer.answers(json_response(StatusCode::OK, &super::issuer::metadata()));
        issuer
            .client()
            .device_authorization()
            .begin()
            .await
            .expect("a login")
    };
    session
        .sign_in(&login.finish().await.expect("tokens"))
        .await
        .expect("signed in");
    assert!(session.is_signed_in().await.expect("a store"));
    let cached = session.clone().cached();
    assert_eq!(cached.token().await.expect("a token").expose(), "short");
    assert!(
        session.is_signed_in().await.expect("a store"),
        "though it is in use"
    );
    sleep(61 * SECOND).await;
    let error = cached.token().await.expect_err("over");
    assert_eq!(error.kind(), AuthErrorKind::SignInRequired);
    assert!(!session.is_signed_in().await.expect("a store"));
}

#[tokio::test(start_paused = true)]
async fn caches_hear_of_it() {
    let issuer = strict();
    let session = issuer.client().refresh_token(MemoryStore::new());
    let caches = [
        session.clone().cached(),
        tower_client_auth::Cached::builder(session.clone())
            .build()
            .expect("a cache"),
    ];
    for cache in &caches {
        // A refusal that is held, too.
        let error = cache.token().await.expect_err("nobody");
        assert_eq!(error.kind(), AuthErrorKind::SignInRequired);
    }
    let mut before = Vec::new();
    for _ in 0..3 {
        session
            .sign_in(&tokens(&issuer).await)
            .await
            .expect("signed in");
        for cache in &caches {
            let token = cache.token().await.expect("at once");
            assert!(
                before
                    .iter()
                    .all(|old: &tower_client_auth::Token| !old.is_same(&token))
            );
            before.push(token);
        }
    }
    issuer.answers(json_response(StatusCode::OK, &json!({})));
    session.sign_out().await.expect("signed out");
    for cache in &caches {
        let error = cache.token().await.expect_err("nobody");
        assert_eq!(error.kind(), AuthErrorKind::SignInRequired);
    }
}

#[tokio::test(start_paused = true)]
async fn accounts_kinds_and_audiences_do_not_share_a_token() {
    let issuer = strict();
    let store = MemoryStore::new();
    let base = issuer.client().refresh_token(store.clone());
    let alice = base.clone().account("alice");
    let bob = base.clone().account("bob");
    let of_kind = alice.clone().token_kind(TokenKind::Id);
    let of_api = alice.clone().resource("https://b.example.com");
    let signed_in = tokens(&issuer).await;
    alice.sign_in(&signed_in).await.expect("signed in");
    for stranger in [&base, &bob] {
        let error = stranger.token().await.expect_err("nobody");
        assert_eq!(error.kind(), AuthErrorKind::SignInRequired);
        assert!(!stranger.is_signed_in().await.expect("a store"));
        stranger.sign_out().await.expect("nobody to sign out");
    }
    // The same session, from the store: another kind of token, and one for another API.
    of_kind.token().await.expect_err("no ID token comes");
    let other = of_api.token().await.expect("a token");
    assert!(!other.is_same(signed_in.access_token()));
    let form = issuer.forms().pop().expect("a form");
    assert_eq!(form["resource"], "https://b.example.com");
    let own = alice.token().await.expect("its own");
    assert!(own.is_same(signed_in.access_token()));
    // Where the API is asked for, what came with the sign-in is not known to be for it.
    of_api
        .sign_in(&tokens(&issuer).await)
        .await
        .expect("signed in");
    let before = issuer.exchanges();
    of_api.token().await.expect("a token");
    assert_eq!(issuer.exchanges() - before, 1);
    // No two names are one key, whatever is in them.
    let odd = OAuthClient::new(issuer.provider(), "tests alice").refresh_token(store);
    assert!(!odd.is_signed_in().await.expect("a store"));
}

#[tokio::test(start_paused = true)]
async fn tokens_are_taken_from_their_own_client_and_from_elsewhere() {
    let issuer = strict();
    let signed_in = tokens(&issuer).await;
    let other = OAuthClient::new(issuer.provider(), "other");
    let session = other.refresh_token(MemoryStore::new());
    let error = session
        .sign_in(&signed_in)
        .await
        .expect_err("another client's");
    assert_eq!(error.kind(), AuthErrorKind::Configuration);
    // From another library, or a provider's console.
    let imported = Tokens::new("access".into()).with_refresh_token(issuer.session());
    let session = issuer.client().refresh_token(MemoryStore::new());
    session.sign_in(&imported).await.expect("signed in");
    assert_eq!(session.token().await.expect("a token").expose(), "access");
    session.token().await.expect("refreshed");
}

#[tokio::test(start_paused = true)]
async fn an_exchange_over_a_session_ends_with_it() {
    let issuer = strict();
    let session = issuer.client().refresh_token(MemoryStore::new());
    session
        .sign_in(&tokens(&issuer).await)
        .await
        .expect("signed in");
    let subject = session.clone().cached();
    let exchange = issuer
        .client()
        .token_exchange(subject, TokenType::AccessToken);
    let cache = exchange.cached();
    cache.token().await.expect("a token");
    // Of the revocation, which the endpoints have to be known for.
    issuer.answers(json_response(StatusCode::OK, &json!({})));
    issuer.answers(json_response(StatusCode::OK, &super::issuer::metadata()));
    session.sign_out().await.expect("signed out");
    let error = cache.token().await.expect_err("nobody");
    assert_eq!(error.kind(), AuthErrorKind::SignInRequired);
}

#[tokio::test(start_paused = true)]
async fn signing_in_and_out_is_not_stopped_half_way() {
    let issuer = strict();
    for _ in 0..3 {
        let session = issuer.client().refresh_token(MemoryStore::new());
        let cache = session.clone().cached();
        let (one, other) = (tokens(&issuer).await, tokens(&issuer).await);
        session.sign_in(&one).await.expect("signed in");
        cache.token().await.expect("a token");
        // A caller that is gone after its first step.
        assert!(session.sign_in(&other).now_or_never().is_none());
        sleep(SECOND).await;
        let token = cache.token().await.expect("a token");
        assert!(token.is_same(other.access_token()));
        assert!(session.sign_out().now_or_never().is_none());
        sleep(SECOND).await;
        let error = cache.token().await.expect_err("nobody");
        assert_eq!(error.kind(), AuthErrorKind::SignInRequired);
    }
}

/// The store has no lock, and a refresh is under way when the user signs out, or somebody else signs in.
#[tokio::test(start_paused = true)]
async fn a_refresh_under_way_brings_no_session_back() {
    for in_this_program in [true, false] {
        for next in [None, Some("somebody-else")] {
            let issuer = strict();
            let disk = Racing::default();
            let session = issuer.client().refresh_token(disk.clone());
            let first = Secret::new(issuer.session());
            disk.save(&key(), &first).await.expect("saved");
            let refresh = tokio::spawn(session.token());
            while issuer.forms().is_empty() {
                tokio::task::yield_now().await;
            }
            match (in_this_program, next) {
                // The stand-in does not revoke.
                (true, None) => drop(session.sign_out().await),
                (true, Some(token)) => {
                    let tokens = Tokens::new("access".into()).with_refresh_token(token);
                    session.sign_in(&tokens).await.expect("signed in");
                }
                (false, None) => disk.clear(&key()).await.expect("cleared"),
                (false, Some(token)) => {
                    disk.save(&key(), &Secret::new(token)).await.expect("saved");
                }
            }
            drop(refresh.await.expect("no panic"));
            let stored = disk.load(&key()).await.expect("a store");
            assert_eq!(stored.as_ref().map(Secret::expose), next);
        }
    }
}

/// The provider has replaced the token, and its answer does not arrive.
#[tokio::test(start_paused = true)]
async fn an_answer_that_gets_lost_ends_the_session_only_where_the_provider_says_so() {
    for graceful in [true, false] {
        let issuer = strict();
        let session = issuer.client().refresh_token(signed_in(&issuer).await);
        session.token().await.expect("a token");
        if graceful {
            issuer.is_graceful();
        }
        issuer.loses_next();
        let error = session.token().await.expect_err("lost");
        assert!(error.is_transient(), "{error}");
        let next = session.token().await;
        match graceful {
            true => drop(next.expect("a token")),
            false => {
                let error = next.expect_err("taken for theft");
                assert_eq!(error.kind(), AuthErrorKind::SignInRequired);
            }
        }
        assert_eq!(issuer.has_revoked(), !graceful);
    }
}

#[tokio::test(start_paused = true)]
async fn a_program_that_ends_waits_for_what_is_under_way() {
    let issuer = strict();
    let store = signed_in(&issuer).await;
    let session = issuer.client().refresh_token(store.clone());
    let before = store.load(&key()).await.expect("a store").expect("a token");
    assert!(session.token().now_or_never().is_none());
    tokio::task::yield_now().await;
    session.settled().await;
    let after = store.load(&key()).await.expect("a store").expect("a token");
    assert_ne!(before.expose(), after.expose());
}

/// What programs hand to `spawn`, and keep beside a service.
#[test]
fn everything_crosses_threads() {
    fn crosses<T: Send + Sync + Clone>(_: &T) {}
    fn is_sent<T: Send>(_: T) {}

    let issuer = Issuer::default();
    let client = issuer.client();
    let session = client.refresh_token(MemoryStore::new());
    let tokens = Tokens::new("t".into());
    crosses(&client);
    crosses(&issuer.provider());
    crosses(&issuer.transport());
    crosses(&session);
    crosses(&client.client_credentials());
    crosses(&client.authorization_code());
    crosses(&client.device_authorization());
    crosses(&client.token_exchange(session.clone(), TokenType::Jwt));
    crosses(&tokens);
    is_sent(session.token());
    is_sent(session.sign_in(&tokens));
    is_sent(session.sign_out());
    is_sent(session.is_signed_in());
    is_sent(session.settled());
    is_sent(client.authorization_code().begin("https://a/"));
    is_sent(async {
        let login = client.authorization_code();
        login.listen("http://127.0.0.1/").await?.finish().await
    });
    is_sent(async {
        let login = client.device_authorization();
        login.begin().await?.finish().await
    });
}

#[tokio::test(start_paused = true)]
async fn the_id_token_is_sent_if_that_is_wanted() {
    let issuer = Issuer::default();
    let session = issuer
        .client()
        .refresh_token(signed_in(&issuer).await)
        .token_kind(TokenKind::Id);
    issuer.answers(json_response(
        StatusCode::OK,
        &json!({ "access_token": "a", "id_token": "i" }),
    ));
    issuer.answers(json_response(StatusCode::OK, &super::issuer::metadata()));
    assert_eq!(session.token().await.expect("a token").expose(), "i");
    let error = session.token().await.expect_err("none came");
    assert!(error.to_string().contains("openid"), "{error}");
}
