//! What a refusal of Cognito's means, and what to do about it.

use std::error::Error as StdError;
use std::fmt;

use http::StatusCode;
use serde::Deserialize;

use crate::error::{AuthError, AuthErrorKind, find_in_chain};
use crate::identity::oauth::{Text, is_for_now};
use crate::identity::transport::Reply;
use crate::secret::Secret;

/// An error as Cognito words it: the source of the [`AuthError`] that it became.
///
/// ```
/// use tower_client_auth::AuthError;
/// use tower_client_auth::cognito::CognitoError;
///
/// fn report(error: &AuthError) {
///     eprintln!("{error}");
///     if let Some(cognito) = CognitoError::of(error) {
///         let words = cognito.message().unwrap_or("nothing");
///         eprintln!("  Cognito says: {}", words.escape_debug()); // what a terminal would obey
///     }
/// }
/// ```
#[derive(Clone)]
pub struct CognitoError {
    status: StatusCode,
    code: Secret,
    message: Option<Secret>,
}

impl CognitoError {
    /// Cognito's answer in the chain that starts at `error`, if one is what it is about.
    pub fn of<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Self> {
        find_in_chain(error)
    }

    /// The status of the answer.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The name of the exception, such as `NotAuthorizedException`.
    pub fn code(&self) -> &str {
        self.code.expose()
    }

    /// Cognito's own words, or those of a Lambda trigger, as they came.
    ///
    /// They may hold a user's name, and whatever a trigger says, so no error and no event of this crate repeats
    /// them. Escape what a terminal would obey.
    pub fn message(&self) -> Option<&str> {
        self.message.as_ref().map(Secret::expose)
    }

    /// The code, if it is one whose text cannot be anything else.
    fn known(&self) -> Option<&'static str> {
        CODES.iter().copied().find(|known| *known == self.code())
    }

    pub(super) fn says(&self, part: &str) -> bool {
        self.message().is_some_and(|message| {
            let message = message.get(..MESSAGE).unwrap_or(message);
            message.to_ascii_lowercase().contains(part)
        })
    }

    fn read(reply: &Reply) -> Option<Self> {
        #[derive(Deserialize)]
        struct Answer {
            #[serde(rename = "__type")]
            kind: Option<Text>,
            #[serde(alias = "Message")]
            message: Option<Text>,
        }

        // Errors of the parser may repeat what was there: they end here.
        let answer: Option<Answer> = serde_json::from_slice(&reply.body).ok();
        let (kind, message) = match answer {
            Some(answer) => (answer.kind, answer.message),
            None => (None, None),
        };
        let header = reply.headers.get("x-amzn-errortype");
        let header = header.and_then(|value| value.to_str().ok());
        let code = kind
            .as_ref()
            .map(|kind| kind.0.expose())
            .or(header)
            .map(name)?;
        if code.is_empty() {
            return None;
        }
        Some(Self {
            status: reply.status,
            code: Secret::new(code),
            message: message.map(|message| message.0),
        })
    }
}

/// The name of an exception out of `com.amazonaws.cognito#NotAuthorizedException:http://…`.
fn name(text: &str) -> &str {
    let end = text.find([':', ',']).unwrap_or(text.len());
    let text = &text[..end];
    text.rsplit('#').next().unwrap_or(text).trim()
}

impl fmt::Display for CognitoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.known().unwrap_or("an exception of another name"))
    }
}

impl fmt::Debug for CognitoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CognitoError")
            .field("status", &self.status)
            .field("code", &self.known())
            .finish_non_exhaustive()
    }
}

impl StdError for CognitoError {}

/// Real messages are sentences; the rest of a longer one decides nothing.
const MESSAGE: usize = 256;

/// What the API references of both services list for these calls, and what their gateways answer.
const CODES: &[&str] = &[
    "AliasExistsException",
    "CodeDeliveryFailureException",
    "CodeMismatchException",
    "ConcurrentModificationException",
    "EnableSoftwareTokenMFAException",
    "ExpiredCodeException",
    "ExternalServiceException",
    "ForbiddenException",
    "InternalErrorException",
    "InvalidEmailRoleAccessPolicyException",
    "InvalidIdentityPoolConfigurationException",
    "InvalidLambdaResponseException",
    "InvalidParameterException",
    "InvalidPasswordException",
    "InvalidSmsRoleAccessPolicyException",
    "InvalidSmsRoleTrustRelationshipException",
    "InvalidUserPoolConfigurationException",
    "LimitExceededException",
    "MFAMethodNotFoundException",
    "NotAuthorizedException",
    "PasswordHistoryPolicyViolationException",
    "PasswordResetRequiredException",
    "RefreshTokenReuseException",
    "ResourceConflictException",
    "ResourceNotFoundException",
    "SoftwareTokenMFANotFoundException",
    "ThrottlingException",
    "TokenRevokedException",
    "TooManyFailedAttemptsException",
    "TooManyRequestsException",
    "UnauthorizedException",
    "UnexpectedLambdaException",
    "UnknownOperationException",
    "UnsupportedOperationException",
    "UnsupportedTokenTypeException",
    "UserLambdaValidationException",
    "UserNotConfirmedException",
    "UserNotFoundException",
];

/// What is asked of Cognito.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    SignIn,
    Answer,
    Refresh,
    Revoke,
    GuestCredentials,
    Credentials,
}

impl Asked {
    /// How many times the transport's timeout its answer is waited for. What a refresh brings cannot be had
    /// again, if refresh tokens rotate.
    pub(super) fn patience(self) -> u32 {
        match self {
            Self::Refresh => 6,
            _ => 1,
        }
    }
}

/// Whether the answer is a success. If it is none, what it says becomes an error.
pub(super) fn judge(reply: Reply, asked: Asked, what: &str) -> Result<Reply, AuthError> {
    let status = reply.status;
    if status.is_success() {
        return Ok(reply);
    }
    if status.is_redirection() {
        return Err(AuthError::refused(format!(
            "{what} answered with a redirect ({status}), which is not followed, since it would take secrets along"
        )));
    }
    let Some(error) = CognitoError::read(&reply) else {
        return Err(match status {
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::GONE => {
                AuthError::refused(format!("{what} answered {status}: check the endpoint"))
            }
            _ => AuthError::passing(format!(
                "{what} answered {status} without an error of Cognito's: is there a proxy in between?"
            )),
        });
    };
    let (meaning, advice) = match is_for_now(status) {
        true => (Meaning::Passes, "it asks to be tried later"),
        false => meaning(&error, asked),
    };
    let message = format!("{what} answered {error}: {advice}");
    let own = match meaning {
        Meaning::Passes => AuthError::passing(message),
        Meaning::Stays => AuthError::refused(message),
        Meaning::NeedsUser => AuthError::new(AuthErrorKind::SignInRequired, message),
    };
    Err(own.with_source(error))
}

enum Meaning {
    Passes,
    Stays,
    NeedsUser,
}

fn meaning(error: &CognitoError, asked: Asked) -> (Meaning, &'static str) {
    use Meaning::{NeedsUser, Passes, Stays};

    match error.code() {
        "NotAuthorizedException" => not_authorized(error, asked),
        "UnauthorizedException" if asked == Asked::Revoke => not_authorized(error, asked),
        "AliasExistsException" if asked != Asked::Refresh => (
            NeedsUser,
            "the email address or phone number is another user's",
        ),
        "UserNotFoundException" if asked != Asked::Refresh => (NeedsUser, WRONG_PASSWORD),
        "TokenRevokedException" | "UserNotFoundException" | "RefreshTokenReuseException" => {
            (NeedsUser, ENDED)
        }
        "UserNotConfirmedException" => (
            NeedsUser,
            "the user has not confirmed the account: a code for that was sent when it was made",
        ),
        "PasswordResetRequiredException" => (
            NeedsUser,
            "the user has to set a new password first (`ForgotPassword`)",
        ),
        // Nobody has given a code or a password to a refresh.
        "CodeMismatchException" | "EnableSoftwareTokenMFAException" if asked != Asked::Refresh => {
            (NeedsUser, "the code is not right")
        }
        "ExpiredCodeException" if asked != Asked::Refresh => {
            (NeedsUser, "the code has expired: sign in again")
        }
        "InvalidPasswordException" if asked != Asked::Refresh => (
            NeedsUser,
            "the pool's policy does not allow this password: choose another",
        ),
        "PasswordHistoryPolicyViolationException" if asked != Asked::Refresh => {
            (NeedsUser, "the password was used before: choose another")
        }
        "TooManyRequestsException"
        | "ThrottlingException"
        | "LimitExceededException"
        | "TooManyFailedAttemptsException" => (
            Passes,
            "there are too many such calls, or failed attempts: it asks to be tried later",
        ),
        "InternalErrorException"
        | "ConcurrentModificationException"
        | "ExternalServiceException"
        | "UnexpectedLambdaException" => (Passes, "it failed by itself: try again later"),
        "ResourceNotFoundException" => (
            Stays,
            "there is no such pool or app client in this region, or the identity was deleted: check their ids",
        ),
        "InvalidParameterException" if error.says("secret") => (
            Stays,
            "the app client has no secret, and was given one: leave `client_secret` out",
        ),
        "InvalidParameterException" => (
            Stays,
            "the app client may not sign users in this way, or a parameter is not as the pool wants it: check the \
             app client's authentication flows; `CognitoError::message` has what it says about it",
        ),
        "UserLambdaValidationException" | "InvalidLambdaResponseException" => (
            Stays,
            "a Lambda trigger of the pool refused: `CognitoError::message` has what it says about it",
        ),
        "InvalidIdentityPoolConfigurationException" => (
            Stays,
            "the identity pool has no role for this, or one that it may not assume: check the pool's roles",
        ),
        "ResourceConflictException" => (
            Stays,
            "the login belongs to another identity of the pool already",
        ),
        "ForbiddenException" => (Stays, "a web ACL (AWS WAF) is in the way"),
        _ => (Stays, "`CognitoError::message` has what it says about it"),
    }
}

const WRONG_PASSWORD: &str =
    "the user name or the password is not right, or the user may not sign in";

const ENDED: &str = "the session has ended, was revoked, or its refresh token was used by somebody else: sign in again";

/// One exception for what has little in common.
fn not_authorized(error: &CognitoError, asked: Asked) -> (Meaning, &'static str) {
    use Meaning::{NeedsUser, Stays};

    match asked {
        Asked::SignIn | Asked::Answer | Asked::Refresh | Asked::Revoke if error.says("secret") => (
            Stays,
            "the app client has a secret, and it is missing or not right: check `client_secret`",
        ),
        Asked::Revoke if error.says("client") => (
            Stays,
            "the refresh token is another app client's, or the app client is not what it says",
        ),
        Asked::SignIn => (NeedsUser, WRONG_PASSWORD),
        Asked::Answer => (
            NeedsUser,
            "the answer is not right, or came too late: sign in again",
        ),
        Asked::Refresh | Asked::Revoke => (NeedsUser, ENDED),
        Asked::GuestCredentials if error.says("unauthenticated access is not supported") => (
            NeedsUser,
            "the identity pool gives nothing to guests: sign in, or have guest access enabled in the pool",
        ),
        Asked::GuestCredentials => (
            Stays,
            "the identity pool gives guests no credentials: check its roles and their trust policies",
        ),
        Asked::Credentials => (
            Stays,
            "the identity pool does not take the login: check that it trusts the provider and the client that the \
             token was issued to, and its roles",
        ),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use zeroize::Zeroizing;

    use super::*;

    fn judged(status: u16, body: &str, asked: Asked) -> AuthError {
        let reply = Reply {
            status: StatusCode::from_u16(status).expect("a status"),
            headers: HeaderMap::new(),
            body: Zeroizing::new(body.as_bytes().to_vec()),
        };
        match judge(reply, asked, "the pool") {
            Ok(_) => panic!("{status} {body} is no success"),
            Err(error) => error,
        }
    }

    #[test]
    fn only_some_refusals_end_a_session() {
        let ended = |code: &str, message: &str| {
            let body = format!(r#"{{"__type":"{code}","message":"{message}"}}"#);
            let error = judged(400, &body, Asked::Refresh);
            assert!(!error.to_string().contains("c4nary"), "{error}");
            assert!(!format!("{error:?}").contains("c4nary"), "{error:?}");
            error.kind() == AuthErrorKind::SignInRequired
        };
        for code in [
            "NotAuthorizedException",
            "com.amazonaws#TokenRevokedException",
            "UserNotFoundException:http://internal.amazon.com/",
            "PasswordResetRequiredException",
            "UserNotConfirmedException",
            "RefreshTokenReuseException",
        ] {
            assert!(ended(code, "c4nary"), "{code}");
        }
        for code in [
            "TooManyRequestsException",
            "InternalErrorException",
            "ResourceNotFoundException",
            "InvalidParameterException",
            "c4nary",
        ] {
            assert!(!ended(code, "c4nary"), "{code}");
        }
        assert!(!ended(
            "NotAuthorizedException",
            "Unable to verify secret hash for client c4nary"
        ));
    }

    #[test]
    fn what_is_about_the_moment_passes() {
        for (status, body) in [
            (500, r#"{"__type":"NotAuthorizedException"}"#),
            (429, r#"{"__type":"NotAuthorizedException"}"#),
            (400, r#"{"__type":"TooManyRequestsException"}"#),
            (400, r#"{"__type":"InternalErrorException"}"#),
            (502, "<html>"),
            (403, "<html>"),
            (400, "{}"),
            (400, r#"{"__type":7}"#),
        ] {
            for asked in [Asked::SignIn, Asked::Refresh, Asked::GuestCredentials] {
                let error = judged(status, body, asked);
                assert!(error.is_transient(), "{status} {body}: {error}");
                assert_eq!(error.kind(), AuthErrorKind::Source);
            }
        }
        assert!(!judged(302, "", Asked::SignIn).is_transient());
        assert!(!judged(404, "", Asked::SignIn).is_transient());
    }
}
