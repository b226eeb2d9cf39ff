//! The user's tokens, as a token source.

use std::fmt;

use super::session::no_user_pool;
use super::user_pool::UserPool;
use crate::identity::cache::CacheRef;
use crate::identity::oauth::{GrantFuture, Keeper, TokenKind};
use crate::identity::source::TokenSource;
use crate::identity::token::Token;

/// What the tokens of a [`Session`](super::Session) come from.
#[derive(Clone)]
pub struct UserTokens {
    keeper: Option<Keeper<UserPool>>,
    kind: TokenKind,
}

impl UserTokens {
    pub(super) fn new(keeper: Option<Keeper<UserPool>>, kind: TokenKind) -> Self {
        Self { keeper, kind }
    }
}

impl TokenSource for UserTokens {
    type Future = GrantFuture;

    fn token(&self) -> Self::Future {
        match &self.keeper {
            Some(keeper) => GrantFuture::new(keeper.clone().token(self.kind)),
            None => GrantFuture::new(std::future::ready(Err(no_user_pool()))),
        }
    }

    /// A refresh token may rotate.
    fn must_finish(&self) -> bool {
        true
    }

    fn rejected(&self, token: &Token) {
        if let Some(keeper) = &self.keeper {
            keeper.rejected(self.kind, token);
        }
    }

    fn kept_by(&self, cache: CacheRef) {
        if let Some(keeper) = &self.keeper {
            keeper.add_cache(cache);
        }
    }
}

impl fmt::Debug for UserTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserTokens")
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}
