//! What a cache knows of the providers of credentials in this module, beyond what AWS's trait has room for.

use std::any::Any;

use super::{IdentityCredentials, IdentityPool, SessionProvider};
use crate::identity::cache::CacheRef;
use crate::sigv4::SigningCredentials;

/// Credentials with what their provider knows of them, if it is one of these.
pub(in crate::identity) fn with_standing(
    provider: &dyn Any,
    credentials: SigningCredentials,
) -> SigningCredentials {
    let pool = if let Some(pool) = provider.downcast_ref::<IdentityPool>() {
        pool
    } else if let Some(own) = provider.downcast_ref::<IdentityCredentials>() {
        own.pool()
    } else if let Some(provider) = provider.downcast_ref::<SessionProvider>() {
        provider.source().pool()
    } else {
        return credentials;
    };
    let standing = pool.standing_of(credentials.access_key_id());
    credentials.of(standing)
}

/// Tells a provider of credentials that a cache keeps them, if it is one of these.
pub(in crate::identity) fn kept_by(provider: &dyn Any, cache: CacheRef) {
    if let Some(pool) = provider.downcast_ref::<IdentityPool>() {
        pool.kept_by(&cache);
    } else if let Some(credentials) = provider.downcast_ref::<IdentityCredentials>() {
        credentials.kept_by(cache);
    } else if let Some(provider) = provider.downcast_ref::<SessionProvider>() {
        provider.source().kept_by(cache);
    }
}
