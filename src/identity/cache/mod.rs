//! `Cached`: one credential for many requests, renewed behind them.
//!
//! ```text
//! cached    the type, over tokio: reads, loads, clones
//!   cache_ref a cache, as its source knows it
//!   future    a caller that waits
//!   flight    a load on a task of its own
//! builder   the numbers, as settings
//! slot      the decisions, without tasks, timers or I/O
//!   ledger    what is under way, and what went wrong
//!   policy    the numbers, and what follows from them
//!   status    how it is doing
//!   sync      what the slot is made of
//! ```

mod builder;
mod cache_ref;
mod cached;
mod flight;
mod future;
mod ledger;
mod policy;
mod slot;
mod status;
mod sync;

pub use builder::CachedBuilder;
pub use cache_ref::CacheRef;
pub use cached::Cached;
pub use future::CachedFuture;
pub use status::CacheStatus;
