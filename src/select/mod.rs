//! The top: a configuration and the providers it needs become layers.
//!
//! An [`AuthSelector`] builds, for each API of a [`Config`](crate::Config), the schemes that its
//! requests can be authorized with; [`Selected`] is the authorizer that finds a request's API and hands
//! it to one of them. So a layer of a selector does what the layer of its mode does, by the same code.

mod api;
mod builder;
mod live;
mod providers;
mod routes;
mod selected;
mod selector;
mod which;

#[cfg(feature = "watch")]
pub use live::ConfigWatch;
pub use live::{Live, LiveAuthLayer, LivePlan, LiveSelector, LiveStatus};
#[cfg(feature = "sigv4")]
pub use providers::AwsCredentials;
pub use providers::Tokens;
pub use selected::{ApiName, Selected, SelectedAcquire, SelectedCredential, SelectedPlan};
pub use selector::{ApiAuthLayer, AuthSelector};
