//! The check of signatures, with `aws_sigv4::http_request::sign`: from the method, target, headers
//! and body as they came over the wire.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PercentEncodingMode, SignableBody, SignableRequest, SigningSettings, UriPathNormalizationMode,
};
use aws_sigv4::sign::v4;
use http::{HeaderMap, StatusCode, header, request};
use time::{Date, Month, OffsetDateTime};
use tower_client_auth::{BoxError, Clock};

pub(crate) const ACCESS_KEY_ID: &str = "AKIDEXAMPLE";
pub(crate) const SECRET_ACCESS_KEY: &str = "a-secret-nobody-else-knows";

const SERVICE: &str = "execute-api";

/// How far a signature's time may be off, as with AWS.
const MAX_SKEW: Duration = Duration::from_secs(5 * 60);

/// Passes a request whose signature is right, for this region, and not more than five minutes old.
pub(crate) fn check(head: &request::Parts, body: &[u8], region: &str) -> Result<(), Refusal> {
    let find = |access_key_id: &str| {
        let known = || Credentials::new(ACCESS_KEY_ID, SECRET_ACCESS_KEY, None, None, "stand-in");
        (access_key_id == ACCESS_KEY_ID).then(known)
    };
    check_by(head, body, region, find).map(drop)
}

/// The same, where `find` knows credentials by their access key. Returns those that the request is signed with.
pub(crate) fn check_by(
    head: &request::Parts,
    body: &[u8],
    region: &str,
    find: impl FnOnce(&str) -> Option<Credentials>,
) -> Result<Credentials, Refusal> {
    let authorization = text(&head.headers, header::AUTHORIZATION.as_str())
        .ok_or_else(|| Refusal::forbidden("Missing Authentication Token"))?;
    let incomplete = || {
        Refusal::forbidden("The authorization header is not a complete AWS4-HMAC-SHA256 signature.")
    };
    let claim = Claim::parse(authorization).ok_or_else(incomplete)?;
    let date_time = text(&head.headers, "x-amz-date").ok_or_else(incomplete)?;
    let time = parse_time(date_time).ok_or_else(incomplete)?;

    // Those for a time have a token, which came as a header.
    let token = text(&head.headers, "x-amz-security-token");
    let credentials = find(claim.access_key_id).filter(|found| found.session_token() == token);
    let credentials = credentials.ok_or_else(|| {
        Refusal::forbidden("The security token included in the request is invalid.")
    })?;
    if claim.region != region {
        return Err(Refusal::forbidden(
            "Credential should be scoped to a valid region.",
        ));
    }
    if claim.service != SERVICE {
        return Err(Refusal::forbidden(
            "Credential should be scoped to correct service: 'execute-api'.",
        ));
    }
    if !date_time.starts_with(claim.date) {
        return Err(Refusal::forbidden(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP",
        ));
    }
    check_skew(date_time, time)?;

    // A signature that leaves the host out would be good for any host.
    let expected = claim.signed_headers.contains(&"host").then(|| {
        // What cannot even be signed has no signature to compare with.
        recompute(head, body, &claim, &credentials, time).ok()
    });
    if expected.flatten().as_deref() != Some(claim.signature) {
        return Err(Refusal::forbidden(
            "The request signature we calculated does not match the signature you provided. Check \
             your AWS Secret Access Key and signing method. Consult the service documentation for \
             details.",
        ));
    }
    Ok(credentials)
}

/// The signature that the request as it arrived should have.
fn recompute(
    head: &request::Parts,
    body: &[u8],
    claim: &Claim<'_>,
    credentials: &Credentials,
    time: SystemTime,
) -> Result<String, BoxError> {
    // Without the token, which is among the headers.
    let (id, secret) = (credentials.access_key_id(), credentials.secret_access_key());
    let identity = Credentials::new(id, secret, None, None, "stand-in").into();
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Double;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Enabled;
    // The request itself names the headers that count.
    settings.excluded_headers = None;
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(claim.region)
        .name(SERVICE)
        .time(time)
        .settings(settings)
        .build()?
        .into();

    let mut headers = Vec::new();
    for &name in &claim.signed_headers {
        for value in head.headers.get_all(name) {
            headers.push((name, std::str::from_utf8(value.as_bytes())?));
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

/// The names of the headers that are part of a request's signature.
pub(crate) fn signed_headers(head: &request::Parts) -> Vec<&str> {
    let claim = text(&head.headers, header::AUTHORIZATION.as_str()).and_then(Claim::parse);
    claim.map_or_else(Vec::new, |claim| claim.signed_headers)
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
        return Err(Refusal::forbidden(format!(
            "Signature expired: {date_time} is now earlier than {} ({} - 5 min.)",
            format_time(earliest),
            format_time(now),
        )));
    }
    if time > latest {
        return Err(Refusal::forbidden(format!(
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

/// Why a request may not pass, in API Gateway's words.
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) message: String,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
        }
    }

    pub(crate) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, message)
    }
}

/// A header's only value, as text.
pub(crate) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}
