//! Bodies that are signed, or checked, chunk by chunk while they stream.

mod body;
mod encoder;
mod framing;
mod held;
mod trailers;
mod uncut;

use std::sync::Arc;

use http::request;
use http_body::Body;

pub use self::body::ChunkedBody;
use self::framing::{Cut, Framing};
use self::uncut::Kind;
pub use self::uncut::{Uncut, WholeFuture};
use super::auth_body::Buffered;
use super::body::{Buffer, CloneBody, Passthrough, PreparePayload, Readied, Step, unread};
use super::{Need, ReplayBody, Sealing};
use crate::checksum::Checksum;
use crate::error::{AuthError, AuthErrorKind, BoxError};
use crate::payload::PayloadHash;

/// Bodies of any size stream to S3 in chunks (`aws-chunked`), which are signed one by one, or followed by a
/// checksum. Nothing is read ahead.
///
/// ```
/// use aws_credential_types::Credentials;
/// use tower_client_auth::{Chunked, SigV4Layer};
///
/// let credentials = Credentials::new("AKIDEXAMPLE", "secret", None, None, "example");
/// let layer = SigV4Layer::new("eu-west-1", "s3", credentials)?.payload(Chunked::signed());
/// # Ok::<(), tower_client_auth::AuthError>(())
/// ```
///
/// With larger chunks, a checksum that S3 keeps with the object, and a second attempt if the first is
/// rejected before a MiB of it has gone:
///
/// ```
/// use aws_credential_types::Credentials;
/// use tower_client_auth::{Checksum, Chunked, ReplayBody, SigV4Layer};
///
/// # let credentials = Credentials::new("AKIDEXAMPLE", "secret", None, None, "example");
/// let chunked = Chunked::signed()
///     .chunk_size(256 * 1024)?
///     .checksum(Checksum::Crc64Nvme)
///     .keeping(ReplayBody::new(1024 * 1024));
/// let layer = SigV4Layer::new("eu-west-1", "s3", credentials)?.retry_rejected(chunked);
/// # Ok::<(), tower_client_auth::AuthError>(())
/// ```
///
/// | | the body is protected by | `x-amz-content-sha256` | costs |
/// |---|---|---|---|
/// | `signed()` | a signature of each chunk | `STREAMING-AWS4-HMAC-SHA256-PAYLOAD` | SHA-256 of the body |
/// | `signed().checksum(…)` | the same, and a signed checksum | `STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER` | both |
/// | `unsigned(…)` | TLS, and a checksum | `STREAMING-UNSIGNED-PAYLOAD-TRAILER` | the checksum |
///
/// The second is for plain http as well, the third is what the AWS SDKs do over https, and refused over
/// plain http except to loopback.
///
/// - **Objects and parts go in chunks**: `PUT` with a path and no query but `partNumber`, `uploadId`, `versionId`
///   and what begins with `x-`. S3 takes no other body so; those of the end of a multipart upload, of tags and
///   the like are read and hashed first, up to 10 MiB, as [`Buffer`] does it. (The `PUT` that makes a
///   bucket looks like an object where the bucket's name is in the path: give its
///   [hash](crate::AuthOverride::payload_hash).)
/// - **For S3**: to services that know no `aws-chunked`, all bodies go as with [`Buffer`];
///   [`SigningOptions::chunks`](crate::sigv4::SigningOptions::chunks) says which is which. Not all that speak like
///   S3 take them: Cloudflare R2 takes no signed chunks, and wants
///   [`unsigned_payload`](crate::AuthorizeLayer::unsigned_payload); MinIO takes chunks of up to 16 MiB. Some
///   keep `aws-chunked` in the object's `content-encoding`, which AWS takes off.
/// - **Without SigV4**, and for requests that are not signed, bodies stream as they are.
/// - **The length must be known** beforehand, since S3 wants it first: an exact size hint, or a
///   `content-length` of the caller's, which is that of the body before it is encoded. It goes out as
///   `x-amz-decoded-content-length`; `content-length` becomes that of the encoded body. What is of no known
///   length is uploaded in parts. A body that turns out longer or shorter is an error, and never taken
///   for whole.
/// - **Bodies that say they are empty** (of a GET, of the start of a multipart upload) are not encoded, and have the
///   hash of nothing. What is not in chunks has no checksum of the layer's: set one as a header where S3 asks for it.
/// - **Headers of the caller's** are kept: `aws-chunked` is put before a `content-encoding`. A checksum that the
///   request has as a header, or names in `x-amz-trailer`, is in place of the layer's. Under `unsigned`, a body
///   whose checksum is in a header is not encoded, and goes out as `UNSIGNED-PAYLOAD`.
/// - **Trailers of the body's** go out, signed if the chunks are, if they are S3's (`x-amz-checksum-…` and the like) and
///   the request names them in `x-amz-trailer`; others are an error. `content-length` is left out then, as their
///   length is not known.
/// - **Requests that say otherwise** are heeded: with a hash in
///   [`AuthOverride`](crate::AuthOverride::payload_hash), or under
///   [`unsigned_payload`](crate::AuthorizeLayer::unsigned_payload), nothing is encoded.
/// - **Memory**: of a body that is signed, the chunk at hand is held, and copied only if it comes in many
///   small pieces; of one that is not, nothing. It allocates once for each chunk. Nothing is read from the
///   body that the connection does not ask for.
///
/// # Errors
///
/// Those of [`Buffer`] for bodies that are read first. [`AuthErrorKind::Request`] if the length is not known, if
/// the body is encoded already, or if a header it goes by cannot be read; nothing is sent then.
/// [`AuthErrorKind::Payload`] while the body is sent, if it is not as long as it was said to be or has trailers
/// that were not named. Errors of the body's own come through as they are. Clients wrap what comes while a body
/// is sent, where [`AuthError::find`] finds it; over HTTP/2, hyper says only that the stream was reset.
///
/// Source: [signed chunks][chunks] and [trailers][trailers] of S3.
///
/// [chunks]: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html
/// [trailers]: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html
#[derive(Clone, Copy, Debug)]
pub struct Chunked<P = Passthrough> {
    settings: Settings,
    kept: P,
}

#[derive(Clone, Copy, Debug)]
struct Settings {
    signed: bool,
    checksum: Option<Checksum>,
    /// Bytes of data in a chunk.
    size: usize,
}

impl Chunked {
    /// 64 KiB: S3's own advice for the least there should be, and what the AWS SDKs take.
    pub const DEFAULT_CHUNK_SIZE: usize = 64 * 1024;

    /// 8 KiB: the least that S3 takes, but for a last chunk.
    pub const MIN_CHUNK_SIZE: usize = 8 * 1024;

    /// Signs each chunk.
    pub fn signed() -> Self {
        Self::new(true, None)
    }

    /// Signs no chunk, and sends a checksum of the body behind it.
    pub fn unsigned(checksum: Checksum) -> Self {
        Self::new(false, Some(checksum))
    }

    fn new(signed: bool, checksum: Option<Checksum>) -> Self {
        Self {
            settings: Settings {
                signed,
                checksum,
                size: Self::DEFAULT_CHUNK_SIZE,
            },
            kept: Passthrough,
        }
    }
}

impl<P> Chunked<P> {
    /// Sends this checksum of the body behind it. For the parts of a multipart upload it must be the one that the
    /// upload was started with (`x-amz-checksum-algorithm`).
    #[must_use]
    pub fn checksum(mut self, checksum: Checksum) -> Self {
        self.settings.checksum = Some(checksum);
        self
    }

    /// Puts `size` bytes into each chunk; there is less in the last. Each signed chunk takes that much memory
    /// while it is put together, and some 90 bytes more on the wire.
    ///
    /// # Errors
    ///
    /// [`AuthErrorKind::Configuration`] below 8 KiB, which S3 takes for a last chunk only.
    pub fn chunk_size(mut self, size: usize) -> Result<Self, AuthError> {
        if size < Chunked::MIN_CHUNK_SIZE {
            return Err(AuthError::new(
                AuthErrorKind::Configuration,
                format!("chunks of {size} bytes are too small: S3 takes no fewer than 8192"),
            ));
        }
        self.settings.size = size;
        Ok(self)
    }

    /// Has bodies kept so that they can be sent twice: by [`ReplayBody`](crate::ReplayBody), or by
    /// [`CloneBody`](crate::CloneBody). They are encoded and signed anew for the second attempt.
    pub fn keeping<Q: Keeps>(self, kept: Q) -> Chunked<Q> {
        Chunked {
            settings: self.settings,
            kept,
        }
    }
}

/// What keeps bodies that stream, below [`Chunked`]. Sealed.
pub trait Keeps: sealed::Sealed {}

impl Keeps for Passthrough {}
impl Keeps for CloneBody {}
impl Keeps for ReplayBody {}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Passthrough {}
    impl Sealed for super::CloneBody {}
    impl Sealed for super::ReplayBody {}
}

impl<B, P> PreparePayload<B> for Chunked<P>
where
    B: Body,
    B::Error: Into<BoxError>,
    P: PreparePayload<B>,
    P::Body: Body,
    <P::Body as Body>::Error: Into<BoxError>,
{
    type Prepared = Uncut<P::Prepared>;
    type Spare = Uncut<P::Spare>;
    type Body = ChunkedBody<P::Body>;
    type Future = WholeFuture<B, P::Prepared>;

    fn stream(&self, body: B) -> Uncut<P::Prepared> {
        match body.is_end_stream() {
            true => Kind::Whole(Buffered::default()).into(),
            false => Kind::Stream(self.kept.stream(body)).into(),
        }
    }

    fn prepare(
        &self,
        head: &mut request::Parts,
        need: Need,
        body: B,
    ) -> Step<Readied<Uncut<P::Prepared>>, Self::Future> {
        let cut = match need {
            Need::Payload | Need::Events => Ok(Cut::Not),
            Need::Chunks => Framing::of(&self.settings, head, &body),
            need => return Step::Now(unread(need, self.stream(body))),
        };
        match cut {
            Ok(Cut::Into(framing)) => {
                let hash = framing.payload_hash();
                let uncut = Kind::Cut(self.kept.stream(body), Arc::new(framing));
                Step::Now(Ok((uncut.into(), hash)))
            }
            Ok(Cut::Unsigned) => Step::Now(Ok((self.stream(body), PayloadHash::Unsigned))),
            Ok(Cut::Not) => match Buffer::default().prepare(head, Need::Payload, body) {
                Step::Now(readied) => Step::Now(readied.map(|(prepared, hash)| {
                    let body = prepared.buffered().unwrap_or_default();
                    (Kind::Whole(body).into(), hash)
                })),
                Step::Later(future) => Step::Later(WholeFuture::new(future)),
            },
            Err(error) => Step::Now(Err(error)),
        }
    }

    fn keep(&self, prepared: &Uncut<P::Prepared>) -> Option<Uncut<P::Spare>> {
        let kept = match &prepared.0 {
            Kind::Stream(body) => Kind::Stream(self.kept.keep(body)?),
            Kind::Cut(body, framing) => Kind::Cut(self.kept.keep(body)?, Arc::clone(framing)),
            Kind::Whole(body) => Kind::Whole(body.clone()),
        };
        Some(kept.into())
    }

    fn replay(&self, spare: Uncut<P::Spare>) -> Option<Uncut<P::Prepared>> {
        let again = match spare.0 {
            Kind::Stream(body) => Kind::Stream(self.kept.replay(body)?),
            Kind::Cut(body, framing) => Kind::Cut(self.kept.replay(body)?, framing),
            Kind::Whole(body) => Kind::Whole(body),
        };
        Some(again.into())
    }

    fn seal(&self, prepared: Uncut<P::Prepared>, mut sealing: Sealing) -> ChunkedBody<P::Body> {
        let signer = sealing.signer.take();
        match prepared.0 {
            Kind::Stream(body) => ChunkedBody::plain(self.kept.seal(body, sealing)),
            Kind::Cut(body, framing) => {
                ChunkedBody::chunked(self.kept.seal(body, sealing), framing, signer)
            }
            Kind::Whole(body) => ChunkedBody::whole(body),
        }
    }

    fn bypass(&self, body: B) -> ChunkedBody<P::Body> {
        ChunkedBody::plain(self.kept.bypass(body))
    }
}
