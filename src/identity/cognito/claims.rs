//! What is read from tokens that a pool has issued. They are not verified: that is for those who take them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::Value;
use zeroize::Zeroizing;

/// The claims that matter here, as far as they are texts.
#[derive(Default, Deserialize)]
pub(super) struct Claims {
    iss: Option<Value>,
    sub: Option<Value>,
    username: Option<Value>,
    device_key: Option<Value>,
}

impl Claims {
    /// Those of a JSON Web Token; of anything else there are none.
    pub(super) fn of(token: &str) -> Self {
        let claims = || {
            let mut parts = token.split('.');
            let (_header, payload) = (parts.next()?, parts.next()?);
            let json = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
            serde_json::from_slice(&Zeroizing::new(json)).ok()
        };
        claims().unwrap_or_default()
    }

    /// The name under which an identity pool knows the issuer: its URL without the scheme.
    pub(super) fn provider(&self) -> Option<&str> {
        let issuer = self.iss.as_ref()?.as_str()?;
        issuer
            .split_once("://")
            .map(|(_, rest)| rest)
            .filter(|rest| !rest.is_empty())
    }

    pub(super) fn subject(&self) -> Option<&str> {
        self.sub.as_ref()?.as_str()
    }

    /// The user's name in the pool, whatever alias was used to sign in.
    pub(super) fn username(&self) -> Option<&str> {
        self.username.as_ref()?.as_str()
    }

    pub(super) fn device_key(&self) -> Option<&str> {
        self.device_key.as_ref()?.as_str()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_that_are_no_texts_are_none() {
        let of = |claims: &str| Claims::of(&format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims)));
        let claims =
            of(r#"{"iss":"https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_A","sub":"s"}"#);
        assert_eq!(
            claims.provider(),
            Some("cognito-idp.eu-west-1.amazonaws.com/eu-west-1_A")
        );
        assert_eq!((claims.subject(), claims.username()), (Some("s"), None));
        for odd in [
            r#"{"iss":7,"sub":["s"]}"#,
            r#"{"iss":"no URL","sub":null}"#,
            "[]",
            "c",
        ] {
            let claims = of(odd);
            assert_eq!((claims.provider(), claims.subject()), (None, None), "{odd}");
        }
        assert_eq!(Claims::of("opaque").subject(), None);
    }
}
