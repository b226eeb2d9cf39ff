//! The example of S3's documentation, and what a URL is made of.

use aws_credential_types::Credentials;
use http::{HeaderValue, Request};

use super::*;
use crate::sigv4::{SigningOptions, SigningScope};

/// 2013-05-24, midnight.
const THEN: Duration = Duration::from_secs(1_369_353_600);

const KEY: (&str, &str) = (
    "AKIAIOSFODNN7EXAMPLE",
    "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
);

fn credentials(token: Option<&str>, ends: Option<Duration>) -> SigningCredentials {
    let (id, secret) = KEY;
    let ends = ends.map(|ends| SystemTime::UNIX_EPOCH + ends);
    let credentials = Credentials::new(id, secret, token.map(str::to_owned), ends, "test");
    SigningCredentials::new(credentials).expect("credentials")
}

fn signer(service: &str) -> Signer {
    let scope = SigningScope::new("us-east-1", service).expect("a scope");
    Signer::new(scope, SigningOptions::for_service(service))
}

fn head(uri: &str) -> request::Parts {
    let request = Request::get(uri).body(()).expect("a request");
    request.into_parts().0
}

fn day() -> Presigning {
    Presigning::expires_in(Duration::from_secs(86_400)).expect("a day")
}

fn presign(
    signer: &Signer,
    head: &mut request::Parts,
    credentials: &SigningCredentials,
    payload: PayloadHash,
    presigning: &Presigning,
) -> Result<Presigned, AuthError> {
    let time = SystemTime::UNIX_EPOCH + THEN;
    signer.presign(head, credentials, &payload, time, presigning)
}

/// Of the presigned URL: what comes before the signature, and behind it.
fn query(head: &request::Parts) -> (String, String) {
    let (before, after) = head
        .uri
        .query()
        .expect("a query")
        .split_once("&X-Amz-Signature=")
        .expect("a signature");
    (before.to_owned(), after.to_owned())
}

#[test]
fn the_documented_example_has_its_signature() {
    let mut head = head("https://examplebucket.s3.amazonaws.com/test.txt");
    let presigned = presign(
        &signer("s3"),
        &mut head,
        &credentials(None, None),
        PayloadHash::Unsigned,
        &day(),
    );
    assert_eq!(
        head.uri.to_string(),
        "https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256\
         &X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request\
         &X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host\
         &X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    );
    let presigned = presigned.expect("presigned");
    assert_eq!(presigned.expires_in(), Duration::from_secs(86_400));
    assert_eq!(
        presigned.expires_at(),
        SystemTime::UNIX_EPOCH + THEN + Duration::from_secs(86_400)
    );
    assert!(!presigned.is_shortened());
}

#[test]
fn the_query_that_was_there_stays_as_it_is() {
    for (given, kept) in [
        ("/a%2fb", "/a%2fb?"),
        ("/?", "/?"),
        ("/?b=%ff&a=+&&c", "/?b=%ff&a=+&&c&"),
        ("/?a&", "/?a&"),
        // A signature that it had.
        (
            "/?a=1&x-amz-SIGNATURE=2&X%2DAmz-Expires=3&x=4",
            "/?a=1&x=4&",
        ),
        (
            "/?X-Amz-Security-Token=2&X-Amz-Region-Set=*&X-Amz-Content-Sha256=0",
            "/?",
        ),
    ] {
        let mut head = head(&format!("https://example.com{given}"));
        let credentials = credentials(None, None);
        let presigned = presign(
            &signer("execute-api"),
            &mut head,
            &credentials,
            PayloadHash::EMPTY,
            &day(),
        );
        presigned.expect("presigned");
        let whole = head.uri.to_string();
        let rest = whole.strip_prefix("https://example.com").expect("kept");
        let rest = rest.strip_prefix(kept).expect(&whole);
        assert!(
            rest.starts_with("X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Cred"),
            "{whole}"
        );
    }
}

#[test]
fn a_payload_is_told_of_where_it_is_not_expected() {
    let hash = PayloadHash::of(b"hello");
    let of_hash = format!("&X-Amz-Content-Sha256={hash}&");
    let unsigned = "&X-Amz-Content-Sha256=UNSIGNED-PAYLOAD&";
    for (service, payload, told) in [
        ("s3", PayloadHash::Unsigned, ""),
        ("s3", hash, of_hash.as_str()),
        (
            "s3",
            PayloadHash::StreamingUnsignedTrailer,
            "&X-Amz-Content-Sha256=STREAMING-UNSIGNED-PAYLOAD-TRAILER&",
        ),
        ("execute-api", hash, ""),
        ("execute-api", PayloadHash::Unsigned, unsigned),
        ("vpc-lattice-svcs", hash, unsigned),
    ] {
        let mut head = head("https://example.com/");
        let credentials = credentials(None, None);
        presign(&signer(service), &mut head, &credentials, payload, &day()).expect("presigned");
        let (before, _) = query(&head);
        assert_eq!(before.contains("Sha256"), !told.is_empty(), "{service}");
        assert!(before.contains(told), "{service}: {before}");
    }
}

#[test]
fn a_session_token_is_signed_unless_the_service_wants_it_behind() {
    let token = "a+b/c==";
    let encoded = "X-Amz-Security-Token=a%2Bb%2Fc%3D%3D";
    let signature = |service: &str, token: Option<&str>| {
        let mut head = head("https://example.com/mqtt");
        let credentials = credentials(token, None);
        let signer = signer(service);
        presign(&signer, &mut head, &credentials, PayloadHash::EMPTY, &day()).expect("presigned");
        query(&head)
    };
    let (before, after) = signature("s3", Some(token));
    assert!(before.contains(encoded), "{before}");
    assert_eq!(after.len(), 64);
    assert_ne!(after, signature("s3", None).1);
    let (before, after) = signature("iotdevicegateway", Some(token));
    assert_eq!(before, signature("iotdevicegateway", None).0);
    let (signature_alone, appended) = after.split_once('&').expect("a token");
    assert_eq!(signature_alone, signature("iotdevicegateway", None).1);
    assert_eq!(appended, encoded);
}

#[test]
fn headers_are_covered_as_chosen() {
    let full = |names: Option<&[&'static str]>| {
        let mut head = head("https://example.com/");
        for (name, value) in [
            ("accept", "text/plain"),
            ("content-length", "5"),
            ("user-agent", "me"),
            ("x-amz-acl", "private"),
            // Left from another signature.
            ("authorization", "old"),
            ("x-amz-date", "old"),
            ("x-amz-region-set", "*"),
        ] {
            head.headers.insert(name, HeaderValue::from_static(value));
        }
        let presigning = match names {
            None => day(),
            Some(names) => {
                let names = names.iter().map(|name| HeaderName::from_static(name));
                day().signed_headers(names).expect("headers")
            }
        };
        let credentials = credentials(None, None);
        let payload = PayloadHash::Unsigned;
        let presigned = presign(&signer("s3"), &mut head, &credentials, payload, &presigning);
        presigned.map(|_| {
            let kept: Vec<&str> = head.headers.keys().map(HeaderName::as_str).collect();
            assert_eq!(
                kept,
                ["accept", "content-length", "user-agent", "x-amz-acl"]
            );
            let (before, _) = query(&head);
            let (_, names) = before.split_once("SignedHeaders=").expect("a list");
            names.to_owned()
        })
    };
    assert_eq!(full(None).expect("signed"), "accept%3Bhost%3Bx-amz-acl");
    assert_eq!(full(Some(&[])).expect("signed"), "host");
    assert_eq!(
        full(Some(&["host", "accept"])).expect("signed"),
        "accept%3Bhost"
    );
    assert_eq!(
        full(Some(&["user-agent", "content-length"])).expect("signed"),
        "content-length%3Bhost%3Buser-agent"
    );
    let error = full(Some(&["content-type"])).expect_err("it is not there");
    assert_eq!(error.kind(), AuthErrorKind::Request);
    assert!(error.to_string().contains("`content-type`"), "{error}");
    for name in OWN_HEADERS {
        let error = day()
            .signed_headers([name])
            .expect_err("part of a signature");
        assert_eq!(error.kind(), AuthErrorKind::Configuration);
    }
}

#[test]
fn a_url_ends_with_its_credentials() {
    let sign = |ends: Duration, seconds: u64| {
        let presigning = Presigning::expires_in(Duration::from_secs(seconds)).expect("a time");
        let mut head = head("https://example.com/");
        let credentials = credentials(Some("token"), Some(ends));
        let payload = PayloadHash::Unsigned;
        let presigned = presign(&signer("s3"), &mut head, &credentials, payload, &presigning);
        presigned.map(|presigned| {
            let (before, _) = query(&head);
            let stated = presigned.expires_in().as_secs();
            assert!(
                before.contains(&format!("&X-Amz-Expires={stated}&")),
                "{before}"
            );
            (stated, presigned.is_shortened())
        })
    };
    let hour = Duration::from_secs(3_600);
    assert_eq!(sign(THEN + hour, 3_600).expect("signed"), (3_600, false));
    assert_eq!(sign(THEN + hour, 3_601).expect("signed"), (3_600, true));
    assert_eq!(sign(THEN + hour, 604_800).expect("signed"), (3_600, true));
    let nearly_two = Duration::from_millis(1_999);
    assert_eq!(sign(THEN + nearly_two, 60).expect("signed"), (1, true));
    for ends in [Duration::ZERO, THEN, THEN + Duration::from_millis(999)] {
        let error = sign(ends, 1).expect_err("over");
        assert_eq!(error.kind(), AuthErrorKind::Expired);
    }
}

#[test]
fn a_time_is_from_a_second_to_a_week() {
    let week = 7 * 86_400;
    for (time, seconds) in [
        (Duration::from_secs(1), 1),
        (Duration::from_millis(1_999), 1),
        (Duration::from_secs(week), week),
        (Duration::from_secs(week) + Duration::from_nanos(1), week),
    ] {
        let presigning = Presigning::expires_in(time).expect("a time");
        assert_eq!(u64::from(presigning.seconds), seconds);
        assert_eq!(*presigning.digits, *seconds.to_string());
    }
    for time in [
        Duration::ZERO,
        Duration::from_millis(999),
        Duration::from_secs(week + 1),
        Duration::MAX,
    ] {
        let error = Presigning::expires_in(time).expect_err("out of range");
        assert_eq!(error.kind(), AuthErrorKind::Configuration);
    }
}

#[test]
fn a_failed_signature_leaves_the_head_as_it_was() {
    let late = THEN + Duration::from_secs(60);
    let usual = credentials(Some("token"), Some(late));
    let over = credentials(Some("token"), Some(THEN));
    let endless = credentials(Some(&"x".repeat(66_000)), None);
    let unsigned = PayloadHash::Unsigned;
    let missing = day().signed_headers([header::ACCEPT]).expect("a header");
    for (uri, credentials, payload, presigning, kind) in [
        (
            "/relative",
            &usual,
            unsigned,
            &day(),
            AuthErrorKind::Request,
        ),
        (
            "https://example.com/?X-Amz-Date=1",
            &over,
            unsigned,
            &day(),
            AuthErrorKind::Expired,
        ),
        (
            "https://example.com/",
            &endless,
            unsigned,
            &day(),
            AuthErrorKind::Request,
        ),
        (
            "https://example.com/",
            &usual,
            PayloadHash::Streaming,
            &day(),
            AuthErrorKind::Request,
        ),
        (
            "https://example.com/",
            &usual,
            PayloadHash::StreamingTrailer,
            &day(),
            AuthErrorKind::Request,
        ),
        (
            "https://example.com/",
            &usual,
            unsigned,
            &missing,
            AuthErrorKind::Request,
        ),
    ] {
        let mut before = head(uri);
        before
            .headers
            .insert(header::AUTHORIZATION, HeaderValue::from_static("old"));
        let mut after = before.clone();
        let error = presign(&signer("s3"), &mut after, credentials, payload, presigning);
        assert_eq!(error.expect_err("refused").kind(), kind, "{uri}");
        assert_eq!((after.uri, after.headers), (before.uri, before.headers));
    }
}

/// Of services that hash what they are not told, and take an unsigned payload for what it says.
#[test]
fn an_unsigned_payload_is_told_but_to_s3() {
    let credentials = credentials(None, None);
    for (service, told) in [
        ("s3", false),
        ("s3-outposts", false),
        ("appsync", true),
        ("aoss", true),
        ("execute-api", true),
    ] {
        let mut head = head("https://api.example.com/a");
        let made = presign(
            &signer(service),
            &mut head,
            &credentials,
            PayloadHash::Unsigned,
            &day(),
        );
        made.expect(service);
        let (query, _) = query(&head);
        let says = query.contains("X-Amz-Content-Sha256=UNSIGNED-PAYLOAD");
        assert_eq!(says, told, "{service}: {query}");
    }
}

/// Credentials that are used past their end, since no others can be had, shorten nothing then.
#[cfg(feature = "cache")]
#[test]
fn what_is_used_past_its_end_makes_whole_urls() {
    let hour = Duration::from_secs(3600);
    for (ends, extended, expected) in [
        (THEN + hour, true, Some(3600)),
        (THEN + hour, false, Some(3600)),
        (THEN - hour, true, Some(86_400)),
        (THEN - hour, false, None),
    ] {
        let mut credentials = credentials(None, Some(ends));
        if extended {
            credentials = credentials.extended(4 * hour);
        }
        let mut head = head("https://bucket.s3.amazonaws.com/a");
        let made = presign(
            &signer("s3"),
            &mut head,
            &credentials,
            PayloadHash::Unsigned,
            &day(),
        );
        let seconds = made.ok().map(|made| made.expires_in().as_secs());
        assert_eq!(seconds, expected, "{ends:?}, {extended}");
    }
}
