//! What can be wrong with a signed request.

use http::{HeaderValue, Method, Request, Uri};
use http_body::Body;
use http_body_util::{BodyExt, Full};

use super::stack::{Parts, Who};
use crate::loopback::AnyBody;

/// What is wrong with a request that is otherwise good. Changes happen after signing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Twin {
    WrongSecret,
    UnknownKey,
    MissingToken,
    AlteredToken,
    Skewed,
    Path,
    Query,
    Header,
    Method,
    Body,
}

pub(super) const TWINS: [Twin; 10] = [
    Twin::WrongSecret,
    Twin::UnknownKey,
    Twin::MissingToken,
    Twin::AlteredToken,
    Twin::Skewed,
    Twin::Path,
    Twin::Query,
    Twin::Header,
    Twin::Method,
    Twin::Body,
];

impl Twin {
    pub(super) fn applies(self, service: &str, body: &str, who: Who) -> bool {
        match self {
            Twin::MissingToken | Twin::AlteredToken => matches!(who, Who::Role),
            // S3 hashes the body only against the header here: tampering is left to other servers.
            Twin::Body => service != "s3" && !body.is_empty(),
            _ => true,
        }
    }

    /// The codes of which one says that it was refused for this and not for something else.
    pub(super) fn refusals(self) -> &'static [&'static str] {
        match self {
            Twin::UnknownKey => &[
                "InvalidAccessKeyId",
                "InvalidClientTokenId",
                "UnrecognizedClientException",
                "security token",
            ],
            Twin::MissingToken | Twin::AlteredToken => &[
                "ExpiredToken",
                "InvalidAccessKeyId",
                "InvalidClientTokenId",
                "InvalidToken",
                "UnrecognizedClientException",
                "security token",
            ],
            Twin::Skewed => &["RequestTimeTooSkewed", "Signature expired"],
            _ => &[
                "InvalidSignatureException",
                "SignatureDoesNotMatch",
                "signature we calculated does not match",
            ],
        }
    }

    pub(super) fn credentials(self, mut parts: Parts) -> Parts {
        match self {
            Twin::WrongSecret => parts.secret = "A".repeat(40),
            Twin::UnknownKey => parts.key = "AKIAZZZZZZZZZZZZZZZZ".to_owned(),
            Twin::MissingToken => parts.token = None,
            Twin::AlteredToken => {
                if let Some(token) = &mut parts.token {
                    token.push('A');
                }
            }
            _ => {}
        }
        parts
    }

    /// What happens to it after it was signed.
    pub(crate) fn change(self, mut request: Request<AnyBody>) -> Request<AnyBody> {
        let with = |uri: &Uri, text: String| {
            let mut parts = uri.clone().into_parts();
            parts.path_and_query = Some(text.parse().expect("a path"));
            Uri::from_parts(parts).expect("a URI")
        };
        let uri = request.uri().clone();
        let (path, query) = (uri.path(), uri.query());
        match self {
            Twin::Path => {
                let query = query.map_or(String::new(), |query| format!("?{query}"));
                *request.uri_mut() = with(&uri, format!("{}x{query}", path));
            }
            Twin::Query => {
                let query = query.map_or(String::new(), |query| format!("{query}&"));
                *request.uri_mut() = with(&uri, format!("{path}?{query}added=1"));
            }
            Twin::Header => {
                let changed = HeaderValue::from_static("changed");
                request.headers_mut().insert("x-signed", changed);
            }
            Twin::Method => {
                *request.method_mut() = match *request.method() {
                    Method::POST => Method::PUT,
                    _ => Method::POST,
                };
            }
            Twin::Body => {
                let body = request.body_mut();
                // As long as it was, so that nothing but the signature tells.
                let length = body.size_hint().exact().unwrap_or(1);
                *body = Full::from("x".repeat(length as usize)).boxed();
            }
            _ => {}
        }
        request
    }
}
