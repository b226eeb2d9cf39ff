//! Every mode through a selector whose session comes from the same file: as a guest, as a user, as a guest again.

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::Full;
use serde_json::{Value, json};
use tower::{Layer, ServiceExt};
use tower_client_auth::cognito::{Session, SignIn};
use tower_client_auth::oauth::{OAuthClient, Provider, TokenKind};
use tower_client_auth::{
    ApiAuthLayer, AuthBody, AuthOverride, AuthSelector, AuthorizationMode, Config, Token,
    TokenSource, Transport,
};

use super::identities::{GET_CREDENTIALS, GET_ID, role, sts};
use super::pools::{
    Api, Change, Pools, REFRESH, Wire, claims, client, forged, needs_user, send, verdict,
};
use crate::loopback::AnyBody;
use crate::ministack::{REGION, Twin};
use crate::servers;

/// The secret of the OpenID provider's client.
const SECRET: &str = "s3cr%t +/:=&?";

/// An API for each mode.
const APIS: [&str; 6] = ["open", "key", "iam", "pool", "jwt", "lambda"];

const USERS: AuthorizationMode = AuthorizationMode::CognitoUserPools;

/// How they refuse what has no credential, and a mode whose credential is another.
const REFUSALS: [(&str, StatusCode, AuthorizationMode); 5] = [
    ("key", StatusCode::FORBIDDEN, USERS),
    ("iam", StatusCode::FORBIDDEN, USERS),
    ("pool", StatusCode::UNAUTHORIZED, AuthorizationMode::AwsIam),
    ("jwt", StatusCode::UNAUTHORIZED, USERS),
    ("lambda", StatusCode::UNAUTHORIZED, USERS),
];

const CHANGES: [fn(Request<AnyBody>) -> Request<AnyBody>; 3] = [
    |request| Twin::Path.change(request),
    |request| Twin::Query.change(request),
    |request| Twin::Method.change(request),
];

fn amplifyconfiguration(pools: &Pools) -> Value {
    let rest = |id: &str, path: &str, mode: &str| {
        let host = format!("{id}.execute-api.localhost");
        json!({
            "endpointType": "REST",
            "endpoint": pools.stack.uri(&host, path).to_string(),
            "region": REGION,
            "authorizationType": mode,
        })
    };
    let own = |path: &str, mode: &str| rest(pools.text("/rest_api/id"), path, mode);
    let other = |id: &str, path: &str, mode: &str| rest(pools.stack.text(id), path, mode);
    let mut key = own("/prod/key", "API_KEY");
    key["apiKey"] = pools.text("/rest_api/key").into();
    let apis = json!({
        "open": own("/prod/open", "NONE"),
        "key": key,
        "iam": own("/prod/iam", "AWS_IAM"),
        "pool": own("/prod/pool", "AMAZON_COGNITO_USER_POOLS"),
        "jwt": other("/oidc_api", "", "OPENID_CONNECT"),
        "lambda": other("/lambda_api/id", "/prod/lambda", "AWS_LAMBDA"),
    });
    let users = json!({
        "PoolId": pools.text("/user_pool/id"),
        "AppClientId": pools.client_id("secret"),
        "AppClientSecret": pools.text("/clients/secret/secret"),
        "Region": REGION,
    });
    let identities = json!({
        "PoolId": pools.text("/identity_pools/with_guests"),
        "Region": REGION,
    });
    let auth = json!({
        "UserAgent": "aws-amplify-cli/0.1.0",
        "Version": "0.1.0",
        "IdentityManager": { "Default": {} },
        "CognitoUserPool": { "Default": users },
        "CredentialsProvider": { "CognitoIdentity": { "Default": identities } },
        "Auth": { "Default": { "authenticationFlowType": "USER_SRP_AUTH" } },
    });
    json!({
        "UserAgent": "aws-amplify-cli/2.0",
        "Version": "1.0",
        "api": { "plugins": { "awsAPIPlugin": apis } },
        "auth": { "plugins": { "awsCognitoAuthPlugin": auth } },
    })
}

/// The APIs, who uses them, and one service for all.
struct World {
    selector: AuthSelector,
    session: Session,
    all: Api,
}

impl World {
    fn new(pools: &Pools, wire: &Wire) -> Self {
        let text = amplifyconfiguration(pools).to_string();
        let config: Config = text.parse().expect("a configuration");
        assert!(config.warnings().is_empty(), "{:?}", config.warnings());
        let session = config.session(wire.transport()).expect("a session");
        let issuer = pools.stack.token_endpoint().to_string();
        let transport = Transport::hyper().expect("a transport");
        let provider = Provider::new(&issuer, transport).expect("a provider");
        let grant = OAuthClient::new(provider, "tests").secret(SECRET);
        let grant = grant.client_credentials();
        let oidc = move || {
            let token = grant.token();
            async move { Ok(format!("Bearer {}", token.await?.expose())) }
        };
        let lambda = Token::from(pools.stack.text("/lambda_api/token"));
        let selector = config
            .selector()
            .session(session.clone())
            .tokens(AuthorizationMode::OpenIdConnect, oidc)
            .and_then(|selector| selector.tokens(AuthorizationMode::AwsLambda, lambda))
            .expect("a selector");
        Self {
            all: service(selector.layer_for_all().expect("a layer")),
            selector,
            session,
        }
    }

    /// The usual request to an API.
    fn call(&self, api: &str) -> Request<Full<Bytes>> {
        let endpoint = &self.selector.config().apis[api].endpoint;
        let below = if api == "jwt" { "/jwt" } else { "?a=1" };
        let request = Request::get(format!("{endpoint}{below}")).body(Full::default());
        request.expect("a request")
    }

    fn wishing(&self, api: &str, wishes: AuthOverride) -> Request<Full<Bytes>> {
        let mut request = self.call(api);
        request.extensions_mut().insert(wishes);
        request
    }

    fn changed(
        &self,
        api: &str,
        change: fn(Request<AnyBody>) -> Request<AnyBody>,
    ) -> Request<Full<Bytes>> {
        let mut request = self.call(api);
        request.extensions_mut().insert(Change(change));
        request
    }

    async fn status(&self, request: Request<Full<Bytes>>) -> StatusCode {
        let answer = send(&self.all, request).await;
        answer.expect("sent").0
    }

    /// Sends a good request to each API. To that of the user pool there is none for a guest, and nothing is sent.
    async fn every_mode(&self, is_guest: bool) -> usize {
        let mut accepted = 0;
        for api in APIS {
            let answer = send(&self.all, self.call(api)).await;
            if is_guest && api == "pool" {
                let error = answer.expect_err("nobody is signed in");
                assert_eq!(verdict(&error), needs_user(""));
                continue;
            }
            let (status, body) = answer.unwrap_or_else(|error| panic!("{api}: {error:?}"));
            assert!(
                status == StatusCode::OK && body.contains("ok"),
                "{api}: {body}"
            );
            accepted += 1;
        }
        accepted
    }

    /// Sends requests that each API has to refuse.
    async fn twins(&self) -> usize {
        let mut refused = 0;
        for (api, refusal, other) in REFUSALS {
            for mode in [AuthorizationMode::None, other] {
                let wishes = AuthOverride::new().mode(mode);
                let status = self.status(self.wishing(api, wishes)).await;
                assert_eq!(status, refusal, "{api}, {mode}");
                refused += 1;
            }
        }
        for kind in [TokenKind::Access, TokenKind::Id] {
            let token = self.session.tokens(kind).token().await;
            let token = Token::from(forged(token.expect("a token").expose()));
            let wishes = AuthOverride::new().token(token);
            let status = self.status(self.wishing("pool", wishes)).await;
            assert_eq!(status, StatusCode::UNAUTHORIZED);
            refused += 1;
        }
        for change in CHANGES {
            let status = self.status(self.changed("iam", change)).await;
            assert_eq!(status, StatusCode::FORBIDDEN);
            refused += 1;
        }
        refused
    }
}

fn service(layer: ApiAuthLayer) -> Api {
    let client = client::<AuthBody<Full<Bytes>>>();
    layer.layer(client).boxed_clone()
}

/// Which token it is that is sent, without `Bearer`.
fn purpose(request: &Request<AnyBody>) -> String {
    let token = request.headers()[header::AUTHORIZATION].to_str();
    let said = claims(token.expect("ASCII"));
    said["token_use"].as_str().expect("a text").to_owned()
}

#[tokio::test]
async fn every_mode_follows_the_user() {
    if servers::skipped("cognito, every mode") {
        return;
    }
    let (pools, wire) = (Pools::shared(), Wire::default());
    let world = World::new(pools, &wire);
    let sts = sts(&world.session);
    let mut accepted = world.every_mode(true).await;
    assert_eq!(role(&sts).await.expect("a guest"), "guest");

    let users = world.session.user_pool().expect("a user pool");
    let step = users.sign_in(pools.alias("alice"), pools.password("alice"));
    let tokens = step.await.and_then(SignIn::tokens).expect("tokens");
    world.session.sign_in(&tokens).await.expect("a session");
    accepted += world.every_mode(false).await;
    assert_eq!(role(&sts).await.expect("a user"), "member");
    assert_eq!(wire.calls(REFRESH), 0);
    let refused = world.twins().await;
    // What was refused has left nothing behind.
    accepted += world.every_mode(false).await;

    world.session.sign_out().await.expect("signed out");
    accepted += world.every_mode(true).await;
    assert_eq!(role(&sts).await.expect("a guest"), "guest");

    // Once for each of the three that they were.
    assert_eq!((wire.calls(GET_ID), wire.calls(GET_CREDENTIALS)), (3, 3));
    assert_eq!(wire.calls("RevokeToken"), 1);
    println!("selector with a session: {accepted} accepted, all {refused} twins refused");
}

#[tokio::test]
async fn each_api_is_sent_the_token_that_it_wants() {
    if servers::skipped("cognito, kinds of token") {
        return;
    }
    let (pools, wire) = (Pools::shared(), Wire::default());
    let world = World::new(pools, &wire);
    pools.sign_in(&world.session, "alice").await;
    let access = world.changed("pool", |request| {
        assert_eq!(purpose(&request), "access");
        request
    });
    assert_eq!(world.status(access).await, StatusCode::OK);

    let selector = world.selector.clone();
    let selector = selector.user_pool_token_for("pool", TokenKind::Id);
    let layer = selector.and_then(|selector| selector.layer("pool"));
    let own = service(layer.expect("a layer"));
    let id = world.changed("pool", |request| {
        assert_eq!(purpose(&request), "id");
        request
    });
    let (status, body) = send(&own, id).await.expect("sent");
    assert_eq!(status, StatusCode::OK, "{body}");
}
