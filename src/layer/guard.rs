//! The checks every scheme makes before it lets a credential near a request.

use http::uri::{Authority, Uri};
use http::{HeaderMap, HeaderName, header, request};

use super::overrides::AuthOverride;
use super::scope::{Reach, Scope};
use crate::clock::Clock;
use crate::error::{AuthError, AuthErrorKind};
use crate::origin::{Target, no_origin, parse_origin, port_of};

/// What to do with a credential the request already carries where the layer would put its own.
///
/// However often it is there, exactly one remains when the request is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Existing {
    /// The caller's wins and the layer adds nothing; of several copies the first is kept. The
    /// default, for clients: who sets a header means it.
    #[default]
    Keep,
    /// The layer's wins, every other copy is removed. For proxies: what a stranger sent must not
    /// reach the upstream. See `examples/axum_proxy.rs`.
    Replace,
    /// An error ([`AuthErrorKind::Request`]), and nothing is sent.
    Reject,
}

impl Existing {
    pub(crate) fn refuse(what: &str) -> AuthError {
        AuthError::new(
            AuthErrorKind::Request,
            format!("the request already carries {what}, and the layer was told to reject that"),
        )
    }
}

/// Whether a header is there. Most requests have so few that to compare their names is less work than
/// to hash this one.
#[inline]
pub(super) fn has_header(headers: &HeaderMap, name: &HeaderName) -> bool {
    const FEW: usize = 8;
    match headers.keys_len() {
        0..=FEW => headers.keys().any(|other| other == name),
        _ => headers.contains_key(name),
    }
}

/// Leaves one copy of a header if it is there: the first. The caller's credential is as secret as the
/// layer's, and callers forget to mark theirs.
pub(super) fn keep_first(head: &mut request::Parts, name: &HeaderName) {
    let Some(first) = head.headers.get_mut(name) else {
        return;
    };
    first.set_sensitive(true);
    let first = first.clone();
    if head.headers.get_all(name).iter().nth(1).is_some() {
        head.headers.remove(name);
        // There is room: it has just been made.
        let _ = head.headers.try_insert(name.clone(), first);
    }
}

/// Scope, host rules and policy of one layer.
#[derive(Clone, Debug)]
pub(crate) struct Guard {
    scope: Scope,
    default_origin: Option<Uri>,
    allow_host_header: bool,
    existing: Existing,
    out_of_scope: OutOfScope,
}

/// What to do with a request that goes to none of the layer's origins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OutOfScope {
    /// It is sent as it is, without the credential. The default: one client may call many hosts, and
    /// a redirect may lead to others.
    #[default]
    Forward,
    /// An error ([`AuthErrorKind::Request`]), and nothing is sent. For clients of one API, where such
    /// a request can only be a mistake.
    Reject,
}

/// A setting that every scheme of this crate takes. A value and no method, so that a scheme which is made
/// anew, of another configuration, can be given it again.
#[derive(Clone)]
pub(crate) enum Setting {
    AllowHostHeader,
    Existing(Existing),
    OutOfScope(OutOfScope),
    Clock(Clock),
    /// The date of servers on loopback corrects the clock, too.
    #[cfg(feature = "sigv4")]
    HeedLoopbackDate,
    /// No server's date corrects the clock.
    #[cfg(feature = "sigv4")]
    IgnoreDate,
}

/// What the guard decided.
pub(crate) enum Admission {
    /// No credential for this request.
    Leave(Resolved),
    /// The credential may be added.
    Cover(Resolved),
}

/// The URI in absolute form, if it was not before. It replaces the request's URI only once nothing
/// can fail any more.
#[must_use]
pub(crate) struct Resolved(Option<Uri>);

impl Resolved {
    /// The request's own URI is in absolute form.
    #[cfg(feature = "sigv4")]
    pub(crate) const UNCHANGED: Self = Self(None);

    #[inline]
    pub(crate) fn commit(self, head: &mut request::Parts) {
        if let Some(uri) = self.0 {
            head.uri = uri;
        }
    }

    #[cfg(feature = "sigv4")]
    pub(crate) fn uri<'a>(&'a self, head: &'a request::Parts) -> &'a Uri {
        self.0.as_ref().unwrap_or(&head.uri)
    }
}

impl Guard {
    pub(crate) fn new(scope: Scope) -> Result<Self, AuthError> {
        scope.check()?;
        Ok(Self {
            scope,
            default_origin: None,
            allow_host_header: false,
            existing: Existing::default(),
            out_of_scope: OutOfScope::default(),
        })
    }

    pub(crate) fn existing(&self) -> Existing {
        self.existing
    }

    #[cfg(feature = "sigv4")]
    pub(crate) fn allows_host_header(&self) -> bool {
        self.allow_host_header
    }

    /// Whether a request to another origin is an error.
    #[cfg(feature = "amplify")]
    pub(crate) fn rejects_strangers(&self) -> bool {
        self.out_of_scope == OutOfScope::Reject
    }

    /// Heeds what is a guard's of the settings.
    pub(crate) fn set(&mut self, setting: &Setting) {
        match setting {
            Setting::AllowHostHeader => self.allow_host_header = true,
            Setting::Existing(existing) => self.existing = *existing,
            Setting::OutOfScope(out_of_scope) => self.out_of_scope = *out_of_scope,
            Setting::Clock(_) => {}
            #[cfg(feature = "sigv4")]
            Setting::HeedLoopbackDate | Setting::IgnoreDate => {}
        }
    }

    pub(crate) fn set_scope(&mut self, scope: Scope) -> Result<(), AuthError> {
        scope.check()?;
        if let Some(origin) = &self.default_origin {
            within(&scope, origin)?;
        }
        self.scope = scope;
        Ok(())
    }

    pub(crate) fn set_default_origin(&mut self, origin: &str) -> Result<(), AuthError> {
        let origin = parse_origin(origin)?;
        within(&self.scope, &origin)?;
        self.default_origin = Some(origin);
        Ok(())
    }

    /// Whether the credential may be added without a closer look: a request that says nothing of its
    /// own authorization, to one of the scope's origins spelled as it was given. Nearly all are.
    #[inline]
    pub(crate) fn admits_at_once(&self, head: &request::Parts) -> bool {
        self.scope.spells(&head.uri) && self.leaves_origin_alone(head)
    }

    /// Whether that is so, and the URI's authority is a name and nothing else.
    #[cfg(feature = "sigv4")]
    #[inline]
    pub(crate) fn admits_plainly(&self, head: &request::Parts) -> bool {
        self.scope.spells_plainly(&head.uri) && self.leaves_origin_alone(head)
    }

    #[inline]
    fn leaves_origin_alone(&self, head: &request::Parts) -> bool {
        AuthOverride::of(head).is_none()
            && (self.allow_host_header || !has_header(&head.headers, &header::HOST))
    }

    /// Decides about one request. Leaves it as it is.
    pub(crate) fn admit(
        &self,
        head: &request::Parts,
        overrides: Option<&AuthOverride>,
    ) -> Result<Admission, AuthError> {
        if overrides.is_some_and(AuthOverride::is_skip) {
            let resolved = self.resolve(&head.uri).unwrap_or(Resolved(None));
            return Ok(Admission::Leave(resolved));
        }
        let resolved = self.resolve(&head.uri)?;
        let uri = resolved.0.as_ref().unwrap_or(&head.uri);
        let Some(target) = Target::of(uri)? else {
            return Err(no_origin());
        };
        match self.scope.judge(&target) {
            Reach::Within => {}
            Reach::Outside if self.out_of_scope == OutOfScope::Reject => {
                return Err(AuthError::new(
                    AuthErrorKind::Request,
                    format!(
                        "the request goes to `{}`, outside the layer's scope, and the layer was told \
                         to reject that",
                        target.host
                    ),
                ));
            }
            Reach::Outside => {
                #[cfg(feature = "tracing")]
                tracing::debug!(
                    host = target.host,
                    port = target.port,
                    "the request goes outside the credential's scope and is sent without it"
                );
                return Ok(Admission::Leave(resolved));
            }
            Reach::PlainText => return Err(plain_text()),
        }
        if !self.allow_host_header && has_header(&head.headers, &header::HOST) {
            check_host_header(head, uri, &target)?;
        }
        Ok(Admission::Cover(resolved))
    }

    fn resolve(&self, uri: &Uri) -> Result<Resolved, AuthError> {
        if uri.scheme().is_some() && uri.authority().is_some() {
            return Ok(Resolved(None));
        }
        let Some(origin) = &self.default_origin else {
            return Err(no_origin());
        };
        // `*` and `host:port` are for OPTIONS and CONNECT, which go to proxies and servers as such.
        if uri.authority().is_some() || !uri.path().starts_with('/') {
            return Err(no_origin());
        }
        let mut parts = origin.clone().into_parts();
        parts.path_and_query = uri.path_and_query().cloned();
        Uri::from_parts(parts)
            .map(|uri| Resolved(Some(uri)))
            .map_err(|_| no_origin())
    }
}

fn within(scope: &Scope, origin: &Uri) -> Result<(), AuthError> {
    let reach = match Target::of(origin)? {
        Some(target) => scope.judge(&target),
        None => Reach::Outside,
    };
    match reach {
        Reach::Within => Ok(()),
        Reach::PlainText => Err(plain_text()),
        Reach::Outside => Err(AuthError::new(
            AuthErrorKind::Configuration,
            "the default origin is outside the layer's scope, so its requests would go out without \
             the credential: add it to the scope",
        )),
    }
}

/// A `Host` header reaches virtual hosts that the URI does not name, so it must not differ.
fn check_host_header(
    head: &request::Parts,
    uri: &Uri,
    target: &Target<'_>,
) -> Result<(), AuthError> {
    let mut hosts = head.headers.get_all(header::HOST).iter();
    let Some(host) = hosts.next() else {
        return Ok(());
    };
    if hosts.next().is_some() {
        return Err(AuthError::new(
            AuthErrorKind::Request,
            "the request has several `Host` headers: remove them, the client sets the right one",
        ));
    }
    // Userinfo is no part of a host, though the URI may have the same.
    let exact = uri.authority().is_some_and(|authority| {
        authority.as_str().as_bytes() == host.as_bytes() && !authority.as_str().contains('@')
    });
    if exact || names(host.as_bytes(), target) {
        return Ok(());
    }
    Err(AuthError::new(
        AuthErrorKind::Request,
        "the request's `Host` header differs from its URI: remove the header (a proxy's is the \
         inbound one), or call `allow_host_header` if the two are meant to differ",
    ))
}

fn names(host: &[u8], target: &Target<'_>) -> bool {
    let Ok(authority) = Authority::try_from(host) else {
        return false;
    };
    !authority.as_str().contains('@')
        && authority.host().eq_ignore_ascii_case(target.host)
        && port_of(&authority, target.https).is_ok_and(|port| port == target.port)
}

pub(super) fn plain_text() -> AuthError {
    AuthError::new(
        AuthErrorKind::PlainText,
        "the request goes over plain http, where anybody on the way could read the credential: use \
         https, or `Scope::allow_plain_http` if the network is encrypted by other means",
    )
}
