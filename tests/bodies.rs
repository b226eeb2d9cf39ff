//! Any body at all, through all three ways to ready one.

#[path = "bodies/elsewhere.rs"]
mod elsewhere;
#[path = "bodies/transport.rs"]
mod transport;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::error::Error;
use std::future::{Ready, ready};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use futures::stream;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, request};
use http_body::{Body, Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use sha2::{Digest, Sha256};
use tower::{Layer, ServiceExt, service_fn};
use tower_client_auth::{
    Applied, AuthBody, AuthError, AuthErrorKind, AuthorizeLayer, Authorizer, BoxError, Buffer,
    CloneBody, Need, Passthrough, PayloadHash,
};

use crate::support::{Recorder, Seen, promise};

/// Wants what it is told to want, and writes down the hashes it is given.
#[derive(Clone)]
struct Notary {
    need: Need,
    hashes: Arc<Mutex<Vec<PayloadHash>>>,
}

impl Notary {
    fn new(need: Need) -> Self {
        let hashes = Arc::default();
        Self { need, hashes }
    }

    fn hashes(&self) -> Vec<PayloadHash> {
        self.hashes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Authorizer for Notary {
    type Plan = ();
    type Credential = ();
    type Acquire = Ready<Result<(), AuthError>>;

    fn cover(&self, _head: &mut request::Parts) -> Result<Option<((), Need)>, AuthError> {
        Ok(Some(((), self.need)))
    }

    fn acquire(&self, _plan: &()) -> Self::Acquire {
        ready(Ok(()))
    }

    fn apply(
        &self,
        _plan: &mut (),
        _credential: &(),
        payload: &PayloadHash,
        _head: &mut request::Parts,
    ) -> Result<Applied, AuthError> {
        let mut hashes = self.hashes.lock().unwrap_or_else(PoisonError::into_inner);
        hashes.push(*payload);
        Ok(Applied::default())
    }
}

fn sha256(data: &[u8]) -> PayloadHash {
    PayloadHash::Sha256(Sha256::digest(data).into())
}

fn put<B>(body: B) -> Request<B> {
    Request::put("https://api.example.com/object")
        .body(body)
        .expect("a request")
}

type Streamed = UnsyncBoxBody<Bytes, io::Error>;

/// A body of these frames, whose length nobody knows.
fn frames(frames: Vec<Result<Frame<Bytes>, io::Error>>) -> Streamed {
    StreamBody::new(stream::iter(frames)).boxed_unsync()
}

fn chunks<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<Result<Frame<Bytes>, io::Error>> {
    let data = |chunk| Ok(Frame::data(Bytes::copy_from_slice(chunk)));
    chunks.into_iter().map(data).collect()
}

fn trailers(name: &'static str, value: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(
        http::HeaderName::from_static(name),
        HeaderValue::from_static(value),
    )])
}

/// Sends a body through a buffering layer: what arrives, and the hash that was to be signed.
async fn buffered<B>(body: B, limit: usize) -> Result<(Seen, PayloadHash), BoxError>
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    let (notary, recorder) = (Notary::new(Need::Payload), Recorder::new());
    let layer = AuthorizeLayer::with_authorizer(notary.clone()).payload(Buffer::new(limit));
    layer.layer(recorder.clone()).oneshot(put(body)).await?;
    let hashes = notary.hashes();
    assert_eq!(hashes.len(), 1);
    Ok((recorder.only(), hashes[0]))
}

/// A generator that gives the same numbers every time: SplitMix64.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % end as u64) as usize
    }
}

#[tokio::test]
async fn a_buffered_body_arrives_as_it_was_hashed_however_it_is_cut() {
    let mut numbers = Numbers(33);
    let (mut bytes, mut count) = (0, 0);
    for round in 0..1000 {
        let length = if round % 10 == 0 {
            0
        } else {
            numbers.below(10_000)
        };
        let body: Vec<u8> = (0..length).map(|_| numbers.below(256) as u8).collect();
        let (mut cut, mut rest) = (Vec::new(), body.as_slice());
        let largest = [1, 3, 100, 5000][numbers.below(4)];
        while !rest.is_empty() {
            // Empty chunks among them.
            let (chunk, tail) = rest.split_at(numbers.below(largest + 1).min(rest.len()));
            cut.push(chunk);
            rest = tail;
        }
        count += cut.len();
        bytes += length;
        // The limit is the length: not a byte more is needed.
        let sent = buffered(frames(chunks(cut)), length).await;
        let (seen, hash) = sent.expect("within the limit");
        assert_eq!(seen.body, body);
        assert_eq!(hash, sha256(&body));
        assert!(seen.trailers.is_none());
    }
    promise(
        30,
        format!("1000 bodies in {count} chunks, {bytes} bytes: all arrived as hashed"),
    );
}

#[tokio::test]
async fn trailers_are_given_back() {
    let with_trailers = || {
        let mut all = chunks([&b"hello "[..], b"world"]);
        all.push(Ok(Frame::trailers(trailers("x-checksum", "42"))));
        frames(all)
    };
    let (seen, hash) = buffered(with_trailers(), 11)
        .await
        .expect("within the limit");
    assert_eq!(
        (&seen.body[..], hash),
        (&b"hello world"[..], sha256(b"hello world"))
    );
    assert_eq!(seen.trailers, Some(trailers("x-checksum", "42")));

    let only = || frames(vec![Ok(Frame::trailers(trailers("x-checksum", "0")))]);
    let (seen, hash) = buffered(only(), 0)
        .await
        .expect("nothing is within the limit");
    assert_eq!((seen.body.len(), hash), (0, PayloadHash::EMPTY));
    assert_eq!(seen.trailers, Some(trailers("x-checksum", "0")));

    let layer = AuthorizeLayer::with_authorizer(Notary::new(Need::Head));
    let recorder = Recorder::new();
    let pass = layer.clone().payload(Passthrough).layer(recorder.clone());
    pass.oneshot(put(with_trailers())).await.expect("an answer");
    let stream = layer
        .clone()
        .payload(Buffer::default())
        .layer(recorder.clone());
    stream
        .oneshot(put(with_trailers()))
        .await
        .expect("an answer");
    let clone = layer.payload(CloneBody).layer(recorder.clone());
    clone
        .oneshot(put(Cloneable::new()))
        .await
        .expect("an answer");
    let seen = recorder.seen();
    assert_eq!(seen.len(), 3);
    for seen in seen {
        assert_eq!(seen.body, "hello world");
        assert_eq!(seen.trailers, Some(trailers("x-checksum", "42")));
    }
}

/// A body with trailers that can be cloned.
#[derive(Clone)]
struct Cloneable(VecDeque<Result<Bytes, HeaderMap>>);

impl Cloneable {
    fn new() -> Self {
        let data = Bytes::from_static(b"hello world");
        Self([Ok(data), Err(trailers("x-checksum", "42"))].into())
    }
}

impl Body for Cloneable {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let next = self.0.pop_front();
        Poll::Ready(next.map(|next| Ok(next.map_or_else(Frame::trailers, Frame::data))))
    }
}

/// What comes after trailers is never sent, so it must not be signed either; and a body that goes on
/// and on with them must not fill the memory, nor more than a header map can hold.
#[tokio::test]
async fn a_body_ends_with_its_trailers() {
    let mut all = chunks([&b"hello"[..]]);
    all.push(Ok(Frame::trailers(trailers("x-checksum", "1"))));
    all.extend(chunks([&b" world"[..]]));
    all.push(Ok(Frame::trailers(trailers("x-checksum", "2"))));
    let (seen, hash) = buffered(frames(all), 100).await.expect("within the limit");
    assert_eq!((&seen.body[..], hash), (&b"hello"[..], sha256(b"hello")));
    assert_eq!(seen.trailers, Some(trailers("x-checksum", "1")));

    let endless = (0..).map(|at: u64| {
        let name = http::HeaderName::try_from(format!("x-{at}")).expect("a name");
        let map = HeaderMap::from_iter([(name, HeaderValue::from_static("1"))]);
        Ok::<_, io::Error>(Frame::<Bytes>::trailers(map))
    });
    let body = StreamBody::new(stream::iter(endless));
    let (seen, _) = buffered(body, 100).await.expect("within the limit");
    assert_eq!(seen.trailers.expect("the first").len(), 1);
}

#[tokio::test]
async fn an_error_in_the_middle_stops_a_buffered_body_and_passes_through_a_streamed_one() {
    let broken = || {
        let mut all = chunks([&b"hello"[..]]);
        all.push(Err(io::ErrorKind::ConnectionReset.into()));
        all.extend(chunks([&b"never seen"[..]]));
        frames(all)
    };
    let error = buffered(broken(), 100).await.expect_err("the body fails");
    let found = AuthError::find(error.as_ref()).expect("the layer's error");
    assert_eq!(found.kind(), AuthErrorKind::Payload);
    let own = found
        .source()
        .and_then(|own| own.downcast_ref::<io::Error>());
    assert_eq!(
        own.expect("the body's").kind(),
        io::ErrorKind::ConnectionReset
    );

    let layer = AuthorizeLayer::with_authorizer(Notary::new(Need::Head));
    for outcome in [
        layer
            .clone()
            .layer(Recorder::new())
            .oneshot(put(broken()))
            .await,
        layer
            .payload(Buffer::default())
            .layer(Recorder::new())
            .oneshot(put(broken()))
            .await,
    ] {
        // The transport reads it, and the error is the body's.
        let error = outcome.expect_err("the body fails");
        assert_eq!(
            error.downcast::<io::Error>().expect("its own").kind(),
            io::ErrorKind::ConnectionReset
        );
    }
}

#[tokio::test]
async fn a_content_length_must_be_one_and_true_where_the_body_is_read() {
    // Lengths, what is said of them, and whether the request is sent; the body has 5 bytes.
    for (lengths, advice) in [
        (&["5"][..], None),
        (&["5", "5"], None),
        (&["05"], None),
        (&["4"], Some("does not match its body, which has 5 bytes")),
        (&["6"], Some("does not match its body")),
        (&["0"], Some("does not match its body")),
        (&["5", "6"], Some("is not one number")),
        (&["+5"], Some("is not one number")),
        (&["-5"], Some("is not one number")),
        (&["5, 5"], Some("is not one number")),
        (&[""], Some("is not one number")),
        (&["five"], Some("is not one number")),
        (&["18446744073709551616"], Some("is not one number")),
        (&["18446744073709551615"], Some("larger than the 100 bytes")),
        (&["101"], Some("larger than the 100 bytes")),
    ] {
        for known in [true, false] {
            let recorder = Recorder::new();
            let layer = AuthorizeLayer::with_authorizer(Notary::new(Need::Payload));
            let service = layer.payload(Buffer::new(100)).layer(recorder.clone());
            let body = match known {
                true => Full::from("hello")
                    .map_err(|never| match never {})
                    .boxed_unsync(),
                false => frames(chunks([&b"hel"[..], b"lo"])),
            };
            let mut request = put(body);
            for length in lengths {
                request
                    .headers_mut()
                    .append("content-length", HeaderValue::from_static(length));
            }
            match (service.oneshot(request).await, advice) {
                (Ok(_), None) => {
                    let seen = recorder.only();
                    assert_eq!(seen.body, "hello");
                    assert_eq!(seen.all("content-length"), lengths, "left as it was");
                }
                (Err(error), Some(advice)) => {
                    assert!(error.to_string().contains(advice), "{lengths:?}: {error}");
                    assert!(recorder.seen().is_empty());
                }
                (outcome, _) => panic!("{lengths:?}: {outcome:?}"),
            }
        }
    }
}

/// Always has an empty frame ready.
struct Busy;

impl Body for Busy {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(Some(Ok(Frame::data(Bytes::new()))))
    }
}

#[tokio::test]
async fn a_body_that_is_always_ready_does_not_keep_the_thread() {
    let layer =
        AuthorizeLayer::with_authorizer(Notary::new(Need::Payload)).payload(Buffer::default());
    let mut call = Box::pin(layer.layer(Recorder::new()).oneshot(Request::new(Busy)));
    // Returning at all is the point: without an end, the body can only be given up.
    assert!(futures::poll!(&mut call).is_pending());
}

#[tokio::test]
async fn trailers_without_bounds_are_refused() {
    let mut trailers = HeaderMap::new();
    for number in 0..70 {
        let name = HeaderName::try_from(format!("x-{number}")).expect("a name");
        let value = HeaderValue::try_from("v".repeat(1000)).expect("a value");
        trailers.insert(name, value);
    }
    let body = Full::<Bytes>::from("x").with_trailers(async { Some(Ok(trailers)) });
    let layer =
        AuthorizeLayer::with_authorizer(Notary::new(Need::Payload)).payload(Buffer::default());
    let server = Recorder::new();
    let call = layer.layer(server.clone()).oneshot(Request::new(body));
    let error = call.await.expect_err("too large");
    let error = AuthError::find(error.as_ref()).expect("ours");
    assert_eq!(error.kind(), AuthErrorKind::PayloadTooLarge);
    assert!(server.seen().is_empty());
}
