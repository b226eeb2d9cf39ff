//! What stands behind the last chunk.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::framing::{Framing, TRAILER_SIGNATURE};
use crate::error::{AuthError, AuthErrorKind};

/// Names and values, in the order they are signed and sent in.
pub(super) struct Trailers(Vec<(String, Vec<u8>)>);

impl Trailers {
    /// The checksum `sum`, and those that the body ended with.
    ///
    /// # Errors
    ///
    /// If they are not those that the request's head names.
    pub(super) fn new(
        framing: &Framing,
        sum: Option<String>,
        body: Option<HeaderMap>,
    ) -> Result<Self, AuthError> {
        let mut all = Vec::new();
        if let (Some(checksum), Some(sum)) = (framing.checksum, sum) {
            all.push((checksum.name().to_owned(), sum.into_bytes()));
        }
        let body = body.unwrap_or_default();
        let is_declared = |name: &&HeaderName| {
            let sought = |other: &HeaderName| other.as_str().cmp(name.as_str());
            framing.declared.binary_search_by(sought).is_ok()
        };
        if let Some(name) = body.keys().find(|name| !is_declared(name)) {
            return Err(refused(format!(
                "the body ends with a trailer `{name}` that the request does not name in `x-amz-trailer`: name it there"
            )));
        }
        for name in &framing.declared {
            let mut values = body.get_all(name).iter();
            match (values.next(), values.next()) {
                (Some(value), None) => {
                    let value = HeaderValue::as_bytes(value).trim_ascii();
                    all.push((name.as_str().to_owned(), value.to_vec()));
                }
                (found, _) => {
                    let what = found.map_or("no trailer", |_| "more than one trailer");
                    return Err(refused(format!(
                        "`x-amz-trailer` names `{name}`, and the body has {what} of that name"
                    )));
                }
            }
        }
        all.sort();
        Ok(Self(all))
    }

    /// As they are sent.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        self.lines(out, b"\r\n");
    }

    /// As they are signed.
    pub(super) fn canonical(&self) -> Vec<u8> {
        let mut text = Vec::new();
        self.lines(&mut text, b"\n");
        text
    }

    pub(super) fn write_signature(out: &mut Vec<u8>, signature: &[u8; 64]) {
        out.extend_from_slice(TRAILER_SIGNATURE.as_bytes());
        out.extend_from_slice(signature);
        out.extend_from_slice(b"\r\n");
    }

    fn lines(&self, out: &mut Vec<u8>, end: &[u8]) {
        for (name, value) in &self.0 {
            out.extend_from_slice(name.as_bytes());
            out.push(b':');
            out.extend_from_slice(value);
            out.extend_from_slice(end);
        }
    }
}

fn refused(problem: String) -> AuthError {
    AuthError::new(
        AuthErrorKind::Payload,
        format!("{problem}; the server got no whole request"),
    )
}
