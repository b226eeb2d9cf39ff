//! Looking into the bodies of answers that refuse a request.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use http::{Response, StatusCode, response};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::body::Step;
use super::inspect::{Inspect, Inspected, sealed};

/// Answers that may refuse a credential are judged by the beginning of their bodies too.
///
/// See [`inspect_errors`](crate::AuthorizeLayer::inspect_errors).
#[derive(Clone, Copy, Debug)]
pub struct InspectErrors {
    limit: usize,
}

impl InspectErrors {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit }
    }
}

impl sealed::Sealed for InspectErrors {}

impl<B: Body> Inspect<B> for InspectErrors {
    type Body = PeekBody<B>;
    type Future = PeekFuture<B>;

    #[inline]
    fn inspect(&self, response: Response<B>) -> Step<Inspected<PeekBody<B>>, PeekFuture<B>> {
        let refuses = matches!(
            response.status(),
            StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN
        );
        match refuses && !response.body().is_end_stream() {
            true => Step::Later(PeekFuture::new(self.limit, response)),
            false => Step::Now((response.map(PeekBody::whole), None)),
        }
    }

    fn bypass(&self, response: Response<B>) -> Response<PeekBody<B>> {
        response.map(PeekBody::whole)
    }
}

/// The beginning of a body, which has been read, and the rest.
struct Peeked<B: Body> {
    frames: VecDeque<Frame<Bytes>>,
    /// How it broke off.
    error: Option<B::Error>,
    // Boxed, since it is moved while it is pinned. Few answers refuse a credential.
    rest: Pin<Box<B>>,
    /// Whether it has ended or broken off: it must not be asked again.
    ended: bool,
}

impl<B: Body> Peeked<B> {
    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let frame = ready!(self.rest.as_mut().poll_frame(cx));
        self.ended = !matches!(frame, Some(Ok(_)));
        Poll::Ready(frame.map(|frame| frame.map(into_bytes)))
    }

    fn has_ended(&self) -> bool {
        self.ended || self.rest.is_end_stream()
    }
}

pin_project! {
    /// An answer's body. What was read of it ahead of the caller comes first, and nothing is lost: not the
    /// rest of it, its trailers, or the error it breaks off with.
    ///
    /// Its data is [`Bytes`] whatever the inner body's is.
    pub struct PeekBody<B: Body> {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[project = KindProj]
    enum Kind<B: Body> {
        Whole { #[pin] body: B },
        Peeked { peeked: Peeked<B> },
    }
}

impl<B: Body> PeekBody<B> {
    fn whole(body: B) -> Self {
        Self {
            kind: Kind::Whole { body },
        }
    }
}

/// Whatever the data is, in one piece. That of `Bytes` is not copied.
fn into_bytes<D: Buf>(frame: Frame<D>) -> Frame<Bytes> {
    frame.map_data(|mut data| data.copy_to_bytes(data.remaining()))
}

impl<B: Body> Body for PeekBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.project().kind.project() {
            KindProj::Whole { body } => body.poll_frame(cx).map_ok(into_bytes),
            KindProj::Peeked { peeked } => {
                if let Some(frame) = peeked.frames.pop_front() {
                    return Poll::Ready(Some(Ok(frame)));
                }
                if let Some(error) = peeked.error.take() {
                    return Poll::Ready(Some(Err(error)));
                }
                peeked.poll_rest(cx)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Whole { body } => body.is_end_stream(),
            Kind::Peeked { peeked } => {
                peeked.frames.is_empty() && peeked.error.is_none() && peeked.has_ended()
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Whole { body } => body.size_hint(),
            Kind::Peeked { peeked } => {
                let data = peeked.frames.iter().filter_map(Frame::data_ref);
                let read = data.map(|data| data.len() as u64).sum::<u64>();
                let rest = peeked.rest.size_hint();
                let mut hint = SizeHint::new();
                hint.set_lower(rest.lower().saturating_add(read));
                if let Some(upper) = rest.upper().and_then(|upper| upper.checked_add(read)) {
                    hint.set_upper(upper);
                }
                hint
            }
        }
    }
}

impl<B: Body> fmt::Debug for PeekBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeekBody").finish_non_exhaustive()
    }
}

/// So that clients may go on with a response that has no body.
impl<B: Body + Default> Default for PeekBody<B> {
    fn default() -> Self {
        Self::whole(B::default())
    }
}

/// Reads the beginning of an answer's body.
pub struct PeekFuture<B: Body> {
    limit: usize,
    read: usize,
    frames: usize,
    state: Option<(response::Parts, Peeked<B>)>,
}

/// More frames than this are not the answer of a service that refuses something, however small they are.
const MOST_FRAMES: usize = 64;

impl<B: Body> PeekFuture<B> {
    fn new(limit: usize, response: Response<B>) -> Self {
        let (head, body) = response.into_parts();
        let peeked = Peeked {
            frames: VecDeque::new(),
            error: None,
            rest: Box::pin(body),
            ended: false,
        };
        Self {
            limit,
            read: 0,
            frames: 0,
            state: Some((head, peeked)),
        }
    }
}

// The body is behind a pointer.
impl<B: Body> Unpin for PeekFuture<B> {}

impl<B: Body> Future for PeekFuture<B> {
    type Output = Inspected<PeekBody<B>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let Some((_, peeked)) = &mut this.state else {
            // The engine polls no future that has finished.
            return Poll::Pending;
        };
        while this.read < this.limit && this.frames < MOST_FRAMES && !peeked.has_ended() {
            match ready!(peeked.poll_rest(cx)) {
                Some(Ok(frame)) => {
                    this.frames += 1;
                    this.read += frame.data_ref().map_or(0, Bytes::len);
                    peeked.frames.push_back(frame);
                }
                Some(Err(error)) => {
                    peeked.error = Some(error);
                    break;
                }
                None => break,
            }
        }
        let beginning = beginning(&peeked.frames, this.limit);
        let Some((head, peeked)) = this.state.take() else {
            return Poll::Pending;
        };
        let body = PeekBody {
            kind: Kind::Peeked { peeked },
        };
        Poll::Ready((Response::from_parts(head, body), Some(beginning)))
    }
}

/// What was read, in one piece, as far as the limit.
fn beginning(frames: &VecDeque<Frame<Bytes>>, limit: usize) -> Bytes {
    let mut data = frames.iter().filter_map(Frame::data_ref);
    let (first, second) = (data.next(), data.next());
    let Some(first) = first else {
        return Bytes::new();
    };
    if second.is_none() {
        return first.slice(..first.len().min(limit));
    }
    let mut all = BytesMut::new();
    for data in frames.iter().filter_map(Frame::data_ref) {
        let rest = limit.saturating_sub(all.len());
        all.extend_from_slice(&data[..data.len().min(rest)]);
    }
    all.freeze()
}

impl<B: Body> fmt::Debug for PeekFuture<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeekFuture").finish_non_exhaustive()
    }
}
