//! Signing keys, derived once for a day, a region and a service, and kept with the credentials,
//! together with what signatures of the same second have in common.
//!
//! They hang on one generation of credentials and not in a table of their own, so a rotated secret
//! never meets an old key, and they are wiped when the credentials go.

use std::sync::Arc;
#[cfg(feature = "sigv4a")]
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use aws_sigv4::sign::v4::generate_signing_key;
use hmac::{Hmac, KeyInit, Mac};
use http::HeaderValue;
use sha2::Sha256;

use super::date::{DateTime, SECONDS_PER_DAY};
use super::options::SigningScope;
use super::scratch::Text;
#[cfg(feature = "sigv4a")]
use super::v4a::EcdsaKey;
use crate::error::{AuthError, AuthErrorKind};
use crate::hex::hex;
use crate::query;

/// The signing keys of one generation of credentials. Reading takes no lock.
pub(super) struct SigningKeys {
    /// The latest first.
    recent: ArcSwap<Vec<Arc<Stamp>>>,
    /// SigV4a has one key for all days, regions and services.
    #[cfg(feature = "sigv4a")]
    ecdsa: OnceLock<Arc<EcdsaKey>>,
}

/// What the signatures of one second, region and service have in common.
pub(super) struct Stamp {
    second: u64,
    key: Arc<SigningKey>,
    beginning: Beginning,
    pub(super) date_time: DateTime,
    pub(super) date_header: HeaderValue,
    /// The value of `authorization` as far as the list of signed headers.
    pub(super) authorization: String,
    /// The value of `X-Amz-Credential`, encoded.
    pub(super) credential: String,
}

/// What comes before the hash of the canonical request: the strings to sign of one second differ in nothing
/// else.
enum Beginning {
    /// Gone through HMAC with the signing key.
    Hmac(Hmac<Sha256>),
    #[cfg(feature = "sigv4a")]
    Ecdsa(Vec<u8>, Arc<EcdsaKey>),
}

struct SigningKey {
    day: u64,
    scope: SigningScope,
    secret: Secret,
}

enum Secret {
    /// Wiped when it is dropped, as are its clones: a feature of `hmac`.
    Hmac(Hmac<Sha256>),
    #[cfg(feature = "sigv4a")]
    Ecdsa(Arc<EcdsaKey>),
}

/// How many stamps are kept. A program signs for a few services in a few regions, around midnight
/// for two days each.
const KEPT: usize = 32;

/// How many of them have one key: threads do not go from one second to the next at once, and servers
/// whose clocks differ are signed for beside each other.
const KEPT_OF_A_KEY: usize = 2;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
#[cfg(feature = "sigv4a")]
const ALGORITHM_V4A: &str = "AWS4-ECDSA-P256-SHA256";

impl SigningKeys {
    pub(super) fn new() -> Self {
        Self {
            recent: ArcSwap::default(),
            #[cfg(feature = "sigv4a")]
            ecdsa: OnceLock::new(),
        }
    }

    /// Uses the stamp for `second` (since 1970) and `scope`; its key is derived from `secret` unless
    /// it is there.
    #[inline]
    pub(super) fn with<R>(
        &self,
        (access_key_id, secret): (&str, &str),
        second: u64,
        scope: &SigningScope,
        sign: impl FnOnce(&Arc<Stamp>) -> Result<R, AuthError>,
    ) -> Result<R, AuthError> {
        let recent = self.recent.load();
        let found = recent
            .iter()
            .find(|stamp| stamp.second == second && stamp.key.scope.is(scope));
        match found {
            Some(stamp) => sign(stamp),
            None => sign(&self.add((access_key_id, secret), second, scope)?),
        }
    }

    #[cold]
    fn add(
        &self,
        (access_key_id, secret): (&str, &str),
        second: u64,
        scope: &SigningScope,
    ) -> Result<Arc<Stamp>, AuthError> {
        // Before a key is derived, which panics for a time that cannot be written.
        let date_time = DateTime::new(second)?;
        let day = second / SECONDS_PER_DAY;
        let is_known = |stamp: &&Arc<Stamp>| stamp.key.day == day && stamp.key.scope.is(scope);
        let known = self
            .recent
            .load()
            .iter()
            .find(is_known)
            .map(|stamp| Arc::clone(&stamp.key));
        let key = match known {
            Some(key) => key,
            None => Arc::new(SigningKey {
                day,
                scope: scope.clone(),
                secret: self.secret((access_key_id, secret), day, scope)?,
            }),
        };
        let stamp = Arc::new(Stamp::new(access_key_id, second, date_time, key)?);
        self.recent.rcu(|recent| {
            let mut kept = vec![Arc::clone(&stamp)];
            let mut of_this_key = 1;
            for other in recent.iter() {
                let same = is_known(&other);
                of_this_key += usize::from(same);
                let wanted = !same || (of_this_key <= KEPT_OF_A_KEY && other.second != second);
                if wanted && kept.len() < KEPT {
                    kept.push(Arc::clone(other));
                }
            }
            kept
        });
        Ok(stamp)
    }

    fn secret(
        &self,
        (access_key_id, secret): (&str, &str),
        day: u64,
        scope: &SigningScope,
    ) -> Result<Secret, AuthError> {
        #[cfg(feature = "sigv4a")]
        if scope.regions().is_some() {
            if let Some(key) = self.ecdsa.get() {
                return Ok(Secret::Ecdsa(Arc::clone(key)));
            }
            // Two threads may derive it at once, and then both use that of one of them.
            let key = Arc::new(EcdsaKey::derive(access_key_id, secret)?);
            return Ok(Secret::Ecdsa(Arc::clone(self.ecdsa.get_or_init(|| key))));
        }
        let _ = access_key_id;
        Secret::derive(secret, day, scope)
    }
}

impl Stamp {
    fn new(
        access_key_id: &str,
        second: u64,
        date_time: DateTime,
        key: Arc<SigningKey>,
    ) -> Result<Self, AuthError> {
        let scope = format!("{}/{}/aws4_request", date_time.date(), key.scope);
        let algorithm = key.secret.algorithm();
        let beginning = match &key.secret {
            Secret::Hmac(secret) => {
                Beginning::Hmac(begin(secret, algorithm, &date_time, &key.scope))
            }
            #[cfg(feature = "sigv4a")]
            Secret::Ecdsa(secret) => Beginning::Ecdsa(
                beginning(algorithm, &date_time, &key.scope).into_bytes(),
                Arc::clone(secret),
            ),
        };
        let date_header = HeaderValue::from_str(date_time.as_str());
        let credential = format!("{access_key_id}/{scope}");
        Ok(Self {
            second,
            beginning,
            date_header: date_header.map_err(|_| AuthError::unwritable_signature())?,
            authorization: format!("{algorithm} Credential={credential}, SignedHeaders="),
            credential: query::encode(&credential),
            date_time,
            key,
        })
    }

    /// As it is named in the query.
    pub(super) fn algorithm(&self) -> &'static str {
        self.key.secret.algorithm()
    }

    /// The signing key, unless it is one of SigV4a.
    pub(super) fn hmac(&self) -> Option<&Hmac<Sha256>> {
        match &self.key.secret {
            Secret::Hmac(secret) => Some(secret),
            #[cfg(feature = "sigv4a")]
            Secret::Ecdsa(_) => None,
        }
    }

    /// HMAC of the beginning of a string to sign, for what follows the head in a body.
    pub(super) fn begin(&self, secret: &Hmac<Sha256>, algorithm: &str) -> Hmac<Sha256> {
        begin(secret, algorithm, &self.date_time, &self.key.scope)
    }

    /// Writes the signature, given the hash of the canonical request.
    #[inline(always)]
    pub(super) fn sign(&self, hash: &[u8; 64], text: &mut Text<'_>) -> Result<(), AuthError> {
        match &self.beginning {
            Beginning::Hmac(mac) => {
                let mut mac = mac.clone();
                mac.update(hash);
                text.extend(&hex(&mac.finalize().into_bytes().into()));
                Ok(())
            }
            #[cfg(feature = "sigv4a")]
            Beginning::Ecdsa(beginning, key) => {
                key.sign(&[beginning, hash.as_slice()].concat(), text)
            }
        }
    }
}

impl Secret {
    fn derive(secret: &str, day: u64, scope: &SigningScope) -> Result<Self, AuthError> {
        let midnight = Duration::from_secs(day * SECONDS_PER_DAY);
        let midnight = SystemTime::UNIX_EPOCH + midnight;
        let key = generate_signing_key(secret, midnight, scope.region(), scope.service());
        let mac = Hmac::new_from_slice(key.as_ref()).map_err(|_| {
            AuthError::new(AuthErrorKind::Request, "the signing key has an odd length")
        })?;
        Ok(Self::Hmac(mac))
    }

    fn algorithm(&self) -> &'static str {
        match self {
            Self::Hmac(_) => ALGORITHM,
            #[cfg(feature = "sigv4a")]
            Self::Ecdsa(_) => ALGORITHM_V4A,
        }
    }
}

/// A string to sign as far as its credential scope.
fn beginning(algorithm: &str, time: &DateTime, scope: &SigningScope) -> String {
    let date = time.date();
    format!(
        "{algorithm}\n{}\n{date}/{scope}/aws4_request\n",
        time.as_str()
    )
}

/// HMAC of it.
fn begin(
    secret: &Hmac<Sha256>,
    algorithm: &str,
    time: &DateTime,
    scope: &SigningScope,
) -> Hmac<Sha256> {
    let mut mac = secret.clone();
    mac.update(beginning(algorithm, time, scope).as_bytes());
    mac
}

#[cfg(test)]
mod tests;
