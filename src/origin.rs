//! Origins: scheme, host and port, and when two of them are the same.

use std::net::{Ipv4Addr, Ipv6Addr};

use http::Uri;
use http::uri::{Authority, Port, Scheme};

use crate::error::{AuthError, AuthErrorKind};
use crate::words::has;

/// Where a request goes, taken from the very URI the transport will use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target<'a> {
    pub(crate) https: bool,
    pub(crate) host: &'a str,
    pub(crate) port: u16,
}

impl<'a> Target<'a> {
    /// `None` if the URI does not say, which is to say unless it is in absolute form.
    pub(crate) fn of(uri: &'a Uri) -> Result<Option<Self>, AuthError> {
        let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else {
            return Ok(None);
        };
        Self::new(scheme, authority).map(Some)
    }

    fn new(scheme: &Scheme, authority: &'a Authority) -> Result<Self, AuthError> {
        let https = if *scheme == Scheme::HTTPS {
            true
        } else if *scheme == Scheme::HTTP {
            false
        } else {
            return Err(AuthError::new(
                AuthErrorKind::Request,
                "the request's URI is neither http nor https",
            ));
        };
        // Most authorities are a host and nothing else, and taking one apart is not cheap.
        if is_plain(authority) {
            return Ok(Self {
                https,
                host: authority.as_str(),
                port: default_port(https),
            });
        }
        let host = authority.host();
        if host.is_empty() {
            return Err(AuthError::new(
                AuthErrorKind::Request,
                "the request's URI has an empty host",
            ));
        }
        Ok(Self {
            https,
            host,
            port: port_of(authority, https)?,
        })
    }

    pub(crate) fn is_loopback(&self) -> bool {
        is_loopback(self.host)
    }

    #[cfg(feature = "redirect")]
    pub(crate) fn is_same_origin(&self, other: &Target<'_>) -> bool {
        self.https == other.https
            && self.port == other.port
            && Host::new(self.host).matches(other.host)
    }

    #[cfg(feature = "sigv4")]
    pub(crate) fn default_port(&self) -> bool {
        self.port == default_port(self.https)
    }
}

/// Whether an authority is a name and nothing else: no userinfo, no port, and no brackets.
#[inline]
pub(crate) fn is_plain(authority: &Authority) -> bool {
    let text = authority.as_str().as_bytes();
    !text.is_empty() && !has(text, *b"@:[")
}

/// The effective port. `http` lets through ports that are no numbers, such as `99999`; a port that
/// cannot be told cannot be compared.
pub(crate) fn port_of(authority: &Authority, https: bool) -> Result<u16, AuthError> {
    let text = authority.as_str();
    let host_end = text.rfind('@').map_or(0, |at| at + 1) + authority.host().len();
    match (text.get(host_end..), authority.port_u16()) {
        // A bare colon means the default port, RFC 3986, section 3.2.3.
        (Some("" | ":"), None) => Ok(default_port(https)),
        // Nothing but the port follows the host: the parser passes over text after an IPv6 literal, and
        // over brackets elsewhere.
        (Some(rest), Some(port))
            if rest.strip_prefix(':') == authority.port().as_ref().map(Port::as_str) =>
        {
            Ok(port)
        }
        _ => Err(AuthError::new(
            AuthErrorKind::Request,
            "the request's URI has a port that is not a number from 0 to 65535",
        )),
    }
}

fn default_port(https: bool) -> u16 {
    if https { 443 } else { 80 }
}

/// A scheme, a host and a port, in a form that compares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) https: bool,
    pub(crate) host: Host,
    pub(crate) port: u16,
    /// The authority as it was given.
    pub(crate) text: Box<str>,
    /// Whether that is a name and nothing else.
    pub(crate) is_plain: bool,
}

impl Origin {
    pub(crate) fn parse(text: &str) -> Result<Self, AuthError> {
        let uri = parse_origin(text)?;
        let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else {
            return Err(not_an_origin());
        };
        Ok(Self::new(&Target::new(scheme, authority)?, authority))
    }

    /// Of an absolute URI, whatever follows the authority.
    #[cfg(feature = "amplify")]
    pub(crate) fn of(uri: &Uri) -> Result<Self, AuthError> {
        match (Target::of(uri)?, uri.authority()) {
            (Some(target), Some(authority)) => Ok(Self::new(&target, authority)),
            _ => Err(no_origin()),
        }
    }

    fn new(target: &Target<'_>, authority: &Authority) -> Self {
        Self {
            https: target.https,
            host: Host::new(target.host),
            port: target.port,
            text: authority.as_str().into(),
            is_plain: is_plain(authority),
        }
    }

    /// Whether it is where `target` goes, however that is spelled.
    #[cfg(feature = "amplify")]
    pub(crate) fn matches(&self, target: &Target<'_>) -> bool {
        self.https == target.https && self.port == target.port && self.host.matches(target.host)
    }

    /// Whether it is the same host, however it is reached.
    #[cfg(feature = "amplify")]
    pub(crate) fn matches_host(&self, target: &Target<'_>) -> bool {
        self.host.matches(target.host)
    }

    /// What sorts by spelling.
    #[cfg(feature = "amplify")]
    pub(crate) fn spelling(&self) -> (bool, &str) {
        (self.https, &self.text)
    }

    pub(crate) fn scheme(&self) -> Scheme {
        if self.https {
            Scheme::HTTPS
        } else {
            Scheme::HTTP
        }
    }
}

/// An origin as the `http` crate's type, with nothing in it that an origin does not have.
pub(crate) fn parse_origin(text: &str) -> Result<Uri, AuthError> {
    let uri: Uri = text.parse().map_err(|_| not_an_origin())?;
    let Some(authority) = uri.authority() else {
        return Err(not_an_origin());
    };
    if uri.scheme().is_none() || authority.as_str().contains('@') {
        return Err(not_an_origin());
    }
    if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
        return Err(AuthError::new(
            AuthErrorKind::Configuration,
            "a scope goes by origin, `https://host[:port]`, and cannot keep a credential to a path: \
             leave the path out",
        ));
    }
    // Another scheme, or a port that is none.
    Target::of(&uri).map_err(|_| not_an_origin())?;
    Ok(uri)
}

fn not_an_origin() -> AuthError {
    // The text is left out: people paste URLs with passwords in them.
    AuthError::new(
        AuthErrorKind::Configuration,
        "expected an origin, such as `https://api.example.com` or `https://localhost:8443`",
    )
}

pub(crate) fn no_origin() -> AuthError {
    AuthError::new(
        AuthErrorKind::Request,
        "the request's URI does not say where it goes: use an absolute one \
         (`https://host/path`), or give the layer a `default_origin`",
    )
}

/// A host, in a form that compares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Host {
    Name(Box<str>),
    V6(Ipv6Addr),
}

impl Host {
    fn new(text: &str) -> Self {
        match parse_v6(text) {
            Some(address) => Self::V6(address),
            None => Self::Name(text.into()),
        }
    }

    /// Anything but the same name differs: a trailing dot, another spelling of an IPv4 address. A
    /// miss costs a credential that is not sent, a false hit would cost the credential.
    pub(crate) fn matches(&self, host: &str) -> bool {
        match self {
            // Most requests spell it as it was given, and that is quicker to see.
            Self::Name(name) => **name == *host || name.eq_ignore_ascii_case(host),
            Self::V6(address) => parse_v6(host) == Some(*address),
        }
    }

    pub(crate) fn is_loopback(&self) -> bool {
        match self {
            Self::Name(name) => is_loopback(name),
            Self::V6(address) => address.is_loopback(),
        }
    }

    pub(crate) fn text(&self) -> String {
        match self {
            Self::Name(name) => name.to_string(),
            Self::V6(address) => format!("[{address}]"),
        }
    }
}

fn parse_v6(host: &str) -> Option<Ipv6Addr> {
    host.strip_prefix('[')?.strip_suffix(']')?.parse().ok()
}

/// Whether the host never leaves this machine: RFC 6761, section 6.3 for the names, RFC 1122,
/// section 3.2.1.3 for `127.0.0.0/8`.
fn is_loopback(host: &str) -> bool {
    if host.starts_with('[') {
        return parse_v6(host).is_some_and(|address| address.is_loopback());
    }
    if host.starts_with("127.") {
        return host
            .parse::<Ipv4Addr>()
            .is_ok_and(|address| address.is_loopback());
    }
    ends_with_label(host, "localhost")
}

/// Whether `host` is `suffix` or lies below it.
pub(crate) fn ends_with_label(host: &str, suffix: &str) -> bool {
    let (host, suffix) = (host.as_bytes(), suffix.as_bytes());
    match host.len().checked_sub(suffix.len()) {
        None => false,
        Some(at) => {
            host[at..].eq_ignore_ascii_case(suffix) && (at == 0 || (at > 1 && host[at - 1] == b'.'))
        }
    }
}
