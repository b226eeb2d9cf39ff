//! Amplify Gen 2: `amplify_outputs.json`, after [its schema], and the two places where REST APIs are
//! kept, which the schema does not know: `custom.API`, as Amplify's documentation has it, and
//! `rest_api`, as amplify-flutter reads it.
//!
//! [its schema]: https://github.com/aws-amplify/amplify-backend/tree/main/packages/client-config/src/client-config-schema

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, Visitor};

use super::deserializer::Reader;
use super::endpoint::Endpoint;
use super::model::{
    ApiConfig, ApiKind, AuthConfig, IdentityPoolConfig, OAuthConfig, UserPoolConfig, secret,
};
use super::parts::{ASSUMED_IAM, Entry, GRAPHQL, Parts, Rules, or_iam, some_mode};
use super::problem::Problem;
use crate::mode::AuthorizationMode;
use crate::secret::Secret;

pub(super) const RULES: Rules = Rules {
    strict: false,
    passed_over: &[
        (
            "File",
            &[
                "$schema",
                "schema",
                "analytics",
                "geo",
                "notifications",
                "storage",
            ],
        ),
        (
            "Auth",
            &[
                "authentication_flow_type",
                "groups",
                "mfa_configuration",
                "mfa_methods",
                "password_policy",
                "passwordless",
                "standard_required_attributes",
                "user_verification_types",
                "username_attributes",
            ],
        ),
        (
            "OAuth",
            &[
                "identity_providers",
                "response_type",
                "sign_in_uri",
                "sign_in_uri_query_parameters",
                "sign_out_uri",
                "sign_out_uri_query_parameters",
                "token_uri",
                "token_uri_query_parameters",
                "cognito_domain",
                "custom_domain",
            ],
        ),
        ("Data", &["model_introspection", "conflict_resolution_mode"]),
        ("CustomApi", &["apiName"]),
    ],
    assumed: &[("RestApi", "authorization_type", ASSUMED_IAM)],
};

#[derive(serde::Deserialize)]
struct File {
    #[allow(dead_code, reason = "it is checked, and then it is of no more use")]
    version: Version,
    auth: Option<Auth>,
    data: Option<Data>,
    #[serde(default)]
    rest_api: BTreeMap<String, RestApi>,
    #[serde(default)]
    custom: Custom,
}

/// `1`, or `1.` and something: files of another major version mean something else.
struct Version;

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl Visitor<'_> for Text {
            type Value = Version;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the version of the format as a string, such as `\"1\"` or `\"1.4\"`")
            }

            fn visit_str<E: de::Error>(self, version: &str) -> Result<Version, E> {
                match version.split('.').next() {
                    Some("1") => Ok(Version),
                    _ => Err(E::custom(
                        "only version 1 of the format is known, such as `\"1\"` or `\"1.4\"`",
                    )),
                }
            }
        }

        deserializer.deserialize_str(Text)
    }
}

#[derive(serde::Deserialize)]
struct Auth {
    aws_region: String,
    user_pool_id: Option<String>,
    user_pool_client_id: Option<String>,
    #[serde(default, deserialize_with = "secret")]
    app_client_secret: Option<Secret>,
    identity_pool_id: Option<String>,
    unauthenticated_identities_enabled: Option<bool>,
    oauth: Option<OAuth>,
}

#[derive(serde::Deserialize)]
struct OAuth {
    domain: Option<String>,
    #[serde(default)]
    scopes: Vec<String>,
    #[serde(default)]
    redirect_sign_in_uri: Vec<String>,
    #[serde(default)]
    redirect_sign_out_uri: Vec<String>,
}

#[derive(serde::Deserialize)]
struct Data {
    aws_region: String,
    url: Endpoint,
    default_authorization_type: AuthorizationMode,
    #[serde(default)]
    authorization_types: Vec<AuthorizationMode>,
    #[serde(default, deserialize_with = "secret")]
    api_key: Option<Secret>,
}

#[derive(serde::Deserialize)]
struct RestApi {
    aws_region: String,
    url: Endpoint,
    #[serde(default, deserialize_with = "some_mode")]
    authorization_type: Option<AuthorizationMode>,
    #[serde(default, deserialize_with = "secret")]
    api_key: Option<Secret>,
}

/// What an application puts into its outputs: everything but the APIs is its own business.
#[derive(Default)]
struct Custom {
    apis: BTreeMap<String, CustomApi>,
}

impl<'de> Deserialize<'de> for Custom {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Custom;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: de::MapAccess<'de>>(self, mut members: A) -> Result<Custom, A::Error> {
                let mut custom = Custom::default();
                while let Some(name) = members.next_key::<String>()? {
                    match name.as_str() {
                        "API" => custom.apis = members.next_value()?,
                        _ => drop(members.next_value::<de::IgnoredAny>()?),
                    }
                }
                Ok(custom)
            }
        }

        deserializer.deserialize_map(Members)
    }
}

#[derive(serde::Deserialize)]
struct CustomApi {
    endpoint: Endpoint,
    region: Option<String>,
}

pub(super) fn read(reader: Reader<'_>) -> Result<Parts, Problem> {
    let file = File::deserialize(reader)?;
    let mut parts = Parts {
        auth: file
            .auth
            .map(AuthConfig::try_from)
            .transpose()?
            .unwrap_or_default(),
        ..Parts::default()
    };
    let mut add = |path: &[&str], name: String, api: ApiConfig| {
        parts.apis.push(Entry {
            path: path.iter().map(|member| (*member).to_owned()).collect(),
            name,
            api,
        });
    };
    if let Some(data) = file.data {
        add(&["data"], GRAPHQL.to_owned(), data.into());
    }
    for (name, api) in file.custom.apis {
        let api = ApiConfig {
            region: api.region,
            ..ApiConfig::at(api.endpoint, AuthorizationMode::AwsIam)
        };
        add(&["custom", "API", &name.clone()], name, api);
    }
    for (name, api) in file.rest_api {
        let api = ApiConfig {
            region: Some(api.aws_region),
            api_key: api.api_key,
            ..ApiConfig::at(api.url, or_iam(api.authorization_type))
        };
        add(&["rest_api", &name.clone()], name, api);
    }
    Ok(parts)
}

impl From<Data> for ApiConfig {
    fn from(data: Data) -> Self {
        let mode = data.default_authorization_type;
        let mut additional_modes = data.authorization_types;
        additional_modes.retain(|additional| *additional != mode);
        Self {
            kind: ApiKind::GraphQl,
            region: Some(data.aws_region),
            api_key: data.api_key,
            additional_modes,
            ..Self::at(data.url, mode)
        }
    }
}

impl TryFrom<Auth> for AuthConfig {
    type Error = Problem;

    fn try_from(auth: Auth) -> Result<Self, Problem> {
        let region = auth.aws_region;
        let user_pool = match (auth.user_pool_id, auth.user_pool_client_id) {
            (Some(id), Some(client_id)) => Some(UserPoolConfig {
                id,
                client_id,
                region: region.clone(),
                client_secret: auth.app_client_secret,
                endpoint: None,
                oauth: auth.oauth.and_then(OAuth::into_config),
            }),
            (None, None) => None,
            (id, _) => {
                let (there, missing) = match id {
                    Some(_) => ("user_pool_id", "user_pool_client_id"),
                    None => ("user_pool_client_id", "user_pool_id"),
                };
                let message = format!("`{there}` is here without `{missing}`");
                return Err(Problem::new(message).about_member(&["auth"]));
            }
        };
        Ok(Self {
            user_pool,
            identity_pool: auth.identity_pool_id.map(|id| IdentityPoolConfig {
                endpoint: None,
                id,
                region,
                allow_guests: auth.unauthenticated_identities_enabled.unwrap_or(true),
            }),
            oidc: None,
        })
    }
}

impl OAuth {
    fn into_config(self) -> Option<OAuthConfig> {
        Some(OAuthConfig {
            domain: self.domain?,
            scopes: self.scopes,
            sign_in_redirect_uris: self.redirect_sign_in_uri,
            sign_out_redirect_uris: self.redirect_sign_out_uri,
        })
    }
}
