//! The engine: one layer and one service for every scheme.

use std::fmt;
use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use super::authorizer::Authorizer;
use super::body::{Passthrough, PreparePayload};
use super::future::ResponseFuture;
use super::guard::{Existing, Guard, OutOfScope, Setting};
use super::inspect::{HeadOnly, Inspect};
use super::peek::InspectErrors;
use super::scope::Scope;
use crate::clock::Clock;
use crate::error::{AuthError, BoxError};

/// Adds an [`Authorizer`] to a service: the one layer behind [`SigV4Layer`], [`BearerTokenLayer`]
/// and [`ApiKeyLayer`], and behind schemes of one's own.
///
/// # Where it goes
///
/// What changes URI, headers or body goes above it, what repeats a single attempt below:
///
/// ```text
///            request
///               │
///      ┌────────▼─────────┐
///      │      Trace       │   sees the request without credentials
///      │ ┌──────────────┐ │
///      │ │FollowRedirect│ │   every hop passes the scope again
///      │ │ ┌──────────┐ │ │
///      │ │ │  Retry   │ │ │   every attempt gets a fresh signature
///      │ │ │┌────────┐│ │ │
///      │ │ ││  Auth  ││ │ │   ← here
///      │ │ ││┌──────┐││ │ │
///      │ │ │││Timeout│││ │ │   per attempt; does not cut a token fetch short
///      │ │ ││└──────┘││ │ │
///      │ │ │└────────┘│ │ │
///      │ │ └──────────┘ │ │
///      │ └──────────────┘ │
///      └────────┬─────────┘
///           transport
/// ```
///
/// A redirect layer *below* this one repeats the headers it was given, wherever the server sends
/// it, and the scope has no say in it. If it must be there, give it the policy of feature
/// `redirect`.
///
/// `examples/stack.rs` runs the stack above, and the orders that go wrong.
///
/// # What it does to a service
///
/// - Errors of the service below come through untouched inside [`BoxError`]; its own are
///   [`AuthError`]s, and then nothing was sent.
/// - It must be [`Clone`], because the future holds on to it. `tower::util::BoxCloneService` and
///   `tower::buffer` make any service so; the latter is not this crate's
///   [`Buffer`](crate::Buffer), which is about bodies.
/// - `poll_ready` is the inner service's. The readied service is held while the body is read and
///   the credential fetched, so a source must not fetch through it.
/// - A request that is [out of scope](Scope) is forwarded as it is, unless
///   [told otherwise](AuthorizeLayer::out_of_scope).
///
/// # Keeping it in a struct
///
/// The service's type names client, scheme and body. Where that is too much to write down, box it,
/// or return `impl Service`:
///
/// ```
/// use http::{Request, Response};
/// use tower::util::BoxCloneSyncService;
/// use tower::{Layer, Service};
/// use tower_client_auth::{ApiKeyLayer, AuthError, BoxError};
///
/// struct Orders {
///     api: BoxCloneSyncService<Request<String>, Response<String>, BoxError>,
/// }
///
/// impl Orders {
///     fn new<C>(client: C) -> Result<Self, AuthError>
///     where
///         C: Service<Request<String>, Response = Response<String>>,
///         C: Clone + Send + Sync + 'static,
///         C::Error: Into<BoxError>,
///         C::Future: Send,
///     {
///         let layer = ApiKeyLayer::new("https://api.example.com", "da2-fakeApiId123456")?;
///         Ok(Self { api: BoxCloneSyncService::new(layer.layer(client)) })
///     }
/// }
/// ```
///
/// [`SigV4Layer`]: crate::SigV4Layer
/// [`BearerTokenLayer`]: crate::BearerTokenLayer
/// [`ApiKeyLayer`]: crate::ApiKeyLayer
#[derive(Clone)]
#[must_use = "a layer does nothing until it wraps a service"]
pub struct AuthorizeLayer<A, P = Passthrough, I = HeadOnly> {
    shared: Shared<A, P, I>,
}

/// What all requests of one service have in common.
#[derive(Clone)]
pub(crate) struct Shared<A, P, I> {
    pub(crate) authorizer: A,
    pub(crate) payload: P,
    pub(crate) inspect: I,
    pub(crate) replay: bool,
}

impl<A> AuthorizeLayer<A> {
    /// A layer for an [`Authorizer`] of one's own, over bodies that are not touched. Scope,
    /// overrides and the like are the authorizer's to heed: see its example.
    pub fn with_authorizer(authorizer: A) -> Self {
        Self::from_parts(authorizer, Passthrough)
    }
}

impl<A, P> AuthorizeLayer<A, P> {
    pub(crate) fn from_parts(authorizer: A, payload: P) -> Self {
        Self {
            shared: Shared {
                authorizer,
                payload,
                inspect: HeadOnly,
                replay: false,
            },
        }
    }
}

impl<A, P, I> AuthorizeLayer<A, P, I> {
    /// How bodies are made ready: [`Passthrough`], [`CloneBody`](crate::CloneBody),
    /// [`ReplayBody`](crate::ReplayBody) or [`Buffer`](crate::Buffer) with a limit of one's own.
    pub fn payload<Q>(self, payload: Q) -> AuthorizeLayer<A, Q, I> {
        AuthorizeLayer {
            shared: Shared {
                authorizer: self.shared.authorizer,
                payload,
                inspect: self.shared.inspect,
                replay: self.shared.replay,
            },
        }
    }

    /// Answers a rejected credential with a new one: the request is sent a second time, and never a
    /// third.
    ///
    /// What counts as a rejection is the scheme's to say:
    ///
    /// - Bearer layers take a 401 for one, unless its `WWW-Authenticate` says that another token would not
    ///   do either (`insufficient_scope`, RFC 6750).
    /// - Signature layers take AWS's errors for credentials that are over or unknown, and for a clock that
    ///   is off: the request is then signed again by the server's clock, which the answer's `Date` tells.
    ///   Most services put these errors into the body: [`inspect_errors`](Self::inspect_errors) reads it.
    /// - API keys have nothing to renew. Schemes of one's own decide in [`Authorizer::judge`].
    ///
    /// A refusal that says that a newer credential would not change it (a policy, a scope, a wrong signature)
    /// is not answered by sending the request again. [Why is my request refused?](crate::guide::refused)
    /// tells more.
    ///
    /// `payload` says how the body can be sent twice: [`CloneBody`](crate::CloneBody) clones it
    /// before sending, [`Buffer`](crate::Buffer) has it in memory if the scheme needed it read,
    /// [`ReplayBody`](crate::ReplayBody) keeps what has gone by. Where
    /// it cannot, where there is no other credential or none that can be used, and where the second
    /// answer is a rejection too, the caller gets the server's answer as it came. If the second attempt
    /// itself fails, its error is the caller's. It replaces what [`payload`](Self::payload) said.
    ///
    /// Off by default: it costs a clone of the head for every request.
    pub fn retry_rejected<Q>(self, payload: Q) -> AuthorizeLayer<A, Q, I> {
        let mut layer = self.payload(payload);
        layer.shared.replay = true;
        layer
    }

    /// Looks into the bodies of answers that may refuse the credential (400, 401 and 403), up to so many
    /// bytes of each, before they are handed on. They are handed on whole: what was read comes first.
    ///
    /// Many services of AWS say only there why they refuse a request: S3, DynamoDB and all that speak XML
    /// or JSON 1.0. Without it, a signature layer goes by status and headers, which is enough for API
    /// Gateway and Lambda; an [`AuthHint`](crate::AuthHint) has less to go by, too.
    ///
    /// 64 KiB is plenty. The answer comes once that much of it is there, or all of it: a server that stops
    /// in the middle of such a body is waited for, so keep a timeout above this layer. A body that is
    /// compressed is no help.
    pub fn inspect_errors(self, limit: usize) -> AuthorizeLayer<A, P, InspectErrors> {
        AuthorizeLayer {
            shared: Shared {
                authorizer: self.shared.authorizer,
                payload: self.shared.payload,
                inspect: InspectErrors::new(limit),
                replay: self.shared.replay,
            },
        }
    }

    /// The scheme by itself, for one that is made of others.
    #[cfg(feature = "amplify")]
    pub(crate) fn into_authorizer(self) -> A {
        self.shared.authorizer
    }

    pub(crate) fn authorizer_mut(&mut self) -> &mut A {
        &mut self.shared.authorizer
    }
}

/// Settings of the schemes that have one scope.
impl<A: Scoped, P, I> AuthorizeLayer<A, P, I> {
    /// The origins the credential may go to, in place of those the layer was built with. To keep
    /// AWS's own domains beside one of yours: `Scope::aws().union(Scope::origin("https://…")?)`.
    ///
    /// # Errors
    ///
    /// [`AuthErrorKind::PlainText`](crate::AuthErrorKind::PlainText) if it names plain http without
    /// allowing it; [`AuthErrorKind::Configuration`](crate::AuthErrorKind::Configuration) if it is
    /// malformed or excludes the default origin.
    pub fn scope<O>(mut self, scope: O) -> Result<Self, AuthError>
    where
        O: TryInto<Scope>,
        AuthError: From<O::Error>,
    {
        self.authorizer_mut()
            .guard_mut()
            .set_scope(scope.try_into()?)?;
        Ok(self)
    }

    /// Where requests go whose URI is only a path, as tonic's generated clients and some proxies
    /// send them. The URI is completed with it.
    ///
    /// Clients that are tied to a connection (tonic's `Channel`, hyper's `SendRequest`) go where they
    /// are connected, whatever a URI says, so this must be the endpoint they are connected to:
    /// take both from one variable, as `examples/tonic.rs` does.
    ///
    /// A `Host` header is no substitute: a proxy's is the stranger's to choose.
    ///
    /// # Errors
    ///
    /// [`AuthErrorKind::Configuration`](crate::AuthErrorKind::Configuration) if it is no origin, or
    /// outside the layer's scope.
    pub fn default_origin(mut self, origin: &str) -> Result<Self, AuthError> {
        self.authorizer_mut()
            .guard_mut()
            .set_default_origin(origin)?;
        Ok(self)
    }
}

/// Settings that all schemes of this crate have.
impl<A: Guarded, P, I> AuthorizeLayer<A, P, I> {
    /// Lets a request's `Host` header differ from its URI, and has it signed. For VPC endpoints,
    /// whose URI names the endpoint and whose `Host` names the API.
    ///
    /// The scope still goes by the URI: that is where the connection goes.
    pub fn allow_host_header(mut self) -> Self {
        self.authorizer_mut().set(&Setting::AllowHostHeader);
        self
    }

    /// What happens to a credential the request already carries.
    pub fn existing(mut self, existing: Existing) -> Self {
        self.authorizer_mut().set(&Setting::Existing(existing));
        self
    }

    /// What happens to a request that goes to none of the layer's origins: it is sent without the
    /// credential, or it is an error.
    pub fn out_of_scope(mut self, out_of_scope: OutOfScope) -> Self {
        self.authorizer_mut()
            .set(&Setting::OutOfScope(out_of_scope));
        self
    }

    /// The clock for signatures and expiries. A `Cached` source has a clock of its own.
    pub fn clock(mut self, clock: impl Into<Clock>) -> Self {
        self.authorizer_mut().set(&Setting::Clock(clock.into()));
        self
    }
}

/// A scheme with the common checks; crate-private by its types.
#[allow(private_interfaces)]
pub trait Guarded {
    #[doc(hidden)]
    fn set(&mut self, setting: &Setting);
}

/// A scheme with one guard, whose scope can be changed.
#[allow(private_interfaces)]
pub trait Scoped: Guarded {
    #[doc(hidden)]
    fn guard_mut(&mut self) -> &mut Guard;
}

impl<A: fmt::Debug, P: fmt::Debug, I> fmt::Debug for AuthorizeLayer<A, P, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.debug("AuthorizeLayer", f)
    }
}

impl<A: fmt::Debug, P: fmt::Debug, I> Shared<A, P, I> {
    fn debug(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(name)
            .field("authorizer", &self.authorizer)
            .field("payload", &self.payload)
            .field("retry_rejected", &self.replay)
            .finish_non_exhaustive()
    }
}

impl<S, A: Clone, P: Clone, I: Clone> Layer<S> for AuthorizeLayer<A, P, I> {
    type Service = Authorize<S, A, P, I>;

    fn layer(&self, inner: S) -> Self::Service {
        Authorize {
            inner,
            shared: Arc::new(self.shared.clone()),
        }
    }
}

/// The service that [`AuthorizeLayer`] makes of another.
pub struct Authorize<S, A, P = Passthrough, I = HeadOnly> {
    inner: S,
    shared: Arc<Shared<A, P, I>>,
}

impl<S, A, P, I> Authorize<S, A, P, I> {
    /// The service below.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The service below.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The service below, without the authorization.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S: Clone, A, P, I> Clone for Authorize<S, A, P, I> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<S, A: fmt::Debug, P: fmt::Debug, I> fmt::Debug for Authorize<S, A, P, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.debug("Authorize", f)
    }
}

impl<S, A, P, I, B, R> Service<Request<B>> for Authorize<S, A, P, I>
where
    A: Authorizer,
    P: PreparePayload<B>,
    I: Inspect<R>,
    S: Service<Request<P::Body>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
{
    type Response = Response<I::Body>;
    type Error = BoxError;
    type Future = ResponseFuture<S, A, P, I, B, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The service that was polled ready is the one to call; its clone has no such promise and
        // stays behind for the next request.
        let clone = self.inner.clone();
        let service = mem::replace(&mut self.inner, clone);
        ResponseFuture::start(Arc::clone(&self.shared), service, request)
    }
}
