//! Streams of events, whose messages are signed one by one while they stream.

mod body;
mod messages;
mod unsent;

use http::{header, request};
use http_body::Body;

pub use self::body::EventsBody;
pub use self::unsent::{Unsent, UnsentFuture};
use super::auth_body::{Buffered, Prepared};
use super::body::{Buffer, PreparePayload, Readied, Step, unread};
use super::{Need, Sealing};
use crate::error::{AuthError, AuthErrorKind, BoxError};
use crate::payload::PayloadHash;

/// Streams of events go out message by message, each signed for itself: for Amazon Transcribe, Lex, Bedrock's
/// bidirectional streams and the like.
///
/// ```
/// use aws_credential_types::Credentials;
/// use tower_client_auth::{SigV4Layer, SignedEvents};
///
/// let credentials = Credentials::new("AKIDEXAMPLE", "secret", None, None, "example");
/// let layer = SigV4Layer::new("eu-west-1", "transcribe", credentials)?.payload(SignedEvents);
/// # Ok::<(), tower_client_auth::AuthError>(())
/// ```
///
/// A request is a stream of events if its `content-type` is `application/vnd.amazon.eventstream`. Its body is made
/// of messages as `aws-smithy-eventstream` and others encode them, cut in any way. Each goes out as soon as it is
/// whole, inside a signed message, as of that time, and behind the last one comes an empty one, which ends the
/// stream. The answer streams meanwhile, over HTTP/2.
///
/// - **Other bodies** are read and hashed as [`Buffer`] does it; without SigV4, all stream as they are.
/// - **Nothing is sent twice**: what went out of a stream is gone.
/// - **The credentials** that signed the head sign all messages, since a service knows them by then. A clock that
///   was corrected for the head is for the messages, too.
/// - **Requests that say otherwise** are heeded: with a hash in
///   [`AuthOverride`](crate::AuthOverride::payload_hash), or under
///   [`unsigned_payload`](crate::AuthorizeLayer::unsigned_payload), the stream goes as it is.
/// - **Memory**: the message that is under way, 16 MiB at most, which is what services take, and the piece of the body
///   that its end came in.
/// - `content-length` is taken off: nobody knows it.
///
/// # Errors
///
/// Those of [`Buffer`] for other bodies. [`AuthErrorKind::Payload`](crate::AuthErrorKind::Payload) while the body is
/// sent, if it is no stream of events, or ends in the middle of a message: no end is sent then, by which a service
/// knows that there was more to come. [`AuthErrorKind::Request`](crate::AuthErrorKind::Request) for streams of events
/// that are presigned or signed with SigV4a, which have no such signatures here; nothing is sent, and nothing read.
///
/// Source: [event stream encoding][encoding] and its signatures.
///
/// [encoding]: https://docs.aws.amazon.com/transcribe/latest/dg/streaming-setting-up.html
#[derive(Clone, Copy, Debug, Default)]
pub struct SignedEvents;

/// What a stream of events is called.
const EVENT_STREAM: &[u8] = b"application/vnd.amazon.eventstream";

fn is_event_stream(head: &request::Parts) -> bool {
    let value = head.headers.get(header::CONTENT_TYPE);
    value.is_some_and(|value| {
        value
            .as_bytes()
            .split(|byte| *byte == b';')
            .next()
            .unwrap_or_default()
            .trim_ascii()
            .eq_ignore_ascii_case(EVENT_STREAM)
    })
}

#[cold]
fn not_for_streams() -> AuthError {
    AuthError::new(
        AuthErrorKind::Request,
        "messages of an event stream are signed with SigV4, by a layer that signs in headers: not with SigV4a, and not \
         by one that presigns",
    )
}

impl<B: Body> PreparePayload<B> for SignedEvents
where
    B::Error: Into<BoxError>,
{
    type Prepared = Unsent<B>;
    type Spare = Buffered;
    type Body = EventsBody<B>;
    type Future = UnsentFuture<B>;

    fn stream(&self, body: B) -> Unsent<B> {
        Unsent::Plain(Prepared::stream(body))
    }

    fn prepare(
        &self,
        head: &mut request::Parts,
        need: Need,
        body: B,
    ) -> Step<Readied<Unsent<B>>, UnsentFuture<B>> {
        match need {
            Need::Head | Need::Hashed(_) => Step::Now(unread(need, self.stream(body))),
            Need::Events if is_event_stream(head) => {
                head.headers.remove(header::CONTENT_LENGTH);
                Step::Now(Ok((Unsent::Events(body), PayloadHash::StreamingEvents)))
            }
            // It would be read to its end, and a caller that waits for the first answer would never come to it.
            Need::Payload if is_event_stream(head) => Step::Now(Err(not_for_streams())),
            _ => match Buffer::default().prepare(head, Need::Payload, body) {
                Step::Now(readied) => {
                    Step::Now(readied.map(|(prepared, hash)| (Unsent::Plain(prepared), hash)))
                }
                Step::Later(future) => Step::Later(UnsentFuture::new(future)),
            },
        }
    }

    fn keep(&self, prepared: &Unsent<B>) -> Option<Buffered> {
        match prepared {
            Unsent::Plain(prepared) => Buffer::default().keep(prepared),
            Unsent::Events(_) => None,
        }
    }

    fn replay(&self, spare: Buffered) -> Option<Unsent<B>> {
        Some(Unsent::Plain(spare.into()))
    }

    fn seal(&self, prepared: Unsent<B>, sealing: Sealing) -> EventsBody<B> {
        match prepared {
            Unsent::Plain(prepared) => EventsBody::plain(prepared.into()),
            Unsent::Events(body) => EventsBody::events(body, sealing.signer),
        }
    }

    fn bypass(&self, body: B) -> EventsBody<B> {
        EventsBody::plain(body.into())
    }
}
