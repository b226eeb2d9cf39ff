//! Other signers, each used as its documentation has it.
//!
//! Not all of them can sign every request. What they lack is in their favour: the header that says
//! the payload is unsigned where the service would expect its hash, for one.

use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation,
    SigningParams, SigningSettings, UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use futures::FutureExt as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderValue, Request, header, request};
use sha2::{Digest as _, Sha256};

use super::requests::{ACCESS_KEY_ID, REGION, SECRET, Sample};

pub(crate) fn aws_sigv4(sample: &Sample) -> impl FnMut(&mut Request<()>) {
    aws_sigv4_with(sample, settings)
}

/// The signature in the query.
#[allow(dead_code, reason = "not everything that is measured needs it")]
pub(crate) fn aws_sigv4_presigned(sample: &Sample) -> impl FnMut(&mut Request<()>) {
    aws_sigv4_with(sample, |sample| {
        let mut settings = settings(sample);
        settings.signature_location = SignatureLocation::QueryParams;
        settings.expires_in = Some(super::EXPIRY);
        settings
    })
}

fn aws_sigv4_with(
    sample: &Sample,
    settings: impl Fn(&Sample) -> SigningSettings,
) -> impl FnMut(&mut Request<()>) {
    let identity = sample.credentials().into();
    move |request| {
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(REGION)
            .name(sample.service)
            .time(super::clock())
            .settings(settings(sample))
            .build()
            .expect("complete")
            .into();
        sign_by(&params, sample, request);
    }
}

#[cfg(feature = "sigv4a")]
#[allow(dead_code, reason = "not everything that is measured needs it")]
pub(crate) fn aws_sigv4a(sample: &Sample) -> impl FnMut(&mut Request<()>) {
    use aws_sigv4::sign::v4a;

    let identity = sample.credentials().into();
    move |request| {
        let params = v4a::SigningParams::builder()
            .identity(&identity)
            .region_set("*")
            .name(sample.service)
            .time(super::clock())
            .settings(settings(sample))
            .build()
            .expect("complete")
            .into();
        sign_by(&params, sample, request);
    }
}

fn settings(sample: &Sample) -> SigningSettings {
    let mut settings = SigningSettings::default();
    if sample.service == "s3" {
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    }
    settings
}

fn sign_by(params: &SigningParams<'_>, sample: &Sample, request: &mut Request<()>) {
    let body = match sample.signed {
        true => SignableBody::Bytes(&sample.body),
        false => SignableBody::UnsignedPayload,
    };
    let headers = request.headers().iter();
    let headers = headers.map(|(name, value)| (name.as_str(), value.to_str().expect("ASCII")));
    let signable = SignableRequest::new(
        request.method().as_str(),
        request.uri().to_string(),
        headers,
        body,
    );
    let (instructions, _) = sign(signable.expect("a request"), params)
        .expect("signed")
        .into_parts();
    instructions.apply_to_request_http1x(request);
}

/// Hashes no payloads itself: the header with the hash is the caller's to set.
pub(crate) fn reqsign(sample: &Sample) -> impl FnMut(&mut request::Parts) {
    use reqsign_aws_v4::{RequestSigner, StaticCredentialProvider};

    let mut provider = StaticCredentialProvider::new(ACCESS_KEY_ID, SECRET);
    if let Some(token) = &sample.token {
        provider = provider.with_session_token(token);
    }
    let signer = reqsign_core::Signer::new(
        reqsign_core::Context::new(),
        provider,
        RequestSigner::new(sample.service, REGION),
    );
    move |head| {
        if sample.signed {
            let hash = match sample.body.is_empty() {
                true => HeaderValue::from_static(super::EMPTY_HASH),
                false => HeaderValue::from_str(&hex::encode(Sha256::digest(&sample.body)))
                    .expect("digits"),
            };
            head.headers.insert("x-amz-content-sha256", hash);
        }
        let signed = signer.sign(head, None).now_or_never();
        signed.expect("at once").expect("signed");
    }
}

/// Presigns URLs for S3 only: the payload is never hashed, and the service is always `s3`.
pub(crate) fn rusty_s3(sample: &Sample) -> impl FnMut(&mut Option<url::Url>) {
    let method = match sample.head.method {
        http::Method::GET => rusty_s3::Method::Get,
        http::Method::PUT => rusty_s3::Method::Put,
        _ => rusty_s3::Method::Post,
    };
    let mut headers: Vec<(&str, &str)> = sample
        .head
        .headers
        .iter()
        .filter(|(name, _)| **name != header::USER_AGENT)
        .map(|(name, value)| (name.as_str(), value.to_str().expect("ASCII")))
        .collect();
    headers.sort_unstable();
    let no_query: [(&str, &str); 0] = [];
    move |url| {
        let signed = rusty_s3::signing::sign(
            &jiff::Timestamp::now(),
            method,
            url.take().expect("a fresh URL"),
            ACCESS_KEY_ID,
            SECRET,
            sample.token.as_deref(),
            REGION,
            300,
            no_query.into_iter(),
            headers.iter().copied(),
        );
        std::hint::black_box(signed);
    }
}

/// The steps its client takes, by way of its public functions.
pub(crate) fn rust_s3(sample: &Sample) -> impl FnMut(&mut (url::Url, request::Parts)) {
    use s3::signing;

    let region: s3::Region = REGION.parse().expect("a region");
    move |(url, head)| {
        let now = time::OffsetDateTime::from(super::clock());
        let hash = match (sample.signed, sample.body.is_empty()) {
            (false, _) => "UNSIGNED-PAYLOAD".to_owned(),
            (true, true) => super::EMPTY_HASH.to_owned(),
            (true, false) => hex::encode(Sha256::digest(&sample.body)),
        };
        let headers = &mut head.headers;
        let value = |text: &str| HeaderValue::from_str(text).expect("ASCII");
        headers.insert(header::HOST, value(url.host_str().expect("a host")));
        headers.insert("x-amz-content-sha256", value(&hash));
        let (day, time) = (now.date(), now.time());
        let date = format!(
            "{:04}{:02}{:02}T{:02}{:02}{:02}Z",
            day.year(),
            u8::from(day.month()),
            day.day(),
            time.hour(),
            time.minute(),
            time.second(),
        );
        headers.insert("x-amz-date", value(&date));
        if let Some(token) = &sample.token {
            headers.insert("x-amz-security-token", value(token));
        }
        let method = head.method.as_str();
        let canonical = signing::canonical_request(method, url, headers, &hash).expect("ASCII");
        let to_sign = signing::string_to_sign(&now, &region, &canonical).expect("a date");
        let key = signing::signing_key(&now, SECRET, &region, sample.service).expect("a key");
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("any length");
        mac.update(to_sign.as_bytes());
        let signature = hex::encode(mac.finalize().into_bytes());
        let names = signing::signed_header_string(headers);
        let authorization =
            signing::authorization_header(ACCESS_KEY_ID, &now, &region, &names, &signature);
        headers.insert(
            header::AUTHORIZATION,
            value(&authorization.expect("a date")),
        );
    }
}

pub(crate) fn object_store(sample: &Sample) -> impl FnMut(&mut object_store::client::HttpRequest) {
    use object_store::aws::{AwsAuthorizer, AwsCredential};

    let credential = AwsCredential {
        key_id: ACCESS_KEY_ID.to_owned(),
        secret_key: SECRET.to_owned(),
        token: sample.token.clone(),
    };
    move |request| {
        AwsAuthorizer::new(&credential, sample.service, REGION)
            .with_sign_payload(sample.signed)
            .try_authorize(request, None)
            .expect("signed");
    }
}
