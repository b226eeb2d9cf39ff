//! An API that is busy at first, a stranger it redirects to, and a log of what both got to see.

use std::fmt::Display;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::response::{IntoResponse, Redirect};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, Request, Response, StatusCode, Uri};
use http_body_util::Full;
use tokio::net::TcpListener;
use tower::{Service, ServiceExt};
use tower_client_auth::BoxError;

/// A header that redirect layers do not know to be a credential, unlike `authorization`.
pub(crate) const HEADER: HeaderName = HeaderName::from_static("x-id-token");

/// The API's origin, and who has seen which token.
pub(crate) struct World {
    pub(crate) api: String,
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
    pub(crate) async fn start() -> io::Result<Self> {
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

    /// What a trace layer would see.
    pub(crate) fn trace<B>(&self) -> impl Fn(Request<B>) -> Request<B> + Clone + use<B> {
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
    pub(crate) async fn row<S, R>(
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
