//! What the head says of a body in chunks, and which bodies are none.

use http::Method;
use http_body_util::{Empty, Full};
use tower_client_auth::{AuthOverride, Checksum, PayloadHash, Scope};

use super::*;

const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn hello() -> Full<Bytes> {
    Full::from("hello")
}

fn with<B>(mut request: Request<B>, headers: &[(&'static str, &'static str)]) -> Request<B> {
    for (name, value) in headers {
        let value = HeaderValue::from_static(value);
        request.headers_mut().append(*name, value);
    }
    request
}

#[tokio::test]
async fn each_mode_says_what_it_is() {
    for (chunked, marker, trailer) in [
        (Chunked::signed(), "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", ""),
        (
            Chunked::signed().checksum(Checksum::Sha1),
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
            "x-amz-checksum-sha1",
        ),
        (
            Chunked::unsigned(Checksum::Crc32),
            "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
            "x-amz-checksum-crc32",
        ),
    ] {
        let sent = send(chunked, put(hello())).await.expect("sent");
        assert_eq!(sent.header("x-amz-content-sha256"), marker);
        assert_eq!(sent.header("x-amz-trailer"), trailer);
        let authorization = sent.header("authorization");
        for name in [
            "content-encoding",
            "x-amz-content-sha256",
            "x-amz-decoded-content-length",
        ] {
            assert!(authorization.contains(name), "{name}: {authorization}");
        }
        assert_eq!(authorization.contains("x-amz-trailer"), !trailer.is_empty());
        assert_eq!(sent.trailers, None, "those are in the body");
    }
}

#[tokio::test]
async fn the_callers_encodings_come_behind() {
    for (own, expected) in [
        (&["gzip"][..], "aws-chunked,gzip"),
        (&["gzip, br"], "aws-chunked,gzip, br"),
        (&["gzip", "br"], "aws-chunked,gzip,br"),
        (&[""], "aws-chunked"),
    ] {
        let headers: Vec<_> = own.iter().map(|own| ("content-encoding", *own)).collect();
        let request = with(put(hello()), &headers);
        let sent = send(Chunked::signed(), request).await.expect("sent");
        assert_eq!(sent.header("content-encoding"), expected);
    }
}

#[tokio::test]
async fn a_body_is_not_encoded_twice() {
    for encoding in ["aws-chunked", "AWS-Chunked", "gzip, aws-chunked"] {
        let request = with(put(hello()), &[("content-encoding", encoding)]);
        let error = refused(Chunked::signed(), request).await;
        says(
            &error,
            AuthErrorKind::Request,
            "`AuthOverride::payload_hash`",
        );
    }
    // As the error says: it goes on as it is.
    let mut request = with(put(hello()), &[("content-encoding", "aws-chunked")]);
    let hash = PayloadHash::StreamingUnsignedTrailer;
    request
        .extensions_mut()
        .insert(AuthOverride::new().payload_hash(hash));
    let sent = send(Chunked::signed(), request).await.expect("sent");
    assert_eq!(sent.whole(), b"hello");
    assert_eq!(sent.header("x-amz-content-sha256"), hash.to_string());
}

#[tokio::test]
async fn what_has_no_body_is_not_encoded() {
    let chunked = || Chunked::signed().checksum(Checksum::Crc32);
    for method in [
        Method::GET,
        Method::HEAD,
        Method::DELETE,
        Method::POST,
        Method::PUT,
    ] {
        let empty = Request::builder().method(&method).uri(URL);
        let empty = empty.body(Empty::<Bytes>::new()).expect("a request");
        for request in [empty.clone(), with(empty, &[("content-length", "0")])] {
            let announced = request.headers().contains_key("content-length");
            let sent = send(chunked(), request).await.expect("sent");
            assert_eq!(sent.whole(), b"");
            assert_eq!(sent.header("x-amz-content-sha256"), EMPTY);
            assert_eq!(
                sent.header("content-length"),
                if announced { "0" } else { "" }
            );
            for name in [
                "content-encoding",
                "x-amz-decoded-content-length",
                "x-amz-trailer",
            ] {
                assert_eq!(sent.header(name), "", "{name}");
            }
        }
    }
}

/// Says that there is nothing, and not that it is over.
struct Nothing;

impl Body for Nothing {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        std::task::Poll::Ready(None)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(0)
    }
}

#[tokio::test]
async fn what_says_that_it_is_empty_is_not_encoded() {
    let chunked = Chunked::signed().checksum(Checksum::Crc32);
    let sent = send(chunked, put(Nothing)).await.expect("sent");
    assert_eq!(sent.whole(), b"");
    assert_eq!(sent.header("x-amz-content-sha256"), EMPTY);
    assert_eq!(sent.header("content-encoding"), "");
}

/// A header's word is not the body's.
#[tokio::test]
async fn a_body_that_is_only_said_to_be_empty_is_held_to_it() {
    for name in ["content-length", "x-amz-decoded-content-length"] {
        for chunked in [Chunked::signed(), Chunked::unsigned(Checksum::Crc32)] {
            let request = with(put(frames(vec![data("hello")])), &[(name, "0")]);
            let sent = send(chunked, request).await.expect("sent");
            says(sent.error(), AuthErrorKind::Payload, "longer");
            assert_ne!(sent.header("content-length"), "0");
            // Trailers are not lost, either.
            let trailers = frames(vec![trailing(&[("x-note", "a")])]);
            let sent = send(chunked, with(put(trailers), &[(name, "0")]))
                .await
                .expect("sent");
            says(sent.error(), AuthErrorKind::Payload, "`x-note`");
            let sent = send(chunked, with(put(frames(vec![])), &[(name, "0")])).await;
            assert_eq!(Parsed::of(sent.expect("sent").whole()).data(), b"");
        }
    }
}

#[tokio::test]
async fn a_length_that_nobody_knows_is_an_error() {
    let body = || frames(vec![data("hello")]);
    for chunked in [Chunked::signed(), Chunked::unsigned(Checksum::Crc32)] {
        let error = refused(chunked, put(body())).await;
        says(&error, AuthErrorKind::Request, "`content-length`");
        for name in ["content-length", "x-amz-decoded-content-length"] {
            let sent = send(chunked, with(put(body()), &[(name, "5")])).await;
            assert_eq!(Parsed::of(sent.expect("sent").whole()).data(), b"hello");
        }
    }
}

#[tokio::test]
async fn lengths_that_differ_are_an_error() {
    const LENGTH: &str = "content-length";
    const DECODED: &str = "x-amz-decoded-content-length";
    for headers in [
        &[(LENGTH, "4")][..],
        &[(LENGTH, "0")],
        &[(DECODED, "6")],
        &[(LENGTH, "5"), (DECODED, "6")],
        &[(LENGTH, "5"), (LENGTH, "6")],
        &[(LENGTH, "five")],
        &[(DECODED, "-5")],
        &[(DECODED, "99999999999999999999")],
    ] {
        let error = refused(Chunked::signed(), with(put(hello()), headers)).await;
        assert_eq!(error.kind(), AuthErrorKind::Request, "{headers:?} {error}");
        assert!(error.to_string().contains("ength"), "{error}");
    }
    let empty = with(put(Empty::<Bytes>::new()), &[(LENGTH, "5")]);
    let error = refused(Chunked::signed(), empty).await;
    says(
        &error,
        AuthErrorKind::Request,
        "leave the header to the client",
    );
    let endless = with(put(frames(vec![])), &[(LENGTH, "18446744073709551615")]);
    let error = refused(Chunked::signed(), endless).await;
    says(
        &error,
        AuthErrorKind::Request,
        "beyond all that can be sent",
    );
}

#[tokio::test]
async fn a_checksum_of_the_callers_is_in_place_of_the_layers() {
    const OWN: (&str, &str) = (
        "x-amz-checksum-sha256",
        "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=",
    );
    let signed = Chunked::signed().checksum(Checksum::Crc32);
    let sent = send(signed, with(put(hello()), &[OWN]))
        .await
        .expect("sent");
    assert_eq!(
        sent.header("x-amz-content-sha256"),
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
    );
    assert_eq!(sent.header("x-amz-trailer"), "");

    // Unsigned chunks have nothing to say then, and S3 wants no trailer that is not there.
    let unsigned = Chunked::unsigned(Checksum::Crc32);
    let sent = send(unsigned, with(put(hello()), &[OWN]))
        .await
        .expect("sent");
    assert_eq!(sent.header("x-amz-content-sha256"), "UNSIGNED-PAYLOAD");
    assert_eq!(sent.whole(), b"hello");
    assert_eq!(sent.header("content-encoding"), "");

    // It is held to all that holds for others.
    let request = with(put(hello()), &[OWN, ("content-encoding", "aws-chunked")]);
    let error = refused(unsigned, request).await;
    says(&error, AuthErrorKind::Request, "encoded");
    let request = with(put(frames(vec![data("hello")])), &[OWN]);
    let error = refused(unsigned, request).await;
    says(&error, AuthErrorKind::Request, "`content-length`");
    let request = with(put(hello()), &[OWN, ("x-amz-decoded-content-length", "5")]);
    let sent = send(unsigned, request).await.expect("sent");
    assert_eq!(sent.header("x-amz-decoded-content-length"), "");

    // These are no checksums.
    let request = with(put(hello()), &[("x-amz-checksum-sha256", "")]);
    let sent = send(unsigned, request).await.expect("sent");
    assert_eq!(sent.header("x-amz-trailer"), "x-amz-checksum-crc32");
    for name in [
        "x-amz-checksum-algorithm",
        "x-amz-checksum-type",
        "x-amz-checksum-mode",
    ] {
        let request = with(put(hello()), &[(name, "CRC32")]);
        let sent = send(unsigned, request).await.expect("sent");
        assert_eq!(sent.header("x-amz-trailer"), "x-amz-checksum-crc32");
    }
}

/// An origin without TLS that was opted for.
fn open() -> Scope {
    let scope = Scope::origin("http://s3.example.com").expect("a scope");
    scope.allow_plain_http()
}

#[tokio::test]
async fn without_signatures_a_body_needs_tls() {
    let own = [("x-amz-checksum-crc32", "NhCmhg==")];
    let insecure = |url: &str, headers| {
        let request = Request::put(url).body(hello()).expect("a request");
        let layer = layer(Chunked::unsigned(Checksum::Crc32));
        let layer = layer.scope(open()).expect("a scope");
        send_by(layer, with(request, headers))
    };
    for headers in [&[][..], &own] {
        let error = insecure("http://s3.example.com/key", headers).await.err();
        let error = error.expect("an error");
        let error = AuthError::find(error.as_ref()).expect("ours");
        says(error, AuthErrorKind::PlainText, "https");
        insecure("http://127.0.0.1:9000/key", headers)
            .await
            .expect("loopback");
    }
    // Signed chunks need none.
    let request = Request::put("http://s3.example.com/key")
        .body(hello())
        .expect("a request");
    let layer = layer(Chunked::signed());
    let layer = layer.scope(open()).expect("a scope");
    send_by(layer, request).await.expect("sent");
}

#[tokio::test]
async fn a_request_can_say_otherwise() {
    let with_hash = |hash| {
        let mut request = put(hello());
        request
            .extensions_mut()
            .insert(AuthOverride::new().payload_hash(hash));
        request
    };
    for hash in [PayloadHash::of(b"hello"), PayloadHash::Unsigned] {
        let sent = send(Chunked::signed(), with_hash(hash))
            .await
            .expect("sent");
        assert_eq!(sent.header("x-amz-content-sha256"), hash.to_string());
        assert_eq!(sent.whole(), b"hello");
        assert_eq!(sent.header("content-encoding"), "");
    }
    for hash in [PayloadHash::Streaming, PayloadHash::StreamingTrailer] {
        let error = refused(Chunked::signed(), with_hash(hash)).await;
        says(&error, AuthErrorKind::Request, "Chunked::signed()");
    }
    let layer = layer(Chunked::signed()).unsigned_payload();
    let sent = send_by(layer, put(hello())).await.expect("sent");
    assert_eq!(sent.header("x-amz-content-sha256"), "UNSIGNED-PAYLOAD");
    assert_eq!(sent.whole(), b"hello");
}

#[test]
fn chunks_that_are_too_small_are_an_error() {
    for size in [0, 1, 8191] {
        let error = Chunked::signed().chunk_size(size).expect_err("too small");
        says(&error, AuthErrorKind::Configuration, "8192");
    }
    Chunked::signed().chunk_size(8192).expect("enough");
}
