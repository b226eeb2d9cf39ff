//! The one state machine of the crate.
//!
//! ```text
//! Preparing → Acquiring → Calling → Inspecting ─ accepted ─→ the response
//!                          ↑             │
//!                          │         rejected, and the body can be had again
//!                          │             ↓
//!                      Readying ←── Reacquiring ─ no other credential ─→ the response
//! ```
//!
//! The body is read *before* the credential is asked for, and the credential is applied (with the
//! clock read) *after* it has come: a slow upload ages neither.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{Request, Response, StatusCode, request, response};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::body::{PreparePayload, Step};
use super::hint::AuthHint;
use super::inspect::{Inspect, Inspected};
use super::{Applied, Authorizer, Need, Sealing, Shared, Verdict};
use crate::error::{AuthError, AuthErrorKind, BoxError};
use crate::observe;
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
        state: StateOf<S, A, P, I, B, R>,
        _response: PhantomData<fn() -> R>,
    }
}

/// What belongs to the request at hand.
struct Exchange<A: Authorizer, Prepared, Spare> {
    plan: Option<A::Plan>,
    /// The head, unsigned: until it is sent, and afterwards if it may be sent again.
    head: Option<request::Parts>,
    body: Held<Prepared, Spare>,
    hash: PayloadHash,
    credential: Option<A::Credential>,
    /// Whether sending it again takes another credential.
    refresh: bool,
    /// Whether it has been sent again.
    again: bool,
}

/// The body while it is not under way: the two are never there at once.
enum Held<Prepared, Spare> {
    Nothing,
    /// Ready to be sent.
    Prepared(Prepared),
    /// What brings it back, if the request may be sent again.
    Spare(Spare),
}

impl<Prepared, Spare> Held<Prepared, Spare> {
    fn take_prepared(&mut self) -> Result<Prepared, AuthError> {
        match mem::replace(self, Self::Nothing) {
            Self::Prepared(prepared) => Ok(prepared),
            Self::Nothing | Self::Spare(_) => Err(polled_again()),
        }
    }

    fn take_spare(&mut self) -> Option<Spare> {
        match mem::replace(self, Self::Nothing) {
            Self::Spare(spare) => Some(spare),
            Self::Nothing | Self::Prepared(_) => None,
        }
    }
}

impl<Prepared, Spare> From<Option<Spare>> for Held<Prepared, Spare> {
    fn from(spare: Option<Spare>) -> Self {
        spare.map_or(Self::Nothing, Self::Spare)
    }
}

/// How a request goes on once its body is ready.
enum Proceed<Request, Acquire> {
    Send(Request),
    Wait(Acquire),
}

type StateOf<S, A, P, I, B, R> = State<
    <P as PreparePayload<B>>::Future,
    <A as Authorizer>::Acquire,
    <S as Service<Request<<P as PreparePayload<B>>::Body>>>::Future,
    <I as Inspect<R>>::Future,
    Response<<I as Inspect<R>>::Body>,
    <P as PreparePayload<B>>::Body,
>;

pin_project! {
    #[project = StateProj]
    #[project_replace = StateOwned]
    enum State<Prepare, Acquire, Call, Look, Answer, Body> {
        Preparing { #[pin] future: Prepare },
        Acquiring { #[pin] future: Acquire },
        Calling { #[pin] future: Call },
        Inspecting { #[pin] future: Look },
        // Holds the first answer: it is the caller's if no new credential can be had or applied.
        Reacquiring { #[pin] future: Acquire, answer: Answer },
        Readying { body: Option<Body> },
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
    #[inline]
    pub(super) fn start(shared: Arc<Shared<A, P, I>>, mut service: S, request: Request<B>) -> Self {
        let (mut head, body) = request.into_parts();
        let (mut plan, need) = match shared.authorizer.cover(&mut head) {
            Ok(Some(covered)) => covered,
            Ok(None) => {
                let request = Request::from_parts(head, shared.payload.bypass(body));
                let future = service.call(request);
                let exchange = Exchange::empty();
                return Self::new(shared, service, exchange, State::Bypassing { future });
            }
            Err(error) => return Self::failed(shared, service, error),
        };
        let (prepared, hash) = match need {
            Need::Head if !shared.payload.reads_ahead(&body) => {
                (shared.payload.stream(body), PayloadHash::Unsigned)
            }
            need => match shared.payload.prepare(&mut head, need, body) {
                Step::Now(Ok(prepared)) => prepared,
                Step::Now(Err(error)) => return Self::failed(shared, service, error),
                Step::Later(future) => {
                    let exchange = Exchange {
                        plan: Some(plan),
                        head: Some(head),
                        ..Exchange::empty()
                    };
                    return Self::new(shared, service, exchange, State::Preparing { future });
                }
            },
        };
        let Some(credential) = shared.authorizer.at_hand(&plan) else {
            let future = shared.authorizer.acquire(&plan);
            let exchange = Exchange {
                plan: Some(plan),
                head: Some(head),
                body: Held::Prepared(prepared),
                hash,
                ..Exchange::empty()
            };
            return Self::new(shared, service, exchange, State::Acquiring { future });
        };
        let (spare, unsigned) = match shared.replay {
            false => (None, None),
            true => keep(&shared.payload, &prepared, &head),
        };
        match shared
            .authorizer
            .apply(&mut plan, &credential, &hash, &mut head)
        {
            // Written out in one piece: parts that are put together first are moved once more.
            Ok(Applied {}) => Self {
                state: State::Calling {
                    future: service.call(Request::from_parts(
                        head,
                        shared
                            .payload
                            .seal(prepared, Sealing::of(&shared.authorizer, &mut plan)),
                    )),
                },
                exchange: Exchange {
                    plan: Some(plan),
                    head: unsigned,
                    body: spare.into(),
                    hash,
                    credential: Some(credential),
                    refresh: false,
                    again: false,
                },
                shared,
                service,
                _response: PhantomData,
            },
            Err(error) => Self::failed(shared, service, error),
        }
    }

    #[cold]
    fn failed(shared: Arc<Shared<A, P, I>>, service: S, error: AuthError) -> Self {
        let error = Some(error.into());
        Self::new(shared, service, Exchange::empty(), State::Failed { error })
    }

    fn new(
        shared: Arc<Shared<A, P, I>>,
        service: S,
        exchange: Exchange<A, P::Prepared, P::Spare>,
        state: StateOf<S, A, P, I, B, R>,
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
                    Ok((prepared, hash)) => {
                        this.exchange.body = Held::Prepared(prepared);
                        this.exchange.hash = hash;
                        match this.exchange.proceed(this.shared) {
                            Ok(Proceed::Send(request)) => State::Calling {
                                future: this.service.call(request),
                            },
                            Ok(Proceed::Wait(future)) => State::Acquiring { future },
                            Err(error) => break Err(error.into()),
                        }
                    }
                    Err(error) => break Err(error.into()),
                },
                StateProj::Acquiring { future } => {
                    let request = ready!(future.poll(cx))
                        .and_then(|credential| this.exchange.apply(this.shared, credential));
                    match request {
                        Ok(request) => State::Calling {
                            future: this.service.call(request),
                        },
                        Err(error) => break Err(error.into()),
                    }
                }
                StateProj::Calling { future } => match ready!(future.poll(cx)) {
                    Ok(response) => match this.shared.inspect.inspect(response) {
                        Step::Now(inspected) => match this.exchange.judge(this.shared, inspected) {
                            Judged::Final(answer) => break Ok(answer),
                            Judged::Renew(future, answer) => State::Reacquiring { future, answer },
                            Judged::Reapply(body) => State::Readying { body: Some(body) },
                        },
                        Step::Later(future) => State::Inspecting { future },
                    },
                    Err(error) => break Err(error.into()),
                },
                StateProj::Inspecting { future } => {
                    let inspected = ready!(future.poll(cx));
                    match this.exchange.judge(this.shared, inspected) {
                        Judged::Final(answer) => break Ok(answer),
                        Judged::Renew(future, answer) => State::Reacquiring { future, answer },
                        Judged::Reapply(body) => State::Readying { body: Some(body) },
                    }
                }
                StateProj::Reacquiring { future, .. } => {
                    let again = ready!(future.poll(cx))
                        .and_then(|credential| this.exchange.reapply(this.shared, credential));
                    match again {
                        // The first answer is dropped before the service is asked again: its body
                        // may hold the only connection.
                        Ok(body) => State::Readying { body: Some(body) },
                        Err(error) => match this.state.as_mut().project_replace(State::Finished) {
                            StateOwned::Reacquiring { answer, .. } => {
                                observe::not_replayed(Some(&error));
                                AuthHint::report(answer.status(), answer.extensions());
                                return Poll::Ready(Ok(answer));
                            }
                            _ => break Err(polled_again().into()),
                        },
                    }
                }
                StateProj::Readying { body } => {
                    if let Err(error) = ready!(this.service.poll_ready(cx)) {
                        break Err(error.into());
                    }
                    let (Some(head), Some(body)) = (this.exchange.head.take(), body.take()) else {
                        break Err(polled_again().into());
                    };
                    observe::replayed(this.exchange.refresh);
                    State::Calling {
                        future: this.service.call(Request::from_parts(head, body)),
                    }
                }
                StateProj::Bypassing { future } => match ready!(future.poll(cx)) {
                    Ok(response) => break Ok(bypassed(this.shared.inspect.bypass(response))),
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
            body: Held::Nothing,
            hash: PayloadHash::Unsigned,
            credential: None,
            refresh: false,
            again: false,
        }
    }

    /// The body is ready: the request can go if its credential is at hand, and waits for it if not.
    fn proceed<B, P, I>(
        &mut self,
        shared: &Shared<A, P, I>,
    ) -> Result<Proceed<Request<P::Body>, A::Acquire>, AuthError>
    where
        P: PreparePayload<B, Prepared = Prepared, Spare = Spare>,
    {
        let plan = self.plan.as_ref().ok_or_else(polled_again)?;
        match shared.authorizer.at_hand(plan) {
            Some(credential) => self.apply(shared, credential).map(Proceed::Send),
            None => Ok(Proceed::Wait(shared.authorizer.acquire(plan))),
        }
    }

    /// Puts the credential on the request; before that sets aside what sending it again would need.
    fn apply<B, P, I>(
        &mut self,
        shared: &Shared<A, P, I>,
        credential: A::Credential,
    ) -> Result<Request<P::Body>, AuthError>
    where
        P: PreparePayload<B, Prepared = Prepared, Spare = Spare>,
    {
        let plan = self.plan.as_mut().ok_or_else(polled_again)?;
        let prepared = self.body.take_prepared()?;
        let mut head = self.head.take().ok_or_else(polled_again)?;
        if shared.replay {
            let (spare, unsigned) = keep(&shared.payload, &prepared, &head);
            (self.body, self.head) = (spare.into(), unsigned);
        }
        let Applied {} = shared
            .authorizer
            .apply(plan, &credential, &self.hash, &mut head)?;
        self.credential = Some(credential);
        let sealing = Sealing::of(&shared.authorizer, plan);
        let body = shared.payload.seal(prepared, sealing);
        Ok(Request::from_parts(head, body))
    }

    /// Puts another credential on the head that was kept, and returns the body that goes with it.
    fn reapply<B, P, I>(
        &mut self,
        shared: &Shared<A, P, I>,
        credential: A::Credential,
    ) -> Result<P::Body, AuthError>
    where
        P: PreparePayload<B, Prepared = Prepared, Spare = Spare>,
    {
        let plan = self.plan.as_mut().ok_or_else(polled_again)?;
        let prepared = self.body.take_prepared()?;
        let head = self.head.as_mut().ok_or_else(polled_again)?;
        if self.refresh
            && let Some(rejected) = &self.credential
            && shared.authorizer.is_same(rejected, &credential)
        {
            return Err(AuthError::new(
                AuthErrorKind::Source,
                "the source has no other credential than the rejected one",
            ));
        }
        let Applied {} = shared
            .authorizer
            .apply(plan, &credential, &self.hash, head)?;
        self.credential = Some(credential);
        let sealing = Sealing::of(&shared.authorizer, plan);
        Ok(shared.payload.seal(prepared, sealing))
    }

    /// Asks for a verdict, and for whatever sending the request again takes.
    fn judge<B, P, I, T>(
        &mut self,
        shared: &Shared<A, P, I>,
        (response, peeked): Inspected<T>,
    ) -> Judged<Response<T>, A::Acquire, P::Body>
    where
        P: PreparePayload<B, Prepared = Prepared, Spare = Spare>,
    {
        let (mut head, body) = response.into_parts();
        let again = self.rule::<B, P, I>(shared, &head, peeked.as_deref());
        let hinted =
            head.status.is_client_error() && self.explain(shared, &mut head, peeked.as_deref());
        match again {
            Again::Renew(future) => Judged::Renew(future, Response::from_parts(head, body)),
            // The answer is dropped before the service is asked again: its body may hold the only
            // connection.
            Again::Reapply(body) => Judged::Reapply(body),
            Again::Never => {
                if hinted {
                    AuthHint::report(head.status, &head.extensions);
                }
                Judged::Final(Response::from_parts(head, body))
            }
        }
    }

    fn rule<B, P, I>(
        &mut self,
        shared: &Shared<A, P, I>,
        head: &response::Parts,
        peeked: Option<&[u8]>,
    ) -> Again<A::Acquire, P::Body>
    where
        P: PreparePayload<B, Prepared = Prepared, Spare = Spare>,
    {
        let (Some(plan), Some(credential)) = (&self.plan, &self.credential) else {
            return Again::Never;
        };
        let verdict = shared.authorizer.judge(plan, credential, head, peeked);
        match verdict {
            Verdict::Accept => return Again::Never,
            Verdict::Refresh => shared.authorizer.reject(plan, credential),
            Verdict::Resync => {}
        }
        observe::rejected(verdict, head.status);
        self.refresh = verdict == Verdict::Refresh;
        // A second attempt has kept nothing, so there is no third.
        let Some(spare) = self.body.take_spare() else {
            if shared.replay && !self.again {
                observe::not_replayed(None);
            }
            return Again::Never;
        };
        self.again = true;
        let Some(prepared) = shared.payload.replay(spare) else {
            return Again::Never;
        };
        self.body = Held::Prepared(prepared);
        if self.refresh {
            return Again::Renew(shared.authorizer.acquire(plan));
        }
        // The credential is good.
        let Some(credential) = self.credential.take() else {
            return Again::Never;
        };
        match self.reapply(shared, credential) {
            Ok(body) => Again::Reapply(body),
            Err(error) => {
                observe::not_replayed(Some(&error));
                Again::Never
            }
        }
    }
}

/// How a rejected request goes on.
enum Again<Acquire, Body> {
    Never,
    /// With another credential.
    Renew(Acquire),
    /// With the same one, applied once more.
    Reapply(Body),
}

/// What becomes of an answer.
enum Judged<Answer, Acquire, Body> {
    Final(Answer),
    Renew(Acquire, Answer),
    Reapply(Body),
}

impl<A: Authorizer, Prepared, Spare> Exchange<A, Prepared, Spare> {
    /// Leaves a hint in the extensions of an answer that refuses the request, if there is anything to say.
    #[cold]
    fn explain<P, I>(
        &self,
        shared: &Shared<A, P, I>,
        head: &mut response::Parts,
        peeked: Option<&[u8]>,
    ) -> bool {
        let (Some(plan), Some(credential)) = (&self.plan, &self.credential) else {
            return false;
        };
        let hint = shared.authorizer.hint(plan, credential, head, peeked);
        hint.is_some_and(|hint| hint.leave(&mut head.extensions))
    }
}

/// The answer to a request that was sent without a credential.
fn bypassed<T>(mut response: Response<T>) -> Response<T> {
    let status = response.status();
    if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
        && AuthHint::SentWithoutCredential.leave(response.extensions_mut())
    {
        AuthHint::report(status, response.extensions());
    }
    response
}

/// What sending a request again would need: its body, and its head while it is unsigned.
fn keep<B, P: PreparePayload<B>>(
    payload: &P,
    prepared: &P::Prepared,
    head: &request::Parts,
) -> (Option<P::Spare>, Option<request::Parts>) {
    let spare = payload.keep(prepared);
    let head = spare.as_ref().map(|_| head.clone());
    (spare, head)
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
