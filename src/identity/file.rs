//! Tokens from a file that somebody else keeps fresh.

use std::fmt;
use std::fs::{self, File};
use std::future::Future;
use std::io::{self, Read};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future;
use tokio::runtime::Handle;
use tokio::task::{AbortHandle, JoinHandle};
use zeroize::Zeroizing;

use super::cache::Cached;
use super::source::TokenSource;
use super::token::Token;
use crate::error::{AuthError, AuthErrorKind};
use crate::secret::Secret;

/// Reads a token from a file that somebody else replaces: a Kubernetes service account token, a
/// secret mounted into a container, what a sidecar such as Vault's agent or `spiffe-helper` writes.
///
/// ```no_run
/// use tower_client_auth::{BearerTokenLayer, TokenFile};
///
/// let token = TokenFile::new("/var/run/secrets/kubernetes.io/serviceaccount/token").cached();
/// let layer = BearerTokenLayer::new("https://kubernetes.default.svc", token)?;
/// # Ok::<(), tower_client_auth::AuthError>(())
/// ```
///
/// [`cached`](TokenFile::cached) reads the file again every minute, behind the requests, and also
/// before the token expires, if it is a JSON Web Token and says when. Without `refresh_every`, a
/// [`Cached`] would never read a token again that does not say when it expires. With other numbers:
///
/// ```
/// use std::time::Duration;
/// use tower_client_auth::{Cached, TokenFile};
///
/// let token = Cached::builder(TokenFile::new("/run/secrets/token"))
///     .refresh_every(Duration::from_secs(10))
///     .build()?;
/// # Ok::<(), tower_client_auth::AuthError>(())
/// ```
///
/// - Replace the file in one step, by renaming: what is half written is half a token.
/// - White space around the token is no part of it.
/// - As long as the file holds the same text, it is the same token: one that the server rejected is
///   not sent again as if it were another.
/// - The file is read on one of tokio's blocking threads, on one at a time.
///
/// A minute, because the file may change at any time: Kubernetes [replaces projected tokens] when four
/// fifths of their life have passed, after a day at the latest.
///
/// [replaces projected tokens]: https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/#serviceaccount-token-volume-projection
///
/// # Errors
///
/// A file that is missing, unreadable, empty or longer than 1 MiB is a transient
/// [`AuthErrorKind::Source`] error that names the file and never its content: it may be about to be
/// replaced. A text that cannot stand in a header is [`AuthErrorKind::MalformedCredential`].
#[derive(Clone)]
pub struct TokenFile {
    shared: Arc<Shared>,
}

struct Shared {
    path: PathBuf,
    last: Mutex<Option<Token>>,
    /// A dead network mount may hang a read for ever. Others wait for it, and strand no more threads.
    reading: Mutex<Option<Reading>>,
}

struct Reading {
    answer: future::Shared<ReadTask>,
    abort: AbortHandle,
}

/// What a file that is being read brings.
struct ReadTask {
    task: JoinHandle<Result<Token, AuthError>>,
}

/// How old a token gets before the file is read again. A replaced one is valid for minutes more.
const REREAD: Duration = Duration::from_secs(60);

/// Tokens are a few KiB. A path that names something else is not read into memory whole.
const MAX_LENGTH: u64 = 1024 * 1024;

impl TokenFile {
    /// The token in the file at `path`, which need not exist yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            shared: Arc::new(Shared {
                path: path.into(),
                last: Mutex::new(None),
                reading: Mutex::new(None),
            }),
        }
    }

    /// Keeps the token in memory, and reads the file again every minute while there are requests.
    pub fn cached(self) -> Cached<Self> {
        Cached::refreshing(self, REREAD)
    }
}

impl TokenSource for TokenFile {
    type Future = ReadToken;

    fn token(&self) -> Self::Future {
        ReadToken {
            answer: Handle::try_current()
                .ok()
                .map(|runtime| self.shared.start(&runtime)),
        }
    }
}

impl Shared {
    fn start(self: &Arc<Self>, runtime: &Handle) -> future::Shared<ReadTask> {
        let mut reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(reading) = &*reading
            && !reading.abort.is_finished()
        {
            return reading.answer.clone();
        }
        let shared = Arc::clone(self);
        let task = runtime.spawn_blocking(move || shared.read());
        let abort = task.abort_handle();
        let answer = ReadTask { task }.shared();
        *reading = Some(Reading {
            answer: answer.clone(),
            abort,
        });
        answer
    }

    fn read(&self) -> Result<Token, AuthError> {
        let text = self.text().map_err(|error| {
            let path = self.path.display();
            AuthError::transient(io::Error::new(
                error.kind(),
                format!("the token file {path} cannot be used: {error}"),
            ))
        })?;
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(token) = &*last
            && token.expose() == text.expose()
        {
            return Ok(token.clone());
        }
        let token = Token::from(text);
        *last = Some(token.clone());
        Ok(token)
    }

    fn text(&self) -> io::Result<Secret> {
        // Before it is opened: a pipe would wait there for somebody who writes.
        let about = fs::metadata(&self.path)?;
        if !about.is_file() {
            return Err(invalid("it is not a regular file"));
        }
        let file = File::open(&self.path)?;
        // Read in one piece: a buffer that grows leaves unwiped copies behind, and for a small one the
        // standard library reads through another.
        let room = about.len().clamp(4096, MAX_LENGTH) + 1;
        let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(room).unwrap_or(0)));
        file.take(MAX_LENGTH + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MAX_LENGTH {
            return Err(invalid("it is longer than 1 MiB"));
        }
        match std::str::from_utf8(bytes.trim_ascii()) {
            Ok("") => Err(invalid("it is empty")),
            Ok(text) => Ok(Secret::new(text)),
            Err(_) => Err(invalid("it is not text")),
        }
    }
}

fn invalid(problem: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem)
}

/// A token file that is being read.
pub struct ReadToken {
    /// `None` outside a runtime.
    answer: Option<future::Shared<ReadTask>>,
}

impl Future for ReadTask {
    type Output = Result<Token, AuthError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(match ready!(Pin::new(&mut self.task).poll(cx)) {
            Ok(answer) => answer,
            Err(_) => Err(AuthError::transient(
                "the tokio runtime stopped while a token file was read",
            )),
        })
    }
}

impl Future for ReadToken {
    type Output = Result<Token, AuthError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.answer {
            Some(answer) => answer.poll_unpin(cx),
            None => Poll::Ready(Err(AuthError::new(
                AuthErrorKind::Configuration,
                "a token file is read on a thread of a tokio runtime, and there is none here: send \
                 the request from inside one",
            ))),
        }
    }
}

impl fmt::Debug for ReadToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadToken").finish_non_exhaustive()
    }
}

impl fmt::Debug for TokenFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenFile")
            .field("path", &self.shared.path)
            .finish_non_exhaustive()
    }
}
