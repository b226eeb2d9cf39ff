//! Both directions at once over HTTP/2, to a server that follows the signatures: it answers each event before the
//! next is sent, and stops where one is not signed as it came.

use axum::Router;
use axum::body::Body as AxumBody;
use axum::extract::Request as AxumRequest;
use axum::routing::post;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::{Bytes, BytesMut};
use futures::channel::mpsc;
use futures::{StreamExt as _, TryStreamExt as _, future, stream};
use http::{HeaderValue, Request, Version, header};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, StreamBody};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpListener;
use tower::util::MapRequestLayer;
use tower::{Layer, ServiceExt};
use tower_client_auth::{BoxError, Checksum, EventsBody, SigV4Layer, SignedEvents};

use super::{EVENT_STREAM, REGION, SERVICE, Verifier, credentials, encoded, event};
use crate::support::promise;

type Body = UnsyncBoxBody<Bytes, BoxError>;

/// Answers every event with its text, the end with `end`, and what is not signed so with `refused`: then it
/// listens no longer.
async fn echo(request: AxumRequest) -> AxumBody {
    assert_eq!(request.version(), Version::HTTP_2);
    let (head, body) = request.into_parts();
    let state = (Verifier::new(&head.headers), body, BytesMut::new(), false);
    let answers = stream::unfold(state, async |(mut verifier, mut body, mut held, over)| {
        if over {
            return None;
        }
        let message = loop {
            let length = held
                .first_chunk()
                .map(|length| u32::from_be_bytes(*length) as usize);
            if let Some(length) = length.filter(|length| held.len() >= *length) {
                break held.split_to(length);
            }
            let frame = body.frame().await?.ok()?;
            held.extend_from_slice(&frame.into_data().ok()?);
        };
        let (answer, over) = match verifier.open(&message) {
            Ok((Some(event), _)) => (event.payload().clone(), false),
            Ok((None, _)) => (Bytes::from("end"), true),
            Err(_) => (Bytes::from("refused"), true),
        };
        Some((Ok::<_, BoxError>(answer), (verifier, body, held, over)))
    });
    AxumBody::from_stream(answers)
}

async fn serve() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let origin = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        let app = Router::new().route("/", post(echo));
        axum::serve(listener, app).await.expect("a server");
    });
    origin
}

/// What is made of a signed message on its way, by its place in the stream.
type Change = fn(usize, Bytes) -> Vec<Bytes>;

/// Sends `events`, and returns all answers: each event after the answer to the one before, or all at once.
async fn talk(origin: &str, events: &[&str], one_by_one: bool, change: Change) -> Vec<String> {
    let client = Client::builder(TokioExecutor::new())
        .http2_only(true)
        .build_http::<Body>();
    let changing = MapRequestLayer::new(move |request: Request<EventsBody<Body>>| {
        request.map(|body| {
            let pieces = body.into_data_stream().enumerate();
            let pieces = pieces.flat_map(move |(at, piece)| {
                let changed: Vec<_> = match piece {
                    Ok(piece) => change(at, piece).into_iter().map(Ok).collect(),
                    Err(error) => vec![Err(error)],
                };
                stream::iter(changed)
            });
            StreamBody::new(pieces.map(|piece| piece.map(Frame::data))).boxed_unsync()
        })
    });
    let layer = SigV4Layer::new(REGION, SERVICE, credentials())
        .expect("a layer")
        .payload(SignedEvents);
    let service = layer.layer(changing.layer(client));

    let (sender, receiver) = mpsc::unbounded::<Result<Bytes, BoxError>>();
    let frames = receiver.map(|piece| piece.map(Frame::data));
    let request = Request::post(format!("{origin}/"))
        .header(header::CONTENT_TYPE, EVENT_STREAM)
        .body(StreamBody::new(frames).boxed_unsync());
    let answer = service.oneshot(request.expect("a request")).await;
    // Nothing has been sent yet, and there is an answer.
    let answers = answer.expect("an answer").into_body().into_data_stream();
    // The stream may end with an empty frame.
    let mut answers = answers.try_filter(|piece| future::ready(!piece.is_empty()));
    let mut said = Vec::new();
    let text = |answer: Bytes| String::from_utf8_lossy(&answer).into_owned();
    for event_text in events {
        let event = encoded(&event(event_text)).into();
        sender.unbounded_send(Ok(event)).expect("it is listening");
        if one_by_one {
            let answer = answers.next().await.expect("an answer");
            said.push(text(answer.expect("a piece")));
        }
    }
    drop(sender);
    while let Some(Ok(answer)) = answers.next().await {
        said.push(text(answer));
    }
    said
}

#[tokio::test]
async fn events_go_and_come_at_once() {
    let origin = serve().await;
    let texts: Vec<String> = (0..100).map(|at| format!("event {at}")).collect();
    let mut expected: Vec<&str> = texts.iter().map(String::as_str).collect();
    let said = talk(&origin, &expected, true, |_, piece| vec![piece]).await;
    expected.push("end");
    assert_eq!(said, expected);
    assert_eq!(
        talk(&origin, &[], true, |_, piece| vec![piece]).await,
        ["end"]
    );
    promise(
        30,
        format_args!(
            "{} of {} events were answered before the next was sent, over HTTP/2, signed as a server recomputes it \
             with AWS's code",
            said.len() - 1,
            texts.len()
        ),
    );
}

/// Something is done to the second of three messages.
#[tokio::test]
async fn what_is_changed_on_its_way_is_refused() {
    fn second(at: usize, piece: Bytes, change: impl FnOnce(Bytes) -> Vec<Bytes>) -> Vec<Bytes> {
        match at {
            1 => change(piece),
            _ => vec![piece],
        }
    }
    let origin = serve().await;
    let changes: [(&str, Change, &[&str]); 6] = [
        (
            "nothing",
            |_, piece| vec![piece],
            &["one", "two", "three", "end"],
        ),
        (
            "doubled",
            |at, piece| second(at, piece, |piece| vec![piece.clone(), piece]),
            &["one", "two", "refused"],
        ),
        (
            "left out",
            |at, piece| second(at, piece, |_| Vec::new()),
            &["one", "refused"],
        ),
        (
            "another signature",
            |at, piece| second(at, piece, |piece| flipped(&piece, SIGNATURE)),
            &["one", "refused"],
        ),
        (
            "another time",
            |at, piece| second(at, piece, |piece| flipped(&piece, TIME)),
            &["one", "refused"],
        ),
        (
            "another payload",
            |at, piece| second(at, piece, |piece| flipped(&piece, piece.len() - 10)),
            &["one", "refused"],
        ),
    ];
    for (what, change, expected) in changes {
        let said = talk(&origin, &["one", "two", "three"], false, change).await;
        // Answers may come together.
        assert_eq!(said.concat(), expected.concat(), "{what}");
    }
}

/// Where the signature is in a signed message, behind the prelude and the header's name.
const SIGNATURE: usize = 12 + 20;

/// Where its time is: in thousandths of a second, of which this is a byte that counts seconds.
const TIME: usize = SIGNATURE + 32 + 7 + 5;

/// Where the message inside begins.
const INSIDE: usize = SIGNATURE + 32 + 7 + 8;

/// With one bit of it changed, and checksums that fit.
fn flipped(piece: &[u8], at: usize) -> Vec<Bytes> {
    let mut bytes = piece.to_vec();
    bytes[at] ^= 1;
    let end = bytes.len() - 4;
    let inside = Checksum::Crc32.of(&bytes[INSIDE..end - 4]);
    bytes[end - 4..end].copy_from_slice(&from_base64(&inside));
    let outside = Checksum::Crc32.of(&bytes[..end]);
    bytes[end..].copy_from_slice(&from_base64(&outside));
    vec![bytes.into()]
}

fn from_base64(value: &HeaderValue) -> Vec<u8> {
    BASE64_STANDARD.decode(value.as_bytes()).expect("base64")
}
