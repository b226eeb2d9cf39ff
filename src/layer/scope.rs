//! Which origins a credential may go to.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::sync::Arc;

use http::Uri;
use http::uri::{Authority, Scheme};

use crate::error::{AuthError, AuthErrorKind};

/// The origins a credential may be sent to.
///
/// An origin is scheme, host and port, compared as [RFC 6454, section 4] does: hosts without regard
/// to case, a missing port as the scheme's default. A request to anywhere else is sent *without* the
/// credential, so a redirect, a proxy target or a URL from user input cannot carry it off.
///
/// ```
/// use tower_client_auth::Scope;
///
/// let one = Scope::origin("https://api.example.com")?;
/// let several = Scope::origins(["https://api.example.com", "https://eu.example.com:8443"])?;
/// # Ok::<(), tower_client_auth::AuthError>(())
/// ```
///
/// Layers take anything that converts into a scope, so most programs never name the type:
///
/// ```
/// use tower_client_auth::ApiKeyLayer;
///
/// let layer = ApiKeyLayer::new("https://api.example.com", "da2-fakeApiId123456")?;
/// # Ok::<(), tower_client_auth::AuthError>(())
/// ```
///
/// # Plain http
///
/// A credential never crosses a network in plain text: an `http` origin is refused when a layer is
/// built, and an `http` request to a host in scope is an error ([`AuthErrorKind::PlainText`]).
/// Loopback (`localhost`, `*.localhost`, `127.0.0.0/8`, `[::1]`) is excepted;
/// [`Scope::allow_plain_http`] opens the rest.
///
/// [RFC 6454, section 4]: https://www.rfc-editor.org/rfc/rfc6454#section-4
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    rules: Arc<[Rule]>,
}

/// Each has a permission of its own, so that joining two scopes adds nothing to either.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    hosts: Hosts,
    plain_http: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Hosts {
    Origin(Origin),
    /// Every host at or below one of [`AWS_SUFFIXES`], and loopback.
    Aws,
    /// Every host at all.
    Any,
}

/// Where AWS serves its APIs: the standard, China and European Sovereign Cloud partitions, their
/// dual-stack domains, and Lambda URLs. After the `partitions.json` that AWS's SDKs ship.
const AWS_SUFFIXES: [&str; 7] = [
    "amazonaws.com",
    "amazonaws.com.cn",
    "amazonaws.eu",
    "api.aws",
    "api.amazonwebservices.com.cn",
    "api.amazonwebservices.eu",
    "on.aws",
];

impl Scope {
    /// One origin: `https://host` or `https://host:port`.
    ///
    /// # Errors
    ///
    /// [`AuthErrorKind::Configuration`] for anything that is not an origin. A path is refused
    /// rather than ignored: a scope cannot keep a credential to part of a host.
    pub fn origin(origin: impl AsRef<str>) -> Result<Self, AuthError> {
        Self::origins([origin])
    }

    /// Several origins.
    ///
    /// # Errors
    ///
    /// As [`Scope::origin`]; also if there are none at all.
    pub fn origins<O: AsRef<str>>(origins: impl IntoIterator<Item = O>) -> Result<Self, AuthError> {
        let hosts = origins
            .into_iter()
            .map(|origin| Ok(Hosts::Origin(Origin::parse(origin.as_ref())?)))
            .collect::<Result<Vec<_>, AuthError>>()?;
        if hosts.is_empty() {
            return Err(AuthError::new(
                AuthErrorKind::Configuration,
                "a scope without an origin would never send the credential: name at least one",
            ));
        }
        Ok(Self::of(hosts))
    }

    /// Any host, as long as it is https (or loopback).
    ///
    /// For programs that send one credential to hosts they cannot list. It gives up what a scope is
    /// for: whoever can make the program call a URL, with a redirect for instance, gets the
    /// credential.
    pub fn any_https() -> Self {
        Self::of(vec![Hosts::Any])
    }

    /// AWS's own domains, and loopback: the default of
    /// [`SigV4Layer`](crate::SigV4Layer).
    ///
    /// `amazonaws.com`, `amazonaws.com.cn`, `amazonaws.eu`, their dual-stack domains (`api.aws`,
    /// `api.amazonwebservices.com.cn`, `api.amazonwebservices.eu`), `on.aws`, and everything below
    /// them; not the isolated partitions. An API with a domain of its own must be named with
    /// [`Scope::origin`].
    ///
    /// Anybody can have a host below these. A signature is of no use to them, and neither is the
    /// session token without its secret, but naming your own origins is tighter.
    pub fn aws() -> Self {
        Self::of(vec![Hosts::Aws])
    }

    /// Everything in this scope and everything in `other`. Plain http stays allowed for what it was
    /// allowed for, and for nothing else.
    #[must_use]
    pub fn union(self, other: Scope) -> Self {
        Self {
            rules: self
                .rules
                .iter()
                .chain(other.rules.iter())
                .cloned()
                .collect(),
        }
    }

    /// Lets the credential cross a network in plain text: anybody on the way can read and use it.
    ///
    /// For networks that encrypt by themselves, such as a service mesh. Origins that were named as
    /// `https` still are; [`Scope::any_https`] and [`Scope::aws`] take `http` as well.
    #[must_use]
    pub fn allow_plain_http(mut self) -> Self {
        for rule in Arc::make_mut(&mut self.rules) {
            rule.plain_http = true;
        }
        self
    }

    fn of(hosts: Vec<Hosts>) -> Self {
        let rule = |hosts| Rule {
            hosts,
            plain_http: false,
        };
        Self {
            rules: hosts.into_iter().map(rule).collect(),
        }
    }

    /// Refuses a scope that names plain http without having been told to.
    pub(crate) fn check(&self) -> Result<(), AuthError> {
        let plain = self.rules.iter().find_map(|rule| match &rule.hosts {
            Hosts::Origin(origin)
                if !rule.plain_http && !origin.https && !origin.host.is_loopback() =>
            {
                Some(origin)
            }
            _ => None,
        });
        match plain {
            Some(origin) => Err(AuthError::new(
                AuthErrorKind::PlainText,
                format!(
                    "the origin `http://{}` would carry the credential in plain text: use https, \
                     or `Scope::allow_plain_http` if the network is encrypted by other means",
                    origin.host.text(),
                ),
            )),
            None => Ok(()),
        }
    }

    /// Whether a credential may go where this URI goes: what an [`Authorizer`](crate::Authorizer) of
    /// one's own asks before it covers a request.
    ///
    /// ```
    /// use http::Uri;
    /// use tower_client_auth::Scope;
    ///
    /// let scope = Scope::origin("https://api.example.com")?;
    /// assert!(scope.covers(&Uri::from_static("https://api.example.com/orders"))?);
    /// assert!(!scope.covers(&Uri::from_static("https://evil.example/"))?);
    /// assert!(scope.covers(&Uri::from_static("http://api.example.com/")).is_err());
    /// # Ok::<(), tower_client_auth::AuthError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`AuthErrorKind::PlainText`] if the host is in scope and the way there is not encrypted;
    /// [`AuthErrorKind::Request`] if the URI does not say where it goes.
    pub fn covers(&self, uri: &Uri) -> Result<bool, AuthError> {
        let Some(target) = Target::of(uri)? else {
            return Err(super::guard::no_origin());
        };
        match self.judge(&target) {
            Reach::Within => Ok(true),
            Reach::Outside => Ok(false),
            Reach::PlainText => Err(super::guard::plain_text()),
        }
    }

    /// Whether the URI spells one of the origins as it was given, which is what nearly every request
    /// does: then there is nothing to take apart.
    #[inline]
    pub(crate) fn spells(&self, uri: &Uri) -> bool {
        let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else {
            return false;
        };
        self.rules.iter().any(|rule| match &rule.hosts {
            Hosts::Origin(origin) => {
                *authority.as_str() == *origin.text
                    && *scheme == origin.scheme()
                    && (origin.https || origin.host.is_loopback() || rule.plain_http)
            }
            Hosts::Aws | Hosts::Any => false,
        })
    }

    /// Whether a credential may go to `target`.
    pub(crate) fn judge(&self, target: &Target<'_>) -> Reach {
        let mut downgrade = false;
        for rule in self.rules.iter() {
            let (host, exact) = match &rule.hosts {
                Hosts::Origin(origin) => (
                    origin.host.matches(target.host),
                    origin.https == target.https && origin.port == target.port,
                ),
                Hosts::Aws => (is_aws(target.host) || target.is_loopback(), true),
                Hosts::Any => (true, true),
            };
            if !host {
                continue;
            }
            let plain_refused = !target.https && !rule.plain_http && !target.is_loopback();
            if exact && !plain_refused {
                return Reach::Within;
            }
            downgrade |= plain_refused;
        }
        if downgrade {
            Reach::PlainText
        } else {
            Reach::Outside
        }
    }
}

impl FromStr for Scope {
    type Err = AuthError;

    fn from_str(origin: &str) -> Result<Self, AuthError> {
        Self::origin(origin)
    }
}

impl TryFrom<&str> for Scope {
    type Error = AuthError;

    fn try_from(origin: &str) -> Result<Self, AuthError> {
        Self::origin(origin)
    }
}

impl TryFrom<String> for Scope {
    type Error = AuthError;

    fn try_from(origin: String) -> Result<Self, AuthError> {
        Self::origin(origin)
    }
}

impl TryFrom<&String> for Scope {
    type Error = AuthError;

    fn try_from(origin: &String) -> Result<Self, AuthError> {
        Self::origin(origin)
    }
}

impl<O: AsRef<str>> TryFrom<&[O]> for Scope {
    type Error = AuthError;

    fn try_from(origins: &[O]) -> Result<Self, AuthError> {
        Self::origins(origins)
    }
}

impl<O: AsRef<str>> TryFrom<Vec<O>> for Scope {
    type Error = AuthError;

    fn try_from(origins: Vec<O>) -> Result<Self, AuthError> {
        Self::origins(origins)
    }
}

impl<O: AsRef<str>, const N: usize> TryFrom<[O; N]> for Scope {
    type Error = AuthError;

    fn try_from(origins: [O; N]) -> Result<Self, AuthError> {
        Self::origins(origins)
    }
}

/// What a scope says about a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    Within,
    Outside,
    /// The host is in scope, and the way to it is not encrypted.
    PlainText,
}

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

/// The effective port. `http` lets through ports that are no numbers, such as `99999`; a port that
/// cannot be told cannot be compared.
pub(crate) fn port_of(authority: &Authority, https: bool) -> Result<u16, AuthError> {
    let text = authority.as_str();
    let host_end = text.rfind('@').map_or(0, |at| at + 1) + authority.host().len();
    match (text.get(host_end..), authority.port_u16()) {
        // A bare colon means the default port, RFC 3986, section 3.2.3.
        (Some("" | ":"), None) => Ok(default_port(https)),
        // Nothing but a port follows the host: the parser passes over text after an IPv6 literal.
        (Some(rest), Some(port)) if rest.starts_with(':') => Ok(port),
        _ => Err(AuthError::new(
            AuthErrorKind::Request,
            "the request's URI has a port that is not a number from 0 to 65535",
        )),
    }
}

fn default_port(https: bool) -> u16 {
    if https { 443 } else { 80 }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Origin {
    https: bool,
    host: Host,
    port: u16,
    /// The authority as it was given.
    text: Box<str>,
}

impl Origin {
    fn parse(text: &str) -> Result<Self, AuthError> {
        let uri = parse_origin(text)?;
        let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else {
            return Err(not_an_origin());
        };
        let target = Target::new(scheme, authority)?;
        Ok(Self {
            https: target.https,
            host: Host::new(target.host),
            port: target.port,
            text: authority.as_str().into(),
        })
    }

    fn scheme(&self) -> Scheme {
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

/// A host, in a form that compares.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
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
    fn matches(&self, host: &str) -> bool {
        match self {
            Self::Name(name) => name.eq_ignore_ascii_case(host),
            Self::V6(address) => parse_v6(host) == Some(*address),
        }
    }

    fn is_loopback(&self) -> bool {
        match self {
            Self::Name(name) => is_loopback(name),
            Self::V6(address) => address.is_loopback(),
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Name(name) => name.to_string(),
            Self::V6(address) => format!("[{address}]"),
        }
    }
}

fn parse_v6(host: &str) -> Option<Ipv6Addr> {
    host.strip_prefix('[')?.strip_suffix(']')?.parse().ok()
}

fn is_aws(host: &str) -> bool {
    AWS_SUFFIXES
        .iter()
        .any(|suffix| ends_with_label(host, suffix))
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
fn ends_with_label(host: &str, suffix: &str) -> bool {
    let (host, suffix) = (host.as_bytes(), suffix.as_bytes());
    match host.len().checked_sub(suffix.len()) {
        None => false,
        Some(at) => {
            host[at..].eq_ignore_ascii_case(suffix) && (at == 0 || (at > 1 && host[at - 1] == b'.'))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(scope: &Scope, uri: &str) -> Reach {
        let uri: Uri = uri.parse().expect(uri);
        let target = Target::of(&uri).expect("a target").expect("absolute");
        scope.judge(&target)
    }

    #[test]
    fn origins_compare_scheme_host_and_effective_port() {
        let scope = Scope::origin("https://api.example.com").expect("an origin");
        for inside in [
            "https://api.example.com/x",
            "https://API.example.COM/",
            "https://api.example.com:443/",
            "https://api.example.com:/",
            "https://user:pass@api.example.com/",
        ] {
            assert_eq!(reach(&scope, inside), Reach::Within, "{inside}");
        }
        for outside in [
            "https://api.example.com:8443/",
            "https://example.com/",
            "https://x.api.example.com/",
            "https://api.example.com./",
            "https://api.example.com.evil.example/",
            "https://api.example.com@evil.example/",
            "http://evil.example/",
        ] {
            assert_eq!(reach(&scope, outside), Reach::Outside, "{outside}");
        }
        assert_eq!(reach(&scope, "http://api.example.com/"), Reach::PlainText);
        assert_eq!(
            reach(&scope, "http://api.example.com:443/"),
            Reach::PlainText
        );
    }

    #[test]
    fn addresses_compare_as_addresses() {
        let scope = Scope::origin("https://[2001:db8::1]:8443").expect("an origin");
        assert_eq!(
            reach(&scope, "https://[2001:DB8:0:0:0:0:0:1]:8443/"),
            Reach::Within
        );
        assert_eq!(reach(&scope, "https://[2001:db8::2]:8443/"), Reach::Outside);
    }

    #[test]
    fn text_after_an_address_is_no_port() {
        for odd in [
            "https://[::1]evil.example:443/",
            "https://[::1]evil.example/",
        ] {
            // The parser may come to refuse these.
            if let Ok(uri) = odd.parse::<Uri>() {
                assert!(Target::of(&uri).is_err(), "{odd}");
            }
        }
    }

    #[test]
    fn aws_means_its_own_domains() {
        let scope = Scope::aws();
        for inside in [
            "https://abc.execute-api.eu-west-1.amazonaws.com/",
            "https://s3.cn-north-1.amazonaws.com.cn/",
            "https://x.lambda-url.eu-west-1.on.aws/",
            "http://127.0.0.1:4566/",
            "http://[::1]:4566/",
            "http://s3.localhost:4566/",
        ] {
            assert_eq!(reach(&scope, inside), Reach::Within, "{inside}");
        }
        for outside in [
            "https://evilamazonaws.com/",
            "https://amazonaws.com.evil.example/",
            "https://.amazonaws.com/",
            "https://amazonaws.com.eu/",
            "https://127.0.0.1.evil.example/",
            "http://notlocalhost/",
            "http://0x7f.1/",
        ] {
            assert_eq!(reach(&scope, outside), Reach::Outside, "{outside}");
        }
        assert_eq!(
            reach(&scope, "http://abc.execute-api.eu-west-1.amazonaws.com/"),
            Reach::PlainText
        );
        assert_eq!(
            reach(
                &scope.allow_plain_http(),
                "http://abc.execute-api.eu-west-1.amazonaws.com/"
            ),
            Reach::Within
        );
    }

    #[test]
    fn what_is_no_origin_is_refused() {
        for bad in [
            "",
            "api.example.com",
            "https://",
            "https://user@api.example.com",
            "https://api.example.com/v1",
            "https://api.example.com?x",
            "https://api.example.com:99999",
            "ftp://api.example.com",
            "*",
            "/",
        ] {
            let error = Scope::origin(bad).expect_err(bad);
            assert_eq!(error.kind(), AuthErrorKind::Configuration, "{bad}");
        }
        assert!(Scope::origins::<&str>([]).is_err());
    }

    #[test]
    fn plain_http_must_be_asked_for() {
        let plain = Scope::origin("http://intranet:8080").expect("an origin");
        let error = plain.check().expect_err("plain text");
        assert_eq!(error.kind(), AuthErrorKind::PlainText);
        assert!(plain.clone().allow_plain_http().check().is_ok());
        assert_eq!(
            reach(&plain.allow_plain_http(), "http://intranet:8080/"),
            Reach::Within
        );
        assert!(
            Scope::origin("http://localhost")
                .expect("o")
                .check()
                .is_ok()
        );
    }
}
