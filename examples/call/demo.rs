//! `--demo`: a file with an API for each mode, and a stand-in for its hosts that checks what arrives. There is
//! nothing to copy from it.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::json;
use tower_client_auth::{BoxError, Config};

use crate::exit::Failure;
use crate::files::File;
use crate::output;
use crate::{provider, stand_in};

const FILE: &str = include_str!("amplifyconfiguration.json");

/// The user, and her password, which the help has too.
const USER: &str = "alice";
const EMAIL: &str = "alice@example.com";
const PASSWORD: &str = "correct-horse-battery-staple";

/// What the API `partners` takes beside its provider's own tokens, with `Bearer`; and `legacy`, as it is.
const PARTNER_TOKEN: &str = "mF_9.B5f-4.1JqM";
const LEGACY_TOKEN: &str = "legacy-token-42";

/// Longer than anybody looks at it.
const LIFETIME: Duration = Duration::from_secs(3600);

/// Starts the stand-in, which ends with the program.
pub(crate) async fn start() -> Result<(SocketAddr, File), Failure> {
    let failed = |error: BoxError| Failure::no_answer(format!("the demo does not start: {error}"));
    let mut config: Config = FILE.parse()?;
    let provider = provider::start(LIFETIME).await.map_err(failed)?;
    let hosts = stand_in::start(FILE).await.map_err(failed)?;
    hosts.sign_up(USER, PASSWORD);
    hosts.add_email(USER, EMAIL);
    hosts.keep_guests_out("invoices");
    let issuer = provider.origin().to_owned();
    hosts.accept("partners", move |token| {
        let token = token.strip_prefix("Bearer ");
        token.is_some_and(|token| token == PARTNER_TOKEN || provider.is_live(token))
    });
    hosts.accept("legacy", |token| token == LEGACY_TOKEN);

    // Amplify's files know no provider.
    let oidc = json!({ "issuer": issuer, "client_id": provider::PROGRAM });
    let oidc = serde_json::from_value(oidc).map_err(|error| failed(error.into()))?;
    config.auth.oidc = Some(oidc);
    let file = File {
        config,
        name: "the demo's file".to_owned(),
        is_found: false,
    };
    Ok((hosts.address(), file))
}

pub(crate) fn announce(address: SocketAddr) {
    output::remark(format_args!(
        "demo: a stand-in on {address} answers for all hosts of the demo's file"
    ));
}
