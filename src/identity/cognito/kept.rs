//! What is stored of a session: the refresh token, and what has to be sent along with it.

use super::claims::Claims;
use crate::secret::Secret;

/// A refresh token has no spaces. What belongs to it follows one, encoded as a form is:
/// `eyJ… username=alice&device_key=eu-west-1_…`.
pub(super) struct Kept {
    pub(super) token: Secret,
    /// Goes into the secret hash of the older call.
    pub(super) username: Option<String>,
    /// A pool that remembers devices takes a refresh token from its device only.
    pub(super) device_key: Option<String>,
}

impl Kept {
    /// For the tokens of a sign-in.
    pub(super) fn new(token: Secret, claims: &Claims) -> Self {
        Self {
            token,
            username: claims.username().map(str::to_owned),
            device_key: claims.device_key().map(str::to_owned),
        }
    }

    pub(super) fn parse(text: &Secret) -> Self {
        let (token, rest) = match text.expose().split_once(' ') {
            Some((token, rest)) => (token, rest),
            None => (text.expose(), ""),
        };
        let mut kept = Self {
            token: Secret::new(token),
            username: None,
            device_key: None,
        };
        for (name, value) in form_urlencoded::parse(rest.as_bytes()) {
            match &*name {
                "username" => kept.username = Some(value.into_owned()),
                "device_key" => kept.device_key = Some(value.into_owned()),
                _ => {}
            }
        }
        kept
    }

    /// The same session with another refresh token.
    pub(super) fn replaced_by(self, token: Secret, claims: &Claims) -> Self {
        let new = Self::new(token, claims);
        Self {
            token: new.token,
            username: new.username.or(self.username),
            device_key: new.device_key.or(self.device_key),
        }
    }

    pub(super) fn into_text(self) -> Secret {
        let pairs = [
            ("username", &self.username),
            ("device_key", &self.device_key),
        ];
        let mut rest = form_urlencoded::Serializer::new(String::new());
        for (name, value) in pairs {
            if let Some(value) = value {
                rest.append_pair(name, value);
            }
        }
        let rest = rest.finish();
        match rest.is_empty() {
            true => self.token,
            // At once, so that no smaller buffer stays behind.
            false => Secret::new([self.token.expose(), " ", &rest].concat()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_is_what_is_read() {
        for (username, device_key) in [
            (None, None),
            (Some("alice"), None),
            (Some("a b&c=d+ü\n%20"), Some("eu-west-1_0123-4567")),
        ] {
            let kept = Kept {
                token: Secret::new("eyJ.a-b_c"),
                username: username.map(str::to_owned),
                device_key: device_key.map(str::to_owned),
            };
            let read = Kept::parse(&kept.into_text());
            assert_eq!(read.token.expose(), "eyJ.a-b_c");
            assert_eq!(read.username.as_deref(), username);
            assert_eq!(read.device_key.as_deref(), device_key);
        }
    }
}
