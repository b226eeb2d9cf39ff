//! The HTTP client: hyper-util's, with names of this machine that no name server is asked for.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::vec;

use bytes::Bytes;
use http::Uri;
use http_body::Body;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tower::Service;
use tower_client_auth::BoxError;

use crate::exit::Failure;

type Pending<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

/// A client of its own. Redirects are not followed.
pub(crate) fn build<B>(connector: &Connector) -> Client<Connector, B>
where
    B: Body<Data = Bytes> + Send,
{
    Client::builder(TokioExecutor::new()).build(connector.clone())
}

/// How servers are reached.
#[derive(Clone)]
pub(crate) enum Connector {
    Network(HttpsConnector<HttpConnector<Resolver>>),
    /// Every host is the stand-in, and TLS with it: `Host` still names the one that was meant.
    StandIn(HttpConnector<Resolver>),
}

impl Connector {
    pub(crate) fn network() -> Result<Self, Failure> {
        let mut http = HttpConnector::new_with_resolver(Resolver { stand_in: None });
        http.enforce_http(false);
        let https = HttpsConnectorBuilder::new()
            .with_native_roots()
            .map_err(|error| {
                Failure::no_answer(format!(
                    "the system's root certificates cannot be read: {error}\n\
                     install them (on Debian: `ca-certificates`)"
                ))
            })?
            .https_or_http() // http to loopback only: the layers see to that
            .enable_http1()
            .enable_http2()
            .wrap_connector(http);
        Ok(Self::Network(https))
    }

    pub(crate) fn stand_in(address: SocketAddr) -> Self {
        let resolver = Resolver {
            stand_in: Some(address),
        };
        let mut http = HttpConnector::new_with_resolver(resolver);
        http.enforce_http(false);
        Self::StandIn(http)
    }
}

impl Service<Uri> for Connector {
    type Response = MaybeHttpsStream<TokioIo<TcpStream>>;
    type Error = BoxError;
    type Future = Pending<Self::Response, BoxError>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        match self {
            Self::Network(https) => https.poll_ready(cx),
            Self::StandIn(http) => http.poll_ready(cx).map_err(Into::into),
        }
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        match self {
            Self::Network(https) => Box::pin(https.call(uri)),
            Self::StandIn(http) => {
                let connecting = http.call(uri);
                Box::pin(async { Ok(MaybeHttpsStream::Http(connecting.await?)) })
            }
        }
    }
}

/// Finds the addresses of a host.
#[derive(Clone)]
pub(crate) struct Resolver {
    stand_in: Option<SocketAddr>,
}

impl Service<Name> for Resolver {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pending<Self::Response, io::Error>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let stand_in = self.stand_in;
        Box::pin(async move {
            // The port is filled in later, where there is none.
            let here = || {
                vec![
                    SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
                    SocketAddr::from((Ipv6Addr::LOCALHOST, 0)),
                ]
            };
            let found = match stand_in {
                Some(address) => vec![address],
                None if is_this_machine(name.as_str()) => here(),
                None => look_up(name.as_str()).await?,
            };
            Ok(found.into_iter())
        })
    }
}

async fn look_up(name: &str) -> io::Result<Vec<SocketAddr>> {
    let found = tokio::net::lookup_host((name, 0)).await;
    let reason = match found.map(Iterator::collect::<Vec<_>>) {
        Ok(addresses) if !addresses.is_empty() => return Ok(addresses),
        Ok(_) => "none was found".to_owned(),
        Err(error) => error.to_string(),
    };
    let name = name.to_owned();
    Err(io::Error::other(NoAddress { name, reason }))
}

/// A name that no name server knows, or no name server.
#[derive(Debug)]
pub(crate) struct NoAddress {
    name: String,
    reason: String,
}

impl fmt::Display for NoAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, reason } = self;
        write!(
            f,
            "there is no address of `{name}` ({reason}): is the name right, and is there a network?"
        )
    }
}

impl Error for NoAddress {}

/// Names that always mean this machine: RFC 6761, section 6.3. The layers let credentials go there over plain
/// http, so nobody else may say where that is.
fn is_this_machine(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}
