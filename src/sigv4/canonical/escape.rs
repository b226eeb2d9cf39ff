//! Percent-encoding as signatures have it: RFC 3986, section 2.1, with upper-case digits, and
//! everything but the unreserved characters of section 2.3 is encoded.

use super::super::scratch::Text;

/// A byte that is written as an escape, unless it is a slash in a path.
const RESERVED: u8 = 1;
const SLASH: u8 = 2;
/// A byte that makes a segment an odd one if it follows a slash: a slash or a dot.
const ODD_AFTER_SLASH: u8 = 4;

/// What the bytes are. A table, because every byte of a path and a query is looked up.
const CLASSES: [u8; 256] = {
    let mut table = [RESERVED; 256];
    let mut byte = 0;
    while byte < 256 {
        match byte as u8 {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'~' => table[byte] = 0,
            b'.' => table[byte] = ODD_AFTER_SLASH,
            b'/' => table[byte] = RESERVED | SLASH | ODD_AFTER_SLASH,
            _ => {}
        }
        byte += 1;
    }
    table
};

#[inline]
pub(super) fn is_unreserved(byte: u8) -> bool {
    CLASSES[usize::from(byte)] & RESERVED == 0
}

/// Whether a path has bytes that are not written as they are, and whether it has empty segments or
/// some that begin with a dot.
#[inline]
pub(super) fn scan_path(path: &[u8]) -> (bool, bool) {
    let (mut reserved, mut odd, mut after_slash) = (0, 0, 0);
    for byte in path {
        let class = CLASSES[usize::from(*byte)];
        reserved |= class ^ class >> 1;
        odd |= class & after_slash;
        after_slash = class << 1;
    }
    (reserved & RESERVED != 0, odd & ODD_AFTER_SLASH != 0)
}

/// Writes `%` and two digits.
#[inline(always)]
pub(super) fn write_escape(text: &mut Text<'_>, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let (high, low) = (usize::from(byte >> 4), usize::from(byte & 15));
    text.extend(&[b'%', DIGITS[high], DIGITS[low]]);
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
            for other in 0..=u8::MAX {
                let path = [byte, other];
                let is_odd = byte == b'/' && (other == b'/' || other == b'.');
                let stays = |byte: &u8| is_unreserved(*byte) || *byte == b'/';
                assert_eq!(
                    scan_path(&path),
                    (!path.iter().all(stays), is_odd),
                    "{path:?}"
                );
            }
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
