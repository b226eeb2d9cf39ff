//! Signature Version 4 as its documentation has it, one step after the other, with no thought for speed.
//!
//! Written apart from the crate's own signer, and from what that does to be fast. It takes from the crate
//! only the hash, and from `aws-sigv4` the key and the HMAC.

use std::collections::BTreeMap;

use aws_sigv4::sign::v4::{calculate_signature, generate_signing_key};
use http::{HeaderMap, Uri, header, request};
use time::OffsetDateTime;
use tower_client_auth::PayloadHash;

use super::{ACCESS_KEY_ID, Options, REGION, SECRET, SERVICE, Time};

/// The headers that a signature consists of.
pub(crate) const OWN: [&str; 4] = [
    "authorization",
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-security-token",
];

/// Besides those of [`OWN`].
const UNSIGNED: [&str; 16] = [
    "accept-encoding",
    "baggage",
    "connection",
    "content-length",
    "expect",
    "forwarded",
    "keep-alive",
    "te",
    "traceparent",
    "tracestate",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "via",
    "x-amzn-trace-id",
];

const UNSIGNED_PREFIXES: [&str; 3] = ["proxy-", "sec-websocket-", "x-forwarded-"];

const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";

/// What a signature adds, besides the session token.
pub(crate) struct Signature {
    pub(crate) authorization: String,
    pub(crate) date: String,
    pub(crate) content_sha256: Option<String>,
    /// To be shown if the signature differs.
    pub(crate) canonical: Vec<u8>,
}

/// `None` for what cannot be signed.
pub(crate) fn sign(
    head: &request::Parts,
    options: &Options,
    payload: &PayloadHash,
    token: Option<&str>,
    time: &Time,
) -> Option<Signature> {
    let seconds = time.seconds();
    let date = (seconds >= 0).then(|| date_time(seconds))??;
    let host = host(head)?;
    let payload = match options.sign_payload {
        true => payload.to_string(),
        false => UNSIGNED_PAYLOAD.to_owned(),
    };
    let sends_hash = options.send_payload_hash || payload == UNSIGNED_PAYLOAD;

    let mut headers = request_headers(&head.headers, options);
    headers.insert("host".to_owned(), host);
    headers.insert("x-amz-date".to_owned(), date.clone().into_bytes());
    if let Some(token) = token {
        headers.insert("x-amz-security-token".to_owned(), token.into());
    }
    if sends_hash {
        let hash = payload.clone().into_bytes();
        headers.insert("x-amz-content-sha256".to_owned(), hash);
    }
    let names: Vec<&str> = headers.keys().map(String::as_str).collect();
    let names = names.join(";");

    let mut canonical = Vec::new();
    for line in [
        head.method.as_str(),
        &path(head.uri.path(), options),
        &query(&head.uri),
    ] {
        canonical.extend_from_slice(line.as_bytes());
        canonical.push(b'\n');
    }
    for (name, value) in &headers {
        canonical.extend_from_slice(name.as_bytes());
        canonical.push(b':');
        canonical.extend_from_slice(value);
        canonical.push(b'\n');
    }
    canonical.extend_from_slice(format!("\n{names}\n{payload}").as_bytes());

    let hash = PayloadHash::of(&canonical);
    let scope = format!("{}/{REGION}/{SERVICE}/aws4_request", &date[..8]);
    let to_sign = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{hash}");
    let key = generate_signing_key(SECRET, time.get()?, REGION, SERVICE);
    let signature = calculate_signature(key, to_sign.as_bytes());
    Some(Signature {
        authorization: format!(
            "AWS4-HMAC-SHA256 Credential={ACCESS_KEY_ID}/{scope}, SignedHeaders={names}, \
             Signature={signature}"
        ),
        date,
        content_sha256: sends_hash.then_some(payload),
        canonical,
    })
}

/// `20150830T123600Z`, up to the year 9999.
fn date_time(seconds: i64) -> Option<String> {
    let time = OffsetDateTime::from_unix_timestamp(seconds).ok()?;
    let (date, (hour, minute, second)) = (time.date(), time.to_hms());
    let (year, month, day) = (date.year(), u8::from(date.month()), date.day());
    Some(format!(
        "{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z"
    ))
}

/// The `Host` header if there is one, else the host of the URI, with a port that is not the scheme's.
fn host(head: &request::Parts) -> Option<Vec<u8>> {
    let mut hosts = head.headers.get_all(header::HOST).iter();
    if let Some(host) = hosts.next() {
        let host = host.as_bytes().trim_ascii();
        return (!host.is_empty() && hosts.next().is_none()).then(|| fold(host));
    }
    let authority = head.uri.authority()?;
    let host = authority.host();
    let host = match (authority.port_u16(), head.uri.scheme_str()) {
        _ if host.is_empty() => return None,
        (None, _) | (Some(443), Some("https" | "wss")) | (Some(80), Some("http" | "ws")) => {
            host.to_owned()
        }
        (Some(port), _) => format!("{host}:{port}"),
    };
    Some(host.into_bytes())
}

/// The headers of the request that are signed, less `Host`.
fn request_headers(headers: &HeaderMap, options: &Options) -> BTreeMap<String, Vec<u8>> {
    let mut signed = BTreeMap::new();
    for name in headers.keys() {
        let text = name.as_str();
        if text == "host"
            || OWN.contains(&text)
            || UNSIGNED.contains(&text)
            || UNSIGNED_PREFIXES
                .iter()
                .any(|prefix| text.starts_with(prefix))
            || options.unsigned().any(|unsigned| unsigned == *name)
        {
            continue;
        }
        let values = headers.get_all(name).iter();
        let values: Vec<Vec<u8>> = values.map(|value| fold(value.as_bytes())).collect();
        signed.insert(text.to_owned(), values.join(&b','));
    }
    signed
}

/// Without white space around it, and with one space where there are several.
fn fold(value: &[u8]) -> Vec<u8> {
    let is_text = |byte: &u8| !matches!(byte, b' ' | b'\t');
    let start = value.iter().position(is_text).unwrap_or(value.len());
    let end = value.iter().rposition(is_text).map_or(start, |at| at + 1);
    let mut value = value[start..end].to_vec();
    value.dedup_by(|byte, last| *byte == b' ' && *last == b' ');
    value
}

fn path(path: &str, options: &Options) -> String {
    let path = match path {
        "" => "/".to_owned(),
        // `*` is no path to be resolved.
        rooted if options.normalize && rooted.starts_with('/') => resolve(rooted),
        path => path.to_owned(),
    };
    let bytes = match options.encode_once {
        true => decode(path.as_bytes()),
        false => path.into_bytes(),
    };
    encode(&bytes, b"/")
}

/// Without empty segments, `.` and `..`; with a slash at the end if the last segment was one of them.
fn resolve(path: &str) -> String {
    let mut kept = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                kept.pop();
            }
            name => kept.push(name),
        }
    }
    let is_directory = ["/", "/.", "/.."].iter().any(|end| path.ends_with(end));
    match (kept.is_empty(), is_directory) {
        (true, _) => "/".to_owned(),
        (false, true) => format!("/{}/", kept.join("/")),
        (false, false) => format!("/{}", kept.join("/")),
    }
}

fn query(uri: &Uri) -> String {
    let mut pairs = Vec::new();
    for pair in uri.query().unwrap_or_default().split('&') {
        if pair.is_empty() {
            continue;
        }
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let encoded = |text: &str| encode(&decode(text.replace('+', " ").as_bytes()), b"");
        pairs.push((encoded(name), encoded(value)));
    }
    pairs.sort();
    let pairs: Vec<String> = pairs
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    pairs.join("&")
}

/// What is no escape stays as it is.
fn decode(text: &[u8]) -> Vec<u8> {
    let digit = |at: usize| char::from(*text.get(at)?).to_digit(16);
    let mut decoded = Vec::new();
    let mut at = 0;
    while at < text.len() {
        match (text[at], digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                decoded.push((high * 16 + low) as u8);
                at += 3;
            }
            (byte, ..) => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    decoded
}

fn encode(bytes: &[u8], kept: &[u8]) -> String {
    let mut encoded = String::new();
    for byte in bytes {
        let unreserved = byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
        match unreserved || kept.contains(byte) {
            true => encoded.push(char::from(*byte)),
            false => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}
