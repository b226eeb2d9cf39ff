//! What a service below is sent.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::encoder::{Encoder, longer};
use super::framing::Framing;
use crate::error::{AuthError, BoxError};
use crate::layer::BodySigner;
use crate::layer::auth_body::{AuthBody, Buffered, Prepared};

/// A body that always has something ready, tiny pieces for instance, must not keep the thread.
const FRAMES_AT_ONCE: usize = 256;

pin_project! {
    /// The body [`Chunked`](super::Chunked) hands to the service below: the caller's in chunks, or as it is.
    ///
    /// Its data is [`Bytes`] whatever the caller's was; a caller's `Bytes` are passed on without copying, unless
    /// they come in many small pieces. It is `Send`, `Sync` and `Unpin` where the caller's body and its data are:
    /// hyper-util's client asks for the last, reqwest for the second.
    pub struct ChunkedBody<B>
    where
        B: Body,
    {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[project = KindProj]
    enum Kind<B>
    where
        B: Body,
    {
        // It goes as it is, or has been read.
        Plain { #[pin] body: AuthBody<B> },
        Chunks {
            #[pin]
            body: B,
            // What is left of a frame behind the end of a chunk.
            rest: Option<B::Data>,
            encoder: Box<Encoder>,
        },
        // It cannot go at all.
        Failed { error: Option<AuthError> },
    }
}

impl<B: Body> ChunkedBody<B> {
    pub(super) fn plain(body: B) -> Self {
        Self::from_kind(Kind::Plain { body: body.into() })
    }

    pub(super) fn whole(body: Buffered) -> Self {
        let body = Prepared::from(body).into();
        Self::from_kind(Kind::Plain { body })
    }

    pub(super) fn chunked(body: B, framing: Arc<Framing>, signer: Option<BodySigner>) -> Self {
        let signer = match signer {
            Some(BodySigner::Chunks(signer)) => Some(signer),
            _ => None,
        };
        Self::from_kind(match Encoder::new(framing, signer) {
            Ok(encoder) => Kind::Chunks {
                body,
                rest: None,
                encoder: Box::new(encoder),
            },
            Err(error) => Kind::Failed { error: Some(error) },
        })
    }

    fn from_kind(kind: Kind<B>) -> Self {
        Self { kind }
    }
}

type Polled = Poll<Option<Result<Frame<Bytes>, BoxError>>>;

impl<B: Body> Body for ChunkedBody<B>
where
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled {
        match self.project().kind.project() {
            KindProj::Plain { body } => body.poll_frame(cx).map_err(Into::into),
            KindProj::Chunks {
                body,
                rest,
                encoder,
            } => {
                let polled = poll_chunks(encoder, body, rest, cx);
                if let Poll::Ready(Some(Err(_))) = &polled {
                    encoder.stop();
                    *rest = None;
                }
                polled
            }
            KindProj::Failed { error } => Poll::Ready(error.take().map(|error| Err(error.into()))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Plain { body } => body.is_end_stream(),
            Kind::Chunks { encoder, .. } => encoder.is_at_end(),
            Kind::Failed { error } => error.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Plain { body } => body.size_hint(),
            Kind::Chunks { encoder, .. } => match encoder.unsent() {
                (_, Some(exact)) => SizeHint::with_exact(exact),
                (lower, None) => {
                    let mut hint = SizeHint::new();
                    hint.set_lower(lower);
                    hint
                }
            },
            Kind::Failed { .. } => SizeHint::new(),
        }
    }
}

fn poll_chunks<B: Body>(
    encoder: &mut Encoder,
    mut body: Pin<&mut B>,
    rest: &mut Option<B::Data>,
    cx: &mut Context<'_>,
) -> Polled
where
    B::Error: Into<BoxError>,
{
    let mut frames = 0;
    loop {
        if let Some(bytes) = encoder.next() {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        if encoder.is_over() {
            return Poll::Ready(None);
        }
        if let Some(data) = rest {
            if encoder.has_all() {
                return Poll::Ready(Some(Err(longer().into())));
            }
            let room = usize::try_from(encoder.room()).unwrap_or(usize::MAX);
            let piece = data.copy_to_bytes(room.min(data.remaining()));
            if !data.has_remaining() {
                *rest = None;
            }
            encoder.push(piece);
            continue;
        }
        frames += 1;
        if frames > FRAMES_AT_ONCE {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let ended = match ready!(body.as_mut().poll_frame(cx)) {
            None => encoder.finish(None),
            Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => {
                    *rest = Some(data).filter(Buf::has_remaining);
                    Ok(())
                }
                // The last frame there can be: transports send nothing after it.
                Err(frame) => match frame.into_trailers() {
                    Ok(trailers) => encoder.finish(Some(trailers)),
                    Err(_) => Ok(()),
                },
            },
        };
        if let Err(error) = ended {
            return Poll::Ready(Some(Err(error.into())));
        }
    }
}

/// So that one client can serve requests that pass the layer and requests that do not.
impl<B: Body> From<B> for ChunkedBody<B> {
    fn from(body: B) -> Self {
        Self::plain(body)
    }
}

/// So that a redirect layer below can send a request without its body.
impl<B: Body + Default> Default for ChunkedBody<B> {
    fn default() -> Self {
        Self::plain(B::default())
    }
}

impl<B: Body> fmt::Debug for ChunkedBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChunkedBody").finish_non_exhaustive()
    }
}
