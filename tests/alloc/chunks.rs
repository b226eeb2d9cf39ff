//! What bodies cost that stream in chunks, and those of which what has gone by is kept.

use bytes::Bytes;
use futures::FutureExt as _;
use futures::executor::block_on;
use http::{Request, Response};
use http_body::Body;
use tower::{Layer, Service, service_fn};
use tower_client_auth::{
    BearerTokenLayer, BoxError, Checksum, Chunked, ChunkedBody, ReplayBody, ReplayedBody, Token,
};

use super::meter::measure;
use super::support::promise;
use super::{MIB, ORIGIN, Synthetic, TEN_GIB, put, sigv4};

/// Reads a body as it comes and keeps nothing, as a transport does.
async fn upload<B>(request: Request<B>) -> Result<Response<u64>, BoxError>
where
    B: Body<Data = Bytes, Error = BoxError>,
{
    super::read(request).await
}

/// Bytes that went out, allocations, and the most memory that was held.
fn send(chunked: Chunked, body: Synthetic) -> (u64, usize, usize) {
    let layer = sigv4(MIB).payload(chunked);
    let mut service = layer.layer(service_fn(upload::<ChunkedBody<Synthetic>>));
    // What a thread keeps, and what the signatures of a second share.
    let (first, _) = Synthetic::new(1, 1, true);
    block_on(service.call(put(first))).expect("an answer");
    let (answer, count, peak) = measure(|| block_on(service.call(put(body))));
    let answer = answer.expect("an answer");
    (answer.into_body(), count, peak)
}

#[test]
fn ten_gib_take_no_more_than_the_chunk_at_hand() {
    for (name, chunked) in [
        ("signed", Chunked::signed()),
        ("unsigned", Chunked::unsigned(Checksum::Crc64Nvme)),
    ] {
        for frame in [64 * 1024, MIB] {
            let (body, read) = Synthetic::new(frame, TEN_GIB, true);
            let (sent, count, peak) = send(chunked, body);
            assert_eq!(read.get(), TEN_GIB);
            assert!(sent > TEN_GIB);
            promise(
                33,
                format!(
                    "10 GiB in {name} chunks of 64 KiB, from frames of {} KiB: {} KiB peak heap, {count} allocations",
                    frame / 1024,
                    peak / 1024,
                ),
            );
            assert!(peak < 4 * MIB, "{peak}");
        }
    }
}

#[test]
fn a_chunk_costs_one_allocation() {
    // What a body costs by itself: its head, its framing, its last lines, and lists that grow once.
    const ONCE: usize = 64;
    const LENGTH: u64 = 64 * MIB as u64;
    let mut most = 0;
    for chunked in [
        Chunked::signed(),
        Chunked::signed().checksum(Checksum::Crc32),
        Chunked::unsigned(Checksum::Crc32),
    ] {
        for size in [8 * 1024, 64 * 1024, MIB] {
            for frame in [100, 1000, 4096, 5000, 64 * 1024, 300_000, 3 * MIB] {
                let chunked = chunked.chunk_size(size).expect("a size");
                let (body, _) = Synthetic::new(frame, LENGTH, true);
                let (sent, count, peak) = send(chunked, body);
                let chunks = LENGTH.div_ceil(size as u64) as usize;
                assert!(sent > LENGTH);
                assert!(
                    count <= chunks + ONCE,
                    "{count} allocations for {chunks} chunks of {size}, frames of {frame}"
                );
                assert!(peak < 4 * MIB, "{peak}");
                most = most.max(count.saturating_sub(chunks));
            }
        }
    }
    promise(
        33,
        format!("one allocation for each chunk, and {most} for a body at most"),
    );
}

#[test]
fn what_has_gone_by_is_kept_up_to_the_limit_and_no_further() {
    let token = Token::from("mF_9");
    let layer = BearerTokenLayer::new(ORIGIN, token).expect("a layer");
    for (frame, known) in [(100, false), (64 * 1024, true), (MIB, false)] {
        let layer = layer.clone().retry_rejected(ReplayBody::new(MIB));
        let mut service = layer.layer(service_fn(upload::<ReplayedBody<Synthetic>>));
        let (body, _) = Synthetic::new(frame, TEN_GIB / 10, known);
        let (answer, _, peak) = measure(|| service.call(put(body)).now_or_never());
        let answer = answer.expect("at once").expect("an answer");
        assert_eq!(answer.into_body(), TEN_GIB / 10);
        promise(
            33,
            format!(
                "1 GiB from frames of {frame} bytes, of which 1 MiB may be kept: {} KiB peak heap",
                peak / 1024
            ),
        );
        assert!(peak < 4 * MIB, "{peak}");
    }
}
