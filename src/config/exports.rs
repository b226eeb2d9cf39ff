//! aws-exports: what [amplify-cli] writes for JavaScript projects, as `aws-exports.js` or, the same
//! object, as `amplifyconfiguration.json`.
//!
//! [amplify-cli]: https://github.com/aws-amplify/amplify-cli/tree/dev/packages/amplify-frontend-javascript

use serde::Deserialize;

use super::deserializer::Reader;
use super::endpoint::Endpoint;
use super::model::{
    ApiConfig, ApiKind, AuthConfig, IdentityPoolConfig, OAuthConfig, UserPoolConfig, secret,
};
use super::parts::{Entry, GRAPHQL, Parts, Rules, or_iam, some_mode, split};
use super::problem::Problem;
use crate::mode::AuthorizationMode;
use crate::secret::Secret;

pub(super) const RULES: Rules = Rules {
    strict: false,
    passed_over: &[
        (
            "File",
            &[
                "Notifications",
                "XR",
                "allowUnauthenticatedIdentities",
                "aws_app_analytics",
                "aws_appsync_conflictResolutionMode",
                "aws_appsync_dangerously_connect_to_http_endpoint_for_testing",
                "aws_bots",
                "aws_bots_config",
                "aws_cloud_logic",
                "aws_cognito_mfa_configuration",
                "aws_cognito_mfa_types",
                "aws_cognito_password_protection_settings",
                "aws_cognito_sign_up_verification_method",
                "aws_cognito_signup_attributes",
                "aws_cognito_social_providers",
                "aws_cognito_username_attributes",
                "aws_cognito_verification_mechanisms",
                "aws_content_delivery",
                "aws_content_delivery_bucket",
                "aws_content_delivery_bucket_region",
                "aws_content_delivery_cloudfront",
                "aws_content_delivery_cloudfront_domain",
                "aws_content_delivery_url",
                "aws_dynamodb",
                "aws_dynamodb_all_tables_region",
                "aws_dynamodb_table_schemas",
                "aws_mobile_analytics_app_id",
                "aws_mobile_analytics_app_region",
                "aws_project_id",
                "aws_project_name",
                "aws_push_pinpoint",
                "aws_resource_name_prefix",
                "aws_sign_in_enabled",
                "aws_user_files",
                "aws_user_files_s3_bucket",
                "aws_user_files_s3_bucket_region",
                "aws_user_files_s3_dangerously_connect_to_http_endpoint_for_testing",
                "aws_user_pools",
                "aws_user_pools_mfa_type",
                "federationTarget",
                "geo",
                "modelIntrospection",
                "predictions",
            ],
        ),
        ("OAuth", &["label", "options", "responseType", "urlOpener"]),
        ("RestApi", &["custom_header", "description", "id", "paths"]),
    ],
    assumed: &[],
};

#[derive(Deserialize)]
struct File {
    aws_project_region: String,
    #[serde(default)]
    aws_cloud_logic_custom: Vec<RestApi>,
    #[serde(rename = "aws_appsync_graphqlEndpoint")]
    graphql_endpoint: Option<Endpoint>,
    #[serde(rename = "aws_appsync_region")]
    graphql_region: Option<String>,
    #[serde(
        rename = "aws_appsync_authenticationType",
        default,
        deserialize_with = "some_mode"
    )]
    graphql_mode: Option<AuthorizationMode>,
    #[serde(rename = "aws_appsync_additionalAuthenticationTypes")]
    graphql_additional: Option<String>,
    #[serde(rename = "aws_appsync_apiKey", default, deserialize_with = "secret")]
    graphql_key: Option<Secret>,
    aws_user_pools_id: Option<String>,
    aws_user_pools_web_client_id: Option<String>,
    aws_cognito_identity_pool_id: Option<String>,
    aws_cognito_region: Option<String>,
    aws_mandatory_sign_in: Option<String>,
    oauth: Option<OAuth>,
}

#[derive(Deserialize)]
struct RestApi {
    name: String,
    endpoint: Endpoint,
    region: Option<String>,
    service: Option<String>,
}

/// May be empty.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OAuth {
    domain: Option<String>,
    #[serde(default)]
    scope: Vec<String>,
    redirect_sign_in: Option<String>,
    redirect_sign_out: Option<String>,
}

pub(super) fn read(reader: Reader<'_>) -> Result<Parts, Problem> {
    let file = File::deserialize(reader)?;
    let mut apis = Vec::new();
    for (at, api) in file.aws_cloud_logic_custom.into_iter().enumerate() {
        apis.push(Entry {
            path: vec!["aws_cloud_logic_custom".to_owned(), at.to_string()],
            api: ApiConfig {
                region: Some(
                    api.region
                        .unwrap_or_else(|| file.aws_project_region.clone()),
                ),
                service: api.service,
                // Nothing else was ever to be had there.
                ..ApiConfig::at(api.endpoint, AuthorizationMode::AwsIam)
            },
            name: api.name,
        });
    }
    if let Some(endpoint) = file.graphql_endpoint {
        let region = file.graphql_region.as_ref();
        apis.push(Entry {
            name: GRAPHQL.to_owned(),
            path: vec!["aws_appsync_graphqlEndpoint".to_owned()],
            api: ApiConfig {
                kind: ApiKind::GraphQl,
                region: Some(region.unwrap_or(&file.aws_project_region).clone()),
                api_key: file.graphql_key,
                additional_modes: additional(file.graphql_additional)?,
                ..ApiConfig::at(endpoint, or_iam(file.graphql_mode))
            },
        });
    }
    let region = file.aws_cognito_region.unwrap_or(file.aws_project_region);
    let user_pool = match (file.aws_user_pools_id, file.aws_user_pools_web_client_id) {
        (Some(id), Some(client_id)) => Some(UserPoolConfig {
            id,
            client_id,
            region: region.clone(),
            client_secret: None,
            endpoint: None,
            oauth: file.oauth.and_then(OAuth::into_config),
        }),
        // Mobile Hub wrote the one without the other.
        _ => None,
    };
    let allow_guests = file.aws_mandatory_sign_in.as_deref() != Some("enable");
    Ok(Parts {
        apis,
        auth: AuthConfig {
            user_pool,
            identity_pool: file
                .aws_cognito_identity_pool_id
                .map(|id| IdentityPoolConfig {
                    endpoint: None,
                    id,
                    region,
                    allow_guests,
                }),
            oidc: None,
        },
    })
}

fn additional(list: Option<String>) -> Result<Vec<AuthorizationMode>, Problem> {
    split(list)
        .iter()
        .map(|name| {
            name.parse().map_err(|error: crate::AuthError| {
                Problem::new(error.to_string())
                    .about_member(&["aws_appsync_additionalAuthenticationTypes"])
            })
        })
        .collect()
}

impl OAuth {
    fn into_config(self) -> Option<OAuthConfig> {
        Some(OAuthConfig {
            domain: self.domain?,
            scopes: self.scope,
            sign_in_redirect_uris: split(self.redirect_sign_in),
            sign_out_redirect_uris: split(self.redirect_sign_out),
        })
    }
}
