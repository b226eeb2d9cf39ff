//! What is sent, and what others make of it.

use std::hint::black_box;
use std::pin::Pin;
use std::task::{Context, Poll};

use aws_runtime::content_encoding::{AwsChunkedBody, AwsChunkedBodyOptions};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use crc_fast::{CrcAlgorithm, Digest as Crc};
use http::{HeaderMap, HeaderValue};
use http_body::{Body, Frame, SizeHint};
use sha2::{Digest as _, Sha256};
use tower_client_auth::BoxError;

type Polled = Poll<Option<Result<Frame<Bytes>, BoxError>>>;

/// As much as comes at a time.
const FRAME: usize = 64 * 1024;

/// The same bytes again and again, without copying.
pub(crate) struct Frames {
    frame: Bytes,
    left: u64,
}

impl Frames {
    pub(crate) fn new(length: u64) -> Self {
        let frame: Vec<u8> = (0..FRAME).map(|at| (at % 251) as u8).collect();
        Self {
            frame: frame.into(),
            left: length,
        }
    }
}

impl Body for Frames {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Polled {
        let length = self.left.min(FRAME as u64);
        if length == 0 {
            return Poll::Ready(None);
        }
        self.left -= length;
        Poll::Ready(Some(Ok(Frame::data(self.frame.slice(..length as usize)))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// Hashes each frame, and passes it on: the least that signing in chunks can take.
pub(crate) struct HashEach(pub(crate) Frames);

impl Body for HashEach {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled {
        let polled = Pin::new(&mut self.0).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(data) = frame.data_ref()
        {
            black_box(Sha256::digest(data));
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

const TRAILER: &str = "x-amz-checksum-crc32c";
/// Of four bytes in Base64.
const TRAILER_VALUE: usize = 8;

/// What the AWS SDK sends with: chunks that are not signed, and a checksum after them.
pub(crate) fn aws_chunked(body: Frames) -> AwsChunkedBody<Checked> {
    let trailer = TRAILER.len() + ":".len() + TRAILER_VALUE;
    let options = AwsChunkedBodyOptions::new(body.left, vec![trailer as u64]);
    let crc = Some(Crc::new(CrcAlgorithm::Crc32Iscsi));
    AwsChunkedBody::new(Checked { body, crc }, options)
}

/// Has the checksum of what has passed as a trailer.
pub(crate) struct Checked {
    body: Frames,
    crc: Option<Crc>,
}

impl Body for Checked {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if let (Poll::Ready(Some(Ok(frame))), Some(crc)) = (&polled, &mut self.crc) {
            crc.update(frame.data_ref().map_or(&[], |data| data));
        }
        match (polled, &self.crc) {
            (Poll::Ready(None), Some(_)) => {}
            (polled, _) => return polled,
        }
        let crc = self.crc.take().map_or(0, |crc| crc.finalize()) as u32;
        let value = HeaderValue::try_from(BASE64_STANDARD.encode(crc.to_be_bytes()))?;
        let trailers = HeaderMap::from_iter([(TRAILER.parse()?, value)]);
        Poll::Ready(Some(Ok(Frame::trailers(trailers))))
    }
}
