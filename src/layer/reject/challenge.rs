//! What a 401 says about a bearer token: RFC 6750, section 3.

use http::{HeaderMap, header};
use http_auth::parser::ChallengeParser;

/// What the `Bearer` challenges of an answer come down to.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) enum Challenge {
    /// None, or one that does not say what is wrong.
    Silent,
    /// `invalid_token`: another one may do.
    InvalidToken,
    /// `insufficient_scope`: no other token of this kind will do. The scope that would, if it says so.
    InsufficientScope(Option<Box<str>>),
    /// Something else is wrong, and the token is not.
    Other,
}

impl Challenge {
    /// Of all challenges of all headers. Where they differ, the token is given the benefit of the doubt:
    /// one that may be invalid can be replaced.
    pub(in super::super) fn of(headers: &HeaderMap) -> Self {
        let mut found = None;
        for value in headers.get_all(header::WWW_AUTHENTICATE) {
            let Ok(text) = value.to_str() else { continue };
            // What follows a mistake is lost; what came before it counts.
            for challenge in ChallengeParser::new(text).map_while(Result::ok) {
                if !challenge.scheme.eq_ignore_ascii_case("Bearer") {
                    continue;
                }
                let parameter = |wanted: &str| {
                    let mut parameters = challenge.params.iter();
                    let found = parameters.find(|(name, _)| name.eq_ignore_ascii_case(wanted));
                    found.map(|(_, value)| value.to_unescaped())
                };
                match parameter("error").as_deref() {
                    None => return Self::Silent,
                    Some("invalid_token") => return Self::InvalidToken,
                    Some("insufficient_scope") => {
                        let scope = parameter("scope").and_then(printable);
                        found = Some(Self::InsufficientScope(scope));
                    }
                    Some(_) => found = found.or(Some(Self::Other)),
                }
            }
        }
        found.unwrap_or(Self::Silent)
    }

    /// Whether another token may do.
    pub(in super::super) fn may_be_renewed(&self) -> bool {
        matches!(self, Self::Silent | Self::InvalidToken)
    }
}

/// A scope that can be shown to people: RFC 6749, section 3.3, and not too long to be read.
fn printable(scope: String) -> Option<Box<str>> {
    const LONGEST: usize = 512;
    let is_one = |byte: u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
    let fits = !scope.is_empty() && scope.len() <= LONGEST && scope.bytes().all(is_one);
    fits.then(|| scope.into())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn challenge(values: &[&str]) -> Challenge {
        let mut headers = HeaderMap::new();
        for value in values {
            let value = HeaderValue::from_bytes(value.as_bytes()).expect("a value");
            headers.append(header::WWW_AUTHENTICATE, value);
        }
        Challenge::of(&headers)
    }

    fn insufficient(scope: &str) -> Challenge {
        Challenge::InsufficientScope(Some(scope.into()))
    }

    #[test]
    fn a_token_is_renewed_unless_all_that_is_said_speaks_against_it() {
        for (values, expected) in [
            (&[][..], Challenge::Silent),
            (&["Bearer"], Challenge::Silent),
            (&["Bearer realm=\"a, b\""], Challenge::Silent),
            (
                &["Basic realm=\"x\", error=\"insufficient_scope\""],
                Challenge::Silent,
            ),
            (&["Bearer error=\"invalid_token\""], Challenge::InvalidToken),
            (&["bearer ERROR=invalid_token"], Challenge::InvalidToken),
            (
                &[
                    "Basic realm=\"x\", Bearer realm=\"y\", error=\"invalid_token\", error_description=\"The \\\"token\\\" expired\"",
                ],
                Challenge::InvalidToken,
            ),
            (
                &["Basic realm=\"x\"", "Bearer error=\"invalid_token\""],
                Challenge::InvalidToken,
            ),
            (&["Bearer error=\"invalid_request\""], Challenge::Other),
            (
                &["Bearer error=\"insufficient_scope\""],
                Challenge::InsufficientScope(None),
            ),
            (
                &["Bearer error=\"insufficient_scope\", scope=\"orders:read orders:write\""],
                insufficient("orders:read orders:write"),
            ),
            (
                &[
                    "Bearer error=\"insufficient_scope\", scope=\"a\"",
                    "Bearer error=\"invalid_token\"",
                ],
                Challenge::InvalidToken,
            ),
            (
                &["Bearer error=\"insufficient_scope\", scope=\"a\", Bearer realm=\"other\""],
                Challenge::Silent,
            ),
            // Mistakes.
            (&["Bearer error=\"insufficient_scope"], Challenge::Silent),
            (
                &["", ",,", "=", "Bearer error", "Bearer ="],
                Challenge::Silent,
            ),
            (
                &["Bearer error=\"insufficient_scope\", scope=\"a\tb\""],
                Challenge::InsufficientScope(None),
            ),
            (&["Bearer error=\"\u{fc}\""], Challenge::Silent),
        ] {
            assert_eq!(challenge(values), expected, "{values:?}");
        }
    }

    #[test]
    fn a_scope_is_shown_if_people_can_read_it() {
        let long = format!(
            "Bearer error=\"insufficient_scope\", scope=\"{}\"",
            "a".repeat(513)
        );
        assert_eq!(challenge(&[&long]), Challenge::InsufficientScope(None));
    }
}
