//! A user signs in: by a password and whatever the pool asks then, in a browser, or by a code.

use std::io::{self, IsTerminal as _};

use tower_client_auth::cognito::{Session, SignIn};
use tower_client_auth::oauth::Tokens;
use tower_client_auth::{AuthError, AuthErrorKind};

use crate::args::Arguments;
use crate::auth::Auth;
use crate::browser;
use crate::challenges;
use crate::exit::Failure;
use crate::files::File;
use crate::nobody;
use crate::output;
use crate::places;
use crate::prompt;
use crate::user::{User, name_in};
use crate::world::World;

/// Whether there is somebody to be asked.
pub(crate) fn somebody_is_there() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Signs a user in, and returns who that is, as far as it is known.
pub(crate) async fn run(
    world: &World,
    user: &User,
    file: &File,
    args: &Arguments,
) -> Result<Option<String>, Failure> {
    if !somebody_is_there() {
        return Err(nobody::nobody_there(world, user, file, args).await);
    }
    let (auth, args) = (&file.config.auth, &args.credential);
    let tokens = match user {
        User::Pool(session) if args.browser => browser::at_pool(session, auth, args).await?,
        User::Pool(session) => {
            let pool = auth.user_pool.as_ref();
            let endpoint = pool.and_then(|pool| pool.endpoint.as_deref());
            by_password(session, args.user.as_deref(), endpoint).await?
        }
        User::Oidc(user) if args.device => browser::anywhere(user).await?,
        User::Oidc(user) => browser::at_provider(user, args).await?,
    };
    user.begin(&tokens).await?;
    match (world.remembers(), tokens.refresh_token()) {
        (true, None) => output::remark(
            "not for long: the provider gave no refresh token; many want the scope `offline_access` for one",
        ),
        (false, _) if !world.is_demo => output::remark(
            "forgotten when this ends: there is no home folder, so type `--store PATH`",
        ),
        _ => {}
    }
    let name = name_in(&tokens);
    Ok(match user {
        User::Pool(session) => session.username().await?.or(name),
        User::Oidc(_) => name,
    })
}

/// Whoever has to sign in for a call, before anything else is read from the keyboard.
pub(crate) async fn beforehand(
    world: &World,
    auth: &Auth,
    file: &File,
    args: &Arguments,
) -> Result<(), Failure> {
    let Some(user) = &auth.user else {
        return Ok(());
    };
    if !user.is_who_was_asked_for(&args.credential).await?
        && (args.credential.asks_for_user() || !auth.takes_guests)
        || user.is_signed_in().await? && user.needs_sign_in().await?
    {
        run(world, user, file, args).await?;
    }
    Ok(())
}

async fn by_password(
    session: &Session,
    name: Option<&str>,
    endpoint: Option<&str>,
) -> Result<Tokens, Failure> {
    let name = match name {
        Some(name) => name.to_owned(),
        None => prompt::line("User name: ").await?,
    };
    let pool = session.user_pool()?;
    // Not AWS's own, but what the file says.
    let at = endpoint.map(|endpoint| format!(" at {}", places::host(endpoint)));
    let question = format!(
        "Password of {}{}: ",
        name.escape_debug(),
        at.unwrap_or_default()
    );
    let mut attempts = 3;
    let mut step = loop {
        let password = prompt::secret(&question).await?;
        attempts -= 1;
        match pool.sign_in(&name, password).await {
            Ok(step) => break step,
            Err(error) if is_wrong(&error) && attempts > 0 => challenges::again(&error),
            Err(error) => return Err(error.into()),
        }
    };
    loop {
        step = match step {
            SignIn::Done(tokens) => return Ok(tokens),
            step => challenges::answer(step).await?,
        };
    }
}

/// Whether another answer may be right.
pub(crate) fn is_wrong(error: &AuthError) -> bool {
    error.kind() == AuthErrorKind::SignInRequired
}
