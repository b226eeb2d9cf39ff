//! A program that acts for itself gets its own tokens: the client credentials grant.
//!
//! ```sh
//! cargo run --example oidc_client_credentials
//! ```
//!
//! calls an API of a stand-in on this machine. `--help` says how to call a real one, with tokens of a real
//! provider.

// A stand-in for a provider and an API. There is nothing to copy from it.
#[allow(dead_code, reason = "each example needs a part of it")]
#[path = "stand_in/provider.rs"]
mod provider;

use std::env;
use std::fmt::Display;
use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use futures::future::try_join_all;
use http::{Request, Response, StatusCode, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::time::sleep;
use tower::{Layer, ServiceExt};
use tower_client_auth::layer::Bearer;
use tower_client_auth::oauth::{ClientCredentials, OAuthClient, OAuthError, Provider};
use tower_client_auth::{
    AuthHint, Authorize, BearerTokenLayer, BoxError, Cached, Secret, Transport,
};

/// What to call, and as whom.
#[derive(Clone)]
struct Settings {
    issuer: String,
    client_id: String,
    secret: Secret,
    scope: Option<String>,
    audience: Option<String>,
    api: Uri,
}

/// A client of one API. Clone it freely: clones share connections and tokens.
#[derive(Clone)]
struct Api {
    url: Uri,
    tokens: Cached<ClientCredentials>,
    client: Authorize<Http, Bearer<Cached<ClientCredentials>>>,
}

type Http = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

impl Api {
    fn new(settings: Settings) -> Result<Self, BoxError> {
        let provider = Provider::discover(&settings.issuer, Transport::hyper()?)?;
        let client = OAuthClient::new(provider, settings.client_id).secret(settings.secret);
        let mut grant = client.client_credentials();
        if let Some(scope) = settings.scope {
            grant = grant.scope(scope);
        }
        if let Some(audience) = settings.audience {
            grant = grant.audience(audience);
        }
        let tokens = grant.cached();

        // Tokens go to the API's origin, and nowhere else.
        let url = settings.api;
        let (Some(scheme), Some(authority)) = (url.scheme(), url.authority()) else {
            return Err("the API's URL names no host".into());
        };
        let layer = BearerTokenLayer::new(format!("{scheme}://{authority}"), tokens.clone())?;
        let https = HttpsConnectorBuilder::new()
            .with_native_roots()?
            .https_or_http() // http to loopback only: the layer sees to that
            .enable_http1()
            .enable_http2()
            .build();
        let client = layer.layer(Client::builder(TokioExecutor::new()).build(https));
        Ok(Self {
            url,
            tokens,
            client,
        })
    }

    async fn call(&self) -> Result<Response<Incoming>, BoxError> {
        let request = Request::get(self.url.clone()).body(Full::default())?;
        // A service is called by `&mut self`; cloning one is cheap, a lock would be a queue.
        self.client.clone().oneshot(request).await
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    // An argument could be seen by other users of the machine.
    let secret = env::var("CLIENT_SECRET").ok();
    let secret = secret.filter(|secret| !secret.is_empty());
    let outcome = match parse(env::args().skip(1), secret) {
        Ok(Command::Tour) => tour().await,
        Ok(Command::Call(settings)) => call(*settings).await,
        Ok(Command::Help) => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(problem) => {
            eprintln!("{problem}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{}", with_causes(&error));
            ExitCode::FAILURE
        }
    }
}

/// How long tokens of the stand-in last.
const LIFETIME: Duration = Duration::from_secs(3);

/// At a stand-in.
async fn tour() -> Result<bool, BoxError> {
    let stand_in = provider::start(LIFETIME).await?;
    let settings = Settings {
        issuer: stand_in.origin().to_owned(),
        client_id: provider::SERVICE.to_owned(),
        secret: provider::SECRET.into(),
        scope: Some("orders:read".to_owned()),
        audience: None,
        api: format!("{}/api/hello", stand_in.origin()).parse()?,
    };
    println!(
        "A stand-in for a provider and an API listens on {}.",
        stand_in.origin()
    );

    let api = Api::new(settings.clone())?;
    for (what, pause, count, expected) in [
        ("the first call:", Duration::ZERO, 1, 1),
        ("ten calls at once:", Duration::ZERO, 10, 1),
        ("ten more, when the token has ended:", LIFETIME, 10, 2),
    ] {
        sleep(pause).await;
        let answers = try_join_all((0..count).map(|_| api.call())).await?;
        let good = answers
            .iter()
            .filter(|answer| answer.status() == StatusCode::OK);
        let (good, requests) = (good.count(), stand_in.token_requests("client_credentials"));
        let outcome = format!("{good:2} × 200 OK, token requests so far: {requests}");
        line(what, outcome);
        assert_eq!((good, requests), (count, expected));
    }

    let calls = stand_in.api_calls();
    let wrong = Api::new(Settings {
        secret: "a guess".into(),
        ..settings
    })?;
    let Err(error) = wrong.call().await else {
        return Err("the stand-in took a wrong secret".into());
    };
    line("with a wrong secret:", &error);
    let code = OAuthError::of(error.as_ref()).map(OAuthError::code);
    assert_eq!(code, Some("invalid_client"));

    let calls = stand_in.api_calls() - calls;
    line("calls that the API got with that:", calls);
    assert_eq!(calls, 0);
    Ok(true)
}

/// At a real provider and a real API. `false` if that did not take the token.
async fn call(settings: Settings) -> Result<bool, BoxError> {
    let api = Api::new(settings)?;
    // The first call would get a token by itself. A wrong secret shows before it this way.
    api.tokens.prefetch().await?;
    let life = match api.tokens.status().expires_in {
        Some(left) => format!("it lasts for {} s", left.as_secs()),
        None => "it does not say for how long".to_owned(),
    };
    line("there is a token:", life);
    let response = api.call().await?;
    // Not what it says: an API may repeat the token it was sent.
    line("the API answered:", response.status());
    if let Some(hint) = AuthHint::of(&response) {
        line("probably because:", hint);
    }
    Ok(response.status().is_success())
}

fn line(what: &str, outcome: impl Display) {
    println!("  {what:36} {outcome}");
}

const USAGE: &str = "\
Without arguments: gets tokens from a stand-in for an OpenID provider on this machine, and calls its API with
them. Needs no account and no network.

    cargo run --example oidc_client_credentials

With an issuer: gets a token from a real provider, and sends one GET to a real API. The client's secret comes
from the environment variable CLIENT_SECRET, since other users of the machine can see arguments.

    read -rs CLIENT_SECRET && export CLIENT_SECRET
    cargo run --example oidc_client_credentials -- \\
        --issuer https://login.example.com --client-id orders-service \\
        --scope orders:read --api https://api.example.com/orders

    --issuer URL      the provider, as its discovery document spells it
    --client-id ID    the client, as it is registered there
    --scope 'A B'     what to ask for; what the provider grants by itself without it
    --audience A      the API that the token is for, where the provider asks for that (Auth0 does)
    --api URL         what to call with the token
    --help            this text";

/// What to do.
enum Command {
    Tour,
    Call(Box<Settings>),
    Help,
}

/// Reads the arguments, the program's name left out. The error says what to type instead.
fn parse(
    arguments: impl Iterator<Item = String>,
    secret: Option<String>,
) -> Result<Command, String> {
    let mut arguments = arguments.peekable();
    if arguments.peek().is_none() {
        return Ok(Command::Tour);
    }
    let (mut issuer, mut client_id, mut api) = (None, None, None);
    let (mut scope, mut audience) = (None, None);
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
            "--issuer" => issuer = Some(value()?),
            "--client-id" => client_id = Some(value()?),
            "--scope" => scope = Some(value()?),
            "--audience" => audience = Some(value()?),
            "--api" => api = Some(parse_api(&value()?)?),
            // Without what is behind it, which may be a secret.
            _ => return Err(format!("`{name}` is no option of this program.")),
        }
    }
    let missing = |name: &str, example: &str| {
        format!("A real call needs `{name}` as well: add `{name} {example}`.")
    };
    Ok(Command::Call(Box::new(Settings {
        issuer: issuer.ok_or_else(|| missing("--issuer", "https://login.example.com"))?,
        client_id: client_id.ok_or_else(|| missing("--client-id", "orders-service"))?,
        api: api.ok_or_else(|| missing("--api", "https://api.example.com/orders"))?,
        secret: secret.map(Secret::new).ok_or(
            "CLIENT_SECRET is not set: type `read -rs CLIENT_SECRET && export CLIENT_SECRET`, and \
             then the secret.",
        )?,
        scope,
        audience,
    })))
}

fn parse_api(text: &str) -> Result<Uri, String> {
    let url: Option<Uri> = text.parse().ok();
    // Not repeated here: it may hold a password.
    url.filter(|url| url.scheme().is_some() && url.authority().is_some())
        .ok_or_else(|| {
            "`--api` takes a complete URL: type one like `--api https://host/path`.".to_owned()
        })
}

/// An error with everything that led to it, which `Display` alone leaves out.
fn with_causes(error: &BoxError) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}\n  because: {cause}");
        next = cause.source();
    }
    text
}
