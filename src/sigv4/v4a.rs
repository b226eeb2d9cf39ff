//! SigV4a: signatures that hold in several regions, by ECDSA with a key derived from the secret.
//!
//! After [AWS SigV4a][aws]. The key does not depend on the day, nor on a region or a service. It is derived
//! by the `aws-sigv4` crate, and signs by `ring`, several times as fast as others.
//!
//! [aws]: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html#how-sigv4a-works

use aws_sigv4::sign::v4a::generate_signing_key;
use p256::SecretKey;
use p256::elliptic_curve::sec1::ToSec1Point;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};

use super::scratch::Text;
use crate::error::{AuthError, AuthErrorKind};
use crate::hex;

/// The signing key of one generation of credentials.
pub(super) struct EcdsaKey {
    pair: EcdsaKeyPair,
    random: SystemRandom,
}

impl EcdsaKey {
    /// Takes some hundred microseconds.
    pub(super) fn derive(access_key_id: &str, secret: &str) -> Result<Self, AuthError> {
        let private = generate_signing_key(access_key_id, secret);
        let private = private.as_ref();
        let random = SystemRandom::new();
        // `ring` wants the public key as well, to check one by the other.
        let public = SecretKey::from_slice(private).map_err(|_| unusable())?;
        let public = public.public_key().to_sec1_point(false);
        let pair = EcdsaKeyPair::from_private_key_and_public_key(
            &ECDSA_P256_SHA256_ASN1_SIGNING,
            private,
            public.as_bytes(),
            &random,
        );
        Ok(Self {
            pair: pair.map_err(|_| unusable())?,
            random,
        })
    }

    /// Writes the signature of `string_to_sign` in digits. It is another one each time.
    pub(super) fn sign(&self, string_to_sign: &[u8], text: &mut Text<'_>) -> Result<(), AuthError> {
        let signature = self.pair.sign(&self.random, string_to_sign).map_err(|_| {
            AuthError::new(
                AuthErrorKind::Configuration,
                "a SigV4a signature needs random numbers, and the system has none to give",
            )
        })?;
        for byte in signature.as_ref() {
            text.extend(&hex::pair(*byte));
        }
        Ok(())
    }
}

#[cold]
fn unusable() -> AuthError {
    AuthError::new(
        AuthErrorKind::MalformedCredential,
        "no SigV4a key can be derived from the secret access key",
    )
}
