//! A token source whose type is forgotten.

use super::future::Boxed;
use crate::identity::cache::CacheRef;
use crate::identity::source::TokenSource;
use crate::identity::token::Token;

/// A token source of any type.
pub(in crate::identity) trait AnySource: Send + Sync {
    fn fetch(&self) -> Boxed<'static, Token>;
    fn reject(&self, token: &Token);
    fn kept_by(&self, cache: CacheRef);
}

impl<S> AnySource for S
where
    S: TokenSource + Send + Sync,
    S::Future: Send + 'static,
{
    fn fetch(&self) -> Boxed<'static, Token> {
        Box::pin(self.token())
    }

    fn reject(&self, token: &Token) {
        self.rejected(token);
    }

    fn kept_by(&self, cache: CacheRef) {
        TokenSource::kept_by(self, cache);
    }
}
