//! What user pools are sent and answer, in their own terms.

use std::collections::HashMap;
use std::time::Duration;

use serde::Deserialize;

use super::endpoint::Endpoint;
use crate::clock::Moment;
use crate::error::AuthError;
use crate::identity::oauth::{MAX_TOKEN, Text, TokenReply};
use crate::identity::token::Token;
use crate::secret::Secret;

/// Named texts of a call, wiped when they have been sent.
#[derive(Default)]
pub(super) struct Parameters(Vec<(String, Secret)>);

impl Parameters {
    pub(super) fn with(mut self, name: impl Into<String>, value: impl Into<Secret>) -> Self {
        self.0.push((name.into(), value.into()));
        self
    }

    pub(super) fn exposed(&self) -> HashMap<&str, &str> {
        let pairs = self.0.iter();
        pairs
            .map(|(name, value)| (name.as_str(), value.expose()))
            .collect()
    }
}

/// The answer to `InitiateAuth` and `RespondToAuthChallenge`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Answer {
    authentication_result: Option<Issued>,
    challenge_name: Option<String>,
    session: Option<Text>,
    challenge_parameters: Option<HashMap<String, Option<Text>>>,
}

/// What the next step of a sign-in is.
pub(super) enum Step {
    Done(TokenReply),
    Challenge(Posed),
}

/// A challenge, as it came.
#[derive(Clone)]
pub(super) struct Posed {
    pub(super) name: String,
    pub(super) session: Option<Secret>,
    parameters: HashMap<String, Secret>,
}

impl Answer {
    pub(super) fn step(self, endpoint: &Endpoint, start: Moment) -> Result<Step, AuthError> {
        if let Some(issued) = self.authentication_result {
            return issued.tokens(endpoint, start).map(Step::Done);
        }
        let parameters = self.challenge_parameters.unwrap_or_default();
        let parameters = parameters
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?.0)));
        Ok(Step::Challenge(Posed {
            name: self.challenge_name.ok_or_else(|| endpoint.unreadable())?,
            session: self.session.map(|session| session.0),
            parameters: parameters.collect(),
        }))
    }
}

impl Posed {
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(Secret::expose)
    }

    /// The user's name in the pool, where an alias was used to sign in.
    pub(super) fn user<'a>(&'a self, given: &'a str) -> &'a str {
        self.parameter("USERNAME")
            .or(self.parameter("USER_ID_FOR_SRP"))
            .unwrap_or(given)
    }

    /// The names in a list that comes as a text: `["userAttributes.email"]`.
    pub(super) fn names(&self, parameter: &str) -> Vec<String> {
        let list = self.parameter(parameter).map(serde_json::from_str);
        match list {
            Some(Ok(list)) => list,
            _ => Vec::new(),
        }
    }
}

/// The longest life that a pool can be told to give to a token.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// What a pool answers when it has issued tokens.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Issued {
    access_token: Option<Text>,
    id_token: Option<Text>,
    refresh_token: Option<Text>,
    expires_in: Option<f64>,
}

impl Issued {
    /// The tokens, as they would have come from a token endpoint that was asked at `start`.
    ///
    /// They have just been issued, so what they last is what they say that they do, whatever this machine's clock
    /// makes of the time at which they say that they end.
    pub(super) fn tokens(
        self,
        endpoint: &Endpoint,
        start: Moment,
    ) -> Result<TokenReply, AuthError> {
        let texts = [&self.access_token, &self.id_token, &self.refresh_token];
        let too_long = texts
            .into_iter()
            .flatten()
            .any(|text| text.0.expose().len() > MAX_TOKEN);
        let Some(access) = self.access_token.filter(|_| !too_long) else {
            return Err(endpoint.unreadable());
        };
        let usable = |text: Text, said| {
            let token = Token::from(text.0);
            match token.check() {
                Ok(()) => Ok(token.just_issued(start, said, LONGEST)),
                Err(_) => Err(endpoint.unreadable()),
            }
        };
        let said = self.expires_in.map(Duration::try_from_secs_f64);
        let access = usable(access, said.and_then(Result::ok))?;
        let refresh = self.refresh_token.map(|token| token.0);
        Ok(TokenReply {
            access,
            refresh: refresh.filter(|token| !token.expose().is_empty()),
            id: self.id_token.map(|text| usable(text, None)).transpose()?,
            scope: None,
        })
    }
}
