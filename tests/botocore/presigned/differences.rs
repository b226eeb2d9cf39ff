//! What botocore does otherwise.

use std::time::Duration;

use http::Uri;
use http::header::CONTENT_TYPE;
use tower_client_auth::PayloadHash;
use tower_client_auth::sigv4::Presigning;

use super::{Url, asked};
use crate::servers::skipped;

/// Both presign `plain` alike, and we presign `other` with the same signature. botocore does not.
#[track_caller]
fn only_we_sign_alike(other: &Url, plain: &Url) {
    assert_eq!(plain.ours(), plain.theirs(), "{plain:#?}");
    let (ours, theirs) = (other.ours(), other.theirs());
    assert_eq!(ours.signature(), plain.ours().signature(), "{other:#?}");
    assert_ne!(theirs.signature(), plain.theirs().signature(), "{other:#?}");
}

#[test]
fn parameters_of_the_same_name_are_all_kept() {
    if skipped("doubled parameters beside botocore") {
        return;
    }
    let doubled = Url::new("es", "https://x.example/?a=2&b&a=1");
    let first = Url::new("es", "https://x.example/?a=2&b");
    assert_eq!(doubled.ours().all("a"), ["1", "2"]);
    assert_eq!(doubled.theirs(), first.theirs());
    assert_eq!(first.theirs(), first.ours());
}

#[test]
fn bytes_that_are_no_text_stay_as_they_are() {
    if skipped("bytes beside botocore") {
        return;
    }
    let url = |query: &str| Url::new("es", &format!("https://x.example/?a={query}"));
    let [ff, fe, replaced] = ["%FF", "%FE", "%EF%BF%BD"].map(url);
    assert_eq!(ff.theirs(), fe.theirs());
    assert_eq!(ff.theirs(), replaced.theirs());
    assert_eq!(replaced.theirs(), replaced.ours());
    assert_ne!(ff.ours().signature(), fe.ours().signature());
}

#[test]
fn the_query_is_sent_as_it_was() {
    let url = Url::new("es", "https://x.example/?a=b=c&%7e+&&d");
    let case = &url.case;
    let mut head = case.head();
    let presigning = Presigning::expires_in(Duration::from_secs(900)).expect("short");
    let (credentials, payload) = (case.credentials(), case.payload());
    let signed = case
        .signer()
        .presign(&mut head, &credentials, &payload, case.time(), &presigning);
    signed.expect("signed");
    let query = head.uri.query().expect("a query");
    assert!(
        query.starts_with("a=b=c&%7e+&&d&X-Amz-Algorithm="),
        "{query}"
    );

    if skipped("queries beside botocore") {
        return;
    }
    let answer = case.ask(Some(900));
    let theirs: Uri = answer["url"]
        .as_str()
        .expect("text")
        .parse()
        .expect("a URI");
    let query = theirs.query().expect("a query");
    assert!(
        query.starts_with("a=b%3Dc&~%20=&d=&X-Amz-Algorithm="),
        "{query}"
    );
}

#[test]
fn a_body_stays_one() {
    if skipped("bodies of presigned URLs beside botocore") {
        return;
    }
    let mut url = Url::new("es", "https://x.example/");
    let plain = url.clone();
    url.case.body = br#"{"a": "b"}"#.to_vec();
    assert_eq!(url.theirs().all("a"), ["b"]);
    assert!(url.ours().all("a").is_empty());
    // Its hash is signed.
    assert_ne!(url.ours().signature(), plain.ours().signature());
}

#[test]
fn a_payload_can_be_signed_for_s3_and_its_hash_is_told() {
    if skipped("payloads for S3 beside botocore") {
        return;
    }
    let mut url = Url::new("s3", "https://x.example/");
    let plain = url.clone();
    url.case.unsigned_payload = false;
    let ours = url.ours();
    assert_eq!(
        ours.all("X-Amz-Content-Sha256"),
        [PayloadHash::EMPTY.to_string()]
    );
    assert_ne!(ours.signature(), plain.ours().signature());
    // It signs the parameter, and the payload as before.
    let canonical = url.theirs().canonical.expect("botocore tells it");
    assert!(canonical.ends_with("UNSIGNED-PAYLOAD"), "{canonical}");
}

#[test]
fn a_service_is_told_if_its_payload_is_not_signed() {
    if skipped("unsigned payloads beside botocore") {
        return;
    }
    for service in ["es", "vpc-lattice-svcs"] {
        let mut url = Url::new(service, "https://x.example/");
        url.case.unsigned_payload = true;
        assert_eq!(url.ours().all("X-Amz-Content-Sha256"), ["UNSIGNED-PAYLOAD"]);
        // Unless whoever calls it says so.
        let theirs = asked(&url.case, url.seconds);
        assert!(theirs.all("X-Amz-Content-Sha256").is_empty(), "{theirs:?}");
        let canonical = theirs.canonical.expect("botocore tells it");
        assert!(canonical.ends_with("UNSIGNED-PAYLOAD"), "{canonical}");
        assert_eq!(url.ours(), url.theirs());
    }
}

#[test]
fn a_payload_is_unsigned_over_http_too() {
    if skipped("unsigned payloads over http beside botocore") {
        return;
    }
    let mut url = Url::new("es", "http://x.example/");
    url.case.unsigned_payload = true;
    let canonical = url.theirs().canonical.expect("botocore tells it");
    assert!(
        canonical.ends_with(&PayloadHash::EMPTY.to_string()),
        "{canonical}"
    );
    assert_ne!(url.ours().signature(), url.theirs().signature());
}

#[test]
fn a_token_for_websockets_of_iot_is_not_signed() {
    if skipped("tokens for IoT beside botocore") {
        return;
    }
    let plain = Url::new("iotdevicegateway", "https://x.example/mqtt");
    let mut session = plain.clone();
    session.case.token = Some("token".to_owned());
    only_we_sign_alike(&session, &plain);
    for presigned in [session.ours(), session.theirs()] {
        assert_eq!(presigned.all("X-Amz-Security-Token"), ["token"]);
    }
}

#[test]
fn a_content_type_is_covered_whatever_it_is() {
    if skipped("content types beside botocore") {
        return;
    }
    let url = Url::new("es", "https://x.example/");
    for (value, both) in [
        ("application/json", true),
        ("application/x-www-form-urlencoded; charset=utf-8", false),
    ] {
        let url = url.clone().with(CONTENT_TYPE.as_str(), value);
        assert!(url.ours().signs("content-type"), "{value}");
        assert_eq!(url.theirs().signs("content-type"), both, "{value}");
    }
}

#[test]
fn what_is_left_of_an_older_signature_is_no_part_of_a_url() {
    if skipped("leftovers in URLs beside botocore") {
        return;
    }
    let plain = Url::new("es", "https://x.example/");
    for name in [
        "authorization",
        "x-amz-date",
        "x-amz-security-token",
        "x-amz-content-sha256",
    ] {
        let left = plain.clone().with(name, "old");
        only_we_sign_alike(&left, &plain);
        assert!(!left.ours().signs(name), "{name}");
        assert!(left.theirs().signs(name), "{name}");
    }
    let left = Url::new("es", "https://x.example/?X-Amz-Date=20000101T000000Z");
    only_we_sign_alike(&left, &plain);
    assert_eq!(left.ours().all("X-Amz-Date").len(), 1);
    assert_eq!(left.theirs().all("X-Amz-Date").len(), 2);
}
