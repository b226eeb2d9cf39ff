//! The authorizer that picks an API for a request, and then lets that API's scheme do its work.

use std::fmt;
use std::future::{Future, ready};
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Uri, request, response};

use super::api::{Api, Scheme, SchemePlan};
use super::providers::Pending;
use super::routes::{Routes, check_path};
use crate::error::{AuthError, AuthErrorKind};
use crate::identity::Token;
use crate::layer::{Applied, AuthHint, AuthOverride, Authorizer, Guarded, Need, Setting, Verdict};
#[cfg(feature = "sigv4")]
use crate::layer::{BodySigner, Signs};
use crate::mode::AuthorizationMode;
use crate::payload::PayloadHash;
#[cfg(feature = "sigv4")]
use crate::sigv4::SigningCredentials;
use crate::suggest;

/// Names the API that a request is for, as a request extension: for a layer that serves several.
///
/// ```
/// use tower_client_auth::ApiName;
///
/// let mut request = http::Request::get("/items").body(())?;
/// request.extensions_mut().insert(ApiName::new("orders"));
/// # Ok::<(), http::Error>(())
/// ```
///
/// It decides between the APIs of a layer. An absolute URI must lie below the endpoint of the API it
/// names all the same, or the request gets no credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiName(Arc<str>);

impl ApiName {
    /// The API of that name in the configuration.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The [`Authorizer`] of [`ApiAuthLayer`](crate::ApiAuthLayer).
#[derive(Clone)]
pub struct Selected {
    apis: Vec<Api>,
    /// If there are several.
    routes: Option<Routes>,
}

/// What was decided about a request: its API, and what that API's scheme decided.
#[derive(Debug)]
pub struct SelectedPlan {
    // Small, as it is moved about.
    api: u32,
    mode: AuthorizationMode,
    scheme: SchemePlan,
}

/// A credential of any scheme.
#[derive(Clone, Debug)]
pub struct SelectedCredential(Credential);

#[derive(Clone, Debug)]
enum Credential {
    Key,
    Token(Token),
    #[cfg(feature = "sigv4")]
    Iam(SigningCredentials),
}

impl SelectedCredential {
    pub(super) fn is_alike(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Credential::Key, Credential::Key) => true,
            (Credential::Token(token), Credential::Token(other)) => token.is_alike(other),
            #[cfg(feature = "sigv4")]
            (Credential::Iam(credentials), Credential::Iam(other)) => credentials.is_alike(other),
            _ => false,
        }
    }
}

impl Selected {
    pub(super) fn new(apis: Vec<Api>) -> Result<Self, AuthError> {
        let endpoints = apis.iter().map(|api| (api.name.as_str(), &api.endpoint));
        let routes = match apis.len() {
            1 => None,
            _ => Some(Routes::new(endpoints)?),
        };
        Ok(Self { apis, routes })
    }

    /// The API of a request that says nothing of it but by its absolute URL.
    ///
    /// # Errors
    ///
    /// Those of [`Routes::find`].
    #[inline]
    fn find(&self, uri: &Uri) -> Result<Option<usize>, AuthError> {
        match &self.routes {
            Some(routes) => routes.find(uri),
            None => Ok(self.apis[0].has_path(uri)?.then_some(0)),
        }
    }

    /// The API that a request names, or the only one there is.
    fn named(&self, head: &request::Parts) -> Result<Option<usize>, AuthError> {
        match head.extensions.get::<ApiName>() {
            Some(name) => self.index_of(name).map(Some),
            None => Ok(self.only()),
        }
    }

    /// Covers a request whose URI is only a path, and completes that.
    #[inline(never)]
    fn cover_relative(
        &self,
        head: &mut request::Parts,
    ) -> Result<Option<(SelectedPlan, Need)>, AuthError> {
        let at = self.named(head)?.ok_or_else(|| self.ambiguous())?;
        if self.routes.is_some() {
            check_path(head.uri.path())?;
        }
        let absolute = self.apis[at].join(&head.uri)?;
        let relative = mem::replace(&mut head.uri, absolute);
        if AuthOverride::of(head).is_some_and(AuthOverride::is_skip) {
            return Ok(None);
        }
        self.cover_for(at, head)
            .inspect_err(|_| head.uri = relative)
    }

    #[inline]
    fn cover_for(
        &self,
        at: usize,
        head: &mut request::Parts,
    ) -> Result<Option<(SelectedPlan, Need)>, AuthError> {
        let api = &self.apis[at];
        let mode = api.mode_of(head);
        Ok(api.cover(mode, head)?.map(|(scheme, need)| {
            let plan = SelectedPlan {
                api: at as u32,
                mode,
                scheme,
            };
            (plan, need)
        }))
    }

    fn only(&self) -> Option<usize> {
        (self.apis.len() == 1).then_some(0)
    }

    fn index_of(&self, name: &ApiName) -> Result<usize, AuthError> {
        let found = self.apis.iter().position(|api| *api.name == *name.0);
        found.ok_or_else(|| {
            let names = self.apis.iter().map(|api| api.name.as_str());
            AuthError::new(
                AuthErrorKind::Request,
                format!(
                    "the request names the API `{}`, and the layer serves {}",
                    name.0,
                    suggest::list(names)
                ),
            )
        })
    }

    fn ambiguous(&self) -> AuthError {
        let names = self.apis.iter().map(|api| api.name.as_str());
        AuthError::new(
            AuthErrorKind::Request,
            format!(
                "the request's URI is only a path, and the layer serves several APIs: insert an \
                 `ApiName` into the request's extensions, one of {}",
                suggest::list(names)
            ),
        )
    }

    /// The request is for none of the APIs.
    fn leave_alone(&self) -> Result<(), AuthError> {
        if !self.apis.iter().any(|api| api.guard.rejects_strangers()) {
            return Ok(());
        }
        let names = self.apis.iter().map(|api| api.name.as_str());
        Err(AuthError::new(
            AuthErrorKind::Request,
            format!(
                "the request goes to none of the layer's APIs ({}), and the layer was told to reject \
                 that",
                suggest::list(names)
            ),
        ))
    }

    /// Goes by what another, of the same settings, has learned of servers' clocks for APIs of the same names.
    pub(super) fn learn_from(&mut self, other: &Self) {
        for api in &mut self.apis {
            let before = other.apis.iter().find(|before| before.name == api.name);
            if let Some(before) = before {
                api.learn_from(before);
            }
        }
    }

    /// The scheme that covered a request.
    #[inline]
    fn scheme(&self, plan: &SelectedPlan) -> Option<&Scheme> {
        self.apis.get(plan.api as usize)?.scheme(plan.mode).ok()
    }
}

impl Authorizer for Selected {
    type Plan = SelectedPlan;
    type Credential = SelectedCredential;
    type Acquire = SelectedAcquire;

    #[inline]
    fn cover(&self, head: &mut request::Parts) -> Result<Option<(SelectedPlan, Need)>, AuthError> {
        if head.uri.scheme().is_none() || head.uri.authority().is_none() {
            return self.cover_relative(head);
        }
        if AuthOverride::of(head).is_some_and(AuthOverride::is_skip) {
            return Ok(None);
        }
        let found = match head.extensions.get::<ApiName>() {
            None => self.find(&head.uri)?,
            Some(name) => {
                // The name outlives a redirect, and must not lead a credential astray.
                let at = self.index_of(name)?;
                self.apis[at].has_path(&head.uri)?.then_some(at)
            }
        };
        match found {
            Some(at) => self.cover_for(at, head),
            None => self.leave_alone().map(|()| None),
        }
    }

    fn acquire(&self, plan: &SelectedPlan) -> SelectedAcquire {
        let future: Pending<SelectedCredential> = match (self.scheme(plan), &plan.scheme) {
            (Some(Scheme::Token(scheme)), SchemePlan::Token(plan)) => {
                let token = scheme.acquire(plan);
                Box::pin(async { Ok(SelectedCredential(Credential::Token(token.await?))) })
            }
            #[cfg(feature = "sigv4")]
            (Some(Scheme::Iam(scheme)), SchemePlan::Iam(plan)) => {
                let credentials = scheme.acquire(plan);
                Box::pin(async { Ok(SelectedCredential(Credential::Iam(credentials.await?))) })
            }
            _ => Box::pin(ready(Ok(SelectedCredential(Credential::Key)))),
        };
        SelectedAcquire(future)
    }

    #[inline]
    fn at_hand(&self, plan: &SelectedPlan) -> Option<SelectedCredential> {
        if matches!(plan.scheme, SchemePlan::Key) {
            return Some(SelectedCredential(Credential::Key));
        }
        let credential = match (self.scheme(plan)?, &plan.scheme) {
            (Scheme::Token(scheme), SchemePlan::Token(plan)) => {
                Credential::Token(scheme.at_hand(plan)?)
            }
            #[cfg(feature = "sigv4")]
            (Scheme::Iam(scheme), SchemePlan::Iam(plan)) => Credential::Iam(scheme.at_hand(plan)?),
            _ => return None,
        };
        Some(SelectedCredential(credential))
    }

    #[inline]
    fn apply(
        &self,
        plan: &mut SelectedPlan,
        credential: &SelectedCredential,
        payload: &PayloadHash,
        head: &mut request::Parts,
    ) -> Result<Applied, AuthError> {
        match (self.scheme(plan), &mut plan.scheme, &credential.0) {
            (Some(Scheme::Key(scheme)), SchemePlan::Key, Credential::Key) => {
                scheme.apply(&mut (), &(), payload, head)
            }
            (Some(Scheme::Token(scheme)), SchemePlan::Token(plan), Credential::Token(token)) => {
                scheme.apply(plan, token, payload, head)
            }
            #[cfg(feature = "sigv4")]
            (Some(Scheme::Iam(scheme)), SchemePlan::Iam(plan), Credential::Iam(credentials)) => {
                scheme.apply(plan, credentials, payload, head)
            }
            _ => Err(mixed_up()),
        }
    }

    #[cfg(feature = "sigv4")]
    #[inline]
    fn body_signer(&self, plan: &mut SelectedPlan) -> Option<BodySigner> {
        match (self.scheme(plan), &mut plan.scheme) {
            (Some(Scheme::Iam(scheme)), SchemePlan::Iam(plan)) => scheme.body_signer(plan),
            _ => None,
        }
    }

    fn judge(
        &self,
        plan: &SelectedPlan,
        credential: &SelectedCredential,
        head: &response::Parts,
        peeked: Option<&[u8]>,
    ) -> Verdict {
        if matches!(plan.scheme, SchemePlan::Key) {
            return Verdict::Accept;
        }
        match (self.scheme(plan), &plan.scheme, &credential.0) {
            (Some(Scheme::Token(scheme)), SchemePlan::Token(plan), Credential::Token(token)) => {
                scheme.judge(plan, token, head, peeked)
            }
            #[cfg(feature = "sigv4")]
            (Some(Scheme::Iam(scheme)), SchemePlan::Iam(plan), Credential::Iam(credentials)) => {
                scheme.judge(plan, credentials, head, peeked)
            }
            _ => Verdict::Accept,
        }
    }

    fn hint(
        &self,
        plan: &SelectedPlan,
        credential: &SelectedCredential,
        head: &response::Parts,
        peeked: Option<&[u8]>,
    ) -> Option<AuthHint> {
        match (self.scheme(plan)?, &plan.scheme, &credential.0) {
            (Scheme::Key(scheme), SchemePlan::Key, Credential::Key) => {
                scheme.hint(&(), &(), head, peeked)
            }
            (Scheme::Token(scheme), SchemePlan::Token(plan), Credential::Token(token)) => {
                scheme.hint(plan, token, head, peeked)
            }
            #[cfg(feature = "sigv4")]
            (Scheme::Iam(scheme), SchemePlan::Iam(plan), Credential::Iam(credentials)) => {
                scheme.hint(plan, credentials, head, peeked)
            }
            _ => None,
        }
    }

    fn is_same(&self, rejected: &SelectedCredential, acquired: &SelectedCredential) -> bool {
        rejected.is_alike(acquired)
    }

    fn reject(&self, plan: &SelectedPlan, credential: &SelectedCredential) {
        match (self.scheme(plan), &plan.scheme, &credential.0) {
            (Some(Scheme::Token(scheme)), SchemePlan::Token(plan), Credential::Token(token)) => {
                scheme.reject(plan, token);
            }
            #[cfg(feature = "sigv4")]
            (Some(Scheme::Iam(scheme)), SchemePlan::Iam(plan), Credential::Iam(credentials)) => {
                scheme.reject(plan, credentials);
            }
            _ => {}
        }
    }
}

/// A plan or a credential of one scheme given to another, which the engine never does.
#[cold]
fn mixed_up() -> AuthError {
    AuthError::new(
        AuthErrorKind::Request,
        "the credential belongs to another scheme than the one that covered the request",
    )
}

/// A pending credential of any scheme. Boxed, as it is only made where none is at hand, and every
/// request pays for the room.
pub struct SelectedAcquire(Pending<SelectedCredential>);

impl Future for SelectedAcquire {
    type Output = Result<SelectedCredential, AuthError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

#[allow(private_interfaces)]
impl Guarded for Selected {
    fn set(&mut self, setting: &Setting) {
        for api in &mut self.apis {
            api.guard.set(setting);
            for scheme in api.schemes.iter_mut().flatten() {
                match scheme {
                    Scheme::Open => {}
                    Scheme::Key(scheme) => scheme.set(setting),
                    Scheme::Token(scheme) => scheme.set(setting),
                    #[cfg(feature = "sigv4")]
                    Scheme::Iam(scheme) => scheme.set(setting),
                }
            }
        }
    }
}

#[cfg(feature = "sigv4")]
impl Signs for Selected {}

impl fmt::Debug for Selected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Selected")
            .field("apis", &self.apis)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for SelectedAcquire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SelectedAcquire").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, Request};

    use crate::config::Config;
    use crate::layer::Authorizer;

    #[test]
    fn a_request_that_cannot_be_covered_is_left_as_it_was() {
        let config: Config = r#"{"apis": {"orders": {
            "endpoint": "https://api.example.com/prod", "mode": "API_KEY", "api_key": "key"
        }}}"#
            .parse()
            .expect("a good file");
        let layer = config.selector().layer("orders").expect("a layer");
        let (mut head, ()) = Request::get("/items?a=b")
            .body(())
            .expect("a request")
            .into_parts();
        let other = HeaderValue::from_static("evil.example");
        head.headers.insert("host", other);
        let before = format!("{head:?}");
        assert!(layer.into_authorizer().cover(&mut head).is_err());
        assert_eq!(format!("{head:?}"), before);
    }
}
