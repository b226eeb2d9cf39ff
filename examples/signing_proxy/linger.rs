//! What is left of a request that was answered before its end.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::runtime::Handle;
use tokio::time::timeout;

/// How long it may stand still while nobody wants it.
const STANDSTILL: Duration = Duration::from_secs(2);

/// How long that may take in all.
const AT_MOST: Duration = Duration::from_secs(30);

/// A body whose rest is read and thrown away if it is dropped before its end: a connection that is closed while the
/// other side still writes is reset, and the answer is often lost with it.
pub(crate) struct Lingering {
    /// None once it is over.
    body: Option<Incoming>,
    /// Whoever waits to be told to go on has nothing on its way, and is not to be told.
    waits: bool,
}

impl Lingering {
    pub(crate) fn request(request: Request<Incoming>) -> Request<Self> {
        let waits = request.headers().contains_key(header::EXPECT);
        request.map(|body| Self {
            body: Some(body),
            waits,
        })
    }
}

impl Body for Lingering {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        self.waits = false;
        let Some(body) = &mut self.body else {
            return Poll::Ready(None);
        };
        let polled = Pin::new(body).poll_frame(cx);
        if let Poll::Ready(None | Some(Err(_))) = polled {
            self.body = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Incoming::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let none = || SizeHint::with_exact(0);
        self.body.as_ref().map_or_else(none, Incoming::size_hint)
    }
}

impl Drop for Lingering {
    fn drop(&mut self) {
        let Some(mut rest) = self.body.take() else {
            return;
        };
        if self.waits || rest.is_end_stream() {
            return;
        }
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        runtime.spawn(timeout(AT_MOST, async move {
            while let Ok(Some(Ok(_))) = timeout(STANDSTILL, rest.frame()).await {}
        }));
    }
}
