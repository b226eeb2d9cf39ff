//! A session, the services that send its requests, and who uses them.

use std::future::{Ready, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderValue, Request, Response};
use http_body_util::Full;
use tokio::time::sleep;
use tower::util::BoxCloneSyncService;
use tower::{Layer, Service, ServiceExt as _};
use tower_client_auth::cognito::{IdentityCredentials, Session, UserTokens};
use tower_client_auth::oauth::TokenKind;
use tower_client_auth::sigv4::SigningCredentials;
use tower_client_auth::{
    AuthError, BearerTokenLayer, BoxError, Cached, CredentialsSource as _, SigV4Layer,
    TokenSource as _, TokenStyle,
};

use super::Tally;
use super::course::{Course, Kind, NOBODY};
use crate::cognito::stand_in::{Call, Disk, PASSWORD, StandIn, USERS, session_of, session_of_key};

/// How time passes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    /// By itself, when nobody has anything to do.
    Virtual,
    Real,
}

type Client = BoxCloneSyncService<Request<Full<Bytes>>, Response<HeaderValue>, BoxError>;

pub(super) struct World {
    pace: Pace,
    stand_in: StandIn,
    session: Session,
    access: Cached<UserTokens>,
    id: Cached<UserTokens>,
    credentials: Cached<IdentityCredentials, SigningCredentials>,
    by_access_token: Client,
    by_id_token: Client,
    signed: Client,
    course: Course,
    is_over: AtomicBool,
}

impl World {
    pub(super) fn new(number: u64, pace: Pace, random: &mut fastrand::Rng) -> Self {
        let stand_in = StandIn::seeded(number);
        if random.bool() {
            stand_in.rotates(Duration::from_secs(random.u64(0..=1) * 60));
        }
        let mut session = stand_in.session();
        if pace == Pace::Virtual {
            stand_in.delays(random.u64(1..=400));
            stand_in.lives(random.u64(5..=30), random.u64(10..=60));
            if random.bool() {
                session = session.store(Disk::slow(number));
            }
        }
        let access = session.tokens(TokenKind::Access);
        let id = session.tokens(TokenKind::Id);
        let credentials = session.credentials().expect("a pool");
        let bearer = |tokens: &Cached<UserTokens>| {
            let layer = BearerTokenLayer::new("https://api.example.com", tokens.clone());
            layer.expect("a layer")
        };
        let signing = SigV4Layer::new("eu-west-1", "execute-api", credentials.clone());
        Self {
            pace,
            by_access_token: client(bearer(&access)),
            by_id_token: client(bearer(&id).style(TokenStyle::Raw)),
            signed: client(signing.expect("a layer")),
            access,
            id,
            credentials,
            stand_in,
            session,
            course: Course::new(),
            is_over: AtomicBool::new(false),
        }
    }

    /// Sends requests, some at the same moment, and then waits for a while.
    pub(super) async fn requests(self: Arc<Self>, count: u64, mut random: fastrand::Rng) -> Tally {
        let mut tally = Tally::default();
        while tally.requests < count {
            for _ in 0..random.u64(1..=12).min(count - tally.requests) {
                self.request(&mut random, &mut tally).await;
            }
            let millis = match random.u8(..16) {
                // Until a token is over, or nearly.
                0 => random.u64(0..20_000),
                _ => random.u64(0..120),
            };
            self.pause(millis).await;
        }
        tally
    }

    async fn request(&self, random: &mut fastrand::Rng, tally: &mut Tally) {
        let kind = [Kind::Access, Kind::Id, Kind::Credentials][random.usize(..3)];
        let start = self.course.now();
        let answer = match random.u8(..10) {
            0 => self.send(kind).await,
            _ => self.ask(kind, random).await,
        };
        self.course.judge(start, kind, answer, tally);
    }

    /// Sends a request, and tells whose it is by what arrives.
    async fn send(&self, kind: Kind) -> Result<u64, AuthError> {
        let (client, url) = match kind {
            Kind::Access => (&self.by_access_token, "https://api.example.com/"),
            Kind::Id => (&self.by_id_token, "https://api.example.com/"),
            Kind::Credentials => (
                &self.signed,
                "https://a1b2c3.execute-api.eu-west-1.amazonaws.com/",
            ),
        };
        let request = Request::get(url).body(Full::<Bytes>::default());
        let answer = client.clone().oneshot(request.expect("a request")).await;
        let value = match answer {
            Ok(response) => response.into_body(),
            Err(error) => {
                let error = AuthError::find(error.as_ref());
                return Err(error.expect("an error of this crate").clone());
            }
        };
        let text = value.to_str().expect("ASCII");
        Ok(match text.split_once("Credential=") {
            Some((_, credential)) => {
                session_of_key(credential.split('/').next().expect("a key's id"))
            }
            None => session_of(text),
        })
    }

    /// Asks what a layer would ask.
    async fn ask(&self, kind: Kind, random: &mut fastrand::Rng) -> Result<u64, AuthError> {
        let tokens = match kind {
            Kind::Access => &self.access,
            Kind::Id => &self.id,
            Kind::Credentials => {
                let credentials = self.credentials.credentials().await?;
                return Ok(session_of_key(credentials.access_key_id()));
            }
        };
        let token = tokens.token().await?;
        // Now and then a server does not take it.
        if random.u8(..50) == 0 {
            tokens.rejected(&token);
        }
        Ok(session_of(token.expose()))
    }

    /// Has users sign in and out until all requests have been sent.
    pub(super) async fn switches(self: Arc<Self>, mut random: fastrand::Rng) -> Tally {
        loop {
            let millis = match random.bool() {
                // While what the last switch brought about is under way.
                true => random.u64(0..500),
                false => random.u64(0..6_000),
            };
            self.pause(millis).await;
            if self.is_over.load(Ordering::SeqCst) {
                break;
            }
            match random.usize(..7) {
                user @ ..5 => self.sign_in(USERS[user], random.bool()).await,
                _ => {
                    self.stand_in.sees_switch();
                    self.course.begins(NOBODY);
                    self.session.sign_out().await.expect("signed out");
                }
            }
            self.course.settles();
        }
        Tally {
            switches: self.course.switches(),
            ..Tally::default()
        }
    }

    async fn sign_in(&self, user: &str, asks_the_pool: bool) {
        let tokens = match asks_the_pool {
            true => {
                let users = self.session.user_pool().expect("a user pool");
                let step = users.sign_in_with_password(user, PASSWORD).await;
                step.expect("a sign-in").tokens().expect("no challenge")
            }
            false => self.stand_in.issue(user),
        };
        self.stand_in.sees_switch();
        self.course
            .begins(session_of(tokens.access_token().expose()));
        self.session.sign_in(&tokens).await.expect("signed in");
    }

    pub(super) fn ends(&self) {
        self.is_over.store(true, Ordering::SeqCst);
    }

    /// What the stand-in has counted.
    pub(super) fn count(&self, tally: &mut Tally) {
        tally.overtaken = self.stand_in.overtaken();
        tally.abandoned = self.stand_in.abandoned();
        tally.refreshes = self.stand_in.calls(Call::GetTokensFromRefreshToken) as u64;
        assert_eq!(self.stand_in.reuses(), 0, "a refresh token was used twice");
    }

    async fn pause(&self, millis: u64) {
        match self.pace {
            Pace::Virtual => sleep(Duration::from_millis(millis)).await,
            Pace::Real => {
                for _ in 0..millis % 16 {
                    tokio::task::yield_now().await;
                }
            }
        }
    }
}

fn client<L>(layer: L) -> Client
where
    L: Layer<Echo>,
    L::Service: Service<Request<Full<Bytes>>, Response = Response<HeaderValue>, Error = BoxError>,
    L::Service: Clone + Send + Sync + 'static,
    <L::Service as Service<Request<Full<Bytes>>>>::Future: Send,
{
    BoxCloneSyncService::new(layer.layer(Echo))
}

/// Answers with the credential that the layer above has put into a request.
#[derive(Clone)]
struct Echo;

impl<B> Service<Request<B>> for Echo {
    type Response = Response<HeaderValue>;
    type Error = BoxError;
    type Future = Ready<Result<Response<HeaderValue>, BoxError>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        ready(Ok(Response::new(request.headers()[AUTHORIZATION].clone())))
    }
}
