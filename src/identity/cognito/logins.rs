//! What vouches for a user at an identity pool.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use super::claims::Claims;
use crate::error::AuthError;
use crate::identity::oauth::{AnySource, Boxed};
use crate::identity::token::Token;

/// A token by the name of its provider. None at all are a guest's.
pub(super) type Logins = BTreeMap<String, Token>;

/// Where logins come from.
pub(super) trait Voucher: Send + Sync {
    fn logins(&self) -> Boxed<'_, Logins>;
    /// Others than these, which a pool has refused; the same, if there are no others.
    fn renewed<'a>(&'a self, refused: &'a Logins, why: &'a AuthError) -> Boxed<'a, Logins>;
}

/// Any providers' tokens.
#[derive(Clone, Default)]
pub(super) struct Sources(pub(super) BTreeMap<String, Arc<dyn AnySource>>);

impl Voucher for Sources {
    fn logins(&self) -> Boxed<'_, Logins> {
        Box::pin(async {
            let mut logins = Logins::new();
            for (provider, source) in &self.0 {
                logins.insert(provider.clone(), source.fetch().await?);
            }
            Ok(logins)
        })
    }

    fn renewed<'a>(&'a self, refused: &'a Logins, _why: &'a AuthError) -> Boxed<'a, Logins> {
        for (provider, token) in refused {
            if let Some(source) = self.0.get(provider) {
                source.reject(token);
            }
        }
        self.logins()
    }
}

/// What tells logins from others, and gives nothing of them away.
pub(super) fn fingerprint(logins: &Logins) -> [u8; 32] {
    let texts = logins.iter();
    digest(texts.flat_map(|(provider, token)| [provider.as_str(), token.expose()])).into()
}

fn digest<'a>(texts: impl Iterator<Item = &'a str>) -> impl Into<[u8; 32]> + AsRef<[u8]> {
    let mut hash = Sha256::new();
    for text in texts {
        // Lengths, so that no two lists of texts are alike.
        hash.update(text.len().to_be_bytes());
        hash.update(text);
    }
    hash.finalize()
}

/// Whom a guest's identity belongs to.
const GUEST: &str = "guest";

/// Whom an identity belongs to, as a text that says no more than that. `None` if the logins do not tell: tokens
/// that are no JSON Web Tokens.
pub(super) fn owner(logins: &Logins) -> Option<String> {
    if logins.is_empty() {
        return Some(GUEST.to_owned());
    }
    let mut parts = Vec::with_capacity(2 * logins.len());
    for (provider, token) in logins {
        let claims = Claims::of(token.expose());
        parts.push(provider.clone());
        parts.push(claims.subject()?.to_owned());
    }
    Some(URL_SAFE_NO_PAD.encode(digest(parts.iter().map(String::as_str))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logins(pairs: &[(&str, &str)]) -> Logins {
        let token = |subject: &str| {
            let claims = URL_SAFE_NO_PAD.encode(format!(r#"{{"sub":"{subject}"}}"#));
            Token::from(format!("e30.{claims}.c2ln"))
        };
        let pairs = pairs.iter();
        pairs
            .map(|(provider, subject)| ((*provider).to_owned(), token(subject)))
            .collect()
    }

    #[test]
    fn an_owner_is_a_person_at_a_provider() {
        let guest = owner(&Logins::new()).expect("an owner");
        let alice = owner(&logins(&[("a", "alice")])).expect("an owner");
        let others = [
            guest,
            owner(&logins(&[("a", "bob")])).expect("an owner"),
            owner(&logins(&[("b", "alice")])).expect("an owner"),
            owner(&logins(&[("aa", "lice")])).expect("an owner"),
            owner(&logins(&[("a", "alice"), ("b", "alice")])).expect("an owner"),
        ];
        assert!(!others.contains(&alice));
        assert_eq!(owner(&logins(&[("a", "alice")])), Some(alice));
        let opaque = Logins::from([("a".to_owned(), Token::from("opaque"))]);
        assert_eq!(owner(&opaque), None);
    }

    #[test]
    fn logins_are_told_apart_by_their_texts() {
        let one = fingerprint(&logins(&[("a", "alice")]));
        assert_eq!(one, fingerprint(&logins(&[("a", "alice")])));
        for other in [
            logins(&[("a", "bob")]),
            logins(&[("b", "alice")]),
            logins(&[("a", "alice"), ("b", "alice")]),
            Logins::new(),
        ] {
            assert_ne!(one, fingerprint(&other));
        }
    }
}
