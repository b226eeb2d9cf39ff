//! Bodies through the layer: cut in any way, and such as are no streams of events.

use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use aws_smithy_types::event_stream::Message;
use bytes::Bytes;
use futures::{StreamExt as _, stream};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header, request};
use http_body::{Body, Frame};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use tower::{Layer, ServiceExt, service_fn};
use tower_client_auth::sigv4::{Presigning, SigningCredentials};
use tower_client_auth::{
    AuthError, AuthErrorKind, AuthOverride, BoxError, Clock, PayloadHash, SigV4Layer, SignedEvents,
};

use super::{EVENT_STREAM, REGION, SERVICE, URL, Verifier, credentials, encoded, event};
use crate::oracle::Random;

type Layered = SigV4Layer<SigningCredentials, SignedEvents>;

fn layer() -> Layered {
    SigV4Layer::new(REGION, SERVICE, credentials())
        .expect("a layer")
        .payload(SignedEvents)
}

type Frames = Vec<Result<Frame<Bytes>, io::Error>>;

fn body(frames: Frames) -> UnsyncBoxBody<Bytes, io::Error> {
    StreamBody::new(stream::iter(frames)).boxed_unsync()
}

fn data(bytes: &[u8]) -> Result<Frame<Bytes>, io::Error> {
    Ok(Frame::data(Bytes::copy_from_slice(bytes)))
}

fn post<B>(body: B) -> Request<B> {
    let request = Request::post(URL).header(header::CONTENT_TYPE, EVENT_STREAM);
    request.body(body).expect("a request")
}

/// A request on the wire: its head, the pieces of its body, and how that ended.
struct Sent {
    head: request::Parts,
    pieces: Vec<Bytes>,
    trailers: Option<HeaderMap>,
    error: Option<BoxError>,
}

impl Sent {
    /// The messages inside, if all are signed and there is an end.
    fn messages(&self) -> Vec<Message> {
        let mut verifier = Verifier::new(&self.head.headers);
        let opened = self.pieces.iter().map(|piece| verifier.open(piece));
        let mut opened: Vec<_> = opened.map(|opened| opened.expect("signed").0).collect();
        assert_eq!(opened.pop(), Some(None), "there is an end");
        opened
            .into_iter()
            .map(|message| message.expect("no end before"))
            .collect()
    }

    fn auth_error(&self) -> &AuthError {
        let error = self.error.as_ref().expect("an error");
        AuthError::find(error.as_ref()).expect("an error of the layer's")
    }
}

async fn send<B>(layer: Layered, request: Request<B>) -> Result<Sent, BoxError>
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    let client = service_fn(|request: Request<_>| async {
        let (head, body) = request.into_parts();
        Ok::<_, Infallible>(Response::new(read(head, body).await))
    });
    Ok(layer.layer(client).oneshot(request).await?.into_body())
}

async fn read<B>(head: request::Parts, body: B) -> Sent
where
    B: Body<Data = Bytes, Error = BoxError>,
{
    let mut body = std::pin::pin!(body);
    let mut sent = Sent {
        head,
        pieces: Vec::new(),
        trailers: None,
        error: None,
    };
    loop {
        let ended = body.is_end_stream();
        let Some(frame) = body.frame().await else {
            return sent;
        };
        assert!(!ended, "there was more behind the end");
        match frame {
            Err(error) => {
                assert!(body.frame().await.is_none(), "it went on");
                assert!(body.is_end_stream());
                sent.error = Some(error);
                return sent;
            }
            Ok(frame) => match frame.into_data() {
                Ok(piece) => sent.pieces.push(piece),
                Err(frame) => sent.trailers = frame.into_trailers().ok(),
            },
        }
    }
}

#[tokio::test]
async fn messages_come_out_whole_however_they_are_cut() {
    let mut random = Random(0x5eed_0000_00e7_0001);
    for _ in 0..300 {
        let count = random.below(6);
        let events: Vec<Message> = (0..count)
            .map(|_| event(&random.text(40, &["a", "é", "\0"])))
            .collect();
        let whole: Vec<u8> = events.iter().flat_map(encoded).collect();
        let (mut rest, mut frames) = (&whole[..], Frames::new());
        while !rest.is_empty() {
            // Nothing at all now and then.
            let (piece, after) = rest.split_at(random.below(rest.len().min(60) + 1));
            frames.push(data(piece));
            rest = after;
        }
        let trailers = random.one_in(3).then(|| {
            let name = HeaderName::from_static("x-trailer");
            HeaderMap::from_iter([(name, HeaderValue::from_static("1"))])
        });
        frames.extend(
            trailers
                .clone()
                .map(|trailers| Ok(Frame::trailers(trailers))),
        );
        let mut request = post(body(frames));
        // Nobody knows what it becomes.
        request
            .headers_mut()
            .insert(header::CONTENT_LENGTH, whole.len().into());
        let sent = send(layer(), request).await.expect("sent");
        assert_eq!(sent.messages(), events);
        assert!(sent.error.is_none());
        assert_eq!(sent.trailers, trailers);
        assert!(!sent.head.headers.contains_key(header::CONTENT_LENGTH));
    }
}

#[tokio::test]
async fn what_is_no_stream_of_events_has_no_end() {
    let whole = encoded(&event("hello"));
    let mut other_sum = whole.clone();
    other_sum[9] ^= 1;
    let long = {
        let mut text = vec![2, 0, 0, 0, 0, 0, 0, 0];
        let sum = crc_of(&text);
        text.extend(sum);
        text
    };
    let short = {
        let mut text = vec![0, 0, 0, 15, 0, 0, 0, 0];
        let sum = crc_of(&text);
        text.extend(sum);
        text
    };
    for (bytes, said) in [
        (&whole[..whole.len() - 1], "in the middle of a message"),
        (&whole[..5], "in the middle of a message"),
        (&other_sum, "is none"),
        (&long, "no longer than 16 MiB"),
        (&short, "is none"),
        (b"{\"audio\": \"hello\"}", "is none"),
    ] {
        let frames = vec![
            data(&whole),
            data(bytes),
            Ok(Frame::trailers(HeaderMap::new())),
        ];
        let sent = send(layer(), post(body(frames))).await.expect("sent");
        assert_eq!(sent.pieces.len(), 1, "{said}");
        assert_eq!(sent.auth_error().kind(), AuthErrorKind::Payload);
        assert!(
            sent.auth_error().to_string().contains(said),
            "{}",
            sent.auth_error()
        );
        assert_eq!(sent.trailers, None);
    }

    // The body's own error.
    let frames = vec![
        data(&whole),
        Err(io::Error::other("the microphone is gone")),
    ];
    let sent = send(layer(), post(body(frames))).await.expect("sent");
    assert_eq!(sent.pieces.len(), 1);
    assert_eq!(
        sent.error.expect("an error").to_string(),
        "the microphone is gone"
    );
}

/// CRC-32, bit by bit.
fn crc_of(prelude: &[u8]) -> [u8; 4] {
    let mut crc = u32::MAX;
    for byte in prelude {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
        }
    }
    (!crc).to_be_bytes()
}

#[tokio::test]
async fn other_bodies_are_read_and_hashed() {
    for content_type in [
        None,
        Some("application/json"),
        Some("application/vnd.amazon.eventstream+json"),
    ] {
        let mut request = Request::new(Full::<Bytes>::from("hello"));
        *request.uri_mut() = URL.parse().expect("a URI");
        if let Some(value) = content_type {
            let value = HeaderValue::from_static(value);
            request.headers_mut().insert(header::CONTENT_TYPE, value);
        }
        let sent = send(layer(), request).await.expect("sent");
        assert_eq!(sent.pieces, ["hello"]);
        assert!(!sent.head.headers.contains_key("x-amz-content-sha256"));
        assert!(sent.head.headers.contains_key(header::AUTHORIZATION));
    }

    // What is not signed at all goes as it is, and so does one that brings a hash.
    let whole = encoded(&event("hello"));
    for (uri, overrides) in [
        ("https://example.com/", AuthOverride::new()),
        (URL, AuthOverride::skip()),
        (
            URL,
            AuthOverride::new().payload_hash(PayloadHash::of(&whole)),
        ),
    ] {
        let mut request = post(Full::new(Bytes::from(whole.clone())));
        *request.uri_mut() = uri.parse().expect("a URI");
        request.extensions_mut().insert(overrides);
        let sent = send(layer(), request).await.expect("sent");
        assert_eq!(sent.pieces, [&whole[..]]);
    }
}

#[tokio::test]
async fn what_cannot_be_signed_so_is_not_sent() {
    let whole = encoded(&event("hello"));
    let request = || post(Full::new(Bytes::from(whole.clone())));
    let mut of_events = request();
    let events = AuthOverride::new().payload_hash(PayloadHash::StreamingEvents);
    of_events.extensions_mut().insert(events);
    let error = send(layer(), of_events).await.err().expect("not sent");
    assert!(error.to_string().contains("SignedEvents"), "{error}");

    // Signatures without any for pieces.
    let minute = Presigning::expires_in(Duration::from_secs(60)).expect("a minute");
    let several = layer().region_set("*").expect("a region set");
    for layer in [layer().presigned(minute), several] {
        let error = send(layer.clone(), request())
            .await
            .err()
            .expect("not sent");
        assert!(error.to_string().contains("in headers"), "{error}");
        let mut other = request();
        let json = HeaderValue::from_static("application/json");
        other.headers_mut().insert("content-type", json);
        let sent = send(layer, other).await.expect("sent");
        assert_eq!(sent.pieces, [&whole[..]]);
    }
}

/// Messages are signed as of when they go out, by the clock that the head went by.
#[tokio::test]
async fn every_message_has_its_own_time() {
    let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_440_938_160);
    let now = Arc::new(Mutex::new(start));
    let clock = {
        let now = Arc::clone(&now);
        Clock::from_fn(move || *now.lock().expect("a time"))
    };
    // Each takes most of half a day to come.
    let events = stream::iter(0..3).map(move |_| {
        *now.lock().expect("a time") += Duration::from_secs(40_000);
        data(&encoded(&event("hello")))
    });
    let body = StreamBody::new(events).boxed_unsync();
    let sent = send(layer().clock(clock), post(body)).await.expect("sent");
    let mut verifier = Verifier::new(&sent.head.headers);
    let times = sent
        .pieces
        .iter()
        .map(|piece| verifier.open(piece).expect("signed").1);
    let passed = times.map(|time| time.duration_since(start).expect("later").as_secs());
    // From the second message on, of the next day.
    assert_eq!(
        passed.collect::<Vec<_>>(),
        [40_000, 80_000, 120_000, 120_000]
    );
}

/// A stream is gone once it went out, and its refusal is the caller's.
#[tokio::test]
async fn a_stream_is_sent_once() {
    let attempts = Arc::new(Mutex::new(0));
    let client = {
        let attempts = Arc::clone(&attempts);
        service_fn(move |_: Request<_>| {
            *attempts.lock().expect("a number") += 1;
            let refused = Response::builder()
                .status(StatusCode::FORBIDDEN)
                .header("x-amzn-errortype", "ExpiredTokenException");
            async { Ok::<_, Infallible>(refused.body(()).expect("an answer")) }
        })
    };
    let layer = SigV4Layer::new(REGION, SERVICE, credentials())
        .expect("a layer")
        .retry_rejected(SignedEvents);
    let request = post(body(vec![data(&encoded(&event("hello")))]));
    let answer = layer
        .layer(client)
        .oneshot(request)
        .await
        .expect("an answer");
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    assert_eq!(*attempts.lock().expect("a number"), 1);
}
