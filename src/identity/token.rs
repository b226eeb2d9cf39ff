//! A token: its text, how it goes into a header, and how long it lasts.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderValue;
use serde::Deserialize;

use crate::clock::{Clock, Deadline, Moment};
use crate::error::{AuthError, AuthErrorKind};
use crate::secret::{Secret, check_visible, sensitive_header};

/// How a token is written into its header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TokenStyle {
    /// `Authorization: Bearer <token>` ([RFC 6750, section 2.1]), the default.
    ///
    /// [RFC 6750, section 2.1]: https://www.rfc-editor.org/rfc/rfc6750#section-2.1
    #[default]
    Bearer,
    /// The token verbatim, as Cognito authorizers of API Gateway expect it, and as custom schemes
    /// need it that bring a prefix of their own.
    Raw,
}

/// A token and what is known about its life.
///
/// Strings turn into tokens by themselves, so a closure may simply return one. A JSON Web Token's
/// own `exp` and `iat` are then read as hints (and never verified: that is the server's business).
/// For an opaque token, say how long it lasts if you know:
///
/// ```
/// use std::time::Duration;
/// use tower_client_auth::Token;
///
/// let token = Token::from("mF_9.B5f-4.1JqM").expires_in(Duration::from_secs(3600));
/// assert!(!format!("{token:?}").contains("mF_9"));
/// ```
///
/// Cheap to clone; all clones are the same token, and a cache tells its generations apart by that.
#[derive(Clone)]
pub struct Token {
    inner: Arc<Inner>,
    /// When it ends, fixed on receipt (see [`Token::received`]). Beside the shared part and not in
    /// it, so that a source that kept a clone still recognises its token.
    deadline: Option<Deadline>,
}

#[derive(Clone)]
struct Inner {
    value: Secret,
    bearer: OnceLock<HeaderValue>,
    raw: OnceLock<HeaderValue>,
    life: Life,
}

/// What the token, or whoever fetched it, says about its end.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Life {
    Unknown,
    /// A length, counted from receipt: OAuth's `expires_in`.
    For(Duration),
    /// A time of day.
    Until(SystemTime),
    /// A JSON Web Token's own claims.
    Claimed {
        issued: Option<SystemTime>,
        expires: SystemTime,
    },
}

impl Token {
    /// A token, refused if it cannot stand in a header.
    ///
    /// `Token::from(…)` defers that check to the first use, which is what a closure that returns a
    /// string wants.
    ///
    /// # Errors
    ///
    /// [`AuthErrorKind::MalformedCredential`] for an empty token, one with control or non-ASCII
    /// characters, or with spaces around it.
    pub fn new(value: impl Into<String>) -> Result<Self, AuthError> {
        let token = Self::from(value.into());
        token.check()?;
        Ok(token)
    }

    /// How long the token lasts from the moment it is received, OAuth's `expires_in`; it takes
    /// precedence over what a JSON Web Token says itself.
    ///
    /// The token is used to the very end: take off what a request may need on its way.
    ///
    /// A cache counts from when its load began, so that a slow answer does not lengthen a life. A
    /// token given to a layer without a cache counts from here.
    #[must_use]
    pub fn expires_in(self, lifetime: Duration) -> Self {
        let deadline = Deadline::new(Clock::system().moment(), lifetime);
        self.lasting(Life::For(lifetime), deadline)
    }

    /// Was issued after `start`, by somebody who says how long it lasts, or by its own claims. Both count from there,
    /// whatever this machine's clock makes of the time at which it says that it ends; the shorter of them, and neither
    /// if it is no life that such tokens have.
    #[cfg(feature = "cognito")]
    pub(crate) fn just_issued(
        self,
        start: Moment,
        said: Option<Duration>,
        longest: Duration,
    ) -> Self {
        let claimed = match self.inner.life {
            Life::Claimed {
                issued: Some(issued),
                expires,
            } => expires.duration_since(issued).ok(),
            _ => None,
        };
        let lives = [said, claimed].into_iter().flatten();
        match lives.filter(|life| *life <= longest).min() {
            Some(life) => self.lasting(Life::For(life), Deadline::new(start, life)),
            None => self,
        }
    }

    /// The time of day at which the token ends.
    #[must_use]
    pub fn expires_at(self, end: SystemTime) -> Self {
        self.lasting(Life::Until(end), None)
    }

    /// The token's text, without any prefix.
    pub fn expose(&self) -> &str {
        self.inner.value.expose()
    }

    /// Whether `other` is this very token, not merely one with the same text: how a late rejection
    /// is kept from evicting a newer token.
    pub fn is_same(&self, other: &Token) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    /// Whether `other` has the same text: a source that is not cached makes another one each time.
    pub(crate) fn is_alike(&self, other: &Token) -> bool {
        self.is_same(other) || self.expose() == other.expose()
    }

    /// The header value for `style`, made once and marked sensitive.
    pub(crate) fn header(&self, style: TokenStyle) -> Result<HeaderValue, AuthError> {
        let cell = match style {
            TokenStyle::Bearer => &self.inner.bearer,
            TokenStyle::Raw => &self.inner.raw,
        };
        if let Some(value) = cell.get() {
            return Ok(value.clone());
        }
        let value = self.make_header(style)?;
        Ok(cell.get_or_init(|| value).clone())
    }

    fn make_header(&self, style: TokenStyle) -> Result<HeaderValue, AuthError> {
        const WHAT: &str = "the token";
        let text = self.expose();
        self.check()?;
        match style {
            TokenStyle::Raw => sensitive_header(text, WHAT, AuthErrorKind::MalformedCredential),
            TokenStyle::Bearer if text.contains(' ') => Err(AuthError::new(
                AuthErrorKind::MalformedCredential,
                "the token contains a space: if it brings its own scheme, such as `Bearer `, \
                 return the bare token or use `TokenStyle::Raw`",
            )),
            TokenStyle::Bearer => {
                let text = Secret::new(["Bearer ", text].concat());
                sensitive_header(text.expose(), WHAT, AuthErrorKind::MalformedCredential)
            }
        }
    }

    /// Whether the text can stand in a header at all.
    pub(crate) fn check(&self) -> Result<(), AuthError> {
        check_visible(
            self.expose(),
            "the token",
            AuthErrorKind::MalformedCredential,
        )
    }

    /// Fixes the end of the token's life: it was asked for at `start`.
    ///
    /// A length counts from then, whatever the wall clock is. A JSON Web Token's `exp` holds if the
    /// clock is plausible; where the token seems to come from the future, the clock is slow and the
    /// token's own length (`exp − iat`) counts instead. The claimed end is not stretched the other
    /// way: a token that sources hand out for a second time (a file, a metadata server) is older
    /// than its receipt. A token that says nothing lasts for `assumed`.
    #[cfg(feature = "cache")]
    pub(crate) fn received(mut self, start: Moment, assumed: Option<Duration>) -> Self {
        let deadline = match self.inner.life {
            Life::Unknown => assumed.and_then(|lifetime| Deadline::new(start, lifetime)),
            Life::For(lifetime) => Deadline::new(start, lifetime),
            Life::Until(end) => Deadline::at(start, end),
            Life::Claimed {
                issued: Some(issued),
                expires,
            } if issued > start.wall => match expires.duration_since(issued) {
                Ok(lifetime) => Deadline::new(start, lifetime),
                Err(_) => Deadline::at(start, expires),
            },
            Life::Claimed { expires, .. } => Deadline::at(start, expires),
        };
        // A token that was received before, by another cache or with `expires_in`, does not start a
        // second life.
        self.deadline = match (self.deadline, deadline) {
            (Some(before), Some(now)) => Some(before.earlier(now)),
            (before, now) => before.or(now),
        };
        self
    }

    /// When it ends, once it has been received.
    #[cfg(feature = "cache")]
    pub(crate) fn deadline(&self) -> Option<Deadline> {
        self.deadline
    }

    /// Whether anything is known about the token's end; if not, no clock need be read.
    pub(crate) fn may_expire(&self) -> bool {
        self.deadline.is_some() || self.inner.life != Life::Unknown
    }

    /// Whether the token's life is over at `now`.
    pub(crate) fn has_expired(&self, now: &Moment) -> bool {
        match (&self.deadline, self.inner.life) {
            (Some(deadline), _) => deadline.has_passed(now),
            (None, Life::Until(end) | Life::Claimed { expires: end, .. }) => now.wall >= end,
            (None, Life::Unknown | Life::For(_)) => false,
        }
    }

    fn lasting(mut self, life: Life, deadline: Option<Deadline>) -> Self {
        // A token with a life of its own is another token; the common case is that nobody else
        // holds this one yet, and it is changed in place.
        Arc::make_mut(&mut self.inner).life = life;
        self.deadline = deadline;
        self
    }
}

impl From<String> for Token {
    fn from(value: String) -> Self {
        let life = claimed_life(&value).unwrap_or(Life::Unknown);
        Self {
            inner: Arc::new(Inner {
                value: Secret::new(value),
                bearer: OnceLock::new(),
                raw: OnceLock::new(),
                life,
            }),
            deadline: None,
        }
    }
}

impl From<&str> for Token {
    fn from(value: &str) -> Self {
        Self::from(value.to_owned())
    }
}

impl From<Secret> for Token {
    fn from(value: Secret) -> Self {
        Self::from(value.expose())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("value", &self.inner.value)
            .field("life", &self.inner.life)
            .finish()
    }
}

/// The claims of [RFC 7519, section 4.1] that tell how long a token lasts.
///
/// [RFC 7519, section 4.1]: https://www.rfc-editor.org/rfc/rfc7519#section-4.1
#[derive(Deserialize)]
struct Claims {
    exp: f64,
    /// Of any kind: an odd one must not hide when the token ends.
    iat: Option<serde_json::Value>,
}

/// Real tokens stay well under this, and decoding is work done on behalf of whoever sent it.
const MAX_JWT: usize = 64 * 1024;

/// Reads `exp` and `iat` if the token looks like a JSON Web Token; anything odd is no hint at all.
fn claimed_life(token: &str) -> Option<Life> {
    if token.len() > MAX_JWT {
        return None;
    }
    let mut parts = token.split('.');
    let (Some(_header), Some(payload), Some(_signature), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    let json = URL_SAFE_NO_PAD
        .decode(payload.trim_end_matches('='))
        .map(zeroize::Zeroizing::new)
        .ok()?;
    let claims: Claims = serde_json::from_slice(&json).ok()?;
    Some(Life::Claimed {
        issued: claims
            .iat
            .and_then(|issued| issued.as_f64())
            .and_then(numeric_date),
        expires: numeric_date(claims.exp)?,
    })
}

/// RFC 7519's NumericDate: seconds since the epoch, possibly with a fraction.
fn numeric_date(seconds: f64) -> Option<SystemTime> {
    let since_epoch = Duration::try_from_secs_f64(seconds).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(since_epoch)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_700_000_000;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn moment(seconds: u64) -> Moment {
        Clock::from_fn(move || at(seconds)).moment()
    }

    fn jwt(claims: &str) -> Token {
        Token::from(format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims)))
    }

    #[cfg(feature = "cache")]
    #[test]
    fn a_jwt_ends_when_it_says() {
        let token = jwt(&format!(r#"{{"iat":{},"exp":{}}}"#, NOW - 600, NOW + 60));
        let token = token.received(moment(NOW), None);
        assert!(!token.has_expired(&moment(NOW + 59)));
        assert!(token.has_expired(&moment(NOW + 60)));
    }

    #[cfg(feature = "cache")]
    #[test]
    fn an_odd_time_of_issue_hides_no_end() {
        for issued in [r#""1700000000""#, "[]", "null", "-1", "1e300"] {
            let token = jwt(&format!(r#"{{"iat":{issued},"exp":{}}}"#, NOW + 60));
            let token = token.received(moment(NOW), None);
            assert!(token.has_expired(&moment(NOW + 60)), "{issued}");
        }
    }

    #[cfg(feature = "cache")]
    #[test]
    fn a_slow_clock_does_not_lengthen_a_jwt() {
        // The machine is an hour behind, so `exp` seems two hours away; the token lasts one.
        let token = jwt(&format!(r#"{{"iat":{NOW},"exp":{}}}"#, NOW + 3600));
        let token = token.received(moment(NOW - 3600), None);
        assert!(token.has_expired(&moment(NOW)));
    }

    #[cfg(feature = "cache")]
    #[test]
    fn an_explicit_lifetime_beats_the_claims() {
        // A cache looks at its clock before it asks.
        let start = moment(NOW);
        let token = jwt(&format!(r#"{{"exp":{}}}"#, NOW + 3600)).expires_in(Duration::from_secs(5));
        let token = token.received(start, None);
        assert!(!token.has_expired(&moment(NOW + 4)));
        assert!(token.has_expired(&moment(NOW + 5)));
    }

    #[test]
    fn claims_that_make_no_sense_are_no_hint() {
        for claims in [
            r#"{"exp":-1}"#,
            r#"{"exp":1e300}"#,
            r#"{"exp":"soon"}"#,
            "[]",
            "not json",
        ] {
            assert!(!jwt(claims).may_expire(), "{claims}");
        }
        assert!(!Token::from("a.b.c.d").may_expire());
        assert!(!Token::from("..").may_expire());
    }

    #[test]
    fn the_text_is_kept_in_something_that_is_wiped() {
        fn is_wiped<T: zeroize::ZeroizeOnDrop>(_: &T) {}
        is_wiped(&Token::from("t").inner.value);
    }

    #[test]
    fn what_cannot_stand_in_a_header_is_refused() {
        for bad in ["", "a\nb", "a\0", "ü", " a", "a "] {
            let error = Token::new(bad).expect_err(bad);
            assert_eq!(error.kind(), AuthErrorKind::MalformedCredential);
        }
        let twice = Token::from("Bearer abc").header(TokenStyle::Bearer);
        assert!(twice.expect_err("a space").to_string().contains("Raw"));
        let raw = Token::from("Bearer abc").header(TokenStyle::Raw);
        assert!(raw.expect("fits").is_sensitive());
    }
}
