//! Bodies before their messages are signed, and those that are read first.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http_body::Body;
use pin_project_lite::pin_project;

use crate::error::BoxError;
use crate::layer::auth_body::Prepared;
use crate::layer::body::Readied;
use crate::layer::collect::BufferFuture;

/// A body on its way through [`SignedEvents`](super::SignedEvents).
pub enum Unsent<B> {
    /// It goes as it is, or has been read.
    Plain(Prepared<B>),
    /// Its messages are signed.
    Events(B),
}

pin_project! {
    /// Reads a body that is no stream of events.
    pub struct UnsentFuture<B> {
        #[pin]
        read: BufferFuture<B>,
    }
}

impl<B> UnsentFuture<B> {
    pub(super) fn new(read: BufferFuture<B>) -> Self {
        Self { read }
    }
}

impl<B: Body> Future for UnsentFuture<B>
where
    B::Error: Into<BoxError>,
{
    type Output = Readied<Unsent<B>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (buffered, hash) = ready!(self.project().read.poll_buffered(cx))?;
        Poll::Ready(Ok((Unsent::Plain(buffered.into()), hash)))
    }
}

impl<B> fmt::Debug for Unsent<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unsent").finish_non_exhaustive()
    }
}

impl<B> fmt::Debug for UnsentFuture<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnsentFuture").finish_non_exhaustive()
    }
}
