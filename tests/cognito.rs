//! Cognito: users who sign in, identities that get credentials, and the session that joins them.

#[path = "cognito/config.rs"]
mod config;
