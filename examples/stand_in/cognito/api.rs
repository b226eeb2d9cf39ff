//! The API Gateway: an API for each mode. They answer who the caller is.

use aws_credential_types::Credentials;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, Uri, request};
use serde_json::{Value, json};
use tower_client_auth::BoxError;

use super::identity_pool::{GUEST, IdentityPool};
use super::user_pool::{Kind, UserPool};
use super::{REGION, member, reply};
use crate::signature::{self, ACCESS_KEY_ID, Refusal, SECRET_ACCESS_KEY, text};

/// Who signs with the account's own credentials, which no identity pool gave out.
const OWNER: &str = "the account's owner";

/// An API of the file.
pub(super) struct Api {
    name: String,
    host: String,
    path: String,
    wants: Wants,
    /// What the policy of the role for guests does not allow.
    pub(super) for_members: bool,
    /// Whether a token is good, for those that come from elsewhere.
    pub(super) accepts: Box<dyn Fn(&str) -> bool + Send>,
}

enum Wants {
    Nothing,
    Key(String),
    Signature,
    UserToken,
    OtherToken,
}

pub(super) fn read(file: &Value) -> Result<Vec<Api>, BoxError> {
    let apis = file["api"]["plugins"]["awsAPIPlugin"].as_object();
    let mut read = Vec::new();
    for (name, api) in apis.into_iter().flatten() {
        let endpoint: Uri = member(api, "endpoint").parse()?;
        read.push(Api {
            name: name.clone(),
            host: endpoint.host().unwrap_or_default().to_owned(),
            path: endpoint.path().to_owned(),
            for_members: false,
            accepts: Box::new(|_| false),
            wants: match member(api, "authorizationType") {
                "NONE" => Wants::Nothing,
                "API_KEY" => Wants::Key(member(api, "apiKey").to_owned()),
                "OPENID_CONNECT" | "AWS_LAMBDA" => Wants::OtherToken,
                "AWS_IAM" => Wants::Signature,
                "AMAZON_COGNITO_USER_POOLS" => Wants::UserToken,
                other => return Err(format!("the stand-in knows no mode `{other}`").into()),
            },
        });
    }
    Ok(read)
}

impl Api {
    pub(super) fn is(&self, name: &str) -> bool {
        self.name == name
    }

    pub(super) fn serves(&self, host: &str, path: &str) -> bool {
        let below = path.strip_prefix(self.path.as_str());
        host == self.host && below.is_some_and(|rest| rest.starts_with('/'))
    }

    pub(super) fn answer(
        &self,
        head: &request::Parts,
        body: &[u8],
        users: &UserPool,
        identities: &IdentityPool,
    ) -> Response {
        let caller = match &self.wants {
            Wants::Nothing => Ok("anybody"),
            Wants::Key(key) if text(&head.headers, "x-api-key") == Some(key) => {
                Ok("known by your key")
            }
            Wants::Key(_) => Err(Refusal::forbidden("Forbidden")),
            Wants::Signature => role(head, body, identities),
            Wants::UserToken => user(head, users),
            Wants::OtherToken => self.other(head),
        };
        match caller {
            Ok(GUEST) if self.for_members => self.denied(head, GUEST),
            Ok(caller) => {
                let body = json!({
                    "api": self.name,
                    "message": format!("you are {caller}"),
                    "received": format!("{} {}, {} bytes", head.method, head.uri, body.len()),
                });
                reply(StatusCode::OK, &body)
            }
            Err(refusal) => reply(refusal.status, &json!({ "message": refusal.message })),
        }
    }

    /// Whoever the token is for.
    fn other(&self, head: &request::Parts) -> Result<&'static str, Refusal> {
        match text(&head.headers, "authorization") {
            Some(token) if (self.accepts)(token) => Ok("known by your token"),
            _ => Err(Refusal::new(StatusCode::UNAUTHORIZED, "Unauthorized")),
        }
    }

    fn denied(&self, head: &request::Parts, role: &str) -> Response {
        let Self { host, path, .. } = self;
        let id = host.split('.').next().unwrap_or_default();
        let rest = head.uri.path().strip_prefix(path).unwrap_or_default();
        let message = format!(
            "User: arn:aws:sts::111122223333:assumed-role/{role}/CognitoIdentityCredentials is not authorized to \
             perform: execute-api:Invoke on resource: arn:aws:execute-api:{REGION}:********3333:{id}{path}/{}{rest}",
            head.method
        );
        let reason = [("x-amzn-errortype", "AccessDeniedException")];
        let body = json!({ "Message": message });
        (reason, reply(StatusCode::FORBIDDEN, &body)).into_response()
    }
}

/// The role whose credentials have signed the request.
fn role(
    head: &request::Parts,
    body: &[u8],
    identities: &IdentityPool,
) -> Result<&'static str, Refusal> {
    let owner = || Credentials::new(ACCESS_KEY_ID, SECRET_ACCESS_KEY, None, None, "stand-in");
    let find = |access_key_id: &str| match access_key_id {
        ACCESS_KEY_ID => Some(owner()),
        id => identities.credentials(id),
    };
    let signer = signature::check_by(head, body, REGION, find)?;
    Ok(match signer.access_key_id() {
        ACCESS_KEY_ID => OWNER,
        _ => identities.role(&signer),
    })
}

/// The user whose access token came: as it is, without `Bearer` before it.
fn user<'a>(head: &request::Parts, users: &'a UserPool) -> Result<&'a str, Refusal> {
    let token = text(&head.headers, "authorization").unwrap_or_default();
    let user = users.user_of(token, Kind::Access);
    user.ok_or_else(|| Refusal::new(StatusCode::UNAUTHORIZED, "Unauthorized"))
}
