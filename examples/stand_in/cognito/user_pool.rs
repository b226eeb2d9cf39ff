//! The user pool: users prove their passwords here, and get tokens for that.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::srp::{Exchange, Verifier};
use super::{Exception, LIFETIME, REGION, member, now, random, random_text};

pub(super) struct UserPool {
    id: String,
    client: String,
    users: HashMap<String, Verifier>,
    /// Whose email addresses they are.
    emails: HashMap<String, String>,
    /// Whose proofs are waited for, by the secret block that came with the challenge.
    exchanges: HashMap<String, (String, Exchange)>,
    /// Whose refresh tokens are good.
    sessions: HashMap<String, String>,
    /// The other tokens.
    issued: HashMap<String, Issued>,
    refreshes: usize,
}

struct Issued {
    user: String,
    kind: Kind,
    end: u64,
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Kind {
    Access,
    Id,
}

const WRONG_PASSWORD: Exception =
    Exception("NotAuthorizedException", "Incorrect username or password.");

impl UserPool {
    /// As the configuration file names it.
    pub(super) fn new(config: &Value) -> Self {
        Self {
            id: member(config, "PoolId").to_owned(),
            client: member(config, "AppClientId").to_owned(),
            users: HashMap::new(),
            emails: HashMap::new(),
            exchanges: HashMap::new(),
            sessions: HashMap::new(),
            issued: HashMap::new(),
            refreshes: 0,
        }
    }

    /// The name under which an identity pool knows it.
    pub(super) fn provider(&self) -> String {
        format!("cognito-idp.{REGION}.amazonaws.com/{}", self.id)
    }

    pub(super) fn sign_up(&mut self, user: &str, password: &str) {
        let verifier = Verifier::new(self.name(), user, password);
        self.users.insert(user.to_owned(), verifier);
    }

    pub(super) fn add_email(&mut self, user: &str, email: &str) {
        self.emails.insert(email.to_owned(), user.to_owned());
    }

    /// Whose token this is, if it is a good one of that kind.
    pub(super) fn user_of(&self, token: &str, kind: Kind) -> Option<&str> {
        let issued = self.issued.get(token)?;
        (issued.kind == kind && now() < issued.end).then_some(issued.user.as_str())
    }

    pub(super) fn refreshes(&self) -> usize {
        self.refreshes
    }

    pub(super) fn sessions(&self) -> usize {
        self.sessions.len()
    }

    pub(super) fn call(&mut self, operation: &str, call: &Value) -> Result<Value, Exception> {
        if member(call, "ClientId") != self.client {
            let message = "User pool client does not exist.";
            return Err(Exception("ResourceNotFoundException", message));
        }
        match operation {
            "InitiateAuth" => self.challenge(call),
            "RespondToAuthChallenge" => self.sign_in(call),
            "GetTokensFromRefreshToken" => self.refresh(call),
            "RevokeToken" => {
                self.sessions.remove(member(call, "Token"));
                Ok(json!({}))
            }
            _ => Err(Exception::UNKNOWN_OPERATION),
        }
    }

    /// Asks for a proof of the password.
    fn challenge(&mut self, call: &Value) -> Result<Value, Exception> {
        if member(call, "AuthFlow") != "USER_SRP_AUTH" {
            let message = "Auth flow not enabled for this client";
            return Err(Exception("InvalidParameterException", message));
        }
        let parameters = &call["AuthParameters"];
        let user = member(parameters, "USERNAME");
        let user = self.emails.get(user).map_or(user, String::as_str);
        let verifier = self.users.get(user).ok_or(WRONG_PASSWORD)?;
        let exchange = Exchange::begin(verifier, member(parameters, "SRP_A"));
        let message = "SRP_A is no such number";
        let exchange = exchange.ok_or(Exception("InvalidParameterException", message))?;
        let block = STANDARD.encode(random::<32>());
        let challenge = json!({
            "ChallengeName": "PASSWORD_VERIFIER",
            "ChallengeParameters": {
                "USERNAME": user,
                "USER_ID_FOR_SRP": user,
                "SALT": verifier.salt(),
                "SRP_B": exchange.public(),
                "SECRET_BLOCK": block,
            },
        });
        self.exchanges.insert(block, (user.to_owned(), exchange));
        Ok(challenge)
    }

    /// Takes the proof.
    fn sign_in(&mut self, call: &Value) -> Result<Value, Exception> {
        let answers = &call["ChallengeResponses"];
        let block = member(answers, "PASSWORD_CLAIM_SECRET_BLOCK");
        // Each is for one attempt.
        let (user, exchange) = self.exchanges.remove(block).ok_or(WRONG_PASSWORD)?;
        let decoded = |text: &str| STANDARD.decode(text).unwrap_or_default();
        let block = decoded(block);
        let message = [
            self.name().as_bytes(),
            user.as_bytes(),
            &block,
            member(answers, "TIMESTAMP").as_bytes(),
        ];
        let signature = decoded(member(answers, "PASSWORD_CLAIM_SIGNATURE"));
        let is_hers = member(call, "ChallengeName") == "PASSWORD_VERIFIER"
            && member(answers, "USERNAME") == user
            && exchange.proves(&message, &signature);
        if !is_hers {
            return Err(WRONG_PASSWORD);
        }
        let mut tokens = self.issue(&user);
        let refresh_token = random_text();
        tokens["RefreshToken"] = refresh_token.as_str().into();
        self.sessions.insert(refresh_token, user);
        Ok(json!({ "AuthenticationResult": tokens, "ChallengeParameters": {} }))
    }

    fn refresh(&mut self, call: &Value) -> Result<Value, Exception> {
        let user = self.sessions.get(member(call, "RefreshToken")).cloned();
        let revoked = Exception("NotAuthorizedException", "Refresh Token has been revoked");
        let tokens = self.issue(&user.ok_or(revoked)?);
        self.refreshes += 1;
        Ok(json!({ "AuthenticationResult": tokens }))
    }

    fn issue(&mut self, user: &str) -> Value {
        json!({
            "AccessToken": self.token(user, Kind::Access),
            "IdToken": self.token(user, Kind::Id),
            "TokenType": "Bearer",
            "ExpiresIn": LIFETIME,
        })
    }

    /// Has no signature: those who get it here ask here whether it is good.
    fn token(&mut self, user: &str, kind: Kind) -> String {
        let (token_use, name) = match kind {
            Kind::Access => ("access", "username"),
            Kind::Id => ("id", "cognito:username"),
        };
        let end = now() + LIFETIME;
        let mut claims = json!({
            "iss": format!("https://{}", self.provider()),
            "sub": user,
            "token_use": token_use,
            name: user,
            "jti": random_text(),
            "exp": end,
        });
        let mut emails = self.emails.iter();
        if let (Kind::Id, Some((email, _))) = (kind, emails.find(|(_, owner)| *owner == user)) {
            claims["email"] = email.as_str().into();
        }
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#);
        let token = format!("{header}.{}.", URL_SAFE_NO_PAD.encode(claims.to_string()));
        let issued = Issued {
            user: user.to_owned(),
            kind,
            end,
        };
        self.issued.insert(token.clone(), issued);
        token
    }

    /// The part of the id that proofs have in them.
    fn name(&self) -> &str {
        self.id.split_once('_').map_or("", |(_, name)| name)
    }
}
