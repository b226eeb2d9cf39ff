//! Promise 23: no duplicate and no stale authorization.

use aws_credential_types::Credentials;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request};
use http_body_util::Full;
use tower::{Layer, ServiceExt};
use tower_client_auth::{AuthErrorKind, Existing, SigV4Layer};

use crate::schemes::{
    API_KEY, API_KEY_ENCODED, OWN_SESSION, OWN_TOKEN, SESSION, Scheme, Setup, TOKEN, send,
};
use crate::support::{Recorder, Seen, promise};

const ORIGIN: &str = "https://api.example.com";
const MOST: usize = 5;
const POLICIES: [Existing; 3] = [Existing::Keep, Existing::Replace, Existing::Reject];

/// The query key, spelled in ways that a server reads as the same name.
const SPELLINGS: [&str; 5] = ["key", "%6bey", "k%65y", "%6B%65%79", "ke%79"];
/// The parameters of a presigned URL, some spelled unusually.
const PRESIGNED: [&str; 7] = [
    "X-Amz-Algorithm=AWS4-HMAC-SHA256",
    "X-Amz-Credential=AKIDOTHER%2F20150101%2Feu-west-1%2Fexecute-api%2Faws4_request",
    "X-Amz%2DDate=20150101T000000Z",
    "X-Amz-Expires=300",
    "X-Amz-SignedHeaders=host",
    "%58-Amz-Security-Token=stale",
    "X-Amz-Signatur%65=0f0f",
];
const SIGNATURE: &str = PRESIGNED[6];

#[tokio::test]
async fn one_credential_header_remains_by_the_policy() {
    let mut cases = 0;
    for scheme in Scheme::ALL {
        let Some(name) = scheme.headers().first() else {
            continue;
        };
        for existing in POLICIES {
            for copies in 0..=MOST {
                let mut request = scheme.request("https://api.example.com/x");
                add(&mut request, name, "caller", copies);
                let setup = with(existing);
                let (outcome, recorder) = send(scheme, &setup, request).await;
                let name_it = format!("{scheme:?} {existing:?} {copies}");
                cases += 1;
                if existing == Existing::Reject && copies > 0 {
                    assert_eq!(outcome, Err(AuthErrorKind::Request), "{name_it}");
                    continue;
                }
                assert_eq!(outcome, Ok(()), "{name_it}");
                let seen = recorder.only();
                if existing == Existing::Keep && copies > 0 {
                    assert_eq!(seen.one(name), "caller-0", "{name_it}");
                    // Half of the layer's credential beside the caller's would be a mixture.
                    assert!(seen.all("x-amz-security-token").is_empty(), "{name_it}");
                } else {
                    assert_ours(scheme, &seen, &name_it);
                }
            }
        }
    }
    promise(
        23,
        format!("{cases} cases of copied headers, one left in each"),
    );
}

#[tokio::test]
async fn one_query_key_remains_by_the_policy_however_it_is_spelled() {
    let mut cases = 0;
    for existing in POLICIES {
        for copies in 0..=MOST {
            for first in 0..SPELLINGS.len() {
                let pair = |copy: usize| {
                    let spelling = SPELLINGS[(first + copy) % SPELLINGS.len()];
                    format!("{spelling}=caller-{copy}")
                };
                let all: Vec<String> = (0..copies).map(pair).collect();
                // Between neighbours that look like it and must stay as they are.
                let query = |own: &[String]| {
                    let mut pairs = vec!["a=%2f&keys=1"];
                    pairs.extend(own.iter().map(String::as_str));
                    pairs.push("x=key&Key=2&&b");
                    format!("/x?{}", pairs.join("&"))
                };
                let request = Scheme::QueryKey.request(&format!("{ORIGIN}{}", query(&all)));
                let (outcome, recorder) = send(Scheme::QueryKey, &with(existing), request).await;
                cases += 1;
                if existing == Existing::Reject && copies > 0 {
                    assert_eq!(outcome, Err(AuthErrorKind::Request), "{all:?}");
                    continue;
                }
                assert_eq!(outcome, Ok(()), "{all:?}");
                let expected = if existing == Existing::Keep && copies > 0 {
                    query(&all[..1])
                } else {
                    format!("{}&key={API_KEY_ENCODED}", query(&[]))
                };
                assert_eq!(path_and_query(&recorder.only()), expected, "{existing:?}");
            }
        }
    }
    promise(
        23,
        format!("{cases} cases of copied query keys, one left in each"),
    );
}

#[tokio::test]
async fn leftovers_of_a_signature_are_replaced() {
    let mut cases = 0;
    for existing in [Existing::Keep, Existing::Replace] {
        for copies in 0..=MOST {
            for stale in ["x-amz-security-token", "x-amz-date", "x-amz-content-sha256"] {
                let mut request = Scheme::SigV4.request("https://api.example.com/x");
                add(&mut request, stale, "stale", copies);
                let (outcome, recorder) = send(Scheme::SigV4, &with(existing), request).await;
                assert_eq!(outcome, Ok(()), "{stale} {copies}");
                let seen = recorder.only();
                assert_ours(Scheme::SigV4, &seen, stale);
                assert_eq!(seen.one("x-amz-date"), "20150830T123600Z");
                // The service has no use for it, so a stranger's has no place in the request.
                assert!(seen.all("x-amz-content-sha256").is_empty(), "{stale}");
                cases += 1;
            }
        }
    }
    promise(
        23,
        format!("{cases} cases of stale signature headers, none left"),
    );
}

#[tokio::test]
async fn a_stale_session_token_is_not_sent_with_credentials_that_have_none() {
    for copies in 0..=MOST {
        let recorder = Recorder::new();
        let credentials = Credentials::new("AKIDEXAMPLE", "secret", None, None, "test");
        let layer = SigV4Layer::new("eu-west-1", "s3", credentials).expect("a layer");
        let client = layer
            .scope(ORIGIN)
            .expect("a scope")
            .layer(recorder.clone());
        let mut request = Scheme::SigV4.request("https://api.example.com/x");
        add(&mut request, "x-amz-security-token", "stale", copies);
        add(&mut request, "x-amz-content-sha256", "stale", copies);
        client.oneshot(request).await.expect("an answer");
        let seen = recorder.only();
        assert!(seen.all("x-amz-security-token").is_empty());
        // S3 wants this one: it is the layer's, and it is the only one.
        assert!(seen.one("x-amz-content-sha256").starts_with("e3b0c442"));
        assert!(!seen.one("authorization").contains("security-token"));
    }
}

#[tokio::test]
async fn a_stale_session_token_is_rejected_where_credentials_are() {
    for copies in 1..=MOST {
        let mut request = Scheme::SigV4.request("https://api.example.com/x");
        add(&mut request, "x-amz-security-token", "stale", copies);
        let (outcome, _) = send(Scheme::SigV4, &with(Existing::Reject), request).await;
        assert_eq!(outcome, Err(AuthErrorKind::Request));
    }
    let request = Scheme::SigV4.request("https://api.example.com/x?X-Amz-Security-Token=stale");
    let (outcome, _) = send(Scheme::SigV4, &with(Existing::Reject), request).await;
    assert_eq!(outcome, Err(AuthErrorKind::Request));
}

#[tokio::test]
async fn a_presigned_url_keeps_or_loses_its_signature_as_a_whole() {
    let mut cases = 0;
    for existing in POLICIES {
        for scheme in [Scheme::SigV4, Scheme::OwnCredentials] {
            for copies in 1..=MOST {
                // Every copy is a whole presignature.
                let presigned = [PRESIGNED.join("&").as_str()].repeat(copies).join("&");
                let uri = format!("{ORIGIN}/x?a=%2f&{presigned}&X-Amz-Meta=1&&b");
                let (outcome, recorder) = send(scheme, &with(existing), scheme.request(&uri)).await;
                cases += 1;
                if existing == Existing::Reject {
                    assert_eq!(outcome, Err(AuthErrorKind::Request));
                    continue;
                }
                assert_eq!(outcome, Ok(()));
                let seen = recorder.only();
                if existing == Existing::Keep {
                    let one = PRESIGNED.join("&");
                    let expected = format!("/x?a=%2f&{one}&X-Amz-Meta=1&&b");
                    assert_eq!(path_and_query(&seen), expected, "{copies}");
                    assert!(seen.head.headers.is_empty(), "signed twice");
                } else {
                    assert_eq!(path_and_query(&seen), "/x?a=%2f&X-Amz-Meta=1&&b");
                    assert_ours(scheme, &seen, "presigned");
                }
            }
        }
    }
    promise(
        23,
        format!("{cases} cases of presigned URLs, one signature in each"),
    );
}

#[tokio::test]
async fn pieces_of_a_presignature_do_not_reach_the_upstream() {
    for existing in [Existing::Keep, Existing::Replace] {
        for piece in PRESIGNED.iter().filter(|piece| **piece != SIGNATURE) {
            let request = Scheme::SigV4.request(&format!("{ORIGIN}/x?a=1&{piece}&b=2"));
            let (outcome, recorder) = send(Scheme::SigV4, &with(existing), request).await;
            assert_eq!(outcome, Ok(()));
            assert_eq!(path_and_query(&recorder.only()), "/x?a=1&b=2", "{piece}");
            assert_ours(Scheme::SigV4, &recorder.only(), piece);
        }
    }
}

#[tokio::test]
async fn of_a_kept_signature_nothing_is_there_twice() {
    for copies in 1..=MOST {
        let mut request = Scheme::SigV4.request("https://api.example.com/x");
        add(&mut request, "authorization", "caller", copies);
        add(&mut request, "x-amz-security-token", "session", copies);
        add(&mut request, "x-amz-date", "20150101T000000Z", 1);
        let (outcome, recorder) = send(Scheme::SigV4, &with(Existing::Keep), request).await;
        assert_eq!(outcome, Ok(()));
        let seen = recorder.only();
        assert_eq!(seen.one("authorization"), "caller-0");
        assert_eq!(seen.one("x-amz-security-token"), "session-0");
        assert_eq!(seen.one("x-amz-date"), "20150101T000000Z-0");
    }
}

#[tokio::test]
async fn a_request_out_of_scope_is_nobodys_to_tidy() {
    for existing in POLICIES {
        for scheme in Scheme::ALL {
            let mut request = scheme.request("https://evil.example/x?key=1&key=2");
            for name in scheme.headers() {
                add(&mut request, name, "caller", 2);
            }
            let before = request.headers().clone();
            let (outcome, recorder) = send(scheme, &with(existing), request).await;
            assert_eq!(outcome, Ok(()), "{scheme:?}");
            let seen = recorder.only();
            assert_eq!(seen.head.headers, before, "{scheme:?}");
            assert_eq!(path_and_query(&seen), "/x?key=1&key=2");
        }
    }
}

fn with(existing: Existing) -> Setup {
    Setup {
        existing,
        ..Setup::at(ORIGIN)
    }
}

/// `copies` headers with the values `value-0`, `value-1` and so on.
fn add(request: &mut Request<Full<Bytes>>, name: &str, value: &str, copies: usize) {
    let name: HeaderName = name.parse().expect(name);
    for copy in 0..copies {
        let value = HeaderValue::try_from(format!("{value}-{copy}")).expect("a value");
        request.headers_mut().append(name.clone(), value);
    }
}

/// The credential is the layer's, or the one the request brought for the layer, and the only one.
fn assert_ours(scheme: Scheme, seen: &Seen, name: &str) {
    let key_id = |seen: &Seen| seen.one("authorization").contains("Credential=AKIDCANARY");
    match scheme {
        Scheme::SigV4 => assert!(
            key_id(seen) && seen.one("x-amz-security-token") == SESSION,
            "{name}"
        ),
        Scheme::OwnCredentials => assert!(
            key_id(seen) && seen.one("x-amz-security-token") == OWN_SESSION,
            "{name}"
        ),
        Scheme::ApiKey => assert_eq!(seen.one("x-api-key"), API_KEY, "{name}"),
        Scheme::Presigned | Scheme::QueryKey => unreachable!("not in a header"),
        Scheme::Bearer => assert_eq!(seen.one("authorization"), format!("Bearer {TOKEN}")),
        Scheme::OwnToken => assert_eq!(seen.one("authorization"), format!("Bearer {OWN_TOKEN}")),
        Scheme::RawBearer => assert_eq!(seen.one("x-id-token"), TOKEN, "{name}"),
    }
}

fn path_and_query(seen: &Seen) -> &str {
    let path_and_query = seen.head.uri.path_and_query();
    path_and_query.expect("a path").as_str()
}
