//! How a request is answered, and when.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use tower::Service;
use tower_client_auth::BoxError;

use super::calls::{Call, Said};
use super::fault::Fault;
use super::state::Asked;
use super::{Answer, Body, StandIn};

impl StandIn {
    /// Like a network: nothing is there at once.
    async fn pause(&self) {
        let millis = {
            let mut state = self.state();
            match state.longest_delay {
                0 => 0,
                longest => state.random.u64(0..=longest),
            }
        };
        match millis {
            0 => tokio::task::yield_now().await,
            _ => tokio::time::sleep(Duration::from_millis(millis)).await,
        }
    }

    async fn exchange(self, request: Request<Full<Bytes>>) -> Answer {
        let (head, body) = request.into_parts();
        let target = head.headers.get("x-amz-target");
        let call = target.and_then(|target| Call::of(target.to_str().ok()?));
        let Some(call) = call else {
            let unknown = Said::refusal("UnknownOperationException", "");
            return Ok(unknown.response(&self.shared.clock));
        };
        let mut under_way = UnderWay::new(&self, call);
        let body = body.collect().await;
        let body = body.map_err(|never: Infallible| match never {})?;
        let asked: Asked = serde_json::from_slice(&body.to_bytes())?;
        self.pause().await;
        let outcome = self.handle(call, &asked);
        self.pause().await;
        under_way.is_answered = true;
        match outcome {
            Outcome::Said(said) => Ok(said.response(&self.shared.clock)),
            Outcome::Struck(fault) => fault.strike().await,
        }
    }

    fn handle(&self, call: Call, asked: &Asked) -> Outcome {
        let now = self.now();
        let mut state = self.state();
        state.calls[call as usize] += 1;
        if matches!(call, Call::GetId | Call::GetCredentialsForIdentity) && asked.has_no_logins() {
            state.guest_calls += 1;
        }
        let is_it = |of: Option<Call>| of.is_none_or(|of| of == call);
        if let Some((fault, _)) = state.fault.filter(|(_, of)| is_it(*of)) {
            return Outcome::Struck(fault);
        }
        if let Some((_, said)) = state.said.iter().rev().find(|(of, _)| is_it(*of)) {
            return Outcome::Said(said.clone());
        }
        let answer = state.answer(call, asked, now);
        if state.lost.take_if(|lost| *lost == call).is_some() {
            return Outcome::Struck(Fault::Reset);
        }
        Outcome::Said(match answer {
            Ok(text) => Said {
                status: 200,
                kind: match state.mislabels {
                    true => "text/html",
                    false => "application/x-amz-json-1.1",
                },
                error_type: None,
                text,
            },
            Err(refusal) => Said::refusal(refusal.code, refusal.message),
        })
    }
}

enum Outcome {
    Said(Said),
    Struck(Fault),
}

/// Counts what is under way, also if it is dropped half-way.
struct UnderWay {
    stand_in: StandIn,
    is_load: bool,
    is_answered: bool,
}

impl UnderWay {
    fn new(stand_in: &StandIn, call: Call) -> Self {
        let is_load = call.is_load();
        stand_in.state().loads_under_way += usize::from(is_load);
        Self {
            stand_in: stand_in.clone(),
            is_load,
            is_answered: false,
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut state = self.stand_in.state();
        state.loads_under_way -= usize::from(self.is_load);
        state.abandoned += u64::from(self.is_load && !self.is_answered);
    }
}

impl Service<Request<Full<Bytes>>> for StandIn {
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
