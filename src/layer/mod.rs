//! Second floor: the tower layers, and the engine they share.
//!
//! [`AuthorizeLayer`] wraps a service into an [`Authorize`], which drives an [`Authorizer`] through a
//! [`ResponseFuture`]. The three schemes, [`Bearer`], [`ApiKey`] and `SigV4`, are authorizers; how
//! bodies are made ready is a [`PreparePayload`], how far responses are read an [`Inspect`]. What
//! programs name is re-exported at the crate's root.

mod acquire;
mod api_key;
mod auth_body;
mod authorizer;
mod bearer;
mod body;
#[cfg(feature = "sigv4")]
mod chunked;
mod collect;
mod engine;
#[cfg(feature = "event-stream")]
mod events;
mod future;
mod guard;
mod hint;
mod inspect;
mod overrides;
mod peek;
mod reject;
mod replay_body;
mod scope;
#[cfg(feature = "sigv4")]
mod sigv4;
#[cfg(all(test, feature = "sigv4"))]
mod tests;

pub use acquire::Acquire;
pub use api_key::{ApiKey, ApiKeyLayer};
pub use auth_body::{AuthBody, Buffered, Prepared};
#[cfg(feature = "sigv4")]
pub use authorizer::BodySigner;
pub use authorizer::{Applied, Authorizer, Need, Sealing, Verdict};
pub use bearer::{Bearer, BearerPlan, BearerTokenLayer};
pub use body::{Buffer, CloneBody, Passthrough, PreparePayload, Readied, Step};
#[cfg(feature = "sigv4")]
pub use chunked::{Chunked, ChunkedBody, Keeps, Uncut, WholeFuture};
pub use collect::BufferFuture;
pub use engine::{Authorize, AuthorizeLayer, Guarded, Scoped};
#[cfg(feature = "event-stream")]
pub use events::{EventsBody, SignedEvents, Unsent, UnsentFuture};
pub use future::ResponseFuture;
pub use guard::{Existing, OutOfScope};
pub use hint::AuthHint;
pub use inspect::{HeadOnly, Inspect, Inspected};
pub use overrides::AuthOverride;
pub use peek::{InspectErrors, PeekBody, PeekFuture};
pub use replay_body::{Attempt, Kept, ReplayBody, ReplayedBody};
pub use scope::Scope;
#[cfg(feature = "sigv4")]
pub use sigv4::{SigV4, SigV4Layer, SigV4Plan, Signs};

pub(crate) use engine::Shared;
#[cfg(feature = "amplify")]
pub(crate) use guard::{Admission, Guard, Setting};
