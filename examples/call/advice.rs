//! What a refusal or a failure means, in the words of the command line.

use std::error::Error;
use std::io::{self, ErrorKind};

use http::{HeaderName, StatusCode, header};
use tower_client_auth::{AuthHint, AuthorizationMode, Standing};

use crate::answer::Asked;
use crate::client::NoAddress;
use crate::exit::Exit;
use crate::output::printable;

/// The header that a mode's credential is in.
pub(crate) fn credential_header(mode: AuthorizationMode) -> Option<HeaderName> {
    match mode {
        AuthorizationMode::None => None,
        AuthorizationMode::ApiKey => Some(HeaderName::from_static("x-api-key")),
        _ => Some(header::AUTHORIZATION),
    }
}

/// What the API probably means by a refusal, and what to do about it.
pub(crate) fn refused(
    status: StatusCode,
    hint: Option<&AuthHint>,
    asked: &Asked<'_>,
) -> Vec<String> {
    let (args, mode) = (asked.args, asked.api.mode);
    let without = match (asked.own, mode) {
        (Some(own), _) => Some(format!(
            "your own `-H {own}` was sent as it is: without it, the credential of mode {mode} is sent"
        )),
        (None, AuthorizationMode::None) => Some(match args.api.mode {
            Some(_) => "`--mode none` sends no credential: leave it out, or name another".to_owned(),
            None => "the file gives this API mode NONE, so no credential was sent: `--mode` names another (api-key, \
                     iam, user-pools, oidc, lambda)"
                .to_owned(),
        }),
        _ => None,
    };
    let is_refused =
        Exit::of(status) == Exit::Refused || hint == Some(&AuthHint::SentWithoutCredential);
    if let Some(without) = without
        && is_refused
    {
        return vec![format!("probably: {without}")];
    }
    let Some(hint) = hint else {
        return Vec::new();
    };
    let words = match hint {
        AuthHint::ClockSkew {
            seconds: Some(seconds),
        } => {
            let way = if *seconds < 0 { "behind" } else { "ahead of" };
            format!(
                "the server's clock is {} seconds {way} this machine's: set this machine's clock",
                seconds.unsigned_abs()
            )
        }
        AuthHint::CredentialsExpired => {
            "the session credentials have expired: get new ones, and call again".to_owned()
        }
        AuthHint::SignatureMismatch => {
            "the server computed another signature: the secret is not the access key's, or the request was changed \
             on its way"
                .to_owned()
        }
        AuthHint::WrongMode => {
            format!("the API wants another kind of credential than mode {mode} sends")
        }
        hint => printable(&hint.to_string()),
    };
    let next = match hint {
        AuthHint::AccessDenied {
            standing: Some(Standing::Guest),
            ..
        } => "a user may be allowed to: `--user NAME` signs one in",
        AuthHint::SignatureMismatch if !args.output.explain => "`--explain` shows what was signed",
        AuthHint::TokenRejected if mode == AuthorizationMode::CognitoUserPools => {
            "`--id-token` sends the user's other token"
        }
        AuthHint::TokenRejected => "`--bearer` writes `Bearer ` before it",
        AuthHint::WrongMode => "`--mode` tries another",
        _ => return vec![format!("probably: {words}")],
    };
    vec![format!("probably: {words}"), next.to_owned()]
}

/// Why a server was not reached, if it can be told in plain words.
pub(crate) fn unreached(error: &(dyn Error + 'static)) -> Option<String> {
    if let Some(tls) = error.downcast_ref::<rustls::Error>() {
        return Some(format!(
            "TLS does not come about: {}\na certificate of your own is trusted by `SSL_CERT_FILE=ca.pem call …`",
            printable(&tls.to_string())
        ));
    }
    if let Some(unknown) = error.downcast_ref::<NoAddress>() {
        return Some(printable(&unknown.to_string()));
    }
    if let Some(io) = error.downcast_ref::<io::Error>() {
        if io.kind() == ErrorKind::ConnectionRefused {
            return Some("the connection was refused: is it running there?".to_owned());
        }
        // It is no source of it.
        if let Some(found) = io.get_ref().and_then(|inner| unreached(inner)) {
            return Some(found);
        }
    }
    unreached(error.source()?)
}
