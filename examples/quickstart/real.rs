//! One real call, signed with the credentials in the environment.

use std::env::{self, VarError};

use aws_credential_types::Credentials;
use bytes::Bytes;
use http::{HeaderName, Request};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tower::{ServiceBuilder, ServiceExt};
use tower_client_auth::{BoxError, SigV4Layer};

use crate::args::Call;

/// More than this is not for a terminal.
const MAX_ANSWER: usize = 10 * 1024 * 1024;

/// Sends the call and prints the answer; `true` if that is a success.
pub(crate) async fn run(call: Call) -> Result<bool, BoxError> {
    // Named because it may be a domain of its own, and because no redirect is to carry the signature
    // elsewhere.
    let origin = match (call.endpoint.scheme(), call.endpoint.authority()) {
        (Some(scheme), Some(authority)) => format!("{scheme}://{authority}"),
        _ => return Err("the endpoint names no host".into()),
    };
    let layer =
        SigV4Layer::new(&call.region, &call.service, credentials()?)?.scope(origin.as_str())?;
    let https = HttpsConnectorBuilder::new()
        .with_native_roots()?
        .https_or_http() // http to loopback only: the layer sees to that
        .enable_http1()
        .enable_http2()
        .build();
    let api = ServiceBuilder::new()
        .layer(layer)
        .service(Client::builder(TokioExecutor::new()).build(https));

    let mut request = Request::builder()
        .method(call.method)
        .uri(call.endpoint)
        .body(Full::<Bytes>::from(call.data))?;
    *request.headers_mut() = call.headers;
    let response = api.oneshot(request).await?;

    let (head, body) = response.into_parts();
    println!("{}", head.status);
    const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");
    if let Some(error_type) = head.headers.get(ERROR_TYPE) {
        println!(
            "x-amzn-errortype: {}",
            String::from_utf8_lossy(error_type.as_bytes())
        );
    }
    let body = Limited::new(body, MAX_ANSWER).collect().await?.to_bytes();
    println!("\n{}", String::from_utf8_lossy(&body));
    Ok(head.status.is_success())
}

fn credentials() -> Result<Credentials, BoxError> {
    let (id, secret) = (
        variable("AWS_ACCESS_KEY_ID")?,
        variable("AWS_SECRET_ACCESS_KEY")?,
    );
    let session_token = variable("AWS_SESSION_TOKEN")?;
    match (id, secret) {
        (Some(id), Some(secret)) => Ok(Credentials::new(
            id,
            secret,
            session_token,
            None,
            "environment",
        )),
        (id, secret) => {
            let missing = match (id, secret) {
                (None, None) => "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are",
                (None, _) => "AWS_ACCESS_KEY_ID is",
                _ => "AWS_SECRET_ACCESS_KEY is",
            };
            Err(format!(
                "There is nothing to sign with: {missing} not set. Either export them (and \
                 AWS_SESSION_TOKEN, if the credentials are temporary), or have the AWS command line \
                 do it:\n\n    eval \"$(aws configure export-credentials --format env)\"\n\nWithout \
                 arguments this program needs no credentials."
            )
            .into())
        }
    }
}

/// An environment variable; an empty one counts as absent, as it does for AWS's own tools.
fn variable(name: &str) -> Result<Option<String>, BoxError> {
    match env::var(name) {
        Ok(value) => Ok(Some(value).filter(|value| !value.is_empty())),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => Err(format!("{name} is not text: export it again").into()),
    }
}
