//! Signing in where a browser is: on this machine, or anywhere with a code.

use std::error::Error;
use std::io;

use http::Uri;
use tower_client_auth::cognito::Session;
use tower_client_auth::config::AuthConfig;
use tower_client_auth::oauth::{AuthorizationCode, LoopbackLogin, Tokens};
use tower_client_auth::{AuthError, AuthErrorKind};

use crate::args::CredentialArgs;
use crate::exit::Failure;
use crate::output::{self, printable};
use crate::user::OidcUser;

pub(crate) async fn at_pool(
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
    let login = listen(login, redirect, args).await?;
    show_url(login.url());
    Ok(login.finish().await?)
}

pub(crate) async fn at_provider(user: &OidcUser, args: &CredentialArgs) -> Result<Tokens, Failure> {
    // On any free port.
    let redirect = args
        .redirect
        .as_deref()
        .unwrap_or("http://127.0.0.1/callback");
    let mut login = user.client.authorization_code().scope(user.scope.as_str());
    if let Some(audience) = &user.audience {
        login = login.audience(audience.as_str());
    }
    let login = listen(login, redirect, args).await?;
    show_url(login.url());
    Ok(login.finish().await?)
}

/// Waits for the browser where it is to come back to.
async fn listen(
    login: AuthorizationCode,
    redirect: &str,
    args: &CredentialArgs,
) -> Result<LoopbackLogin, Failure> {
    let error = match login.listen(redirect).await {
        Ok(login) => return Ok(login),
        Err(error) => error,
    };
    if let Some(why) = cause(&error) {
        let port = redirect.parse::<Uri>().ok().and_then(|uri| uri.port_u16());
        let other = match port {
            Some(8400) => "http://localhost:8401/",
            _ => "http://localhost:8400/",
        };
        let port = port.map_or_else(|| "its port".to_owned(), |port| format!("port {port}"));
        return Err(Failure::configuration(format!(
            "the browser is to come back to {}, and {port} cannot be listened on: {why}\n\
             end what listens there, or allow {other} as a callback URL of the app client, and type \
             `--redirect {other}`",
            printable(redirect)
        )));
    }
    match (&args.redirect, error.kind()) {
        (Some(_), AuthErrorKind::Configuration) => Err(Failure::usage(format!(
            "`--redirect`: {}",
            Failure::from(error).message
        ))),
        _ => Err(error.into()),
    }
}

/// What the system says of a port, if that is what is wrong.
fn cause(error: &AuthError) -> Option<String> {
    let error: &dyn Error = error;
    let cause = error.source()?.downcast_ref::<io::Error>()?;
    matches!(
        cause.kind(),
        io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied
    )
    .then(|| cause.to_string())
}

/// Not opened from here: the arguments of a program that does so can be seen by other users.
fn show_url(url: &str) {
    output::remark("to sign in, open this in a browser on this machine:");
    output::line(printable(url));
}

pub(crate) async fn anywhere(user: &OidcUser) -> Result<Tokens, Failure> {
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
