//! What a service below is sent.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::messages::Messages;
use crate::clock::Clock;
use crate::error::{AuthError, AuthErrorKind, BoxError};
use crate::layer::BodySigner;
use crate::layer::auth_body::AuthBody;
use crate::sigv4::EventSigner;

/// A body that always has something ready, tiny pieces for instance, must not keep the thread.
const FRAMES_AT_ONCE: usize = 256;

pin_project! {
    /// The body [`SignedEvents`](super::SignedEvents) hands to the service below: signed messages, or the caller's
    /// body as it is.
    pub struct EventsBody<B> {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[project = KindProj]
    enum Kind<B> {
        // It goes as it is, or has been read.
        Plain { #[pin] body: AuthBody<B> },
        Events { #[pin] body: B, signing: Box<Signing> },
        // It cannot go at all, or any further.
        Failed { error: Option<AuthError> },
    }
}

/// What signs, and what is still to be signed.
struct Signing {
    signer: EventSigner,
    clock: Clock,
    messages: Messages,
    rest: Rest,
}

/// What is still to come.
enum Rest {
    /// Anything.
    Messages,
    /// The trailers, if there are any. The end has been signed.
    Trailers(Option<HeaderMap>),
    /// Nothing, after an error.
    Nothing,
}

impl<B> EventsBody<B> {
    pub(super) fn plain(body: AuthBody<B>) -> Self {
        Self {
            kind: Kind::Plain { body },
        }
    }

    pub(super) fn events(body: B, signer: Option<BodySigner>) -> Self {
        let kind = match signer {
            Some(BodySigner::Events(signing)) => {
                let (signer, clock) = *signing;
                let signing = Box::new(Signing {
                    signer,
                    clock,
                    messages: Messages::default(),
                    rest: Rest::Messages,
                });
                Kind::Events { body, signing }
            }
            _ => Kind::Failed {
                error: Some(AuthError::new(
                    AuthErrorKind::Configuration,
                    "the layer's scheme gave nothing to sign the events with",
                )),
            },
        };
        Self { kind }
    }
}

type Polled = Poll<Option<Result<Frame<Bytes>, BoxError>>>;

impl<B: Body> Body for EventsBody<B>
where
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled {
        match self.project().kind.project() {
            KindProj::Plain { body } => body.poll_frame(cx).map_err(Into::into),
            KindProj::Events { body, signing } => {
                let polled = signing.poll(body, cx);
                if let Poll::Ready(Some(Err(_))) = &polled {
                    signing.rest = Rest::Nothing;
                }
                polled
            }
            KindProj::Failed { error } => Poll::Ready(error.take().map(|error| Err(error.into()))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Plain { body } => body.is_end_stream(),
            Kind::Events { signing, .. } => {
                matches!(signing.rest, Rest::Trailers(None) | Rest::Nothing)
            }
            Kind::Failed { error } => error.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Plain { body } => body.size_hint(),
            Kind::Events { .. } | Kind::Failed { .. } => SizeHint::new(),
        }
    }
}

impl Signing {
    fn poll<B: Body>(&mut self, mut body: Pin<&mut B>, cx: &mut Context<'_>) -> Polled
    where
        B::Error: Into<BoxError>,
    {
        match &mut self.rest {
            Rest::Messages => {}
            Rest::Trailers(trailers) => {
                let frame = trailers
                    .take()
                    .map(|trailers| Ok(Frame::trailers(trailers)));
                return Poll::Ready(frame);
            }
            Rest::Nothing => return Poll::Ready(None),
        }
        for _ in 0..FRAMES_AT_ONCE {
            if let Some(message) = self.messages.next()? {
                let signed = self.signer.message(&message, self.clock.now())?;
                return Poll::Ready(Some(Ok(Frame::data(signed))));
            }
            let trailers = match ready!(body.as_mut().poll_frame(cx)) {
                Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => {
                        self.messages.push(data);
                        continue;
                    }
                    // The last frame there can be: transports send nothing after it.
                    Err(frame) => match frame.into_trailers() {
                        Ok(trailers) => Some(trailers),
                        Err(_) => continue,
                    },
                },
                None => None,
            };
            self.messages.end()?;
            let end = self.signer.end(self.clock.now())?;
            self.rest = Rest::Trailers(trailers);
            return Poll::Ready(Some(Ok(Frame::data(end))));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// So that one client can serve requests that pass the layer and requests that do not.
impl<B> From<B> for EventsBody<B> {
    fn from(body: B) -> Self {
        Self::plain(body.into())
    }
}

/// So that a redirect layer below can send a request without its body.
impl<B: Default> Default for EventsBody<B> {
    fn default() -> Self {
        Self::plain(B::default().into())
    }
}

impl<B> fmt::Debug for EventsBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventsBody").finish_non_exhaustive()
    }
}
