//! All that a program needs: a configuration file, what is not in it, and one layer.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_credential_types::Credentials;
use tower::ServiceBuilder;
use tower_client_auth::AuthorizationMode::{AwsLambda, CognitoUserPools, OpenIdConnect};
use tower_client_auth::{BoxError, Config, Token};

use crate::gateway::{self, LEGACY_TOKEN, PARTNER_TOKEN, USER_TOKEN};
use crate::reroute::Reroute;
use crate::rows::Tour;
use crate::signature::{ACCESS_KEY_ID, SECRET_ACCESS_KEY};
use crate::table::Table;

pub(crate) const FILE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/examples/quickstart/amplifyconfiguration.json"
);

/// Calls every API of the file, as it should be and in several ways it should not; `true` if all
/// was as expected.
pub(crate) async fn run() -> Result<bool, BoxError> {
    let stand_in = gateway::start(&std::fs::read_to_string(FILE)?).await?;
    println!("A stand-in for the hosts in amplifyconfiguration.json listens on {stand_in}.");
    let client = Reroute::to(stand_in); // in a real program: any HTTP client
    let credentials = Credentials::new(ACCESS_KEY_ID, SECRET_ACCESS_KEY, None, None, "quickstart");

    let config = Config::from_path(FILE)?;
    let auth = config
        .selector()
        .aws_credentials(credentials)?
        .tokens(CognitoUserPools, user_token)?
        .tokens(OpenIdConnect, partner_token)?
        .tokens(AwsLambda, legacy_token)?;
    let api = ServiceBuilder::new()
        .layer(auth.layer_for_all()?)
        .service(client.clone());

    let tour = Tour {
        client,
        config,
        auth,
        api,
    };
    let mut table = Table::default();
    tour.every_api(&mut table).await?;
    tour.other_ways(&mut table).await?;
    tour.changed_on_the_way(&mut table).await?;
    tour.wrong_credentials(&mut table).await?;
    tour.no_credentials(&mut table).await?;
    tour.kept_at_home(&mut table).await?;
    tour.slips(&mut table)?;
    let good = table.print();
    if good {
        println!(
            "\nNext, an API of yours:\n  cargo run --example quickstart -- \
             --endpoint https://… --region … --service execute-api"
        );
    }
    Ok(good)
}

/// How often the user pool was asked.
pub(crate) static FETCHED: AtomicUsize = AtomicUsize::new(0);

/// In a real program: asks the user pool, over an HTTP client of its own.
async fn user_token() -> Result<Token, BoxError> {
    FETCHED.fetch_add(1, Ordering::Relaxed);
    Ok(Token::new(USER_TOKEN)?.expires_in(Duration::from_secs(3600)))
}

/// Tokens are sent verbatim, and this API wants `Bearer` before its own.
async fn partner_token() -> Result<String, BoxError> {
    Ok(format!("Bearer {PARTNER_TOKEN}"))
}

async fn legacy_token() -> Result<&'static str, BoxError> {
    Ok(LEGACY_TOKEN)
}
