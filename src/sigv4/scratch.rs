//! The buffer that signatures are computed in, reused by the signatures of a thread.
//!
//! What stands in it may be secret: the canonical request holds every signed header, session tokens
//! and API keys among them. It is overwritten when a signature is done, whether it worked or not.

use std::cell::Cell;
use std::ops::{Deref, DerefMut};

use zeroize::Zeroize;

/// What a thread keeps between two signatures, in bytes: more than a request with an ordinary
/// session token needs. A larger buffer is given back.
const KEPT: usize = 16 * 1024;

thread_local! {
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// An empty buffer with room for one signature; wiped when it is dropped.
pub(super) struct Scratch(Vec<u8>);

impl Scratch {
    /// A buffer that holds `capacity` bytes without growing: that would leave a copy of the text
    /// behind.
    pub(super) fn with_capacity(capacity: usize) -> Self {
        // A thread that is ending has none to spare.
        let mut buffer = SPARE.try_with(Cell::take).unwrap_or_default();
        buffer.clear();
        buffer.reserve(capacity);
        Self(buffer)
    }
}

impl Deref for Scratch {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.0
    }
}

impl DerefMut for Scratch {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let mut buffer = std::mem::take(&mut self.0);
        if buffer.capacity() > KEPT {
            buffer.zeroize();
            return;
        }
        // A plain fill, ten times as fast as volatile writes: the buffer lives on, so the compiler has
        // to write it, and `black_box` lets it think that somebody reads it.
        buffer.fill(0);
        std::hint::black_box(&mut buffer);
        // The length stays, so that a test can see what became of the text.
        let _ = SPARE.try_with(|spare| spare.set(buffer));
    }
}
