//! A token reply: RFC 6749, section 5.

use std::fmt;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error as _, Visitor};
use serde_json::Value;

use super::error::OAuthError;
use crate::error::AuthError;
use crate::identity::token::Token;
use crate::identity::transport::Reply;
use crate::secret::Secret;

/// Real ones stay well under this, and stores need not have room for more.
pub(in crate::identity) const MAX_TOKEN: usize = 64 * 1024;

/// What a token endpoint issued.
pub(in crate::identity) struct TokenReply {
    pub(in crate::identity) access: Token,
    pub(in crate::identity) refresh: Option<Secret>,
    pub(in crate::identity) id: Option<Token>,
    pub(in crate::identity) scope: Option<String>,
}

impl TokenReply {
    /// Reads a success. Whatever it cannot read may be a proxy's doing, and passes.
    pub(super) fn read(reply: &Reply, what: &str) -> Result<Self, AuthError> {
        let unreadable = |problem: &str| AuthError::passing(format!("{what} sent {problem}"));
        if !reply.may_be_json() {
            return Err(unreadable(
                "something else than JSON: is there a proxy or a sign-in page in between?",
            ));
        }
        let Some(document) = Document::read(reply) else {
            return Err(unreadable(
                "a reply that is no token reply, or only a part of one",
            ));
        };
        let Some(access) = document.access_token else {
            return Err(unreadable("a reply without an access token"));
        };
        // RFC 6749, section 7.1: a token of an unknown type must not be used. Apigee writes `BearerToken`;
        // a token from an exchange may be none to be sent by itself, RFC 8693, section 2.2.1.
        let kind = document.token_type.as_ref().map(|kind| kind.0.expose());
        let is_bearer = kind.is_none_or(|kind| {
            kind.eq_ignore_ascii_case("n_a")
                || kind
                    .get(..6)
                    .is_some_and(|start| start.eq_ignore_ascii_case("bearer"))
        });
        if !is_bearer {
            return Err(AuthError::refused(format!(
                "{what} issued a token that is no bearer token: have the client registered for bearer \
                 tokens"
            )));
        }
        let refresh = document.refresh_token.map(|token| token.0);
        let refresh = refresh.filter(|token| !token.expose().is_empty());
        if refresh
            .as_ref()
            .is_some_and(|token| token.expose().len() > MAX_TOKEN)
        {
            return Err(unreadable("a refresh token that is too long to be one"));
        }
        let mut access = Token::from(access.0);
        access.check()?;
        if let Some(lifetime) = document.expires_in.as_ref().and_then(seconds) {
            access = access.expires_in(lifetime);
        }
        Ok(Self {
            access,
            refresh,
            id: document.id_token.map(|token| Token::from(token.0)),
            scope: document
                .scope
                .as_ref()
                .and_then(Value::as_str)
                .map(str::to_owned),
        })
    }
}

/// A reply of any kind, as it comes. Members that decide nothing may be of any type.
#[derive(serde::Deserialize)]
pub(super) struct Document {
    access_token: Option<Text>,
    token_type: Option<Text>,
    expires_in: Option<Value>,
    refresh_token: Option<Text>,
    id_token: Option<Text>,
    scope: Option<Value>,
    error: Option<Text>,
    error_description: Option<Text>,
    #[serde(skip)]
    status: http::StatusCode,
}

impl Document {
    /// `None` for what is no JSON object with texts where texts belong.
    pub(super) fn read(reply: &Reply) -> Option<Self> {
        if !reply.may_be_json() {
            return None;
        }
        // Errors of the parser may repeat what was there: they end here.
        let mut document: Self = serde_json::from_slice(&reply.body).ok()?;
        document.status = reply.status;
        Some(document)
    }

    /// The error it tells of, if it is one.
    pub(super) fn into_error(self) -> Option<OAuthError> {
        if self.access_token.is_some() {
            return None;
        }
        let description = self.error_description.map(|text| text.0);
        Some(OAuthError::new(
            Some(self.status),
            self.error?.0,
            description,
        ))
    }
}

/// A text that is wiped when it is dropped.
pub(in crate::identity) struct Text(pub(in crate::identity) Secret);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AText;
        impl Visitor<'_> for AText {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_str<E>(self, text: &str) -> Result<Text, E> {
                Ok(Text(Secret::new(text)))
            }

            fn visit_string<E>(self, text: String) -> Result<Text, E> {
                Ok(Text(Secret::new(text)))
            }

            // The default would say what was there instead.
            fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<Text, E> {
                Err(E::custom("expected a text"))
            }
        }
        deserializer
            .deserialize_str(AText)
            .map_err(|_| D::Error::custom("expected a text"))
    }
}

/// `expires_in`, as a number or, as some providers have it, as a text with one.
pub(super) fn seconds(value: &Value) -> Option<Duration> {
    let seconds = match value {
        Value::String(text) => text.trim().parse().ok()?,
        other => other.as_f64()?,
    };
    if seconds < 0.0 {
        return Some(Duration::ZERO);
    }
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, StatusCode};
    use zeroize::Zeroizing;

    use super::*;

    fn reply(body: &str) -> Reply {
        Reply {
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            body: Zeroizing::new(body.as_bytes().to_vec()),
        }
    }

    #[test]
    fn lifetimes_are_numbers_however_they_are_written() {
        for (text, expected) in [
            ("3600", Some(3600.0)),
            ("\"3600\"", Some(3600.0)),
            ("\" 60 \"", Some(60.0)),
            ("59.5", Some(59.5)),
            ("0", Some(0.0)),
            ("-1", Some(0.0)),
            ("1e300", None),
            ("\"soon\"", None),
            ("\"NaN\"", None),
            ("[]", None),
        ] {
            let value: Value = serde_json::from_str(text).expect("JSON");
            let read = seconds(&value).map(|d| d.as_secs_f64());
            assert_eq!(read, expected, "{text}");
        }
    }

    #[test]
    fn odd_replies_are_errors_that_pass_and_quote_nothing() {
        for body in [
            "",
            "{",
            "[]",
            "null",
            "\"c4nary\"",
            r#"{"access_token":7}"#,
            r#"{"access_token":["c4nary"]}"#,
            r#"{"access_token":null}"#,
            r#"{"token_type":"Bearer"}"#,
            r#"{"access_token":"c4nary","access_token":"c4nary"}"#,
            r#"{"access_token":"c4nary"}c4nary"#,
            r#"{"access_token":"c4nary","refresh_token":{"c4nary":1}}"#,
        ] {
            let error = TokenReply::read(&reply(body), "the endpoint")
                .err()
                .expect(body);
            assert!(error.is_transient(), "{body}");
            let printed = format!("{error} {error:?}");
            assert!(!printed.contains("c4nary"), "{printed}");
            assert!(std::error::Error::source(&error).is_none());
        }
    }

    #[test]
    fn what_providers_really_send_is_read() {
        for body in [
            r#"{"access_token":"t","token_type":"Bearer"}"#,
            r#"{"access_token":"t","token_type":"bearer","scope":["a","b"]}"#,
            r#"{"access_token":"t","token_type":"BearerToken","expires_in":"1799"}"#,
            r#"{"access_token":"t","token_type":"N_A","issued_token_type":"urn:x"}"#,
            r#"{"access_token":"t","refresh_token":null,"id_token":null,"scope":null}"#,
            r#"{"access_token":"t","error":null,"refresh_token_expires_in":0}"#,
        ] {
            let read = TokenReply::read(&reply(body), "the endpoint");
            assert!(
                read.is_ok_and(|reply| reply.access.expose() == "t"),
                "{body}"
            );
        }
        let mac = reply(r#"{"access_token":"t","token_type":"mac"}"#);
        let error = TokenReply::read(&mac, "the endpoint")
            .err()
            .expect("no bearer token");
        assert!(!error.is_transient());
    }
}
