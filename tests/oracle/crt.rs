//! Beside AWS's common runtime, which has SigV4a in C: the same on random requests.

use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::SystemTime;

use http::header::{AUTHORIZATION, HOST};
use http::{HeaderMap, HeaderName, HeaderValue, request};
use serde_json::{Value, json};
use tower_client_auth::PayloadHash;
use tower_client_auth::sigv4::{PathEncoding, Signer, SigningCredentials, SigningScope};
use url::form_urlencoded;

use super::presigned::Url;
use super::{Random, Setup, is_signed};
use crate::ecdsa;
use crate::servers::{Asked, skipped};
use crate::support::promise;

mod differences;
mod verified;

/// What a signature adds to headers.
const OWN_HEADERS: [&str; 5] = [
    "authorization",
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-region-set",
    "x-amz-security-token",
];

/// The signature, and all else that a signature adds.
#[derive(Debug)]
struct Parts {
    signature: String,
    rest: Vec<(String, String)>,
}

impl Parts {
    fn of_headers<'a>(headers: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let own = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()));
        let mut rest: Vec<(String, String)> = own
            .filter(|(name, _)| OWN_HEADERS.contains(&name.as_str()))
            .collect();
        rest.sort();
        let (name, value) = &mut rest[0];
        assert_eq!(name, AUTHORIZATION.as_str());
        let (start, signature) = value.split_once(", Signature=").expect("a signature");
        let (start, signature) = (start.to_owned(), signature.to_owned());
        *value = start;
        Self { signature, rest }
    }

    fn of_query(query: &str) -> Self {
        let pairs = form_urlencoded::parse(query.as_bytes());
        let (signature, mut rest): (Vec<_>, Vec<_>) = pairs
            .into_owned()
            .partition(|(name, _)| name == "X-Amz-Signature");
        rest.sort();
        let [(_, signature)] = signature.as_slice() else {
            panic!("one signature was expected: {query}");
        };
        Self {
            signature: signature.clone(),
            rest,
        }
    }
}

/// One of either version, with its signature in either place.
#[derive(Clone)]
struct Case {
    v4a: bool,
    in_query: bool,
    url: Url,
    head: request::Parts,
}

impl Case {
    fn new(random: &mut Random, v4a: bool, in_query: bool) -> Self {
        let (mut url, mut head) = random.tame();
        if v4a {
            url.setup.region = random.region_set();
        }
        if !in_query {
            url.append_token = false;
            url.chosen = None;
        }
        // It leaves out some headers of its own accord.
        head.headers = only(&head.headers, is_signed);
        if let Some(chosen) = &mut url.chosen {
            chosen.retain(|name| head.headers.contains_key(name));
        }
        Self {
            v4a,
            in_query,
            url,
            head,
        }
    }

    fn signer(&self) -> Signer {
        let Setup {
            region, service, ..
        } = &self.url.setup;
        let scope = match self.v4a {
            true => SigningScope::v4a(region, service),
            false => SigningScope::new(region, service),
        };
        self.url.signer(scope.expect("a scope"))
    }

    fn ours(&self) -> (request::Parts, Parts) {
        let setup = &self.url.setup;
        if self.in_query {
            let head = self.url.presign(&self.signer(), &self.head);
            let parts = Parts::of_query(head.uri.query().expect("a query"));
            return (head, parts);
        }
        let mut head = self.head.clone();
        let credentials = SigningCredentials::new(setup.credentials()).expect("credentials");
        let signed = self
            .signer()
            .sign(&mut head, &credentials, &setup.payload, setup.time);
        signed.expect("signed");
        let headers = head.headers.iter();
        let own = headers.filter(|(name, _)| OWN_HEADERS.contains(&name.as_str()));
        let own = own.map(|(name, value)| (name.as_str(), value.to_str().expect("ASCII")));
        let parts = Parts::of_headers(own);
        (head, parts)
    }

    fn theirs(&self) -> Result<Parts, String> {
        static RUNTIME: LazyLock<Mutex<Asked>> =
            LazyLock::new(|| Mutex::new(Asked::python("crt_sign.py")));

        let answer = RUNTIME
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .ask(&self.question());
        if let Some(error) = answer["error"].as_str() {
            return Err(error.to_owned());
        }
        if self.in_query {
            let target = answer["target"].as_str().expect("text");
            return Ok(Parts::of_query(target.split_once('?').expect("a query").1));
        }
        let headers = answer["headers"].as_array().expect("headers").iter();
        let text = |value: &'_ Value| value.as_str().expect("text").to_owned();
        let headers: Vec<_> = headers
            .map(|pair| (text(&pair[0]), text(&pair[1])))
            .collect();
        let headers = headers.iter().map(|(n, v)| (n.as_str(), v.as_str()));
        Ok(Parts::of_headers(headers))
    }

    fn question(&self) -> Value {
        let setup = &self.url.setup;
        let mut target = self.head.uri.path_and_query().expect("one").to_string();
        let is_unsigned = setup.payload == PayloadHash::Unsigned;
        if self.in_query
            && let Some(told) = self.url.told()
        {
            target.push(if target.contains('?') { '&' } else { '?' });
            target.push_str(&format!("X-Amz-Content-Sha256={told}"));
        }
        let sent = |name: &HeaderName| match &self.url.chosen {
            None => true,
            Some(chosen) => *name == HOST || chosen.contains(name),
        };
        let mut headers: Vec<[String; 2]> = only(&self.head.headers, sent)
            .iter()
            .map(|(name, value)| {
                let value = std::str::from_utf8(value.as_bytes()).expect("text");
                [name.to_string(), value.to_owned()]
            })
            .collect();
        if !self.head.headers.contains_key(HOST) {
            headers.push(["host".to_owned(), host(&self.head)]);
        }
        let time = setup.time.duration_since(SystemTime::UNIX_EPOCH);
        json!({
            "v4a": self.v4a,
            "expires": self.in_query.then_some(self.url.seconds),
            "secret": setup.secret,
            "token": setup.token,
            "region": setup.region,
            "service": setup.service,
            "time": time.expect("after 1970").as_secs(),
            "double": setup.encoding == PathEncoding::Double,
            "normalize": setup.normalize,
            "payload": setup.payload.to_string(),
            "tell": setup.send_payload_hash || is_unsigned,
            "append_token": self.url.append_token,
            "method": self.head.method.as_str(),
            "target": target,
            "headers": headers,
        })
    }
}

fn only(headers: &HeaderMap, wanted: impl Fn(&HeaderName) -> bool) -> HeaderMap {
    let kept = headers.iter().filter(|(name, _)| wanted(name));
    let mut map = HeaderMap::new();
    for (name, value) in kept {
        map.append(name, value.clone());
    }
    map
}

fn host(head: &request::Parts) -> String {
    let host = head.uri.host().expect("a host");
    match (head.uri.scheme_str(), head.uri.port_u16()) {
        (_, None) | (Some("http"), Some(80)) | (Some("https"), Some(443)) => host.to_owned(),
        (_, Some(port)) => format!("{host}:{port}"),
    }
}

impl Random {
    /// Each difference is left out here, and has a test of its own.
    fn tame(&mut self) -> (Url, request::Parts) {
        let (url, mut head) = self.presigned();
        let target = head.uri.path_and_query().expect("one").to_string();
        let uri = head.uri.to_string();
        let origin = uri.strip_suffix(&target).expect("an end");
        let target = target.replace(":/", ";/");
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let ends_in_dots = matches!(path.rsplit('/').next(), Some("." | ".."));
        let end = if ends_in_dots { "x" } else { "" };
        // Twice: there is `%%g`.
        let query = query
            .replace('+', "%2B")
            .replace("%g", "g")
            .replace("%g", "g");
        let uri = format!("{origin}{path}{end}?{query}");
        head.uri = uri.parse().expect("a URI");
        for value in head.headers.values_mut() {
            let text = std::str::from_utf8(value.as_bytes()).expect("text");
            *value = HeaderValue::try_from(text.replace('\t', " ")).expect("a value");
        }
        (url, head)
    }
}

#[test]
fn random_requests_are_signed_as_the_common_runtime_does() {
    compare(2_000, false, false);
}

#[test]
fn random_urls_are_presigned_as_the_common_runtime_does() {
    compare(10_000, false, true);
}

#[test]
fn random_requests_are_signed_with_v4a_as_the_common_runtime_does() {
    compare(2_000, true, false);
}

#[test]
fn random_urls_are_presigned_with_v4a_as_the_common_runtime_does() {
    compare(2_000, true, true);
}

fn compare(requests: usize, v4a: bool, in_query: bool) {
    if skipped("random requests beside AWS's common runtime") {
        return;
    }
    let mut random = Random(0x5eed_0c27_0000_0029);
    let (mut sessions, mut single) = (0, 0);
    for n in 0..requests {
        let case = Case::new(&mut random, v4a, in_query);
        let (setup, question) = (&case.url.setup, case.question());
        let ((signed, ours), theirs) = (case.ours(), case.theirs());
        let theirs = theirs.unwrap_or_else(|error| panic!("request {n}: {error}: {question:#}"));
        assert_eq!(ours.rest, theirs.rest, "request {n}: {question:#}");
        if v4a {
            let text = ecdsa::string_to_sign(&case.signer(), &signed, &setup.payload);
            let key = ecdsa::public_key("AKIDEXAMPLE", &setup.secret);
            for (of, signature) in [("ours", ours.signature), ("theirs", theirs.signature)] {
                let verifies = ecdsa::verifies(&key, &text, &signature);
                assert!(verifies, "{of} of request {n}: {question:#}\n{text}");
            }
        } else {
            assert_eq!(
                ours.signature, theirs.signature,
                "request {n}: {question:#}"
            );
        }
        sessions += usize::from(setup.token.is_some());
        single += usize::from(setup.encoding == PathEncoding::Single);
    }
    for (kind, count) in [("session", sessions), ("S3", single)] {
        assert!(count > requests / 10, "{kind}: only {count}");
    }
    let what = match in_query {
        true => "random presigned URLs",
        false => "random requests",
    };
    let how = match v4a {
        true => "in what SigV4a signs, and both signatures verify",
        false => "in the signature",
    };
    promise(
        29,
        format_args!(
            "{requests} of {requests} {what} agree with AWS's common runtime {how}; {sessions} with a \
             session token, {single} for S3"
        ),
    );
}
