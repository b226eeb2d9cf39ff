//! APIs of a configuration file and of the command line, in each of Amplify's ways to authorize, and a proxy that has
//! what they want.

use std::path::Path;

use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};

use crate::loopback::{self, Http};
use crate::ministack::{MiniStack, REGION, Twin, Who};
use crate::proxy::Proxy;
use crate::selected_servers::world::grant;
use crate::servers;

/// A call without any credential, and how it is refused if the proxy has a wrong one.
struct Call {
    path: &'static str,
    body: &'static str,
    refusal: (StatusCode, &'static str),
}

const GRAPHQL: &str = r#"{"query":"{ ok }"}"#;

#[rustfmt::skip]
const CALLS: [Call; 8] = [
    Call { path: "/keyed/key?a=1", body: "", refusal: (StatusCode::FORBIDDEN, "Forbidden") },
    Call { path: "/signed/iam?b=2&a=1&a=%2F", body: r#"{"order":1}"#, refusal: (StatusCode::FORBIDDEN, "InvalidSignatureException") },
    Call { path: "/pool/pool", body: "", refusal: (StatusCode::UNAUTHORIZED, "Unauthorized") },
    Call { path: "/jwt/jwt", body: "", refusal: (StatusCode::UNAUTHORIZED, "Unauthorized") },
    Call { path: "/lambda/lambda", body: "", refusal: (StatusCode::UNAUTHORIZED, "Unauthorized") },
    // The name alone is the endpoint itself, without a slash behind it.
    Call { path: "/data", body: GRAPHQL, refusal: (StatusCode::UNAUTHORIZED, "UnauthorizedException") },
    Call { path: "/data-signed", body: GRAPHQL, refusal: (StatusCode::BAD_REQUEST, "BadRequestException") },
    Call { path: "/data-lambda", body: GRAPHQL, refusal: (StatusCode::UNAUTHORIZED, "UnauthorizedException") },
];

#[tokio::test]
async fn every_mode_of_a_configuration_file_is_accepted_and_with_wrong_credentials_refused() {
    if servers::skipped("every mode through the proxy") {
        return;
    }
    let stack = MiniStack::shared();
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let granted = grant(&stack.token_endpoint(), "tests").await;
    let granted = granted.expect("a token").0;
    // The proxy is told to write this itself.
    let granted = granted.trim_start_matches("Bearer ");
    let good = proxy(stack, folder.path(), "good", granted, None);
    let wrong = proxy(
        stack,
        folder.path(),
        "wrong",
        "wrong",
        Some(Twin::WrongSecret),
    );

    for call in &CALLS {
        let (status, answer) = call.send(&good).await;
        let ok = status == StatusCode::OK && answer.contains("ok");
        assert!(ok, "{}: {status} {answer}", call.path);
    }
    let lines = good.until_lines(CALLS.len());
    assert!(
        lines.iter().all(|line| line["because"].is_null()),
        "{lines:#?}"
    );

    for call in &CALLS {
        let (status, answer) = call.send(&wrong).await;
        let refused = status == call.refusal.0 && answer.contains(call.refusal.1);
        assert!(refused, "{}: {status} {answer}", call.path);
    }
    let lines = wrong.until_lines(CALLS.len());
    for line in &lines {
        assert!(line["upstream"].is_string(), "{line}");
        // A 400 may be about anything that was asked.
        let is_told = line["because"].is_string() || line["status"] == 400;
        assert!(is_told, "{line}");
    }
    println!(
        "proxy: {} calls accepted, in every mode of a configuration file and of GraphQL; all refused with wrong credentials",
        CALLS.len()
    );
}

impl Call {
    /// The status; the error's type, where there is one, and the body.
    async fn send(&self, proxy: &Proxy) -> (StatusCode, String) {
        let method = match self.body {
            "" => Method::GET,
            _ => Method::POST,
        };
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{}", proxy.origin, self.path))
            .header("content-type", "application/json")
            // Of the caller's own: no API is to see these.
            .header("authorization", "Bearer of-the-caller")
            .header("x-api-key", "of-the-caller")
            .body(Full::from(self.body).boxed());
        let client = loopback::client(Http::One, None);
        let answer = client.request(request.expect("a request")).await;
        let (head, body) = answer.expect(self.path).into_parts();
        let error = head.headers.get("x-amzn-errortype");
        let error = error.map_or("", |error| error.to_str().expect("ASCII"));
        let body = body.collect().await.expect("an answer").to_bytes();
        let text = format!("{error} {}", String::from_utf8_lossy(&body));
        (head.status, text)
    }
}

/// One with good credentials, or with wrong ones only.
fn proxy(stack: &MiniStack, folder: &Path, name: &str, granted: &str, twin: Option<Twin>) -> Proxy {
    let config = folder.join(format!("{name}-amplifyconfiguration.json"));
    let text = configuration(stack, twin.is_some()).to_string();
    std::fs::write(&config, text).expect("a file");
    let token = folder.join(format!("{name}-token"));
    std::fs::write(&token, format!("{granted}\n")).expect("a file");
    let of_jwt = format!("jwt=file:{}", token.display());
    let upstreams = graphql(stack);
    let mut arguments = vec!["--config", config.to_str().expect("UTF-8")];
    arguments.extend(upstreams.iter().flat_map(|one| ["--upstream", one]));
    arguments.extend(["--api-key", "data=env:DATA_KEY", "--bearer", "jwt"]);
    for token in [
        "pool=env:POOL_TOKEN",
        &of_jwt,
        "lambda=env:LAMBDA_TOKEN",
        "data-lambda=env:LAMBDA_TOKEN",
    ] {
        arguments.extend(["--token", token]);
    }
    let pair = stack.key_pair(Who::User, twin);
    let text = |of| match twin {
        Some(_) => "wrong",
        None => stack.text(of),
    };
    Proxy::with(
        &arguments,
        &[
            ("AWS_ACCESS_KEY_ID", pair.access_key_id()),
            ("AWS_SECRET_ACCESS_KEY", pair.secret_access_key()),
            ("DATA_KEY", text("/graphql_api/key")),
            ("POOL_TOKEN", text("/id_token")),
            ("LAMBDA_TOKEN", text("/lambda_api/token")),
        ],
    )
}

/// GraphQL is known by its host there, whose name a machine may not know.
fn graphql(stack: &MiniStack) -> [String; 3] {
    let port = stack.server.port;
    [
        ("data", "/graphql_api/id", "mode=api-key"),
        ("data-signed", "/graphql_api/id", "service=appsync"),
        ("data-lambda", "/graphql_api/lambda_id", "mode=lambda"),
    ]
    .map(|(name, id, setting)| {
        let host = format!("{}.appsync-api.{REGION}.localhost", stack.text(id));
        let url = stack.uri(&host, "/graphql");
        format!("{name}={url},{setting},region={REGION},connect=127.0.0.1:{port}")
    })
}

/// APIs by paths in place of hosts.
fn configuration(stack: &MiniStack, wrong: bool) -> Value {
    let rest = |of: &str, stage: &str, mode: &str| {
        let path = format!("/_aws/execute-api/{}/{stage}", stack.text(of));
        json!({
            "endpointType": "REST",
            "endpoint": stack.uri("127.0.0.1", &path).to_string(),
            "region": REGION,
            "authorizationType": mode,
        })
    };
    let mut keyed = rest("/rest_api/id", "prod", "API_KEY");
    let key = if wrong {
        "wrong"
    } else {
        stack.text("/rest_api/key")
    };
    keyed["apiKey"] = key.into();
    let apis = json!({
        "keyed": keyed,
        "signed": rest("/rest_api/id", "prod", "AWS_IAM"),
        "pool": rest("/rest_api/id", "prod", "AMAZON_COGNITO_USER_POOLS"),
        "jwt": rest("/oidc_api", "$default", "OPENID_CONNECT"),
        "lambda": rest("/lambda_api/id", "prod", "AWS_LAMBDA"),
    });
    json!({
        "UserAgent": "aws-amplify-cli/2.0",
        "Version": "1.0",
        "api": { "plugins": { "awsAPIPlugin": apis } },
    })
}
