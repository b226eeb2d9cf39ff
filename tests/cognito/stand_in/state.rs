//! What the two services know, and what they answer by it.

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use super::calls::{Call, Said};
use super::fault::Fault;
use super::{CLIENT, CODE, PASSWORD, PROVIDER, USERS};

/// What a user is asked beside the password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cognito) enum First {
    Nothing,
    NewPassword,
    Code,
}

/// The parameters of all calls.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Asked {
    client_id: String,
    auth_flow: String,
    auth_parameters: HashMap<String, String>,
    challenge_name: String,
    challenge_responses: HashMap<String, String>,
    session: String,
    refresh_token: String,
    token: String,
    pub(super) identity_pool_id: String,
    pub(super) identity_id: String,
    pub(super) logins: HashMap<String, String>,
}

impl Asked {
    pub(super) fn has_no_logins(&self) -> bool {
        self.logins.is_empty()
    }
}

/// An exception.
pub(super) struct Refusal {
    pub(super) code: &'static str,
    pub(super) message: &'static str,
}

pub(super) fn refused<T>(code: &'static str, message: &'static str) -> Result<T, Refusal> {
    Err(Refusal { code, message })
}

pub(super) struct State {
    pub(super) random: fastrand::Rng,
    pub(super) longest_delay: u64,
    pub(super) mislabels: bool,
    pub(super) fault: Option<(Fault, Option<Call>)>,
    pub(super) said: Vec<(Option<Call>, Said)>,
    pub(super) lost: Option<Call>,

    pub(super) users: HashMap<String, First>,
    /// For how long a refresh token that was replaced stays good, if they are replaced.
    pub(super) grace: Option<Duration>,
    pub(super) token_life: u64,
    pub(super) credentials_life: u64,
    pub(super) guests: bool,

    /// When it started, in seconds since 1970.
    pub(super) base: u64,
    /// By their number, less one.
    pub(super) sign_ins: Vec<SignIn>,
    refresh_tokens: HashMap<String, RefreshToken>,
    pub(super) guest_identities: usize,
    pub(super) issued: u64,

    pub(super) calls: [usize; 8],
    pub(super) guest_calls: usize,
    pub(super) reuses: usize,
    pub(super) loads_under_way: usize,
    pub(super) overtaken: u64,
    pub(super) abandoned: u64,
}

/// A session, as the pool knows it.
pub(super) struct SignIn {
    pub(super) user: String,
    pub(super) is_revoked: bool,
}

struct RefreshToken {
    sign_in: u64,
    replaced: Option<Duration>,
}

pub(super) struct Issued {
    pub(super) access: String,
    pub(super) id: String,
    pub(super) refresh: Option<String>,
    pub(super) life: u64,
}

impl Issued {
    fn json(&self) -> String {
        let refresh = match &self.refresh {
            Some(token) => format!(r#","RefreshToken":"{token}""#),
            None => String::new(),
        };
        format!(
            r#"{{"AuthenticationResult":{{"AccessToken":"{}","IdToken":"{}","ExpiresIn":{},"TokenType":"Bearer"{refresh}}},"ChallengeParameters":{{}}}}"#,
            self.access, self.id, self.life
        )
    }
}

impl State {
    pub(super) fn new(seed: u64, now: SystemTime) -> Self {
        let base = now.duration_since(UNIX_EPOCH).expect("after 1970");
        let users = USERS.map(|user| (user.to_owned(), First::Nothing));
        Self {
            random: fastrand::Rng::with_seed(seed),
            longest_delay: 0,
            mislabels: false,
            fault: None,
            said: Vec::new(),
            lost: None,
            users: users.into(),
            grace: None,
            token_life: 3600,
            credentials_life: 3600,
            guests: true,
            base: base.as_secs(),
            sign_ins: Vec::new(),
            refresh_tokens: HashMap::new(),
            guest_identities: 0,
            issued: 0,
            calls: [0; 8],
            guest_calls: 0,
            reuses: 0,
            loads_under_way: 0,
            overtaken: 0,
            abandoned: 0,
        }
    }

    pub(super) fn refresh_tokens(&self) -> usize {
        self.refresh_tokens.len()
    }

    pub(super) fn end_sessions_of(&mut self, user: &str) {
        for sign_in in &mut self.sign_ins {
            sign_in.is_revoked |= sign_in.user == user;
        }
    }

    pub(super) fn answer(
        &mut self,
        call: Call,
        asked: &Asked,
        now: Duration,
    ) -> Result<String, Refusal> {
        match call {
            Call::GetId => self.identity(asked, now),
            Call::GetCredentialsForIdentity => self.credentials(asked, now),
            _ if asked.client_id != CLIENT => refused(
                "ResourceNotFoundException",
                "User pool client does not exist.",
            ),
            Call::InitiateAuth => self.initiate(asked, now),
            Call::RespondToAuthChallenge => self.respond(asked, now),
            Call::GetTokensFromRefreshToken => self.refresh(&asked.refresh_token, now),
            Call::RevokeToken => {
                if let Some(token) = self.refresh_tokens.get(&asked.token) {
                    self.sign_ins[token.sign_in as usize - 1].is_revoked = true;
                }
                Ok(String::new())
            }
            Call::AssociateSoftwareToken | Call::VerifySoftwareToken => {
                refused("NotAuthorizedException", "Invalid session for the user.")
            }
        }
    }

    fn initiate(&mut self, asked: &Asked, now: Duration) -> Result<String, Refusal> {
        let parameter = |name: &str| asked.auth_parameters.get(name).map_or("", String::as_str);
        match asked.auth_flow.as_str() {
            "USER_PASSWORD_AUTH" => {}
            "REFRESH_TOKEN_AUTH" if self.grace.is_some() => {
                return refused("UnsupportedOperationException", "Refresh tokens rotate.");
            }
            "REFRESH_TOKEN_AUTH" => return self.refresh(parameter("REFRESH_TOKEN"), now),
            _ => {
                return refused(
                    "InvalidParameterException",
                    "The flow is not enabled for this client",
                );
            }
        }
        let user = parameter("USERNAME");
        let Some(first) = self.users.get(user).copied() else {
            return refused("UserNotFoundException", "User does not exist.");
        };
        if parameter("PASSWORD") != PASSWORD {
            return refused("NotAuthorizedException", "Incorrect username or password.");
        }
        let challenge = match first {
            First::Nothing => return Ok(self.begin(user, now).json()),
            First::NewPassword => "NEW_PASSWORD_REQUIRED",
            First::Code => "SMS_MFA",
        };
        Ok(format!(
            r#"{{"ChallengeName":"{challenge}","Session":"session-of-{user}","ChallengeParameters":{{"USERNAME":"{user}","CODE_DELIVERY_DESTINATION":"+*******1234","requiredAttributes":"[]"}}}}"#
        ))
    }

    fn respond(&mut self, asked: &Asked, now: Duration) -> Result<String, Refusal> {
        let response = |name: &str| asked.challenge_responses.get(name).map(String::as_str);
        let Some(user) = asked.session.strip_prefix("session-of-") else {
            return refused("NotAuthorizedException", "Invalid session for the user.");
        };
        match asked.challenge_name.as_str() {
            "NEW_PASSWORD_REQUIRED" if response("NEW_PASSWORD").is_some() => {}
            "SMS_MFA" if response("SMS_MFA_CODE") == Some(CODE) => {}
            "SMS_MFA" => return refused("CodeMismatchException", "Invalid code or auth state."),
            _ => return refused("InvalidParameterException", "Missing required parameter"),
        }
        Ok(self.begin(user, now).json())
    }

    /// Somebody signs in.
    pub(super) fn begin(&mut self, user: &str, now: Duration) -> Issued {
        self.sign_ins.push(SignIn {
            user: user.to_owned(),
            is_revoked: false,
        });
        self.issue(self.sign_ins.len() as u64, true, now)
    }

    fn refresh(&mut self, token: &str, now: Duration) -> Result<String, Refusal> {
        let Some(found) = self.refresh_tokens.get_mut(token) else {
            return refused("NotAuthorizedException", "Invalid Refresh Token");
        };
        let sign_in = found.sign_in;
        let of_session = &mut self.sign_ins[sign_in as usize - 1];
        if of_session.is_revoked {
            return refused("NotAuthorizedException", "Refresh Token has been revoked");
        }
        if let Some(grace) = self.grace {
            match found.replaced {
                None => found.replaced = Some(now),
                Some(at) => {
                    self.reuses += 1;
                    if now - at >= grace {
                        of_session.is_revoked = true;
                        return refused("RefreshTokenReuseException", "Refresh token was reused");
                    }
                }
            }
        }
        let rotates = self.grace.is_some();
        Ok(self.issue(sign_in, rotates, now).json())
    }

    fn issue(&mut self, sign_in: u64, with_refresh_token: bool, now: Duration) -> Issued {
        let [access, id] = ["access", "id"].map(|kind| self.token(kind, sign_in, now));
        let refresh = with_refresh_token.then(|| {
            let token = format!("refresh-{sign_in}-{}", self.refresh_tokens.len());
            let known = RefreshToken {
                sign_in,
                replaced: None,
            };
            self.refresh_tokens.insert(token.clone(), known);
            token
        });
        Issued {
            access,
            id,
            refresh,
            life: self.token_life,
        }
    }

    fn token(&mut self, kind: &str, sign_in: u64, now: Duration) -> String {
        self.issued += 1;
        let (number, life) = (self.issued, self.token_life);
        let user = &self.sign_ins[sign_in as usize - 1].user;
        let issued = self.base + now.as_secs();
        let (expires, ends) = (issued + life, now.as_secs() + life);
        let claims = format!(
            r#"{{"iss":"https://{PROVIDER}","sub":"sub-of-{user}","username":"{user}","token_use":"{kind}","iat":{issued},"exp":{expires}}}"#
        );
        let claims = URL_SAFE_NO_PAD.encode(claims);
        format!("e30.{claims}.{sign_in}-{ends}-{number}-{kind}")
    }
}

/// Of which sign-in a token is.
pub(in crate::cognito) fn session_of(token: &str) -> u64 {
    let note = token.rsplit('.').next().expect("a note");
    let number = note.split('-').next().expect("a number");
    number.parse().expect("a number")
}

/// Of which sign-in credentials are, by their access key id.
pub(in crate::cognito) fn session_of_key(access_key_id: &str) -> u64 {
    let number = access_key_id.split('.').nth(1).expect("a number");
    number.parse().expect("a number")
}
