//! API keys, in a header or in the query.

use std::fmt;
use std::future::{Ready, ready};

use http::{HeaderName, HeaderValue, StatusCode, header, request, response};

use super::guard::{Admission, Existing, Guard, Setting, has_header, keep_first};
use super::hint::AuthHint;
use super::overrides::AuthOverride;
use super::reject::{Reason, Refusal};
use super::scope::Scope;
use super::{Applied, AuthorizeLayer, Authorizer, Guarded, Need, Passthrough, Scoped};
use crate::error::{AuthError, AuthErrorKind};
use crate::payload::PayloadHash;
use crate::query;
use crate::secret::{Secret, sensitive_header};

/// Sends an API key with every request: `x-api-key: <key>`, as [API Gateway] expects it.
///
/// ```
/// use tower::ServiceBuilder;
/// use tower_client_auth::ApiKeyLayer;
///
/// # fn client() -> impl Clone { tower::service_fn(|_: http::Request<String>| async {
/// #     Ok::<_, std::io::Error>(http::Response::new(String::new())) }) }
/// let service = ServiceBuilder::new()
///     .layer(ApiKeyLayer::new("https://api.example.com", "da2-fakeApiId123456")?)
///     .service(client());
/// # Ok::<(), tower_client_auth::AuthError>(())
/// ```
///
/// In a header of another name, or in the query:
///
/// ```
/// use http::HeaderName;
/// use tower_client_auth::ApiKeyLayer;
///
/// let layer = ApiKeyLayer::new("https://api.example.com", "da2-fakeApiId123456")?
///     .header_name(HeaderName::from_static("ocp-apim-subscription-key"))?;
/// let layer = ApiKeyLayer::new("https://maps.example.com", "AIzaFake")?.query("key")?;
/// # Ok::<(), tower_client_auth::AuthError>(())
/// ```
///
/// Outside a `SigV4Layer` the key is signed along with the rest, for API Gateway methods that ask
/// for both:
///
/// ```
/// # #[cfg(feature = "sigv4")] {
/// use aws_credential_types::Credentials;
/// use tower::ServiceBuilder;
/// use tower_client_auth::{ApiKeyLayer, SigV4Layer};
///
/// # let credentials = Credentials::new("AKIDEXAMPLE", "secret", None, None, "example");
/// let origin = "https://abc123.execute-api.eu-west-1.amazonaws.com";
/// let both = ServiceBuilder::new()
///     .layer(ApiKeyLayer::new(origin, "da2-fakeApiId123456")?)
///     .layer(SigV4Layer::new("eu-west-1", "execute-api", credentials)?);
/// # }
/// # Ok::<(), tower_client_auth::AuthError>(())
/// ```
///
/// The difference to `tower_http::set_header::SetRequestHeaderLayer`: that one sends its value to
/// whatever host the request names, over plain http as well; and most redirect filters let
/// `x-api-key` pass to other hosts.
///
/// A key that rotates comes from a [`TokenSource`](crate::TokenSource) instead: a
/// [`BearerTokenLayer`](crate::BearerTokenLayer) with `TokenStyle::Raw` and the key's header name.
///
/// See `examples/reqwest.rs` for the layer over reqwest, and for what becomes of a key where reqwest
/// follows redirects itself.
///
/// # In the query
///
/// A URL with a key in it is a secret itself: it shows up in the server's logs, and in yours if you
/// log URLs below this layer. Prefer a header where the API offers one.
///
/// [API Gateway]: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-api-key-source.html
pub type ApiKeyLayer = AuthorizeLayer<ApiKey, Passthrough>;

/// The header API Gateway reads the key from.
const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

impl AuthorizeLayer<ApiKey, Passthrough> {
    /// Sends `key` to the origins of `scope`: an origin (`"https://host"`), an array of them, or a
    /// [`Scope`].
    ///
    /// # Errors
    ///
    /// [`AuthErrorKind::MalformedCredential`] for an empty key or one that cannot stand in a header;
    /// those of [`Scope::origin`]; [`AuthErrorKind::PlainText`] for plain http that was not allowed.
    pub fn new<O>(scope: O, key: impl Into<Secret>) -> Result<Self, AuthError>
    where
        O: TryInto<Scope>,
        AuthError: From<O::Error>,
    {
        let key = key.into();
        let value = sensitive_header(
            key.expose(),
            "the API key",
            AuthErrorKind::MalformedCredential,
        )?;
        Ok(Self::from_parts(
            ApiKey {
                key,
                place: Place::Header {
                    name: X_API_KEY,
                    value,
                },
                guard: Guard::new(scope.try_into()?)?,
                yields: false,
            },
            Passthrough,
        ))
    }
}

impl<P, I> AuthorizeLayer<ApiKey, P, I> {
    /// Sends the key in another header.
    ///
    /// # Errors
    ///
    /// [`AuthErrorKind::Configuration`] for a header that HTTP itself needs, such as `Host`.
    pub fn header_name(mut self, name: HeaderName) -> Result<Self, AuthError> {
        check_header_name(&name)?;
        let value = sensitive_header(
            self.authorizer_mut().key.expose(),
            "the API key",
            AuthErrorKind::MalformedCredential,
        )?;
        self.authorizer_mut().place = Place::Header { name, value };
        Ok(self)
    }

    /// Sends the key as the query parameter `name`, percent-encoded.
    ///
    /// # Errors
    ///
    /// [`AuthErrorKind::Configuration`] if the name is empty.
    pub fn query(mut self, name: &str) -> Result<Self, AuthError> {
        if name.is_empty() {
            return Err(AuthError::new(
                AuthErrorKind::Configuration,
                "the query parameter for the API key has no name",
            ));
        }
        let mut pair = query::encode(name);
        pair.push('=');
        let encoded = Secret::new(query::encode(self.authorizer_mut().key.expose()));
        pair.push_str(encoded.expose());
        self.authorizer_mut().place = Place::Query {
            name: name.to_owned(),
            pair: Secret::new(pair),
        };
        Ok(self)
    }
}

/// The [`Authorizer`] of [`ApiKeyLayer`].
#[derive(Clone)]
pub struct ApiKey {
    key: Secret,
    place: Place,
    guard: Guard,
    /// Whether an `Authorization` header counts as the credential, too.
    yields: bool,
}

#[derive(Clone)]
enum Place {
    Header {
        name: HeaderName,
        value: HeaderValue,
    },
    Query {
        name: String,
        pair: Secret,
    },
}

impl Authorizer for ApiKey {
    type Plan = ();
    type Credential = ();
    type Acquire = Ready<Result<(), AuthError>>;

    #[inline]
    fn cover(&self, head: &mut request::Parts) -> Result<Option<((), Need)>, AuthError> {
        let authorized = self.yields && has_header(&head.headers, &header::AUTHORIZATION);
        if !authorized && self.guard.admits_at_once(head) {
            return Ok(Some(((), Need::Head)));
        }
        let resolved = match self.guard.admit(head, AuthOverride::of(head))? {
            Admission::Cover(resolved) => resolved,
            Admission::Leave(resolved) => {
                resolved.commit(head);
                return Ok(None);
            }
        };
        if authorized && self.guard.existing() == Existing::Reject {
            return Err(Existing::refuse("an `Authorization` header"));
        }
        resolved.commit(head);
        if authorized && self.guard.existing() == Existing::Keep {
            keep_first(head, &header::AUTHORIZATION);
            if let Place::Header { name, .. } = &self.place {
                keep_first(head, name);
            }
            return Ok(None);
        }
        Ok(Some(((), Need::Head)))
    }

    fn acquire(&self, _plan: &()) -> Self::Acquire {
        ready(Ok(()))
    }

    #[inline]
    fn at_hand(&self, _plan: &()) -> Option<()> {
        Some(())
    }

    #[inline]
    fn apply(
        &self,
        _plan: &mut (),
        _credential: &(),
        _payload: &PayloadHash,
        head: &mut request::Parts,
    ) -> Result<Applied, AuthError> {
        // A key need not be fetched, so what the request carries is looked at here, where the key
        // goes in, and not once before.
        match &self.place {
            Place::Header { name, value } => self.put_in_header(head, name, value)?,
            Place::Query { name, pair } => self.put_in_query(head, name, pair)?,
        }
        if self.yields && self.guard.existing() == Existing::Replace {
            head.headers.remove(header::AUTHORIZATION);
        }
        Ok(Applied::default())
    }

    fn hint(
        &self,
        _plan: &(),
        _credential: &(),
        head: &response::Parts,
        peeked: Option<&[u8]>,
    ) -> Option<AuthHint> {
        if !matches!(
            head.status,
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN
        ) {
            return None;
        }
        let refusal = Refusal::of(head, peeked);
        match refusal.reason() {
            Some(Reason::Unsigned) => Some(AuthHint::NoSuchRoute),
            Some(Reason::Incomplete) => Some(AuthHint::WrongMode),
            Some(Reason::Denied) => Some(AuthHint::AccessDenied {
                role: None,
                standing: None,
            }),
            Some(Reason::Forbidden | Reason::Unauthorized) => Some(AuthHint::ApiKeyRejected),
            None if !refusal.is_readable => Some(AuthHint::ApiKeyRejected),
            // The application's own.
            Some(_) | None => None,
        }
    }
}

impl ApiKey {
    /// Treats an `Authorization` header as a credential in the place of the key, as Amplify does: who
    /// sends one gets no key.
    #[cfg(feature = "amplify")]
    pub(crate) fn yielding_to_authorization(mut self) -> Self {
        self.yields = true;
        self
    }

    #[inline]
    fn put_in_header(
        &self,
        head: &mut request::Parts,
        name: &HeaderName,
        value: &HeaderValue,
    ) -> Result<(), AuthError> {
        if self.guard.existing() == Existing::Reject && head.headers.contains_key(name) {
            return Err(Existing::refuse("an API key"));
        }
        match head.headers.try_insert(name.clone(), value.clone()) {
            Ok(None) => Ok(()),
            Ok(Some(first)) => self.settle(head, name, first),
            Err(_) => Err(AuthError::too_many_headers()),
        }
    }

    /// The header was there: all its copies have just been replaced, and `first` was the first.
    #[cold]
    fn settle(
        &self,
        head: &mut request::Parts,
        name: &HeaderName,
        mut first: HeaderValue,
    ) -> Result<(), AuthError> {
        if self.guard.existing() == Existing::Keep {
            first.set_sensitive(true);
            let put_back = head.headers.try_insert(name.clone(), first);
            put_back.map_err(|_| AuthError::too_many_headers())?;
        }
        Ok(())
    }

    fn put_in_query(
        &self,
        head: &mut request::Parts,
        name: &str,
        pair: &Secret,
    ) -> Result<(), AuthError> {
        let ours = |other: &str| query::is_named(other, name);
        let copies = query::pairs(&head.uri).filter(|pair| ours(pair)).count();
        match self.guard.existing() {
            Existing::Keep if copies == 1 => {}
            Existing::Keep if copies > 1 => {
                let mut seen = false;
                let text = query::without(&head.uri, |pair| {
                    ours(pair) && std::mem::replace(&mut seen, true)
                });
                head.uri = query::replace(&head.uri, &text)?;
            }
            Existing::Reject if copies > 0 => return Err(Existing::refuse("an API key")),
            _ => {
                let text = query::without(&head.uri, ours);
                let text = Secret::new(query::append(text, pair.expose()));
                head.uri = query::replace(&head.uri, text.expose())?;
            }
        }
        Ok(())
    }
}

/// Refuses headers whose meaning HTTP itself gives them.
pub(super) fn check_header_name(name: &HeaderName) -> Result<(), AuthError> {
    const RESERVED: [HeaderName; 9] = [
        header::HOST,
        header::CONTENT_LENGTH,
        header::TRANSFER_ENCODING,
        header::CONNECTION,
        header::UPGRADE,
        header::TE,
        header::TRAILER,
        header::EXPECT,
        header::CONTENT_TYPE,
    ];
    if RESERVED.contains(name) {
        return Err(AuthError::new(
            AuthErrorKind::Configuration,
            format!("`{name}` has a meaning of its own and cannot carry a credential"),
        ));
    }
    Ok(())
}

#[allow(private_interfaces)]
impl Guarded for ApiKey {
    /// A key does not expire, and so needs no clock.
    fn set(&mut self, setting: &Setting) {
        self.guard.set(setting);
    }
}

#[allow(private_interfaces)]
impl Scoped for ApiKey {
    fn guard_mut(&mut self) -> &mut Guard {
        &mut self.guard
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place: &dyn fmt::Debug = match &self.place {
            Place::Header { name, .. } => name,
            Place::Query { name, .. } => name,
        };
        f.debug_struct("ApiKey")
            .field("key", &self.key)
            .field("place", place)
            .field("guard", &self.guard)
            .finish()
    }
}
