//! Somebody between us and the API who changes requests.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response, request};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use tower::Service;
use tower_client_auth::BoxError;

/// A client that changes every request on its way out, after the layers above are done with it.
#[derive(Clone)]
pub(crate) struct Tamper {
    client: Client<HttpConnector, Full<Bytes>>,
    change: Change,
}

/// What happens to a request.
pub(crate) type Change = fn(&mut request::Parts, &mut Bytes);

impl Tamper {
    pub(crate) fn new(client: Client<HttpConnector, Full<Bytes>>, change: Change) -> Self {
        Self { client, change }
    }
}

impl<B> Service<Request<B>> for Tamper
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
        let Self { client, change } = self.clone();
        Box::pin(async move {
            let (mut head, body) = request.into_parts();
            let mut body = body.collect().await.map_err(Into::into)?.to_bytes();
            change(&mut head, &mut body);
            let request = Request::from_parts(head, Full::new(body));
            Ok(client.request(request).await?)
        })
    }
}
