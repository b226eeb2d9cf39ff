//! From a configuration to a session, and from a session to the layers of a selector.

use std::sync::{Arc, Mutex};

use aws_credential_types::Credentials;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower::{ServiceExt as _, service_fn};
use tower_client_auth::cognito::Session;
use tower_client_auth::oauth::{TokenKind, Tokens};
use tower_client_auth::{
    AuthError, AuthErrorKind, AuthSelector, AuthorizationMode, BoxError, Config,
    CredentialsSource as _, Token, TokenSource as _, Transport,
};

/// The hosts that were called, and what was said to them.
type Calls = Arc<Mutex<Vec<(String, String)>>>;

fn transport(calls: &Calls) -> Transport {
    let calls = Arc::clone(calls);
    Transport::new(service_fn(move |request: Request<Full<Bytes>>| {
        let host = request.uri().host().expect("a host").to_owned();
        let target = request.headers()["x-amz-target"].to_str().expect("ASCII");
        let operation = target.rsplit('.').next().expect("a name").to_owned();
        let answer = match operation.as_str() {
            "GetId" => r#"{"IdentityId":"eu-west-1:7"}"#,
            "GetCredentialsForIdentity" => {
                r#"{"Credentials":{"AccessKeyId":"ASIAGUEST","SecretKey":"s","SessionToken":"t","Expiration":4e9}}"#
            }
            _ => "{}",
        };
        calls.lock().expect("no panic").push((host, operation));
        async move { Ok::<_, BoxError>(Response::new(Full::<Bytes>::from(answer))) }
    }))
}

fn unused() -> Transport {
    Transport::new(service_fn(|_: Request<Full<Bytes>>| async {
        Err::<Response<Full<Bytes>>, BoxError>("nothing is to be sent".into())
    }))
}

fn config(auth: &str) -> Config {
    let text = format!(
        r#"{{"apis": {{
            "orders": {{"endpoint": "https://orders.example.com", "mode": "AWS_IAM", "region": "eu-west-1"}},
            "profile": {{"endpoint": "https://profile.example.com", "mode": "AMAZON_COGNITO_USER_POOLS"}},
            "photos": {{"endpoint": "https://photos.example.com", "mode": "AMAZON_COGNITO_USER_POOLS",
                "user_pool_token": "id"}}
        }}, "auth": {auth}}}"#
    );
    text.parse().expect("a configuration")
}

const USERS: &str =
    r#""user_pool": {"id": "eu-west-1_A", "client_id": "c", "region": "eu-west-1"}"#;
const IDENTITIES: &str = r#""identity_pool": {"id": "eu-west-1:0", "region": "eu-west-1"}"#;

fn both() -> Config {
    config(&format!("{{{USERS}, {IDENTITIES}}}"))
}

fn refused(config: &Config) -> AuthError {
    let error = config.session(unused()).expect_err("no session");
    assert!(!error.is_transient());
    error
}

#[test]
fn what_makes_no_session_is_said() {
    for (auth, words) in [
        ("{}", "neither a user pool nor an identity pool"),
        (
            r#"{"user_pool": {"id": "eu-west-1_A", "client_id": "c", "region": "eu-west-2"}}"#,
            "the user pool does not begin with its region, `eu-west-2`",
        ),
        (
            r#"{"user_pool": {"id": "eu-west-1_A", "client_id": "", "region": "eu-west-1"}}"#,
            "app client is empty",
        ),
        (
            r#"{"user_pool": {"id": "eu-west-1_", "client_id": "c", "region": "eu-west-1"}}"#,
            "the id of a user pool",
        ),
        (
            r#"{"identity_pool": {"id": "eu-west-1_0", "region": "eu-west-1"}}"#,
            "the id of an identity pool",
        ),
        (
            r#"{"identity_pool": {"id": "eu-west-1:0", "region": "eu-west-1", "endpoint": "a b"}}"#,
            "the endpoint of the identity pool",
        ),
    ] {
        let error = refused(&config(auth));
        assert_eq!(error.kind(), AuthErrorKind::Configuration, "{auth}");
        assert!(error.to_string().contains(words), "{auth}: {error}");
    }
    let plain = config(
        r#"{"identity_pool": {"id": "eu-west-1:0", "region": "eu-west-1", "endpoint": "http://example.com"}}"#,
    );
    assert_eq!(refused(&plain).kind(), AuthErrorKind::PlainText);
}

#[tokio::test]
async fn each_part_says_what_it_lacks() {
    let guests = config(&format!("{{{IDENTITIES}}}"));
    let session = guests.session(unused()).expect("a session");
    for error in [
        session.user_pool().expect_err("no pool"),
        session
            .sign_in(&Tokens::new(Token::from("t")))
            .await
            .expect_err("no pool"),
        session
            .tokens(TokenKind::Access)
            .token()
            .await
            .expect_err("no pool"),
    ] {
        assert_eq!(error.kind(), AuthErrorKind::Configuration);
        assert!(error.to_string().contains("no user pool"), "{error}");
    }
    assert!(!session.is_signed_in().await.expect("known"));
    session.sign_out().await.expect("nobody to sign out");

    let users = config(&format!("{{{USERS}}}"));
    let session = users.session(unused()).expect("a session");
    for error in [
        session.credentials().expect_err("no pool"),
        session.provider().expect_err("no pool"),
    ] {
        assert_eq!(error.kind(), AuthErrorKind::Configuration);
        assert!(error.to_string().contains("no identity pool"), "{error}");
    }
    // What a selector's layers lack is known when they are made.
    let selector = users.selector().session(session);
    let error = selector.layer("orders").expect_err("no credentials");
    assert!(
        error.to_string().contains("AuthSelector::session"),
        "{error}"
    );
    drop(selector.layer("profile").expect("a layer"));
    let selector = guests
        .selector()
        .session(guests.session(unused()).expect("a session"));
    drop(selector.layer("orders").expect("a layer"));
    selector.layer("profile").expect_err("no tokens");
}

#[tokio::test]
async fn services_are_where_the_configuration_says() {
    for (more, hosts) in [
        (
            "",
            [
                "cognito-idp.eu-west-1.amazonaws.com",
                "cognito-identity.eu-west-1.amazonaws.com",
            ],
        ),
        (
            r#", "endpoint": "vpce.example.com""#,
            ["vpce.example.com", "vpce.example.com"],
        ),
        (
            r#", "endpoint": "https://vpce.example.com:8443/""#,
            ["vpce.example.com", "vpce.example.com"],
        ),
    ] {
        let end = |text: &str| format!("{}{more}}}", text.strip_suffix('}').expect("an object"));
        let config = config(&format!("{{{}, {}}}", end(USERS), end(IDENTITIES)));
        let calls = Calls::default();
        let session = config.session(transport(&calls)).expect("a session");
        let guest = session.credentials().expect("a pool").credentials().await;
        assert_eq!(guest.expect("credentials").access_key_id(), "ASIAGUEST");
        let users = session.user_pool().expect("a pool");
        // There is nothing to sign in with in that answer.
        let error = users.sign_in_with_password("a", "b").await;
        assert!(error.expect_err("no tokens").is_transient());
        let calls = calls.lock().expect("no panic").clone();
        let expected = [
            (hosts[1], "GetId"),
            (hosts[1], "GetCredentialsForIdentity"),
            (hosts[0], "InitiateAuth"),
        ];
        let expected = expected.map(|(host, operation)| (host.to_owned(), operation.to_owned()));
        assert_eq!(calls, expected, "{more}");
    }
    // China has a partition of its own.
    let china = USERS.replace("eu-west-1", "cn-north-1");
    let config = config(&format!("{{{china}}}"));
    let calls = Calls::default();
    let session = config.session(transport(&calls)).expect("a session");
    let users = session.user_pool().expect("a pool");
    users
        .sign_in_with_password("a", "b")
        .await
        .expect_err("no tokens");
    let host = calls.lock().expect("no panic")[0].0.clone();
    assert_eq!(host, "cognito-idp.cn-north-1.amazonaws.com.cn");
}

#[tokio::test]
async fn a_pool_without_guests_is_not_asked_for_any() {
    let without = IDENTITIES.replace("}", r#", "allow_guests": false}"#);
    let calls = Calls::default();
    let config = config(&format!("{{{USERS}, {without}}}"));
    let session = config.session(transport(&calls)).expect("a session");
    let guest = session.credentials().expect("a pool").credentials().await;
    assert_eq!(
        guest.expect_err("no guest").kind(),
        AuthErrorKind::SignInRequired
    );
    assert!(calls.lock().expect("no panic").is_empty());
}

/// What a request to this API is authorized with.
async fn authorization(selector: &AuthSelector, api: &str) -> String {
    let layer = selector.layer(api).expect("a layer");
    let service =
        tower::ServiceBuilder::new()
            .layer(layer)
            .service_fn(|request: Request<_>| async move {
                let _: &tower_client_auth::AuthBody<Full<Bytes>> = request.body();
                Ok::<_, BoxError>(Response::new(request.headers()["authorization"].clone()))
            });
    let request = Request::get("/").body(Full::<Bytes>::default());
    let answer = service.oneshot(request.expect("a request")).await;
    let value = answer.expect("an answer").into_body();
    value.to_str().expect("ASCII").to_owned()
}

async fn signed_in(config: &Config, access: &str, id: &str) -> Session {
    let session = config.session(transport(&Calls::default()));
    let session = session.expect("a session");
    let tokens = Tokens::new(Token::from(access)).with_id_token(Token::from(id));
    session.sign_in(&tokens).await.expect("signed in");
    session
}

#[tokio::test]
async fn each_api_gets_the_token_it_wants() {
    let config = both();
    let session = signed_in(&config, "an-access-token", "an-id-token").await;
    let selector = config.selector().session(session);
    assert_eq!(authorization(&selector, "profile").await, "an-access-token");
    assert_eq!(authorization(&selector, "photos").await, "an-id-token");
    let signature = authorization(&selector, "orders").await;
    assert!(signature.contains("Credential=ASIAGUEST/"), "{signature}");

    let other = selector
        .clone()
        .user_pool_token_for("profile", TokenKind::Id)
        .expect("an API");
    assert_eq!(authorization(&other, "profile").await, "an-id-token");
    assert_eq!(authorization(&selector, "profile").await, "an-access-token");
    assert!(
        selector
            .clone()
            .user_pool_token_for("profil", TokenKind::Id)
            .expect_err("no API")
            .to_string()
            .contains("did you mean `profile`?")
    );

    // For one API, another session; for a mode, a source of its own.
    let another = signed_in(&config, "another-access-token", "another-id-token").await;
    let other = selector
        .clone()
        .session_for("photos", another)
        .expect("an API");
    assert_eq!(authorization(&other, "photos").await, "another-id-token");
    assert_eq!(authorization(&other, "profile").await, "an-access-token");
    // What a session of its own lacks, an API does not get from elsewhere.
    let users_only = self::config(&format!("{{{USERS}}}"));
    let users_only = users_only.session(transport(&Calls::default()));
    let lacking = selector
        .clone()
        .session_for("orders", users_only.expect("a session"))
        .expect("an API");
    let error = lacking.layer("orders").expect_err("no credentials");
    assert!(error.to_string().contains("no AWS credentials"), "{error}");
    let service = Credentials::new("AKIDSERVICE", "secret", None, None, "test");
    let beside = both().selector().aws_credentials(service);
    let beside = beside.expect("credentials");
    let users = signed_in(&config, "an-access-token", "an-id-token").await;
    let beside = beside.session_for("orders", users).expect("an API");
    let signature = authorization(&beside, "orders").await;
    assert!(signature.contains("Credential=ASIAGUEST/"), "{signature}");

    let own = selector
        .tokens(AuthorizationMode::CognitoUserPools, Token::from("own"))
        .expect("a mode");
    assert_eq!(authorization(&own, "profile").await, "own");
}

#[test]
fn a_kind_of_token_is_access_or_id() {
    let text = |kind: &str| {
        format!(
            r#"{{"apis": {{"a": {{"endpoint": "https://a.example.com", "mode": "NONE", "user_pool_token": "{kind}"}}}}}}"#
        )
    };
    for (name, kind) in [("access", TokenKind::Access), ("id", TokenKind::Id)] {
        let config: Config = text(name).parse().expect("a configuration");
        assert_eq!(config.apis["a"].user_pool_token, kind);
    }
    let error = text("acess").parse::<Config>().expect_err("no such kind");
    let words = error.to_string();
    assert!(
        words.contains("did you mean `access`?") && !words.contains("acess"),
        "{words}"
    );
}
