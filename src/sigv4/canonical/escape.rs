//! Percent-encoding as signatures have it: RFC 3986, section 2.1, with upper-case digits, and
//! everything but the unreserved characters of section 2.3 is encoded.

/// What a byte needs in a canonical request. A table, because every byte of a path and a query is
/// looked up.
const UNRESERVED: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = matches!(byte as u8, b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~');
        byte += 1;
    }
    table
};

#[inline]
pub(super) fn is_unreserved(byte: u8) -> bool {
    UNRESERVED[usize::from(byte)]
}

/// Writes `%` and two digits.
#[inline]
pub(super) fn write_escape(text: &mut Vec<u8>, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let (high, low) = (usize::from(byte >> 4), usize::from(byte & 15));
    text.extend_from_slice(&[b'%', DIGITS[high], DIGITS[low]]);
}

/// The byte that an escape at the start of `text` stands for, and what follows it. A `%` without two
/// digits stands for itself.
#[inline]
pub(super) fn unescape(text: &[u8]) -> Option<(u8, &[u8])> {
    let [b'%', high, low, rest @ ..] = text else {
        return None;
    };
    let digit = |byte: u8| char::from(byte).to_digit(16);
    Some(((digit(*high)? * 16 + digit(*low)?) as u8, rest))
}
