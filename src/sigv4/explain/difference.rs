//! The first difference between two canonical requests, in words.

use std::collections::{BTreeMap, BTreeSet};

use super::super::canonical::normalized;
use super::answer::Answer;
use super::printable;
use super::redact::{Secrets, is_secret_name, redacted};

/// Both canonical requests from top to bottom, then both strings to sign.
pub(super) fn first(
    (canonical, string_to_sign): (&str, &str),
    server: &Answer,
    secrets: &Secrets,
) -> String {
    let parsed = server.canonical.as_deref().and_then(|server| {
        let (here, server) = (Parsed::of(canonical), Parsed::of(server));
        Some((here?, server?))
    });
    let whole = parsed
        .as_ref()
        .is_some_and(|(_, server)| server.payload.is_some());
    if let Some((here, server)) = parsed
        && let Some(difference) = of_requests(&here, &server, secrets)
    {
        return difference;
    }
    let theirs = server.string_to_sign.as_deref().map(str::trim_end);
    if let Some(difference) =
        theirs.and_then(|theirs| of_strings_to_sign(string_to_sign, theirs, secrets))
    {
        return difference;
    }
    match whole || theirs == Some(string_to_sign) {
        true => {
            "none: the server computed what is computed here, so the signature was made with another \
             secret access key, or the request was changed between signing it and explaining it"
        }
        false => "none in what the answer shows, which is not all of what the server computed",
    }
    .to_owned()
}

/// A canonical request, taken apart. What the server's lacks at its end is `None`.
struct Parsed<'a> {
    method: &'a str,
    path: Option<&'a str>,
    query: Option<&'a str>,
    headers: Vec<(&'a str, &'a str)>,
    signed: Option<&'a str>,
    payload: Option<&'a str>,
}

impl<'a> Parsed<'a> {
    fn of(text: &'a str) -> Option<Self> {
        let mut lines = text.split('\n');
        let (method, path, query) = (lines.next()?, lines.next(), lines.next());
        let headers = lines
            .by_ref()
            .take_while(|line| !line.is_empty())
            .filter_map(|line| line.split_once(':'))
            .collect();
        let mut rest = lines.skip_while(|line| line.is_empty());
        Some(Self {
            method,
            path,
            query,
            headers,
            signed: rest.next(),
            payload: rest.next(),
        })
    }
}

fn of_requests(here: &Parsed<'_>, server: &Parsed<'_>, secrets: &Secrets) -> Option<String> {
    if here.method != server.method {
        let hint = "a redirect may have changed it";
        return Some(differs(
            secrets,
            "the method",
            here.method,
            server.method,
            hint,
        ));
    }
    if let (Some(own), Some(theirs)) = (here.path, server.path)
        && own != theirs
    {
        return Some(differs(
            secrets,
            "the path",
            own,
            theirs,
            hint_for_paths(own, theirs),
        ));
    }
    if let (Some(own), Some(theirs)) = (here.query, server.query)
        && own != theirs
    {
        return Some(of_queries(own, theirs, secrets));
    }
    if server.headers.is_empty() && server.signed.is_some() {
        return Some("the headers: the server's text has none where they should be".to_owned());
    }
    if !server.headers.is_empty()
        && let Some(difference) = of_headers(here, server, secrets)
    {
        return Some(difference);
    }
    if let (Some(own), Some(theirs)) = (here.signed, server.signed)
        && own != theirs
    {
        let hint = "something changed the `Authorization` header on the way";
        return Some(differs(
            secrets,
            "the list of signed headers",
            own,
            theirs,
            hint,
        ));
    }
    match (here.payload, server.payload) {
        (Some(own), Some(theirs)) if own != theirs => {
            let hint = match (own, theirs) {
                ("UNSIGNED-PAYLOAD", _) => "the service wants the payload to be signed",
                (_, "UNSIGNED-PAYLOAD") => {
                    "the service does not take signed payloads: `SigningOptions::sign_payload(false)`"
                }
                _ => {
                    "the body was changed after it had been hashed (compressed, for one), or the hash \
                     that was given is not this body's"
                }
            };
            Some(differs(secrets, "the payload hash", own, theirs, hint))
        }
        _ => None,
    }
}

fn hint_for_paths(here: &str, server: &str) -> &'static str {
    if here.replace("%25", "%") == server {
        "the service encodes the path once: `SigningOptions::path_encoding(PathEncoding::Single)`"
    } else if here == server.replace("%25", "%") {
        "the service encodes the path twice: `SigningOptions::path_encoding(PathEncoding::Double)`"
    } else if normalized(server) == here {
        "the service does not normalise the path: `SigningOptions::normalize_path(false)`"
    } else if normalized(here) == server {
        "the service normalises the path: `SigningOptions::normalize_path(true)`"
    } else {
        "a proxy may have changed it, or another layer after it was signed"
    }
}

fn of_queries(here: &str, server: &str, secrets: &Secrets) -> String {
    let split = |pair| str::split_once(pair, '=').unwrap_or((pair, ""));
    let (mut own, mut theirs) = (here.split('&'), server.split('&'));
    loop {
        let (own, theirs) = match (own.next(), theirs.next()) {
            (Some(own), Some(theirs)) if own == theirs => continue,
            (own, theirs) => (
                own.filter(|pair| !pair.is_empty()).map(split),
                theirs.filter(|pair| !pair.is_empty()).map(split),
            ),
        };
        let only = |name: &str, place: &str| {
            let name = shown(secrets, name);
            format!(
                "the query parameter `{name}` is only {place}; a proxy or another layer may add or \
                     remove it"
            )
        };
        return match (own, theirs) {
            (Some((name, value)), Some((other, their_value))) if name == other => {
                let what = format!("the query parameter `{name}`");
                let hint = "it may be encoded in another way, or have been changed";
                match is_secret_name(name) {
                    true => differs(
                        secrets,
                        &what,
                        &redacted(value),
                        &redacted(their_value),
                        hint,
                    ),
                    false => differs(secrets, &what, value, their_value, hint),
                }
            }
            (Some((name, _)), None) => only(name, "here"),
            (Some((name, _)), Some((other, _))) if name < other => only(name, "here"),
            (_, Some((name, _))) => only(name, "at the server"),
            (None, None) => "the queries differ in empty pairs".to_owned(),
        };
    }
}

fn of_headers(here: &Parsed<'_>, server: &Parsed<'_>, secrets: &Secrets) -> Option<String> {
    // By name, since the server's may be as many as it likes.
    let mut at_server = BTreeMap::new();
    for (name, value) in &server.headers {
        at_server.entry(name).or_insert(value);
    }
    // The payload hash has a line of its own.
    let own = here.headers.iter();
    for (name, value) in own.filter(|(name, _)| *name != "x-amz-content-sha256") {
        let Some(theirs) = at_server.get(name) else {
            return Some(format!(
                "the header `{name}` is signed, and did not reach the server: something on the way \
                 removes it, so leave it unsigned with `SigningOptions::unsigned_header`"
            ));
        };
        if value == *theirs {
            continue;
        }
        let what = format!("the header `{name}`");
        let hint = match *name {
            "host" => {
                "the client or a proxy sends another host than the URI names: sign the request where \
                 its URI is the one that is sent"
            }
            "x-amz-date" => "something set it anew after the request had been signed",
            "x-amz-security-token" => {
                "another layer put another session token in, or a proxy signed the request again"
            }
            name if name == "content-type" || name.starts_with("x-amz-") => {
                "something changes it after it was signed, and services want it to be signed: sign \
                 below what changes it"
            }
            _ => {
                "something on the way changes it: leave it unsigned with \
                 `SigningOptions::unsigned_header`, or sign below what changes it"
            }
        };
        return Some(match secrets.is_secret_header(name) {
            true => differs(secrets, &what, &redacted(value), &redacted(theirs), hint),
            false => differs(secrets, &what, value, theirs, hint),
        });
    }
    let known: BTreeSet<&str> = here.headers.iter().map(|(name, _)| *name).collect();
    let mut theirs = server.headers.iter();
    let added = theirs.find(|(name, _)| !known.contains(name))?;
    Some(format!(
        "the server signs the header `{}`, which is not signed here",
        shown(secrets, added.0)
    ))
}

fn of_strings_to_sign(here: &str, server: &str, secrets: &Secrets) -> Option<String> {
    let parts = [
        (
            "the algorithm",
            "the service wants another kind of signature",
        ),
        (
            "the date",
            "something set `x-amz-date` or `Date` anew after the request had been signed",
        ),
        (
            "the credential scope",
            "the service is in another region or has another signing name: see `SigningScope::new`",
        ),
        (
            "the hash of the canonical request",
            "the server saw another request than this one, and does not say which",
        ),
    ];
    let lines = here.split('\n').zip(server.split('\n'));
    let (_, what, hint, own, theirs) = lines
        .zip(parts)
        .map(|((own, theirs), (what, hint))| (own != theirs, what, hint, own, theirs))
        .find(|(differs, ..)| *differs)?;
    Some(differs(secrets, what, own, theirs, hint))
}

fn differs(secrets: &Secrets, what: &str, here: &str, server: &str, hint: &str) -> String {
    let (here, server) = (shown(secrets, here), shown(secrets, server));
    format!("{what} is `{here}` here and `{server}` at the server: {hint}")
}

/// As it may be printed: a stranger wrote some of it, and a terminal obeys control characters.
fn shown(secrets: &Secrets, text: &str) -> String {
    const MOST: usize = 200;
    // Before anything is cut: what is left of a secret would not be known for one.
    let (start, is_all) = secrets.hide(text, MOST);
    let escaped = printable(&start.replace('\n', "\\n"));
    match is_all {
        true => escaped,
        false => format!("{escaped}… ({} bytes)", text.len()),
    }
}
