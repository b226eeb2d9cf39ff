//! Bodies in chunks that a caller signed with whatever credentials it has: the data comes out of them, to be
//! signed anew.
//!
//! Some SDKs send uploads to S3 so over plain http. After S3's [signed chunks][chunks] and [trailers][trailers].
//!
//! [chunks]: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html
//! [trailers]: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http_body::{Body, Frame, SizeHint};
use tower_client_auth::BoxError;

use crate::body::{Fault, Meter};
use crate::refusal::Refusal;

/// A body as it is, or taken out of its chunks.
pub(crate) struct Unchunked<B> {
    body: B,
    decoder: Option<Decoder>,
}

impl<B> Unchunked<B> {
    pub(crate) fn new(body: B, decoder: Option<Decoder>) -> Self {
        Self { body, decoder }
    }
}

/// What is still to come of a body in chunks.
pub(crate) struct Decoder {
    held: BytesMut,
    next: Next,
    /// Bytes of data.
    left: u64,
    /// The last piece, and trailers: whoever counts bytes asks for nothing behind the last piece, which so goes out
    /// once all that follows it has been seen.
    last: VecDeque<Frame<Bytes>>,
    is_over: bool,
    meter: Arc<Meter>,
}

enum Next {
    /// How long a chunk is, and its signature.
    Size,
    /// So much of its data.
    Data(u64),
    /// The end of its line.
    DataEnd,
    Trailers(HeaderMap),
    /// What the caller's HTTP has after it, which is nothing.
    End,
}

/// Signatures have 64 letters, and those of SigV4a 144; checksums fewer.
const LONGEST_LINE: usize = 1024;

const MOST_TRAILERS: usize = 8;

/// The body is not what its head says.
struct Malformed;

impl Decoder {
    /// Readies a head for its body without chunks.
    pub(crate) fn of(headers: &mut HeaderMap, meter: Arc<Meter>) -> Result<Self, Refusal> {
        let length = headers.remove("x-amz-decoded-content-length");
        let length = length.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        let left = length.ok_or_else(|| {
            Refusal::bad_request(
                "bad_chunks",
                "a body in chunks has its length in `x-amz-decoded-content-length`",
            )
        })?;
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(left));
        let codings = headers.get_all(header::CONTENT_ENCODING).iter();
        let codings: Vec<&str> = codings
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(str::trim)
            .filter(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case("aws-chunked"))
            .collect();
        let rest = HeaderValue::from_str(&codings.join(", "))
            .ok()
            .filter(|rest| !rest.is_empty());
        headers.remove(header::CONTENT_ENCODING);
        if let Some(rest) = rest {
            headers.insert(header::CONTENT_ENCODING, rest);
        }
        Ok(Self {
            held: BytesMut::new(),
            next: Next::Size,
            left,
            last: VecDeque::new(),
            is_over: false,
            meter,
        })
    }

    fn malformed(&self) -> BoxError {
        self.meter.fail(Fault::Malformed).into()
    }

    /// The next piece, if enough has come for one.
    fn next(&mut self) -> Result<Option<Frame<Bytes>>, Malformed> {
        loop {
            match &mut self.next {
                Next::Size => {
                    let Some(line) = line(&mut self.held)? else {
                        return Ok(None);
                    };
                    let size = size(&line).filter(|size| *size <= self.left);
                    self.next = match size.ok_or(Malformed)? {
                        0 if self.left == 0 => Next::Trailers(HeaderMap::new()),
                        0 => return Err(Malformed),
                        size => Next::Data(size),
                    };
                }
                Next::Data(size) => {
                    if self.held.is_empty() {
                        return Ok(None);
                    }
                    let count = usize::try_from(*size)
                        .map_or(self.held.len(), |size| size.min(self.held.len()));
                    self.left -= count as u64;
                    *size -= count as u64;
                    if *size == 0 {
                        self.next = Next::DataEnd;
                    }
                    let piece = Frame::data(self.held.split_to(count).freeze());
                    match self.left {
                        0 => self.last.push_back(piece),
                        _ => return Ok(Some(piece)),
                    }
                }
                Next::DataEnd => match line(&mut self.held)? {
                    None => return Ok(None),
                    Some(line) if line.is_empty() => self.next = Next::Size,
                    Some(_) => return Err(Malformed),
                },
                Next::Trailers(trailers) => {
                    let Some(line) = line(&mut self.held)? else {
                        return Ok(None);
                    };
                    if !line.is_empty() {
                        add(trailers, &line)?;
                        continue;
                    }
                    let trailers = std::mem::take(trailers);
                    self.next = Next::End;
                    if !trailers.is_empty() {
                        self.last.push_back(Frame::trailers(trailers));
                    }
                }
                Next::End => {
                    return match self.held.is_empty() {
                        true => Ok(None),
                        false => Err(Malformed),
                    };
                }
            }
        }
    }
}

/// Without its end.
fn line(held: &mut BytesMut) -> Result<Option<Bytes>, Malformed> {
    let Some(end) = held
        .windows(2)
        .take(LONGEST_LINE)
        .position(|pair| pair == b"\r\n")
    else {
        return match held.len() > LONGEST_LINE {
            true => Err(Malformed),
            false => Ok(None),
        };
    };
    let line = held.split_to(end).freeze();
    held.advance(2);
    Ok(Some(line))
}

/// `10000;chunk-signature=…`. What the caller signed is of no interest.
fn size(line: &[u8]) -> Option<u64> {
    let digits = line.split(|byte| *byte == b';').next()?;
    let digits = std::str::from_utf8(digits).ok()?;
    let is_hex = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hex.then(|| u64::from_str_radix(digits, 16).ok())?
}

fn add(trailers: &mut HeaderMap, line: &[u8]) -> Result<(), Malformed> {
    let colon = line
        .iter()
        .position(|byte| *byte == b':')
        .ok_or(Malformed)?;
    let name = HeaderName::from_bytes(line[..colon].trim_ascii()).map_err(|_| Malformed)?;
    if trailers.len() == MOST_TRAILERS {
        return Err(Malformed);
    }
    // The caller's own.
    if name != "x-amz-trailer-signature" {
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii());
        trailers.insert(name, value.map_err(|_| Malformed)?);
    }
    Ok(())
}

impl<B> Body for Unchunked<B>
where
    B: Body<Data = Bytes, Error = BoxError> + Unpin,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        let Some(decoder) = &mut this.decoder else {
            return Pin::new(&mut this.body).poll_frame(cx);
        };
        loop {
            if decoder.is_over {
                return Poll::Ready(decoder.last.pop_front().map(Ok));
            }
            match decoder.next() {
                Ok(Some(frame)) => return Poll::Ready(Some(Ok(frame))),
                Ok(None) => {}
                Err(Malformed) => return Poll::Ready(Some(Err(decoder.malformed()))),
            }
            match ready!(Pin::new(&mut this.body).poll_frame(cx)) {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        decoder.held.extend_from_slice(&data);
                    }
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None if matches!(decoder.next, Next::End) => decoder.is_over = true,
                None => return Poll::Ready(Some(Err(decoder.malformed()))),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.decoder.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.decoder {
            Some(decoder) => {
                let last = decoder.last.iter().filter_map(Frame::data_ref);
                SizeHint::with_exact(
                    decoder.left + last.map(|piece| piece.len() as u64).sum::<u64>(),
                )
            }
            None => self.body.size_hint(),
        }
    }
}
