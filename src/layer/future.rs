//! The one state machine of the crate.
//!
//! ```text
//! Preparing → Acquiring → Calling → Inspecting ─ accepted ─→ the response
//!                 ↑                      │
//!                 │                  rejected, and the body can be had again
//!                 │                      ↓
//!              (apply) ← Readying ← Reacquiring
//! ```
//!
//! The body is read *before* the credential is asked for, and the credential is applied (with the
//! clock read) *after* it has come: a slow upload ages neither.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{Request, Response, request, response};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::body::{PreparePayload, Step};
use super::inspect::{Inspect, Inspected};
use super::{Authorizer, Need, Shared, Verdict};
use crate::error::{AuthError, AuthErrorKind, BoxError};
use crate::payload::PayloadHash;

pin_project! {
    /// The answer to a request on its way through [`Authorize`](crate::Authorize).
    pub struct ResponseFuture<S, A, P, I, B, R>
    where
        A: Authorizer,
        P: PreparePayload<B>,
        I: Inspect<R>,
        S: Service<Request<P::Body>>,
    {
        shared: Arc<Shared<A, P, I>>,
        // The readied service; the first call is its, a second one polls it ready again.
        service: S,
        exchange: Exchange<A, P::Prepared, P::Spare>,
        #[pin]
        state: State<P::Future, A::Acquire, S::Future, I::Future, Response<I::Body>>,
        _response: PhantomData<fn() -> R>,
    }
}

/// What belongs to the request at hand.
struct Exchange<A: Authorizer, Prepared, Spare> {
    plan: Option<A::Plan>,
    /// Unsigned until it is sent.
    head: Option<request::Parts>,
    prepared: Option<(Prepared, PayloadHash)>,
    credential: Option<A::Credential>,
    /// The unsigned head and what brings the body back, if the request may be sent twice.
    spare: Option<(request::Parts, Spare, PayloadHash)>,
    replayed: bool,
}

pin_project! {
    #[project = StateProj]
    #[project_replace = StateOwned]
    enum State<Prepare, Acquire, Call, Look, Answer> {
        Preparing { #[pin] future: Prepare },
        Acquiring { #[pin] future: Acquire },
        Calling { #[pin] future: Call },
        Inspecting { #[pin] future: Look },
        // Holds the first answer: it is the caller's if no new credential can be had.
        Reacquiring { #[pin] future: Acquire, answer: Answer },
        Readying,
        // The request is none of ours.
        Bypassing { #[pin] future: Call },
        Failed { error: Option<BoxError> },
        Finished,
    }
}

impl<S, A, P, I, B, R> ResponseFuture<S, A, P, I, B, R>
where
    A: Authorizer,
    P: PreparePayload<B>,
    I: Inspect<R>,
    S: Service<Request<P::Body>>,
{
    /// Goes as far as it can without waiting, so that a warm request without a body to read is on
    /// its way before there is a future to move about.
    pub(super) fn covered(
        shared: Arc<Shared<A, P, I>>,
        mut service: S,
        head: request::Parts,
        body: B,
        plan: A::Plan,
        need: Need,
    ) -> Self {
        let prepared = match shared.payload.prepare(&head, need, body) {
            Step::Now(Ok(prepared)) => prepared,
            Step::Now(Err(error)) => return Self::failed(shared, service, error),
            Step::Later(future) => {
                let exchange = Exchange::new(plan, head, None);
                return Self::new(shared, service, exchange, State::Preparing { future });
            }
        };
        let Some(credential) = shared.authorizer.at_hand(&plan) else {
            let future = shared.authorizer.acquire(&plan);
            let exchange = Exchange::new(plan, head, Some(prepared));
            return Self::new(shared, service, exchange, State::Acquiring { future });
        };
        let spare = match shared.replay {
            true => spare(&shared.payload, &head, &prepared),
            false => None,
        };
        let mut plan = plan;
        match apply(&shared, &mut plan, &credential, prepared, head) {
            Ok(request) => Self {
                state: State::Calling {
                    future: service.call(request),
                },
                exchange: Exchange {
                    plan: Some(plan),
                    head: None,
                    prepared: None,
                    credential: Some(credential),
                    spare,
                    replayed: false,
                },
                shared,
                service,
                _response: PhantomData,
            },
            Err(error) => Self::failed(shared, service, error),
        }
    }

    pub(super) fn bypassing(
        shared: Arc<Shared<A, P, I>>,
        mut service: S,
        head: request::Parts,
        body: B,
    ) -> Self {
        let request = Request::from_parts(head, shared.payload.bypass(body));
        let future = service.call(request);
        Self::new(
            shared,
            service,
            Exchange::empty(),
            State::Bypassing { future },
        )
    }

    pub(super) fn failed(shared: Arc<Shared<A, P, I>>, service: S, error: AuthError) -> Self {
        let error = Some(error.into());
        Self::new(shared, service, Exchange::empty(), State::Failed { error })
    }

    fn new(
        shared: Arc<Shared<A, P, I>>,
        service: S,
        exchange: Exchange<A, P::Prepared, P::Spare>,
        state: State<P::Future, A::Acquire, S::Future, I::Future, Response<I::Body>>,
    ) -> Self {
        Self {
            shared,
            service,
            exchange,
            state,
            _response: PhantomData,
        }
    }
}

impl<S, A, P, I, B, R> Future for ResponseFuture<S, A, P, I, B, R>
where
    A: Authorizer,
    P: PreparePayload<B>,
    I: Inspect<R>,
    S: Service<Request<P::Body>, Response = Response<R>>,
    S::Error: Into<BoxError>,
{
    type Output = Result<Response<I::Body>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let output = loop {
            let next = match this.state.as_mut().project() {
                StateProj::Preparing { future } => match ready!(future.poll(cx)) {
                    Ok(prepared) => {
                        this.exchange.prepared = Some(prepared);
                        match this.exchange.acquire(this.shared) {
                            Ok(future) => State::Acquiring { future },
                            Err(error) => break Err(error.into()),
                        }
                    }
                    Err(error) => break Err(error.into()),
                },
                StateProj::Acquiring { future } => match ready!(future.poll(cx)) {
                    Ok(credential) => {
                        if this.shared.replay
                            && let (Some(head), Some(prepared)) =
                                (&this.exchange.head, &this.exchange.prepared)
                        {
                            this.exchange.spare = spare(&this.shared.payload, head, prepared);
                        }
                        match this.exchange.apply(this.shared, credential) {
                            Ok(request) => State::Calling {
                                future: this.service.call(request),
                            },
                            Err(error) => break Err(error.into()),
                        }
                    }
                    Err(error) => break Err(error.into()),
                },
                StateProj::Calling { future } => match ready!(future.poll(cx)) {
                    Ok(response) => match this.shared.inspect.inspect(response) {
                        Step::Now(inspected) => match this.exchange.judge(this.shared, inspected) {
                            (answer, None) => break Ok(answer),
                            (answer, Some(future)) => State::Reacquiring { future, answer },
                        },
                        Step::Later(future) => State::Inspecting { future },
                    },
                    Err(error) => break Err(error.into()),
                },
                StateProj::Inspecting { future } => {
                    let inspected = ready!(future.poll(cx));
                    match this.exchange.judge(this.shared, inspected) {
                        (answer, None) => break Ok(answer),
                        (answer, Some(future)) => State::Reacquiring { future, answer },
                    }
                }
                StateProj::Reacquiring { future, .. } => match ready!(future.poll(cx)) {
                    Ok(credential) => {
                        this.exchange.credential = Some(credential);
                        // The first answer is dropped before the service is asked again: its body
                        // may hold the only connection.
                        State::Readying
                    }
                    Err(_) => match this.state.as_mut().project_replace(State::Finished) {
                        StateOwned::Reacquiring { answer, .. } => return Poll::Ready(Ok(answer)),
                        _ => break Err(polled_again().into()),
                    },
                },
                StateProj::Readying => {
                    if let Err(error) = ready!(this.service.poll_ready(cx)) {
                        break Err(error.into());
                    }
                    let Some(credential) = this.exchange.credential.take() else {
                        break Err(polled_again().into());
                    };
                    match this.exchange.apply(this.shared, credential) {
                        Ok(request) => State::Calling {
                            future: this.service.call(request),
                        },
                        Err(error) => break Err(error.into()),
                    }
                }
                StateProj::Bypassing { future } => match ready!(future.poll(cx)) {
                    Ok(response) => break Ok(this.shared.inspect.bypass(response)),
                    Err(error) => break Err(error.into()),
                },
                StateProj::Failed { error } => {
                    break Err(error.take().unwrap_or_else(|| polled_again().into()));
                }
                StateProj::Finished => break Err(polled_again().into()),
            };
            this.state.set(next);
        };
        this.state.set(State::Finished);
        Poll::Ready(output)
    }
}

impl<A: Authorizer, Prepared, Spare> Exchange<A, Prepared, Spare> {
    fn empty() -> Self {
        Self {
            plan: None,
            head: None,
            prepared: None,
            credential: None,
            spare: None,
            replayed: false,
        }
    }

    fn new(plan: A::Plan, head: request::Parts, prepared: Option<(Prepared, PayloadHash)>) -> Self {
        Self {
            plan: Some(plan),
            head: Some(head),
            prepared,
            ..Self::empty()
        }
    }

    fn acquire<P, I>(&self, shared: &Shared<A, P, I>) -> Result<A::Acquire, AuthError> {
        let plan = self.plan.as_ref().ok_or_else(polled_again)?;
        Ok(shared.authorizer.acquire(plan))
    }

    /// Puts the credential on the request.
    fn apply<B, P, I>(
        &mut self,
        shared: &Shared<A, P, I>,
        credential: A::Credential,
    ) -> Result<Request<P::Body>, AuthError>
    where
        P: PreparePayload<B, Prepared = Prepared, Spare = Spare>,
    {
        let plan = self.plan.as_mut().ok_or_else(polled_again)?;
        let prepared = self.prepared.take().ok_or_else(polled_again)?;
        let head = self.head.take().ok_or_else(polled_again)?;
        let request = apply(shared, plan, &credential, prepared, head)?;
        self.credential = Some(credential);
        Ok(request)
    }

    /// Asks for a verdict; with it comes the pending credential if the request is to be sent again.
    fn judge<B, P, I, T>(
        &mut self,
        shared: &Shared<A, P, I>,
        (response, peeked): Inspected<T>,
    ) -> (Response<T>, Option<A::Acquire>)
    where
        P: PreparePayload<B, Prepared = Prepared, Spare = Spare>,
    {
        let (head, body) = response.into_parts();
        let again = self.rule::<B, P, I>(shared, &head, peeked.as_deref());
        (Response::from_parts(head, body), again)
    }

    fn rule<B, P, I>(
        &mut self,
        shared: &Shared<A, P, I>,
        head: &response::Parts,
        peeked: Option<&[u8]>,
    ) -> Option<A::Acquire>
    where
        P: PreparePayload<B, Prepared = Prepared, Spare = Spare>,
    {
        let (plan, credential) = (self.plan.as_ref()?, self.credential.as_ref()?);
        match shared.authorizer.judge(plan, credential, head, peeked) {
            Verdict::Accept => return None,
            Verdict::Refresh => shared.authorizer.reject(plan, credential),
            Verdict::Resync => {}
        }
        if self.replayed {
            return None;
        }
        let (head, spare, hash) = self.spare.take()?;
        let prepared = shared.payload.replay(spare)?;
        let future = shared.authorizer.acquire(plan);
        self.replayed = true;
        self.head = Some(head);
        self.prepared = Some((prepared, hash));
        Some(future)
    }
}

/// What a second attempt needs, set aside while the head is still unsigned.
fn spare<B, P: PreparePayload<B>>(
    payload: &P,
    head: &request::Parts,
    (prepared, hash): &(P::Prepared, PayloadHash),
) -> Option<(request::Parts, P::Spare, PayloadHash)> {
    let spare = payload.keep(prepared)?;
    Some((head.clone(), spare, *hash))
}

fn apply<A, B, P, I>(
    shared: &Shared<A, P, I>,
    plan: &mut A::Plan,
    credential: &A::Credential,
    (prepared, hash): (P::Prepared, PayloadHash),
    mut head: request::Parts,
) -> Result<Request<P::Body>, AuthError>
where
    A: Authorizer,
    P: PreparePayload<B>,
{
    let applied = shared
        .authorizer
        .apply(plan, credential, &hash, &mut head)?;
    let body = shared.payload.seal(prepared, applied);
    Ok(Request::from_parts(head, body))
}

/// Only a caller that polls a finished future can see this.
pub(super) fn polled_again() -> AuthError {
    AuthError::new(
        AuthErrorKind::Request,
        "the response future was polled after it had finished",
    )
}

impl<S, A, P, I, B, R> fmt::Debug for ResponseFuture<S, A, P, I, B, R>
where
    A: Authorizer,
    P: PreparePayload<B>,
    I: Inspect<R>,
    S: Service<Request<P::Body>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
