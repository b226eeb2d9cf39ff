//! Frames of any size become chunks of one size.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Wake};

use bytes::Buf;
use http_body_util::Full;
use tower_client_auth::{Checksum, ChunkedBody};

use super::*;
use crate::oracle::Random;

fn random_bytes(random: &mut Random, length: usize) -> Vec<u8> {
    (0..length).map(|_| random.next() as u8).collect()
}

/// `bytes` in frames, none of which is longer than `longest`; some are empty.
fn cut(
    random: &mut Random,
    mut bytes: &[u8],
    longest: usize,
) -> Vec<Result<Frame<Bytes>, io::Error>> {
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        let length = random.below(longest + 1).min(bytes.len());
        frames.push(data(Bytes::copy_from_slice(&bytes[..length])));
        bytes = &bytes[length..];
    }
    frames
}

const MODES: [fn() -> Chunked; 4] = [
    Chunked::signed,
    || Chunked::signed().checksum(Checksum::Crc64Nvme),
    || Chunked::unsigned(Checksum::Crc32c),
    || Chunked::unsigned(Checksum::Sha256),
];

#[tokio::test]
async fn chunks_have_one_size_however_the_body_comes() {
    let mut random = Random(11);
    for round in 0..600 {
        let size = [8192, 8193, 20_000, 65_536][round % 4];
        let chunked = MODES[round / 4 % 4]().chunk_size(size).expect("a size");
        let length = match round % 7 {
            0 => size,
            1 => size * 3,
            2 => size * 2 + 1,
            3 => size - 1,
            4 => 1,
            _ => 1 + random.below(300_000),
        };
        let body = random_bytes(&mut random, length);
        // Frames of a few bytes, of some kilobytes, and of several chunks.
        let longest = [40, 3000, 9000, 250_000][random.below(4)];
        let frames = frames(cut(&mut random, &body, longest));
        let sent = send(chunked, put_of(length, frames)).await.expect("sent");

        let parsed = Parsed::of(sent.whole());
        assert_eq!(parsed.data(), body, "round {round}");
        let (last, all) = parsed.chunks.split_last().expect("a last chunk");
        assert!(last.0.is_empty());
        let (end, full) = all.split_last().expect("a chunk");
        assert!(full.iter().all(|(data, _)| data.len() == size));
        assert!(end.0.len() <= size && !end.0.is_empty());
        assert_eq!(
            sent.header("x-amz-decoded-content-length"),
            length.to_string()
        );
        assert_eq!(
            sent.header("content-length"),
            sent.whole().len().to_string()
        );
        assert_eq!(sent.header("content-encoding"), "aws-chunked");
        let is_signed = sent.header("x-amz-content-sha256").contains("HMAC");
        assert!(
            parsed
                .chunks
                .iter()
                .all(|(_, signature)| signature.is_some() == is_signed)
        );
    }
}

/// The digits of a size are as many as were counted.
#[tokio::test]
async fn lengths_around_the_powers_of_sixteen_are_measured() {
    let mut powers: Vec<usize> = (0..5).map(|digits| 1 << (4 * digits)).collect();
    powers.push(65_536 + 4096);
    for length in powers
        .into_iter()
        .flat_map(|power| power.max(2) - 1..=power + 1)
    {
        for mode in MODES {
            let sent = send(
                mode(),
                put_of(length, Full::<Bytes>::from(vec![b'a'; length])),
            );
            let sent = sent.await.expect("sent");
            let whole = sent.whole().len();
            assert_eq!(sent.header("content-length"), whole.to_string(), "{length}");
            assert_eq!(sent.hint.exact(), Some(whole as u64), "{length}");
        }
    }
}

#[tokio::test]
async fn a_body_that_knows_its_length_needs_no_header_for_it() {
    let body = random_bytes(&mut Random(5), 100_000);
    let sent = send(Chunked::signed(), put(Full::new(Bytes::from(body.clone())))).await;
    let sent = sent.expect("sent");
    assert_eq!(Parsed::of(sent.whole()).data(), body);
    assert_eq!(sent.header("content-length"), "");
    assert_eq!(sent.hint.exact(), Some(sent.whole().len() as u64));
    assert_eq!(sent.header("x-amz-decoded-content-length"), "100000");
}

/// Not one piece, and not `Bytes`: two slices one behind the other.
#[tokio::test]
async fn data_of_any_kind_is_taken() {
    let chained = || Bytes::from_static(&[b'a'; 50_000]).chain(&[b'b'; 50_000][..]);
    for mode in MODES {
        let body = Full::new(chained());
        let sent = send(mode(), put(body)).await.expect("sent");
        let expected = [vec![b'a'; 50_000], vec![b'b'; 50_000]].concat();
        assert_eq!(Parsed::of(sent.whole()).data(), expected);
    }
}

/// A caller's bytes, seen again by their address.
#[tokio::test]
async fn large_frames_are_passed_on_without_copying() {
    let body = Bytes::from(vec![b'x'; 1_000_000]);
    let own = body.as_ptr_range();
    for mode in MODES {
        let layer = layer(mode());
        let (inside, shared) = (
            Arc::new(AtomicU64::new(0)),
            own.start as usize..own.end as usize,
        );
        let client = service_fn(|request: Request<ChunkedBody<Full<Bytes>>>| {
            let (inside, shared) = (Arc::clone(&inside), shared.clone());
            async move {
                let mut body = std::pin::pin!(request.into_body());
                while let Some(frame) = body.frame().await {
                    let frame = frame.map_err(|error: BoxError| error.to_string())?;
                    if let Ok(data) = frame.into_data()
                        && shared.contains(&(data.as_ptr() as usize))
                    {
                        inside.fetch_add(data.len() as u64, Ordering::Relaxed);
                    }
                }
                Ok::<_, String>(Response::new(()))
            }
        });
        let request = put(Full::new(body.clone()));
        layer.layer(client).oneshot(request).await.expect("sent");
        assert_eq!(inside.load(Ordering::Relaxed), 1_000_000);
    }
}

/// Says how much of it was read.
struct Endless {
    read: Arc<AtomicU64>,
    frame: Bytes,
}

impl Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.read
            .fetch_add(self.frame.len() as u64, Ordering::Relaxed);
        Poll::Ready(Some(Ok(Frame::data(self.frame.clone()))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(1 << 60)
    }
}

#[tokio::test]
async fn no_more_is_read_than_the_connection_asks_for() {
    for mode in MODES {
        for size in [1000, 65_536, 300_000] {
            let read = Arc::new(AtomicU64::new(0));
            let body = Endless {
                read: Arc::clone(&read),
                frame: vec![0; size].into(),
            };
            let client = service_fn(async |request: Request<_>| {
                Ok::<_, Infallible>(Response::new(request.into_body()))
            });
            let sent = layer(mode()).layer(client).oneshot(put(body)).await;
            let mut sent = std::pin::pin!(sent.expect("sent").into_body());
            assert_eq!(read.load(Ordering::Relaxed), 0);
            let mut taken = 0;
            while taken < 2_000_000 {
                let frame = sent.frame().await.expect("more").expect("no error");
                taken += frame.into_data().expect("data").len() as u64;
                let ahead = read.load(Ordering::Relaxed).saturating_sub(taken);
                assert!(ahead <= 65_536 + size as u64, "{ahead} bytes ahead");
            }
        }
    }
}

/// How often it was woken.
#[derive(Default)]
struct Wakes(AtomicU64);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_body_of_tiny_frames_lets_others_run() {
    let noise = (0..100_000).map(|_| data(Bytes::new())).collect();
    let request = put_of(1, frames(noise));
    let client = service_fn(async |request: Request<_>| {
        Ok::<_, Infallible>(Response::new(request.into_body()))
    });
    let sent = futures::executor::block_on(layer(Chunked::signed()).layer(client).oneshot(request));
    let mut sent = std::pin::pin!(sent.expect("sent").into_body());
    let wakes = Arc::new(Wakes::default());
    let waker = Arc::clone(&wakes).into();
    let mut cx = Context::from_waker(&waker);
    let mut pauses = 0;
    while sent.as_mut().poll_frame(&mut cx).is_pending() {
        pauses += 1;
        assert_eq!(wakes.0.load(Ordering::Relaxed), pauses);
    }
    assert!(pauses > 100, "{pauses}");
}

/// How many frames one chunk of a MiB goes out in, which came in `pieces`; the end is one more.
async fn frames_of_a_chunk(pieces: &[usize]) -> usize {
    const MIB: usize = 1024 * 1024;
    assert_eq!(pieces.iter().sum::<usize>(), MIB);
    let pieces = pieces.iter().map(|length| data(vec![b'x'; *length]));
    let request = put_of(MIB, frames(pieces.collect()));
    let chunked = Chunked::signed().chunk_size(MIB).expect("a size");
    let client = service_fn(async |request: Request<ChunkedBody<Streamed>>| {
        let (mut body, mut count) = (std::pin::pin!(request.into_body()), 0);
        let mut whole = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame: Frame<Bytes> = frame.map_err(|error: BoxError| error.to_string())?;
            whole.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
            count += 1;
        }
        assert_eq!(Parsed::of(&whole).data(), vec![b'x'; MIB]);
        Ok::<_, String>(Response::new(count))
    });
    let answer = layer(chunked).layer(client).oneshot(request).await;
    answer.expect("sent").into_body()
}

/// Few large pieces go out as they came, behind the chunk's head; many small ones in one with it.
#[tokio::test]
async fn small_pieces_are_put_together_and_large_ones_are_not() {
    const MIB: usize = 1024 * 1024;
    assert_eq!(frames_of_a_chunk(&[MIB]).await, 3);
    assert_eq!(frames_of_a_chunk(&[MIB / 16; 16]).await, 18);
    assert_eq!(frames_of_a_chunk(&[MIB / 256; 256]).await, 258);
    assert_eq!(frames_of_a_chunk(&[MIB / 1024; 1024]).await, 2);
    assert_eq!(frames_of_a_chunk(&[128; MIB / 128]).await, 2);
    // It goes by what has come, and not by what is to come.
    let mut pieces = vec![1; 200];
    pieces.push(MIB - 200);
    assert_eq!(frames_of_a_chunk(&pieces).await, 2);
}

/// The announced length is anybody's word, and the largest of chunks takes no more than has come.
#[tokio::test]
async fn nothing_is_held_for_what_has_not_come() {
    let chunked = Chunked::signed().chunk_size(usize::MAX).expect("a size");
    let pieces: Vec<_> = (0..20_000_usize).map(|_| data("0123456789")).collect();
    let sent = send(chunked, put_of(1 << 60, frames(pieces))).await;
    says(
        sent.expect("sent").error(),
        AuthErrorKind::Payload,
        "no whole request",
    );
    let pieces = (0..20_000_usize).map(|_| data("0123456789")).collect();
    let sent = send(chunked, put_of(200_000, frames(pieces)))
        .await
        .expect("sent");
    assert_eq!(Parsed::of(sent.whole()).chunks.len(), 2);
}
