//! What a single request may say about its own authorization.

use http::{Extensions, request};

#[cfg(feature = "sigv4")]
use crate::error::AuthError;
use crate::identity::Token;
#[cfg(feature = "amplify")]
use crate::mode::AuthorizationMode;
use crate::payload::PayloadHash;
#[cfg(feature = "sigv4")]
use crate::sigv4::SigningCredentials;

/// A request extension that changes how the layers authorize this one request.
///
/// ```
/// use tower_client_auth::{AuthOverride, Token};
///
/// let mut request = http::Request::get("https://api.example.com/health").body(())?;
/// request.extensions_mut().insert(AuthOverride::skip());
///
/// let mut request = http::Request::get("https://api.example.com/me").body(())?;
/// request
///     .extensions_mut()
///     .insert(AuthOverride::new().token(Token::new("another-users-token")?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// - It holds for every layer of this crate that the request passes, and stays on the request; each
///   reads what concerns it: a bearer layer the token, a SigV4 layer credentials and payload hash.
/// - **The scope holds for it too**: an overriding token goes nowhere the layer's own could not go.
/// - A rejected overriding credential is not replayed, and not reported to the layer's source.
///
/// # Redirects
///
/// tower-http's redirect layer, above a layer of this crate, drops all extensions when it crosses
/// origins. A request redirected to *another origin in scope* would then go out as the layer's own
/// identity. Where both overrides and several origins are in use, let the redirect layer keep it:
///
/// ```
/// use tower_client_auth::AuthOverride;
/// use tower_http::follow_redirect::FollowRedirectLayer;
/// use tower_http::follow_redirect::policy::FilterCredentials;
///
/// let redirects = FollowRedirectLayer::with_policy(
///     FilterCredentials::new().allow_extension::<AuthOverride>(),
/// );
/// ```
///
/// Under a selector's layer for several APIs, an override that is kept follows the request to whichever
/// of them it is redirected to: a token or a mode that was meant for one then serves another. Keep it
/// only where the APIs may see each other's credentials.
///
/// Extensions never leave the process. A server that forwards requests must not let its peers
/// decide what goes in here.
#[derive(Clone, Debug, Default)]
pub struct AuthOverride {
    skip: bool,
    token: Option<Token>,
    #[cfg(feature = "sigv4")]
    credentials: Option<SigningCredentials>,
    payload_hash: Option<PayloadHash>,
    #[cfg(feature = "amplify")]
    mode: Option<AuthorizationMode>,
}

impl AuthOverride {
    /// Changes nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The request goes out as it is: no credential is added, none is removed, and the scope is not
    /// consulted, because there is nothing to guard. A layer with a default origin still completes
    /// the URI.
    pub fn skip() -> Self {
        Self {
            skip: true,
            ..Self::default()
        }
    }

    /// Sends this token instead of the layer's.
    #[must_use]
    pub fn token(mut self, token: Token) -> Self {
        self.token = Some(token);
        self
    }

    /// Signs with these credentials instead of the layer's.
    ///
    /// # Errors
    ///
    /// Those of [`SigningCredentials::new`]; none if it is given `SigningCredentials`, which is what
    /// to keep if the same ones serve many requests.
    #[cfg(feature = "sigv4")]
    pub fn credentials<C>(mut self, credentials: C) -> Result<Self, AuthError>
    where
        C: TryInto<SigningCredentials>,
        AuthError: From<C::Error>,
    {
        self.credentials = Some(credentials.try_into()?);
        Ok(self)
    }

    /// Signs this payload hash, and streams the body without reading it first.
    ///
    /// The hash is believed: if it is not the body's, the server refuses the request. Services whose
    /// payloads are never signed ignore it.
    #[must_use]
    pub fn payload_hash(mut self, hash: PayloadHash) -> Self {
        self.payload_hash = Some(hash);
        self
    }

    /// Authorizes the request in another mode than its API's own. For layers of an
    /// [`AuthSelector`](crate::AuthSelector); the others have one mode only, and pay no heed to it.
    ///
    /// ```
    /// use tower_client_auth::{AuthOverride, AuthorizationMode};
    ///
    /// let mut request = http::Request::post("/").body(())?;
    /// request
    ///     .extensions_mut()
    ///     .insert(AuthOverride::new().mode(AuthorizationMode::ApiKey));
    /// # Ok::<(), http::Error>(())
    /// ```
    ///
    /// The API needs what the mode takes: a key, a token source, AWS credentials. Where that is
    /// missing, the request is an error, and not sent.
    #[cfg(feature = "amplify")]
    #[must_use]
    pub fn mode(mut self, mode: AuthorizationMode) -> Self {
        self.mode = Some(mode);
        self
    }

    /// The request's override, if it has one. What is in it is for
    /// [`Authorizer`](crate::Authorizer)s of one's own to heed.
    pub fn of(head: &request::Parts) -> Option<&Self> {
        let extensions: &Extensions = &head.extensions;
        extensions.get::<Self>()
    }

    /// Whether the request is to be left alone.
    pub fn is_skip(&self) -> bool {
        self.skip
    }

    /// The token to send instead of the layer's.
    pub fn own_token(&self) -> Option<&Token> {
        self.token.as_ref()
    }

    /// The credentials to sign with instead of the layer's.
    #[cfg(feature = "sigv4")]
    pub fn own_credentials(&self) -> Option<&SigningCredentials> {
        self.credentials.as_ref()
    }

    /// The mode to authorize the request in.
    #[cfg(feature = "amplify")]
    pub fn own_mode(&self) -> Option<AuthorizationMode> {
        self.mode
    }

    /// The payload hash to believe.
    pub fn own_payload_hash(&self) -> Option<PayloadHash> {
        self.payload_hash
    }
}
