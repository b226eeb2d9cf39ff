//! What a signature costs if nothing has to be parsed, sorted or encoded.
//!
//! Not quite the least there can be: it computes the HMAC over the whole string to sign, of which the
//! signatures of one second have the first block in common.

use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderName, HeaderValue, header, request};
use sha2::{Digest, Sha256};

use super::requests::{REGION, SECRET, Sample};

/// Everything about a request that can be known beforehand.
pub(crate) struct Floor {
    canonical: Vec<u8>,
    buffer: Vec<u8>,
    string_to_sign: Vec<u8>,
    key: Hmac<Sha256>,
    /// The value of `authorization`, with another signature.
    authorization: Vec<u8>,
    added: Vec<(HeaderName, HeaderValue)>,
    hashes: bool,
}

impl Floor {
    /// Takes a signed request apart. What is hashed has the length of the real thing and other
    /// contents, which makes no difference to SHA-256.
    pub(crate) fn new(sample: &Sample) -> Self {
        let (signer, credentials) = sample.signer();
        let now = super::clock();
        let mut head = sample.fresh();
        signer
            .sign(&mut head, &credentials, &sample.payload(), now)
            .expect("signed");
        let canonical = canonical_length(sample, &head);
        let key = aws_sigv4::sign::v4::generate_signing_key(SECRET, now, REGION, sample.service);
        let scope = 8 + REGION.len() + sample.service.len() + "///aws4_request".len();
        let added = head.headers.iter();
        let added = added
            .filter(|(name, _)| {
                !sample.head.headers.contains_key(*name) && **name != header::AUTHORIZATION
            })
            .map(|(name, value)| (name.clone(), value.clone()));
        Self {
            canonical: vec![b'c'; canonical],
            buffer: Vec::with_capacity(canonical),
            string_to_sign: vec![b's'; "AWS4-HMAC-SHA256\n20150830T123600Z\n\n".len() + scope + 64],
            key: Hmac::new_from_slice(key.as_ref()).expect("any length"),
            authorization: head.headers[header::AUTHORIZATION].as_bytes().to_vec(),
            added: added.collect(),
            hashes: sample.signed && !sample.body.is_empty(),
        }
    }

    /// One reading of the clock, SHA-256 of the payload, a copy of the canonical request and its
    /// SHA-256, HMAC of the string to sign, hexadecimal digits, one header value, and the inserts.
    pub(crate) fn sign(&mut self, head: &mut request::Parts, body: &[u8]) {
        std::hint::black_box(super::clock());
        if self.hashes {
            std::hint::black_box(Sha256::digest(body));
        }
        self.buffer.clear();
        self.buffer.extend_from_slice(&self.canonical);
        std::hint::black_box(Sha256::digest(&self.buffer));
        let mut mac = self.key.clone();
        mac.update(&self.string_to_sign);
        let signature = mac.finalize().into_bytes();
        let start = self.authorization.len() - 64;
        let (digits, _) = self.authorization[start..].as_chunks_mut::<2>();
        for (pair, byte) in digits.iter_mut().zip(signature) {
            const DIGITS: &[u8; 16] = b"0123456789abcdef";
            *pair = [byte >> 4, byte & 15].map(|digit| DIGITS[usize::from(digit)]);
        }
        let mut value = HeaderValue::from_bytes(&self.authorization).expect("visible");
        value.set_sensitive(true);
        for (name, value) in &self.added {
            head.headers.insert(name.clone(), value.clone());
        }
        head.headers.insert(header::AUTHORIZATION, value);
    }
}

/// How long the canonical request is, reckoned from what was signed.
fn canonical_length(sample: &Sample, signed: &request::Parts) -> usize {
    let authorization = signed.headers[header::AUTHORIZATION]
        .to_str()
        .expect("ASCII");
    let (_, names) = authorization.split_once("SignedHeaders=").expect("a list");
    let (names, _) = names.split_once(',').expect("a signature");
    let headers: usize = names
        .split(';')
        .map(|name| {
            let value = match name {
                "host" => signed.uri.host().expect("a host").len(),
                name => signed.headers[name].len(),
            };
            name.len() + value + 2
        })
        .sum();
    let escapes = signed.uri.path().matches('%').count();
    let query = signed.uri.query().unwrap_or_default();
    // `+` becomes `%20`.
    let query = query.len() + 2 * query.matches('+').count();
    let hash = if sample.signed {
        64
    } else {
        "UNSIGNED-PAYLOAD".len()
    };
    let path = signed.uri.path().len() + 2 * escapes;
    signed.method.as_str().len() + path + query + headers + names.len() + hash + 5
}
