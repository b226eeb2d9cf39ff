//! What has been read of a body so far.

use bytes::{Bytes, BytesMut};

use crate::payload::{PayloadHash, PayloadHasher};

/// The most that is allocated on the word of an announced length.
const MAX_RESERVE: u64 = 64 * 1024;

/// One chunk is kept as it came; several are copied together, because a list of tiny chunks would
/// cost many times their bytes.
pub(super) enum Collected {
    Nothing,
    One(Bytes),
    // Boxed, as every pending request pays for the room, and those of one chunk need none of it.
    Many(Box<Many>),
}

pub(super) struct Many {
    data: BytesMut,
    /// If it is hashed on the way.
    hasher: Option<PayloadHasher>,
}

impl Collected {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Nothing => 0,
            Self::One(chunk) => chunk.len(),
            Self::Many(many) => many.data.len(),
        }
    }

    pub(super) fn push(&mut self, chunk: Bytes, expected: u64, hashes: bool) {
        match self {
            Self::Nothing => *self = Self::One(chunk),
            Self::One(first) => {
                let reserve = expected.min(MAX_RESERVE) as usize;
                let mut many = Many {
                    data: BytesMut::with_capacity(reserve.max(first.len() + chunk.len())),
                    hasher: hashes.then(PayloadHasher::default),
                };
                many.push(first);
                many.push(&chunk);
                *self = Self::Many(Box::new(many));
            }
            Self::Many(many) => many.push(&chunk),
        }
    }

    /// The data, and its hash if that was computed on the way.
    pub(super) fn finish(self) -> (Bytes, Option<PayloadHash>) {
        match self {
            Self::Nothing => (Bytes::new(), None),
            Self::One(chunk) => (chunk, None),
            Self::Many(many) => {
                let hash = many.hasher.map(PayloadHasher::finish);
                (many.data.freeze(), hash)
            }
        }
    }
}

impl Many {
    /// Hashes while the data comes, so that a large body is not hashed in one go at its end.
    fn push(&mut self, chunk: &[u8]) {
        if let Some(hasher) = &mut self.hasher {
            hasher.update(chunk);
        }
        self.data.extend_from_slice(chunk);
    }
}
