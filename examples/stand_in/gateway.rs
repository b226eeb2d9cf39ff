//! A stand-in for API Gateway, for the examples: a real server on loopback that checks what arrives.

use axum::Router;
use axum::body::to_bytes;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::serve::ListenerExt as _;
use http::{HeaderMap, StatusCode, header, request};
use serde_json::json;
use tokio::net::TcpListener;
use tower_client_auth::BoxError;

use crate::signature::{self, Refusal, text};

pub(crate) use crate::signature::{ACCESS_KEY_ID, SECRET_ACCESS_KEY};

pub(crate) const REGION: &str = "eu-west-1";
pub(crate) const SERVICE: &str = "execute-api";
pub(crate) const TOKEN: &str = "mF_9.B5f-4.1JqM";

/// API Gateway takes no more in one request.
const MAX_BODY: usize = 10 * 1024 * 1024;

/// Serves on a free port until the program ends. Returns the origin, `http://127.0.0.1:<port>`.
///
/// What lies below `/iam` wants a signature, what lies below `/token` a bearer token.
pub(crate) async fn start() -> Result<String, BoxError> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let origin = format!("http://{}", listener.local_addr()?);
    // Small answers need not wait for the acknowledgement of the ones before.
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    let server = axum::serve(listener, Router::new().fallback(answer));
    tokio::spawn(async move { server.await });
    Ok(origin)
}

async fn answer(request: Request) -> Response {
    let (head, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_BODY).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let (status, message) = match check(&head, &body) {
        Ok(()) => (StatusCode::OK, "welcome".to_owned()),
        Err(refusal) => (refusal.status, refusal.message),
    };
    let json = [(header::CONTENT_TYPE, "application/json")];
    (status, json, json!({ "message": message }).to_string()).into_response()
}

fn check(head: &request::Parts, body: &[u8]) -> Result<(), Refusal> {
    match head.uri.path().split('/').nth(1) {
        Some("iam") => signature::check(head, body, REGION),
        Some("token") => check_token(&head.headers),
        // API Gateway says so of paths it does not know.
        _ => Err(Refusal::forbidden("Missing Authentication Token")),
    }
}

fn check_token(headers: &HeaderMap) -> Result<(), Refusal> {
    match text(headers, "authorization").and_then(|value| value.strip_prefix("Bearer ")) {
        Some(TOKEN) => Ok(()),
        _ => Err(Refusal::new(StatusCode::UNAUTHORIZED, "Unauthorized")),
    }
}
