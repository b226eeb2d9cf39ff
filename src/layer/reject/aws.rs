//! What AWS answers when it does not let a request in, and what follows from that.
//!
//! Services say it in a header, or in a body of JSON or XML, under names of their own. After [API Gateway's
//! list of gateway responses][gateway], the [common errors][common] of the JSON and query services, and
//! [S3's error codes][s3]. The owner of an API can rewrite all of it, so it is no more than a hint.
//!
//! [gateway]: https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html
//! [common]: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
//! [s3]: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html

use http::response;
use serde::Deserialize;
use serde_json::Value;

use crate::xml::element;

const ERROR_TYPE: &str = "x-amzn-errortype";

/// What was refused, and why: as far as the answer says so.
#[derive(Debug, Default)]
pub(in super::super) struct Refusal {
    code: Option<Box<str>>,
    message: Option<Box<str>>,
    /// Whether there was a body in a form that errors have.
    pub(in super::super) is_readable: bool,
    /// Whether a header says what it is.
    pub(in super::super) has_type: bool,
}

/// The reasons that a client can tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Reason {
    /// The signature is too old, or from the future.
    Clock,
    /// The signature is wrong, which may be the clock's doing.
    Signature,
    /// The signature is wrong, and the clock has nothing to do with it.
    Mismatch,
    /// The session credentials are over.
    Expired,
    /// Nobody knows the credentials.
    Unknown,
    /// The credential scope names another region or service.
    Scope,
    /// Who it is, is clear; they may not.
    Denied,
    /// There is no signature, or no such route.
    Unsigned,
    /// Something in `Authorization` that is no signature, or half of one.
    Incomplete,
    /// `Forbidden`, and no more: an API key for the most part.
    Forbidden,
    /// `Unauthorized`, and no more: a token.
    Unauthorized,
    /// Another error, that has nothing to do with authorization as far as is known.
    Other,
}

impl Refusal {
    /// From an answer's head, and from as much of its body as is known.
    pub(in super::super) fn of(head: &response::Parts, peeked: Option<&[u8]>) -> Self {
        let body = peeked.map_or_else(Self::default, Self::in_body);
        let code = head.headers.get(ERROR_TYPE);
        let code = code.and_then(|code| code.to_str().ok()).and_then(shorten);
        Self {
            has_type: code.is_some(),
            code: code.or(body.code),
            ..body
        }
    }

    fn in_body(body: &[u8]) -> Self {
        match body.trim_ascii_start() {
            [b'{', ..] => serde_json::from_slice(body).map_or_else(|_| Self::default(), Json::into),
            [b'<', ..] => Self::in_xml(&String::from_utf8_lossy(body)),
            _ => Self::default(),
        }
    }

    /// Of an error document, and not of a page that happens to have such an element in it.
    fn in_xml(text: &str) -> Self {
        let text = text.trim_start();
        let root = match text.strip_prefix("<?xml") {
            Some(rest) => rest.split_once("?>").map_or("", |(_, root)| root),
            None => text,
        };
        let root = root.trim_start();
        let name_ends = |rest: &str| rest.starts_with(['>', ' ', '\n', '\r']);
        let mut names = ["<Error", "<ErrorResponse", "<Response"].iter();
        let is_error = names.any(|name| root.strip_prefix(name).is_some_and(name_ends));
        let found = |name| is_error.then(|| element(root, name)).flatten();
        Self {
            code: found("Code").as_deref().and_then(shorten),
            message: found("Message").map(String::into_boxed_str),
            is_readable: true,
            has_type: false,
        }
    }

    /// Why, if the answer says anything of it at all.
    ///
    /// Services repeat what they were sent in their messages, so a phrase counts only where they begin with
    /// it, and where the code allows it.
    pub(in super::super) fn reason(&self) -> Option<Reason> {
        let message = self.message.as_deref().unwrap_or_default();
        let phrases = [
            ("Signature expired:", Reason::Clock),
            ("Signature not yet current:", Reason::Clock),
            // S3's words about presigned URLs, under `AccessDenied`.
            ("Request has expired", Reason::Clock),
            ("Request is not yet valid", Reason::Clock),
            (
                "The request signature we calculated does not match",
                Reason::Mismatch,
            ),
            ("Credential should be scoped", Reason::Scope),
            (
                "The authorization header is malformed; the region",
                Reason::Scope,
            ),
            (
                "The security token included in the request is expired",
                Reason::Expired,
            ),
            (
                "The security token included in the request is invalid",
                Reason::Unknown,
            ),
            ("User: ", Reason::Denied),
        ];
        let mut phrases = phrases.into_iter();
        let by_message =
            phrases.find_map(|(start, reason)| message.starts_with(start).then_some(reason));
        let Some(code) = self.code.as_deref() else {
            // Without a code, as API Gateway's own answers look behind some proxies.
            return by_message.or(match message {
                "Forbidden" => Some(Reason::Forbidden),
                "Unauthorized" => Some(Reason::Unauthorized),
                "Missing Authentication Token" => Some(Reason::Unsigned),
                _ => None,
            });
        };
        Some(match code.strip_suffix("Exception").unwrap_or(code) {
            "RequestTimeTooSkewed" | "RequestInTheFuture" | "RequestExpired" => Reason::Clock,
            "InvalidSignature" | "AuthFailure" => by_message.unwrap_or(Reason::Signature),
            // S3 has a code of its own for the clock, and others say it in words.
            "SignatureDoesNotMatch" => match by_message {
                None if message.is_empty() => Reason::Signature,
                reason => reason.unwrap_or(Reason::Mismatch),
            },
            "ExpiredToken" | "TokenRefreshRequired" => Reason::Expired,
            "UnrecognizedClient"
            | "InvalidClientTokenId"
            | "InvalidAccessKeyId"
            | "InvalidToken" => Reason::Unknown,
            "AuthorizationHeaderMalformed" => by_message.unwrap_or(Reason::Incomplete),
            "AccessDenied" | "UnauthorizedOperation" | "AuthorizationError" => {
                by_message.unwrap_or(Reason::Denied)
            }
            "MissingAuthenticationToken" => Reason::Unsigned,
            "IncompleteSignature" => Reason::Incomplete,
            "Forbidden" => by_message.unwrap_or(Reason::Forbidden),
            "Unauthorized" => by_message.unwrap_or(Reason::Unauthorized),
            _ => Reason::Other,
        })
    }
}

/// What only signatures need to know.
#[cfg(feature = "sigv4")]
impl Refusal {
    /// Whether it is the error that some services have for a clock that is off, and for credentials that
    /// are over as well.
    pub(in super::super) fn is_request_expired(&self) -> bool {
        self.code.as_deref() == Some("RequestExpired")
    }

    /// The region or the service that a credential scope should have named.
    pub(in super::super) fn expected_scope(&self) -> Option<&str> {
        self.quoted("expecting '")
            .or_else(|| self.quoted("to correct service: '"))
            .filter(|name| is_name(name))
    }

    /// The name of the role that is not allowed, out of `arn:aws:sts::1:assumed-role/name/session`.
    pub(in super::super) fn role(&self) -> Option<&str> {
        let message = self.message.as_deref()?;
        let (_, rest) = message.split_once(":assumed-role/")?;
        let (role, _) = rest.split_once('/')?;
        Some(role).filter(|role| is_name(role))
    }

    fn quoted(&self, before: &str) -> Option<&str> {
        let (_, rest) = self.message.as_deref()?.split_once(before)?;
        rest.split_once('\'').map(|(name, _)| name)
    }
}

/// A body of JSON. Members of other types than text do no harm. `code` is not among them: AWS's services have
/// a header or `__type` beside it, and other people's have codes of their own.
#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Json {
    #[serde(rename = "__type")]
    kind: Option<Value>,
    message: Option<Value>,
    #[serde(rename = "Message")]
    capital: Option<Value>,
}

impl From<Json> for Refusal {
    fn from(json: Json) -> Self {
        fn text(value: Option<&Value>) -> Option<&str> {
            value.and_then(Value::as_str)
        }
        let message = text(json.message.as_ref()).or(text(json.capital.as_ref()));
        Self {
            code: text(json.kind.as_ref()).and_then(shorten),
            message: message.map(Into::into),
            is_readable: true,
            has_type: false,
        }
    }
}

/// The bare code in `namespace#Code:https://…` and `Code,https://…`.
fn shorten(code: &str) -> Option<Box<str>> {
    let end = code.find([',', ':']).unwrap_or(code.len());
    let code = &code[..end];
    let code = code.rsplit_once('#').map_or(code, |(_, code)| code).trim();
    is_name(code).then(|| code.into())
}

/// Whether it is short, and made of what names are made of: it is shown to people.
fn is_name(text: &str) -> bool {
    const LONGEST: usize = 128;
    let is_one = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.+=@".contains(&byte);
    !text.is_empty() && text.len() <= LONGEST && text.bytes().all(is_one)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(header: Option<&str>, body: &str) -> Refusal {
        let mut response = http::Response::builder().status(403);
        if let Some(header) = header {
            response = response.header(ERROR_TYPE, header);
        }
        let (head, ()) = response.body(()).expect("a response").into_parts();
        Refusal::of(&head, Some(body.as_bytes()))
    }

    #[test]
    fn answers_of_services_are_understood() {
        let s3 = |code: &str, message: &str| {
            format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code>\
                 <Message>{message}</Message><RequestId>1</RequestId></Error>"
            )
        };
        let expired = "Signature expired: 20261123T110000Z is now earlier than 20261123T115500Z \
            (20261123T120000Z - 5 min.)";
        let denied = "User: arn:aws:sts::123456789012:assumed-role/guest-role/CognitoIdentityCredentials \
            is not authorized to perform: execute-api:Invoke on resource: arn:aws:execute-api:…";
        for (header, body, reason) in [
            // API Gateway.
            (Some("ExpiredTokenException"), r#"{"message":"The security token included in the request is expired"}"#.to_owned(), Some(Reason::Expired)),
            (Some("UnrecognizedClientException"), r#"{"message":"The security token included in the request is invalid."}"#.to_owned(), Some(Reason::Unknown)),
            (Some("InvalidSignatureException"), format!(r#"{{"message":"{expired}"}}"#), Some(Reason::Clock)),
            (Some("InvalidSignatureException"), String::new(), Some(Reason::Signature)),
            (Some("InvalidSignatureException"), r#"{"message":"The request signature we calculated does not match the signature you provided."}"#.to_owned(), Some(Reason::Mismatch)),
            (Some("InvalidSignatureException"), r#"{"message":"Credential should be scoped to a valid region. "}"#.to_owned(), Some(Reason::Scope)),
            (Some("AccessDeniedException"), format!(r#"{{"Message":"{denied}"}}"#), Some(Reason::Denied)),
            (Some("MissingAuthenticationTokenException"), r#"{"message":"Missing Authentication Token"}"#.to_owned(), Some(Reason::Unsigned)),
            (Some("IncompleteSignatureException"), r#"{"message":"'eyJ' not a valid key=value pair"}"#.to_owned(), Some(Reason::Incomplete)),
            (Some("ForbiddenException"), r#"{"message":"Forbidden"}"#.to_owned(), Some(Reason::Forbidden)),
            (Some("UnauthorizedException"), r#"{"message":"Unauthorized"}"#.to_owned(), Some(Reason::Unauthorized)),
            (None, r#"{"message":"Forbidden"}"#.to_owned(), Some(Reason::Forbidden)),
            (None, r#"{"message":"Missing Authentication Token"}"#.to_owned(), Some(Reason::Unsigned)),
            // JSON services.
            (None, r#"{"__type":"com.amazon.coral.service#UnrecognizedClientException","message":"x"}"#.to_owned(), Some(Reason::Unknown)),
            (None, r#"{"__type":"com.amazonaws.dynamodb.v20120810#ExpiredTokenException:http://internal","message":1}"#.to_owned(), Some(Reason::Expired)),
            (None, r#"{"code":"RequestTimeTooSkewed","__type":"ns#Other,http://internal"}"#.to_owned(), Some(Reason::Other)),
            (None, r#"{"code":42,"__type":"ns#AccessDeniedException"}"#.to_owned(), Some(Reason::Denied)),
            (Some("ns#ValidationException:http://internal"), String::new(), Some(Reason::Other)),
            // S3 and the query services.
            (None, s3("RequestTimeTooSkewed", "The difference between the request time and the current time is too large."), Some(Reason::Clock)),
            (None, s3("SignatureDoesNotMatch", "The request signature we calculated does not match"), Some(Reason::Mismatch)),
            (None, s3("SignatureDoesNotMatch", &expired.replace('\'', "&apos;")), Some(Reason::Clock)),
            (None, s3("InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist"), Some(Reason::Unknown)),
            (None, s3("ExpiredToken", "The provided token has expired."), Some(Reason::Expired)),
            (None, s3("AccessDenied", "Access Denied"), Some(Reason::Denied)),
            (None, s3("AuthorizationHeaderMalformed", "The authorization header is malformed; the region 'us-east-1' is wrong; expecting 'eu-west-1'"), Some(Reason::Scope)),
            (None, s3("NoSuchKey", ""), Some(Reason::Other)),
            // Others.
            (None, String::new(), None),
            (None, "<html>403 Forbidden</html>".to_owned(), None),
            (None, "{".to_owned(), None),
            (None, r#"{"message":"no such order"}"#.to_owned(), None),
            (None, r#"{"code":"InvalidToken","message":"the link was used"}"#.to_owned(), None),
            (Some("\u{fc}"), "[]".to_owned(), None),
            // What a service repeats of what it was sent.
            (Some("ValidationException"), r#"{"message":"The security token included in the request is expired"}"#.to_owned(), Some(Reason::Other)),
            (None, r#"{"message":"no user 'The security token included in the request is expired'"}"#.to_owned(), None),
            (None, "<html><Code>ExpiredToken</Code></html>".to_owned(), None),
            (None, "<ErrorPage><Code>ExpiredToken</Code></ErrorPage>".to_owned(), None),
            (None, "<Response><Errors><Error><Code>RequestExpired</Code></Error></Errors></Response>".to_owned(), Some(Reason::Clock)),
            (Some("AccessDeniedException"), format!(r#"{{"message":"{expired}"}}"#), Some(Reason::Clock)),
        ] {
            assert_eq!(refusal(header, &body).reason(), reason, "{header:?} {body}");
        }
        assert_eq!(
            refusal(None, &format!(r#"{{"Message":"{denied}"}}"#)).role(),
            Some("guest-role")
        );
        let malformed = s3(
            "AuthorizationHeaderMalformed",
            "the region 'us-east-1' is wrong; expecting 'eu-west-1'",
        );
        assert_eq!(
            refusal(None, &malformed).expected_scope(),
            Some("eu-west-1")
        );
        let service =
            r#"{"message":"Credential should be scoped to correct service: 'execute-api'. "}"#;
        assert_eq!(refusal(None, service).expected_scope(), Some("execute-api"));
    }

    #[test]
    fn what_is_shown_to_people_is_a_name() {
        for odd in ["", "a b", "a\u{1b}[31m", "ä", &"a".repeat(129)] {
            let body = format!("{{\"message\":\"it is wrong; expecting '{odd}'\"}}");
            assert_eq!(refusal(None, &body).expected_scope(), None, "{odd}");
            let body = format!("<Error><Message>x:assumed-role/{odd}/y</Message></Error>");
            assert_eq!(refusal(None, &body).role(), None, "{odd}");
            assert_eq!(shorten(odd), None, "{odd}");
        }
    }
}
