//! Questions about all bytes of a text, answered many at a time: every header value and every path
//! of a request is asked, and nearly all of them say no.

const ONES: u64 = u64::from_ne_bytes([0x01; 8]);
const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);

/// Whether one of `bytes` is in `text`.
#[inline]
pub(crate) fn has<const N: usize>(text: &[u8], bytes: [u8; N]) -> bool {
    if text.len() >= 64 {
        // Without an early end, so that the compiler can take a vector at a time.
        let is_one = |b: u8| bytes.iter().fold(false, |found, &byte| found | (b == byte));
        return text.iter().fold(false, |found, &b| found | is_one(b));
    }
    let found = |word: &[u8; 8]| {
        let word = u64::from_ne_bytes(*word);
        // Not zero if one of its bytes is; "Hacker's Delight", section 6-1.
        let zero = |word: u64| word.wrapping_sub(ONES) & !word & HIGH;
        let each = bytes.map(|byte| zero(word ^ (ONES * u64::from(byte))));
        each.iter().fold(0, |found, each| found | each) != 0
    };
    match text.last_chunk() {
        // The last word overlaps the one before, so that nothing is left over.
        Some(last) => found(last) || text.as_chunks().0.iter().any(found),
        None => text.iter().any(|b| bytes.contains(b)),
    }
}

/// Whether there are two of `byte` beside each other.
#[cfg(feature = "sigv4")]
#[inline]
pub(crate) fn has_twice(text: &[u8], byte: u8) -> bool {
    let Some((_, later)) = text.split_first() else {
        return false;
    };
    // Without an early end, here too.
    let pairs = text.iter().zip(later);
    pairs.fold(false, |found, (&one, &next)| {
        found | ((one == byte) & (next == byte))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_is_found_wherever_it_stands() {
        for length in 0..140 {
            let mut text = vec![b'!'; length];
            assert!(!has(&text, [b' ', b'@']), "{length}");
            for at in 0..length {
                text[at] = b' ';
                assert!(has(&text, [b' ', b'@']), "{length} {at}");
                // A neighbour in value must not be taken for it.
                text[at] = b'\x1f';
                assert!(!has(&text, [b' ', b'@']), "{length} {at}");
                text[at] = b'\xa0';
                assert!(!has(&text, [b' ', b'@']), "{length} {at}");
                text[at] = b'!';
            }
        }
    }

    #[cfg(feature = "sigv4")]
    #[test]
    fn two_bytes_are_found_wherever_they_stand() {
        for length in 0..40 {
            let mut text = vec![b'a'; length];
            for at in 1..length {
                (text[at - 1], text[at]) = (b' ', b' ');
                assert!(has_twice(&text, b' '), "{length} {at}");
                text[at - 1] = b'a';
                assert!(!has_twice(&text, b' '), "{length} {at}");
                text[at] = b'a';
            }
        }
    }
}
