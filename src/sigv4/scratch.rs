//! The buffer that signatures are computed in, reused by the signatures of a thread.
//!
//! What stands in it may be secret: the canonical request holds every signed header, session tokens
//! and API keys among them. It is overwritten when a signature is done, whether it worked or not.

use std::cell::Cell;
use std::ops::Range;

use zeroize::Zeroize;

use crate::error::AuthError;

/// What a thread keeps between two signatures, in bytes: more than a request with an ordinary
/// session token needs. A larger buffer is given back.
const KEPT: usize = 16 * 1024;

thread_local! {
    /// All zeros.
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Room for one signature; wiped when it is dropped.
pub(super) struct Scratch {
    buffer: Vec<u8>,
    used: usize,
}

impl Scratch {
    /// Room for `size` bytes. It does not grow: that would leave a copy of the text behind.
    pub(super) fn new(size: usize) -> Self {
        // A thread that is ending has none to spare.
        let mut buffer = SPARE.try_with(Cell::take).unwrap_or_default();
        if buffer.len() < size {
            buffer.resize(size, 0);
        }
        Self { buffer, used: 0 }
    }

    /// Lets `write` fill the room from its start.
    ///
    /// # Errors
    ///
    /// If there was more to write than there is room. That would be a mistake of this crate.
    #[inline(always)]
    pub(super) fn write<R>(
        &mut self,
        write: impl FnOnce(&mut Text<'_>) -> Result<R, AuthError>,
    ) -> Result<R, AuthError> {
        // Whatever happens, all of it is wiped.
        self.used = self.buffer.len();
        let mut text = Text::new(&mut self.buffer);
        let result = write(&mut text)?;
        let (furthest, overflown) = (text.furthest.max(text.end + SHORT), text.overflown);
        if overflown {
            return Err(AuthError::unwritable_signature());
        }
        self.used = furthest;
        Ok(result)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let mut buffer = std::mem::take(&mut self.buffer);
        let used = self.used.min(buffer.len());
        if buffer.len() > KEPT {
            buffer[..used].zeroize();
            return;
        }
        // A plain fill, ten times as fast as volatile writes: the buffer lives on, so the compiler has
        // to write it, and `black_box` lets it think that somebody reads it.
        buffer[..used].fill(0);
        std::hint::black_box(&mut buffer);
        let _ = SPARE.try_with(|spare| spare.set(buffer));
    }
}

/// Text that is written into a room of fixed size.
///
/// Not a `Vec`, which would look after its capacity and its length in memory at each of the hundred
/// small writes that make up a canonical request. All that takes part in them is inlined, so that the
/// end of the text is in a register.
pub(super) struct Text<'a> {
    room: &'a mut [u8],
    end: usize,
    /// How far it has been before something was taken back.
    furthest: usize,
    overflown: bool,
}

/// How many bytes are copied for a short text.
pub(super) const SHORT: usize = 32;

impl<'a> Text<'a> {
    #[inline(always)]
    pub(super) fn new(room: &'a mut [u8]) -> Self {
        Self {
            room,
            end: 0,
            furthest: 0,
            overflown: false,
        }
    }

    /// What is written so far.
    #[inline(always)]
    pub(super) fn written(&self) -> &[u8] {
        self.room.get(..self.end).unwrap_or_default()
    }

    #[inline(always)]
    pub(super) fn len(&self) -> usize {
        self.end
    }

    #[inline(always)]
    pub(super) fn push(&mut self, byte: u8) {
        match self.room.get_mut(self.end) {
            Some(place) => {
                *place = byte;
                self.end += 1;
            }
            None => self.overflown = true,
        }
    }

    #[inline(always)]
    pub(super) fn extend(&mut self, bytes: &[u8]) {
        let rest = self.room.get_mut(self.end..).unwrap_or_default();
        match rest.get_mut(..bytes.len()) {
            Some(place) => {
                place.copy_from_slice(bytes);
                self.end += bytes.len();
            }
            None => self.overflown = true,
        }
    }

    /// Writes the first bytes of `bytes`. There must be room for all of them, because all are copied:
    /// faster than a copy of a length that is not known beforehand.
    #[inline(always)]
    pub(super) fn extend_short(&mut self, bytes: &[u8; SHORT], length: usize) {
        let rest = self.room.get_mut(self.end..).unwrap_or_default();
        match rest.first_chunk_mut() {
            Some(place) => {
                *place = *bytes;
                self.end += length.min(SHORT);
            }
            None => self.overflown = true,
        }
    }

    /// Writes the bytes at the beginning of `bytes` that `is_clean`, and returns the others.
    #[inline(always)]
    pub(super) fn extend_while<'b>(
        &mut self,
        bytes: &'b [u8],
        is_clean: impl Fn(u8) -> bool,
    ) -> &'b [u8] {
        let rest = self.room.get_mut(self.end..).unwrap_or_default();
        // It stops at the end of the room as well: the next write will not fit in either.
        let most = rest.len().min(bytes.len());
        let (rest, source) = (&mut rest[..most], &bytes[..most]);
        let mut count = 0;
        while count < most && is_clean(source[count]) {
            rest[count] = source[count];
            count += 1;
        }
        self.end += count;
        &bytes[count..]
    }

    /// Writes once more what stands in `range`.
    #[inline(always)]
    pub(super) fn repeat(&mut self, range: Range<usize>) {
        let (written, rest) = self.room.split_at_mut(self.end);
        let source = written.get(range).unwrap_or_default();
        match rest.get_mut(..source.len()) {
            Some(place) => {
                place.copy_from_slice(source);
                self.end += source.len();
            }
            None => self.overflown = true,
        }
    }

    /// Whether `is_one` says so of a byte written since `start` and the one behind it.
    ///
    /// Looks at sixteen of them at a time, which compilers turn into vector instructions, and so at a
    /// few behind the end. It may say yes on their account, or for want of room, but never a wrong no.
    #[inline(always)]
    pub(super) fn may_have(&self, start: usize, is_one: impl Fn(u8, u8) -> bool) -> bool {
        const STEP: usize = 16;
        let mut at = start;
        while at < self.end {
            let rest = self.room.get(at..).unwrap_or_default();
            let Some(window) = rest.first_chunk::<{ STEP + 1 }>() else {
                return true;
            };
            if (0..STEP).fold(false, |found, at| {
                found | is_one(window[at], window[at + 1])
            }) {
                return true;
            }
            at += STEP;
        }
        false
    }

    /// Lets `write` go on in a function of its own, for what is long and not always needed: its code is
    /// then out of the way of the rest. The end of the text is in a register there, too.
    #[inline(never)]
    pub(super) fn elsewhere(&mut self, write: impl FnOnce(&mut Self)) {
        let mut text = std::mem::replace(self, Self::new(&mut []));
        write(&mut text);
        *self = text;
    }

    /// Takes the last byte back.
    #[inline(always)]
    pub(super) fn pop(&mut self) {
        self.end = self.end.saturating_sub(1);
    }

    /// Takes back what was written since `start`.
    #[inline(always)]
    pub(super) fn truncate(&mut self, start: usize) {
        self.remove(start, self.end);
    }

    /// Moves what was written since `middle` to `start`, over what was written in between.
    #[inline(always)]
    pub(super) fn remove(&mut self, start: usize, middle: usize) {
        if start <= middle && middle <= self.end {
            self.furthest = self.furthest.max(self.end + SHORT);
            self.room.copy_within(middle..self.end, start);
            self.end -= middle - start;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_wiped() {
        let is_clean = || {
            let spare = SPARE.take();
            let clean = spare.iter().all(|byte| *byte == 0);
            let length = spare.len();
            SPARE.set(spare);
            assert!(clean);
            length
        };
        let secret = |text: &mut Text<'_>| {
            text.extend(b"secret");
            text.repeat(0..6);
            text.repeat(0..12);
            text.remove(3, 9);
            text.extend_short(b"secret secret 16secret secret 16", 3);
            text.remove(0, text.len());
            Ok(())
        };
        Scratch::new(100).write(secret).expect("room");
        assert_eq!(is_clean(), 100);
        Scratch::new(50).write(secret).expect("room");
        assert_eq!(is_clean(), 100);
        // One that fails, and one that panics.
        let failed: Result<(), _> = Scratch::new(100).write(|text| {
            secret(text)?;
            Err(AuthError::unwritable_signature())
        });
        failed.expect_err("failed");
        assert_eq!(is_clean(), 100);
        let panicked = std::panic::catch_unwind(|| {
            Scratch::new(100).write(|text| -> Result<(), AuthError> {
                secret(text)?;
                panic!("on purpose")
            })
        });
        panicked.expect_err("panicked");
        assert_eq!(is_clean(), 100);
        // One too large to be kept.
        Scratch::new(KEPT + 1).write(secret).expect("room");
        assert_eq!(is_clean(), 0);
    }

    #[test]
    fn bytes_are_found_wherever_they_stand() {
        let is_pair = |byte, next| byte == b'/' && next == b'.';
        for start in [0, 1, 17] {
            for length in 0..70 {
                // Enough room for the last window, or hardly any.
                for spare in [100, 1, 0] {
                    let mut room = vec![0; start + length + spare];
                    let mut text = Text::new(&mut room);
                    text.extend(&vec![b'/'; start]);
                    text.extend(&vec![b'a'; length]);
                    let nothing = text.may_have(start, is_pair);
                    assert!(!nothing || spare < 17, "{start} {length} {spare}");
                    for at in 0..length {
                        text.room[start + at] = b'/';
                        let alone = text.may_have(start, |byte, _| byte == b'/');
                        assert!(alone, "{start} {length} {spare}: {at}");
                        if let Some(next) = text.room[..start + length].get_mut(start + at + 1) {
                            *next = b'.';
                            let both = text.may_have(start, is_pair);
                            assert!(both, "{start} {length} {spare}: {at}");
                            text.room[start + at + 1] = b'a';
                        }
                        text.room[start + at] = b'a';
                    }
                }
            }
        }
    }

    #[test]
    fn too_little_room_is_an_error() {
        let mut scratch = Scratch {
            buffer: vec![0; 3],
            used: 0,
        };
        for length in 0..=5 {
            let result = scratch.write(|text| {
                text.extend(&b"abcde"[..length]);
                Ok(text.written().to_vec())
            });
            match length {
                0..=3 => assert_eq!(result.expect("room"), b"abcde"[..length]),
                _ => assert!(result.is_err(), "{length}"),
            }
        }
        let pushed = scratch.write(|text| {
            (0..4).for_each(|_| text.push(b'a'));
            Ok(())
        });
        assert!(pushed.is_err());
        let short = scratch.write(|text| {
            text.extend_short(b"secret secret 16secret secret 16", 2);
            Ok(())
        });
        assert!(short.is_err());
        let repeated = scratch.write(|text| {
            text.extend(b"ab");
            text.repeat(0..2);
            Ok(())
        });
        assert!(repeated.is_err());
    }
}
