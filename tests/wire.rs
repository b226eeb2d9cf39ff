//! A real client over pipes inside the process, and servers that keep every byte.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::io;
use std::net::Ipv6Addr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use http::{StatusCode, Uri};
use http_body::Body;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tower::Service;

/// Room for any request or answer of these tests, so that neither side waits for the other.
const PIPE: usize = 64 * 1024;

/// One request, as it came over the wire.
#[derive(Clone)]
pub(crate) struct Exchange {
    /// Whether it came over a connection to the home origin.
    pub(crate) home: bool,
    pub(crate) head: Vec<u8>,
}

impl Exchange {
    pub(crate) fn holds(&self, text: &str) -> bool {
        let mut windows = self.head.windows(text.len());
        windows.any(|window| window.eq_ignore_ascii_case(text.as_bytes()))
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.head).expect("UTF-8")
    }
}

/// Where every connection leads: one origin home, the rest to strangers.
pub(crate) struct World {
    home: Origin,
    /// The answers in order, whoever is asked; 200 after the last.
    answers: Vec<(StatusCode, String)>,
    log: Mutex<Vec<Exchange>>,
}

impl World {
    pub(crate) fn new(home: &str, answers: Vec<(StatusCode, String)>) -> Arc<Self> {
        Arc::new(Self {
            home: origin_of(&home.parse().expect(home)),
            answers,
            log: Mutex::default(),
        })
    }

    pub(crate) fn client<B>(self: &Arc<Self>) -> Client<Connector, B>
    where
        B: Body + Send,
        B::Data: Send,
    {
        Client::builder(TokioExecutor::new()).build(Connector(Arc::clone(self)))
    }

    pub(crate) fn log(&self) -> Vec<Exchange> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Exchange>> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers on one connection until the client hangs up. The requests have no bodies.
    async fn serve(self: Arc<Self>, home: bool, mut stream: DuplexStream) -> io::Result<()> {
        let mut head = Vec::new();
        while stream.read_buf(&mut head).await? > 0 {
            if !head.ends_with(b"\r\n\r\n") {
                continue;
            }
            let head = std::mem::take(&mut head);
            let answer = {
                let mut log = self.lock();
                log.push(Exchange { home, head });
                self.answers.get(log.len() - 1)
            };
            let answer = match answer {
                Some((status, location)) => {
                    format!(
                        "HTTP/1.1 {status}\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n"
                    )
                }
                None => String::from("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
            };
            stream.write_all(answer.as_bytes()).await?;
        }
        // What came last and never became a request would be bytes too.
        assert!(head.is_empty(), "half a request");
        Ok(())
    }
}

type Origin = (String, String, u16);

/// What a connector sees of a URI: whom it would resolve and call. Written without a look at the
/// crate's own scope.
fn origin_of(uri: &Uri) -> Origin {
    let scheme = uri.scheme_str().expect("a scheme").to_owned();
    let host = uri.host().expect("a host").to_ascii_lowercase();
    let address = host.trim_matches(['[', ']']).parse::<Ipv6Addr>();
    let host = address.map_or(host, |address| address.to_string());
    let standard = if scheme == "https" { 443 } else { 80 };
    (scheme, host, uri.port_u16().unwrap_or(standard))
}

/// Connects whatever URI to one of the two servers; does no TLS, so that `https` is legible too.
#[derive(Clone)]
pub(crate) struct Connector(Arc<World>);

impl Service<Uri> for Connector {
    type Response = Pipe;
    type Error = Infallible;
    type Future = Ready<Result<Pipe, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let (ours, theirs) = tokio::io::duplex(PIPE);
        let world = Arc::clone(&self.0);
        let home = origin_of(&uri) == world.home;
        tokio::spawn(world.serve(home, theirs));
        ready(Ok(Pipe(TokioIo::new(ours))))
    }
}

/// A pipe that hyper-util takes for a connection.
pub(crate) struct Pipe(TokioIo<DuplexStream>);

impl Connection for Pipe {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl Read for Pipe {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl Write for Pipe {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
