//! The beginnings of texts as numbers, by which they are sorted.

/// The first 16 bytes of a text as numbers that sort as they do; zeros stand in for what a
/// shorter one lacks. No name holds a zero byte, so equal keys mean equal texts or long ones.
pub(super) type Key = (u64, u64);

#[inline]
pub(super) fn sort_key(text: &[u8]) -> Key {
    let word = |bytes: &[u8; 8]| u64::from_be_bytes(*bytes);
    let Some((head, rest)) = text.split_first_chunk() else {
        return (short_key(text), 0);
    };
    let tail = match (rest.first_chunk(), text.last_chunk()) {
        (Some(tail), _) => word(tail),
        // The end of the text overlaps its beginning, which is shifted out.
        (None, Some(tail)) => word(tail)
            .checked_shl(8 * (8 - rest.len()) as u32)
            .unwrap_or(0),
        (None, None) => 0,
    };
    (word(head), tail)
}

/// The key of less than eight bytes.
#[inline]
fn short_key(text: &[u8]) -> u64 {
    let missing = 8 * (8 - text.len()) as u32;
    let number = |bytes: &[u8; 4]| u64::from(u32::from_be_bytes(*bytes));
    match (text.first_chunk(), text.last_chunk()) {
        // Two halves that overlap hold all of it: where they do, they agree.
        (Some(head), Some(tail)) => number(head) << 32 | number(tail) << missing,
        _ => {
            let bytes = text.iter().map(|byte| u64::from(*byte));
            let value = bytes.fold(0, |key, byte| key << 8 | byte);
            value.checked_shl(missing).unwrap_or(0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_as_texts_do() {
        let text = b"x-amz-security-token";
        for length in 0..=text.len() {
            let mut padded = [0; 16];
            let kept = length.min(16);
            padded[..kept].copy_from_slice(&text[..kept]);
            let (head, tail) = sort_key(&text[..length]);
            let bytes = [head.to_be_bytes(), tail.to_be_bytes()].concat();
            assert_eq!(bytes, padded, "{length}");
        }
    }
}
