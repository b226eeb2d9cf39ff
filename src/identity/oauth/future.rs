//! The futures of grants, which have no names of their own: a fetch is rare, and a box beside it is nothing.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::error::AuthError;
use crate::identity::token::Token;

pub(in crate::identity) type Boxed<'a, T> =
    Pin<Box<dyn Future<Output = Result<T, AuthError>> + Send + 'a>>;

/// A token that is being fetched.
pub struct GrantFuture {
    work: Boxed<'static, Token>,
}

impl GrantFuture {
    pub(in crate::identity) fn new(
        work: impl Future<Output = Result<Token, AuthError>> + Send + 'static,
    ) -> Self {
        Self {
            work: Box::pin(work),
        }
    }
}

impl Future for GrantFuture {
    type Output = Result<Token, AuthError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.work.as_mut().poll(cx)
    }
}

impl fmt::Debug for GrantFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GrantFuture").finish_non_exhaustive()
    }
}
