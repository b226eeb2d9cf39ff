//! A user signs in: by a password and whatever the pool asks then, in a browser, or by a code.

use std::io::{self, IsTerminal as _};

use tower_client_auth::cognito::{Session, SignIn};
use tower_client_auth::config::AuthConfig;
use tower_client_auth::oauth::Tokens;
use tower_client_auth::{AuthError, AuthErrorKind};

use crate::args::{Arguments, CredentialArgs};
use crate::challenges;
use crate::exit::Failure;
use crate::files::File;
use crate::output::{self, printable};
use crate::prompt;
use crate::user::{OidcUser, User, name_in};
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
        return Err(nobody_there(world, user, file, args).await);
    }
    let (auth, args) = (&file.config.auth, &args.credential);
    let tokens = match user {
        User::Pool(session) if args.browser => pool_by_browser(session, auth, args).await?,
        User::Pool(session) => by_password(session, args.user.as_deref()).await?,
        User::Oidc(user) if args.device => by_device(user).await?,
        User::Oidc(user) => by_browser(user, args).await?,
    };
    user.begin(&tokens).await?;
    if world.remembers() && tokens.refresh_token().is_none() {
        output::remark(
            "not for long: the provider gave no refresh token; many want the scope `offline_access` for one",
        );
    }
    let name = name_in(&tokens);
    Ok(match user {
        User::Pool(session) => session.username().await?.or(name),
        User::Oidc(_) => name,
    })
}

async fn nobody_there(world: &World, user: &User, file: &File, args: &Arguments) -> Failure {
    let is_over = user.is_signed_in().await.unwrap_or_default();
    let what = match is_over {
        true => "the session has ended, or is another user's",
        false => "nobody is signed in",
    };
    if world.is_demo {
        return Failure::no_credential(format!(
            "{what}, and nobody can be asked here: type this in a terminal (the demo keeps no sessions)"
        ));
    }
    let api = args
        .api
        .api
        .as_ref()
        .filter(|_| matches!(user, User::Oidc(_)));
    let api = api.map(|api| format!(" --api {}", printable(api)));
    let (name, api) = (printable(&file.name), api.unwrap_or_default());
    Failure::no_credential(format!(
        "{what}, and nobody can be asked here: type `call --config {name}{api} sign-in` in a terminal, and then \
         this again"
    ))
}

async fn by_password(session: &Session, name: Option<&str>) -> Result<Tokens, Failure> {
    let name = match name {
        Some(name) => name.to_owned(),
        None => prompt::line("User name: ").await?,
    };
    let pool = session.user_pool()?;
    let mut attempts = 3;
    let mut step = loop {
        let password = prompt::secret(&format!("Password of {}: ", name.escape_debug())).await?;
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

async fn pool_by_browser(
    session: &Session,
    auth: &AuthConfig,
    args: &CredentialArgs,
) -> Result<Tokens, Failure> {
    let oauth = auth.user_pool.as_ref().and_then(|pool| pool.oauth.as_ref());
    let Some(oauth) = oauth else {
        return Err(Failure::usage(
            "the file names no web pages of the user pool (`oauth`): type `--user NAME` in place of `--browser`",
        ));
    };
    let uris = oauth.sign_in_redirect_uris.iter();
    let mut here = uris.filter(|uri| {
        let host = uri.strip_prefix("http://").unwrap_or_default();
        ["localhost", "127.0.0.1", "[::1]"]
            .iter()
            .any(|name| host.starts_with(name))
    });
    let Some(redirect) = args.redirect.as_ref().or_else(|| here.next()) else {
        return Err(Failure::usage(
            "the browser has to come back to this machine, and none of the file's redirect URIs is here: allow \
             http://localhost:8400/ as a callback URL of the app client, and type \
             `--redirect http://localhost:8400/`",
        ));
    };
    let client = session.user_pool()?.oauth_client(&oauth.domain)?;
    let mut login = client.authorization_code();
    if !oauth.scopes.is_empty() {
        login = login.scope(oauth.scopes.join(" "));
    }
    let login = login.listen(redirect).await?;
    show_url(login.url());
    Ok(login.finish().await?)
}

async fn by_browser(user: &OidcUser, args: &CredentialArgs) -> Result<Tokens, Failure> {
    // On any free port.
    let redirect = args
        .redirect
        .as_deref()
        .unwrap_or("http://127.0.0.1/callback");
    let mut login = user.client.authorization_code().scope(user.scope.as_str());
    if let Some(audience) = &user.audience {
        login = login.audience(audience.as_str());
    }
    let login = login.listen(redirect).await?;
    show_url(login.url());
    Ok(login.finish().await?)
}

/// Not opened from here: the arguments of a program that does so can be seen by other users.
fn show_url(url: &str) {
    output::remark("to sign in, open this in a browser on this machine:");
    output::line(printable(url));
}

async fn by_device(user: &OidcUser) -> Result<Tokens, Failure> {
    let mut login = user
        .client
        .device_authorization()
        .scope(user.scope.as_str());
    if let Some(audience) = &user.audience {
        login = login.audience(audience.as_str());
    }
    let login = login.begin().await?;
    output::remark("to sign in, open this in a browser anywhere:");
    output::line(login.verification_uri());
    output::remark(format_args!("and enter this code: {}", login.user_code()));
    if let Some(url) = login.verification_uri_complete() {
        output::remark("or open this, which has it already:");
        output::line(url);
    }
    Ok(login.finish().await?)
}
