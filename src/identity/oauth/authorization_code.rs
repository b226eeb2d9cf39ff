//! The grant for users with a browser.

use std::fmt;

use http::Uri;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::client::OAuthClient;
use super::error::{Asked, OAuthError, refusal};
use super::form::Form;
use super::id_token;
use super::loopback::{LoopbackLogin, RedirectUri};
use super::options::{Options, option_setters};
use super::random::random_text;
use super::tokens::Tokens;
use crate::error::{AuthError, AuthErrorKind};
use crate::secret::Secret;

/// A sign-in by the user's browser: the authorization code grant with PKCE ([RFC 6749, section 4.1],
/// [RFC 7636]).
///
/// For a program on the user's own machine, which the browser comes back to on loopback ([RFC 8252, section
/// 7.3]):
///
/// ```no_run
/// # use tower_client_auth::BoxError;
/// # use tower_client_auth::oauth::OAuthClient;
/// # async fn example(client: OAuthClient) -> Result<(), BoxError> {
/// let login = client
///     .authorization_code()
///     .scope("openid offline_access")
///     .listen("http://127.0.0.1/callback") // on any free port
///     .await?;
/// println!("open {} in a browser", login.url());
/// let tokens = login.finish().await?;
/// # Ok(())
/// # }
/// ```
///
/// For a web server, whose pages the browser comes back to, [`begin`](AuthorizationCode::begin) it:
///
/// ```no_run
/// # use tower_client_auth::BoxError;
/// # use tower_client_auth::oauth::OAuthClient;
/// # async fn example(client: OAuthClient, came_back_to: &str) -> Result<(), BoxError> {
/// let login = client
///     .authorization_code()
///     .begin("https://app.example.com/callback")
///     .await?;
/// // send the browser to `login.url()`, keep `login` in the user's session, and when the browser comes back:
/// let tokens = login.finish(came_back_to).await?;
/// # Ok(())
/// # }
/// ```
///
/// The tokens are for [`RefreshToken::sign_in`](super::RefreshToken::sign_in), which keeps the user signed in.
///
/// Keep [`url`](AuthorizationRequest::url) to the user until the login has ended: who else opens it signs in
/// there, as somebody else. So do not put it on another program's command line, where other users of the machine
/// read it. Where a program knows several providers, register a redirect URI for each.
///
/// # What it calls, and when
///
/// Nobody but the discovery document until the browser is back; then the token endpoint, once.
///
/// # What it keeps
///
/// Nothing, and nothing is stored. State, nonce and code verifier are in the login; they are made anew for each.
///
/// # What it checks
///
/// The `state` of what comes back, so that nobody can plant a code; its issuer where the provider names it
/// ([RFC 9207]); of an ID token, which comes straight from the token endpoint, issuer, audience, nonce and expiry
/// ([OpenID Connect Core, section 3.1.3.7]).
///
/// # What failures mean
///
/// | what | the error |
/// |---|---|
/// | the user or the provider says no; the code is used up | [`SignInRequired`](AuthErrorKind::SignInRequired) |
/// | what came back is not the answer to this login | [`SignInRequired`](AuthErrorKind::SignInRequired) |
/// | it came from another issuer; an ID token is not for this login | [`Source`](AuthErrorKind::Source) |
/// | the provider has no authorization endpoint, does not know the client or the redirect | [`Source`](AuthErrorKind::Source), [`Configuration`](AuthErrorKind::Configuration) |
/// | the token endpoint cannot be reached | transient; the code is lost all the same, so begin again |
///
/// [RFC 6749, section 4.1]: https://www.rfc-editor.org/rfc/rfc6749#section-4.1
/// [RFC 7636]: https://www.rfc-editor.org/rfc/rfc7636
/// [RFC 8252, section 7.3]: https://www.rfc-editor.org/rfc/rfc8252#section-7.3
/// [RFC 9207]: https://www.rfc-editor.org/rfc/rfc9207
/// [OpenID Connect Core, section 3.1.3.7]: https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation
#[derive(Clone)]
#[must_use = "a login does nothing until it has begun"]
pub struct AuthorizationCode {
    client: OAuthClient,
    options: Options,
}

impl OAuthClient {
    /// A sign-in by the user's browser.
    pub fn authorization_code(&self) -> AuthorizationCode {
        AuthorizationCode {
            client: self.clone(),
            options: Options::default(),
        }
    }
}

impl AuthorizationCode {
    option_setters!();

    fn set(mut self, change: impl FnOnce(&mut Options)) -> Self {
        change(&mut self.options);
        self
    }

    /// Begins a login that comes back to `redirect_uri`, which is registered for the client.
    ///
    /// # Errors
    ///
    /// Those of discovery; [`AuthErrorKind::Configuration`] if the provider has no authorization endpoint.
    pub async fn begin(
        self,
        redirect_uri: impl Into<String>,
    ) -> Result<AuthorizationRequest, AuthError> {
        let redirect_uri = redirect_uri.into();
        let metadata = self.client.provider().metadata().await?;
        let Some(endpoint) = &metadata.authorization_endpoint else {
            return Err(AuthError::new(
                AuthErrorKind::Configuration,
                "the provider has no authorization endpoint, where users sign in: set it with \
                 `Provider::authorization_endpoint`, or check the issuer",
            ));
        };
        let state = random_text::<16>()?;
        let verifier = random_text::<32>()?;
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()));
        let wants_id_token = self.options.has_scope("openid");
        let nonce = wants_id_token.then(random_text::<16>).transpose()?;
        let mut form = Form::default()
            .with("response_type", "code")
            .with("client_id", self.client.id())
            .with("redirect_uri", redirect_uri.clone())
            .with("state", state.as_str())
            .with("code_challenge", challenge)
            .with("code_challenge_method", "S256");
        if let Some(nonce) = &nonce {
            form.push("nonce", nonce.as_str());
        }
        self.options.write(&mut form)?;
        Ok(AuthorizationRequest {
            client: self.client,
            login: Login {
                url: with_query(endpoint, &form.query()),
                issuer: metadata.issuer.clone(),
                names_issuer: metadata.names_issuer,
                redirect_uri,
                state,
                verifier,
                nonce,
            },
        })
    }

    /// Goes on with a login that was [put away](AuthorizationRequest::to_secret): the browser may come back to
    /// another replica of the program than the one it left.
    ///
    /// # Errors
    ///
    /// [`AuthErrorKind::MalformedCredential`] for a text that is none of these.
    pub fn resume(self, login: &Secret) -> Result<AuthorizationRequest, AuthError> {
        let login = serde_json::from_str(login.expose()).map_err(|_| {
            AuthError::new(
                AuthErrorKind::MalformedCredential,
                "the text is no login that was put away by this version of the crate",
            )
        })?;
        Ok(AuthorizationRequest {
            client: self.client,
            login,
        })
    }

    /// Begins a login that comes back to this very machine, where it is listened for: on `redirect_uri`, which
    /// is `http` with the host `127.0.0.1`, `[::1]` or `localhost`. Without a port, a free one is taken, which
    /// providers have to allow ([RFC 8252, section 7.3]); those that do not, such as Cognito, want the very one
    /// that is registered.
    ///
    /// # Errors
    ///
    /// Those of [`begin`](AuthorizationCode::begin); [`AuthErrorKind::Configuration`] for another host, and if
    /// the port is taken.
    ///
    /// [RFC 8252, section 7.3]: https://www.rfc-editor.org/rfc/rfc8252#section-7.3
    pub async fn listen(self, redirect_uri: &str) -> Result<LoopbackLogin, AuthError> {
        let (redirect_uri, listeners) = RedirectUri::parse(redirect_uri)?.bind().await?;
        let request = self.begin(redirect_uri.to_string()).await?;
        Ok(LoopbackLogin::new(request, redirect_uri, listeners))
    }
}

impl fmt::Debug for AuthorizationCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthorizationCode")
            .field("client", &self.client)
            .field("options", &self.options)
            .finish()
    }
}

/// A login that has begun: where to send the user, and what to do when they are back.
#[must_use = "a login has to be finished"]
pub struct AuthorizationRequest {
    client: OAuthClient,
    login: Login,
}

#[derive(Serialize, Deserialize)]
struct Login {
    url: String,
    redirect_uri: String,
    issuer: Option<String>,
    names_issuer: bool,
    state: Zeroizing<String>,
    verifier: Zeroizing<String>,
    nonce: Option<Zeroizing<String>>,
}

impl AuthorizationRequest {
    /// Where the user signs in. It is good for one login.
    pub fn url(&self) -> &str {
        &self.login.url
    }

    /// What the browser brings back as `state`, to find the login by.
    pub fn state(&self) -> &str {
        &self.login.state
    }

    /// The login as a text that can be put away, for [`AuthorizationCode::resume`]: in the user's session, where
    /// nobody else can read it.
    pub fn to_secret(&self) -> Secret {
        // Texts and a truth value: nothing that could not be written.
        Secret::new(serde_json::to_string(&self.login).unwrap_or_default())
    }

    /// Exchanges the code in `came_back_to`, the URL that the browser was sent back to, or its path and query,
    /// for tokens.
    ///
    /// # Errors
    ///
    /// As in the table of [`AuthorizationCode`]. What is not the answer to this login leaves it as it is.
    pub async fn finish(&self, came_back_to: &str) -> Result<Tokens, AuthError> {
        match self.answer(came_back_to) {
            Some(answer) => self.exchange(answer?).await,
            None => Err(AuthError::new(
                AuthErrorKind::SignInRequired,
                "what the browser brought back is not the answer to this login (another `state`, or none): \
                 begin again",
            )),
        }
    }

    /// The code, or why there is none; `None` if this is not the answer to this login.
    pub(super) fn answer(&self, came_back_to: &str) -> Option<Result<Secret, AuthError>> {
        let (_, query) = came_back_to.split_once('?')?;
        let query = query.split_once('#').map_or(query, |(query, _)| query);
        let mut answer = Answer::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let place = match &*name {
                "state" => &mut answer.state,
                "code" => &mut answer.code,
                "iss" => &mut answer.issuer,
                "error" => &mut answer.error,
                "error_description" => &mut answer.description,
                _ => continue,
            };
            // Who writes a parameter twice wants two readers to read two things.
            if place.is_some() {
                return None;
            }
            *place = Some(Secret::new(value.into_owned()));
        }
        if answer.state.as_ref()?.expose() != self.login.state.as_str() {
            return None;
        }
        Some(self.judge(answer))
    }

    fn judge(&self, answer: Answer) -> Result<Secret, AuthError> {
        let wrong_issuer = match (&answer.issuer, &self.login.issuer) {
            (Some(named), Some(issuer)) => named.expose() != issuer,
            (None, _) => self.login.names_issuer,
            (Some(_), None) => false,
        };
        if wrong_issuer {
            return Err(AuthError::refused(
                "the browser came back from another issuer than the one it was sent to: somebody mixes up \
                 providers, or the issuer is not the one that was configured",
            ));
        }
        if let Some(code) = answer.error {
            let error = OAuthError::new(None, code, answer.description);
            let what = "the authorization endpoint";
            return Err(refusal(error, Asked::AuthorizationCode, what));
        }
        answer.code.ok_or_else(|| {
            AuthError::refused("the browser came back with neither a code nor an error")
        })
    }

    pub(super) async fn exchange(&self, code: Secret) -> Result<Tokens, AuthError> {
        let login = &self.login;
        let form = Form::of_grant("authorization_code")
            .with_secret("code", &code)
            .with("redirect_uri", login.redirect_uri.as_str())
            .with_secret("code_verifier", &Secret::new(login.verifier.as_str()));
        let reply = self.client.grant(Asked::AuthorizationCode, form).await?;
        if let Some(token) = &reply.id {
            let (id, now) = (self.client.id(), self.client.now());
            let nonce = login.nonce.as_ref().map(|nonce| nonce.as_str());
            id_token::check(token.expose(), login.issuer.as_deref(), id, nonce, now)?;
        }
        Ok(Tokens::issued(reply, &self.client))
    }
}

impl fmt::Debug for AuthorizationRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthorizationRequest")
            .field("client", &self.client)
            .field("redirect_uri", &self.login.redirect_uri)
            .finish_non_exhaustive()
    }
}

/// An authorization response: RFC 6749, section 4.1.2.
#[derive(Default)]
struct Answer {
    state: Option<Secret>,
    code: Option<Secret>,
    issuer: Option<Secret>,
    error: Option<Secret>,
    description: Option<Secret>,
}

/// An endpoint may have a query of its own: RFC 6749, section 3.1.
fn with_query(endpoint: &Uri, query: &str) -> String {
    let separator = match endpoint.query() {
        None => "?",
        Some("") => "",
        Some(_) => "&",
    };
    format!("{endpoint}{separator}{query}")
}
