//! What a configuration says, whatever file it came from.

use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer};

use super::endpoint::Endpoint;
use crate::error::AuthError;
use crate::identity::TokenKind;
use crate::mode::{AuthorizationMode, Choice};
use crate::secret::Secret;

/// One API: where it is, and how its requests are authorized.
///
/// ```
/// use tower_client_auth::{ApiConfig, AuthorizationMode, Config};
///
/// let mut config = Config::default();
/// let mut orders = ApiConfig::new("https://api.example.com/prod", AuthorizationMode::ApiKey)?;
/// orders.api_key = Some("da2-fakeApiId123456".into());
/// config.apis.insert("orders".to_owned(), orders);
/// # Ok::<(), tower_client_auth::AuthError>(())
/// ```
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[cfg_attr(
    feature = "schemars",
    schemars(description = "One API: where it is, and how its requests are authorized.")
)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ApiConfig {
    /// Its URL. A request whose URI is only a path goes there; others belong to this API if their
    /// origin is the same and their path begins with the endpoint's.
    pub endpoint: Endpoint,
    /// How its requests are authorized, if they do not say otherwise.
    pub mode: AuthorizationMode,
    /// REST or GraphQL: it decides the signing name, if `service` does not.
    #[serde(default)]
    pub kind: ApiKind,
    /// The AWS region it is in, which `AWS_IAM` needs. Never guessed from the host.
    #[serde(default)]
    pub region: Option<String>,
    /// In place of `region`, for SigV4a: all regions that signatures are to hold in, as `us-east-1,eu-*` or `*`.
    ///
    /// Takes the feature `sigv4a`.
    #[serde(default)]
    pub region_set: Option<String>,
    /// Its signing name. If it is left out: `execute-api` for REST, `appsync` for GraphQL.
    #[serde(default)]
    pub service: Option<String>,
    /// The key of mode `API_KEY`.
    #[serde(default, deserialize_with = "secret")]
    #[cfg_attr(feature = "schemars", schemars(with = "Option<String>"))]
    pub api_key: Option<Secret>,
    /// Which of the user's tokens mode `AMAZON_COGNITO_USER_POOLS` sends, of a session's: the access token if
    /// it does not say.
    #[serde(default, deserialize_with = "token_kind")]
    pub user_pool_token: TokenKind,
    /// The modes that the API takes besides `mode`, as far as its file says so: for programs that
    /// offer a choice. A single request picks one with
    /// [`AuthOverride::mode`](crate::AuthOverride::mode), be it among these or not.
    #[serde(default)]
    #[cfg_attr(
        feature = "schemars",
        schemars(
            description = "The modes that the API takes besides `mode`, for programs that offer a choice."
        )
    )]
    pub additional_modes: Vec<AuthorizationMode>,
    /// Lets credentials cross a network in plain text to reach this API: anybody on the way can read
    /// and use them. For networks that encrypt by themselves, such as a service mesh.
    #[serde(default)]
    pub allow_plain_http: bool,
}

impl ApiConfig {
    /// A REST API without further settings.
    ///
    /// # Errors
    ///
    /// [`Configuration`](crate::AuthErrorKind::Configuration) if the endpoint is no whole URL.
    pub fn new<E>(endpoint: E, mode: AuthorizationMode) -> Result<Self, AuthError>
    where
        E: TryInto<Endpoint>,
        AuthError: From<E::Error>,
    {
        Ok(Self::at(endpoint.try_into()?, mode))
    }

    pub(super) fn at(endpoint: Endpoint, mode: AuthorizationMode) -> Self {
        Self {
            endpoint,
            mode,
            kind: ApiKind::default(),
            region: None,
            region_set: None,
            service: None,
            api_key: None,
            user_pool_token: TokenKind::default(),
            additional_modes: Vec::new(),
            allow_plain_http: false,
        }
    }

    /// Its signing name: `service`, or what is usual for its kind.
    pub fn signing_name(&self) -> &str {
        match (&self.service, self.kind) {
            (Some(service), _) => service,
            (None, ApiKind::Rest) => "execute-api",
            (None, ApiKind::GraphQl) => "appsync",
        }
    }
}

/// What is spoken with an API.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum ApiKind {
    /// `REST`: API Gateway and everything else over plain HTTP. The default.
    #[default]
    #[cfg_attr(feature = "schemars", schemars(rename = "REST"))]
    Rest,
    /// `GraphQL`: AppSync.
    #[cfg_attr(feature = "schemars", schemars(rename = "GraphQL"))]
    GraphQl,
}

impl ApiKind {
    const ALL: &'static [Self] = &[Self::Rest, Self::GraphQl];

    /// Its name in a file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rest => "REST",
            Self::GraphQl => "GraphQL",
        }
    }
}

impl fmt::Display for ApiKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl<'de> Deserialize<'de> for ApiKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Choice {
            what: "the kind of the API",
            all: Self::ALL,
            name: Self::as_str,
        })
    }
}

/// Who signs users in, and gives out AWS credentials.
///
/// With feature `cognito`, `Config::session` makes a session of the two pools.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct AuthConfig {
    /// The Cognito user pool whose tokens `AMAZON_COGNITO_USER_POOLS` takes.
    #[serde(default)]
    pub user_pool: Option<UserPoolConfig>,
    /// The Cognito identity pool whose credentials `AWS_IAM` can take.
    #[serde(default)]
    pub identity_pool: Option<IdentityPoolConfig>,
    /// The issuer whose tokens `OPENID_CONNECT` takes.
    #[serde(default)]
    pub oidc: Option<OidcConfig>,
}

/// A Cognito user pool and the client that this program is to it.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct UserPoolConfig {
    /// The pool: `eu-west-1_AbCdEfGhI`.
    pub id: String,
    /// The app client.
    pub client_id: String,
    /// The region it is in.
    pub region: String,
    /// The app client's secret, if it has one.
    #[serde(default, deserialize_with = "secret")]
    #[cfg_attr(feature = "schemars", schemars(with = "Option<String>"))]
    pub client_secret: Option<Secret>,
    /// The host to call in place of `cognito-idp.<region>.amazonaws.com`.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// The pool's own login page and OAuth server.
    #[serde(default)]
    pub oauth: Option<OAuthConfig>,
}

/// The OAuth server of a Cognito user pool.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct OAuthConfig {
    /// Its host.
    pub domain: String,
    /// What to ask for.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// Where a browser returns to after signing in.
    #[serde(default)]
    pub sign_in_redirect_uris: Vec<String>,
    /// Where a browser returns to after signing out.
    #[serde(default)]
    pub sign_out_redirect_uris: Vec<String>,
}

/// A Cognito identity pool.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct IdentityPoolConfig {
    /// The pool: `eu-west-1:` and a UUID.
    pub id: String,
    /// The region it is in.
    pub region: String,
    /// The host to call in place of `cognito-identity.<region>.amazonaws.com`.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// Whether it gives credentials to whoever is not signed in, as far as the file knows. `true` if
    /// it does not say.
    #[serde(default = "yes")]
    pub allow_guests: bool,
}

/// An OpenID Connect issuer, and the client that this program is to it.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct OidcConfig {
    /// Its URL, under which `/.well-known/openid-configuration` is.
    pub issuer: String,
    /// The client.
    pub client_id: String,
    /// The client's secret, if it has one.
    #[serde(default, deserialize_with = "secret")]
    #[cfg_attr(feature = "schemars", schemars(with = "Option<String>"))]
    pub client_secret: Option<Secret>,
    /// What to ask for.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// Who the tokens are for.
    #[serde(default)]
    pub audience: Option<String>,
}

fn token_kind<'de, D: Deserializer<'de>>(deserializer: D) -> Result<TokenKind, D::Error> {
    deserializer.deserialize_str(Choice {
        what: "a kind of token",
        all: TokenKind::ALL,
        name: TokenKind::as_str,
    })
}

fn yes() -> bool {
    true
}

/// Reads a secret, which is why [`Secret`] itself need not be readable: it would be writable next.
pub(super) fn secret<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Secret>, D::Error> {
    Option::<SecretText>::deserialize(deserializer).map(|text| text.map(|text| text.0))
}

struct SecretText(Secret);

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl de::Visitor<'_> for Text {
            type Value = SecretText;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<SecretText, E> {
                Ok(SecretText(Secret::new(text)))
            }

            fn visit_string<E: de::Error>(self, text: String) -> Result<SecretText, E> {
                Ok(SecretText(Secret::new(text)))
            }

            // serde's own messages repeat the number.
            fn visit_i64<E: de::Error>(self, _: i64) -> Result<SecretText, E> {
                Err(E::custom("expected a string, found a number"))
            }

            fn visit_u64<E: de::Error>(self, _: u64) -> Result<SecretText, E> {
                Err(E::custom("expected a string, found a number"))
            }

            fn visit_f64<E: de::Error>(self, _: f64) -> Result<SecretText, E> {
                Err(E::custom("expected a string, found a number"))
            }
        }

        deserializer.deserialize_string(Text)
    }
}
