//! First floor: who the request is sent as, and where that knowledge comes from.
//!
//! A [`TokenSource`] hands out [`Token`]s and a `CredentialsSource` AWS credentials; `Cached` makes
//! either remember. What programs name is re-exported at the crate's root.

#[cfg(feature = "cache")]
mod cache;
#[cfg(feature = "cognito")]
pub mod cognito;
#[cfg(feature = "sigv4")]
mod credentials;
#[cfg(feature = "cache")]
mod file;
#[cfg(feature = "cache")]
mod load;
#[cfg(feature = "oauth")]
pub mod oauth;
#[cfg(feature = "cache")]
mod runtime;
mod source;
mod token;
#[cfg(any(feature = "amplify", feature = "oauth"))]
mod token_kind;
#[cfg(feature = "oauth")]
mod transport;

#[cfg(feature = "cache")]
#[doc(hidden)]
pub use cache::CacheRef;
#[cfg(feature = "cache")]
pub use cache::{CacheStatus, Cached, CachedBuilder, CachedFuture};
#[cfg(feature = "sigv4")]
pub use credentials::{CredentialsSource, IntoCredentialsSource};
#[cfg(feature = "cache")]
pub use file::{ReadToken, TokenFile};
#[cfg(feature = "cache")]
pub use load::{Cacheable, Load};
pub use source::{TokenFn, TokenFuture, TokenSource, token_fn};
pub use token::{Token, TokenStyle};
#[cfg(any(feature = "amplify", feature = "oauth"))]
pub use token_kind::TokenKind;
#[cfg(feature = "oauth")]
pub use transport::Transport;
