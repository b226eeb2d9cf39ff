//! What a request's URI and its `Host` header have to read like, so that what is sent is what is signed.

use http::uri::Authority;
use http::{HeaderValue, Uri, header, request};

use crate::error::{AuthError, AuthErrorKind};
use crate::origin::Target;

/// An unsigned body has nothing but TLS to protect it.
#[inline]
pub(super) fn check_encrypted(uri: &Uri) -> Result<(), AuthError> {
    match Target::of(uri)? {
        Some(target) if target.https || target.is_loopback() => Ok(()),
        _ => Err(AuthError::new(
            AuthErrorKind::PlainText,
            "an unsigned payload needs https: anybody on the way could change it",
        )),
    }
}

/// The URI without userinfo and without a port that is the scheme's own, if it has either. HTTP/2
/// sends the authority as it is, and the signed host has neither.
#[inline]
pub(super) fn with_plain_authority(uri: &Uri) -> Result<Option<Uri>, AuthError> {
    let (Some(authority), Some(target)) = (uri.authority(), Target::of(uri)?) else {
        return Ok(None);
    };
    let explicit_default = authority.as_str().len() > target.host.len() && target.default_port();
    // `:08443` is parsed as the number that is signed.
    let odd_port = authority
        .port()
        .is_some_and(|port| port.as_str().starts_with(['0', '+']));
    if !explicit_default && !odd_port && !authority.as_str().contains('@') {
        return Ok(None);
    }
    let text = if target.default_port() {
        target.host.to_owned()
    } else {
        format!("{}:{}", target.host, target.port)
    };
    let malformed = || {
        AuthError::new(
            AuthErrorKind::Request,
            "the request's URI has no usable host",
        )
    };
    let mut parts = uri.clone().into_parts();
    parts.authority = Some(Authority::try_from(text).map_err(|_| malformed())?);
    Uri::from_parts(parts).map(Some).map_err(|_| malformed())
}

/// A `Host` header that means the URI's authority is made to read like it, because it is sent, and
/// checked, as it stands.
#[inline]
pub(super) fn align_host_header(head: &mut request::Parts) {
    let Some(host) = head.headers.get_mut(header::HOST) else {
        return;
    };
    let plain = head.uri.authority().map(Authority::as_str);
    if plain.is_some_and(|plain| plain.as_bytes() != host.as_bytes())
        && let Some(Ok(value)) = plain.map(HeaderValue::from_str)
    {
        *host = value;
    }
}
