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
mod sort_key;

use std::ops::Range;

use http::{Method, Uri};

pub(super) use self::headers::SignedHeaders;
pub(super) use self::host::signed_host;
pub(super) use self::path::normalize as normalized;
use super::options::SigningOptions;
use super::scratch::Text;

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
#[inline(always)]
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
