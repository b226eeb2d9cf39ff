//! A stand-in for the hosts of the configuration file: a real server on loopback that checks what
//! arrives, for each API in its own way.
//!
//! It reads the file with `serde_json`, and checks signatures with `aws_sigv4`. Of this crate it
//! uses the clock and nothing else, so an error in the crate cannot cancel itself out here.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::to_bytes;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::serve::ListenerExt as _;
use http::{HeaderMap, StatusCode, Uri, header, request};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tower_client_auth::BoxError;

use crate::signature::{self, Refusal, text};

/// Of a user who is signed in to a Cognito user pool.
pub(crate) const USER_TOKEN: &str = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbmEifQ.c2lnbmF0dXJl";
/// Of the partners' OpenID Connect issuer. Their API wants `Bearer` before it.
pub(crate) const PARTNER_TOKEN: &str = "mF_9.B5f-4.1JqM";
/// What the function behind the Lambda authorizer lets pass.
pub(crate) const LEGACY_TOKEN: &str = "legacy-token-42";

/// API Gateway takes no more in one request.
const MAX_BODY: usize = 10 * 1024 * 1024;

/// An API of the file.
struct Api {
    name: String,
    host: String,
    path: String,
    region: String,
    wants: Wants,
}

enum Wants {
    Nothing,
    Key(String),
    Signature,
    UserToken,
    PartnerToken,
    LegacyToken,
}

/// Plays all hosts of the configuration file, and every other host too, on a free port until the
/// program ends.
pub(crate) async fn start(file: &str) -> Result<SocketAddr, BoxError> {
    let apis: Arc<[Api]> = read(file)?.into();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    // Small answers need not wait for the acknowledgement of the ones before.
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    let server = Router::new().fallback(move |request| answer(Arc::clone(&apis), request));
    tokio::spawn(async move { axum::serve(listener, server).await });
    Ok(address)
}

fn read(file: &str) -> Result<Vec<Api>, BoxError> {
    let file: Value = serde_json::from_str(file)?;
    let apis = file["api"]["plugins"]["awsAPIPlugin"].as_object();
    let mut read = Vec::new();
    for (name, api) in apis.into_iter().flatten() {
        let member = |name: &str| api[name].as_str().unwrap_or_default().to_owned();
        let endpoint: Uri = member("endpoint").parse()?;
        read.push(Api {
            name: name.clone(),
            host: endpoint
                .authority()
                .map_or("", |host| host.as_str())
                .to_owned(),
            path: endpoint.path().trim_end_matches('/').to_owned(),
            region: member("region"),
            wants: match member("authorizationType").as_str() {
                "NONE" => Wants::Nothing,
                "API_KEY" => Wants::Key(member("apiKey")),
                "AWS_IAM" => Wants::Signature,
                "AMAZON_COGNITO_USER_POOLS" => Wants::UserToken,
                "OPENID_CONNECT" => Wants::PartnerToken,
                "AWS_LAMBDA" => Wants::LegacyToken,
                other => return Err(format!("the stand-in knows no mode `{other}`").into()),
            },
        });
    }
    Ok(read)
}

impl Api {
    fn serves(&self, host: &str, path: &str) -> bool {
        let below = path.strip_prefix(self.path.as_str());
        host == self.host && below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    fn check(&self, head: &request::Parts, body: &[u8]) -> Result<(), Refusal> {
        let authorization = text(&head.headers, "authorization");
        match &self.wants {
            Wants::Nothing => Ok(()),
            Wants::Key(key) if text(&head.headers, "x-api-key") == Some(key) => Ok(()),
            Wants::Key(_) => Err(Refusal::forbidden("Forbidden")),
            Wants::Signature => signature::check(head, body, &self.region),
            Wants::UserToken if authorization == Some(USER_TOKEN) => Ok(()),
            Wants::PartnerToken
                if authorization.and_then(|text| text.strip_prefix("Bearer "))
                    == Some(PARTNER_TOKEN) =>
            {
                Ok(())
            }
            Wants::LegacyToken if authorization == Some(LEGACY_TOKEN) => Ok(()),
            // The function is only asked about a token that is there.
            Wants::LegacyToken if authorization.is_some() => Err(Refusal::forbidden(
                "User is not authorized to access this resource",
            )),
            Wants::UserToken | Wants::PartnerToken | Wants::LegacyToken => {
                Err(Refusal::new(StatusCode::UNAUTHORIZED, "Unauthorized"))
            }
        }
    }
}

async fn answer(apis: Arc<[Api]>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_BODY).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let host = text(&head.headers, "host").unwrap_or_default();
    let api = apis.iter().find(|api| api.serves(host, head.uri.path()));
    let verdict = match api {
        Some(api) => api.check(&head, &body),
        None => Err(Refusal::new(StatusCode::NOT_FOUND, "Not Found")),
    };
    let (status, message) = match verdict {
        Ok(()) => (StatusCode::OK, "welcome".to_owned()),
        Err(refusal) => (refusal.status, refusal.message),
    };
    let body = json!({
        "api": api.map(|api| &api.name),
        "message": message,
        "credential": credential(&head.headers),
        "signed": signature::signed_headers(&head),
    });
    let json = [(header::CONTENT_TYPE, "application/json")];
    (status, json, body.to_string()).into_response()
}

/// The credentials that arrived, as far as they fit into a table. They are as invented as the hosts;
/// others should not be printed.
fn credential(headers: &HeaderMap) -> String {
    let mut found = Vec::new();
    for name in ["authorization", "x-api-key"] {
        for value in headers.get_all(name) {
            let value = String::from_utf8_lossy(value.as_bytes());
            let mut short: String = value.chars().take(16).collect();
            if short.len() < value.len() {
                short.push('…');
            }
            found.push(format!("{name}: {short}"));
        }
    }
    match found.is_empty() {
        true => "nothing".to_owned(),
        false => found.join(", "),
    }
}
