//! What differs from service to service.

use std::fmt;
use std::sync::Arc;

use http::HeaderName;

use crate::error::{AuthError, AuthErrorKind};

/// Region and service: the *credential scope* of a signature, less its date.
///
/// ```
/// use tower_client_auth::sigv4::SigningScope;
///
/// let scope = SigningScope::new("eu-west-1", "execute-api")?;
/// assert_eq!(scope.to_string(), "eu-west-1/execute-api");
/// assert!(SigningScope::new("", "execute-api").is_err());
/// # Ok::<(), tower_client_auth::AuthError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SigningScope {
    region: Arc<str>,
    service: Arc<str>,
}

impl SigningScope {
    /// The scope for a region (`eu-west-1`) and a service by its signing name (`execute-api`).
    ///
    /// # Errors
    ///
    /// [`AuthErrorKind::Configuration`] if either is empty or has a character that a credential
    /// scope cannot hold.
    pub fn new(region: &str, service: &str) -> Result<Self, AuthError> {
        check(
            region,
            "region",
            "the one the API is deployed in, such as `eu-west-1`",
        )?;
        check(
            service,
            "service",
            "its signing name, such as `execute-api` for API Gateway",
        )?;
        Ok(Self {
            region: region.into(),
            service: service.into(),
        })
    }

    /// The region.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// The service's signing name.
    pub fn service(&self) -> &str {
        &self.service
    }
}

impl fmt::Display for SigningScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.region, self.service)
    }
}

fn check(text: &str, what: &str, hint: &str) -> Result<(), AuthError> {
    let problem = if text.is_empty() {
        "is empty"
    } else if !text
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
    {
        "has a character other than letters, digits, `-`, `.` and `_`"
    } else {
        return Ok(());
    };
    Err(AuthError::new(
        AuthErrorKind::Configuration,
        format!("the {what} {problem}: give {hint}"),
    ))
}

/// How often the path is percent-encoded in the canonical request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PathEncoding {
    /// As sent, then once more: every service but S3.
    #[default]
    Double,
    /// Once: S3 and its relatives, which decode the path before they check it.
    Single,
}

/// How a service wants its requests signed.
///
/// [`SigningOptions::for_service`] knows; the setters are for services that it does not know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningOptions {
    pub(crate) encoding: PathEncoding,
    pub(crate) normalize: bool,
    pub(crate) send_payload_hash: bool,
    pub(crate) unsigned: Vec<HeaderName>,
}

/// What holds for most services, `execute-api` and `lambda` among them: the path is normalised and
/// encoded twice, and the payload hash is part of the signature without a header of its own.
impl Default for SigningOptions {
    fn default() -> Self {
        Self {
            encoding: PathEncoding::Double,
            normalize: true,
            send_payload_hash: false,
            unsigned: Vec::new(),
        }
    }
}

impl SigningOptions {
    /// The options for a service, by its signing name; [`SigningOptions::default`] for one that is
    /// not listed.
    ///
    /// | service | path encoded | path normalised | `x-amz-content-sha256` sent | source |
    /// |---|---|---|---|---|
    /// | `execute-api` | twice | yes | no: it is not among the headers API Gateway's CORS set-up allows | [API Gateway][gw] |
    /// | `appsync` | twice | yes | yes, as Amplify's clients do | [AppSync][as] |
    /// | `lambda` | twice | yes | no | [Lambda URLs][la] |
    /// | `s3`, `s3-object-lambda`, `s3-outposts` | once | no | yes, required | [S3][s3] |
    ///
    /// [gw]: https://docs.aws.amazon.com/apigateway/latest/developerguide/how-to-cors.html
    /// [as]: https://docs.aws.amazon.com/appsync/latest/devguide/security-authz.html
    /// [la]: https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html
    /// [s3]: https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
    pub fn for_service(service: &str) -> Self {
        match service {
            "s3" | "s3-object-lambda" | "s3-outposts" => Self {
                encoding: PathEncoding::Single,
                normalize: false,
                send_payload_hash: true,
                unsigned: Vec::new(),
            },
            "appsync" => Self {
                send_payload_hash: true,
                ..Self::default()
            },
            _ => Self::default(),
        }
    }

    /// How often the path is encoded.
    #[must_use]
    pub fn path_encoding(mut self, encoding: PathEncoding) -> Self {
        self.encoding = encoding;
        self
    }

    /// Whether `.`, `..` and empty segments are resolved in the canonical request. The path that is
    /// sent stays as it is.
    #[must_use]
    pub fn normalize_path(mut self, normalize: bool) -> Self {
        self.normalize = normalize;
        self
    }

    /// Whether the payload hash is also sent, as `x-amz-content-sha256`.
    #[must_use]
    pub fn send_payload_hash(mut self, send: bool) -> Self {
        self.send_payload_hash = send;
        self
    }

    /// Leaves one more header unsigned, because something on the way changes it.
    #[must_use]
    pub fn unsigned_header(mut self, name: HeaderName) -> Self {
        self.unsigned.push(name);
        self
    }
}
