//! Version 4a, in headers and in the query. Its signatures differ each time: what is signed must be the
//! suite's, and the suite's public key must verify it.

use super::cases::{directories, suite};
use super::signed::Signed;
use super::v4::{IN_HEADERS, IN_QUERY};
use super::{Placement, Version, check, check_that_wrong_ones_are_noticed, report};
use crate::ecdsa;
use crate::support::promise;

#[tokio::test]
async fn the_official_suite_passes_in_headers() {
    let cases = suite(Version::V4a, Placement::Headers);
    assert_eq!(cases.len(), directories(Version::V4a).len());
    assert!(cases.len() >= 38, "only {} cases were found", cases.len());
    let checked = check(&cases, &IN_HEADERS).await;
    report("v4a cases in headers", checked, &IN_HEADERS);
}

#[tokio::test]
async fn the_official_suite_passes_in_the_query() {
    let cases = suite(Version::V4a, Placement::Query);
    assert_eq!(cases.len(), directories(Version::V4a).len());
    let checked = check(&cases, &IN_QUERY).await;
    report("v4a cases in the query", checked, &IN_QUERY);
}

#[tokio::test]
async fn the_suite_notices_what_is_wrong() {
    let cases = suite(Version::V4a, Placement::Headers);
    check_that_wrong_ones_are_noticed(&cases, &IN_HEADERS).await;
    let cases = suite(Version::V4a, Placement::Query);
    check_that_wrong_ones_are_noticed(&cases, &IN_QUERY).await;
}

/// What the verifier's verdict is worth: it takes the suite's own signatures, and none of them with a bit
/// flipped.
#[test]
fn the_suites_own_signatures_verify() {
    let (mut verified, mut flipped) = (0, 0);
    for placement in [Placement::Headers, Placement::Query] {
        for case in suite(Version::V4a, placement) {
            let key = case.public_key.as_deref().expect("a key");
            let text = case.string_to_sign.as_deref().expect("a string to sign");
            // The file has one, and the request another.
            let in_file = case.signature.clone().expect("a signature");
            let (_, authorization) = case.signed.headers.last().expect("a header");
            let in_request = match placement {
                Placement::Headers => authorization.rsplit_once('=').expect("a signature").1,
                Placement::Query => case.signed.target.rsplit_once('=').expect("a signature").1,
            };
            assert_ne!(in_file, in_request, "{}", case.name);
            for signature in [in_file.as_str(), in_request] {
                assert!(ecdsa::verifies(key, text, signature), "{}", case.name);
                verified += 1;
                let bytes = hex::decode(signature).expect("digits");
                for bit in (0..bytes.len() * 8).step_by(7) {
                    let mut other = bytes.clone();
                    other[bit / 8] ^= 1 << (bit % 8);
                    let other = hex::encode(other);
                    assert!(!ecdsa::verifies(key, text, &other), "{}: {bit}", case.name);
                    flipped += 1;
                }
            }
        }
    }
    promise(
        28,
        format_args!(
            "{verified} of the suite's own v4a signatures verify, and none of {flipped} with a bit \
             flipped"
        ),
    );
}

/// The layer's signature of a case is none of another one's.
#[tokio::test]
async fn a_signature_is_for_its_own_case() {
    let cases = suite(Version::V4a, Placement::Headers);
    let case = |name: &str| cases.iter().find(|case| case.name == name).expect(name);
    let (case, other) = (case("get-vanilla"), case("post-vanilla"));
    let seen = case.send().await.expect("sent");
    let signed = Signed::new(&seen.head.headers, "/").expect("signed");
    let key = case.public_key.as_deref().expect("a key");
    let verifies = |text: &Option<String>| {
        ecdsa::verifies(key, text.as_deref().expect("a text"), &signed.signature)
    };
    assert!(verifies(&case.string_to_sign));
    assert!(!verifies(&other.string_to_sign));
}
