//! What a client checks of an ID token that came straight from the token endpoint, over TLS: OpenID Connect
//! Core, section 3.1.3.7. The signature need not be one of it, by point 6 there.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::error::AuthError;

#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: Audience,
    azp: Option<String>,
    nonce: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Audience {
    fn names(&self, client: &str) -> bool {
        match self {
            Self::One(name) => name == client,
            Self::Several(names) => names.iter().any(|name| name == client),
        }
    }
}

pub(super) fn check(
    token: &str,
    issuer: Option<&str>,
    client: &str,
    nonce: Option<&str>,
) -> Result<(), AuthError> {
    let bad = |problem: &str| {
        Err(AuthError::refused(format!(
            "the provider sent an ID token that {problem}: it is not used"
        )))
    };
    let Some(claims) = claims(token) else {
        return bad("cannot be read");
    };
    if issuer.is_some_and(|issuer| issuer != claims.iss) {
        return bad("another issuer has issued");
    }
    if !claims.aud.names(client) || claims.azp.is_some_and(|party| party != client) {
        return bad("is for another client");
    }
    if nonce.is_some() && claims.nonce.as_deref() != nonce {
        return bad("belongs to another login");
    }
    Ok(())
}

fn claims(token: &str) -> Option<Claims> {
    let mut parts = token.split('.');
    let (_header, payload, _signature) = (parts.next()?, parts.next()?, parts.next()?);
    let json = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('='));
    serde_json::from_slice(&Zeroizing::new(json.ok()?)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_for_this_login_or_none() {
        let check = |claims: &str, nonce| {
            let token = format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims));
            check(&token, Some("https://a"), "me", nonce)
        };
        for good in [
            r#"{"iss":"https://a","aud":"me","nonce":"n"}"#,
            r#"{"iss":"https://a","aud":["you","me"],"azp":"me","nonce":"n"}"#,
        ] {
            check(good, Some("n")).expect(good);
            check(good, None).expect(good);
        }
        for (bad, word) in [
            (r#"{"iss":"https://a/","aud":"me","nonce":"n"}"#, "issuer"),
            (r#"{"iss":"https://a","aud":"you","nonce":"n"}"#, "client"),
            (r#"{"iss":"https://a","aud":["you"],"nonce":"n"}"#, "client"),
            (
                r#"{"iss":"https://a","aud":["you","me"],"azp":"you","nonce":"n"}"#,
                "client",
            ),
            (r#"{"iss":"https://a","aud":"me","nonce":"m"}"#, "login"),
            (r#"{"iss":"https://a","aud":"me"}"#, "login"),
            (r#"{"aud":"me","nonce":"n"}"#, "read"),
            ("c4nary", "read"),
        ] {
            let error = check(bad, Some("n")).expect_err(bad).to_string();
            assert!(error.contains(word), "{bad}: {error}");
            assert!(!error.contains("c4nary"));
        }
        assert!(super::check("opaque", None, "me", None).is_err());
    }
}
