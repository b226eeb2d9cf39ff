//! Lets web pages of other origins call a server of yours with the headers of this crate's modes.
//!
//! The rest of the crate is the client's side; this is the *server's*: an axum service, or a proxy that
//! signs, that stands where API Gateway would. A page's browser asks such a server first (a preflight)
//! whether the page may send `authorization`, `x-api-key` or `x-amz-date`; [`layer`] answers.
//!
//! ```
//! use axum::Router;
//! use axum::extract::Request;
//! use axum::middleware::{self, Next};
//! use axum::response::Response;
//! use axum::routing::get;
//! use http::StatusCode;
//! use tower_client_auth::{AuthError, cors};
//!
//! async fn check(request: Request, next: Next) -> Result<Response, StatusCode> {
//!     match request.headers().get("authorization") {
//!         Some(token) if token == "a user's token" => Ok(next.run(request).await),
//!         _ => Err(StatusCode::UNAUTHORIZED),
//!     }
//! }
//!
//! fn api() -> Result<Router, AuthError> {
//!     Ok(Router::new()
//!         .route("/orders", get(|| async { "two orders" }))
//!         .layer(middleware::from_fn(check))
//!         .layer(cors::layer(["https://app.example.com"])?)) // last, and so outside of the check
//! }
//! # use axum::body::Body;
//! # use tower::ServiceExt;
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), tower_client_auth::BoxError> {
//! # let request = |method| Request::builder()
//! #     .method(method)
//! #     .uri("/orders")
//! #     .header("origin", "https://app.example.com");
//! # let preflight = request("OPTIONS")
//! #     .header("access-control-request-method", "GET")
//! #     .header("access-control-request-headers", "authorization");
//! # let answer = api()?.oneshot(preflight.body(Body::empty())?).await?;
//! # assert_eq!(answer.status(), StatusCode::OK);
//! # assert!(answer.headers().contains_key("access-control-allow-headers"));
//! # let answer = api()?.oneshot(request("GET").body(Body::empty())?).await?;
//! # assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
//! # assert!(answer.headers().contains_key("access-control-allow-origin"));
//! # Ok(())
//! # }
//! ```
//!
//! **It goes outside of whatever checks credentials.** A preflight carries none, so a check outside would
//! refuse it, and with it every call. And a refusal is an answer like any other: a page can read a 401, 403,
//! 429 or 500 only if it has passed through this layer. With axum, the last `.layer` is the outermost.
//!
//! What it returns is a [`CorsLayer`], whose own methods make it another. Headers of your own are better
//! named here: `.allow_headers` replaces the whole list, the ones of this crate's modes included.
//!
//! ```
//! use std::time::Duration;
//! use http::Method;
//! use tower_client_auth::cors;
//!
//! let layer = cors::layer_with_headers(["https://app.example.com"], ["x-tenant"])?
//!     .allow_methods([Method::GET, Method::POST])
//!     .allow_private_network(true) // for a page on the internet that calls an API on an intranet
//!     .max_age(Duration::from_secs(60));
//! # Ok::<(), tower_client_auth::AuthError>(())
//! ```
//!
//! **A proxy takes its upstream's own CORS headers off first.** tower-http's layer adds headers to an answer and
//! removes none, so that an `access-control-allow-origin: *` from below reaches pages which are not on the list:
//!
//! ```
//! use axum::Router;
//! use axum::middleware;
//! use axum::response::Response;
//! use tower_client_auth::{AuthError, cors};
//!
//! async fn without_cors(mut answer: Response) -> Response {
//!     let headers = answer.headers_mut();
//!     let names = headers.keys().filter(|name| name.as_str().starts_with("access-control-"));
//!     for name in names.cloned().collect::<Vec<_>>() {
//!         headers.remove(name);
//!     }
//!     answer
//! }
//!
//! fn in_front_of(upstream: Router) -> Result<Router, AuthError> {
//!     Ok(upstream
//!         .layer(middleware::map_response(without_cors))
//!         .layer(cors::layer(["https://app.example.com"])?))
//! }
//! # use axum::body::Body;
//! # use axum::extract::Request;
//! # use axum::routing::get;
//! # use tower::ServiceExt;
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), tower_client_auth::BoxError> {
//! # let upstream = Router::new().route("/", get(|| async { [("access-control-allow-origin", "*")] }));
//! # let request = || Request::get("/").header("origin", "https://evil.example").body(Body::empty());
//! # let answer = upstream.clone().layer(cors::layer(["https://app.example.com"])?).oneshot(request()?).await?;
//! # assert_eq!(answer.headers()["access-control-allow-origin"], "*", "what the text says");
//! # let answer = in_front_of(upstream)?.oneshot(request()?).await?;
//! # assert!(!answer.headers().contains_key("access-control-allow-origin"));
//! # Ok(())
//! # }
//! ```
//!
//! # What it allows
//!
//! | | |
//! |---|---|
//! | origins | those you name, or `*` alone for any; and what the service below allows by itself |
//! | request headers | [`REQUEST_HEADERS`], and those you name |
//! | methods | [`METHODS`] |
//! | response headers that scripts can read | [`RESPONSE_HEADERS`], and the few that browsers always show |
//! | cookies | none |
//! | how long a browser need not ask again | ten minutes, for each URL |
//! | `Vary` | `origin` on every answer, unless the origin is `*`: shared caches keep answers apart |
//!
//! It answers every `OPTIONS` request itself, so none reaches the service below.
//!
//! **It sends no `Access-Control-Allow-Credentials`, and none is needed.** What CORS calls credentials are
//! cookies, client certificates, and passwords that the *browser* remembers. An `authorization` that a
//! script sets is a header like any other. With `.allow_credentials(true)` cookies are let in, and forged
//! requests with them; it cannot be joined to `*`, and tower-http panics when such a layer is put on.
//!
//! **CORS protects users of browsers, not APIs.** What is no browser sends what it likes; and a browser
//! sends a `GET`, or a `POST` of a form, without asking: another origin's page cannot read the answer, but
//! your service has done the work. Check credentials as if this layer were not there.
//!
//! # How this differs
//!
//! - [`CorsLayer::permissive`] sends `Access-Control-Allow-Headers: *`. That stands for every header but
//!   `authorization`, which has to be [named]: Firefox holds to it, Chromium only warns so far. And any page
//!   of anybody may call.
//! - [`CorsLayer::very_permissive`] allows what it is asked for, from any origin, *with* cookies: every page
//!   that a user opens can act as the user.
//! - [API Gateway]'s "Enable CORS" suggests the same five headers, and `*` for the origin. It makes an
//!   `OPTIONS` method for each resource, with no maximum age unless you add it: browsers ask again after
//!   five seconds. Its own refusals (a wrong key, a bad signature) carry no CORS headers until the
//!   gateway's responses are given some, and scripts can read none of the headers that say why.
//!
//! What browsers do is in the [Fetch standard].
//!
//! [named]: https://fetch.spec.whatwg.org/#cors-non-wildcard-request-header-name
//! [API Gateway]: https://docs.aws.amazon.com/apigateway/latest/developerguide/how-to-cors-console.html
//! [Fetch standard]: https://fetch.spec.whatwg.org/#http-cors-protocol

use std::time::Duration;

use http::{HeaderName, Method, header};
use tower_http::cors::CorsLayer;

use crate::error::{AuthError, AuthErrorKind};

mod origins;

/// The request headers that API Gateway's console suggests: what Amplify's modes send, and the type of what
/// is sent.
pub const REQUEST_HEADERS: [HeaderName; 5] = [
    header::CONTENT_TYPE,
    HeaderName::from_static("x-amz-date"),
    header::AUTHORIZATION,
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("x-amz-security-token"),
];

/// The response headers from which a client learns why it was refused, and what to do.
///
/// The kind of the error, the numbers to ask the API's owner by, how to prove oneself, when to come back;
/// and the server's time, by which a browser's clock is corrected before it signs again.
pub const RESPONSE_HEADERS: [HeaderName; 6] = [
    HeaderName::from_static("x-amzn-errortype"),
    HeaderName::from_static("x-amzn-requestid"),
    HeaderName::from_static("x-amz-apigw-id"),
    header::WWW_AUTHENTICATE,
    header::RETRY_AFTER,
    header::DATE,
];

/// What Amplify calls REST APIs with. Without `OPTIONS`, which is the browser's to send.
pub const METHODS: [Method; 6] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
];

/// The longest that every browser keeps: WebKit cuts at ten minutes, Chromium at two hours, Firefox at a
/// day. What is taken off a list is then refused ten minutes later everywhere.
const MAX_AGE: Duration = Duration::from_secs(10 * 60);

/// Lets pages of these origins call with [`REQUEST_HEADERS`].
///
/// An origin is what the browser's address line begins with: `https://app.example.com`,
/// `http://localhost:3000`, `https://[2001:db8::1]:8443`. Those of app shells and extensions are as good:
/// `capacitor://localhost`, `tauri://localhost`, `chrome-extension://…`. `*` alone stands for any.
///
/// It is turned into what browsers send: scheme and host in lower case, no default port. A host beyond ASCII
/// is given in punycode. The host of a scheme that is neither `http` nor `https` stays as it is written,
/// since each shell spells its own.
///
/// Over plain `http`, other than from this machine, whoever is on the network can change the page, and is
/// let in with it.
///
/// # Errors
///
/// [`AuthErrorKind::Configuration`] for what no browser would send, so that the slip shows now and not as a
/// page that cannot call: a slash at the end, a path, no scheme, a pattern, `null`, `*` beside others, or no
/// origin at all. The error says what to write.
pub fn layer(origins: impl IntoIterator<Item = impl AsRef<str>>) -> Result<CorsLayer, AuthError> {
    layer_with_headers(origins, [""; 0])
}

/// Lets pages of these origins call with [`REQUEST_HEADERS`], and with headers of your own.
///
/// # Errors
///
/// As [`layer`]; also if a name cannot be a header's, or is `*`, which would leave `authorization` out.
pub fn layer_with_headers(
    origins: impl IntoIterator<Item = impl AsRef<str>>,
    headers: impl IntoIterator<Item = impl AsRef<str>>,
) -> Result<CorsLayer, AuthError> {
    let mut allowed = Vec::from(REQUEST_HEADERS);
    for (index, name) in headers.into_iter().enumerate() {
        let name = parse_header(index + 1, name.as_ref())?;
        if !allowed.contains(&name) {
            allowed.push(name);
        }
    }
    Ok(CorsLayer::new()
        .allow_origin(origins::parse(origins)?)
        .allow_headers(allowed)
        .allow_methods(METHODS)
        .expose_headers(RESPONSE_HEADERS)
        .max_age(MAX_AGE))
}

fn parse_header(position: usize, name: &str) -> Result<HeaderName, AuthError> {
    if name == "*" {
        return Err(AuthError::new(
            AuthErrorKind::Configuration,
            "the header `*` stands for everything but `authorization`, says the Fetch standard: name the \
             headers",
        ));
    }
    // The text is left out, as of anything that may be in the wrong place.
    HeaderName::try_from(name).map_err(|_| {
        AuthError::new(
            AuthErrorKind::Configuration,
            format!("header {position} is not the name of a header: write one like `x-tenant`"),
        )
    })
}

#[cfg(test)]
mod tests;
