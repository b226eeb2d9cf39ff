//! The host that is signed.

use std::borrow::Cow;

use http::Uri;
use http::uri::{Authority, Port};

use crate::error::{AuthError, AuthErrorKind};
use crate::words::has;

/// The host as it will be sent: the `Host` header if there is one, else the URI's without userinfo
/// and without the scheme's own port. `hosts` is how many of these headers there are, and the first.
pub(in super::super) fn signed_host<'a>(
    hosts: (usize, Option<&'a [u8]>),
    uri: &'a Uri,
) -> Result<Cow<'a, [u8]>, AuthError> {
    match hosts {
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
    let text = authority.as_str();
    // Most have neither userinfo nor a port, and taking them apart is not cheap.
    if !has(text.as_bytes(), *b"@:[") {
        return (!text.is_empty()).then_some(Cow::Borrowed(text.as_bytes()));
    }
    let host = authority.host();
    if host.is_empty() {
        return None;
    }
    let standard = match uri.scheme_str() {
        Some("https" | "wss") => Some(443),
        Some("http" | "ws") => Some(80),
        _ => None,
    };
    match authority.port_u16() {
        Some(port) if Some(port) != standard => Some(with_port(authority, host, port)),
        _ => Some(Cow::Borrowed(host.as_bytes())),
    }
}

/// Host and port as they stand in the authority, if they do: `:08443` does not.
fn with_port<'a>(authority: &'a Authority, host: &str, port: u16) -> Cow<'a, [u8]> {
    let text = authority.as_str();
    let sent = text.rsplit_once('@').map_or(text, |(_, sent)| sent);
    let written = authority.port();
    let written = written.as_ref().map_or("", Port::as_str);
    let is_plain = !written.starts_with(['0', '+']);
    if is_plain && sent.len() == host.len() + 1 + written.len() {
        return Cow::Borrowed(sent.as_bytes());
    }
    Cow::Owned(format!("{host}:{port}").into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signed_host_has_a_port_that_is_not_the_schemes() {
        let host = |uri: &str| {
            let uri = uri.parse().expect("a URI");
            let host = signed_host((0, None), &uri).expect("a host");
            String::from_utf8(host.into_owned()).expect("ASCII")
        };
        let neptune = "db.cluster-1.eu-west-1.neptune.amazonaws.com";
        let with_port = format!("{neptune}:8182");
        assert_eq!(host(&format!("https://{with_port}/status")), with_port);
        assert_eq!(host(&format!("https://{neptune}:443/status")), neptune);
        assert_eq!(host(&format!("https://u:p@{with_port}/status")), with_port);
        assert_eq!(host(&format!("https://{neptune}:08182/status")), with_port);
        assert_eq!(host(&format!("https://{neptune}:+8182/status")), with_port);
        assert_eq!(host("https://[::1]:8182/status"), "[::1]:8182");
        assert_eq!(host("https://u@[::1]/status"), "[::1]");
    }
}
