//! What a 401 says about a bearer token: RFC 6750, section 3.

use http::{HeaderMap, HeaderValue, header};
use http_auth::ChallengeRef;
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
            let text = ascii(value);
            for challenge in bearer_challenges(&text) {
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

/// The text of a header, such that it can be parsed. What is not ASCII is no part of a challenge that means
/// anything to us, and its descriptions may have it. API Gateway has no commas between the parameters, of
/// which each is quoted.
fn ascii(value: &HeaderValue) -> String {
    let mut text = String::with_capacity(value.len());
    let (mut quoted, mut escaped, mut was_quoted) = (false, false, false);
    for &byte in value.as_bytes() {
        let character = if byte.is_ascii() {
            char::from(byte)
        } else {
            '?'
        };
        if was_quoted && !matches!(character, ' ' | '\t') {
            was_quoted = false;
            if character != ',' {
                text.push(',');
            }
        }
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => {
                was_quoted = quoted;
                quoted = !quoted;
            }
            _ => {}
        }
        text.push(character);
    }
    text
}

/// The challenges of that scheme, as far as they can be understood.
///
/// The parser ends at a mistake, and takes the bare tokens of `Negotiate` and `NTLM` for one. It is set up
/// again where the next challenge of this scheme seems to begin: a few times, as whoever wrote the header
/// may want to keep us busy.
fn bearer_challenges(text: &str) -> impl Iterator<Item = ChallengeRef<'_>> {
    const MOST: usize = 8;
    let begins = |at: &usize| {
        let (before, after) = text.split_at(*at);
        after.get(..SCHEME.len()).is_some_and(is_bearer) && before.trim_end().ends_with(',')
    };
    let starts = (1..text.len()).filter(begins).take(MOST);
    let mut starts = std::iter::once(0).chain(starts).peekable();
    std::iter::from_fn(move || {
        let start = starts.next()?;
        let mut failed = false;
        let all: Vec<_> = ChallengeParser::new(&text[start..])
            .map_while(|challenge| {
                failed |= challenge.is_err();
                challenge.ok()
            })
            .collect();
        if !failed {
            // All of it was understood.
            starts.by_ref().for_each(drop);
        }
        Some(all)
    })
    .flatten()
    .filter(|challenge| is_bearer(challenge.scheme))
}

const SCHEME: &str = "Bearer";

fn is_bearer(scheme: &str) -> bool {
    scheme.eq_ignore_ascii_case(SCHEME)
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
            (&["Bearer error=\"\u{fc}\""], Challenge::Other),
        ] {
            assert_eq!(challenge(values), expected, "{values:?}");
        }
    }

    #[test]
    fn what_is_beside_a_challenge_does_not_hide_it() {
        for beside in [
            "Negotiate dG9rZW4=",
            "NTLM TlRMTVNTUAAC, Negotiate",
            "Basic realm=\"caf\u{e9}\"",
            "Digest realm=x, =",
        ] {
            let bearer = "Bearer error=\"insufficient_scope\", scope=\"a\"";
            for values in [
                &[format!("{beside}, {bearer}")][..],
                &[format!("{bearer}, {beside}")],
                &[beside.to_owned(), bearer.to_owned()],
            ] {
                let values: Vec<&str> = values.iter().map(String::as_str).collect();
                assert_eq!(challenge(&values), insufficient("a"), "{values:?}");
            }
        }
        let spaced =
            "Bearer scope=\"a\" error=\"insufficient_scope\" error_description=\"no \\\" scope\"";
        assert_eq!(challenge(&[spaced]), insufficient("a"));
        let spaced =
            "Bearer scope=\"\" error=\"invalid_token\" error_description=\"the token has expired\"";
        assert_eq!(challenge(&[spaced]), Challenge::InvalidToken);
        let described = "Bearer error=\"insufficient_scope\", error_description=\"\u{e9}\"";
        assert_eq!(challenge(&[described]), Challenge::InsufficientScope(None));
        // In time that does not grow with its square.
        let many = "Bearer error=x, ".repeat(4_000) + "=";
        assert_eq!(challenge(&[&many]), Challenge::Other);
        assert_eq!(challenge(&[&" ".repeat(60_000)]), Challenge::Silent);
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
