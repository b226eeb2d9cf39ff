//! What people type who know other programs, or are new to this one.

use clap::Args;

use crate::args::{Arguments, Command};
use crate::exit::Failure;
use crate::output::printable;
use crate::world::World;

/// Curl's options that are none here. Their values are read so that they are not printed.
#[derive(Args)]
pub(crate) struct CurlArgs {
    #[arg(short = 'u', hide = true, num_args = 0..=1, global = true)]
    login: Option<Option<String>>,
    #[arg(long, hide = true, num_args = 0..=1, global = true)]
    password: Option<Option<String>>,
    #[arg(short = 'b', long, hide = true, num_args = 0..=1, global = true)]
    cookie: Option<Option<String>>,
    #[arg(short = 'F', long, hide = true, num_args = 0..=1, global = true)]
    form: Option<Option<String>>,
    #[arg(short = 'L', long, hide = true, global = true)]
    location: bool,
    #[arg(short = 'k', long, hide = true, global = true)]
    insecure: bool,
}

/// Finds what can only be a slip.
pub(crate) fn check(args: &Arguments) -> Result<(), Failure> {
    let curl = &args.curl;
    let login = "passwords are never arguments, which other users of a machine can see: `--user NAME` asks for \
                 one; for Basic authentication, type `--token-command` with one that prints `Basic …`";
    for (is_given, words) in [
        (curl.login.is_some() || curl.password.is_some(), login),
        (
            curl.cookie.is_some(),
            "`-b` is none of its options: type `-H 'cookie: NAME=VALUE'`",
        ),
        (
            curl.form.is_some(),
            "`-F` is none of its options: forms are not built here; type \
             `-d @FILE -H 'content-type: multipart/form-data; boundary=…'`",
        ),
        (
            curl.location,
            "`-L` is none of its options: redirects are not followed, since credentials would go along; the answer \
             says where to, and that can be called",
        ),
        (
            curl.insecure,
            "`-k` is none of its options: a credential goes to nobody who cannot be told; for a certificate of \
             your own, type `SSL_CERT_FILE=ca.pem call …`",
        ),
    ] {
        if is_given {
            return Err(Failure::usage(words));
        }
    }
    match args.command {
        Some(_) => about_a_file(args),
        None => command(args),
    }
}

fn about_a_file(args: &Arguments) -> Result<(), Failure> {
    let output = &args.output;
    if output.output.is_some() || output.explain || output.include {
        return Err(Failure::usage(
            "`-o`, `-i` and `--explain` are about an answer, and this command has none: leave them out",
        ));
    }
    let names_a_request =
        args.first.is_some() || !args.request.is_empty() || args.api.region.is_some();
    match names_a_request {
        true => Err(Failure::usage(
            "`apis`, `check`, `sign-in` and `sign-out` are about a file, and send no request of yours: leave out \
             what is about one",
        )),
        false => Ok(()),
    }
}

const COMMANDS: [(&str, &str); 12] = [
    ("apis", "apis"),
    ("check", "check"),
    ("signin", "sign-in"),
    ("signout", "sign-out"),
    ("api", "apis"),
    ("list", "apis"),
    ("ls", "apis"),
    ("login", "sign-in"),
    ("logout", "sign-out"),
    ("help", "--help"),
    ("usage", "--help"),
    ("version", "--version"),
];

fn command(args: &Arguments) -> Result<(), Failure> {
    let Some(first) = &args.first else {
        let api = &args.api;
        let is_bare = !api.demo && api.config.is_none() && api.api.is_none();
        if is_bare && args.request.is_empty() && api.region.is_none() {
            return Err(Failure::usage(
                "what to call is missing. To see how it works, and for what a file of yours has, type\n\
                 call --demo --api orders GET /items\n\
                 call --config amplifyconfiguration.json apis",
            ));
        }
        return Ok(());
    };
    // A method that is not among the usual ones is in capitals.
    let is_method = args.second.is_some() && first.chars().all(|c| c.is_ascii_uppercase());
    if is_method || first.contains('/') {
        return Ok(());
    }
    let plain = first.to_ascii_lowercase().replace(['-', '_'], "");
    let mut near = COMMANDS.iter().filter(|(name, _)| {
        // The shorter a name is, the more words are near it.
        let most = match name.len() {
            ..4 => 0,
            4 => 1,
            _ => 2,
        };
        strsim::osa_distance(name, &plain) <= most
    });
    match near.next() {
        Some((_, meant)) => Err(Failure::usage(format!(
            "`{}` is no command: did you mean `{meant}`?",
            printable(first)
        ))),
        None => Ok(()),
    }
}

/// What is wrong with a first word that is the name of an API.
pub(crate) async fn api(args: &Arguments) -> Option<Failure> {
    let first = args.first.as_deref()?;
    if first.contains('/') || args.api.api.is_some() {
        return None;
    }
    let (_, file) = World::new(args).await.ok()?;
    let file = file.filter(|file| file.config.apis.contains_key(first))?;
    let name = printable(first);
    let path = args.second.as_deref().filter(|path| path.starts_with('/'));
    Some(Failure::usage(format!(
        "`{name}` is an API of {}: type `--api {name} {}`",
        file.name,
        path.map_or_else(|| "/items".to_owned(), printable)
    )))
}

/// Whether a command is about the file alone.
pub(crate) fn is_listing(args: &Arguments) -> bool {
    args.command == Some(Command::Apis) && !args.api.demo
}
