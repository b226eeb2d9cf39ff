//! The signatures of an event stream's messages, each of which covers the one before.

use std::fmt;
use std::time::{Duration, SystemTime};

use bytes::{BufMut, Bytes, BytesMut};
use crc_fast::{CrcAlgorithm, checksum};
use hmac::Mac;
use sha2::{Digest, Sha256};

use super::credentials::SigningCredentials;
use super::date::second_of;
use super::options::SigningScope;
use super::signer::DIGITS;
use crate::error::{AuthError, AuthErrorKind};
use crate::hex::hex;

const MESSAGE: &str = "AWS4-HMAC-SHA256-PAYLOAD";

/// The headers of a signed message, whose values have the types 8, a time, and 6, bytes.
const DATE: &[u8] = b"\x05:date\x08";
const SIGNATURE: &[u8] = b"\x10:chunk-signature\x06\x00\x20";

/// Signs the messages of one event stream, in their order.
///
/// A signed message has a message for its payload, and the time and the signature for its headers. The first
/// one's covers the signature of the request's head, and each later one that of the message before: none can be
/// left out, doubled or exchanged. Behind the last one comes one with nothing in it. Of
/// [Amazon Transcribe][transcribe], and of all services that take streams of events over HTTP/2.
///
/// [`SignedEvents`](crate::SignedEvents) does this for a layer, and
/// [`Signer::event_signer`](super::Signer::event_signer) makes one for programs without tower:
///
/// ```
/// # use std::time::SystemTime;
/// # use aws_credential_types::Credentials;
/// # use tower_client_auth::PayloadHash;
/// # use tower_client_auth::sigv4::{Signer, SigningCredentials, SigningOptions, SigningScope};
/// # let scope = SigningScope::new("eu-west-1", "transcribe")?;
/// # let signer = Signer::new(scope, SigningOptions::default());
/// # let credentials = Credentials::new("AKIDEXAMPLE", "secret", None, None, "example");
/// # let credentials = SigningCredentials::new(credentials)?;
/// # // With no headers and no payload.
/// # let message = [0, 0, 0, 16, 0, 0, 0, 0, 0x05, 0xc2, 0x48, 0xeb, 0x7d, 0x98, 0xc8, 0xff];
/// let (mut head, _) = http::Request::post("https://transcribestreaming.eu-west-1.amazonaws.com/stream-transcription")
///     .header("content-type", "application/vnd.amazon.eventstream")
///     .body(())?
///     .into_parts();
/// signer.sign(&mut head, &credentials, &PayloadHash::StreamingEvents, SystemTime::now())?;
///
/// let mut events = signer.event_signer(&head, &credentials)?;
/// let first = events.message(&message, SystemTime::now())?;
/// let last = events.end(SystemTime::now())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// [transcribe]: https://docs.aws.amazon.com/transcribe/latest/dg/streaming-setting-up.html
#[derive(Clone)]
pub struct EventSigner {
    scope: SigningScope,
    credentials: SigningCredentials,
    previous: [u8; DIGITS],
}

impl EventSigner {
    /// The longest message that can be sent: it is the payload of another, which has 16 MiB at most.
    pub(crate) const LONGEST: usize = 16 * 1024 * 1024;

    /// The shortest one: two lengths, and two checksums.
    pub(crate) const SHORTEST: usize = 16;

    pub(super) fn new(
        scope: SigningScope,
        credentials: SigningCredentials,
        seed: [u8; DIGITS],
    ) -> Self {
        Self {
            scope,
            credentials,
            previous: seed,
        }
    }

    /// Signs the next message, which is given as it is encoded, as of `time`; the signed one as it is to be
    /// sent. Nothing may follow what [`end`](EventSigner::end) signed.
    ///
    /// # Errors
    ///
    /// [`AuthErrorKind::Request`] if the message is longer or shorter than any can be, or the time lies outside the
    /// years 1970 to 9999. The message before is then still the last one that was signed.
    pub fn message(&mut self, message: &[u8], time: SystemTime) -> Result<Bytes, AuthError> {
        if !(Self::SHORTEST..=Self::LONGEST).contains(&message.len()) {
            return Err(AuthError::new(
                AuthErrorKind::Request,
                "a message of an event stream has 16 bytes at least once it is encoded, and 16 MiB at most; `end` \
                 ends the stream",
            ));
        }
        self.sign(message, time)
    }

    fn sign(&mut self, message: &[u8], time: SystemTime) -> Result<Bytes, AuthError> {
        let second = second_of(time)?;
        let date = [DATE, &millis(second)].concat();
        let hashes = [&date, message].map(|part| hex(&Sha256::digest(part).into()));
        let [hash_of_date, hash_of_message] = &hashes;
        let previous = &self.previous;
        let signature = self.credentials.with_stamp(second, &self.scope, |stamp| {
            let secret = stamp.hmac().ok_or_else(not_for_v4a)?;
            let mut mac = stamp.begin(secret, MESSAGE);
            mac.update(previous);
            mac.update(b"\n");
            mac.update(hash_of_date);
            mac.update(b"\n");
            mac.update(hash_of_message);
            Ok(<[u8; 32]>::from(mac.finalize().into_bytes()))
        })?;
        self.previous = hex(&signature);
        Ok(framed(&[SIGNATURE, &signature, &date], message))
    }

    /// Signs what ends the stream.
    ///
    /// # Errors
    ///
    /// Those of [`message`](EventSigner::message).
    pub fn end(&mut self, time: SystemTime) -> Result<Bytes, AuthError> {
        self.sign(b"", time)
    }
}

/// A time as it stands in a header: to the second, which is what the string to sign says of it.
fn millis(second: u64) -> [u8; 8] {
    let time = Duration::from_secs(second).as_millis();
    // No year that can be signed has as many.
    i64::try_from(time).unwrap_or(i64::MAX).to_be_bytes()
}

/// A message: how long it and its headers are, the checksum of these two, headers, payload, and the checksum of
/// it all.
fn framed(headers: &[&[u8]], payload: &[u8]) -> Bytes {
    let length: usize = headers.iter().map(|part| part.len()).sum();
    let whole = 12 + length + payload.len() + 4;
    let mut text = BytesMut::with_capacity(whole);
    // A message is never longer than these numbers can say.
    text.put_u32(whole as u32);
    text.put_u32(length as u32);
    text.put_u32(crc32(&text));
    headers.iter().for_each(|part| text.put_slice(part));
    text.put_slice(payload);
    text.put_u32(crc32(&text));
    text.freeze()
}

pub(crate) fn crc32(data: &[u8]) -> u32 {
    // The number has 64 bits for the longer ones.
    checksum(CrcAlgorithm::Crc32IsoHdlc, data) as u32
}

#[cold]
pub(super) fn not_for_v4a() -> AuthError {
    AuthError::new(
        AuthErrorKind::Request,
        "messages of an event stream are signed with SigV4, and not with SigV4a: sign for one region",
    )
}

/// Shows no signature, and no key.
impl fmt::Debug for EventSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventSigner").finish_non_exhaustive()
    }
}
