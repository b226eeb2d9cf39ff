//! The signer: a head, credentials and a time in; a signed head out.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, header, request};
use sha2::{Digest, Sha256};

use super::canonical::{self, Brings, Unsorted, Values, signed_host};
use super::chunk::ChunkSigner;
use super::credentials::SigningCredentials;
use super::date::second_of;
use super::key::Stamp;
use super::options::{SigningOptions, SigningScope};
use super::scratch::{Scratch, Text};
use crate::error::{AuthError, AuthErrorKind};
use crate::hex::hex;
use crate::payload::{EMPTY_SHA256_HEX, MARKERS, PayloadHash, UNSIGNED_PAYLOAD};

const DATE: &str = "x-amz-date";
const SECURITY_TOKEN: &str = "x-amz-security-token";
const CONTENT_SHA256: &str = "x-amz-content-sha256";
const REGION_SET: &str = "x-amz-region-set";

const X_AMZ_DATE: HeaderName = HeaderName::from_static(DATE);
pub(crate) const X_AMZ_SECURITY_TOKEN: HeaderName = HeaderName::from_static(SECURITY_TOKEN);
const X_AMZ_CONTENT_SHA256: HeaderName = HeaderName::from_static(CONTENT_SHA256);
const X_AMZ_REGION_SET: HeaderName = HeaderName::from_static(REGION_SET);

/// What a signature consists of on the wire. Any of them on an unsigned request is a leftover, and
/// is replaced or removed.
pub(super) const OWN_HEADERS: [HeaderName; 5] = [
    header::AUTHORIZATION,
    X_AMZ_DATE,
    X_AMZ_SECURITY_TOKEN,
    X_AMZ_CONTENT_SHA256,
    X_AMZ_REGION_SET,
];

/// Signs requests for one service in one region. See the [module documentation](super).
#[derive(Clone, Debug)]
pub struct Signer {
    scope: SigningScope,
    options: SigningOptions,
}

/// What a signature adds to a request.
struct Signature {
    authorization: HeaderValue,
    date: HeaderValue,
    payload_hash: Option<HeaderValue>,
    /// Whether the request has headers of an older one.
    has_leftovers: bool,
}

impl Signer {
    /// A signer; [`SigningOptions::for_service`] has the options most services need.
    pub fn new(scope: SigningScope, options: SigningOptions) -> Self {
        Self { scope, options }
    }

    /// The same for another scope.
    #[cfg(feature = "sigv4a")]
    pub(crate) fn for_scope(&self, scope: SigningScope) -> Self {
        Self::new(scope, self.options.clone())
    }

    /// Region and service; of SigV4a, the region set and the service.
    pub fn scope(&self) -> &SigningScope {
        &self.scope
    }

    /// Signs `head` as of `time`, which must be within minutes of the server's.
    ///
    /// Sets `authorization` and `x-amz-date`, `x-amz-security-token` if the credentials have a
    /// session token, `x-amz-content-sha256` if the options say so or the payload is not signed, and
    /// `x-amz-region-set` if it is a signature of SigV4a; removes whatever the request had of these. Everything else stays as it is. `authorization`
    /// and `x-amz-security-token` are marked sensitive.
    ///
    /// Over HTTP/2 clients send the URI's authority as it stands: leave userinfo and the scheme's own port
    /// out of it, since the signed host has neither. The layer sees to that.
    ///
    /// # Errors
    ///
    /// [`AuthErrorKind::Request`](crate::AuthErrorKind::Request) if the request names no host or has
    /// no room for another header, or a time lies outside the years 1970 to 9999. The head is then as
    /// it was.
    pub fn sign(
        &self,
        head: &mut request::Parts,
        credentials: &SigningCredentials,
        payload: &PayloadHash,
        time: SystemTime,
    ) -> Result<(), AuthError> {
        let second = second_of(time)?;
        let token = credentials.security_token();
        let signature = credentials.with_stamp(second, &self.scope, |stamp| {
            self.signature(head, stamp, token, payload)
        })?;

        let too_many = |_| AuthError::too_many_headers();
        // There may be no room for all of them.
        let mut copy = (head.headers.keys_len() >= MANY).then(|| head.headers.clone());
        let headers = copy.as_mut().unwrap_or(&mut head.headers);
        if signature.has_leftovers {
            for name in &OWN_HEADERS {
                headers.remove(name);
            }
        }
        headers
            .try_insert(X_AMZ_DATE, signature.date)
            .map_err(too_many)?;
        if let Some(token) = token {
            headers
                .try_insert(X_AMZ_SECURITY_TOKEN, token.clone())
                .map_err(too_many)?;
        }
        if let Some(hash) = signature.payload_hash {
            headers
                .try_insert(X_AMZ_CONTENT_SHA256, hash)
                .map_err(too_many)?;
        }
        if let Some(regions) = self.scope.regions() {
            headers
                .try_insert(X_AMZ_REGION_SET, regions.header.clone())
                .map_err(too_many)?;
        }
        headers
            .try_insert(header::AUTHORIZATION, signature.authorization)
            .map_err(too_many)?;
        if let Some(copy) = copy {
            head.headers = copy;
        }
        Ok(())
    }

    /// What signs the chunks of a body whose head has been signed with
    /// [`PayloadHash::Streaming`] or [`PayloadHash::StreamingTrailer`], with the same credentials and as
    /// of the same `time`.
    ///
    /// # Errors
    ///
    /// [`AuthErrorKind::Request`](crate::AuthErrorKind::Request) if `signed` has not been signed so.
    pub fn chunk_signer(
        &self,
        signed: &request::Parts,
        credentials: &SigningCredentials,
        time: SystemTime,
    ) -> Result<ChunkSigner, AuthError> {
        let value = |name: HeaderName| signed.headers.get(name).map(HeaderValue::as_bytes);
        let seed = value(header::AUTHORIZATION).and_then(<[u8]>::last_chunk::<DIGITS>);
        let is_for_chunks =
            value(X_AMZ_CONTENT_SHA256).is_some_and(|marker| marker.starts_with(SIGNED_CHUNKS));
        credentials.with_stamp(second_of(time)?, &self.scope, |stamp| {
            let date = Some(stamp.date_time.as_str().as_bytes());
            let seed = seed.filter(|_| is_for_chunks && value(X_AMZ_DATE) == date);
            let signer = seed.and_then(|seed| ChunkSigner::new(Arc::clone(stamp), *seed));
            signer.ok_or_else(|| {
                AuthError::new(
                    AuthErrorKind::Request,
                    "the head has not been signed for chunks at this time, and with SigV4a it cannot be: sign \
                     it with `PayloadHash::Streaming` and SigV4 first",
                )
            })
        })
    }

    /// What signs the messages of an event stream whose head has been signed with
    /// [`PayloadHash::StreamingEvents`], with the same credentials.
    ///
    /// # Errors
    ///
    /// [`AuthErrorKind::Request`](crate::AuthErrorKind::Request) if `signed` has not been signed so, or with
    /// SigV4a.
    #[cfg(feature = "event-stream")]
    pub fn event_signer(
        &self,
        signed: &request::Parts,
        credentials: &SigningCredentials,
    ) -> Result<super::EventSigner, AuthError> {
        if self.scope.regions().is_some() {
            return Err(super::event::not_for_v4a());
        }
        let value = |name: HeaderName| signed.headers.get(name).map(HeaderValue::as_bytes);
        let marker = PayloadHash::StreamingEvents.marker().map(str::as_bytes);
        match value(header::AUTHORIZATION).and_then(<[u8]>::last_chunk::<DIGITS>) {
            Some(seed) if value(X_AMZ_CONTENT_SHA256) == marker => Ok(super::EventSigner::new(
                self.scope.clone(),
                credentials.clone(),
                *seed,
            )),
            _ => Err(AuthError::new(
                AuthErrorKind::Request,
                "the head has not been signed for an event stream: sign it with `PayloadHash::StreamingEvents` \
                 first",
            )),
        }
    }

    /// Whether the options leave any payload to be signed.
    pub(crate) fn signs_payload(&self) -> bool {
        self.options.sign_payload
    }

    /// Whether the service takes bodies in chunks.
    pub(crate) fn takes_chunks(&self) -> bool {
        self.options.chunks
    }

    /// Whether it is SigV4a, which signs no pieces of bodies here.
    pub(crate) fn is_v4a(&self) -> bool {
        self.scope.regions().is_some()
    }

    pub(super) fn options(&self) -> &SigningOptions {
        &self.options
    }

    /// A payload as it is signed: the digits of its hash, or what stands for them.
    #[inline]
    pub(super) fn payload_text<'a>(
        &self,
        payload: &PayloadHash,
        digits: &'a mut [u8; DIGITS],
    ) -> &'a [u8] {
        match payload {
            _ if !self.options.sign_payload => UNSIGNED_PAYLOAD.as_bytes(),
            &PayloadHash::EMPTY => EMPTY_SHA256_HEX.as_bytes(),
            PayloadHash::Sha256(hash) => {
                *digits = hex(hash);
                digits
            }
            other => other.marker().unwrap_or_default().as_bytes(),
        }
    }

    fn signature(
        &self,
        head: &request::Parts,
        stamp: &Stamp,
        token: Option<&HeaderValue>,
        payload: &PayloadHash,
    ) -> Result<Signature, AuthError> {
        let mut digits = [0; DIGITS];
        let payload = self.payload_text(payload, &mut digits);
        // A service that is not told expects the hash of the body.
        let sends_hash = self.options.send_payload_hash || payload.len() != DIGITS;

        let unsorted = Unsorted::new(&head.headers);
        let regions = self.scope.regions();
        let brings = Brings {
            token: token.is_some(),
            hash: sends_hash,
            regions: regions.is_some(),
            in_query: false,
        };
        unsorted.arranged(&self.options.unsigned, brings, |arranged| {
            let headers = unsorted.as_slice();
            let host = arranged.host.and_then(|at| headers.get(at));
            let host = signed_host((arranged.hosts, host.map(|(_, value)| *value)), &head.uri)?;
            let source = canonical::Source {
                method: &head.method,
                uri: &head.uri,
                parameters: &[],
                layout: &arranged.layout,
                values: Values {
                    added: [
                        &host,
                        stamp.date_time.as_str().as_bytes(),
                        token.map_or(b"", HeaderValue::as_bytes),
                        payload,
                        regions.map_or(b"", |regions| regions.header.as_bytes()),
                    ],
                    request: headers,
                },
                payload,
            };
            let room = source.room()
                + stamp.authorization.len()
                + SIGNATURE.len()
                + LONGEST_SIGNATURE
                + DIGITS;
            let (mut authorization, payload_hash) = Scratch::new(room).write(|text| {
                let list = source.write(text, &self.options);
                let hash = hex(&Sha256::digest(text.written()).into());

                // Behind the canonical request, which has the list of headers in it.
                let start = text.len();
                text.extend(stamp.authorization.as_bytes());
                text.repeat(list);
                text.extend(SIGNATURE);
                stamp.sign(&hash, text)?;
                values(text, start, sends_hash.then_some(payload))
            })?;
            authorization.set_sensitive(true);
            Ok(Signature {
                authorization,
                date: stamp.date_header.clone(),
                payload_hash,
                has_leftovers: arranged.has_leftovers,
            })
        })
    }
}

/// What the marker of a body in signed chunks begins with.
const SIGNED_CHUNKS: &[u8] = b"STREAMING-AWS4-HMAC-SHA256-PAYLOAD";

/// What stands between the list of signed headers and the signature.
const SIGNATURE: &[u8] = b", Signature=";

/// With fewer names a header map has always room for more: it refuses to grow once a fifth of what it can
/// hold at most is taken, if the names were chosen to collide, and otherwise later.
const MANY: usize = 6_000;

/// How many digits a hash has.
pub(super) const DIGITS: usize = 64;

/// How many digits a signature has at most: that of ECDSA, in DER.
pub(super) const LONGEST_SIGNATURE: usize = 144;

/// What two values that share an allocation may have together, in bytes: enough for a dozen signed
/// headers with names of ordinary length.
const SHARED: usize = 512;

/// The values of `authorization`, which was written since `start`, and of `x-amz-content-sha256`.
///
/// A hash that is sent is in one allocation with the other value, and one that many requests have is
/// in none.
fn values(
    text: &mut Text<'_>,
    start: usize,
    hash: Option<&[u8]>,
) -> Result<(HeaderValue, Option<HeaderValue>), AuthError> {
    let Some(hash) = hash else {
        return Ok((header_value(written_since(text, start))?, None));
    };
    for known in MARKERS.into_iter().chain([EMPTY_SHA256_HEX]) {
        if hash == known.as_bytes() {
            let authorization = header_value(written_since(text, start))?;
            return Ok((authorization, Some(HeaderValue::from_static(known))));
        }
    }
    let end = text.len() - start;
    text.extend(hash);
    let both = written_since(text, start);
    let mut shared = [0; SHARED];
    let Some(place) = shared.get_mut(..both.len()) else {
        return Ok((header_value(&both[..end])?, Some(header_value(hash)?)));
    };
    place.copy_from_slice(both);
    let shared = Bytes::from_owner(shared);
    let value = |range| {
        HeaderValue::from_maybe_shared(shared.slice(range))
            .map_err(|_| AuthError::unwritable_signature())
    };
    Ok((value(0..end)?, Some(value(end..both.len())?)))
}

fn written_since<'a>(text: &'a Text<'_>, start: usize) -> &'a [u8] {
    text.written().get(start..).unwrap_or_default()
}

fn header_value(text: &[u8]) -> Result<HeaderValue, AuthError> {
    HeaderValue::from_bytes(text).map_err(|_| AuthError::unwritable_signature())
}
