//! What lies between the layer and the client: it sees requests as they are sent.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::{Either, select};
use http::{Request, Response, Version, request, response};
use tower::Service;
use tower_client_auth::BoxError;

use crate::body::Meter;
use crate::idle::{Idle, gave_up};
use crate::{output, redact};

/// Shows heads, keeps the last one for `--explain`, and gives up on servers that do nothing.
#[derive(Clone)]
pub(crate) struct Tap<S> {
    client: S,
    verbose: bool,
    patience: Duration,
    meter: Meter,
    sent: Sent,
}

/// The head of the last request, if one was sent.
#[derive(Clone, Default)]
pub(crate) struct Sent(Arc<Mutex<Option<request::Parts>>>);

impl Sent {
    pub(crate) fn take(&self) -> Option<request::Parts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn keep(&self, head: request::Parts) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(head);
    }
}

impl<S> Tap<S> {
    pub(crate) fn new(client: S, verbose: bool, patience: Duration, meter: Meter) -> Self {
        Self {
            client,
            verbose,
            patience,
            meter,
            sent: Sent::default(),
        }
    }

    pub(crate) fn sent(&self) -> Sent {
        self.sent.clone()
    }
}

impl<S, B, R> Service<Request<B>> for Tap<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
{
    type Response = Response<Idle<R>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Idle<R>>, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.client.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (head, body) = request.into_parts();
        if self.verbose {
            show_request(&head);
        }
        self.sent.keep(head.clone());
        let answer = self.client.call(Request::from_parts(head, body));
        let (verbose, patience, meter) = (self.verbose, self.patience, self.meter.clone());
        Box::pin(async move {
            let (head, body) = within(patience, &meter, answer).await??.into_parts();
            if verbose {
                show_response(&head);
            }
            Ok(Response::from_parts(head, Idle::new(body, patience)))
        })
    }
}

/// Waits for as long as something moves now and then, or for the input.
async fn within<F, T, E>(
    patience: Duration,
    meter: &Meter,
    answer: F,
) -> Result<Result<T, BoxError>, BoxError>
where
    F: Future<Output = Result<T, E>>,
    E: Into<BoxError>,
{
    let mut answer = pin!(answer);
    loop {
        let moved = tokio::time::timeout(patience, meter.moved());
        match select(&mut answer, pin!(moved)).await {
            Either::Left((answer, _)) => return Ok(answer.map_err(Into::into)),
            Either::Right((Err(_), _)) if !meter.waits_for_input() => {
                return Err(gave_up(patience));
            }
            Either::Right(_) => {}
        }
    }
}

fn show_request(head: &request::Parts) {
    let target = head
        .uri
        .path_and_query()
        .map_or("/", |target| target.as_str());
    // Whether it will be HTTP/2, the connection decides.
    let target = redact::url(target);
    output::first_line(">", &format!("{} {target}", head.method));
    if !head.headers.contains_key("host")
        && let Some(authority) = head.uri.authority()
    {
        output::first_line(">", &format!("host: {authority}"));
    }
    output::headers(">", &head.headers);
    output::line(">");
}

fn show_response(head: &response::Parts) {
    output::first_line("<", &first_line(head));
    output::headers("<", &head.headers);
    output::line("<");
}

/// `HTTP/1.1 200 OK`, as it came.
pub(crate) fn first_line(head: &response::Parts) -> String {
    match head.version {
        Version::HTTP_2 => format!("HTTP/2 {}", head.status.as_u16()),
        version => format!("{version:?} {}", head.status),
    }
}
