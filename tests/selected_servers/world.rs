//! The configuration file, who the requests are from, and the client.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, Uri, Version, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use serde_json::{Value, json};
use tower::util::BoxCloneService;
use tower::{ServiceBuilder, ServiceExt};
use tower_client_auth::{
    ApiAuthLayer, AuthBody, AuthError, AuthSelector, AuthorizationMode, BoxError, Config, Token,
};

use super::Call;
pub(super) use crate::loopback::AnyBody;
use crate::loopback::{self, Http, LoopbackClient};
use crate::ministack::{self, MiniStack, REGION, Who};

pub(super) type Body = Full<Bytes>;

pub(super) type Service = BoxCloneService<Request<Body>, Response<Incoming>, BoxError>;

/// What happens to a request between the layer and the client: an extension of it.
#[derive(Clone, Copy)]
pub(super) struct Change(pub(super) fn(Request<AnyBody>) -> Request<AnyBody>);

/// The client's secret, as it stands in a form.
const SECRET: &str = "s3cr%25t+%2B%2F%3A%3D%26%3F";

pub(super) struct World {
    pub(super) stack: &'static MiniStack,
    pub(super) version: Version,
    pub(super) good: Caller,
    /// Its every credential is wrong.
    pub(super) wrong: Caller,
    /// Its tokens are good, for another API.
    pub(super) crossed: Caller,
    /// A token of the right issuer whose time is over.
    pub(super) expired: String,
    fetched: Arc<AtomicUsize>,
    client: LoopbackClient,
}

/// A selector, and the one service for all its APIs.
#[derive(Clone)]
pub(super) struct Caller {
    pub(super) selector: AuthSelector,
    pub(super) all: Service,
}

impl Caller {
    fn new(selector: AuthSelector, client: &LoopbackClient) -> Self {
        let layer = selector.layer_for_all().expect("a layer");
        Self {
            all: service(layer, client),
            selector,
        }
    }
}

impl World {
    pub(super) async fn new(http: Http) -> Self {
        let stack = MiniStack::shared();
        let config = config(stack, http);
        let fetched = Arc::new(AtomicUsize::new(0));
        let issuer = stack.token_endpoint();
        let expired = grant(&issuer, "hasty").await.expect("a token").0;
        let other = grant(&issuer, "tests").await.expect("a token").0;
        let client = loopback::client(http, None);
        let good = good(&config, stack, issuer, fetched.clone());
        let world = Self {
            good: Caller::new(good, &client),
            wrong: Caller::new(wrong(&config, stack), &client),
            crossed: Caller::new(crossed(&config, stack, &other), &client),
            stack,
            version: match http {
                Http::One => Version::HTTP_11,
                Http::Two => Version::HTTP_2,
            },
            expired,
            fetched,
            client,
        };
        // Until the token's second is over, and the server's clock has ticked.
        tokio::time::sleep(Duration::from_secs(2)).await;
        world
    }

    /// How many tokens the good selector has asked for.
    pub(super) fn fetched(&self) -> usize {
        self.fetched.load(Ordering::SeqCst)
    }

    /// The usual call of an API.
    pub(super) fn call(&self, api: &'static str) -> Call {
        let (method, below, body) = match api {
            "iam" | "iam-and-key" => (Method::POST, "?b=2&a=1&a=%2F", r#"{"order":1}"#),
            "jwt" => (Method::GET, "/jwt", ""),
            "graphql" | "graphql-lambda" => (Method::POST, "", r#"{"query":"{ ok }"}"#),
            _ => (Method::GET, "?a=1", ""),
        };
        let mut headers = Vec::new();
        if !body.is_empty() {
            headers.push(("content-type", "application/json".to_owned()));
            headers.push(("x-signed", "as  it was".to_owned()));
        }
        if api == "iam-and-key" {
            headers.push(("x-api-key", self.stack.text("/rest_api/key").to_owned()));
        }
        Call {
            api,
            named: None,
            caller: self.good.clone(),
            method,
            below,
            headers,
            body,
            wishes: None,
            change: None,
        }
    }

    /// The good selector, told something else in one respect.
    pub(super) fn but(
        &self,
        change: impl FnOnce(AuthSelector) -> Result<AuthSelector, AuthError>,
    ) -> Caller {
        let selector = change(self.good.selector.clone()).expect("a selector");
        Caller::new(selector, &self.client)
    }

    /// Over the layer for one API.
    pub(super) fn own_service(&self, caller: &Caller, api: &str) -> Service {
        service(caller.selector.layer(api).expect("a layer"), &self.client)
    }
}

fn service(layer: ApiAuthLayer, client: &LoopbackClient) -> Service {
    ServiceBuilder::new()
        .layer(layer)
        .map_request(|request: Request<AuthBody<Body>>| {
            let request = request.map(BodyExt::boxed);
            match request.extensions().get() {
                Some(Change(change)) => change(request),
                None => request,
            }
        })
        .service(client.clone())
        .boxed_clone()
}

/// Reads the file that it has written.
fn config(stack: &MiniStack, http: Http) -> Config {
    // Two test runs at once must not share it.
    let name = format!("{}-{http:?}-amplifyconfiguration.json", std::process::id());
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&file, amplifyconfiguration(stack).to_string()).expect("a file");
    let config = Config::from_path(&file).expect("a configuration");
    fs::remove_file(&file).expect("the file");
    assert!(config.warnings().is_empty(), "{:?}", config.warnings());
    config
}

fn amplifyconfiguration(stack: &MiniStack) -> Value {
    let host = |id: &str| format!("{}.execute-api.localhost", stack.text(id));
    let rest = |id: &str, path: &str, mode: &str| {
        json!({
            "endpointType": "REST",
            "endpoint": stack.uri(&host(id), path).to_string(),
            "region": REGION,
            "authorizationType": mode,
        })
    };
    let graphql = |id: &str, mode: &str| {
        let host = format!("{}.appsync-api.{REGION}.localhost", stack.text(id));
        json!({
            "endpointType": "GraphQL",
            "endpoint": stack.uri(&host, "/graphql").to_string(),
            "region": REGION,
            "authorizationType": mode,
        })
    };
    let with_key = |mut api: Value, key: &str| {
        api["apiKey"] = stack.text(key).into();
        api
    };
    let key = rest("/rest_api/id", "/prod/key", "API_KEY");
    let data = graphql("/graphql_api/id", "API_KEY");
    let apis = json!({
        // Several on one origin, which only their paths tell apart.
        "open": rest("/rest_api/id", "/prod/open", "NONE"),
        "key": with_key(key, "/rest_api/key"),
        "iam": rest("/rest_api/id", "/prod/iam", "AWS_IAM"),
        "iam-and-key": rest("/rest_api/id", "/prod/iam-and-key", "AWS_IAM"),
        "pool": rest("/rest_api/id", "/prod/pool", "AMAZON_COGNITO_USER_POOLS"),
        // Without a path.
        "jwt": rest("/oidc_api", "", "OPENID_CONNECT"),
        "lambda": rest("/lambda_api/id", "/prod/lambda", "AWS_LAMBDA"),
        "graphql": with_key(data, "/graphql_api/key"),
        "graphql-lambda": graphql("/graphql_api/lambda_id", "AWS_LAMBDA"),
    });
    json!({
        "UserAgent": "aws-amplify-cli/2.0",
        "Version": "1.0",
        "api": { "plugins": { "awsAPIPlugin": apis } },
    })
}

/// What the file does not hold.
fn good(
    config: &Config,
    stack: &'static MiniStack,
    issuer: Uri,
    fetched: Arc<AtomicUsize>,
) -> AuthSelector {
    let user = stack.key_pair(Who::User, None);
    let role = stack.key_pair(Who::Role, None);
    let oidc = move || {
        fetched.fetch_add(1, Ordering::SeqCst);
        let issuer = issuer.clone();
        async move {
            let (token, lifetime) = grant(&issuer, "tests").await?;
            Ok(Token::from(token).expires_in(lifetime))
        }
    };
    // Keys that the file does not have, for APIs that are then asked in the wrong mode.
    let key = stack.text("/rest_api/key");
    let tokens = [
        (AuthorizationMode::CognitoUserPools, "/id_token"),
        (AuthorizationMode::AwsLambda, "/lambda_api/token"),
    ];
    let selector = config
        .selector()
        .aws_credentials(user)
        .and_then(|selector| selector.aws_credentials_for("iam-and-key", role))
        .and_then(|selector| selector.api_key_for("iam", key))
        .and_then(|selector| selector.api_key_for("pool", key))
        .and_then(|selector| selector.tokens(AuthorizationMode::OpenIdConnect, oidc))
        .expect("a selector");
    tokens.into_iter().fold(selector, |selector, (mode, of)| {
        let source = move || async move { Ok(stack.text(of)) };
        selector.tokens(mode, source).expect("a selector")
    })
}

fn wrong(config: &Config, stack: &MiniStack) -> AuthSelector {
    let secret = stack.key_pair(Who::User, Some(ministack::Twin::WrongSecret));
    let session = stack.key_pair(Who::Role, Some(ministack::Twin::AlteredToken));
    let selector = config
        .selector()
        .aws_credentials(secret)
        .and_then(|selector| selector.aws_credentials_for("iam-and-key", session))
        .and_then(|selector| selector.api_key_for("key", "wrong"))
        .and_then(|selector| selector.api_key_for("graphql", "wrong"))
        .expect("a selector");
    TOKENS.into_iter().fold(selector, |selector, mode| {
        let token = Token::new("wrong").expect("a token");
        selector.tokens(mode, token).expect("a selector")
    })
}

fn crossed(config: &Config, stack: &MiniStack, oidc: &str) -> AuthSelector {
    let selector = config
        .selector()
        .aws_credentials(stack.key_pair(Who::User, None))
        .expect("a selector");
    TOKENS.into_iter().fold(selector, |selector, mode| {
        let token = match mode {
            AuthorizationMode::CognitoUserPools => oidc,
            _ => stack.text("/id_token"),
        };
        let token = Token::new(token).expect("a token");
        selector.tokens(mode, token).expect("a selector")
    })
}

const TOKENS: [AuthorizationMode; 3] = [
    AuthorizationMode::CognitoUserPools,
    AuthorizationMode::OpenIdConnect,
    AuthorizationMode::AwsLambda,
];

/// Asks the issuer for a token by OAuth's `client_credentials`, and says how long it lasts.
pub(crate) async fn grant(issuer: &Uri, client: &str) -> Result<(String, Duration), BoxError> {
    let form = format!("grant_type=client_credentials&client_id={client}&client_secret={SECRET}");
    let request = Request::post(issuer)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Full::from(form).boxed())?;
    // Not the one that the layers are on.
    let response = loopback::client(Http::One, None).request(request).await?;
    let answer = response.into_body().collect().await?.to_bytes();
    let answer: Value = serde_json::from_slice(&answer)?;
    let token = answer["access_token"].as_str().ok_or("no token")?;
    let seconds = answer["expires_in"].as_u64().ok_or("no lifetime")?;
    // As HTTP APIs take it, and most others.
    Ok((format!("Bearer {token}"), Duration::from_secs(seconds)))
}
