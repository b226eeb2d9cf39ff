//! Query strings as they stand in a URI: nothing is decoded and encoded again on the way.

use std::fmt::Write as _;

use http::Uri;
use http::uri::PathAndQuery;

use crate::error::{AuthError, AuthErrorKind};

/// The pairs of a query, verbatim and in order.
pub(crate) fn pairs(uri: &Uri) -> impl Iterator<Item = &str> {
    uri.query().into_iter().flat_map(|query| query.split('&'))
}

/// Whether a pair has this name, however it is percent-encoded.
pub(crate) fn is_named(pair: &str, name: &str) -> bool {
    let encoded = pair.split_once('=').map_or(pair, |(key, _)| key);
    decode(encoded).eq(name.bytes())
}

/// Whether a pair has this name, however it is percent-encoded and in whatever case.
#[cfg(feature = "sigv4")]
pub(crate) fn is_named_like(pair: &str, name: &str) -> bool {
    let encoded = pair.split_once('=').map_or(pair, |(key, _)| key);
    let lower = |byte: u8| byte.to_ascii_lowercase();
    decode(encoded).map(lower).eq(name.bytes().map(lower))
}

/// The decoded value of the first pair with this name, in whatever case, if it is text.
#[cfg(feature = "sigv4")]
pub(crate) fn value(uri: &Uri, name: &str) -> Option<String> {
    let pair = pairs(uri).find(|pair| is_named_like(pair, name))?;
    let (_, value) = pair.split_once('=')?;
    String::from_utf8(decode(value).collect()).ok()
}

/// Path and query without the pairs that `remove` picks; the rest stays as it is, byte for byte.
pub(crate) fn without(uri: &Uri, mut remove: impl FnMut(&str) -> bool) -> String {
    let mut text = uri.path().to_owned();
    let mut separator = '?';
    for pair in pairs(uri) {
        if !remove(pair) {
            text.push(separator);
            text.push_str(pair);
            separator = '&';
        }
    }
    text
}

/// Path and query with one more pair at the end.
pub(crate) fn append(mut path_and_query: String, pair: &str) -> String {
    let separator = match path_and_query.find('?') {
        None => "?",
        Some(at) if at + 1 == path_and_query.len() => "",
        Some(_) => "&",
    };
    // Whole at once: growing the string would leave a copy of the key behind.
    path_and_query.reserve_exact(separator.len() + pair.len());
    path_and_query.push_str(separator);
    path_and_query.push_str(pair);
    path_and_query
}

/// The URI with another path and query.
///
/// # Errors
///
/// [`AuthErrorKind::Request`] if that makes it longer than a URI can be.
pub(crate) fn replace(uri: &Uri, path_and_query: &str) -> Result<Uri, AuthError> {
    let too_long = || {
        // No source: the text may hold a key.
        AuthError::new(
            AuthErrorKind::Request,
            "the request's URI is too long for what the layer adds to it",
        )
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(path_and_query).map_err(|_| too_long())?);
    Uri::from_parts(parts).map_err(|_| too_long())
}

/// Percent-encodes everything but the unreserved characters of RFC 3986, section 2.3.
pub(crate) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len() * 3);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// The bytes behind percent-encoding, with `+` for a space as forms write it; a stray `%` stands for
/// itself.
fn decode(text: &str) -> impl Iterator<Item = u8> {
    let mut rest = text.as_bytes();
    std::iter::from_fn(move || {
        let (&first, tail) = rest.split_first()?;
        if first == b'%'
            && let [high, low, tail @ ..] = tail
            && let (Some(high), Some(low)) = (
                char::from(*high).to_digit(16),
                char::from(*low).to_digit(16),
            )
        {
            rest = tail;
            return Some((high * 16 + low) as u8);
        }
        rest = tail;
        Some(if first == b'+' { b' ' } else { first })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_compare_decoded() {
        assert!(is_named("api_key=1", "api_key"));
        assert!(is_named("api%5Fkey", "api_key"));
        assert!(is_named("api+key=1", "api key"));
        assert!(!is_named("api_key2=1", "api_key"));
        assert!(!is_named("x=api_key", "api_key"));
        assert!(is_named("a%2", "a%2"));
    }

    #[test]
    fn what_is_kept_is_kept_verbatim() {
        let uri: Uri = "https://h/p%2F?a=%ff&key=1&b&&c=+".parse().expect("a URI");
        let text = without(&uri, |pair| is_named(pair, "key"));
        assert_eq!(text, "/p%2F?a=%ff&b&&c=+");
        assert_eq!(append(text, "key=2"), "/p%2F?a=%ff&b&&c=+&key=2");
        assert_eq!(append("/p".to_owned(), "k=v"), "/p?k=v");
    }
}
