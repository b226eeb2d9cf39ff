//! What the signer says of a request that a server refused.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::sign::v4::{calculate_signature, generate_signing_key};
use http::{HeaderValue, Method, Request, header, request};
use tower_client_auth::sigv4::{
    Explanation, Presigning, Signer, SigningCredentials, SigningOptions, SigningScope,
};
use tower_client_auth::{AuthErrorKind, PayloadHash};

use crate::oracle::Random;

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const TOKEN: &str = "IQoJb3JpZ2luX2VjENX7f3e91c2";
const CANARY: &str = "c4n4ry7f3e91c2";

fn time() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_440_938_160)
}

fn signer(service: &str) -> Signer {
    let scope = SigningScope::new("us-east-1", service).expect("a scope");
    Signer::new(scope, SigningOptions::for_service(service))
}

fn credentials() -> SigningCredentials {
    let token = Some(TOKEN.to_owned());
    let credentials = Credentials::new("AKIDEXAMPLE", SECRET, token, None, "explain");
    SigningCredentials::new(credentials).expect("credentials")
}

fn request() -> request::Parts {
    let mut cookie = HeaderValue::from_static(CANARY);
    cookie.set_sensitive(true);
    let request =
        Request::post("https://u:p@bucket.s3.amazonaws.com:443/a%3Ab//c?list=2&a=1&b=%20")
            .header("content-type", "text/plain")
            .header("x-amz-meta-a", "  two   spaces ")
            .header("x-unlisted", cookie);
    request.body(()).expect("a request").into_parts().0
}

fn sign(service: &str, head: &mut request::Parts) -> Explanation {
    let (signer, payload) = (signer(service), PayloadHash::of(b"body"));
    signer
        .sign(head, &credentials(), &payload, time())
        .expect("signed");
    signer.explain(head, &payload).expect("an explanation")
}

/// The texts are those that were signed: the signature follows from them.
#[test]
fn an_explanation_shows_what_was_signed() {
    for service in ["s3", "execute-api"] {
        let mut head = request();
        let explanation = sign(service, &mut head);
        let key = generate_signing_key(SECRET, time(), "us-east-1", service);
        let signature = calculate_signature(key, explanation.string_to_sign().as_bytes());
        let authorization = head.headers[header::AUTHORIZATION].to_str().expect("ASCII");
        assert!(authorization.ends_with(&signature), "{explanation}");
        let canonical = explanation.canonical_request();
        for line in [
            "POST",
            "a=1&b=%20&list=2",
            "content-type:text/plain",
            "host:bucket.s3.amazonaws.com",
            "x-amz-date:20150830T123600Z",
            "x-amz-meta-a:two spaces",
            "x-amz-security-token:[redacted, 27 bytes]",
            "x-unlisted:[redacted, 14 bytes]",
            &PayloadHash::of(b"body").to_string(),
        ] {
            assert!(canonical.lines().any(|found| found == line), "{line}");
        }
        let path = ["/a%253Ab/c", "/a%3Ab//c"][usize::from(service == "s3")];
        assert_eq!(canonical.lines().nth(1), Some(path));
        assert!(explanation.to_string().contains(canonical));
    }
}

/// The same of a signature in the query.
#[test]
fn a_presigned_url_is_explained() {
    for (service, payload) in [
        ("s3", PayloadHash::Unsigned),
        ("s3", PayloadHash::of(b"body")),
        ("execute-api", PayloadHash::of(b"body")),
        // Its session token is not signed.
        ("iotdevicegateway", PayloadHash::EMPTY),
    ] {
        let (signer, mut head) = (signer(service), request());
        let presigning = Presigning::expires_in(Duration::from_secs(60)).expect("a time");
        signer
            .presign(&mut head, &credentials(), &payload, time(), &presigning)
            .expect("presigned");
        let explanation = signer.explain(&head, &payload).expect("an explanation");
        let key = generate_signing_key(SECRET, time(), "us-east-1", service);
        let signature = calculate_signature(key, explanation.string_to_sign().as_bytes());
        let query = head.uri.query().expect("a query");
        assert!(
            query.contains(&format!("&X-Amz-Signature={signature}")),
            "{explanation}"
        );
        let canonical = explanation.canonical_request();
        let is_appended = service == "iotdevicegateway";
        assert_eq!(canonical.contains("X-Amz-Security-Token"), !is_appended);
        let printed = format!("{explanation} {explanation:?}");
        for absent in [TOKEN, CANARY, SECRET, "X-Amz-Signature", "note:"] {
            assert!(!printed.contains(absent), "{absent}: {printed}");
        }

        // What S3 takes a payload for that it is not told of.
        let other = signer.explain(&head, &PayloadHash::of(b"other"));
        let other = other.expect("an explanation").to_string();
        let note = match (service, payload) {
            ("s3", PayloadHash::Unsigned) => {
                "note: without `X-Amz-Content-Sha256` the payload is taken for UNSIGNED-PAYLOAD"
            }
            ("s3", _) => "note: `X-Amz-Content-Sha256` says",
            _ => continue,
        };
        assert!(other.contains(note), "{other}");
    }
}

#[test]
fn a_signature_for_several_regions_is_explained() {
    let scope = SigningScope::v4a("us-east-1,eu-*", "s3").expect("a scope");
    let signer = Signer::new(scope, SigningOptions::for_service("s3"));
    let mut head = request();
    let payload = PayloadHash::of(b"body");
    signer
        .sign(&mut head, &credentials(), &payload, time())
        .expect("signed");
    let explanation = signer.explain(&head, &payload).expect("an explanation");
    let expected = "AWS4-ECDSA-P256-SHA256\n20150830T123600Z\n20150830/s3/aws4_request\n";
    let string_to_sign = explanation.string_to_sign();
    assert!(string_to_sign.starts_with(expected), "{string_to_sign}");
    let canonical = explanation.canonical_request();
    assert!(
        canonical.contains("\nx-amz-region-set:us-east-1,eu-*\n"),
        "{canonical}"
    );
}

#[test]
fn an_explanation_has_no_secrets() {
    let mut head = request();
    let query = format!("/?X-Amz-Security-Token={CANARY}&api_key={CANARY}&Signature={CANARY}");
    head.uri = format!("https://bucket.s3.amazonaws.com{query}")
        .parse()
        .expect("a URI");
    for name in ["x-api-key", "cookie", "x-my-token", "client-secret"] {
        head.headers.insert(name, HeaderValue::from_static(CANARY));
    }
    let explanation = sign("s3", &mut head);
    let printed = format!("{explanation} {explanation:?}");
    for secret in [CANARY, TOKEN, SECRET] {
        assert!(!printed.contains(secret), "{printed}");
    }

    // The server has the whole request, and repeats its secrets where they belong or anywhere else.
    let theirs = explanation
        .canonical_request()
        .replace("[redacted, 27 bytes]", TOKEN)
        .replace("[redacted, 14 bytes]", CANARY);
    let mut told = 0;
    for line in 0..theirs.lines().count() {
        for (secret, instead) in [
            (CANARY, "n0thing"),
            (TOKEN, "n0thing"),
            ("", TOKEN),
            ("", CANARY),
        ] {
            let mut lines: Vec<String> = theirs.lines().map(str::to_owned).collect();
            lines[line] = match secret {
                "" => instead.to_owned(),
                secret => lines[line].replacen(secret, instead, 1),
            };
            for answer in [xml(&lines.join("\n")), json(&lines.join("\n"), TOKEN)] {
                let difference = explanation.first_difference(answer.as_bytes());
                let difference = difference.expect("a text");
                for secret in [CANARY, TOKEN, SECRET] {
                    assert!(!difference.contains(secret), "{difference}");
                }
                told += usize::from(difference.contains("redacted"));
            }
        }
    }
    assert!(told > 20, "{told}");
}

/// Each secret by itself differs, so that it is the one that would be told.
#[test]
fn a_secret_that_differs_is_not_told() {
    for (name, value) in [
        ("x-amz-security-token", TOKEN),
        ("x-unlisted", CANARY),
        ("cookie", CANARY),
    ] {
        let mut head = request();
        head.headers
            .insert("cookie", HeaderValue::from_static(CANARY));
        let explanation = sign("s3", &mut head);
        let redacted = format!("{name}:[redacted, {} bytes]", value.len());
        let theirs = explanation.canonical_request();
        assert!(theirs.contains(&redacted), "{theirs}");
        let theirs = theirs
            .replace(&redacted, &format!("{name}:0ther"))
            .replace("[redacted, 27 bytes]", TOKEN)
            .replace("[redacted, 14 bytes]", CANARY);
        let difference = explanation.first_difference(xml(&theirs).as_bytes());
        let difference = difference.expect("a text");
        let begins = format!("the header `{name}` is `[redacted, {} bytes]`", value.len());
        assert!(difference.starts_with(&begins), "{difference}");
        assert!(!difference.contains("0ther"), "{difference}");
    }
}

/// What is too long to be told is cut, and a secret is not told in part either.
#[test]
fn a_long_secret_is_not_told_in_part() {
    let mut head = request();
    let long = format!("{CANARY}{}", "A".repeat(600));
    let secret = HeaderValue::from_str(&long).expect("a value");
    head.headers.insert("x-api-key", secret);
    let explanation = sign("s3", &mut head);
    for theirs in [
        long.clone(),
        format!("POST\n{long}"),
        format!("POST\n/a%3Ab//c\na=1&b=%20&{long}=1\n"),
    ] {
        let difference = explanation.first_difference(xml(&theirs).as_bytes());
        let difference = difference.expect("a text");
        assert!(difference.contains("[redacted]"), "{difference}");
        assert!(!difference.contains(CANARY), "{difference}");
    }
}

/// The list of signed headers is the caller's where its own signature is kept.
#[test]
fn names_in_another_case_or_twice_are_the_same_names() {
    let mut head = request();
    head.headers
        .insert("x-api-key", HeaderValue::from_static(CANARY));
    let listed = "AWS4-HMAC-SHA256 Credential=a/20150830/r/s/aws4_request, \
        SignedHeaders=Host;X-Api-Key;x-unlisted;X-UNLISTED;content-type;content-type;ä, Signature=0";
    let listed = HeaderValue::from_bytes(listed.as_bytes()).expect("a value");
    head.headers.insert(header::AUTHORIZATION, listed);
    let explanation = signer("s3").explain(&head, &PayloadHash::EMPTY);
    // A list that is not ASCII is no list.
    assert!(explanation.is_err());
    let listed = "AWS4-HMAC-SHA256 Credential=a/20150830/r/s/aws4_request, \
        SignedHeaders=Host;X-Api-Key;x-unlisted;X-UNLISTED;content-type;content-type;(), Signature=0";
    let listed = HeaderValue::from_static(listed);
    head.headers.insert(header::AUTHORIZATION, listed);
    let explanation = signer("s3").explain(&head, &PayloadHash::EMPTY);
    let explanation = explanation.expect("an explanation");
    let text = explanation.to_string();
    assert!(!text.contains(CANARY), "{text}");
    for line in [
        "host:bucket.s3.amazonaws.com",
        "x-api-key:[redacted, 14 bytes]",
        "content-type:text/plain",
        "content-type;host;x-api-key;x-unlisted",
        "note: `x-unlisted` is listed twice",
        "note: a signed header has a name that cannot be one",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}: {text}");
    }
}

#[test]
fn a_payload_that_is_never_signed_is_no_surprise() {
    let mut head = request();
    let text = sign("vpc-lattice-svcs", &mut head).to_string();
    assert!(
        text.contains("UNSIGNED-PAYLOAD") && !text.contains("note:"),
        "{text}"
    );
}

/// A terminal obeys control characters, and a log has lines.
#[test]
fn what_a_stranger_wrote_is_escaped_and_cut() {
    let mut head = request();
    let explanation = sign("s3", &mut head);
    let long = format!("\u{1b}[2J\r{}", "x".repeat(5000));
    let difference = explanation.first_difference(xml(&long).as_bytes());
    let difference = difference.expect("a text");
    assert!(!difference.chars().any(char::is_control), "{difference:?}");
    assert!(difference.len() < 1000, "{difference}");
    assert!(difference.contains("(5005 bytes)"), "{difference}");
}

/// What an answer leaves out is not taken for equal.
#[test]
fn an_answer_that_says_little_proves_little() {
    let mut head = request();
    let explanation = sign("s3", &mut head);
    let whole = explanation
        .canonical_request()
        .replace("[redacted, 27 bytes]", TOKEN)
        .replace("[redacted, 14 bytes]", CANARY);
    let difference = |answer: String| explanation.first_difference(answer.as_bytes());
    assert_eq!(difference(xml("")), None);
    assert_eq!(difference(json("", "")), None);
    let begun = difference(xml(&whole[..20])).expect("a text");
    assert!(begun.contains("not all of what the server computed") || begun.starts_with("the "));
    let same = difference(xml(&whole)).expect("a text");
    assert!(same.contains("another secret access key"), "{same}");
    let begun = whole.split("\n\n").next().expect("a beginning");
    let begun = difference(xml(begun)).expect("a text");
    assert!(
        begun.contains("not all of what the server computed"),
        "{begun}"
    );
}

#[test]
fn a_request_without_a_signature_cannot_be_explained() {
    let (signer, payload) = (signer("s3"), PayloadHash::EMPTY);
    for (value, query) in [
        (None, "a"),
        (Some("Bearer mF_9"), "a"),
        (Some("AWS4-HMAC-SHA256 Credential=a"), "a"),
        (None, "X-Amz-Signature=0"),
        (
            None,
            "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=a%2Fb&X-Amz-SignedHeaders=host",
        ),
        (
            None,
            "X-Amz-Algorithm=AWS4&X-Amz-Credential=a%2Fb&X-Amz-SignedHeaders=host&X-Amz-Signature=",
        ),
        (
            None,
            "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=a&X-Amz-SignedHeaders=host&X-Amz-Signature=",
        ),
    ] {
        let mut head = request();
        head.uri = format!("https://example.com/?{query}")
            .parse()
            .expect("a URI");
        if let Some(value) = value {
            let value = HeaderValue::from_static(value);
            head.headers.insert(header::AUTHORIZATION, value);
        }
        let error = signer.explain(&head, &payload).expect_err("no signature");
        assert_eq!(error.kind(), AuthErrorKind::Request);
        assert!(error.to_string().contains("nothing to explain"), "{error}");
    }
}

#[test]
fn what_changed_since_is_noted() {
    let mut head = request();
    let signed = sign("s3", &mut head).to_string();
    assert!(!signed.contains("note:"), "{signed}");
    head.headers.remove("content-type");
    head.headers
        .insert("x-amz-content-sha256", HeaderValue::from_static("changed"));
    let explanation = signer("s3").explain(&head, &PayloadHash::of(b"body"));
    let text = explanation.expect("an explanation").to_string();
    for note in [
        "note: `x-amz-content-sha256` says changed, and the payload hash is",
        "note: `content-type` is signed, and the request does not have it any more",
    ] {
        assert!(text.contains(note), "{text}");
    }
}

fn xml(canonical: &str) -> String {
    let canonical = canonical.replace('&', "&amp;").replace('<', "&lt;");
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>SignatureDoesNotMatch</Code>\
         <Message>The request signature we calculated does not match the signature you provided. \
         Check your key and signing method.</Message><AWSAccessKeyId>AKIDEXAMPLE</AWSAccessKeyId>\
         <CanonicalRequest>{canonical}</CanonicalRequest><RequestId>1</RequestId></Error>"
    )
}

/// What API Gateway and most others send.
fn json(canonical: &str, string_to_sign: &str) -> String {
    let message = format!(
        "The request signature we calculated does not match the signature you provided. Check your \
         AWS Secret Access Key and signing method. Consult the service documentation for \
         details.\n\nThe Canonical String for this request should have been\n'{canonical}'\n\nThe \
         String-to-Sign should have been\n'{string_to_sign}'\n"
    );
    serde_json::json!({ "message": message }).to_string()
}

/// A server that saw a request which differs in one thing says so, and so do we.
#[test]
fn the_first_difference_is_told_in_words() {
    type Change = fn(&mut request::Parts, &mut PayloadHash);
    let changes: [(Change, &str); 9] = [
        (
            |head, _| head.method = Method::PUT,
            "the method is `POST` here and `PUT`",
        ),
        (
            |head, _| {
                head.uri = head
                    .uri
                    .to_string()
                    .replace("//c", "/d")
                    .parse()
                    .expect("a URI")
            },
            "the path is `/a%3Ab//c` here and `/a%3Ab/d`",
        ),
        (
            |head, _| {
                head.uri = head
                    .uri
                    .to_string()
                    .replace("a=1", "a=2")
                    .parse()
                    .expect("a URI")
            },
            "the query parameter `a` is `1` here and `2`",
        ),
        (
            |head, _| {
                head.uri = head
                    .uri
                    .to_string()
                    .replace("a=1&", "")
                    .parse()
                    .expect("a URI")
            },
            "the query parameter `a` is only here",
        ),
        (
            |head, _| head.uri = format!("{}&zone=1", head.uri).parse().expect("a URI"),
            "the query parameter `zone` is only at the server",
        ),
        (
            |head, _| {
                let other = HeaderValue::from_static("text/html");
                head.headers.insert("content-type", other);
            },
            "the header `content-type` is `text/plain` here and `text/html`",
        ),
        (
            |head, _| {
                head.headers.remove("x-amz-meta-a");
            },
            "the header `x-amz-meta-a` is signed, and did not reach the server",
        ),
        (
            |head, _| {
                let other = HeaderValue::from_static("proxy.internal");
                head.headers.insert("host", other);
            },
            "the header `host` is `bucket.s3.amazonaws.com` here and `proxy.internal`",
        ),
        (
            |_, payload| *payload = PayloadHash::of(b"other"),
            "the payload hash is `",
        ),
    ];
    for (change, words) in changes {
        let mut head = request();
        let explanation = sign("s3", &mut head);
        let (mut theirs, mut payload) = (request(), PayloadHash::of(b"body"));
        change(&mut theirs, &mut payload);
        let signer = signer("s3");
        signer
            .sign(&mut theirs, &credentials(), &payload, time())
            .expect("signed");
        let theirs = signer.explain(&theirs, &payload).expect("an explanation");
        let canonical = theirs
            .canonical_request()
            .replace("[redacted, 27 bytes]", TOKEN)
            .replace("[redacted, 14 bytes]", CANARY);
        for answer in [xml(&canonical), json(&canonical, theirs.string_to_sign())] {
            let difference = explanation.first_difference(answer.as_bytes());
            let difference = difference.expect("a text");
            assert!(difference.starts_with(words), "{words}: {difference}");
        }
    }
}

#[test]
fn quirks_of_services_are_recognised() {
    let mut head = request();
    let explanation = sign("execute-api", &mut head);
    let canonical = explanation.canonical_request();
    let strings = explanation.string_to_sign();
    for (answer, words) in [
        (
            xml(&canonical.replace("/a%253Ab/c", "/a%3Ab/c")),
            "PathEncoding::Single",
        ),
        (
            xml(&canonical.replace("/a%253Ab/c", "/a%253Ab//c")),
            "normalize_path(false)",
        ),
        (
            json("", &strings.replace("us-east-1", "eu-west-1")),
            "another region",
        ),
        (json("", &strings.replace("0830T", "0831T")), "the date is"),
        (
            json("", &format!("{strings}0")),
            "the hash of the canonical request",
        ),
        (json("", strings), "another secret access key"),
    ] {
        let difference = explanation.first_difference(answer.as_bytes());
        let difference = difference.expect("a text");
        assert!(difference.contains(words), "{words}: {difference}");
    }
    for answer in ["", "{}", "<Error><Code>AccessDenied</Code></Error>"] {
        assert_eq!(explanation.first_difference(answer.as_bytes()), None);
    }
}

/// A stranger's server may answer anything.
#[test]
fn no_answer_makes_it_panic() {
    const PIECES: [&str; 20] = [
        "<CanonicalRequest>",
        "</CanonicalRequest>",
        "<StringToSign>",
        "</StringToSign>",
        "The Canonical String for this request should have been\n'",
        "'\n\nThe String-to-Sign should have been\n'",
        "'\n",
        "{\"message\":\"",
        "\"}",
        "\\n",
        "\n",
        "GET\n/\n\n",
        "&amp;",
        "&#x10ffff;",
        "&#x110000;",
        "&",
        "=",
        ":",
        "a",
        "é",
    ];
    let mut head = request();
    let explanation = sign("s3", &mut head);
    let mut random = Random(0x5eed_0000_0000_0031);
    let mut compared = 0;
    for _ in 0..100_000 {
        let answer = random.text(12, &PIECES);
        compared += usize::from(explanation.first_difference(answer.as_bytes()).is_some());
    }
    assert!(compared > 1000, "{compared}");
}
