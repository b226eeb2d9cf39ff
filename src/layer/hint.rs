//! Why a request was refused, as far as the answer tells.

use std::fmt;

use http::{Extensions, Response, StatusCode};

use crate::observe;
use crate::standing::Standing;

/// Why a request was probably refused, and what to do about it: a response extension.
///
/// Layers put one into the extensions of answers that refuse a request, where they can tell. It is made
/// from the answer's status and headers, and from its body if the layer
/// [looks into it](crate::AuthorizeLayer::inspect_errors). Servers and the owners of APIs word their answers
/// as they like, so it is no more than a hint. It has no secret in it, and can be logged.
///
/// ```
/// use http::Response;
/// use tower_client_auth::AuthHint;
///
/// fn report(response: &Response<Vec<u8>>) {
///     if let Some(hint) = AuthHint::of(response) {
///         eprintln!("{}: {hint}", response.status());
///     }
/// }
/// # let mut response = Response::new(Vec::new());
/// # response.extensions_mut().insert(AuthHint::CredentialsExpired);
/// # report(&response);
/// ```
///
/// The page [Why is my request refused?](crate::guide::refused) goes through all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthHint {
    /// The layer sent the request without its credential.
    SentWithoutCredential,
    /// The clock is off.
    ClockSkew {
        /// By how many seconds the server's clock is ahead of the machine's, if its answer tells; behind, if
        /// below zero.
        seconds: Option<i64>,
    },
    /// The session credentials, a temporary access key for one, are over.
    CredentialsExpired,
    /// Nobody knows the access key, or its session token belongs to another.
    CredentialsUnknown,
    /// The server computed another signature.
    SignatureMismatch,
    /// The signature is for another region or service.
    WrongScope {
        /// The region or the service it should have been for, if the server says so.
        expected: Option<Box<str>>,
    },
    /// The server knows who it is, and they are not allowed to.
    AccessDenied {
        /// The role whose policy does not allow it, if the server says so.
        role: Option<Box<str>>,
        /// As whom the request was signed, if the credentials are an identity pool's.
        standing: Option<Standing>,
    },
    /// There is no such route, stage or method; or it wants another kind of credential.
    NoSuchRoute,
    /// The API wants another kind of credential.
    WrongMode,
    /// The token is missing, over, or of the wrong kind.
    TokenRejected,
    /// The token is good, and not for this.
    InsufficientScope {
        /// The scopes that would be enough, if the server says so.
        scope: Option<Box<str>>,
    },
    /// The API key is unknown, disabled, or in no usage plan of this API.
    ApiKeyRejected,
    /// The server says `Forbidden`, and no more.
    Forbidden,
}

impl AuthHint {
    /// The hint of a response, if there is one.
    pub fn of<B>(response: &Response<B>) -> Option<&Self> {
        response.extensions().get()
    }

    /// Its name in numbers.
    #[cfg(feature = "metrics")]
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::SentWithoutCredential => "sent_without_credential",
            Self::ClockSkew { .. } => "clock_skew",
            Self::CredentialsExpired => "credentials_expired",
            Self::CredentialsUnknown => "credentials_unknown",
            Self::SignatureMismatch => "signature_mismatch",
            Self::WrongScope { .. } => "wrong_scope",
            Self::AccessDenied { .. } => "access_denied",
            Self::NoSuchRoute => "no_such_route",
            Self::WrongMode => "wrong_mode",
            Self::TokenRejected => "token_rejected",
            Self::InsufficientScope { .. } => "insufficient_scope",
            Self::ApiKeyRejected => "api_key_rejected",
            Self::Forbidden => "forbidden",
        }
    }

    /// Leaves it in the extensions of a response. `false` if there is one: a layer further in knew better,
    /// unless it had nothing to do with the request.
    pub(super) fn leave(self, extensions: &mut Extensions) -> bool {
        let is_better = matches!(
            extensions.get::<Self>(),
            None | Some(Self::SentWithoutCredential)
        );
        if is_better {
            extensions.insert(self);
        }
        is_better
    }

    /// Tells operators of a response that goes to the caller.
    pub(super) fn report(status: StatusCode, extensions: &Extensions) {
        if let Some(hint) = extensions.get::<Self>() {
            observe::hinted(hint, status);
        }
    }

    /// Whether it is about the program, its configuration or its machine, and not about who uses it.
    #[cfg(feature = "tracing")]
    pub(crate) fn is_for_operators(&self) -> bool {
        match self {
            Self::ClockSkew { .. }
            | Self::CredentialsExpired
            | Self::CredentialsUnknown
            | Self::SignatureMismatch
            | Self::WrongScope { .. }
            | Self::WrongMode
            | Self::ApiKeyRejected => true,
            Self::SentWithoutCredential
            | Self::AccessDenied { .. }
            | Self::NoSuchRoute
            | Self::TokenRejected
            | Self::InsufficientScope { .. }
            | Self::Forbidden => false,
        }
    }
}

impl fmt::Display for AuthHint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SentWithoutCredential => f.write_str(
                "the layer sent this request without its credential: it is out of the layer's scope, \
                 had a credential already, or was told to go without",
            ),
            Self::ClockSkew { seconds: None } => f.write_str(
                "the server finds the signature too old or too early: set the machine's clock, and do \
                 not keep signed requests for later",
            ),
            Self::ClockSkew {
                seconds: Some(seconds),
            } => {
                let way = if *seconds < 0 { "behind" } else { "ahead of" };
                let size = seconds.unsigned_abs();
                write!(
                    f,
                    "the server's clock is {size} seconds {way} this machine's, which AWS does not \
                     take: set the machine's clock, or let `retry_rejected` correct it"
                )
            }
            Self::CredentialsExpired => f.write_str(
                "the session credentials have expired: give the layer a source that renews them",
            ),
            Self::CredentialsUnknown => f.write_str(
                "the server does not know the access key or its session token: it was deleted or \
                 deactivated, belongs to another account or partition, or lacks its session token",
            ),
            Self::SignatureMismatch => f.write_str(
                "the server computed another signature: the secret is not the access key's, or the \
                 request was changed after it was signed (`Signer::explain` shows where)",
            ),
            Self::WrongScope { expected: None } => {
                f.write_str("the signature is for another region or service than the server's")
            }
            Self::WrongScope {
                expected: Some(expected),
            } => write!(f, "the signature should be for `{expected}`"),
            Self::AccessDenied { role, standing } => {
                match role {
                    None => f.write_str("the server knows who it is, and no policy allows this")?,
                    Some(role) => write!(f, "no policy allows this to the role `{role}`")?,
                }
                f.write_str(match standing {
                    Some(Standing::Guest) => {
                        ": the request was signed as a guest's, since nobody was signed in, or no longer"
                    }
                    Some(Standing::SignedIn) => {
                        " of users who are signed in: not a matter of signing in again"
                    }
                    None => ": not a matter of signing in again",
                })
            }
            Self::NoSuchRoute => f.write_str(
                "there is no such path, stage or method; or it wants a signature, and there is none",
            ),
            Self::WrongMode => {
                f.write_str("the API wants another kind of credential than this layer sends")
            }
            Self::TokenRejected => f.write_str(
                "the token is over, revoked, or of the wrong kind: for another audience, or an access \
                 token where an ID token is wanted",
            ),
            Self::InsufficientScope { scope: None } => {
                f.write_str("the token is good, and lacks a scope that this needs")
            }
            Self::InsufficientScope { scope: Some(scope) } => {
                write!(f, "the token is good, and this needs the scope `{scope}`")
            }
            Self::ApiKeyRejected => f.write_str(
                "the API key is unknown, disabled, in no usage plan of this stage, or not what the \
                 API wants",
            ),
            Self::Forbidden => f.write_str(
                "the server says no more than `Forbidden`: the method may want an API key as well, or \
                 a firewall or a resource policy is in the way",
            ),
        }
    }
}
