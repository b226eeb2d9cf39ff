//! Signatures in the query: what they consist of, and those that a request has already.

use http::Uri;

use crate::error::AuthError;
use crate::query;

pub(super) const ALGORITHM: &str = "X-Amz-Algorithm";
pub(super) const CONTENT_SHA256: &str = "X-Amz-Content-Sha256";
pub(super) const CREDENTIAL: &str = "X-Amz-Credential";
pub(super) const DATE: &str = "X-Amz-Date";
pub(super) const EXPIRES: &str = "X-Amz-Expires";
pub(super) const REGION_SET: &str = "X-Amz-Region-Set";
pub(super) const SIGNED_HEADERS: &str = "X-Amz-SignedHeaders";
pub(super) const SIGNATURE: &str = "X-Amz-Signature";
pub(crate) const SECURITY_TOKEN: &str = "X-Amz-Security-Token";

/// The query parameters of a presigned URL.
const ALL: [&str; 9] = [
    ALGORITHM,
    CONTENT_SHA256,
    CREDENTIAL,
    DATE,
    EXPIRES,
    REGION_SET,
    SECURITY_TOKEN,
    SIGNATURE,
    SIGNED_HEADERS,
];

#[inline]
pub(crate) fn is_presigned(uri: &Uri) -> bool {
    query::pairs(uri).any(|pair| may_be_one(pair) && query::is_named_like(pair, SIGNATURE))
}

#[inline]
pub(crate) fn is_of_presignature(pair: &str) -> bool {
    may_be_one(pair) && ALL.iter().any(|name| query::is_named_like(pair, name))
}

/// Whether a pair begins like one of them. Hardly any other does, and names are not quickly compared.
#[inline]
fn may_be_one(pair: &str) -> bool {
    matches!(pair.as_bytes(), [b'x' | b'X' | b'%', ..])
}

/// Without a signature too they are leftovers: services refuse a request that seems to be signed in
/// two ways.
pub(crate) fn without_presignature(uri: &Uri) -> Result<Uri, AuthError> {
    query::replace(uri, &query::without(uri, is_of_presignature))
}

/// The URI with the first copy of each parameter of a presigned URL, if there are more.
pub(crate) fn with_one_presignature(uri: &Uri) -> Result<Option<Uri>, AuthError> {
    let mut seen = [false; ALL.len()];
    let mut repeated = false;
    let text = query::without(uri, |pair| {
        let known = ALL.iter().zip(&mut seen);
        let again = known
            .filter(|(name, _)| query::is_named_like(pair, name))
            .any(|(_, seen)| std::mem::replace(seen, true));
        repeated |= again;
        again
    });
    repeated.then(|| query::replace(uri, &text)).transpose()
}
