//! The body of a request: in memory, from a file, or as it comes in.

use std::fs::Metadata;
use std::io::{self, IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderValue;
use http_body::{Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use serde::de::IgnoredAny;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncRead, AsyncReadExt as _, ReadBuf};
use tower_client_auth::PayloadHash;

use crate::exit::Failure;
pub(crate) use crate::meter::Meter;

/// What is sent.
pub(crate) type Body = UnsyncBoxBody<Bytes, io::Error>;

/// Bodies up to here are kept in memory, so that they can be sent again.
pub(crate) const IN_MEMORY: usize = 1024 * 1024;

/// API Gateway takes no more in one request, and what has to be hashed and cannot be read twice is kept.
const MOST_IN_MEMORY: u64 = 10 * 1024 * 1024;

const CHUNK: usize = 64 * 1024;

/// Where a body comes from.
pub(crate) enum Payload {
    Memory(Bytes),
    /// Read anew for each request. The hash is there if the mode needs one.
    File {
        path: PathBuf,
        length: u64,
        hash: Option<PayloadHash>,
    },
    /// Read once, as it comes: `None` is stdin.
    Stream(Option<PathBuf>),
}

impl Payload {
    /// Reads as much as has to be read: what `-d` or `--json` says. A mode that signs the body wants it hashed.
    pub(crate) async fn read(data: &str, hashed: bool, meter: &Meter) -> Result<Self, Failure> {
        let Some(name) = data.strip_prefix('@') else {
            return Ok(Self::Memory(Bytes::from(data.to_owned())));
        };
        if name == "-" {
            return Self::of_stream(None, hashed).await;
        }
        let path = PathBuf::from(name);
        let metadata = metadata(&path)?;
        if !metadata.is_file() {
            return Self::of_stream(Some(path), hashed).await;
        }
        let length = metadata.len();
        if length <= IN_MEMORY as u64 {
            let bytes = std::fs::read(&path).map_err(|error| unreadable(&path, &error))?;
            return Ok(Self::Memory(bytes.into()));
        }
        let hash = match hashed {
            true => Some(hash(&path, length, meter).await?),
            false => None,
        };
        Ok(Self::File { path, length, hash })
    }

    async fn of_stream(path: Option<PathBuf>, hashed: bool) -> Result<Self, Failure> {
        if !hashed {
            return Ok(Self::Stream(path));
        }
        let mut bytes = Vec::new();
        let reader = open(path.as_deref()).await?;
        let read = reader
            .take(MOST_IN_MEMORY + 1)
            .read_to_end(&mut bytes)
            .await;
        read.map_err(|error| Failure::no_answer(format!("the body cannot be read: {error}")))?;
        if bytes.len() as u64 > MOST_IN_MEMORY {
            return Err(Failure::usage(
                "a signature covers the whole body, and only 10 MiB of one that is no file are kept: write it to \
                 a file, and type `-d @FILE`",
            ));
        }
        Ok(Self::Memory(bytes.into()))
    }

    /// What it is probably, if the caller does not say.
    pub(crate) fn content_type(&self, data: &str, json: bool) -> HeaderValue {
        let file = data.strip_prefix('@');
        let is_json = match self {
            _ if json => true,
            _ if file.is_some_and(|name| name.to_ascii_lowercase().ends_with(".json")) => true,
            Self::Memory(bytes) => serde_json::from_slice::<IgnoredAny>(bytes).is_ok(),
            _ => false,
        };
        HeaderValue::from_static(match file {
            _ if is_json => "application/json",
            Some(_) => "application/octet-stream",
            None => "text/plain; charset=utf-8",
        })
    }

    pub(crate) fn hash(&self) -> Option<PayloadHash> {
        match self {
            Self::Memory(bytes) => Some(PayloadHash::of(bytes)),
            Self::File { hash, .. } => *hash,
            Self::Stream(_) => None,
        }
    }

    /// The body of a request.
    pub(crate) async fn body(&self, meter: &Meter) -> Result<Body, Failure> {
        let (path, length) = match self {
            Self::Memory(bytes) => {
                let body = Full::new(bytes.clone());
                return Ok(body.map_err(|never| match never {}).boxed_unsync());
            }
            Self::File { path, length, .. } => (Some(path.as_path()), Some(*length)),
            Self::Stream(path) => (path.as_deref(), None),
        };
        let reader = open(path).await?;
        let body = Streamed {
            reader,
            left: length,
            begun: false,
            meter: meter.clone(),
        };
        Ok(body.boxed_unsync())
    }
}

fn metadata(path: &Path) -> Result<Metadata, Failure> {
    let metadata = std::fs::metadata(path).map_err(|error| unreadable(path, &error))?;
    match metadata.is_dir() {
        true => Err(Failure::usage(format!(
            "`-d @{}` names a folder: type a file's name",
            path.display()
        ))),
        false => Ok(metadata),
    }
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::usage(format!(
        "`-d @{}` cannot be read: {error}; a text that begins with `@` goes in by `-d @-`",
        path.display()
    ))
}

async fn open(path: Option<&Path>) -> Result<Pin<Box<dyn AsyncRead + Send>>, Failure> {
    let Some(path) = path else {
        if io::stdin().is_terminal() {
            crate::output::remark("the body is what you type, until Ctrl-D");
        }
        return Ok(Box::pin(tokio::io::stdin()));
    };
    let file = tokio::fs::File::open(path).await;
    Ok(Box::pin(file.map_err(|error| unreadable(path, &error))?))
}

async fn hash(path: &Path, length: u64, meter: &Meter) -> Result<PayloadHash, Failure> {
    meter.begin("hashing", length);
    let (file, bar) = (path.to_owned(), meter.clone());
    let hashing = tokio::task::spawn_blocking(move || -> io::Result<PayloadHash> {
        // What is added meanwhile is not sent either.
        let mut file = std::fs::File::open(file)?.take(length);
        let (mut hash, mut chunk) = (Sha256::new(), vec![0; CHUNK]);
        loop {
            match file.read(&mut chunk)? {
                0 => return Ok(PayloadHash::Sha256(hash.finalize().into())),
                read => {
                    hash.update(&chunk[..read]);
                    bar.moved_by(read);
                }
            }
        }
    });
    let hashed = hashing.await.map_err(io::Error::other).flatten();
    meter.end();
    hashed.map_err(|error| unreadable(path, &error))
}

/// A body that is read while it is sent.
struct Streamed {
    reader: Pin<Box<dyn AsyncRead + Send>>,
    /// `None` if nobody knows.
    left: Option<u64>,
    begun: bool,
    meter: Meter,
}

impl http_body::Body for Streamed {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = &mut *self;
        if !this.begun {
            this.begun = true;
            // Without an end there is no bar.
            this.left
                .inspect(|length| this.meter.begin("sending", *length));
        }
        let room = this.left.unwrap_or(u64::MAX).min(CHUNK as u64);
        if room == 0 {
            this.meter.end();
            return Poll::Ready(None);
        }
        let mut chunk = vec![0; room as usize];
        let mut buffer = ReadBuf::new(&mut chunk);
        this.meter.set_waiting(true);
        ready!(this.reader.as_mut().poll_read(cx, &mut buffer))?;
        this.meter.set_waiting(false);
        let read = buffer.filled().len();
        if read == 0 {
            this.meter.end();
            let shorter = "the file became shorter while it was sent";
            return Poll::Ready(this.left.map(|_| Err(io::Error::other(shorter))));
        }
        if let Some(left) = &mut this.left {
            *left -= read as u64;
        }
        this.meter.moved_by(read);
        chunk.truncate(read);
        Poll::Ready(Some(Ok(Frame::data(chunk.into()))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::new, SizeHint::with_exact)
    }
}
