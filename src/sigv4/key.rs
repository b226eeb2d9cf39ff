//! Signing keys, derived once for a day, a region and a service, and kept with the credentials.
//!
//! They hang on one generation of credentials and not in a table of their own, so a rotated secret
//! never meets an old key, and they are wiped when the credentials go.

use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use aws_sigv4::sign::v4::generate_signing_key;
use zeroize::Zeroizing;

use super::options::SigningScope;

/// The signing keys of one generation of credentials. Reading takes no lock.
pub(super) struct SigningKeys {
    recent: ArcSwap<Vec<Arc<SigningKey>>>,
}

struct SigningKey {
    date: String,
    scope: SigningScope,
    key: Zeroizing<Vec<u8>>,
}

/// How many are kept. A program signs for a few services in a few regions, around midnight for two
/// days each.
const KEPT: usize = 16;

impl SigningKeys {
    pub(super) fn new() -> Self {
        Self {
            recent: ArcSwap::default(),
        }
    }

    /// Uses the key for `date` (`20150830`, the day of `time`) and `scope`, derived from `secret` unless
    /// it is there.
    pub(super) fn with<R>(
        &self,
        secret: &str,
        (date, time): (&str, SystemTime),
        scope: &SigningScope,
        sign: impl FnOnce(&[u8]) -> R,
    ) -> R {
        let is_wanted = |key: &&Arc<SigningKey>| key.date == date && key.scope == *scope;
        let recent = self.recent.load();
        if let Some(found) = recent.iter().find(is_wanted) {
            return sign(&found.key);
        }
        let key = generate_signing_key(secret, time, scope.region(), scope.service());
        let key = Arc::new(SigningKey {
            date: date.to_owned(),
            scope: scope.clone(),
            key: Zeroizing::new(key.as_ref().to_vec()),
        });
        self.recent.rcu(|recent| {
            let others = recent.iter().filter(|key| !is_wanted(key));
            let mut keys = vec![Arc::clone(&key)];
            keys.extend(others.take(KEPT - 1).cloned());
            keys
        });
        sign(&key.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

    fn scope(service: &str) -> SigningScope {
        SigningScope::new("us-east-1", service).expect("a scope")
    }

    /// Several threads sign for more days and services than are kept: every key is the derived one.
    #[test]
    fn a_kept_key_is_the_derived_one() {
        let keys = SigningKeys::new();
        std::thread::scope(|threads| {
            for thread in 0..4_u64 {
                let keys = &keys;
                threads.spawn(move || {
                    for turn in 0..500_u64 {
                        let days = (turn * 7 + thread) % 5;
                        let service = ["s3", "es", "sqs", "sns", "iam"][(turn % 5) as usize];
                        let scope = scope(service);
                        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(days * 86_400);
                        let date = format!("1970010{}", days + 1);
                        let derived = generate_signing_key(SECRET, time, "us-east-1", service);
                        keys.with(SECRET, (&date, time), &scope, |key| {
                            assert_eq!(key, derived.as_ref());
                        });
                    }
                });
            }
        });
        assert_eq!(keys.recent.load().len(), KEPT);
    }

    #[test]
    fn a_key_is_wiped() {
        fn is_wiped<T: zeroize::ZeroizeOnDrop>(_: &T) {}
        let keys = SigningKeys::new();
        let time = SystemTime::UNIX_EPOCH;
        keys.with(SECRET, ("19700101", time), &scope("s3"), |_| ());
        is_wiped(&keys.recent.load()[0].key);
    }
}
