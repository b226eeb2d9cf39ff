//! What stands behind the chunks, and bodies that end otherwise than they said.

use http_body_util::Full;
use tower_client_auth::Checksum;

use super::*;

fn named(names: &'static str, body: Streamed) -> Request<Streamed> {
    let mut request = put_of(5, body);
    let names = HeaderValue::from_static(names);
    request.headers_mut().insert("x-amz-trailer", names);
    request
}

fn hello(fields: &[(&'static str, &'static str)]) -> Streamed {
    frames(vec![data("hello"), trailing(fields)])
}

#[tokio::test]
async fn each_checksum_is_that_of_the_body() {
    for (checksum, expected) in [
        (Checksum::Crc32, "x-amz-checksum-crc32:NhCmhg=="),
        (Checksum::Crc32c, "x-amz-checksum-crc32c:mnG7TA=="),
        (Checksum::Crc64Nvme, "x-amz-checksum-crc64nvme:M3eFcAZSQlc="),
        (
            Checksum::Sha1,
            "x-amz-checksum-sha1:qvTGHdzF6KLavt4PO0gs2a6pQ00=",
        ),
        (
            Checksum::Sha256,
            "x-amz-checksum-sha256:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=",
        ),
    ] {
        for chunked in [
            Chunked::unsigned(checksum),
            Chunked::signed().checksum(checksum),
        ] {
            let sent = send(chunked, put(Full::<Bytes>::from("hello")))
                .await
                .expect("sent");
            let lines = Parsed::of(sent.whole()).lines;
            assert_eq!(lines[0], expected);
            let signature = lines
                .get(1)
                .map(|line| line.split_once(':').expect("a colon"));
            match sent.header("x-amz-content-sha256").contains("UNSIGNED") {
                true => assert_eq!(signature, None),
                false => {
                    let (name, value) = signature.expect("a signature");
                    assert_eq!((name, value.len()), ("x-amz-trailer-signature", 64));
                }
            }
            assert!(lines.len() <= 2);
        }
    }
}

/// In pieces that are larger than a chunk, smaller, and tiny.
#[tokio::test]
async fn a_checksum_covers_all_pieces_of_all_sizes() {
    let body: Vec<u8> = (0..400_000_u32).map(|at| (at * 7 / 5) as u8).collect();
    for checksum in [
        Checksum::Crc32,
        Checksum::Crc32c,
        Checksum::Crc64Nvme,
        Checksum::Sha1,
        Checksum::Sha256,
    ] {
        let expected = checksum.of(&body);
        let expected = format!(
            "{}:{}",
            checksum.header_name(),
            expected.to_str().expect("base64")
        );
        for chunked in [
            Chunked::unsigned(checksum),
            Chunked::signed().checksum(checksum),
        ] {
            for size in [400_000, 150_000, 65_536, 10_000, 333] {
                let pieces = body.chunks(size).map(|piece| data(piece.to_vec()));
                let body = frames(pieces.collect());
                let sent = send(chunked, put_of(400_000, body)).await.expect("sent");
                assert_eq!(Parsed::of(sent.whole()).lines[0], expected, "{size}");
            }
        }
    }
}

#[tokio::test]
async fn trailers_that_are_named_are_kept() {
    // One of them comes before the layer's own.
    let fields = [
        ("x-amz-meta-b", "2"),
        ("x-amz-meta-a", " 1 "),
        ("x-amz-a", "0"),
    ];
    for chunked in [
        Chunked::signed(),
        Chunked::signed().checksum(Checksum::Crc32),
    ] {
        let request = named("x-amz-meta-b, X-Amz-Meta-A, x-amz-a", hello(&fields));
        let sent = send(chunked, request).await.expect("sent");
        let mut lines = Parsed::of(sent.whole()).lines;
        let signature = lines.pop().expect("a signature");
        assert!(signature.starts_with("x-amz-trailer-signature:"));
        let names: Vec<_> = sent.header("x-amz-trailer").split(',').collect();
        assert!(lines.is_sorted());
        assert_eq!(lines.len(), names.len());
        assert_eq!(
            lines[lines.len() - 2..],
            ["x-amz-meta-a:1", "x-amz-meta-b:2"]
        );
        // Their length is not known beforehand.
        assert_eq!(sent.header("content-length"), "");
        assert_eq!(sent.hint.exact(), None);
        assert_eq!(sent.header("x-amz-decoded-content-length"), "5");
        assert_eq!(sent.trailers, None);
    }
}

#[tokio::test]
async fn a_trailer_that_is_named_twice_is_sent_once() {
    let body = hello(&[("x-amz-meta-a", "1")]);
    let request = named("x-amz-meta-a, X-Amz-Meta-A", body);
    let sent = send(Chunked::unsigned(Checksum::Crc32), request)
        .await
        .expect("sent");
    let lines = Parsed::of(sent.whole()).lines;
    assert_eq!(lines, ["x-amz-checksum-crc32:NhCmhg==", "x-amz-meta-a:1"]);
    assert_eq!(
        sent.header("x-amz-trailer"),
        "x-amz-meta-a,x-amz-checksum-crc32"
    );
}

/// [`read`] holds it to the least that it says is still to come.
#[tokio::test]
async fn a_body_of_unknown_length_promises_no_more_than_there_is() {
    for chunked in [Chunked::signed(), Chunked::unsigned(Checksum::Crc32)] {
        let pieces = (0..200).map(|_| data(vec![b'a'; 1000]));
        let pieces = pieces.chain([trailing(&[("x-amz-meta-a", "1")])]).collect();
        let mut request = named("x-amz-meta-a", frames(pieces));
        request
            .headers_mut()
            .insert("content-length", 200_000.into());
        let sent = send(chunked, request).await.expect("sent");
        assert_eq!((sent.hint.lower(), sent.hint.exact()), (200_000, None));
        assert_eq!(Parsed::of(sent.whole()).data().len(), 200_000);
    }
}

#[tokio::test]
async fn a_checksum_that_comes_with_the_body_is_in_place_of_the_layers() {
    let request = named(
        "x-amz-checksum-crc32",
        hello(&[("x-amz-checksum-crc32", "NhCmhg==")]),
    );
    let sent = send(Chunked::unsigned(Checksum::Sha256), request)
        .await
        .expect("sent");
    assert_eq!(
        Parsed::of(sent.whole()).lines,
        ["x-amz-checksum-crc32:NhCmhg=="]
    );
    assert_eq!(sent.header("x-amz-trailer"), "x-amz-checksum-crc32");
}

#[tokio::test]
async fn trailers_that_are_not_those_named_stop_the_body() {
    for (names, fields, expected) in [
        ("x-amz-meta-a", &[][..], "no trailer"),
        (
            "x-amz-meta-a",
            &[("x-amz-meta-a", "1"), ("x-amz-meta-b", "2")],
            "`x-amz-meta-b`",
        ),
        (
            "x-amz-meta-a",
            &[("x-amz-meta-a", "1"), ("x-amz-meta-a", "2")],
            "more than one",
        ),
    ] {
        let sent = send(Chunked::signed(), named(names, hello(fields)))
            .await
            .expect("sent");
        says(sent.error(), AuthErrorKind::Payload, expected);
    }
    for chunked in [Chunked::signed(), Chunked::unsigned(Checksum::Crc32)] {
        let sent = send(chunked, put_of(5, hello(&[("x-note", "a")])))
            .await
            .expect("sent");
        says(sent.error(), AuthErrorKind::Payload, "name it there");
        // None at all are no trailers.
        let sent = send(chunked, put_of(5, hello(&[]))).await.expect("sent");
        assert_eq!(Parsed::of(sent.whole()).data(), b"hello");
    }
}

#[tokio::test]
async fn names_that_none_can_have_are_an_error() {
    for names in [
        "",
        "x-amz-meta-a,",
        "x amz",
        "x-amz-meta-a;x",
        "content-length",
        "x-amz-meta-a, x-amz-trailer-signature",
        "X-Amz-Date",
    ] {
        let error = refused(Chunked::signed(), named(names, hello(&[]))).await;
        says(&error, AuthErrorKind::Request, "no trailer of S3's");
    }
    let many: Vec<_> = (0..65).map(|at| format!("x-amz-meta-{at}")).collect();
    let mut request = named("", hello(&[]));
    let many = HeaderValue::from_str(&many.join(",")).expect("a value");
    request.headers_mut().insert("x-amz-trailer", many);
    let error = refused(Chunked::signed(), request).await;
    says(&error, AuthErrorKind::Request, "more than 64");
}

/// Clients send such a body without its end.
#[tokio::test]
async fn trailers_need_a_request_that_can_end_in_them() {
    let request = || named("x-amz-meta-a", hello(&[("x-amz-meta-a", "1")]));
    let mut old = request();
    *old.version_mut() = http::Version::HTTP_10;
    let error = refused(Chunked::signed(), old).await;
    says(&error, AuthErrorKind::Request, "HTTP/1.1");
    send(Chunked::signed(), request()).await.expect("sent");
}

#[tokio::test]
async fn a_body_that_is_not_as_long_as_it_said_is_never_whole() {
    for chunked in [
        Chunked::signed(),
        Chunked::signed().checksum(Checksum::Crc32),
        Chunked::unsigned(Checksum::Crc32),
    ] {
        for (pieces, expected) in [
            (&["hell"][..], "1 bytes before"),
            (&[], "5 bytes before"),
            (&["hello", "!"], "longer"),
            (&["hello!"], "longer"),
        ] {
            let body = frames(pieces.iter().map(|piece| data(*piece)).collect());
            let sent = send(chunked, put_of(5, body)).await.expect("sent");
            says(sent.error(), AuthErrorKind::Payload, expected);
            assert!(sent.error().to_string().contains("no whole request"));
        }
        // What is empty is not longer.
        let body = frames(vec![data("hello"), data(""), data("")]);
        let sent = send(chunked, put_of(5, body)).await.expect("sent");
        assert_eq!(Parsed::of(sent.whole()).data(), b"hello");
    }
}

/// Where a chunk ends, nothing is held that could tell.
#[tokio::test]
async fn a_body_that_ends_with_a_chunk_is_held_to_its_length() {
    const CHUNK: usize = 8192;
    for chunked in [
        Chunked::signed(),
        Chunked::signed().checksum(Checksum::Crc32),
        Chunked::unsigned(Checksum::Crc32),
    ] {
        let chunked = chunked.chunk_size(CHUNK).expect("a size");
        for (said, length, expected) in [
            (CHUNK, CHUNK + 1, "longer"),
            (2 * CHUNK, 2 * CHUNK + 1, "longer"),
            (CHUNK, 2 * CHUNK, "longer"),
            (2 * CHUNK, CHUNK, "8192 bytes before"),
            (CHUNK + 1, CHUNK, "1 bytes before"),
        ] {
            for piece in [usize::MAX, CHUNK, 1000] {
                let body = vec![b'a'; length];
                let body = body
                    .chunks(piece)
                    .map(|piece| data(piece.to_vec()))
                    .collect();
                let sent = send(chunked, put_of(said, frames(body)))
                    .await
                    .expect("sent");
                says(sent.error(), AuthErrorKind::Payload, expected);
            }
        }
    }
}

#[tokio::test]
async fn the_bodys_own_error_comes_through() {
    for chunked in [Chunked::signed(), Chunked::unsigned(Checksum::Crc32)] {
        let lost = Err(io::Error::new(io::ErrorKind::NotFound, "the file is gone"));
        let sent = send(chunked, put_of(9, frames(vec![data("hello"), lost]))).await;
        let error = sent.expect("sent").body.expect_err("the body's error");
        let error = error.downcast::<io::Error>().expect("as it was");
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
