//! What the tests share.

use std::fmt::Display;
use std::fs;
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, request};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use tower::Service;
use tower_client_auth::BoxError;

/// Prints the figure by which a promise is kept; `cargo test -- --nocapture` shows them all.
///
/// | number | promise |
/// |---|---|
/// | 1 | a cold cache makes one fetch |
/// | 2 | no request waits for a refresh of what is still good |
/// | 3 | an outage fails no request while the credential is valid |
/// | 4 | a provider that is down is left alone |
/// | 5 | a failure is shared, and not repeated for each caller |
/// | 6 | a caller that leaves hangs no one |
/// | 7 | callers with less patience than a fetch takes are served |
/// | 8 | a provider's panic is an error, and the next call works |
/// | 9 | an outage outlasts itself by seconds |
/// | 10 | a refusal is the answer for seconds |
/// | 11 | a credential's life costs few fetches |
/// | 12 | answers that are over already start no storm of fetches |
/// | 13 | a fleet does not refresh at once |
/// | 14 | no task outlives its cache |
/// | 15 | a late rejection does not evict the newer token |
/// | 16 | tenants are isolated |
/// | 17 | a rejection is answered by one refresh and one resend at most |
/// | 18 | a body that is sent again is exact, or it is not sent again |
/// | 19 | a clock that is off heals in one retry |
/// | 20 | a denial is not retried, whatever the clock says |
/// | 21 | the contract of a tower `Service` holds |
/// | 22 | no credential leaves its origin |
/// | 23 | no credential is doubled or stale |
/// | 24 | no credential goes out in plain text by default |
/// | 25 | no secret is in any output |
/// | 26 | every credential header is marked sensitive |
/// | 27 | the crate's own buffers are wiped |
/// | 28 | AWS's signing test suite passes |
/// | 29 | signatures equal those of reference signers |
/// | 30 | what is sent is what was signed |
/// | 31 | no request can make it panic |
/// | 32 | no signature is made with a stale key |
/// | 33 | memory is bounded |
/// | 34 | a failed authorization leaves nothing half done |
/// | 35 | no refresh token is used twice, and none is lost |
/// | 36 | a configuration is replaced whole, or not at all |
pub(crate) fn promise(number: u32, figure: impl Display) {
    println!("promise {number}: {figure}");
}

/// A request as the service below a layer got it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) head: request::Parts,
    pub(crate) body: Bytes,
    pub(crate) trailers: Option<HeaderMap>,
}

impl Seen {
    /// The values of a header, all of them.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let values = self.head.headers.get_all(name).iter();
        values.map(|v| v.to_str().expect("ASCII")).collect()
    }

    /// The value of a header that is there once.
    pub(crate) fn one(&self, name: &str) -> &str {
        let values = self.all(name);
        assert_eq!(values.len(), 1, "{name}: {values:?}");
        values[0]
    }
}

type Answer = dyn Fn(usize, &Seen) -> Response<Full<Bytes>> + Send + Sync;

/// A service that writes down what it gets, and answers 200 unless told otherwise.
#[derive(Clone)]
pub(crate) struct Recorder {
    seen: Arc<Mutex<Vec<Seen>>>,
    answer: Arc<Answer>,
}

impl Recorder {
    pub(crate) fn new() -> Self {
        Self::answering(|_, _| Response::new(Full::default()))
    }

    /// `answer` is given how many requests came before, and the request.
    pub(crate) fn answering(
        answer: impl Fn(usize, &Seen) -> Response<Full<Bytes>> + Send + Sync + 'static,
    ) -> Self {
        Self {
            seen: Arc::default(),
            answer: Arc::new(answer),
        }
    }

    /// All that came so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.lock().clone()
    }

    /// The only request that came.
    pub(crate) fn only(&self) -> Seen {
        let seen = self.seen();
        assert_eq!(seen.len(), 1, "one request was expected");
        seen.into_iter().next().expect("one")
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<B> Service<Request<B>> for Recorder
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    type Response = Response<Full<Bytes>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let this = self.clone();
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.map_err(Into::into)?;
            let trailers = body.trailers().cloned();
            let seen = Seen {
                head,
                body: body.to_bytes(),
                trailers,
            };
            let before = {
                let mut all = this.lock();
                all.push(seen.clone());
                all.len() - 1
            };
            Ok((this.answer)(before, &seen))
        })
    }
}

/// Set to 1, it makes tests write down what they get, to be read by whoever changed it.
pub(crate) const BLESS: &str = "TOWER_CLIENT_AUTH_BLESS";

/// Holds what was got against what is written down in a file.
pub(crate) fn compare(snapshot: &Path, got: &str) {
    if std::env::var_os(BLESS).is_some_and(|value| value == "1") {
        fs::write(snapshot, got).expect("a file");
    }
    let name = snapshot.display();
    let expected = fs::read_to_string(snapshot).unwrap_or_default();
    for (line, (expected, got)) in expected.lines().zip(got.lines()).enumerate() {
        let line = line + 1;
        assert_eq!(
            expected, got,
            "line {line} of {name}; set {BLESS}=1 to write it anew"
        );
    }
    assert_eq!(
        expected.lines().count(),
        got.lines().count(),
        "{name}: the number of lines; set {BLESS}=1 to write it anew"
    );
}
