//! Amplify Gen 1: `amplifyconfiguration.json` and the JSON inside of `amplifyconfiguration.dart`, as
//! [amplify-cli] writes them, and the fragments that [Amplify's documentation] shows.
//!
//! [amplify-cli]: https://github.com/aws-amplify/amplify-cli
//! [Amplify's documentation]: https://docs.amplify.aws/gen1/flutter/build-a-backend/restapi/existing-resources/

use std::collections::BTreeMap;

use serde::Deserialize;

use super::deserializer::Reader;
use super::endpoint::Endpoint;
use super::model::{
    ApiConfig, ApiKind, AuthConfig, IdentityPoolConfig, OAuthConfig, UserPoolConfig, secret,
};
use super::parts::{ASSUMED_IAM, Entry, Parts, Rules, or_iam, some_mode, split};
use super::problem::Problem;
use crate::mode::AuthorizationMode;
use crate::secret::Secret;

pub(super) const RULES: Rules = Rules {
    strict: false,
    passed_over: &[
        (
            "File",
            &[
                "UserAgent",
                "Version",
                "analytics",
                "dataStore",
                "geo",
                "hub",
                "logging",
                "notifications",
                "predictions",
                "storage",
                // Of the inside of the auth plugin, as a fragment.
                "IdentityManager",
                "PinpointAnalytics",
                "PinpointTargeting",
                "S3TransferUtility",
                "FacebookSignIn",
                "GoogleSignIn",
            ],
        ),
        (
            "Cognito",
            &[
                "UserAgent",
                "Version",
                "IdentityManager",
                "PinpointAnalytics",
                "PinpointTargeting",
                "S3TransferUtility",
                "DynamoDBObjectMapper",
                "GoogleSignIn",
                "FacebookSignIn",
                "AppleSignIn",
                "Lex",
                "Sumerian",
            ],
        ),
        (
            "UserPool",
            &["PinpointAppId", "MigrationEnabled", "HostedUI"],
        ),
        (
            "Auth",
            &[
                "authenticationFlowType",
                "socialProviders",
                "usernameAttributes",
                "signupAttributes",
                "passwordProtectionSettings",
                "mfaConfiguration",
                "mfaTypes",
                "verificationMechanisms",
                "loginMechanism",
                "loginMechanisms",
            ],
        ),
        (
            "OAuth",
            &[
                "AppClientId",
                "AppClientSecret",
                "SignInURI",
                "SignOutURI",
                "TokenURI",
                "SignInURIQueryParameters",
                "SignOutURIQueryParameters",
                "TokenURIQueryParameters",
            ],
        ),
        (
            "AppSync",
            &[
                "Region",
                "ClientDatabasePrefix",
                "DangerouslyConnectToHTTPEndpointForTesting",
            ],
        ),
    ],
    assumed: &[("Api", "authorizationType", ASSUMED_IAM)],
};

/// The whole file, or any of the fragments: they have no member in common.
#[derive(Deserialize)]
struct File {
    api: Option<Category>,
    auth: Option<Category>,
    plugins: Option<Plugins>,
    #[serde(rename = "awsAPIPlugin")]
    api_plugin: Option<BTreeMap<String, Api>>,
    #[serde(rename = "awsCognitoAuthPlugin")]
    auth_plugin: Option<Cognito>,
    #[serde(rename = "CognitoUserPool")]
    user_pool: Option<Named<UserPool>>,
    #[serde(rename = "CredentialsProvider")]
    provider: Option<Provider>,
    #[serde(rename = "Auth")]
    settings: Option<Named<Auth>>,
    #[serde(rename = "AppSync", default)]
    app_sync: BTreeMap<String, AppSync>,
}

#[derive(Deserialize)]
struct Category {
    plugins: Plugins,
}

#[derive(Deserialize)]
struct Plugins {
    #[serde(rename = "awsAPIPlugin")]
    api: Option<BTreeMap<String, Api>>,
    #[serde(rename = "awsCognitoAuthPlugin")]
    auth: Option<Cognito>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Api {
    endpoint_type: ApiKind,
    endpoint: Endpoint,
    region: String,
    #[serde(default, deserialize_with = "some_mode")]
    authorization_type: Option<AuthorizationMode>,
    #[serde(default, deserialize_with = "secret")]
    api_key: Option<Secret>,
}

#[derive(Deserialize)]
struct Cognito {
    #[serde(rename = "CognitoUserPool")]
    user_pool: Option<Named<UserPool>>,
    #[serde(rename = "CredentialsProvider")]
    provider: Option<Provider>,
    #[serde(rename = "Auth")]
    settings: Option<Named<Auth>>,
    #[serde(rename = "AppSync", default)]
    app_sync: BTreeMap<String, AppSync>,
}

/// There may be others beside the default one, which no client of Amplify reads.
#[derive(Deserialize)]
struct Named<T> {
    #[serde(rename = "Default")]
    default: Option<T>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct UserPool {
    pool_id: String,
    app_client_id: String,
    region: String,
    #[serde(default, deserialize_with = "secret")]
    app_client_secret: Option<Secret>,
    endpoint: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Provider {
    cognito_identity: Option<Named<IdentityPool>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct IdentityPool {
    pool_id: String,
    region: String,
}

#[derive(Deserialize)]
struct Auth {
    #[serde(rename = "OAuth")]
    oauth: Option<OAuth>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct OAuth {
    web_domain: String,
    #[serde(default)]
    scopes: Vec<String>,
    #[serde(rename = "SignInRedirectURI")]
    sign_in: Option<String>,
    #[serde(rename = "SignOutRedirectURI")]
    sign_out: Option<String>,
}

/// A mode of a GraphQL API, its own or an additional one.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AppSync {
    api_url: Option<Endpoint>,
    auth_mode: Option<AuthorizationMode>,
    #[serde(default, deserialize_with = "secret")]
    api_key: Option<Secret>,
}

pub(super) fn read(reader: Reader<'_>) -> Result<Parts, Problem> {
    let file = File::deserialize(reader)?;
    let own = Cognito {
        user_pool: file.user_pool,
        provider: file.provider,
        settings: file.settings,
        app_sync: file.app_sync,
    };
    let fragment = file.plugins.unwrap_or(Plugins {
        api: None,
        auth: None,
    });
    let mut parts = Parts::default();
    let mut cognito = vec![own];
    let mut add_apis = |path: &[&str], apis: Option<BTreeMap<String, Api>>| {
        for (name, api) in apis.unwrap_or_default() {
            let path = path.iter().copied().chain([name.as_str()]);
            parts.apis.push(Entry {
                path: path.map(str::to_owned).collect(),
                api: api.into(),
                name,
            });
        }
    };
    add_apis(&["awsAPIPlugin"], file.api_plugin);
    add_apis(&["plugins", "awsAPIPlugin"], fragment.api);
    cognito.extend(file.auth_plugin);
    cognito.extend(fragment.auth);
    for (category, name) in [(file.api, "api"), (file.auth, "auth")] {
        let Some(Category { plugins }) = category else {
            continue;
        };
        add_apis(&[name, "plugins", "awsAPIPlugin"], plugins.api);
        cognito.extend(plugins.auth);
    }
    for cognito in cognito {
        cognito.add_to(&mut parts);
    }
    Ok(parts)
}

impl From<Api> for ApiConfig {
    fn from(api: Api) -> Self {
        Self {
            kind: api.endpoint_type,
            region: Some(api.region),
            api_key: api.api_key,
            ..Self::at(api.endpoint, or_iam(api.authorization_type))
        }
    }
}

impl Cognito {
    fn add_to(self, parts: &mut Parts) {
        for app_sync in self.app_sync.into_values() {
            app_sync.add_to(parts);
        }
        let oauth = self.settings.and_then(|auth| auth.default?.oauth);
        let pool = self.user_pool.and_then(|named| named.default);
        let identity = self
            .provider
            .and_then(|provider| provider.cognito_identity?.default);
        let auth: &mut AuthConfig = &mut parts.auth;
        if let Some(pool) = pool {
            auth.user_pool = Some(UserPoolConfig {
                id: pool.pool_id,
                client_id: pool.app_client_id,
                region: pool.region,
                client_secret: pool.app_client_secret,
                endpoint: pool.endpoint,
                oauth: oauth.map(|oauth| OAuthConfig {
                    domain: oauth.web_domain,
                    scopes: oauth.scopes,
                    sign_in_redirect_uris: split(oauth.sign_in),
                    sign_out_redirect_uris: split(oauth.sign_out),
                }),
            });
        }
        if let Some(pool) = identity {
            auth.identity_pool = Some(IdentityPoolConfig {
                endpoint: None,
                id: pool.pool_id,
                region: pool.region,
                allow_guests: true,
            });
        }
    }
}

impl AppSync {
    /// Adds its mode to the API it is about, and its key where the API has none.
    fn add_to(self, parts: &mut Parts) {
        let (Some(url), Some(mode)) = (self.api_url, self.auth_mode) else {
            return;
        };
        for Entry { api, .. } in &mut parts.apis {
            if api.endpoint != url {
                continue;
            }
            if mode != api.mode && !api.additional_modes.contains(&mode) {
                api.additional_modes.push(mode);
            }
            if api.api_key.is_none() {
                api.api_key = self.api_key.clone();
            }
        }
    }
}
