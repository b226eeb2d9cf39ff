//! The grant for programs without a browser of their own: RFC 8628.

use std::fmt;
use std::time::Duration;

use http::Uri;
use serde::Deserialize;
use serde_json::Value;

use super::client::OAuthClient;
use super::error::{Asked, OAuthError};
use super::form::Form;
use super::id_token;
use super::options::{Options, option_setters};
use super::reply::{Text, seconds};
use super::tokens::Tokens;
use crate::clock::Monotonic;
use crate::error::{AuthError, AuthErrorKind};
use crate::identity::runtime::timer;
use crate::identity::transport::Reply;
use crate::secret::Secret;

/// A sign-in on another device: the program shows a code, and the user enters it in a browser anywhere
/// ([RFC 8628]).
///
/// ```no_run
/// # use tower_client_auth::BoxError;
/// # use tower_client_auth::oauth::OAuthClient;
/// # async fn example(client: OAuthClient) -> Result<(), BoxError> {
/// let login = client.device_authorization().scope("openid offline_access").begin().await?;
/// println!("open {} and enter {}", login.verification_uri(), login.user_code());
/// let tokens = login.finish().await?;
/// # Ok(())
/// # }
/// ```
///
/// The tokens are for [`RefreshToken::sign_in`](super::RefreshToken::sign_in), which keeps the user signed in.
///
/// # What it calls, and when
///
/// The device authorization endpoint once; then the token endpoint, every five seconds or as often as the
/// provider says, until the user has confirmed, or the code has expired. A provider that cannot be reached
/// meanwhile is asked at longer and longer intervals.
///
/// # What it keeps
///
/// Nothing, and nothing is stored.
///
/// # What failures mean
///
/// | what | the error |
/// |---|---|
/// | the user says no, or does not confirm in time | [`SignInRequired`](AuthErrorKind::SignInRequired) |
/// | the provider has no device authorization endpoint | [`Configuration`](AuthErrorKind::Configuration) |
/// | it does not know the client, or the scope | [`Source`](AuthErrorKind::Source) |
/// | it cannot be reached when the login begins | transient: begin again |
///
/// [RFC 8628]: https://www.rfc-editor.org/rfc/rfc8628
#[derive(Clone)]
#[must_use = "a login does nothing until it has begun"]
pub struct DeviceAuthorization {
    client: OAuthClient,
    options: Options,
}

/// Where the provider names none: RFC 8628, section 3.2.
const INTERVAL: Duration = Duration::from_secs(5);

/// What `slow_down` adds to the interval: section 3.5.
const SLOWER: Duration = Duration::from_secs(5);

/// A provider that is down is not asked less often than this, unless it has asked for that.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// How long before its end a code is tried for the last time.
const LAST_CALL: Duration = Duration::from_secs(2);

/// What a user is shown fits on a screen.
const MAX_SHOWN: usize = 2048;

/// Nobody enters a code after so long, whatever the provider says.
const LONGEST_LIFE: Duration = Duration::from_secs(24 * 3600);

impl OAuthClient {
    /// A sign-in on another device.
    pub fn device_authorization(&self) -> DeviceAuthorization {
        DeviceAuthorization {
            client: self.clone(),
            options: Options::default(),
        }
    }
}

impl DeviceAuthorization {
    option_setters!();

    fn set(mut self, change: impl FnOnce(&mut Options)) -> Self {
        change(&mut self.options);
        self
    }

    /// Asks for a code that the user can enter.
    ///
    /// # Errors
    ///
    /// As in the table above.
    pub async fn begin(self) -> Result<DeviceLogin, AuthError> {
        let metadata = self.client.provider().metadata().await?;
        let Some(endpoint) = &metadata.device_authorization_endpoint else {
            return Err(AuthError::new(
                AuthErrorKind::Configuration,
                "the provider has no device authorization endpoint: set it with \
                 `Provider::device_authorization_endpoint`, or let the user sign in by a browser here \
                 (`authorization_code`)",
            ));
        };
        let mut form = Form::default();
        self.options.write(&mut form)?;
        let asked = Asked::DeviceAuthorization;
        let reply = self.client.ask(&metadata, endpoint, asked, form).await?;
        let issuer = metadata.issuer.clone();
        DeviceLogin::read(&reply, &asked.at(endpoint), self.client, issuer)
    }
}

impl fmt::Debug for DeviceAuthorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceAuthorization")
            .field("client", &self.client)
            .field("options", &self.options)
            .finish()
    }
}

/// A login that has begun: what to tell the user.
///
/// What it hands out is text that can be printed to a terminal, without control characters.
#[must_use = "a login has to be finished"]
pub struct DeviceLogin {
    client: OAuthClient,
    issuer: Option<String>,
    device_code: Secret,
    user_code: String,
    verification_uri: String,
    verification_uri_complete: Option<String>,
    interval: Duration,
    life: Duration,
    start: Monotonic,
}

/// As it comes: section 3.2.
#[derive(Deserialize)]
struct Document {
    device_code: Text,
    user_code: String,
    // Google's name for it, before there was an RFC.
    #[serde(alias = "verification_url")]
    verification_uri: String,
    verification_uri_complete: Option<String>,
    expires_in: Option<Value>,
    interval: Option<Value>,
}

impl DeviceLogin {
    fn read(
        reply: &Reply,
        what: &str,
        client: OAuthClient,
        issuer: Option<String>,
    ) -> Result<Self, AuthError> {
        let start = Monotonic::now();
        let document: Option<Document> = match reply.may_be_json() {
            true => serde_json::from_slice(&reply.body).ok(),
            false => None,
        };
        let Some(document) = document else {
            return Err(AuthError::passing(format!(
                "{what} sent no device code: is there a proxy or a sign-in page in between?"
            )));
        };
        let is_printable =
            |text: &str| (1..=MAX_SHOWN).contains(&text.len()) && text.chars().all(|c| !is_odd(c));
        let is_url = |text: &str| {
            let scheme = text.parse::<Uri>().ok();
            let scheme = scheme.as_ref().and_then(Uri::scheme_str);
            is_printable(text) && matches!(scheme, Some("https" | "http"))
        };
        if !is_printable(&document.user_code) || !is_url(&document.verification_uri) {
            return Err(AuthError::refused(format!(
                "{what} sent a code or a URL that cannot be shown to a user"
            )));
        }
        let duration = |value: Option<Value>| value.as_ref().and_then(seconds);
        Ok(Self {
            client,
            issuer,
            device_code: document.device_code.0,
            user_code: document.user_code,
            verification_uri: document.verification_uri,
            verification_uri_complete: document.verification_uri_complete.filter(|url| is_url(url)),
            interval: duration(document.interval)
                .unwrap_or(INTERVAL)
                .max(Duration::from_secs(1)),
            life: duration(document.expires_in)
                .unwrap_or(LONGEST_LIFE)
                .min(LONGEST_LIFE),
            start,
        })
    }

    /// What the user enters.
    pub fn user_code(&self) -> &str {
        &self.user_code
    }

    /// Where the user enters it.
    pub fn verification_uri(&self) -> &str {
        &self.verification_uri
    }

    /// A URL that has the code in it already, for a link or a QR code. Not all providers have one. Show the code
    /// beside it, so that the user can compare.
    pub fn verification_uri_complete(&self) -> Option<&str> {
        self.verification_uri_complete.as_deref()
    }

    /// How long the code is good for, from when the login began.
    pub fn expires_in(&self) -> Duration {
        self.life
    }

    /// Waits until the user has confirmed.
    ///
    /// # Errors
    ///
    /// As in the table of [`DeviceAuthorization`]. A provider that cannot be reached is none of them: it is asked
    /// again for as long as the code is good.
    pub async fn finish(self) -> Result<Tokens, AuthError> {
        let mut interval = self.interval;
        // Longer while the provider cannot be reached.
        let mut pause = interval;
        loop {
            let left = self.left();
            if left <= LAST_CALL {
                return Err(AuthError::new(
                    AuthErrorKind::SignInRequired,
                    "the user did not confirm in time: sign in again",
                ));
            }
            timer(pause.min(left - LAST_CALL))?.await;
            let form = Form::of_grant("urn:ietf:params:oauth:grant-type:device_code")
                .with_secret("device_code", &self.device_code);
            let error = match self.client.grant(Asked::DeviceToken, form).await {
                Ok(reply) => {
                    if let Some(token) = &reply.id {
                        let (id, now) = (self.client.id(), self.client.now());
                        id_token::check(token.expose(), self.issuer.as_deref(), id, None, now)?;
                    }
                    return Ok(Tokens::issued(reply, &self.client));
                }
                Err(error) => error,
            };
            match OAuthError::of(&error).map(OAuthError::code) {
                Some("authorization_pending") => pause = interval,
                Some("slow_down") => {
                    interval = interval.saturating_add(SLOWER);
                    pause = interval;
                }
                _ if error.is_transient() => {
                    pause = pause.saturating_mul(2).min(LONGEST_PAUSE).max(interval);
                }
                _ => return Err(error),
            }
        }
    }

    fn left(&self) -> Duration {
        self.life.saturating_sub(Monotonic::now().since(self.start))
    }
}

impl fmt::Debug for DeviceLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceLogin")
            .field("client", &self.client)
            .field("verification_uri", &self.verification_uri)
            .field("interval", &self.interval)
            .finish_non_exhaustive()
    }
}

/// What a terminal obeys, or shows as nothing or in another order.
fn is_odd(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{feff}' | '\u{200b}'..='\u{200f}'
        )
        || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fff9}'..='\u{fffb}')
        || matches!(c, '\u{e0000}'..='\u{e007f}')
}
