//! Questions about all bytes of a text, answered many at a time: hosts, header values and queries of every
//! request are asked, and nearly all of them say no.

/// Whether one of `bytes` is in `text`.
#[inline]
pub(crate) fn has<const N: usize>(text: &[u8], bytes: [u8; N]) -> bool {
    // Without an early end, so that compilers take a vector at a time.
    let in_block = |block: &[u8; 16]| {
        let has = |byte| block.iter().fold(false, |found, &b| found | (b == byte));
        bytes.iter().fold(false, |found, &byte| found | has(byte))
    };
    match text.last_chunk() {
        // The last block overlaps the one before, so that nothing is left over.
        Some(last) => in_block(last) || text.as_chunks().0.iter().any(in_block),
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
