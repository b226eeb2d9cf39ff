//! The signer under requests of every kind. None makes it panic, one that cannot be signed stays as
//! it was, no signature is made with a key that is not its own, and a retry leaves nothing behind.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use http::header::{AUTHORIZATION, HOST, HeaderName};
use http::{HeaderMap, HeaderValue, Method, Request, Uri, Version, request};
use tower_client_auth::sigv4::{
    PathEncoding, Signer, SigningCredentials, SigningOptions, SigningScope,
};
use tower_client_auth::{AuthErrorKind, PayloadHash};

use crate::oracle::{Random, UNSIGNED};
use crate::plain::{ACCESS_KEY_ID, OF_A_SIGNATURE, Plain, Rules, date_time};
use crate::support::promise;

/// The beginning of many names: longer than what the signer compares at first.
const ALIKE: &str = "X-Amz-Meta-Alike-";

#[rustfmt::skip]
const URI_PIECES: &[&str] = &[
    "/", "/", "//", "/./", "/../", "/.", "/..", "..", "a", "Z", "09", "-._~", "é", "&", "&", "&&",
    "=", "=", "a==b", "a=1", "+", "%20", "%2B", "%C3%A9", "%c3%a9", "%FF", "%f", "%", "%%", "%zz",
    "%2F", "%2f", "%41", "%7e", "(", ")", "!", "*", "'", ":", "@", "$", ",", ";", "{", "}", "|",
    "[", "]", "^", "\\",
];
const USERS: &[&str] = &["", "", "", "me@", "me:pw@", "a%40b:80@"];
const HOSTS: &[&str] = &["a.example.com", "EXAMPLE.com", "[2001:db8::1]", "10.0.0.1"];
const PORTS: &[&str] = &["", "", ":80", ":443", ":8443", ":0443", ":", ":65536"];
const METHODS: &[&str] = &["GET", "PUT", "HEAD", "POST", "M-SEARCH", "get", "q"];

/// What may stand in a method and in a header's name, which `http` turns into lower case.
const TOKEN: &[u8] =
    b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.!#$%&'*+^`|~";

#[rustfmt::skip]
const NEARLY_UNSIGNED: &[&str] = &[
    "tea", "vi", "expects", "trailers", "forwarded-", "tracestates", "user-agents", "proxy",
    "content-lengths", "sec-websocket", "x-forwarded", "x-amzn-trace-ids", "x-amz-dates", "hosts",
    "x-amz-content-sha255", "x-amz-security-tokem", "authorizations", "accept", "cookie",
];

#[rustfmt::skip]
const VALUE_PIECES: &[&[u8]] = &[
    b"a", b"B", b"0", b" ", b"  ", b"   ", b"\t", b",", b";", b"\"", b"=", b"/", b"%20", b"\xff",
    b"\x80", b"\xa0", b"\xc3\xa9",
];

/// The first second of the year 10000.
const END_OF_TIME: u64 = 253_402_300_800;

/// A request of any kind; counts the URIs that `http` refuses.
pub(crate) fn any_head(random: &mut Random, refused: &mut usize) -> request::Parts {
    let (mut head, ()) = Request::new(()).into_parts();
    head.method = Method::from_bytes(random.pick(METHODS).as_bytes()).expect("a method");
    head.headers = any_headers(random);
    head.uri = loop {
        match Uri::try_from(any_uri(random)) {
            Ok(uri) => break uri,
            Err(_) => *refused += 1,
        }
    };
    head
}

/// What there is to a request of [`any_head`].
#[rustfmt::skip]
pub(crate) fn kinds_of(head: &request::Parts) -> Vec<(&'static str, bool)> {
    let (path, query) = (head.uri.path(), head.uri.query().unwrap_or_default());
    let authority = head.uri.authority().map_or("", |authority| authority.as_str());
    let pairs = || query.split('&').filter(|pair| !pair.is_empty());
    let names: HashSet<&str> = pairs().filter_map(|pair| pair.split('=').next()).collect();
    let headers = &head.headers;
    let any_value = |is: fn(&[u8]) -> bool| headers.values().any(|value| is(value.as_bytes()));
    let any_of = |length: usize| headers.keys().any(|name| name.as_str().len() == length);
    vec![
        ("bytes that are no text", query.contains("%FF")),
        ("a broken escape", path.contains("%%") || query.contains("%%")),
        ("a plus", query.contains('+')),
        ("an empty pair", query.contains("&&")),
        ("a second =", pairs().any(|pair| pair.matches('=').count() > 1)),
        ("a name twice", names.len() < pairs().count()),
        ("names alike", query.matches(ALIKE).count() > 1),
        ("over 16 pairs", pairs().count() > 16),
        ("over 100 pairs", pairs().count() > 100),
        ("no path", path.is_empty()),
        ("a segment .", path.contains("/./")),
        ("a segment ..", path.contains("/../")),
        ("an empty segment", path.contains("//")),
        ("over 24 headers", headers.len() > 24),
        ("a header twice", headers.len() > headers.keys_len()),
        ("headers of 1, 7, 8", any_of(1) && any_of(7) && any_of(8)),
        ("headers of 16, 17", any_of(16) && any_of(17)),
        ("a value beyond ASCII", any_value(|value| !value.is_ascii())),
        ("spaces in a row", any_value(|value| value.windows(2).any(|two| two == b"  "))),
        ("a tab at an end", any_value(|value| value.ends_with(b"\t"))),
        ("a header host", headers.contains_key(HOST)),
        ("an older signature", headers.contains_key("x-amz-date")),
        ("userinfo", authority.contains('@')),
        ("an IPv6 address", authority.contains(']')),
        ("a port", authority.ends_with(":8443")),
        ("a port that is none", authority.ends_with(":65536")),
    ]
}

fn any_uri(random: &mut Random) -> String {
    let (user, host, port) = (random.pick(USERS), random.pick(HOSTS), random.pick(PORTS));
    let path = match random.one_in(8) {
        true => String::new(),
        false => format!("/{}", pieces(random, 10, 12)),
    };
    let query = any_query(random);
    match random.below(16) {
        0 => format!("/{path}{query}"),
        1 => format!("{user}{host}{port}"),
        2..9 => format!("http://{user}{host}{port}{path}{query}"),
        _ => format!("https://{user}{host}{port}{path}{query}"),
    }
}

/// Of one piece in `n`, any visible character takes the place. `http` refuses a few of them.
fn pieces(random: &mut Random, most: usize, n: usize) -> String {
    let mut text = String::new();
    for _ in 0..random.below(most + 1) {
        match random.one_in(n) {
            true => text.push(char::from(b'!' + random.below(94) as u8)),
            false => text.push_str(random.pick(URI_PIECES)),
        }
    }
    text
}

fn any_query(random: &mut Random) -> String {
    let pairs = match random.below(8) {
        0 | 1 => 0,
        2 => 17 + random.below(24),
        3 if random.one_in(4) => 101 + random.below(20),
        3 => random.below(17),
        _ => return format!("?{}", pieces(random, 20, 12)),
    };
    let mut query = String::from("?");
    for _ in 0..pairs {
        match random.below(4) {
            0 => query.push_str(ALIKE),
            1 => query.push_str("a%20long%2Fbeginning-"),
            2 => query.push_str(&"x".repeat(random.below(20))),
            _ => {}
        }
        query += &random.text(2, &["a", "b", "B", "1", "-", ".", "~", "_", "%", "%41"]);
        query += random.pick(&["", "=", "="]);
        query += &random.text(2, &["=", "1", "2", "+", "%FF", "é"]);
        query.push('&');
    }
    if random.one_in(2) {
        query.pop();
    }
    query
}

fn any_headers(random: &mut Random) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let count = match random.one_in(8) {
        true => 25 + random.below(30),
        false => random.below(10),
    };
    for _ in 0..count {
        let name = match random.below(8) {
            0 => random.pick(&UNSIGNED).as_bytes().to_vec(),
            1 => random.pick(NEARLY_UNSIGNED).as_bytes().to_vec(),
            2 => format!("{ALIKE}{}", random.text(2, &["a", "b", "-"])).into_bytes(),
            3 => "x".repeat(1 + random.below(20)).into_bytes(),
            _ => any_token(random),
        };
        let name = HeaderName::from_bytes(&name).expect("a name");
        headers.append(name, any_value(random));
    }
    if random.one_in(4) {
        const VALUES: &[&str] = &["v.example:444", " EXAMPLE.com:443\t", "a  b", "", " \t"];
        for _ in 0..=usize::from(random.one_in(8)) {
            headers.append(HOST, HeaderValue::from_static(random.pick(VALUES)));
        }
    }
    if random.one_in(6) {
        for &name in OF_A_SIGNATURE {
            for _ in 0..random.below(3) {
                headers.append(name, any_value(random));
            }
        }
    }
    headers
}

fn any_token(random: &mut Random) -> Vec<u8> {
    let length = 1 + random.below(40);
    (0..length).map(|_| random.pick(TOKEN)).collect()
}

fn any_value(random: &mut Random) -> HeaderValue {
    let most = if random.one_in(8) { 90 } else { 10 };
    let mut value = Vec::new();
    for _ in 0..random.below(most + 1) {
        value.extend_from_slice(random.pick(VALUE_PIECES));
    }
    HeaderValue::from_bytes(&value).expect("a value")
}

fn credentials(secret: &str, token: Option<&str>) -> SigningCredentials {
    let token = token.map(str::to_owned);
    let credentials = Credentials::new(ACCESS_KEY_ID, secret, token, None, "signer");
    SigningCredentials::new(credentials).expect("credentials")
}

fn signer(region: &str, service: &str, options: SigningOptions) -> Signer {
    let scope = SigningScope::new(region, service).expect("a scope");
    Signer::new(scope, options)
}

/// Up to `most` bytes of any value, less those that `http` does not take.
fn raw_value(random: &mut Random, most: usize) -> HeaderValue {
    let length = random.below(most + 1);
    let bytes = (0..length).map(|_| (random.next() >> 56) as u8);
    let bytes = bytes.filter(|byte| matches!(byte, b'\t' | b' '..=b'~' | 0x80..=0xff));
    HeaderValue::from_bytes(&bytes.collect::<Vec<u8>>()).expect("a value")
}

fn raw_name(random: &mut Random) -> HeaderName {
    let name = match random.below(32) {
        0 => random.pick(OF_A_SIGNATURE).as_bytes().to_vec(),
        1 => random.pick(&UNSIGNED).as_bytes().to_vec(),
        2 if random.one_in(8) => b"host".to_vec(),
        _ => any_token(random),
    };
    HeaderName::from_bytes(&name).expect("a name")
}

/// Of characters in no order, for the most part. `http` refuses many; this is the first it takes.
fn raw_uri(random: &mut Random) -> Uri {
    loop {
        let scheme = random.pick(&["http", "https", "HTTPS", "wss", "q+1.-"]);
        let authority = match random.one_in(4) {
            true => random.pick(HOSTS).to_owned(),
            false => pieces(random, 12, 1),
        };
        let disorder = random.pick(&[1, 1, 2, 12]);
        let long = if random.one_in(300) { 300 } else { 1 };
        let path = pieces(random, 30, disorder).repeat(long);
        let query = pieces(random, 30, disorder).repeat(long);
        let uri = match random.below(8) {
            0 => "*".to_owned(),
            1 => authority,
            2 => format!("/{path}?{query}"),
            3 => format!("{scheme}://{authority}?{query}"),
            _ => format!("{scheme}://{authority}/{path}?{query}"),
        };
        if let Ok(uri) = Uri::try_from(uri) {
            return uri;
        }
    }
}

fn raw_head(random: &mut Random) -> request::Parts {
    let (mut head, ()) = Request::new(()).into_parts();
    head.method = Method::from_bytes(&any_token(random)).expect("a method");
    head.uri = raw_uri(random);
    head.version = random.pick(&[Version::HTTP_10, Version::HTTP_11, Version::HTTP_2]);
    let most = if random.one_in(300) { 5_000 } else { 60 };
    for _ in 0..random.below(61) {
        let value = raw_value(random, most);
        head.headers.append(raw_name(random), value);
    }
    head
}

fn raw_options(random: &mut Random) -> SigningOptions {
    let mut options = SigningOptions::default()
        .path_encoding(random.pick(&[PathEncoding::Single, PathEncoding::Double]))
        .normalize_path(random.one_in(2))
        .sign_payload(!random.one_in(4))
        .send_payload_hash(random.one_in(2));
    for _ in 0..random.below(4) {
        options = options.unsigned_header(raw_name(random));
    }
    options
}

/// On either side of what can be written, and far beyond it.
fn any_time(random: &mut Random) -> SystemTime {
    let nanoseconds = random.below(1_000_000_000) as u32;
    let second = match random.below(16) {
        0 => return SystemTime::UNIX_EPOCH - Duration::from_secs(1),
        1 => return SystemTime::UNIX_EPOCH - Duration::new(random.next() >> 34, nanoseconds),
        2 => random.next() % 2,
        3 => END_OF_TIME - random.next() % 2,
        4 => random.next() >> (1 + random.below(30)),
        _ => random.next() % END_OF_TIME,
    };
    let time = SystemTime::UNIX_EPOCH.checked_add(Duration::new(second, nanoseconds));
    time.unwrap_or(SystemTime::UNIX_EPOCH)
}

fn arbitrary_requests(requests: usize, seed: u64) {
    let mut random = Random(seed);
    let identities = [
        credentials("secret", None),
        credentials("ä secret", Some("t/o+k=e%,;")),
        credentials("another", Some("token".repeat(1000).as_str())),
    ];
    let (mut signed, mut refused) = (0, 0);
    for n in 0..requests {
        let before = raw_head(&mut random);
        let region = random.pick(&["eu-west-1", "X", "a_b.c"]);
        let service = random.pick(&["s3", "execute-api", "q"]);
        let signer = signer(region, service, raw_options(&mut random));
        let payload = match random.below(3) {
            0 => PayloadHash::Unsigned,
            1 => PayloadHash::EMPTY,
            _ => PayloadHash::of(&random.next().to_le_bytes()),
        };
        let identity = &identities[random.below(identities.len())];
        let time = any_time(&mut random);

        let mut head = before.clone();
        let call = || signer.sign(&mut head, identity, &payload, time);
        let result = catch_unwind(AssertUnwindSafe(call));
        let Ok(result) = result else {
            panic!("request {n}: {signer:?} panicked at {time:?} over {before:#?}");
        };
        assert_eq!((&head.method, &head.uri), (&before.method, &before.uri));
        assert_eq!(head.version, before.version);
        if let Err(error) = result {
            assert_eq!(error.kind(), AuthErrorKind::Request, "request {n}");
            assert_eq!(head.headers, before.headers, "request {n}");
            refused += 1;
            continue;
        }
        let second = time.duration_since(SystemTime::UNIX_EPOCH);
        let can_be_written = second.is_ok_and(|second| second.as_secs() < END_OF_TIME);
        assert!(can_be_written, "request {n}: {time:?}");
        let values = head.headers.get_all(AUTHORIZATION).iter();
        let sensitive: Vec<bool> = values.map(HeaderValue::is_sensitive).collect();
        assert_eq!(sensitive, [true], "request {n}");
        signed += 1;
    }
    // A generator that makes one kind only would leave a figure that says little.
    assert!(signed > requests / 4, "only {signed} signed");
    assert!(refused > requests / 10, "only {refused} refused");
    promise(
        31,
        format_args!(
            "{requests} heads of random bytes: {signed} signed, {refused} refused, 0 panics"
        ),
    );
}

#[test]
fn arbitrary_requests_make_no_panic() {
    arbitrary_requests(100_000, 0x5eed_0000_0000_0031);
}

#[test]
#[ignore = "soak: ten million requests"]
fn arbitrary_requests_make_no_panic_soak() {
    arbitrary_requests(10_000_000, 0x5eed_0000_0001_0031);
}

/// Threads sign beside each other for more days, regions and services than keys are kept, while the
/// secret of one and the same access key id is changed under them.
#[test]
fn no_signature_is_made_with_the_key_of_another() {
    const THREADS: usize = 8;
    const SIGNATURES: usize = 100_000;
    const SECRETS: [&str; 5] = ["secret-0", "secret-1", "secret-2", "secret-3", "secret-4"];
    const SCOPES: [(&str, &str); 6] = [
        ("eu-west-1", "s3"),
        ("eu-west-1", "execute-api"),
        ("us-east-1", "s3"),
        ("us-east-1", "execute-api"),
        ("us-east-1", "aoss"),
        ("cn-north-1", "vpc-lattice-svcs"),
    ];
    // The last of a month, of a February and of a year.
    const MIDNIGHTS: [u64; 3] = [1_440_979_200, 1_456_704_000, 1_483_228_800];
    let around = |midnight: u64| [midnight - 43_200, midnight - 1, midnight, midnight + 1];
    let seconds: Vec<u64> = MIDNIGHTS.into_iter().flat_map(around).collect();
    assert_eq!(date_time(seconds[1]), "20150830T235959Z");

    let request = Request::get("https://x.example/a?b=c").body(());
    let (head, ()) = request.expect("a request").into_parts();
    let (payload, payload_text) = (PayloadHash::EMPTY, PayloadHash::EMPTY.to_string());
    let signers =
        SCOPES.map(|(region, service)| signer(region, service, Rules::for_service(service).1));
    let place = |secret: usize, scope: usize, second: usize| {
        (secret * SCOPES.len() + scope) * seconds.len() + second
    };
    let mut expected = Vec::new();
    for secret in SECRETS {
        for (region, service) in SCOPES {
            for second in &seconds {
                let plain = Plain {
                    head: &head,
                    payload: &payload_text,
                    secret,
                    token: None,
                    scope: (region, service),
                    date_time: &date_time(*second),
                    rules: &Rules::for_service(service).0,
                };
                expected.push(plain.authorization().expect("a host"));
            }
        }
    }
    // Otherwise one could stand in for another.
    let distinct: HashSet<&String> = expected.iter().collect();
    assert_eq!(distinct.len(), expected.len());

    let slot = |secret: usize| Mutex::new((secret, credentials(SECRETS[secret], None)));
    let slots = [slot(0), slot(1), slot(2)];
    let run = |seed: u64| {
        let mut random = Random(seed);
        let (mut rotations, mut stale) = (0, Vec::new());
        for _ in 0..SIGNATURES / THREADS {
            let (secret, identity) = {
                let slot = &slots[random.below(slots.len())];
                let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
                if random.one_in(50) {
                    let next = (slot.0 + 1) % SECRETS.len();
                    *slot = (next, credentials(SECRETS[next], None));
                    rotations += 1;
                }
                slot.clone()
            };
            let (scope, second) = (random.below(SCOPES.len()), random.below(seconds.len()));
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds[second]);
            let mut head = head.clone();
            let signed = signers[scope].sign(&mut head, &identity, &payload, time);
            signed.expect("signed");
            let ours = head.headers[AUTHORIZATION].to_str().expect("ASCII");
            if ours != expected[place(secret, scope, second)] {
                stale.push(ours.to_owned());
            }
        }
        (rotations, stale)
    };
    let run = &run;
    let (mut rotations, mut stale) = (0, Vec::new());
    thread::scope(|threads| {
        let seeds = (0..THREADS).map(|thread| 0x5eed_0000_0000_0032 + thread as u64);
        let running: Vec<_> = seeds.map(|seed| threads.spawn(move || run(seed))).collect();
        for thread in running {
            let (more_rotations, more_stale) = thread.join().expect("no panic");
            rotations += more_rotations;
            stale.extend(more_stale);
        }
    });
    assert!(stale.is_empty(), "{} of them", stale.len());
    assert!(rotations > 1_000, "only {rotations}");
    promise(
        32,
        format_args!(
            "{SIGNATURES} signatures on {THREADS} threads, {rotations} rotations between them, \
             {} days, regions and services: 0 with a stale key",
            SCOPES.len() * 2 * MIDNIGHTS.len()
        ),
    );
}

/// With other credentials, options and times than at first.
#[test]
fn a_retry_is_signed_as_if_it_were_the_first_time() {
    let mut random = Random(0x5eed_0000_0000_0023);
    let identities = [credentials("old", None), credentials("new", Some("token"))];
    let signers = ["s3", "execute-api", "vpc-lattice-svcs"]
        .map(|service| signer("eu-west-1", service, SigningOptions::for_service(service)));
    let (mut retries, mut refused) = (0, 0);
    for n in 0..10_000 {
        let mut retried = any_head(&mut random, &mut refused);
        let mut fresh = retried.clone();
        let mut way = || (random.below(signers.len()), random.below(identities.len()));
        let (first, later) = (way(), way());
        let sign = |head: &mut request::Parts, (signer, identity): (usize, usize), second: u64| {
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(second);
            signers[signer].sign(head, &identities[identity], &PayloadHash::EMPTY, time)
        };
        let again = n + n % 7 * 20_000;
        // One that names no host fails each time.
        if sign(&mut retried, first, n).is_ok() {
            sign(&mut retried, later, again).expect("signed again");
            sign(&mut fresh, later, again).expect("signed");
            assert_eq!(retried.headers, fresh.headers, "request {n}");
            retries += 1;
        }
    }
    assert!(retries > 7_000, "only {retries}");
}
