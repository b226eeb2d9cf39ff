//! Bodies that nobody holds: their bytes follow from a number, and come in pieces of random lengths.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;

/// What the number `seed` stands for.
#[derive(Clone, Debug)]
pub(super) struct Generated {
    seed: u64,
    at: u64,
    length: u64,
    largest: u64,
    tells_length: bool,
}

impl Generated {
    /// So many bytes, in pieces of up to `largest`.
    pub(super) fn new(seed: u64, length: u64, largest: u64) -> Self {
        Self {
            seed,
            at: 0,
            length,
            largest,
            tells_length: true,
        }
    }

    pub(super) fn of_unknown_length(mut self) -> Self {
        self.tells_length = false;
        self
    }

    pub(super) fn nothing() -> Self {
        Self::new(0, 0, 1)
    }
}

impl Body for Generated {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let left = self.length - self.at;
        if left == 0 {
            return Poll::Ready(None);
        }
        let piece = left.min(1 + mixed(!self.seed, self.at) % self.largest);
        let data = bytes(self.seed, self.at, piece);
        self.at += piece;
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.tells_length && self.at == self.length
    }

    fn size_hint(&self) -> SizeHint {
        match self.tells_length {
            true => SizeHint::with_exact(self.length - self.at),
            false => SizeHint::new(),
        }
    }
}

/// A body is all of what this number stands for, and no more.
pub(super) async fn assert_same<B>(mut body: B, seed: u64, length: u64, what: &str)
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::fmt::Debug,
{
    let mut at = 0;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.expect("a whole body").into_data() else {
            continue;
        };
        let more = data.len() as u64;
        assert!(at + more <= length, "{what}: more than {length} bytes");
        assert!(
            data == bytes(seed, at, more),
            "{what}: byte {at} or one of the {more} from there"
        );
        at += more;
    }
    assert_eq!(at, length, "{what}");
}

/// So many bytes from there of what a number stands for.
pub(crate) fn bytes(seed: u64, at: u64, length: u64) -> Bytes {
    let (first, skipped) = (at / 8, (at % 8) as usize);
    let words = (at % 8 + length).div_ceil(8);
    let mut bytes = Vec::with_capacity(words as usize * 8);
    for word in first..first + words {
        bytes.extend_from_slice(&mixed(seed, word).to_le_bytes());
    }
    Bytes::from(bytes).slice(skipped..skipped + length as usize)
}

/// SplitMix64's number at this place: unlike others it needs none of those before.
fn mixed(seed: u64, at: u64) -> u64 {
    let mut z = seed.wrapping_add(at.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
