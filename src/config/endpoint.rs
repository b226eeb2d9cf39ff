//! Where an API is.

use std::fmt;
use std::str::FromStr;

use http::Uri;
use serde::de::{self, Deserialize, Deserializer, Visitor};

use crate::error::{AuthError, AuthErrorKind};
use crate::origin::Target;

/// The URL of an API: scheme, host, port if it is not the scheme's own, and a path if the API has one.
///
/// ```
/// use tower_client_auth::Endpoint;
///
/// let endpoint: Endpoint = "https://abc123.execute-api.eu-west-1.amazonaws.com/prod".parse()?;
/// assert_eq!(endpoint.path(), "/prod");
/// # Ok::<(), tower_client_auth::AuthError>(())
/// ```
///
/// Userinfo, a query or a fragment are no part of one, and neither are `.` and `..` in the path.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[cfg_attr(
    feature = "schemars",
    schemars(
        transparent,
        description = "A URL: scheme, host, port if it is not the usual one, and path if there is one."
    )
)]
pub struct Endpoint(#[cfg_attr(feature = "schemars", schemars(with = "String", url))] Uri);

impl Endpoint {
    /// The endpoint as a URI, with a path of at least `/`.
    pub fn uri(&self) -> &Uri {
        &self.0
    }

    /// Scheme, host and port: `https://api.example.com`.
    pub fn origin(&self) -> String {
        let authority = self
            .0
            .authority()
            .map_or("", |authority| authority.as_str());
        format!("{}://{authority}", self.0.scheme_str().unwrap_or("https"))
    }

    /// The path, without the slashes it ends with: `/prod`, or nothing.
    pub fn path(&self) -> &str {
        self.0.path().trim_end_matches('/')
    }

    /// Whether it is plain http to another machine.
    pub(crate) fn is_plain_text(&self) -> bool {
        match Target::of(&self.0) {
            Ok(Some(target)) => !target.https && !target.is_loopback(),
            _ => true,
        }
    }
}

/// What is wrong with a URL; the URL is left out, because people paste passwords along.
fn parse(text: &str) -> Result<Uri, &'static str> {
    const EXPECTED: &str = "expected the API's URL, such as `https://api.example.com/prod`";
    if text.contains('#') {
        return Err("an endpoint has no fragment: leave out `#` and what follows");
    }
    if !text.is_ascii() {
        return Err(
            "expected the API's URL in ASCII: write an international domain as `xn--…`, and \
                    percent-encode the path",
        );
    }
    if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err("the URL has a space or a line break in it: take it out");
    }
    if !text.contains("://") {
        return Err("expected the API's whole URL, with `https://` at its beginning");
    }
    let uri: Uri = text.parse().map_err(|_| EXPECTED)?;
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err("expected the API's whole URL, with `https://` at its beginning");
    };
    if !matches!(scheme, "https" | "http") {
        return Err("expected the API's URL, beginning with `https://`");
    }
    if authority.as_str().contains('@') {
        return Err("a user name or password in a URL is never sent: leave it out");
    }
    if uri.query().is_some() {
        return Err("an endpoint has no query: put it on the requests");
    }
    if has_dot_segment(uri.path()) {
        return Err("`.` and `..` in an endpoint's path name another path: write that one");
    }
    Target::of(&uri).map_err(|_| "the URL has no host, or a port that is none")?;
    Ok(uri)
}

/// Whether a path has a segment that means another place, as RFC 3986, section 5.2.4 has it. Clients
/// and servers decode first, take a backslash for a slash, or pass over what follows a semicolon, each
/// in its own way: whatever one of them might take for such a segment is one.
pub(crate) fn has_dot_segment(path: &str) -> bool {
    let mut plain = path.to_ascii_lowercase();
    for (encoded, character) in [("%2e", "."), ("%2f", "/"), ("%5c", "/"), ("%3b", ";")] {
        plain = plain.replace(encoded, character);
    }
    plain.split(['/', '\\']).any(|segment| {
        let name = segment.split(';').next().unwrap_or_default();
        matches!(name, "." | "..")
    })
}

impl FromStr for Endpoint {
    type Err = AuthError;

    fn from_str(text: &str) -> Result<Self, AuthError> {
        parse(text)
            .map(Self)
            .map_err(|problem| AuthError::new(AuthErrorKind::Configuration, problem))
    }
}

impl TryFrom<&str> for Endpoint {
    type Error = AuthError;

    fn try_from(text: &str) -> Result<Self, AuthError> {
        text.parse()
    }
}

impl TryFrom<String> for Endpoint {
    type Error = AuthError;

    fn try_from(text: String) -> Result<Self, AuthError> {
        text.parse()
    }
}

impl<'de> Deserialize<'de> for Endpoint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl Visitor<'_> for Text {
            type Value = Endpoint;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the API's URL, a string")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Endpoint, E> {
                parse(text).map(Endpoint).map_err(E::custom)
            }
        }

        deserializer.deserialize_str(Text)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin(), self.path())
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_whole_urls_and_nothing_more() {
        for good in [
            "https://api.example.com",
            "https://api.example.com/",
            "https://api.example.com:8443/v1/",
            "http://localhost:3000/dev",
            "http://[::1]:3000",
            "https://API.example.com/a%2Fb/..c",
        ] {
            assert!(good.parse::<Endpoint>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "/prod",
            "api.example.com",
            "ftp://api.example.com",
            "https://",
            "https://user:secret@api.example.com",
            "https://api.example.com/?a=b",
            "https://api.example.com/#top",
            "https://api.example.com/a/../b",
            "https://api.example.com/a/%2E%2e",
            "https://api.example.com:99999",
            "https://bücher.example",
            "https://api.example.com/a b",
        ] {
            let error = bad.parse::<Endpoint>().expect_err(bad).to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn a_path_ends_without_slashes() {
        let path = |text: &str| text.parse::<Endpoint>().expect("a URL").path().to_owned();
        assert_eq!(path("https://h"), "");
        assert_eq!(path("https://h/"), "");
        assert_eq!(path("https://h/prod//"), "/prod");
    }
}
