//! The examples of S3's documentation.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use http::{Request, request};

use crate::payload::PayloadHash;
use crate::sigv4::{ChunkSigner, Signer, SigningCredentials, SigningOptions, SigningScope};

/// 2013-05-24, midnight.
const THEN: Duration = Duration::from_secs(1_369_353_600);

fn credentials() -> SigningCredentials {
    let (id, secret) = (
        "AKIAIOSFODNN7EXAMPLE",
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    );
    SigningCredentials::new(Credentials::new(id, secret, None, None, "test")).expect("credentials")
}

fn signer() -> Signer {
    let scope = SigningScope::new("us-east-1", "s3").expect("a scope");
    Signer::new(scope, SigningOptions::for_service("s3"))
}

fn put() -> http::request::Builder {
    Request::put("https://s3.amazonaws.com/examplebucket/chunkObject.txt")
        .header("x-amz-storage-class", "REDUCED_REDUNDANCY")
        .header("content-encoding", "aws-chunked")
        .header("x-amz-decoded-content-length", "66560")
}

fn head(builder: http::request::Builder) -> request::Parts {
    builder.body(()).expect("a request").into_parts().0
}

/// The signature of the head, and what signs the chunks.
fn seed(mut head: request::Parts, payload: PayloadHash) -> (String, ChunkSigner) {
    let time = SystemTime::UNIX_EPOCH + THEN;
    signer()
        .sign(&mut head, &credentials(), &payload, time)
        .expect("signed");
    let chunks = signer().chunk_signer(&head, &credentials(), time);
    let authorization = head.headers["authorization"].to_str().expect("ASCII");
    let (_, seed) = authorization.split_once("Signature=").expect("a signature");
    (seed.to_owned(), chunks.expect("a signer"))
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html>
#[test]
fn chunks_are_signed_as_in_the_documentation() {
    // `content-length` is signed there, and never is here: its chunks have another seed.
    let (_, mut chunks) = seed(head(put()), PayloadHash::Streaming);
    chunks.previous = *b"4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9";
    for (length, expected) in [
        (
            65536,
            "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
        ),
        (
            1024,
            "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
        ),
        (
            0,
            "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
        ),
    ] {
        assert_eq!(chunks.chunk(&vec![b'a'; length]), expected, "{length}");
    }
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html>
#[test]
fn trailers_are_signed_as_in_the_documentation() {
    let put = put().header("x-amz-trailer", "x-amz-checksum-crc32c");
    let (seed, mut chunks) = seed(head(put), PayloadHash::StreamingTrailer);
    assert_eq!(
        seed,
        "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e"
    );
    for (length, expected) in [
        (
            65536,
            "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
        ),
        (
            1024,
            "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
        ),
        (
            0,
            "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
        ),
    ] {
        assert_eq!(chunks.chunk(&vec![b'a'; length]), expected, "{length}");
    }
    assert_eq!(
        chunks.trailers("x-amz-checksum-crc32c:sOO8/Q==\n"),
        "d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435"
    );
}

#[test]
fn only_a_head_that_was_signed_for_chunks_has_some() {
    let time = SystemTime::UNIX_EPOCH + THEN;
    let unsigned = head(put());
    let sign = |payload| {
        let mut signed = unsigned.clone();
        signer()
            .sign(&mut signed, &credentials(), &payload, time)
            .expect("signed");
        signed
    };
    let chunks = |head: &request::Parts, time| signer().chunk_signer(head, &credentials(), time);
    chunks(&sign(PayloadHash::Streaming), time).expect("chunks");
    chunks(&sign(PayloadHash::StreamingTrailer), time).expect("chunks");
    for other in [
        unsigned.clone(),
        sign(PayloadHash::EMPTY),
        sign(PayloadHash::Unsigned),
        sign(PayloadHash::StreamingUnsignedTrailer),
    ] {
        chunks(&other, time).expect_err("no chunks");
    }
    let later = time + Duration::from_secs(1);
    chunks(&sign(PayloadHash::Streaming), later).expect_err("another time");
}

#[test]
fn nothing_of_it_is_shown() {
    let (seed, chunks) = seed(head(put()), PayloadHash::Streaming);
    assert!(!format!("{chunks:?}").contains(&seed));
}
