//! Where in a stack the layer goes, and what happens where it goes elsewhere.
//!
//! ```sh
//! cargo run --example stack
//! ```
//!
//! An API answers its first request with 503 and its next with a redirect to a stranger. Every row of
//! the table is one order of the layers, and what the API and the stranger then got to see.

// The servers, and the log of what they see. There is nothing to copy from it.
#[path = "stack/world.rs"]
mod world;

use std::future::{Ready, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tower::ServiceBuilder;
use tower::retry::{Policy, RetryLayer};
use tower::timeout::TimeoutLayer;
use tower_client_auth::{
    AuthError, BearerTokenLayer, BoxError, DropCredentials, TokenSource, TokenStyle,
};
use tower_http::follow_redirect::FollowRedirectLayer;
use tower_http::follow_redirect::policy::{Limited, PolicyExt};
use world::{HEADER, World};

/// How long it takes to get a token, and how long a timeout layer waits.
const FETCH: Duration = Duration::from_millis(300);
const PATIENCE: Duration = Duration::from_millis(250);

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let world = World::start().await?;
    let http = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let trace = world.trace();
    let timeout = TimeoutLayer::new(PATIENCE);
    println!(
        "{:47}  what was seen, with which token",
        "the order, from the outside in"
    );

    let stack = ServiceBuilder::new()
        .map_request(trace.clone())
        .layer(FollowRedirectLayer::new())
        .layer(RetryLayer::new(Once(true)))
        .layer(auth(&world.api)?)
        .layer(timeout.clone())
        .service(http.clone());
    let order = "Trace → FollowRedirect → Retry → Auth → Timeout";
    let expected = "trace none, API token-1, API token-2, stranger none: 200 OK";
    world.row(order, "/busy", stack, expected).await?;

    // The token is marked sensitive, so that a trace layer that prints headers does not print it.
    let stack = ServiceBuilder::new()
        .layer(auth(&world.api)?)
        .map_request(trace)
        .service(http.clone());
    let expected = "trace Sensitive, API token-1: 503 Service Unavailable";
    world.row("Auth → Trace", "/busy", stack, expected).await?;

    // With a signature in the place of the token, the second attempt may come too late for it.
    let stack = ServiceBuilder::new()
        .layer(auth(&world.api)?)
        .layer(RetryLayer::new(Once(true)))
        .service(http.clone());
    let expected = "API token-1, API token-1: 307 Temporary Redirect";
    world.row("Auth → Retry", "/busy", stack, expected).await?;

    let stack = ServiceBuilder::new()
        .layer(auth(&world.api)?)
        .layer(FollowRedirectLayer::new())
        .service(http.clone());
    let expected = "API token-1, stranger token-1: 200 OK";
    world
        .row(
            "Auth → FollowRedirect (never do this)",
            "/moved",
            stack,
            expected,
        )
        .await?;

    let policy = Limited::new(10).and::<_, (), ()>(DropCredentials::new());
    let stack = ServiceBuilder::new()
        .layer(auth(&world.api)?)
        .layer(FollowRedirectLayer::with_policy(policy))
        .service(http.clone());
    let expected = "API token-1, stranger none: 200 OK";
    world
        .row(
            "Auth → FollowRedirect with DropCredentials",
            "/moved",
            stack,
            expected,
        )
        .await?;

    let stack = ServiceBuilder::new()
        .layer(timeout)
        .layer(auth(&world.api)?)
        .service(http);
    let expected = "nothing: request timed out";
    world
        .row(
            "Timeout → Auth, when a token takes longer",
            "/moved",
            stack,
            expected,
        )
        .await
}

/// A layer that gets a new token for every request, and sends it to the API only.
fn auth(api: &str) -> Result<BearerTokenLayer<impl TokenSource + use<>>, AuthError> {
    let issued = Arc::new(AtomicUsize::new(0));
    let source = move || {
        let number = issued.fetch_add(1, Ordering::Relaxed) + 1;
        async move {
            tokio::time::sleep(FETCH).await;
            Ok(format!("token-{number}"))
        }
    };
    BearerTokenLayer::new(api, source)?
        .style(TokenStyle::Raw)
        .header_name(HEADER)
}

/// Sends a request that was answered with 503 once more.
#[derive(Clone)]
struct Once(bool);

impl<B: Clone, R, E> Policy<Request<B>, Response<R>, E> for Once {
    type Future = Ready<()>;

    fn retry(
        &mut self,
        _request: &mut Request<B>,
        outcome: &mut Result<Response<R>, E>,
    ) -> Option<Ready<()>> {
        let busy = |response: &Response<R>| response.status() == StatusCode::SERVICE_UNAVAILABLE;
        let again = std::mem::take(&mut self.0) && outcome.as_ref().is_ok_and(busy);
        again.then(|| ready(()))
    }

    fn clone_request(&mut self, request: &Request<B>) -> Option<Request<B>> {
        Some(request.clone())
    }
}
