//! What is known of a request once it is over: for the access log, and for the numbers.

use std::fmt::Display;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, Version};
use http_body::{Body, Frame, SizeHint};
use jiff::Timestamp;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use tower_client_auth::BoxError;

use crate::access_log::{AccessLog, Line, millis};
use crate::body::{Meter, Metered};
use crate::metrics::{self, Numbers};
use crate::refusal::Refusal;
use crate::upstream::Upstream;
use crate::upstream::stack::Outbound;

/// Of one request. When it is dropped the request is over, however that came.
pub(crate) struct Record {
    log: AccessLog,
    since: Instant,
    peer: Arc<str>,
    method: Method,
    path: String,
    version: Version,
    upstream: Option<(Arc<str>, Arc<Numbers>, OwnedSemaphorePermit)>,
    received: Arc<Meter>,
    sent: Arc<Meter>,
    status: Option<u16>,
    complete: bool,
    refused: Option<&'static str>,
    because: Option<String>,
    /// Nobody reads lines about probes.
    is_own: bool,
}

impl Record {
    pub(crate) fn new<B>(log: &AccessLog, peer: &Arc<str>, request: &Request<B>) -> Self {
        let path = match log.is_on() {
            true => request.uri().path().to_owned(),
            false => String::new(),
        };
        Self {
            log: log.clone(),
            since: Instant::now(),
            peer: Arc::clone(peer),
            method: request.method().clone(),
            path,
            version: request.version(),
            upstream: None,
            received: Meter::new(),
            sent: Meter::new(),
            status: None,
            complete: false,
            refused: None,
            because: None,
            is_own: false,
        }
    }

    pub(crate) fn is_own(&mut self) {
        self.is_own = true;
    }

    pub(crate) fn upstream(&mut self, upstream: &Upstream, permit: OwnedSemaphorePermit) {
        upstream.numbers.began();
        self.upstream = Some((
            Arc::clone(&upstream.name),
            Arc::clone(&upstream.numbers),
            permit,
        ));
    }

    pub(crate) fn received(&self) -> Arc<Meter> {
        Arc::clone(&self.received)
    }

    pub(crate) fn refused(&mut self, refusal: &Refusal) {
        self.refused = Some(refusal.code);
        metrics::refused(refusal.code);
    }

    pub(crate) fn because(&mut self, why: &impl Display) {
        if self.log.is_on() {
            self.because = Some(why.to_string());
        }
    }

    /// Goes with the answer, to its end.
    pub(crate) fn follow(
        mut self,
        response: Response<Outbound>,
        patience: Duration,
    ) -> Response<Answer> {
        self.status = Some(response.status().as_u16());
        // Then nobody asks for any of it.
        self.complete = response.body().is_end_stream();
        let sent = Arc::clone(&self.sent);
        response.map(|body| Answer {
            // An upstream decides how long its answers are.
            body: Metered::new(body, sent, u64::MAX, patience),
            record: Some(self),
        })
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if self.is_own {
            return;
        }
        let took = self.since.elapsed();
        let (received, sent) = (self.received.bytes(), self.sent.bytes());
        if let Some((_, numbers, _)) = &self.upstream {
            numbers.ended(self.status.unwrap_or_default(), took, received, sent);
        }
        if !self.log.is_on() {
            return;
        }
        let because = self
            .because
            .take()
            .or_else(|| Some(self.sent.fault()?.to_string()));
        self.log.write(&Line {
            time: Timestamp::now().to_string(),
            peer: &self.peer,
            method: self.method.as_str(),
            path: &self.path,
            http: match self.version {
                Version::HTTP_2 => "2",
                Version::HTTP_10 => "1.0",
                _ => "1.1",
            },
            upstream: self.upstream.as_ref().map(|(name, ..)| &**name),
            status: self.status,
            received,
            sent,
            ms: millis(took),
            complete: self.complete,
            refused: self.refused,
            because: because.as_deref(),
        });
    }
}

/// An answer on its way to the caller.
pub(crate) struct Answer {
    body: Metered<Outbound>,
    /// None if nobody is to know of it.
    record: Option<Record>,
}

impl From<Outbound> for Answer {
    fn from(body: Outbound) -> Self {
        Self {
            body: Metered::new(body, Meter::new(), u64::MAX, Duration::MAX),
            record: None,
        }
    }
}

/// What a browser is told that asks before a page calls.
impl Default for Answer {
    fn default() -> Self {
        Outbound::default().into()
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        let ended = match &polled {
            Poll::Ready(None) => true,
            // Nobody asks for more of what has told how long it is.
            Poll::Ready(Some(Ok(_))) => self.body.is_end_stream(),
            _ => false,
        };
        if let Some(record) = &mut self.record {
            record.complete |= ended;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
