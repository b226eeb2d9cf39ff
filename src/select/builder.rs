//! The schemes of one API: what the configuration says, put together with what it does not hold.

use std::array;
use std::collections::BTreeMap;

use super::api::{Api, Scheme};
#[cfg(feature = "sigv4")]
use super::providers::AwsCredentials;
use super::providers::Tokens;
use super::which::configuration;
use crate::config::ApiConfig;
use crate::error::{AuthError, AuthErrorKind};
use crate::identity::{TokenKind, TokenSource, TokenStyle};
use crate::layer::{ApiKeyLayer, BearerTokenLayer, Guard, Scope};
use crate::mode::AuthorizationMode;
use crate::secret::Secret;
#[cfg(feature = "sigv4")]
use crate::sigv4::SigningScope;
use crate::suggest;

/// What the configuration does not hold.
#[derive(Clone, Default)]
pub(super) struct Providers {
    pub(super) api_key: Option<Secret>,
    /// In place of the configuration's.
    #[cfg(feature = "cognito")]
    pub(super) user_pool_token: Option<TokenKind>,
    sources: BTreeMap<AuthorizationMode, Tokens>,
    /// An API with a session of its own takes nothing of another's.
    #[cfg(feature = "cognito")]
    has_session: bool,
    /// Where nothing else is given: a session's.
    #[cfg(feature = "cognito")]
    user: Option<UserTokens>,
    #[cfg(feature = "cognito")]
    identity: Option<AwsCredentials>,
    #[cfg(feature = "sigv4")]
    pub(super) aws: Option<AwsCredentials>,
}

impl Providers {
    pub(super) fn set_tokens<S>(
        &mut self,
        mode: AuthorizationMode,
        source: S,
    ) -> Result<(), AuthError>
    where
        S: TokenSource + Send + Sync + 'static,
        S::Future: Send + 'static,
    {
        if !mode.takes_token() {
            let takers = AuthorizationMode::ALL
                .iter()
                .filter(|mode| mode.takes_token());
            return Err(configuration(format!(
                "mode `{mode}` takes no token; those that do are {}",
                suggest::list(takers.map(|mode| mode.as_str()))
            )));
        }
        self.sources
            .insert(mode, Tokens::new(source, mode.as_str()));
        Ok(())
    }

    #[cfg(feature = "sigv4")]
    pub(super) fn set_credentials<C>(&mut self, credentials: C) -> Result<(), AuthError>
    where
        C: crate::IntoCredentialsSource,
        C::Source: Send + Sync + 'static,
        <C::Source as crate::CredentialsSource>::Future: Send + 'static,
    {
        let source = credentials.into_credentials_source()?;
        self.aws = Some(AwsCredentials::new(source));
        Ok(())
    }

    /// What was given for the mode by itself, else what a session has.
    #[cfg(feature = "sigv4")]
    fn credentials(&self) -> Option<&AwsCredentials> {
        #[cfg(feature = "cognito")]
        return self.aws.as_ref().or(self.identity.as_ref());
        #[cfg(not(feature = "cognito"))]
        self.aws.as_ref()
    }

    /// What was given for the mode by itself, else what a session has.
    fn tokens(&self, mode: AuthorizationMode, of_user: TokenKind) -> Option<&Tokens> {
        let given = self.sources.get(&mode);
        #[cfg(feature = "cognito")]
        let given = given.or_else(|| match mode {
            AuthorizationMode::CognitoUserPools => self.user_token(of_user),
            _ => None,
        });
        let _ = of_user;
        given
    }

    pub(super) fn has_session(&self) -> bool {
        #[cfg(feature = "cognito")]
        return self.has_session;
        #[cfg(not(feature = "cognito"))]
        false
    }
}

/// The two tokens of a session's user.
#[cfg(feature = "cognito")]
#[derive(Clone)]
struct UserTokens {
    access: Tokens,
    id: Tokens,
}

#[cfg(feature = "cognito")]
impl Providers {
    pub(super) fn set_session(&mut self, session: &crate::cognito::Session) {
        let mode = AuthorizationMode::CognitoUserPools.as_str();
        self.has_session = true;
        self.user = session.user_pool().is_ok().then(|| UserTokens {
            access: Tokens::new(session.tokens(TokenKind::Access), mode),
            id: Tokens::new(session.tokens(TokenKind::Id), mode),
        });
        // Without an identity pool there are none.
        self.identity = session.credentials().ok().map(AwsCredentials::new);
    }

    fn user_token(&self, kind: TokenKind) -> Option<&Tokens> {
        let user = self.user.as_ref()?;
        Some(match kind {
            TokenKind::Id => &user.id,
            _ => &user.access,
        })
    }
}

/// Makes the schemes of one API.
pub(super) struct Builder<'a> {
    name: &'a str,
    config: &'a ApiConfig,
    own: Option<&'a Providers>,
    all: &'a Providers,
    scope: Scope,
}

impl<'a> Builder<'a> {
    pub(super) fn new(
        name: &'a str,
        config: &'a ApiConfig,
        own: Option<&'a Providers>,
        all: &'a Providers,
    ) -> Result<Self, AuthError> {
        Ok(Self {
            name,
            config,
            own,
            all,
            scope: scope_of(name, config)?,
        })
    }

    pub(super) fn build(&self) -> Result<Api, AuthError> {
        let api = Api {
            name: self.name.to_owned(),
            path: self.config.endpoint.path().into(),
            endpoint: self.config.endpoint.clone(),
            kind: self.config.kind,
            mode: self.config.mode,
            schemes: array::from_fn(|at| self.scheme(AuthorizationMode::ALL[at])),
            guard: Guard::new(self.scope.clone())?,
        };
        api.scheme(api.mode)?;
        Ok(api)
    }

    fn scheme(&self, mode: AuthorizationMode) -> Result<Scheme, AuthError> {
        match mode {
            AuthorizationMode::None => Ok(Scheme::Open),
            AuthorizationMode::ApiKey => self.key(),
            AuthorizationMode::AwsIam => self.iam(),
            AuthorizationMode::CognitoUserPools
            | AuthorizationMode::OpenIdConnect
            | AuthorizationMode::AwsLambda => self.token(mode),
        }
    }

    /// The first that somebody gave, for this API before all APIs.
    fn provided<T>(&self, get: impl Fn(&Providers) -> Option<&T>) -> Option<&T> {
        self.own.and_then(&get).or_else(|| get(self.all))
    }

    /// The same for what a session has: an API with a session of its own takes nothing of another's.
    fn provided_for_user<T>(&self, get: impl Fn(&Providers) -> Option<&T>) -> Option<&T> {
        match self.own {
            Some(own) if own.has_session() => get(own),
            _ => self.provided(get),
        }
    }

    fn key(&self) -> Result<Scheme, AuthError> {
        let given = self.provided(|providers| providers.api_key.as_ref());
        let key = given.or(self.config.api_key.as_ref()).ok_or_else(|| {
            self.missing(
                "mode `API_KEY`, and there is no key for it: write it into the configuration, or give \
                 it with `AuthSelector::api_key_for`",
            )
        })?;
        let layer = ApiKeyLayer::new(self.scope.clone(), key.clone())
            .map_err(|error| self.wrong(&error))?;
        let key = layer.into_authorizer().yielding_to_authorization();
        Ok(Scheme::Key(key))
    }

    fn token(&self, mode: AuthorizationMode) -> Result<Scheme, AuthError> {
        let of_user = self.user_pool_token();
        let source = match mode {
            AuthorizationMode::CognitoUserPools => {
                self.provided_for_user(|providers| providers.tokens(mode, of_user))
            }
            _ => self.provided(|providers| providers.tokens(mode, of_user)),
        };
        let source = source.ok_or_else(|| {
            let session = match mode {
                AuthorizationMode::CognitoUserPools => {
                    ", or a session with `AuthSelector::session` (feature `cognito`)"
                }
                _ => "",
            };
            self.missing(&format!(
                "mode `{mode}`, and there is no token source for it: give one with \
                 `AuthSelector::tokens`{session}"
            ))
        })?;
        let layer = BearerTokenLayer::new(self.scope.clone(), source.clone())?;
        Ok(Scheme::Token(
            layer.style(TokenStyle::Raw).into_authorizer(),
        ))
    }

    fn user_pool_token(&self) -> TokenKind {
        #[cfg(feature = "cognito")]
        if let Some(kind) = self.own.and_then(|own| own.user_pool_token) {
            return kind;
        }
        self.config.user_pool_token
    }

    #[cfg(feature = "sigv4")]
    fn iam(&self) -> Result<Scheme, AuthError> {
        let credentials = self.provided_for_user(Providers::credentials);
        let credentials = credentials.ok_or_else(|| {
            self.missing(
                "mode `AWS_IAM`, and there are no AWS credentials for it: give them with \
                 `AuthSelector::aws_credentials` or `AuthSelector::aws_provider`, or a session that has an identity \
                 pool with `AuthSelector::session` (feature `cognito`)",
            )
        })?;
        let layer = crate::layer::SigV4Layer::for_scope(self.signing_scope()?, credentials.clone())
            .and_then(|layer| layer.scope(self.scope.clone()))
            .map_err(|error| self.wrong(&error))?;
        Ok(Scheme::Iam(layer.into_authorizer()))
    }

    #[cfg(feature = "sigv4")]
    fn signing_scope(&self) -> Result<SigningScope, AuthError> {
        let service = self.config.signing_name();
        let scope = match (&self.config.region_set, &self.config.region) {
            #[cfg(feature = "sigv4a")]
            (Some(regions), _) => SigningScope::v4a(regions, service),
            #[cfg(not(feature = "sigv4a"))]
            (Some(_), _) => {
                return Err(self.missing(
                    "a region set, and this program was built without SigV4a: enable the feature `sigv4a` of \
                     `tower-client-auth`",
                ));
            }
            (None, Some(region)) => SigningScope::new(region, service),
            (None, None) => {
                return Err(self.missing(
                    "mode `AWS_IAM`, and the configuration does not say in which region it is: add its \
                     region",
                ));
            }
        };
        scope.map_err(|error| self.wrong(&error))
    }

    #[cfg(not(feature = "sigv4"))]
    fn iam(&self) -> Result<Scheme, AuthError> {
        Err(self.missing(
            "mode `AWS_IAM`, which this program was built without: enable the feature `sigv4` of \
             `tower-client-auth`",
        ))
    }

    fn missing(&self, what: &str) -> AuthError {
        configuration(format!("the API `{}` has {what}", self.name))
    }

    /// What a layer says, with the API's name to it.
    fn wrong(&self, error: &AuthError) -> AuthError {
        AuthError::new(error.kind(), format!("the API `{}`: {error}", self.name))
    }
}

fn scope_of(name: &str, api: &ApiConfig) -> Result<Scope, AuthError> {
    if api.endpoint.is_plain_text() && !api.allow_plain_http {
        return Err(AuthError::new(
            AuthErrorKind::PlainText,
            format!(
                "the endpoint of the API `{name}` is plain http, where anybody on the way could read \
                 the credential: use https, or `allow_plain_http` if the network is encrypted by other \
                 means"
            ),
        ));
    }
    let scope = Scope::origin(api.endpoint.origin())?;
    Ok(match api.allow_plain_http {
        true => scope.allow_plain_http(),
        false => scope,
    })
}
