//! Private keys, and the assertions that clients sign with them: RFC 7523, OpenID Connect Core section 9.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
    RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaKeyPair,
};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::{Map, Value};

use zeroize::Zeroizing;

use super::random::random_text;
use crate::error::{AuthError, AuthErrorKind};
use crate::secret::Secret;

/// A private key that a client authenticates itself with, instead of a secret: `private_key_jwt`.
///
/// ```no_run
/// use tower_client_auth::oauth::PrivateKey;
///
/// let key = PrivateKey::from_pem(&std::fs::read("client-key.pem")?)?.key_id("2026-11");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// | key | algorithm |
/// |---|---|
/// | RSA, 2048 to 4096 bits | RS256, or PS256 by [`rsa_pss`](PrivateKey::rsa_pss) |
/// | ECDSA on P-256, on P-384 | ES256, ES384 |
/// | Ed25519 | EdDSA |
///
/// The provider knows the public key by the client's registration, as a JSON Web Key or a certificate. A
/// signature lasts for five minutes and is used once.
///
/// Where the key lies in a key management service, or somebody else signs, hand the assertions over
/// yourself: [`OAuthClient::assertions`](super::OAuthClient::assertions).
#[derive(Clone)]
pub struct PrivateKey {
    pair: Arc<Pair>,
    /// Members of the assertion's header.
    header: Map<String, Value>,
    pss: bool,
}

enum Pair {
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
    P384(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

/// How long an assertion is good for. It is made for one request; the rest is for clocks that differ.
const LIFETIME: Duration = Duration::from_secs(5 * 60);

/// For an assertion with a long audience and the signature of a large key, so that none is left behind in a
/// buffer that was too small.
const ROOM: usize = 4096;

impl PrivateKey {
    /// The first private key of a PEM file: `PRIVATE KEY` (PKCS #8), or `RSA PRIVATE KEY` (PKCS #1).
    ///
    /// # Errors
    ///
    /// [`AuthErrorKind::MalformedCredential`] if there is none, if it is encrypted, or of a kind or size
    /// that is not in the table above.
    pub fn from_pem(pem: &[u8]) -> Result<Self, AuthError> {
        // The word is there in PKCS #8 and in OpenSSL's own format.
        if contains(pem, b"ENCRYPTED") {
            return Err(unusable(
                "the private key is encrypted: decrypt it first (`openssl pkcs8 -in key.pem -out plain.pem`)",
            ));
        }
        // Without the source, which may repeat what was there.
        let key = PrivateKeyDer::from_pem_slice(pem).map_err(|_| {
            unusable("the text has no private key: expected a PEM file with `-----BEGIN PRIVATE KEY-----`")
        })?;
        Self::from_der(&key)
    }

    fn from_der(key: &PrivateKeyDer<'_>) -> Result<Self, AuthError> {
        let random = SystemRandom::new();
        let pair = match key {
            PrivateKeyDer::Pkcs1(key) => RsaKeyPair::from_der(key.secret_pkcs1_der())
                .ok()
                .map(Pair::Rsa),
            PrivateKeyDer::Pkcs8(key) => {
                let der = key.secret_pkcs8_der();
                let ecdsa = |algorithm| EcdsaKeyPair::from_pkcs8(algorithm, der, &random).ok();
                None.or_else(|| RsaKeyPair::from_pkcs8(der).ok().map(Pair::Rsa))
                    .or_else(|| ecdsa(&ECDSA_P256_SHA256_FIXED_SIGNING).map(Pair::P256))
                    .or_else(|| ecdsa(&ECDSA_P384_SHA384_FIXED_SIGNING).map(Pair::P384))
                    .or_else(|| {
                        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).ok();
                        pair.map(Pair::Ed25519)
                    })
            }
            PrivateKeyDer::Sec1(_) => {
                return Err(unusable(
                    "an `EC PRIVATE KEY` has to be converted first: `openssl pkcs8 -topk8 -nocrypt -in \
                     key.pem -out pkcs8.pem`",
                ));
            }
            _ => None,
        };
        match pair {
            Some(pair) => Ok(Self {
                pair: Arc::new(pair),
                header: Map::new(),
                pss: false,
            }),
            None => Err(unusable(
                "the private key is none that assertions can be signed with: use RSA with 2048 to 4096 \
                 bits, ECDSA on P-256 or P-384, or Ed25519",
            )),
        }
    }

    /// The key's name, by which the provider finds the public one: `kid`.
    #[must_use]
    pub fn key_id(self, id: impl Into<String>) -> Self {
        self.header("kid", id)
    }

    /// A further member of the assertions' header, such as the certificate thumbprint that Entra ID wants,
    /// `x5t#S256`. `alg` and `typ` are not to be had.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.header.insert(name.into(), Value::String(value.into()));
        self
    }

    /// Has an RSA key sign with PS256 instead of RS256. Changes nothing for other keys.
    #[must_use]
    pub fn rsa_pss(mut self) -> Self {
        self.pss = true;
        self
    }

    /// An assertion by `client` for `audience`, made at `now`.
    pub(super) fn assertion(
        &self,
        client: &str,
        audience: &str,
        now: SystemTime,
    ) -> Result<Secret, AuthError> {
        let since_epoch = now.duration_since(SystemTime::UNIX_EPOCH);
        let issued = since_epoch.unwrap_or_default().as_secs();
        let mut header = self.header.clone();
        header.insert("alg".into(), self.algorithm().into());
        header.insert("typ".into(), "JWT".into());
        let claims = serde_json::json!({
            "iss": client,
            "sub": client,
            "aud": audience,
            "jti": &*random_text::<16>()?,
            "iat": issued,
            "exp": issued.saturating_add(LIFETIME.as_secs()),
        });
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let mut assertion = Zeroizing::new(String::with_capacity(ROOM));
        assertion.push_str(&part(&Value::Object(header)));
        assertion.push('.');
        assertion.push_str(&part(&claims));
        let signature = self.sign(assertion.as_bytes())?;
        assertion.push('.');
        assertion.push_str(&URL_SAFE_NO_PAD.encode(signature));
        Ok(Secret::new(std::mem::take(&mut *assertion)))
    }

    fn algorithm(&self) -> &'static str {
        match &*self.pair {
            Pair::Rsa(_) if self.pss => "PS256",
            Pair::Rsa(_) => "RS256",
            Pair::P256(_) => "ES256",
            Pair::P384(_) => "ES384",
            Pair::Ed25519(_) => "EdDSA",
        }
    }

    fn sign(&self, text: &[u8]) -> Result<Vec<u8>, AuthError> {
        let random = SystemRandom::new();
        let failed = |_| unusable("the private key cannot sign");
        match &*self.pair {
            Pair::Rsa(pair) => {
                let padding: &dyn ring::signature::RsaEncoding = match self.pss {
                    true => &RSA_PSS_SHA256,
                    false => &RSA_PKCS1_SHA256,
                };
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(padding, &random, text, &mut signature)
                    .map_err(failed)?;
                Ok(signature)
            }
            Pair::P256(pair) | Pair::P384(pair) => {
                let signature = pair.sign(&random, text).map_err(failed)?;
                Ok(signature.as_ref().to_vec())
            }
            Pair::Ed25519(pair) => Ok(pair.sign(text).as_ref().to_vec()),
        }
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateKey")
            .field("algorithm", &self.algorithm())
            .finish_non_exhaustive()
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

fn unusable(problem: &'static str) -> AuthError {
    AuthError::new(AuthErrorKind::MalformedCredential, problem)
}
