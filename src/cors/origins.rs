//! Origins, in the words of whoever configures a server, and as browsers send them.

use std::borrow::Cow;
use std::net::{Ipv4Addr, Ipv6Addr};

use http::HeaderValue;
use tower_http::cors::AllowOrigin;

use crate::error::{AuthError, AuthErrorKind};

/// What is to be done about a slip.
type Advice = Cow<'static, str>;

pub(super) fn parse(
    origins: impl IntoIterator<Item = impl AsRef<str>>,
) -> Result<AllowOrigin, AuthError> {
    let (mut named, mut any) = (Vec::new(), false);
    for (index, origin) in origins.into_iter().enumerate() {
        // White space is what is left where a list was cut at its commas.
        match origin.as_ref().trim_ascii() {
            "*" => any = true,
            text => named.push(parse_one(text).map_err(|advice| {
                let position = index + 1;
                AuthError::new(
                    AuthErrorKind::Configuration,
                    format!("origin {position}: {advice}"),
                )
            })?),
        }
    }
    match (any, named.is_empty()) {
        (true, true) => Ok(AllowOrigin::any()),
        (false, false) => Ok(AllowOrigin::list(named)),
        (true, false) => Err(AuthError::new(
            AuthErrorKind::Configuration,
            "`*` lets every origin in: leave it out to let in the named ones only, or leave them out",
        )),
        (false, true) => Err(AuthError::new(
            AuthErrorKind::Configuration,
            "without an origin no page could call: name at least one, such as \
             `https://app.example.com`, or `*` for any",
        )),
    }
}

/// The origin as a browser sends it: <https://html.spec.whatwg.org/#ascii-serialisation-of-an-origin>.
pub(super) fn parse_one(text: &str) -> Result<HeaderValue, Advice> {
    if text.eq_ignore_ascii_case("null") {
        return Err(NULL.into());
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err(NO_SCHEME.into());
    };
    // People paste URLs with passwords in them, and what is wrong with a text is shown below.
    if !is_scheme(scheme) || rest.contains('@') {
        return Err(EXPECTED.into());
    }
    let scheme = scheme.to_ascii_lowercase();
    if scheme == "file" {
        return Err(NULL.into());
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, after) = rest.split_at(end);
    let (host, port) = split_port(authority)?;
    let default_port = match scheme.as_str() {
        "https" => Some(443),
        "http" => Some(80),
        _ => None,
    };
    // A scheme with a default port is one of the web's, whose hosts browsers normalise.
    let host = match default_port {
        Some(_) => parse_host(host)?,
        None => checked_name(host)?.to_owned(),
    };
    let mut origin = format!("{scheme}://{host}");
    if let Some(port) = port.filter(|port| Some(*port) != default_port) {
        origin.push_str(&format!(":{port}"));
    }
    if !after.is_empty() {
        return Err(format!(
            "write `{origin}`, and nothing after it: an origin has no path, and no slash at its end"
        )
        .into());
    }
    HeaderValue::try_from(origin).map_err(|_| EXPECTED.into())
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
}

fn split_port(authority: &str) -> Result<(&str, Option<u16>), Advice> {
    // The colons of an IPv6 literal stand in brackets.
    let name_end = match (authority.starts_with('['), authority.find(']')) {
        (true, Some(at)) => at + 1,
        (true, None) => return Err(NOT_V6.into()),
        (false, _) => 0,
    };
    let Some(colon) = authority[name_end..].find(':').map(|at| at + name_end) else {
        return Ok((authority, None));
    };
    let (host, port) = (&authority[..colon], &authority[colon + 1..]);
    match port.parse() {
        // As URLs go, a bare colon means the default port; and `u16` would take a `+`.
        _ if port.is_empty() => Ok((host, None)),
        Ok(number) if !port.starts_with('+') => Ok((host, Some(number))),
        _ => Err("its port is not a number from 0 to 65535".into()),
    }
}

/// A host as browsers spell it: <https://url.spec.whatwg.org/#host-serializing>.
fn parse_host(host: &str) -> Result<String, Advice> {
    if let Some(literal) = host.strip_prefix('[') {
        let address = literal.strip_suffix(']').and_then(|text| text.parse().ok());
        return address
            .map(|address| format!("[{}]", v6(address)))
            .ok_or_else(|| NOT_V6.into());
    }
    let name = checked_name(host)?.to_ascii_lowercase();
    let last = name.trim_end_matches('.').rsplit('.').next();
    let is_number = |label: &str| {
        label.starts_with("0x") || !label.is_empty() && label.bytes().all(|b| b.is_ascii_digit())
    };
    if last.is_some_and(is_number) && name.parse::<Ipv4Addr>().is_err() {
        return Err("write an IPv4 address as four decimal numbers, such as `127.0.0.1`".into());
    }
    Ok(name)
}

/// As `Ipv6Addr` is shown, except for mapped IPv4 addresses, which browsers write like all others.
fn v6(address: Ipv6Addr) -> String {
    match address.to_ipv4_mapped() {
        Some(mapped) => {
            let [a, b, c, d] = mapped.octets();
            let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
            format!("::ffff:{high:x}:{low:x}")
        }
        None => address.to_string(),
    }
}

fn checked_name(host: &str) -> Result<&str, Advice> {
    if !host.is_ascii() {
        return Err(PUNYCODE.into());
    }
    if host.contains('*') {
        return Err(PATTERN.into());
    }
    let labels = host.strip_suffix('.').unwrap_or(host);
    let is_name = |label: &str| {
        !label.is_empty()
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
    };
    if !labels.split('.').all(is_name) {
        return Err(EXPECTED.into());
    }
    Ok(host)
}

const EXPECTED: &str = "expected scheme and host, as in `https://app.example.com`, \
                        `http://localhost:3000` or `capacitor://localhost`";

const NO_SCHEME: &str = "it has no scheme: write `https://app.example.com` rather than \
                         `app.example.com`";

const NULL: &str = "`null` is what browsers send for files, `data:` URLs and sandboxed frames, whoever \
                    wrote them: serve the page from an origin of its own, `http://localhost:3000` while \
                    developing, and name that";

const NOT_V6: &str =
    "what stands in brackets is not an IPv6 address, as in `https://[2001:db8::1]`";

const PUNYCODE: &str = "browsers send names beyond ASCII in punycode: write \
                        `https://xn--mnchen-3ya.example` for `https://münchen.example`";

const PATTERN: &str = "`*` cannot stand for a part of an origin: name each one, or decide with the layer's \
                       `.allow_origin(AllowOrigin::predicate(…))`";
