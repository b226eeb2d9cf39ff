//! What a signed request says of its own signature: in its `Authorization` header, or in its query.

use std::borrow::Cow;
use std::collections::BTreeSet;

use http::{HeaderName, Uri, header, request};

use super::super::options::SigningOptions;
use super::super::presigned::{
    ALGORITHM, CONTENT_SHA256, CREDENTIAL, DATE, SECURITY_TOKEN, SIGNATURE, SIGNED_HEADERS,
    is_presigned,
};
use crate::error::{AuthError, AuthErrorKind};
use crate::payload::UNSIGNED_PAYLOAD;
use crate::query;

/// What was signed, and how.
pub(super) struct Claims<'a> {
    pub(super) algorithm: Cow<'a, str>,
    /// The credential scope.
    pub(super) scope: Cow<'a, str>,
    pub(super) signed_headers: Cow<'a, str>,
    pub(super) date: Option<Cow<'a, str>>,
    /// The payload hash that the request sends along.
    pub(super) payload: Option<Cow<'a, str>>,
    /// The one that a server assumes if it is not told.
    pub(super) assumed_payload: Option<&'static str>,
    /// As it was when it was signed.
    pub(super) uri: Cow<'a, Uri>,
    /// Where the date and the payload hash are.
    pub(super) places: [&'static str; 2],
}

impl<'a> Claims<'a> {
    pub(super) fn of(
        signed: &'a request::Parts,
        options: &SigningOptions,
    ) -> Result<Self, AuthError> {
        match signed.headers.contains_key(header::AUTHORIZATION) || !is_presigned(&signed.uri) {
            true => Self::in_headers(signed).ok_or_else(nothing),
            false => Self::in_query(&signed.uri, options)?.ok_or_else(nothing),
        }
    }

    fn in_headers(signed: &'a request::Parts) -> Option<Self> {
        let text = |name: HeaderName| {
            let value = signed.headers.get(name)?;
            std::str::from_utf8(value.as_bytes()).ok().map(str::trim)
        };
        let authorization = signed.headers.get(header::AUTHORIZATION)?.to_str().ok()?;
        let (algorithm, fields) = authorization.trim().split_once(' ')?;
        let field = |name: &str| {
            let mut fields = fields.split(',').map(str::trim);
            fields.find_map(|field| field.strip_prefix(name)?.strip_prefix('='))
        };
        let places = ["x-amz-date", "x-amz-content-sha256"];
        let [date, payload] = places.map(|name| text(HeaderName::from_static(name)));
        algorithm.starts_with("AWS4-").then_some(Self {
            algorithm: algorithm.into(),
            scope: field("Credential")?.split_once('/')?.1.into(),
            signed_headers: field("SignedHeaders")?.into(),
            date: date.map(Cow::Borrowed),
            payload: payload.map(Cow::Borrowed),
            assumed_payload: None,
            uri: Cow::Borrowed(&signed.uri),
            places,
        })
    }

    fn in_query(uri: &'a Uri, options: &SigningOptions) -> Result<Option<Self>, AuthError> {
        let value = |name| query::value(uri, name);
        let credential = value(CREDENTIAL);
        let scope = credential.as_deref().and_then(|text| text.split_once('/'));
        let (Some(algorithm), Some((_, scope)), Some(signed_headers)) =
            (value(ALGORITHM), scope, value(SIGNED_HEADERS))
        else {
            return Ok(None);
        };
        let is_unsigned = |pair: &str| {
            query::is_named_like(pair, SIGNATURE)
                || options.append_token && query::is_named_like(pair, SECURITY_TOKEN)
        };
        Ok(algorithm.starts_with("AWS4-").then_some(Self {
            algorithm: algorithm.into(),
            scope: scope.to_owned().into(),
            signed_headers: signed_headers.into(),
            date: value(DATE).map(Cow::Owned),
            payload: value(CONTENT_SHA256).map(Cow::Owned),
            assumed_payload: options.is_like_s3().then_some(UNSIGNED_PAYLOAD),
            uri: Cow::Owned(query::replace(uri, &query::without(uri, is_unsigned))?),
            places: [DATE, CONTENT_SHA256],
        }))
    }

    /// The signed headers, each once, in whatever case they are listed.
    pub(super) fn names(&self, notes: &mut Vec<String>) -> Vec<HeaderName> {
        let mut names = Vec::new();
        let mut known = BTreeSet::new();
        for listed in self.signed_headers.split(';') {
            match HeaderName::from_bytes(listed.as_bytes()) {
                Ok(name) if known.insert(name.as_str().to_owned()) => names.push(name),
                Ok(name) => notes.push(format!("`{name}` is listed twice")),
                Err(_) => notes.push("a signed header has a name that cannot be one".to_owned()),
            }
        }
        names
    }
}

fn nothing() -> AuthError {
    AuthError::new(
        AuthErrorKind::Request,
        "there is nothing to explain: the request has neither an `Authorization` header with a signature nor \
         one in its query",
    )
}
