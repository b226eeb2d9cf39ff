//! How a run ends: a code for scripts, and words that say what to do.

use std::error::Error;
use std::process::ExitCode;

use http::StatusCode;
use tower_client_auth::cognito::CognitoError;
use tower_client_auth::oauth::OAuthError;
use tower_client_auth::{AuthError, AuthErrorKind, BoxError};

use crate::output::{self, printable};

/// The codes, as the help has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Answered = 0,
    NoAnswer = 1,
    Usage = 2,
    Configuration = 3,
    NoCredential = 4,
    Refused = 5,
    OtherError = 6,
}

impl Exit {
    pub(crate) fn of(status: StatusCode) -> Self {
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Self::Refused,
            status if status.as_u16() >= 400 => Self::OtherError,
            _ => Self::Answered,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    /// May be several lines.
    pub(crate) message: String,
}

impl Failure {
    fn new(exit: Exit, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { exit, message }
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    pub(crate) fn configuration(message: impl Into<String>) -> Self {
        Self::new(Exit::Configuration, message)
    }

    pub(crate) fn no_credential(message: impl Into<String>) -> Self {
        Self::new(Exit::NoCredential, message)
    }

    pub(crate) fn no_answer(message: impl Into<String>) -> Self {
        Self::new(Exit::NoAnswer, message)
    }

    /// The same with one more line.
    pub(crate) fn tip(mut self, tip: &str) -> Self {
        self.message = format!("{}\n{tip}", self.message);
        self
    }

    pub(crate) fn report(&self) -> Exit {
        output::problem(&self.message);
        if self.exit == Exit::Usage {
            output::note("`--help` shows all options, with examples.");
        }
        self.exit
    }
}

impl From<AuthError> for Failure {
    fn from(error: AuthError) -> Self {
        let exit = match error.kind() {
            // What may pass is no matter of who is signed in.
            _ if error.is_transient() => Exit::NoAnswer,
            AuthErrorKind::Configuration | AuthErrorKind::PlainText => Exit::Configuration,
            AuthErrorKind::Request | AuthErrorKind::PayloadTooLarge => Exit::Usage,
            AuthErrorKind::Payload => Exit::NoAnswer,
            _ => Exit::NoCredential,
        };
        if error.kind() == AuthErrorKind::PlainText {
            return Self::new(exit, PLAIN_TEXT);
        }
        Self::new(exit, with_causes(&error))
    }
}

/// The layer's own words are for programs.
const PLAIN_TEXT: &str = "plain http to another machine: anybody on the way could read the credential, so nothing \
                          was sent. Type https; or, where the network is encrypted by other means, set \
                          `allow_plain_http` for the API in a file of tower-client-auth's own format";

impl From<BoxError> for Failure {
    fn from(error: BoxError) -> Self {
        match AuthError::find(error.as_ref()) {
            Some(auth) => auth.clone().into(),
            None => Self::no_answer(with_causes(error.as_ref())),
        }
    }
}

/// An error with everything that led to it, and what a provider said in its own words.
fn with_causes(error: &(dyn Error + 'static)) -> String {
    let mut text = printable(&error.to_string());
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = printable(&cause.to_string());
        // Some errors repeat their cause.
        if !text.ends_with(&cause_text) {
            text = format!("{text}\n  because: {cause_text}");
        }
        next = cause.source();
    }
    let cognito = CognitoError::of(error).and_then(CognitoError::message);
    let oauth = OAuthError::of(error).and_then(OAuthError::description);
    if let Some(words) = cognito.or(oauth) {
        text = format!("{text}\n  in its own words: {}", printable(words));
    }
    text
}
