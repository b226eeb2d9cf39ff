//! What an authorizer leaves behind when it fails, which layers do not show.

mod printing;

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use http::{HeaderName, HeaderValue, Method, Request, Uri, Version, request};

use super::*;
use crate::identity::{Token, TokenSource};
use crate::sigv4::SigningCredentials;
use crate::{AuthErrorKind, Clock, PayloadHash};

const ORIGIN: &str = "https://api.example.com";
const SECRET: &str = "da2-TheSecretOfTheseTests";

/// Everything there is to a head.
#[derive(Debug, PartialEq)]
struct Image {
    method: Method,
    uri: Uri,
    version: Version,
    // Order and sensitivity count.
    headers: Vec<(HeaderName, Vec<u8>, bool)>,
    extensions: usize,
    tag: Option<u32>,
}

impl Image {
    fn of(head: &request::Parts) -> Self {
        let headers = head.headers.iter();
        Self {
            method: head.method.clone(),
            uri: head.uri.clone(),
            version: head.version,
            headers: headers
                .map(|(name, value)| (name.clone(), value.as_bytes().into(), value.is_sensitive()))
                .collect(),
            extensions: head.extensions.len(),
            tag: head.extensions.get().copied(),
        }
    }
}

/// A request with something in every corner, and credentials of somebody else's in it.
fn head(uri: &str, change: impl FnOnce(&mut request::Parts)) -> request::Parts {
    let mut head = Request::patch(uri)
        .version(Version::HTTP_2)
        .extension(7_u32)
        .header("x-b", "2")
        .header("x-amz-date", "20150830T123600Z")
        .header("x-a", "1")
        .header("x-b", " 3 ")
        .header("cookie", "sid=1")
        .header("x-b", "2")
        .body(())
        .expect("a request")
        .into_parts()
        .0;
    if let Some(cookie) = head.headers.get_mut("cookie") {
        cookie.set_sensitive(true);
    }
    change(&mut head);
    head
}

fn same(_head: &mut request::Parts) {}

fn with(name: &'static str, values: &'static [&'static str]) -> impl Fn(&mut request::Parts) {
    move |head| {
        for value in values {
            head.headers.append(name, HeaderValue::from_static(value));
        }
    }
}

/// As many headers as a map can hold.
fn full(head: &mut request::Parts) {
    let mut at = 0;
    while let Ok(name) = HeaderName::try_from(format!("x-{at}"))
        && head
            .headers
            .try_insert(name, HeaderValue::from_static(""))
            .is_ok()
    {
        at += 1;
    }
    assert!(at > 10_000);
}

/// Authorizes a head that must be refused, and compares it with what it was before the step that
/// refused it. A head that `cover` completes is what `apply` starts with.
#[track_caller]
fn refuses<A: Authorizer>(
    authorizer: &A,
    credential: &A::Credential,
    mut head: request::Parts,
    kind: AuthErrorKind,
    step: &str,
) {
    let before = Image::of(&head);
    let (error, failed, before) = match authorizer.cover(&mut head) {
        Err(error) => (error, "cover", before),
        Ok(None) => panic!("the request was left alone"),
        Ok(Some((mut plan, _))) => {
            let before = Image::of(&head);
            match authorizer.apply(&mut plan, credential, &PayloadHash::EMPTY, &mut head) {
                Err(error) => (error, "apply", before),
                Ok(_) => panic!("the request was authorized"),
            }
        }
    };
    assert_eq!((error.kind(), failed), (kind, step), "{error}");
    assert_eq!(Image::of(&head), before, "{error}");
}

fn api_key() -> ApiKeyLayer {
    ApiKeyLayer::new(ORIGIN, SECRET).expect("a layer")
}

fn bearer<T: TokenSource>(source: T) -> BearerTokenLayer<T> {
    BearerTokenLayer::new(ORIGIN, source).expect("a layer")
}

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn credentials(end: Option<SystemTime>) -> SigningCredentials {
    let session = Some("session".to_owned());
    let credentials = Credentials::new("AKIDEXAMPLE", SECRET, session, end, "test");
    SigningCredentials::new(credentials).expect("credentials")
}

fn sigv4() -> SigV4Layer<SigningCredentials> {
    let layer = SigV4Layer::new("eu-west-1", "s3", credentials(None)).expect("a layer");
    let layer = layer.scope(ORIGIN).expect("an origin");
    layer.clock(Clock::from_fn(|| at(1_700_000_000)))
}

/// What no scheme can place. They have a default origin, so that a relative URI is completed first
/// and must be put back.
fn misplaced() -> Vec<(AuthErrorKind, request::Parts)> {
    use AuthErrorKind::{PlainText, Request};
    let twice = with("host", &["api.example.com", "api.example.com"]);
    vec![
        (PlainText, head("http://api.example.com/x?q=1", same)),
        (Request, head("*", same)),
        (Request, head("api.example.com:443", same)),
        (Request, head("https://api.example.com:99999/", same)),
        (Request, head("ftp://api.example.com/", same)),
        (
            Request,
            head("/relative?q=1", with("host", &["elsewhere.example"])),
        ),
        (Request, head("/relative?q=1", &twice)),
        (Request, head("https://u:p@api.example.com:443/", twice)),
        (
            Request,
            head(
                "https://api.example.com/",
                with("host", &["u@api.example.com"]),
            ),
        ),
    ]
}

#[test]
fn a_refused_request_is_as_it_was_for_a_key_in_a_header() {
    let mut layer = api_key().default_origin(ORIGIN).expect("an origin");
    for (kind, head) in misplaced() {
        refuses(layer.authorizer_mut(), &(), head, kind, "cover");
    }
    let kind = AuthErrorKind::Request;
    refuses(layer.authorizer_mut(), &(), head("/x", full), kind, "apply");
    let taken = || with("x-api-key", &["1", "2"]);
    let mut layer = layer.existing(Existing::Reject);
    refuses(
        layer.authorizer_mut(),
        &(),
        head("/x", taken()),
        kind,
        "apply",
    );
}

#[test]
fn a_refused_request_is_as_it_was_for_a_key_in_the_query() {
    let layer = api_key().default_origin(ORIGIN).expect("an origin");
    let mut layer = layer.query("key").expect("a name");
    for (kind, head) in misplaced() {
        refuses(layer.authorizer_mut(), &(), head, kind, "cover");
    }
    let kind = AuthErrorKind::Request;
    for long in [
        format!("{ORIGIN}/{}", "x".repeat(65_505)),
        format!("{ORIGIN}/?{}", "x".repeat(65_505)),
        format!("/{}", "x".repeat(65_530)),
    ] {
        refuses(
            layer.authorizer_mut(),
            &(),
            head(&long, same),
            kind,
            "apply",
        );
    }
    let mut layer = layer.existing(Existing::Reject);
    refuses(
        layer.authorizer_mut(),
        &(),
        head("/x?a=1&%6bey=2&b", same),
        kind,
        "apply",
    );
}

#[test]
fn a_refused_request_is_as_it_was_for_a_token() {
    let good = Token::from(SECRET);
    let mut layer = bearer(good.clone())
        .default_origin(ORIGIN)
        .expect("an origin");
    for (kind, head) in misplaced() {
        refuses(layer.authorizer_mut(), &good, head, kind, "cover");
    }
    use AuthErrorKind::{Expired, MalformedCredential, Request};
    for (kind, token) in [
        (MalformedCredential, Token::from("")),
        (MalformedCredential, Token::from("a\nb")),
        (MalformedCredential, Token::from("Bearer a")),
        (Expired, good.clone().expires_at(at(1))),
    ] {
        refuses(
            layer.authorizer_mut(),
            &token,
            head("/x", same),
            kind,
            "apply",
        );
    }
    refuses(
        layer.authorizer_mut(),
        &good,
        head("/x", full),
        Request,
        "apply",
    );
    let taken = with("authorization", &["1", "2"]);
    let mut layer = layer.existing(Existing::Reject);
    refuses(
        layer.authorizer_mut(),
        &good,
        head("/x", taken),
        Request,
        "cover",
    );
}

#[test]
fn a_refused_request_is_as_it_was_for_a_signature() {
    let good = credentials(None);
    let mut layer = sigv4().default_origin(ORIGIN).expect("an origin");
    for (kind, head) in misplaced() {
        refuses(layer.authorizer_mut(), &good, head, kind, "cover");
    }
    use AuthErrorKind::{Expired, PlainText, Request};
    // Userinfo, a default port, a presignature and a `Host` header: all would be put right.
    let odd = "https://u:p@api.example.com:443/?X-Amz-Date=1&a=%2f";
    let over = credentials(Some(at(1)));
    refuses(
        layer.authorizer_mut(),
        &over,
        head(odd, same),
        Expired,
        "apply",
    );
    refuses(
        layer.authorizer_mut(),
        &good,
        head(odd, full),
        Request,
        "apply",
    );
    for time in [
        SystemTime::UNIX_EPOCH - Duration::from_secs(1),
        at(253_402_300_800),
    ] {
        let mut layer = layer.clone().clock(Clock::from_fn(move || time));
        refuses(
            layer.authorizer_mut(),
            &good,
            head(odd, same),
            Request,
            "apply",
        );
    }
    let mut lax = layer.clone().allow_host_header();
    for hosts in [&[""][..], &["a", "b"]] {
        let hosts = |head: &mut request::Parts| {
            for host in hosts {
                head.headers.append("host", HeaderValue::from_static(host));
            }
        };
        refuses(
            lax.authorizer_mut(),
            &good,
            head("/x", hosts),
            Request,
            "apply",
        );
    }
    let mut strict = layer.clone().existing(Existing::Reject);
    let signed = "/x?X-Amz-Signature=1&a";
    refuses(
        strict.authorizer_mut(),
        &good,
        head(signed, same),
        Request,
        "cover",
    );
    for name in ["authorization", "x-amz-security-token"] {
        let taken = with(name, &["1", "2"]);
        refuses(
            strict.authorizer_mut(),
            &good,
            head("/x", taken),
            Request,
            "cover",
        );
    }
    let plain = Scope::origin("http://intranet")
        .expect("an origin")
        .allow_plain_http();
    let unsigned = sigv4().scope(plain).expect("a scope").unsigned_payload();
    let unsigned = unsigned
        .default_origin("http://intranet")
        .expect("an origin");
    let presigned = "/x?X-Amz-Signature=1";
    let mut unsigned = unsigned.existing(Existing::Replace);
    refuses(
        unsigned.authorizer_mut(),
        &good,
        head(presigned, same),
        PlainText,
        "cover",
    );
}

/// Whatever is in the way of one header more is not in the way of one fewer.
#[test]
fn a_full_header_map_is_still_put_in_order() {
    let twice = |name| {
        move |head: &mut request::Parts| {
            with(name, &["first", "second"])(head);
            full(head);
        }
    };
    let token = bearer(Token::from(SECRET)).authorizer_mut().clone();
    let signature = sigv4().authorizer_mut().clone();
    let mut kept = [
        head(ORIGIN, twice("authorization")),
        head(ORIGIN, twice("authorization")),
    ];
    assert!(token.cover(&mut kept[0]).expect("kept").is_none());
    assert!(signature.cover(&mut kept[1]).expect("kept").is_none());
    for head in kept {
        let copies: Vec<_> = head.headers.get_all("authorization").iter().collect();
        assert_eq!(copies, ["first"]);
        assert!(copies[0].is_sensitive());
    }
    let mut odd = head("https://api.example.com:443/", |head| {
        with("host", &["api.example.com:443"])(head);
        full(head);
    });
    assert!(signature.cover(&mut odd).expect("covered").is_some());
    assert_eq!(odd.headers["host"], "api.example.com");
}
