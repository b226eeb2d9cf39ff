//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, ValueEnum};
use http::header::{HeaderName, HeaderValue};

use crate::listen::Address;
use crate::pattern::Pattern;
use crate::secrets::Typed;
use crate::upstream::spec::Spec;

/// Takes requests from programs that have no credentials, and passes them on signed, with a key, or with a
/// token: to the upstreams it was told of, and nowhere else.
#[derive(Parser)]
#[command(
    name = "signing_proxy",
    version,
    max_term_width = 100,
    after_help = AFTER_HELP,
    override_usage = "signing_proxy --upstream <URL>... [OPTIONS]\n       signing_proxy --config <FILE> [OPTIONS]",
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) upstreams: UpstreamArgs,
    #[command(flatten)]
    pub(crate) credentials: CredentialArgs,
    #[command(flatten)]
    pub(crate) front: FrontArgs,
    #[command(flatten)]
    pub(crate) headers: HeaderArgs,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
}

#[derive(Args)]
#[command(next_help_heading = "Where requests may go")]
pub(crate) struct UpstreamArgs {
    /// An upstream, which may have a name and settings (see below); may be repeated
    #[arg(short, long = "upstream", value_name = "[NAME=]URL[,KEY=VALUE]…")]
    pub(crate) upstreams: Vec<Spec>,
    /// The APIs of a configuration file: Amplify's own, or this crate's
    #[arg(
        short,
        long,
        value_name = "FILE",
        required_unless_present = "upstreams"
    )]
    pub(crate) config: Option<PathBuf>,
    /// Where requests go that do not say [default: the only one there is]
    #[arg(long, value_name = "NAME")]
    pub(crate) default: Option<String>,
    /// Trusts the certificates of this file too, in PEM, for upstreams with certificates of one's own
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// Passes everything on as it is, to measure what authorizing costs
    #[arg(long, hide = true)]
    pub(crate) without_layers: bool,
}

#[derive(Args)]
#[command(next_help_heading = "Credentials, beyond what the file has")]
pub(crate) struct CredentialArgs {
    /// Signs with this profile of AWS's files [default: AWS's usual chain]
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// Signs as this role, which those credentials may assume
    #[arg(long, value_name = "ARN")]
    pub(crate) role_arn: Option<String>,
    /// Signs as a guest of the file's identity pool
    #[arg(long, conflicts_with_all = ["profile", "role_arn"])]
    pub(crate) guest: bool,
    /// The key of an upstream in mode api-key: `orders=env:ORDERS_KEY`
    #[arg(long = "api-key", value_name = "NAME=env:VARIABLE|file:PATH")]
    pub(crate) api_keys: Vec<Typed>,
    /// The token of an upstream in mode user-pools, oidc or lambda. A file is read again when it changes
    #[arg(long = "token", value_name = "NAME=env:VARIABLE|file:PATH")]
    pub(crate) tokens: Vec<Typed>,
    /// Writes `Bearer ` before the token of this upstream; may be repeated
    #[arg(long, value_name = "NAME")]
    pub(crate) bearer: Vec<String>,
}

#[derive(Args)]
#[command(next_help_heading = "Who may call")]
pub(crate) struct FrontArgs {
    /// Where to listen: an address, or `unix:` and a path; may be repeated
    #[arg(short, long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub(crate) listen: Vec<Address>,
    /// Another name by which callers know this proxy, besides `localhost` and addresses; may be repeated
    #[arg(long = "name", value_name = "HOST")]
    pub(crate) names: Vec<String>,
    /// Callers have to send this as `x-api-key`, or as a proxy's password
    #[arg(long, value_name = "env:VARIABLE|file:PATH")]
    pub(crate) caller_key: Option<Typed>,
    /// Pages of this origin may call; may be repeated [default: no pages]
    #[arg(long = "allow-origin", value_name = "ORIGIN")]
    pub(crate) origins: Vec<String>,
    /// Where `/healthz`, `/readyz` and `/metrics` are [default: wherever it listens]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) ops: Option<Address>,
    /// A line of JSON on stdout for each request
    #[arg(long, value_enum, default_value_t = AccessLog::On)]
    pub(crate) access_log: AccessLog,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum AccessLog {
    On,
    Off,
}

impl AccessLog {
    pub(crate) fn is_on(self) -> bool {
        self == Self::On
    }
}

#[derive(Args)]
#[command(next_help_heading = "Headers and query parameters")]
pub(crate) struct HeaderArgs {
    /// Takes this header off requests; `x-internal-*` stands for all that begin so; may be repeated
    #[arg(long = "strip-header", value_name = "NAME")]
    pub(crate) strip: Vec<Pattern>,
    /// Takes this parameter out of the query; may be repeated
    #[arg(long = "strip-param", value_name = "NAME")]
    pub(crate) strip_params: Vec<Pattern>,
    /// Lets this header pass that is taken off otherwise, such as `cookie`; may be repeated
    #[arg(long = "pass-header", value_name = "NAME")]
    pub(crate) pass: Vec<Pattern>,
    /// Sets this header, and signs it; may be repeated
    #[arg(long = "set-header", value_name = "NAME: VALUE", value_parser = header)]
    pub(crate) set: Vec<(HeaderName, HeaderValue)>,
    /// Sends the caller's header on as `x-original-NAME`; may be repeated
    #[arg(long = "copy-header", value_name = "NAME")]
    pub(crate) copy: Vec<HeaderName>,
}

#[derive(Args)]
#[command(next_help_heading = "Limits (times in seconds, sizes in bytes)")]
pub(crate) struct LimitArgs {
    /// The longest body of a request
    #[arg(long, value_name = "BYTES", default_value_t = 5 * 1024 * 1024 * 1024)]
    pub(crate) max_body: u64,
    /// The longest that is read into memory, where it must be hashed before it is sent
    #[arg(long, value_name = "BYTES", default_value_t = 10 * 1024 * 1024)]
    pub(crate) max_buffer: usize,
    /// The most that a request's head may have
    #[arg(long, value_name = "BYTES", default_value_t = 64 * 1024,
          value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(8192..=16 * 1024 * 1024))]
    pub(crate) max_head: usize,
    /// The most connections of callers at a time; more wait
    #[arg(long, value_name = "NUMBER", default_value_t = 1024,
          value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=1_000_000))]
    pub(crate) max_connections: usize,
    /// The most requests at a time; more are answered 503
    #[arg(long, value_name = "NUMBER", default_value_t = 512,
          value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=1_000_000))]
    pub(crate) max_requests: usize,
    /// How long a caller may take for a head, and be idle
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = seconds())]
    pub(crate) head_timeout: u64,
    /// How long either body may stand still
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = seconds())]
    pub(crate) body_timeout: u64,
    /// How long it may take to reach an upstream
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = seconds())]
    pub(crate) connect_timeout: u64,
    /// How long an upstream may take to begin its answer, once it has the request
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = seconds())]
    pub(crate) answer_timeout: u64,
    /// How long connections to upstreams are kept
    #[arg(long, value_name = "SECONDS", default_value_t = 40, value_parser = seconds())]
    pub(crate) upstream_idle: u64,
    /// After SIGTERM, how long new connections are still taken, while `/readyz` says 503
    #[arg(long, value_name = "SECONDS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=3600))]
    pub(crate) drain_delay: u64,
    /// And then, how long requests that are under way may take
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = seconds())]
    pub(crate) drain: u64,
}

fn seconds() -> clap::builder::RangedU64ValueParser {
    clap::value_parser!(u64).range(1..=86_400)
}

fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text
        .split_once(':')
        .ok_or("a header is typed as `NAME: VALUE`")?;
    let name = name
        .trim()
        .parse()
        .map_err(|_| "this is no name of a header")?;
    let value = HeaderValue::from_str(value.trim()).map_err(|_| "this is no value of a header")?;
    Ok((name, value))
}

const AFTER_HELP: &str = "\
An upstream is a URL; requests go to those that are named, and to no other host. For AWS's own hosts
the URL says what to sign for. Settings come behind commas:
  service=S3,region=REGION   what to sign for, where the host does not tell
  region-set=us-east-1+eu-*  SigV4a, for several regions
  mode=MODE                  iam (the default), api-key, user-pools, oidc, lambda, none
  payload=auto               signs bodies by the hash that callers send along; else uploads to S3 in
                             signed chunks, and all else by its hash, for which it is read first
  payload=hash               reads all bodies first, as stores need it that take no chunks
  payload=unsigned           does not sign bodies
  connect=HOST:PORT          connects there, as through a tunnel; TLS, `Host` and signatures name
                             the URL's host still
  http2                      speaks HTTP/2 without TLS; with TLS, both sides agree on it
  plain-http                 lets credentials cross a network in plain text. Loopback needs no leave

Which upstream a request goes to is decided by, in this order:
  1. its host: in the URL, where clients take this for an HTTP proxy, or in `Host`
  2. what the caller's own signature is for, be it made with dummy credentials: service and region
  3. the first part of its path, if that is an upstream's name; it is taken off
  4. `--default`, or the only upstream there is

Secrets are never arguments, which other users of a machine can see.

Examples:
  signing_proxy --upstream https://s3.eu-west-1.amazonaws.com
      curl http://127.0.0.1:8080/my-bucket/my-object
  signing_proxy -u https://s3.eu-west-1.amazonaws.com -u https://sqs.eu-west-1.amazonaws.com
      AWS_ENDPOINT_URL=http://127.0.0.1:8080 aws sqs list-queues
  signing_proxy -u orders=https://abc123.execute-api.eu-west-1.amazonaws.com/prod
      curl http://127.0.0.1:8080/orders/items
  signing_proxy -u https://api.example.com,mode=api-key --api-key api.example.com=env:API_KEY
  signing_proxy --config amplifyconfiguration.json --allow-origin http://localhost:3000
  signing_proxy -u https://search-x.eu-west-1.es.amazonaws.com,connect=localhost:4443
  signing_proxy -u https://s3.eu-west-1.amazonaws.com --listen unix:/run/s3.sock

`signing_proxy` stands for `cargo run --release --example signing_proxy --`.";
