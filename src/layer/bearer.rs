//! Bearer tokens from any source.

use std::fmt;
use std::sync::Arc;

use http::{HeaderName, StatusCode, header, request, response};

use super::acquire::Acquire;
use super::api_key::check_header_name;
use super::guard::{Admission, Existing, Guard, Setting, has_header, keep_first};
use super::hint::AuthHint;
use super::overrides::AuthOverride;
use super::reject::{Challenge, Reason, Refusal};
use super::scope::Scope;
use super::{
    Applied, AuthorizeLayer, Authorizer, Guarded, HeadOnly, Need, Passthrough, Scoped, Verdict,
};
use crate::clock::Clock;
use crate::error::{AuthError, AuthErrorKind};
use crate::identity::{Token, TokenSource, TokenStyle};
use crate::payload::PayloadHash;

/// Sends a token with every request: `Authorization: Bearer <token>`.
///
/// ```
/// use tower::ServiceBuilder;
/// use tower_client_auth::{BearerTokenLayer, Token};
///
/// # fn client() -> impl Clone { tower::service_fn(|_: http::Request<String>| async {
/// #     Ok::<_, std::io::Error>(http::Response::new(String::new())) }) }
/// let token = Token::new("mF_9.B5f-4.1JqM")?;
/// let service = ServiceBuilder::new()
///     .layer(BearerTokenLayer::new("https://api.example.com", token)?)
///     .service(client());
/// # Ok::<(), tower_client_auth::AuthError>(())
/// ```
///
/// A token that has to be fetched, kept in a cache; sent verbatim, in a header of its own, and
/// fetched again once when the server says 401:
///
/// ```
/// use http::HeaderName;
/// use tower_client_auth::{BearerTokenLayer, CloneBody, TokenStyle};
///
/// # async fn fetch() -> Result<String, std::io::Error> { Ok("t".into()) }
/// let source = || async { Ok(fetch().await?) };
/// # #[cfg(feature = "cache")]
/// let source = tower_client_auth::Cached::new(source);
/// let layer = BearerTokenLayer::new("https://api.example.com", source)?
///     .style(TokenStyle::Raw)
///     .header_name(HeaderName::from_static("x-id-token"))?
///     .retry_rejected(CloneBody);
/// # Ok::<(), tower_client_auth::AuthError>(())
/// ```
///
/// The difference to `tower_http::auth::AddAuthorizationLayer`: that one holds one value for good
/// and sends it to whatever host the request names; this one asks a source, heeds expiry and
/// rejection, and sends nothing out of scope.
///
/// See `examples/hyper_util.rs` for a cached closure with shared state, and `examples/tonic.rs` for
/// tonic.
///
/// # Errors
///
/// The source's own; [`AuthErrorKind::MalformedCredential`] for a token that cannot stand in a
/// header; [`AuthErrorKind::Expired`] for one that is over: an expired token is never sent.
pub type BearerTokenLayer<T, P = Passthrough, I = HeadOnly> = AuthorizeLayer<Bearer<T>, P, I>;

impl<T: TokenSource> AuthorizeLayer<Bearer<T>, Passthrough> {
    /// Sends the tokens of `source` to the origins of `scope`: an origin (`"https://host"`), an
    /// array of them, or a [`Scope`].
    ///
    /// # Errors
    ///
    /// Those of [`Scope::origin`]; [`AuthErrorKind::PlainText`] for plain http that was not allowed.
    pub fn new<O>(scope: O, source: T) -> Result<Self, AuthError>
    where
        O: TryInto<Scope>,
        AuthError: From<O::Error>,
    {
        Ok(Self::from_parts(
            Bearer {
                source: Arc::new(source),
                style: TokenStyle::default(),
                header: header::AUTHORIZATION,
                guard: Guard::new(scope.try_into()?)?,
                clock: Clock::system(),
            },
            Passthrough,
        ))
    }
}

impl<T, P, I> AuthorizeLayer<Bearer<T>, P, I> {
    /// `Bearer <token>`, the default, or the token verbatim.
    pub fn style(mut self, style: TokenStyle) -> Self {
        self.authorizer_mut().style = style;
        self
    }

    /// The header the token goes into, instead of `Authorization`.
    ///
    /// # Errors
    ///
    /// [`AuthErrorKind::Configuration`] for a header that HTTP itself needs, such as `Host`.
    pub fn header_name(mut self, name: HeaderName) -> Result<Self, AuthError> {
        check_header_name(&name)?;
        self.authorizer_mut().header = name;
        Ok(self)
    }
}

/// The [`Authorizer`] of [`BearerTokenLayer`].
pub struct Bearer<T> {
    source: Arc<T>,
    style: TokenStyle,
    header: HeaderName,
    guard: Guard,
    clock: Clock,
}

/// What a bearer layer decided about a request.
#[derive(Debug)]
pub struct BearerPlan {
    token: Option<Token>,
}

impl<T: TokenSource> Authorizer for Bearer<T> {
    type Plan = BearerPlan;
    type Credential = Token;
    type Acquire = Acquire<T::Future, Token>;

    #[inline]
    fn cover(&self, head: &mut request::Parts) -> Result<Option<(BearerPlan, Need)>, AuthError> {
        if self.guard.admits_at_once(head) && !has_header(&head.headers, &self.header) {
            return Ok(Some((BearerPlan { token: None }, Need::Head)));
        }
        let overrides = AuthOverride::of(head);
        let resolved = match self.guard.admit(head, overrides)? {
            Admission::Cover(resolved) => resolved,
            Admission::Leave(resolved) => {
                resolved.commit(head);
                return Ok(None);
            }
        };
        let token = overrides.and_then(AuthOverride::own_token).cloned();
        if head.headers.contains_key(&self.header) {
            match self.guard.existing() {
                Existing::Keep => {
                    resolved.commit(head);
                    keep_first(head, &self.header);
                    return Ok(None);
                }
                Existing::Reject => return Err(Existing::refuse("a token")),
                // Replaced when the token is there.
                Existing::Replace => {}
            }
        }
        resolved.commit(head);
        Ok(Some((BearerPlan { token }, Need::Head)))
    }

    fn acquire(&self, plan: &BearerPlan) -> Self::Acquire {
        match &plan.token {
            Some(token) => Acquire::own(token.clone()),
            None => Acquire::source(self.source.token()),
        }
    }

    #[inline]
    fn at_hand(&self, plan: &BearerPlan) -> Option<Token> {
        match &plan.token {
            Some(token) => Some(token.clone()),
            None => self.source.at_hand(),
        }
    }

    #[inline]
    fn apply(
        &self,
        plan: &mut BearerPlan,
        token: &Token,
        _payload: &PayloadHash,
        head: &mut request::Parts,
    ) -> Result<Applied, AuthError> {
        let checked = plan.token.is_none() && self.source.checks_expiry();
        if !checked && token.may_expire() && token.has_expired(&self.clock.moment()) {
            return Err(AuthError::new(
                AuthErrorKind::Expired,
                "the token has expired and the source has no newer one; the request was not sent",
            ));
        }
        let value = token.header(self.style).inspect_err(|_| {
            // Nothing is sent, so no server will ever reject it: it must not stay.
            if plan.token.is_none() {
                self.source.rejected(token);
            }
        })?;
        match head.headers.try_insert(self.header.clone(), value) {
            Ok(_) => Ok(Applied::default()),
            Err(_) => Err(AuthError::too_many_headers()),
        }
    }

    fn judge(
        &self,
        plan: &BearerPlan,
        _token: &Token,
        head: &response::Parts,
        _peeked: Option<&[u8]>,
    ) -> Verdict {
        // A token the caller brought is the caller's to renew.
        let may_be_renewed = head.status == StatusCode::UNAUTHORIZED
            && plan.token.is_none()
            && Challenge::of(&head.headers).may_be_renewed();
        match may_be_renewed {
            true => Verdict::Refresh,
            false => Verdict::Accept,
        }
    }

    fn hint(
        &self,
        _plan: &BearerPlan,
        _token: &Token,
        head: &response::Parts,
        peeked: Option<&[u8]>,
    ) -> Option<AuthHint> {
        let is_401 = head.status == StatusCode::UNAUTHORIZED;
        if !is_401 && head.status != StatusCode::FORBIDDEN {
            return None;
        }
        match Challenge::of(&head.headers) {
            Challenge::InsufficientScope(scope) => {
                return Some(AuthHint::InsufficientScope { scope });
            }
            Challenge::Other => return None,
            Challenge::Silent | Challenge::InvalidToken => {}
        }
        let refusal = Refusal::of(head, peeked);
        match refusal.reason() {
            Some(Reason::Unsigned) => Some(AuthHint::NoSuchRoute),
            Some(Reason::Incomplete | Reason::Signature | Reason::Mismatch) => {
                Some(AuthHint::WrongMode)
            }
            Some(Reason::Denied) => Some(AuthHint::AccessDenied {
                role: None,
                standing: None,
            }),
            // A REST API names the type, and means a key, a firewall or a policy. An HTTP API says no more
            // of a token without the scope of the route.
            Some(Reason::Forbidden) => Some(match refusal.has_type {
                true => AuthHint::Forbidden,
                false => AuthHint::InsufficientScope { scope: None },
            }),
            _ => is_401.then_some(AuthHint::TokenRejected),
        }
    }

    fn is_same(&self, rejected: &Token, acquired: &Token) -> bool {
        rejected.is_alike(acquired)
    }

    fn reject(&self, _plan: &BearerPlan, token: &Token) {
        self.source.rejected(token);
    }
}

#[allow(private_interfaces)]
impl<T> Guarded for Bearer<T> {
    fn set(&mut self, setting: &Setting) {
        self.guard.set(setting);
        if let Setting::Clock(clock) = setting {
            self.clock = clock.clone();
        }
    }
}

#[allow(private_interfaces)]
impl<T> Scoped for Bearer<T> {
    fn guard_mut(&mut self) -> &mut Guard {
        &mut self.guard
    }
}

impl<T> Clone for Bearer<T> {
    fn clone(&self) -> Self {
        Self {
            source: Arc::clone(&self.source),
            style: self.style,
            header: self.header.clone(),
            guard: self.guard.clone(),
            clock: self.clock.clone(),
        }
    }
}

impl<T> fmt::Debug for Bearer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bearer")
            .field("header", &self.header)
            .field("style", &self.style)
            .field("guard", &self.guard)
            .finish_non_exhaustive()
    }
}
