//! What lies between the layers and the hosts of the file: here, DNS and TLS that lead to the
//! stand-in, and in some rows somebody who changes requests.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::uri::{Authority, Scheme};
use http::{HeaderValue, Request, Response, Uri, header, request};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tower::Service;
use tower_client_auth::BoxError;

/// An HTTP client that sends the requests for every host to one address. `Host` still names the
/// host that was meant, so the server can tell them apart, and signatures hold.
#[derive(Clone)]
pub(crate) struct Reroute {
    client: Client<HttpConnector, Full<Bytes>>,
    address: SocketAddr,
    change: Change,
}

/// What happens to a request on its way.
pub(crate) type Change = fn(&mut request::Parts, &mut Bytes);

impl Reroute {
    pub(crate) fn to(address: SocketAddr) -> Self {
        Self {
            client: Client::builder(TokioExecutor::new()).build_http(),
            address,
            change: |_, _| {},
        }
    }

    /// Changes every request, after the layers above are done with it.
    pub(crate) fn tampering(mut self, change: Change) -> Self {
        self.change = change;
        self
    }
}

impl<B> Service<Request<B>> for Reroute
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<Incoming>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.client.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // This client is ready at any time, so its clone is as good as itself.
        let this = self.clone();
        Box::pin(async move {
            let (mut head, body) = request.into_parts();
            let mut body = body.collect().await.map_err(Into::into)?.to_bytes();
            (this.change)(&mut head, &mut body);

            let mut parts = head.uri.into_parts();
            let meant = parts.authority.take().ok_or("the request names no host")?;
            if !head.headers.contains_key(header::HOST) {
                let host = HeaderValue::from_str(meant.as_str())?;
                head.headers.insert(header::HOST, host);
            }
            parts.scheme = Some(Scheme::HTTP);
            parts.authority = Some(Authority::try_from(this.address.to_string())?);
            head.uri = Uri::from_parts(parts)?;
            let request = Request::from_parts(head, Full::new(body));
            Ok(this.client.request(request).await?)
        })
    }
}
