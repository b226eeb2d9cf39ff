//! Text that must not be printed, and header values that must not be logged.

use std::fmt;

use http::HeaderValue;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::error::{AuthError, AuthErrorKind};

/// A string that is wiped when it is dropped and prints as `[redacted]`.
///
/// ```
/// use tower_client_auth::Secret;
///
/// let key = Secret::new("da2-fakeApiId123456");
/// assert_eq!(format!("{key:?}"), "[redacted]");
/// assert_eq!(key.expose(), "da2-fakeApiId123456");
/// ```
///
/// What leaves through [`Secret::expose`] is in the caller's care.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Secret(String);

impl Secret {
    /// Takes a string over. Given a `String`, it keeps that very allocation, so no copy stays
    /// behind; given a `&str`, the original is not wiped.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl From<String> for Secret {
    fn from(value: String) -> Self {
        Self::new(value)
    }
}

impl From<&str> for Secret {
    fn from(value: &str) -> Self {
        Self::new(value)
    }
}

/// Why a text cannot be a credential in a header; said without showing the text.
pub(crate) fn check_visible(text: &str, what: &str, kind: AuthErrorKind) -> Result<(), AuthError> {
    let problem = if text.is_empty() {
        "is empty"
    } else if text.bytes().any(|b| b < 0x20 || b == 0x7f) {
        "contains a control character (a trailing newline from a file, perhaps): trim it"
    } else if !text.is_ascii() {
        "contains a character outside ASCII"
    } else if text.starts_with(' ') || text.ends_with(' ') {
        "starts or ends with a space: trim it"
    } else {
        return Ok(());
    };
    Err(AuthError::new(kind, format!("{what} {problem}")))
}

/// The text as a header value that well-behaved loggers leave out and HPACK does not index.
pub(crate) fn sensitive_header(
    text: &str,
    what: &str,
    kind: AuthErrorKind,
) -> Result<HeaderValue, AuthError> {
    check_visible(text, what, kind)?;
    let mut value = HeaderValue::from_str(text).map_err(|_| {
        // No source: the text must not travel with it.
        AuthError::new(kind, format!("{what} cannot be sent in a header"))
    })?;
    value.set_sensitive(true);
    Ok(value)
}
