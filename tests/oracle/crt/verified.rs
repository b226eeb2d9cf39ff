//! Our SigV4a signatures, verified by AWS's common runtime, which tells them from all others.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderName, HeaderValue, request};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tower_client_auth::PayloadHash;

use super::super::presigned::Url;
use super::super::{Random, Setup, get};
use super::{Case, host};
use crate::ecdsa;
use crate::servers::{Asked, skipped};
use crate::support::promise;

const REQUESTS: usize = 200;

/// Of a request that is written as its canonical form is: the query strictly encoded, and the path too.
fn canonical_request(signed: &request::Parts, payload: &PayloadHash) -> String {
    let mut pairs: Vec<&str> = signed.uri.query().unwrap_or_default().split('&').collect();
    pairs.retain(|pair| !pair.is_empty() && !pair.starts_with("X-Amz-Signature="));
    pairs.sort_unstable_by_key(|pair| pair.split_once('='));
    let in_query = |name: &str| pairs.iter().find_map(|pair| pair.strip_prefix(name));
    let names = match in_query("X-Amz-SignedHeaders=") {
        Some(names) => names.replace("%3B", ";"),
        None => {
            let value = signed.headers["authorization"].to_str().expect("ASCII");
            let list = value.split("SignedHeaders=").nth(1).expect("a list");
            list.split(',').next().expect("a list").to_owned()
        }
    };
    let mut headers = String::new();
    for name in names.split(';') {
        let value = match signed.headers.get(name) {
            Some(value) => value.to_str().expect("ASCII").trim().to_owned(),
            None => host(signed),
        };
        headers.push_str(&format!("{name}:{value}\n"));
    }
    let (method, path, query) = (&signed.method, signed.uri.path(), pairs.join("&"));
    format!("{method}\n{path}\n{query}\n{headers}\n{names}\n{payload}")
}

impl Case {
    /// Whether this is a signature of this request.
    fn verification(&self, signature: &str) -> Value {
        let (signed, _) = self.ours();
        let setup = &self.url.setup;
        let canonical = canonical_request(&signed, &setup.payload);
        let text = ecdsa::string_to_sign(&self.signer(), &signed, &setup.payload);
        let hash = hex::encode(Sha256::digest(canonical.as_bytes()));
        assert!(text.ends_with(&hash), "{canonical}");
        let mut question = self.question();
        let key = ecdsa::public_key("AKIDEXAMPLE", &setup.secret);
        question["x"] = hex::encode(&key[1..33]).into();
        question["y"] = hex::encode(&key[33..]).into();
        question["canonical"] = canonical.into();
        question["signature"] = signature.into();
        question
    }

    /// The same request and others that differ from it in one thing, each by what that is.
    fn twins(&self) -> Vec<(&'static str, Case)> {
        let twin = |change: &dyn Fn(&mut Case)| {
            let mut twin = self.clone();
            change(&mut twin);
            twin
        };
        let with_target = |case: &mut Case, change: &dyn Fn(&str) -> String| {
            case.head.uri = change(&case.head.uri.to_string()).parse().expect("a URI");
        };
        vec![
            (
                "method",
                twin(&|case| case.head.method = "PATCH".parse().expect("one")),
            ),
            (
                "path",
                twin(&|case| with_target(case, &|uri| uri.replace("/x", "/y"))),
            ),
            (
                "query",
                twin(&|case| with_target(case, &|uri| format!("{uri}1"))),
            ),
            (
                "added",
                twin(&|case| with_target(case, &|uri| format!("{uri}&zz=1"))),
            ),
            (
                "header",
                twin(&|case| {
                    let other = HeaderValue::from_static("other");
                    case.head.headers.insert("x-own", other);
                }),
            ),
            (
                "regions",
                twin(&|case| case.url.setup.region.push_str(",xx-*")),
            ),
            ("service", twin(&|case| case.url.setup.service.push('x'))),
            (
                "time",
                twin(&|case| case.url.setup.time += std::time::Duration::from_secs(1)),
            ),
            (
                "payload",
                twin(&|case| case.url.setup.payload = PayloadHash::of(b"other")),
            ),
            ("secret", twin(&|case| case.url.setup.secret.push('x'))),
            (
                "token",
                twin(&|case| case.url.setup.token.get_or_insert_default().push('x')),
            ),
        ]
    }
}

impl Random {
    fn plain_case(&mut self, in_query: bool) -> Case {
        let mut setup = Setup::new("s3");
        setup.region = self.region_set();
        setup.secret = format!("s{}", self.text(60, &["k", "/", "+", "=", "Z9"]));
        if self.one_in(2) {
            setup.token = Some(format!("t{}", self.text(300, &["A", "/", "+", "=="])));
        }
        setup.time += std::time::Duration::from_secs(self.next() % 4_000_000_000);
        setup.payload = match self.below(2) {
            0 => PayloadHash::Unsigned,
            _ => PayloadHash::of(&self.next().to_le_bytes()),
        };
        const TEXT: &[&str] = &["a", "Z", "09", "-._~", "%20", "%C3%A9", "%2B", "%26"];
        let path = self.text(8, &["/", "a", "Z", "09", "-._~", "%20", "%C3%A9", "%2B"]);
        let mut pairs = BTreeMap::new();
        for _ in 0..self.below(5) {
            pairs.insert(format!("n{}", self.text(3, TEXT)), self.text(4, TEXT));
        }
        pairs.insert("z".to_owned(), "1".to_owned());
        let pairs: Vec<String> = pairs.iter().map(|(n, v)| format!("{n}={v}")).collect();
        let host = self.pick(&["a.example.com", "a.example.com:8443"]);
        let mut head = get(&format!("https://{host}/x{path}?{}", pairs.join("&")));
        head.method = self.pick(&["GET", "PUT", "DELETE"]).parse().expect("one");
        let mut headers = HeaderMap::new();
        for name in ["x-own", "content-type", "x-amz-meta-a"] {
            let value = format!("v{}v", self.text(5, &["a", "=", "\"", "%20", ","]));
            let name = HeaderName::from_static(name);
            headers.insert(name, HeaderValue::try_from(value).expect("a value"));
        }
        head.headers = headers;
        let url = Url {
            setup,
            seconds: 1 + self.next() % 604_800,
            append_token: false,
            chosen: None,
        };
        Case {
            v4a: true,
            in_query,
            url,
            head,
        }
    }
}

#[test]
fn the_common_runtime_verifies_our_signatures_and_refuses_what_differs() {
    if skipped("the verification of SigV4a by AWS's common runtime") {
        return;
    }
    let mut runtime = Asked::node("crt_verify.cjs");
    let mut verdict = |question: &Value| {
        let answer = runtime.ask(question);
        answer.as_str().expect("text").to_owned()
    };
    let mut random = Random(0x5eed_0c27_0002_0029);
    let mut refused = 0;
    for n in 0..REQUESTS {
        let case = random.plain_case(n % 2 == 1);
        let signature = case.ours().1.signature;
        let question = case.verification(&signature);
        assert_eq!(verdict(&question), "", "request {n}: {question:#}");

        let mut questions: Vec<(&str, Value)> = case
            .twins()
            .iter()
            .map(|(what, twin)| (*what, twin.verification(&signature)))
            .collect();
        let mut bytes = hex::decode(&signature).expect("digits");
        *bytes.last_mut().expect("some") ^= 1;
        questions.push(("signature", case.verification(&hex::encode(bytes))));
        for (what, question) in questions {
            let verdict = verdict(&question);
            let wrong = "AWS_AUTH_SIGV4A_SIGNATURE_VALIDATION_FAILURE";
            assert!(verdict.contains(wrong), "request {n}, {what}: {verdict}");
            refused += 1;
        }
        // What the verdict on a canonical request is worth.
        let mut other = question.clone();
        other["method"] = "PATCH".into();
        let verdict = verdict(&other);
        let wrong = "AWS_AUTH_CANONICAL_REQUEST_MISMATCH";
        assert!(verdict.contains(wrong), "request {n}: {verdict}");
    }
    promise(
        29,
        format_args!(
            "AWS's common runtime verifies {REQUESTS} of {REQUESTS} SigV4a signatures of ours, half of \
             them in the query, and refuses {refused} of {refused} twins that differ in one thing"
        ),
    );
}
