//! The SDKs' own signer and their own body in chunks: the same signatures, and the same bytes.

use std::time::{Duration, SystemTime};

use aws_runtime::content_encoding::{AwsChunkedBody, AwsChunkedBodyOptions};
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use http::request;

use super::generated;
use super::signed::{Signed, TRAILER_SIGNATURE};
use super::taken_apart::TakenApart;
use super::*;
use crate::oracle::Random;
use crate::support::promise;

/// Some upload by some key, on some day of this century.
struct Setup {
    mode: Mode,
    chunk: u64,
    seed: u64,
    length: u64,
    largest: u64,
    region: &'static str,
    credentials: Credentials,
    time: SystemTime,
}

impl Setup {
    fn random(random: &mut Random) -> Self {
        let mode = random.pick(&Mode::all());
        let chunk = 8 * KIB + random.below(12_000) as u64;
        let any = 1 + random.below(40_000) as u64;
        let around = random.pick(&[1, chunk, 2 * chunk, any]);
        let length = (around + random.below(3) as u64).saturating_sub(1).max(1);
        let secret = format!("s{}", random.text(60, &["k", "/", "+", "=", "Z9"]));
        let token = random.one_in(2).then(|| "IQoJb3JpZ2luX2VjE/+==".to_owned());
        let seconds = 946_684_800 + random.next() % 3_155_760_000;
        Self {
            mode,
            chunk,
            seed: random.next(),
            length,
            largest: random.pick(&[100, 10_000, 400_000]),
            region: random.pick(&["us-east-1", "cn-north-1", "eu-central-2"]),
            credentials: Credentials::new(KEY, secret, token, None, "oracle"),
            time: SystemTime::UNIX_EPOCH + Duration::from_secs(seconds),
        }
    }

    async fn signed(&self) -> Signed {
        let by = (self.region, self.credentials.clone());
        let chunked = self.mode.chunked().chunk_size(self.chunk as usize);
        let body = Generated::new(self.seed, self.length, self.largest);
        let request = self
            .mode
            .put("https://s3.example.amazonaws.com/uploads/key", body);
        Signed::new(by, self.time, chunked.expect("a size"), request).await
    }

    /// What the SDKs' signer makes of the same head.
    fn their_headers(&self, ours: &request::Parts) -> HeaderMap {
        let mut head = ours.clone();
        for added in [
            "authorization",
            "x-amz-content-sha256",
            "x-amz-date",
            "x-amz-security-token",
        ] {
            head.headers.remove(added);
        }
        let mut settings = SigningSettings::default();
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        let identity = self.credentials.clone().into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(self.region)
            .name("s3")
            .time(self.time)
            .settings(settings)
            .build()
            .expect("complete")
            .into();
        let body = match self.mode {
            Mode::Signed => {
                SignableBody::Precomputed("STREAMING-AWS4-HMAC-SHA256-PAYLOAD".to_owned())
            }
            Mode::SignedAnd(_) => SignableBody::StreamingSignedPayloadTrailer,
            Mode::Unsigned(_) => SignableBody::StreamingUnsignedPayloadTrailer,
        };
        let headers = head.headers.iter();
        let headers = headers.map(|(name, value)| (name.as_str(), value.to_str().expect("ASCII")));
        let request =
            SignableRequest::new(head.method.as_str(), head.uri.to_string(), headers, body);
        let signed = sign(request.expect("a request"), &params).expect("signed");
        let mut request = Request::from_parts(head.clone(), ());
        signed.into_parts().0.apply_to_request_http1x(&mut request);
        request.into_parts().0.headers
    }

    fn what(&self) -> String {
        let Self {
            mode,
            chunk,
            seed,
            length,
            ..
        } = self;
        format!("{mode:?}, {length} bytes in chunks of {chunk}, seed {seed:#x}")
    }
}

const UPLOADS: usize = 1_000;

#[tokio::test]
async fn heads_chunks_and_trailers_are_signed_as_the_sdks_sign_them() {
    let mut random = Random(0x5eed_0000_0003_0037);
    let (mut chunks, mut trailers) = (0, 0);
    for _ in 0..UPLOADS {
        let setup = Setup::random(&mut random);
        let ours = setup.signed().await;
        let data = generated::bytes(setup.seed, 0, setup.length);
        assert!(ours.body.data() == data, "{}", setup.what());
        assert_eq!(
            ours.head.headers,
            setup.their_headers(&ours.head),
            "{}",
            setup.what()
        );
        if !setup.mode.is_signed() {
            continue;
        }
        let mut theirs = ours.clone();
        for chunk in &mut theirs.body.chunks {
            chunk.signature = None;
        }
        theirs.sign_body_again();
        assert!(ours.body == theirs.body, "{}", setup.what());
        chunks += ours.body.chunks.len();
        trailers += usize::from(!ours.body.trailers.is_empty());
    }
    assert!(chunks > UPLOADS && trailers > UPLOADS / 5);
    promise(
        29,
        format_args!(
            "{UPLOADS} heads of uploads in chunks, {chunks} signatures of chunks and {trailers} of trailers equal \
             those of `aws_sigv4`"
        ),
    );
}

/// Theirs without signatures: what signs theirs cannot be had without the rest of an SDK. It stands where it does in
/// ours, though, or [`TakenApart`] would not have found it.
#[tokio::test]
async fn the_bytes_on_the_wire_are_those_of_the_sdks() {
    let mut random = Random(0x5eed_0000_0004_0037);
    for _ in 0..UPLOADS {
        let setup = Setup::random(&mut random);
        let mut ours = setup.signed().await;
        let length = ours.body.joined().len() as u64;
        for chunk in &mut ours.body.chunks {
            chunk.signature = None;
        }
        let signature = ours
            .body
            .trailers
            .pop_if(|(name, _)| name == TRAILER_SIGNATURE);

        let options = AwsChunkedBodyOptions::new(setup.length, vec![]);
        let mut options = options.with_chunk_size(setup.chunk as usize);
        let mut map = HeaderMap::new();
        if let Some(checksum) = setup.mode.checksum() {
            let data = generated::bytes(setup.seed, 0, setup.length);
            let (name, value) = (checksum.header_name(), checksum.of(&data));
            options = options.with_trailer_len((name.as_str().len() + 1 + value.len()) as u64);
            map.insert(name, value);
        }
        let mut whole = options
            .clone()
            .signed_chunked_encoding(setup.mode.is_signed());
        if let Some((name, value)) = signature {
            whole = whole.with_trailer_len((name.len() + 1 + value.len()) as u64);
        }
        assert_eq!(length, whole.encoded_length(), "{}", setup.what());

        let body = Generated::new(setup.seed, setup.length, setup.largest);
        let body = body
            .map_err(BoxError::from)
            .with_trailers(async { Some(Ok(map)) });
        let theirs = AwsChunkedBody::new(body, options).collect().await;
        let mut theirs = TakenApart::of(&theirs.expect("a body").to_bytes());
        for chunk in &mut theirs.chunks {
            // The Rust SDK alone writes large digits: others write what is in S3's documentation.
            chunk.size.make_ascii_lowercase();
        }
        assert!(ours.body == theirs, "{}", setup.what());
    }
    println!(
        "chunked: {UPLOADS} bodies are those of `aws-runtime`, byte for byte, but for signatures"
    );
}
