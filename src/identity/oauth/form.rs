//! The form that a token request is: encoded once, wiped when it has been sent.

use std::borrow::Cow;

use bytes::Bytes;
use form_urlencoded::Serializer;
use zeroize::Zeroizing;

use crate::secret::Secret;

/// Pairs of a form, in the order they are sent in.
#[derive(Default)]
pub(super) struct Form {
    pairs: Vec<Pair>,
}

type Pair = (Cow<'static, str>, Value);

enum Value {
    Plain(String),
    Secret(Secret),
}

impl Value {
    fn text(&self) -> &str {
        match self {
            Self::Plain(text) => text,
            Self::Secret(secret) => secret.expose(),
        }
    }
}

impl Form {
    pub(super) fn of_grant(grant_type: &str) -> Self {
        Self::default().with("grant_type", grant_type)
    }

    #[must_use]
    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.push(name, value);
        self
    }

    #[must_use]
    pub(super) fn with_secret(mut self, name: &'static str, value: &Secret) -> Self {
        self.push_secret(name, value);
        self
    }

    pub(super) fn push(&mut self, name: impl Into<Cow<'static, str>>, value: impl Into<String>) {
        self.pairs.push((name.into(), Value::Plain(value.into())));
    }

    pub(super) fn push_secret(&mut self, name: impl Into<Cow<'static, str>>, value: &Secret) {
        self.pairs.push((name.into(), Value::Secret(value.clone())));
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.pairs.iter().any(|(known, _)| known == name)
    }

    /// The form and what proves the client, as a body. Wiped once the last clone is gone.
    pub(super) fn body_with(&self, proof: &Self) -> Bytes {
        Bytes::from_owner(encode(self.pairs.iter().chain(&proof.pairs)))
    }

    /// As the query of a URL, which has no secrets.
    pub(super) fn query(&self) -> Zeroizing<String> {
        encode(self.pairs.iter())
    }
}

fn encode<'a>(pairs: impl Iterator<Item = &'a Pair> + Clone) -> Zeroizing<String> {
    // Room for the worst of it, so that nothing is left behind in a buffer that was too small.
    let room = pairs
        .clone()
        .map(|(name, value)| 3 * (name.len() + value.text().len()) + 2);
    let mut serializer = Serializer::new(String::with_capacity(room.sum()));
    for (name, value) in pairs {
        serializer.append_pair(name, value.text());
    }
    Zeroizing::new(serializer.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_needs_no_second_buffer() {
        let odd: String = (0..=255u8).map(char::from).collect();
        let form = Form::of_grant("x").with_secret("secret", &Secret::new(odd.clone()));
        let text = form.query();
        let room: usize = 3 * (10 + 1) + 2 + 3 * (6 + odd.len()) + 2;
        assert!(text.capacity() >= room && text.len() <= room);
        let pairs: Vec<_> = form_urlencoded::parse(text.as_bytes()).collect();
        assert_eq!(pairs[1].1, odd);
    }
}
