//! How much of a response a verdict may look at.

use std::future::{Future, Pending};

use bytes::Bytes;
use http::Response;

use super::body::Step;

/// How much of a response is read before it is judged: [`HeadOnly`], or the beginning of a body that may
/// say why a request was refused ([`InspectErrors`](super::InspectErrors)).
///
/// Sealed: what happens to a body on its way to the caller is the engine's business.
pub trait Inspect<R>: sealed::Sealed {
    /// The body the caller gets.
    type Body;
    /// Resolves to the response and what was peeked of its body.
    type Future: Future<Output = Inspected<Self::Body>>;

    /// Looks at a response that is about to be judged.
    fn inspect(&self, response: Response<R>) -> Step<Inspected<Self::Body>, Self::Future>;

    /// The response to a request that was left alone.
    fn bypass(&self, response: Response<R>) -> Response<Self::Body>;
}

/// A response, and what was peeked of its body.
pub type Inspected<B> = (Response<B>, Option<Bytes>);

pub(super) mod sealed {
    pub trait Sealed {}
    impl Sealed for super::HeadOnly {}
}

/// Status and headers are judged, the body goes to the caller as it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct HeadOnly;

impl<R> Inspect<R> for HeadOnly {
    type Body = R;
    type Future = Pending<Inspected<R>>;

    fn inspect(&self, response: Response<R>) -> Step<Inspected<R>, Self::Future> {
        Step::Now((response, None))
    }

    fn bypass(&self, response: Response<R>) -> Response<R> {
        response
    }
}
