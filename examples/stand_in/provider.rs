//! A stand-in for an OpenID provider and for an API that takes its tokens, for the examples: a real server on
//! loopback. It has one user, Alice, who needs no password.

#[path = "provider/book.rs"]
mod book;
#[path = "provider/sign_in.rs"]
mod sign_in;
#[path = "provider/token.rs"]
mod token;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::serve::ListenerExt as _;
use http::{HeaderMap, StatusCode, header};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tower_client_auth::BoxError;

use book::Book;

/// A program that acts for itself. Its secret has characters in it that must be encoded.
pub(crate) const SERVICE: &str = "orders-service";
pub(crate) const SECRET: &str = "s3cr%t +/:";

/// A program on a user's machine, which cannot keep a secret.
pub(crate) const PROGRAM: &str = "command-line";

/// A provider that runs. Clones are the same one.
#[derive(Clone)]
pub(crate) struct StandIn {
    origin: Arc<str>,
    book: Arc<Mutex<Book>>,
}

/// Serves on a free port until the program ends. Access tokens last for `lifetime`.
///
/// The API is at `/api/hello`; the rest is what the discovery document says.
pub(crate) async fn start(lifetime: Duration) -> Result<StandIn, BoxError> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let origin: Arc<str> = format!("http://{}", listener.local_addr()?).into();
    let stand_in = StandIn {
        book: Arc::new(Mutex::new(Book::new(Arc::clone(&origin), lifetime))),
        origin,
    };
    let device = get(sign_in::ask_for_code).post(sign_in::take_code);
    let router = Router::new()
        .route("/.well-known/openid-configuration", get(discovery))
        .route("/token", post(token::issue))
        .route("/revoke", post(token::revoke))
        .route("/authorize", get(sign_in::ask))
        .route("/authorize/approve", get(sign_in::approve))
        .route("/device_authorization", post(sign_in::begin_on_device))
        .route("/device", device)
        .route("/api/hello", get(hello))
        .with_state(stand_in.clone());
    // Small answers need not wait for the acknowledgement of the ones before.
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    let server = axum::serve(listener, router);
    tokio::spawn(async move { server.await });
    Ok(stand_in)
}

impl StandIn {
    /// `http://127.0.0.1:<port>`, which is its issuer identifier as well.
    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    /// How often the token endpoint was asked for this grant, whatever it answered.
    pub(crate) fn token_requests(&self, grant_type: &str) -> usize {
        let book = self.book();
        let asked = book.token_requests.iter();
        asked.filter(|asked| *asked == grant_type).count()
    }

    /// How often the API was called, whatever it answered.
    pub(crate) fn api_calls(&self) -> usize {
        self.book().api_calls
    }

    /// Whether an access token is good.
    pub(crate) fn is_live(&self, token: &str) -> bool {
        self.book().is_live(token)
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn discovery(State(stand_in): State<StandIn>) -> Response {
    let origin = stand_in.origin();
    let at = |path: &str| format!("{origin}{path}");
    let document = json!({
        "issuer": origin,
        "token_endpoint": at("/token"),
        "revocation_endpoint": at("/revoke"),
        "authorization_endpoint": at("/authorize"),
        "device_authorization_endpoint": at("/device_authorization"),
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "none"],
        "response_types_supported": ["code"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
    });
    reply(StatusCode::OK, &document)
}

/// The API.
async fn hello(State(stand_in): State<StandIn>, headers: HeaderMap) -> Response {
    let mut book = stand_in.book();
    book.api_calls += 1;
    let value = headers.get(header::AUTHORIZATION);
    let token = value
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "));
    if token.is_some_and(|token| book.is_live(token)) {
        return reply(StatusCode::OK, &json!({ "message": "welcome" }));
    }
    let challenge = [(
        header::WWW_AUTHENTICATE,
        r#"Bearer realm="stand-in", error="invalid_token""#,
    )];
    (StatusCode::UNAUTHORIZED, challenge).into_response()
}

/// JSON that no cache keeps.
fn reply(status: StatusCode, body: &Value) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (status, headers, body.to_string()).into_response()
}

/// Those of a form, or of a query.
type Parameters = HashMap<String, String>;

fn parameters(text: &str) -> Parameters {
    form_urlencoded::parse(text.as_bytes())
        .into_owned()
        .collect()
}
