//! What a signature says about the body.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::error::{AuthError, AuthErrorKind};

/// The *payload hash* of a request: what an [`Authorizer`](crate::Authorizer) learns about the body.
///
/// A request whose hash is already known (a file with a stored digest, say) skips buffering
/// altogether: hand it over with
/// [`AuthOverride::payload_hash`](crate::AuthOverride::payload_hash).
///
/// ```
/// use tower_client_auth::PayloadHash;
///
/// let known = PayloadHash::of(b"");
/// assert_eq!(
///     known.to_string(),
///     "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
/// );
/// assert_eq!(PayloadHash::from_hex(&known.to_string())?, known);
/// # Ok::<(), tower_client_auth::AuthError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PayloadHash {
    /// The SHA-256 of the whole body.
    Sha256([u8; 32]),
    /// The signature does not cover the body: `UNSIGNED-PAYLOAD`. Only some services accept it (S3
    /// does, API Gateway does not), and `SigV4Layer` refuses it over plain http.
    Unsigned,
    /// The body is sent in chunks, each with a signature of its own:
    /// `STREAMING-AWS4-HMAC-SHA256-PAYLOAD`. Of S3. [`Chunked`](crate::Chunked) does all of it.
    Streaming,
    /// As `Streaming`, with signed trailers behind the chunks:
    /// `STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER`.
    StreamingTrailer,
    /// The body is sent in chunks that are not signed, with a checksum as a trailer:
    /// `STREAMING-UNSIGNED-PAYLOAD-TRAILER`. Of S3, and refused over plain http.
    ///
    /// A body that is encoded so already, as the AWS SDKs send them, goes on as it is with
    /// [`AuthOverride::payload_hash`](crate::AuthOverride::payload_hash).
    StreamingUnsignedTrailer,
    /// The body is a stream of events, each with a signature of its own:
    /// `STREAMING-AWS4-HMAC-SHA256-EVENTS`. Of Amazon Transcribe and its like.
    /// [`SignedEvents`](crate::SignedEvents) does all of it.
    StreamingEvents,
}

/// What AWS puts in place of a hash when the body is not signed.
pub(crate) const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";

const STREAMING: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
const STREAMING_TRAILER: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER";
const STREAMING_UNSIGNED_TRAILER: &str = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";

const STREAMING_EVENTS: &str = "STREAMING-AWS4-HMAC-SHA256-EVENTS";

/// All that stands in place of a hash.
#[cfg(feature = "sigv4")]
pub(crate) const MARKERS: [&str; 5] = [
    UNSIGNED_PAYLOAD,
    STREAMING,
    STREAMING_TRAILER,
    STREAMING_UNSIGNED_TRAILER,
    STREAMING_EVENTS,
];

/// SHA-256 of nothing, so that requests without a body hash nothing.
const EMPTY_SHA256: [u8; 32] = [
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24,
    0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
];

/// The same in digits.
#[cfg(feature = "sigv4")]
pub(crate) const EMPTY_SHA256_HEX: &str =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

impl PayloadHash {
    /// The hash of an empty body.
    pub const EMPTY: Self = Self::Sha256(EMPTY_SHA256);

    /// Hashes `body`. Takes about 0.6 ms per MiB on a machine with SHA extensions: hash large
    /// bodies away from the async worker threads, as [`Buffer`](crate::Buffer) does if it is
    /// [told to](crate::Buffer::hash_elsewhere_from).
    pub fn of(body: &[u8]) -> Self {
        if body.is_empty() {
            return Self::EMPTY;
        }
        Self::Sha256(Sha256::digest(body).into())
    }

    /// A hash somebody else computed, as 64 hexadecimal digits of either case.
    ///
    /// # Errors
    ///
    /// [`AuthErrorKind::Configuration`] if it is not that.
    pub fn from_hex(hex: &str) -> Result<Self, AuthError> {
        let malformed = || {
            AuthError::new(
                AuthErrorKind::Configuration,
                "a payload hash is a SHA-256 in 64 hexadecimal digits",
            )
        };
        if hex.len() != 64 {
            return Err(malformed());
        }
        let mut hash = [0; 32];
        for (byte, pair) in hash.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
            let digit = |c: u8| char::from(c).to_digit(16);
            let (Some(high), Some(low)) = (digit(pair[0]), digit(pair[1])) else {
                return Err(malformed());
            };
            *byte = (high * 16 + low) as u8;
        }
        Ok(Self::Sha256(hash))
    }

    /// What stands in place of a hash, where there is none.
    pub(crate) fn marker(&self) -> Option<&'static str> {
        match self {
            Self::Sha256(_) => None,
            Self::Unsigned => Some(UNSIGNED_PAYLOAD),
            Self::Streaming => Some(STREAMING),
            Self::StreamingTrailer => Some(STREAMING_TRAILER),
            Self::StreamingUnsignedTrailer => Some(STREAMING_UNSIGNED_TRAILER),
            Self::StreamingEvents => Some(STREAMING_EVENTS),
        }
    }

    /// Whether signatures of chunks follow that of the head.
    #[cfg(feature = "sigv4")]
    pub(crate) fn has_signed_chunks(&self) -> bool {
        matches!(self, Self::Streaming | Self::StreamingTrailer)
    }

    /// Whether signatures of any pieces of the body follow that of the head.
    #[cfg(feature = "sigv4")]
    pub(crate) fn has_signed_pieces(&self) -> bool {
        self.has_signed_chunks() || *self == Self::StreamingEvents
    }

    /// Whether nothing but TLS and checksums protects the body.
    #[cfg(feature = "sigv4")]
    pub(crate) fn is_unsigned(&self) -> bool {
        matches!(self, Self::Unsigned | Self::StreamingUnsignedTrailer)
    }
}

/// As it stands in a canonical request and in `x-amz-content-sha256`.
impl fmt::Display for PayloadHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sha256(hash) => hash.iter().try_for_each(|byte| write!(f, "{byte:02x}")),
            _ => f.write_str(self.marker().unwrap_or_default()),
        }
    }
}

impl fmt::Debug for PayloadHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PayloadHash({self})")
    }
}

/// Hashes a body that arrives in pieces.
#[derive(Default)]
pub(crate) struct PayloadHasher {
    state: Option<Sha256>,
}

impl PayloadHasher {
    pub(crate) fn update(&mut self, data: &[u8]) {
        if !data.is_empty() {
            self.state.get_or_insert_with(Sha256::new).update(data);
        }
    }

    pub(crate) fn finish(self) -> PayloadHash {
        match self.state {
            Some(state) => PayloadHash::Sha256(state.finalize().into()),
            None => PayloadHash::EMPTY,
        }
    }
}
