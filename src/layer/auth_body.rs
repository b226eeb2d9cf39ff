//! The body a buffering layer sends: what was read, or what streams.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

/// A body that has been read, or is about to stream.
pub struct Prepared<B>(Repr<B>);

enum Repr<B> {
    Buffered(Buffered),
    Stream(B),
}

impl<B> Prepared<B> {
    pub(super) fn stream(body: B) -> Self {
        Self(Repr::Stream(body))
    }

    /// The body once more if it has nothing in it: that of a GET, for one.
    pub(super) fn nothing_left(&self) -> Option<Buffered>
    where
        B: Body,
    {
        match &self.0 {
            Repr::Stream(body) if body.is_end_stream() => Some(Buffered {
                data: Bytes::new(),
                trailers: None,
            }),
            _ => None,
        }
    }

    /// What was read, if the body was.
    pub(super) fn buffered(&self) -> Option<Buffered> {
        match &self.0 {
            Repr::Buffered(buffered) => Some(buffered.clone()),
            Repr::Stream(_) => None,
        }
    }
}

impl<B> From<Buffered> for Prepared<B> {
    fn from(buffered: Buffered) -> Self {
        Self(Repr::Buffered(buffered))
    }
}

impl<B> fmt::Debug for Prepared<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared").finish_non_exhaustive()
    }
}

/// A whole body in memory. Clones share the bytes.
#[derive(Clone, Default)]
pub struct Buffered {
    pub(super) data: Bytes,
    // Boxed: few bodies have any, and all pay for the room.
    pub(super) trailers: Option<Box<HeaderMap>>,
}

impl fmt::Debug for Buffered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffered")
            .field("len", &self.data.len())
            .finish_non_exhaustive()
    }
}

pin_project! {
    /// The body [`Buffer`](super::Buffer) hands to the service below: buffered bytes with their trailers, or the
    /// caller's body as it streams.
    ///
    /// Its data is [`Bytes`] whatever the caller's was, since that is what clients take; a caller's
    /// `Bytes` are passed on without copying.
    pub struct AuthBody<B> {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[project = KindProj]
    enum Kind<B> {
        Buffered { buffered: Buffered },
        Stream { #[pin] body: B },
    }
}

impl<B: Body> Body for AuthBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.project().kind.project() {
            KindProj::Buffered { buffered } => Poll::Ready(buffered.next_frame().map(Ok)),
            KindProj::Stream { body } => body.poll_frame(cx).map_ok(|frame| {
                frame.map_data(|mut data| {
                    let length = data.remaining();
                    data.copy_to_bytes(length)
                })
            }),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Buffered { buffered } => buffered.data.is_empty() && buffered.trailers.is_none(),
            Kind::Stream { body } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Buffered { buffered } => buffered.size_hint(),
            Kind::Stream { body } => body.size_hint(),
        }
    }
}

impl Buffered {
    fn next_frame(&mut self) -> Option<Frame<Bytes>> {
        if self.data.is_empty() {
            self.trailers
                .take()
                .map(|trailers| Frame::trailers(*trailers))
        } else {
            Some(Frame::data(std::mem::take(&mut self.data)))
        }
    }

    fn size_hint(&self) -> SizeHint {
        let length = self.data.len() as u64;
        match self.trailers {
            None => SizeHint::with_exact(length),
            // HTTP/1 sends trailers only after a chunked body, and hyper chunks only where the
            // length is not exact.
            Some(_) => {
                let mut hint = SizeHint::new();
                hint.set_lower(length);
                hint
            }
        }
    }
}

impl<B> fmt::Debug for AuthBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthBody").finish_non_exhaustive()
    }
}

impl<B> From<Prepared<B>> for AuthBody<B> {
    fn from(prepared: Prepared<B>) -> Self {
        let kind = match prepared.0 {
            Repr::Buffered(buffered) => Kind::Buffered { buffered },
            Repr::Stream(body) => Kind::Stream { body },
        };
        Self { kind }
    }
}

/// So that one client can serve requests that pass a buffering layer and requests that do not.
impl<B> From<B> for AuthBody<B> {
    fn from(body: B) -> Self {
        Self {
            kind: Kind::Stream { body },
        }
    }
}

impl<B: Clone> Clone for AuthBody<B> {
    fn clone(&self) -> Self {
        let kind = match &self.kind {
            Kind::Buffered { buffered } => Kind::Buffered {
                buffered: buffered.clone(),
            },
            Kind::Stream { body } => Kind::Stream { body: body.clone() },
        };
        Self { kind }
    }
}

/// So that a redirect layer below can send a request without its body.
impl<B: Default> Default for AuthBody<B> {
    fn default() -> Self {
        Self {
            kind: Kind::Stream { body: B::default() },
        }
    }
}
