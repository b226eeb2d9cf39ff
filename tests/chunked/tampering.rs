//! What somebody between the layer and the server does to an upload is noticed, whatever protects it.

use std::time::{Duration, SystemTime};

use http::HeaderValue;
use http::header::CONTENT_ENCODING;
use tower::Layer;
use tower_client_auth::Clock;

use super::generated;
use super::in_process::InProcess;
use super::signed::{Signed, TRAILER_SIGNATURE};
use super::*;
use crate::support::{Recorder, promise};

const URI: &str = "https://s3.eu-west-1.amazonaws.com/uploads/key";
/// To the same place, in the same second, it would have the very same head.
const OTHER_URI: &str = "https://s3.eu-west-1.amazonaws.com/uploads/other";
pub(super) const LENGTH: u64 = 3 * 8 * KIB + 100;
pub(super) const SEED: u64 = 0x5eed_0000_0005_0037;

/// Why s3s, or s3s-fs, refuses.
const HEAD: &str = "SignatureDoesNotMatch";
const CHUNK: &str = "AwsChunkedStreamError: SignatureMismatch";
const FORMAT: &str = "AwsChunkedStreamError: FormatError";
const CHECKSUM: &str = "BadDigest";

/// In which modes there is something to tamper with.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Where {
    All,
    Signed,
    WithTrailer,
    SignedTrailer,
}

impl Where {
    pub(super) fn is_in(self, mode: Mode) -> bool {
        match self {
            Where::All => true,
            Where::Signed => mode.is_signed(),
            Where::WithTrailer => mode.checksum().is_some(),
            Where::SignedTrailer => matches!(mode, Mode::SignedAnd(_)),
        }
    }
}

pub(super) struct Tamper {
    pub(super) what: &'static str,
    pub(super) at: Where,
    /// Why it is refused in signed modes, and in the others.
    refusals: [&'static str; 2],
    /// Given the upload, and another of the same length to another place.
    pub(super) change: fn(&mut Signed, &Signed),
}

const fn tamper(
    what: &'static str,
    at: Where,
    refusals: [&'static str; 2],
    change: fn(&mut Signed, &Signed),
) -> Tamper {
    Tamper {
        what,
        at,
        refusals,
        change,
    }
}

fn set(upload: &mut Signed, name: &'static str, value: &str) {
    let value = HeaderValue::from_str(value).expect("a value");
    let old = upload.head.headers.insert(name, value);
    assert!(old.is_some(), "{name} is not there");
}

/// Another that looks as good.
fn altered(text: &mut String) {
    let first = if text.starts_with('a') { "b" } else { "a" };
    text.replace_range(..1, first);
}

fn alter_signature(upload: &mut Signed, chunk: usize) {
    altered(
        upload.body.chunks[chunk]
            .signature
            .as_mut()
            .expect("signed"),
    );
}

fn announce(upload: &mut Signed, more: i64) {
    let length = LENGTH.checked_add_signed(more).expect("a length");
    set(upload, "x-amz-decoded-content-length", &length.to_string());
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[rustfmt::skip]
pub(super) const TAMPERING: [Tamper; 25] = [
    tamper("a byte of the first chunk", Where::All, [CHUNK, CHECKSUM], |u, _| u.body.chunks[0].data[8191] ^= 1),
    tamper("a byte of the last data", Where::All, [CHUNK, CHECKSUM], |u, _| u.body.chunks[3].data[0] ^= 0x80),
    tamper("two chunks exchanged", Where::All, [CHUNK, CHECKSUM], |u, _| u.body.chunks.swap(1, 2)),
    tamper("a chunk left out", Where::All, [CHUNK, CHECKSUM], |u, _| { u.body.chunks.remove(1); }),
    tamper("the last data left out", Where::All, [CHUNK, CHECKSUM], |u, _| { u.body.chunks.remove(3); }),
    tamper("a chunk doubled", Where::All, [CHUNK, CHECKSUM], |u, _| u.body.chunks.insert(1, u.body.chunks[0].clone())),
    tamper("a chunk of another upload", Where::All, [CHUNK, CHECKSUM], |u, other| u.body.chunks[1] = other.body.chunks[1].clone()),
    tamper("data of another upload", Where::All, [CHUNK, CHECKSUM], |u, other| u.body.chunks[1].data = other.body.chunks[1].data.clone()),
    tamper("all of another upload but the head", Where::Signed, [CHUNK, ""], |u, other| u.body = other.body.clone()),
    tamper("a chunk's signature altered", Where::Signed, [CHUNK, ""], |u, _| alter_signature(u, 1)),
    tamper("the final chunk's signature altered", Where::Signed, [CHUNK, ""], |u, _| alter_signature(u, 4)),
    tamper("a chunk's signature left out", Where::Signed, [FORMAT, ""], |u, _| u.body.chunks[1].signature = None),
    tamper("signed with another day's key", Where::Signed, [CHUNK, ""], |u, _| u.sign_body_as(REGION, u.time() - DAY)),
    tamper("signed with another region's key", Where::Signed, [CHUNK, ""], |u, _| u.sign_body_as("us-east-1", u.time())),
    // Without a checksum s3s takes a body that just ends: MiniStack does not.
    tamper("the end left out", Where::WithTrailer, [CHECKSUM, CHECKSUM], |u, _| { u.body.chunks.pop(); u.body.trailers.clear(); u.body.end.clear(); }),
    tamper("the final chunk left out", Where::WithTrailer, [FORMAT, FORMAT], |u, _| { u.body.chunks.pop(); }),
    // s3s itself takes a body without the trailers that were announced; s3s-fs misses the checksum.
    tamper("the trailers left out", Where::WithTrailer, [CHECKSUM, CHECKSUM], |u, _| u.body.trailers.clear()),
    tamper("the trailer's value altered", Where::WithTrailer, [CHUNK, CHECKSUM], |u, _| altered(&mut u.body.trailers[0].1)),
    tamper("the trailer's signature altered", Where::SignedTrailer, [CHUNK, ""], |u, _| altered(u.body.trailer(TRAILER_SIGNATURE))),
    tamper("the trailer's signature left out", Where::SignedTrailer, [FORMAT, ""], |u, _| { u.body.trailers.pop(); }),
    tamper("more announced", Where::All, [HEAD, HEAD], |u, _| announce(u, 1)),
    tamper("less announced", Where::All, [HEAD, HEAD], |u, _| announce(u, -1)),
    tamper("another trailer announced", Where::WithTrailer, [HEAD, HEAD], |u, _| set(u, "x-amz-trailer", "x-amz-checksum-md5")),
    tamper("said to be unsigned", Where::Signed, [HEAD, ""], |u, _| set(u, "x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER")),
    tamper("another encoding", Where::All, [HEAD, HEAD], |u, _| set(u, CONTENT_ENCODING.as_str(), "aws-chunked,gzip")),
];

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
        for tamper in TAMPERING.iter().filter(|tamper| tamper.at.is_in(mode)) {
            let what = format!("{mode:?}, {}", tamper.what);
            let mut changed = good.clone();
            (tamper.change)(&mut changed, &other);
            assert_ne!(
                (&changed.head.headers, changed.body.joined()),
                (&good.head.headers, good.body.joined()),
                "{what}"
            );
            let (status, answer) = send(&server, &changed).await;
            let [signed, unsigned] = tamper.refusals;
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

/// A caller who has the checksum already has it in a header, where s3s-fs looks as well.
#[tokio::test]
async fn a_checksum_of_the_callers_own_is_checked_too() {
    let (server, _folder) = InProcess::new();
    let data = generated::bytes(SEED, 0, LENGTH);
    for checksum in CHECKSUMS {
        for chunked in [
            Chunked::signed().checksum(checksum),
            Chunked::unsigned(checksum),
        ] {
            for (of, expected) in [(&data[..], true), (&data[1..], false)] {
                let mut request = Request::put(URI).body(Generated::new(SEED, LENGTH, 10_000));
                let headers = request.as_mut().expect("a request").headers_mut();
                headers.insert(checksum.header_name(), checksum.of(of));
                let layer = SigV4Layer::new(REGION, "s3", credentials());
                let layer = layer.expect("a layer").payload(chunked);
                let recorder = Recorder::new();
                let service = layer.layer(recorder.clone());
                let sent = service.oneshot(request.expect("a request")).await;
                sent.expect("an answer");
                let seen = recorder.only();
                let (status, answer) = server.ask(Request::from_parts(seen.head, seen.body)).await;
                let refused = String::from_utf8_lossy(&answer).contains(CHECKSUM);
                assert_eq!(
                    status.is_success(),
                    expected,
                    "{checksum:?}: {status} {answer:?}"
                );
                assert_eq!(refused, !expected, "{checksum:?}: {status} {answer:?}");
            }
        }
    }
}
