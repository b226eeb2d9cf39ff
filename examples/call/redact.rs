//! What is not shown: secrets, as far as the names of headers and query parameters tell them.

use std::borrow::Cow;

use http::{HeaderName, header};

/// What the name of something secret has in it, in lower case and without what separates words. Rather one
/// too many.
const SECRET_PARTS: [&str; 27] = [
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
    "nonce",
    "oidcdata",
    "otp",
    "pass",
    "private",
    "pwd",
    "saml",
    "secret",
    "session",
    "sig",
    "state",
    "ticket",
    "token",
    "xsrf",
];

/// Words that say so only where they stand by themselves: they are parts of too many others.
const SECRET_WORDS: [&str; 4] = ["key", "pin", "sas", "sid"];

/// Names that have such a word in them and hold no secret: two say only what would be accepted.
const HARMLESS: [&str; 5] = [
    "access-control-allow-credentials",
    "max-keys",
    "www-authenticate",
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-signedheaders",
];

/// A parameter that has only a name, and a longer one than this, may be a secret itself.
const LONGEST_NAME: usize = 32;

pub(crate) fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let words = || name.split(|c: char| !c.is_ascii_alphanumeric());
    let joined: String = words().collect();
    let says_so = words().any(|word| SECRET_WORDS.contains(&word))
        // `accessKey`, for one.
        || joined.ends_with("key")
        || SECRET_PARTS.iter().any(|part| joined.contains(part));
    says_so && !HARMLESS.contains(&name.as_str())
}

pub(crate) fn redacted(length: usize) -> String {
    format!("<redacted, {length} bytes>")
}

/// A header's value that is no secret as a whole: URLs have parts that are.
pub(crate) fn value<'a>(name: &HeaderName, text: &'a str) -> Cow<'a, str> {
    let has_urls = [
        header::LOCATION,
        header::CONTENT_LOCATION,
        header::REFERER,
        header::REFRESH,
        header::LINK,
    ];
    match has_urls.contains(name) || text.contains("://") {
        true => url(text).into(),
        false => text.into(),
    }
}

/// A URL, or a part of one, without a password and without what is secret in its query and its fragment.
pub(crate) fn url(text: &str) -> String {
    let (before, pairs) = match text.find(['?', '#']) {
        Some(at) => text.split_at(at),
        None => (text, ""),
    };
    let mut shown = without_user(before);
    // Each part with what it begins with.
    for part in pairs.split_inclusive(['?', '#', '&']) {
        let end = part.trim_end_matches(['?', '#', '&']).len();
        let (pair, mark) = part.split_at(end);
        shown.push_str(&without_value(pair));
        shown.push_str(mark);
    }
    shown
}

fn without_user(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("//") else {
        return text.to_owned();
    };
    let authority = rest.split('/').next().unwrap_or_default();
    match authority.rfind('@') {
        Some(at) => format!("{scheme}//{}{}", redacted(at), &rest[at..]),
        None => text.to_owned(),
    }
}

fn without_value(pair: &str) -> Cow<'_, str> {
    // A name may be written in percent signs.
    let name = form_urlencoded::parse(pair.as_bytes()).next();
    let name = name.map(|(name, _)| name).unwrap_or_default();
    match pair.split_once('=') {
        Some((_, "")) | None if pair.len() > LONGEST_NAME => redacted(pair.len()).into(),
        Some((raw, value)) if !value.is_empty() && is_secret_name(&name) => {
            format!("{raw}={}", redacted(value.len())).into()
        }
        _ => pair.into(),
    }
}
