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
    let (mut head, body) = Request::put("https://example.com/key")
        .body(Full::new(Bytes::from(vec![b'a'; length])))
        .expect("a request")
        .into_parts();
    match Framing::of(&settings, &mut head, &body).expect("a framing") {
        Cut::Into(framing) => (framing, head),
        _ => panic!("not cut"),
    }
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html> has 66824.
#[test]
fn the_encoded_length_is_that_of_the_documentation() {
    let (framing, head) = framing(true, None, 65536, 66560);
    assert_eq!(framing.encoded, Some(66824));
    assert_eq!(head.headers["x-amz-decoded-content-length"], "66560");
}

#[test]
fn lengths_of_any_size_are_measured_or_refused() {
    let ends = [
        1,
        8192,
        65536,
        1 << 32,
        1 << 60,
        u64::MAX / 2,
        u64::MAX - 200,
        u64::MAX - 1,
        u64::MAX,
    ];
    for (size, length) in ends
        .iter()
        .flat_map(|size| ends.iter().map(move |length| (*size, *length)))
    {
        for signed in [true, false] {
            let framing = Framing {
                signed,
                size,
                length,
                checksum: Some(Checksum::Sha256),
                declared: Vec::new(),
                encoded: None,
            };
            let most = u128::from(length) + (u128::from(length / size) + 2) * 110 + 300;
            match framing.measure() {
                Some(encoded) => assert!(encoded > length && u128::from(encoded) < most),
                None => assert!(most > u128::from(u64::MAX), "{size} {length}"),
            }
        }
    }
}
