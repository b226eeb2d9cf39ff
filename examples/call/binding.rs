//! Which places a session is for: those that the file named when the user signed in.
//!
//! A file is not to be trusted with another project's session. Whoever downloads a project and makes a call in its
//! folder would send the token that they have kept to whatever host this file names.

use std::collections::BTreeSet;

use sha2::{Digest as _, Sha256};
use tower_client_auth::Config;

/// As many bytes as nobody finds another file for.
const LENGTH: usize = 16;

/// A name for all the places together: another one as soon as a place is another, or there is one more.
pub(crate) fn fingerprint(config: &Config) -> String {
    let mut places: BTreeSet<[String; 4]> = BTreeSet::new();
    let mut add = |what: &str, parts: [&str; 3]| {
        let [a, b, c] = parts.map(str::to_owned);
        places.insert([what.to_owned(), a, b, c]);
    };
    for api in config.apis.values() {
        add("api", [&api.endpoint.origin().to_ascii_lowercase(), "", ""]);
    }
    let auth = &config.auth;
    if let Some(pool) = &auth.user_pool {
        let endpoint = pool.endpoint.as_deref().unwrap_or_default();
        add("user pool", [&pool.id, &pool.client_id, endpoint]);
        if let Some(oauth) = &pool.oauth {
            add("web pages", [&oauth.domain, "", ""]);
        }
    }
    if let Some(pool) = &auth.identity_pool {
        let endpoint = pool.endpoint.as_deref().unwrap_or_default();
        add("identity pool", [&pool.id, endpoint, ""]);
    }
    if let Some(oidc) = &auth.oidc {
        add("issuer", [&oidc.issuer, &oidc.client_id, ""]);
    }
    let mut hash = Sha256::new();
    for part in places.iter().flatten() {
        // With its length, so that no part goes over into the next.
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hex::encode(&hash.finalize()[..LENGTH])
}
