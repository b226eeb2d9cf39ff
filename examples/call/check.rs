//! `call check`: whether each API can be called. Builds the layers and looks at what they would send.

use std::convert::Infallible;
use std::fmt;

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
use crate::auth::Auth;
use crate::exit::{Exit, Failure};
use crate::files::File;
use crate::listing;
use crate::output::{self, printable, shown};
use crate::places;
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
    if names.is_empty() {
        output::print(&text)?;
        return Err(Failure::configuration(format!("{} has no APIs", file.name)));
    }
    let mut counts = Counts::default();
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
        let headers = match sent(world, &file.config, name, api).await {
            Ok(headers) => headers,
            Err(error) => {
                counts.bad += 1;
                let failure = Failure::from(error);
                text.push_str(&format!("  cannot be used: {}\n", failure.message));
                continue;
            }
        };
        let credential = match &args.api.api {
            Some(_) => Auth::of(world, &file.config, name, &args.credential).await,
            None => Auth::by_any(world, &file.config, name, &args.credential).await,
        };
        match credential {
            Ok(auth) => {
                counts.ready += 1;
                text.push_str(&format!("  credential: {}\n", auth.source));
            }
            Err(failure) if failure.exit == Exit::NoCredential => {
                counts.lacking += 1;
                text.push_str(&format!(
                    "  configured; a call still needs its credential: {}\n",
                    failure.message
                ));
                if places::is_in_plain_text(api) {
                    text.push_str(&format!("  warning: {}\n", places::IN_PLAIN_TEXT));
                }
            }
            Err(failure) => return Err(failure),
        }
        describe(&mut text, api, &headers);
    }
    text.push_str(&format!("\n{counts}; nothing was sent\n"));
    output::print(&text)?;
    Ok(match counts.bad {
        0 => Exit::Answered,
        _ => Exit::Configuration,
    })
}

/// Of how many APIs what is true.
#[derive(Default)]
struct Counts {
    ready: usize,
    /// Configured, but for a credential that is not there now.
    lacking: usize,
    bad: usize,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            ready,
            lacking,
            bad,
        } = *self;
        match (ready, lacking, bad) {
            (1, 0, 0) => f.write_str("it can be called"),
            (0, 1, 0) => f.write_str("it is configured, and a call still needs its credential"),
            (all, 0, 0) => write!(f, "all {all} can be called"),
            (_, 0, _) => write!(f, "{bad} of {} cannot be called", ready + bad),
            _ => {
                let all = ready + lacking + bad;
                write!(
                    f,
                    "{ready} of {all} can be called, {lacking} more once there is a credential"
                )?;
                match bad {
                    0 => Ok(()),
                    bad => write!(f, ", and {bad} cannot"),
                }
            }
        }
    }
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

fn describe(text: &mut String, api: &ApiConfig, headers: &HeaderMap) {
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
