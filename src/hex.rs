//! Lower-case hexadecimal, as hashes are written in signatures.

/// The digits of 32 bytes. Neither a table nor a branch depends on what they are, and compilers turn
/// it into a few vector instructions.
pub(crate) fn hex(bytes: &[u8; 32]) -> [u8; 64] {
    let mut text = [0; 64];
    for (pair, byte) in text.as_chunks_mut::<2>().0.iter_mut().zip(bytes) {
        *pair = self::pair(*byte);
    }
    text
}

/// The digits of a byte.
#[inline]
pub(crate) fn pair(byte: u8) -> [u8; 2] {
    [digit(byte >> 4), digit(byte & 15)]
}

/// `value` is below 16.
fn digit(value: u8) -> u8 {
    value + if value < 10 { b'0' } else { b'a' - 10 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_written_as_two_digits() {
        for start in (0..=255).step_by(32) {
            let bytes = std::array::from_fn(|at| start + at as u8);
            let expected: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(hex(&bytes), expected.as_bytes());
        }
    }
}
