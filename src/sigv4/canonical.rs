//! The canonical request, written into one buffer.
//!
//! After [Create a signed AWS API request][aws], steps 1 and 2.
//!
//! [aws]: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html

use std::borrow::Cow;
use std::ops::Range;

use http::{HeaderMap, HeaderName, HeaderValue, Uri, header, request};
use zeroize::Zeroizing;

use super::options::{PathEncoding, SigningOptions};
use crate::error::{AuthError, AuthErrorKind};
use crate::payload::PayloadHash;

pub(super) const X_AMZ_DATE: HeaderName = HeaderName::from_static("x-amz-date");
pub(crate) const X_AMZ_SECURITY_TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");
pub(super) const X_AMZ_CONTENT_SHA256: HeaderName = HeaderName::from_static("x-amz-content-sha256");

/// What a signature consists of on the wire. Any of them on an unsigned request is a leftover, and
/// is replaced or removed.
pub(super) const OWN_HEADERS: [HeaderName; 4] = [
    header::AUTHORIZATION,
    X_AMZ_DATE,
    X_AMZ_SECURITY_TOKEN,
    X_AMZ_CONTENT_SHA256,
];

/// A canonical request and the list of headers in it. Header values may be secrets, so the text is
/// wiped when it is dropped.
pub(super) struct CanonicalRequest {
    pub(super) text: Zeroizing<Vec<u8>>,
    pub(super) signed_headers: String,
}

impl CanonicalRequest {
    /// `added` are the headers the signature brings along; they replace the request's own.
    pub(super) fn new(
        head: &request::Parts,
        host: &[u8],
        added: &[(HeaderName, HeaderValue)],
        payload: &PayloadHash,
        options: &SigningOptions,
    ) -> Self {
        let headers = signed_headers(&head.headers, host, added, options);
        let mut names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
        names.dedup();
        let signed_headers = names.join(";");

        // Sized for the worst case, every byte escaped and escaped again, because growing would
        // leave copies of the text behind.
        let uri = head.uri.path().len() + head.uri.query().map_or(0, str::len);
        let values: usize = headers
            .iter()
            .map(|(name, v)| name.len() + v.len() + 2)
            .sum();
        let mut text = Zeroizing::new(Vec::with_capacity(
            head.method.as_str().len() + 9 * uri + values + signed_headers.len() + 80,
        ));
        text.extend_from_slice(head.method.as_str().as_bytes());
        text.push(b'\n');
        write_path(&mut text, head.uri.path(), options);
        text.push(b'\n');
        write_query(&mut text, head.uri.query().unwrap_or_default());
        text.push(b'\n');
        write_headers(&mut text, &headers);
        text.push(b'\n');
        text.extend_from_slice(signed_headers.as_bytes());
        text.push(b'\n');
        text.extend_from_slice(payload.to_string().as_bytes());
        Self {
            text,
            signed_headers,
        }
    }
}

/// The host as it will be sent: the `Host` header if there is one, else the URI's without userinfo
/// and without the scheme's own port.
pub(super) fn signed_host(head: &request::Parts) -> Result<Cow<'_, [u8]>, AuthError> {
    let mut hosts = head.headers.get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) if !host.as_bytes().trim_ascii().is_empty() => {
            Ok(Cow::Borrowed(host.as_bytes().trim_ascii()))
        }
        (None, None) => uri_host(&head.uri).ok_or_else(|| {
            AuthError::new(
                AuthErrorKind::Request,
                "the request does not say which host it goes to: use an absolute URI",
            )
        }),
        _ => Err(AuthError::new(
            AuthErrorKind::Request,
            "the request's `Host` header is empty or not the only one",
        )),
    }
}

fn uri_host(uri: &Uri) -> Option<Cow<'_, [u8]>> {
    let authority = uri.authority()?;
    let host = authority.host();
    if host.is_empty() {
        return None;
    }
    let standard = match uri.scheme_str() {
        Some("https") => Some(443),
        Some("http") => Some(80),
        _ => None,
    };
    match authority.port_u16() {
        Some(port) if Some(port) != standard => {
            Some(Cow::Owned(format!("{host}:{port}").into_bytes()))
        }
        _ => Some(Cow::Borrowed(host.as_bytes())),
    }
}

/// Names and values in the order of the canonical request.
fn signed_headers<'a>(
    own: &'a HeaderMap,
    host: &'a [u8],
    added: &'a [(HeaderName, HeaderValue)],
    options: &SigningOptions,
) -> Vec<(&'a str, &'a [u8])> {
    let left_out = |name: &HeaderName| {
        *name == header::HOST || OWN_HEADERS.contains(name) || options.unsigned.contains(name)
    };
    let mut headers: Vec<(&str, &[u8])> = own
        .iter()
        .filter(|(name, _)| !is_unsigned(name.as_str()) && !left_out(name))
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .chain(
            added
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_bytes())),
        )
        .chain([("host", host)])
        .collect();
    // Stable: the values of one name stay in the order they are sent in.
    headers.sort_by_key(|(name, _)| *name);
    headers
}

/// Headers that are changed between signing and checking, or may be.
fn is_unsigned(name: &str) -> bool {
    const PREFIXES: [&str; 3] = ["proxy-", "sec-websocket-", "x-forwarded-"];
    matches!(
        name,
        "accept-encoding"
            | "authorization"
            | "baggage"
            | "connection"
            | "content-length"
            | "expect"
            | "forwarded"
            | "keep-alive"
            | "te"
            | "traceparent"
            | "tracestate"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
            | "user-agent"
            | "via"
            | "x-amzn-trace-id"
    ) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// `name:value,value\n` for each name.
fn write_headers(text: &mut Vec<u8>, headers: &[(&str, &[u8])]) {
    let mut last = None;
    for (name, value) in headers {
        if last == Some(name) {
            // Joins the line before.
            text.pop();
            text.push(b',');
        } else {
            text.extend_from_slice(name.as_bytes());
            text.push(b':');
        }
        write_value(text, value);
        text.push(b'\n');
        last = Some(name);
    }
}

/// Without space around it, and with single spaces inside. Tabs are trimmed as well, since that is
/// what HTTP does to them on the way (RFC 9110, section 5.5), and otherwise kept.
fn write_value(text: &mut Vec<u8>, value: &[u8]) {
    let mut space = false;
    for &byte in trim_ows(value) {
        if byte == b' ' && space {
            continue;
        }
        space = byte == b' ';
        text.push(byte);
    }
}

fn trim_ows(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

fn write_path(text: &mut Vec<u8>, path: &str, options: &SigningOptions) {
    let normalized;
    let path = if options.normalize {
        normalized = normalize(path);
        normalized.as_bytes()
    } else {
        path.as_bytes()
    };
    if path.is_empty() {
        text.push(b'/');
        return;
    }
    match options.encoding {
        PathEncoding::Double => {
            for &byte in path {
                write_escaped(text, byte, true);
            }
        }
        // What the service gets by decoding the path and encoding the object key strictly. A slash
        // in a key is never encoded, so `%2F` and `/` are the same to it.
        PathEncoding::Single => {
            for (byte, _) in unescape(path) {
                write_escaped(text, byte, true);
            }
        }
    }
}

/// RFC 3986, section 5.2.4, and empty segments go as well, as AWS has it.
fn normalize(path: &str) -> Cow<'_, str> {
    if !path.contains("//") && !path.contains("/.") {
        return Cow::Borrowed(path);
    }
    let mut kept: Vec<&str> = Vec::new();
    let mut directory = true;
    for segment in path.split('/') {
        directory = true;
        match segment {
            "" | "." => {}
            ".." => {
                kept.pop();
            }
            name => {
                kept.push(name);
                directory = false;
            }
        }
    }
    let mut normalized = String::with_capacity(path.len() + 1);
    for segment in &kept {
        normalized.push('/');
        normalized.push_str(segment);
    }
    if directory {
        normalized.push('/');
    }
    Cow::Owned(normalized)
}

/// Pairs sorted by encoded name, then by encoded value.
fn write_query(text: &mut Vec<u8>, query: &str) {
    if query.is_empty() {
        return;
    }
    let mut encoded = Zeroizing::new(Vec::with_capacity(3 * query.len()));
    let mut pairs = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let start = encoded.len();
        write_form(&mut encoded, name);
        let middle = encoded.len();
        write_form(&mut encoded, value);
        pairs.push((start..middle, middle..encoded.len()));
    }
    let text_of = |range: &Range<usize>| &encoded[range.clone()];
    pairs.sort_by(|(name, value), (other_name, other_value)| {
        (text_of(name), text_of(value)).cmp(&(text_of(other_name), text_of(other_value)))
    });
    for (at, (name, value)) in pairs.into_iter().enumerate() {
        if at > 0 {
            text.push(b'&');
        }
        text.extend_from_slice(text_of(&name));
        text.push(b'=');
        text.extend_from_slice(text_of(&value));
    }
}

/// Decodes to bytes and encodes strictly; `+` is a space, as services read it.
fn write_form(text: &mut Vec<u8>, part: &str) {
    for (byte, escaped) in unescape(part.as_bytes()) {
        let byte = if byte == b'+' && !escaped { b' ' } else { byte };
        write_escaped(text, byte, false);
    }
}

/// The bytes behind percent-encoding, each with whether it was escaped. A `%` without two digits
/// stands for itself.
fn unescape(mut rest: &[u8]) -> impl Iterator<Item = (u8, bool)> {
    std::iter::from_fn(move || {
        let (&first, tail) = rest.split_first()?;
        if first == b'%'
            && let [high, low, tail @ ..] = tail
            && let (Some(high), Some(low)) = (
                char::from(*high).to_digit(16),
                char::from(*low).to_digit(16),
            )
        {
            rest = tail;
            return Some(((high * 16 + low) as u8, true));
        }
        rest = tail;
        Some((first, false))
    })
}

fn write_escaped(text: &mut Vec<u8>, byte: u8, keep_slash: bool) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let unreserved = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    if unreserved || (keep_slash && byte == b'/') {
        text.push(byte);
    } else {
        let (high, low) = (usize::from(byte >> 4), usize::from(byte & 15));
        text.extend_from_slice(&[b'%', DIGITS[high], DIGITS[low]]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(path: &str, service: &str) -> String {
        let mut text = Vec::new();
        write_path(&mut text, path, &SigningOptions::for_service(service));
        String::from_utf8(text).expect("ASCII")
    }

    fn query(query: &str) -> String {
        let mut text = Vec::new();
        write_query(&mut text, query);
        String::from_utf8(text).expect("ASCII")
    }

    #[test]
    fn paths_are_encoded_as_the_service_does() {
        assert_eq!(path("", "execute-api"), "/");
        assert_eq!(path("/a%3Ab/(c)", "execute-api"), "/a%253Ab/%28c%29");
        assert_eq!(path("/a%3ab/(c)/%41", "s3"), "/a%3Ab/%28c%29/A");
        assert_eq!(path("/a//b/../c/.", "execute-api"), "/a/c/");
        assert_eq!(path("/a//b/../c/.", "s3"), "/a//b/../c/.");
        assert_eq!(path("/..", "execute-api"), "/");
    }

    #[test]
    fn a_model_id_is_encoded_twice() {
        assert_eq!(
            path("/model/anthropic.claude-v2%3A1/invoke", "bedrock"),
            "/model/anthropic.claude-v2%253A1/invoke"
        );
    }

    #[test]
    fn the_signed_host_has_a_port_that_is_not_the_schemes() {
        let host = |uri: &str| {
            let request = http::Request::get(uri).body(()).expect("a request");
            let head = request.into_parts().0;
            signed_host(&head).expect("a host").into_owned()
        };
        let neptune = "db.cluster-1.eu-west-1.neptune.amazonaws.com";
        let with_port = format!("{neptune}:8182");
        assert_eq!(
            host(&format!("https://{with_port}/status")),
            with_port.as_bytes()
        );
        assert_eq!(
            host(&format!("https://{neptune}:443/status")),
            neptune.as_bytes()
        );
    }

    #[test]
    fn an_escaped_slash_is_a_slash_to_s3_and_to_nobody_else() {
        assert_eq!(path("/bucket/a%2Fb%2f", "s3"), "/bucket/a/b/");
        assert_eq!(path("/bucket/a%252Fb", "s3"), "/bucket/a%252Fb");
        assert_eq!(path("/a%2Fb", "execute-api"), "/a%252Fb");
    }

    #[test]
    fn queries_are_sorted_after_encoding() {
        assert_eq!(query("b=1&a=2&a=1&A=%2f"), "A=%2F&a=1&a=2&b=1");
        assert_eq!(query("k&k2=&=v"), "=v&k=&k2=");
        assert_eq!(query("a=1+2&a=%2B"), "a=%2B&a=1%202");
        assert_eq!(query("a+=1&a%20=0&a-=2"), "a%20=0&a%20=1&a-=2");
    }

    #[test]
    fn bytes_that_are_no_text_stay_distinct() {
        assert_eq!(query("a=%FF"), "a=%FF");
        assert_eq!(query("a=%FE"), "a=%FE");
        assert_eq!(query("a=%F"), "a=%25F");
    }

    #[test]
    fn values_are_trimmed_and_folded() {
        let mut text = Vec::new();
        write_value(&mut text, b" \t a  b\tc   \"d  e\" ");
        assert_eq!(text, b"a b\tc \"d e\"");
    }
}
