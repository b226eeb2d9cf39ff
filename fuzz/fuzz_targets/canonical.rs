//! Signs arbitrary requests, and holds every signature against one that is computed the plain way.

#![no_main]

mod reference;

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use http::{HeaderName, HeaderValue, Method, Request, Uri, header, request};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::{Corpus, fuzz_target};
use tower_client_auth::sigv4::{
    PathEncoding, Signer, SigningCredentials, SigningOptions, SigningScope,
};
use tower_client_auth::{AuthErrorKind, PayloadHash};

const ACCESS_KEY_ID: &str = "AKIDEXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const REGION: &str = "us-east-1";
const SERVICE: &str = "execute-api";

/// Names that mean something to the signer, and some that are alike, for the order.
const NAMES: [&str; 24] = [
    "accept",
    "authorization",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "sec-websocket-key",
    "te",
    "traceparent",
    "trailer",
    "user-agent",
    "via",
    "x-a",
    "x-a-longer-than-eight",
    "x-a-longer-than-sixteen-1",
    "x-a-longer-than-sixteen-2",
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-security-token",
    "x-amz-target",
    "x-amzn-trace-id",
    "x-forwarded-for",
];

/// What paths and queries are made of: what is encoded, what is not, and what means something.
const ALPHABET: &[u8] = b"////..%%%&&==++?20fF9AaZz-_~!$'()*,;:@\"{}|^[]";

/// A header map has an end, and signing would rightly fail there.
const MOST_HEADERS: usize = 1000;

#[derive(Arbitrary, Debug)]
struct Input {
    method: Vec<u8>,
    target: Target,
    headers: Vec<(Name, Vec<u8>)>,
    payload: Payload,
    options: Options,
    /// The length of the session token. An empty one is none, and so is none.
    token: Option<u8>,
    time: Time,
}

#[derive(Arbitrary, Debug)]
enum Target {
    /// Any text, which seldom is a URI.
    Text(String),
    /// A path and a query of [`ALPHABET`].
    Path(Vec<u8>),
}

#[derive(Arbitrary, Debug)]
enum Name {
    Known(u8),
    Any(Vec<u8>),
}

#[derive(Arbitrary, Debug)]
enum Payload {
    Empty,
    Body(Vec<u8>),
    Hash([u8; 32]),
    Unsigned,
}

#[derive(Arbitrary, Debug)]
struct Options {
    encode_once: bool,
    normalize: bool,
    sign_payload: bool,
    send_payload_hash: bool,
    unsigned: Vec<Name>,
}

#[derive(Arbitrary, Debug)]
enum Time {
    /// Between 1970 and 2106.
    Usual(u32),
    /// Any number of seconds, before 1970 and after 9999 too.
    Any(i64),
}

impl Input {
    /// The request, unless there is no such URI. What else cannot be part of one is left out.
    fn head(&self) -> Option<request::Parts> {
        let mut head = Request::new(()).into_parts().0;
        head.method = Method::from_bytes(&self.method).unwrap_or(Method::GET);
        head.uri = match &self.target {
            Target::Text(text) => Uri::try_from(text.as_str()).ok()?,
            Target::Path(bytes) => {
                let letter = |byte: &u8| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()]);
                let path: String = bytes.iter().map(letter).collect();
                Uri::try_from(format!("https://example.com/{path}")).ok()?
            }
        };
        for (name, value) in self.headers.iter().take(MOST_HEADERS) {
            if let (Some(name), Ok(value)) = (name.get(), HeaderValue::from_bytes(value)) {
                head.headers.append(name, value);
            }
        }
        Some(head)
    }

    fn credentials(&self) -> SigningCredentials {
        let token = self.token();
        let credentials = Credentials::new(ACCESS_KEY_ID, SECRET, token, None, "fuzz");
        SigningCredentials::new(credentials).expect("usable credentials")
    }

    fn token(&self) -> Option<String> {
        self.token.map(|length| "t".repeat(usize::from(length)))
    }
}

impl Name {
    fn get(&self) -> Option<HeaderName> {
        match self {
            Self::Known(at) => {
                let name = NAMES[usize::from(*at) % NAMES.len()];
                Some(HeaderName::from_static(name))
            }
            Self::Any(bytes) => HeaderName::from_bytes(bytes).ok(),
        }
    }
}

impl Payload {
    fn hash(&self) -> PayloadHash {
        match self {
            Self::Empty => PayloadHash::EMPTY,
            Self::Body(body) => PayloadHash::of(body),
            Self::Hash(hash) => PayloadHash::Sha256(*hash),
            Self::Unsigned => PayloadHash::Unsigned,
        }
    }
}

impl Options {
    fn unsigned(&self) -> impl Iterator<Item = HeaderName> {
        self.unsigned.iter().filter_map(Name::get)
    }

    fn signer(&self) -> Signer {
        let options = SigningOptions::default()
            .path_encoding(match self.encode_once {
                true => PathEncoding::Single,
                false => PathEncoding::Double,
            })
            .normalize_path(self.normalize)
            .sign_payload(self.sign_payload)
            .send_payload_hash(self.send_payload_hash);
        let options = self
            .unsigned()
            .fold(options, SigningOptions::unsigned_header);
        let scope = SigningScope::new(REGION, SERVICE).expect("a usable scope");
        Signer::new(scope, options)
    }
}

impl Time {
    fn seconds(&self) -> i64 {
        match self {
            Self::Usual(seconds) => i64::from(*seconds),
            Self::Any(seconds) => *seconds,
        }
    }

    /// Unless the platform has no such time.
    fn get(&self) -> Option<SystemTime> {
        let seconds = self.seconds();
        let distance = Duration::from_secs(seconds.unsigned_abs());
        match seconds >= 0 {
            true => SystemTime::UNIX_EPOCH.checked_add(distance),
            false => SystemTime::UNIX_EPOCH.checked_sub(distance),
        }
    }
}

fuzz_target!(|input: Input| -> Corpus {
    let (Some(before), Some(time)) = (input.head(), input.time.get()) else {
        return Corpus::Reject;
    };
    let (signer, credentials) = (input.options.signer(), input.credentials());
    let payload = input.payload.hash();
    let sign = |head: &mut request::Parts, time| signer.sign(head, &credentials, &payload, time);

    // Another second first, so that what signatures of one second share is there and does not fit.
    if let Some(later) = time.checked_add(Duration::from_secs(1)) {
        let _ = sign(&mut before.clone(), later);
    }
    let mut head = before.clone();
    let result = sign(&mut head, time);
    assert_eq!(head.method, before.method);
    assert_eq!(head.uri, before.uri);

    let token = input.token().filter(|token| !token.is_empty());
    let options = &input.options;
    let expected = reference::sign(&before, options, &payload, token.as_deref(), &input.time);
    let Some(expected) = expected else {
        let error = result.expect_err("nothing that can be signed");
        assert_eq!(error.kind(), AuthErrorKind::Request);
        assert_eq!(head.headers, before.headers);
        return Corpus::Keep;
    };
    result.expect("a signature");

    let canonical = String::from_utf8_lossy(&expected.canonical);
    let values = |name| -> Vec<&HeaderValue> { head.headers.get_all(name).iter().collect() };
    // As text, because the values of sensitive headers are not printed.
    let authorization: Vec<_> = values("authorization")
        .iter()
        .map(|value| value.to_str().expect("ASCII"))
        .collect();
    assert_eq!(authorization, [&expected.authorization], "{canonical}");
    assert_eq!(values("x-amz-date"), [&expected.date]);
    let tokens = values("x-amz-security-token");
    assert_eq!(tokens, Vec::from_iter(token.as_deref()));
    let sent = expected.content_sha256.as_deref();
    assert_eq!(values("x-amz-content-sha256"), Vec::from_iter(sent));
    assert!(head.headers[header::AUTHORIZATION].is_sensitive());
    assert!(tokens.iter().all(|token| token.is_sensitive()));

    // Nothing else has changed.
    let others = |head: &request::Parts| {
        let mut headers = head.headers.clone();
        for name in reference::OWN {
            headers.remove(name);
        }
        headers
    };
    assert_eq!(others(&head), others(&before));

    // A signed request is signed as an unsigned one is.
    let once = head.headers.clone();
    sign(&mut head, time).expect("another signature");
    assert_eq!(head.headers, once);
    Corpus::Keep
});
