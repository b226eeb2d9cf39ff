//! An API that checks credentials, behind layers in right and in wrong places. It writes down what arrives,
//! and whether that got through to its handler.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, any};
use http::{HeaderMap, Method, StatusCode, request};
use tower_client_auth::cors;
use tower_http::cors::{Any, CorsLayer};

use super::calls::{self, LAMBDA_TOKEN, OIDC_TOKEN, POOL_TOKEN};
use super::page::Place;
use crate::signature;

/// What an API wants of its callers.
#[derive(Clone, Copy)]
enum Check {
    None,
    Key,
    Signature,
    Token(&'static str),
    /// It has too much to do for anybody.
    Busy,
    Broken,
}

/// `origin` is on the lists of those of its layers that have one.
pub(super) fn serve(place: Place, origin: &str) -> Log {
    let preset = cors::layer_with_headers([origin], ["X-Tenant"]).expect("a layer");
    let any_origin = cors::layer(["*"]).expect("a layer");
    let outside = |layer: &CorsLayer, check| -> MethodRouter {
        guarded(any(handle), check).layer(layer.clone())
    };
    let inside = |check| guarded(any(handle).layer(preset.clone()), check);
    let any_header = preset.clone().allow_headers(Any);
    let forgotten = preset.clone().max_age(Duration::ZERO);
    let pool = Check::Token(POOL_TOKEN);

    let log = Log::default();
    let recorder = log.clone();
    let router = Router::new()
        .route("/none/{call}", outside(&preset, Check::None))
        .route("/key/{call}", outside(&preset, Check::Key))
        .route("/iam/{call}", outside(&preset, Check::Signature))
        .route("/pool/{call}", outside(&preset, pool))
        .route("/oidc/{call}", outside(&preset, Check::Token(OIDC_TOKEN)))
        .route(
            "/lambda/{call}",
            outside(&preset, Check::Token(LAMBDA_TOKEN)),
        )
        .route("/busy/{call}", outside(&preset, Check::Busy))
        .route("/broken/{call}", outside(&preset, Check::Broken))
        .route("/forgotten/{call}", outside(&forgotten, pool))
        .route("/any-origin/{call}", outside(&any_origin, pool))
        .route("/any-header-key/{call}", outside(&any_header, Check::Key))
        .route("/any-header-pool/{call}", outside(&any_header, pool))
        .route("/inside-key/{call}", inside(Check::Key))
        .route("/inside-iam/{call}", inside(Check::Signature))
        .route("/inside-pool/{call}", inside(pool))
        .layer(middleware::from_fn(move |request: Request, next: Next| {
            record(recorder.clone(), request, next)
        }));
    place.serve(router);
    log
}

fn guarded(handler: MethodRouter, check: Check) -> MethodRouter {
    handler.layer(middleware::from_fn(move |request: Request, next: Next| {
        pass(check, request, next)
    }))
}

async fn handle() -> Response {
    let headers = [("x-internal", "not for scripts")];
    let mut response = (headers, "welcome").into_response();
    response.extensions_mut().insert(Handled);
    response
}

/// Comes with the handler's answers.
#[derive(Clone)]
struct Handled;

async fn pass(check: Check, request: Request, next: Next) -> Response {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, 1024).await.expect("a small body");
    match check.judge(&head, &body) {
        Ok(()) => next.run(Request::from_parts(head, Body::from(body))).await,
        Err(refusal) => *refusal,
    }
}

impl Check {
    fn judge(self, head: &request::Parts, body: &[u8]) -> Result<(), Box<Response>> {
        let has = |name: &str, value: &str| signature::text(&head.headers, name) == Some(value);
        let known = |id: &str| (id == signature::ACCESS_KEY_ID).then(calls::credentials);
        Err(Box::new(match self {
            Self::None => return Ok(()),
            Self::Key if has("x-api-key", calls::KEY) => return Ok(()),
            Self::Token(token) if has("authorization", token) => return Ok(()),
            Self::Key => refuse(403, "ForbiddenException", []),
            Self::Token(_) => {
                let challenge = [("www-authenticate", "Bearer")];
                refuse(401, "UnauthorizedException", challenge)
            }
            Self::Signature => match signature::check_by(head, body, calls::REGION, known) {
                Ok(_) => return Ok(()),
                Err(_) => refuse(403, "InvalidSignatureException", []),
            },
            Self::Busy => refuse(429, "TooManyRequestsException", [("retry-after", "7")]),
            Self::Broken => refuse(500, "InternalServerErrorException", []),
        }))
    }
}

fn refuse<const N: usize>(
    status: u16,
    error: &'static str,
    more: [(&'static str, &'static str); N],
) -> Response {
    let headers = [
        ("x-amzn-errortype", error),
        ("x-amzn-requestid", "42"),
        ("x-internal", "not for scripts"),
    ];
    let status = StatusCode::from_u16(status).expect("a status");
    (status, headers, more).into_response()
}

/// A request as it came to the outside of all layers.
#[derive(Clone, Debug)]
pub(super) struct Arrival {
    path: String,
    origin: Option<String>,
    pub(super) is_preflight: bool,
    pub(super) has_credential: bool,
    pub(super) was_handled: bool,
    /// What was answered.
    pub(super) status: StatusCode,
}

/// All that came, in order.
#[derive(Clone, Default)]
pub(super) struct Log(Arc<Mutex<Vec<Arrival>>>);

impl Log {
    pub(super) fn of(&self, path: &str, origin: &str) -> Vec<Arrival> {
        let is_one = |a: &&Arrival| a.path == path && a.origin.as_deref() == Some(origin);
        self.lock().iter().filter(is_one).cloned().collect()
    }

    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arrival>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn record(log: Log, request: Request, next: Next) -> Response {
    let mut arrival = Arrival::of(request.method(), request.uri().path(), request.headers());
    let response = next.run(request).await;
    arrival.was_handled = response.extensions().get::<Handled>().is_some();
    arrival.status = response.status();
    log.lock().push(arrival);
    response
}

impl Arrival {
    fn of(method: &Method, path: &str, headers: &HeaderMap) -> Self {
        let asks = headers.contains_key("access-control-request-method");
        Self {
            path: path.to_owned(),
            origin: signature::text(headers, "origin").map(str::to_owned),
            is_preflight: method == Method::OPTIONS && asks,
            has_credential: ["authorization", "x-api-key", "x-amz-security-token"]
                .iter()
                .any(|name| headers.contains_key(*name)),
            was_handled: false,
            status: StatusCode::OK,
        }
    }
}
