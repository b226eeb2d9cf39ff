//! From a configuration to layers.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::builder::Providers;
use super::selected::Selected;
use super::which::Which;
use crate::config::{ApiKind, Config};
use crate::error::AuthError;
#[cfg(doc)]
use crate::error::AuthErrorKind;
use crate::identity::TokenSource;
use crate::layer::{AuthorizeLayer, Buffer, HeadOnly};
use crate::mode::AuthorizationMode;
use crate::secret::Secret;

#[cfg(feature = "sigv4")]
use super::providers::AwsCredentials;

/// Authorizes requests as a configuration says: the layer of an [`AuthSelector`].
///
/// One concrete type, whatever the mode: layers for different APIs fit into one collection, and one
/// layer serves several APIs. Settings that all layers have are set on it as usual; the scope is the
/// API's own origin, and its path.
///
/// ```
/// use tower_client_auth::{Config, Existing, OutOfScope};
///
/// # let config: Config = r#"{"apis":{"orders":{"endpoint":"https://api.example.com","mode":"NONE"}}}"#.parse()?;
/// let layer = config
///     .selector()
///     .layer("orders")?
///     .existing(Existing::Replace)
///     .out_of_scope(OutOfScope::Reject);
/// # Ok::<(), tower_client_auth::AuthError>(())
/// ```
///
/// # Requests
///
/// - A URI that is only a path goes to the API's endpoint: `/items` to
///   `https://api.example.com/prod/items`. Exactly one slash joins the two, segments and query stay as
///   they are, in mode `NONE` too. Over a GraphQL API a mere `/` is the endpoint itself.
/// - An absolute URI belongs to the API if its origin is the endpoint's and its path is the endpoint's
///   or lies below it. Any other is [out of scope](crate::OutOfScope), and sent without a credential.
/// - A request that has an `Authorization` header keeps it and gets nothing, in every mode, as with
///   Amplify; [`Existing`](crate::Existing) changes that. An `x-api-key` that the caller set is signed
///   in mode `AWS_IAM`.
/// - [`AuthOverride::mode`](crate::AuthOverride::mode) picks another mode for one request.
/// - Bodies are read only where they must be hashed, in mode `AWS_IAM`; in the others they stream, and
///   `retry_rejected` can send them again with [`Buffer::read_ahead`] only.
pub type ApiAuthLayer<P = Buffer, I = HeadOnly> = AuthorizeLayer<Selected, P, I>;

/// Makes layers from a [`Config`] and whatever the configuration itself does not hold: token sources,
/// AWS credentials and sessions.
///
/// ```
/// use aws_credential_types::Credentials;
/// use tower::ServiceBuilder;
/// use tower_client_auth::{AuthBody, AuthorizationMode, Config};
///
/// # fn client() -> impl Clone { tower::service_fn(|_: http::Request<AuthBody<String>>| async {
/// #     Ok::<_, std::io::Error>(http::Response::new(String::new())) }) }
/// # async fn ask_the_issuer() -> Result<String, std::io::Error> { Ok("t".into()) }
/// # #[cfg(feature = "sigv4")] {
/// # let config: Config = r#"{"apis":{"orders":{"endpoint":"https://abc123.execute-api.eu-west-1.amazonaws.com/prod",
/// #     "region":"eu-west-1","mode":"AWS_IAM"}}}"#.parse()?;
/// let credentials = Credentials::new("AKIDEXAMPLE", "secret", None, None, "example");
/// let auth = config
///     .selector()
///     .aws_credentials(credentials)?
///     .tokens(AuthorizationMode::OpenIdConnect, || async {
///         Ok(format!("Bearer {}", ask_the_issuer().await?))
///     })?;
///
/// let orders = ServiceBuilder::new().layer(auth.layer("orders")?).service(client());
/// # }
/// # Ok::<(), tower_client_auth::AuthError>(())
/// ```
///
/// # What each mode takes
///
/// | mode | takes |
/// |---|---|
/// | `NONE` | nothing |
/// | `API_KEY` | the file's key, or [`api_key_for`](AuthSelector::api_key_for) |
/// | `AWS_IAM` | the file's region, and [`aws_credentials`](AuthSelector::aws_credentials) or [`aws_provider`](AuthSelector::aws_provider) |
/// | `AMAZON_COGNITO_USER_POOLS`, `OPENID_CONNECT`, `AWS_LAMBDA` | [`tokens`](AuthSelector::tokens) |
/// | `AWS_IAM` and `AMAZON_COGNITO_USER_POOLS`, of a user who signs in | a session, with feature `cognito`: `AuthSelector::session` |
///
/// Whatever is missing for an API's own mode is an error when its layer is made, not when a request is
/// under way.
///
/// # Sharing
///
/// Clones and layers share token sources and credentials, caches included: one token is fetched for
/// all of them.
#[derive(Clone)]
#[must_use = "a selector does nothing until it makes a layer"]
pub struct AuthSelector {
    pub(super) config: Arc<Config>,
    pub(super) all: Providers,
    /// Those of single APIs.
    pub(super) own: BTreeMap<String, Providers>,
}

impl Config {
    /// What makes layers of this configuration.
    pub fn selector(&self) -> AuthSelector {
        AuthSelector {
            config: Arc::new(self.clone()),
            all: Providers::default(),
            own: BTreeMap::new(),
        }
    }
}

impl AuthSelector {
    /// Where the tokens of a mode come from, for all APIs: any
    /// [`TokenSource`], such as a closure.
    ///
    /// A source is put into a [`Cached`](crate::Cached), so that it is asked once and then before the
    /// token ends, and not for every request. One that is a `Cached` already stays as it is, with the
    /// settings it was built with.
    ///
    /// The token is sent verbatim: where an API wants `Bearer` before it, the source says so.
    ///
    /// A JSON Web Token says itself when it ends. For any other, return
    /// [`Token::expires_in`](crate::Token::expires_in), or give a `Cached` that was built with a lifetime
    /// to assume; else it is used until the API answers 401.
    ///
    /// The source is one identity for all requests, whoever's task asks first. Where each request has a user of its
    /// own, insert [`AuthOverride::token`](crate::AuthOverride::token) into it.
    ///
    /// # Errors
    ///
    /// [`AuthErrorKind::Configuration`] for a mode that takes no token.
    pub fn tokens<S>(mut self, mode: AuthorizationMode, source: S) -> Result<Self, AuthError>
    where
        S: TokenSource + Send + Sync + 'static,
        S::Future: Send + 'static,
    {
        self.all.set_tokens(mode, source)?;
        Ok(self)
    }

    /// As [`tokens`](AuthSelector::tokens), for one API.
    ///
    /// # Errors
    ///
    /// Also if there is no API of that name.
    pub fn tokens_for<S>(
        mut self,
        api: &str,
        mode: AuthorizationMode,
        source: S,
    ) -> Result<Self, AuthError>
    where
        S: TokenSource + Send + Sync + 'static,
        S::Future: Send + 'static,
    {
        self.own(api)?.set_tokens(mode, source)?;
        Ok(self)
    }

    /// The AWS credentials of mode `AWS_IAM`, for all APIs:
    /// [`Credentials`](aws_credential_types::Credentials), or any
    /// [`CredentialsSource`](crate::CredentialsSource).
    ///
    /// # Errors
    ///
    /// Those of [`SigningCredentials::new`](crate::sigv4::SigningCredentials::new).
    #[cfg(feature = "sigv4")]
    pub fn aws_credentials<C>(mut self, credentials: C) -> Result<Self, AuthError>
    where
        C: crate::IntoCredentialsSource,
        C::Source: Send + Sync + 'static,
        <C::Source as crate::CredentialsSource>::Future: Send + 'static,
    {
        self.all.set_credentials(credentials)?;
        Ok(self)
    }

    /// As [`aws_credentials`](AuthSelector::aws_credentials), for one API.
    ///
    /// # Errors
    ///
    /// Also if there is no API of that name.
    #[cfg(feature = "sigv4")]
    pub fn aws_credentials_for<C>(mut self, api: &str, credentials: C) -> Result<Self, AuthError>
    where
        C: crate::IntoCredentialsSource,
        C::Source: Send + Sync + 'static,
        <C::Source as crate::CredentialsSource>::Future: Send + 'static,
    {
        self.own(api)?.set_credentials(credentials)?;
        Ok(self)
    }

    /// Where the AWS credentials of mode `AWS_IAM` come from, for all APIs: any provider, such as
    /// `aws_config`'s default chain, kept in a [`Cached`](crate::Cached).
    #[cfg(feature = "sigv4")]
    pub fn aws_provider<C>(mut self, provider: C) -> Self
    where
        C: aws_credential_types::provider::ProvideCredentials + 'static,
    {
        let name = AuthorizationMode::AwsIam.as_str();
        let cached = crate::Cached::named(provider, name, crate::Clock::system());
        self.all.aws = Some(AwsCredentials::new(cached));
        self
    }

    /// The session of a user: its tokens for mode `AMAZON_COGNITO_USER_POOLS`, its credentials for mode `AWS_IAM`,
    /// as far as it has them. What is given for a mode by itself counts before them. Feature `cognito`.
    ///
    /// ```no_run
    /// # use tower_client_auth::{BoxError, Config, Transport};
    /// # fn example(transport: Transport) -> Result<(), BoxError> {
    /// let config = Config::from_path("amplifyconfiguration.json")?;
    /// let session = config.session(transport)?;
    /// let layer = config.selector().session(session.clone()).layer_for_all()?;
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "cognito")]
    pub fn session(mut self, session: crate::cognito::Session) -> Self {
        self.all.set_session(&session);
        self
    }

    /// As [`session`](AuthSelector::session), for one API: where APIs have users of different pools. What this session
    /// lacks is not made up for by what was given for all APIs.
    ///
    /// # Errors
    ///
    /// [`AuthErrorKind::Configuration`] if there is no API of that name.
    #[cfg(feature = "cognito")]
    pub fn session_for(
        mut self,
        api: &str,
        session: crate::cognito::Session,
    ) -> Result<Self, AuthError> {
        self.own(api)?.set_session(&session);
        Ok(self)
    }

    /// Which of a session's tokens an API is sent in mode `AMAZON_COGNITO_USER_POOLS`, in place of what the
    /// configuration says. Amplify's files cannot say it, and stand for the access token; a REST API's Cognito
    /// authorizer wants the ID token if the method names no scopes.
    ///
    /// # Errors
    ///
    /// [`AuthErrorKind::Configuration`] if there is no API of that name.
    #[cfg(feature = "cognito")]
    pub fn user_pool_token_for(
        mut self,
        api: &str,
        kind: crate::oauth::TokenKind,
    ) -> Result<Self, AuthError> {
        self.own(api)?.user_pool_token = Some(kind);
        Ok(self)
    }

    /// The key of an API, in place of the file's: for keys that are no part of what is checked in.
    ///
    /// # Errors
    ///
    /// [`AuthErrorKind::Configuration`] if there is no API of that name.
    pub fn api_key_for(mut self, api: &str, key: impl Into<Secret>) -> Result<Self, AuthError> {
        self.own(api)?.api_key = Some(key.into());
        Ok(self)
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The layer for one API.
    ///
    /// # Errors
    ///
    /// [`AuthErrorKind::Configuration`] if there is no API of that name, or if its mode takes what is
    /// not there: a key, a token source, AWS credentials, a region, a feature of this crate.
    /// [`AuthErrorKind::MalformedCredential`] for a key that cannot stand in a header,
    /// [`AuthErrorKind::PlainText`] for an endpoint over plain http.
    pub fn layer(&self, api: &str) -> Result<ApiAuthLayer, AuthError> {
        self.layer_for([api])
    }

    /// The layer for the only API there is.
    ///
    /// # Errors
    ///
    /// Those of [`layer`](AuthSelector::layer); [`AuthErrorKind::Configuration`] if there are several
    /// APIs, or none.
    pub fn only_layer(&self) -> Result<ApiAuthLayer, AuthError> {
        self.make(&Which::Only)
    }

    /// The layer for the only API of a kind: where a file has a REST API and a GraphQL API.
    ///
    /// # Errors
    ///
    /// As [`only_layer`](AuthSelector::only_layer).
    pub fn only_layer_of(&self, kind: ApiKind) -> Result<ApiAuthLayer, AuthError> {
        self.make(&Which::OnlyOf(kind))
    }

    /// One layer for all APIs: it finds a request's API by its URL, or by its
    /// [`ApiName`](crate::ApiName).
    ///
    /// Of several APIs with one origin, the one with the longest path that the URL's path lies below.
    /// Requests to none of them are out of scope.
    ///
    /// # Errors
    ///
    /// Those of [`layer`](AuthSelector::layer), for any of the APIs;
    /// [`AuthErrorKind::Configuration`] if two have the same endpoint, or if there is no API at all.
    pub fn layer_for_all(&self) -> Result<ApiAuthLayer, AuthError> {
        self.make(&Which::All)
    }

    /// As [`layer_for_all`](AuthSelector::layer_for_all), for some of the APIs: where a file has more
    /// than the program calls.
    ///
    /// # Errors
    ///
    /// Also if there is no API of one of the names.
    pub fn layer_for<N: AsRef<str>>(
        &self,
        apis: impl IntoIterator<Item = N>,
    ) -> Result<ApiAuthLayer, AuthError> {
        self.make(&Which::named(apis))
    }

    fn make(&self, which: &Which) -> Result<ApiAuthLayer, AuthError> {
        let selected = self.select(which)?;
        Ok(AuthorizeLayer::from_parts(selected, Buffer::default()))
    }

    /// The providers of one API.
    fn own(&mut self, api: &str) -> Result<&mut Providers, AuthError> {
        self.find(api)?;
        Ok(self.own.entry(api.to_owned()).or_default())
    }
}

impl fmt::Debug for AuthSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthSelector")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}
