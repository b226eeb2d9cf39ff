//! The command line.

use std::path::PathBuf;

use tower_client_auth::Secret;

pub(crate) const USAGE: &str = "\
Without arguments: calls the APIs of examples/cognito_session/amplifyconfiguration.json as a guest, as a user, and
as a guest again, at a stand-in for Cognito and API Gateway on this machine. Needs no account and no network.

    cargo run --example cognito_session

With a configuration file of Amplify's: sends one GET to an API in it, as a guest, or as a user who signs in for
that. The password comes from the environment variable PASSWORD, since other users of the machine can see arguments.

    read -rs PASSWORD && export PASSWORD
    cargo run --example cognito_session -- \\
        --config amplifyconfiguration.json --api orders --path /items --user alice

    --config PATH    the file: amplifyconfiguration.json, amplify_outputs.json or aws-exports.js
    --api NAME       the API, as the file names it
    --path PATH      what to ask for, below the API's endpoint; / without it
    --user NAME      who signs in; nobody without it
    --id-token       what an API of mode AMAZON_COGNITO_USER_POOLS is sent, in place of the access token: where its
                     methods name no scopes
    --help           this text";

/// What to do.
pub(crate) enum Command {
    Tour,
    Call(Box<Call>),
    Help,
}

/// A real call.
pub(crate) struct Call {
    pub(crate) config: PathBuf,
    pub(crate) api: String,
    pub(crate) path: String,
    /// Who signs in, with which password.
    pub(crate) user: Option<(String, Secret)>,
    pub(crate) id_token: bool,
}

/// Reads the arguments, the program's name left out. The error says what to type instead.
pub(crate) fn parse(
    arguments: impl Iterator<Item = String>,
    password: Option<String>,
) -> Result<Command, String> {
    let mut arguments = arguments.peekable();
    if arguments.peek().is_none() {
        return Ok(Command::Tour);
    }
    let (mut config, mut api, mut path, mut user) = (None, None, None, None);
    let mut id_token = false;
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
            "--id-token" if inline.is_none() => id_token = true,
            "--config" => config = Some(PathBuf::from(value()?)),
            "--api" => api = Some(value()?),
            "--path" => path = Some(value()?),
            "--user" => user = Some(value()?),
            // Without its value, which may be a password.
            _ => {
                return Err(format!(
                    "`{name}` is no option of this program, or takes no value."
                ));
            }
        }
    }
    let missing = |name: &str, example: &str| {
        format!("A real call needs `{name}` as well: add `{name} {example}`.")
    };
    let password = password.filter(|password| !password.is_empty());
    let user = match (user, password) {
        (Some(user), Some(password)) => Some((user, Secret::new(password))),
        (Some(_), None) => {
            return Err(
                "PASSWORD is not set: type `read -rs PASSWORD && export PASSWORD`, and then the password."
                    .to_owned(),
            );
        }
        (None, _) => None,
    };
    let path = path.unwrap_or_else(|| "/".to_owned());
    if !path.starts_with('/') {
        return Err("`--path` begins with a slash: type one like `--path /items`.".to_owned());
    }
    Ok(Command::Call(Box::new(Call {
        config: config.ok_or_else(|| missing("--config", "amplifyconfiguration.json"))?,
        api: api.ok_or_else(|| missing("--api", "orders"))?,
        path,
        user,
        id_token,
    })))
}
