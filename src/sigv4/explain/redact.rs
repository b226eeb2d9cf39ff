//! What is left out of an explanation.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use http::HeaderMap;

/// The names of headers whose values are secret.
pub(super) struct Secrets {
    headers: BTreeSet<String>,
}

/// Headers that hold secrets, whether the caller marked them or not.
const SECRET_HEADERS: [&str; 9] = [
    "authorization",
    "cookie",
    "proxy-authorization",
    "x-amz-copy-source-server-side-encryption-customer-key",
    "x-amz-s3session-token",
    "x-amz-security-token",
    "x-amz-server-side-encryption-customer-key",
    "x-api-key",
    "x-auth-token",
];

/// What the name of a header or a query parameter has in it that holds a secret. Rather one too many.
const SECRET_WORDS: [&str; 9] = [
    "auth",
    "code",
    "credential",
    "key",
    "password",
    "secret",
    "session",
    "signature",
    "token",
];

impl Secrets {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let sensitive = headers.iter().filter(|(_, value)| value.is_sensitive());
        Self {
            headers: sensitive
                .map(|(name, _)| name.as_str().to_owned())
                .collect(),
        }
    }

    pub(super) fn is_secret_header(&self, name: &str) -> bool {
        // The content's own words are no secrets: `x-amz-content-sha256`, `x-amz-key-id`.
        self.headers.contains(name) || SECRET_HEADERS.contains(&name) || {
            let words = ["password", "secret", "token"];
            words.iter().any(|word| name.contains(word))
        }
    }

    /// A canonical request without its secrets, this one or a server's.
    pub(super) fn redact(&self, canonical: &str) -> String {
        let mut lines = canonical.split('\n');
        let mut text = String::with_capacity(canonical.len());
        for line in lines.by_ref().take(2) {
            text.push_str(line);
            text.push('\n');
        }
        if let Some(query) = lines.next() {
            let pairs: Vec<String> = query.split('&').map(redact_pair).collect();
            text.push_str(&pairs.join("&"));
            text.push('\n');
        }
        for line in lines {
            match line.split_once(':') {
                Some((name, value)) if self.is_secret_header(name) => {
                    // Writing to a string cannot fail.
                    let _ = write!(text, "{name}:{}", redacted(value));
                }
                _ => text.push_str(line),
            }
            text.push('\n');
        }
        text.pop();
        text
    }
}

/// A pair of a query without its value if that may be secret.
pub(super) fn redact_pair(pair: &str) -> String {
    match pair.split_once('=') {
        Some((name, value)) if is_secret_parameter(name) => format!("{name}={}", redacted(value)),
        _ => pair.to_owned(),
    }
}

pub(super) fn is_secret_parameter(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    // Where a listing goes on is no secret; it is told by its whole name.
    let harmless = ["continuation-token", "key-marker", "list-type", "max-keys"];
    !harmless.contains(&name.as_str()) && SECRET_WORDS.iter().any(|word| name.contains(word))
}

pub(super) fn redacted(value: &str) -> String {
    match value.len() {
        0 => String::new(),
        length => format!("[redacted, {length} bytes]"),
    }
}
