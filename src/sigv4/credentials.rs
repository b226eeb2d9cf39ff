//! AWS credentials, readied once for many signatures.

use std::fmt;
use std::sync::{Arc, OnceLock};
#[cfg(feature = "cache")]
use std::time::Duration;
use std::time::SystemTime;

use aws_credential_types::Credentials;
use http::HeaderValue;

use super::key::{SigningKeys, Stamp};
use super::options::SigningScope;
use crate::clock::{Deadline, Moment};
use crate::error::{AuthError, AuthErrorKind};
use crate::query;
use crate::secret::{Secret, check_visible, sensitive_header};
use crate::standing::Standing;

/// One generation of AWS credentials, checked and readied for many signatures.
///
/// Cheap to clone; all clones are the same generation, and a cache tells generations apart by that.
///
/// ```
/// use aws_credential_types::Credentials;
/// use tower_client_auth::sigv4::SigningCredentials;
///
/// let credentials = Credentials::new("AKIDEXAMPLE", "secret", None, None, "example");
/// let credentials = SigningCredentials::new(credentials)?;
/// assert_eq!(credentials.access_key_id(), "AKIDEXAMPLE");
/// assert!(!format!("{credentials:?}").contains("secret"));
/// # Ok::<(), tower_client_auth::AuthError>(())
/// ```
#[derive(Clone)]
pub struct SigningCredentials {
    inner: Arc<Inner>,
    /// When they end, fixed on receipt (see [`SigningCredentials::received`]).
    deadline: Option<Deadline>,
    is_extended: bool,
}

struct Inner {
    credentials: Credentials,
    keys: SigningKeys,
    security_token: Option<HeaderValue>,
    /// The same for a query, once it is asked for.
    encoded_token: OnceLock<Secret>,
    standing: Option<Standing>,
}

impl SigningCredentials {
    /// Readies `credentials` for signing.
    ///
    /// # Errors
    ///
    /// [`AuthErrorKind::MalformedCredential`] if the access key id, the secret or the session token
    /// is empty or cannot stand in a header, or the session token contains a space. An empty session
    /// token, which some tools write for "none", is none.
    pub fn new(credentials: Credentials) -> Result<Self, AuthError> {
        const KIND: AuthErrorKind = AuthErrorKind::MalformedCredential;
        check_visible(credentials.access_key_id(), "the access key id", KIND)?;
        check_secret(credentials.secret_access_key())?;
        if credentials.access_key_id().contains([' ', '/', ',', '=']) {
            return Err(AuthError::new(
                KIND,
                "the access key id contains a character that would break the credential scope",
            ));
        }
        let (credentials, security_token) = match credentials.session_token() {
            None => (credentials, None),
            Some("") => (without_session_token(&credentials), None),
            Some(token) if token.contains(' ') => {
                return Err(AuthError::new(
                    KIND,
                    "the session token contains a space: two values, perhaps, or a line break in a \
                     file",
                ));
            }
            Some(token) => {
                let value = sensitive_header(token, "the session token", KIND)?;
                (credentials, Some(value))
            }
        };
        Ok(Self {
            inner: Arc::new(Inner {
                credentials,
                keys: SigningKeys::new(),
                security_token,
                encoded_token: OnceLock::new(),
                standing: None,
            }),
            deadline: None,
            is_extended: false,
        })
    }

    /// The access key id: public, and what a log should name when a signature is refused.
    pub fn access_key_id(&self) -> &str {
        self.inner.credentials.access_key_id()
    }

    /// The same, as an identity pool gave them out.
    #[cfg(feature = "cognito")]
    pub(crate) fn of(mut self, standing: Option<Standing>) -> Self {
        // They have just been made, so nobody else holds them.
        if let Some(inner) = Arc::get_mut(&mut self.inner) {
            inner.standing = standing;
        }
        self
    }

    pub(crate) fn standing(&self) -> Option<Standing> {
        self.inner.standing
    }

    /// As AWS's own libraries know them.
    #[cfg(feature = "cognito")]
    pub(crate) fn credentials(&self) -> &Credentials {
        &self.inner.credentials
    }

    /// Whether `other` is this very generation.
    pub fn is_same(&self, other: &SigningCredentials) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    /// Whether `other` signs in the same way: a source that is not cached makes another of the same text each
    /// time.
    pub(crate) fn is_alike(&self, other: &SigningCredentials) -> bool {
        let (own, others) = (&self.inner.credentials, &other.inner.credentials);
        self.is_same(other)
            || own.access_key_id() == others.access_key_id()
                && own.secret_access_key() == others.secret_access_key()
                && own.session_token() == others.session_token()
    }

    /// Uses what signatures of `second` (since 1970) for `scope` have in common.
    #[inline]
    pub(super) fn with_stamp<R>(
        &self,
        second: u64,
        scope: &SigningScope,
        sign: impl FnOnce(&Arc<Stamp>) -> Result<R, AuthError>,
    ) -> Result<R, AuthError> {
        let credentials = &self.inner.credentials;
        let identity = (credentials.access_key_id(), credentials.secret_access_key());
        self.inner.keys.with(identity, second, scope, sign)
    }

    pub(super) fn security_token(&self) -> Option<&HeaderValue> {
        self.inner.security_token.as_ref()
    }

    /// The session token as it stands in a query.
    pub(super) fn encoded_token(&self) -> Option<&[u8]> {
        let token = self.inner.credentials.session_token()?;
        let encoded = || Secret::new(query::encode(token));
        let encoded = self.inner.encoded_token.get_or_init(encoded);
        Some(encoded.expose().as_bytes())
    }

    /// When they end, as they say themselves.
    pub(super) fn expiry(&self) -> Option<SystemTime> {
        self.inner.credentials.expiry()
    }

    /// Fixes the end of these credentials, which were asked for at `start`, on both clocks. If they
    /// name none, they last for `assumed`.
    #[cfg(feature = "cache")]
    pub(crate) fn received(mut self, start: Moment, assumed: Option<Duration>) -> Self {
        self.deadline = match (self.inner.credentials.expiry(), assumed) {
            (Some(end), _) => Deadline::at(start, end),
            (None, Some(lifetime)) => Deadline::new(start, lifetime),
            (None, None) => None,
        };
        self
    }

    /// When they end, once they have been received.
    #[cfg(feature = "cache")]
    pub(crate) fn deadline(&self) -> Option<Deadline> {
        self.deadline
    }

    /// Whether they are used for longer than they say.
    pub(super) fn outlive_expiry(&self) -> bool {
        self.is_extended
    }

    /// Lets them be used for longer than they say.
    #[cfg(feature = "cache")]
    pub(crate) fn extended(mut self, by: Duration) -> Self {
        self.is_extended = !by.is_zero();
        self.deadline = self.deadline.map(|deadline| deadline.later(by));
        self
    }

    /// Whether there is an end at all; if not, no clock need be read.
    pub(crate) fn may_expire(&self) -> bool {
        self.deadline.is_some() || self.inner.credentials.expiry().is_some()
    }

    pub(crate) fn has_expired(&self, now: &Moment) -> bool {
        match (&self.deadline, self.inner.credentials.expiry()) {
            (Some(deadline), _) => deadline.has_passed(now),
            (None, Some(end)) => now.wall >= end,
            (None, None) => false,
        }
    }
}

/// A secret only ever goes through HMAC, so any text would do: but an empty one, or one with the
/// newline of the file it came from, is a mistake that otherwise shows as a puzzling 403.
fn check_secret(secret: &str) -> Result<(), AuthError> {
    let problem = if secret.is_empty() {
        "is empty"
    } else if secret.trim() != secret || secret.chars().any(char::is_control) {
        "contains a control character or surrounding space: trim it"
    } else {
        return Ok(());
    };
    Err(AuthError::new(
        AuthErrorKind::MalformedCredential,
        format!("the secret access key {problem}"),
    ))
}

fn without_session_token(credentials: &Credentials) -> Credentials {
    let mut builder = Credentials::builder()
        .access_key_id(credentials.access_key_id())
        .secret_access_key(credentials.secret_access_key())
        .provider_name("tower-client-auth");
    builder.set_expiry(credentials.expiry());
    builder.build()
}

/// Names the key, never the secret or the session token.
impl fmt::Debug for SigningCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningCredentials")
            .field("access_key_id", &self.access_key_id())
            .field("session", &self.inner.security_token.is_some())
            .field("expiry", &self.inner.credentials.expiry())
            .finish_non_exhaustive()
    }
}

impl TryFrom<Credentials> for SigningCredentials {
    type Error = AuthError;

    fn try_from(credentials: Credentials) -> Result<Self, Self::Error> {
        Self::new(credentials)
    }
}
