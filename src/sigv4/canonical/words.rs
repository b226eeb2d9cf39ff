//! Questions about all bytes of a text, answered many at a time: every header value and every path
//! of a request is asked, and nearly all of them say no.

const ONES: u64 = u64::from_ne_bytes([0x01; 8]);
const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);

/// Whether `byte` is in `text`.
#[inline]
pub(super) fn has(text: &[u8], byte: u8) -> bool {
    if text.len() >= 64 {
        // Without an early end, so that the compiler can take a vector at a time.
        return text.iter().fold(false, |found, &b| found | (b == byte));
    }
    let found = |word: &[u8; 8]| {
        // Not zero if one of the bytes is; "Hacker's Delight", section 6-1.
        let zero = u64::from_ne_bytes(*word) ^ (ONES * u64::from(byte));
        zero.wrapping_sub(ONES) & !zero & HIGH != 0
    };
    match text.last_chunk() {
        // The last word overlaps the one before, so that nothing is left over.
        Some(last) => found(last) || text.as_chunks().0.iter().any(found),
        None => text.contains(&byte),
    }
}

/// Whether two bytes that stand beside each other are `first` and one of `second`.
#[inline]
pub(super) fn has_pair(text: &[u8], first: u8, second: [u8; 2]) -> bool {
    let Some((_, later)) = text.split_first() else {
        return false;
    };
    // Without an early end, so that the compiler can take many bytes at a time.
    text.iter().zip(later).fold(false, |found, (&one, &next)| {
        found | ((one == first) & ((next == second[0]) | (next == second[1])))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_is_found_wherever_it_stands() {
        for length in 0..140 {
            let mut text = vec![b'!'; length];
            assert!(!has(&text, b' '), "{length}");
            for at in 0..length {
                text[at] = b' ';
                assert!(has(&text, b' '), "{length} {at}");
                // A neighbour in value must not be taken for it.
                text[at] = b'\x1f';
                assert!(!has(&text, b' '), "{length} {at}");
                text[at] = b'\xa0';
                assert!(!has(&text, b' '), "{length} {at}");
                text[at] = b'!';
            }
        }
    }

    #[test]
    fn a_pair_is_found_wherever_it_stands() {
        for length in 0..40 {
            let mut text = vec![b'a'; length];
            for at in 1..length {
                for second in *b"/." {
                    (text[at - 1], text[at]) = (b'/', second);
                    assert!(has_pair(&text, b'/', *b"/."), "{length} {at}");
                    text[at - 1] = b'.';
                    assert!(!has_pair(&text, b'/', *b"/."), "{length} {at}");
                    (text[at - 1], text[at]) = (b'a', b'a');
                }
            }
        }
    }
}
