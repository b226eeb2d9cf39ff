//! A reverse proxy that signs: axum in front, a signing layer behind.
//!
//! ```sh
//! cargo run --example axum_proxy
//! ```
//!
//! A server of yours would add what this one lacks:
//!
//! - whatever decides who may call at all. Everybody who reaches this proxy acts with its credentials,
//!   and on your own machine that includes every page in a browser: check `Host` and `Origin` there;
//! - which paths may be called. Paths pass as they are, dot segments included, so that a rule about
//!   them must decode and resolve them first;
//! - limits: `tower_http::timeout` against bodies that never end and upstreams that never answer,
//!   hyper's `header_read_timeout` against heads that never end, a concurrency limit for the whole
//!   server, because signing reads each body into memory (here up to 1 MiB);
//! - what you tell the upstream about the caller (`x-user`, `x-forwarded-for`): it goes on *after* what
//!   the caller sent of that was removed.

// A stand-in for API Gateway that checks what arrives. There is nothing to copy from it.
#[allow(dead_code, reason = "each example needs a part of it")]
#[path = "stand_in/gateway.rs"]
mod gateway;
#[allow(dead_code, reason = "each example needs a part of it")]
#[path = "stand_in/signature.rs"]
mod signature;
// A client and another upstream.
#[path = "axum_proxy/outside.rs"]
mod outside;

use aws_credential_types::Credentials;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode, Uri, Version};
use http_body_util::BodyExt;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tower::{Layer, ServiceExt};
use tower_client_auth::layer::SigV4;
use tower_client_auth::sigv4::SigningCredentials;
use tower_client_auth::{
    AuthBody, AuthError, AuthErrorKind, Authorize, BoxError, Buffer, Existing, OutOfScope,
    SigV4Layer,
};

/// Where requests go, and as whom.
#[derive(Clone)]
struct Upstream {
    origin: Uri,
    api: Authorize<Client<HttpConnector, AuthBody<Body>>, SigV4<SigningCredentials>, Buffer>,
}

async fn forward(State(upstream): State<Upstream>, inbound: Request) -> Result<Response, Response> {
    let (mut head, body) = inbound.into_parts();
    if head.method == Method::CONNECT {
        return Err(StatusCode::METHOD_NOT_ALLOWED.into_response());
    }

    // The path is the caller's, where it goes is not: neither by the URI nor by a `Host` header.
    let mut target = upstream.origin.clone().into_parts();
    target.path_and_query = head.uri.path_and_query().cloned();
    head.uri = Uri::from_parts(target).map_err(|_| StatusCode::BAD_REQUEST.into_response())?;
    head.headers.remove(header::HOST);
    // That of the other connection is the client's to choose.
    head.version = Version::HTTP_11;
    head.extensions.clear();

    let trailers = accepts_trailers(&head.headers);
    remove_hop_by_hop(&mut head.headers);
    remove_credentials(&mut head.headers);
    // Nobody signs trailers, and a credential could come in one: without an announcement hyper's
    // HTTP/1 client sends none.
    head.headers.remove(header::TRAILER);
    if trailers {
        // Said of this hop anew, because this proxy does pass them on.
        let value = HeaderValue::from_static("trailers");
        head.headers.insert(header::TE, value);
    }

    match upstream.api.oneshot(Request::from_parts(head, body)).await {
        Ok(response) => {
            // Status, headers, then data and trailers as they come.
            let mut response = response.map(Body::new);
            remove_hop_by_hop(response.headers_mut());
            // A session that the upstream opens for the proxy is not the caller's.
            response.headers_mut().remove(header::SET_COOKIE);
            *response.version_mut() = Version::HTTP_11;
            Ok(response)
        }
        Err(error) => Err(refuse(&error).into_response()),
    }
}

/// The caller learns which side is at fault, and no more: the error itself is for a log.
fn refuse(error: &BoxError) -> StatusCode {
    eprintln!("not forwarded: {error}");
    match AuthError::find(error.as_ref()).map(AuthError::kind) {
        Some(AuthErrorKind::PayloadTooLarge) => StatusCode::PAYLOAD_TOO_LARGE,
        Some(AuthErrorKind::Payload | AuthErrorKind::Request) => StatusCode::BAD_REQUEST,
        _ => StatusCode::BAD_GATEWAY,
    }
}

/// What is said of one connection does not hold for the next (RFC 9110, section 7.6.1). In a response
/// `Trailer` stays: it announces trailers, and they are passed on.
fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<String> = headers
        .get_all(header::CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(|name| String::from_utf8_lossy(name.trim_ascii()).to_ascii_lowercase())
        .collect();
    remove(headers, |name| match name {
        "connection" | "expect" | "keep-alive" | "te" | "transfer-encoding" | "upgrade" => true,
        _ => name.starts_with("proxy-") || named.iter().any(|named| named == name),
    });
}

/// The upstream is to see the proxy's credentials and nobody else's, nor what vouches for a caller.
fn remove_credentials(headers: &mut HeaderMap) {
    remove(headers, |name| match name {
        "authorization" | "cookie" | "forwarded" | "x-api-key" | "x-real-ip" => true,
        _ => ["x-amz-", "x-amzn-", "x-forwarded-"]
            .iter()
            .any(|prefix| name.starts_with(prefix)),
    });
}

fn remove(headers: &mut HeaderMap, goes: impl Fn(&str) -> bool) {
    let names: Vec<HeaderName> = headers.keys().cloned().collect();
    for name in names.iter().filter(|name| goes(name.as_str())) {
        headers.remove(name);
    }
}

fn accepts_trailers(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(header::TE).iter();
    values.any(|value| {
        let mut codings = value.as_bytes().split(|byte| *byte == b',');
        codings.any(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"trailers"))
    })
}

fn proxy(upstream: &str) -> Result<Router, BoxError> {
    let credentials = Credentials::new(
        gateway::ACCESS_KEY_ID,
        gateway::SECRET_ACCESS_KEY,
        None,
        None,
        "example",
    );
    let signing = SigV4Layer::new(gateway::REGION, gateway::SERVICE, credentials)?
        .scope(upstream)?
        // A second line behind `remove_credentials`, which knows nothing of presigned queries.
        .existing(Existing::Replace)
        .out_of_scope(OutOfScope::Reject)
        .payload(Buffer::new(1024 * 1024));
    let client = Client::builder(TokioExecutor::new()).build_http();
    let state = Upstream {
        origin: upstream.parse()?,
        api: signing.layer(client),
    };
    Ok(Router::new().fallback(forward).with_state(state))
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let upstream = gateway::start().await?;
    let proxied = outside::serve(proxy(&upstream)?).await?;
    let forged = [
        (
            "authorization",
            "AWS4-HMAC-SHA256 Credential=AKIDSTRANGER/…",
        ),
        ("x-amz-security-token", "a stranger's"),
    ];
    for (what, origin, headers, expected) in [
        ("unsigned, to the API itself", &upstream, &[][..], 403),
        ("unsigned, through the proxy", &proxied, &[], 200),
        ("with a forged Authorization", &proxied, &forged, 200),
        (
            "with a forged Host",
            &proxied,
            &[("host", "evil.example")],
            200,
        ),
    ] {
        let status = outside::send(&format!("{origin}/iam/orders?limit=10"), headers)
            .await?
            .status();
        println!("{what:30} {status}");
        assert_eq!(status, expected);
    }

    // Another upstream, which says what it got.
    let proxied = outside::serve(proxy(
        &outside::serve(Router::new().fallback(outside::mirror)).await?,
    )?)
    .await?;
    let headers = [
        ("connection", "keep-alive, x-hop"),
        ("x-hop", "for the proxy"),
        ("te", "trailers"),
        ("cookie", "session=a-stranger's"),
        ("x-tenant", "blue"),
    ];
    let answer = outside::send(&proxied, &headers)
        .await?
        .into_body()
        .collect()
        .await?;
    let trailers = answer.trailers().cloned().unwrap_or_default();
    let names = String::from_utf8(answer.to_bytes().into())?;
    println!("\nwhat passed to the upstream:    {names}");
    println!("what came after the body:      {trailers:?}");
    assert_eq!(names, "authorization, host, te, x-amz-date, x-tenant");
    assert_eq!(trailers["x-checksum"], "42");
    Ok(())
}
