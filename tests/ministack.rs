//! MiniStack, an emulator of AWS that checks signatures, keys and tokens: everything is sent over a
//! real client, every acceptance has its refused twins.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use aws_credential_types::Credentials;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body::Body;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use serde_json::Value;
use tower::layer::util::Stack;
use tower::util::MapRequestLayer;
use tower::{Layer, Service, ServiceBuilder, ServiceExt};
use tower_client_auth::{
    ApiKeyLayer, AuthBody, BearerTokenLayer, BoxError, Clock, SigV4Layer, Token, TokenStyle,
};

use crate::loopback::{self, AnyBody, Http, LoopbackClient};
use crate::servers::{self, Server};
use crate::support::promise;

/// Region of everything that [`setup`](MiniStack::started) makes.
const REGION: &str = "us-east-1";

/// A running MiniStack and what the setup script made in it.
struct MiniStack {
    server: Server,
    known: Value,
    tls: Option<Tls>,
}

struct Tls {
    certificate: PathBuf,
    key: PathBuf,
}

/// A key pair of the user or the role.
#[derive(Clone, Copy, Debug)]
enum Who {
    User,
    Role,
}

impl MiniStack {
    /// The one all tests share: it lives as long as the test run.
    fn shared() -> &'static Self {
        static SHARED: OnceLock<MiniStack> = OnceLock::new();
        SHARED.get_or_init(|| Self::started(false))
    }

    fn started(with_tls: bool) -> Self {
        let python = servers::python();
        let program = python.with_file_name("ministack");
        let tls = with_tls.then(|| {
            let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
            let tls = Tls {
                // Two test runs at once must not share them.
                certificate: folder.join(format!("ministack-{}.crt", std::process::id())),
                key: folder.join(format!("ministack-{}.key", std::process::id())),
            };
            script(
                "certificate.py",
                &[tls.certificate.as_os_str(), tls.key.as_os_str()],
            );
            tls
        });
        let is_up = |port| match with_tls {
            true => servers::listens(port),
            false => servers::answers(port, "/_ministack/health"),
        };
        let server = Server::start(is_up, |port| {
            let mut command = Command::new(python);
            command
                .arg(&program)
                .env("AUTH", "true")
                .env("BIND_HOST", "127.0.0.1")
                .env("GATEWAY_PORT", port.to_string())
                .env("MINISTACK_HOST", "localhost")
                .env("IOT_MTLS_ENABLED", "0")
                .env("SFTP_ENABLED", "0");
            if let Some(tls) = &tls {
                command
                    .env("USE_SSL", "1")
                    .env("MINISTACK_SSL_CERT", &tls.certificate)
                    .env("MINISTACK_SSL_KEY", &tls.key);
            }
            command
        });
        let scheme = if with_tls { "https" } else { "http" };
        let endpoint = format!("{scheme}://127.0.0.1:{}", server.port);
        let upstream = format!("http://127.0.0.1:{}/", upstream());
        let printed = script(
            "ministack_setup.py",
            &[endpoint.as_ref(), upstream.as_ref()],
        );
        let known = serde_json::from_str(&printed).expect("what the script prints");
        Self { server, known, tls }
    }

    fn certificate(&self) -> Option<&Path> {
        self.tls.as_ref().map(|tls| tls.certificate.as_path())
    }

    fn text(&self, path: &str) -> &str {
        let found = self.known.pointer(path).and_then(Value::as_str);
        found.unwrap_or_else(|| panic!("the setup script made no {path}"))
    }

    fn uri(&self, host: &str, path: &str) -> Uri {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let uri = format!("{scheme}://{host}:{}{path}", self.server.port);
        uri.parse().expect("a URI")
    }

    fn rest_api(&self, path: &str) -> Uri {
        let host = format!("{}.execute-api.localhost", self.text("/rest_api/id"));
        self.uri(&host, path)
    }

    fn credentials(&self, who: Who) -> Parts {
        let of = |who: &str, token| Parts {
            key: self.text(&format!("/{who}/key")).to_owned(),
            secret: self.text(&format!("/{who}/secret")).to_owned(),
            token,
        };
        match who {
            Who::User => of("user", None),
            Who::Role => of("role", Some(self.text("/role/token").to_owned())),
        }
    }
}

/// Something behind the HTTP API that says 200 to everything. Returns its port.
fn upstream() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let port = listener.local_addr().expect("bound").port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            let mut request = [0; 4096];
            if stream.read(&mut request).is_ok() {
                let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
                let _ = stream.write_all(answer.as_bytes());
            }
        }
    });
    port
}

/// Runs one of our scripts with the packages of the servers, and returns what it printed.
fn script(name: &str, arguments: &[&OsStr]) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers");
    let output = Command::new(servers::python())
        .arg(folder.join(name))
        .args(arguments)
        .output()
        .expect("a Python");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}: {errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

struct Parts {
    key: String,
    secret: String,
    token: Option<String>,
}

/// What is wrong with a request that is otherwise good. Changes happen after signing.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Twin {
    WrongSecret,
    UnknownKey,
    MissingToken,
    AlteredToken,
    Skewed,
    Path,
    Query,
    Header,
    Method,
    Body,
}

const TWINS: [Twin; 10] = [
    Twin::WrongSecret,
    Twin::UnknownKey,
    Twin::MissingToken,
    Twin::AlteredToken,
    Twin::Skewed,
    Twin::Path,
    Twin::Query,
    Twin::Header,
    Twin::Method,
    Twin::Body,
];

impl Twin {
    fn applies(self, call: &Call, who: Who) -> bool {
        match self {
            Twin::MissingToken | Twin::AlteredToken => matches!(who, Who::Role),
            // S3 hashes the body only against the header here: tampering is left to other servers.
            Twin::Body => call.service != "s3" && !call.body.is_empty(),
            _ => true,
        }
    }

    /// The codes of which one says that it was refused for this and not for something else.
    fn refusals(self) -> &'static [&'static str] {
        match self {
            Twin::UnknownKey => &[
                "InvalidAccessKeyId",
                "InvalidClientTokenId",
                "UnrecognizedClientException",
                "security token",
            ],
            Twin::MissingToken | Twin::AlteredToken => &[
                "ExpiredToken",
                "InvalidAccessKeyId",
                "InvalidClientTokenId",
                "InvalidToken",
                "UnrecognizedClientException",
                "security token",
            ],
            Twin::Skewed => &["RequestTimeTooSkewed", "Signature expired"],
            _ => &[
                "InvalidSignatureException",
                "SignatureDoesNotMatch",
                "signature we calculated does not match",
            ],
        }
    }

    fn credentials(self, mut parts: Parts) -> Parts {
        match self {
            Twin::WrongSecret => parts.secret = "A".repeat(40),
            Twin::UnknownKey => parts.key = "AKIAZZZZZZZZZZZZZZZZ".to_owned(),
            Twin::MissingToken => parts.token = None,
            Twin::AlteredToken => {
                if let Some(token) = &mut parts.token {
                    token.push('A');
                }
            }
            _ => {}
        }
        parts
    }

    fn change(self, mut request: Request<AnyBody>) -> Request<AnyBody> {
        let with = |uri: &Uri, text: String| {
            let mut parts = uri.clone().into_parts();
            parts.path_and_query = Some(text.parse().expect("a path"));
            Uri::from_parts(parts).expect("a URI")
        };
        let uri = request.uri().clone();
        let (path, query) = (uri.path(), uri.query());
        match self {
            Twin::Path => {
                let query = query.map_or(String::new(), |query| format!("?{query}"));
                *request.uri_mut() = with(&uri, format!("{}x{query}", path));
            }
            Twin::Query => {
                let query = query.map_or(String::new(), |query| format!("{query}&"));
                *request.uri_mut() = with(&uri, format!("{path}?{query}added=1"));
            }
            Twin::Header => {
                let changed = HeaderValue::from_static("changed");
                request.headers_mut().insert("x-signed", changed);
            }
            Twin::Method => {
                *request.method_mut() = match *request.method() {
                    Method::POST => Method::PUT,
                    _ => Method::POST,
                };
            }
            Twin::Body => {
                let body = request.body_mut();
                // As long as it was, so that nothing but the signature tells.
                let length = body.size_hint().exact().unwrap_or(1);
                *body = Full::from("x".repeat(length as usize)).boxed();
            }
            _ => {}
        }
        request
    }
}

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
        let mut parts = stack.credentials(who);
        if let Some(twin) = twin {
            parts = twin.credentials(parts);
        }
        let credentials = Credentials::new(parts.key, parts.secret, parts.token, None, "tests");
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
                if twin.applies(&call, who) {
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
    let parts = stack.credentials(Who::Role);
    let credentials = Credentials::new(parts.key, parts.secret, parts.token, None, "tests");
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
