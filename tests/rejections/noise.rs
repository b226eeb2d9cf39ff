//! Promise 31, for answers: no answer can make a layer panic, or send a request a third time.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use http::StatusCode;
use http::header::{AGE, DATE, WWW_AUTHENTICATE};
use tower::Layer;
use tower_client_auth::{
    ApiKeyLayer, AuthHint, BearerTokenLayer, Buffer, Clock, CloneBody, SigV4Layer,
};

use super::*;
use crate::support::promise;

const CHALLENGES: [&str; 8] = [
    "Bearer",
    "Bearer realm=\"orders\", error=\"invalid_token\", error_description=\"It \\\"expired\\\".\"",
    "bearer ERROR=insufficient_scope, scope=\"orders:read orders:write\"",
    "Basic realm=\"x\", Bearer error=\"invalid_request\"",
    "Newauth realm=\"apps\", type=1, title=\"Login to \\\"apps\\\"\", Basic realm=\"simple\"",
    "Negotiate dG9rZW4=, Bearer",
    "Digest realm=\"x\", nonce=\"1/2\", qop=\"auth,auth-int\", algorithm=SHA-256",
    ", , Bearer , error = \"invalid_token\" ,",
];

const CODES: [&str; 9] = [
    "ExpiredTokenException",
    "com.amazon.coral.service#UnrecognizedClientException:http://internal/",
    "InvalidSignatureException",
    "RequestTimeTooSkewed,http://internal/",
    "RequestExpired",
    "AccessDeniedException",
    "IncompleteSignatureException",
    "ForbiddenException",
    "ns#ValidationException",
];

const BODIES: [&str; 9] = [
    r#"{"message":"The security token included in the request is expired"}"#,
    r#"{"__type":"com.amazon.coral.service#InvalidSignatureException","message":"Signature expired: é"}"#,
    r#"{"message":"Credential should be scoped to correct service: 'execute-api'."}"#,
    r#"{"Message":"User: arn:aws:sts::1:assumed-role/guest/x is not authorized to perform: a:b"}"#,
    r#" {"code":42,"__type":["a"],"message":{"b":null}}"#,
    "<?xml version=\"1.0\"?><Error><Code>RequestTimeTooSkewed</Code><Message>&#x41;</Message></Error>",
    "<Error><Code>AuthorizationHeaderMalformed</Code><Message>it is wrong; expecting 'eu-west-1'</Message></Error>",
    "<Error><Code>SignatureDoesNotMatch</Code></Error>",
    "<html>403 Forbidden</html>",
];

/// Bytes that mean something in headers and bodies.
const MARKS: &[u8] = b"\"\\,= ;:#'/{}<>&\t";

/// A byte that can stand in a header.
fn byte(random: &mut Random) -> u8 {
    match (random.next() >> 56) as u8 {
        byte @ (0x20..=0x7e | 0x80..) => byte,
        _ => random.pick(MARKS),
    }
}

/// A few of its bytes are others, or missing, or there twice.
fn mutated(random: &mut Random, text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for _ in 0..random.below(4) {
        let from = random.below(bytes.len() + 1);
        let to = from + random.below(bytes.len() - from + 1);
        match random.below(5) {
            0 => bytes.truncate(from),
            1 => bytes.insert(from, byte(random)),
            2 => bytes.insert(from, random.pick(MARKS)),
            3 => drop(bytes.drain(from..to)),
            _ => bytes.extend_from_within(from..to),
        }
    }
    bytes
}

/// Something that could be meant, something that almost could, or anything.
fn noise(random: &mut Random, meant: &[&'static str]) -> Vec<u8> {
    match random.below(4) {
        0 => {
            let length = random.below(80);
            (0..length).map(|_| byte(random)).collect()
        }
        1 => random.pick(meant).as_bytes().to_vec(),
        _ => {
            let text = random.pick(meant);
            mutated(random, text)
        }
    }
}

fn value(bytes: &[u8]) -> HeaderValue {
    HeaderValue::from_bytes(bytes).expect("a value")
}

fn when(random: &mut Random) -> HeaderValue {
    // Up to two days off, either way.
    let ahead = random.below(4 * 24 * 3600) as u64;
    let time = noon() + Duration::from_secs(ahead) - Duration::from_secs(2 * 24 * 3600);
    let date = httpdate::fmt_http_date(time);
    match random.below(4) {
        0 => value(&mutated(random, &date)),
        _ => value(date.as_bytes()),
    }
}

fn refusal(random: &mut Random) -> Response<Full<Bytes>> {
    let body = match random.one_in(8) {
        // Any bytes at all.
        true => random_bytes(random, 60),
        false => noise(random, &BODIES),
    };
    let mut refusal = Response::new(Full::from(body));
    let status = random.pick(&[200, 302, 400, 401, 401, 401, 403, 403, 403, 404, 500]);
    *refusal.status_mut() = StatusCode::from_u16(status).expect("a status");
    let headers = refusal.headers_mut();
    for _ in 0..random.below(4) {
        headers.append(WWW_AUTHENTICATE, value(&noise(random, &CHALLENGES)));
    }
    if random.one_in(2) {
        headers.append(ERROR_TYPE, value(&noise(random, &CODES)));
    }
    for _ in 0..random.pick(&[0, 1, 1, 1, 2]) {
        headers.append(DATE, when(random));
    }
    if random.one_in(8) {
        headers.append(AGE, HeaderValue::from_static("1"));
    }
    refusal
}

/// How often a request is sent.
async fn sends<S, R>(service: &S, server: &Server) -> usize
where
    S: Service<Request<Full<Bytes>>, Response = Response<R>, Error = BoxError> + Clone,
    R: Body,
    R::Error: Debug,
{
    let before = server.sends();
    let answer = send(service, post(URL)).await;
    if let Some(hint) = AuthHint::of(&answer) {
        let text = hint.to_string();
        assert!(!text.chars().any(char::is_control), "{text:?}");
    }
    let sends = server.sends() - before;
    assert!((1..=2).contains(&sends), "{sends}: {answer:?}");
    sends
}

#[tokio::test]
async fn whatever_a_server_answers_is_an_answer() {
    const REQUESTS: usize = 100_000;
    let random = Mutex::new(Random(0x5eed_0000_0001_0031));
    let server = Server::new(move |_| {
        let mut random = random.lock().unwrap_or_else(PoisonError::into_inner);
        refusal(&mut random)
    });
    // Each of them has something else to send where it is asked for that.
    let asked = AtomicUsize::new(0);
    let token = move || {
        let number = asked.fetch_add(1, Ordering::Relaxed);
        async move { Ok::<_, BoxError>(format!("token-{number}")) }
    };
    let bearer = BearerTokenLayer::new(ORIGIN, token).expect("a layer");
    let bearer = bearer.retry_rejected(CloneBody).inspect_errors(256);
    let bearer = bearer.layer(server.clone());
    let sigv4 = SigV4Layer::new(REGION, SERVICE, Rotating::default()).expect("a layer");
    let sigv4 = sigv4.scope(ORIGIN).expect("an origin");
    let sigv4 = sigv4.clock(Clock::from_fn(noon));
    let sigv4 = sigv4.retry_rejected(Buffer::default()).inspect_errors(256);
    let sigv4 = sigv4.layer(server.clone());
    let api_key = ApiKeyLayer::new(ORIGIN, "da2-fakeApiId123456").expect("a layer");
    let api_key = api_key.retry_rejected(CloneBody).inspect_errors(256);
    let api_key = api_key.layer(server.clone());
    let mut again = [0; 3];
    for _ in 0..REQUESTS {
        again[0] += sends(&bearer, &server).await - 1;
        again[1] += sends(&sigv4, &server).await - 1;
        again[2] += sends(&api_key, &server).await - 1;
    }
    let [tokens, signatures, keys] = again;
    assert!(tokens > REQUESTS / 10 && signatures > REQUESTS / 50);
    assert_eq!(keys, 0);
    promise(
        31,
        format_args!(
            "{REQUESTS} random answers to each of three layers: no panic, every request answered; \
             {tokens} sent once more with another token, {signatures} with another signature, none \
             twice"
        ),
    );
}
