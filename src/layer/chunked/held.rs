//! A chunk that is put together, and goes out once its signature can be told.

use std::collections::VecDeque;
use std::mem;

use bytes::{Buf, Bytes};

use super::framing::CHUNK_SIGNATURE;

/// The end of the chunk before, the size in digits, the signature, the end of the line.
const MOST: usize = 2 + 16 + CHUNK_SIGNATURE.len() + 64 + 2;

/// Up to this many pieces are held as they came, and otherwise one for each 4 KiB that have come. More of them
/// are copied together: each costs a write, and a place in the list.
const PIECES: u64 = 16;
const SMALL: u64 = 4 * 1024;

/// The most that is allocated for a chunk before its data is there. Larger ones grow with it.
const MAX_RESERVE: usize = 16 * 1024 * 1024;

/// What is ready to go out, or will be once its chunk is complete.
#[derive(Default)]
pub(super) struct Held {
    pieces: VecDeque<Bytes>,
    /// All of the chunk, if it came in many pieces, behind room for its head.
    copied: Vec<u8>,
    length: u64,
}

impl Held {
    /// Bytes of data in the chunk so far.
    pub(super) fn len(&self) -> u64 {
        self.length
    }

    /// Adds a piece to a chunk that will be of `size` bytes.
    pub(super) fn push(&mut self, piece: Bytes, size: u64) {
        self.length += piece.len() as u64;
        if self.copied.is_empty() {
            if (self.pieces.len() as u64) < PIECES.max(self.length / SMALL) {
                self.pieces.push_back(piece);
                return;
            }
            let size = usize::try_from(size).unwrap_or(usize::MAX);
            // As long as it will be, so that it becomes `Bytes` without another allocation.
            self.copied.reserve_exact(MOST + size.min(MAX_RESERVE));
            self.copied.resize(MOST, 0);
            for earlier in self.pieces.drain(..) {
                self.copied.extend_from_slice(&earlier);
            }
        }
        self.copied.extend_from_slice(&piece);
    }

    /// Puts the head before the chunk, which can go out then.
    pub(super) fn close(&mut self, head: &Head) {
        self.length = 0;
        if self.copied.is_empty() {
            self.pieces.push_front(head.to_bytes());
            return;
        }
        let head = head.as_slice();
        let start = MOST - head.len();
        let mut copied = mem::take(&mut self.copied);
        copied[start..MOST].copy_from_slice(head);
        let mut copied = Bytes::from(copied);
        copied.advance(start);
        self.pieces.push_back(copied);
    }

    /// Something that need not wait.
    pub(super) fn add(&mut self, bytes: Bytes) {
        self.pieces.push_back(bytes);
    }

    /// The next thing to go out.
    pub(super) fn next(&mut self) -> Option<Bytes> {
        self.pieces.pop_front()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty() && self.copied.is_empty()
    }
}

/// The line before the data of a chunk, with the end of what comes before it.
pub(super) struct Head {
    text: [u8; MOST],
    start: usize,
}

impl Head {
    /// Written from its end, as the digits of a number are.
    pub(super) fn new(is_first: bool, size: u64, signature: Option<&[u8; 64]>) -> Self {
        let mut head = Self {
            text: [0; MOST],
            start: MOST,
        };
        head.prepend(b"\r\n");
        if let Some(signature) = signature {
            head.prepend(signature);
            head.prepend(CHUNK_SIGNATURE.as_bytes());
        }
        let mut rest = size;
        loop {
            head.prepend(&[b"0123456789abcdef"[(rest % 16) as usize]]);
            rest /= 16;
            if rest == 0 {
                break;
            }
        }
        if !is_first {
            head.prepend(b"\r\n");
        }
        head
    }

    /// All there can be of it fits in.
    fn prepend(&mut self, text: &[u8]) {
        let start = self.start.saturating_sub(text.len());
        if let Some(place) = self.text.get_mut(start..self.start)
            && place.len() == text.len()
        {
            place.copy_from_slice(text);
        }
        self.start = start;
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        self.text.get(self.start..).unwrap_or_default()
    }

    pub(super) fn to_bytes(&self) -> Bytes {
        Bytes::copy_from_slice(self.as_slice())
    }
}
