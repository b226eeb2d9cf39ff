//! Places that a file names, in words: where passwords and tokens go.

use http::Uri;
use tower_client_auth::config::AuthConfig;
use tower_client_auth::{ApiConfig, AuthErrorKind, AuthorizationMode, Scope};

use crate::output::printable;

/// What is said where a file lets a credential go unencrypted.
pub(crate) const IN_PLAIN_TEXT: &str = "the credential crosses the network in plain text (`allow_plain_http`): \
     anybody on the way can read it and use it";

/// Whether an API's credential crosses a network in plain text.
pub(crate) fn is_in_plain_text(api: &ApiConfig) -> bool {
    if api.mode == AuthorizationMode::None {
        return false;
    }
    let covers =
        Scope::origin(api.endpoint.origin()).and_then(|only| only.covers(api.endpoint.uri()));
    covers.is_err_and(|error| error.kind() == AuthErrorKind::PlainText)
}

/// The host of a pool's endpoint, which may be a URL or a host: with a port, and with nothing else.
pub(crate) fn host(endpoint: &str) -> String {
    let uri = endpoint.parse::<Uri>().ok();
    let authority = uri
        .as_ref()
        .and_then(Uri::authority)
        .map(|found| found.as_str());
    let authority = authority.unwrap_or(endpoint);
    // What is before it is no place, but may look like one.
    printable(authority.rsplit('@').next().unwrap_or_default())
}

/// Where the pools are that a call asks, if the file puts them elsewhere than AWS does.
pub(crate) fn of_pools(auth: &AuthConfig, asks_users: bool, asks_identities: bool) -> String {
    let users = auth
        .user_pool
        .as_ref()
        .and_then(|pool| pool.endpoint.as_deref());
    let identities = auth
        .identity_pool
        .as_ref()
        .and_then(|pool| pool.endpoint.as_deref());
    let mut words = String::new();
    for (what, is_asked, endpoint) in [
        ("user pool", asks_users, users),
        ("identity pool", asks_identities, identities),
    ] {
        if let Some(endpoint) = endpoint.filter(|_| is_asked) {
            words.push_str(&format!("; the {what} is at {}", host(endpoint)));
        }
    }
    words
}
