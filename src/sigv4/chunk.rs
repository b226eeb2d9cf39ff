//! The signatures of a body that is sent in chunks, each of which covers the one before.

use std::fmt;
use std::sync::Arc;

use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

use super::key::Stamp;
use crate::hex::hex;
use crate::payload::EMPTY_SHA256_HEX;

const CHUNK: &str = "AWS4-HMAC-SHA256-PAYLOAD";
const TRAILER: &str = "AWS4-HMAC-SHA256-TRAILER";

/// Signs the chunks of one body, in their order, and what stands behind them.
///
/// The signature of the head is the *seed*: the first chunk's covers it, and each later one that of the
/// chunk before. None can be left out, doubled or exchanged, and the chunks of one request are no good
/// in another. Of S3: [signed chunks][chunks], [trailers][trailers].
///
/// [`Chunked`](crate::Chunked) does this for a layer, and [`Signer::chunk_signer`](super::Signer::chunk_signer)
/// makes one for programs without tower:
///
/// ```
/// # use std::time::SystemTime;
/// # use aws_credential_types::Credentials;
/// # use tower_client_auth::PayloadHash;
/// # use tower_client_auth::sigv4::{Signer, SigningCredentials, SigningOptions, SigningScope};
/// # let scope = SigningScope::new("eu-west-1", "s3")?;
/// # let signer = Signer::new(scope, SigningOptions::for_service("s3"));
/// # let credentials = Credentials::new("AKIDEXAMPLE", "secret", None, None, "example");
/// # let credentials = SigningCredentials::new(credentials)?;
/// # let now = SystemTime::now();
/// let (mut head, _) = http::Request::put("https://bucket.s3.eu-west-1.amazonaws.com/key")
///     .header("content-encoding", "aws-chunked")
///     .header("x-amz-decoded-content-length", "5")
///     .body(())?
///     .into_parts();
/// signer.sign(&mut head, &credentials, &PayloadHash::Streaming, now)?;
///
/// let mut chunks = signer.chunk_signer(&head, &credentials, now)?;
/// let (first, last) = (chunks.chunk(b"hello"), chunks.chunk(b""));
/// let body = format!("5;chunk-signature={first}\r\nhello\r\n0;chunk-signature={last}\r\n\r\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// [chunks]: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html
/// [trailers]: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html
#[derive(Clone)]
pub struct ChunkSigner {
    stamp: Arc<Stamp>,
    secret: Hmac<Sha256>,
    /// What the strings to sign of all chunks begin with.
    beginning: Hmac<Sha256>,
    previous: [u8; 64],
}

impl ChunkSigner {
    /// `None` where the stamp is one of SigV4a.
    pub(super) fn new(stamp: Arc<Stamp>, seed: [u8; 64]) -> Option<Self> {
        let secret = stamp.hmac()?.clone();
        Some(Self {
            beginning: stamp.begin(&secret, CHUNK),
            stamp,
            secret,
            previous: seed,
        })
    }

    /// The signature of the next chunk, given its data; the last chunk has none.
    pub fn chunk(&mut self, data: &[u8]) -> String {
        let hash = Sha256::digest(data).into();
        text(&self.hashed_chunk(&hash))
    }

    /// The signature of what follows the last chunk, given as it is signed: `name:value` in lower case,
    /// each with a line feed behind it, sorted by name.
    pub fn trailers(&mut self, canonical: &str) -> String {
        text(&self.canonical_trailers(canonical.as_bytes()))
    }

    /// The signature of the next chunk, given the SHA-256 of its data.
    pub(crate) fn hashed_chunk(&mut self, hash: &[u8; 32]) -> [u8; 64] {
        let mut mac = self.beginning.clone();
        mac.update(&self.previous);
        mac.update(b"\n");
        mac.update(EMPTY_SHA256_HEX.as_bytes());
        mac.update(b"\n");
        self.finish(mac, hash)
    }

    pub(crate) fn canonical_trailers(&mut self, canonical: &[u8]) -> [u8; 64] {
        let mut mac = self.stamp.begin(&self.secret, TRAILER);
        mac.update(&self.previous);
        mac.update(b"\n");
        self.finish(mac, &Sha256::digest(canonical).into())
    }

    fn finish(&mut self, mut mac: Hmac<Sha256>, hash: &[u8; 32]) -> [u8; 64] {
        mac.update(&hex(hash));
        self.previous = hex(&mac.finalize().into_bytes().into());
        self.previous
    }
}

fn text(digits: &[u8; 64]) -> String {
    String::from_utf8_lossy(digits).into_owned()
}

/// Shows no signature, and no key.
impl fmt::Debug for ChunkSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChunkSigner").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
