//! What differs from service to service.

use std::fmt;
use std::sync::Arc;

use http::{HeaderName, HeaderValue};

use crate::error::{AuthError, AuthErrorKind};
#[cfg(feature = "sigv4a")]
use crate::query;

/// Region and service: the *credential scope* of a signature, less its date. Of SigV4a, a service and the
/// regions that the signature is good for.
///
/// ```
/// use tower_client_auth::sigv4::SigningScope;
///
/// let scope = SigningScope::new("eu-west-1", "execute-api")?;
/// assert_eq!(scope.to_string(), "eu-west-1/execute-api");
/// assert!(SigningScope::new("", "execute-api").is_err());
/// # Ok::<(), tower_client_auth::AuthError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SigningScope {
    /// `eu-west-1/execute-api`: in one piece, because every signature looks for its key by it. Of SigV4a,
    /// `execute-api`.
    text: Arc<str>,
    /// Where the service begins.
    service: usize,
    regions: Option<Arc<RegionSet>>,
}

/// The regions of a SigV4a signature, as they are sent.
#[derive(PartialEq, Eq, Hash)]
#[cfg_attr(
    not(feature = "sigv4a"),
    allow(dead_code, reason = "there are none then")
)]
pub(super) struct RegionSet {
    pub(super) text: Box<str>,
    pub(super) header: HeaderValue,
    /// For a query.
    pub(super) encoded: Box<str>,
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
        check_service(service)?;
        Ok(Self {
            text: format!("{region}/{service}").into(),
            service: region.len() + 1,
            regions: None,
        })
    }

    /// The scope of SigV4a, whose signatures are good for several regions: S3's Multi-Region Access Points
    /// and EventBridge's global endpoints take no others.
    ///
    /// `regions` are separated by commas, and a `*` in them stands for any text: `*` is every region, and
    /// `us-east-1,eu-*` are the first and all in Europe.
    ///
    /// ```
    /// use tower_client_auth::sigv4::SigningScope;
    ///
    /// let scope = SigningScope::v4a("us-east-1, eu-*", "s3")?;
    /// assert_eq!(scope.region(), "us-east-1,eu-*");
    /// assert_eq!(scope.to_string(), "s3");
    /// # Ok::<(), tower_client_auth::AuthError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`AuthErrorKind::Configuration`] if the service or a region is empty, or has a character that names
    /// of these cannot have.
    #[cfg(feature = "sigv4a")]
    pub fn v4a(regions: &str, service: &str) -> Result<Self, AuthError> {
        check_service(service)?;
        let regions: Vec<&str> = regions.split(',').map(str::trim).collect();
        for region in &regions {
            check(
                &region.replace('*', "x"),
                "region set",
                "regions with commas between them, such as `us-east-1,eu-*`, or `*` for all",
            )?;
        }
        let text = regions.join(",");
        let unwritable = |_| AuthError::unwritable_signature();
        Ok(Self {
            text: service.into(),
            service: 0,
            regions: Some(Arc::new(RegionSet {
                header: HeaderValue::from_str(&text).map_err(unwritable)?,
                encoded: query::encode(&text).into(),
                text: text.into(),
            })),
        })
    }

    /// The region; of SigV4a, the region set.
    pub fn region(&self) -> &str {
        match &self.regions {
            Some(regions) => &regions.text,
            None => &self.text[..self.service.saturating_sub(1)],
        }
    }

    /// The service's signing name.
    pub fn service(&self) -> &str {
        &self.text[self.service..]
    }

    /// The region set, of SigV4a.
    #[inline]
    pub(super) fn regions(&self) -> Option<&RegionSet> {
        self.regions.as_deref()
    }

    /// Whether both have the same credential scope: for clones sooner than by comparing. That of SigV4a has
    /// no regions in it.
    #[inline]
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.text, &other.text) || self.text == other.text
    }
}

impl fmt::Debug for SigningScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningScope")
            .field("region", &self.region())
            .field("service", &self.service())
            .finish()
    }
}

/// The credential scope less its date.
impl fmt::Display for SigningScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn check_service(service: &str) -> Result<(), AuthError> {
    check(
        service,
        "service",
        "its signing name, such as `execute-api` for API Gateway",
    )
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
    pub(crate) sign_payload: bool,
    pub(crate) send_payload_hash: bool,
    pub(crate) chunks: bool,
    pub(crate) append_token: bool,
    pub(crate) unsigned: Vec<HeaderName>,
}

/// What holds for most services, `execute-api` and `lambda` among them: the path is normalised and
/// encoded twice, and the payload hash is part of the signature without a header of its own.
impl Default for SigningOptions {
    fn default() -> Self {
        Self {
            encoding: PathEncoding::Double,
            normalize: true,
            sign_payload: true,
            send_payload_hash: false,
            chunks: false,
            append_token: false,
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
    /// | `appsync` | twice | yes | yes, as Amplify for Android does | [AppSync][as] |
    /// | `lambda` | twice | yes | no | [Lambda URLs][la] |
    /// | `s3`, `s3-object-lambda`, `s3-outposts` | once | no | yes, required | [S3][s3] |
    /// | `aoss` | twice | yes | yes, required; `content-length` must not be signed, and never is | [OpenSearch Serverless][ao] |
    /// | `es` | twice | yes | no | [OpenSearch][es] |
    /// | `vpc-lattice-svcs` | twice | yes | yes, `UNSIGNED-PAYLOAD`: signed payloads are not supported | [VPC Lattice][vl] |
    /// | `bedrock` | twice, so that the `%3A` of a model id is signed as `%253A` | yes | no | [Bedrock][be] |
    /// | `neptune-db` | twice | yes | no; the port, 8182, is part of the signed host | [Neptune][ne] |
    /// | `iot`; `iotdata` or `iotdevicegateway` for its data plane | twice | yes | no; `iotdevicegateway`, the one for websockets, does not have the session token of a presigned URL signed | [IoT][io], [its data][id], [websockets][iw] |
    /// | `aps` | twice | yes | no | [Prometheus][pr] |
    /// | `dynamodb` | twice | yes | no | [DynamoDB][dy] |
    /// | `secretsmanager` | twice | yes | no | [Secrets Manager][sm] |
    /// | `sns` | twice | yes | no | [SNS][sn] |
    /// | `sqs` | twice | yes | no | [SQS][sq] |
    /// | `sts` | twice | yes | no | [STS][st] |
    ///
    /// The pages have what is particular to a service. What holds for all, and that S3 is the one
    /// that does not encode twice, is in [Create a signed AWS API request][iam].
    ///
    /// ```
    /// use tower_client_auth::sigv4::SigningOptions;
    ///
    /// let lattice = SigningOptions::for_service("vpc-lattice-svcs");
    /// assert_eq!(lattice, SigningOptions::default().sign_payload(false));
    /// let unlisted = SigningOptions::for_service("kinesis");
    /// assert_eq!(unlisted, SigningOptions::default());
    /// ```
    ///
    /// [gw]: https://docs.aws.amazon.com/apigateway/latest/developerguide/how-to-cors.html
    /// [as]: https://docs.aws.amazon.com/appsync/latest/devguide/security-authz.html
    /// [la]: https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html
    /// [s3]: https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
    /// [ao]: https://docs.aws.amazon.com/opensearch-service/latest/developerguide/serverless-clients.html#serverless-signing
    /// [es]: https://docs.aws.amazon.com/opensearch-service/latest/developerguide/managedomains-signing-service-requests.html
    /// [vl]: https://docs.aws.amazon.com/vpc-lattice/latest/ug/sigv4-authenticated-requests.html
    /// [be]: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModel.html
    /// [ne]: https://docs.aws.amazon.com/neptune/latest/userguide/iam-auth-connecting.html
    /// [io]: https://docs.aws.amazon.com/iot/latest/developerguide/iam-users-groups-roles.html
    /// [id]: https://docs.aws.amazon.com/cli/latest/reference/iot-data/
    /// [iw]: https://docs.aws.amazon.com/iot/latest/developerguide/protocols.html#mqtt-ws
    /// [pr]: https://docs.aws.amazon.com/prometheus/latest/userguide/AMP-compatible-APIs.html
    /// [dy]: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.LowLevelAPI.html
    /// [sm]: https://docs.aws.amazon.com/secretsmanager/latest/apireference/CommonParameters.html
    /// [sn]: https://docs.aws.amazon.com/sns/latest/api/CommonParameters.html
    /// [sq]: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-api-request-authentication.html
    /// [st]: https://docs.aws.amazon.com/STS/latest/APIReference/CommonParameters.html
    /// [iam]: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
    pub fn for_service(service: &str) -> Self {
        let usual = Self::default();
        match service {
            "s3" | "s3-object-lambda" | "s3-outposts" => usual
                .path_encoding(PathEncoding::Single)
                .normalize_path(false)
                .send_payload_hash(true)
                .chunks(true),
            "aoss" | "appsync" => usual.send_payload_hash(true),
            "vpc-lattice-svcs" => usual.sign_payload(false),
            "iotdevicegateway" => usual.append_session_token(true),
            _ => usual,
        }
    }

    /// Whether it goes by S3's rules, whose presigned URLs are without a payload unless they say otherwise.
    pub(super) fn is_like_s3(&self) -> bool {
        self.send_payload_hash && self.encoding == PathEncoding::Single
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

    /// Whether the payload is signed. If not, `UNSIGNED-PAYLOAD` takes the place of every hash, and
    /// [`SigV4Layer`](crate::SigV4Layer) lets bodies stream and refuses plain http except to
    /// loopback.
    #[must_use]
    pub fn sign_payload(mut self, sign: bool) -> Self {
        self.sign_payload = sign;
        self
    }

    /// Whether the payload hash is also sent, as `x-amz-content-sha256`. `UNSIGNED-PAYLOAD` is sent
    /// in any case: a service that is not told expects the hash of the body.
    #[must_use]
    pub fn send_payload_hash(mut self, send: bool) -> Self {
        self.send_payload_hash = send;
        self
    }

    /// Whether the service takes bodies in chunks, `aws-chunked`, where [`Chunked`](crate::Chunked) is to
    /// stream them. Of AWS's, only the S3 family does.
    #[must_use]
    pub fn chunks(mut self, takes: bool) -> Self {
        self.chunks = takes;
        self
    }

    /// Whether a presigned URL has its session token behind the signature, which then does not cover it.
    /// AWS IoT's websockets demand that; everybody else has it signed. Tokens in headers are always signed.
    #[must_use]
    pub fn append_session_token(mut self, append: bool) -> Self {
        self.append_token = append;
        self
    }

    /// Leaves one more header unsigned, because something on the way changes it.
    #[must_use]
    pub fn unsigned_header(mut self, name: HeaderName) -> Self {
        self.unsigned.push(name);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_without_a_quirk_are_signed_as_most_are() {
        for service in [
            "aps",
            "bedrock",
            "dynamodb",
            "es",
            "execute-api",
            "iot",
            "iotdata",
            "lambda",
            "neptune-db",
            "secretsmanager",
            "sns",
            "sqs",
            "sts",
            "unheard-of",
        ] {
            let options = SigningOptions::for_service(service);
            assert_eq!(options, SigningOptions::default(), "{service}");
        }
    }

    #[test]
    fn services_with_a_quirk_have_it() {
        let usual = SigningOptions::default();
        for service in ["aoss", "appsync"] {
            let options = SigningOptions::for_service(service);
            assert_eq!(options, usual.clone().send_payload_hash(true), "{service}");
        }
        for service in ["s3", "s3-object-lambda", "s3-outposts"] {
            let options = SigningOptions::for_service(service);
            assert_eq!(options.encoding, PathEncoding::Single, "{service}");
            assert!(!options.normalize, "{service}");
            assert!(options.send_payload_hash, "{service}");
            assert!(options.sign_payload, "{service}");
            assert!(options.chunks, "{service}");
        }
        let lattice = SigningOptions::for_service("vpc-lattice-svcs");
        assert_eq!(lattice, usual.clone().sign_payload(false));
        let websockets = SigningOptions::for_service("iotdevicegateway");
        assert_eq!(websockets, usual.append_session_token(true));
    }
}
