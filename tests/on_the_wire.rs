//! What is sent is what was signed: a server recomputes the signatures from the bytes that arrived,
//! with a canonical request that is not ours, below and above other middleware.

// The stand-in that the quickstart starts; this test asks it for signatures only.
#[allow(dead_code)]
#[path = "../examples/stand_in/gateway.rs"]
mod gateway;

use std::time::Duration;

use aws_credential_types::Credentials;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full};
use tower::{Service, ServiceBuilder, ServiceExt};
use tower_client_auth::{BoxError, SigV4Layer};
use tower_http::follow_redirect::FollowRedirectLayer;
use tower_http::map_request_body::MapRequestBodyLayer;
use tower_http::sensitive_headers::SetSensitiveRequestHeadersLayer;
use tower_http::set_header::SetRequestHeaderLayer;
use tower_http::trace::TraceLayer;

use crate::loopback::{self, AnyBody, Http};
use crate::oracle::Random;
use crate::support::promise;

const TEAM: HeaderName = HeaderName::from_static("x-team");
const REQUESTS: usize = 5_000;

fn random_request(random: &mut Random, origin: &str) -> Request<Full<Bytes>> {
    const PATH: &[&str] = &[
        "/", "a", "Z", "09", "-._~", "%20", "%c3%a9", "%FF", "%2F", "(", ")", "!", "*", "'", "+",
        ":", "@", "&", "=", "$", ",", ";", "/./", "/../", "//",
    ];
    // Bytes that are no text are one of our differences to the signer that checks.
    const QUERY: &[&str] = &[
        "&", "=", "a", "b", "A", "09", "-._~", "+", "%20", "%2B", "%2b", "%3D", "%26", "%C3%A9",
        "%c3%a9", "/", "?", ":", "@", "!", "'", "(", ")", "*", ",", ";", "$",
    ];
    const VALUE: &[&str] = &["a", "B", "0", " ", "  ", "\t", ",", ";", "\"", "=", "%20"];
    let path = random.text(8, PATH);
    let query = match random.below(3) {
        0 => String::new(),
        _ => format!("?{}", random.text(12, QUERY)),
    };
    let uri: Uri = format!("{origin}/iam/{path}{query}")
        .parse()
        .expect("a URI");
    let body = match random.below(3) {
        0 => Vec::new(),
        _ => vec![b'x'; random.below(5_000)],
    };
    let mut request = Request::new(Full::from(body));
    *request.method_mut() = random
        .pick(&[&Method::GET, &Method::PUT, &Method::POST, &Method::DELETE])
        .clone();
    *request.uri_mut() = uri;
    for number in 0..random.below(5) {
        let name = HeaderName::try_from(format!("x-own-{}", number / 2)).expect("a name");
        let value = format!("v{}v", random.text(6, VALUE));
        request
            .headers_mut()
            .append(name, HeaderValue::try_from(value).expect("a value"));
    }
    request
}

/// Which part of a request to change after it was signed.
#[derive(Clone, Copy)]
struct Change(usize);

fn tamper(mut request: Request<AnyBody>) -> Request<AnyBody> {
    let Some(Change(part)) = request.extensions().get().copied() else {
        return request;
    };
    match part % 4 {
        0 => {
            let other = HeaderValue::from_static("another team");
            request.headers_mut().insert(TEAM, other);
        }
        1 => *request.method_mut() = Method::PATCH,
        2 => {
            let uri = format!("{}x", request.uri());
            *request.uri_mut() = uri.parse().expect("a URI");
        }
        _ => {
            let longer = Full::from("not what was signed").boxed();
            *request.body_mut() = longer;
            request.headers_mut().remove(header::CONTENT_LENGTH);
        }
    }
    request
}

async fn send_all(http: Http) -> (usize, usize) {
    let origin = gateway::start().await.expect("a server");
    let credentials = Credentials::new(
        gateway::ACCESS_KEY_ID,
        gateway::SECRET_ACCESS_KEY,
        None,
        None,
        "tests",
    );
    let layer = SigV4Layer::new(gateway::REGION, gateway::SERVICE, credentials);
    let mut service = ServiceBuilder::new()
        .layer(TraceLayer::new_for_http())
        .layer(FollowRedirectLayer::new())
        .layer(SetSensitiveRequestHeadersLayer::new([TEAM]))
        .layer(SetRequestHeaderLayer::overriding(
            TEAM,
            HeaderValue::from_static("orders"),
        ))
        .layer(layer.clone().expect("a layer"))
        // A client may add what is not signed.
        .layer(SetRequestHeaderLayer::overriding(
            header::USER_AGENT,
            HeaderValue::from_static("tests/1.0"),
        ))
        .layer(MapRequestBodyLayer::new(BodyExt::boxed))
        .map_request(tamper)
        .timeout(Duration::from_secs(60))
        .service(loopback::client(http, None));
    let mut random = Random(0x5eed + http as u64);
    let (mut accepted, mut refused) = (0, 0);
    for number in 0..REQUESTS {
        let mut request = random_request(&mut random, &origin);
        let shown = format!("{} {}", request.method(), request.uri());
        let change = number % 10 == 0;
        if change {
            request.extensions_mut().insert(Change(number / 10));
        }
        let status = status(&mut service, request).await;
        if change {
            assert_eq!(status, StatusCode::FORBIDDEN, "{http:?}, changed: {shown}");
            refused += 1;
        } else {
            assert_eq!(status, StatusCode::OK, "{http:?}: {shown}");
            accepted += 1;
        }
    }
    (accepted, refused)
}

async fn status<S, B>(service: &mut S, request: Request<Full<Bytes>>) -> StatusCode
where
    S: Service<Request<Full<Bytes>>, Response = http::Response<B>, Error = BoxError>,
    B: http_body::Body,
{
    let response = service.ready().await.expect("ready").call(request).await;
    let (head, body) = response.expect("an answer").into_parts();
    // Read to its end, so that the connection can be used again.
    drop(body.collect().await);
    head.status
}

#[tokio::test]
async fn what_arrives_is_what_was_signed() {
    for http in [Http::One, Http::Two] {
        let (accepted, refused) = send_all(http).await;
        promise(
            30,
            format!(
                "HTTP/{}, through 6 tower-http layers: {accepted} of {accepted} signatures hold, \
                 {refused} of {refused} changed requests are refused",
                if http == Http::One { 1 } else { 2 },
            ),
        );
    }
}
