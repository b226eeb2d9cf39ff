//! Percent-encoding as signatures have it: RFC 3986, section 2.1, with upper-case digits, and
//! everything but the unreserved characters of section 2.3 is encoded.

use super::super::scratch::Text;

/// Which bytes are written as they are. A table, because every byte of a query is looked up.
const UNRESERVED: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = matches!(
            byte as u8,
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~'
        );
        byte += 1;
    }
    table
};

#[inline]
pub(in super::super) fn is_unreserved(byte: u8) -> bool {
    UNRESERVED[usize::from(byte)]
}

/// `%` and two digits.
#[inline(always)]
pub(in super::super) fn escape(byte: u8) -> [u8; 3] {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let (high, low) = (usize::from(byte >> 4), usize::from(byte & 15));
    [b'%', DIGITS[high], DIGITS[low]]
}

/// Writes `%` and two digits.
#[inline(always)]
pub(super) fn write_escape(text: &mut Text<'_>, byte: u8) {
    text.extend(&escape(byte));
}

/// Writes an unreserved byte as it is, and an escape for others.
#[inline(always)]
pub(super) fn write_encoded(text: &mut Text<'_>, byte: u8) {
    match is_unreserved(byte) {
        true => text.push(byte),
        false => write_escape(text, byte),
    }
}

/// The byte that the two digits of an escape stand for, and what follows them.
#[inline]
pub(super) fn unescape(text: &[u8]) -> Option<(u8, &[u8])> {
    let [high, low, rest @ ..] = text else {
        return None;
    };
    let (high, low) = (DIGITS[usize::from(*high)], DIGITS[usize::from(*low)]);
    // Neither has a bit above the fourth unless it is no digit.
    (high | low < 16).then_some((high << 4 | low, rest))
}

/// The values of hexadecimal digits of either case, and a higher number for other bytes.
const DIGITS: [u8; 256] = {
    let mut table = [u8::MAX; 256];
    let mut value = 0;
    while value < 16 {
        table[b"0123456789abcdef"[value] as usize] = value as u8;
        table[b"0123456789ABCDEF"[value] as usize] = value as u8;
        value += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_what_it_is() {
        for byte in 0..=u8::MAX {
            let unreserved = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
            assert_eq!(is_unreserved(byte), unreserved, "{byte}");
        }
    }

    #[test]
    fn digits_of_either_case_are_understood() {
        for byte in 0..=u8::MAX {
            for text in [format!("{byte:02x}!"), format!("{byte:02X}!")] {
                assert_eq!(unescape(text.as_bytes()), Some((byte, &b"!"[..])));
            }
        }
        for text in ["", "4", "4g", "g4", "/4", ":4", "4@", "4`", "\u{ff}"] {
            assert_eq!(unescape(text.as_bytes()), None, "{text}");
        }
    }
}
