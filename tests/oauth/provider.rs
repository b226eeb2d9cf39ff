//! Every grant, at npm's `oidc-provider`, which is certified: each with what it refuses beside what it takes. The
//! grant of token exchange there is ours, over its client authentication, tokens and lookups.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use tower::{ServiceBuilder, ServiceExt};
use tower_client_auth::oauth::{
    AuthorizationRequest, FileStore, MemoryStore, OAuthClient, OAuthError, PrivateKey, Provider,
    RefreshTokenStore, TokenType,
};
use tower_client_auth::{
    AuthError, AuthErrorKind, BearerTokenLayer, Cached, Clock, CloneBody, Secret, Token,
    TokenSource, Transport,
};

use super::store::folder;
use crate::loopback::{self, Http};
use crate::servers::{self, Server};
use crate::support::promise;

const SECRET: &str = "s3cr%t +/:=&?";
const AUDIENCE: &str = "https://api.example.com";
const KINDS: [&str; 5] = ["rs256", "ps256", "es256", "es384", "eddsa"];

/// The provider, and the keys of its clients.
struct Oidc {
    _server: Server,
    origin: String,
}

/// Key pairs, made once for all.
fn keys() -> &'static Path {
    static KEYS: OnceLock<PathBuf> = OnceLock::new();
    KEYS.get_or_init(|| {
        let folder = folder("keys");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers/client_keys.cjs");
        let status = Command::new("node").arg(script).arg(&folder).status();
        assert!(status.expect("Node.js").success());
        folder
    })
}

fn pem(name: &str) -> Vec<u8> {
    fs::read(keys().join(format!("{name}.pem"))).expect("a key")
}

impl Oidc {
    /// Access tokens last for so many seconds.
    fn started(lifetime: u32) -> Self {
        let server = Server::oidc_provider(Some(lifetime), Some(&keys().join("jwks.json")));
        Self {
            origin: format!("http://127.0.0.1:{}", server.port),
            _server: server,
        }
    }

    fn provider(&self) -> Provider {
        let transport = Transport::hyper().expect("a transport");
        Provider::discover(&self.origin, transport).expect("a provider")
    }

    /// A client without a secret.
    fn client(&self, id: &str) -> OAuthClient {
        OAuthClient::new(self.provider(), id)
    }

    fn secret(&self, id: &str) -> OAuthClient {
        self.client(id).secret(SECRET)
    }

    /// One of the hooks beside the provider.
    async fn hook(&self, path: &str, body: Value) -> Value {
        let uri = format!("{}{path}", self.origin);
        let request = match body.is_null() {
            true => Request::get(uri),
            false => Request::post(uri).header("content-type", "application/json"),
        };
        let body = Full::from(body.to_string()).boxed();
        let request = request.body(body).expect("a request");
        let response = loopback::client(Http::One, None).request(request).await;
        let answer = response.expect("an answer").into_body().collect().await;
        let answer = answer.expect("a body").to_bytes();
        serde_json::from_slice(&answer).unwrap_or_else(|_| panic!("{path}: {answer:?}"))
    }

    /// What the protected resource says to a token.
    async fn call<S: TokenSource<Future: Send> + Clone>(
        &self,
        source: S,
    ) -> Result<StatusCode, AuthError> {
        let layer = BearerTokenLayer::new(&*self.origin, source).expect("a layer");
        // The provider counts in whole seconds: tokens end up to one sooner than they say.
        let service = ServiceBuilder::new()
            .layer(layer.retry_rejected(CloneBody))
            .map_request(|request: Request<Full<Bytes>>| request.map(BodyExt::boxed))
            .service(loopback::client(Http::One, None));
        let request = Request::get(format!("{}/resource", self.origin));
        let request = request.body(Full::<Bytes>::default()).expect("a request");
        match service.oneshot(request).await {
            Ok(response) => Ok(response.status()),
            Err(error) => Err(AuthError::find(error.as_ref()).expect("ours").clone()),
        }
    }

    /// A refresh token as if a user had signed in, and its family.
    async fn mint(&self, body: Value) -> (Secret, String) {
        let minted = self.hook("/mint", body).await;
        let text = |name: &str| minted[name].as_str().expect("a text").to_owned();
        (Secret::new(text("refresh_token")), text("grant_id"))
    }

    async fn is_revoked(&self, family: &str) -> bool {
        let families = self.hook("/families", Value::Null).await;
        let revoked = families["revoked"].as_array().expect("a list");
        revoked.iter().any(|id| id == family)
    }

    /// The browser of a user who allows everything: where it ends up.
    async fn browse(&self, url: &str) -> String {
        let answer = self.hook("/browse", json!({ "url": url })).await;
        let place = answer["location"].as_str();
        place.unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    fn key(&self, id: &str) -> String {
        format!("{} {id}", self.origin)
    }
}

fn code(error: &AuthError) -> &str {
    OAuthError::of(error).map_or("", OAuthError::code)
}

#[tokio::test]
async fn client_credentials_by_every_proof() {
    if servers::skipped("oidc-provider, client credentials") {
        return;
    }
    let oidc = Oidc::started(3600);
    let (mut good, mut refused) = (0, 0);
    let key = |id: &str, pem_of: &str| {
        let key = PrivateKey::from_pem(&pem(pem_of))
            .expect("a key")
            .key_id(id);
        let key = if id == "key-ps256" {
            key.rsa_pss()
        } else {
            key
        };
        oidc.client(id).private_key(key)
    };
    let mut clients = vec![
        oidc.secret("tests"),
        oidc.secret("basic"),
        oidc.secret("revocable"),
        oidc.client("post").secret_in_body(SECRET),
        oidc.client("revocable").secret_in_body(SECRET),
        key("key-rs256", "key-rs256.pkcs1"),
    ];
    clients.extend(KINDS.map(|kind| key(&format!("key-{kind}"), &format!("key-{kind}"))));
    for client in &clients {
        for grant in [
            client.client_credentials(),
            client.client_credentials().scope("read").resource(AUDIENCE),
        ] {
            let token = grant
                .token()
                .await
                .unwrap_or_else(|error| panic!("{client:?}: {error}"));
            assert!(!token.expose().is_empty());
            good += 1;
        }
        // An API that is not the client's.
        let grant = client
            .client_credentials()
            .resource("https://other.example.com");
        let error = grant.token().await.expect_err("no such API");
        assert_eq!(
            (code(&error), error.is_transient()),
            ("invalid_target", false)
        );
        refused += 1;
    }
    // A wrong secret, a wrong key, no proof at all, another way than is registered.
    for client in [
        oidc.client("tests").secret("s3cr%25t+%2B%2F%3A%3D%26%3F"),
        oidc.client("tests").secret(format!("{SECRET} ")),
        oidc.client("post").secret_in_body("wrong"),
        oidc.client("nobody").secret(SECRET),
        oidc.client("tests"),
        oidc.client("basic").secret_in_body(SECRET),
        oidc.secret("post"),
        key("key-rs256", "key-ps256"),
        key("key-ps256", "key-rs256"),
        key("key-es256", "key-es384"),
        key("key-es384", "key-es256"),
        key("key-eddsa", "key-rs256"),
        key("key-rs256", "key-rs256").assertion_audience("https://elsewhere.example.com"),
        key("key-es256", "key-es256").assertion_audience(format!("{}x", oidc.origin)),
        oidc.client("key-es256").secret(SECRET),
    ] {
        let error = client
            .client_credentials()
            .token()
            .await
            .expect_err("refused");
        assert_eq!(code(&error), "invalid_client", "{client:?}: {error}");
        assert_eq!(
            (error.kind(), error.is_transient()),
            (AuthErrorKind::Source, false)
        );
        refused += 1;
    }
    // An assertion that is used twice.
    let assertion = OnceLock::new();
    let key = PrivateKey::from_pem(&pem("key-es256")).expect("a key");
    let recorder = crate::support::Recorder::answering(|_, _| {
        let mut response = http::Response::new(r#"{"access_token":"t"}"#.into());
        response.headers_mut().insert(
            "content-type",
            "application/json".parse().expect("a header"),
        );
        response
    });
    let nowhere = Provider::new(
        "https://nowhere.example.com/token",
        Transport::new(recorder.clone()),
    );
    let nowhere = OAuthClient::new(nowhere.expect("a provider"), "key-es256");
    let nowhere = nowhere.private_key(key).assertion_audience(&*oidc.origin);
    nowhere.client_credentials().token().await.expect("a token");
    let form: HashMap<String, String> = form_urlencoded::parse(&recorder.only().body)
        .into_owned()
        .collect();
    assertion
        .set(form["client_assertion"].clone())
        .expect("once");
    let replaying = oidc.client("key-es256").assertions(move || {
        let assertion = assertion.get().expect("set").clone();
        async move { Ok(assertion) }
    });
    replaying
        .client_credentials()
        .token()
        .await
        .expect("the first time");
    let error = replaying
        .client_credentials()
        .token()
        .await
        .expect_err("used twice");
    assert_eq!(code(&error), "invalid_client");
    println!(
        "oidc-provider, client credentials: {good} tokens, {} refusals",
        refused + 1
    );
}

#[tokio::test]
async fn an_assertion_heals_by_the_providers_clock() {
    if servers::skipped("oidc-provider, clocks") {
        return;
    }
    let oidc = Oidc::started(3600);
    let key = || PrivateKey::from_pem(&pem("key-es256")).expect("a key");
    let hour = Duration::from_secs(3600);
    let system = Clock::system();
    for _ in 0..2 {
        let now = system.now();
        let behind = Clock::from_fn(move || now - hour);
        let client = oidc.client("key-es256").private_key(key()).clock(behind);
        client
            .client_credentials()
            .token()
            .await
            .expect("a token, by its clock");
        client
            .client_credentials()
            .token()
            .await
            .expect("and another");
    }
    let families = oidc.hook("/families", Value::Null).await;
    assert_eq!(families["granted"]["client_credentials"], 4, "{families}");
    assert_eq!(
        families["refused"]["client_credentials"]["invalid_client"], 2,
        "{families}"
    );
}

#[tokio::test]
async fn rotation_is_never_taken_for_theft() {
    const ROTATIONS: usize = 50;
    const CALLERS: usize = 100;
    if servers::skipped("oidc-provider, rotation") {
        return;
    }
    let oidc = Oidc::started(3600);
    let (token, family) = oidc.mint(json!({ "client_id": "cli" })).await;
    let store = MemoryStore::new();
    store.save(&oidc.key("cli"), &token).await.expect("saved");
    let session = oidc.client("cli").refresh_token(store.clone());
    let cache = session.clone().cached();
    for _ in 0..ROTATIONS {
        let crowd = join_all((0..CALLERS).map(|_| cache.token())).await;
        let mut texts: Vec<_> = crowd
            .into_iter()
            .map(|token| token.expect("a token"))
            .collect();
        texts.dedup_by(|a, b| a.is_same(b));
        assert_eq!(texts.len(), 1);
        assert_eq!(
            oidc.call(texts.remove(0)).await.expect("sent"),
            StatusCode::OK
        );
        cache.invalidate();
    }
    // Without a cache, one after the other.
    let crowd = join_all((0..CALLERS).map(|_| session.token())).await;
    for token in crowd {
        token.expect("a token");
    }
    let families = oidc.hook("/families", Value::Null).await;
    assert_eq!(
        families["granted"]["refresh_token"],
        ROTATIONS + CALLERS,
        "{families}"
    );
    assert_eq!(
        families["refused"]["refresh_token"],
        Value::Null,
        "{families}"
    );
    assert!(!oidc.is_revoked(&family).await);
    promise(
        35,
        format!(
            "oidc-provider: {CALLERS} callers over {ROTATIONS} rotations, {ROTATIONS} refreshes, and {CALLERS} without \
             a cache: family not revoked"
        ),
    );

    // The provider would have noticed: an older token revokes it.
    let thief = MemoryStore::new();
    thief.save(&oidc.key("cli"), &token).await.expect("saved");
    let error = oidc
        .client("cli")
        .refresh_token(thief)
        .token()
        .await
        .expect_err("used");
    assert_eq!(
        (error.kind(), code(&error)),
        (AuthErrorKind::SignInRequired, "invalid_grant")
    );
    assert!(oidc.is_revoked(&family).await);
    let error = session.token().await.expect_err("revoked");
    assert_eq!(error.kind(), AuthErrorKind::SignInRequired);
    assert!(!session.is_signed_in().await.expect("a store"));
}

const ISSUER: &str = "TOWER_CLIENT_AUTH_TEST_ISSUER";
const STORE: &str = "TOWER_CLIENT_AUTH_TEST_STORE";

/// What each of the two programs does.
async fn refresh_over_and_over(issuer: &str, store: &str) {
    let transport = Transport::hyper().expect("a transport");
    let provider = Provider::discover(issuer, transport).expect("a provider");
    let session = OAuthClient::new(provider, "cli").refresh_token(FileStore::new(store));
    for _ in 0..10 {
        for token in join_all((0..3).map(|_| session.token())).await {
            token.expect("a token");
        }
    }
}

#[tokio::test]
async fn two_programs_share_a_file() {
    // The programs are this very test, which is told so.
    if let (Ok(issuer), Ok(store)) = (std::env::var(ISSUER), std::env::var(STORE)) {
        return refresh_over_and_over(&issuer, &store).await;
    }
    if servers::skipped("oidc-provider, two programs") {
        return;
    }
    let oidc = Oidc::started(3600);
    let (token, family) = oidc.mint(json!({ "client_id": "cli" })).await;
    let path = folder("programs").join("sessions.json");
    let store = FileStore::new(&path);
    store.save(&oidc.key("cli"), &token).await.expect("saved");
    let programs: Vec<_> = (0..2)
        .map(|_| {
            let mut command = Command::new(std::env::current_exe().expect("this one"));
            command
                .args(["--exact", "oauth::provider::two_programs_share_a_file"])
                .env(ISSUER, &oidc.origin)
                .env(STORE, &path)
                .stdout(std::process::Stdio::piped());
            command.spawn().expect("a program")
        })
        .collect();
    for program in programs {
        let output = tokio::task::spawn_blocking(|| program.wait_with_output()).await;
        let output = output.expect("no panic").expect("an end");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success() && text.contains("1 passed"),
            "{text}"
        );
    }
    let families = oidc.hook("/families", Value::Null).await;
    assert_eq!(families["granted"]["refresh_token"], 60, "{families}");
    assert_eq!(
        families["refused"]["refresh_token"],
        Value::Null,
        "{families}"
    );
    assert!(!oidc.is_revoked(&family).await);
    promise(
        35,
        "two programs that share a file, 60 rotations: family not revoked",
    );
}

#[tokio::test]
async fn a_user_signs_in_by_a_browser() {
    if servers::skipped("oidc-provider, authorization code") {
        return;
    }
    let oidc = Oidc::started(2);
    let session = oidc.client("cli").refresh_token(MemoryStore::new());
    let cache = session.clone().cached();
    assert_eq!(
        oidc.call(cache.clone()).await.expect_err("nobody").kind(),
        AuthErrorKind::SignInRequired
    );
    for redirect in ["http://127.0.0.1/callback", "http://localhost/callback"] {
        let login = oidc
            .client("cli")
            .authorization_code()
            .scope("openid offline_access");
        let login = login.parameter("prompt", "consent").resource(AUDIENCE);
        let login = login.listen(redirect).await.expect("a login");
        let url = login.url().to_owned();
        let (tokens, ()) = futures::join!(login.finish(), async {
            let back = oidc.browse(&url).await;
            assert!(
                back.starts_with(redirect.trim_end_matches("/callback")),
                "{back}"
            );
            let response = loopback::client(Http::One, None).request(
                Request::get(back)
                    .body(Full::<Bytes>::default().boxed())
                    .expect("a request"),
            );
            assert_eq!(response.await.expect("a page").status(), StatusCode::OK);
        });
        let tokens = tokens.expect("tokens");
        assert!(tokens.refresh_token().is_some() && tokens.id_token().is_some());
        session.sign_in(&tokens).await.expect("signed in");
        assert_eq!(
            oidc.call(cache.clone()).await.expect("sent"),
            StatusCode::OK
        );
    }
    // It lasts for longer than a token of two seconds.
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(
            oidc.call(cache.clone()).await.expect("sent"),
            StatusCode::OK
        );
    }
    session.sign_out().await.expect("signed out");
    let error = oidc.call(cache).await.expect_err("nobody");
    assert_eq!(error.kind(), AuthErrorKind::SignInRequired);

    // Of a code, everything is checked: nothing of another login will do.
    let begin = async |id: &'static str, redirect: &str| -> AuthorizationRequest {
        let client = if id == "web" {
            oidc.secret(id)
        } else {
            oidc.client(id)
        };
        let login = client.authorization_code().scope("openid");
        login.begin(redirect).await.expect("a login")
    };
    let web = "https://app.example.com/callback";
    let login = begin("web", web).await;
    let back = oidc.browse(login.url()).await;
    let _ = login.finish(&back).await.expect("tokens");
    let (one, other) = (begin("web", web).await, begin("web", web).await);
    let field = |url: &str, name: &str| {
        let (_, query) = url.split_once('?').expect("a query");
        let mut pairs = form_urlencoded::parse(query.as_bytes());
        pairs
            .find(|pair| pair.0 == name)
            .expect("there")
            .1
            .into_owned()
    };
    let back = oidc.browse(one.url()).await;
    let mixed = back.replace(&field(one.url(), "state"), &field(other.url(), "state"));
    let error = other
        .finish(&mixed)
        .await
        .expect_err("the verifier of another login");
    assert_eq!(
        (error.kind(), code(&error)),
        (AuthErrorKind::SignInRequired, "invalid_grant")
    );
    let _ = one.finish(&back).await.expect("its own");
    let login = begin("web", web).await;
    let back = oidc
        .browse(&format!("{}&login_hint=nobody", login.url()))
        .await;
    let error = login.finish(&back).await.expect_err("the user says no");
    assert_eq!(
        (error.kind(), code(&error)),
        (AuthErrorKind::SignInRequired, "access_denied")
    );
}

#[tokio::test]
async fn a_user_signs_in_by_a_device_code() {
    if servers::skipped("oidc-provider, device code") {
        return;
    }
    let oidc = Oidc::started(3600);
    let begin = async || {
        let login = oidc.client("cli").device_authorization();
        let login = login.scope("openid offline_access read").resource(AUDIENCE);
        login.begin().await.expect("a login")
    };
    for (hooks, expected) in [
        (&["/approve"][..], Ok(())),
        (&["/slow", "/approve"], Ok(())),
        (&["/deny"], Err("access_denied")),
        (&["/expire"], Err("expired_token")),
    ] {
        let login = begin().await;
        assert!(login.verification_uri().starts_with(&oidc.origin));
        let user_code = login.user_code().to_owned();
        let user = async {
            // Not before it has been asked for in vain.
            tokio::time::sleep(Duration::from_millis(1500)).await;
            for hook in hooks {
                oidc.hook(hook, json!({ "user_code": user_code })).await;
            }
        };
        let (tokens, ()) = futures::join!(login.finish(), user);
        match (tokens, expected) {
            (Ok(tokens), Ok(())) => {
                assert!(tokens.refresh_token().is_some());
                let token = tokens.access_token().clone();
                assert_eq!(oidc.call(token).await.expect("sent"), StatusCode::OK);
            }
            (Err(error), Err(expected)) => {
                assert_eq!(
                    (error.kind(), code(&error)),
                    (AuthErrorKind::SignInRequired, expected)
                );
            }
            (tokens, _) => panic!("{hooks:?}: {tokens:?}"),
        }
    }
    let error = oidc
        .secret("tests")
        .device_authorization()
        .begin()
        .await
        .expect_err("not its grant");
    assert!(!error.is_transient(), "{error}");
}

#[tokio::test]
async fn sessions_end_where_the_provider_says_so() {
    if servers::skipped("oidc-provider, sessions") {
        return;
    }
    let oidc = Oidc::started(3600);
    // Signed out: the provider knows.
    let (token, family) = oidc.mint(json!({ "client_id": "web" })).await;
    let store = MemoryStore::new();
    store.save(&oidc.key("web"), &token).await.expect("saved");
    let session = oidc.secret("web").refresh_token(store);
    let access = session.token().await.expect("a token");
    assert_eq!(
        oidc.call(access.clone()).await.expect("sent"),
        StatusCode::OK
    );
    session.sign_out().await.expect("signed out");
    assert!(oidc.is_revoked(&family).await);
    assert_eq!(
        oidc.call(access).await.expect("sent"),
        StatusCode::UNAUTHORIZED
    );
    // Over, unknown, and somebody else's.
    let (over, _) = oidc
        .mint(json!({ "client_id": "cli", "expires_in": 1 }))
        .await;
    let (of_web, _) = oidc.mint(json!({ "client_id": "web" })).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    for token in [over, Secret::new("unknown"), of_web] {
        let store = MemoryStore::new();
        store.save(&oidc.key("cli"), &token).await.expect("saved");
        let error = oidc
            .client("cli")
            .refresh_token(store)
            .token()
            .await
            .expect_err("over");
        assert_eq!(
            (error.kind(), code(&error)),
            (AuthErrorKind::SignInRequired, "invalid_grant")
        );
    }
    // A wrong secret ends no session.
    let (token, family) = oidc.mint(json!({ "client_id": "web" })).await;
    let store = MemoryStore::new();
    store.save(&oidc.key("web"), &token).await.expect("saved");
    let session = oidc
        .client("web")
        .secret("wrong")
        .refresh_token(store.clone());
    let error = session.token().await.expect_err("a wrong secret");
    assert_eq!(
        (error.kind(), code(&error)),
        (AuthErrorKind::Source, "invalid_client")
    );
    assert!(session.is_signed_in().await.expect("a store"));
    oidc.secret("web")
        .refresh_token(store)
        .token()
        .await
        .expect("a token");
    assert!(!oidc.is_revoked(&family).await);
}

#[tokio::test]
async fn a_token_is_exchanged() {
    if servers::skipped("oidc-provider, token exchange") {
        return;
    }
    let oidc = Oidc::started(3600);
    let subject = || oidc.secret("revocable").client_credentials();
    let exchange = |kind| {
        oidc.secret("exchange")
            .token_exchange(subject(), kind)
            .audience(AUDIENCE)
    };
    let cache: Cached<_> = exchange(TokenType::AccessToken).cached();
    assert_eq!(oidc.call(cache).await.expect("sent"), StatusCode::OK);
    for (exchange, expected) in [
        (exchange(TokenType::IdToken), "invalid_request"),
        (
            oidc.secret("exchange")
                .token_exchange(Token::from("unknown"), TokenType::AccessToken)
                .audience(AUDIENCE),
            "invalid_request",
        ),
        (
            exchange(TokenType::AccessToken).resource("https://other.example.com"),
            "invalid_target",
        ),
        (
            exchange(TokenType::AccessToken).scope("read admin"),
            "invalid_scope",
        ),
        (
            oidc.client("exchange")
                .secret("wrong")
                .token_exchange(subject(), TokenType::AccessToken),
            "invalid_client",
        ),
    ] {
        let error = exchange.token().await.expect_err(expected);
        assert_eq!(
            (code(&error), error.is_transient()),
            (expected, false),
            "{error}"
        );
    }
}
