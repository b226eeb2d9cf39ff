//! What somebody between the layer and a server may do to an upload of [`LENGTH`] bytes in chunks of 8 KiB.

use std::time::Duration;

use http::HeaderValue;
use http::header::CONTENT_ENCODING;

use super::signed::{Signed, TRAILER_SIGNATURE};
use super::*;

pub(super) const LENGTH: u64 = 3 * 8 * KIB + 100;

/// Why s3s, or s3s-fs, refuses.
const HEAD: &str = "SignatureDoesNotMatch";
pub(super) const CHUNK: &str = "AwsChunkedStreamError: SignatureMismatch";
const FORMAT: &str = "AwsChunkedStreamError: FormatError";
pub(super) const CHECKSUM: &str = "BadDigest";

/// In which modes there is something to change.
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

pub(super) struct Change {
    pub(super) what: &'static str,
    pub(super) at: Where,
    /// Why it is refused in signed modes, and in the others.
    pub(super) refusals: [&'static str; 2],
    /// Given the upload, and another of the same length to another place.
    pub(super) make: fn(&mut Signed, &Signed),
}

const fn change(
    what: &'static str,
    at: Where,
    refusals: [&'static str; 2],
    make: fn(&mut Signed, &Signed),
) -> Change {
    Change {
        what,
        at,
        refusals,
        make,
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

pub(super) const CHANGES: [Change; 25] = [
    change(
        "a byte of the first chunk",
        Where::All,
        [CHUNK, CHECKSUM],
        |u, _| u.body.chunks[0].data[8191] ^= 1,
    ),
    change(
        "a byte of the last data",
        Where::All,
        [CHUNK, CHECKSUM],
        |u, _| u.body.chunks[3].data[0] ^= 0x80,
    ),
    change(
        "two chunks exchanged",
        Where::All,
        [CHUNK, CHECKSUM],
        |u, _| u.body.chunks.swap(1, 2),
    ),
    change("a chunk left out", Where::All, [CHUNK, CHECKSUM], |u, _| {
        u.body.chunks.remove(1);
    }),
    change(
        "the last data left out",
        Where::All,
        [CHUNK, CHECKSUM],
        |u, _| {
            u.body.chunks.remove(3);
        },
    ),
    change("a chunk doubled", Where::All, [CHUNK, CHECKSUM], |u, _| {
        u.body.chunks.insert(1, u.body.chunks[0].clone())
    }),
    change(
        "a chunk of another upload",
        Where::All,
        [CHUNK, CHECKSUM],
        |u, other| u.body.chunks[1] = other.body.chunks[1].clone(),
    ),
    change(
        "data of another upload",
        Where::All,
        [CHUNK, CHECKSUM],
        |u, other| u.body.chunks[1].data = other.body.chunks[1].data.clone(),
    ),
    change(
        "all of another upload but the head",
        Where::Signed,
        [CHUNK, ""],
        |u, other| u.body = other.body.clone(),
    ),
    change(
        "a chunk's signature altered",
        Where::Signed,
        [CHUNK, ""],
        |u, _| alter_signature(u, 1),
    ),
    change(
        "the final chunk's signature altered",
        Where::Signed,
        [CHUNK, ""],
        |u, _| alter_signature(u, 4),
    ),
    change(
        "a chunk's signature left out",
        Where::Signed,
        [FORMAT, ""],
        |u, _| u.body.chunks[1].signature = None,
    ),
    change(
        "signed with another day's key",
        Where::Signed,
        [CHUNK, ""],
        |u, _| u.sign_body_as(REGION, u.time() - DAY),
    ),
    change(
        "signed with another region's key",
        Where::Signed,
        [CHUNK, ""],
        |u, _| u.sign_body_as("ap-south-1", u.time()),
    ),
    // Without a checksum s3s takes a body that just ends: MiniStack does not.
    change(
        "the end left out",
        Where::WithTrailer,
        [CHECKSUM, CHECKSUM],
        |u, _| {
            u.body.chunks.pop();
            u.body.trailers.clear();
            u.body.end.clear();
        },
    ),
    change(
        "the final chunk left out",
        Where::WithTrailer,
        [FORMAT, FORMAT],
        |u, _| {
            u.body.chunks.pop();
        },
    ),
    // s3s itself takes a body without the trailers that were announced; s3s-fs misses the checksum.
    change(
        "the trailers left out",
        Where::WithTrailer,
        [CHECKSUM, CHECKSUM],
        |u, _| u.body.trailers.clear(),
    ),
    change(
        "the trailer's value altered",
        Where::WithTrailer,
        [CHUNK, CHECKSUM],
        |u, _| altered(&mut u.body.trailers[0].1),
    ),
    change(
        "the trailer's signature altered",
        Where::SignedTrailer,
        [CHUNK, ""],
        |u, _| altered(u.body.trailer(TRAILER_SIGNATURE)),
    ),
    change(
        "the trailer's signature left out",
        Where::SignedTrailer,
        [FORMAT, ""],
        |u, _| {
            u.body.trailers.pop();
        },
    ),
    change("more announced", Where::All, [HEAD, HEAD], |u, _| {
        announce(u, 1)
    }),
    change("less announced", Where::All, [HEAD, HEAD], |u, _| {
        announce(u, -1)
    }),
    change(
        "another trailer announced",
        Where::WithTrailer,
        [HEAD, HEAD],
        |u, _| set(u, "x-amz-trailer", "x-amz-checksum-md5"),
    ),
    change("said to be unsigned", Where::Signed, [HEAD, ""], |u, _| {
        set(
            u,
            "x-amz-content-sha256",
            "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        )
    }),
    change("another encoding", Where::All, [HEAD, HEAD], |u, _| {
        set(u, CONTENT_ENCODING.as_str(), "aws-chunked,gzip")
    }),
];
