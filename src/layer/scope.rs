//! Which origins a credential may go to.

use std::str::FromStr;
use std::sync::Arc;

use http::Uri;
use http::uri::{Authority, Scheme};

use crate::error::{AuthError, AuthErrorKind};
use crate::origin::{Origin, Target, ends_with_label, is_plain};

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
            return Err(crate::origin::no_origin());
        };
        match self.judge(&target) {
            Reach::Within => Ok(true),
            Reach::Outside => Ok(false),
            Reach::PlainText => Err(super::guard::plain_text()),
        }
    }

    /// Whether the URI spells one of the origins as it was given, or is as plain as can be where all hosts of
    /// a kind will do. Nearly every request's is: then there is nothing to take apart.
    #[inline]
    pub(crate) fn spells(&self, uri: &Uri) -> bool {
        self.has_spelled(uri, false)
    }

    /// Whether it does so by a name and nothing else: no userinfo, no port, and no brackets.
    #[cfg(feature = "sigv4")]
    #[inline]
    pub(crate) fn spells_plainly(&self, uri: &Uri) -> bool {
        self.has_spelled(uri, true)
    }

    #[inline(always)]
    fn has_spelled(&self, uri: &Uri, plainly: bool) -> bool {
        let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else {
            return false;
        };
        self.rules.iter().any(|rule| match &rule.hosts {
            Hosts::Origin(origin) => {
                (!plainly || origin.is_plain)
                    && *authority.as_str() == *origin.text
                    && *scheme == origin.scheme()
                    && (origin.https || origin.host.is_loopback() || rule.plain_http)
            }
            hosts @ (Hosts::Aws | Hosts::Any) => hosts.have(scheme, authority),
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

impl Hosts {
    /// Whether a URI that is as plain as can be goes to one of them. A no may be wrong.
    #[inline(never)]
    fn have(&self, scheme: &Scheme, authority: &Authority) -> bool {
        let is_one = match self {
            Self::Aws => is_aws(authority.as_str()),
            Self::Any => true,
            Self::Origin(_) => false,
        };
        is_one && *scheme == Scheme::HTTPS && is_plain(authority)
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

fn is_aws(host: &str) -> bool {
    AWS_SUFFIXES
        .iter()
        .any(|suffix| ends_with_label(host, suffix))
}

#[cfg(test)]
mod tests;
