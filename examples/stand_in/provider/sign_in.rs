//! Where Alice signs in: in a browser that a program sent here, or in any browser by a device's code.

use axum::extract::{RawQuery, State};
use axum::response::{Html, IntoResponse, Redirect, Response};
use http::{HeaderMap, StatusCode};
use serde_json::json;
use url::Url;

use super::book::{Device, Login, random, random_user_code};
use super::token::{client, refuse};
use super::{PROGRAM, Parameters, StandIn, parameters, reply};

/// The authorization endpoint.
pub(super) async fn ask(State(stand_in): State<StandIn>, RawQuery(query): RawQuery) -> Response {
    let Some(login) = Login::read(&parameters(&query.unwrap_or_default())) else {
        // Not to be sent back to wherever it says.
        return page(
            StatusCode::BAD_REQUEST,
            "<p>This is no request of a program that is known here.</p>",
        );
    };
    let id = random();
    let link = format!(r#"<p><a href="/authorize/approve?request={id}">Sign in as Alice</a></p>"#);
    stand_in.book().pages.insert(id, login);
    page(StatusCode::OK, &link)
}

/// Where that page's link leads: back to the program, with a code.
pub(super) async fn approve(
    State(stand_in): State<StandIn>,
    RawQuery(query): RawQuery,
) -> Response {
    let form = parameters(&query.unwrap_or_default());
    let mut book = stand_in.book();
    let login = form.get("request").and_then(|id| book.pages.remove(id));
    let place = login.and_then(|login| Some((loopback(&login.redirect_uri)?, login)));
    let Some((mut back, login)) = place else {
        return page(
            StatusCode::BAD_REQUEST,
            "<p>This link is used up: begin again.</p>",
        );
    };
    let code = random();
    back.query_pairs_mut()
        .append_pair("code", &code)
        .append_pair("state", &login.state)
        .append_pair("iss", stand_in.origin());
    book.codes.insert(code, login);
    Redirect::to(back.as_str()).into_response()
}

/// The device authorization endpoint: RFC 8628.
pub(super) async fn begin_on_device(
    State(stand_in): State<StandIn>,
    headers: HeaderMap,
    body: String,
) -> Response {
    let form = parameters(&body);
    let client = match client(&headers, &form) {
        Ok(client) => client,
        Err(code) => return refuse(code),
    };
    let (code, user_code) = (random(), random_user_code());
    let page = format!("{}/device", stand_in.origin());
    let answer = json!({
        "device_code": code,
        "user_code": user_code,
        "verification_uri": page,
        "verification_uri_complete": format!("{page}?user_code={user_code}"),
        "expires_in": 300,
        "interval": 1,
    });
    let device = Device {
        client,
        scope: form.get("scope").cloned().unwrap_or_default(),
        user_code,
        approved: false,
    };
    stand_in.book().devices.insert(code, device);
    reply(StatusCode::OK, &answer)
}

/// The page where the code is entered. A link may bring it along.
pub(super) async fn ask_for_code(
    State(stand_in): State<StandIn>,
    RawQuery(query): RawQuery,
) -> Response {
    let form = parameters(&query.unwrap_or_default());
    let book = stand_in.book();
    // What was not made here does not get onto a page.
    let known = form.get("user_code").filter(|code| {
        let mut devices = book.devices.values();
        devices.any(|device| device.user_code == **code)
    });
    let value = known.map_or("", String::as_str);
    let form = format!(
        r#"<form method="post"><label>The code that the device shows:
<input name="user_code" value="{value}"></label> <button>Sign in as Alice</button></form>"#
    );
    page(StatusCode::OK, &form)
}

/// Where that page's form goes.
pub(super) async fn take_code(State(stand_in): State<StandIn>, body: String) -> Response {
    let form = parameters(&body);
    let code = form.get("user_code").map_or("", |code| code.trim());
    let mut book = stand_in.book();
    let mut devices = book.devices.values_mut();
    match devices.find(|device| device.user_code.eq_ignore_ascii_case(code)) {
        Some(device) => {
            device.approved = true;
            page(
                StatusCode::OK,
                "<p>The device is signed in as Alice. This window can be closed.</p>",
            )
        }
        None => page(StatusCode::BAD_REQUEST, "<p>There is no such code.</p>"),
    }
}

impl Login {
    /// `None` for a request that is not to be answered by a redirect.
    fn read(form: &Parameters) -> Option<Self> {
        let text = |name: &str| form.get(name).cloned();
        let has = |name: &str, value: &str| form.get(name).is_some_and(|text| text == value);
        loopback(form.get("redirect_uri")?)?;
        let is_known = has("client_id", PROGRAM)
            && has("response_type", "code")
            && has("code_challenge_method", "S256");
        if !is_known {
            return None;
        }
        Some(Self {
            client: text("client_id")?,
            scope: text("scope").unwrap_or_default(),
            redirect_uri: text("redirect_uri")?,
            state: text("state")?,
            challenge: text("code_challenge")?,
            nonce: text("nonce"),
        })
    }
}

/// Programs on a user's machine are sent back to there, on any port.
fn loopback(redirect_uri: &str) -> Option<Url> {
    let url = Url::parse(redirect_uri).ok()?;
    let is_loopback = matches!(url.host_str(), Some("127.0.0.1" | "[::1]" | "localhost"));
    (url.scheme() == "http" && is_loopback).then_some(url)
}

fn page(status: StatusCode, content: &str) -> Response {
    let page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>A stand-in</title>{content}</html>\n"
    );
    (status, Html(page)).into_response()
}
