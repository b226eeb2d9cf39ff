//! Checksums of bodies, as S3 takes them.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use crc_fast::{CrcAlgorithm, Digest as Crc};
use http::{HeaderName, HeaderValue};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

/// A checksum that S3 compares with the data it got, and keeps with the object: [checking object
/// integrity][s3].
///
/// [`Chunked`](crate::Chunked) computes it while a body streams and sends it behind the body. For data that
/// is at hand it can as well be sent as a header:
///
/// ```
/// use tower_client_auth::Checksum;
///
/// let checksum = Checksum::Crc32;
/// let request = http::Request::put("https://bucket.s3.eu-west-1.amazonaws.com/key")
///     .header(checksum.header_name(), checksum.of(b"hello"))
///     .body("hello")?;
/// assert_eq!(request.headers()["x-amz-checksum-crc32"], "NhCmhg==");
/// # Ok::<(), http::Error>(())
/// ```
///
/// | | bytes | speed |
/// |---|---|---|
/// | `Crc32`, `Crc32c`, `Crc64Nvme` | 4, 4, 8 | tens of GB/s where the machine has carry-less multiplication |
/// | `Sha1`, `Sha256` | 20, 32 | 1 to 2 GB/s where it has SHA extensions |
///
/// Any of them finds what was changed by accident. Against somebody on the way, signed chunks or TLS help.
///
/// [s3]: https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Checksum {
    /// CRC-32, that of gzip and zip.
    Crc32,
    /// CRC-32C, Castagnoli's.
    Crc32c,
    /// CRC-64/NVME: what S3 computes by itself, and the AWS SDKs for some years.
    Crc64Nvme,
    /// SHA-1. Not for new programs: others can make two bodies that have the same.
    Sha1,
    /// SHA-256.
    Sha256,
}

impl Checksum {
    /// The header or trailer it is sent as: `x-amz-checksum-crc32` and its like.
    pub fn header_name(self) -> HeaderName {
        HeaderName::from_static(self.name())
    }

    /// The checksum of `data`, as it is sent: base64.
    pub fn of(self, data: &[u8]) -> HeaderValue {
        let mut sum = Summing::new(self);
        sum.update(data);
        // Base64 can stand in any header.
        HeaderValue::from_str(&sum.finish()).unwrap_or_else(|_| HeaderValue::from_static(""))
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "x-amz-checksum-crc32",
            Self::Crc32c => "x-amz-checksum-crc32c",
            Self::Crc64Nvme => "x-amz-checksum-crc64nvme",
            Self::Sha1 => "x-amz-checksum-sha1",
            Self::Sha256 => "x-amz-checksum-sha256",
        }
    }

    /// How long it is in base64.
    pub(crate) fn digits(self) -> usize {
        let bytes: usize = match self {
            Self::Crc32 | Self::Crc32c => 4,
            Self::Crc64Nvme => 8,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        };
        bytes.div_ceil(3) * 4
    }
}

/// A checksum of data that comes in pieces.
pub(crate) enum Summing {
    Crc32(Crc),
    Crc64(Crc),
    Sha1(Sha1),
    Sha256(Sha256),
}

impl Summing {
    pub(crate) fn new(checksum: Checksum) -> Self {
        match checksum {
            Checksum::Crc32 => Self::Crc32(Crc::new(CrcAlgorithm::Crc32IsoHdlc)),
            Checksum::Crc32c => Self::Crc32(Crc::new(CrcAlgorithm::Crc32Iscsi)),
            Checksum::Crc64Nvme => Self::Crc64(Crc::new(CrcAlgorithm::Crc64Nvme)),
            Checksum::Sha1 => Self::Sha1(Sha1::new()),
            Checksum::Sha256 => Self::Sha256(Sha256::new()),
        }
    }

    pub(crate) fn update(&mut self, data: &[u8]) {
        match self {
            Self::Crc32(state) | Self::Crc64(state) => state.update(data),
            Self::Sha1(state) => state.update(data),
            Self::Sha256(state) => state.update(data),
        }
    }

    /// In base64.
    pub(crate) fn finish(self) -> String {
        match self {
            Self::Crc32(state) => BASE64_STANDARD.encode((state.finalize() as u32).to_be_bytes()),
            Self::Crc64(state) => BASE64_STANDARD.encode(state.finalize().to_be_bytes()),
            Self::Sha1(state) => BASE64_STANDARD.encode(state.finalize()),
            Self::Sha256(state) => BASE64_STANDARD.encode(state.finalize()),
        }
    }
}

impl fmt::Debug for Summing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Summing").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The checks that the catalogues of these algorithms give: of the digits 1 to 9.
    #[test]
    fn checksums_are_those_of_the_catalogues() {
        for (checksum, expected) in [
            (Checksum::Crc32, "y/Q5Jg=="),
            (Checksum::Crc32c, "4waSgw=="),
            (Checksum::Crc64Nvme, "rosUhgp5mIg="),
            (Checksum::Sha1, "98O8HYCOBHMq32eZZczDTKeuNEE="),
            (
                Checksum::Sha256,
                "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=",
            ),
        ] {
            assert_eq!(checksum.of(b"123456789"), expected, "{checksum:?}");
            assert_eq!(checksum.digits(), expected.len(), "{checksum:?}");
            assert_eq!(checksum.header_name(), checksum.name());
            let mut pieces = Summing::new(checksum);
            for digit in b"123456789".chunks(2) {
                pieces.update(digit);
            }
            assert_eq!(pieces.finish(), expected, "{checksum:?}");
        }
    }
}
