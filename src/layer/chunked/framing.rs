//! How a body will be cut, and what the head has to say of it.

use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version, request};
use http_body::Body;

use super::Settings;
use crate::checksum::Checksum;
use crate::error::{AuthError, AuthErrorKind};
use crate::layer::collect::content_length;
use crate::payload::PayloadHash;
use crate::query;

const DECODED_LENGTH: HeaderName = HeaderName::from_static("x-amz-decoded-content-length");
const TRAILER: HeaderName = HeaderName::from_static("x-amz-trailer");
const AWS_CHUNKED: &str = "aws-chunked";

/// What a signature takes in the head of a chunk.
pub(super) const CHUNK_SIGNATURE: &str = ";chunk-signature=";
pub(super) const TRAILER_SIGNATURE: &str = "x-amz-trailer-signature:";
const DIGITS: u64 = 64;
const CRLF: u64 = 2;

/// How one body is cut into chunks.
#[derive(Debug)]
pub(super) struct Framing {
    pub(super) signed: bool,
    /// Bytes of data in each chunk but the last.
    pub(super) size: u64,
    /// Bytes of data in all.
    pub(super) length: u64,
    pub(super) checksum: Option<Checksum>,
    /// The trailers that the body is to end with.
    pub(super) declared: Vec<HeaderName>,
    /// Of all there is on the wire, unless there are trailers whose length is not known.
    pub(super) encoded: Option<u64>,
}

/// What becomes of a body.
pub(super) enum Cut {
    /// It is read first, if there is any.
    Not,
    /// It goes as it is, and unsigned.
    Unsigned,
    Into(Framing),
}

impl Framing {
    /// How `body` is to be cut, which the head is told.
    pub(super) fn of<B: Body>(
        settings: &Settings,
        head: &mut request::Parts,
        body: &B,
    ) -> Result<Cut, AuthError> {
        // What promises to have nothing in it needs no framing. What is only said to, in a header, has to show it.
        let is_empty = body.is_end_stream() || body.size_hint().exact() == Some(0);
        if is_empty || !uploads(head) {
            return Ok(Cut::Not);
        }
        let headers = &head.headers;
        let encoding = content_encoding(headers)?;
        let declared = declared_trailers(head)?;
        let unknown = || {
            request_error(
                "the body is sent in chunks, and S3 has to be told its length first: give it as \
                 `content-length`, use a body that knows it, or upload it in parts",
            )
        };
        let length = decoded_length(headers, body.size_hint().exact())?.ok_or_else(unknown)?;
        let has_checksum = declared.iter().any(is_checksum)
            || headers
                .iter()
                .any(|(name, value)| is_checksum(name) && !value.is_empty());
        let checksum = settings.checksum.filter(|_| !has_checksum);
        if !settings.signed && checksum.is_none() && declared.is_empty() {
            head.headers.remove(DECODED_LENGTH);
            return Ok(Cut::Unsigned);
        }
        let mut framing = Self {
            signed: settings.signed,
            size: settings.size as u64,
            length,
            checksum,
            declared,
            encoded: None,
        };
        if framing.declared.is_empty() {
            let too_long = || request_error("the body's length is beyond all that can be sent");
            framing.encoded = Some(framing.measure().ok_or_else(too_long)?);
        }

        let trailers = framing.trailers()?;
        set(head, CONTENT_ENCODING, encoding)?;
        set(head, DECODED_LENGTH, framing.length.into())?;
        if let Some(trailers) = trailers {
            set(head, TRAILER, trailers)?;
        }
        match framing.encoded {
            Some(length) if head.headers.contains_key(CONTENT_LENGTH) => {
                set(head, CONTENT_LENGTH, length.into())?;
            }
            Some(_) => {}
            None => {
                head.headers.remove(CONTENT_LENGTH);
            }
        }
        Ok(Cut::Into(framing))
    }

    pub(super) fn payload_hash(&self) -> PayloadHash {
        match (self.signed, self.has_trailers()) {
            (true, false) => PayloadHash::Streaming,
            (true, true) => PayloadHash::StreamingTrailer,
            (false, _) => PayloadHash::StreamingUnsignedTrailer,
        }
    }

    pub(super) fn has_trailers(&self) -> bool {
        self.checksum.is_some() || !self.declared.is_empty()
    }

    /// All names of trailers.
    fn trailers(&self) -> Result<Option<HeaderValue>, AuthError> {
        let own = self.checksum.map(Checksum::name);
        let names: Vec<_> = self
            .declared
            .iter()
            .map(HeaderName::as_str)
            .chain(own)
            .collect();
        if names.is_empty() {
            return Ok(None);
        }
        let value = HeaderValue::from_str(&names.join(","));
        value
            .map(Some)
            .map_err(|_| request_error("`x-amz-trailer` cannot be read"))
    }

    /// Bytes on the wire, without trailers of the caller's.
    fn measure(&self) -> Option<u64> {
        let (full, rest) = (self.length / self.size, self.length % self.size);
        let mut total = 0_u64;
        if full > 0 {
            total = self.chunk(self.size)?.checked_mul(full)?;
        }
        if rest > 0 {
            total = total.checked_add(self.chunk(rest)?)?;
        }
        let mut end = self.head(0) + CRLF;
        if let Some(checksum) = self.checksum {
            end += (checksum.name().len() + 1 + checksum.digits()) as u64 + CRLF;
        }
        if self.signed && self.has_trailers() {
            end += TRAILER_SIGNATURE.len() as u64 + DIGITS + CRLF;
        }
        total.checked_add(end)
    }

    /// Bytes of a chunk.
    fn chunk(&self, size: u64) -> Option<u64> {
        size.checked_add(self.head(size) + CRLF)
    }

    /// Bytes of the head of a chunk.
    fn head(&self, size: u64) -> u64 {
        let signature = match self.signed {
            true => CHUNK_SIGNATURE.len() as u64 + DIGITS,
            false => 0,
        };
        u64::from(size.checked_ilog(16).unwrap_or(0)) + 1 + signature + CRLF
    }
}

/// Whether a request uploads an object, or a part of one: the only bodies that S3 takes in chunks. All else that
/// has a body says so by its method, or by the name of a subresource in its query.
fn uploads(head: &request::Parts) -> bool {
    let is_of_object = |pair: &str| {
        let name = pair.split_once('=').map_or(pair, |(name, _)| name);
        matches!(name, "" | "partNumber" | "uploadId" | "versionId") || name.starts_with("x-")
    };
    head.method == Method::PUT
        && head.uri.path().len() > 1
        && query::pairs(&head.uri).all(is_of_object)
}

/// No more trailers than this are named: S3 knows a dozen.
const MOST_TRAILERS: usize = 64;

/// What the caller says will stand behind the body, sorted.
fn declared_trailers(head: &request::Parts) -> Result<Vec<HeaderName>, AuthError> {
    let mut names = Vec::new();
    let values = head.headers.get_all(TRAILER).iter();
    for name in values.flat_map(|value| value.as_bytes().split(|byte| *byte == b',')) {
        let name = HeaderName::from_bytes(name.trim_ascii()).ok();
        let name = name.filter(can_be_trailer).ok_or_else(|| {
            request_error(
                "`x-amz-trailer` names something that is no trailer of S3's: those are named `x-amz-checksum-…` \
                 and the like",
            )
        })?;
        if names.len() == MOST_TRAILERS {
            return Err(request_error("`x-amz-trailer` names more than 64 trailers"));
        }
        names.push(name);
    }
    names.sort_unstable_by(|name, other| name.as_str().cmp(other.as_str()));
    names.dedup();
    // Of an unknown length, it ends where the connection does, which says nothing of its trailers.
    if !names.is_empty() && head.version < Version::HTTP_11 {
        return Err(request_error(
            "a body with trailers of its own has no length that could be told beforehand, which takes HTTP/1.1",
        ));
    }
    Ok(names)
}

/// Whether S3 could take it, and it is neither part of a signature nor of the framing.
fn can_be_trailer(name: &HeaderName) -> bool {
    let own = name.as_str().strip_prefix("x-amz-");
    own.is_some_and(|own| {
        !matches!(
            own,
            "content-sha256"
                | "date"
                | "decoded-content-length"
                | "security-token"
                | "trailer"
                | "trailer-signature"
        )
    })
}

/// Whether a header or trailer is a checksum of the body, by whatever algorithm.
fn is_checksum(name: &HeaderName) -> bool {
    let algorithm = name.as_str().strip_prefix("x-amz-checksum-");
    algorithm.is_some_and(|algorithm| !matches!(algorithm, "algorithm" | "mode" | "type"))
}

/// `aws-chunked` comes first: [what S3 documents][s3].
///
/// [s3]: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html
fn content_encoding(headers: &HeaderMap) -> Result<HeaderValue, AuthError> {
    let mut all = AWS_CHUNKED.as_bytes().to_vec();
    for value in headers.get_all(CONTENT_ENCODING) {
        let value = value.as_bytes().trim_ascii();
        for encoding in value.split(|byte| *byte == b',') {
            if encoding
                .trim_ascii()
                .eq_ignore_ascii_case(AWS_CHUNKED.as_bytes())
            {
                return Err(request_error(
                    "the body is encoded as `aws-chunked` already, by its `content-encoding`: leave that to \
                     the layer, or say how it was signed with `AuthOverride::payload_hash`",
                ));
            }
        }
        if !value.is_empty() {
            all.push(b',');
            all.extend_from_slice(value);
        }
    }
    HeaderValue::from_bytes(&all).map_err(|_| request_error("`content-encoding` cannot be read"))
}

/// How long the body is, by its `own` word and by its head's.
fn decoded_length(headers: &HeaderMap, own: Option<u64>) -> Result<Option<u64>, AuthError> {
    let lengths = [
        content_length(headers, &CONTENT_LENGTH)?,
        content_length(headers, &DECODED_LENGTH)?,
    ];
    let mut known = own.into_iter().chain(lengths.into_iter().flatten());
    let length = known.next();
    match known.all(|other| Some(other) == length) {
        true => Ok(length),
        false => Err(request_error(
            "the body's length is not that of its `content-length` or \
             `x-amz-decoded-content-length`: leave these headers to the layer",
        )),
    }
}

fn set(head: &mut request::Parts, name: HeaderName, value: HeaderValue) -> Result<(), AuthError> {
    let too_many = |_| AuthError::too_many_headers();
    head.headers.try_insert(name, value).map_err(too_many)?;
    Ok(())
}

fn request_error(message: &'static str) -> AuthError {
    AuthError::new(AuthErrorKind::Request, message)
}

#[cfg(test)]
mod tests;
