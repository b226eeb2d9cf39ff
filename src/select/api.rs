//! One API and the schemes that its requests can be authorized with.

use std::fmt;

use http::uri::PathAndQuery;
use http::{Uri, request};

use super::providers::Tokens;
use super::routes::{check_path, lies_below};
use crate::config::{ApiKind, Endpoint};
use crate::error::{AuthError, AuthErrorKind};
use crate::layer::{Admission, ApiKey, AuthOverride, Authorizer, Bearer, BearerPlan, Guard, Need};
#[cfg(feature = "sigv4")]
use crate::layer::{SigV4, SigV4Plan};
use crate::mode::AuthorizationMode;

/// An API, ready to authorize requests.
#[derive(Clone)]
pub(super) struct Api {
    pub(super) name: String,
    pub(super) endpoint: Endpoint,
    /// The endpoint's.
    pub(super) path: Box<str>,
    pub(super) kind: ApiKind,
    pub(super) mode: AuthorizationMode,
    /// One for each mode, in their order. Those that cannot be had are errors, for requests that ask
    /// for them; the API's own mode is none of these.
    pub(super) schemes: [Result<Scheme, AuthError>; AuthorizationMode::ALL.len()],
    /// For requests that need no credential.
    pub(super) guard: Guard,
}

/// The layers of this crate, of which an API uses one for a request.
#[derive(Clone)]
pub(super) enum Scheme {
    Open,
    Key(ApiKey),
    Token(Bearer<Tokens>),
    #[cfg(feature = "sigv4")]
    Iam(SigV4<super::providers::AwsCredentials>),
}

/// What the scheme decided.
#[derive(Debug)]
pub(super) enum SchemePlan {
    Key,
    Token(BearerPlan),
    #[cfg(feature = "sigv4")]
    Iam(SigV4Plan),
}

impl Api {
    #[inline]
    pub(super) fn scheme(&self, mode: AuthorizationMode) -> Result<&Scheme, AuthError> {
        match &self.schemes[mode as usize] {
            Ok(scheme) => Ok(scheme),
            Err(error) => Err(error.clone()),
        }
    }

    /// Goes by what another has learned of servers' clocks.
    pub(super) fn learn_from(&mut self, other: &Self) {
        #[cfg(feature = "sigv4")]
        for (scheme, other) in self.schemes.iter_mut().zip(&other.schemes) {
            if let (Ok(Scheme::Iam(scheme)), Ok(Scheme::Iam(other))) = (scheme, other) {
                scheme.learn_from(other);
            }
        }
        #[cfg(not(feature = "sigv4"))]
        let _ = other;
    }

    /// The mode for a request: its own, or the API's.
    #[inline]
    pub(super) fn mode_of(&self, head: &request::Parts) -> AuthorizationMode {
        let own = AuthOverride::of(head).and_then(AuthOverride::own_mode);
        own.unwrap_or(self.mode)
    }

    /// Decides about a request that is this API's, and whose URI is absolute.
    #[inline]
    pub(super) fn cover(
        &self,
        mode: AuthorizationMode,
        head: &mut request::Parts,
    ) -> Result<Option<(SchemePlan, Need)>, AuthError> {
        match self.scheme(mode)? {
            Scheme::Open => self.leave(head),
            Scheme::Key(key) => Ok(key.cover(head)?.map(|((), need)| (SchemePlan::Key, need))),
            Scheme::Token(token) => {
                let covered = token.cover(head)?;
                Ok(covered.map(|(plan, need)| (SchemePlan::Token(plan), need)))
            }
            #[cfg(feature = "sigv4")]
            Scheme::Iam(iam) => {
                let covered = iam.cover(head)?;
                Ok(covered.map(|(plan, need)| (SchemePlan::Iam(plan), need)))
            }
        }
    }

    /// Sends a request as it is, unless its origin is to be checked.
    fn leave(&self, head: &request::Parts) -> Result<Option<(SchemePlan, Need)>, AuthError> {
        if self.guard.rejects_strangers() {
            let (Admission::Cover(_) | Admission::Leave(_)) =
                self.guard.admit(head, AuthOverride::of(head))?;
        }
        Ok(None)
    }

    /// Whether an absolute URI's path is at or below the endpoint's. Its origin is the scheme's to
    /// check.
    #[inline]
    pub(super) fn has_path(&self, uri: &Uri) -> Result<bool, AuthError> {
        if self.path.is_empty() {
            return Ok(true);
        }
        let path = uri.path();
        if !lies_below(path, &self.path) {
            return Ok(false);
        }
        // The endpoint's own part is known.
        check_path(path.get(self.path.len()..).unwrap_or(path))?;
        Ok(true)
    }

    /// The URI of a request whose own is only a path: exactly one slash joins the two, and no segment
    /// is touched.
    pub(super) fn join(&self, uri: &Uri) -> Result<Uri, AuthError> {
        let relative = uri.path_and_query().map_or("/", PathAndQuery::as_str);
        if uri.authority().is_some() || !relative.starts_with(['/', '?']) {
            return Err(AuthError::new(
                AuthErrorKind::Request,
                "the request's URI is neither absolute (`https://host/path`) nor a path that begins \
                 with a slash (`/path`)",
            ));
        }
        if !self.path.is_empty() {
            check_path(uri.path())?;
        }
        let too_long = || {
            AuthError::new(
                AuthErrorKind::Request,
                "the request's path is too long to be joined with its API's endpoint",
            )
        };
        let mut parts = self.endpoint.uri().clone().into_parts();
        parts.path_and_query = match &*self.path {
            // Nothing to join, nothing to copy.
            "" => uri.path_and_query().cloned().or(parts.path_and_query),
            path => {
                // Below a GraphQL endpoint there is nothing: a mere slash is the endpoint itself.
                let relative = match (self.kind, uri.path()) {
                    (ApiKind::GraphQl, "/") => relative.trim_start_matches('/'),
                    _ => relative,
                };
                let joined = [path, relative].concat();
                Some(PathAndQuery::try_from(joined).map_err(|_| too_long())?)
            }
        };
        Uri::from_parts(parts).map_err(|_| too_long())
    }
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api")
            .field("name", &self.name)
            .field("endpoint", &self.endpoint)
            .field("mode", &self.mode)
            .finish_non_exhaustive()
    }
}
