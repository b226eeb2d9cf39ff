//! What of a head passes from one connection to the next.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Uri, uri};

use crate::args::HeaderArgs;
use crate::pattern::Pattern;

/// What the command line says of headers and parameters.
pub(crate) struct Rules {
    strip: Vec<Pattern>,
    strip_params: Vec<Pattern>,
    pass: Vec<Pattern>,
    set: Vec<(HeaderName, HeaderValue)>,
    /// The caller's name of a header, and the upstream's.
    copy: Vec<(HeaderName, HeaderName)>,
    answers_pages: bool,
}

impl Rules {
    pub(crate) fn new(args: &HeaderArgs, answers_pages: bool) -> Self {
        let copy = args.copy.iter().filter_map(|name| {
            let original = HeaderName::try_from(format!("x-original-{name}")).ok()?;
            Some((name.clone(), original))
        });
        Self {
            strip: args.strip.clone(),
            strip_params: args.strip_params.clone(),
            pass: args.pass.clone(),
            set: args.set.clone(),
            copy: copy.collect(),
            answers_pages,
        }
    }

    /// Leaves what an upstream is to see.
    pub(crate) fn request(&self, headers: &mut HeaderMap) {
        let copies: Vec<(HeaderName, HeaderValue)> = self
            .copy
            .iter()
            .filter_map(|(name, original)| Some((original.clone(), headers.get(name)?.clone())))
            .collect();
        let trailers = accepts_trailers(headers);
        let named = named_by_connection(headers);
        remove(headers, |name| {
            is_of_connection(name, &named)
                || name == "host"
                // Nobody signs trailers, and hyper sends none that were not announced.
                || name == "trailer"
                || (is_of_caller(name) && !matches(&self.pass, name))
                || matches(&self.strip, name)
        });
        if trailers {
            // Said of this connection anew: trailers of answers pass.
            headers.insert(header::TE, HeaderValue::from_static("trailers"));
        }
        for (name, value) in copies.into_iter().chain(self.set.iter().cloned()) {
            headers.insert(name, value);
        }
    }

    /// Leaves what a caller is to see.
    pub(crate) fn answer(&self, headers: &mut HeaderMap) {
        let named = named_by_connection(headers);
        remove(headers, |name| match name {
            // Said of the upstream's own host.
            "alt-svc" | "strict-transport-security" => true,
            // A session that the upstream opens is the proxy's, and not a caller's.
            "set-cookie" => !matches(&self.pass, name),
            // Which pages may read it is decided here.
            _ if self.answers_pages && name.starts_with("access-control-") => true,
            _ => is_of_connection(name, &named),
        });
    }

    /// Takes parameters out of the query.
    pub(crate) fn query(&self, uri: Uri) -> Result<Uri, http::Error> {
        let Some(query) = uri.query().filter(|_| !self.strip_params.is_empty()) else {
            return Ok(uri);
        };
        let goes = |pair: &&str| {
            let name = form_urlencoded::parse(pair.as_bytes()).next();
            name.is_none_or(|(name, _)| !matches(&self.strip_params, &name))
        };
        let kept: Vec<&str> = query.split('&').filter(goes).collect();
        let text = match kept.is_empty() {
            true => uri.path().to_owned(),
            false => format!("{}?{}", uri.path(), kept.join("&")),
        };
        let mut parts: uri::Parts = uri.into_parts();
        parts.path_and_query = Some(text.parse()?);
        Ok(Uri::from_parts(parts)?)
    }
}

fn matches(patterns: &[Pattern], name: &str) -> bool {
    patterns.iter().any(|pattern| pattern.matches(name))
}

/// Of one connection only (RFC 9110, section 7.6.1).
fn is_of_connection(name: &str, named: &[String]) -> bool {
    match name {
        "connection" | "expect" | "keep-alive" | "te" | "transfer-encoding" | "upgrade" => true,
        _ => name.starts_with("proxy-") || named.iter().any(|named| named == name),
    }
}

fn named_by_connection(headers: &HeaderMap) -> Vec<String> {
    let values = headers.get_all(header::CONNECTION).iter();
    values
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(|name| String::from_utf8_lossy(name.trim_ascii()).to_ascii_lowercase())
        .collect()
}

/// Credentials of a caller's, what vouches for one, and what a browser says of its page: the upstream is to see the
/// proxy's own, and nobody else's.
fn is_of_caller(name: &str) -> bool {
    matches!(
        name,
        "authorization"
            | "cookie"
            | "forwarded"
            | "origin"
            | "referer"
            | "x-amz-content-sha256"
            | "x-amz-date"
            | "x-amz-region-set"
            | "x-amz-s3session-token"
            | "x-amz-security-token"
            | "x-api-key"
            | "x-real-ip"
    ) || ["sec-fetch-", "x-amzn-", "x-forwarded-"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
}

fn remove(headers: &mut HeaderMap, goes: impl Fn(&str) -> bool) {
    let gone: Vec<HeaderName> = headers
        .keys()
        .filter(|name| goes(name.as_str()))
        .cloned()
        .collect();
    for name in gone {
        headers.remove(name);
    }
}

fn accepts_trailers(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(header::TE).iter();
    values.any(|value| {
        let mut codings = value.as_bytes().split(|byte| *byte == b',');
        codings.any(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"trailers"))
    })
}
