//! Our signer beside `aws_sigv4::http_request::sign`: the same on random requests, and different
//! where the documentation of `sigv4` says so.

use std::panic::catch_unwind;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningInstructions,
    SigningParams, SigningSettings, UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use http::header::{AUTHORIZATION, HOST, HeaderName};
use http::{HeaderMap, HeaderValue, Method, Request, request};
use tower_client_auth::sigv4::{
    PathEncoding, Signer, SigningCredentials, SigningOptions, SigningScope,
};
use tower_client_auth::{AuthError, AuthErrorKind, PayloadHash};

use crate::remembered::before;
use crate::support::promise;

mod crt;
mod presigned;
mod v4a;

/// One of every name and prefix that the documentation says is not signed.
#[rustfmt::skip]
pub(crate) const UNSIGNED: [&str; 21] = [
    "accept-encoding", "authorization", "baggage", "connection", "content-length", "expect",
    "forwarded", "keep-alive", "proxy-authorization", "sec-websocket-key", "te", "traceparent",
    "tracestate", "trailer", "transfer-encoding", "upgrade", "user-agent", "via",
    "x-amzn-trace-id", "x-forwarded-for", "x-forwarded-host",
];

/// How a request is signed, by either.
#[derive(Clone, Debug)]
struct Setup {
    region: String,
    service: String,
    secret: String,
    token: Option<String>,
    time: SystemTime,
    encoding: PathEncoding,
    normalize: bool,
    send_payload_hash: bool,
    payload: PayloadHash,
}

impl Setup {
    fn new(service: &str) -> Self {
        let s3 = service == "s3";
        let encoding = if s3 {
            PathEncoding::Single
        } else {
            PathEncoding::Double
        };
        Self {
            region: "eu-west-1".to_owned(),
            service: service.to_owned(),
            secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned(),
            token: None,
            time: SystemTime::UNIX_EPOCH + Duration::from_secs(1_440_938_160),
            encoding,
            normalize: !s3,
            send_payload_hash: s3,
            payload: PayloadHash::EMPTY,
        }
    }

    fn credentials(&self) -> Credentials {
        let token = self.token.clone();
        Credentials::new("AKIDEXAMPLE", &self.secret, token, None, "oracle")
    }

    fn options(&self) -> SigningOptions {
        SigningOptions::default()
            .path_encoding(self.encoding)
            .normalize_path(self.normalize)
            .send_payload_hash(self.send_payload_hash)
    }

    fn sign(&self, head: &mut request::Parts) -> Result<(), AuthError> {
        let scope = SigningScope::new(&self.region, &self.service)?;
        let credentials = SigningCredentials::new(self.credentials())?;
        Signer::new(scope, self.options()).sign(head, &credentials, &self.payload, self.time)
    }

    /// The headers after our signer.
    fn ours(&self, head: &request::Parts) -> HeaderMap {
        let mut head = head.clone();
        self.sign(&mut head).expect("signed");
        head.headers
    }

    fn settings(&self) -> SigningSettings {
        let mut settings = SigningSettings::default();
        if self.encoding == PathEncoding::Single {
            settings.percent_encoding_mode = PercentEncodingMode::Single;
        }
        settings.uri_path_normalization_mode = UriPathNormalizationMode::from(self.normalize);
        // Services that are not told expect the hash of the body: we always tell them.
        if self.send_payload_hash || self.payload == PayloadHash::Unsigned {
            settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        }
        settings
    }

    /// What the reference signer adds to a request with this URI and those headers of `head`.
    fn instructions(
        &self,
        head: &request::Parts,
        uri: &str,
        is_signed: impl Fn(&HeaderName) -> bool,
        params: &SigningParams<'_>,
    ) -> SigningInstructions {
        let body = match self.payload {
            PayloadHash::Unsigned => SignableBody::UnsignedPayload,
            hash => SignableBody::Precomputed(hash.to_string()),
        };
        let signed = head.headers.iter().filter(|(name, _)| is_signed(name));
        let signed = signed.map(|(name, value)| {
            let value = std::str::from_utf8(value.as_bytes()).expect("text");
            (name.as_str(), value)
        });
        let request = SignableRequest::new(head.method.as_str(), uri, signed, body);
        let output = sign(request.expect("a request"), params).expect("signed");
        output.into_parts().0
    }

    /// The headers after the reference signer.
    fn theirs(&self, head: &request::Parts) -> HeaderMap {
        let identity = self.credentials().into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(&self.service)
            .time(self.time)
            .settings(self.settings())
            .build()
            .expect("complete")
            .into();
        let uri = head.uri.to_string();
        let instructions = self.instructions(head, &uri, is_signed, &params);
        let mut request = Request::from_parts(head.clone(), ());
        instructions.apply_to_request_http1x(&mut request);
        request.into_parts().0.headers
    }

    /// Our signature for a GET with no headers of its own.
    fn signature(&self, uri: &str) -> HeaderValue {
        self.ours(&get(uri))[AUTHORIZATION].clone()
    }

    fn their_signature(&self, uri: &str) -> HeaderValue {
        self.theirs(&get(uri))[AUTHORIZATION].clone()
    }
}

fn is_signed(name: &HeaderName) -> bool {
    !UNSIGNED.contains(&name.as_str())
}

fn get(uri: &str) -> request::Parts {
    with_headers(uri, &[])
}

fn with_headers(uri: &str, headers: &[(&str, &[u8])]) -> request::Parts {
    let mut request = Request::get(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).expect(uri).into_parts().0
}

fn signed_headers(headers: &HeaderMap) -> Vec<String> {
    let authorization = headers[AUTHORIZATION].to_str().expect("ASCII");
    let list = authorization
        .split("SignedHeaders=")
        .nth(1)
        .expect("a list");
    let list = list.split(',').next().expect("a list");
    list.split(';').map(str::to_owned).collect()
}

/// xorshift64*: the same requests on every machine.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        // The upper half: the lower bits of this generator are the weak ones.
        usize::try_from(self.next() >> 32).expect("32 bits") % limit
    }

    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// Up to `most` pieces in a row.
    pub(crate) fn text(&mut self, most: usize, pieces: &[&str]) -> String {
        let length = self.below(most + 1);
        (0..length).map(|_| self.pick(pieces)).collect()
    }

    /// Each deliberate difference is left out here, and has a test of its own below.
    fn setup(&mut self) -> Setup {
        let service = self.pick(&["s3", "execute-api", "lambda", "appsync", "es", "a.b_c-D9"]);
        let mut setup = Setup::new(service);
        setup.region = self.pick(&["us-east-1", "cn-north-1", "X", "a_b.c"]).into();
        setup.secret = format!("s{}ä", self.text(60, &["k", "/", "+", "=", "Z9"]));
        if self.one_in(2) {
            let token = self.text(300, &["A", "/", "+", "==", "z", "%"]);
            setup.token = Some(format!("t{token}t"));
        }
        // To the end of 9999.
        let seconds = self.next() % 253_402_300_800;
        setup.time = SystemTime::UNIX_EPOCH + Duration::from_millis(seconds * 1000 + 999);
        if self.one_in(4) {
            setup.normalize = self.one_in(2);
            setup.send_payload_hash = self.one_in(2);
        }
        setup.payload = match self.below(3) {
            0 => PayloadHash::Unsigned,
            1 => PayloadHash::EMPTY,
            _ => PayloadHash::of(&self.next().to_le_bytes()),
        };
        setup
    }

    fn uri(&mut self, encoding: PathEncoding) -> String {
        let scheme = self.pick(&["http", "https"]);
        let host = self.pick(&["a.example.com", "EXAMPLE.com", "[2001:db8::1]", "10.0.0.1"]);
        let port = self.pick(&["", "", ":80", ":443", ":8443"]);
        // As a single-encoding service wants it: escaped strictly, and in upper case.
        const STRICT: &[&str] = &[
            "/", "/", "a", "Z", "09", "-._~", "%20", "%C3%A9", "%25", "%2B", "%28", "%3D", "/./",
            "/../", "//", "..", "/.", "/..",
        ];
        const LOOSE: &[&str] = &[
            "/", "/", "a", "Z", "09", "-._~", "%20", "%c3%a9", "%FF", "%", "%2f", "%2F", "(", ")",
            "!", "*", "'", "+", ":", "@", "&", "=", "$", ",", ";", "é", "/./", "/../", "//", "..",
            "/.", "/..", "\"", "{", "}", "|", "[", "]", "\\",
        ];
        let path = match encoding {
            PathEncoding::Single => self.text(12, STRICT),
            _ => self.text(12, LOOSE),
        };
        // A lone `%` is followed by what is no digit, so that no bytes come about that are no text.
        const QUERY: &[&str] = &[
            "&", "&", "=", "=", "a", "b", "A", "Z", "09", "-._~", "+", "%20", "%2B", "%2b", "%3D",
            "%26", "%C3%A9", "%c3%a9", "é", "%g", "%%g", "/", "?", ":", "@", "!", "'", "(", ")",
            "*", ",", ";", "$", "[", "]", "{", "}", "|", "^", "`", "\\", "%00", "%7E", "%25",
        ];
        let query = match self.below(4) {
            0 => String::new(),
            1 => "?".to_owned(),
            _ => format!("?{}", self.text(20, QUERY)),
        };
        format!("{scheme}://{host}{port}/{path}{query}")
    }

    fn headers(&mut self, map: &mut HeaderMap) {
        // A tab stands inside the value only: around it is one of the differences.
        const VALUE: &[&str] = &[
            "a", "B", "0", " ", "  ", "   ", "\t", ",", ";", "\"", "=", "é", "%20", "/", "\u{a0}",
        ];
        for _ in 0..self.below(8) {
            let name = match self.below(4) {
                0 => self.pick(&UNSIGNED).to_owned(),
                1 => self.pick(&["content-type", "accept", "cookie"]).to_owned(),
                2 => self.pick(&["x-amz-target", "x-amz", "x"]).to_owned(),
                _ => format!("x{}", self.text(6, &["a", "b", "-", "_", "1", ".", "!"])),
            };
            let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
            let inside = self.text(10, VALUE);
            let inside = inside.trim_matches([' ', '\t']);
            let around = self.text(2, &[" ", ""]);
            let value = format!("{around}{inside}{around} ");
            let value = HeaderValue::from_bytes(value.as_bytes()).expect("a value");
            map.append(name, value);
        }
        if self.one_in(4) {
            map.insert(HOST, HeaderValue::from_static("vpce-1.example.com:444"));
        }
    }

    fn request(&mut self, encoding: PathEncoding) -> request::Parts {
        let methods = [
            "GET", "PUT", "POST", "DELETE", "HEAD", "PATCH", "PURGE", "q",
        ];
        let method = self.pick(&methods);
        let mut head = get(&self.uri(encoding));
        head.method = Method::from_bytes(method.as_bytes()).expect("a method");
        self.headers(&mut head.headers);
        head
    }
}

#[test]
fn random_requests_are_signed_as_the_reference_does() {
    compare(100_000, 0x5eed_0000_0000_0029);
}

#[test]
#[ignore = "soak: a million requests"]
fn random_requests_are_signed_as_the_reference_does_soak() {
    compare(1_000_000, 0x5eed_0000_0002_0029);
}

fn compare(requests: usize, seed: u64) {
    let mut random = Random(seed);
    let (mut sessions, mut single, mut unsigned) = (0, 0, 0);
    for n in 0..requests {
        let setup = random.setup();
        let head = random.request(setup.encoding);
        let mut first = head.clone();
        first.headers = before(&mut random, &head.headers).0;
        // It may have two hosts.
        let _ = setup.sign(&mut first);
        let (ours, theirs) = (setup.ours(&head), setup.theirs(&head));
        assert_eq!(ours, theirs, "request {n}: {setup:#?}\n{head:#?}");
        sessions += usize::from(setup.token.is_some());
        single += usize::from(setup.encoding == PathEncoding::Single);
        let signed = signed_headers(&ours);
        let left_out = |name: &HeaderName| !signed.iter().any(|s| s == name.as_str());
        unsigned += usize::from(head.headers.keys().any(left_out));
    }
    // A generator that stopped making one kind would leave a figure that says little.
    for (kind, count) in [
        ("session", sessions),
        ("S3", single),
        ("unsigned", unsigned),
    ] {
        assert!(count > requests / 10, "{kind}: only {count}");
    }
    promise(
        29,
        format_args!(
            "{requests} of {requests} random requests agree with aws-sigv4; {sessions} with a \
             session token, {single} for S3, {unsigned} with headers that are not signed"
        ),
    );
}

#[test]
fn query_bytes_that_are_no_text_stay_distinct() {
    let setup = Setup::new("execute-api");
    let (ff, fe) = ("https://x.example/?a=%FF", "https://x.example/?a=%FE");
    assert_ne!(setup.signature(ff), setup.signature(fe));
    assert_eq!(setup.their_signature(ff), setup.their_signature(fe));
}

#[test]
fn userinfo_is_no_part_of_the_host() {
    let setup = Setup::new("execute-api");
    let (with, without) = ("https://me:pw@x.example:8443/", "https://x.example:8443/");
    assert_eq!(setup.signature(with), setup.signature(without));
    assert_ne!(setup.their_signature(with), setup.their_signature(without));
}

#[test]
fn a_relative_uri_is_an_error_and_no_panic() {
    let setup = Setup::new("execute-api");
    let error = setup.sign(&mut get("/orders")).expect_err("no host");
    assert_eq!(error.kind(), AuthErrorKind::Request);
    assert!(catch_unwind(|| setup.theirs(&get("/orders"))).is_err());

    let host = with_headers("/orders", &[("host", b"x.example")]);
    assert_eq!(
        setup.ours(&host)[AUTHORIZATION],
        setup.signature("https://x.example/orders")
    );
}

#[test]
fn header_values_that_are_no_text_are_signed() {
    let setup = Setup::new("execute-api");
    let uri = "https://x.example/";
    let [ff, fe] = [b"\xff", b"\xfe"].map(|v| setup.ours(&with_headers(uri, &[("x-raw", v)])));
    assert!(signed_headers(&ff).contains(&"x-raw".to_owned()));
    assert_ne!(ff[AUTHORIZATION], fe[AUTHORIZATION]);
}

#[test]
fn a_tab_around_a_value_is_trimmed_like_a_space() {
    let setup = Setup::new("execute-api");
    let uri = "https://x.example/";
    let [tab, none] = [b"\tv\t".as_slice(), b"v"].map(|v| with_headers(uri, &[("x-tab", v)]));
    let of = |headers: HeaderMap| headers[AUTHORIZATION].clone();
    assert_eq!(of(setup.ours(&tab)), of(setup.ours(&none)));
    assert_ne!(of(setup.theirs(&tab)), of(setup.theirs(&none)));
}

#[test]
fn a_path_for_s3_is_signed_as_s3_reads_it() {
    let setup = Setup::new("s3");
    for (sent, read) in [
        ("/a(b)!*'", "/a%28b%29%21%2A%27"),
        ("/a+b=c:d@e", "/a%2Bb%3Dc%3Ad%40e"),
        ("/%c3%a9", "/%C3%A9"),
        ("/%7Ea%2D", "/~a-"),
        ("/a%2Fb", "/a/b"),
        ("/é", "/%C3%A9"),
    ] {
        let [sent, read] = [sent, read].map(|path| format!("https://x.example{path}"));
        assert_eq!(
            setup.signature(&sent),
            setup.their_signature(&read),
            "{sent}"
        );
        assert_ne!(
            setup.their_signature(&sent),
            setup.their_signature(&read),
            "{sent}"
        );
    }
}

#[test]
fn secrets_are_marked_sensitive() {
    let mut setup = Setup::new("s3");
    setup.token = Some("token".to_owned());
    let headers = setup.ours(&get("https://x.example/"));
    for (name, value) in &headers {
        let secret = matches!(name.as_str(), "authorization" | "x-amz-security-token");
        assert_eq!(value.is_sensitive(), secret, "{name}");
    }
    assert_eq!(headers.len(), 4);
}

#[test]
fn what_is_left_of_an_older_signature_is_replaced() {
    let uri = "https://x.example/";
    let stale: [(&str, &[u8]); 5] = [
        ("authorization", b"AWS4-HMAC-SHA256 Credential=old"),
        ("x-amz-date", b"20000101T000000Z"),
        ("x-amz-date", b"20000102T000000Z"),
        ("x-amz-security-token", b"old"),
        ("x-amz-content-sha256", b"old"),
    ];
    for service in ["s3", "execute-api"] {
        for token in [None, Some("new".to_owned())] {
            let mut setup = Setup::new(service);
            setup.token = token;
            let leftovers = setup.ours(&with_headers(uri, &stale));
            assert_eq!(leftovers, setup.ours(&get(uri)));
        }
    }
}

#[test]
fn an_unsigned_header_may_change_and_a_signed_one_may_not() {
    let setup = Setup::new("execute-api");
    let uri = "https://x.example/";
    for name in UNSIGNED {
        let signed = setup.ours(&with_headers(uri, &[(name, b"changes")]));
        assert!(
            !signed_headers(&signed).contains(&name.to_owned()),
            "{name}"
        );
        assert_eq!(signed[AUTHORIZATION], setup.signature(uri), "{name}");
        if name != "authorization" {
            assert_eq!(signed[name], "changes", "{name}");
        }
    }
    for name in [
        "accept",
        "cookie",
        "proxy",
        "x-forwarded",
        "x-api-key",
        "date",
    ] {
        let signed = setup.ours(&with_headers(uri, &[(name, b"stays")]));
        assert!(signed_headers(&signed).contains(&name.to_owned()), "{name}");
    }
}

#[test]
fn a_header_named_in_the_options_is_not_signed() {
    let options = SigningOptions::default().unsigned_header(HeaderName::from_static("x-mine"));
    let scope = SigningScope::new("eu-west-1", "execute-api").expect("a scope");
    let setup = Setup::new("execute-api");
    let credentials = SigningCredentials::new(setup.credentials()).expect("credentials");
    let mut head = with_headers("https://x.example/", &[("x-mine", b"changes")]);
    let signed =
        Signer::new(scope, options).sign(&mut head, &credentials, &setup.payload, setup.time);
    signed.expect("signed");
    assert_eq!(
        head.headers[AUTHORIZATION],
        setup.signature("https://x.example/")
    );
}

#[test]
fn a_failed_signature_leaves_the_head_as_it_was() {
    let leftovers: [(&str, &[u8]); 3] = [
        ("authorization", b"old"),
        ("x-amz-date", b"old"),
        ("x-amz-security-token", b"old"),
    ];
    let with = |uri, more: &[(&str, &[u8])]| with_headers(uri, &[&leftovers, more].concat());
    let setup = Setup::new("s3");
    let mut early = setup.clone();
    early.time = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
    let mut late = setup.clone();
    late.time = SystemTime::UNIX_EPOCH + Duration::from_secs(253_402_300_800);
    let uri = "https://x.example/a?b";
    for (setup, head) in [
        (&setup, with("/relative", &[])),
        (&setup, with(uri, &[("host", b"")])),
        (&setup, with(uri, &[("host", b"a"), ("host", b"b")])),
        (&early, with(uri, &[])),
        (&late, with(uri, &[])),
    ] {
        let mut signed = head.clone();
        signed.extensions.insert("kept");
        let error = setup.sign(&mut signed).expect_err("must fail");
        assert_eq!(error.kind(), AuthErrorKind::Request);
        assert_eq!(signed.headers, head.headers);
        assert_eq!((&signed.uri, &signed.method), (&head.uri, &head.method));
        assert_eq!(signed.version, head.version);
        assert_eq!(signed.extensions.get(), Some(&"kept"));
    }
}
