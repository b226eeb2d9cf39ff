//! The command line.

use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};

pub(crate) const USAGE: &str = "\
Without arguments: calls the APIs of examples/quickstart/amplifyconfiguration.json, each in its own
mode, and prints what a stand-in on this machine answered for them. Needs no account and no network.

    cargo run --example quickstart

With an endpoint: signs one real call and prints the answer. Credentials come from AWS_ACCESS_KEY_ID,
AWS_SECRET_ACCESS_KEY and, for temporary ones, AWS_SESSION_TOKEN.

    cargo run --example quickstart -- \\
        --endpoint https://abc123.execute-api.eu-west-1.amazonaws.com/prod/orders \\
        --region eu-west-1 --service execute-api

    --endpoint URL            what to call, path and query included
    --region NAME             the region the API is in
    --service NAME            its signing name: execute-api for API Gateway, s3, lambda, ...
    --method NAME             GET, or POST if there is --data
    --header 'NAME: VALUE'    one more header; may be repeated
    --data TEXT               the body
    --help                    this text";

/// What to do.
pub(crate) enum Command {
    Tour,
    Call(Box<Call>),
    Help,
}

/// A real call.
pub(crate) struct Call {
    pub(crate) endpoint: Uri,
    pub(crate) region: String,
    pub(crate) service: String,
    pub(crate) method: Method,
    pub(crate) headers: HeaderMap,
    pub(crate) data: String,
}

/// Reads the arguments, the program's name left out. The error says what to type instead.
pub(crate) fn parse(arguments: impl Iterator<Item = String>) -> Result<Command, String> {
    let mut arguments = arguments.peekable();
    if arguments.peek().is_none() {
        return Ok(Command::Tour);
    }
    let (mut endpoint, mut region, mut service) = (None, None, None);
    let (mut method, mut data) = (None, None);
    let mut headers = HeaderMap::new();
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
            "--endpoint" => endpoint = Some(parse_endpoint(&value()?)?),
            "--region" => region = Some(value()?),
            "--service" => service = Some(value()?),
            "--method" => method = Some(parse_method(&value()?)?),
            "--header" => {
                let (name, value) = parse_header(&value()?)?;
                headers.append(name, value);
            }
            "--data" => data = Some(value()?),
            _ => return Err(format!("`{argument}` is no option of this program.")),
        }
    }
    let missing = |name: &str, example: &str| {
        format!("A real call needs `{name}` as well: add `{name} {example}`.")
    };
    Ok(Command::Call(Box::new(Call {
        endpoint: endpoint.ok_or_else(|| missing("--endpoint", "https://host/path"))?,
        region: region.ok_or_else(|| missing("--region", "eu-west-1"))?,
        service: service.ok_or_else(|| missing("--service", "execute-api"))?,
        method: method.unwrap_or(match data {
            Some(_) => Method::POST,
            None => Method::GET,
        }),
        headers,
        data: data.unwrap_or_default(),
    })))
}

fn parse_endpoint(text: &str) -> Result<Uri, String> {
    let problem = || {
        format!("`{text}` is no complete URL: type one like `--endpoint https://host/path?a=b`.")
    };
    let mut parts = text.parse::<Uri>().map_err(|_| problem())?.into_parts();
    if parts.scheme.is_none() || parts.authority.is_none() {
        return Err(problem());
    }
    parts
        .path_and_query
        .get_or_insert(PathAndQuery::from_static("/"));
    Uri::from_parts(parts).map_err(|_| problem())
}

fn parse_method(text: &str) -> Result<Method, String> {
    text.parse()
        .map_err(|_| format!("`{text}` is no HTTP method: type one like `--method POST`."))
}

fn parse_header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    text.split_once(':')
        .and_then(|(name, value)| Some((name.trim().parse().ok()?, value.trim().parse().ok()?)))
        .ok_or_else(|| {
            // Not repeated here: it may hold a password.
            "`--header` takes a name, a colon and a value: type \
             `--header 'accept: application/json'`."
                .to_owned()
        })
}
