//! The canonical request, written into one buffer.
//!
//! After [Create a signed AWS API request][aws], steps 1 and 2.
//!
//! [aws]: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html

mod escape;
mod headers;
mod host;
mod path;
mod query;
mod words;

use std::ops::Range;

use http::{Method, Uri};

pub(super) use self::headers::SignedHeaders;
pub(super) use self::host::signed_host;
use super::options::SigningOptions;
use super::scratch::{SHORT, Text};

/// How much room [`write`] takes at most, and the list of signed headers once more.
pub(super) fn room(method: &Method, uri: &Uri, headers: &SignedHeaders<'_>) -> usize {
    let newlines_and_hash = 5 + 64;
    method.as_str().len()
        + path::room(uri.path())
        + query::room(uri.query().unwrap_or_default())
        + headers.room()
        + newlines_and_hash
}

/// Writes a canonical request; `headers` are sorted. Returns where the list of them stands.
pub(super) fn write(
    text: &mut Text<'_>,
    method: &Method,
    uri: &Uri,
    headers: &SignedHeaders<'_>,
    payload: &[u8],
    options: &SigningOptions,
) -> Range<usize> {
    text.extend(method.as_str().as_bytes());
    text.push(b'\n');
    path::write_path(text, uri.path(), options);
    text.push(b'\n');
    query::write_query(text, uri.query().unwrap_or_default());
    text.push(b'\n');
    let list = headers.write(text);
    text.push(b'\n');
    text.extend(payload);
    list
}

/// How many bytes of a text are its key.
const KEY: usize = SHORT;

/// The first [`KEY`] bytes of a text as a number that sorts as they do; zeros stand in for what a shorter
/// one lacks. No name holds a zero byte, so equal keys mean equal texts or long ones.
#[inline]
fn sort_key(text: &[u8]) -> u128 {
    if let Some(head) = text.first_chunk() {
        return u128::from_be_bytes(*head);
    }
    // Two words that overlap hold all of it: where they do, they agree.
    let missing = 8 * (KEY - text.len()) as u32;
    let whole = if let (Some(head), Some(tail)) = (text.first_chunk(), text.last_chunk()) {
        let shift = 64 - missing;
        u128::from(u64::from_be_bytes(*head)) << shift | u128::from(u64::from_be_bytes(*tail))
    } else if let (Some(head), Some(tail)) = (text.first_chunk(), text.last_chunk()) {
        let shift = 96 - missing;
        u128::from(u32::from_be_bytes(*head)) << shift | u128::from(u32::from_be_bytes(*tail))
    } else {
        text.iter()
            .fold(0, |key, byte| key << 8 | u128::from(*byte))
    };
    whole.checked_shl(missing).unwrap_or_default()
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
            assert_eq!(sort_key(&text[..length]), u128::from_be_bytes(padded));
        }
    }
}
