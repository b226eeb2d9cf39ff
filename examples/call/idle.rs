//! The body of an answer that does not keep anybody waiting for ever.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep};
use tower_client_auth::BoxError;

/// Gives up where nothing comes for a while: however slow it is, what moves is waited for.
pub(crate) struct Idle<B> {
    body: Pin<Box<B>>,
    patience: Duration,
    /// Begins anew with each wait: the time that whoever reads takes is not the server's.
    alarm: Pin<Box<Sleep>>,
    waits: bool,
}

impl<B> Idle<B> {
    pub(crate) fn new(body: B, patience: Duration) -> Self {
        Self {
            body: Box::pin(body),
            patience,
            alarm: Box::pin(tokio::time::sleep(patience)),
            waits: false,
        }
    }
}

impl<B> Body for Idle<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        if let Poll::Ready(frame) = this.body.as_mut().poll_frame(cx) {
            this.waits = false;
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        if !this.waits {
            this.waits = true;
            this.alarm.as_mut().reset(Instant::now() + this.patience);
        }
        ready!(this.alarm.as_mut().poll(cx));
        Poll::Ready(Some(Err(gave_up(this.patience))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

pub(crate) fn gave_up(patience: Duration) -> BoxError {
    let seconds = patience.as_secs();
    format!(
        "the server did nothing for {seconds} s: `--timeout {}` waits longer",
        seconds.saturating_mul(4)
    )
    .into()
}
