//! Promise 18, on the way there: a request's body is sent again exactly, or not at all.

use std::io;

use futures::stream;
use http_body::Frame;
use http_body_util::StreamBody;
use http_body_util::combinators::UnsyncBoxBody;
use tower::Layer;
use tower_client_auth::{AuthErrorKind, AuthOverride, Buffer, PayloadHash, SigV4Layer};

use super::*;
use crate::support::{Recorder, Seen, promise};

const LIMIT: usize = 64;

type Streamed = UnsyncBoxBody<Bytes, io::Error>;

/// Signs for S3, which is told the hash of a body in a header, with other credentials each time.
fn sigv4() -> SigV4Layer<Rotating> {
    let layer = SigV4Layer::new(REGION, "s3", Rotating::default());
    let layer = layer.expect("a layer").scope(ORIGIN).expect("an origin");
    layer.retry_rejected(Buffer::new(LIMIT))
}

/// Refuses the first attempt, and accepts the second.
fn refuses_once() -> Recorder {
    Recorder::answering(|before, _| match before {
        0 => answer(403, &[(ERROR_TYPE, "ExpiredTokenException")], "expired"),
        _ => answer(200, &[], "accepted"),
    })
}

/// Pieces of a body whose length nobody knows, or one of known length where there is a single piece.
fn streamed(pieces: Vec<Bytes>, trailers: Option<HeaderMap>) -> Streamed {
    if let ([piece], None) = (&pieces[..], &trailers) {
        let body = Full::new(piece.clone()).map_err(|never| match never {});
        return body.boxed_unsync();
    }
    let trailers = trailers.into_iter().map(Frame::trailers);
    let frames = pieces.into_iter().map(Frame::data).chain(trailers);
    let frames: Vec<Result<_, io::Error>> = frames.map(Ok).collect();
    StreamBody::new(stream::iter(frames)).boxed_unsync()
}

fn put<B>(body: B) -> Request<B> {
    Request::put(URL).body(body).expect("a request")
}

#[track_caller]
fn arrived(seen: &Seen, body: &[u8], trailers: Option<&HeaderMap>) {
    let hash = PayloadHash::of(body);
    assert_eq!(PayloadHash::of(&seen.body), hash);
    assert_eq!(seen.body, body);
    assert_eq!(seen.one("x-amz-content-sha256"), hash.to_string());
    assert_eq!(seen.trailers.as_ref(), trailers);
}

#[tokio::test]
async fn a_body_is_sent_again_as_it_was_however_it_is_cut() {
    const BODIES: usize = 1_000;
    let mut random = Random(0x5eed_0000_0001_0018);
    let (mut again, mut with_trailers, mut refused) = (0, 0, 0);
    for round in 0..BODIES {
        let length = round % (LIMIT + 2);
        let body = random_bytes(&mut random, length);
        let trailers = random.one_in(4).then(|| trailers(random.next()));
        let pieces = match random.one_in(4) {
            true => vec![Bytes::copy_from_slice(&body)],
            false => cut(&mut random, &body),
        };
        let server = refuses_once();
        let service = sigv4().layer(server.clone());
        let outcome = service.oneshot(put(streamed(pieces, trailers.clone())));
        let seen = match outcome.await {
            Ok(answer) => {
                assert_eq!(answer.status(), 200);
                server.seen()
            }
            Err(error) => {
                let error = AuthError::find(error.as_ref()).expect("the layer's");
                assert_eq!(error.kind(), AuthErrorKind::PayloadTooLarge);
                assert!(length > LIMIT && server.seen().is_empty());
                refused += 1;
                continue;
            }
        };
        assert!(length <= LIMIT && seen.len() == 2, "{length}");
        for (seen, key) in seen.iter().zip(["AKID1/", "AKID2/"]) {
            assert!(seen.one("authorization").contains(key));
            arrived(seen, &body, trailers.as_ref());
        }
        again += 1;
        with_trailers += usize::from(trailers.is_some());
    }
    assert!(refused > 0 && with_trailers > BODIES / 10);
    promise(
        18,
        format_args!(
            "{again} of {again} request bodies of 0 to {LIMIT} bytes sent again as they were, \
             {with_trailers} of them with trailers; {refused} over the limit, not sent at all"
        ),
    );
}

/// Where the hash is known, the body is not read: it can be of any length, and is gone once it is sent.
#[tokio::test]
async fn a_body_that_was_not_kept_is_sent_once_and_the_answer_is_the_callers() {
    const BODIES: usize = 200;
    let mut random = Random(0x5eed_0000_0002_0018);
    for round in 0..BODIES {
        let length = round % (LIMIT * 2);
        let body = random_bytes(&mut random, length);
        let trailers = trailers(random.next());
        let pieces = cut(&mut random, &body);
        let mut request = put(streamed(pieces, Some(trailers.clone())));
        let hash = PayloadHash::of(&body);
        let known = AuthOverride::new().payload_hash(hash);
        request.extensions_mut().insert(known);
        let server = refuses_once();
        let answer = send(&sigv4().layer(server.clone()), request).await;
        assert_eq!(answer.status(), 403);
        assert_eq!(answer.body(), "expired");
        arrived(&server.only(), &body, Some(&trailers));
    }
    promise(
        18,
        format_args!("{BODIES} of {BODIES} request bodies that were not kept sent once"),
    );
}

#[tokio::test]
async fn a_body_with_nothing_in_it_is_sent_again_though_it_was_not_read() {
    let mut request = put(Full::<Bytes>::default());
    let known = AuthOverride::new().payload_hash(PayloadHash::EMPTY);
    request.extensions_mut().insert(known);
    let server = refuses_once();
    let answer = send(&sigv4().layer(server.clone()), request).await;
    assert_eq!(answer.status(), 200);
    let seen = server.seen();
    assert_eq!(seen.len(), 2);
    for seen in &seen {
        arrived(seen, b"", None);
    }
}
