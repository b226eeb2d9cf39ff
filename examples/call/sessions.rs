//! `call sign-in` and `call sign-out`.

use tower_client_auth::AuthorizationMode::{AwsIam, CognitoUserPools, OpenIdConnect};

use crate::args::Arguments;
use crate::exit::{Exit, Failure};
use crate::files::File;
use crate::output::{self, printable};
use crate::sign_in;
use crate::target::mode;
use crate::user::User;
use crate::world::World;

pub(crate) async fn sign_in(world: &World, file: &File, args: &Arguments) -> Result<Exit, Failure> {
    let user = user(world, file, args)?;
    let credential = &args.credential;
    if user.is_who_was_asked_for(credential).await? {
        return say("signed in already", name(&user).await?);
    }
    let name = sign_in::run(world, &user, file, args).await;
    user.settled().await;
    let name = name?;
    if world.is_demo {
        output::remark("the demo keeps this in memory, and forgets it now");
    }
    say("signed in", name)
}

/// Ends every session that the file may have started.
pub(crate) async fn sign_out(world: &World, file: &File) -> Result<Exit, Failure> {
    let mut nobody = true;
    for user in all(world, file)? {
        if user.is_signed_in().await? {
            nobody = false;
            let name = name(&user).await?;
            user.sign_out().await?;
            say("signed out", name)?;
        }
    }
    if nobody {
        say("nobody was signed in", None)?;
    }
    Ok(Exit::Answered)
}

fn say(what: &str, name: Option<String>) -> Result<Exit, Failure> {
    let whom = name.map(|name| format!(": {}", printable(&name)));
    output::print(&format!("{what}{}\n", whom.unwrap_or_default()))?;
    Ok(Exit::Answered)
}

async fn name(user: &User) -> Result<Option<String>, Failure> {
    Ok(match user {
        User::Pool(session) => session.username().await?,
        User::Oidc(_) => None,
    })
}

/// Who is to sign in: what the API asks for, or what the file has.
fn user(world: &World, file: &File, args: &Arguments) -> Result<User, Failure> {
    let auth = &file.config.auth;
    let mode = match &args.api.api {
        Some(name) => {
            let Some(api) = file.config.apis.get(name) else {
                // The selector knows what was meant.
                let problem = file.config.selector().layer(name).err();
                let problem = problem.map_or_else(String::new, |error| error.to_string());
                return Err(Failure::usage(format!("`--api`: {problem}")));
            };
            let other = args.api.mode.as_deref().map(mode).transpose()?;
            Some(other.unwrap_or(api.mode))
        }
        None => args.api.mode.as_deref().map(mode).transpose()?,
    };
    let at_provider = match mode {
        Some(OpenIdConnect) => true,
        Some(CognitoUserPools | AwsIam) => false,
        Some(mode) => {
            return Err(Failure::usage(format!(
                "nobody signs in for an API of mode {mode}"
            )));
        }
        None => args.credential.device || auth.user_pool.is_none(),
    };
    match (&auth.oidc, &auth.user_pool) {
        (Some(oidc), _) if at_provider => User::of_oidc(world, oidc),
        (_, Some(_)) if !at_provider => Ok(User::of_pool(world.session(&file.config, false)?)),
        _ => Err(Failure::configuration(format!(
            "{} has nowhere to sign in: neither a user pool nor, in tower-client-auth's own format, `auth.oidc`, \
             of the kind that is asked for",
            file.name
        ))),
    }
}

fn all(world: &World, file: &File) -> Result<Vec<User>, Failure> {
    let mut all = Vec::new();
    if file.config.auth.user_pool.is_some() {
        all.push(User::of_pool(world.session(&file.config, false)?));
    }
    if let Some(oidc) = &file.config.auth.oidc {
        all.push(User::of_oidc(world, oidc)?);
    }
    Ok(all)
}
