//! Promise 23 where the signature goes into the query: no parameter of it is doubled or stale, and nothing
//! of it is in headers.

use std::collections::BTreeMap;

use http::HeaderValue;
use tower_client_auth::Existing;

use super::*;
use crate::schemes::CANARY;
use crate::support::Seen;

const MOST: usize = 5;
const POLICIES: [Existing; 3] = [Existing::Keep, Existing::Replace, Existing::Reject];

/// The parameters of a signature in the query, and what a stale one has in them.
const STALE: [(&str, &str); 9] = [
    ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
    ("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD"),
    (
        "X-Amz-Credential",
        "AKIDOTHER%2F20150101%2Feu-west-1%2Fs3%2Faws4_request",
    ),
    ("X-Amz-Date", "20150101T000000Z"),
    ("X-Amz-Expires", "86400"),
    ("X-Amz-Region-Set", "stale"),
    ("X-Amz-Security-Token", "stale"),
    ("X-Amz-SignedHeaders", "host%3Bstale"),
    ("X-Amz-Signature", "0f0f"),
];

/// Headers that a signature is in otherwise.
const HEADERS: [&str; 5] = [
    "authorization",
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-region-set",
    "x-amz-security-token",
];

/// Names that a server reads as the same.
fn spelled(name: &str, copy: usize) -> String {
    match copy % 4 {
        0 => name.to_owned(),
        1 => name.to_ascii_lowercase(),
        2 => name.replace('-', "%2D"),
        _ => name.replacen('A', "%41", 1),
    }
}

/// How often each parameter of a signature is there, however it is spelled.
fn counts(seen: &Seen) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    let query = seen.head.uri.query().unwrap_or_default();
    // The `url` crate decodes as servers do.
    for (name, _) in url::form_urlencoded::parse(query.as_bytes()) {
        *counts.entry(name.to_ascii_lowercase()).or_default() += 1;
    }
    counts.retain(|name, _| {
        STALE
            .iter()
            .any(|(stale, _)| stale.to_ascii_lowercase() == *name)
    });
    counts
}

/// One signature in the query, by the layer, and none in the headers.
fn assert_ours(seen: &Seen, what: &str) {
    let counts = counts(seen);
    assert!(
        counts.values().all(|count| *count == 1),
        "{what}: {counts:?}"
    );
    let query = seen.head.uri.query().expect(what);
    for part in [
        "X-Amz-Credential=AKIDCANARYLAYER%2F",
        SESSION,
        "X-Amz-Signature=",
    ] {
        assert!(query.contains(part), "{what}: {query}");
    }
    assert!(!query.contains("stale"), "{what}: {query}");
    for name in HEADERS {
        assert!(seen.all(name).is_empty(), "{what}: {name}");
    }
    let is_secret = |value: &HeaderValue| {
        let text = String::from_utf8_lossy(value.as_bytes());
        text.contains(CANARY)
    };
    assert!(!seen.head.headers.values().any(is_secret), "{what}");
}

#[tokio::test]
async fn the_signature_is_in_the_query_and_in_no_header() {
    for (what, layer) in layers() {
        let (outcome, recorder) = through(&layer, get(&format!("{ORIGIN}/x?a=1"))).await;
        assert_eq!(outcome, Ok(()), "{what}");
        let seen = recorder.only();
        assert_ours(&seen, what);
        assert!(seen.head.headers.is_empty(), "{what}");
        assert!(
            seen.head
                .uri
                .to_string()
                .starts_with("https://api.example.com/x?a=1&")
        );
        let has = |name: &str| counts(&seen).contains_key(name);
        assert_eq!(has("x-amz-region-set"), what.contains("SigV4a"), "{what}");
        let told = ["s3", "s3, SigV4a", "lambda, unsigned"].contains(&what);
        assert_eq!(has("x-amz-content-sha256"), told, "{what}");
    }
}

#[tokio::test]
async fn no_parameter_is_there_twice_whatever_was_there_before() {
    let mut cases = 0;
    for (what, layer) in layers() {
        for existing in POLICIES {
            let layer = layer.clone().existing(existing);
            for (name, value) in STALE {
                for copies in 0..=MOST {
                    let what = format!("{what}, {existing:?}, {copies} of {name}");
                    let all = (0..copies).map(|copy| format!("{}={value}", spelled(name, copy)));
                    // Between neighbours that look like it and must stay as they are.
                    let mut pairs = vec!["a=%2f".to_owned(), "X-Amz-Meta=1".to_owned()];
                    pairs.extend(all);
                    pairs.push("&b".to_owned());
                    let request = get(&format!("{ORIGIN}/x?{}", pairs.join("&")));
                    let (outcome, recorder) = through(&layer, request).await;
                    cases += 1;
                    let is_signature = copies > 0 && name == "X-Amz-Signature";
                    let is_token = copies > 0 && name == "X-Amz-Security-Token";
                    if existing == Existing::Reject && (is_signature || is_token) {
                        assert_eq!(outcome, Err(AuthErrorKind::Request), "{what}");
                        continue;
                    }
                    assert_eq!(outcome, Ok(()), "{what}");
                    let seen = recorder.only();
                    let uri = seen.head.uri.to_string();
                    if existing == Existing::Keep && is_signature {
                        // The caller's, with nothing of the layer's in it.
                        let kept = format!("{ORIGIN}/x?a=%2f&X-Amz-Meta=1&X-Amz-Signature=0f0f&&b");
                        assert_eq!(uri, kept, "{what}");
                        assert!(seen.head.headers.is_empty(), "{what}");
                        continue;
                    }
                    assert_ours(&seen, &what);
                    let before = format!("{ORIGIN}/x?a=%2f&X-Amz-Meta=1&&b&X-Amz-Algorithm=");
                    assert!(uri.starts_with(&before), "{what}: {uri}");
                }
            }
        }
    }
    promise(
        23,
        format!(
            "{cases} cases of copied parameters where the layer presigns, one signature in each"
        ),
    );
}

#[tokio::test]
async fn whole_signatures_are_kept_replaced_or_refused() {
    let mut cases = 0;
    for (what, layer) in layers() {
        for existing in POLICIES {
            let layer = layer.clone().existing(existing);
            for copies in 1..=MOST {
                let one: Vec<String> = STALE.map(|(name, value)| format!("{name}={value}")).into();
                let one = one.join("&");
                let all = [one.as_str()].repeat(copies).join("&");
                let request = get(&format!("{ORIGIN}/x?a=1&{all}"));
                let (outcome, recorder) = through(&layer, request).await;
                cases += 1;
                match existing {
                    Existing::Reject => assert_eq!(outcome, Err(AuthErrorKind::Request)),
                    Existing::Keep => {
                        let kept = format!("{ORIGIN}/x?a=1&{one}");
                        assert_eq!(recorder.only().head.uri, *kept, "{what}");
                        assert!(recorder.only().head.headers.is_empty(), "{what}");
                    }
                    _ => assert_ours(&recorder.only(), what),
                }
            }
        }
    }
    promise(
        23,
        format!("{cases} cases of URLs that were presigned before, one signature in each"),
    );
}

#[tokio::test]
async fn headers_of_a_signature_do_not_stay_beside_that_in_the_query() {
    let mut cases = 0;
    for (what, layer) in layers() {
        for existing in POLICIES {
            let layer = layer.clone().existing(existing);
            for name in HEADERS {
                for copies in 0..=MOST {
                    let what = format!("{what}, {existing:?}, {copies} of {name}");
                    let mut request = get(&format!("{ORIGIN}/x"));
                    for copy in 0..copies {
                        let value = HeaderValue::try_from(format!("stale-{copy}"));
                        let value = value.expect("a value");
                        request.headers_mut().append(name, value);
                    }
                    let (outcome, recorder) = through(&layer, request).await;
                    cases += 1;
                    let is_signature = copies > 0 && name == "authorization";
                    let is_token = copies > 0 && name == "x-amz-security-token";
                    if existing == Existing::Reject && (is_signature || is_token) {
                        assert_eq!(outcome, Err(AuthErrorKind::Request), "{what}");
                        continue;
                    }
                    assert_eq!(outcome, Ok(()), "{what}");
                    let seen = recorder.only();
                    if existing == Existing::Keep && is_signature {
                        assert_eq!(seen.one(name), "stale-0", "{what}");
                        assert_eq!(seen.head.uri.query(), None, "{what}: signed twice");
                        continue;
                    }
                    assert_ours(&seen, &what);
                    assert!(seen.head.headers.is_empty(), "{what}");
                }
            }
        }
    }
    promise(
        23,
        format!(
            "{cases} cases of headers of a signature where the layer presigns, none left beside it"
        ),
    );
}
