//! Presigned URLs.

use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, DATE};
use http::{HeaderName, HeaderValue, Uri};
use std::collections::HashSet;
use std::time::Duration;
use tower_client_auth::PayloadHash;
use tower_client_auth::sigv4::Presigning;
use url::form_urlencoded;

use super::{Case, SERVICES, UNSIGNED_BY_BOTH};
use crate::oracle::Random;
use crate::servers::skipped;
use crate::support::promise;

/// A request whose URL is to be signed.
#[derive(Clone, Debug)]
struct Url {
    case: Case,
    seconds: u64,
    /// The headers that are covered; every one, if there is no word of it.
    chosen: Option<Vec<HeaderName>>,
}

/// What a URL consists of, its query decoded and sorted, and the canonical request behind it where we can
/// have it.
#[derive(Debug)]
struct Presigned {
    start: String,
    pairs: Vec<(String, String)>,
    canonical: Option<String>,
}

impl PartialEq for Presigned {
    fn eq(&self, other: &Self) -> bool {
        (&self.start, &self.pairs) == (&other.start, &other.pairs)
    }
}

impl Presigned {
    fn new(url: &str, canonical: Option<&str>) -> Self {
        let (start, query) = url.split_once('?').expect("a query");
        let pairs = form_urlencoded::parse(query.as_bytes());
        let mut pairs: Vec<_> = pairs.into_owned().collect();
        pairs.sort();
        Self {
            start: start.to_owned(),
            pairs,
            canonical: canonical.map(str::to_owned),
        }
    }

    fn all(&self, name: &str) -> Vec<&str> {
        let pairs = self.pairs.iter().filter(|(key, _)| key == name);
        pairs.map(|(_, value)| value.as_str()).collect()
    }

    fn signature(&self) -> &str {
        self.all("X-Amz-Signature")[0]
    }

    fn signs(&self, name: &str) -> bool {
        let list = self.all("X-Amz-SignedHeaders")[0];
        list.split(';').any(|signed| signed == name)
    }
}

impl Url {
    fn new(service: &'static str, url: &str) -> Self {
        let mut case = Case::new(service, url);
        case.unsigned_payload = service == "s3";
        Self {
            case,
            seconds: 900,
            chosen: None,
        }
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.case = self.case.with(name, value);
        self
    }

    fn ours(&self) -> Presigned {
        let lifetime = Duration::from_secs(self.seconds);
        let mut presigning = Presigning::expires_in(lifetime).expect("a week at most");
        if let Some(chosen) = &self.chosen {
            let covering = presigning.signed_headers(chosen.iter().cloned());
            presigning = covering.expect("no headers of a signature");
        }
        let mut head = self.case.head();
        let (credentials, payload) = (self.case.credentials(), self.case.payload());
        let signed = self.case.signer().presign(
            &mut head,
            &credentials,
            &payload,
            self.case.time(),
            &presigning,
        );
        assert!(!signed.expect("signed").is_shortened());
        Presigned::new(&head.uri.to_string(), None)
    }

    /// botocore has no word for what the payload is told as, nor for headers that are sent and not
    /// covered: whoever calls it sees to that.
    fn theirs(&self) -> Presigned {
        let mut case = self.case.clone();
        if let Some(told) = self.told() {
            case.url
                .push(if case.url.contains('?') { '&' } else { '?' });
            case.url.push_str(&format!("X-Amz-Content-Sha256={told}"));
        }
        if let Some(chosen) = &self.chosen {
            let left_out = |name: &HeaderName| *name != "host" && !chosen.contains(name);
            let names: Vec<HeaderName> = case.headers.keys().cloned().collect();
            for name in names.into_iter().filter(left_out) {
                case.headers.remove(name);
            }
        }
        asked(&case, self.seconds)
    }

    fn told(&self) -> Option<PayloadHash> {
        let payload = match self.case.service {
            "vpc-lattice-svcs" => PayloadHash::Unsigned,
            _ => self.case.payload(),
        };
        let expects_none = matches!(
            self.case.service,
            "s3" | "s3-object-lambda" | "s3-outposts" | "aoss" | "appsync"
        );
        ((payload == PayloadHash::Unsigned) != expects_none).then_some(payload)
    }
}

fn asked(case: &Case, seconds: u64) -> Presigned {
    let answer = case.ask(Some(seconds));
    let text = |name: &str| answer[name].as_str().expect("text");
    Presigned::new(text("url"), Some(text("canonical")))
}

/// Each deliberate difference is left out here, and has a test of its own below.
impl Random {
    fn expiring(&mut self) -> Url {
        let mut case = self.case();
        case.service = self.pick(&SERVICES);
        let s3 = case.service.starts_with("s3");
        case.url = self.url_without_query(s3);
        case.body.clear();
        if s3 {
            case.unsigned_payload = true;
        }
        if case.service == "iotdevicegateway" {
            case.token = None;
        }
        // Over http botocore leaves no payload unsigned.
        if !s3 && (case.unsigned_payload || case.service == "vpc-lattice-svcs") {
            case.url = case.url.replacen("http://", "https://", 1);
        }
        case.headers.remove(AUTHORIZATION);
        if self.one_in(8) {
            let date = HeaderValue::from_static("Sun, 06 Nov 1994 08:49:37 GMT");
            case.headers.insert(DATE, date);
        }
        let query = self.loose_query();
        if !query.is_empty() || self.one_in(2) {
            case.url.push('?');
            case.url.push_str(&query);
        }
        let mut chosen = None;
        if self.one_in(3) {
            if self.one_in(2) {
                let length = HeaderValue::from(self.below(1000));
                case.headers.insert(CONTENT_LENGTH, length);
            }
            let mut names: Vec<HeaderName> = case.headers.keys().cloned().collect();
            names.retain(|name| !UNSIGNED_BY_BOTH.contains(&name.as_str()) && self.one_in(2));
            chosen = Some(names);
        }
        let seconds = match self.below(8) {
            0 => 1,
            1 => 604_800,
            _ => 1 + self.next() % 604_800,
        };
        Url {
            case,
            seconds,
            chosen,
        }
    }

    /// As loosely as a URI lets, since botocore decodes it here.
    fn loose_query(&mut self) -> String {
        const PIECES: &[&str] = &[
            "a", "b", "A", "09", "-._~", "%20", "+", "%2B", "%2b", "%3D", "%26", "%C3%A9",
            "%c3%a9", "é", "日", "/", "?", ":", "@", "!", "'", "(", ")", "*", ",", ";", "$", "%7E",
            "%41", "%25", "%00", "%g", "[", "]", "{", "}", "|", "^", "`", "\\",
        ];
        let mut names = HashSet::new();
        let mut pairs = Vec::new();
        for _ in 0..self.below(6) {
            let name = self.text(3, PIECES);
            let pair = match self.below(8) {
                0 => String::new(),
                1 => name,
                2 => format!("{name}="),
                3 => format!("{name}={}=", self.text(3, PIECES)),
                _ => format!("{name}={}", self.text(4, PIECES)),
            };
            let name = form_urlencoded::parse(pair.as_bytes()).next();
            // Of the same name, botocore keeps one.
            if name.is_none_or(|(name, _)| names.insert(name.into_owned())) {
                pairs.push(pair);
            }
        }
        pairs.join("&")
    }
}

#[test]
fn random_urls_are_presigned_as_botocore_does() {
    compare(10_000, 0x5eed_b070_9e51_0029);
}

#[test]
#[ignore = "soak: a hundred thousand URLs"]
fn random_urls_are_presigned_as_botocore_does_soak() {
    compare(100_000, 0x5eed_b070_9e51_1029);
}

fn compare(urls: usize, seed: u64) {
    if skipped("random presigned URLs beside botocore") {
        return;
    }
    let mut random = Random(seed);
    let (mut sessions, mut s3, mut told, mut chosen, mut queries) = (0, 0, 0, 0, 0);
    for n in 0..urls {
        let url = random.expiring();
        let (ours, theirs) = (url.ours(), url.theirs());
        let canonical = theirs.canonical.as_deref().unwrap_or_default();
        assert_eq!(ours, theirs, "URL {n}: {url:#?}\n{canonical}");
        sessions += usize::from(url.case.token.is_some());
        s3 += usize::from(url.case.service.starts_with("s3"));
        told += usize::from(!ours.all("X-Amz-Content-Sha256").is_empty());
        chosen += usize::from(url.chosen.as_ref().is_some_and(|chosen| !chosen.is_empty()));
        queries += usize::from(ours.pairs.len() > 9);
    }
    for (kind, count) in [
        ("session", sessions),
        ("S3", s3),
        ("told", told),
        ("chosen", chosen),
        ("query", queries),
    ] {
        assert!(count > urls / 10, "{kind}: only {count}");
    }
    promise(
        29,
        format_args!(
            "{urls} of {urls} random presigned URLs agree with botocore in every parameter; {sessions} \
             with a session token, {s3} for S3, {told} that tell of their payload, {chosen} with headers \
             chosen"
        ),
    );
}

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
