//! Signatures in the query: those that a request has already.

use http::Uri;

use crate::error::AuthError;
use crate::query;

/// The query parameters of a presigned URL.
const PRESIGNED: [&str; 7] = [
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-SignedHeaders",
    SIGNATURE,
    SECURITY_TOKEN,
];
const SIGNATURE: &str = "X-Amz-Signature";
pub(super) const SECURITY_TOKEN: &str = "X-Amz-Security-Token";

#[inline]
pub(super) fn is_presigned(uri: &Uri) -> bool {
    query::pairs(uri).any(|pair| query::is_named_like(pair, SIGNATURE))
}

#[inline]
pub(super) fn is_of_presignature(pair: &str) -> bool {
    PRESIGNED
        .iter()
        .any(|name| query::is_named_like(pair, name))
}

/// Without a signature too they are leftovers: services refuse a request that seems to be signed in
/// two ways.
pub(super) fn without_presignature(uri: &Uri) -> Result<Uri, AuthError> {
    query::replace(uri, &query::without(uri, is_of_presignature))
}

/// The URI with the first copy of each parameter of a presigned URL, if there are more.
pub(super) fn with_one_presignature(uri: &Uri) -> Result<Option<Uri>, AuthError> {
    let mut seen = [false; PRESIGNED.len()];
    let mut repeated = false;
    let text = query::without(uri, |pair| {
        let known = PRESIGNED.iter().zip(&mut seen);
        let again = known
            .filter(|(name, _)| query::is_named_like(pair, name))
            .any(|(_, seen)| std::mem::replace(seen, true));
        repeated |= again;
        again
    });
    repeated.then(|| query::replace(uri, &text)).transpose()
}
