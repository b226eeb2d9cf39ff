//! What a user who signs in may have to answer.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::error::Asked;
use super::user_pool::UserPool;
use super::wire::{Posed, Step};
use crate::error::{AuthError, AuthErrorKind};
use crate::identity::oauth::{Text, Tokens};
use crate::secret::Secret;

/// How far a sign-in is: done, or waiting for an answer of the user's.
///
/// Challenges hold what is needed to answer them: the pool, and the pool's own session, which lasts for some
/// minutes (three by default). After a wrong code, another can be given to the same challenge.
#[derive(Clone, Debug)]
#[non_exhaustive]
#[must_use = "a sign-in may have to be answered, and brings nothing until it is done"]
pub enum SignIn {
    /// The user is signed in: for [`Session::sign_in`](super::Session::sign_in).
    Done(Tokens),
    /// The user has a temporary password, and has to choose another: `NEW_PASSWORD_REQUIRED`.
    NewPassword(NewPassword),
    /// A code was sent to the user, or is shown by an app: `SMS_MFA`, `EMAIL_OTP`, `SOFTWARE_TOKEN_MFA`.
    Code(Code),
    /// The user has several second factors, and chooses one: `SELECT_MFA_TYPE`.
    ChooseFactor(ChooseFactor),
    /// The pool wants a second factor, and the user has none: `MFA_SETUP` with an authenticator app.
    SetUpTotp(SetUpTotp),
    /// Any other challenge, `CUSTOM_CHALLENGE` among them.
    Other(Challenge),
}

impl SignIn {
    /// The tokens, for programs whose users are never asked anything else.
    ///
    /// # Errors
    ///
    /// [`AuthErrorKind::SignInRequired`] if there is something to answer.
    pub fn tokens(self) -> Result<Tokens, AuthError> {
        let challenge = match self {
            Self::Done(tokens) => return Ok(tokens),
            Self::NewPassword(NewPassword { challenge, .. })
            | Self::Code(Code { challenge, .. })
            | Self::ChooseFactor(ChooseFactor { challenge, .. })
            | Self::SetUpTotp(SetUpTotp { challenge, .. })
            | Self::Other(challenge) => challenge,
        };
        let name = known(&challenge.posed.name);
        Err(AuthError::new(
            AuthErrorKind::SignInRequired,
            format!("the user pool asks the user for something first: answer the challenge {name}"),
        ))
    }

    pub(super) fn next(pool: &UserPool, username: &str, step: Step) -> Result<Self, AuthError> {
        let posed = match step {
            Step::Done(tokens) => return Ok(Self::Done(pool.tokens(tokens))),
            Step::Challenge(posed) => posed,
        };
        let username = posed.user(username).to_owned();
        let challenge = Challenge {
            pool: pool.clone(),
            username,
            posed,
        };
        let posed = &challenge.posed;
        Ok(match posed.name.as_str() {
            "NEW_PASSWORD_REQUIRED" => Self::NewPassword(NewPassword {
                required: required_attributes(posed),
                attributes: Vec::new(),
                challenge,
            }),
            "SELECT_MFA_TYPE" => Self::ChooseFactor(ChooseFactor {
                choices: factors(posed, "MFAS_CAN_CHOOSE"),
                challenge,
            }),
            "MFA_SETUP" if factors(posed, "MFAS_CAN_SETUP").contains(&Factor::Totp) => {
                Self::SetUpTotp(SetUpTotp { challenge })
            }
            name => match Factor::ALL
                .into_iter()
                .find(|factor| factor.challenge() == name)
            {
                Some(factor) => Self::Code(Code { factor, challenge }),
                None => Self::Other(challenge),
            },
        })
    }
}

/// A password is to be chosen.
#[derive(Clone)]
pub struct NewPassword {
    required: Vec<String>,
    attributes: Vec<(String, Secret)>,
    challenge: Challenge,
}

impl NewPassword {
    /// The attributes that the user lacks and the pool wants: `email`.
    pub fn required_attributes(&self) -> &[String] {
        &self.required
    }

    /// Sets an attribute along with the password.
    #[must_use]
    pub fn attribute(mut self, name: &str, value: impl Into<Secret>) -> Self {
        self.attributes
            .push((format!("userAttributes.{name}"), value.into()));
        self
    }

    /// Sets the password.
    ///
    /// # Errors
    ///
    /// [`AuthErrorKind::SignInRequired`] if the pool's policy does not allow it, in which case another can be
    /// tried. See also [`UserPool`].
    pub async fn answer(&self, password: impl Into<Secret>) -> Result<SignIn, AuthError> {
        let mut answers = self.attributes.clone();
        answers.push(("NEW_PASSWORD".to_owned(), password.into()));
        self.challenge.respond(answers).await
    }
}

/// A second factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Factor {
    /// A text message.
    Sms,
    /// An email.
    Email,
    /// An authenticator app.
    Totp,
}

impl Factor {
    const ALL: [Self; 3] = [Self::Sms, Self::Email, Self::Totp];

    fn challenge(self) -> &'static str {
        match self {
            Self::Sms => "SMS_MFA",
            Self::Email => "EMAIL_OTP",
            Self::Totp => "SOFTWARE_TOKEN_MFA",
        }
    }

    fn answer(self) -> &'static str {
        match self {
            Self::Sms => "SMS_MFA_CODE",
            Self::Email => "EMAIL_OTP_CODE",
            Self::Totp => "SOFTWARE_TOKEN_MFA_CODE",
        }
    }
}

/// A code is to be entered.
#[derive(Clone)]
pub struct Code {
    factor: Factor,
    challenge: Challenge,
}

impl Code {
    /// What shows the code.
    pub fn factor(&self) -> Factor {
        self.factor
    }

    /// Where the code was sent, or which app shows it, as far as the pool says so: `+*******1234`. Text of
    /// somebody else's choice: escape what a terminal would obey.
    pub fn sent_to(&self) -> Option<&str> {
        let name = match self.factor {
            Factor::Totp => "FRIENDLY_DEVICE_NAME",
            _ => "CODE_DELIVERY_DESTINATION",
        };
        self.challenge.parameter(name)
    }

    /// Gives the code.
    ///
    /// # Errors
    ///
    /// [`AuthErrorKind::SignInRequired`] if it is wrong: another can be tried, as long as the pool lets it. See
    /// also [`UserPool`].
    pub async fn answer(&self, code: impl Into<Secret>) -> Result<SignIn, AuthError> {
        let name = self.factor.answer().to_owned();
        self.challenge.respond(vec![(name, code.into())]).await
    }
}

/// A second factor is to be chosen.
#[derive(Clone)]
pub struct ChooseFactor {
    choices: Vec<Factor>,
    challenge: Challenge,
}

impl ChooseFactor {
    /// What there is to choose from.
    pub fn choices(&self) -> &[Factor] {
        &self.choices
    }

    /// Chooses one. The code for it is asked for next.
    ///
    /// # Errors
    ///
    /// See [`UserPool`].
    pub async fn choose(&self, factor: Factor) -> Result<SignIn, AuthError> {
        let answer = ("ANSWER".to_owned(), Secret::new(factor.challenge()));
        self.challenge.respond(vec![answer]).await
    }
}

/// An authenticator app is to be set up.
#[derive(Clone)]
pub struct SetUpTotp {
    challenge: Challenge,
}

impl SetUpTotp {
    /// The secret that the user enters into the app, in base32.
    ///
    /// # Errors
    ///
    /// See [`UserPool`].
    pub async fn begin(&mut self) -> Result<Secret, AuthError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Associated {
            secret_code: Text,
            session: Option<Text>,
        }

        let call = WithSession::of(&self.challenge, None);
        let endpoint = &self.challenge.pool.endpoint;
        let answer: Associated = endpoint
            .call(Asked::Answer, "AssociateSoftwareToken", &call)
            .await?;
        self.challenge.go_on(answer.session);
        Ok(answer.secret_code.0)
    }

    /// Gives the code that the app shows.
    ///
    /// # Errors
    ///
    /// [`AuthErrorKind::SignInRequired`] if it is wrong: another can be tried. See also [`UserPool`].
    pub async fn finish(&mut self, code: impl Into<Secret>) -> Result<SignIn, AuthError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Verified {
            status: Option<String>,
            session: Option<Text>,
        }

        let code = code.into();
        let call = WithSession::of(&self.challenge, Some(code.expose()));
        let endpoint = &self.challenge.pool.endpoint;
        let answer: Verified = endpoint
            .call(Asked::Answer, "VerifySoftwareToken", &call)
            .await?;
        self.challenge.go_on(answer.session);
        // Not every wrong code is an exception.
        if answer.status.is_some_and(|status| status == "ERROR") {
            return Err(AuthError::new(
                AuthErrorKind::SignInRequired,
                "the user pool finds that the code is not right",
            ));
        }
        self.challenge.respond(Vec::new()).await
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct WithSession<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_code: Option<&'a str>,
}

impl<'a> WithSession<'a> {
    fn of(challenge: &'a Challenge, user_code: Option<&'a str>) -> Self {
        Self {
            session: challenge.posed.session.as_ref().map(Secret::expose),
            user_code,
        }
    }
}

/// A challenge of any kind.
#[derive(Clone)]
pub struct Challenge {
    pool: UserPool,
    username: String,
    posed: Posed,
}

impl Challenge {
    /// Its name: `CUSTOM_CHALLENGE`.
    pub fn name(&self) -> &str {
        &self.posed.name
    }

    /// What the pool, or a trigger, says along with it. Escape what a terminal would obey.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.posed.parameter(name)
    }

    /// Answers it: `[("ANSWER", "…")]`. The user's name and the secret hash are added to that.
    ///
    /// # Errors
    ///
    /// [`AuthErrorKind::SignInRequired`] if the pool does not take the answer. See also [`UserPool`].
    pub async fn answer(&self, answers: &[(&str, &str)]) -> Result<SignIn, AuthError> {
        let answers = answers.iter();
        let answers = answers.map(|(name, value)| ((*name).to_owned(), Secret::new(*value)));
        self.respond(answers.collect()).await
    }

    async fn respond(&self, answers: Vec<(String, Secret)>) -> Result<SignIn, AuthError> {
        let start = self.pool.named(&self.username)?;
        let responses = answers.into_iter().fold(start, |responses, (name, value)| {
            responses.with(name, value)
        });
        let posed = &self.posed;
        let step = self
            .pool
            .respond(
                Asked::Answer,
                &posed.name,
                posed.session.as_ref(),
                responses,
            )
            .await?;
        SignIn::next(&self.pool, &self.username, step)
    }

    /// Each answer brings the session for the next.
    fn go_on(&mut self, session: Option<Text>) {
        if let Some(session) = session {
            self.posed.session = Some(session.0);
        }
    }
}

fn required_attributes(posed: &Posed) -> Vec<String> {
    let names = posed.names("requiredAttributes").into_iter();
    names
        .map(|name| match name.strip_prefix("userAttributes.") {
            Some(name) => name.to_owned(),
            None => name,
        })
        .collect()
}

fn factors(posed: &Posed, parameter: &str) -> Vec<Factor> {
    let names = posed.names(parameter);
    let factors = Factor::ALL.into_iter();
    factors
        .filter(|factor| names.iter().any(|name| name == factor.challenge()))
        .collect()
}

/// The name of a challenge, unless it is a text of somebody's choice.
fn known(name: &str) -> &str {
    const NAMES: [&str; 12] = [
        "CUSTOM_CHALLENGE",
        "DEVICE_PASSWORD_VERIFIER",
        "DEVICE_SRP_AUTH",
        "EMAIL_OTP",
        "MFA_SETUP",
        "NEW_PASSWORD_REQUIRED",
        "SELECT_CHALLENGE",
        "SELECT_MFA_TYPE",
        "SMS_MFA",
        "SMS_OTP",
        "SOFTWARE_TOKEN_MFA",
        "WEB_AUTHN",
    ];
    match NAMES.contains(&name) {
        true => name,
        false => "of another name",
    }
}

macro_rules! print_name_only {
    ($($challenge:ident)*) => {$(
        impl fmt::Debug for $challenge {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($challenge))
                    .field("challenge", &known(&self.challenge.posed.name))
                    .finish_non_exhaustive()
            }
        }
    )*};
}

print_name_only!(NewPassword Code ChooseFactor SetUpTotp);

impl fmt::Debug for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Challenge")
            .field("name", &known(&self.posed.name))
            .finish_non_exhaustive()
    }
}
