//! AWS Signature Version 4 as slowly and plainly as AWS describes it, beside our signer.
//!
//! A function for each step of [Create a signed AWS API request][aws], with the signature in a
//! header. It shares nothing with the crate: what both have wrong, both would have to have misread.
//! Where the documentation of `sigv4` says that the crate goes its own way, a comment says so here.
//!
//! [aws]: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use hmac::{Hmac, KeyInit, Mac};
use http::header::{AUTHORIZATION, HOST, HeaderName};
use http::{HeaderMap, HeaderValue, Request, request};
use sha2::{Digest, Sha256};
use tower_client_auth::PayloadHash;
use tower_client_auth::sigv4::{
    PathEncoding, Signer, SigningCredentials, SigningOptions, SigningScope,
};

use crate::oracle::Random;
use crate::remembered::before;
use crate::signer::{any_head, kinds_of};
use crate::support::promise;

pub(crate) const ACCESS_KEY_ID: &str = "AKIDEXAMPLE";
const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";

/// The last that `jiff` knows, 22:00 on 30 December 9999.
const LAST_SECOND: u64 = 253_402_207_200;

/// What intermediaries and clients change on the way.
#[rustfmt::skip]
const NEVER_SIGNED: &[&str] = &[
    "accept-encoding", "authorization", "baggage", "connection", "content-length", "expect",
    "forwarded", "keep-alive", "te", "traceparent", "tracestate", "trailer", "transfer-encoding",
    "upgrade", "user-agent", "via", "x-amzn-trace-id",
];
const NEVER_SIGNED_BEGINNINGS: &[&str] = &["proxy-", "sec-websocket-", "x-forwarded-"];

/// What a signature consists of. On a request that is not signed yet, it is left of an older one.
#[rustfmt::skip]
pub(crate) const OF_A_SIGNATURE: &[&str] = &[
    "authorization", "x-amz-date", "x-amz-security-token", "x-amz-content-sha256",
];

/// What is signed, and by whom: [`ACCESS_KEY_ID`], that is.
#[derive(Clone, Debug)]
pub(crate) struct Plain<'a> {
    pub(crate) head: &'a request::Parts,
    /// The hash of the payload in digits, or `UNSIGNED-PAYLOAD`.
    pub(crate) payload: &'a str,
    pub(crate) secret: &'a str,
    pub(crate) token: Option<&'a str>,
    /// Region and service.
    pub(crate) scope: (&'a str, &'a str),
    /// As [`date_time`] writes it.
    pub(crate) date_time: &'a str,
    pub(crate) rules: &'a Rules,
}

/// What differs from service to service.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    encode_path_twice: bool,
    normalize_path: bool,
    sign_payload: bool,
    send_payload_hash: bool,
    unsigned: Vec<HeaderName>,
}

impl Rules {
    /// As the table at `SigningOptions::for_service` has them, and what that returns.
    pub(crate) fn for_service(service: &str) -> (Self, SigningOptions) {
        let is_s3 = service == "s3";
        let rules = Self {
            encode_path_twice: !is_s3,
            normalize_path: !is_s3,
            sign_payload: service != "vpc-lattice-svcs",
            send_payload_hash: is_s3 || service == "aoss",
            unsigned: Vec::new(),
        };
        (rules, SigningOptions::for_service(service))
    }

    /// Any of them, and the options that ask for it. `host` and the date are signed all the same.
    fn any(random: &mut Random) -> (Self, SigningOptions) {
        const NAMES: &[&str] = &["cookie", "x-amz-meta-alike-", "x", "host", "x-amz-date"];
        let rules = Self {
            encode_path_twice: random.one_in(2),
            normalize_path: random.one_in(2),
            sign_payload: !random.one_in(4),
            send_payload_hash: random.one_in(2),
            unsigned: vec![HeaderName::from_static(random.pick(NAMES))],
        };
        let encodings = [PathEncoding::Single, PathEncoding::Double];
        let options = SigningOptions::default()
            .path_encoding(encodings[usize::from(rules.encode_path_twice)])
            .normalize_path(rules.normalize_path)
            .sign_payload(rules.sign_payload)
            .send_payload_hash(rules.send_payload_hash)
            .unsigned_header(rules.unsigned[0].clone());
        (rules, options)
    }
}

/// `20150830T123600Z`, by another library than the crate's: one that ends at [`LAST_SECOND`].
pub(crate) fn date_time(second: u64) -> String {
    let second = i64::try_from(second).expect("a second");
    let time = jiff::Timestamp::from_second(second).expect("a time");
    time.strftime("%Y%m%dT%H%M%SZ").to_string()
}

fn sha256(text: &[u8]) -> String {
    let hash: [u8; 32] = Sha256::digest(text).into();
    hex::encode(hash)
}

fn hmac_sha256(key: &[u8], text: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length");
    mac.update(text);
    mac.finalize().into_bytes().into()
}

/// Every byte is escaped, in upper case, but letters, digits, `-`, `.`, `_` and `~`.
fn uri_encode(bytes: &[u8]) -> String {
    let mut encoded = String::new();
    for &byte in bytes {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

/// To bytes, which need be no text. A `%` without two digits stands for itself.
fn uri_decode(text: &str) -> Vec<u8> {
    let mut decoded = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let digits = after.get(..2).filter(|_| *first == b'%');
        let byte = digits.and_then(|digits| hex::decode(digits).ok());
        rest = if byte.is_some() { &after[2..] } else { after };
        decoded.extend(byte.unwrap_or(vec![*first]));
    }
    decoded
}

/// RFC 3986, section 5.2.4, step by step. Empty segments go before, as AWS has it.
fn normalize(path: &str) -> String {
    let mut input = path.to_owned();
    while input.contains("//") {
        input = input.replace("//", "/");
    }
    let mut output = String::new();
    while !input.is_empty() {
        if input.starts_with("/./") || input == "/." {
            input = format!("/{}", input.get(3..).unwrap_or_default());
        } else if input.starts_with("/../") || input == "/.." {
            input = format!("/{}", input.get(4..).unwrap_or_default());
            output.truncate(output.rfind('/').unwrap_or(0));
        } else {
            // The first segment, with the slash before it.
            let next = input.char_indices().find(|(at, c)| *at > 0 && *c == '/');
            let rest = input.split_off(next.map_or(input.len(), |(at, _)| at));
            output.push_str(&input);
            input = rest;
        }
    }
    output
}

/// Without spaces around it, and with single ones inside. Tabs around it go as well, because HTTP
/// takes them off on the way; no other white space is folded.
fn trim_and_fold(value: &[u8]) -> Vec<u8> {
    let mut folded = value.to_vec();
    while folded.first().is_some_and(|b| b" \t".contains(b)) {
        folded.remove(0);
    }
    while folded.last().is_some_and(|b| b" \t".contains(b)) {
        folded.pop();
    }
    folded.dedup_by(|next, last| *next == b' ' && *last == b' ');
    folded
}

impl Plain<'_> {
    /// The path as it is sent, encoded once more. S3 decodes it first; a slash is never encoded.
    fn canonical_uri(&self) -> String {
        let mut path = self.head.uri.path().to_owned();
        if path.is_empty() {
            path = "/".to_owned();
        }
        if self.rules.normalize_path {
            path = normalize(&path);
        }
        let bytes = match self.rules.encode_path_twice {
            true => path.into_bytes(),
            false => uri_decode(&path),
        };
        let segments: Vec<String> = bytes.split(|b| *b == b'/').map(uri_encode).collect();
        segments.join("/")
    }

    /// By encoded name, then by encoded value. `+` is a space, and empty pairs do not count.
    fn canonical_query_string(&self) -> String {
        let encode = |text: &str| uri_encode(&uri_decode(&text.replace('+', " ")));
        let mut pairs = Vec::new();
        for pair in self.head.uri.query().unwrap_or_default().split('&') {
            if !pair.is_empty() {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                pairs.push((encode(name), encode(value)));
            }
        }
        pairs.sort();
        let pairs: Vec<String> = pairs.iter().map(|(n, v)| format!("{n}={v}")).collect();
        pairs.join("&")
    }

    /// The only `Host` header; without one, what a client sends in its place: the URI's host,
    /// without userinfo and without the scheme's own port. `None` if the request says no host.
    fn host(&self) -> Option<Vec<u8>> {
        if let Some(host) = self.head.headers.get(HOST) {
            let host = trim_and_fold(host.as_bytes());
            let is_only = self.head.headers.get_all(HOST).iter().count() == 1;
            return (is_only && !host.is_empty()).then_some(host);
        }
        let authority = self.head.uri.authority()?.as_str();
        let authority = authority.rsplit('@').next().unwrap_or_default();
        // The colons of an IPv6 address stand in brackets.
        let brackets = authority.find(']').map_or(0, |at| at + 1);
        let colon = authority[brackets..].find(':').map(|at| brackets + at);
        let (host, port) = authority.split_at(colon.unwrap_or(authority.len()));
        if host.is_empty() {
            return None;
        }
        let own_port: Option<u16> = match self.head.uri.scheme_str() {
            Some("https") => Some(443),
            Some("http") => Some(80),
            _ => None,
        };
        // A port that is none, such as `:` or `:65536`, is not sent.
        let port: Option<u16> = port.strip_prefix(':').and_then(|port| port.parse().ok());
        let host = match port {
            Some(port) if Some(port) != own_port => format!("{host}:{port}"),
            _ => host.to_owned(),
        };
        Some(host.into_bytes())
    }

    fn payload(&self) -> &str {
        match self.rules.sign_payload {
            true => self.payload,
            false => UNSIGNED_PAYLOAD,
        }
    }

    /// What the signature adds, besides itself. That the payload is not signed is always told.
    fn added(&self) -> Vec<(&'static str, &str)> {
        let mut added = vec![("x-amz-date", self.date_time)];
        if let Some(token) = self.token {
            added.push(("x-amz-security-token", token));
        }
        if self.rules.send_payload_hash || self.payload() == UNSIGNED_PAYLOAD {
            added.push(("x-amz-content-sha256", self.payload()));
        }
        added
    }

    /// By name; the values of one name are in the order they are sent in, with commas between them.
    fn headers_to_sign(&self) -> Option<BTreeMap<String, Vec<u8>>> {
        let mut signed = BTreeMap::new();
        for name in self.head.headers.keys() {
            let text = name.as_str();
            let changes = |beginning: &&str| text.starts_with(*beginning);
            let is_unsigned = NEVER_SIGNED.contains(&text)
                || NEVER_SIGNED_BEGINNINGS.iter().any(changes)
                || OF_A_SIGNATURE.contains(&text)
                || self.rules.unsigned.contains(name);
            if !is_unsigned {
                let values = self.head.headers.get_all(name).iter();
                let values: Vec<Vec<u8>> = values.map(|v| trim_and_fold(v.as_bytes())).collect();
                signed.insert(text.to_owned(), values.join(&b','));
            }
        }
        // Signed whatever the options say.
        signed.insert("host".to_owned(), self.host()?);
        for (name, value) in self.added() {
            signed.insert(name.to_owned(), value.as_bytes().to_vec());
        }
        Some(signed)
    }

    fn canonical_headers(&self) -> Option<Vec<u8>> {
        let mut lines = Vec::new();
        for (name, value) in self.headers_to_sign()? {
            lines.extend(name.into_bytes());
            lines.push(b':');
            lines.extend(value);
            lines.push(b'\n');
        }
        Some(lines)
    }

    fn signed_headers(&self) -> Option<String> {
        let names: Vec<String> = self.headers_to_sign()?.into_keys().collect();
        Some(names.join(";"))
    }

    /// `None` if the request says no host, as with all that follows.
    pub(crate) fn canonical_request(&self) -> Option<Vec<u8>> {
        let parts = [
            self.head.method.as_str().as_bytes().to_vec(),
            self.canonical_uri().into_bytes(),
            self.canonical_query_string().into_bytes(),
            self.canonical_headers()?,
            self.signed_headers()?.into_bytes(),
            self.payload().as_bytes().to_vec(),
        ];
        Some(parts.join(&b'\n'))
    }

    fn credential_scope(&self) -> String {
        let (date, (region, service)) = (&self.date_time[..8], self.scope);
        format!("{date}/{region}/{service}/aws4_request")
    }

    fn string_to_sign(&self) -> Option<String> {
        let hash = sha256(&self.canonical_request()?);
        let (time, scope) = (self.date_time, self.credential_scope());
        Some(format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{hash}"))
    }

    fn signing_key(&self) -> [u8; 32] {
        let (date, (region, service)) = (&self.date_time[..8], self.scope);
        let key = hmac_sha256(format!("AWS4{}", self.secret).as_bytes(), date.as_bytes());
        let key = hmac_sha256(&key, region.as_bytes());
        let key = hmac_sha256(&key, service.as_bytes());
        hmac_sha256(&key, b"aws4_request")
    }

    fn signature(&self) -> Option<String> {
        let (key, text) = (self.signing_key(), self.string_to_sign()?);
        Some(hex::encode(hmac_sha256(&key, text.as_bytes())))
    }

    /// The value of the header.
    pub(crate) fn authorization(&self) -> Option<String> {
        let (scope, names) = (self.credential_scope(), self.signed_headers()?);
        let (credential, signature) = (format!("{ACCESS_KEY_ID}/{scope}"), self.signature()?);
        Some(format!(
            "AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature={signature}"
        ))
    }

    /// All headers of the request once it is signed.
    pub(crate) fn signed(&self) -> Option<HeaderMap> {
        let authorization = self.authorization()?;
        let mut headers = self.head.headers.clone();
        for name in OF_A_SIGNATURE {
            headers.remove(*name);
        }
        for (name, value) in self.added() {
            headers.insert(name, HeaderValue::from_str(value).expect("a value"));
        }
        let authorization = HeaderValue::from_str(&authorization).expect("a value");
        headers.insert(AUTHORIZATION, authorization);
        Some(headers)
    }
}

/// Of the test suite, and of the documentation of IAM and of S3: service, time, URI, header, hash
/// of the canonical request, signature.
#[rustfmt::skip]
const EXAMPLES: [[&str; 7]; 3] = [
    ["service", "20150830T123600Z", "https://example.amazonaws.com", "te", "",
     "bb579772317eb040ac9ed261061d46c1f17a8133879d6129b6e1c25292927e63",
     "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"],
    ["iam", "20150830T123600Z", "https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08",
     "content-type", "application/x-www-form-urlencoded; charset=utf-8",
     "f536975d06c0309214f805bb90ccff089219ecd68b2577efef23edd43b7e1a59",
     "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"],
    ["s3", "20130524T000000Z", "https://examplebucket.s3.amazonaws.com/test.txt",
     "range", "bytes=0-9",
     "7344ae5b7ee6c3e7e6b0fe0640412a37625d1fbfff95c48bbb2dc43964946972",
     "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"],
];

#[test]
fn the_examples_of_aws_come_out() {
    for [service, date_time, uri, name, value, hash, signature] in EXAMPLES {
        let request = Request::get(uri).header(name, value).body(());
        // One character is another in the secret of S3.
        let letter = if service == "s3" { '/' } else { '+' };
        let plain = Plain {
            head: &request.expect("a request").into_parts().0,
            payload: &sha256(b""),
            secret: &format!("wJalrXUtnFEMI/K7MDENG{letter}bPxRfiCYEXAMPLEKEY"),
            token: None,
            scope: ("us-east-1", service),
            date_time,
            rules: &Rules::for_service(service).0,
        };
        let request = plain.canonical_request().expect("a host");
        let text = String::from_utf8_lossy(&request);
        assert_eq!(sha256(&request), hash, "{text}");
        assert_eq!(plain.signature().expect("a host"), signature, "{uri}");
    }
    assert_eq!(date_time(1_440_938_160), "20150830T123600Z");
}

/// The headers after our signer, and before it if it refuses. It signs a request with the headers `before`
/// first, and may remember what it found out about them.
fn ours(
    plain: &Plain<'_>,
    before: HeaderMap,
    options: SigningOptions,
    hash: PayloadHash,
    second: u64,
) -> HeaderMap {
    let scope = SigningScope::new(plain.scope.0, plain.scope.1).expect("a scope");
    let token = plain.token.map(str::to_owned);
    let credentials = Credentials::new(ACCESS_KEY_ID, plain.secret, token, None, "plain");
    let credentials = SigningCredentials::new(credentials).expect("credentials");
    let time = SystemTime::UNIX_EPOCH + Duration::new(second, 999_999_999);
    let signer = Signer::new(scope, options);
    let mut head = plain.head.clone();
    head.headers = before;
    // It may have no host, or two.
    let _ = signer.sign(&mut head, &credentials, &hash, time);
    head = plain.head.clone();
    let result = signer.sign(&mut head, &credentials, &hash, time);
    assert_eq!(result.is_ok(), plain.host().is_some(), "{plain:#?}");
    head.headers
}

#[test]
fn requests_of_any_kind_are_signed_as_they_are_plainly() {
    compare(100_000, 0x5eed_0000_0001_0029);
}

#[test]
#[ignore = "soak: a million requests"]
fn requests_of_any_kind_are_signed_as_they_are_plainly_soak() {
    compare(1_000_000, 0x5eed_0000_0003_0029);
}

fn compare(requests: usize, seed: u64) {
    let mut random = Random(seed);
    let (mut kinds, mut refused) = (BTreeMap::new(), 0);
    for n in 0..requests {
        let head = any_head(&mut random, &mut refused);
        let service = random.pick(&["s3", "execute-api", "aoss", "vpc-lattice-svcs"]);
        let region = random.pick(&["us-east-1", "cn-north-1", "X", "a_b.c"]);
        let (rules, options) = match random.one_in(4) {
            true => Rules::any(&mut random),
            false => Rules::for_service(service),
        };
        let body = random.next().to_le_bytes();
        let (hash, payload) = match random.below(3) {
            0 => (PayloadHash::Unsigned, UNSIGNED_PAYLOAD.to_owned()),
            1 => (PayloadHash::EMPTY, sha256(b"")),
            _ => (PayloadHash::of(&body), sha256(&body)),
        };
        let second = random.next() % (LAST_SECOND + 1);
        let token = random.text(100, &["A", "/", "+", "==", "%"]);
        let plain = Plain {
            head: &head,
            payload: &payload,
            secret: &format!("s{}ä", random.text(60, &["k", "/", "+", "=", "Z9"])),
            token: Some(token.as_str()).filter(|token| token.len() > 50),
            scope: (region, service),
            date_time: &date_time(second),
            rules: &rules,
        };
        let expected = plain.signed();
        let (before, change) = before(&mut random, &head.headers);
        *kinds.entry(change).or_insert(0) += 1;
        let ours = ours(&plain, before, options, hash, second);
        if ours != *expected.as_ref().unwrap_or(&head.headers) {
            let text = plain.canonical_request().unwrap_or_default();
            let text = String::from_utf8_lossy(&text);
            panic!("request {n}: {ours:#?}\n{expected:#?}\n{plain:#?}\n\n{text}");
        }
        let has = |name: &HeaderName| head.headers.contains_key(name);
        let of_setup = [
            ("refused", expected.is_none()),
            ("a session token", plain.token.is_some()),
            ("an unsigned payload", plain.payload() == UNSIGNED_PAYLOAD),
            ("a path encoded once", !rules.encode_path_twice),
            ("a path left as it is", !rules.normalize_path),
            ("a header of the options", rules.unsigned.iter().any(has)),
        ];
        for (kind, is) in kinds_of(&head).into_iter().chain(of_setup) {
            *kinds.entry(kind).or_insert(0) += usize::from(is);
        }
    }
    // A generator that stopped making one kind would leave a figure that says little.
    let rarest = kinds.values().copied().min().unwrap_or_default();
    assert!(rarest > requests / 200, "{kinds:#?}");
    assert!(refused < requests / 10, "http refused {refused} URIs");
    promise(
        29,
        format_args!(
            "{requests} of {requests} requests over any bytes agree with a signer written down \
             plainly; {} kinds of them, each {rarest} times or more",
            kinds.len()
        ),
    );
}
