//! Beside AWS's JavaScript signer, `@smithy/signature-v4`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use http::{HeaderValue, Request};
use serde_json::json;
use tower_client_auth::PayloadHash;
use tower_client_auth::sigv4::{Signer, SigningCredentials, SigningOptions, SigningScope};

use crate::oracle::Random;
use crate::servers;
use crate::support::promise;

const REQUESTS: usize = 2_000;

/// A request in the forms that the two signers take.
struct Case {
    line: String,
    ours: String,
}

/// Percent-encoded, in one of the ways that mean the same.
fn encode(random: &mut Random, text: &str, strict: bool) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        let plain = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        match (plain, strict) {
            (true, _) => encoded.push(char::from(byte)),
            (false, true) => write!(encoded, "%{byte:02X}").expect("a string"),
            (false, false) if byte == b' ' && random.one_in(2) => encoded.push('+'),
            (false, false) if b"!*'():@,;/?".contains(&byte) && random.one_in(2) => {
                encoded.push(char::from(byte));
            }
            (false, false) if random.one_in(2) => write!(encoded, "%{byte:02x}").expect("a string"),
            (false, false) => write!(encoded, "%{byte:02X}").expect("a string"),
        }
    }
    encoded
}

fn case(random: &mut Random) -> Case {
    const TEXT: &[&str] = &[
        "a",
        "B",
        "9",
        "-",
        "_",
        ".",
        "~",
        " ",
        "é",
        "+",
        "/",
        "=",
        "&",
        "%",
        "(",
        ")",
        "'",
        "*",
        "!",
        ":",
        "@",
        ",",
        ";",
        "?",
        "\u{1f600}",
    ];
    const NAME: &[&str] = &["a", "B", "c-", "é", " ", "z"];
    let service = random.pick(&["execute-api", "s3", "es", "dynamodb"]);
    let region = random.pick(&["us-east-1", "eu-central-2"]);
    let method = random.pick(&["GET", "PUT", "POST", "DELETE"]);
    let host = random.pick(&["a.example.com", "a.example.com:8443"]);
    let token = random
        .one_in(2)
        .then(|| format!("t{}", random.text(40, &["A", "/", "+", "="])));
    let time = random.next() % 4_000_000_000;
    let body = random.text(30, TEXT);

    let mut path = String::new();
    for _ in 0..random.below(5) {
        let segment = format!("x{}", random.text(6, TEXT).replace('/', "-"));
        path.push('/');
        path.push_str(&encode(random, &segment, true));
    }
    if path.is_empty() || random.one_in(4) {
        path.push('/');
    }
    let mut pairs = Vec::new();
    for _ in 0..random.below(6) {
        let name = format!("n{}", random.text(3, NAME));
        pairs.push((name, random.text(6, TEXT)));
    }
    let mut query: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut text = String::new();
    for (name, value) in &pairs {
        query.entry(name).or_default().push(value);
        text.push(if text.is_empty() { '?' } else { '&' });
        text.push_str(&encode(random, name, false));
        text.push('=');
        text.push_str(&encode(random, value, false));
    }
    let mut headers = BTreeMap::from([("host".to_owned(), host.to_owned())]);
    for number in 0..random.below(4) {
        let inside = random.text(5, &["a", " ", "  ", ",", "=", "\"", "%20"]);
        headers.insert(format!("x-own-{number}"), format!(" v{inside}v "));
    }

    let line = json!({
        "service": service,
        "region": region,
        "method": method,
        "path": path,
        "query": query,
        "headers": headers,
        "body": body,
        "time": time,
        "credentials": {
            "accessKeyId": "AKIDEXAMPLE",
            "secretAccessKey": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
            "sessionToken": token,
        },
    });

    let request = Request::builder()
        .method(method)
        .uri(format!("https://{host}{path}{text}"));
    let (mut head, ()) = request.body(()).expect("a request").into_parts();
    for (name, value) in headers.iter().filter(|(name, _)| *name != "host") {
        let name: http::HeaderName = name.parse().expect("a name");
        head.headers
            .insert(name, HeaderValue::try_from(value).expect("a value"));
    }
    let credentials = Credentials::new(
        "AKIDEXAMPLE",
        "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        token,
        None,
        "tests",
    );
    let credentials = SigningCredentials::new(credentials).expect("credentials");
    let scope = SigningScope::new(region, service).expect("a scope");
    let options = SigningOptions::for_service(service);
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(time);
    Signer::new(scope, options)
        .sign(
            &mut head,
            &credentials,
            &PayloadHash::of(body.as_bytes()),
            time,
        )
        .expect("a signature");
    let ours = head.headers["authorization"]
        .to_str()
        .expect("ASCII")
        .to_owned();
    Case {
        line: line.to_string(),
        ours,
    }
}

#[test]
fn random_requests_agree_with_the_javascript_signer() {
    if servers::skipped("@smithy/signature-v4") {
        return;
    }
    let mut random = Random(0x5eed);
    let cases: Vec<Case> = (0..REQUESTS).map(|_| case(&mut random)).collect();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers/smithy_sign.cjs");
    let mut signer = Command::new("node")
        .arg(script)
        .env("NODE_PATH", servers::node_modules())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("node");
    let mut input = signer.stdin.take().expect("piped");
    let lines: Vec<String> = cases.iter().map(|case| case.line.clone()).collect();
    let writer =
        std::thread::spawn(move || lines.iter().try_for_each(|line| writeln!(input, "{line}")));
    let output = BufReader::new(signer.stdout.take().expect("piped"));
    let mut agree = 0;
    for (case, theirs) in cases.iter().zip(output.lines()) {
        assert_eq!(case.ours, theirs.expect("a line"), "{}", case.line);
        agree += 1;
    }
    writer.join().expect("no panic").expect("all written");
    assert!(signer.wait().expect("an end").success());
    assert_eq!(agree, REQUESTS);
    promise(
        29,
        format!("{agree} of {REQUESTS} random requests agree with @smithy/signature-v4"),
    );
}
