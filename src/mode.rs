//! Amplify's names for the ways a request is authorized.

use std::fmt;
use std::str::FromStr;

use serde::de::{self, Deserialize, Deserializer, Visitor};

use crate::error::{AuthError, AuthErrorKind};
use crate::suggest;

/// How the requests of an API are authorized, in Amplify's words and spelling.
///
/// | in a file | what a request gets |
/// |---|---|
/// | `NONE` | nothing |
/// | `API_KEY` | `x-api-key: <the API's key>` |
/// | `AWS_IAM` | a Signature Version 4 |
/// | `AMAZON_COGNITO_USER_POOLS` | `authorization: <the user's token>`, without `Bearer` |
/// | `OPENID_CONNECT`, `AWS_LAMBDA` | `authorization: <whatever the token source returns>`, verbatim |
///
/// ```
/// use tower_client_auth::AuthorizationMode;
///
/// let mode: AuthorizationMode = "AWS_IAM".parse()?;
/// assert_eq!(mode, AuthorizationMode::AwsIam);
///
/// let error = "AWS-IAM".parse::<AuthorizationMode>().expect_err("spelled with an underscore");
/// assert!(error.to_string().contains("did you mean `AWS_IAM`?"));
/// # Ok::<(), tower_client_auth::AuthError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[cfg_attr(
    feature = "schemars",
    schemars(description = "How the requests of an API are authorized, in Amplify's words.")
)]
#[non_exhaustive]
pub enum AuthorizationMode {
    /// `NONE`: requests go out as they are.
    #[cfg_attr(feature = "schemars", schemars(rename = "NONE"))]
    None,
    /// `API_KEY`: the API's key in `x-api-key`.
    #[cfg_attr(feature = "schemars", schemars(rename = "API_KEY"))]
    ApiKey,
    /// `AWS_IAM`: signed with AWS credentials, Signature Version 4.
    #[cfg_attr(feature = "schemars", schemars(rename = "AWS_IAM"))]
    AwsIam,
    /// `AMAZON_COGNITO_USER_POOLS`: a user's token, verbatim.
    #[cfg_attr(feature = "schemars", schemars(rename = "AMAZON_COGNITO_USER_POOLS"))]
    CognitoUserPools,
    /// `OPENID_CONNECT`: a token from any issuer, verbatim: who wants a `Bearer ` writes it into the
    /// token.
    #[cfg_attr(feature = "schemars", schemars(rename = "OPENID_CONNECT"))]
    OpenIdConnect,
    /// `AWS_LAMBDA`: a token for a Lambda authorizer, verbatim.
    #[cfg_attr(feature = "schemars", schemars(rename = "AWS_LAMBDA"))]
    AwsLambda,
}

impl AuthorizationMode {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::None,
        Self::ApiKey,
        Self::AwsIam,
        Self::CognitoUserPools,
        Self::OpenIdConnect,
        Self::AwsLambda,
    ];

    /// Its name in a file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::ApiKey => "API_KEY",
            Self::AwsIam => "AWS_IAM",
            Self::CognitoUserPools => "AMAZON_COGNITO_USER_POOLS",
            Self::OpenIdConnect => "OPENID_CONNECT",
            Self::AwsLambda => "AWS_LAMBDA",
        }
    }

    /// Whether its requests carry a token of a token source.
    pub(crate) fn takes_token(self) -> bool {
        matches!(
            self,
            Self::CognitoUserPools | Self::OpenIdConnect | Self::AwsLambda
        )
    }
}

impl fmt::Display for AuthorizationMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for AuthorizationMode {
    type Err = AuthError;

    /// Reads a name as it stands in a file: case counts.
    fn from_str(name: &str) -> Result<Self, AuthError> {
        choose("an authorization mode", name, Self::ALL, Self::as_str)
            .map_err(|problem| AuthError::new(AuthErrorKind::Configuration, problem))
    }
}

impl<'de> Deserialize<'de> for AuthorizationMode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Choice {
            what: "an authorization mode",
            all: Self::ALL,
            name: Self::as_str,
        })
    }
}

/// Finds the value of that name. What is wrong otherwise is said without the text that was given: it
/// may be a key in the wrong place.
fn choose<T: Copy>(
    what: &str,
    given: &str,
    all: &[T],
    name: fn(T) -> &'static str,
) -> Result<T, String> {
    if let Some(found) = all.iter().find(|value| name(**value) == given) {
        return Ok(*found);
    }
    let names: Vec<&str> = all.iter().map(|value| name(*value)).collect();
    let mut problem = format!("expected {what}, one of {}", suggest::list(names.clone()));
    if let Some(near) = suggest::nearest_or_part(given, &names) {
        problem.push_str(&format!(": did you mean `{near}`?"));
    }
    Err(problem)
}

/// Reads one of a few names, for `Deserialize` implementations.
pub(crate) struct Choice<T: 'static> {
    pub(crate) what: &'static str,
    pub(crate) all: &'static [T],
    pub(crate) name: fn(T) -> &'static str,
}

impl<T: Copy> Visitor<'_> for Choice<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.all.iter().map(|value| (self.name)(*value));
        write!(f, "{}, one of {}", self.what, suggest::list(names))
    }

    fn visit_str<E: de::Error>(self, given: &str) -> Result<T, E> {
        choose(self.what, given, self.all, self.name).map_err(E::custom)
    }
}
