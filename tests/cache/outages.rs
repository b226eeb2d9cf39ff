//! Providers that fail.
