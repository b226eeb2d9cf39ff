//! The signer: a head, credentials and a time in; a signed head out.

use std::time::SystemTime;

use aws_sigv4::sign::v4::calculate_signature;
use http::{HeaderName, HeaderValue, header, request};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use super::canonical::{
    CanonicalRequest, OWN_HEADERS, X_AMZ_CONTENT_SHA256, X_AMZ_DATE, X_AMZ_SECURITY_TOKEN,
    signed_host,
};
use super::credentials::SigningCredentials;
use super::options::{SigningOptions, SigningScope};
use crate::error::{AuthError, AuthErrorKind};
use crate::payload::PayloadHash;

/// Signs requests for one service in one region. See the [module documentation](super).
#[derive(Clone, Debug)]
pub struct Signer {
    scope: SigningScope,
    options: SigningOptions,
}

impl Signer {
    /// A signer; [`SigningOptions::for_service`] has the options most services need.
    pub fn new(scope: SigningScope, options: SigningOptions) -> Self {
        Self { scope, options }
    }

    /// Region and service.
    pub fn scope(&self) -> &SigningScope {
        &self.scope
    }

    /// Signs `head` as of `time`, which must be within minutes of the server's.
    ///
    /// Sets `authorization` and `x-amz-date`, `x-amz-security-token` if the credentials have a
    /// session token, and `x-amz-content-sha256` if the options say so or the payload is not signed;
    /// removes whatever the request had of these. Everything else stays as it is. `authorization`
    /// and `x-amz-security-token` are marked sensitive.
    ///
    /// # Errors
    ///
    /// [`AuthErrorKind::Request`] if the request names no host or has no room for another header, or
    /// a time lies outside the years 1970 to 9999. The head is then as it was.
    pub fn sign(
        &self,
        head: &mut request::Parts,
        credentials: &SigningCredentials,
        payload: &PayloadHash,
        time: SystemTime,
    ) -> Result<(), AuthError> {
        let added = self.sign_aside(head, credentials, payload, time)?;
        let too_many = |_| AuthError::too_many_headers();
        // Only a map that is nearly full: in a small one this would make room for these headers and
        // none for the client's.
        if head.headers.keys_len() >= NEARLY_FULL {
            head.headers.try_reserve(added.len()).map_err(too_many)?;
        }
        for name in &OWN_HEADERS {
            head.headers.remove(name);
        }
        for (name, value) in added {
            head.headers.try_insert(name, value).map_err(too_many)?;
        }
        Ok(())
    }

    /// Whether the options leave any payload to be signed.
    pub(crate) fn signs_payload(&self) -> bool {
        self.options.sign_payload
    }

    /// The headers that make up the signature.
    fn sign_aside(
        &self,
        head: &request::Parts,
        credentials: &SigningCredentials,
        payload: &PayloadHash,
        time: SystemTime,
    ) -> Result<Vec<(HeaderName, HeaderValue)>, AuthError> {
        let payload = if self.options.sign_payload {
            payload
        } else {
            &PayloadHash::Unsigned
        };
        let host = signed_host(head)?;
        let date_time = date_time(time)?;
        let mut added = vec![(X_AMZ_DATE, header_value(&date_time)?)];
        if let Some(token) = credentials.security_token() {
            added.push((X_AMZ_SECURITY_TOKEN, token.clone()));
        }
        if self.options.send_payload_hash || *payload == PayloadHash::Unsigned {
            added.push((X_AMZ_CONTENT_SHA256, header_value(&payload.to_string())?));
        }
        let request = CanonicalRequest::new(head, &host, &added, payload, &self.options);

        let (region, service) = (self.scope.region(), self.scope.service());
        let date = &date_time[..DATE_LENGTH];
        let credential_scope = format!("{date}/{region}/{service}/aws4_request");
        let hash = PayloadHash::Sha256(Sha256::digest(&request.text).into());
        let string_to_sign = format!("{ALGORITHM}\n{date_time}\n{credential_scope}\n{hash}");
        let signature = credentials.with_signing_key((date, time), &self.scope, |key| {
            calculate_signature(key, string_to_sign.as_bytes())
        });
        let mut authorization = header_value(&format!(
            "{ALGORITHM} Credential={}/{credential_scope}, SignedHeaders={}, Signature={signature}",
            credentials.access_key_id(),
            request.signed_headers,
        ))?;
        authorization.set_sensitive(true);
        added.push((header::AUTHORIZATION, authorization));
        Ok(added)
    }
}

/// Less than half of what a header map holds.
const NEARLY_FULL: usize = 10_000;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// `20150830` of `20150830T123600Z`.
const DATE_LENGTH: usize = 8;

/// `20150830T123600Z`, ISO 8601's basic format.
fn date_time(time: SystemTime) -> Result<String, AuthError> {
    let seconds = time
        .duration_since(SystemTime::UNIX_EPOCH)
        .ok()
        .and_then(|since| i64::try_from(since.as_secs()).ok());
    let Some(t) = seconds.and_then(|s| OffsetDateTime::from_unix_timestamp(s).ok()) else {
        return Err(AuthError::new(
            AuthErrorKind::Request,
            "a signature needs a time between the years 1970 and 9999: set this machine's clock",
        ));
    };
    Ok(format!(
        "{:04}{:02}{:02}T{:02}{:02}{:02}Z",
        t.year(),
        u8::from(t.month()),
        t.day(),
        t.hour(),
        t.minute(),
        t.second(),
    ))
}

/// Everything that goes in here was checked when it came in; this is so that a mistake there could
/// not become a panic here.
fn header_value(text: &str) -> Result<HeaderValue, AuthError> {
    HeaderValue::from_str(text).map_err(|_| {
        AuthError::new(
            AuthErrorKind::Request,
            "the signature cannot be written into a header",
        )
    })
}
