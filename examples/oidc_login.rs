//! A user signs in, and stays signed in: by a browser on this machine (authorization code with PKCE), or by a
//! device code.
//!
//! ```sh
//! cargo run --example oidc_login
//! ```
//!
//! does both at a stand-in on this machine, where it plays the user as well. `--help` says how to sign in at
//! a real provider.

// The command line, and a user who does what a provider's pages say.
#[path = "oidc_login/args.rs"]
mod args;
#[path = "oidc_login/browser.rs"]
mod browser;
// A stand-in for a provider and an API. There is nothing to copy from it.
#[allow(dead_code, reason = "each example needs a part of it")]
#[path = "stand_in/provider.rs"]
mod provider;

use std::env;
use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use args::{Command, REDIRECT_URI, SCOPE, Session};
use bytes::Bytes;
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
use tower_client_auth::oauth::{
    FileStore, MemoryStore, OAuthClient, Provider, RefreshToken, Tokens,
};
use tower_client_auth::{
    AuthError, AuthErrorKind, AuthHint, Authorize, BearerTokenLayer, BoxError, Cached, Transport,
};

type Http = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;
type Api = Authorize<Http, Bearer<Cached<RefreshToken>>>;

/// A program whose user stays signed in, from one run to the next.
struct Program {
    client: OAuthClient,
    /// Signs in and out, and keeps the refresh token.
    session: RefreshToken,
    /// Keeps an access token, in memory.
    tokens: Cached<RefreshToken>,
}

impl Program {
    fn new(issuer: &str, client_id: &str, store: Option<&Path>) -> Result<Self, AuthError> {
        let provider = Provider::discover(issuer, Transport::hyper()?)?;
        let client = OAuthClient::new(provider, client_id);
        let session = match store {
            Some(file) => client.refresh_token(FileStore::new(file)),
            None => client.refresh_token(MemoryStore::new()),
        };
        Ok(Self {
            client,
            tokens: session.clone().cached(),
            session,
        })
    }

    /// A client of the API at `url`. Tokens go to that origin, and nowhere else.
    fn api(&self, url: &Uri) -> Result<Api, BoxError> {
        let (Some(scheme), Some(authority)) = (url.scheme(), url.authority()) else {
            return Err("the API's URL names no host".into());
        };
        let layer = BearerTokenLayer::new(format!("{scheme}://{authority}"), self.tokens.clone())?;
        let https = HttpsConnectorBuilder::new()
            .with_native_roots()?
            .https_or_http() // http to loopback only: the layer sees to that
            .enable_http1()
            .enable_http2()
            .build();
        Ok(layer.layer(Client::builder(TokioExecutor::new()).build(https)))
    }

    async fn sign_in(&self, scope: &str, way: Way<'_>, user: User) -> Result<(), BoxError> {
        let tokens = match way {
            Way::Browser { redirect_uri } => self.by_browser(scope, redirect_uri, user).await?,
            Way::Device => self.by_device(scope, user).await?,
        };
        self.session.sign_in(&tokens).await?;
        if tokens.refresh_token().is_none() {
            line(
                "not for long:",
                "the provider gave no refresh token; does it want another scope for one?",
            );
        }
        Ok(())
    }

    /// In a browser on this machine.
    async fn by_browser(
        &self,
        scope: &str,
        redirect_uri: &str,
        user: User,
    ) -> Result<Tokens, BoxError> {
        let login = self.client.authorization_code().scope(scope);
        let login = login.listen(redirect_uri).await?;
        let url = login.url().to_owned();
        line("open this in a browser:", &url);
        let finish = async { Ok::<Tokens, BoxError>(login.finish().await?) };
        let (tokens, ()) = tokio::try_join!(finish, user.open(&url))?;
        Ok(tokens)
    }

    /// In a browser anywhere, by a code.
    async fn by_device(&self, scope: &str, user: User) -> Result<Tokens, BoxError> {
        let login = self.client.device_authorization().scope(scope);
        let login = login.begin().await?;
        let url = login.verification_uri().to_owned();
        let code = login.user_code().to_owned();
        line("open this in a browser anywhere:", &url);
        line("and enter this code:", &code);
        if let Some(url) = login.verification_uri_complete() {
            line("or open this, which has it already:", url);
        }
        let finish = async { Ok::<Tokens, BoxError>(login.finish().await?) };
        let (tokens, ()) = tokio::try_join!(finish, user.enter(&url, &code))?;
        Ok(tokens)
    }
}

async fn call(api: &Api, url: &Uri) -> Result<Response<Incoming>, BoxError> {
    let request = Request::get(url.clone()).body(Full::default())?;
    api.clone().oneshot(request).await
}

/// How a user signs in.
enum Way<'a> {
    Browser { redirect_uri: &'a str },
    Device,
}

/// Who is at the browser.
#[derive(Clone, Copy)]
enum User {
    Person,
    /// Nobody: the example plays the user.
    Played,
}

impl User {
    async fn open(self, url: &str) -> Result<(), BoxError> {
        if let Self::Played = self {
            line("the browser shows:", browser::sign_in(url).await?);
        }
        Ok(())
    }

    async fn enter(self, url: &str, code: &str) -> Result<(), BoxError> {
        if let Self::Played = self {
            line("the browser shows:", browser::enter(url, code).await?);
        }
        Ok(())
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = match args::parse(env::args().skip(1)) {
        Ok(Command::Tour { device }) => tour(device).await,
        Ok(Command::SignIn(session)) => sign_in(&session).await,
        Ok(Command::SignOut(session)) => sign_out(&session).await,
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

/// At a real provider. `false` if the API did not take the token.
async fn sign_in(session: &Session) -> Result<bool, BoxError> {
    let program = open(session)?;
    match program.tokens.prefetch().await {
        Ok(()) => line("signed in:", "already"),
        Err(error) if error.kind() == AuthErrorKind::SignInRequired => {
            line("not signed in:", error);
            let way = match session.device {
                true => Way::Device,
                false => Way::Browser {
                    redirect_uri: &session.redirect_uri,
                },
            };
            program.sign_in(&session.scope, way, User::Person).await?;
            line("signed in:", "now");
        }
        // The session may be good all the same.
        Err(error) => return Err(error.into()),
    }
    let Some(url) = &session.api else {
        return Ok(true);
    };
    let response = call(&program.api(url)?, url).await?;
    // Not what it says: an API may repeat the token it was sent.
    line("the API answered:", response.status());
    if let Some(hint) = AuthHint::of(&response) {
        line("probably because:", hint);
    }
    Ok(response.status().is_success())
}

async fn sign_out(session: &Session) -> Result<bool, BoxError> {
    let program = open(session)?;
    if program.session.is_signed_in().await? {
        program.session.sign_out().await?;
        line("signed out:", "now");
    } else {
        line("signed out:", "already");
    }
    Ok(true)
}

fn open(session: &Session) -> Result<Program, AuthError> {
    let file = session.store.clone().or_else(default_file);
    match &file {
        Some(file) => line("the session is kept in:", file.display()),
        None => line("the session is kept in:", "memory, since there is no HOME"),
    }
    Program::new(&session.issuer, &session.client_id, file.as_deref())
}

/// Where programs keep what is a user's own: the XDG Base Directory Specification.
fn default_file() -> Option<PathBuf> {
    let folder = |name: &str| {
        let path = env::var_os(name).map(PathBuf::from);
        path.filter(|path| path.is_absolute())
    };
    let config = folder("XDG_CONFIG_HOME").or_else(|| Some(folder("HOME")?.join(".config")))?;
    Some(config.join("tower-client-auth-example/sessions.json"))
}

/// Both ways at a stand-in, or one.
async fn tour(device_only: bool) -> Result<bool, BoxError> {
    println!(
        "Nobody is at the browser: the example plays the user, at a stand-in on this machine."
    );
    let folder = Folder::new()?;
    let file = folder.0.join("sessions.json");
    if !device_only {
        println!("\nSign-in by a browser");
        let redirect_uri = REDIRECT_URI;
        visit(Way::Browser { redirect_uri }, &file).await?;
    }
    println!("\nSign-in by a device code");
    visit(Way::Device, &file).await?;
    Ok(true)
}

/// How long access tokens of the stand-in last.
const LIFETIME: Duration = Duration::from_secs(3);

async fn visit(way: Way<'_>, file: &Path) -> Result<(), BoxError> {
    let stand_in = provider::start(LIFETIME).await?;
    let url: Uri = format!("{}/api/hello", stand_in.origin()).parse()?;
    let refreshes = || stand_in.token_requests("refresh_token");
    let start = || Program::new(stand_in.origin(), provider::PROGRAM, Some(file));

    let program = start()?;
    let api = program.api(&url)?;
    program.sign_in(SCOPE, way, User::Played).await?;
    let status = call(&api, &url).await?.status();
    line("signed in, and called the API:", status);
    assert_eq!((status, refreshes()), (StatusCode::OK, 0));

    sleep(LIFETIME).await;
    let status = call(&api, &url).await?.status();
    line("again, when the token has ended:", status);
    line("refreshed by then:", times(refreshes()));
    assert_eq!((status, refreshes()), (StatusCode::OK, 1));

    let second = start()?;
    let signed_in = second.session.is_signed_in().await?;
    line("signed in, in another program:", yes_or_no(signed_in));
    assert!(signed_in);
    let status = call(&second.api(&url)?, &url).await?.status();
    line("called by that, nobody asked:", status);
    assert_eq!((status, refreshes()), (StatusCode::OK, 2));

    // The refresh token that the first program had is used up. It finds the next one in the file.
    program.tokens.invalidate();
    let status = call(&api, &url).await?.status();
    line("called by the first once more:", status);
    line("refreshed by then:", times(refreshes()));
    assert_eq!((status, refreshes()), (StatusCode::OK, 3));

    program.session.sign_out().await?;
    let signed_in = second.session.is_signed_in().await?;
    line("signed in after a sign-out:", yes_or_no(signed_in));
    assert!(!signed_in);

    let calls = stand_in.api_calls();
    let Err(error) = call(&api, &url).await else {
        return Err("a request was sent for a user who had signed out".into());
    };
    line("called after it:", &error);
    let kind = AuthError::find(error.as_ref()).map(AuthError::kind);
    assert_eq!(kind, Some(AuthErrorKind::SignInRequired));
    assert_eq!(stand_in.api_calls(), calls);
    Ok(())
}

/// A folder that goes with the value.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Self, BoxError> {
        let name = format!("tower-client-auth-oidc-login-{}", std::process::id());
        let path = env::temp_dir().join(name);
        // Not one that somebody else has made.
        fs::create_dir(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn line(what: &str, outcome: impl Display) {
    println!("  {what:36} {outcome}");
}

fn times(count: usize) -> String {
    match count {
        1 => "once".to_owned(),
        count => format!("{count} times"),
    }
}

fn yes_or_no(yes: bool) -> &'static str {
    if yes { "yes" } else { "no" }
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
