use bytes::Bytes;
use http::Request;
use http_body_util::Full;

use super::*;

fn framing(
    signed: bool,
    checksum: Option<Checksum>,
    size: usize,
    length: usize,
) -> (Framing, request::Parts) {
    let settings = Settings {
        signed,
        checksum,
        size,
    };
    let (mut head, body) = Request::put("https://example.com/")
        .body(Full::new(Bytes::from(vec![b'a'; length])))
        .expect("a request")
        .into_parts();
    match Framing::of(&settings, &mut head, &body).expect("a framing") {
        Cut::Into(framing) => (framing, head),
        Cut::Not(hash) => panic!("{hash}"),
    }
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html> has 66824.
#[test]
fn the_encoded_length_is_that_of_the_documentation() {
    let (framing, head) = framing(true, None, 65536, 66560);
    assert_eq!(framing.encoded, Some(66824));
    assert_eq!(head.headers["x-amz-decoded-content-length"], "66560");
}
