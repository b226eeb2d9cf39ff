//! The API Gateway: APIs that want to be signed to with credentials of the identity pool, and APIs that want an
//! access token of the user pool. They answer who the caller is.

use axum::response::{IntoResponse, Response};
use http::{StatusCode, Uri, request};
use serde_json::{Value, json};
use tower_client_auth::BoxError;

use super::identity_pool::{GUEST, IdentityPool};
use super::user_pool::{Kind, UserPool};
use super::{REGION, member, reply};
use crate::signature::{self, Refusal, text};

/// What the policy of the role for guests does not allow.
const FOR_MEMBERS: &str = "orders";

/// An API of the file.
pub(super) struct Api {
    name: String,
    host: String,
    path: String,
    wants: Wants,
}

enum Wants {
    Signature,
    UserToken,
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
            wants: match member(api, "authorizationType") {
                "AWS_IAM" => Wants::Signature,
                "AMAZON_COGNITO_USER_POOLS" => Wants::UserToken,
                other => return Err(format!("the stand-in knows no mode `{other}`").into()),
            },
        });
    }
    Ok(read)
}

impl Api {
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
        let caller = match self.wants {
            Wants::Signature => role(head, body, identities),
            Wants::UserToken => user(head, users),
        };
        match caller {
            Ok(GUEST) if self.name == FOR_MEMBERS => self.denied(head, GUEST),
            Ok(caller) => {
                let body = json!({ "message": format!("you are {caller}") });
                reply(StatusCode::OK, &body)
            }
            Err(refusal) => reply(refusal.status, &json!({ "message": refusal.message })),
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
    let find = |access_key_id: &str| identities.credentials(access_key_id);
    let signer = signature::check_by(head, body, REGION, find)?;
    Ok(identities.role(&signer))
}

/// The user whose access token came: as it is, without `Bearer` before it.
fn user<'a>(head: &request::Parts, users: &'a UserPool) -> Result<&'a str, Refusal> {
    let token = text(&head.headers, "authorization").unwrap_or_default();
    let user = users.user_of(token, Kind::Access);
    user.ok_or_else(|| Refusal::new(StatusCode::UNAUTHORIZED, "Unauthorized"))
}
