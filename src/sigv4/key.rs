//! Signing keys, derived once for a day, a region and a service, and kept with the credentials,
//! together with what signatures of the same second have in common.
//!
//! They hang on one generation of credentials and not in a table of their own, so a rotated secret
//! never meets an old key, and they are wiped when the credentials go.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use aws_sigv4::sign::v4::generate_signing_key;
use hmac::{Hmac, KeyInit, Mac};
use http::HeaderValue;
use sha2::Sha256;

use super::date::{DateTime, SECONDS_PER_DAY};
use super::options::SigningScope;
use crate::error::{AuthError, AuthErrorKind};
use crate::hex::hex;

/// The signing keys of one generation of credentials. Reading takes no lock.
pub(super) struct SigningKeys {
    /// The latest first.
    recent: ArcSwap<Vec<Arc<Stamp>>>,
}

/// What the signatures of one second, region and service have in common.
pub(super) struct Stamp {
    second: u64,
    key: Arc<SigningKey>,
    /// HMAC with the signing key of all that comes before the hash of the canonical request: the
    /// string to sign differs in nothing else.
    mac: Hmac<Sha256>,
    pub(super) date_time: DateTime,
    pub(super) date_header: HeaderValue,
    /// The value of `authorization` as far as the list of signed headers.
    pub(super) authorization: String,
}

struct SigningKey {
    day: u64,
    scope: SigningScope,
    /// Wiped when it is dropped, as are its clones: a feature of `hmac`.
    mac: Hmac<Sha256>,
}

/// How many stamps are kept. A program signs for a few services in a few regions, around midnight
/// for two days each.
const KEPT: usize = 32;

/// How many of them have one key: threads do not go from one second to the next at once, and servers
/// whose clocks differ are signed for beside each other.
const KEPT_OF_A_KEY: usize = 2;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

impl SigningKeys {
    pub(super) fn new() -> Self {
        Self {
            recent: ArcSwap::default(),
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
        let is_known = |stamp: &&Arc<Stamp>| stamp.key.day == day && stamp.key.scope == *scope;
        let known = self
            .recent
            .load()
            .iter()
            .find(is_known)
            .map(|stamp| Arc::clone(&stamp.key));
        let key = match known {
            Some(key) => key,
            None => Arc::new(SigningKey::derive(secret, day, scope)?),
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
}

impl Stamp {
    fn new(
        access_key_id: &str,
        second: u64,
        date_time: DateTime,
        key: Arc<SigningKey>,
    ) -> Result<Self, AuthError> {
        let scope = format!("{}/{}/aws4_request", date_time.date(), key.scope);
        let mac = key.begin(ALGORITHM, &date_time);
        let date_header = HeaderValue::from_str(date_time.as_str());
        Ok(Self {
            second,
            mac,
            date_header: date_header.map_err(|_| AuthError::unwritable_signature())?,
            authorization: format!(
                "{ALGORITHM} Credential={access_key_id}/{scope}, SignedHeaders="
            ),
            date_time,
            key,
        })
    }

    /// HMAC of the beginning of a string to sign, for what follows the head in a body.
    pub(super) fn begin(&self, algorithm: &str) -> Hmac<Sha256> {
        self.key.begin(algorithm, &self.date_time)
    }

    /// The signature, given the hash of the canonical request.
    pub(super) fn sign(&self, hash: &[u8; 64]) -> [u8; 64] {
        let mut mac = self.mac.clone();
        mac.update(hash);
        hex(&mac.finalize().into_bytes().into())
    }
}

impl SigningKey {
    fn derive(secret: &str, day: u64, scope: &SigningScope) -> Result<Self, AuthError> {
        let midnight = Duration::from_secs(day * SECONDS_PER_DAY);
        let midnight = SystemTime::UNIX_EPOCH + midnight;
        let key = generate_signing_key(secret, midnight, scope.region(), scope.service());
        let mac = Hmac::new_from_slice(key.as_ref()).map_err(|_| {
            AuthError::new(AuthErrorKind::Request, "the signing key has an odd length")
        })?;
        Ok(Self {
            day,
            scope: scope.clone(),
            mac,
        })
    }

    /// HMAC of a string to sign as far as its credential scope.
    fn begin(&self, algorithm: &str, time: &DateTime) -> Hmac<Sha256> {
        let (date, scope) = (time.date(), &self.scope);
        let text = format!(
            "{algorithm}\n{}\n{date}/{scope}/aws4_request\n",
            time.as_str()
        );
        let mut mac = self.mac.clone();
        mac.update(text.as_bytes());
        mac
    }
}

#[cfg(test)]
mod tests;
