//! The pending credential: the request's own, or the source's.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::future::polled_again;
use crate::error::AuthError;

pin_project! {
    /// A credential on its way: one that the request brought along, or the source's answer.
    pub struct Acquire<F, C> {
        #[pin]
        state: State<F, C>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F, C> {
        Own { credential: Option<C> },
        Source { #[pin] future: F },
    }
}

impl<F, C> Acquire<F, C> {
    pub(super) fn own(credential: C) -> Self {
        Self {
            state: State::Own {
                credential: Some(credential),
            },
        }
    }

    pub(super) fn source(future: F) -> Self {
        Self {
            state: State::Source { future },
        }
    }
}

impl<F, C> Future for Acquire<F, C>
where
    F: Future<Output = Result<C, AuthError>>,
{
    type Output = Result<C, AuthError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Own { credential } => {
                Poll::Ready(credential.take().ok_or_else(polled_again))
            }
            StateProj::Source { future } => future.poll(cx),
        }
    }
}

impl<F, C> fmt::Debug for Acquire<F, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acquire").finish_non_exhaustive()
    }
}
