//! What makes a scheme: the trait that the engine drives, and its vocabulary.

use std::future::Future;

use http::{request, response};

use super::hint::AuthHint;
use crate::error::AuthError;
use crate::payload::PayloadHash;
#[cfg(feature = "sigv4")]
use crate::sigv4::ChunkSigner;

/// An authorization scheme: which requests it covers, where its credential comes from, and how that
/// is put on a request.
///
/// The engine drives it, one request at a time:
///
/// 1. [`cover`](Authorizer::cover) decides whether the request is any of its business, and what it
///    needs of the body;
/// 2. the body is made ready;
/// 3. [`acquire`](Authorizer::acquire) gets the credential, the only step that may wait;
/// 4. [`apply`](Authorizer::apply) puts it on the unsigned head;
/// 5. [`judge`](Authorizer::judge) looks at the answer, and [`reject`](Authorizer::reject) hears of
///    a rejection; [`hint`](Authorizer::hint) says in words why a request was refused.
///
/// # A scheme of one's own
///
/// ```
/// use std::convert::Infallible;
/// use std::future::{Ready, ready};
///
/// use http::{HeaderValue, request};
/// use tower_client_auth::{
///     Applied, AuthError, AuthErrorKind, AuthOverride, AuthorizeLayer, Authorizer, Need,
///     PayloadHash, Scope,
/// };
///
/// /// Tells the server what the body should hash to, and where the request came from.
/// #[derive(Clone)]
/// struct Digest {
///     sender: HeaderValue,
///     scope: Scope,
/// }
///
/// impl Authorizer for Digest {
///     type Plan = ();
///     type Credential = HeaderValue;
///     type Acquire = Ready<Result<HeaderValue, AuthError>>;
///
///     fn cover(&self, head: &mut request::Parts) -> Result<Option<((), Need)>, AuthError> {
///         let skip = AuthOverride::of(head).is_some_and(AuthOverride::is_skip);
///         let ours = !skip && self.scope.covers(&head.uri)?;
///         Ok(ours.then_some(((), Need::Payload)))
///     }
///
///     fn acquire(&self, _plan: &()) -> Self::Acquire {
///         ready(Ok(self.sender.clone()))
///     }
///
///     fn apply(
///         &self,
///         _plan: &mut (),
///         sender: &HeaderValue,
///         payload: &PayloadHash,
///         head: &mut request::Parts,
///     ) -> Result<Applied, AuthError> {
///         let digest = HeaderValue::try_from(payload.to_string())
///             .map_err(|e| AuthError::new(AuthErrorKind::Request, "no digest").with_source(e))?;
///         head.headers.insert("x-digest", digest);
///         head.headers.insert("x-sender", sender.clone());
///         Ok(Applied::default())
///     }
/// }
///
/// # use bytes::Bytes;
/// # use http::{Request, Response};
/// # use http_body_util::Full;
/// # use tower::{ServiceBuilder, ServiceExt};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), tower_client_auth::BoxError> {
/// use tower_client_auth::Buffer;
///
/// let client = ServiceBuilder::new()
///     .layer(
///         AuthorizeLayer::with_authorizer(Digest {
///             sender: HeaderValue::from_static("me"),
///             scope: Scope::origin("https://api.example.com")?,
///         })
///         .payload(Buffer::default()),
///     )
///     .service_fn(|request: Request<_>| async move {
///         # drop::<Request<tower_client_auth::AuthBody<Full<Bytes>>>>(Request::from_parts(request.into_parts().0, tower_client_auth::AuthBody::default()));
///         Ok::<_, Infallible>(Response::new("the server's answer"))
///     });
/// let request = Request::put("https://api.example.com/x").body(Full::<Bytes>::from("hello"))?;
/// assert_eq!(client.oneshot(request).await?.into_body(), "the server's answer");
/// # Ok(())
/// # }
/// ```
pub trait Authorizer {
    /// What was decided about one request.
    type Plan;
    /// What is put on it.
    type Credential;
    /// The pending credential.
    type Acquire: Future<Output = Result<Self::Credential, AuthError>>;

    /// Decides about a request. `None` leaves it alone: it is sent as it is.
    ///
    /// May complete a relative URI. On an error nothing is sent, and the head must be as it was.
    fn cover(&self, head: &mut request::Parts) -> Result<Option<(Self::Plan, Need)>, AuthError>;

    /// Gets the credential. Called after the body is ready, and a second time for a replay.
    fn acquire(&self, plan: &Self::Plan) -> Self::Acquire;

    /// The credential if it is at hand, which saves a warm request the way through
    /// [`acquire`](Authorizer::acquire). `None`, the default, is always right.
    fn at_hand(&self, plan: &Self::Plan) -> Option<Self::Credential> {
        let _ = plan;
        None
    }

    /// Puts the credential on the head. Called again for a replay, with a head as it was before the
    /// first time.
    ///
    /// On an error nothing is sent, and the head must be as it was: build aside, assign at the end.
    fn apply(
        &self,
        plan: &mut Self::Plan,
        credential: &Self::Credential,
        payload: &PayloadHash,
        head: &mut request::Parts,
    ) -> Result<Applied, AuthError>;

    /// What signs the pieces of the body: asked for after each [`apply`](Authorizer::apply). The default has
    /// nothing.
    ///
    /// For one that says [`Need::Chunks`] or [`Need::Events`]: if `apply` was given [`PayloadHash::Streaming`],
    /// [`PayloadHash::StreamingTrailer`] or [`PayloadHash::StreamingEvents`], the body is an error without it, as
    /// soon as it is to be sent. One that is given [`PayloadHash::StreamingUnsignedTrailer`] sees to it that the
    /// request goes over https.
    #[cfg(feature = "sigv4")]
    #[inline]
    fn body_signer(&self, plan: &mut Self::Plan) -> Option<BodySigner> {
        let _ = plan;
        None
    }

    /// Looks at a response, at its head and at whatever the layer peeked of its body. The default
    /// accepts all.
    fn judge(
        &self,
        plan: &Self::Plan,
        credential: &Self::Credential,
        head: &response::Parts,
        peeked: Option<&[u8]>,
    ) -> Verdict {
        let _ = (plan, credential, head, peeked);
        Verdict::Accept
    }

    /// Why a request was probably refused. Asked about answers with a status from 400 to 499. The default
    /// has no idea.
    fn hint(
        &self,
        plan: &Self::Plan,
        credential: &Self::Credential,
        head: &response::Parts,
        peeked: Option<&[u8]>,
    ) -> Option<AuthHint> {
        let _ = (plan, credential, head, peeked);
        None
    }

    /// Whether a credential is the rejected one over again, so that there is no point in sending the
    /// request once more. `false`, the default, has it sent.
    fn is_same(&self, rejected: &Self::Credential, acquired: &Self::Credential) -> bool {
        let _ = (rejected, acquired);
        false
    }

    /// Hears of every [`Verdict::Refresh`], whether or not the request is sent again.
    fn reject(&self, plan: &Self::Plan, credential: &Self::Credential) {
        let _ = (plan, credential);
    }
}

/// What applying a credential needs of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Need {
    /// Nothing: the body streams through. [`Authorizer::apply`] is given
    /// [`PayloadHash::Unsigned`], which says nothing.
    Head,
    /// The hash of the whole body, so it is read first.
    Payload,
    /// The same, unless the body can be sent in chunks that are signed, or checked, one by one: under
    /// [`Chunked`](crate::Chunked), [`Authorizer::apply`] may be given one of [`PayloadHash`]'s streaming
    /// variants, and [`Authorizer::body_signer`] is asked for what signs the chunks.
    #[cfg(feature = "sigv4")]
    Chunks,
    /// The same, unless the body is a stream of events: under [`SignedEvents`](crate::SignedEvents),
    /// [`Authorizer::apply`] is given [`PayloadHash::StreamingEvents`] then, and [`Authorizer::body_signer`] is
    /// asked for what signs them.
    #[cfg(feature = "sigv4")]
    Events,
    /// A hash that is known already: the body streams through.
    Hashed(PayloadHash),
}

/// What [`Authorizer::apply`] answers: nothing yet, the default.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Applied {}

/// What signs the pieces of a body on its way out.
#[cfg(feature = "sigv4")]
#[derive(Debug)]
#[non_exhaustive]
pub enum BodySigner {
    // Boxed: few bodies are signed in pieces, and all pay for the room.
    /// For [`Chunked`](crate::Chunked).
    Chunks(Box<ChunkSigner>),
    /// For [`SignedEvents`](crate::SignedEvents), with the clock that the events go by.
    #[cfg(feature = "event-stream")]
    Events(Box<(crate::sigv4::EventSigner, crate::Clock)>),
}

/// What a body is given on its way out, once its head has been signed.
#[derive(Debug, Default)]
pub struct Sealing {
    #[cfg(feature = "sigv4")]
    pub(super) signer: Option<BodySigner>,
}

impl Sealing {
    #[inline]
    pub(super) fn of<A: Authorizer>(authorizer: &A, plan: &mut A::Plan) -> Self {
        #[cfg(feature = "sigv4")]
        return Self {
            signer: authorizer.body_signer(plan),
        };
        #[cfg(not(feature = "sigv4"))]
        {
            let _ = (authorizer, plan);
            Self {}
        }
    }
}

/// What a response says about the credential it was asked with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// Nothing to be done: the response is the caller's.
    Accept,
    /// The credential was rejected; another one may do.
    Refresh,
    /// The credential is good and the way it was applied was not: the clock was off. Applying it
    /// again may do.
    Resync,
}
