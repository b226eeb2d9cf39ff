//! What a service below is sent.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::upload::Upload;
use crate::error::BoxError;

pin_project! {
    /// The body [`ReplayBody`](super::ReplayBody) hands to the service below: the caller's as it streams, and once more.
    ///
    /// Its data is [`Bytes`] whatever the caller's was; a caller's `Bytes` are passed on without copying.
    pub struct ReplayedBody<B> {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[project = KindProj]
    enum Kind<B> {
        Plain { #[pin] body: B },
        First { upload: Arc<Upload<B>> },
        Second { upload: Arc<Upload<B>> },
        Nothing,
    }
}

impl<B> ReplayedBody<B> {
    pub(super) fn plain(body: B) -> Self {
        Self {
            kind: Kind::Plain { body },
        }
    }

    pub(super) fn first(upload: Arc<Upload<B>>) -> Self {
        Self {
            kind: Kind::First { upload },
        }
    }

    pub(super) fn second(upload: Arc<Upload<B>>) -> Self {
        Self {
            kind: Kind::Second { upload },
        }
    }

    pub(super) fn nothing() -> Self {
        Self {
            kind: Kind::Nothing,
        }
    }
}

impl<B: Body> Body for ReplayedBody<B>
where
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.project().kind.project() {
            KindProj::Plain { body } => body
                .poll_frame(cx)
                .map_ok(|frame| frame.map_data(|mut data| data.copy_to_bytes(data.remaining())))
                .map_err(Into::into),
            KindProj::First { upload } => upload.poll_first(cx),
            KindProj::Second { upload } => upload.poll_second(cx),
            KindProj::Nothing => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Plain { body } => body.is_end_stream(),
            Kind::First { upload } => upload.first_is_at_end(),
            Kind::Second { upload } => upload.second_is_at_end(),
            Kind::Nothing => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Plain { body } => body.size_hint(),
            Kind::First { upload } => upload.size_hint_of_first(),
            Kind::Second { upload } => upload.size_hint_of_second(),
            Kind::Nothing => SizeHint::with_exact(0),
        }
    }
}

/// So that one client can serve requests that pass the layer and requests that do not.
impl<B> From<B> for ReplayedBody<B> {
    fn from(body: B) -> Self {
        Self::plain(body)
    }
}

/// So that a redirect layer below can send a request without its body.
impl<B> Default for ReplayedBody<B> {
    fn default() -> Self {
        Self::nothing()
    }
}

impl<B> fmt::Debug for ReplayedBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplayedBody").finish_non_exhaustive()
    }
}
