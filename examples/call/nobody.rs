//! What to type where nobody can be asked: a line that can be copied as it is.

use crate::args::Arguments;
use crate::exit::Failure;
use crate::files::File;
use crate::output::printable;
use crate::user::User;
use crate::world::World;

/// Says how whoever is missing signs in.
pub(crate) async fn nobody_there(
    world: &World,
    user: &User,
    file: &File,
    args: &Arguments,
) -> Failure {
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
    let line = line(user, file, args);
    Failure::no_credential(match world.remembers() {
        true => format!(
            "{what}, and nobody can be asked here: type `{line} sign-in` in a terminal, and then this again"
        ),
        false => format!(
            "{what}, and nobody can be asked here; there is no home folder to keep a session in: type \
             `{line} --store sessions.json sign-in` in a terminal, and then this again with \
             `--store sessions.json`"
        ),
    })
}

/// The command, without `sign-in`, for who is to sign in where, and is to be found again.
fn line(user: &User, file: &File, args: &Arguments) -> String {
    let (api, credential) = (&args.api, &args.credential);
    let mode = match (user, &api.mode, &api.api) {
        (_, Some(mode), _) => Some(mode.as_str()),
        // The file may have a user pool too.
        (User::Oidc(_), None, None) => Some("oidc"),
        _ => None,
    };
    let store = credential
        .store
        .as_ref()
        .map(|path| path.display().to_string());
    let mut line = "call".to_owned();
    for (option, value) in [
        ("--config", Some(file.name.as_str())),
        ("--api", api.api.as_deref()),
        ("--mode", mode),
        ("--store", store.as_deref()),
        ("--user", credential.user.as_deref()),
        ("--redirect", credential.redirect.as_deref()),
    ] {
        if let Some(value) = value {
            line.push_str(&format!(" {option} {}", quoted(value)));
        }
    }
    for (option, is_given) in [
        ("--browser", credential.browser),
        ("--device", credential.device),
    ] {
        if is_given {
            line.push_str(&format!(" {option}"));
        }
    }
    line
}

/// As a shell takes it for one word.
fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=,".contains(c);
    match !text.is_empty() && text.chars().all(is_plain) {
        true => text.to_owned(),
        false => format!("'{}'", printable(text).replace('\'', r"'\''")),
    }
}
