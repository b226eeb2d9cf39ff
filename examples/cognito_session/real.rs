//! One call to an API at AWS, as a guest, or as a user who signs in for that and out again.

use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tower::ServiceBuilder;
use tower_client_auth::oauth::TokenKind;
use tower_client_auth::{AuthHint, BoxError, Config, Transport};

use crate::args::Call;
use crate::{get, line};

/// `false` if the API did not take it.
pub(crate) async fn run(call: Call) -> Result<bool, BoxError> {
    let config = Config::from_path(&call.config)?;
    let session = config.session(Transport::hyper()?)?;
    let mut auth = config.selector().session(session.clone());
    if call.id_token {
        auth = auth.user_pool_token_for(&call.api, TokenKind::Id)?;
    }
    let https = HttpsConnectorBuilder::new()
        .with_native_roots()?
        .https_or_http() // http to loopback only: the layer sees to that
        .enable_http1()
        .enable_http2()
        .build();
    let api = ServiceBuilder::new()
        .layer(auth.layer(&call.api)?)
        .service(Client::builder(TokioExecutor::new()).build(https));

    let is_guest = call.user.is_none();
    match call.user {
        Some((name, password)) => {
            let answer = session.user_pool()?.sign_in(&name, password).await?;
            session.sign_in(&answer.tokens()?).await?;
            line("signed in:", &name);
        }
        None => line("signed in:", "nobody"),
    }
    let answer = get(&api, &call.api, &call.path).await;
    if !is_guest {
        // Nobody else will use this session: it was kept in memory.
        session.sign_out().await?;
    }
    let response = answer?;
    // Not what it says: an API may repeat the token it was sent.
    line("the API answered:", response.status());
    if let Some(hint) = AuthHint::of(&response) {
        line("probably because:", hint);
    }
    Ok(response.status().is_success())
}
