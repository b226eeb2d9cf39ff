//! What somebody between the layer and the server does to an upload is noticed, whatever protects it.

use std::time::SystemTime;

use tower::Layer;
use tower_client_auth::Clock;

use super::changes::{CHANGES, CHECKSUM, CHUNK, LENGTH};
use super::generated;
use super::in_process::InProcess;
use super::signed::Signed;
use super::*;
use crate::support::{Recorder, promise};

const URI: &str = "https://s3.eu-west-1.amazonaws.com/uploads/key";
/// To the same place, in the same second, it would have the very same head.
const OTHER_URI: &str = "https://s3.eu-west-1.amazonaws.com/uploads/other";
const SEED: u64 = 0x5eed_0000_0005_0037;

async fn upload(mode: Mode, time: SystemTime, uri: &str, seed: u64) -> Signed {
    let chunked = mode.chunked().chunk_size(8 * KIB as usize);
    let chunked = chunked.expect("a size");
    let request = mode.put(uri, Generated::new(seed, LENGTH, 10_000));
    Signed::new((REGION, credentials()), time, chunked, request).await
}

async fn send(server: &InProcess, upload: &Signed) -> (StatusCode, String) {
    let request = Request::from_parts(upload.head.clone(), upload.body.joined());
    let (status, body) = server.ask(request).await;
    (status, String::from_utf8_lossy(&body).into_owned())
}

/// Where it comes round, the case belongs to the others.
#[tokio::test]
async fn what_s3s_does_not_notice_without_a_checksum() {
    let (server, _folder) = InProcess::new();
    let mut cut = upload(Mode::Signed, Clock::system().now(), URI, SEED).await;
    cut.body.chunks.truncate(2);
    cut.body.end.clear();
    let (status, answer) = send(&server, &cut).await;
    assert!(status.is_success(), "{status} {answer}");
}

#[tokio::test]
async fn what_was_changed_on_the_way_is_refused() {
    let (server, _folder) = InProcess::new();
    let (mut accepted, mut refused) = (0, 0);
    for mode in Mode::all() {
        let time = Clock::system().now();
        let good = upload(mode, time, URI, SEED).await;
        let other = upload(mode, time, OTHER_URI, !SEED).await;
        let lengths: Vec<_> = good
            .body
            .chunks
            .iter()
            .map(|chunk| chunk.data.len())
            .collect();
        assert_eq!(lengths, [8192, 8192, 8192, 100, 0]);
        for upload in [&good, &other] {
            let (status, answer) = send(&server, upload).await;
            assert!(status.is_success(), "{mode:?}: {status} {answer}");
            accepted += 1;
        }
        for change in CHANGES.iter().filter(|change| change.at.is_in(mode)) {
            let what = format!("{mode:?}, {}", change.what);
            let mut changed = good.clone();
            (change.make)(&mut changed, &other);
            assert_ne!(
                (&changed.head.headers, changed.body.joined()),
                (&good.head.headers, good.body.joined()),
                "{what}"
            );
            let (status, answer) = send(&server, &changed).await;
            let [signed, unsigned] = change.refusals;
            let reason = if mode.is_signed() { signed } else { unsigned };
            assert!(
                !status.is_success() && answer.contains(reason),
                "{what}: {status} {answer}, and not {reason}"
            );
            refused += 1;
        }
    }
    promise(
        30,
        format_args!(
            "s3s-fs accepts {accepted} uploads in chunks, and refuses all {refused} changes to them"
        ),
    );
}

/// The twin of bodies that are signed with another key: what is signed again with the right one is as good.
#[tokio::test]
async fn what_the_sdks_signer_signs_again_is_accepted() {
    let (server, _folder) = InProcess::new();
    for mode in Mode::all().into_iter().filter(|mode| mode.is_signed()) {
        let mut upload = upload(mode, Clock::system().now(), URI, SEED).await;
        upload.body.chunks[1].data[0] ^= 1;
        let (status, answer) = send(&server, &upload).await;
        assert!(answer.contains(CHUNK), "{mode:?}: {status} {answer}");
        if let Some(checksum) = mode.checksum() {
            let value = checksum.of(&upload.body.data());
            upload.body.trailers[0].1 = value.to_str().expect("ASCII").to_owned();
        }
        upload.sign_body_again();
        let (status, answer) = send(&server, &upload).await;
        assert!(status.is_success(), "{mode:?}: {status} {answer}");
    }
}

/// A caller who has the checksum already has it in a header, and one who computes it on the way in a trailer.
#[tokio::test]
async fn a_checksum_of_the_callers_own_is_checked_too() {
    let (server, _folder) = InProcess::new();
    let data = generated::bytes(SEED, 0, LENGTH);
    for checksum in CHECKSUMS {
        let name = checksum.header_name();
        for chunked in [
            Chunked::signed(),
            Chunked::signed().checksum(checksum),
            Chunked::unsigned(checksum),
        ] {
            for (in_trailer, good) in [(false, true), (false, false), (true, true), (true, false)] {
                let what = format!("{chunked:?}, in a trailer: {in_trailer}, good: {good}");
                let value = checksum.of(if good { &data } else { &data[1..] });
                let mut trailers = HeaderMap::new();
                let mut put = Mode::SignedAnd(checksum).put(URI, ());
                if in_trailer {
                    put.headers_mut()
                        .insert("x-amz-trailer", name.clone().into());
                    trailers.insert(name.clone(), value);
                } else {
                    put.headers_mut().insert(name.clone(), value);
                }
                let body = Generated::new(SEED, LENGTH, 10_000);
                let trailers = in_trailer.then_some(Ok(trailers));
                let put = put.map(|()| body.with_trailers(async { trailers }));

                let layer = SigV4Layer::new(REGION, "s3", credentials()).expect("a layer");
                let recorder = Recorder::new();
                let service = layer.payload(chunked).layer(recorder.clone());
                service.oneshot(put).await.expect(&what);
                let seen = recorder.only();
                let request = Request::from_parts(seen.head, seen.body);
                let (status, answer) = server.ask(request).await;
                let answer = String::from_utf8_lossy(&answer);
                assert_eq!(status.is_success(), good, "{what}: {status} {answer}");
                assert_eq!(
                    answer.contains(CHECKSUM),
                    !good,
                    "{what}: {status} {answer}"
                );
            }
        }
    }
}
