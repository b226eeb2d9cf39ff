//! Messages out of pieces that are cut in any way.

use bytes::{Buf, Bytes, BytesMut};

use crate::error::{AuthError, AuthErrorKind};
use crate::sigv4::{EventSigner, crc32};

/// How long a message is, how long its headers are, and the checksum of these two.
const PRELUDE: usize = 12;

/// What has come of a stream, and is not a whole message yet.
#[derive(Default)]
pub(super) struct Messages {
    held: BytesMut,
}

impl Messages {
    /// Takes the next piece.
    pub(super) fn push(&mut self, mut piece: impl Buf) {
        while piece.has_remaining() {
            let chunk = piece.chunk();
            self.held.extend_from_slice(chunk);
            let length = chunk.len();
            piece.advance(length);
        }
    }

    /// The next message, if all of it has come.
    pub(super) fn next(&mut self) -> Result<Option<Bytes>, AuthError> {
        let Some(prelude) = self.held.first_chunk::<PRELUDE>() else {
            return Ok(None);
        };
        let [a, b, c, d, .., e, f, g, h] = *prelude;
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        let whole = crc32(&prelude[..PRELUDE - 4]) == u32::from_be_bytes([e, f, g, h]);
        if !whole || !(EventSigner::SHORTEST..=EventSigner::LONGEST).contains(&length) {
            return Err(malformed(
                "the body says it is an event stream, and is none: its messages must be encoded as such, and be no \
                 longer than 16 MiB",
            ));
        }
        let has_all = self.held.len() >= length;
        Ok(has_all.then(|| self.held.split_to(length).freeze()))
    }

    /// Nothing more will come.
    pub(super) fn end(&self) -> Result<(), AuthError> {
        match self.held.is_empty() {
            true => Ok(()),
            false => Err(malformed(
                "the event stream ends in the middle of a message; its end was not sent",
            )),
        }
    }
}

fn malformed(message: &'static str) -> AuthError {
    AuthError::new(AuthErrorKind::Payload, message)
}
