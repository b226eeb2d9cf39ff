//! MiniStack, an emulator of AWS that checks signatures, keys and tokens: everything is sent over a
//! real client, every acceptance has its refused twins.

mod stack;
mod twin;

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use tower::layer::util::Stack;
use tower::util::MapRequestLayer;
use tower::{Layer, Service, ServiceBuilder, ServiceExt};
use tower_client_auth::{
    ApiKeyLayer, AuthBody, BearerTokenLayer, BoxError, Clock, SigV4Layer, Token, TokenStyle,
};

use crate::loopback::{self, AnyBody, Http, LoopbackClient};
use crate::servers;
use crate::support::promise;

pub(crate) use stack::{MiniStack, REGION, Who};
use twin::TWINS;
pub(crate) use twin::Twin;

/// A good request.
struct Call {
    name: &'static str,
    service: &'static str,
    method: Method,
    uri: Uri,
    headers: Vec<(&'static str, String)>,
    body: String,
}

impl Call {
    fn request(&self) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::from(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        let headers = request.headers_mut();
        headers.insert("x-signed", HeaderValue::from_static("as  it was"));
        for (name, value) in &self.headers {
            let value = value.parse().expect("a value");
            headers.insert(HeaderName::from_static(name), value);
        }
        request
    }

    async fn send(
        &self,
        stack: &MiniStack,
        client: LoopbackClient,
        who: Who,
        twin: Option<Twin>,
    ) -> (StatusCode, String) {
        let credentials = stack.key_pair(who, twin);
        let mut layer = SigV4Layer::new(REGION, self.service, credentials).expect("a layer");
        if twin == Some(Twin::Skewed) {
            layer = layer.clock(Clock::from_fn(|| {
                Clock::system().now() - Duration::from_secs(20 * 60)
            }));
        }
        let service = ServiceBuilder::new()
            .layer(layer)
            .map_request(move |request: Request<AuthBody<Full<Bytes>>>| {
                let request = request.map(BodyExt::boxed);
                match twin {
                    Some(twin) => twin.change(request),
                    None => request,
                }
            })
            .service(client);
        answer(service.oneshot(self.request()).await)
            .await
            .unwrap_or_else(|error| panic!("{}, {twin:?}: {error:?}", self.name))
    }
}

async fn answer<E>(
    response: Result<Response<Incoming>, E>,
) -> Result<(StatusCode, String), BoxError>
where
    E: Into<BoxError>,
{
    let (head, body) = response.map_err(Into::into)?.into_parts();
    let body = body.collect().await?.to_bytes();
    Ok((head.status, String::from_utf8_lossy(&body).into_owned()))
}

fn calls(stack: &MiniStack) -> Vec<Call> {
    let form = || {
        let form = "application/x-www-form-urlencoded; charset=utf-8";
        vec![("content-type", form.to_owned())]
    };
    let json = |version: &str, target: &str| {
        vec![
            ("content-type", format!("application/x-amz-json-{version}")),
            ("x-amz-target", target.to_owned()),
        ]
    };
    let call = |name, service, method, uri: Uri, headers, body: &str| Call {
        name,
        service,
        method,
        uri,
        headers,
        body: body.to_owned(),
    };
    let at = |path| stack.uri("localhost", path);
    let queue = stack.text("/queue").to_owned();
    let topic = query(stack.text("/topic"));
    vec![
        call(
            "S3, put",
            "s3",
            Method::PUT,
            at("/tests/a%20b/%28c%29%27%C3%A9"),
            vec![("x-amz-meta-note", "two  spaces".to_owned())],
            "hello",
        ),
        call(
            "S3, list",
            "s3",
            Method::GET,
            at("/tests?prefix=a%20b%2F&list-type=2&delimiter="),
            vec![],
            "",
        ),
        call(
            "STS",
            "sts",
            Method::POST,
            at("/"),
            form(),
            "Action=GetCallerIdentity&Version=2011-06-15",
        ),
        call(
            "DynamoDB",
            "dynamodb",
            Method::POST,
            at("/"),
            json("1.0", "DynamoDB_20120810.PutItem"),
            r#"{"TableName":"tests","Item":{"id":{"S":"1"}}}"#,
        ),
        call(
            "SQS",
            "sqs",
            Method::POST,
            at("/"),
            json("1.0", "AmazonSQS.SendMessage"),
            &format!(r#"{{"QueueUrl":"{queue}","MessageBody":"hello"}}"#),
        ),
        call(
            "SNS",
            "sns",
            Method::POST,
            at("/"),
            form(),
            &format!("Action=Publish&Version=2010-03-31&TopicArn={topic}&Message=hello"),
        ),
        call(
            "Lambda, control plane",
            "lambda",
            Method::GET,
            at("/2015-03-31/functions/?MaxItems=10"),
            vec![],
            "",
        ),
        call(
            "API Gateway, IAM",
            "execute-api",
            Method::POST,
            stack.rest_api("/prod/iam?b=2&a=1&a=%2F"),
            vec![("content-type", "application/json".to_owned())],
            r#"{"order":1}"#,
        ),
    ]
}

fn query(text: &str) -> String {
    text.replace(':', "%3A")
}

/// Sends every call, good and with each of its twins.
async fn every_call(stack: &MiniStack, http: Http) -> (usize, usize) {
    let client = loopback::client(http, stack.certificate());
    let (mut accepted, mut refused) = (0, 0);
    for call in calls(stack) {
        for who in [Who::User, Who::Role] {
            let name = call.name;
            let (status, body) = call.send(stack, client.clone(), who, None).await;
            assert!(status.is_success(), "{name}, {who:?}: {status} {body}");
            accepted += 1;
            for twin in TWINS {
                if twin.applies(call.service, &call.body, who) {
                    let (status, body) = call.send(stack, client.clone(), who, Some(twin)).await;
                    let reason = twin.refusals().iter().any(|code| body.contains(code));
                    assert!(
                        REFUSALS.contains(&status) && reason,
                        "{name}, {who:?}, {twin:?}: {status} {body}"
                    );
                    refused += 1;
                }
            }
        }
    }
    (accepted, refused)
}

/// S3, REST and query services answer 403, JSON services 400.
const REFUSALS: [StatusCode; 2] = [StatusCode::FORBIDDEN, StatusCode::BAD_REQUEST];

#[tokio::test]
async fn signatures_are_accepted_and_their_twins_refused() {
    if servers::skipped("ministack, HTTP/1") {
        return;
    }
    let (accepted, refused) = every_call(MiniStack::shared(), Http::One).await;
    promise(
        30,
        format!("MiniStack, HTTP/1: {accepted} requests accepted, all {refused} twins refused"),
    );
}

#[tokio::test]
async fn signatures_hold_over_http_2_and_tls() {
    if servers::skipped("ministack, HTTP/2") {
        return;
    }
    let stack = MiniStack::started(true);
    let (accepted, refused) = every_call(&stack, Http::Two).await;
    promise(
        30,
        format!(
            "MiniStack, HTTP/2 over TLS: {accepted} requests accepted, all {refused} twins refused"
        ),
    );
}

/// Sends a request through a layer and returns the status.
async fn status<L>(layer: L, uri: Uri) -> StatusCode
where
    L: Layer<LoopbackClient>,
    L::Service: Service<Request<AnyBody>, Response = Response<Incoming>, Error = BoxError>,
{
    let client = loopback::client(Http::One, None);
    let request = Request::get(uri).body(Empty::new().boxed());
    let response = layer.layer(client).oneshot(request.expect("a request"));
    response.await.expect("an answer").status()
}

#[tokio::test]
async fn api_keys_are_accepted_and_wrong_ones_refused() {
    if servers::skipped("ministack, API keys") {
        return;
    }
    let stack = MiniStack::shared();
    let uri = stack.rest_api("/prod/key");
    let origin = stack.rest_api("").to_string();
    let origin = origin.trim_end_matches('/');
    let layer = |key: &str| ApiKeyLayer::new(origin, key).expect("a layer");
    let good = stack.text("/rest_api/key");
    assert_eq!(status(layer(good), uri.clone()).await, StatusCode::OK);
    for bad in ["wrong", stack.text("/rest_api/disabled_key")] {
        assert_eq!(status(layer(bad), uri.clone()).await, StatusCode::FORBIDDEN);
    }
    let elsewhere = layer(good).scope("https://api.example.com");
    let elsewhere = elsewhere.expect("a layer");
    assert_eq!(status(elsewhere, uri).await, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_method_may_ask_for_a_signature_and_a_key() {
    if servers::skipped("ministack, IAM and key") {
        return;
    }
    let stack = MiniStack::shared();
    let uri = stack.rest_api("/prod/iam-and-key");
    let credentials = stack.key_pair(Who::Role, None);
    let origin = stack.rest_api("").to_string();
    let origin = origin.trim_end_matches('/');
    let sign = || {
        let layer = SigV4Layer::new(REGION, "execute-api", credentials.clone());
        let layer = layer.expect("a layer");
        // The signer's body becomes the client's.
        ServiceBuilder::new()
            .layer(layer)
            .map_request(|request: Request<AuthBody<AnyBody>>| request.map(BodyExt::boxed))
            .into_inner()
    };
    let key = |key: &str| ApiKeyLayer::new(origin, key).expect("a layer");
    let good = stack.text("/rest_api/key");
    let swap = MapRequestLayer::new(|mut request: Request<AnyBody>| {
        let other = HeaderValue::from_static("another");
        request.headers_mut().insert("x-api-key", other);
        request
    });

    let both = Stack::new(sign(), key(good));
    assert_eq!(status(both, uri.clone()).await, StatusCode::OK);
    let only_signed = status(sign(), uri.clone()).await;
    assert_eq!(only_signed, StatusCode::FORBIDDEN, "no key");
    let only_key = status(key(good), uri.clone()).await;
    assert_eq!(only_key, StatusCode::FORBIDDEN, "no signature");
    let wrong_key = Stack::new(sign(), key("wrong"));
    assert_eq!(status(wrong_key, uri.clone()).await, StatusCode::FORBIDDEN);
    let swapped = Stack::new(Stack::new(swap, sign()), key(good));
    let swapped = status(swapped, uri).await;
    assert_eq!(swapped, StatusCode::FORBIDDEN, "the key was signed");
}

#[tokio::test]
async fn tokens_are_accepted_and_wrong_ones_refused() {
    if servers::skipped("ministack, tokens") {
        return;
    }
    let stack = MiniStack::shared();
    let good = stack.text("/id_token");
    // The signature is the last part.
    let forged = format!("{}AAAA", &good[..good.len() - 4]);
    let host = format!("{}.execute-api.localhost", stack.text("/http_api"));
    for (what, uri, style) in [
        (
            "REST API, user pool",
            stack.rest_api("/prod/pool"),
            TokenStyle::Raw,
        ),
        (
            "HTTP API, JWT",
            stack.uri(&host, "/jwt"),
            TokenStyle::Bearer,
        ),
    ] {
        let origin = format!("http://{}", uri.authority().expect("an authority"));
        let layer = |token: &str| {
            let token = Token::new(token).expect("a token");
            let layer = BearerTokenLayer::new(&origin, token).expect("a layer");
            layer.style(style)
        };
        let accepted = status(layer(good), uri.clone()).await;
        assert_eq!(accepted, StatusCode::OK, "{what}");
        for bad in [forged.as_str(), "wrong"] {
            let refused = status(layer(bad), uri.clone()).await;
            assert_eq!(refused, StatusCode::UNAUTHORIZED, "{what}");
        }
        let elsewhere = layer(good).scope("https://api.example.com");
        let elsewhere = status(elsewhere.expect("a layer"), uri).await;
        assert_eq!(elsewhere, StatusCode::UNAUTHORIZED, "{what}");
    }
}
