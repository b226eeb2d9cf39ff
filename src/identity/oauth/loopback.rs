//! Waits on this machine for a browser to come back: RFC 8252, section 7.3.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Poll, ready};
use std::time::Duration;

use futures::future::{Either, select};
use http::Uri;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Sleep;
use zeroize::Zeroizing;

use super::authorization_code::AuthorizationRequest;
use super::tokens::Tokens;
use crate::error::{AuthError, AuthErrorKind};
use crate::identity::runtime::timer;
use crate::origin::port_of;
use crate::secret::Secret;

/// A login whose browser comes back to this machine.
///
/// The listener answers with a short page, takes what belongs to this login and nothing else, and is closed when
/// the login is finished or dropped.
#[must_use = "a login has to be finished"]
pub struct LoopbackLogin {
    request: AuthorizationRequest,
    redirect_uri: RedirectUri,
    listeners: Vec<TcpListener>,
    timeout: Duration,
}

/// How long a user takes at most: a port should not be listened on for ever.
const TIMEOUT: Duration = Duration::from_secs(10 * 60);

/// Browsers open connections ahead of requests, and keep some of them.
const MAX_CONNECTIONS: usize = 32;

/// A request that brings a code has a head of some hundred bytes.
const MAX_HEAD: usize = 16 * 1024;

/// A connection that asks for nothing is not kept for long.
const PATIENCE: Duration = Duration::from_secs(30);

/// A connection that is served.
type Visit<'a> = Pin<Box<dyn Future<Output = Option<Result<Secret, AuthError>>> + Send + 'a>>;

impl LoopbackLogin {
    pub(super) fn new(
        request: AuthorizationRequest,
        redirect_uri: RedirectUri,
        listeners: Vec<TcpListener>,
    ) -> Self {
        Self {
            request,
            redirect_uri,
            listeners,
            timeout: TIMEOUT,
        }
    }

    /// How long [`finish`](LoopbackLogin::finish) waits for the browser. 10 minutes by default.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Where the user signs in.
    pub fn url(&self) -> &str {
        self.request.url()
    }

    /// Waits for the browser, then exchanges the code for tokens.
    ///
    /// # Errors
    ///
    /// As in the table of [`AuthorizationCode`](super::AuthorizationCode). What has nothing to do with this login
    /// is answered with an error page, and waited on.
    pub async fn finish(self) -> Result<Tokens, AuthError> {
        let limit = timer(self.timeout)?;
        let code = match select(std::pin::pin!(self.wait()), limit).await {
            Either::Left((code, _)) => code?,
            Either::Right(_) => {
                return Err(AuthError::new(
                    AuthErrorKind::SignInRequired,
                    "the browser did not come back in time: sign in again",
                ));
            }
        };
        drop(self.listeners);
        self.request.exchange(code).await
    }

    async fn wait(&self) -> Result<Secret, AuthError> {
        let mut visits: VecDeque<Visit<'_>> = VecDeque::new();
        let mut pause: Option<Pin<Box<Sleep>>> = None;
        poll_fn(|cx| {
            // Those that are here first: newcomers could keep them waiting for ever.
            let mut answer = None;
            visits.retain_mut(|visit| match visit.as_mut().poll(cx) {
                Poll::Ready(brought) => {
                    answer = answer.take().or(brought);
                    false
                }
                Poll::Pending => true,
            });
            if let Some(answer) = answer {
                return Poll::Ready(answer);
            }
            if let Some(sleep) = &mut pause {
                ready!(sleep.as_mut().poll(cx));
                pause = None;
            }
            for listener in &self.listeners {
                while let Poll::Ready(accepted) = listener.poll_accept(cx) {
                    match accepted {
                        Ok((stream, from)) if from.ip().is_loopback() => {
                            // The newest is the likeliest to be the browser's.
                            if visits.len() == MAX_CONNECTIONS {
                                visits.pop_front();
                            }
                            visits.push_back(Box::pin(self.visit(stream)));
                            // Has to be polled once, which is done before more are taken in.
                            cx.waker().wake_by_ref();
                            return Poll::Pending;
                        }
                        Ok(_) => {}
                        // Too many open files: a moment later there may be fewer.
                        Err(_) => {
                            pause = timer(Duration::from_millis(100)).ok();
                            cx.waker().wake_by_ref();
                            return Poll::Pending;
                        }
                    }
                }
            }
            Poll::Pending
        })
        .await
    }

    /// Serves one connection; `None` if it did not bring the answer.
    async fn visit(&self, mut stream: TcpStream) -> Option<Result<Secret, AuthError>> {
        let limit = timer(PATIENCE).ok()?;
        let serve = async {
            let target = self.read(&mut stream).await;
            let answer = match &target {
                Some(target) => self.request.answer(target),
                None => None,
            };
            let page = match &answer {
                Some(Ok(_)) => Page::WELCOME,
                Some(Err(_)) => Page::REFUSED,
                None => Page::OTHER,
            };
            // The browser may have gone; the answer is there all the same.
            let _ = stream.write_all(page.response().as_bytes()).await;
            let _ = stream.shutdown().await;
            answer
        };
        match select(std::pin::pin!(serve), limit).await {
            Either::Left((answer, _)) => answer,
            Either::Right(_) => None,
        }
    }

    /// The target of a request that is for this login.
    async fn read(&self, stream: &mut TcpStream) -> Option<Zeroizing<String>> {
        let mut head = Zeroizing::new(Vec::with_capacity(MAX_HEAD));
        loop {
            let mut headers = [httparse::EMPTY_HEADER; 100];
            let mut request = httparse::Request::new(&mut headers);
            if request.parse(&head).ok()?.is_complete() {
                let host = request
                    .headers
                    .iter()
                    .find(|header| header.name.eq_ignore_ascii_case("host"))?;
                // A page elsewhere whose name has been made to mean this machine says its own name here.
                let is_ours = request.method == Some("GET")
                    && self.redirect_uri.is_reached_as(host.value)
                    && self.redirect_uri.has_path_of(request.path?);
                return is_ours
                    .then(|| Zeroizing::new(request.path.unwrap_or_default().to_owned()));
            }
            if head.len() >= MAX_HEAD || stream.read_buf(&mut *head).await.ok()? == 0 {
                return None;
            }
        }
    }
}

impl fmt::Debug for LoopbackLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoopbackLogin")
            .field("request", &self.request)
            .finish_non_exhaustive()
    }
}

/// Where the browser comes back to: `http`, a loopback host, maybe a port, and a path.
pub(super) struct RedirectUri {
    /// As it is registered: `127.0.0.1`, `[::1]`, `localhost`.
    host: String,
    /// 0 for any that is free.
    port: u16,
    path: String,
}

impl RedirectUri {
    pub(super) fn parse(text: &str) -> Result<Self, AuthError> {
        let uri: Option<Uri> = text.parse().ok();
        let parts = uri.as_ref().and_then(|uri| {
            let authority = uri.authority()?;
            let is_bare = uri.query().is_none() && !text.contains(['@', '#']);
            (uri.scheme_str() == Some("http") && is_bare).then_some((uri, authority))
        });
        let Some((uri, authority)) = parts else {
            return Err(not_a_loopback_uri());
        };
        // `http` takes ports that are none.
        port_of(authority, false).map_err(|_| not_a_loopback_uri())?;
        let host = authority.host();
        if !matches!(host, "127.0.0.1" | "[::1]" | "localhost") {
            return Err(not_a_loopback_uri());
        }
        Ok(Self {
            host: host.to_owned(),
            port: authority.port_u16().unwrap_or(0),
            path: uri.path().to_owned(),
        })
    }

    /// Takes the port, on all addresses the host may stand for.
    pub(super) async fn bind(mut self) -> Result<(Self, Vec<TcpListener>), AuthError> {
        tokio::runtime::Handle::try_current()
            .map_err(|_| crate::identity::runtime::no_runtime())?;
        let v4 = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let v6 = IpAddr::V6(Ipv6Addr::LOCALHOST);
        let first = if self.host == "[::1]" { v6 } else { v4 };
        let failed = |error: std::io::Error| {
            AuthError::new(
                AuthErrorKind::Configuration,
                "the port that the browser is to come back to cannot be listened on: is another login under \
                 way?",
            )
            .with_source(error)
        };
        let listener = TcpListener::bind(SocketAddr::new(first, self.port))
            .await
            .map_err(failed)?;
        self.port = listener.local_addr().map_err(failed)?.port();
        let mut listeners = vec![listener];
        // What a browser makes of the name depends on the machine, and some machines have no IPv6.
        if self.host == "localhost" {
            match TcpListener::bind(SocketAddr::new(v6, self.port)).await {
                Ok(other) => listeners.push(other),
                // Somebody else's, whom the browser might come to instead.
                Err(error) if error.kind() == ErrorKind::AddrInUse => return Err(failed(error)),
                Err(_) => {}
            }
        }
        Ok((self, listeners))
    }

    fn is_reached_as(&self, host: &[u8]) -> bool {
        let Self {
            host: name, port, ..
        } = self;
        host.eq_ignore_ascii_case(format!("{name}:{port}").as_bytes())
            || *port == 80 && host.eq_ignore_ascii_case(name.as_bytes())
    }

    fn has_path_of(&self, target: &str) -> bool {
        target.split('?').next() == Some(self.path.as_str())
    }
}

impl fmt::Display for RedirectUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, path } = self;
        write!(f, "http://{host}:{port}{path}")
    }
}

fn not_a_loopback_uri() -> AuthError {
    AuthError::new(
        AuthErrorKind::Configuration,
        "expected where the browser comes back to on this machine, such as `http://127.0.0.1/callback` or \
         `http://localhost:8400/callback`; for any other place, `begin` the login",
    )
}

/// What the user sees.
struct Page {
    status: &'static str,
    text: &'static str,
}

impl Page {
    const WELCOME: Self = Self {
        status: "200 OK",
        text: "You are signed in. This window can be closed.",
    };
    const REFUSED: Self = Self {
        status: "403 Forbidden",
        text: "You are not signed in. The program that asked you to says why.",
    };
    const OTHER: Self = Self {
        status: "404 Not Found",
        text: "There is nothing here.",
    };

    fn response(&self) -> String {
        let Self { status, text } = self;
        let body = format!(
            "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Sign-in</title><p>{text}</p></html>\n"
        );
        format!(
            "HTTP/1.1 {status}\r\ncontent-type: text/html; charset=utf-8\r\ncontent-length: {}\r\ncache-control: \
             no-store\r\nreferrer-policy: no-referrer\r\ncontent-security-policy: default-src 'none'\r\n\
             connection: close\r\n\r\n{body}",
            body.len()
        )
    }
}
