//! Signatures of SigV4a, verified by `ring`.

use aws_sigv4::sign::v4a::generate_signing_key;
use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue, Uri, request};
use p256::SecretKey;
use p256::elliptic_curve::sec1::ToSec1Point;
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use tower_client_auth::PayloadHash;
use tower_client_auth::sigv4::Signer;
use url::form_urlencoded;

/// Whether `signature`, in digits, is one of `text` by the key whose uncompressed point this is.
pub(crate) fn verifies(public_key: &[u8], text: &str, signature: &str) -> bool {
    let Ok(signature) = hex::decode(signature) else {
        return false;
    };
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, public_key);
    key.verify(text.as_bytes(), &signature).is_ok()
}

/// The uncompressed point of the key that belongs to these credentials.
pub(crate) fn public_key(access_key_id: &str, secret: &str) -> Vec<u8> {
    let key = generate_signing_key(access_key_id, secret);
    let key = SecretKey::from_slice(key.as_ref()).expect("a key");
    key.public_key().to_sec1_point(false).as_bytes().to_vec()
}

/// The string to sign of a signed request, with its signature in headers or in the query.
pub(crate) fn string_to_sign(
    signer: &Signer,
    signed: &request::Parts,
    payload: &PayloadHash,
) -> String {
    let mut head = signed.clone();
    let uri = signed.uri.to_string();
    if let Some((uri, _)) = uri.split_once("&X-Amz-Signature=") {
        // Explained as the request with headers that has the same canonical request.
        let query = signed.uri.query().unwrap_or_default();
        let value = |name: &str| {
            let mut pairs = form_urlencoded::parse(query.as_bytes());
            let found = pairs.find(|(key, _)| key == name);
            found.expect(name).1.into_owned()
        };
        let authorization = format!(
            "{} Credential={}, SignedHeaders={}, Signature=",
            value("X-Amz-Algorithm"),
            value("X-Amz-Credential"),
            value("X-Amz-SignedHeaders"),
        );
        for (name, value) in [
            (AUTHORIZATION, authorization),
            (HeaderName::from_static("x-amz-date"), value("X-Amz-Date")),
        ] {
            let value = HeaderValue::try_from(value).expect("a value");
            head.headers.insert(name, value);
        }
        head.uri = uri.parse::<Uri>().expect("a URI");
    }
    let explanation = signer.explain(&head, payload).expect("signed");
    explanation.string_to_sign().to_owned()
}
