//! Pages to read: what to do when something goes wrong, and what to watch.

#[doc = include_str!("refused.md")]
pub mod refused {}

#[doc = include_str!("observability.md")]
pub mod observability {}
