//! Bodies before they are cut, and those that are read first.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http_body::Body;
use pin_project_lite::pin_project;

use super::framing::Framing;
use crate::error::BoxError;
use crate::layer::auth_body::Buffered;
use crate::layer::body::Readied;
use crate::layer::collect::BufferFuture;

/// A body on its way through [`Chunked`](super::Chunked), or what brings it back.
pub struct Uncut<T>(pub(super) Kind<T>);

pub(super) enum Kind<T> {
    /// It goes as it is.
    Stream(T),
    /// It is cut into chunks.
    Cut(T, Arc<Framing>),
    /// It has been read, or there is nothing in it.
    Whole(Buffered),
}

impl<T> From<Kind<T>> for Uncut<T> {
    fn from(kind: Kind<T>) -> Self {
        Self(kind)
    }
}

pin_project! {
    /// Reads a body that is not to be cut.
    pub struct WholeFuture<B, T> {
        #[pin]
        read: BufferFuture<B>,
        _prepared: PhantomData<fn() -> T>,
    }
}

impl<B, T> WholeFuture<B, T> {
    pub(super) fn new(read: BufferFuture<B>) -> Self {
        Self {
            read,
            _prepared: PhantomData,
        }
    }
}

impl<B: Body, T> Future for WholeFuture<B, T>
where
    B::Error: Into<BoxError>,
{
    type Output = Readied<Uncut<T>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (buffered, hash) = ready!(self.project().read.poll_buffered(cx))?;
        Poll::Ready(Ok((Kind::Whole(buffered).into(), hash)))
    }
}

impl<T> fmt::Debug for Uncut<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Uncut").finish_non_exhaustive()
    }
}

impl<B, T> fmt::Debug for WholeFuture<B, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WholeFuture").finish_non_exhaustive()
    }
}
