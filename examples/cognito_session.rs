//! Guests and users: one configuration file, one service for all its APIs, and requests that go out as whoever
//! uses the program at the moment.
//!
//! ```sh
//! cargo run --example cognito_session
//! ```
//!
//! signs a user in and out at a stand-in for Cognito and API Gateway on this machine. `--help` says how to call
//! an API of yours.

// The command line, and a session at AWS.
#[path = "cognito_session/args.rs"]
mod args;
#[path = "cognito_session/real.rs"]
mod real;
// The stand-in, and the way to it. There is nothing to copy from them.
#[allow(dead_code, reason = "each example needs a part of it")]
#[path = "quickstart/reroute.rs"]
mod reroute;
#[allow(dead_code, reason = "each example needs a part of it")]
#[path = "stand_in/signature.rs"]
mod signature;
#[allow(dead_code, reason = "each example needs a part of it")]
#[path = "stand_in/cognito.rs"]
mod stand_in;

use std::env;
use std::fmt::Display;
use std::process::ExitCode;

use args::Command;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use reroute::Reroute;
use serde_json::Value;
use tower::{Layer, Service, ServiceBuilder, ServiceExt};
use tower_client_auth::cognito::{CognitoError, Session};
use tower_client_auth::oauth::TokenKind;
use tower_client_auth::{
    ApiAuthLayer, ApiName, AuthError, AuthErrorKind, AuthHint, BoxError, Config, Transport,
};

/// As Amplify writes it: three APIs with their modes, the user pool and the identity pool.
const FILE: &str = include_str!("cognito_session/amplifyconfiguration.json");

const PASSWORD: &str = "correct-horse-battery-staple";

/// What a program keeps. Clone any of it freely: clones are the same session, and share connections.
struct Program {
    config: Config,
    /// Who uses the program.
    session: Session,
    /// Calls the APIs of the file, as whoever that is.
    api: <ApiAuthLayer as Layer<Reroute>>::Service,
}

impl Program {
    fn new(client: Reroute) -> Result<Self, BoxError> {
        let config: Config = FILE.parse()?; // or `Config::from_path`
        // A guest's, until somebody signs in. It lasts as long as the program: one that is to outlive it has a
        // `FileStore`, or a keyring, as its `store`.
        let session = config.session(Transport::new(client.clone()))?;
        let auth = config.selector().session(session.clone());
        let api = ServiceBuilder::new()
            .layer(auth.layer_for_all()?)
            .service(client);
        Ok(Self {
            config,
            session,
            api,
        })
    }

    /// Calls an API, and prints what came of it, which is to begin with `expected`.
    async fn call(&self, name: &str, expected: &str) -> Result<(), BoxError> {
        let outcome = match get(&self.api, name, "/items").await {
            Ok(response) => read(response).await?,
            Err(error) => match AuthError::find(error.as_ref()) {
                // The promise that comes with an `AuthError`.
                Some(auth) => format!("not sent: {auth}"),
                None => return Err(error),
            },
        };
        let api = self.config.apis.get(name).ok_or("no such API")?;
        line(&format!("{name} ({}):", api.mode), &outcome);
        assert!(outcome.starts_with(expected), "not `{expected}`: {outcome}");
        Ok(())
    }
}

/// Asks an API of the file for what is at `path`, below the endpoint that the file has for it.
async fn get<S, B>(api: &S, name: &str, path: &str) -> Result<Response<B>, BoxError>
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>, Error = BoxError> + Clone,
{
    let mut request = Request::get(path).body(Full::<Bytes>::default())?;
    request.extensions_mut().insert(ApiName::new(name));
    // A service is called by `&mut self`; cloning one is cheap, a lock would be a queue.
    api.clone().oneshot(request).await
}

/// The story, at a stand-in.
async fn tour() -> Result<(), BoxError> {
    let stand_in = stand_in::start(FILE).await?;
    stand_in.sign_up("alice", PASSWORD);
    stand_in.keep_guests_out("orders");
    println!(
        "A stand-in for Cognito and API Gateway listens on {}.",
        stand_in.address()
    );
    // In a real program: any HTTP client, and `Transport::hyper()`.
    let program = Program::new(Reroute::to(stand_in.address()))?;
    let session = &program.session;

    println!("\nNobody is signed in");
    program.call("catalog", "200 OK: you are guest").await?;
    program
        .call("orders", "403 Forbidden: the server knows")
        .await?;
    program.call("profile", "not sent: nobody is").await?;

    println!("\nAlice signs in");
    let users = session.user_pool()?;
    let Err(error) = users.sign_in("alice", "a guess").await else {
        return Err("the stand-in took a wrong password".into());
    };
    line("with a wrong password:", &error);
    assert_eq!(error.kind(), AuthErrorKind::SignInRequired);
    // Pools may ask for more than a password, a code for one: `tokens` is for those that do not.
    let tokens = users.sign_in("alice", PASSWORD).await?.tokens()?;
    session.sign_in(&tokens).await?;
    line("with hers:", "signed in");
    // What was sent is a proof that she knows it (SRP).
    let (named, told) = (stand_in.received("alice"), stand_in.received(PASSWORD));
    line("requests with her name in them:", named);
    line("requests with her password in them:", told);
    assert_eq!((named, told), (4, 0));

    println!("\nAlice is signed in");
    program.call("catalog", "200 OK: you are member").await?;
    program.call("orders", "200 OK: you are member").await?;
    program.call("profile", "200 OK: you are alice").await?;

    println!("\nWhen her token has ended");
    session.tokens(TokenKind::Access).invalidate(); // as if it had ended
    program.call("profile", "200 OK: you are alice").await?;
    line("refreshed by then:", stand_in.refreshes());
    assert_eq!((stand_in.refreshes(), stand_in.sessions()), (1, 1));

    println!("\nAlice has signed out");
    session.sign_out().await?;
    line("sessions that the pool still knows:", stand_in.sessions());
    assert_eq!(stand_in.sessions(), 0);
    program.call("catalog", "200 OK: you are guest").await?;
    program
        .call("orders", "403 Forbidden: the server knows")
        .await?;
    program.call("profile", "not sent: nobody is").await?;
    Ok(())
}

/// The status, and what the API said; of a refusal, what it probably means.
async fn read(response: Response<Incoming>) -> Result<String, BoxError> {
    let status = response.status();
    if let Some(hint) = AuthHint::of(&response) {
        return Ok(format!("{status}: {hint}"));
    }
    let body = response.into_body().collect().await?.to_bytes();
    let body: Value = serde_json::from_slice(&body)?;
    // API Gateway spells it in both ways.
    let message = body["message"].as_str().or(body["Message"].as_str());
    Ok(format!("{status}: {}", message.unwrap_or("nothing")))
}

#[tokio::main]
async fn main() -> ExitCode {
    // An argument could be seen by other users of the machine.
    let password = env::var("PASSWORD").ok();
    let outcome = match args::parse(env::args().skip(1), password) {
        Ok(Command::Tour) => tour().await.map(|()| true),
        Ok(Command::Call(call)) => real::run(*call).await,
        Ok(Command::Help) => {
            println!("{}", args::USAGE);
            return ExitCode::SUCCESS;
        }
        Err(problem) => {
            eprintln!("{problem}\n\n{}", args::USAGE);
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

fn line(what: &str, outcome: impl Display) {
    println!("  {what:36} {outcome}");
}

/// An error with everything that led to it, which `Display` alone leaves out, and with Cognito's own words.
fn with_causes(error: &BoxError) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}\n  because: {cause}");
        next = cause.source();
    }
    if let Some(words) = CognitoError::of(error.as_ref()).and_then(CognitoError::message) {
        // A terminal would obey some characters.
        text = format!("{text}\n  Cognito says: {}", words.escape_debug());
    }
    text
}
