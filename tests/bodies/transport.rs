//! What a transport sees of a body.

use std::convert::Infallible;

use hyper::body::Incoming;
use hyper_util::rt::TokioIo;

use super::*;

/// A body whose data is not `Bytes`.
struct Odd(VecDeque<Frame<VecDeque<u8>>>);

impl Body for Odd {
    type Data = VecDeque<u8>;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<VecDeque<u8>>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        let left = self
            .0
            .iter()
            .filter_map(Frame::data_ref)
            .map(VecDeque::remaining);
        SizeHint::with_exact(left.sum::<usize>() as u64)
    }
}

/// "hello world" in a ring buffer that wraps round, so that its bytes are not in one piece.
fn odd() -> Odd {
    let mut ring = VecDeque::with_capacity(8);
    ring.extend(*b"......he");
    ring.drain(..6);
    ring.extend(*b"llo wo");
    assert!(!ring.as_slices().1.is_empty(), "in two pieces");
    Odd([ring, VecDeque::new(), VecDeque::from(*b"rld")]
        .map(Frame::data)
        .into())
}

#[tokio::test]
async fn data_of_any_type_becomes_bytes() {
    let (seen, hash) = buffered(odd(), 11).await.expect("within the limit");
    assert_eq!(
        (&seen.body[..], hash),
        (&b"hello world"[..], sha256(b"hello world"))
    );

    let chained = || {
        StreamBody::new(stream::iter([Ok::<_, Infallible>(Frame::data(
            Bytes::from_static(b"hello ").chain(&b"world"[..]),
        ))]))
    };
    let (seen, hash) = buffered(chained(), 11).await.expect("within the limit");
    assert_eq!(
        (&seen.body[..], hash),
        (&b"hello world"[..], sha256(b"hello world"))
    );

    let recorder = Recorder::new();
    let layer = AuthorizeLayer::with_authorizer(Notary::new(Need::Head)).payload(Buffer::new(0));
    layer
        .layer(recorder.clone())
        .oneshot(put(odd()))
        .await
        .expect("an answer");
    layer
        .layer(recorder.clone())
        .oneshot(put(chained()))
        .await
        .expect("an answer");
    for seen in recorder.seen() {
        assert_eq!(seen.body, "hello world");
    }
}

/// What the service below is handed, instead of an answer.
async fn handed<B: Body + Send + 'static>(need: Need, body: B) -> AuthBody<B>
where
    B::Error: Into<BoxError> + Send,
{
    let slot = Arc::new(Mutex::new(None));
    let keep = service_fn(|request: Request<AuthBody<B>>| {
        *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(request.into_body());
        ready(Ok::<_, Infallible>(Response::new(())))
    });
    let layer = AuthorizeLayer::with_authorizer(Notary::new(need)).payload(Buffer::default());
    layer
        .layer(keep)
        .oneshot(put(body))
        .await
        .expect("an answer");
    let handed = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
    handed.expect("a body")
}

#[tokio::test]
async fn a_buffered_body_knows_its_length_and_its_end() {
    let mut body = handed(Need::Payload, frames(chunks([&b"hel"[..], b"", b"lo"]))).await;
    assert_eq!(body.size_hint().exact(), Some(5));
    assert!(!body.is_end_stream());
    let frame = body.frame().await.expect("a frame").expect("data");
    assert_eq!(frame.into_data().ok().as_deref(), Some(&b"hello"[..]));
    assert_eq!(body.size_hint().exact(), Some(0));
    assert!(body.is_end_stream());
    assert!(body.frame().await.is_none());

    // Clients then send no body at all, instead of an empty chunked one.
    for empty in [frames(vec![]), frames(chunks([&b""[..]]))] {
        let body = handed(Need::Payload, empty).await;
        assert!(body.is_end_stream());
        assert_eq!(body.size_hint().exact(), Some(0));
    }
    let body = handed(Need::Payload, Empty::<Bytes>::new()).await;
    assert!(body.is_end_stream());
}

#[tokio::test]
async fn a_body_with_trailers_says_that_it_does_not_end_with_its_data() {
    let mut all = chunks([&b"hello"[..]]);
    all.push(Ok(Frame::trailers(trailers("x-checksum", "42"))));
    let mut body = handed(Need::Payload, frames(all)).await;
    // An exact length would make HTTP/1 clients leave the trailers out.
    assert_eq!(
        (body.size_hint().lower(), body.size_hint().exact()),
        (5, None)
    );
    body.frame().await.expect("a frame").expect("data");
    assert!(!body.is_end_stream());
    let last = body.frame().await.expect("a frame").expect("trailers");
    assert_eq!(
        last.into_trailers().ok(),
        Some(trailers("x-checksum", "42"))
    );
    assert!(body.is_end_stream());
}

#[tokio::test]
async fn a_streamed_body_says_what_the_callers_says() {
    let body = handed(Need::Head, Full::<Bytes>::from("hello")).await;
    assert_eq!(body.size_hint().exact(), Some(5));
    let body = handed(Need::Head, frames(chunks([&b"hello"[..]]))).await;
    assert_eq!(
        (body.size_hint().lower(), body.size_hint().upper()),
        (0, None)
    );
    assert!(!body.is_end_stream());
    let body = handed(Need::Hashed(PayloadHash::EMPTY), Empty::<Bytes>::new()).await;
    assert!(body.is_end_stream());
    let default = AuthBody::<Full<Bytes>>::default();
    assert!(default.is_end_stream());
}

/// A caller's `Bytes` are passed on, not copied.
#[tokio::test]
async fn a_body_in_one_piece_is_not_copied() {
    let data = Bytes::from(vec![7; 100_000]);
    for need in [Need::Payload, Need::Head] {
        let mut body = handed(need, Full::<Bytes>::from(data.clone())).await;
        let frame = body.frame().await.expect("a frame").expect("data");
        let passed = frame.into_data().expect("data");
        assert_eq!(passed.as_ptr(), data.as_ptr(), "{need:?}");
    }
}

/// A server that answers with the length it was announced, the body and the trailers it got.
async fn echo(request: Request<Incoming>) -> Result<Response<String>, hyper::Error> {
    let length = request.headers().get("content-length").cloned();
    let chunked = request.headers().get("transfer-encoding").cloned();
    let body = request.into_body().collect().await?;
    let trailers = body.trailers().cloned().unwrap_or_default();
    let text = String::from_utf8_lossy(&body.to_bytes()).into_owned();
    Ok(Response::new(format!(
        "{length:?} {chunked:?} {text} {trailers:?}"
    )))
}

/// Sends a body over real HTTP/1.1.
async fn over_http1(need: Need, body: Streamed) -> String {
    let (near, far) = tokio::io::duplex(1024);
    tokio::spawn(async {
        let service = hyper::service::service_fn(echo);
        let connection = hyper::server::conn::http1::Builder::new();
        connection
            .serve_connection(TokioIo::new(far), service)
            .await
    });
    let (client, connection) = hyper::client::conn::http1::handshake(TokioIo::new(near))
        .await
        .expect("a connection");
    tokio::spawn(connection);
    let client = Arc::new(tokio::sync::Mutex::new(client));
    let transport = service_fn(move |request: Request<AuthBody<Streamed>>| {
        let client = Arc::clone(&client);
        async move { client.lock().await.send_request(request).await }
    });
    let layer = AuthorizeLayer::with_authorizer(Notary::new(need)).payload(Buffer::default());
    let mut request = put(body);
    let announced = HeaderValue::from_static("x-checksum");
    request.headers_mut().insert("trailer", announced);
    let response = layer
        .layer(transport)
        .oneshot(request)
        .await
        .expect("an answer");
    let body = response.into_body().collect().await.expect("a body");
    String::from_utf8_lossy(&body.to_bytes()).into_owned()
}

#[tokio::test]
async fn bodies_cross_a_wire_with_their_trailers() {
    for need in [Need::Payload, Need::Head] {
        let mut all = chunks([&b"hello "[..], b"world"]);
        all.push(Ok(Frame::trailers(trailers("x-checksum", "42"))));
        let answer = over_http1(need, frames(all)).await;
        assert_eq!(
            answer,
            r#"None Some("chunked") hello world {"x-checksum": "42"}"#
        );
    }
    // What a caller puts after trailers is not sent, be it read beforehand or not.
    for need in [Need::Payload, Need::Head] {
        let mut all = chunks([&b"hello"[..]]);
        all.push(Ok(Frame::trailers(trailers("x-checksum", "42"))));
        all.extend(chunks([&b" world"[..]]));
        let answer = over_http1(need, frames(all)).await;
        assert_eq!(answer, r#"None Some("chunked") hello {"x-checksum": "42"}"#);
    }
    let answer = over_http1(Need::Payload, frames(chunks([&b"hello "[..], b"world"]))).await;
    assert_eq!(answer, r#"Some("11") None hello world {}"#);
    let answer = over_http1(Need::Payload, frames(vec![])).await;
    assert!(!answer.contains("chunked"), "{answer}");
}
