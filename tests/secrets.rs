//! No secret in anything that is printed.

#[path = "secrets/detector.rs"]
mod detector;
#[path = "secrets/failures.rs"]
mod failures;
#[path = "secrets/printing.rs"]
mod printing;
#[path = "secrets/sources.rs"]
mod sources;

use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use tower::{Layer, Service, ServiceExt};
use tower_client_auth::sigv4::{SigningCredentials, SigningScope};
use tower_client_auth::{
    ApiKeyLayer, AuthOverride, BearerTokenLayer, BoxError, Buffer, Cached, Clock, Existing,
    PayloadHash, Scope, Secret, SigV4Layer, Token, TokenSource, token_fn,
};

pub(crate) use self::detector::{Detector, Output};
use crate::support::{Recorder, promise};

const API_KEY: &str = "da2-KeyInAHeader+/91c2=ab7Qx";
const TOKEN: &str = "mF_9.Opaque+Token/4.1JqM=Zr";
const SECRET_KEY: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYz5";
const SESSION: &str = "FwoGZXIvYXdzSession//++Part==q";
const OTHER_TOKEN: &str = "ya29.OverridingToken/+c3RhcnQ=t";
const OTHER_SECRET_KEY: &str = "OverridingSecret/+Key0JqPzWvT7";
const OTHER_SESSION: &str = "OverridingSession/+Token9sKdLm";
const BARE: &str = "JustASecret+/OfTheProgram=5hG2";
const COOKIE: &str = "sid=CookieOfTheCaller+/8d7fK2m";
const CALLER_KEY: &str = "TheCallersOwnApiKey+/=3jR8wN";
const CALLER_TOKEN: &str = "TheCallersOwnToken+/=6vB1xE";
const PASSWORD: &str = "hunter2-InTheUrl~4pT0yU-8sd";
const BODY: &str = "{iban: DE89+3704/0044=0532}";
const SUBJECT: &str = "subject-of-the-jwt-0f9e8d7c";

const ORIGIN: &str = "https://api.example.com";
const NOW: u64 = 1_700_000_000;

type Body = UnsyncBoxBody<Bytes, BoxError>;

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

/// A token that says itself what it is about and when it ends.
fn jwt(ends: u64) -> String {
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let claims = format!(r#"{{"sub":"{SUBJECT}","exp":{ends}}}"#);
    format!(
        "{}.{}.{}",
        part(r#"{"alg":"HS256"}"#),
        part(&claims),
        part(BARE)
    )
}

fn secrets() -> Vec<(&'static str, String)> {
    let mut all: Vec<(&'static str, String)> = [
        ("API key", API_KEY),
        ("token", TOKEN),
        ("secret access key", SECRET_KEY),
        ("session token", SESSION),
        ("overriding token", OTHER_TOKEN),
        ("overriding secret access key", OTHER_SECRET_KEY),
        ("overriding session token", OTHER_SESSION),
        ("Secret", BARE),
        ("caller's cookie", COOKIE),
        ("caller's key", CALLER_KEY),
        ("caller's token", CALLER_TOKEN),
        ("password in a URL", PASSWORD),
        ("body", BODY),
        ("JWT's subject", SUBJECT),
    ]
    .map(|(name, text)| (name, text.to_owned()))
    .into();
    all.push(("JWT", jwt(NOW + 3600)));
    all.push(("expired JWT", jwt(NOW - 3600)));
    // Squeezing takes the spaces out of what is searched.
    for (_, text) in &mut all {
        text.retain(|c| c != ' ');
    }
    all
}

fn detector() -> Detector {
    let secrets = secrets();
    let secrets: Vec<_> = secrets.iter().map(|(n, t)| (*n, t.as_str())).collect();
    Detector::new(&secrets)
}

fn credentials() -> Credentials {
    Credentials::new(
        "AKIDEXAMPLE",
        SECRET_KEY,
        Some(SESSION.into()),
        None,
        "test",
    )
}

fn other_credentials(end: Option<SystemTime>) -> Credentials {
    Credentials::new(
        "AKIDOTHER",
        OTHER_SECRET_KEY,
        Some(OTHER_SESSION.into()),
        end,
        "test",
    )
}

fn body() -> Body {
    Full::from(BODY)
        .map_err(|never| match never {})
        .boxed_unsync()
}

/// A request as an outer layer left it, with credentials of its own marked sensitive.
fn request(uri: &str) -> Request<Body> {
    let mut request = Request::put(uri).body(body()).expect("a request");
    for (name, text) in [("cookie", COOKIE), ("x-api-key-outer", CALLER_KEY)] {
        let mut value = HeaderValue::from_static(text);
        value.set_sensitive(true);
        request.headers_mut().insert(name, value);
    }
    request
}

#[test]
fn the_detector_finds_a_leak_however_it_is_written() {
    let detector = detector();
    assert!(
        detector
            .hits("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE, [1, 2, 3]")
            .is_empty()
    );
    let (mut planted, mut forms) = (0, 0);
    for (name, text) in secrets() {
        let bytes = text.as_bytes();
        let hex = |upper: bool| -> String {
            let digits = bytes.iter().map(|b| format!("{b:02x}"));
            let digits: String = digits.collect();
            if upper { digits.to_uppercase() } else { digits }
        };
        let mut leaks = vec![
            ("raw", format!("token={text:?}")),
            ("raw", format!("a truncated one: {}…", &text[..12])),
            ("raw", format!("its end: {}", &text[text.len() - 12..])),
            ("raw", format!("broken\n{}\n{}", &text[..9], &text[9..])),
            ("decimal list", format!("{bytes:?}")),
            ("decimal list", format!("{bytes:#?}")),
            ("hex", format!("0x{}", hex(false))),
            ("hex, upper case", hex(true)),
            (
                "percent throughout",
                hex(true)
                    .as_bytes()
                    .chunks(2)
                    .fold(String::new(), |all, pair| {
                        format!("{all}%{}{}", char::from(pair[0]), char::from(pair[1]))
                    }),
            ),
        ];
        let url = format!("https://h/?{}", url_encoded(&text));
        leaks.push(("percent", url));
        for before in ["", "u", "u:", "user:", "Bearer "] {
            let text = format!("{before}{text} and more");
            leaks.push(("base64", STANDARD.encode(&text)));
            leaks.push(("base64url", URL_SAFE.encode(&text)));
        }
        forms = leaks.len();
        for (form, leak) in leaks {
            let hits = detector.hits(&format!("some text {leak} more text"));
            assert!(
                hits.contains(&(name, form)),
                "{name} as {form}: {leak} {hits:?}"
            );
            planted += 1;
        }
    }
    promise(
        25,
        format!("the detector finds {planted} of {planted} planted leaks, {forms} per secret"),
    );
}

/// By another implementation than the detector's.
fn url_encoded(text: &str) -> String {
    text.chars().fold(String::new(), |all, c| match c {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '.' | '_' | '~' => format!("{all}{c}"),
        other => format!("{all}%{:02X}", u32::from(other)),
    })
}
