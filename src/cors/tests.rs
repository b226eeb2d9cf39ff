//! What becomes of origins and headers, and what is answered to browsers.

use std::convert::Infallible;

use http::{HeaderMap, Request, Response, StatusCode};
use proptest::prelude::*;
use tower::{ServiceBuilder, ServiceExt};

use super::*;

const APP: &str = "https://app.example.com";

/// What a service under the layer answers to a request with these headers.
async fn answer(
    layer: CorsLayer,
    status: StatusCode,
    method: Method,
    headers: &[(&'static str, &str)],
) -> Response<String> {
    let service = ServiceBuilder::new()
        .layer(layer)
        .service_fn(async |_: Request<String>| {
            let mut response = Response::new("from below".to_owned());
            *response.status_mut() = status;
            Ok::<_, Infallible>(response)
        });
    let mut request = Request::new(String::new());
    *request.method_mut() = method;
    for (name, value) in headers {
        let value = value.parse().expect("a value");
        request.headers_mut().insert(*name, value);
    }
    service.oneshot(request).await.expect("an answer")
}

/// The origin that pages of `origin` are told is let in, if any.
async fn told(layer: CorsLayer, origin: &str) -> Option<String> {
    let headers = [("origin", origin)];
    let response = answer(layer, StatusCode::OK, Method::GET, &headers).await;
    let value = response.headers().get("access-control-allow-origin")?;
    Some(value.to_str().expect("ASCII").to_owned())
}

fn sorted(headers: &HeaderMap) -> Vec<(&str, &str)> {
    let text = |(name, value)| {
        let (name, value): (&HeaderName, &http::HeaderValue) = (name, value);
        (name.as_str(), value.to_str().expect("ASCII"))
    };
    let mut headers: Vec<_> = headers.iter().map(text).collect();
    headers.sort_unstable();
    headers
}

fn error_of(origins: &[&str]) -> String {
    let error = layer(origins).expect_err("a slip");
    assert_eq!(error.kind(), AuthErrorKind::Configuration);
    error.to_string()
}

#[tokio::test]
async fn a_preflight_is_answered_to_the_letter() {
    let layer = layer_with_headers([APP], ["X-Tenant"]).expect("a layer");
    let preflight = [
        ("origin", APP),
        ("access-control-request-method", "PUT"),
        (
            "access-control-request-headers",
            "authorization,content-type,x-tenant",
        ),
    ];
    let response = answer(layer, StatusCode::IM_A_TEAPOT, Method::OPTIONS, &preflight).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.body(), "", "the service below was not asked");
    assert_eq!(
        sorted(response.headers()),
        [
            (
                "access-control-allow-headers",
                "content-type,x-amz-date,authorization,x-api-key,x-amz-security-token,x-tenant"
            ),
            (
                "access-control-allow-methods",
                "GET,HEAD,POST,PUT,PATCH,DELETE"
            ),
            ("access-control-allow-origin", APP),
            ("access-control-max-age", "600"),
            ("vary", "origin"),
        ]
    );
}

#[tokio::test]
async fn refusals_and_failures_can_be_read_like_any_answer() {
    for status in [200, 401, 403, 404, 429, 500, 503] {
        let status = StatusCode::from_u16(status).expect("a status");
        let layer = layer([APP]).expect("a layer");
        let response = answer(layer, status, Method::GET, &[("origin", APP)]).await;
        assert_eq!(response.status(), status);
        assert_eq!(
            sorted(response.headers()),
            [
                ("access-control-allow-origin", APP),
                (
                    "access-control-expose-headers",
                    "x-amzn-errortype,x-amzn-requestid,x-amz-apigw-id,www-authenticate,retry-after,date"
                ),
                ("vary", "origin"),
            ],
            "{status}"
        );
    }
}

#[tokio::test]
async fn strangers_are_told_nothing_and_caches_know_that_it_depends() {
    let layer = layer([APP, "http://localhost:3000"]).expect("a layer");
    for origin in [
        "https://evil.example",
        "http://app.example.com",
        "https://app.example.com.evil.example",
        "https://app.example.com:8443",
        "https://a.app.example.com",
        "http://localhost",
        "null",
        "*",
        "",
    ] {
        assert_eq!(told(layer.clone(), origin).await, None, "{origin}");
    }
    let response = answer(layer, StatusCode::OK, Method::GET, &[]).await;
    assert_eq!(response.headers()["vary"], "origin", "no origin at all");
    assert_eq!(response.body(), "from below");
}

#[tokio::test]
async fn any_origin_is_the_same_answer_for_all() {
    let layer = layer(["*"]).expect("a layer");
    assert_eq!(told(layer.clone(), APP).await.as_deref(), Some("*"));
    let response = answer(layer, StatusCode::OK, Method::GET, &[("origin", "null")]).await;
    assert_eq!(response.headers()["access-control-allow-origin"], "*");
    assert!(!response.headers().contains_key("vary"));
    assert!(
        !response
            .headers()
            .contains_key("access-control-allow-credentials")
    );
}

#[tokio::test]
async fn origins_are_what_browsers_send() {
    for (written, sent) in [
        ("https://app.example.com", "https://app.example.com"),
        ("HTTPS://App.Example.COM", "https://app.example.com"),
        ("https://app.example.com:443", "https://app.example.com"),
        ("https://app.example.com:", "https://app.example.com"),
        ("http://app.example.com:0080", "http://app.example.com"),
        ("http://app.example.com:443", "http://app.example.com:443"),
        ("https://app.example.com:80", "https://app.example.com:80"),
        ("https://app.example.com.", "https://app.example.com."),
        ("https://my_app.example.com", "https://my_app.example.com"),
        ("https://1.example.2com", "https://1.example.2com"),
        (" http://localhost:3000\t", "http://localhost:3000"),
        ("http://127.0.0.1:5173", "http://127.0.0.1:5173"),
        (
            "https://xn--mnchen-3ya.example",
            "https://xn--mnchen-3ya.example",
        ),
        ("http://[::1]:8080", "http://[::1]:8080"),
        (
            "https://[2001:DB8:0:0:0:0:0:1]:443",
            "https://[2001:db8::1]",
        ),
        ("https://[::ffff:192.0.2.1]", "https://[::ffff:c000:201]"),
        ("capacitor://localhost", "capacitor://localhost"),
        ("ionic://localhost", "ionic://localhost"),
        ("tauri://localhost", "tauri://localhost"),
        ("Tauri://localhost:443", "tauri://localhost:443"),
        (
            "safari-web-extension://0A1B2C3D-0000",
            "safari-web-extension://0A1B2C3D-0000",
        ),
        (
            "chrome-extension://abcdefghijklmnopabcdefghijklmnop",
            "chrome-extension://abcdefghijklmnopabcdefghijklmnop",
        ),
    ] {
        let layer = layer([written]).expect(written);
        assert_eq!(told(layer, sent).await.as_deref(), Some(sent), "{written}");
    }
}

#[test]
fn a_slip_in_an_origin_says_what_to_write() {
    for (written, advice) in [
        (
            "https://app.example.com/",
            "write `https://app.example.com`, and nothing after it",
        ),
        (
            "https://App.example.com:443/login",
            "write `https://app.example.com`,",
        ),
        (
            "http://localhost:3000?a=b",
            "write `http://localhost:3000`,",
        ),
        (
            "https://app.example.com#x",
            "write `https://app.example.com`,",
        ),
        ("capacitor://localhost/", "write `capacitor://localhost`,"),
        (
            "app.example.com",
            "no scheme: write `https://app.example.com`",
        ),
        ("localhost:3000", "no scheme"),
        ("//app.example.com", "no scheme"),
        ("https:app.example.com", "no scheme"),
        ("", "no scheme"),
        ("null", "serve the page from an origin of its own"),
        ("NULL", "serve the page"),
        ("file://", "serve the page"),
        ("file:///index.html", "serve the page"),
        ("https://*.example.com", "name each one"),
        ("*://app.example.com", "expected scheme and host"),
        (
            "https://münchen.example",
            "in punycode: write `https://xn--mnchen-3ya.example`",
        ),
        ("https://", "expected scheme and host"),
        ("https:///", "expected scheme and host"),
        ("https://:443", "expected scheme and host"),
        ("://app.example.com", "expected scheme and host"),
        ("1https://app.example.com", "expected scheme and host"),
        ("https://a..example.com", "expected scheme and host"),
        ("https://app example.com", "expected scheme and host"),
        (
            "https://app.example.com,https://b.example",
            "expected scheme and host",
        ),
        (
            "https://me:secret@app.example.com",
            "expected scheme and host",
        ),
        ("https://app.example.com\r\nx", "expected scheme and host"),
        ("https://app.example.com:https", "its port is not a number"),
        ("https://app.example.com:65536", "its port is not a number"),
        ("https://app.example.com:+1", "its port is not a number"),
        ("https://app.example.com:1:2", "its port is not a number"),
        ("http://127.1", "four decimal numbers"),
        ("http://127.0.0.1.", "four decimal numbers"),
        ("http://2130706433", "four decimal numbers"),
        ("http://0x7f.0.0.0x1", "four decimal numbers"),
        ("http://127.0.0.01", "four decimal numbers"),
        ("http://[::1", "not an IPv6 address"),
        ("http://[::1]x", "not an IPv6 address"),
        ("http://[fe80::1%eth0]", "not an IPv6 address"),
        ("http://[localhost]", "not an IPv6 address"),
    ] {
        let error = error_of(&[APP, written]);
        assert!(error.starts_with("origin 2: "), "{written}: {error}");
        assert!(error.contains(advice), "{written}: {error}");
        assert!(!error.contains("secret"), "{error}");
    }
}

#[test]
fn a_star_stands_alone_and_nobody_is_an_error() {
    for origins in [["*", APP], [APP, "*"]] {
        let error = error_of(&origins);
        assert!(error.contains("`*` lets every origin in"), "{error}");
    }
    let _ = layer(["*", " * "]).expect("the same, twice");
    let error = error_of(&[]);
    assert!(error.contains("name at least one"), "{error}");
}

#[test]
fn a_slip_in_a_header_says_what_to_write() {
    for (name, advice) in [
        ("*", "everything but `authorization`"),
        ("x tenant", "header 2 is not the name of a header"),
        ("x-tenant:", "header 2 is not"),
        (APP, "header 2 is not"),
        ("", "header 2 is not"),
        ("x-münchen", "header 2 is not"),
    ] {
        let error = layer_with_headers([APP], ["x-a", name]).expect_err("a slip");
        assert_eq!(error.kind(), AuthErrorKind::Configuration);
        assert!(error.to_string().contains(advice), "{name}: {error}");
    }
}

#[tokio::test]
async fn a_header_that_is_there_already_is_not_doubled() {
    let layer = layer_with_headers([APP], ["X-Api-Key", "x-tenant", "X-TENANT"]).expect("a layer");
    let response = answer(layer, StatusCode::OK, Method::OPTIONS, &[("origin", APP)]).await;
    assert_eq!(
        response.headers()["access-control-allow-headers"],
        "content-type,x-amz-date,authorization,x-api-key,x-amz-security-token,x-tenant"
    );
}

#[test]
fn owned_and_borrowed_texts_are_taken() {
    let configured = vec![APP.to_owned()];
    let _ = layer(&configured).expect("a layer");
    let _ = layer("https://a.example, https://b.example".split(',')).expect("a layer");
    let _ = layer_with_headers(configured, &["x-tenant".to_owned()]).expect("a layer");
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(origin in ".{0,40}", header in ".{0,20}", url in "[a-zA-Z]{1,4}://[\\[\\]:.@*/0-9a-zA-Zé]{0,20}") {
        let _ = layer([origin.as_str()]);
        let _ = layer([url.as_str()]);
        let _ = layer_with_headers([APP], [header.as_str()]);
    }

    /// The oracle is what browsers implement: the URL standard, in the crate `url`.
    #[test]
    fn an_origin_that_is_taken_is_what_the_url_standard_makes_of_it(
        text in "(HTTP|http|https)://([a-zA-Z0-9_-]{1,3}[.]?){1,4}(:(80|443|8080|))?|https?://\\[[0-9a-fA-F:]{2,8}(:10[.]0[.]0[.]1)?\\]"
    ) {
        if let Ok(taken) = origins::parse_one(&text) {
            let origin = url::Url::parse(&text).expect("a URL").origin();
            prop_assert_eq!(taken.to_str().expect("ASCII"), origin.ascii_serialization());
        }
    }
}
