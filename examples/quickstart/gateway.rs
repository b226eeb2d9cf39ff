//! A stand-in for API Gateway: a real server on loopback that checks what arrives.
//!
//! Signatures are checked with `aws_sigv4::http_request::sign`, from the method, target, headers and
//! body as they came over the wire. None of this crate's own code has a part in that, so an error in
//! it cannot cancel itself out here.

use std::io;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PercentEncodingMode, SignableBody, SignableRequest, SigningSettings, UriPathNormalizationMode,
};
use aws_sigv4::sign::v4;
use axum::Router;
use axum::body::to_bytes;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::serve::ListenerExt as _;
use http::{HeaderMap, HeaderName, StatusCode, header, request};
use time::{Date, Month, OffsetDateTime};
use tokio::net::TcpListener;
use tower_client_auth::{BoxError, Clock};

pub(crate) const REGION: &str = "eu-west-1";
pub(crate) const SERVICE: &str = "execute-api";
pub(crate) const ACCESS_KEY_ID: &str = "AKIDEXAMPLE";
pub(crate) const SECRET_ACCESS_KEY: &str = "a-secret-nobody-else-knows";
pub(crate) const API_KEY: &str = "da2-fakeApiId123456";
/// As good as the other one, and another customer's.
pub(crate) const OTHER_API_KEY: &str = "da2-fakeApiId654321";
pub(crate) const TOKEN: &str = "mF_9.B5f-4.1JqM";

/// How far a signature's time may be off, as with AWS.
const MAX_SKEW: Duration = Duration::from_secs(5 * 60);

/// API Gateway takes no more in one request.
const MAX_BODY: usize = 10 * 1024 * 1024;

/// Serves on a free port until the program ends. Returns the origin, `http://127.0.0.1:<port>`.
///
/// | path | wants |
/// |---|---|
/// | `/iam/…` | a signature |
/// | `/key/…` | an API key |
/// | `/token/…` | a bearer token |
/// | `/both/…` | a signature and an API key |
pub(crate) async fn start() -> io::Result<String> {
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
    let verdict = match head.uri.path().split('/').nth(1) {
        Some("iam") => check_signature(&head, &body),
        Some("key") => check_api_key(&head.headers),
        Some("token") => check_token(&head.headers),
        Some("both") => check_signature(&head, &body).and_then(|()| check_api_key(&head.headers)),
        // API Gateway says so of paths it does not know.
        _ => Err(Refusal::missing_token()),
    };
    match verdict {
        Ok(()) => json(StatusCode::OK, "welcome"),
        Err(refusal) => refusal.into_response(),
    }
}

fn check_api_key(headers: &HeaderMap) -> Result<(), Refusal> {
    match text(headers, "x-api-key") {
        Some(API_KEY | OTHER_API_KEY) => Ok(()),
        _ => Err(Refusal::plain(StatusCode::FORBIDDEN, "Forbidden")),
    }
}

fn check_token(headers: &HeaderMap) -> Result<(), Refusal> {
    match text(headers, "authorization").and_then(|value| value.strip_prefix("Bearer ")) {
        Some(TOKEN) => Ok(()),
        _ => Err(Refusal::plain(StatusCode::UNAUTHORIZED, "Unauthorized")),
    }
}

fn check_signature(head: &request::Parts, body: &[u8]) -> Result<(), Refusal> {
    let authorization =
        text(&head.headers, header::AUTHORIZATION.as_str()).ok_or_else(Refusal::missing_token)?;
    let incomplete = || {
        Refusal::signature(
            "IncompleteSignatureException",
            "The authorization header is not a complete AWS4-HMAC-SHA256 signature.",
        )
    };
    let claim = Claim::parse(authorization).ok_or_else(incomplete)?;
    let date_time = text(&head.headers, "x-amz-date").ok_or_else(incomplete)?;
    let time = parse_time(date_time).ok_or_else(incomplete)?;

    if claim.access_key_id != ACCESS_KEY_ID {
        return Err(Refusal::signature(
            "UnrecognizedClientException",
            "The security token included in the request is invalid.",
        ));
    }
    if claim.region != REGION {
        return Err(Refusal::invalid(
            "Credential should be scoped to a valid region.",
        ));
    }
    if claim.service != SERVICE {
        return Err(Refusal::invalid(
            "Credential should be scoped to correct service: 'execute-api'.",
        ));
    }
    if !date_time.starts_with(claim.date) {
        return Err(Refusal::invalid(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP",
        ));
    }
    check_skew(date_time, time)?;

    // A signature that leaves the host out would be good for any host.
    let expected = claim.signed_headers.contains(&"host").then(|| {
        // What cannot even be signed has no signature to compare with.
        recompute(head, body, &claim.signed_headers, time).ok()
    });
    if expected.flatten().as_deref() != Some(claim.signature) {
        return Err(Refusal::invalid(
            "The request signature we calculated does not match the signature you provided. Check \
             your AWS Secret Access Key and signing method. Consult the service documentation for \
             details.",
        ));
    }
    Ok(())
}

/// The signature that the request as it arrived should have.
fn recompute(
    head: &request::Parts,
    body: &[u8],
    signed_headers: &[&str],
    time: SystemTime,
) -> Result<String, BoxError> {
    let identity =
        Credentials::new(ACCESS_KEY_ID, SECRET_ACCESS_KEY, None, None, "stand-in").into();
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Double;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Enabled;
    // The request itself names the headers that count.
    settings.excluded_headers = None;
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(REGION)
        .name(SERVICE)
        .time(time)
        .settings(settings)
        .build()?
        .into();

    let mut headers = Vec::new();
    for &name in signed_headers {
        for value in head.headers.get_all(name) {
            headers.push((name, value.to_str()?));
        }
    }
    // HTTP/2 has no `Host`: the host stands in the target.
    let authority = head.uri.authority().map(|authority| authority.as_str());
    let host = text(&head.headers, "host")
        .or(authority)
        .unwrap_or_default();
    let target = head
        .uri
        .path_and_query()
        .map_or("/", |target| target.as_str());
    let request = SignableRequest::new(
        head.method.as_str(),
        format!("http://{host}{target}"),
        headers.into_iter(),
        SignableBody::Bytes(body),
    )?;
    let (_, signature) = aws_sigv4::http_request::sign(request, &params)?.into_parts();
    Ok(signature)
}

/// What an `authorization` header claims.
struct Claim<'a> {
    access_key_id: &'a str,
    date: &'a str,
    region: &'a str,
    service: &'a str,
    signed_headers: Vec<&'a str>,
    signature: &'a str,
}

impl<'a> Claim<'a> {
    /// Reads `AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…`.
    fn parse(authorization: &'a str) -> Option<Self> {
        let fields = authorization.strip_prefix("AWS4-HMAC-SHA256 ")?;
        let field = |name: &str| {
            fields
                .split(',')
                .filter_map(|field| field.trim().split_once('='))
                .find_map(|(key, value)| (key == name).then_some(value))
        };
        let mut credential = field("Credential")?.split('/');
        let claim = Self {
            access_key_id: credential.next()?,
            date: credential.next()?,
            region: credential.next()?,
            service: credential.next()?,
            signed_headers: field("SignedHeaders")?.split(';').collect(),
            signature: field("Signature")?,
        };
        (credential.next() == Some("aws4_request") && credential.next().is_none()).then_some(claim)
    }
}

fn check_skew(date_time: &str, time: SystemTime) -> Result<(), Refusal> {
    let now = Clock::system().now();
    let (earliest, latest) = (now - MAX_SKEW, now + MAX_SKEW);
    if time < earliest {
        return Err(Refusal::invalid(format!(
            "Signature expired: {date_time} is now earlier than {} ({} - 5 min.)",
            format_time(earliest),
            format_time(now),
        )));
    }
    if time > latest {
        return Err(Refusal::invalid(format!(
            "Signature not yet current: {date_time} is still later than {} ({} + 5 min.)",
            format_time(latest),
            format_time(now),
        )));
    }
    Ok(())
}

/// Reads `20150830T123600Z`.
fn parse_time(text: &str) -> Option<SystemTime> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    if date.len() != 8 || time.len() != 6 {
        return None;
    }
    let two = |text: &str, at: usize| text.get(at..at + 2)?.parse::<u8>().ok();
    let month = Month::try_from(two(date, 4)?).ok()?;
    let date = Date::from_calendar_date(date.get(..4)?.parse().ok()?, month, two(date, 6)?).ok()?;
    let time = date
        .with_hms(two(time, 0)?, two(time, 2)?, two(time, 4)?)
        .ok()?;
    let seconds = u64::try_from(time.assume_utc().unix_timestamp()).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

/// Writes `20150830T123600Z`.
fn format_time(time: SystemTime) -> String {
    let since_epoch = time.duration_since(SystemTime::UNIX_EPOCH);
    let seconds = since_epoch.map_or(0, |since| since.as_secs());
    let t = i64::try_from(seconds)
        .ok()
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
        .unwrap_or(OffsetDateTime::UNIX_EPOCH);
    format!(
        "{:04}{:02}{:02}T{:02}{:02}{:02}Z",
        t.year(),
        u8::from(t.month()),
        t.day(),
        t.hour(),
        t.minute(),
        t.second(),
    )
}

/// Why a request may not pass.
struct Refusal {
    status: StatusCode,
    error_type: Option<&'static str>,
    message: String,
}

impl Refusal {
    fn plain(status: StatusCode, message: &str) -> Self {
        Self {
            status,
            error_type: None,
            message: message.to_owned(),
        }
    }

    fn signature(error_type: &'static str, message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::FORBIDDEN,
            error_type: Some(error_type),
            message: message.into(),
        }
    }

    fn invalid(message: impl Into<String>) -> Self {
        Self::signature("InvalidSignatureException", message)
    }

    fn missing_token() -> Self {
        Self::signature(
            "MissingAuthenticationTokenException",
            "Missing Authentication Token",
        )
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");
        let response = json(self.status, &self.message);
        match self.error_type {
            Some(error_type) => ([(ERROR_TYPE, error_type)], response).into_response(),
            None => response,
        }
    }
}

fn json(status: StatusCode, message: &str) -> Response {
    let body = serde_json::json!({ "message": message }).to_string();
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// A header's only value, as text.
fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}
