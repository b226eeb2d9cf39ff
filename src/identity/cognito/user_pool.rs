//! A user pool, as one of its app clients sees it.

use std::collections::HashMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use super::endpoint::{Endpoint, Service, host};
use super::error::Asked;
use super::mac::mac;
use super::sign_in::SignIn;
use super::srp::{self, Srp};
use super::wire::{Answer, Parameters, Step};
use crate::clock::{Clock, Moment};
use crate::error::{AuthError, AuthErrorKind};
use crate::identity::oauth::{OAuthClient, Provider, TokenReply, Tokens};
use crate::identity::transport::Transport;
use crate::secret::Secret;

/// A Cognito user pool and an app client of it: where users sign in.
///
/// ```no_run
/// # use tower_client_auth::{Secret, Transport};
/// use tower_client_auth::cognito::{SignIn, UserPool};
///
/// # fn ask(_: &str) -> Secret { Secret::new("") }
/// # async fn example(transport: Transport) -> Result<(), tower_client_auth::BoxError> {
/// let pool = UserPool::new("eu-west-1_AbCdEfGhI", "4h57k1l5jm2o1aexample", transport)?;
///
/// let mut step = pool.sign_in("alice", ask("password")).await?;
/// let tokens = loop {
///     step = match step {
///         SignIn::Done(tokens) => break tokens,
///         SignIn::Code(code) => code.answer(ask("code")).await?,
///         SignIn::NewPassword(new) => new.answer(ask("new password")).await?,
///         other => break other.tokens()?, // an error that names what is asked
///     };
/// };
/// # drop(tokens);
/// # Ok(())
/// # }
/// ```
///
/// The tokens go to [`Session::sign_in`](super::Session::sign_in), which keeps them fresh, or are used as they are.
///
/// | | the app client has to allow |
/// |---|---|
/// | [`sign_in`](UserPool::sign_in) | `ALLOW_USER_SRP_AUTH` |
/// | [`sign_in_with_password`](UserPool::sign_in_with_password) | `ALLOW_USER_PASSWORD_AUTH` |
/// | [`sign_in_custom`](UserPool::sign_in_custom) | `ALLOW_CUSTOM_AUTH` |
/// | to stay signed in | `ALLOW_REFRESH_TOKEN_AUTH`, or refresh token rotation |
///
/// Cheap to clone.
///
/// # Errors
///
/// | what | the error |
/// |---|---|
/// | a wrong user name, password or code; an account that is not confirmed, disabled, or needs a new password | [`SignInRequired`](AuthErrorKind::SignInRequired) |
/// | the pool or the app client does not exist, has other authentication flows, or another secret | [`Source`](AuthErrorKind::Source) |
/// | unreachable, slow, throttled, 5xx | [`Source`](AuthErrorKind::Source), transient |
///
/// [`CognitoError::of`](super::CognitoError::of) finds Cognito's own name for it.
#[derive(Clone)]
pub struct UserPool {
    pub(super) endpoint: Endpoint,
    id: String,
    client_id: String,
    secret: Option<Secret>,
    pub(super) clock: Clock,
}

impl UserPool {
    /// The pool of that id, in the region that the id begins with, and the id of an app client.
    ///
    /// # Errors
    ///
    /// [`AuthErrorKind::Configuration`] for what is no id of a user pool, or an empty client id.
    pub fn new(pool_id: &str, client_id: &str, transport: Transport) -> Result<Self, AuthError> {
        if client_id.is_empty() {
            return Err(AuthError::new(
                AuthErrorKind::Configuration,
                "the id of the user pool's app client is empty",
            ));
        }
        Ok(Self {
            endpoint: Endpoint::of_pool(Service::UserPools, pool_id, transport)?,
            id: pool_id.to_owned(),
            client_id: client_id.to_owned(),
            secret: None,
            clock: Clock::system(),
        })
    }

    /// The app client's secret, if it has one.
    #[must_use]
    pub fn client_secret(mut self, secret: impl Into<Secret>) -> Self {
        self.secret = Some(secret.into());
        self
    }

    /// Another place to call than AWS's for the region: an interface VPC endpoint, a FIPS endpoint, a server on
    /// this machine. A URL, or a host.
    ///
    /// # Errors
    ///
    /// [`AuthErrorKind::Configuration`] if `place` is neither a URL nor a host, and [`AuthErrorKind::PlainText`] for
    /// plain http to another machine.
    pub fn endpoint(mut self, place: &str) -> Result<Self, AuthError> {
        self.endpoint = self.endpoint.at(place)?;
        Ok(self)
    }

    /// The wall clock that proofs are dated by, and lives of tokens are judged by. The system's by default.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Signs a user in by a proof of the password, which itself is not sent: `USER_SRP_AUTH`. A
    /// [`Session`](super::Session) is told of it by its own `sign_in`.
    ///
    /// The password is wiped from memory when the future is done.
    ///
    /// # Errors
    ///
    /// See [`UserPool`].
    pub async fn sign_in(
        &self,
        username: &str,
        password: impl Into<Secret>,
    ) -> Result<SignIn, AuthError> {
        let password = password.into();
        let srp = Srp::new()?;
        let public = Secret::new(srp.public());
        let parameters = self.named(username)?.with("SRP_A", public);
        let step = self.initiate("USER_SRP_AUTH", parameters).await?;
        let Step::Challenge(challenge) = step else {
            return SignIn::next(self, username, step);
        };
        if challenge.name != "PASSWORD_VERIFIER" {
            return SignIn::next(self, username, Step::Challenge(challenge));
        }
        let parameter = |name: &str| challenge.parameter(name).unwrap_or_default();
        let user = parameter("USER_ID_FOR_SRP");
        let proof = srp.prove(
            &self.id,
            &srp::Challenge {
                b: parameter("SRP_B"),
                salt: parameter("SALT"),
                secret_block: parameter("SECRET_BLOCK"),
                user,
            },
            &password,
            self.clock.now(),
        )?;
        drop(password);
        let username = challenge.user(username).to_owned();
        let responses = self
            .named(&username)?
            .with("PASSWORD_CLAIM_SECRET_BLOCK", parameter("SECRET_BLOCK"))
            .with("PASSWORD_CLAIM_SIGNATURE", proof.signature.as_str())
            .with("TIMESTAMP", proof.timestamp);
        let session = challenge.session.as_ref();
        let step = self
            .respond(Asked::SignIn, "PASSWORD_VERIFIER", session, responses)
            .await?;
        SignIn::next(self, &username, step)
    }

    /// Signs a user in with the password itself: `USER_PASSWORD_AUTH`. It goes to Cognito, over https, where
    /// triggers of the pool may see it: for users that are migrated from elsewhere, that is what it is for.
    ///
    /// # Errors
    ///
    /// See [`UserPool`].
    pub async fn sign_in_with_password(
        &self,
        username: &str,
        password: impl Into<Secret>,
    ) -> Result<SignIn, AuthError> {
        let parameters = self.named(username)?.with("PASSWORD", password);
        let step = self.initiate("USER_PASSWORD_AUTH", parameters).await?;
        SignIn::next(self, username, step)
    }

    /// Signs a user in by whatever the pool's Lambda triggers ask: `CUSTOM_AUTH`. Their challenges come as
    /// [`SignIn::Other`].
    ///
    /// # Errors
    ///
    /// See [`UserPool`].
    pub async fn sign_in_custom(&self, username: &str) -> Result<SignIn, AuthError> {
        let step = self.initiate("CUSTOM_AUTH", self.named(username)?).await?;
        SignIn::next(self, username, step)
    }

    /// The pool's OAuth server at its domain, with this app client: for sign-ins in a browser, and for machines,
    /// which have no user.
    ///
    /// ```
    /// # use tower_client_auth::{BearerTokenLayer, Transport};
    /// # use tower_client_auth::cognito::UserPool;
    /// # async fn send(_: http::Request<http_body_util::Full<bytes::Bytes>>)
    /// #     -> Result<http::Response<http_body_util::Full<bytes::Bytes>>, tower_client_auth::BoxError> {
    /// #     Ok(http::Response::default())
    /// # }
    /// # let transport = Transport::new(tower::service_fn(send));
    /// let pool = UserPool::new("eu-west-1_AbCdEfGhI", "4h57k1l5jm2o1aexample", transport)?
    ///     .client_secret("s3cr3t");
    /// let tokens = pool
    ///     .oauth_client("my-program.auth.eu-west-1.amazoncognito.com")?
    ///     .client_credentials()
    ///     .scope("orders/read")
    ///     .cached();
    /// let layer = BearerTokenLayer::new("https://api.example.com", tokens)?;
    /// # Ok::<(), tower_client_auth::AuthError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`AuthErrorKind::Configuration`] for what is no domain, and [`AuthErrorKind::PlainText`] for plain http to
    /// another machine.
    pub fn oauth_client(&self, domain: &str) -> Result<OAuthClient, AuthError> {
        let base = match domain.contains("://") {
            true => domain.trim_end_matches('/').to_owned(),
            false => format!("https://{domain}"),
        };
        let at = |path: &str| format!("{base}/oauth2/{path}");
        let provider = Provider::new(&at("token"), self.endpoint.transport.clone())?
            .authorization_endpoint(&at("authorize"))?
            .revocation_endpoint(&at("revoke"))?;
        let client = OAuthClient::new(provider, self.client_id.as_str()).clock(self.clock.clone());
        Ok(match &self.secret {
            Some(secret) => client.secret(secret.clone()),
            None => client,
        })
    }

    pub(super) fn client_id(&self) -> &str {
        &self.client_id
    }

    pub(super) fn secret(&self) -> Option<&Secret> {
        self.secret.as_ref()
    }

    pub(super) fn moment(&self) -> Moment {
        self.clock.moment()
    }

    /// What tells it from others, for the keys of a store.
    pub(super) fn names(&self) -> [&str; 2] {
        [&self.id, &self.client_id]
    }

    /// The name under which an identity pool knows this pool, if its tokens do not say.
    pub(super) fn login_name(&self) -> String {
        let region = self.id.split('_').next().unwrap_or_default();
        format!("{}/{}", host(Service::UserPools, region), self.id)
    }

    /// The parameters that every call about a user has.
    pub(super) fn named(&self, username: &str) -> Result<Parameters, AuthError> {
        Ok(self.proof_for(username)?.with("USERNAME", username))
    }

    /// What proves the app client in a call about a user.
    pub(super) fn proof_for(&self, username: &str) -> Result<Parameters, AuthError> {
        Ok(match &self.secret {
            Some(secret) => {
                Parameters::default().with("SECRET_HASH", self.secret_hash(secret, username)?)
            }
            None => Parameters::default(),
        })
    }

    /// How an app client proves that it knows its secret.
    fn secret_hash(&self, secret: &Secret, username: &str) -> Result<Secret, AuthError> {
        let parts = [username.as_bytes(), self.client_id.as_bytes()];
        let hash = mac(secret.expose().as_bytes(), &parts)?;
        Ok(Secret::new(STANDARD.encode(*hash)))
    }

    pub(super) async fn initiate(
        &self,
        flow: &str,
        parameters: Parameters,
    ) -> Result<Step, AuthError> {
        self.initiate_as(Asked::SignIn, flow, parameters).await
    }

    pub(super) async fn initiate_as(
        &self,
        asked: Asked,
        flow: &str,
        parameters: Parameters,
    ) -> Result<Step, AuthError> {
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct InitiateAuth<'a> {
            auth_flow: &'a str,
            client_id: &'a str,
            auth_parameters: HashMap<&'a str, &'a str>,
        }

        let call = InitiateAuth {
            auth_flow: flow,
            client_id: &self.client_id,
            auth_parameters: parameters.exposed(),
        };
        let start = self.moment();
        let answer: Answer = self.endpoint.call(asked, "InitiateAuth", &call).await?;
        answer.step(&self.endpoint, start)
    }

    pub(super) async fn respond(
        &self,
        asked: Asked,
        challenge: &str,
        session: Option<&Secret>,
        responses: Parameters,
    ) -> Result<Step, AuthError> {
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct RespondToAuthChallenge<'a> {
            challenge_name: &'a str,
            client_id: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            session: Option<&'a str>,
            challenge_responses: HashMap<&'a str, &'a str>,
        }

        let call = RespondToAuthChallenge {
            challenge_name: challenge,
            client_id: &self.client_id,
            session: session.map(Secret::expose),
            challenge_responses: responses.exposed(),
        };
        let start = self.moment();
        let operation = "RespondToAuthChallenge";
        let answer: Answer = self.endpoint.call(asked, operation, &call).await?;
        answer.step(&self.endpoint, start)
    }

    /// Tokens that this app client was issued.
    pub(super) fn tokens(&self, issued: TokenReply) -> Tokens {
        Tokens::of_client(issued, self.endpoint.id(), &self.client_id)
    }
}

impl fmt::Debug for UserPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserPool")
            .field("id", &self.id)
            .field("client_id", &self.client_id)
            .field("secret", &self.secret.is_some())
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}
