//! A stand-in for the hosts in a configuration file of Amplify's, for the examples: a real server on loopback that
//! is a user pool, an identity pool and an API Gateway.
//!
//! It reads the file with `serde_json`, and checks proofs of passwords and signatures by itself. Of this crate it
//! uses the clock and nothing else, so an error in the crate cannot cancel itself out here.

#[path = "cognito/api.rs"]
mod api;
#[path = "cognito/identity_pool.rs"]
mod identity_pool;
#[path = "cognito/srp.rs"]
mod srp;
#[path = "cognito/user_pool.rs"]
mod user_pool;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use axum::Router;
use axum::body::to_bytes;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::serve::ListenerExt as _;
use http::{StatusCode, header, request};
use ring::rand::{SecureRandom as _, SystemRandom};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tower_client_auth::{BoxError, Clock};

use crate::signature::text;
use api::Api;
use identity_pool::IdentityPool;
use user_pool::UserPool;

const REGION: &str = "eu-west-1";

/// How long tokens and credentials last.
const LIFETIME: u64 = 60 * 60;

/// API Gateway takes no more in one request.
const MAX_BODY: usize = 10 * 1024 * 1024;

/// A server that runs. Clones are the same one.
#[derive(Clone)]
pub(crate) struct StandIn {
    address: SocketAddr,
    world: Arc<Mutex<World>>,
}

struct World {
    users: UserPool,
    identities: IdentityPool,
    apis: Vec<Api>,
    /// All requests, as they came.
    received: Vec<String>,
}

/// Plays all hosts of the configuration file on a free port, until the program ends.
pub(crate) async fn start(file: &str) -> Result<StandIn, BoxError> {
    let file: Value = serde_json::from_str(file)?;
    let auth = &file["auth"]["plugins"]["awsCognitoAuthPlugin"];
    let users = UserPool::new(&auth["CognitoUserPool"]["Default"]);
    let identities = &auth["CredentialsProvider"]["CognitoIdentity"]["Default"];
    let world = World {
        identities: IdentityPool::new(identities, users.provider()),
        users,
        apis: api::read(&file)?,
        received: Vec::new(),
    };

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let stand_in = StandIn {
        address: listener.local_addr()?,
        world: Arc::new(Mutex::new(world)),
    };
    // Small answers need not wait for the acknowledgement of the ones before.
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    let server = stand_in.clone();
    let router = Router::new().fallback(move |request| answer(server.clone(), request));
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(stand_in)
}

impl StandIn {
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Adds a user, of whose password the pool keeps a verifier.
    pub(crate) fn sign_up(&self, user: &str, password: &str) {
        self.world().users.sign_up(user, password);
    }

    /// Lets a user sign in by an email address too.
    pub(crate) fn add_email(&self, user: &str, email: &str) {
        self.world().users.add_email(user, email);
    }

    /// Has an API take members only.
    pub(crate) fn keep_guests_out(&self, api: &str) {
        self.each(api, |api| api.for_members = true);
    }

    /// Has an API take tokens that come from elsewhere.
    pub(crate) fn accept(
        &self,
        api: &str,
        is_good: impl Fn(&str) -> bool + Clone + Send + 'static,
    ) {
        self.each(api, |api| api.accepts = Box::new(is_good.clone()));
    }

    fn each(&self, name: &str, change: impl Fn(&mut Api)) {
        let mut world = self.world();
        world
            .apis
            .iter_mut()
            .filter(|api| api.is(name))
            .for_each(change);
    }

    /// How many requests had this text in them, in a header or in the body.
    pub(crate) fn received(&self, text: &str) -> usize {
        let world = self.world();
        let requests = world.received.iter();
        requests.filter(|request| request.contains(text)).count()
    }

    /// How often a session was refreshed.
    pub(crate) fn refreshes(&self) -> usize {
        self.world().users.refreshes()
    }

    /// How many sessions could still be refreshed.
    pub(crate) fn sessions(&self) -> usize {
        self.world().users.sessions()
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn answer(stand_in: StandIn, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_BODY).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let host = text(&head.headers, "host").unwrap_or_default();
    let mut world = stand_in.world();
    let World {
        users,
        identities,
        apis,
        received,
    } = &mut *world;
    let content = String::from_utf8_lossy(&body);
    received.push(format!("{} {:?} {content}", head.uri, head.headers));
    match host.split('.').next() {
        Some("cognito-idp") => {
            let service = "AWSCognitoIdentityProviderService";
            operate(&head, &body, service, |name, call| users.call(name, call))
        }
        Some("cognito-identity") => {
            let service = "AWSCognitoIdentityService";
            operate(&head, &body, service, |name, call| {
                identities.call(name, call, users)
            })
        }
        _ => match apis.iter().find(|api| api.serves(host, head.uri.path())) {
            Some(api) => api.answer(&head, &body, users, identities),
            // API Gateway says so of what it does not know.
            None => {
                let body = json!({ "message": "Missing Authentication Token" });
                reply(StatusCode::FORBIDDEN, &body)
            }
        },
    }
}

/// Runs the operation that a call names, in the JSON protocol of Cognito's services.
fn operate(
    head: &request::Parts,
    body: &[u8],
    service: &str,
    run: impl FnOnce(&str, &Value) -> Result<Value, Exception>,
) -> Response {
    let target = text(&head.headers, "x-amz-target").and_then(|target| target.split_once('.'));
    let outcome = match (target, serde_json::from_slice::<Value>(body)) {
        (Some((prefix, name)), Ok(call)) if prefix == service => run(name, &call),
        (_, Err(_)) => Err(Exception("SerializationException", "This is no JSON.")),
        _ => Err(Exception::UNKNOWN_OPERATION),
    };
    let (status, body) = match outcome {
        Ok(answer) => (StatusCode::OK, answer),
        Err(Exception(name, message)) => (
            StatusCode::BAD_REQUEST,
            json!({ "__type": name, "message": message }),
        ),
    };
    reply(status, &body)
}

/// Why an operation is not done, in Cognito's words: the name, and the message.
struct Exception(&'static str, &'static str);

impl Exception {
    const UNKNOWN_OPERATION: Self =
        Self("UnknownOperationException", "There is no such operation.");
}

/// JSON that no cache keeps.
fn reply(status: StatusCode, body: &Value) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (status, headers, body.to_string()).into_response()
}

/// A member of a call; nothing, where there is none.
fn member<'a>(call: &'a Value, name: &str) -> &'a str {
    call[name].as_str().unwrap_or_default()
}

/// Seconds since 1970.
fn now() -> u64 {
    let since = Clock::system().now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// Bytes that nobody guesses.
fn random<const LENGTH: usize>() -> [u8; LENGTH] {
    let mut bytes = [0; LENGTH];
    SystemRandom::new()
        .fill(&mut bytes)
        .expect("random numbers of the system");
    bytes
}

/// A text that nobody guesses.
fn random_text() -> String {
    hex::encode(random::<16>())
}
