//! Streams of events: what each message is signed as, by AWS's own signer, and what becomes of streams that are
//! none.

mod duplex;
mod streams;

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::event_stream::{SigningParams, sign_empty_message, sign_message};
use aws_sigv4::sign::v4;
use aws_smithy_eventstream::frame::{read_message_from, write_message_to};
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use bytes::Bytes;
use http::{HeaderMap, Request, header, request};
use tower_client_auth::sigv4::{Signer, SigningCredentials, SigningOptions, SigningScope};
use tower_client_auth::{AuthErrorKind, PayloadHash};

use crate::oracle::Random;
use crate::support::promise;

const SERVICE: &str = "transcribe";
const REGION: &str = "eu-west-1";
const EVENT_STREAM: &str = "application/vnd.amazon.eventstream";
const URL: &str = "https://transcribestreaming.eu-west-1.amazonaws.com/stream-transcription";

fn credentials() -> Credentials {
    let token = Some("token".to_owned());
    Credentials::new("AKIDEXAMPLE", "secret", token, None, "events")
}

fn signer() -> Signer {
    let scope = SigningScope::new(REGION, SERVICE).expect("a scope");
    Signer::new(scope, SigningOptions::for_service(SERVICE))
}

/// A message as programs make them.
fn event(text: &str) -> Message {
    let kind = HeaderValue::String("AudioEvent".into());
    Message::new(Bytes::copy_from_slice(text.as_bytes()))
        .add_header(Header::new(":event-type", kind))
}

fn encoded(message: &Message) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_message_to(message, &mut bytes).expect("a message");
    bytes
}

/// The signature in a head: what the first message's covers.
fn seed(headers: &HeaderMap) -> String {
    let value = headers[header::AUTHORIZATION].to_str().expect("ASCII");
    let (_, signature) = value.rsplit_once("Signature=").expect("a signature");
    signature.to_owned()
}

/// A service's half: it knows the secret, and follows the signatures of a stream by AWS's own code.
struct Verifier {
    previous: String,
}

impl Verifier {
    fn new(headers: &HeaderMap) -> Self {
        Self {
            previous: seed(headers),
        }
    }

    /// What is inside a signed message, at the time it was signed at; `None` inside is the end.
    fn open(&mut self, signed: &[u8]) -> Result<(Option<Message>, SystemTime), String> {
        let signed = read_message_from(&mut &*signed).map_err(|e| e.to_string())?;
        let value = |name: &str| {
            let headers = signed.headers().iter();
            let mut found = headers.filter(|header| header.name().as_str() == name);
            found.next().map(Header::value).ok_or("a header is missing")
        };
        let time = value(":date")?.as_timestamp().map_err(|_| "no time")?;
        let time = SystemTime::try_from(time).map_err(|_| "no time")?;
        let inside = match signed.payload().is_empty() {
            true => None,
            false => {
                Some(read_message_from(&mut &signed.payload()[..]).map_err(|e| e.to_string())?)
            }
        };
        let (expected, signature) = theirs(inside.as_ref(), &self.previous, time);
        if expected != signed {
            return Err("another signature".to_owned());
        }
        self.previous = signature;
        Ok((inside, time))
    }
}

/// What AWS's own signer makes of a message, and the signature.
fn theirs(message: Option<&Message>, previous: &str, time: SystemTime) -> (Message, String) {
    let identity = credentials().into();
    let params: SigningParams<'_> = v4::SigningParams::builder()
        .identity(&identity)
        .region(REGION)
        .name(SERVICE)
        .time(time)
        .settings(())
        .build()
        .expect("complete");
    let signed = match message {
        Some(message) => sign_message(message, previous, &params),
        None => sign_empty_message(previous, &params),
    };
    signed.expect("signed").into_parts()
}

fn signed_head(signer: &Signer, time: SystemTime) -> (request::Parts, SigningCredentials) {
    let credentials = SigningCredentials::new(credentials()).expect("credentials");
    let request = Request::post(URL).header(header::CONTENT_TYPE, EVENT_STREAM);
    let mut head = request.body(()).expect("a request").into_parts().0;
    signer
        .sign(&mut head, &credentials, &PayloadHash::StreamingEvents, time)
        .expect("signed");
    (head, credentials)
}

#[test]
fn messages_are_signed_as_the_reference_does() {
    const STREAMS: u64 = 200;
    let mut random = Random(0x5eed_0000_0000_e7e7);
    let (signer, mut messages) = (signer(), 0);
    for stream in 0..STREAMS {
        // Over midnight, too, where the key is another.
        let mut time = SystemTime::UNIX_EPOCH + Duration::from_secs(86_397 + stream * 86_400);
        let (head, credentials) = signed_head(&signer, time);
        assert_eq!(
            head.headers["x-amz-content-sha256"],
            "STREAMING-AWS4-HMAC-SHA256-EVENTS"
        );
        let mut events = signer.event_signer(&head, &credentials).expect("a signer");
        let mut previous = seed(&head.headers);
        for _ in 0..random.below(8) {
            time += Duration::from_millis(random.below(2_500) as u64);
            let message = event(&random.text(30, &["a", "é", "\0", "\n", "0"]));
            let (expected, signature) = theirs(Some(&message), &previous, time);
            let ours = events.message(&encoded(&message), time).expect("signed");
            assert_eq!(ours, encoded(&expected));
            previous = signature;
            messages += 1;
        }
        let (expected, _) = theirs(None, &previous, time);
        assert_eq!(events.end(time).expect("signed"), encoded(&expected));
        messages += 1;
    }
    promise(
        29,
        format_args!(
            "{messages} messages of {STREAMS} event streams are aws-sigv4's byte for byte"
        ),
    );
}

#[test]
fn only_a_head_that_was_signed_for_events_has_some() {
    let (signer, time) = (
        signer(),
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_440_938_160),
    );
    let (signed, credentials) = signed_head(&signer, time);
    for name in ["authorization", "x-amz-content-sha256"] {
        let mut head = signed.clone();
        head.headers.remove(name);
        let error = signer
            .event_signer(&head, &credentials)
            .expect_err("unsigned");
        assert_eq!(error.kind(), AuthErrorKind::Request, "{name}");
    }
    let mut head = signed.clone();
    let hash = PayloadHash::Unsigned;
    signer
        .sign(&mut head, &credentials, &hash, time)
        .expect("signed");
    signer
        .event_signer(&head, &credentials)
        .expect_err("for another payload");

    let scope = SigningScope::v4a("*", SERVICE).expect("a scope");
    let several = Signer::new(scope, SigningOptions::for_service(SERVICE));
    let (head, credentials) = signed_head(&several, time);
    let error = several
        .event_signer(&head, &credentials)
        .expect_err("SigV4a");
    assert!(error.to_string().contains("SigV4a"), "{error}");

    let mut events = signer
        .event_signer(&signed, &credentials)
        .expect("a signer");
    assert_eq!(format!("{events:?}"), "EventSigner { .. }");
    let early = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
    let message = encoded(&event("hello"));
    events.message(&message, early).expect_err("before 1970");
    // Which would end the stream.
    events.message(b"", time).expect_err("no message");
    events
        .message(&vec![0; 17 << 20], time)
        .expect_err("too long");
    let after = events.message(&message, time).expect("signed");
    let mut anew = signer
        .event_signer(&signed, &credentials)
        .expect("a signer");
    assert_eq!(after, anew.message(&message, time).expect("signed"));
}
