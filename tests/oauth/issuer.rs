//! An issuer in process, after the RFCs and no further, for what real providers cannot be made to do: to fail
//! at a certain moment and in a certain way, and to answer nonsense. Its clock is tokio's.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::{Future, pending};
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, stream};
use http::{Method, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use serde_json::{Value, json};
use tokio::time::Instant;
use tower::Service;
use tower_client_auth::oauth::{OAuthClient, Provider};
use tower_client_auth::{BoxError, Transport};

pub(super) const ISSUER: &str = "https://login.example.com/tenant";
pub(super) const CLIENT: &str = "tests";
/// With characters that mean something in a form, in a URL and in Basic authorization.
pub(super) const SECRET: &str = "s3cr%t +/:=&?ü";

/// What it issues begins so, and so does nothing else here.
pub(super) const CANARY: &str = "c4nary-";

pub(super) type Body = UnsyncBoxBody<Bytes, BoxError>;
type Answer = Result<Response<Body>, BoxError>;

/// What may happen to an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Refused,
    Reset,
    /// The connection breaks in the middle of the reply.
    Broken,
    /// The reply ends in its middle, as if that were its end.
    Half,
    Stalled,
    /// The reply stops in its middle, and does not end.
    StalledInside,
    InternalError,
    Unavailable,
    TooMany,
    /// A proxy's page, with status 200.
    Html,
    /// A proxy's page, with status 403.
    Forbidden,
    /// 2 MiB, which it says before.
    Long,
    /// 2 MiB, in frames of 16 KiB.
    LongInFrames,
    ContentType,
    Empty,
    Garbage,
}

pub(super) const FAULTS: [Fault; 16] = [
    Fault::Refused,
    Fault::Reset,
    Fault::Broken,
    Fault::Half,
    Fault::Stalled,
    Fault::StalledInside,
    Fault::InternalError,
    Fault::Unavailable,
    Fault::TooMany,
    Fault::Html,
    Fault::Forbidden,
    Fault::Long,
    Fault::LongInFrames,
    Fault::ContentType,
    Fault::Empty,
    Fault::Garbage,
];

impl Fault {
    pub(super) fn stalls(self) -> bool {
        matches!(self, Self::Stalled | Self::StalledInside)
    }
}

/// The issuer: clones are one.
#[derive(Clone, Default)]
pub(super) struct Issuer {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    exchanges: AtomicUsize,
}

#[derive(Default)]
struct State {
    fault: Option<(Fault, Instant)>,
    faults: usize,
    issued: usize,
    /// Refresh tokens, and whether each has been used.
    sessions: HashMap<String, bool>,
    revoked: bool,
    /// Answers to come before all others.
    scripted: Vec<Response<Body>>,
    forms: Vec<HashMap<String, String>>,
    lifetime: Option<u64>,
    rotates: bool,
    /// Whether a token may be used twice, as providers with a grace period allow.
    is_graceful: bool,
    loses_next: bool,
}

impl Issuer {
    /// Has exchanges fail until then.
    pub(super) fn fails(&self, fault: Fault, until: Instant) {
        self.state().fault = Some((fault, until));
    }

    pub(super) fn faults(&self) -> usize {
        self.state().faults
    }

    /// Answers with this before anything else; the last one that was given comes first.
    pub(super) fn answers(&self, response: Response<Body>) {
        self.state().scripted.push(response);
    }

    pub(super) fn lifetime(&self, seconds: u64) {
        self.state().lifetime = Some(seconds);
    }

    pub(super) fn rotates(&self) {
        self.state().rotates = true;
    }

    /// Takes refresh tokens that have been used already.
    pub(super) fn is_graceful(&self) {
        self.state().is_graceful = true;
    }

    /// Grants the next request, and the answer gets lost.
    pub(super) fn loses_next(&self) {
        self.state().loses_next = true;
    }

    /// A refresh token, as if a user had signed in.
    pub(super) fn session(&self) -> String {
        let mut state = self.state();
        state.new_session()
    }

    /// Whether a refresh token was used twice, for which a whole family is revoked.
    pub(super) fn has_revoked(&self) -> bool {
        self.state().revoked
    }

    pub(super) fn exchanges(&self) -> usize {
        self.shared.exchanges.load(Ordering::SeqCst)
    }

    /// The forms that came to the token endpoint, and whether they came with a header.
    pub(super) fn forms(&self) -> Vec<HashMap<String, String>> {
        self.state().forms.clone()
    }

    pub(super) fn transport(&self) -> Transport {
        Transport::new(self.clone())
    }

    pub(super) fn provider(&self) -> Provider {
        Provider::discover(ISSUER, self.transport()).expect("a provider")
    }

    pub(super) fn client(&self) -> OAuthClient {
        OAuthClient::new(self.provider(), CLIENT).secret(SECRET)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    async fn exchange(self, request: Request<Full<Bytes>>) -> Answer {
        self.shared.exchanges.fetch_add(1, Ordering::SeqCst);
        // Like a network: nothing is there at once.
        tokio::task::yield_now().await;
        let (head, body) = request.into_parts();
        let body = body
            .collect()
            .await
            .map_err(|never: Infallible| match never {})?;
        let form: HashMap<String, String> = form_urlencoded::parse(&body.to_bytes())
            .into_owned()
            .collect();
        let mut form = form;
        if let Some(value) = head.headers.get("authorization") {
            form.insert("authorization".into(), value.to_str()?.to_owned());
        }
        let fault = {
            let mut state = self.state();
            if head.method == Method::POST {
                state.forms.push(form.clone());
            }
            if let Some(response) = state.scripted.pop() {
                return Ok(response);
            }
            match state.fault {
                Some((fault, until)) if Instant::now() < until => {
                    state.faults += 1;
                    Some(fault)
                }
                _ => None,
            }
        };
        let reply = match head.uri.path() {
            "/tenant/.well-known/openid-configuration" => metadata(),
            "/token" if fault.is_none() => match self.grant(&form) {
                Ok(reply) => reply,
                Err(code) => return Ok(refusal(StatusCode::BAD_REQUEST, code)),
            },
            "/device" => json!({
                "device_code": format!("{CANARY}device"),
                "user_code": "WDJB-MJHT",
                "verification_uri": "https://login.example.com/device",
                "expires_in": 600,
                "interval": 5,
            }),
            // What a fault does not let through.
            "/token" => json!({ "access_token": format!("{CANARY}lost"), "token_type": "Bearer" }),
            _ => return Ok(text(StatusCode::NOT_FOUND, "text/plain", "not found")),
        };
        // And what was granted is on its way for a while.
        tokio::task::yield_now().await;
        let is_lost = std::mem::take(&mut self.state().loses_next);
        match fault {
            Some(fault) => fault.strike(&reply.to_string()).await,
            None if is_lost => Err(io::Error::from(ErrorKind::ConnectionReset).into()),
            None => Ok(json_response(StatusCode::OK, &reply)),
        }
    }

    fn grant(&self, form: &HashMap<String, String>) -> Result<Value, &'static str> {
        let mut state = self.state();
        let field = |name: &str| form.get(name).map_or("", String::as_str);
        let mut reply = json!({ "token_type": "Bearer" });
        match field("grant_type") {
            "client_credentials" | "urn:ietf:params:oauth:grant-type:token-exchange" => {}
            "authorization_code" | "urn:ietf:params:oauth:grant-type:device_code" => {
                reply["refresh_token"] = state.new_session().into();
            }
            "refresh_token" => {
                let rotates = state.rotates && !state.is_graceful;
                let is_graceful = state.is_graceful;
                match state.sessions.get_mut(field("refresh_token")) {
                    Some(used) if !*used => *used = rotates,
                    Some(_) => {
                        state.revoked = true;
                        return Err("invalid_grant");
                    }
                    None => return Err("invalid_grant"),
                }
                if state.revoked {
                    return Err("invalid_grant");
                }
                if rotates || is_graceful {
                    reply["refresh_token"] = state.new_session().into();
                }
            }
            _ => return Err("unsupported_grant_type"),
        }
        state.issued += 1;
        reply["access_token"] = format!("{CANARY}{}", state.issued).into();
        if let Some(seconds) = state.lifetime {
            reply["expires_in"] = seconds.into();
        }
        Ok(reply)
    }
}

impl State {
    fn new_session(&mut self) -> String {
        let token = format!("{CANARY}refresh-{}", self.sessions.len() + 1);
        self.sessions.insert(token.clone(), false);
        token
    }
}

impl Service<Request<Full<Bytes>>> for Issuer {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Answer> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Full<Bytes>>) -> Self::Future {
        Box::pin(self.clone().exchange(request))
    }
}

impl Fault {
    async fn strike(self, reply: &str) -> Answer {
        let fails = |kind: ErrorKind| Err(io::Error::from(kind).into());
        let half = Bytes::copy_from_slice(&reply.as_bytes()[..reply.len() / 2]);
        let json = |status, body: Body| {
            let mut response = Response::new(body);
            *response.status_mut() = status;
            let kind = http::HeaderValue::from_static("application/json");
            response.headers_mut().insert("content-type", kind);
            Ok(response)
        };
        let frames = |frames: Vec<Result<Bytes, BoxError>>| {
            StreamBody::new(stream::iter(frames).map(|frame| frame.map(Frame::data)))
        };
        match self {
            Self::Refused => fails(ErrorKind::ConnectionRefused),
            Self::Reset => fails(ErrorKind::ConnectionReset),
            Self::Broken => {
                let reset = io::Error::from(ErrorKind::ConnectionReset);
                let body = frames(vec![Ok(half), Err(reset.into())]);
                json(StatusCode::OK, body.boxed_unsync())
            }
            Self::Half => json(StatusCode::OK, full(half)),
            Self::Stalled => pending().await,
            Self::StalledInside => {
                let body = stream::iter([Ok(half)]).chain(stream::pending());
                let body =
                    StreamBody::new(body.map(|frame: Result<_, BoxError>| frame.map(Frame::data)));
                json(StatusCode::OK, body.boxed_unsync())
            }
            Self::InternalError => Ok(text(
                StatusCode::INTERNAL_SERVER_ERROR,
                "text/plain",
                "c4nary-error",
            )),
            Self::Unavailable => Ok(refusal(
                StatusCode::SERVICE_UNAVAILABLE,
                "temporarily_unavailable",
            )),
            Self::TooMany => Ok(refusal(StatusCode::TOO_MANY_REQUESTS, "slow_down")),
            Self::Html => Ok(text(
                StatusCode::OK,
                "text/html",
                "<html>c4nary-page: sign in to the hotel's network</html>",
            )),
            Self::Forbidden => Ok(text(
                StatusCode::FORBIDDEN,
                "text/html",
                "<html>c4nary-page: blocked</html>",
            )),
            Self::Long => {
                static LONG: LazyLock<Bytes> = LazyLock::new(|| {
                    let long = json!({ "access_token": "c4nary".repeat(350_000) });
                    long.to_string().into()
                });
                json(StatusCode::OK, full(LONG.clone()))
            }
            Self::LongInFrames => {
                let frame = Bytes::from(vec![b' '; 16 * 1024]);
                json(
                    StatusCode::OK,
                    frames(vec![frame; 128].into_iter().map(Ok).collect()).boxed_unsync(),
                )
            }
            Self::ContentType => Ok(text(StatusCode::OK, "text/plain", reply)),
            Self::Empty => json(StatusCode::OK, full("")),
            Self::Garbage => json(StatusCode::OK, full(&b"\xff\xfec4nary{{\0"[..])),
        }
    }
}

/// The metadata, as a provider has it.
pub(super) fn metadata() -> Value {
    json!({
        "issuer": ISSUER,
        "token_endpoint": "https://login.example.com/token",
        "authorization_endpoint": "https://login.example.com/authorize",
        "device_authorization_endpoint": "https://login.example.com/device",
        "revocation_endpoint": "https://login.example.com/revoke",
        "response_types_supported": ["code"],
    })
}

pub(super) fn refusal(status: StatusCode, code: &str) -> Response<Body> {
    let description = format!("{CANARY}description of {SECRET}");
    json_response(
        status,
        &json!({ "error": code, "error_description": description }),
    )
}

pub(super) fn json_response(status: StatusCode, body: &Value) -> Response<Body> {
    text(status, "application/json", &body.to_string())
}

pub(super) fn text(status: StatusCode, kind: &str, body: &str) -> Response<Body> {
    Response::builder()
        .status(status)
        .header("content-type", kind)
        .body(full(body.to_owned()))
        .expect("a response")
}

fn full(body: impl Into<Bytes>) -> Body {
    Full::new(body.into())
        .map_err(|never| match never {})
        .boxed_unsync()
}

/// A virtual pause.
pub(super) const SECOND: Duration = Duration::from_secs(1);
