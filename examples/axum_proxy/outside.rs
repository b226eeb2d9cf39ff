//! What is around the proxy: a client, an upstream, and how both it and the proxy are served.

use std::convert::Infallible;
use std::io;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::IntoResponse;
use bytes::Bytes;
use futures::stream;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http_body::Frame;
use http_body_util::StreamBody;
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpListener;
use tower_client_auth::BoxError;

/// Answers with the names of the headers it was sent, and with a trailer.
pub(crate) async fn mirror(headers: HeaderMap) -> impl IntoResponse {
    let mut names: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    let trailers = HeaderMap::from_iter([(
        HeaderName::from_static("x-checksum"),
        HeaderValue::from_static("42"),
    )]);
    let frames = [
        Frame::data(names.join(", ").into()),
        Frame::trailers(trailers),
    ];
    let body = StreamBody::new(stream::iter(frames.map(Ok::<Frame<Bytes>, Infallible>)));
    ([(header::TRAILER, "x-checksum")], Body::new(body))
}

/// Serves until the program ends, on the origin that it returns.
pub(crate) async fn serve(router: Router) -> io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let origin = format!("http://{}", listener.local_addr()?);
    let server = axum::serve(listener, router);
    tokio::spawn(async move { server.await });
    Ok(origin)
}

/// Sends a GET.
pub(crate) async fn send(
    url: &str,
    headers: &[(&str, &str)],
) -> Result<http::Response<Incoming>, BoxError> {
    let mut request = Request::get(url);
    for &(name, value) in headers {
        request = request.header(name, value);
    }
    let client = Client::builder(TokioExecutor::new()).build_http();
    Ok(client.request(request.body(Body::empty())?).await?)
}
