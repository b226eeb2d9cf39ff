//! Bodies on their way through, in either direction: counted, not too long, and never at a standstill.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep};
use tower_client_auth::BoxError;

/// What is known of a body from outside while it moves.
pub(crate) struct Meter {
    since: Instant,
    bytes: AtomicU64,
    /// Milliseconds from `since` to the latest piece.
    moved: AtomicU64,
    fault: AtomicU8,
}

/// Why a body ended before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Fault {
    TooLong = 1,
    Stalled = 2,
    Broken = 3,
    Malformed = 4,
}

impl Meter {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            since: Instant::now(),
            bytes: AtomicU64::new(0),
            moved: AtomicU64::new(0),
            fault: AtomicU8::new(0),
        })
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// When it moved last, or was to begin.
    pub(crate) fn moved(&self) -> Instant {
        self.since + Duration::from_millis(self.moved.load(Ordering::Relaxed))
    }

    pub(crate) fn fault(&self) -> Option<Fault> {
        match self.fault.load(Ordering::Relaxed) {
            1 => Some(Fault::TooLong),
            2 => Some(Fault::Stalled),
            3 => Some(Fault::Broken),
            4 => Some(Fault::Malformed),
            _ => None,
        }
    }

    fn count(&self, bytes: usize) {
        let moved = self.since.elapsed().as_millis() as u64;
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        self.moved.store(moved, Ordering::Relaxed);
    }

    pub(crate) fn fail(&self, fault: Fault) -> Fault {
        self.fault.store(fault as u8, Ordering::Relaxed);
        fault
    }
}

/// A body that is watched.
pub(crate) struct Metered<B> {
    body: B,
    meter: Arc<Meter>,
    longest: u64,
    patience: Duration,
    /// Only for bodies that have to be waited for.
    waiting: Option<Pin<Box<Sleep>>>,
}

impl<B> Metered<B> {
    pub(crate) fn new(body: B, meter: Arc<Meter>, longest: u64, patience: Duration) -> Self {
        Self {
            body,
            meter,
            longest,
            patience,
            waiting: None,
        }
    }
}

impl<B> Body for Metered<B>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) else {
            let patience = this.patience;
            let waiting = this
                .waiting
                .get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
            ready!(waiting.as_mut().poll(cx));
            return Poll::Ready(Some(Err(this.meter.fail(Fault::Stalled).into())));
        };
        this.waiting = None;
        Poll::Ready(match frame {
            Some(Ok(frame)) => {
                this.meter.count(frame.data_ref().map_or(0, Buf::remaining));
                match this.meter.bytes() > this.longest {
                    true => Some(Err(this.meter.fail(Fault::TooLong).into())),
                    false => Some(Ok(frame)),
                }
            }
            Some(Err(error)) => {
                this.meter.fail(Fault::Broken);
                Some(Err(error.into()))
            }
            None => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "the body is longer than this proxy lets pass",
            Self::Stalled => "the body stood still for too long",
            Self::Broken => "the body ended before its end",
            Self::Malformed => "the body is not in the chunks that its head announces",
        })
    }
}

impl Error for Fault {}
