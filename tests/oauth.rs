//! OAuth 2.0 and OpenID: what is sent, what is kept, and what every answer becomes.

#[path = "oauth/device.rs"]
mod device;
#[path = "oauth/discovery.rs"]
mod discovery;
#[path = "oauth/faults.rs"]
mod faults;
#[path = "oauth/issuer.rs"]
mod issuer;
#[path = "oauth/login.rs"]
mod login;
#[path = "oauth/provider.rs"]
mod provider;
#[path = "oauth/refresh.rs"]
mod refresh;
#[path = "oauth/replies.rs"]
mod replies;
#[path = "oauth/requests.rs"]
mod requests;
#[path = "oauth/spills.rs"]
mod spills;
#[path = "oauth/store.rs"]
mod store;
#[path = "oauth/wire.rs"]
mod wire;
