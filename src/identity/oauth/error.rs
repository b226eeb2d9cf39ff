//! What a provider's refusal means, and what to do about it.

use std::error::Error as StdError;
use std::fmt;

use http::{StatusCode, Uri};

use super::reply::Document;
use crate::error::{AuthError, AuthErrorKind, find_in_chain};
use crate::identity::transport::Reply;
use crate::secret::Secret;

/// An error as a provider words it ([RFC 6749, section 5.2]): the source of the [`AuthError`] that it became.
///
/// ```
/// use tower_client_auth::AuthError;
/// use tower_client_auth::oauth::OAuthError;
///
/// fn report(error: &AuthError) {
///     eprintln!("{error}");
///     if let Some(provider) = OAuthError::of(error) {
///         let words = provider.description().unwrap_or("nothing");
///         eprintln!("  the provider says: {}", words.escape_debug()); // what a terminal would obey
///     }
/// }
/// ```
///
/// [RFC 6749, section 5.2]: https://www.rfc-editor.org/rfc/rfc6749#section-5.2
#[derive(Clone)]
pub struct OAuthError {
    /// `None` for an authorization response, which came by the browser.
    status: Option<StatusCode>,
    code: Secret,
    description: Option<Secret>,
}

impl OAuthError {
    pub(super) fn new(
        status: Option<StatusCode>,
        code: Secret,
        description: Option<Secret>,
    ) -> Self {
        Self {
            status,
            code,
            description,
        }
    }

    /// The provider's answer in the chain that starts at `error`, if one is what it is about.
    pub fn of<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Self> {
        find_in_chain(error)
    }

    /// The status of the answer. An authorization response has none: it comes by the browser.
    pub fn status(&self) -> Option<StatusCode> {
        self.status
    }

    /// The code, such as `invalid_client`. One that is not registered is text of the provider's choice.
    pub fn code(&self) -> &str {
        self.code.expose()
    }

    /// The provider's own words for developers, as they came.
    ///
    /// They may hold anything, the secret that was sent included, so no error and no event of this crate
    /// repeats them. Mind where you print them, and escape what a terminal would obey.
    pub fn description(&self) -> Option<&str> {
        self.description.as_ref().map(Secret::expose)
    }

    /// The code, if it is one whose text cannot be anything else.
    fn known(&self) -> Option<&'static str> {
        CODES.into_iter().find(|known| *known == self.code())
    }
}

impl fmt::Display for OAuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            self.known()
                .unwrap_or("an error code that is not registered"),
        )
    }
}

impl fmt::Debug for OAuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuthError")
            .field("status", &self.status)
            .field("code", &self.known())
            .finish_non_exhaustive()
    }
}

impl StdError for OAuthError {}

/// What the IANA registry of OAuth extension errors has, OpenID Connect Core, section 3.1.2.6, and GitHub.
const CODES: [&str; 24] = [
    "access_denied",
    "account_selection_required",
    "authorization_pending",
    "bad_refresh_token",
    "bad_verification_code",
    "consent_required",
    "expired_token",
    "interaction_required",
    "invalid_client",
    "invalid_dpop_proof",
    "invalid_grant",
    "invalid_request",
    "invalid_scope",
    "invalid_target",
    "login_required",
    "server_error",
    "slow_down",
    "temporarily_unavailable",
    "unauthorized_client",
    "unmet_authentication_requirements",
    "unsupported_grant_type",
    "unsupported_response_type",
    "unsupported_token_type",
    "use_dpop_nonce",
];

/// What is asked of a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    ClientCredentials,
    RefreshToken,
    TokenExchange,
    AuthorizationCode,
    DeviceAuthorization,
    DeviceToken,
    Revocation,
}

impl Asked {
    /// Who is asked, without what a URL may have in its query.
    pub(super) fn at(self, endpoint: &Uri) -> String {
        let which = match self {
            Self::DeviceAuthorization => "device authorization",
            Self::Revocation => "revocation",
            _ => "token",
        };
        let host = endpoint.host().unwrap_or_default();
        format!("the {which} endpoint of {host}")
    }

    /// Whether somebody sits there who may say no.
    fn asks_user(self) -> bool {
        matches!(self, Self::AuthorizationCode | Self::DeviceToken)
    }

    /// How many times the transport's timeout its answer is waited for. What a refresh brings cannot be had
    /// again, and nobody waits for it meanwhile.
    pub(super) fn patience(self) -> u32 {
        match self {
            Self::RefreshToken => 6,
            _ => 1,
        }
    }

    /// What a refusal of the grant itself comes from, and whether only the user can help.
    fn refused_grant(self) -> (&'static str, bool) {
        match self {
            Self::RefreshToken => (
                "the session has ended, was revoked, or its refresh token was used by somebody else: sign \
                 in again",
                true,
            ),
            Self::AuthorizationCode => (
                "the authorization code has expired, or was used already: sign in again",
                true,
            ),
            Self::DeviceToken => ("the device code is no good any more: sign in again", true),
            Self::TokenExchange => (
                "the provider does not take the subject token: check who issued it, and whether it has \
                 expired",
                false,
            ),
            _ => (
                "the provider does not grant this to the client: check the client's registration",
                false,
            ),
        }
    }
}

/// Whether the answer is a success. If it is none, what it says becomes an error.
pub(super) fn judge(reply: Reply, asked: Asked, what: &str) -> Result<Reply, AuthError> {
    let status = reply.status;
    if status.is_success() {
        // GitHub's answers are all 200.
        return match Document::read(&reply).and_then(Document::into_error) {
            Some(error) => Err(refusal(error, asked, what)),
            None => Ok(reply),
        };
    }
    if status.is_redirection() {
        return Err(AuthError::refused(format!(
            "{what} answered with a redirect ({status}), which is not followed, since it would take \
             secrets along: use the URL that it leads to"
        )));
    }
    // Whatever their bodies say: these are about the moment.
    if is_for_now(status) {
        return Err(AuthError::passing(format!("{what} answered {status}")));
    }
    match Document::read(&reply).and_then(Document::into_error) {
        Some(error) => Err(refusal(error, asked, what)),
        None => Err(match status {
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::GONE => {
                AuthError::refused(format!("{what} answered {status}: check its URL"))
            }
            // A proxy or a firewall rather than the provider, which would have given a reason.
            _ => AuthError::passing(format!(
                "{what} answered {status} without an OAuth error: is there a proxy in between?"
            )),
        }),
    }
}

/// Whether a status is about the moment, and not about the request.
pub(in crate::identity) fn is_for_now(status: StatusCode) -> bool {
    status.is_server_error()
        || matches!(
            status,
            StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY
        )
}

/// What an error of the provider's becomes.
pub(super) fn refusal(error: OAuthError, asked: Asked, what: &str) -> AuthError {
    let (advice, kind) = meaning(error.code(), asked);
    let message = format!("{what} answered {error}: {advice}");
    let own = match kind {
        Meaning::Passes => AuthError::passing(message),
        Meaning::Stays => AuthError::refused(message),
        Meaning::NeedsUser => AuthError::new(AuthErrorKind::SignInRequired, message),
    };
    own.with_source(error)
}

enum Meaning {
    Passes,
    Stays,
    NeedsUser,
}

fn meaning(code: &str, asked: Asked) -> (&'static str, Meaning) {
    use Meaning::{NeedsUser, Passes, Stays};

    match code {
        // The others are GitHub's.
        "invalid_grant" | "bad_refresh_token" | "bad_verification_code" => {
            match asked.refused_grant() {
                (advice, true) => (advice, NeedsUser),
                (advice, false) => (advice, Stays),
            }
        }
        "invalid_client" => (
            "it does not know the client, or its secret, key or assertion is not right",
            Stays,
        ),
        "unauthorized_client" => (
            "the client may not use this grant: have it allowed where the client is registered",
            Stays,
        ),
        "unsupported_grant_type" => ("it does not have this grant", Stays),
        "invalid_scope" => (
            "a scope is unknown, or not the client's to ask for: check `scope`",
            Stays,
        ),
        "invalid_target" => (
            "the API is unknown, or not the client's to call: check `audience` and `resource`",
            Stays,
        ),
        "invalid_request" => (
            "it misses a parameter, or knows another value for one: its documentation says which it wants",
            Stays,
        ),
        "temporarily_unavailable" | "server_error" | "slow_down" => {
            ("it asks to be tried later", Passes)
        }
        "authorization_pending" => ("the user has not confirmed yet", Passes),
        "access_denied" if asked.asks_user() => ("the user, or the provider, said no", NeedsUser),
        // Auth0 says so of a wrong secret.
        "access_denied" => (
            "it does not let the client have a token: check its secret, and its registration",
            Stays,
        ),
        "expired_token" => ("the user did not confirm in time: sign in again", NeedsUser),
        "interaction_required"
        | "login_required"
        | "consent_required"
        | "account_selection_required" => match asked {
            Asked::ClientCredentials => (
                "it wants a user, and there is none: check the client",
                Stays,
            ),
            _ => ("the user has to sign in again", NeedsUser),
        },
        "invalid_dpop_proof" | "use_dpop_nonce" => (
            "it wants proofs of possession (DPoP), which this crate does not make",
            Stays,
        ),
        "unsupported_token_type" => ("it does not revoke such tokens", Stays),
        _ => ("`OAuthError::description` has what it says about it", Stays),
    }
}
