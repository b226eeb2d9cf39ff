//! What it is asked, and what it can be told to say.

use bytes::Bytes;
use http::Response;
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use tower_client_auth::ManualClock;

use super::Body;

/// The operations it knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cognito) enum Call {
    InitiateAuth,
    RespondToAuthChallenge,
    GetTokensFromRefreshToken,
    RevokeToken,
    GetId,
    GetCredentialsForIdentity,
    /// Only as what it is told to say.
    AssociateSoftwareToken,
    /// The same.
    VerifySoftwareToken,
}

pub(in crate::cognito) const CALLS: [Call; 6] = [
    Call::InitiateAuth,
    Call::RespondToAuthChallenge,
    Call::GetTokensFromRefreshToken,
    Call::RevokeToken,
    Call::GetId,
    Call::GetCredentialsForIdentity,
];

impl Call {
    pub(super) fn of(target: &str) -> Option<Self> {
        Some(match target {
            "AWSCognitoIdentityProviderService.InitiateAuth" => Self::InitiateAuth,
            "AWSCognitoIdentityProviderService.RespondToAuthChallenge" => {
                Self::RespondToAuthChallenge
            }
            "AWSCognitoIdentityProviderService.GetTokensFromRefreshToken" => {
                Self::GetTokensFromRefreshToken
            }
            "AWSCognitoIdentityProviderService.RevokeToken" => Self::RevokeToken,
            "AWSCognitoIdentityService.GetId" => Self::GetId,
            "AWSCognitoIdentityService.GetCredentialsForIdentity" => {
                Self::GetCredentialsForIdentity
            }
            "AWSCognitoIdentityProviderService.AssociateSoftwareToken" => {
                Self::AssociateSoftwareToken
            }
            "AWSCognitoIdentityProviderService.VerifySoftwareToken" => Self::VerifySoftwareToken,
            _ => return None,
        })
    }

    /// Whether a cache makes it, to have something to send.
    pub(super) fn is_load(self) -> bool {
        matches!(
            self,
            Self::GetTokensFromRefreshToken | Self::GetId | Self::GetCredentialsForIdentity
        )
    }
}

/// What it is told to say.
#[derive(Clone)]
pub(in crate::cognito) struct Said {
    pub(in crate::cognito) status: u16,
    pub(in crate::cognito) kind: &'static str,
    /// The header by which some of AWS's servers name an exception.
    pub(in crate::cognito) error_type: Option<String>,
    pub(in crate::cognito) text: String,
}

impl Said {
    pub(in crate::cognito) fn json(status: u16, value: &Value) -> Self {
        Self {
            status,
            kind: "application/x-amz-json-1.1",
            error_type: None,
            text: value.to_string(),
        }
    }

    pub(in crate::cognito) fn refusal(code: &str, message: &str) -> Self {
        Self::json(400, &json!({ "__type": code, "message": message }))
    }

    pub(super) fn response(self, clock: &ManualClock) -> Response<Body> {
        let mut response = Response::builder()
            .status(self.status)
            .header("content-type", self.kind)
            .header("date", httpdate::fmt_http_date(clock.now()));
        if let Some(code) = self.error_type {
            response = response.header("x-amzn-errortype", code);
        }
        response.body(full(self.text)).expect("a response")
    }
}

pub(super) fn full(body: impl Into<Bytes>) -> Body {
    Full::new(body.into())
        .map_err(|never| match never {})
        .boxed_unsync()
}
