//! Bodies in chunks: what they look like on the wire, and what becomes of those that cannot be cut.
//!
//! That servers accept them is shown elsewhere, with servers.

mod cutting;
mod heads;
mod others;
mod trailers;

use std::convert::Infallible;
use std::io;

use aws_credential_types::Credentials;
use bytes::Bytes;
use futures::stream;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body::{Body, Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, StreamBody};
use tower::{Layer, ServiceExt, service_fn};
use tower_client_auth::sigv4::SigningCredentials;
use tower_client_auth::{AuthError, AuthErrorKind, BoxError, Chunked, Passthrough, SigV4Layer};

const URL: &str = "https://bucket.s3.eu-west-1.amazonaws.com/key";

type Layered = SigV4Layer<SigningCredentials, Chunked<Passthrough>>;

fn layer(chunked: Chunked) -> Layered {
    let credentials = Credentials::new("AKIDEXAMPLE", "secret", None, None, "test");
    SigV4Layer::new("eu-west-1", "s3", credentials)
        .expect("a layer")
        .payload(chunked)
}

/// A request on the wire: its head, what its body says of its length, and the body, which may fail.
struct Sent {
    head: http::request::Parts,
    hint: SizeHint,
    body: Result<Vec<u8>, BoxError>,
    trailers: Option<HeaderMap>,
}

impl Sent {
    fn header(&self, name: &str) -> &str {
        let mut values = self.head.headers.get_all(name).iter();
        let value = values.next().map_or("", |v| v.to_str().expect("ASCII"));
        assert_eq!(values.next(), None, "{name}");
        value
    }

    fn whole(&self) -> &[u8] {
        self.body.as_ref().expect("a whole body")
    }

    /// The error that the connection would have seen.
    fn error(&self) -> &AuthError {
        let error = self.body.as_ref().expect_err("an error");
        AuthError::find(error.as_ref()).expect("an error of the layer's")
    }
}

/// What goes out of a request; an error if it never reaches the client.
async fn send<B>(chunked: Chunked, request: Request<B>) -> Result<Sent, BoxError>
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    send_by(layer(chunked), request).await
}

async fn send_by<B>(layer: Layered, request: Request<B>) -> Result<Sent, BoxError>
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    let client = service_fn(|request: Request<_>| async {
        let (head, body) = request.into_parts();
        let (hint, body, trailers) = read(body).await;
        Ok::<_, Infallible>(Response::new(Sent {
            head,
            hint,
            body,
            trailers,
        }))
    });
    Ok(layer.layer(client).oneshot(request).await?.into_body())
}

/// Reads a body as a client does, and holds it to what it says of itself.
async fn read<B>(body: B) -> (SizeHint, Result<Vec<u8>, BoxError>, Option<HeaderMap>)
where
    B: Body<Data = Bytes, Error = BoxError>,
{
    let mut body = std::pin::pin!(body);
    let (hint, mut data) = (body.size_hint(), Vec::new());
    let mut trailers = None;
    let mut least = 0;
    loop {
        least = least.max(data.len() as u64 + body.size_hint().lower());
        if let Some(exact) = hint.exact() {
            let left = body.size_hint().exact().expect("exact until the end");
            assert_eq!(data.len() as u64 + left, exact);
        }
        let ended = body.is_end_stream();
        match body.frame().await {
            None => break,
            Some(frame) => {
                assert!(!ended, "there was more behind the end");
                match frame {
                    Err(error) => {
                        assert!(body.frame().await.is_none(), "it went on");
                        assert!(body.is_end_stream());
                        return (hint, Err(error), None);
                    }
                    Ok(frame) => match frame.into_data() {
                        Ok(piece) => data.extend_from_slice(&piece),
                        Err(frame) => trailers = frame.into_trailers().ok(),
                    },
                }
            }
        }
    }
    assert!(body.is_end_stream());
    assert!(data.len() as u64 >= least, "{least} bytes were promised");
    if let Some(exact) = hint.exact() {
        assert_eq!(data.len() as u64, exact);
    }
    (hint, Ok(data), trailers)
}

type Streamed = UnsyncBoxBody<Bytes, io::Error>;

/// A body of these frames, whose length nobody knows.
fn frames(frames: Vec<Result<Frame<Bytes>, io::Error>>) -> Streamed {
    StreamBody::new(stream::iter(frames)).boxed_unsync()
}

fn data(data: impl Into<Bytes>) -> Result<Frame<Bytes>, io::Error> {
    Ok(Frame::data(data.into()))
}

fn trailing(fields: &[(&'static str, &'static str)]) -> Result<Frame<Bytes>, io::Error> {
    let field = |(name, value): &(&'static str, &'static str)| {
        (
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        )
    };
    let mut map = HeaderMap::new();
    for (name, value) in fields.iter().map(field) {
        map.append(name, value);
    }
    Ok(Frame::trailers(map))
}

fn put<B>(body: B) -> Request<B> {
    Request::put(URL).body(body).expect("a request")
}

/// With a length that the body itself does not know.
fn put_of<B>(length: usize, body: B) -> Request<B> {
    let mut request = put(body);
    request
        .headers_mut()
        .insert("content-length", length.into());
    request
}

/// The error of a request that never reached the client.
async fn refused<B>(chunked: Chunked, request: Request<B>) -> AuthError
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    match send(chunked, request).await {
        Ok(_) => panic!("it was sent"),
        Err(error) => AuthError::find(error.as_ref()).expect("ours").clone(),
    }
}

/// A body taken apart, slowly: its chunks with their signatures, and the lines behind them.
#[derive(Debug)]
struct Parsed {
    chunks: Vec<(Vec<u8>, Option<String>)>,
    lines: Vec<String>,
}

impl Parsed {
    fn of(mut text: &[u8]) -> Self {
        let mut chunks = Vec::new();
        loop {
            let (line, rest) = split_line(text);
            let (size, signature) = match line.split_once(";chunk-signature=") {
                Some((size, signature)) => (size.to_owned(), Some(signature.to_owned())),
                None => (line, None),
            };
            let length = usize::from_str_radix(&size, 16).expect("a size");
            assert_eq!(format!("{length:x}"), size);
            if length == 0 {
                chunks.push((Vec::new(), signature));
                text = rest;
                break;
            }
            chunks.push((rest[..length].to_vec(), signature));
            assert_eq!(&rest[length..length + 2], b"\r\n");
            text = &rest[length + 2..];
        }
        let mut lines = Vec::new();
        loop {
            let (line, rest) = split_line(text);
            text = rest;
            if line.is_empty() {
                break;
            }
            lines.push(line);
        }
        assert!(text.is_empty(), "there is more behind the end");
        Self { chunks, lines }
    }

    fn data(&self) -> Vec<u8> {
        self.chunks
            .iter()
            .flat_map(|(data, _)| data.clone())
            .collect()
    }
}

fn split_line(text: &[u8]) -> (String, &[u8]) {
    let end = text.windows(2).position(|pair| pair == b"\r\n");
    let (line, rest) = text.split_at(end.expect("a line"));
    (String::from_utf8(line.to_vec()).expect("ASCII"), &rest[2..])
}

#[track_caller]
fn says(error: &AuthError, kind: AuthErrorKind, text: &str) {
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.to_string().contains(text), "{error}");
}
