//! The texts that a server puts into the body of its 403.

use serde::Deserialize;

use crate::xml::{element, unescape};

/// What the server computed, as far as it says.
pub(super) struct Answer {
    pub(super) canonical: Option<String>,
    pub(super) string_to_sign: Option<String>,
}

impl Answer {
    /// `None` if there is neither text in the body.
    pub(super) fn parse(body: &[u8]) -> Option<Self> {
        let body = String::from_utf8_lossy(body.get(..MOST).unwrap_or(body));
        let answer = match serde_json::from_str::<Json>(&body) {
            Ok(json) => Self::in_message(&json.message),
            Err(_) => Self {
                canonical: element(&body, "CanonicalRequest"),
                string_to_sign: element(&body, "StringToSign"),
            }
            .without_blanks()
            .or_else(|| Self::in_message(&unescape(&body))),
        };
        answer.is_some().then_some(answer)
    }

    /// Most services: `The Canonical String for this request should have been '…' The String-to-Sign
    /// should have been '…'`.
    fn in_message(text: &str) -> Self {
        // The texts may have apostrophes of their own: each ends with the last one before what follows.
        const NEXT: &str = "The String-to-Sign";
        let (first, second) = text.split_at(text.find(NEXT).unwrap_or(text.len()));
        let quoted = |part: &str, title: &str| {
            let (_, rest) = part.split_once(title)?;
            let (_, rest) = rest.split_once("should have been")?;
            let (_, rest) = rest.split_once('\'')?;
            let (text, _) = rest.rsplit_once('\'')?;
            Some(text.to_owned())
        };
        Self {
            canonical: quoted(first, "The Canonical String"),
            string_to_sign: quoted(second, NEXT),
        }
        .without_blanks()
    }

    fn without_blanks(self) -> Self {
        let written = |text: &String| !text.trim().is_empty();
        Self {
            canonical: self.canonical.filter(written),
            string_to_sign: self.string_to_sign.filter(written),
        }
    }

    fn is_some(&self) -> bool {
        self.canonical.is_some() || self.string_to_sign.is_some()
    }

    fn or_else(self, other: impl FnOnce() -> Self) -> Self {
        match self.is_some() {
            true => self,
            false => other(),
        }
    }
}

/// What is looked at of an answer, in bytes. A canonical request is a few thousand.
const MOST: usize = 256 * 1024;

/// The part of a JSON answer that is for people.
#[derive(Deserialize)]
struct Json {
    #[serde(alias = "Message")]
    message: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_found_wherever_services_put_them() {
        let xml = "<?xml version=\"1.0\"?><Error><Code>SignatureDoesNotMatch</Code>\
            <StringToSign>AWS4-HMAC-SHA256\nd\ns\nh</StringToSign>\
            <CanonicalRequest>GET\n/\na=1&amp;b=&lt;&#10;\n</CanonicalRequest></Error>";
        let answer = Answer::parse(xml.as_bytes()).expect("texts");
        assert_eq!(answer.canonical.as_deref(), Some("GET\n/\na=1&b=<\n\n"));
        assert_eq!(
            answer.string_to_sign.as_deref(),
            Some("AWS4-HMAC-SHA256\nd\ns\nh")
        );

        let message = "The request signature we calculated does not match the signature you \
            provided. Consult the service documentation for details.\n\nThe Canonical String for this \
            request should have been\n'GET\n/it's\n\nhost:'a'\n\nhost\nhash'\n\nThe String-to-Sign should \
            have been\n'AWS4-HMAC-SHA256\nd\ns\nh'\n";
        let json = serde_json::json!({ "message": message }).to_string();
        let query = format!(
            "<ErrorResponse><Error><Message>{}</Message></Error></ErrorResponse>",
            message.replace('\'', "&apos;")
        );
        for body in [json, query] {
            let answer = Answer::parse(body.as_bytes()).expect("texts");
            let canonical = answer.canonical.expect("a canonical request");
            assert_eq!(canonical, "GET\n/it's\n\nhost:'a'\n\nhost\nhash");
            let string_to_sign = answer.string_to_sign.expect("a string to sign");
            assert_eq!(string_to_sign, "AWS4-HMAC-SHA256\nd\ns\nh");
        }
    }

    #[test]
    fn answers_without_them_have_none() {
        for body in [
            "",
            "Forbidden",
            "{}",
            "[1]",
            r#"{"message":"Forbidden"}"#,
            r#"{"message":1}"#,
            "<Error><Code>AccessDenied</Code></Error>",
            "The Canonical String",
            "The Canonical String should have been '",
            "<CanonicalRequest>",
            "&#xffffffff;&;&#;",
            "<CanonicalRequest> \n</CanonicalRequest>",
            "\u{fffd}&é;",
        ] {
            assert!(Answer::parse(body.as_bytes()).is_none(), "{body}");
        }
        assert!(Answer::parse(b"\xff\xfe'").is_none());
    }
}
