//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::slips::CurlArgs;

/// Calls an API as its configuration file says: signed, with a key, or with a token.
#[derive(Parser)]
#[command(
    name = "call",
    version,
    max_term_width = 100,
    after_help = AFTER_HELP,
    override_usage = "call [OPTIONS] [METHOD] <PATH|URL>\n       call [OPTIONS] <apis|check|sign-in|sign-out>",
    disable_help_subcommand = true,
)]
pub(crate) struct Arguments {
    /// GET, or POST with a body. May be left out
    #[arg(value_name = "METHOD")]
    pub(crate) first: Option<String>,
    /// A path below the API's endpoint, or a whole URL. GraphQL needs none
    #[arg(value_name = "PATH|URL")]
    pub(crate) second: Option<String>,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) api: ApiArgs,
    #[command(flatten)]
    pub(crate) request: RequestArgs,
    #[command(flatten)]
    pub(crate) credential: CredentialArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) curl: CurlArgs,
}

#[derive(Clone, Copy, PartialEq, Eq, Subcommand)]
pub(crate) enum Command {
    /// Lists the APIs of the file
    Apis,
    /// Finds out whether each API of the file can be called, and sends nothing
    Check,
    /// Signs a user in, and says who
    SignIn,
    /// Ends the user's session, here and where it was issued
    SignOut,
}

#[derive(Args)]
#[command(next_help_heading = "Which API")]
pub(crate) struct ApiArgs {
    /// The file, as Amplify writes it. If left out: the one that is in this folder
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) config: Option<PathBuf>,
    /// The API, as the file names it. Only needed for a path, if there are several
    #[arg(long, value_name = "NAME", global = true)]
    pub(crate) api: Option<String>,
    /// Another mode than the file's: none, api-key, iam, user-pools, oidc, lambda
    #[arg(long, value_name = "MODE", global = true)]
    pub(crate) mode: Option<String>,
    /// Without a file: signs for this region …
    #[arg(long, requires = "service", conflicts_with_all = ["config", "api", "mode", "demo"])]
    pub(crate) region: Option<String>,
    /// … and this service: execute-api, appsync, s3, lambda
    #[arg(long, requires = "region")]
    pub(crate) service: Option<String>,
    /// A stand-in on this machine, with a file of its own. Needs no account and no network
    #[arg(long, global = true, conflicts_with = "config")]
    pub(crate) demo: bool,
}

#[derive(Args)]
#[command(next_help_heading = "Request")]
pub(crate) struct RequestArgs {
    /// The method, in another place
    #[arg(short = 'X', long = "request", value_name = "METHOD")]
    pub(crate) request: Option<String>,
    /// One more header; may be repeated
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    pub(crate) headers: Vec<String>,
    /// The body: a text, a file, or what comes in on stdin
    #[arg(short, long, value_name = "TEXT|@FILE|@-")]
    pub(crate) data: Option<String>,
    /// The same, and says that it is JSON
    #[arg(long, value_name = "TEXT|@FILE|@-", conflicts_with = "data")]
    pub(crate) json: Option<String>,
    /// How long nothing may move: while connecting, sending, and until the answer has come
    #[arg(long, value_name = "SECONDS", default_value_t = 30, global = true,
          value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) timeout: u64,
}

impl RequestArgs {
    /// Whether anything in it is about a request of one's own.
    pub(crate) fn is_empty(&self) -> bool {
        let data = [&self.request, &self.data, &self.json];
        data.iter().all(|text| text.is_none()) && self.headers.is_empty()
    }
}

#[derive(Args)]
#[command(next_help_heading = "Credential")]
pub(crate) struct CredentialArgs {
    /// Who signs in, if that is not who is signed in. Asks for the password
    #[arg(long, value_name = "NAME", global = true, conflicts_with_all = ["browser", "device", "guest"])]
    pub(crate) user: Option<String>,
    /// Sign in by a browser on this machine
    #[arg(long, global = true, conflicts_with_all = ["device", "guest"])]
    pub(crate) browser: bool,
    /// Sign in by a browser anywhere, and a code
    #[arg(long, global = true, conflicts_with = "guest")]
    pub(crate) device: bool,
    /// Where the browser comes back to, if the file does not say or the provider wants another
    #[arg(long, value_name = "URI", global = true)]
    pub(crate) redirect: Option<String>,
    /// As a guest, whoever is signed in
    #[arg(long, global = true)]
    pub(crate) guest: bool,
    /// Send the user's ID token, in place of the access token
    #[arg(long, global = true)]
    pub(crate) id_token: bool,
    /// Sign with what AWS's tools use: environment, profile, container or instance
    #[arg(long, global = true, conflicts_with_all = ["user", "browser", "device", "guest"])]
    pub(crate) aws: bool,
    /// The same, with this profile
    #[arg(long, value_name = "NAME", global = true,
          conflicts_with_all = ["user", "browser", "device", "guest"])]
    pub(crate) profile: Option<String>,
    /// The token, in an environment variable
    #[arg(long, value_name = "NAME", global = true,
          conflicts_with_all = ["token_file", "token_command", "user", "browser", "device"])]
    pub(crate) token_env: Option<String>,
    /// The token, in a file
    #[arg(long, value_name = "PATH", global = true,
          conflicts_with_all = ["token_command", "user", "browser", "device"])]
    pub(crate) token_file: Option<PathBuf>,
    /// The token, as a command prints it; run again if the API rejects it
    #[arg(long, value_name = "COMMAND", global = true,
          conflicts_with_all = ["user", "browser", "device"])]
    pub(crate) token_command: Option<String>,
    /// Writes `Bearer ` before the token
    #[arg(long, global = true)]
    pub(crate) bearer: bool,
    /// The API's key, in an environment variable
    #[arg(long, value_name = "NAME", global = true)]
    pub(crate) api_key_env: Option<String>,
    /// Where sessions are kept [default: ~/.config/tower-client-auth/sessions.json]
    #[arg(long, value_name = "PATH", global = true)]
    pub(crate) store: Option<PathBuf>,
}

#[derive(Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct OutputArgs {
    /// Shows what is sent and what comes back, without secrets
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,
    /// Shows what was signed, and where the server sees it differently, if it tells
    #[arg(long)]
    pub(crate) explain: bool,
    /// Prints the answer's head before its body
    #[arg(short, long)]
    pub(crate) include: bool,
    /// Writes the answer to a file
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Neither progress nor hints
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) silent: bool,
}

const AFTER_HELP: &str = "\
`call` stands for `cargo run --example call --`; with `--manifest-path` and the path of this crate's
Cargo.toml behind `run`, that works in any folder. The program itself is target/debug/examples/call.

Secrets are never arguments, which other users of a machine can see: passwords are asked for, and
tokens and keys come from variables, files and commands. AWS credentials come from the file's
identity pool, or, with `--aws` only, as for AWS's own tools. A user stays signed in until
`call sign-out`, for files that name the same hosts.

Examples:
  call --demo apis
  call --demo --api orders GET /items
  call --demo --api profile --user alice /me          (her password: correct-horse-battery-staple)
  call --config amplifyconfiguration.json --api orders '/items?limit=10'
  call --api orders --json @order.json -H 'x-tenant: blue' POST /items
  call --api data --json '{\"query\":\"{ __typename }\"}'
  call --api partners --token-command 'gcloud auth print-identity-token' --bearer /me
  call --region eu-west-1 --service s3 https://my-bucket.s3.eu-west-1.amazonaws.com/a.txt -o a.txt

Exit codes:
  0  the API answered, below 400
  1  no answer, or not all of it: the network, or the file of `-o`
  2  wrong usage, and a body that cannot be read
  3  the configuration, or the file of `--store`, cannot be used
  4  no credential: nobody is signed in, no token, no AWS credentials. Nothing was sent
  5  the API refused the credential: 401, 403
  6  any other answer of 400 and above";
