//! Who calls: what a caller has to show, where from, and what its own signature is for.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{self, HeaderName};
use http::{HeaderMap, Method, StatusCode, request};

use crate::refusal::Refusal;
use crate::routes::Target;
use crate::secrets::Key;

/// Who may call.
pub(crate) struct Callers {
    key: Option<Key>,
    /// Of pages that may.
    origins: Vec<String>,
}

impl Callers {
    pub(crate) fn new(key: Option<Key>, origins: &[String]) -> Self {
        Self {
            key,
            origins: origins.to_vec(),
        }
    }

    pub(crate) fn admit(&self, target: &Target, head: &request::Parts) -> Result<(), Refusal> {
        if head.method == Method::CONNECT {
            return Err(Refusal::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "no_tunnels",
                "through a tunnel nothing could be authorized: send plain http to this proxy, which speaks https \
                 with the upstream",
            ));
        }
        self.check_page(target, &head.headers)?;
        self.check_key(target, &head.headers)
    }

    /// On one's own machine, every page in a browser can reach this proxy.
    fn check_page(&self, target: &Target, headers: &HeaderMap) -> Result<(), Refusal> {
        const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let is_stranger = match (headers.contains_key(header::ORIGIN), text(SITE)) {
            (true, _) => {
                let origin = text(header::ORIGIN).unwrap_or_default();
                !self
                    .origins
                    .iter()
                    .any(|allowed| allowed.eq_ignore_ascii_case(origin))
                    && !is_same_origin(origin, target)
            }
            (false, Some(site)) => !matches!(site, "none" | "same-origin"),
            (false, None) => false,
        };
        match is_stranger {
            false => Ok(()),
            true => Err(Refusal::forbidden(
                "page_not_allowed",
                "pages of this origin may not call: start the proxy with `--allow-origin …` for it",
            )),
        }
    }

    fn check_key(&self, target: &Target, headers: &HeaderMap) -> Result<(), Refusal> {
        let Some(key) = &self.key else {
            return Ok(());
        };
        let header = headers.get("x-api-key").map(|value| value.as_bytes());
        if header.is_some_and(|given| key.is(given))
            || password(headers).is_some_and(|given| key.is(&given))
        {
            return Ok(());
        }
        let status = match target.is_own {
            true => StatusCode::UNAUTHORIZED,
            // What clients expect that were told to use a proxy.
            false => StatusCode::PROXY_AUTHENTICATION_REQUIRED,
        };
        let message = "this proxy wants its key, as `x-api-key` or as the password of the proxy";
        Err(Refusal::new(status, "no_key", message))
    }
}

fn is_same_origin(origin: &str, target: &Target) -> bool {
    let Some((_, authority)) = origin.split_once("://") else {
        return false;
    };
    let own = target.authority.as_ref().filter(|_| target.is_own);
    own.is_some_and(|own| own.as_str().eq_ignore_ascii_case(authority))
}

/// That of `Proxy-Authorization: Basic`, whoever it is for.
fn password(headers: &HeaderMap) -> Option<Vec<u8>> {
    let value = headers.get(header::PROXY_AUTHORIZATION)?.to_str().ok()?;
    let (scheme, coded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = STANDARD.decode(coded.trim()).ok()?;
    let colon = text.iter().position(|byte| *byte == b':')?;
    Some(text[colon + 1..].to_vec())
}

/// The credential scope of a signature that a caller made with whatever credentials it has.
pub(crate) struct Scope {
    pub(crate) region: String,
    pub(crate) service: String,
}

impl Scope {
    pub(crate) fn of(head: &request::Parts) -> Option<Self> {
        let authorization = head.headers.get(header::AUTHORIZATION);
        if let Some(value) = authorization.and_then(|value| value.to_str().ok())
            && let Some((_, rest)) = value
                .strip_prefix("AWS4-HMAC-SHA256 ")?
                .split_once("Credential=")
        {
            return Self::read(rest.split(',').next()?.split('/'));
        }
        let pairs = form_urlencoded::parse(head.uri.query()?.as_bytes());
        let mut credentials = pairs.filter(|(name, _)| name == "X-Amz-Credential");
        Self::read(credentials.next()?.1.split('/'))
    }

    /// `AKIDEXAMPLE/20260101/eu-west-1/s3/aws4_request`.
    fn read<'a>(parts: impl DoubleEndedIterator<Item = &'a str>) -> Option<Self> {
        let mut parts = parts.rev().skip(1);
        let service = parts.next()?.trim().to_owned();
        let region = parts.next()?.trim().to_owned();
        Some(Self { region, service })
    }
}
