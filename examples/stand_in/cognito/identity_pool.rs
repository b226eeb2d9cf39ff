//! The identity pool: AWS credentials of one role for users of the user pool, and of another for guests.

use std::collections::HashMap;

use aws_credential_types::Credentials;
use serde_json::{Value, json};

use super::user_pool::{Kind, UserPool};
use super::{Exception, LIFETIME, REGION, member, now, random_text};

/// The roles.
pub(super) const GUEST: &str = "guest";
pub(super) const MEMBER: &str = "member";

pub(super) struct IdentityPool {
    id: String,
    /// The user pool that it trusts.
    provider: String,
    /// Whose identities they are; those of nobody are guests'.
    identities: HashMap<String, Option<String>>,
    issued: HashMap<String, Issued>,
}

struct Issued {
    credentials: Credentials,
    role: &'static str,
}

impl IdentityPool {
    /// As the configuration file names it.
    pub(super) fn new(config: &Value, provider: String) -> Self {
        Self {
            id: member(config, "PoolId").to_owned(),
            provider,
            identities: HashMap::new(),
            issued: HashMap::new(),
        }
    }

    /// The credentials with that access key, if they were issued here.
    pub(super) fn credentials(&self, access_key_id: &str) -> Option<Credentials> {
        let issued = self.issued.get(access_key_id)?;
        Some(issued.credentials.clone())
    }

    /// The role that they are of.
    pub(super) fn role(&self, credentials: &Credentials) -> &'static str {
        let issued = self.issued.get(credentials.access_key_id());
        issued.map_or(GUEST, |issued| issued.role)
    }

    pub(super) fn call(
        &mut self,
        operation: &str,
        call: &Value,
        users: &UserPool,
    ) -> Result<Value, Exception> {
        let who = self.who(&call["Logins"], users)?;
        match operation {
            "GetId" if member(call, "IdentityPoolId") == self.id => {
                Ok(json!({ "IdentityId": self.identity_of(who) }))
            }
            "GetId" => Err(Exception(
                "ResourceNotFoundException",
                "IdentityPool not found.",
            )),
            "GetCredentialsForIdentity" => self.issue(member(call, "IdentityId"), who),
            _ => Err(Exception::UNKNOWN_OPERATION),
        }
    }

    /// The user whom the logins vouch for. Without any, it is a guest.
    fn who(&self, logins: &Value, users: &UserPool) -> Result<Option<String>, Exception> {
        if logins.is_null() {
            return Ok(None);
        }
        let token = member(logins, &self.provider);
        match users.user_of(token, Kind::Id) {
            Some(user) => Ok(Some(user.to_owned())),
            None => Err(Exception("NotAuthorizedException", "Invalid login token.")),
        }
    }

    /// A user has one, and each guest another.
    fn identity_of(&mut self, who: Option<String>) -> String {
        let mut known = self.identities.iter();
        let known = known.find(|(_, owner)| who.is_some() && **owner == who);
        if let Some((id, _)) = known {
            return id.clone();
        }
        let id = format!("{REGION}:{}", random_text());
        self.identities.insert(id.clone(), who);
        id
    }

    fn issue(&mut self, id: &str, who: Option<String>) -> Result<Value, Exception> {
        let not_found = Exception("ResourceNotFoundException", "Identity not found.");
        if *self.identities.get(id).ok_or(not_found)? != who {
            let message = "Access to Identity is forbidden.";
            return Err(Exception("NotAuthorizedException", message));
        }
        let role = match who {
            Some(_) => MEMBER,
            None => GUEST,
        };
        let key = format!("ASIA{}", random_text().to_uppercase());
        let (secret, token) = (random_text(), random_text());
        let answer = json!({
            "IdentityId": id,
            "Credentials": {
                "AccessKeyId": key,
                "SecretKey": secret,
                "SessionToken": token,
                "Expiration": now() + LIFETIME,
            },
        });
        let credentials = Credentials::new(key.as_str(), secret, Some(token), None, "stand-in");
        self.issued.insert(key, Issued { credentials, role });
        Ok(answer)
    }
}
