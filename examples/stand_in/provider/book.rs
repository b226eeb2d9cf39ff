//! What the provider remembers: sign-ins under way, tokens, and what it was asked.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tokio::time::Instant;
use tower_client_auth::Clock;

pub(super) struct Book {
    issuer: Arc<str>,
    lifetime: Duration,
    /// The grant types that were asked for.
    pub(super) token_requests: Vec<String>,
    pub(super) api_calls: usize,
    /// Pages that are shown, by what their link has in it.
    pub(super) pages: HashMap<String, Login>,
    /// Authorization codes.
    pub(super) codes: HashMap<String, Login>,
    /// Device codes.
    pub(super) devices: HashMap<String, Device>,
    sessions: u64,
    refresh_tokens: HashMap<String, Refresh>,
    access_tokens: HashMap<String, Access>,
}

/// What a browser was sent here with.
pub(super) struct Login {
    pub(super) client: String,
    pub(super) scope: String,
    pub(super) redirect_uri: String,
    pub(super) state: String,
    pub(super) challenge: String,
    pub(super) nonce: Option<String>,
}

pub(super) struct Device {
    pub(super) client: &'static str,
    pub(super) scope: String,
    pub(super) user_code: String,
    pub(super) approved: bool,
}

/// What tokens are issued for.
#[derive(Clone)]
pub(super) struct Grant {
    pub(super) client: &'static str,
    pub(super) scope: String,
    pub(super) nonce: Option<String>,
    /// The sign-in; none for a program that acts for itself.
    pub(super) session: Option<u64>,
}

struct Refresh {
    grant: Grant,
    used: bool,
}

struct Access {
    session: Option<u64>,
    end: Instant,
}

impl Book {
    pub(super) fn new(issuer: Arc<str>, lifetime: Duration) -> Self {
        Self {
            issuer,
            lifetime,
            token_requests: Vec::new(),
            api_calls: 0,
            pages: HashMap::new(),
            codes: HashMap::new(),
            devices: HashMap::new(),
            sessions: 0,
            refresh_tokens: HashMap::new(),
            access_tokens: HashMap::new(),
        }
    }

    pub(super) fn begin_session(&mut self) -> Option<u64> {
        self.sessions += 1;
        Some(self.sessions)
    }

    /// A token reply.
    pub(super) fn issue(&mut self, grant: Grant) -> Value {
        let token = random();
        let mut reply = json!({
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": self.lifetime.as_secs(),
            "scope": grant.scope,
        });
        let access = Access {
            session: grant.session,
            end: Instant::now() + self.lifetime,
        };
        self.access_tokens.insert(token, access);
        if grant.session.is_none() {
            return reply;
        }
        if grant.has_scope("openid") {
            reply["id_token"] = self.id_token(&grant).into();
        }
        if grant.has_scope("offline_access") {
            let token = random();
            reply["refresh_token"] = token.as_str().into();
            let refresh = Refresh { grant, used: false };
            self.refresh_tokens.insert(token, refresh);
        }
        reply
    }

    /// What a refresh token is good for. It is good for it once: another one comes with the reply.
    pub(super) fn refresh(&mut self, token: &str, client: &str) -> Option<Grant> {
        let refresh = self.refresh_tokens.get_mut(token)?;
        if refresh.grant.client != client {
            return None;
        }
        let grant = refresh.grant.clone();
        if std::mem::replace(&mut refresh.used, true) {
            // Two have the same token, and one of them may be a thief.
            self.end_session(grant.session);
            return None;
        }
        Some(grant)
    }

    /// Ends the session that a refresh token belongs to.
    pub(super) fn revoke(&mut self, token: &str) {
        if let Some(refresh) = self.refresh_tokens.get(token) {
            self.end_session(refresh.grant.session);
        }
    }

    fn end_session(&mut self, session: Option<u64>) {
        self.refresh_tokens
            .retain(|_, refresh| refresh.grant.session != session);
        self.access_tokens
            .retain(|_, access| access.session != session);
    }

    pub(super) fn is_live(&self, access_token: &str) -> bool {
        let access = self.access_tokens.get(access_token);
        access.is_some_and(|access| Instant::now() < access.end)
    }

    /// Has no signature: the client that gets it from here goes by the connection instead.
    fn id_token(&self, grant: &Grant) -> String {
        let since_epoch = Clock::system().now().duration_since(SystemTime::UNIX_EPOCH);
        let now = since_epoch.map_or(0, |since| since.as_secs());
        let claims = json!({
            "iss": &*self.issuer,
            "sub": "alice",
            "aud": grant.client,
            "iat": now,
            "exp": now + 300,
            "nonce": grant.nonce,
        });
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#);
        format!("{header}.{}.", URL_SAFE_NO_PAD.encode(claims.to_string()))
    }
}

impl Grant {
    fn has_scope(&self, scope: &str) -> bool {
        self.scope.split(' ').any(|known| known == scope)
    }
}

/// A text that nobody guesses.
pub(super) fn random() -> String {
    format!("{:016x}{:016x}", random_number(), random_number())
}

/// A text that can be typed. Without vowels there are no words in it.
pub(super) fn random_user_code() -> String {
    const LETTERS: [char; 20] = [
        'B', 'C', 'D', 'F', 'G', 'H', 'J', 'K', 'L', 'M', 'N', 'P', 'Q', 'R', 'S', 'T', 'V', 'W',
        'X', 'Z',
    ];
    let mut number = random_number();
    let mut code = String::new();
    for place in 0..8 {
        if place == 4 {
            code.push('-');
        }
        code.push(LETTERS[(number % 20) as usize]);
        number /= 20;
    }
    code
}

/// Hashers are keyed by the system's random numbers.
fn random_number() -> u64 {
    RandomState::new().build_hasher().finish()
}
