//! What the common runtime does otherwise.

use super::super::presigned::Url;
use super::super::{UNSIGNED, with_headers};
use super::{Case, OWN_HEADERS};
use crate::servers::skipped;

/// What the runtime leaves unsigned, as we do.
const UNSIGNED_BY_BOTH: [&str; 6] = [
    "expect",
    "sec-websocket-key",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "x-amzn-trace-id",
];

impl Case {
    /// One of version 4 in headers.
    fn get(uri: &str, headers: &[(&str, &[u8])]) -> Self {
        Self {
            v4a: false,
            in_query: false,
            url: Url::new("es"),
            head: with_headers(uri, headers),
        }
    }
}

/// Both sign `plain` alike, and we sign `other` like it. The runtime does not.
#[track_caller]
fn only_we_sign_alike(other: &Case, plain: &Case) {
    let ours = |case: &Case| case.ours().1.signature;
    let theirs = |case: &Case| case.theirs().expect("signed").signature;
    assert_eq!(ours(plain), theirs(plain));
    assert_eq!(ours(other), ours(plain));
    assert_ne!(theirs(other), theirs(plain));
}

#[test]
fn what_the_common_runtime_reads_otherwise() {
    if skipped("differences to AWS's common runtime") {
        return;
    }
    let get = |target: &str| Case::get(&format!("https://x.example{target}"), &[]);
    only_we_sign_alike(&get("/?a=1+2"), &get("/?a=1%202"));
    for (dots, slash, without) in [("/a/.", "/a/", "/a"), ("/a/b/..", "/a/", "/a")] {
        only_we_sign_alike(&get(dots), &get(slash));
        let theirs = |target| get(target).theirs().expect("signed").signature;
        assert_eq!(theirs(dots), theirs(without), "{dots}");
    }

    let [stray, escaped] = [get("/?a=%"), get("/?a=%25")];
    assert_eq!(stray.ours().1.signature, escaped.ours().1.signature);
    for malformed in [stray, get("/a:/b")] {
        let error = malformed.theirs().expect_err("malformed");
        assert!(error.contains("MALFORMED"), "{error}");
    }

    let with = |value: &[u8]| Case::get("https://x.example/", &[("x-value", value)]);
    let (tab, space) = (with(b"a\tb"), with(b"a b"));
    assert_eq!(
        space.ours().1.signature,
        space.theirs().expect("signed").signature
    );
    assert_eq!(
        tab.theirs().expect("signed").signature,
        space.theirs().expect("signed").signature
    );
    assert_ne!(tab.ours().1.signature, space.ours().1.signature);
}

#[test]
fn more_headers_are_left_unsigned_than_by_the_common_runtime() {
    if skipped("unsigned headers beside AWS's common runtime") {
        return;
    }
    let plain = Case::get("https://x.example/", &[]);
    for name in UNSIGNED.into_iter().filter(|name| *name != "authorization") {
        let with = Case::get("https://x.example/", &[(name, b"changes")]);
        if !UNSIGNED_BY_BOTH.contains(&name) {
            only_we_sign_alike(&with, &plain);
            continue;
        }
        let (ours, theirs) = (with.ours().1, with.theirs().expect("signed"));
        assert_eq!(ours.signature, plain.ours().1.signature, "{name}");
        assert_eq!(ours.signature, theirs.signature, "{name}");
    }
}

#[test]
fn what_is_left_of_an_older_signature_is_an_error_of_the_common_runtime() {
    if skipped("leftovers beside AWS's common runtime") {
        return;
    }
    let plain = Case::get("https://x.example/", &[]).ours().1;
    for name in OWN_HEADERS {
        let left = Case::get("https://x.example/", &[(name, b"old")]);
        assert_eq!(left.ours().1.rest, plain.rest, "{name}");
        let error = left.theirs().expect_err(name);
        assert!(error.contains("ILLEGAL_REQUEST_HEADER"), "{name}: {error}");
    }
}
