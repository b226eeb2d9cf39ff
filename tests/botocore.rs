//! Our signer beside botocore's: the same on random requests, and different where the documentation
//! of `sigv4` says so.

use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use http::header::{DATE, HOST};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, request};
use serde_json::{Value, json};
use tower_client_auth::PayloadHash;
use tower_client_auth::sigv4::{Signer, SigningCredentials, SigningOptions, SigningScope};

use crate::oracle::{Random, UNSIGNED};
use crate::servers::{Asked, skipped};
use crate::support::promise;

mod presigned;

/// What a signature adds to a request.
const OWN_HEADERS: [&str; 4] = [
    "authorization",
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-security-token",
];

/// Every preset, the ones without a quirk included.
#[rustfmt::skip]
const SERVICES: [&str; 20] = [
    "aoss", "aps", "appsync", "bedrock", "dynamodb", "es", "execute-api", "iot", "iotdata",
    "iotdevicegateway", "lambda", "neptune-db", "s3", "s3-object-lambda", "s3-outposts",
    "secretsmanager", "sns", "sqs", "sts", "vpc-lattice-svcs",
];

/// What botocore leaves unsigned, as we do. The other names that we leave out are a difference.
#[rustfmt::skip]
const UNSIGNED_BY_BOTH: [&str; 11] = [
    "authorization", "connection", "expect", "keep-alive", "proxy-authorization", "te", "trailer",
    "transfer-encoding", "upgrade", "user-agent", "x-amzn-trace-id",
];

/// A request, and what it is signed with.
#[derive(Clone, Debug)]
struct Case {
    service: &'static str,
    region: &'static str,
    secret: String,
    token: Option<String>,
    /// Since the epoch, in seconds.
    time: u64,
    unsigned_payload: bool,
    body: Vec<u8>,
    method: &'static str,
    url: String,
    headers: HeaderMap,
}

impl Case {
    fn new(service: &'static str, url: &str) -> Self {
        Self {
            service,
            region: "eu-west-1",
            secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned(),
            token: None,
            time: 1_440_938_160,
            unsigned_payload: false,
            body: Vec::new(),
            method: "GET",
            url: url.to_owned(),
            headers: HeaderMap::new(),
        }
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
        let value = HeaderValue::from_bytes(value.as_bytes()).expect("a value");
        self.headers.append(name, value);
        self
    }

    fn head(&self) -> request::Parts {
        let request = Request::builder()
            .method(Method::from_bytes(self.method.as_bytes()).expect("a method"))
            .uri(&self.url)
            .body(())
            .expect(&self.url);
        let mut head = request.into_parts().0;
        head.headers = self.headers.clone();
        head
    }

    fn signer(&self) -> Signer {
        let scope = SigningScope::new(self.region, self.service).expect("a scope");
        Signer::new(scope, SigningOptions::for_service(self.service))
    }

    fn credentials(&self) -> SigningCredentials {
        let token = self.token.clone();
        let credentials = Credentials::new("AKIDEXAMPLE", &self.secret, token, None, "botocore");
        SigningCredentials::new(credentials).expect("credentials")
    }

    fn payload(&self) -> PayloadHash {
        match self.unsigned_payload {
            true => PayloadHash::Unsigned,
            false => PayloadHash::of(&self.body),
        }
    }

    fn time(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(self.time)
    }

    fn ours(&self) -> Signed {
        let mut head = self.head();
        let (credentials, payload, time) = (self.credentials(), self.payload(), self.time());
        let signed = self.signer().sign(&mut head, &credentials, &payload, time);
        signed.expect("signed");
        let text = |value: &HeaderValue| value.to_str().expect("ASCII").to_owned();
        Signed {
            own: OWN_HEADERS.map(|name| head.headers.get(name).map(text)),
            canonical: None,
        }
    }

    fn theirs(&self) -> Signed {
        let answer = self.ask(None);
        let text = |value: &Value| value.as_str().map(str::to_owned);
        Signed {
            own: OWN_HEADERS.map(|name| text(&answer["headers"][name])),
            canonical: text(&answer["canonical"]),
        }
    }

    /// botocore is told how to sign for a service by what it is a client of, and by whoever calls
    /// it. So are we here, and by AWS's documentation rather than by our presets.
    ///
    /// The signature is in the query if the URL is to expire, after so many seconds.
    fn ask(&self, expires: Option<u64>) -> Value {
        static BOTOCORE: LazyLock<Mutex<Asked>> =
            LazyLock::new(|| Mutex::new(Asked::python("botocore_sign.py")));

        let signer = if self.service.starts_with("s3") {
            "s3"
        } else {
            "v4"
        };
        let payload = match self.service {
            "vpc-lattice-svcs" => "unsigned",
            _ if self.unsigned_payload => "unsigned",
            "aoss" | "appsync" => "sent",
            _ => "hashed",
        };
        let headers: Vec<_> = self
            .headers
            .iter()
            .map(|(name, value)| {
                let value = std::str::from_utf8(value.as_bytes()).expect("text");
                [name.as_str(), value]
            })
            .collect();
        let body: String = self.body.iter().map(|byte| format!("{byte:02x}")).collect();
        let request = json!({
            "signer": signer,
            "service": self.service,
            "region": self.region,
            "secret": self.secret,
            "token": self.token,
            "time": self.time,
            "payload": payload,
            "method": self.method,
            "url": self.url,
            "headers": headers,
            "body": body,
            "expires": expires,
        });
        BOTOCORE
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .ask(&request)
    }
}

/// A signature, and the canonical request behind it where we can have it.
#[derive(Debug)]
struct Signed {
    own: [Option<String>; OWN_HEADERS.len()],
    canonical: Option<String>,
}

impl PartialEq for Signed {
    fn eq(&self, other: &Self) -> bool {
        self.own == other.own
    }
}

impl Signed {
    fn authorization(&self) -> &str {
        self.own[0].as_deref().expect("signed")
    }

    fn signs(&self, name: &str) -> bool {
        let list = self.authorization().split("SignedHeaders=").nth(1);
        let list = list.and_then(|list| list.split(',').next());
        list.expect("a list")
            .split(';')
            .any(|signed| signed == name)
    }
}

/// Each deliberate difference is left out here, and has a test of its own below.
impl Random {
    fn case(&mut self) -> Case {
        let service = self.pick(&SERVICES);
        let url = self.url(service.starts_with("s3"));
        let mut case = Case::new(service, &url);
        case.region = self.pick(&["us-east-1", "cn-north-1", "X", "a_b.c"]);
        case.secret = format!("s{}ä", self.text(60, &["k", "/", "+", "=", "Z9"]));
        if self.one_in(2) {
            let token = self.text(300, &["A", "/", "+", "==", "z", "%"]);
            case.token = Some(format!("t{token}t"));
        }
        // To the end of 9999.
        case.time = self.next() % 253_402_300_800;
        case.unsigned_payload = self.one_in(4);
        if self.one_in(2) {
            case.body = self.text(40, &["a", "\0", "é", "\n", "&"]).into_bytes();
        }
        case.method = self.pick(&[
            "GET", "PUT", "POST", "DELETE", "HEAD", "PATCH", "PURGE", "Q",
        ]);
        self.lines(&mut case.headers);
        case
    }

    fn url(&mut self, s3: bool) -> String {
        let url = self.url_without_query(s3);
        let pairs: Vec<_> = (0..self.below(6)).map(|_| self.pair()).collect();
        let mark = if pairs.is_empty() && self.one_in(2) {
            ""
        } else {
            "?"
        };
        format!("{url}{mark}{}", pairs.join("&"))
    }

    fn url_without_query(&mut self, s3: bool) -> String {
        let scheme = self.pick(&["http", "https"]);
        let host = self.pick(&[
            "a.example.com",
            "me:pw@b-1.example",
            "[2001:db8::1]",
            "10.0.0.1",
        ]);
        let port = self.pick(&["", "", ":80", ":443", ":8182", ":65535"]);
        // As S3 wants it: escaped strictly, and in upper case.
        const STRICT: &[&str] = &[
            "/", "/", "a", "Z", "09", "-._~", "%20", "%C3%A9", "%25", "%2B", "%28", "%3D", "%FF",
            "/./", "/../", "//", "..", "/.", "/..",
        ];
        const LOOSE: &[&str] = &[
            "/", "/", "a", "Z", "09", "-._~", "%20", "%c3%a9", "%FF", "%", "%2f", "%2F", "%3A",
            "(", ")", "!", "*", "'", "+", ":", "@", "&", "=", "$", ",", ";", "é", "日", "/./",
            "/../", "//", "..", "/.", "/..", "\"", "{", "}", "|", "[", "]", "\\",
        ];
        let mut path = self.text(12, if s3 { STRICT } else { LOOSE });
        if matches!(path.rsplit('/').next(), Some("." | "..")) {
            path.push('x');
        }
        format!("{scheme}://{host}{port}/{path}")
    }

    /// Of few pieces, so that names and whole pairs repeat.
    fn pair(&mut self) -> String {
        const PIECES: &[&str] = &[
            "a",
            "b",
            "A",
            "09",
            "-._~",
            "%20",
            "%2B",
            "%3D",
            "%26",
            "%C3%A9",
            "%E6%97%A5",
            "%FF",
            "%00",
            "%25",
            "%2F",
            "%7C",
        ];
        let name = self.text(2, PIECES);
        match self.below(4) {
            0 if !name.is_empty() => name,
            1 => format!("{name}="),
            _ => format!("{name}={}", self.text(3, PIECES)),
        }
    }

    fn lines(&mut self, headers: &mut HeaderMap) {
        const VALUE: &[&str] = &[
            "a", "B", "0", " ", "  ", "   ", ",", ";", "\"", "=", "é", "日", "%20", "/", ":",
        ];
        for _ in 0..self.below(8) {
            let name = match self.below(4) {
                0 => self.pick(&UNSIGNED_BY_BOTH).to_owned(),
                1 => self
                    .pick(&["content-type", "accept", "cookie", "content-md5"])
                    .to_owned(),
                2 => self
                    .pick(&["x-amz-target", "x-amz", "x-api-key", "x"])
                    .to_owned(),
                _ => format!("x{}", self.text(6, &["a", "b", "-", "_", "1", ".", "!"])),
            };
            let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
            let [before, after] = [(); 2].map(|()| self.text(2, &[" ", "\t"]));
            let value = format!("{before}{}{after}", self.text(10, VALUE));
            let value = HeaderValue::from_bytes(value.as_bytes()).expect("a value");
            headers.append(name, value);
        }
        if self.one_in(4) {
            headers.insert(HOST, HeaderValue::from_static(" vpce-1.Example.com:444 "));
        }
    }
}

#[test]
fn random_requests_are_signed_as_botocore_does() {
    compare(10_000, 0x5eed_b070_c04e_0029);
}

#[test]
#[ignore = "soak: a hundred thousand requests"]
fn random_requests_are_signed_as_botocore_does_soak() {
    compare(100_000, 0x5eed_b070_c04e_1029);
}

fn compare(requests: usize, seed: u64) {
    if skipped("random requests beside botocore") {
        return;
    }
    let mut random = Random(seed);
    let (mut sessions, mut s3, mut unsigned, mut ports) = (0, 0, 0, 0);
    for n in 0..requests {
        let case = random.case();
        let (ours, theirs) = (case.ours(), case.theirs());
        let canonical = theirs.canonical.as_deref().unwrap_or_default();
        assert_eq!(ours, theirs, "request {n}: {case:#?}\n{canonical}");
        sessions += usize::from(case.token.is_some());
        s3 += usize::from(case.service.starts_with("s3"));
        unsigned += usize::from(ours.own[1].as_deref() == Some("UNSIGNED-PAYLOAD"));
        let port = case.url.contains(":8182/") || case.url.contains(":65535/");
        ports += usize::from(port && !case.headers.contains_key(HOST));
    }
    // A generator that stopped making one kind would leave a figure that says little.
    for (kind, count) in [
        ("session", sessions),
        ("S3", s3),
        ("unsigned", unsigned),
        ("port", ports),
    ] {
        assert!(count > requests / 10, "{kind}: only {count}");
    }
    promise(
        29,
        format_args!(
            "{requests} of {requests} random requests agree with botocore; {sessions} with a \
             session token, {s3} for S3, {unsigned} with an unsigned payload, {ports} with a port \
             in the signed host"
        ),
    );
}

/// Both sign `read` alike, and we sign `sent` like it. botocore does not.
#[track_caller]
fn only_we_read(sent: &Case, read: &Case) {
    assert_eq!(read.ours(), read.theirs(), "{read:#?}");
    assert_eq!(sent.ours(), read.ours(), "{sent:#?}");
    assert_ne!(sent.theirs(), read.theirs(), "{sent:#?}");
}

#[test]
fn a_query_is_signed_as_a_service_reads_it() {
    if skipped("queries beside botocore") {
        return;
    }
    for (sent, read) in [
        ("a+b=1+2", "a%20b=1%202"),
        ("a=b=c", "a=b%3Dc"),
        ("a=%2f", "a=%2F"),
        ("a=%7E%41", "a=~A"),
        ("a=(b)!/:", "a=%28b%29%21%2F%3A"),
        ("a=é", "a=%C3%A9"),
        ("a=%", "a=%25"),
        ("&b&&a&", "a&b"),
        // Encoding changes the order.
        ("a!=1&a.=2", "a.=2&a%21=1"),
    ] {
        let [sent, read] = [sent, read].map(|query| format!("https://x.example/?{query}"));
        only_we_read(&Case::new("es", &sent), &Case::new("es", &read));
    }
}

#[test]
fn a_path_for_s3_is_signed_as_s3_reads_it() {
    if skipped("paths for S3 beside botocore") {
        return;
    }
    for (sent, read) in [
        ("/a(b)!*'", "/a%28b%29%21%2A%27"),
        ("/a+b=c:d@e", "/a%2Bb%3Dc%3Ad%40e"),
        ("/%c3%a9", "/%C3%A9"),
        ("/%7Ea%2D", "/~a-"),
        ("/a%2Fb", "/a/b"),
        ("/é", "/%C3%A9"),
    ] {
        let [sent, read] = [sent, read].map(|path| format!("https://x.example{path}"));
        only_we_read(&Case::new("s3", &sent), &Case::new("s3", &read));
    }
}

#[test]
fn a_path_that_ends_in_dots_keeps_its_slash() {
    if skipped("paths that end in dots beside botocore") {
        return;
    }
    for (sent, read, without) in [
        ("/a/.", "/a/", "/a"),
        ("/a/b/..", "/a/", "/a"),
        ("/a/b/../.", "/a/", "/a"),
    ] {
        let [sent, read, without] =
            [sent, read, without].map(|path| Case::new("es", &format!("https://x.example{path}")));
        only_we_read(&sent, &read);
        assert_eq!(sent.theirs(), without.theirs());
    }
}

#[test]
fn a_host_is_signed_as_it_is_sent() {
    if skipped("hosts beside botocore") {
        return;
    }
    let sent = Case::new("es", "https://X.Example:8443/");
    let said = Case::new("es", "https://x.example/").with("host", "X.Example:8443");
    only_we_read(&sent, &said);
    let lower = Case::new("es", "https://x.example:8443/");
    assert_eq!(sent.theirs(), lower.theirs());
}

#[test]
fn a_method_is_signed_as_it_is_sent() {
    if skipped("methods beside botocore") {
        return;
    }
    let upper = Case::new("es", "https://x.example/");
    let lower = Case {
        method: "get",
        ..upper.clone()
    };
    assert_eq!(upper.ours(), upper.theirs());
    assert_eq!(upper.theirs(), lower.theirs());
    assert_ne!(upper.ours(), lower.ours());
}

#[test]
fn white_space_inside_a_value_is_kept_unless_it_is_spaces() {
    if skipped("white space beside botocore") {
        return;
    }
    let with = |value| Case::new("es", "https://x.example/").with("x-value", value);
    let space = with("a b");
    assert_eq!(space.ours(), space.theirs());
    for value in ["a\tb", "a \t b", "a\u{a0}b", "a\u{2003}b"] {
        assert_eq!(with(value).theirs(), space.theirs(), "{value:?}");
        assert_ne!(with(value).ours(), space.ours(), "{value:?}");
    }
}

#[test]
fn more_headers_are_left_unsigned() {
    if skipped("unsigned headers beside botocore") {
        return;
    }
    let plain = Case::new("es", "https://x.example/");
    for name in UNSIGNED {
        let with = plain.clone().with(name, "changes");
        let both = UNSIGNED_BY_BOTH.contains(&name);
        assert!(!with.ours().signs(name), "{name}");
        assert_eq!(with.theirs().signs(name), !both, "{name}");
        if !both {
            only_we_read(&with, &plain);
        }
    }
}

#[test]
fn a_date_is_a_header_like_any_other() {
    if skipped("dates beside botocore") {
        return;
    }
    let date = "Sun, 06 Nov 1994 08:49:37 GMT";
    let case = Case::new("es", "https://x.example/").with(DATE.as_str(), date);
    let (ours, theirs) = (case.ours(), case.theirs());
    assert!(ours.signs("date") && ours.signs("x-amz-date"));
    assert!(theirs.signs("date") && !theirs.signs("x-amz-date"));
    let canonical = theirs.canonical.expect("botocore tells it");
    assert!(!canonical.contains("1994"), "{canonical}");
}

#[test]
fn what_is_left_of_an_older_signature_is_not_believed() {
    if skipped("leftovers beside botocore") {
        return;
    }
    let plain = Case::new("es", "https://x.example/");
    for (name, value) in [
        ("x-amz-content-sha256", "UNSIGNED-PAYLOAD"),
        ("x-amz-security-token", "old"),
    ] {
        only_we_read(&plain.clone().with(name, value), &plain);
    }
}
