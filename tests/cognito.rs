//! Cognito: users who sign in, identities that get credentials, and the session that joins them.

#[path = "cognito/config.rs"]
mod config;
#[path = "cognito/ends.rs"]
mod ends;
#[path = "cognito/identities.rs"]
mod identities;
#[path = "cognito/modes.rs"]
mod modes;
#[path = "cognito/pools.rs"]
mod pools;
#[path = "cognito/refresh.rs"]
mod refresh;
#[path = "cognito/sign_in.rs"]
mod sign_in;
#[path = "cognito/signatures.rs"]
mod signatures;
