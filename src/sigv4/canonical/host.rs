//! The host that is signed.

use std::borrow::Cow;

use http::Uri;

use super::headers::Found;
use crate::error::{AuthError, AuthErrorKind};
use crate::words::has;

/// The host as it will be sent: the `Host` header if there is one, else the URI's without userinfo
/// and without the scheme's own port.
pub(in super::super) fn signed_host<'a>(
    found: &Found<'a>,
    uri: &'a Uri,
) -> Result<Cow<'a, [u8]>, AuthError> {
    match (found.hosts, found.host) {
        (0, _) => uri_host(uri).ok_or_else(|| {
            AuthError::new(
                AuthErrorKind::Request,
                "the request does not say which host it goes to: use an absolute URI",
            )
        }),
        (1, Some(host)) if !host.trim_ascii().is_empty() => Ok(Cow::Borrowed(host.trim_ascii())),
        _ => Err(AuthError::new(
            AuthErrorKind::Request,
            "the request's `Host` header is empty or not the only one",
        )),
    }
}

fn uri_host(uri: &Uri) -> Option<Cow<'_, [u8]>> {
    let authority = uri.authority()?;
    let text = authority.as_str().as_bytes();
    // Most have neither userinfo nor a port, and taking them apart is not cheap.
    let (host, port) = match has(text, *b"@:[") {
        true => (authority.host(), authority.port_u16()),
        false => (authority.as_str(), None),
    };
    if host.is_empty() {
        return None;
    }
    let standard = match uri.scheme_str() {
        Some("https" | "wss") => Some(443),
        Some("http" | "ws") => Some(80),
        _ => None,
    };
    match port {
        Some(port) if Some(port) != standard => {
            Some(Cow::Owned(format!("{host}:{port}").into_bytes()))
        }
        _ => Some(Cow::Borrowed(host.as_bytes())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signed_host_has_a_port_that_is_not_the_schemes() {
        let host = |uri: &str| {
            let uri = uri.parse().expect("a URI");
            let host = signed_host(&Found::default(), &uri).expect("a host");
            String::from_utf8(host.into_owned()).expect("ASCII")
        };
        let neptune = "db.cluster-1.eu-west-1.neptune.amazonaws.com";
        let with_port = format!("{neptune}:8182");
        assert_eq!(host(&format!("https://{with_port}/status")), with_port);
        assert_eq!(host(&format!("https://{neptune}:443/status")), neptune);
    }
}
