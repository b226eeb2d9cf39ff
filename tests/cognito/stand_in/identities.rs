//! The identity pool: who is given which identity, and which credentials.

use std::time::Duration;

use super::state::{Asked, Refusal, State, refused};
use super::{IDENTITIES, PROVIDER};

impl State {
    pub(super) fn identity(&mut self, asked: &Asked, now: Duration) -> Result<String, Refusal> {
        if asked.identity_pool_id != IDENTITIES {
            return refused("ResourceNotFoundException", "IdentityPool not found.");
        }
        let name = match self.login(asked, now)? {
            Some(sign_in) => format!("of-{}", self.sign_ins[sign_in as usize - 1].user),
            None => {
                self.guest_identities += 1;
                format!("guest-{}", self.guest_identities)
            }
        };
        Ok(format!(r#"{{"IdentityId":"eu-west-1:{name}"}}"#))
    }

    pub(super) fn credentials(&mut self, asked: &Asked, now: Duration) -> Result<String, Refusal> {
        let login = self.login(asked, now)?;
        let name = asked.identity_id.strip_prefix("eu-west-1:");
        let name = name.unwrap_or_default();
        let owner = name.strip_prefix("of-");
        let (sign_in, role) = match (login, owner) {
            (None, None) if name.starts_with("guest-") => (0, "guest"),
            (Some(sign_in), Some(owner)) if self.sign_ins[sign_in as usize - 1].user == owner => {
                (sign_in, "user")
            }
            (None, Some(_)) => {
                return refused("NotAuthorizedException", "Access to Identity is forbidden.");
            }
            _ => return refused("NotAuthorizedException", "Logins don't match."),
        };
        self.issued += 1;
        let number = self.issued;
        let expires = self.base + now.as_secs() + self.credentials_life;
        Ok(format!(
            r#"{{"IdentityId":"{}","Credentials":{{"AccessKeyId":"ASIA.{sign_in}.{number}.{name}","SecretKey":"secret-of-{name}-{number}","SessionToken":"{role}-session-of-{name}-{number}","Expiration":{expires}.0}}}}"#,
            asked.identity_id
        ))
    }

    /// Whose login it is. `None` for a guest.
    fn login(&self, asked: &Asked, now: Duration) -> Result<Option<u64>, Refusal> {
        if asked.logins.is_empty() {
            return match self.guests {
                true => Ok(None),
                false => refused(
                    "NotAuthorizedException",
                    "Unauthenticated access is not supported for this identity pool.",
                ),
            };
        }
        let token = asked.logins.get(PROVIDER);
        let note = token.and_then(|token| token.rsplit('.').next());
        let mut parts = note.unwrap_or_default().split('-');
        let mut number = || parts.next().and_then(|part| part.parse::<u64>().ok());
        let (sign_in, ends) = (number(), number());
        let known = sign_in.and_then(|number| self.sign_ins.get(number.checked_sub(1)? as usize));
        match (known, ends) {
            (Some(known), Some(ends)) if !known.is_revoked && now.as_secs() < ends => Ok(sign_in),
            // Nobody knows in which words.
            (Some(known), _) if known.is_revoked => {
                refused("NotAuthorizedException", "Token is not valid.")
            }
            _ => refused(
                "NotAuthorizedException",
                "Invalid login token. Token expired",
            ),
        }
    }
}
