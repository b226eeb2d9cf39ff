//! Both services of Cognito in process: for answers that come at the worst moment, and for refresh tokens that rotate.
//!
//! **It stands in for Cognito and is none.** No server that rotates refresh tokens as Cognito does can be run on this
//! machine, so this one follows AWS's words for it, and no further:
//!
//! - A refresh by `GetTokensFromRefreshToken` brings another refresh token. The one that was sent stays good for
//!   `RetryGracePeriodSeconds`, 0 to 60, and with 0 it is invalid at once (API reference,
//!   `RefreshTokenRotationType`).
//! - A token that rotation has invalidated is answered with `RefreshTokenReuseException` (API reference,
//!   `GetTokensFromRefreshToken`). That all that came of its sign-in is revoked then is RFC 9700, section 4.14.2:
//!   AWS does not say, and this is the worse of both.
//! - `REFRESH_TOKEN_AUTH` cannot be used with rotation (`RefreshTokenRotationType`). The exception is not named:
//!   `UnsupportedOperationException` here.
//! - `RevokeToken` ends what came of one sign-in, and answers 200 with an empty body (API reference). Identity pools
//!   are as with their server-side token check: they do not take the tokens of a session that was revoked.
//!
//! Passwords come by `USER_PASSWORD_AUTH` only, and secret hashes are not looked at: a real server has tests of its
//! own. Tokens are not signed; in the place of a signature is a note of whose they are. Its clock is tokio's.

#[path = "stand_in/calls.rs"]
mod calls;
#[path = "stand_in/disk.rs"]
mod disk;
#[path = "stand_in/fault.rs"]
mod fault;
#[path = "stand_in/identities.rs"]
mod identities;
#[path = "stand_in/service.rs"]
mod service;
#[path = "stand_in/state.rs"]
mod state;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body_util::combinators::UnsyncBoxBody;
use tokio::time::Instant;
use tower_client_auth::cognito::{IdentityPool, Session, UserPool};
use tower_client_auth::oauth::Tokens;
use tower_client_auth::{
    AuthError, BoxError, Clock, CredentialsSource as _, ManualClock, Token, Transport,
};

pub(super) use self::calls::{CALLS, Call, Said};
pub(super) use self::disk::Disk;
pub(super) use self::fault::{FAULTS, Fault};
use self::state::State;
pub(super) use self::state::{First, session_of, session_of_key};

pub(super) const POOL: &str = "eu-west-1_StandIn";
pub(super) const CLIENT: &str = "4h57k1l5jm2o1astandin";
pub(super) const IDENTITIES: &str = "eu-west-1:01234567-89ab-cdef-0123-456789abcdef";
/// The user pool, as an identity pool knows it.
const PROVIDER: &str = "cognito-idp.eu-west-1.amazonaws.com/eu-west-1_StandIn";

pub(super) const USERS: [&str; 5] = ["alice", "bob", "carol", "dave", "erin"];
/// Everybody's, which errors must not repeat.
pub(super) const PASSWORD: &str = "c4nary-password";
pub(super) const CODE: &str = "c4nary-code";

/// A virtual pause.
pub(super) const SECOND: Duration = Duration::from_secs(1);

pub(super) type Body = UnsyncBoxBody<Bytes, BoxError>;
type Answer = Result<Response<Body>, BoxError>;

/// Both services: clones are one.
#[derive(Clone)]
pub(super) struct StandIn {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    clock: ManualClock,
    start: Instant,
}

impl StandIn {
    pub(super) fn new() -> Self {
        Self::seeded(0)
    }

    /// Its delays come from this seed.
    pub(super) fn seeded(seed: u64) -> Self {
        let clock = ManualClock::new(Clock::system().now());
        Self {
            shared: Arc::new(Shared {
                state: Mutex::new(State::new(seed, clock.now())),
                clock,
                start: Instant::now(),
            }),
        }
    }

    pub(super) fn transport(&self) -> Transport {
        Transport::new(self.clone())
    }

    pub(super) fn users(&self) -> UserPool {
        UserPool::new(POOL, CLIENT, self.transport()).expect("a user pool")
    }

    pub(super) fn identities(&self) -> IdentityPool {
        IdentityPool::new(IDENTITIES, self.transport()).expect("an identity pool")
    }

    /// A session over both, in memory.
    pub(super) fn session(&self) -> Session {
        Session::new(self.users()).identity_pool(self.identities())
    }

    /// Which moves with tokio's, other than the system's.
    pub(super) fn clock(&self) -> Clock {
        Clock::from(self.shared.clock.clone())
    }

    /// Signs a user in, as a program does.
    pub(super) async fn sign_in(&self, session: &Session, user: &str) {
        let users = session.user_pool().expect("a user pool");
        let step = users.sign_in_with_password(user, PASSWORD).await;
        let tokens = step.expect("a sign-in").tokens().expect("no challenge");
        session.sign_in(&tokens).await.expect("signed in");
    }

    /// What a sign-in brings, without any call.
    pub(super) fn issue(&self, user: &str) -> Tokens {
        let issued = self.state().begin(user, self.now());
        let access = Token::from(issued.access).expires_in(Duration::from_secs(issued.life));
        let tokens = Tokens::new(access).with_id_token(Token::from(issued.id));
        tokens.with_refresh_token(issued.refresh.expect("a sign-in brings one"))
    }

    /// What this user is asked beside the password.
    pub(super) fn asks(&self, user: &str, first: First) {
        self.state().users.insert(user.to_owned(), first);
    }

    /// Refresh tokens are replaced, and stay good for this long.
    pub(super) fn rotates(&self, grace: Duration) {
        self.state().grace = Some(grace);
    }

    /// How many seconds tokens and credentials last.
    pub(super) fn lives(&self, tokens: u64, credentials: u64) {
        let mut state = self.state();
        (state.token_life, state.credentials_life) = (tokens, credentials);
    }

    /// How long an answer takes at most, each way, in milliseconds.
    pub(super) fn delays(&self, longest: u64) {
        self.state().longest_delay = longest;
    }

    pub(super) fn refuses_guests(&self) {
        self.state().guests = false;
    }

    /// An administrator ends all sessions of a user.
    pub(super) fn ends_sessions_of(&self, user: &str) {
        self.state().end_sessions_of(user);
    }

    /// Has this call fail, or all of them, until it recovers.
    pub(super) fn fails(&self, fault: Fault, call: Option<Call>) {
        self.state().fault = Some((fault, call));
    }

    /// Says this to the call, or to all of them, until it recovers. What it was told last counts.
    pub(super) fn says(&self, call: Option<Call>, said: Said) {
        self.state().said.push((call, said));
    }

    pub(super) fn recovers(&self) {
        let mut state = self.state();
        state.fault = None;
        state.said.clear();
    }

    /// Does what is asked the next time, and the answer gets lost.
    pub(super) fn loses_next(&self, call: Call) {
        self.state().lost = Some(call);
    }

    /// Calls its answers something else than JSON.
    pub(super) fn mislabels(&self) {
        self.state().mislabels = true;
    }

    pub(super) fn calls(&self, call: Call) -> usize {
        self.state().calls[call as usize]
    }

    /// How often somebody asked for what guests have.
    pub(super) fn guest_calls(&self) -> usize {
        self.state().guest_calls
    }

    /// How often a refresh token was used that had been replaced.
    pub(super) fn reuses(&self) -> usize {
        self.state().reuses
    }

    /// How many refresh tokens there have been.
    pub(super) fn refresh_tokens(&self) -> usize {
        self.state().refresh_tokens()
    }

    /// Somebody is about to sign in or out.
    pub(super) fn sees_switch(&self) {
        let mut state = self.state();
        if state.loads_under_way > 0 {
            state.overtaken += 1;
        }
    }

    /// How often that was while loads were under way.
    pub(super) fn overtaken(&self) -> u64 {
        self.state().overtaken
    }

    /// How many loads were dropped before their answer.
    pub(super) fn abandoned(&self) -> u64 {
        self.state().abandoned
    }

    fn state(&self) -> MutexGuard<'_, State> {
        let state = self.shared.state.lock();
        state.unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Duration {
        self.shared.start.elapsed()
    }
}

/// The access key id of what the session has requests signed with: `ASIA.<sign-in>.<generation>.<name>`, where guests
/// are of no sign-in: 0.
pub(super) async fn key_id(session: &Session) -> Result<String, AuthError> {
    let credentials = session.credentials()?.credentials().await?;
    Ok(credentials.access_key_id().to_owned())
}
