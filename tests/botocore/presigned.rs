//! Presigned URLs.

use std::collections::HashSet;
use std::time::Duration;

use http::header::{AUTHORIZATION, CONTENT_LENGTH, DATE};
use http::{HeaderName, HeaderValue};
use tower_client_auth::PayloadHash;
use tower_client_auth::sigv4::Presigning;
use url::form_urlencoded;

use super::{Case, SERVICES, UNSIGNED_BY_BOTH};
use crate::oracle::Random;
use crate::servers::skipped;
use crate::support::promise;

mod differences;

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
        let is_unsigned = payload == PayloadHash::Unsigned;
        let tells = match self.case.service {
            "s3" | "s3-object-lambda" | "s3-outposts" => !is_unsigned,
            "aoss" | "appsync" => true,
            _ => is_unsigned,
        };
        tells.then_some(payload)
    }
}

fn asked(case: &Case, seconds: u64) -> Presigned {
    let answer = case.ask(Some(seconds));
    let text = |name: &str| answer[name].as_str().expect("text");
    Presigned::new(text("url"), Some(text("canonical")))
}

/// Each deliberate difference is left out here, and has a test of its own.
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
