//! Where programs get tokens, and give them back.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::{HeaderMap, StatusCode, header};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::book::{Book, Grant};
use super::{PROGRAM, Parameters, SECRET, SERVICE, StandIn, parameters, reply};

/// An error code: RFC 6749, section 5.2.
type Refusal = &'static str;

const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";

pub(super) async fn issue(
    State(stand_in): State<StandIn>,
    headers: HeaderMap,
    body: String,
) -> Response {
    let form = parameters(&body);
    let mut book = stand_in.book();
    match grant(&mut book, &headers, &form) {
        Ok(grant) => reply(StatusCode::OK, &book.issue(grant)),
        Err(code) => refuse(code),
    }
}

/// RFC 7009. A token that is unknown is as good as revoked.
pub(super) async fn revoke(
    State(stand_in): State<StandIn>,
    headers: HeaderMap,
    body: String,
) -> Response {
    let form = parameters(&body);
    match (client(&headers, &form), form.get("token")) {
        (Err(code), _) => refuse(code),
        (_, None) => refuse("invalid_request"),
        (Ok(_), Some(token)) => {
            stand_in.book().revoke(token);
            StatusCode::OK.into_response()
        }
    }
}

fn grant(book: &mut Book, headers: &HeaderMap, form: &Parameters) -> Result<Grant, Refusal> {
    let parameter = |name: &str| form.get(name).ok_or("invalid_request");
    let grant_type = parameter("grant_type")?;
    book.token_requests.push(grant_type.clone());
    let client = client(headers, form)?;
    match (grant_type.as_str(), client) {
        ("client_credentials", SERVICE) => Ok(Grant {
            client,
            scope: form.get("scope").cloned().unwrap_or_default(),
            nonce: None,
            session: None,
        }),
        ("authorization_code", PROGRAM) => {
            let login = book.codes.remove(parameter("code")?);
            let login = login.ok_or("invalid_grant")?;
            // Who took the code from the browser has not seen what this is the hash of.
            let verifier = parameter("code_verifier")?;
            let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()));
            let is_from_there = *parameter("redirect_uri")? == login.redirect_uri;
            if client != login.client || !is_from_there || challenge != login.challenge {
                return Err("invalid_grant");
            }
            Ok(Grant {
                client,
                scope: login.scope,
                nonce: login.nonce,
                session: book.begin_session(),
            })
        }
        (DEVICE_CODE, PROGRAM) => {
            let code = parameter("device_code")?;
            match book.devices.get(code) {
                Some(device) if device.client != client => return Err("invalid_grant"),
                Some(device) if !device.approved => return Err("authorization_pending"),
                _ => {}
            }
            let device = book.devices.remove(code).ok_or("invalid_grant")?;
            Ok(Grant {
                client,
                scope: device.scope,
                nonce: None,
                session: book.begin_session(),
            })
        }
        ("refresh_token", PROGRAM) => {
            let grant = book.refresh(parameter("refresh_token")?, client);
            grant.ok_or("invalid_grant")
        }
        ("client_credentials" | "authorization_code" | DEVICE_CODE | "refresh_token", _) => {
            Err("unauthorized_client")
        }
        _ => Err("unsupported_grant_type"),
    }
}

/// The client that asks, if it proves what it has to.
pub(super) fn client(headers: &HeaderMap, form: &Parameters) -> Result<&'static str, Refusal> {
    match headers.contains_key(header::AUTHORIZATION) {
        true => match basic(headers) {
            Some((id, secret)) if id == SERVICE && secret == SECRET => Ok(SERVICE),
            _ => Err("invalid_client"),
        },
        false => match form.get("client_id") {
            Some(id) if id == PROGRAM => Ok(PROGRAM),
            _ => Err("invalid_client"),
        },
    }
}

/// Both are encoded as in a form, and then as in Basic authorization: RFC 6749, section 2.3.1.
fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let pair = STANDARD.decode(value.strip_prefix("Basic ")?).ok()?;
    let pair = String::from_utf8(pair).ok()?;
    let (id, secret) = pair.split_once(':')?;
    let decoded = |text: &str| {
        let (text, _) = form_urlencoded::parse(text.as_bytes()).next()?;
        Some(text.into_owned())
    };
    Some((decoded(id)?, decoded(secret)?))
}

pub(super) fn refuse(code: Refusal) -> Response {
    let body = json!({ "error": code });
    if code != "invalid_client" {
        return reply(StatusCode::BAD_REQUEST, &body);
    }
    let challenge = [(header::WWW_AUTHENTICATE, r#"Basic realm="stand-in""#)];
    (challenge, reply(StatusCode::UNAUTHORIZED, &body)).into_response()
}
