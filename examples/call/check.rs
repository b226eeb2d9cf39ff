//! `call check`: whether each API can be called. Builds the layers and looks at what they would send.

use std::convert::Infallible;

use aws_credential_types::Credentials;
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::Full;
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_client_auth::AuthorizationMode::{
    ApiKey, AwsIam, AwsLambda, CognitoUserPools, OpenIdConnect,
};
use tower_client_auth::{ApiConfig, AuthBody, BoxError, Config, Secret};

use crate::args::Arguments;
use crate::exit::{Exit, Failure};
use crate::files::File;
use crate::listing;
use crate::output::{self, printable, shown};
use crate::target::set_mode;
use crate::user::User;
use crate::world::World;

pub(crate) async fn run(world: &World, file: &mut File, args: &Arguments) -> Result<Exit, Failure> {
    let mut text = format!("{}: {}\n", file.name, listing::describe(&file.config));
    for warning in file.config.warnings() {
        text.push_str(&format!("  warning: {}\n", printable(&warning.to_string())));
    }
    let names: Vec<String> = match &args.api.api {
        Some(name) => vec![name.clone()],
        None => file.config.apis.keys().cloned().collect(),
    };
    let mut bad = 0;
    for name in &names {
        set_mode(&mut file.config, name, &args.api)?;
        let Some(api) = file.config.apis.get(name) else {
            // It says which name was meant.
            let _ = file
                .config
                .selector()
                .layer(name)
                .map_err(|error| Failure::usage(error.to_string()))?;
            continue;
        };
        text.push_str(&format!(
            "\n{}  {}  {}\n",
            printable(name),
            api.mode,
            api.endpoint
        ));
        match sent(world, &file.config, name, api).await {
            Ok(headers) => describe(&mut text, &file.config, api, &headers),
            Err(error) => {
                bad += 1;
                let failure = Failure::from(error);
                text.push_str(&format!("  cannot be used: {}\n", failure.message));
            }
        }
    }
    let verdict = match (bad, names.len()) {
        (0, 1) => "it can be called".to_owned(),
        (0, count) => format!("all {count} can be called"),
        (bad, count) => format!("{bad} of {count} cannot be called"),
    };
    text.push_str(&format!("\n{verdict}; nothing was sent\n"));
    output::print(&text)?;
    Ok(match bad {
        0 => Exit::Answered,
        _ => Exit::Configuration,
    })
}

/// The headers that the layer adds, with credentials that are none.
async fn sent(
    world: &World,
    config: &Config,
    name: &str,
    api: &ApiConfig,
) -> Result<HeaderMap, BoxError> {
    const PLACEHOLDER: &str = "placeholder";
    let credentials = Credentials::new("AKIDPLACEHOLDER", PLACEHOLDER, None, None, "check");
    let token = || async { Ok(PLACEHOLDER) };
    let mut selector = config
        .selector()
        .aws_credentials(credentials)?
        .tokens(CognitoUserPools, token)?
        .tokens(OpenIdConnect, token)?
        .tokens(AwsLambda, token)?;
    if api.mode == ApiKey && api.api_key.is_none() {
        selector = selector.api_key_for(name, Secret::new(PLACEHOLDER))?;
    }
    // Those who give real ones have to be usable too.
    let (pools, auth) = (matches!(api.mode, AwsIam | CognitoUserPools), &config.auth);
    if pools && (auth.user_pool.is_some() || auth.identity_pool.is_some()) {
        let _ = config.session(world.transport.clone())?;
    }
    if let (OpenIdConnect, Some(oidc)) = (api.mode, &auth.oidc) {
        User::of_oidc(world, oidc).map_err(|failure| failure.message)?;
    }
    let nobody = service_fn(async |request: Request<AuthBody<Full<Bytes>>>| {
        let mut response = Response::new(Full::<Bytes>::default());
        *response.headers_mut() = request.headers().clone();
        Ok::<_, Infallible>(response)
    });
    let service = selector.layer(name)?.layer(nobody);
    let response = service
        .oneshot(Request::get("/").body(Full::<Bytes>::default())?)
        .await?;
    Ok(response.into_parts().0.headers)
}

fn describe(text: &mut String, config: &Config, api: &ApiConfig, headers: &HeaderMap) {
    text.push_str(&format!("  credential: {}\n", credential(config, api)));
    if let (AwsIam, Some(region)) = (api.mode, &api.region) {
        let service = api.signing_name();
        text.push_str(&format!(
            "  signed for: {}/{}\n",
            printable(region),
            printable(service)
        ));
    }
    for (name, value) in headers {
        text.push_str(&format!("  would send: {name}: {}\n", shown(name, value)));
    }
}

/// Where the credential of a call comes from.
fn credential(config: &Config, api: &ApiConfig) -> &'static str {
    let auth = &config.auth;
    let guests = auth.identity_pool.as_ref().map(|pool| pool.allow_guests);
    match (api.mode, guests, &auth.user_pool) {
        (ApiKey, ..) if api.api_key.is_some() => "the key in the file",
        (ApiKey, ..) => "`--api-key-env NAME`: the file does not hold the key",
        (AwsIam, None, _) => "AWS's default chain: the file has no identity pool",
        (AwsIam, Some(true), Some(_)) => "the identity pool, for a guest or for who has signed in",
        (AwsIam, Some(true), None) => "the identity pool, for a guest",
        (AwsIam, Some(false), _) => "the identity pool, for who has signed in",
        (CognitoUserPools, _, Some(_)) => "the token of the user who has signed in",
        (OpenIdConnect, ..) if auth.oidc.is_some() => "the token of the user who has signed in",
        (CognitoUserPools | OpenIdConnect | AwsLambda, ..) => {
            "`--token-env NAME`, `--token-file PATH` or `--token-command COMMAND`"
        }
        _ => "none is needed",
    }
}
