//! What a provider says about itself: RFC 8414, OpenID Connect Discovery.

use http::Uri;
use serde::Deserialize;

use crate::error::AuthError;
use crate::identity::transport::{Reply, check_url};

#[derive(Clone, Debug)]
pub(super) struct Metadata {
    pub(super) issuer: Option<String>,
    pub(super) token_endpoint: Uri,
    pub(super) authorization_endpoint: Option<Uri>,
    pub(super) device_authorization_endpoint: Option<Uri>,
    pub(super) revocation_endpoint: Option<Uri>,
    /// Whether client secrets are taken in the form, and not in the header.
    pub(super) takes_secret_in_body_only: bool,
    /// Whether every authorization response names its issuer (RFC 9207).
    pub(super) names_issuer: bool,
}

/// As it comes.
#[derive(Deserialize)]
struct Document {
    issuer: String,
    token_endpoint: Option<String>,
    authorization_endpoint: Option<String>,
    device_authorization_endpoint: Option<String>,
    revocation_endpoint: Option<String>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

impl Metadata {
    pub(super) fn of_token_endpoint(token_endpoint: Uri) -> Self {
        Self {
            issuer: None,
            token_endpoint,
            authorization_endpoint: None,
            device_authorization_endpoint: None,
            revocation_endpoint: None,
            takes_secret_in_body_only: false,
            names_issuer: false,
        }
    }

    /// Reads a discovery document. `https` says whether the issuer itself is on https.
    pub(super) fn parse(
        reply: &Reply,
        what: &str,
        issuer: &str,
        https: bool,
    ) -> Result<Self, AuthError> {
        // A captive portal, or a proxy's page: the network's doing more often than the provider's.
        let unreadable = || {
            AuthError::passing(format!(
                "{what} cannot be read as JSON: is there a proxy or a sign-in page in between?"
            ))
        };
        if !reply.may_be_json() {
            return Err(unreadable());
        }
        // Without its source, which may repeat what was there.
        let document: Document = serde_json::from_slice(&reply.body).map_err(|_| unreadable())?;
        if document.issuer != issuer {
            return Err(AuthError::refused(format!(
                "{what} is that of another issuer: the two must agree in every character, a slash at \
                 the end included"
            )));
        }
        let endpoint = |url: Option<String>, name: &str| -> Result<Option<Uri>, AuthError> {
            let Some(url) = url else {
                return Ok(None);
            };
            let bad = || AuthError::refused(format!("{what} has a `{name}` that cannot be used"));
            if !is_plain_url(&url) {
                return Err(bad());
            }
            let url: Uri = url.parse().map_err(|_| bad())?;
            check_url(&url, name).map_err(|error| bad().with_source(error))?;
            if https && url.scheme_str() != Some("https") {
                return Err(bad());
            }
            Ok(Some(url))
        };
        let Some(token_endpoint) = endpoint(document.token_endpoint, "token_endpoint")? else {
            return Err(AuthError::refused(format!(
                "{what} names no `token_endpoint`: it issues no tokens to programs"
            )));
        };
        let methods = document.token_endpoint_auth_methods_supported;
        let takes = |method: &str| {
            methods
                .as_ref()
                .is_some_and(|methods| methods.iter().any(|m| m == method))
        };
        Ok(Self {
            issuer: Some(document.issuer),
            token_endpoint,
            authorization_endpoint: endpoint(
                document.authorization_endpoint,
                "authorization_endpoint",
            )?,
            device_authorization_endpoint: endpoint(
                document.device_authorization_endpoint,
                "device_authorization_endpoint",
            )?,
            revocation_endpoint: endpoint(document.revocation_endpoint, "revocation_endpoint")?,
            takes_secret_in_body_only: takes("client_secret_post") && !takes("client_secret_basic"),
            names_issuer: document.authorization_response_iss_parameter_supported,
        })
    }
}

/// Whether a URL has only what URLs are made of (RFC 3986), and nothing that a terminal or a shell makes more of
/// than that: users are shown it, and programs hand it to browsers.
pub(in crate::identity) fn is_plain_url(url: &str) -> bool {
    url.bytes()
        .all(|b| b.is_ascii_graphic() && !b"\"'`\\<>^{|}".contains(&b))
}
