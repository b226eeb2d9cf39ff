//! One request, from its head to the end of its answer.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Request, Response, StatusCode, Version, header};
use hyper::body::Incoming;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};
use tower::ServiceExt as _;
use tower_client_auth::{AuthError, AuthErrorKind, AuthHint, AuthOverride, BoxError, PayloadHash};

use crate::body::{Fault, Meter, Metered};
use crate::callers::Callers;
use crate::chunks::{Decoder, Unchunked};
use crate::headers::Rules;
use crate::linger::Lingering;
use crate::ops::Ops;
use crate::record::Record;
use crate::refusal::Refusal;
use crate::routes::Routes;
use crate::upstream::spec::Payload;
use crate::upstream::stack::Outbound;

/// What all requests have in common.
pub(crate) struct Proxy {
    pub(crate) routes: Routes,
    pub(crate) callers: Callers,
    pub(crate) rules: Rules,
    pub(crate) ops: Arc<Ops>,
    /// Whether `/healthz` and its like are among what callers reach.
    pub(crate) ops_inside: bool,
    pub(crate) limits: Limits,
    pub(crate) in_flight: Arc<Semaphore>,
}

#[derive(Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) body: u64,
    pub(crate) body_timeout: Duration,
    pub(crate) answer_timeout: Duration,
}

impl Proxy {
    /// Always an answer; it holds what is counted until it has been sent.
    pub(crate) async fn answer(
        &self,
        request: Request<Incoming>,
        record: &mut Record,
    ) -> Response<Outbound> {
        match self.forward(request, record).await {
            Ok(response) => response,
            Err(refusal) => {
                record.refused(&refusal);
                refusal.answer()
            }
        }
    }

    async fn forward(
        &self,
        request: Request<Incoming>,
        record: &mut Record,
    ) -> Result<Response<Outbound>, Refusal> {
        let (mut head, body) = Lingering::request(request).into_parts();
        let target = self.routes.target(&head)?;
        if self.ops_inside
            && target.is_own
            && let Some(answer) = self.ops.public(&head).await
        {
            record.is_own();
            return Ok(answer);
        }
        self.callers.admit(&target, &head)?;
        if self.ops_inside
            && target.is_own
            && let Some(answer) = self.ops.private(&head)
        {
            record.is_own();
            return Ok(answer);
        }
        let (upstream, uri) = self.routes.find(&target, &head)?;
        record.upstream(upstream, self.permit()?);
        if is_too_long(&head.headers, self.limits.body) {
            return Err(too_long());
        }

        let said = Said::of(&head.headers, upstream.payload);
        head.uri = self
            .rules
            .query(uri)
            .map_err(|_| Refusal::bad_request("bad_path", "the path is too long"))?;
        // That of the other connection is the client's to choose.
        head.version = Version::HTTP_11;
        head.extensions.clear();
        self.rules.request(&mut head.headers);
        let meter = record.received();
        let decoder = match said {
            Said::Nothing => None,
            Said::Hash(hash) => {
                let said = AuthOverride::new().payload_hash(hash);
                head.extensions.insert(said);
                None
            }
            Said::Chunks => {
                if upstream.payload == Payload::Unsigned {
                    let unsigned = AuthOverride::new().payload_hash(PayloadHash::Unsigned);
                    head.extensions.insert(unsigned);
                }
                if upstream.payload != Payload::Auto {
                    // Only what goes out in chunks has trailers.
                    head.headers.remove("x-amz-trailer");
                }
                Some(Decoder::of(&mut head.headers, Arc::clone(&meter))?)
            }
        };

        let body = Metered::new(
            body,
            Arc::clone(&meter),
            self.limits.body,
            self.limits.body_timeout,
        );
        let body = Unchunked::new(body, decoder);
        let answered = upstream
            .stack
            .clone()
            .oneshot(Request::from_parts(head, body));
        let mut response = self.in_time(answered, &meter).await.map_err(|failure| {
            record.because(&failure.why);
            failure.refusal
        })?;
        if let Some(hint) = response.extensions().get::<AuthHint>() {
            record.because(hint);
        }
        response.extensions_mut().clear();
        self.rules.answer(response.headers_mut());
        *response.version_mut() = Version::HTTP_11;
        Ok(response)
    }

    fn permit(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        let permit = Arc::clone(&self.in_flight).try_acquire_owned();
        permit.map_err(|_| {
            Refusal::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "too_many_requests",
                "as many requests are under way as this proxy was told to take: try again",
            )
        })
    }

    /// The upstream's time begins anew whenever some of the request's body goes to it.
    async fn in_time(
        &self,
        answered: impl Future<Output = Result<Response<Outbound>, BoxError>>,
        meter: &Meter,
    ) -> Result<Response<Outbound>, Failure> {
        let mut answered = std::pin::pin!(answered);
        loop {
            let deadline = meter.moved() + self.limits.answer_timeout;
            match timeout_at(deadline, answered.as_mut()).await {
                Ok(Ok(response)) => return Ok(response),
                Ok(Err(error)) => return Err(Failure::of(&error, meter)),
                Err(_) if meter.moved() + self.limits.answer_timeout > Instant::now() => {}
                Err(_) => {
                    return Err(Failure {
                        refusal: Refusal::new(
                            StatusCode::GATEWAY_TIMEOUT,
                            "upstream_silent",
                            "the upstream did not answer in time",
                        ),
                        why: "the upstream did not answer in time".to_owned(),
                    });
                }
            }
        }
    }
}

/// What is known of a body before it is read.
enum Said {
    Nothing,
    /// The upstream compares, so there is no harm in believing it.
    Hash(PayloadHash),
    /// It is in chunks, which the caller signed.
    Chunks,
}

impl Said {
    fn of(headers: &HeaderMap, payload: Payload) -> Self {
        let said = headers.get("x-amz-content-sha256");
        let said = said.map(|value| value.as_bytes());
        match (payload, said) {
            (Payload::Auto | Payload::Unsigned, Some(b"STREAMING-UNSIGNED-PAYLOAD-TRAILER")) => {
                Self::Hash(PayloadHash::StreamingUnsignedTrailer)
            }
            (_, Some(said)) if said.starts_with(b"STREAMING-") => Self::Chunks,
            (Payload::Unsigned, _) | (Payload::Auto, Some(b"UNSIGNED-PAYLOAD")) => {
                Self::Hash(PayloadHash::Unsigned)
            }
            (Payload::Auto, Some(said)) => {
                let hash = std::str::from_utf8(said).ok().and_then(hash);
                hash.map_or(Self::Nothing, Self::Hash)
            }
            (Payload::Hash, _) | (Payload::Auto, None) => Self::Nothing,
        }
    }
}

fn hash(text: &str) -> Option<PayloadHash> {
    PayloadHash::from_hex(text).ok()
}

fn is_too_long(headers: &HeaderMap, longest: u64) -> bool {
    let length = headers.get(header::CONTENT_LENGTH);
    let length = length.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    length.is_some_and(|length| length > longest)
}

fn too_long() -> Refusal {
    Refusal::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "body_too_long",
        "the body is longer than this proxy was told to take",
    )
}

/// What a caller is told, and what a log.
struct Failure {
    refusal: Refusal,
    why: String,
}

impl Failure {
    fn of(error: &BoxError, meter: &Meter) -> Self {
        let refusal = match meter.fault() {
            Some(Fault::TooLong) => too_long(),
            Some(Fault::Stalled) => Refusal::new(
                StatusCode::REQUEST_TIMEOUT,
                "body_stalled",
                "the request's body stood still for too long",
            ),
            Some(Fault::Broken) => {
                Refusal::bad_request("body_broken", "the request's body ended before its end")
            }
            Some(Fault::Malformed) => Refusal::bad_request(
                "bad_chunks",
                "the request's body is not in the chunks that its head announces",
            ),
            None => match AuthError::find(error.as_ref()) {
                Some(error) => of_layer(error),
                None => Refusal::new(
                    StatusCode::BAD_GATEWAY,
                    "upstream_failed",
                    "the upstream cannot be reached, or went away before it had answered",
                ),
            },
        };
        Self {
            refusal,
            why: with_causes(error.as_ref()),
        }
    }
}

fn of_layer(error: &AuthError) -> Refusal {
    match error.kind() {
        AuthErrorKind::PayloadTooLarge => Refusal::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body_too_long",
            "the body must be hashed before it is sent, and is longer than this proxy reads into memory",
        ),
        // The layer's own words, which say what to do and have no secret in them.
        AuthErrorKind::Request | AuthErrorKind::Payload => {
            Refusal::bad_request("not_signable", error.to_string())
        }
        AuthErrorKind::Configuration | AuthErrorKind::PlainText => Refusal::new(
            StatusCode::BAD_GATEWAY,
            "configuration",
            "this proxy's configuration keeps it from authorizing the request: see its log",
        ),
        _ => Refusal::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "no_credential",
            "this proxy has no credential to authorize the request with: see its log, and `/readyz`",
        ),
    }
}

pub(crate) fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let words = cause.to_string();
        // Some errors repeat their cause.
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        next = cause.source();
    }
    text
}
