//! How token sources reach their servers: over an HTTP client of the caller's own.

#[cfg(feature = "hyper-client")]
mod hyper;
mod reply;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body::Body;
use http_body_util::Full;
use tower::{Service, ServiceExt as _};

pub(crate) use reply::Reply;
#[cfg(feature = "cognito")]
pub(crate) use reply::append;

use crate::error::{AuthError, AuthErrorKind, BoxError};
use crate::identity::runtime::timer;
use crate::origin::Target;

/// The HTTP client that token sources talk over: any tower service, made cheap to clone.
///
/// ```
/// use std::time::Duration;
/// use bytes::Bytes;
/// use http::{Request, Response};
/// use http_body_util::Full;
/// use tower_client_auth::{BoxError, Transport};
///
/// # async fn send(_: Request<Full<Bytes>>) -> Result<Response<Full<Bytes>>, BoxError> {
/// #     Ok(Response::default())
/// # }
/// # let client = tower::service_fn(send);
/// let transport = Transport::new(client) // hyper-util's, or whatever takes a `Request<Full<Bytes>>`
///     .timeout(Duration::from_secs(5));
/// ```
///
/// With the feature `hyper-client` there is one at hand: `Transport::hyper()`. Over reqwest, the example `reqwest`
/// of this crate shows the few lines that make its client a service.
///
/// What it sees to, whatever the client:
///
/// - **Secrets go over https**, or to this very machine: any other URL is an
///   [`AuthErrorKind::PlainText`] error, and nothing is sent.
/// - **Redirects are not followed.** An answer that is one is an error. If your client follows redirects
///   by itself, switch that off: it would take client secrets along, and this crate could not tell.
/// - **A reply is 1 MiB at most.** A longer one is an error once that much has been read, or at once if it
///   says its length.
/// - **An exchange takes 10 seconds at most**, from the first byte sent to the last one received; a refresh of a
///   user's session six times that, since its answer cannot be had again.
/// - **What was sent is wiped** from memory once the client lets go of it, and so is this crate's copy of the
///   reply. The client's own buffers are its own.
///
/// Use one that is separate from the client your layers are on: a layer holds a slot of its service while it
/// waits for a token.
#[derive(Clone)]
pub struct Transport {
    client: Arc<dyn Client>,
    timeout: Duration,
    max_reply: usize,
}

/// Longer than any token endpoint takes that works; three of them fit into what a cache gives a load.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Token replies and metadata are a few KiB.
const MAX_REPLY: usize = 1024 * 1024;

impl Transport {
    /// Talks over `service`, a clone of which serves each request.
    pub fn new<S, B>(service: S) -> Self
    where
        S: Service<Request<Full<Bytes>>, Response = Response<B>> + Clone + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<BoxError>,
    {
        Self {
            client: Arc::new(Tower {
                service: Mutex::new(service),
            }),
            timeout: TIMEOUT,
            max_reply: MAX_REPLY,
        }
    }

    /// How long one exchange may take, from the first byte sent to the last one received. 10 s by default.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How many bytes a reply may have. 1 MiB by default.
    #[must_use]
    pub fn max_reply(mut self, bytes: usize) -> Self {
        self.max_reply = bytes;
        self
    }

    /// Sends a request whose URL has been checked by [`check_url`], and reads the reply.
    ///
    /// `what` says who is asked, for the errors: `the token endpoint of login.example.com`. `patience` is how
    /// many times the usual timeout it is waited for.
    pub(crate) async fn send(
        &self,
        what: &str,
        request: Request<Full<Bytes>>,
        patience: u32,
    ) -> Result<Reply, AuthError> {
        check_url(request.uri(), what)?;
        let exchange = self.client.send(request, self.max_reply);
        let timeout = self.timeout.saturating_mul(patience);
        let Some(answer) = within(timeout, exchange).await? else {
            let seconds = timeout.as_secs_f64();
            return Err(AuthError::passing(format!(
                "{what} did not answer within {seconds} s"
            )));
        };
        answer.map_err(|failure| failure.at(what))
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport")
            .field("timeout", &self.timeout)
            .field("max_reply", &self.max_reply)
            .finish_non_exhaustive()
    }
}

/// Whether secrets may go there: over https, or to this machine.
pub(crate) fn check_url(url: &Uri, what: &str) -> Result<(), AuthError> {
    let unusable = |problem: &str| {
        AuthError::new(
            AuthErrorKind::Configuration,
            format!("{what} has no usable URL: {problem}"),
        )
    };
    let has_userinfo = url
        .authority()
        .is_some_and(|authority| authority.as_str().contains('@'));
    match Target::of(url) {
        // The text is left out: people paste URLs with passwords in them.
        Ok(None) | Err(_) => Err(unusable("expected `https://host/path`")),
        Ok(Some(_)) if has_userinfo => Err(unusable("leave out what is before the `@`")),
        Ok(Some(target)) if !target.https && !target.is_loopback() => Err(AuthError::new(
            AuthErrorKind::PlainText,
            format!(
                "{what} is reached over plain http, where anybody could read secrets: use https"
            ),
        )),
        Ok(Some(_)) => Ok(()),
    }
}

/// `None` if it takes longer.
async fn within<F: Future>(timeout: Duration, future: F) -> Result<Option<F::Output>, AuthError> {
    let limit = timer(timeout)?;
    let work = std::pin::pin!(future);
    Ok(match futures::future::select(work, limit).await {
        futures::future::Either::Left((output, _)) => Some(output),
        futures::future::Either::Right(_) => None,
    })
}

/// Why there is no reply.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The client failed, or the body did.
    Client(BoxError),
    TooLong(usize),
}

impl Failure {
    fn at(self, what: &str) -> AuthError {
        match self {
            // A client may have layers of ours itself, whose errors are not passing ones.
            Self::Client(error) => match AuthError::find(error.as_ref()) {
                Some(own) if !own.is_transient() => AuthError::new(
                    own.kind(),
                    format!("{what} was not asked: the transport's own authorization failed"),
                )
                .with_source(error),
                _ => AuthError::passing(format!(
                    "{what} could not be reached, or the connection broke"
                ))
                .with_source(error),
            },
            Self::TooLong(limit) => AuthError::passing(format!(
                "{what} sent more than {limit} bytes, which no such answer has: the rest was not read"
            )),
        }
    }
}

type Sending<'a> = Pin<Box<dyn Future<Output = Result<Reply, Failure>> + Send + 'a>>;

trait Client: Send + Sync {
    fn send(&self, request: Request<Full<Bytes>>, max_reply: usize) -> Sending<'_>;
}

/// A service, kept ready to be cloned. Many services cannot be shared between threads; behind a lock they
/// all can, and it is held for as long as a clone takes.
struct Tower<S> {
    service: Mutex<S>,
}

impl<S, B> Client for Tower<S>
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    fn send(&self, request: Request<Full<Bytes>>, max_reply: usize) -> Sending<'_> {
        let service = self
            .service
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        Box::pin(async move {
            let response = service.oneshot(request).await;
            let response = response.map_err(|error| Failure::Client(error.into()))?;
            Reply::read(response, max_reply).await
        })
    }
}
