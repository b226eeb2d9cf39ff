//! Promise 18 without reading anything first: what has gone by is kept, and sent again exactly, or not at all.

mod servers;

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use http_body_util::StreamBody;
use http_body_util::combinators::UnsyncBoxBody;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use tower::{Layer, service_fn};
use tower_client_auth::layer::ReplayedBody;
use tower_client_auth::{BearerTokenLayer, ReplayBody, Token, TokenSource};

use super::*;
use crate::support::{Recorder, promise};

const LIMIT: usize = 64;

type Streamed = UnsyncBoxBody<Bytes, std::io::Error>;

/// Another token each time, if it is told to have any.
#[derive(Clone, Default)]
struct Tokens {
    handed_out: Arc<AtomicUsize>,
    only_one: bool,
    /// Until which the second one is awaited.
    gate: Option<Arc<Notify>>,
}

impl TokenSource for Tokens {
    type Future = BoxFuture<'static, Result<Token, AuthError>>;

    fn token(&self) -> Self::Future {
        let number = self.handed_out.fetch_add(1, Ordering::SeqCst);
        let (only_one, gate) = (self.only_one, self.gate.clone());
        Box::pin(async move {
            if number > 0
                && let Some(gate) = gate
            {
                gate.notified().await;
            }
            let number = if only_one { 0 } else { number };
            Token::new(format!("token-{number}"))
        })
    }
}

fn layer(tokens: Tokens, limit: usize) -> BearerTokenLayer<Tokens, ReplayBody> {
    let layer = BearerTokenLayer::new(ORIGIN, tokens).expect("a layer");
    layer.retry_rejected(ReplayBody::new(limit))
}

fn unauthorized() -> Response<Full<Bytes>> {
    answer(401, &[], "the first answer")
}

fn frames(pieces: &[Bytes], trailers: Option<&HeaderMap>) -> Streamed {
    let trailers = trailers.cloned().map(http_body::Frame::trailers);
    let pieces = pieces.iter().cloned().map(http_body::Frame::data);
    let frames: Vec<_> = pieces.chain(trailers).map(Ok).collect();
    StreamBody::new(futures::stream::iter(frames)).boxed_unsync()
}

/// The same, each of which is not there yet when it is asked for.
fn slowly(pieces: &[Bytes], trailers: Option<HeaderMap>) -> Streamed {
    stopping_at(usize::MAX, Arc::default(), pieces, trailers)
}

/// The same, and what comes after so many is not there before the gate is open.
fn stopping_at(
    stop: usize,
    gate: Arc<Notify>,
    pieces: &[Bytes],
    trailers: Option<HeaderMap>,
) -> Streamed {
    let pieces: VecDeque<_> = pieces.iter().cloned().collect();
    let stop = pieces.len().checked_sub(stop);
    let frames = futures::stream::unfold(pieces, move |mut pieces| {
        let gate = Arc::clone(&gate);
        async move {
            tokio::task::yield_now().await;
            if Some(pieces.len()) == stop {
                gate.notified().await;
            }
            let piece = pieces.pop_front()?;
            Some((Ok(http_body::Frame::data(piece)), pieces))
        }
    });
    let body = StreamBody::new(frames);
    body.with_trailers(async { trailers.map(Ok) })
        .boxed_unsync()
}

fn put<B>(body: B) -> Request<B> {
    Request::put(URL).body(body).expect("a request")
}

/// Bytes, the pieces they come in, and what may come after them.
fn body(random: &mut Random, length: usize) -> (Vec<u8>, Vec<Bytes>, Option<HeaderMap>) {
    let bytes = random_bytes(random, length);
    let pieces = cut(random, &bytes);
    let trailers = random.one_in(4).then(|| trailers(random.next()));
    (bytes, pieces, trailers)
}

#[tokio::test]
async fn what_was_read_whole_is_sent_again_as_it_was() {
    const BODIES: usize = 2_000;
    let mut random = Random(0x5eed_0000_0003_0018);
    let (mut again, mut once, mut with_trailers) = (0, 0, 0);
    for round in 0..BODIES {
        let length = round % (LIMIT + 2);
        let (bytes, pieces, trailers) = body(&mut random, length);
        let server = Recorder::answering(|before, _| match before {
            0 => unauthorized(),
            _ => answer(200, &[], "accepted"),
        });
        let service = layer(Tokens::default(), LIMIT).layer(server.clone());
        let response = send(&service, put(frames(&pieces, trailers.as_ref()))).await;
        let seen = server.seen();
        for (at, seen) in seen.iter().enumerate() {
            assert_eq!(seen.body, bytes, "{length} bytes, attempt {at}");
            assert_eq!(seen.trailers, trailers);
            assert_eq!(seen.one("authorization"), format!("Bearer token-{at}"));
        }
        if length <= LIMIT {
            assert_eq!(
                (response.status().as_u16(), seen.len()),
                (200, 2),
                "{length}"
            );
            again += 1;
        } else {
            assert_eq!(
                (response.status().as_u16(), seen.len()),
                (401, 1),
                "{length}"
            );
            assert_eq!(response.body(), "the first answer");
            once += 1;
        }
        with_trailers += usize::from(trailers.is_some());
    }
    assert!(once > 0 && with_trailers > BODIES / 10);
    promise(
        18,
        format_args!(
            "{again} of {again} streamed bodies of 0 to {LIMIT} bytes sent again as they were, {with_trailers} with \
             trailers; {once} over the limit sent once, and the answer the caller's"
        ),
    );
}

/// What each attempt got, and how it ended.
type Log = Arc<Mutex<Vec<JoinHandle<End>>>>;

type End = (Vec<u8>, Option<HeaderMap>, Result<(), String>);

async fn read<B>(
    body: &mut Pin<Box<ReplayedBody<B>>>,
    frames: usize,
) -> (Vec<u8>, Option<HeaderMap>, Option<Result<(), String>>)
where
    B: Body,
    B::Error: Into<BoxError>,
{
    let (mut data, mut trailers) = (Vec::new(), None);
    for _ in 0..frames {
        match poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
            None => return (data, trailers, Some(Ok(()))),
            Some(Err(error)) => return (data, trailers, Some(Err(error.to_string()))),
            Some(Ok(frame)) => match frame.into_data() {
                Ok(bytes) => data.extend_from_slice(&bytes),
                Err(frame) => trailers = frame.into_trailers().ok(),
            },
        }
    }
    (data, trailers, None)
}

/// Small pieces are kept together, and large ones as they are.
#[tokio::test]
async fn pieces_of_all_sizes_keep_their_order() {
    const LARGEST: usize = 20_000;
    let mut random = Random(0x5eed_0000_0006_0018);
    for _ in 0..200 {
        let pieces: Vec<_> = (0..random.below(12))
            .map(|_| {
                let most = random.pick(&[10, 5_000, LARGEST]);
                let length = random.below(most);
                Bytes::from(random_bytes(&mut random, length))
            })
            .collect();
        let server = Recorder::answering(|before, _| match before {
            0 => unauthorized(),
            _ => answer(200, &[], "accepted"),
        });
        let service = layer(Tokens::default(), 12 * LARGEST).layer(server.clone());
        let response = send(&service, put(frames(&pieces, None))).await;
        assert_eq!(response.status(), 200);
        let seen = server.seen();
        assert_eq!(seen.len(), 2);
        for seen in seen {
            assert!(seen.body == pieces.concat(), "{} pieces", pieces.len());
        }
    }
}

/// A server that refuses the first attempt when it has read `frames` of it, and opens the gate at the second; and a
/// connection that goes on with the rest by itself.
fn early<B>(
    log: &Log,
    frames: usize,
    gate: Arc<Notify>,
) -> impl Service<
    Request<ReplayedBody<B>>,
    Response = Response<Full<Bytes>>,
    Error = Infallible,
    Future: Send,
> + Clone
+ use<B>
where
    B: Body + Send + 'static,
    B::Error: Into<BoxError>,
{
    let (log, attempts) = (Arc::clone(log), Arc::new(AtomicUsize::new(0)));
    service_fn(move |request: Request<ReplayedBody<B>>| {
        let log = Arc::clone(&log);
        let attempt = attempts.fetch_add(1, Ordering::SeqCst);
        if attempt == 1 {
            gate.notify_one();
        }
        async move {
            let mut body = Box::pin(request.into_body());
            let (tell, told) = oneshot::channel();
            let frames = if attempt == 0 { frames } else { usize::MAX };
            let connection = tokio::spawn(async move {
                let (mut data, mut trailers, mut end) = read(&mut body, frames).await;
                // Nobody waits any more if the request was given up.
                let _ = tell.send(());
                if end.is_none() {
                    let rest = read(&mut body, usize::MAX).await;
                    data.extend(rest.0);
                    (trailers, end) = (rest.1.or(trailers), rest.2);
                }
                (data, trailers, end.expect("an end"))
            });
            log.lock().expect("no panic").push(connection);
            told.await.expect("the connection");
            Ok(match attempt {
                0 => unauthorized(),
                _ => answer(200, &[], "accepted"),
            })
        }
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_early_rejection_stops_the_first_upload_and_the_second_is_whole() {
    const BODIES: usize = 1_000;
    let mut random = Random(0x5eed_0000_0004_0018);
    let mut stopped = 0;
    for round in 0..BODIES {
        let (bytes, pieces, trailers) = body(&mut random, round % (LIMIT + 1));
        let (log, gate) = (Log::default(), Arc::new(Notify::new()));
        // Every other one cannot be over when it is refused.
        let frames = random.below(6).min(pieces.len());
        let stop = if round % 2 == 0 { frames } else { usize::MAX };
        let slow = stopping_at(stop, Arc::clone(&gate), &pieces, trailers.clone());
        let service = layer(Tokens::default(), LIMIT).layer(early(&log, frames, gate));
        let response = service.oneshot(put(slow)).await;
        assert_eq!(response.expect("an answer").status(), 200);
        let ends = std::mem::take(&mut *log.lock().expect("no panic"));
        let [first, second] = <[_; 2]>::try_from(ends).expect("two attempts");
        let (data, _, end) = first.await.expect("no panic");
        match end {
            Ok(()) => {
                assert_eq!(data, bytes);
                assert_ne!(round % 2, 0);
            }
            Err(error) => {
                assert!(error.contains("this upload is stopped"), "{error}");
                assert!(bytes.starts_with(&data));
                stopped += 1;
            }
        }
        assert_eq!(second.await.expect("no panic"), (bytes, trailers, Ok(())));
    }
    assert!(stopped >= BODIES / 2, "{stopped}");
    promise(
        18,
        format_args!(
            "{BODIES} uploads rejected on their way, {stopped} of them stopped: each is whole the second time"
        ),
    );
}

/// The upload pauses while the next token is awaited. There is none, so it goes on, and its answer is the caller's.
#[tokio::test]
async fn without_another_credential_the_first_upload_goes_on() {
    let gate = Arc::new(Notify::new());
    let tokens = Tokens {
        only_one: true,
        gate: Some(Arc::clone(&gate)),
        ..Tokens::default()
    };
    let pieces: Vec<_> = (0..60_u8).map(|at| Bytes::from(vec![at])).collect();
    let expected = pieces.concat();
    let log = Log::default();
    let service = layer(tokens, LIMIT).layer(early(&log, 3, Arc::default()));
    let call = tokio::spawn(service.oneshot(put(slowly(&pieces, None))));
    let connection = loop {
        tokio::task::yield_now().await;
        if let Some(connection) = log.lock().expect("no panic").pop() {
            break connection;
        }
    };
    // More often than it has pieces.
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    assert!(!connection.is_finished(), "it did not wait");
    gate.notify_one();
    let response = call.await.expect("no panic").expect("an answer");
    assert_eq!(response.status(), 401);
    let (data, _, end) = connection.await.expect("no panic");
    assert_eq!((data, end), (expected, Ok(())));
}

/// The same for a caller who does not wait for the next token: whoever polls the upload is not left waiting.
#[tokio::test]
async fn a_request_that_is_given_up_meanwhile_leaves_no_upload_waiting() {
    let tokens = Tokens {
        gate: Some(Arc::new(Notify::new())),
        ..Tokens::default()
    };
    let pieces = vec![Bytes::from_static(b"p"); 60];
    let log = Log::default();
    let service = layer(tokens, LIMIT).layer(early(&log, 2, Arc::default()));
    let call = tokio::spawn(service.oneshot(put(slowly(&pieces, None))));
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    call.abort();
    assert!(call.await.is_err_and(|error| error.is_cancelled()));
    let connection = log.lock().expect("no panic").pop().expect("a connection");
    let (data, _, end) = connection.await.expect("no panic");
    assert_eq!((data.len(), end), (60, Ok(())));
}

#[tokio::test]
async fn a_body_that_fails_is_not_sent_again() {
    let failing = || {
        let frames = [
            Ok(http_body::Frame::data(Bytes::from_static(b"some"))),
            Err(std::io::Error::other("the disk is gone")),
        ];
        StreamBody::new(futures::stream::iter(frames))
    };
    let log = Log::default();
    let service = layer(Tokens::default(), LIMIT).layer(early(&log, 9, Arc::default()));
    let response = service.oneshot(put(failing())).await;
    assert_eq!(response.expect("an answer").status(), 401);
    let mut ends = std::mem::take(&mut *log.lock().expect("no panic"));
    assert_eq!(ends.len(), 1);
    let (data, _, end) = ends.remove(0).await.expect("no panic");
    assert_eq!(
        (&data[..], end),
        (&b"some"[..], Err("the disk is gone".to_owned()))
    );
}

#[tokio::test]
async fn a_scheme_that_hashes_the_body_is_told_what_to_use() {
    let credentials = Credentials::new("AKIDEXAMPLE", "secret", None, None, "test");
    let layer = tower_client_auth::SigV4Layer::new(REGION, SERVICE, credentials)
        .and_then(|layer| layer.scope(ORIGIN))
        .expect("a layer")
        .retry_rejected(ReplayBody::default());
    let server = Recorder::new();
    let error = layer.layer(server.clone()).oneshot(post(URL)).await;
    let error = error.expect_err("no hash").to_string();
    assert!(
        error.contains("use `.payload(Buffer::default())`"),
        "{error}"
    );
    assert!(server.seen().is_empty());
}

/// Lengths stay known, so that HTTP/1 need not cut a body into chunks; and what is empty is known to be.
#[tokio::test]
async fn the_service_below_knows_as_much_of_the_length_as_without_the_layer() {
    let hints = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&hints);
    let is_first = Arc::new(AtomicBool::new(true));
    let server = service_fn(move |request: Request<ReplayedBody<Full<Bytes>>>| {
        let (seen, is_first) = (Arc::clone(&seen), Arc::clone(&is_first));
        async move {
            let body = request.into_body();
            let hint = (body.size_hint().exact(), body.is_end_stream());
            seen.lock().expect("no panic").push(hint);
            let body = body.collect().await.expect("a body").to_bytes();
            assert_eq!(hint.0, Some(body.len() as u64));
            Ok::<_, Infallible>(match is_first.swap(false, Ordering::SeqCst) {
                true => unauthorized(),
                false => answer(200, &[], ""),
            })
        }
    });
    let service = layer(Tokens::default(), LIMIT).layer(server);
    send(&service, post(URL)).await;
    send(
        &service,
        Request::get(URL).body(Full::default()).expect("a request"),
    )
    .await;
    let hints = hints.lock().expect("no panic");
    assert_eq!(
        *hints,
        [(Some(5), false), (Some(5), false), (Some(0), true)]
    );
}
