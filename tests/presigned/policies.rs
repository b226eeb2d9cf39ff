//! Promises 22 to 26 where the signature goes into the query: what is there already, where it goes, and
//! who hears of it.

use std::collections::BTreeMap;

use http::HeaderValue;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use tower_client_auth::sigv4::PathEncoding;
use tower_client_auth::{AuthError, AuthErrorKind, AuthOverride, BoxError, Existing};

use super::*;
use crate::schemes::{
    CANARY, OWN_SESSION, SESSION, layer_credentials, own_credentials, signing_time,
};
use crate::support::{Seen, promise};

const ORIGIN: &str = "https://api.example.com";
const REGION: &str = "eu-west-1";
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

fn layer(service: &str) -> SigV4Layer<Source> {
    let layer = SigV4Layer::new(REGION, service, layer_credentials()).expect("a layer");
    layer
        .scope(ORIGIN)
        .expect("an origin")
        .clock(Clock::from_fn(signing_time))
        .presigned(lasting(MINUTE))
}

/// All that goes into the query: with and without SigV4a, for services that are told of the payload or not.
fn layers() -> Vec<(&'static str, SigV4Layer<Source>)> {
    let everywhere = |service| layer(service).region_set("*").expect("a set");
    vec![
        ("execute-api", layer("execute-api")),
        ("s3", layer("s3")),
        ("s3, unsigned", layer("s3").unsigned_payload()),
        ("lambda, unsigned", layer("lambda").unsigned_payload()),
        ("s3, SigV4a", everywhere("s3")),
        ("execute-api, SigV4a", everywhere("execute-api")),
        ("iotdevicegateway", layer("iotdevicegateway")),
        (
            "chosen headers",
            layer("execute-api").presigned(lasting(MINUTE).signed_headers([]).expect("names")),
        ),
    ]
}

async fn through(
    layer: &SigV4Layer<Source>,
    request: Request<Bytes>,
) -> (Result<(), AuthErrorKind>, Recorder) {
    let recorder = Recorder::new();
    let sent = layer
        .layer(recorder.clone())
        .oneshot(request.map(Full::new));
    let outcome = match sent.await {
        Ok(_) => Ok(()),
        Err(error) => Err(kind(&error)),
    };
    if outcome.is_err() {
        assert!(recorder.seen().is_empty(), "an error, and yet it was sent");
    }
    (outcome, recorder)
}

fn kind(error: &BoxError) -> AuthErrorKind {
    AuthError::find(error.as_ref()).expect("ours").kind()
}

fn get(uri: &str) -> Request<Bytes> {
    request(Method::GET, &uri.parse().expect(uri), &[])
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

#[tokio::test]
async fn strangers_get_no_parameter_and_plain_http_is_refused() {
    let mut cases = 0;
    for (what, layer) in layers() {
        for stranger in [
            "https://evil.example/x?a=1",
            "https://api.example.com.evil.example/x?a=1",
            "https://api.example.com:444/x?a=1",
            "http://127.0.0.1/x?a=1&X-Amz-Date=theirs",
            "https://evil.example/x?X-Amz-Signature=1&X-Amz-Signature=2",
        ] {
            let (outcome, recorder) = through(&layer, get(stranger)).await;
            assert_eq!(outcome, Ok(()), "{what}");
            assert_eq!(recorder.only().head.uri, stranger, "{what}");
            assert!(recorder.only().head.headers.is_empty(), "{what}");
            cases += 1;
        }
        for plain in ["http://api.example.com/x", "http://api.example.com:443/x"] {
            let (outcome, _) = through(&layer, get(plain)).await;
            assert_eq!(outcome, Err(AuthErrorKind::PlainText), "{what} {plain}");
            cases += 1;
        }
    }
    promise(
        22,
        format!("{cases} requests past a layer that presigns, no parameter of it there"),
    );
}

#[tokio::test]
async fn a_request_brings_credentials_and_a_payload_hash_of_its_own() {
    let own = AuthOverride::new().credentials(own_credentials());
    let own = own.expect("credentials");
    let mut request = get(&format!("{ORIGIN}/x"));
    request.extensions_mut().insert(own.clone());
    let (_, recorder) = through(&layer("s3"), request).await;
    let uri = recorder.only().head.uri.to_string();
    assert!(uri.contains("X-Amz-Credential=AKIDCANARYOWN%2F"), "{uri}");
    assert!(uri.contains(OWN_SESSION) && !uri.contains(SESSION), "{uri}");
    assert!(recorder.only().head.headers.is_empty());

    let mut request = get(&format!("{ORIGIN}/x"));
    let hash = PayloadHash::of(b"known before");
    request.extensions_mut().insert(own.payload_hash(hash));
    let (_, recorder) = through(&layer("s3"), request).await;
    let uri = recorder.only().head.uri.to_string();
    assert!(
        uri.contains(&format!("X-Amz-Content-Sha256={hash}&")),
        "{uri}"
    );
    assert!(uri.contains("AKIDCANARYOWN"), "{uri}");

    let mut request = get(&format!("{ORIGIN}/x"));
    request.extensions_mut().insert(AuthOverride::skip());
    let (_, recorder) = through(&layer("s3"), request).await;
    assert_eq!(recorder.only().head.uri, "https://api.example.com/x");
}

#[tokio::test]
async fn a_header_that_was_chosen_has_to_be_there() {
    let chosen = lasting(MINUTE).signed_headers([HOST, CONTENT_TYPE]);
    let layer = layer("execute-api").presigned(chosen.expect("names"));
    let (outcome, _) = through(&layer, get(&format!("{ORIGIN}/x"))).await;
    assert_eq!(outcome, Err(AuthErrorKind::Request));
    let uri = format!("{ORIGIN}/x").parse().expect("a URI");
    let headers = [("content-type", "text/plain"), ("x-other", "1")];
    let (outcome, recorder) = through(&layer, request(Method::GET, &uri, &headers)).await;
    assert_eq!(outcome, Ok(()));
    let query = recorder.only().head.uri.to_string();
    assert!(
        query.contains("X-Amz-SignedHeaders=content-type%3Bhost&"),
        "{query}"
    );
}

/// All that is printed of layers that presign, of what they were made of, and of what fails.
#[tokio::test]
async fn nothing_that_is_printed_has_a_token_or_a_secret_in_it() {
    let mut printed = Vec::new();
    for (_, layer) in layers() {
        printed.push(format!("{layer:?} {layer:#?}"));
        printed.push(format!("{:?}", layer.layer(())));
        // The token has no room in it, a chosen header is missing, and the path is too long by itself.
        let chosen = lasting(MINUTE).signed_headers([AUTHORIZATION]);
        printed.push(format!("{:?}", chosen.expect_err("part of a signature")));
        let needs = lasting(MINUTE)
            .signed_headers([CONTENT_TYPE])
            .expect("names");
        let long = format!("{ORIGIN}/{}", "a".repeat(65_400));
        for (layer, uri) in [
            (layer.clone().presigned(needs), ORIGIN),
            (layer.clone(), long.as_str()),
            (
                layer.clone().existing(Existing::Reject),
                "https://api.example.com/?X-Amz-Signature=CANARY-1",
            ),
            (layer.clone(), "http://api.example.com/?secret=CANARY-2"),
        ] {
            let recorder = Recorder::new();
            let sent = layer
                .layer(recorder.clone())
                .oneshot(get(uri).map(Full::new));
            let error = sent.await.expect_err(uri);
            assert!(recorder.seen().is_empty());
            let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error.as_ref());
            while let Some(error) = cause {
                printed.push(format!("{error} {error:?} {error:#?}"));
                cause = error.source();
            }
        }
    }
    let signer = Signer::new(
        SigningScope::new(REGION, "s3").expect("a scope"),
        SigningOptions::for_service("s3").path_encoding(PathEncoding::Single),
    );
    let credentials = SigningCredentials::new(layer_credentials()).expect("credentials");
    let mut head = get(&format!("{ORIGIN}/x")).into_parts().0;
    let presigned = signer.presign(
        &mut head,
        &credentials,
        &PayloadHash::Unsigned,
        signing_time(),
        &lasting(MINUTE),
    );
    printed.push(format!(
        "{signer:?} {credentials:?} {presigned:?} {:?}",
        lasting(MINUTE)
    ));
    // Or nothing would be found anywhere.
    assert!(head.uri.to_string().contains(CANARY));
    for text in &printed {
        // The id of a key has the canary's name as well, and is no secret.
        let text = text.replace("AKIDCANARY", "AKID");
        assert!(!text.contains(CANARY), "{text}");
    }
    promise(
        25,
        format!(
            "{} texts printed where the layer presigns, no secret in any",
            printed.len()
        ),
    );
}
