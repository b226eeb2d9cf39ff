//! What a server answered, read whole and no further than a limit.

use bytes::Buf as _;
use http::{HeaderMap, Response, StatusCode, header};
use http_body::Body;
use http_body_util::BodyExt as _;
use zeroize::Zeroizing;

use super::Failure;
use crate::error::BoxError;

/// A reply. It may hold tokens: it is wiped when it is dropped, and cannot be printed.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Zeroizing<Vec<u8>>,
}

impl Reply {
    pub(super) async fn read<B>(response: Response<B>, limit: usize) -> Result<Self, Failure>
    where
        B: Body,
        B::Error: Into<BoxError>,
    {
        let (head, body) = response.into_parts();
        let hint = body.size_hint();
        if hint.lower() > limit as u64 {
            return Err(Failure::TooLong(limit));
        }
        let mut body = std::pin::pin!(body);
        let mut bytes = Zeroizing::new(Vec::new());
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| Failure::Client(error.into()))?;
            // Trailers say nothing here.
            let Ok(mut data) = frame.into_data() else {
                continue;
            };
            if data.remaining() > limit - bytes.len() {
                return Err(Failure::TooLong(limit));
            }
            while data.has_remaining() {
                let chunk = data.chunk();
                append(&mut bytes, chunk);
                let length = chunk.len();
                data.advance(length);
            }
        }
        Ok(Self {
            status: head.status,
            headers: head.headers,
            body: bytes,
        })
    }

    /// Whether the reply says that it is JSON, or says nothing.
    pub(crate) fn may_be_json(&self) -> bool {
        let Some(value) = self.headers.get(header::CONTENT_TYPE) else {
            return true;
        };
        let essence = value.as_bytes().split(|&b| b == b';').next();
        let essence = essence.unwrap_or_default().trim_ascii();
        essence.eq_ignore_ascii_case(b"application/json")
            || essence.to_ascii_lowercase().starts_with(b"application/") && {
                let end = essence.len().saturating_sub(b"+json".len());
                essence[end..].eq_ignore_ascii_case(b"+json")
            }
    }
}

/// Vectors that grow leave what they held behind: here that is wiped first.
pub(crate) fn append(bytes: &mut Zeroizing<Vec<u8>>, chunk: &[u8]) {
    let length = bytes.len() + chunk.len();
    if length > bytes.capacity() {
        let mut larger = Zeroizing::new(Vec::with_capacity(length.next_power_of_two().max(4096)));
        larger.extend_from_slice(bytes);
        *bytes = larger;
    }
    bytes.extend_from_slice(chunk);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_known_by_its_type() {
        let reply = |content_type: Option<&str>| {
            let mut headers = HeaderMap::new();
            if let Some(text) = content_type {
                headers.insert(header::CONTENT_TYPE, text.parse().expect("a header"));
            }
            Reply {
                status: StatusCode::OK,
                headers,
                body: Zeroizing::default(),
            }
        };
        for good in [
            "application/json",
            "Application/JSON; charset=utf-8",
            "application/problem+json",
            "application/json;charset=UTF-8",
        ] {
            assert!(reply(Some(good)).may_be_json(), "{good}");
        }
        assert!(reply(None).may_be_json());
        for bad in [
            "text/html",
            "text/json",
            "",
            "application/jsonp",
            "json",
            "a+json",
            "application/xml",
        ] {
            assert!(!reply(Some(bad)).may_be_json(), "{bad}");
        }
    }
}
