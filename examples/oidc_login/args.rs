//! The command line.

use std::path::PathBuf;

use http::Uri;

pub(crate) const USAGE: &str = "\
Without an issuer: signs a user in at a stand-in for an OpenID provider on this machine, in a browser and
then by a device's code. Nobody need be there: the program plays the user. Needs no account and no network.

    cargo run --example oidc_login

With an issuer: signs you in at a real provider, and keeps you signed in. The client has to be registered
there as one without a secret (public, native), with the redirect URI http://127.0.0.1/callback, or for the
device grant.

    cargo run --example oidc_login -- \\
        --issuer https://login.example.com --client-id command-line --api https://api.example.com/me

    --issuer URL      the provider, as its discovery document spells it
    --client-id ID    the client, as it is registered there
    --device          sign in by a code, in a browser on any machine; without an issuer: only that
    --scope 'A B'     what to ask for; `openid offline_access` without it
    --redirect URI    where the browser comes back to; http://127.0.0.1/callback without it, on any free
                      port. Some providers want the very port that is registered: http://localhost:8400/
    --api URL         what to call with the token
    --store PATH      the file that the session is kept in; sessions.json in
                      ~/.config/tower-client-auth-example without it
    --sign-out        end the session instead
    --help            this text";

/// What to do.
pub(crate) enum Command {
    Tour { device: bool },
    SignIn(Box<Session>),
    SignOut(Box<Session>),
    Help,
}

/// A session at a real provider.
pub(crate) struct Session {
    pub(crate) issuer: String,
    pub(crate) client_id: String,
    pub(crate) device: bool,
    pub(crate) scope: String,
    pub(crate) redirect_uri: String,
    pub(crate) api: Option<Uri>,
    pub(crate) store: Option<PathBuf>,
}

pub(crate) const SCOPE: &str = "openid offline_access";
pub(crate) const REDIRECT_URI: &str = "http://127.0.0.1/callback";

/// Reads the arguments, the program's name left out. The error says what to type instead.
pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Command, String> {
    let (mut issuer, mut client_id, mut api, mut store) = (None, None, None, None);
    let (mut scope, mut redirect_uri) = (None, None);
    let (mut device, mut sign_out) = (false, false);
    while let Some(argument) = arguments.next() {
        // Both `--name value` and `--name=value`.
        let (name, inline) = match argument.split_once('=') {
            Some((name, value)) if name.starts_with("--") => (name, Some(value.to_owned())),
            _ => (argument.as_str(), None),
        };
        let mut value = || {
            let value = inline.clone().or_else(|| arguments.next());
            value.ok_or_else(|| format!("`{name}` needs a value: type `{name} …`"))
        };
        match name {
            "--help" | "-h" => return Ok(Command::Help),
            "--device" if inline.is_none() => device = true,
            "--sign-out" if inline.is_none() => sign_out = true,
            "--issuer" => issuer = Some(value()?),
            "--client-id" => client_id = Some(value()?),
            "--scope" => scope = Some(value()?),
            "--redirect" => redirect_uri = Some(value()?),
            "--api" => api = Some(parse_api(&value()?)?),
            "--store" => store = Some(PathBuf::from(value()?)),
            // Without its value, which may be a password.
            _ => {
                return Err(format!(
                    "`{name}` is no option of this program, or takes no value."
                ));
            }
        }
    }
    let texts = [&issuer, &client_id, &scope, &redirect_uri];
    let is_real = texts.into_iter().any(Option::is_some) || api.is_some() || store.is_some();
    if !is_real && !sign_out {
        return Ok(Command::Tour { device });
    }
    let missing = |name: &str, example: &str| {
        format!("A real sign-in needs `{name}` as well: add `{name} {example}`.")
    };
    let session = Box::new(Session {
        issuer: issuer.ok_or_else(|| missing("--issuer", "https://login.example.com"))?,
        client_id: client_id.ok_or_else(|| missing("--client-id", "command-line"))?,
        device,
        scope: scope.unwrap_or_else(|| SCOPE.to_owned()),
        redirect_uri: redirect_uri.unwrap_or_else(|| REDIRECT_URI.to_owned()),
        api,
        store,
    });
    Ok(match sign_out {
        true => Command::SignOut(session),
        false => Command::SignIn(session),
    })
}

fn parse_api(text: &str) -> Result<Uri, String> {
    let url: Option<Uri> = text.parse().ok();
    // Not repeated here: it may hold a password.
    url.filter(|url| url.scheme().is_some() && url.authority().is_some())
        .ok_or_else(|| {
            "`--api` takes a complete URL: type one like `--api https://host/path`.".to_owned()
        })
}
