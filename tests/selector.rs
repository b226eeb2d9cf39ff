//! The selector: which layer a configuration makes, and what that does to a request.

mod building;
mod origins;
mod overrides;
mod rejections;
mod requests;
mod routing;

use aws_credential_types::Credentials;
use bytes::Bytes;
use http::{Request, Uri};
use http_body_util::Full;
use tower::{Layer, ServiceExt};
use tower_client_auth::{
    ApiAuthLayer, AuthError, AuthErrorKind, AuthSelector, AuthorizationMode, Config, Token,
};

use crate::support::{Recorder, Seen};

const KEY: &str = "da2-CANARYfake1234567890";
const TOKEN: &str = "CANARY-token-91bc";

/// One API for each mode, under names that say it.
const EVERY_MODE: &str = r#"{
    "api": { "plugins": { "awsAPIPlugin": {
        "open":     { "endpointType": "REST", "endpoint": "https://open.example.com/v1",
                      "region": "eu-west-1", "authorizationType": "NONE" },
        "keyed":    { "endpointType": "REST", "endpoint": "https://keyed.example.com/v1/",
                      "region": "eu-west-1", "authorizationType": "API_KEY",
                      "apiKey": "da2-CANARYfake1234567890" },
        "signed":   { "endpointType": "REST", "endpoint": "https://signed.example.com/prod",
                      "region": "ap-south-1", "authorizationType": "AWS_IAM" },
        "graph":    { "endpointType": "GraphQL", "endpoint": "https://graph.example.com/graphql",
                      "region": "eu-west-1", "authorizationType": "AWS_IAM",
                      "apiKey": "da2-CANARYfake1234567890" },
        "members":  { "endpointType": "REST", "endpoint": "https://members.example.com",
                      "region": "eu-west-1", "authorizationType": "AMAZON_COGNITO_USER_POOLS" },
        "partners": { "endpointType": "REST", "endpoint": "https://partners.example.com:8443/v1",
                      "region": "eu-west-1", "authorizationType": "OPENID_CONNECT" },
        "scripted": { "endpointType": "REST", "endpoint": "https://scripted.example.com/v1",
                      "region": "eu-west-1", "authorizationType": "AWS_LAMBDA" }
    } } }
}"#;

const MODES_WITH_TOKENS: [AuthorizationMode; 3] = [
    AuthorizationMode::CognitoUserPools,
    AuthorizationMode::OpenIdConnect,
    AuthorizationMode::AwsLambda,
];

fn every_mode() -> Config {
    EVERY_MODE.parse().expect("a good file")
}

fn credentials() -> Credentials {
    let session = Some("CANARY-session-55de".to_owned());
    Credentials::new(
        "AKIDCANARYLAYER",
        "CANARY-secret-access-key",
        session,
        None,
        "test",
    )
}

/// With all that any mode takes. Each mode has a token of its own.
fn complete(config: &Config) -> AuthSelector {
    let mut selector = config
        .selector()
        .aws_credentials(credentials())
        .expect("good ones");
    for mode in MODES_WITH_TOKENS {
        let token = Token::from(format!("{TOKEN}-{mode}"));
        selector = selector.tokens(mode, token).expect("a mode with tokens");
    }
    selector
}

fn get(uri: &str) -> Request<Full<Bytes>> {
    Request::get(uri).body(Full::default()).expect(uri)
}

/// Sends one request through a layer.
async fn send(
    layer: &ApiAuthLayer,
    request: Request<Full<Bytes>>,
) -> Result<Seen, (AuthErrorKind, String)> {
    let recorder = Recorder::new();
    match layer.layer(recorder.clone()).oneshot(request).await {
        Ok(_) => Ok(recorder.only()),
        Err(error) => {
            assert!(recorder.seen().is_empty(), "an error, and yet it was sent");
            let ours = AuthError::find(error.as_ref()).expect("an error of ours");
            Err((ours.kind(), ours.to_string()))
        }
    }
}

async fn sent(layer: &ApiAuthLayer, request: Request<Full<Bytes>>) -> Seen {
    send(layer, request).await.expect("it is sent")
}

/// The credential of a request, in a few words.
fn credential(seen: &Seen) -> String {
    let mut found = Vec::new();
    if let Some(key) = seen.all("x-api-key").first() {
        found.push(format!("key {key}"));
    }
    if let Some(authorization) = seen.all("authorization").first() {
        found.push(match authorization.split_once("/aws4_request") {
            None => format!("token {authorization}"),
            Some((scope, _)) => {
                // Without the date.
                let scope: Vec<_> = scope.rsplit('/').take(2).collect();
                format!("signature {}/{}", scope[1], scope[0])
            }
        });
    }
    match found.is_empty() {
        true => "nothing".to_owned(),
        false => found.join(", "),
    }
}

fn uri(seen: &Seen) -> &Uri {
    &seen.head.uri
}

/// Name, endpoint, and what its requests carry.
fn expectations() -> [(&'static str, &'static str, String); 7] {
    [
        ("open", "https://open.example.com/v1", "nothing".to_owned()),
        (
            "keyed",
            "https://keyed.example.com/v1",
            format!("key {KEY}"),
        ),
        (
            "signed",
            "https://signed.example.com/prod",
            "signature ap-south-1/execute-api".to_owned(),
        ),
        (
            "graph",
            "https://graph.example.com/graphql",
            "signature eu-west-1/appsync".to_owned(),
        ),
        (
            "members",
            "https://members.example.com",
            format!("token {TOKEN}-AMAZON_COGNITO_USER_POOLS"),
        ),
        (
            "partners",
            "https://partners.example.com:8443/v1",
            format!("token {TOKEN}-OPENID_CONNECT"),
        ),
        (
            "scripted",
            "https://scripted.example.com/v1",
            format!("token {TOKEN}-AWS_LAMBDA"),
        ),
    ]
}
