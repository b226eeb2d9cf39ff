//! Where in a stack the layer goes, and what happens where it goes elsewhere.
//!
//! ```sh
//! cargo run --example stack --features redirect
//! ```
//!
//! An API answers its first request with 503 and its next with a redirect to a stranger. Every row of
//! the table is one order of the layers, and what the API and the stranger then got to see.

use std::fmt::Display;
use std::future::{Ready, ready};
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::response::{IntoResponse, Redirect};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, Request, Response, StatusCode, Uri};
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpListener;
use tower::retry::{Policy, RetryLayer};
use tower::timeout::TimeoutLayer;
use tower::{Service, ServiceBuilder, ServiceExt};
use tower_client_auth::{
    AuthError, BearerTokenLayer, BoxError, DropCredentials, TokenSource, TokenStyle,
};
use tower_http::follow_redirect::FollowRedirectLayer;
use tower_http::follow_redirect::policy::{Limited, PolicyExt};

/// A header that redirect layers do not know to be a credential, unlike `authorization`.
const HEADER: HeaderName = HeaderName::from_static("x-id-token");

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
        .layer(world.auth()?)
        .layer(timeout.clone())
        .service(http.clone());
    let order = "Trace → FollowRedirect → Retry → Auth → Timeout";
    let expected = "trace none, API token-1, API token-2, stranger none: 200 OK";
    world.row(order, "/busy", stack, expected).await?;

    // The token is marked sensitive, so that a trace layer that prints headers does not print it.
    let stack = ServiceBuilder::new()
        .layer(world.auth()?)
        .map_request(trace)
        .service(http.clone());
    let expected = "trace Sensitive, API token-1: 503 Service Unavailable";
    world.row("Auth → Trace", "/busy", stack, expected).await?;

    // With a signature in the place of the token, the second attempt may come too late for it.
    let stack = ServiceBuilder::new()
        .layer(world.auth()?)
        .layer(RetryLayer::new(Once(true)))
        .service(http.clone());
    let expected = "API token-1, API token-1: 307 Temporary Redirect";
    world.row("Auth → Retry", "/busy", stack, expected).await?;

    let stack = ServiceBuilder::new()
        .layer(world.auth()?)
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
        .layer(world.auth()?)
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
        .layer(world.auth()?)
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

/// The API's origin, and who has seen which token.
struct World {
    api: String,
    seen: Seen,
}

#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<String>>>);

impl Seen {
    fn note(&self, who: &str, token: impl Display) {
        self.lock().push(format!("{who} {token}"));
    }

    fn lock(&self) -> MutexGuard<'_, Vec<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl World {
    async fn start() -> io::Result<Self> {
        let seen = Seen::default();
        let log = seen.clone();
        let stranger = serve(move |_, headers| {
            log.note("stranger", token(&headers));
            StatusCode::OK.into_response()
        });
        let stranger = stranger.await?;
        let log = seen.clone();
        let api = serve(move |uri, headers| {
            let first = !log.lock().iter().any(|entry| entry.starts_with("API"));
            log.note("API", token(&headers));
            match uri.path() {
                "/busy" if first => StatusCode::SERVICE_UNAVAILABLE.into_response(),
                _ => Redirect::temporary(&stranger).into_response(),
            }
        });
        Ok(Self {
            api: api.await?,
            seen,
        })
    }

    /// A layer that gets a new token for every request, and sends it to the API only.
    fn auth(&self) -> Result<BearerTokenLayer<impl TokenSource + use<>>, AuthError> {
        let issued = Arc::new(AtomicUsize::new(0));
        let source = move || {
            let number = issued.fetch_add(1, Ordering::Relaxed) + 1;
            async move {
                tokio::time::sleep(FETCH).await;
                Ok(format!("token-{number}"))
            }
        };
        BearerTokenLayer::new(&self.api, source)?
            .style(TokenStyle::Raw)
            .header_name(HEADER)
    }

    /// What a trace layer would see.
    fn trace<B>(&self) -> impl Fn(Request<B>) -> Request<B> + Clone + use<B> {
        let seen = self.seen.clone();
        move |request| {
            match request.headers().get(HEADER) {
                Some(value) => seen.note("trace", format_args!("{value:?}")),
                None => seen.note("trace", "none"),
            }
            request
        }
    }

    /// Sends one request, prints a line of the table, and checks it.
    async fn row<S, R>(
        &self,
        order: &str,
        path: &str,
        stack: S,
        expected: &str,
    ) -> Result<(), BoxError>
    where
        S: Service<Request<Full<Bytes>>, Response = Response<R>, Error: Into<BoxError>>,
    {
        self.seen.lock().clear();
        let request = Request::get(format!("{}{path}", self.api)).body(Full::default())?;
        let outcome = match stack.oneshot(request).await {
            Ok(response) => response.status().to_string(),
            Err(error) => error.into().to_string(),
        };
        let mut seen = self.seen.lock().join(", ");
        if seen.is_empty() {
            seen.push_str("nothing");
        }
        println!("{order:47}  {seen}: {outcome}");
        assert_eq!(format!("{seen}: {outcome}"), expected);
        Ok(())
    }
}

fn token(headers: &HeaderMap) -> &str {
    let value = headers.get(HEADER).and_then(|value| value.to_str().ok());
    value.unwrap_or("none")
}

/// Serves until the program ends, on the origin that it returns.
async fn serve<F>(answer: F) -> io::Result<String>
where
    F: Fn(Uri, HeaderMap) -> axum::response::Response + Clone + Send + Sync + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let origin = format!("http://{}", listener.local_addr()?);
    let answer = async move |uri, headers| answer(uri, headers);
    let server = axum::serve(listener, Router::new().fallback(answer));
    tokio::spawn(async move { server.await });
    Ok(origin)
}
