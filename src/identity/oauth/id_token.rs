//! What a client checks of an ID token that came straight from the token endpoint, over TLS: OpenID Connect
//! Core, section 3.1.3.7. The signature need not be one of it, by point 6 there.

use base64::Engine as _;
use std::time::{Duration, SystemTime};

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
    exp: f64,
}

/// It has just been issued: what is over by more than this was issued to somebody else, or a clock is wrong.
const LEEWAY: Duration = Duration::from_secs(5 * 60);

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
    now: SystemTime,
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
    let since_epoch = now.duration_since(SystemTime::UNIX_EPOCH);
    let earliest = since_epoch.unwrap_or_default().saturating_sub(LEEWAY);
    // Said so that what is no number is over too.
    let lasts = claims.exp > earliest.as_secs_f64();
    if !lasts {
        return bad("has expired already (is this machine's clock right?)");
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
            let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
            super::check(&token, Some("https://a"), "me", nonce, now)
        };
        for good in [
            r#"{"iss":"https://a","aud":"me","nonce":"n","exp":701}"#,
            r#"{"iss":"https://a","aud":["you","me"],"azp":"me","nonce":"n","exp":701}"#,
        ] {
            check(good, Some("n")).expect(good);
            check(good, None).expect(good);
        }
        for (bad, word) in [
            (
                r#"{"iss":"https://a/","aud":"me","nonce":"n","exp":2000}"#,
                "issuer",
            ),
            (
                r#"{"iss":"https://a","aud":"you","nonce":"n","exp":2000}"#,
                "client",
            ),
            (
                r#"{"iss":"https://a","aud":["you"],"nonce":"n","exp":2000}"#,
                "client",
            ),
            (
                r#"{"iss":"https://a","aud":["you","me"],"azp":"you","nonce":"n","exp":2000}"#,
                "client",
            ),
            (
                r#"{"iss":"https://a","aud":"me","nonce":"m","exp":2000}"#,
                "login",
            ),
            (r#"{"iss":"https://a","aud":"me","exp":2000}"#, "login"),
            (r#"{"aud":"me","nonce":"n","exp":2000}"#, "read"),
            (r#"{"iss":"https://a","aud":"me","nonce":"n"}"#, "read"),
            (
                r#"{"iss":"https://a","aud":"me","nonce":"n","exp":700}"#,
                "expired",
            ),
            ("c4nary", "read"),
        ] {
            let error = check(bad, Some("n")).expect_err(bad).to_string();
            assert!(error.contains(word), "{bad}: {error}");
            assert!(!error.contains("c4nary"));
        }
        assert!(super::check("opaque", None, "me", None, SystemTime::UNIX_EPOCH).is_err());
    }
}
