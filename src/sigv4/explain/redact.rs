//! What is left out of an explanation.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use http::HeaderMap;
use zeroize::Zeroizing;

/// What of a request is secret: values by the names of their headers and query parameters, and these
/// values wherever else they turn up.
pub(super) struct Secrets {
    headers: BTreeSet<String>,
    values: Vec<Zeroizing<String>>,
}

/// What the name of a header or a query parameter has in it that holds a secret, in lower case and without
/// what separates words. Rather one too many.
const SECRET_PARTS: [&str; 24] = [
    "apikey",
    "assertion",
    "auth",
    "bearer",
    "code",
    "cookie",
    "credential",
    "csrf",
    "dpop",
    "hmac",
    "jws",
    "jwt",
    "mfa",
    "oidcdata",
    "otp",
    "pass",
    "pwd",
    "saml",
    "secret",
    "session",
    "sig",
    "ticket",
    "token",
    "xsrf",
];

/// Words that say so only where they stand by themselves: they are parts of too many others.
const SECRET_WORDS: [&str; 4] = ["key", "pin", "sas", "sid"];

/// Names that have such a word in them and hold no secret.
const HARMLESS: [&str; 7] = [
    "continuation-token",
    "max-keys",
    "x-amz-bypass-governance-retention",
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-server-side-encryption-customer-key-md5",
    "x-amz-signedheaders",
    "x-amz-sdk-request",
];

/// A query parameter that has only a name, and a longer one than S3's subresources, may be a secret itself.
const LONGEST_NAME: usize = 32;

/// Shorter values are not looked for elsewhere: they would be found in too many places.
const SHORTEST: usize = 4;

impl Secrets {
    /// Of a request with these headers, and of its canonical request.
    pub(super) fn of(headers: &HeaderMap, canonical: &str) -> Self {
        let sensitive = headers.iter().filter(|(_, value)| value.is_sensitive());
        let mut secrets = Self {
            headers: sensitive
                .map(|(name, _)| name.as_str().to_owned())
                .collect(),
            values: Vec::new(),
        };
        let mut values = Vec::new();
        let mut lines = canonical.split('\n').skip(2);
        for pair in lines.next().unwrap_or_default().split('&') {
            match pair.split_once('=') {
                Some((name, "")) if name.len() > LONGEST_NAME => values.push(name),
                Some((name, value)) if is_secret_name(name) => values.push(value),
                _ => {}
            }
        }
        for line in lines {
            if let Some((name, value)) = line.split_once(':')
                && secrets.is_secret_header(name)
            {
                values.push(value);
            }
        }
        // The longest first, so that none is hidden in part.
        values.sort_by(|value, other| (other.len(), other).cmp(&(value.len(), value)));
        values.dedup();
        values.retain(|value| value.len() >= SHORTEST);
        secrets.values = values
            .into_iter()
            .map(|value| Zeroizing::new(value.to_owned()))
            .collect();
        secrets
    }

    pub(super) fn is_secret_header(&self, name: &str) -> bool {
        is_secret_name(name) || self.headers.contains(&name.to_ascii_lowercase())
    }

    /// The first `most` characters of a text without the secrets of this request, wherever a server may
    /// have put them, and whether that is all of it.
    ///
    /// In one pass, and over no more than is shown: whoever wrote the request chose the secrets, and what
    /// stands in for one may look like another.
    pub(super) fn hide(&self, text: &str, most: usize) -> (String, bool) {
        let mut shown = String::new();
        let mut rest = text;
        for _ in 0..most {
            // The longest come first.
            let mut values = self.values.iter();
            if let Some(after) = values.find_map(|value| rest.strip_prefix(value.as_str())) {
                shown.push_str("[redacted]");
                rest = after;
                continue;
            }
            let mut characters = rest.chars();
            match characters.next() {
                Some(character) => shown.push(character),
                None => return (shown, true),
            }
            rest = characters.as_str();
        }
        (shown, rest.is_empty())
    }

    /// A canonical request without its secrets.
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

/// A pair of a query without what may be secret of it.
fn redact_pair(pair: &str) -> String {
    match pair.split_once('=') {
        Some((name, "")) if name.len() > LONGEST_NAME => format!("{}=", redacted(name)),
        Some((name, value)) if is_secret_name(name) => format!("{name}={}", redacted(value)),
        _ => pair.to_owned(),
    }
}

pub(super) fn is_secret_name(name: &str) -> bool {
    // As a name in a query has it.
    let name = name.replace("%20", "-").to_ascii_lowercase();
    let words = || name.split(|c: char| !c.is_ascii_alphanumeric());
    let joined: String = words().collect();
    let says_so = words().any(|word| SECRET_WORDS.contains(&word))
        // `accessKey`, for one.
        || joined.ends_with("key")
        || SECRET_PARTS.iter().any(|part| joined.contains(part));
    says_so && !HARMLESS.contains(&name.as_str())
}

pub(super) fn redacted(value: &str) -> String {
    match value.len() {
        0 => String::new(),
        length => format!("[redacted, {length} bytes]"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_that_look_like_what_stands_in_for_them_do_no_harm() {
        let pairs: Vec<String> = (0..60)
            .map(|at| format!("{at:02}sig={}", ["reda", "cted"][at % 2]))
            .collect();
        let canonical = format!("GET\n/\n{}\nhost:a\n\nhost\nhash", pairs.join("&"));
        let secrets = Secrets::of(&HeaderMap::new(), &canonical);
        assert_eq!(secrets.values.len(), 2);
        let hidden = secrets.hide("/redacted/[redacted]", 200);
        let expected = "/[redacted][redacted]/[[redacted][redacted]]";
        assert_eq!(hidden, (expected.to_owned(), true));
        assert_eq!(
            secrets.hide("/redacted", 2),
            ("/[redacted]".to_owned(), false)
        );
    }

    #[test]
    fn names_that_speak_of_secrets_are_known() {
        for name in [
            "x-amz-security-token",
            "X-Amz-Security-Token",
            "X-Amz-Signature",
            "x-api-key",
            "api_key",
            "key",
            "ocp-apim-subscription-key",
            "x-amz-mfa",
            "x-amzn-oidc-data",
            "set-cookie",
            "proxy-authorization",
            "SAMLAssertion",
            "sig",
            "x-amz-server-side-encryption-customer-key",
            "accessKey",
            "private.key",
            "shared%20key",
            "key-2",
            "hmac",
            "sid",
            "connect.sid",
            "PIN",
            "x-csrf-token",
            "CASTicket",
            "DPoP",
        ] {
            assert!(is_secret_name(name), "{name}");
        }
        for name in [
            "accept",
            "content-encoding",
            "content-type",
            "continuation-token",
            "host",
            "keys",
            "max-keys",
            "x-amz-content-sha256",
            "x-amz-date",
            "x-amz-meta-owner",
            "x-amz-target",
            "x-amz-server-side-encryption",
            "x-amz-meta-residence",
            "pinned",
            "",
        ] {
            assert!(!is_secret_name(name), "{name}");
        }
    }
}
