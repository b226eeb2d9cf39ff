//! Reads arbitrary text as a configuration. It never panics, and what it says about the text never has a
//! key in it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tower_client_auth::{AuthErrorKind, Config};

/// What stands in the text wherever the fuzzer wrote [`PLACEHOLDER`]: a fuzzer could not keep a key whole
/// while it changes the text around it.
const KEY: &str = "da2-abcdefgh12345678abcdefgh12";

/// Rare in configurations, and one byte.
const PLACEHOLDER: char = '~';

fuzz_target!(|text: &str| {
    let text = text.replace(PLACEHOLDER, KEY);
    match text.parse::<Config>() {
        Ok(config) => {
            for warning in config.warnings() {
                let printed = format!("{warning} {warning:?}");
                assert!(!printed.contains(KEY), "{printed}");
                assert!(warning.line() > 0 && warning.column() > 0, "{printed}");
            }
            // What is no secret is printed, so the key must be nowhere but in one.
            let apis = config.apis.values().filter_map(|api| api.api_key.as_ref());
            let pool = config.auth.user_pool.as_ref();
            let issuer = config.auth.oidc.as_ref();
            let mut secrets = apis
                .chain(pool.and_then(|pool| pool.client_secret.as_ref()))
                .chain(issuer.and_then(|issuer| issuer.client_secret.as_ref()));
            let is_secret = secrets.any(|secret| secret.expose().contains(KEY));
            let printed = format!("{config:?}");
            if is_secret && text.matches(KEY).count() == 1 {
                assert!(!printed.contains(KEY), "{printed}");
            }
        }
        Err(error) => {
            assert_eq!(error.kind(), AuthErrorKind::Configuration);
            let printed = format!("{error} {error:?}");
            assert!(!printed.contains(KEY), "{printed}");
        }
    }
});
