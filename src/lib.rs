//! Tower layers that authorize **outgoing** HTTP requests.
//!
//! A program that calls a protected API adds one layer to its client and stops thinking about
//! authorization: AWS Signature Version 4, API keys, and bearer tokens from any source, over any
//! tower HTTP client: hyper-util's as it is, an axum proxy, and with a line or two of glue whatever
//! else takes an [`http::Request`].
//!
//! ```
//! use aws_credential_types::Credentials;
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use http_body_util::Full;
//! use tower::{ServiceBuilder, ServiceExt};
//! use tower_client_auth::{AuthBody, BoxError, SigV4Layer};
//!
//! # async fn send(request: Request<AuthBody<Full<Bytes>>>) -> Result<Response<String>, BoxError> {
//! #     assert!(request.headers().contains_key("authorization"));
//! #     Ok(Response::new(String::from("42")))
//! # }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! # let client = tower::service_fn(send);
//! let credentials = Credentials::new("AKIDEXAMPLE", "secret", None, None, "example");
//! let api = ServiceBuilder::new()
//!     .layer(SigV4Layer::new("eu-west-1", "execute-api", credentials)?)
//!     .service(client); // any tower HTTP client
//!
//! let request = Request::get("https://abc123.execute-api.eu-west-1.amazonaws.com/prod/orders")
//!     .body(Full::<Bytes>::default())?;
//! let response = api.oneshot(request).await?;
//! # assert_eq!(response.into_body(), "42");
//! # Ok(())
//! # }
//! ```
//!
//! # Which layer
//!
//! | the API wants | layer | what it sends |
//! |---|---|---|
//! | IAM, AWS Signature Version 4 | [`SigV4Layer`] | `authorization`, `x-amz-date` and their like |
//! | an API key | [`ApiKeyLayer`] | `x-api-key`, another header, or a query parameter |
//! | a token: OAuth, OIDC, Cognito, your own | [`BearerTokenLayer`] | `authorization: Bearer …`, or the token verbatim |
//! | what a configuration file says of it | [`ApiAuthLayer`], from an [`AuthSelector`] | what its mode asks for |
//! | something else | [`AuthorizeLayer`] with an [`Authorizer`] of yours | what you say |
//!
//! # The onion
//!
//! ```text
//!            request
//!               │
//!      ┌────────▼─────────┐
//!      │      Trace       │   sees requests without credentials
//!      │ ┌──────────────┐ │
//!      │ │FollowRedirect│ │   every hop passes the scope again
//!      │ │ ┌──────────┐ │ │
//!      │ │ │  Retry   │ │ │   every attempt gets a fresh signature
//!      │ │ │┌────────┐│ │ │
//!      │ │ ││  Auth  ││ │ │   ← the layers of this crate
//!      │ │ ││┌──────┐││ │ │
//!      │ │ │││Timeout│││ │ │   per attempt; cuts no token fetch short
//!      │ │ ││└──────┘││ │ │
//!      │ │ │└────────┘│ │ │
//!      │ │ └──────────┘ │ │
//!      │ └──────────────┘ │
//!      └────────┬─────────┘
//!           transport
//! ```
//!
//! What changes the URI, signed headers or the body goes above; see [`AuthorizeLayer`].
//!
//! # What a layer guarantees
//!
//! - **A credential stays with its origin.** Layers take the origins they serve ([`Scope`]);
//!   requests to anywhere else, redirects included, are sent without it.
//! - **No credential crosses a network in plain text**, loopback excepted, unless told to.
//! - **A failed authorization sends nothing.** The error is an [`AuthError`] that says what to do;
//!   errors of the client below come through untouched.
//! - **Nothing prints a secret**: not `Debug`, not an error, not a tracing event. Every header value
//!   that holds one is marked sensitive.
//! - **What the caller set wins** ([`Existing`]), and is never doubled.
//! - **The hot path waits for nothing**: a warm API key or token takes no lock, and allocates
//!   nothing beyond what the header map needs.
//!
//! An [`Authorizer`] of your own asks [`Scope::covers`] and reads [`AuthOverride::of`] itself.
//!
//! # When the input is bad
//!
//! | what | when | [`AuthErrorKind`] |
//! |---|---|---|
//! | a configuration file that cannot be read or used; an API whose mode takes what is not there | it is read; the layer is built; [`LiveSelector::replace`] | [`Configuration`](AuthErrorKind::Configuration) |
//! | an empty region or service; a scope that is no origin | the layer is built | [`Configuration`](AuthErrorKind::Configuration) |
//! | an empty API key, AWS credentials with a newline | the layer is built | [`MalformedCredential`](AuthErrorKind::MalformedCredential) |
//! | a token with control characters | in [`Token::new`]; from a source, at the request | [`MalformedCredential`](AuthErrorKind::MalformedCredential) |
//! | plain http in a scope; a request over plain http | the layer is built; at the request | [`PlainText`](AuthErrorKind::PlainText) |
//! | a URI without a host; a `Host` header that names another; a credential that is there already, under [`Existing::Reject`]; another origin, under [`OutOfScope::Reject`] | at the request | [`Request`](AuthErrorKind::Request) |
//! | a body over the limit | at the request, before it is read if its length is known | [`PayloadTooLarge`](AuthErrorKind::PayloadTooLarge) |
//! | a body that fails while it is read | at the request | [`Payload`](AuthErrorKind::Payload), the body's error as its source |
//! | a body in chunks whose length is not known | at the request | [`Request`](AuthErrorKind::Request) |
//! | a body in chunks that is longer or shorter than announced, or has trailers that were not | while it is sent | [`Payload`](AuthErrorKind::Payload) |
//! | an event stream that is none, or ends within a message | while it is sent | [`Payload`](AuthErrorKind::Payload) |
//! | a presigned URL for no time or over a week | it is built | [`Configuration`](AuthErrorKind::Configuration) |
//! | a header that is to be signed into a URL, and is not there | at the request | [`Request`](AuthErrorKind::Request) |
//! | a source that fails | at the request | [`Source`](AuthErrorKind::Source), the source's error as its source |
//! | a credential that has expired | at the request | [`Expired`](AuthErrorKind::Expired) |
//! | nobody is signed in, or the session is over | at the request | [`SignInRequired`](AuthErrorKind::SignInRequired) |
//! | a client that fails | at the request | none: its own error, untouched |
//!
//! In all of them but the last, nothing was sent, or, of a body in chunks or events, less than the whole of it, which no server
//! takes for a whole one.
//!
//! # Features
//!
//! | feature | default | brings |
//! |---|---|---|
//! | `sigv4` | yes | [`SigV4Layer`], [`Chunked`], [`sigv4::Signer`] |
//! | `amplify` | yes | [`Config`], [`AuthSelector`]: layers from configuration files; brings `cache` |
//! | `watch` | | `LiveSelector::watch`: layers follow their configuration file; brings `amplify` |
//! | `cache` | with `amplify` | [`Cached`]: tokens and credentials fetched once and renewed, on tokio; [`TokenFile`] |
//! | `oauth` | | [`oauth`]: token sources for OAuth 2.0 and OpenID providers, and the [`Transport`] they talk over; brings `cache` |
//! | `cognito` | | [`cognito`]: user pools, identity pools, and the session that joins them; brings `oauth` and `sigv4` |
//! | `hyper-client` | | `Transport::hyper()`: hyper-util's client with rustls; brings `oauth` |
//! | `schemars` | | `JsonSchema` for the types of a configuration |
//! | `sigv4a` | | [`SigV4Layer::region_set`](AuthorizeLayer::region_set): signatures for several regions; brings `sigv4` |
//! | `event-stream` | | [`SignedEvents`], [`sigv4::EventSigner`]: streams of events; brings `sigv4` |
//! | `redirect` | | [`DropCredentials`], for a redirect layer below |
//! | `cors` | | [`cors`]: the other side, a CORS layer for servers that pages call with these credentials |
//! | `tracing` | | events and spans, without secrets: refreshes, rejections, refusals, requests out of scope |
//! | `metrics` | | the same as numbers, through the facade `metrics`: see [`guide::observability`] |
//! | `test-util` | | [`ManualClock`]; lives are then counted by tokio's clock, which tests can pause |
//!
//! API keys and bearer tokens need no feature. No feature picks the HTTP client that layers are on.

#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "sigv4")]
mod checksum;
mod clock;
#[cfg(feature = "amplify")]
pub mod config;
#[cfg(feature = "cors")]
pub mod cors;
mod error;
pub mod guide;
#[cfg(feature = "sigv4")]
mod hex;
pub mod identity;
pub mod layer;
#[cfg(any(feature = "amplify", feature = "oauth"))]
mod lock;
#[cfg(feature = "amplify")]
mod mode;
mod observe;
mod origin;
mod payload;
mod query;
#[cfg(feature = "redirect")]
mod redirect;
mod secret;
#[cfg(feature = "amplify")]
pub mod select;
#[cfg(feature = "sigv4")]
pub mod sigv4;
mod standing;
#[cfg(feature = "amplify")]
mod suggest;
mod words;
mod xml;

// The paved path. What a program only meets by inference (futures, plans, sealed traits) stays in
// the modules.
#[cfg(feature = "sigv4")]
pub use checksum::Checksum;
pub use clock::Clock;
#[cfg(feature = "test-util")]
pub use clock::ManualClock;
#[cfg(feature = "amplify")]
#[doc(inline)]
pub use config::{ApiConfig, ApiKind, Config, Endpoint};
pub use error::{AuthError, AuthErrorKind, BoxError};
#[cfg(feature = "oauth")]
#[doc(inline)]
pub use identity::Transport;
#[cfg(feature = "cognito")]
#[doc(inline)]
pub use identity::cognito;
#[cfg(feature = "oauth")]
#[doc(inline)]
pub use identity::oauth;
#[cfg(feature = "cache")]
#[doc(inline)]
pub use identity::{CacheStatus, Cached, CachedBuilder, TokenFile};
#[cfg(feature = "sigv4")]
#[doc(inline)]
pub use identity::{CredentialsSource, IntoCredentialsSource};
#[doc(inline)]
pub use identity::{Token, TokenSource, TokenStyle, token_fn};
#[doc(inline)]
pub use layer::{
    ApiKeyLayer, Applied, AuthBody, AuthHint, AuthOverride, Authorize, AuthorizeLayer, Authorizer,
    BearerTokenLayer, Buffer, CloneBody, Existing, Need, OutOfScope, Passthrough, ReplayBody,
    ReplayedBody, Scope, Verdict,
};
#[cfg(feature = "sigv4")]
#[doc(inline)]
pub use layer::{Chunked, ChunkedBody, SigV4Layer};
#[cfg(feature = "event-stream")]
#[doc(inline)]
pub use layer::{EventsBody, SignedEvents};
#[cfg(feature = "amplify")]
pub use mode::AuthorizationMode;
pub use payload::PayloadHash;
#[cfg(feature = "redirect")]
pub use redirect::DropCredentials;
pub use secret::Secret;
#[cfg(feature = "watch")]
#[doc(inline)]
pub use select::ConfigWatch;
#[cfg(feature = "amplify")]
#[doc(inline)]
pub use select::{ApiAuthLayer, ApiName, AuthSelector, LiveAuthLayer, LiveSelector, LiveStatus};
pub use standing::Standing;

/// So that the README's code is compiled along with the documentation's.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// The same for the migration page.
#[cfg(doctest)]
#[doc = include_str!("../MIGRATING.md")]
struct Migrating;
