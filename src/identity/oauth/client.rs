//! The client: its id, how it proves itself, and the requests it makes.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Uri, header};
use http_body_util::Full;
use zeroize::Zeroizing;

use super::any_source::AnySource;
use super::error::{Asked, OAuthError, judge};
use super::form::Form;
use super::key::PrivateKey;
use super::metadata::Metadata;
use super::provider::Provider;
use super::reply::TokenReply;
use crate::clock::{Clock, Moment};
use crate::error::{AuthError, AuthErrorKind};
use crate::identity::source::TokenSource;
use crate::identity::token::Token;
use crate::identity::transport::Reply;
use crate::secret::Secret;

/// A client that is registered with a [`Provider`]: what all grants start from.
///
/// ```
/// # use tower_client_auth::{BearerTokenLayer, Transport};
/// use tower_client_auth::oauth::{OAuthClient, Provider};
///
/// # async fn send(_: http::Request<http_body_util::Full<bytes::Bytes>>)
/// #     -> Result<http::Response<http_body_util::Full<bytes::Bytes>>, tower_client_auth::BoxError> {
/// #     Ok(http::Response::default())
/// # }
/// # let transport = Transport::new(tower::service_fn(send));
/// let provider = Provider::discover("https://login.example.com", transport)?;
/// let client = OAuthClient::new(provider, "orders-service").secret("s3cr%t +/:");
///
/// let tokens = client.client_credentials().scope("orders:read").cached();
/// let layer = BearerTokenLayer::new("https://api.example.com", tokens)?;
/// # Ok::<(), tower_client_auth::AuthError>(())
/// ```
///
/// | the client proves itself by | setter | the field's name for it |
/// |---|---|---|
/// | nothing: it is a program on a user's machine, or its transport has a TLS certificate | none | `none`, `tls_client_auth` |
/// | a secret, in the header | [`secret`](OAuthClient::secret) | `client_secret_basic` |
/// | a secret, in the form | [`secret_in_body`](OAuthClient::secret_in_body) | `client_secret_post` |
/// | a signature | [`private_key`](OAuthClient::private_key) | `private_key_jwt` |
/// | a token that somebody else gave it | [`assertions`](OAuthClient::assertions) | workload identity federation |
///
/// The last one that is set counts.
#[derive(Clone)]
pub struct OAuthClient {
    shared: Arc<Shared>,
}

#[derive(Clone)]
struct Shared {
    provider: Provider,
    id: String,
    proof: Proof,
    assertion_audience: AssertionAudience,
    clock: Clock,
    /// How many seconds the provider's clock is ahead of ours, as far as assertions have shown.
    ahead: Arc<AtomicI64>,
}

/// Whom a client assertion is meant for, its `aud`. Providers differ in what they take.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AssertionAudience {
    /// The issuer identifier where it is known, and else the token endpoint. The default, since no other provider
    /// can use such an assertion.
    #[default]
    Issuer,
    /// The URL of whichever endpoint is called: Okta takes nothing else, nor does Entra ID.
    Endpoint,
    /// This text.
    Other(String),
}

impl From<String> for AssertionAudience {
    fn from(audience: String) -> Self {
        Self::Other(audience)
    }
}

impl From<&str> for AssertionAudience {
    fn from(audience: &str) -> Self {
        Self::Other(audience.to_owned())
    }
}

/// How the client authenticates itself.
#[derive(Clone)]
enum Proof {
    None,
    Secret(Secret),
    SecretInBody(Secret),
    Key(PrivateKey),
    Assertions(Arc<dyn AnySource>),
}

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Providers that look at an assertion's times let clocks differ by some seconds.
const TOLERATED_SKEW: u64 = 5;

/// Further than this no clock is followed: an assertion for a year to come would be good for all that time.
const MOST_SKEW: u64 = 24 * 3600;

impl OAuthClient {
    /// The client that `provider` knows as `id`.
    pub fn new(provider: Provider, id: impl Into<String>) -> Self {
        Self {
            shared: Arc::new(Shared {
                provider,
                id: id.into(),
                proof: Proof::None,
                assertion_audience: AssertionAudience::Issuer,
                clock: Clock::system(),
                ahead: Arc::default(),
            }),
        }
    }

    /// The client's secret, sent in an `authorization` header: encoded as a form is and then as Basic
    /// authorization is, as [RFC 6749, section 2.3.1] has it, so that it may have any characters. If
    /// discovery shows that the provider takes it in the form only, it is sent there.
    ///
    /// [RFC 6749, section 2.3.1]: https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1
    #[must_use]
    pub fn secret(self, secret: impl Into<Secret>) -> Self {
        self.with(Proof::Secret(secret.into()))
    }

    /// The client's secret, sent in the form.
    #[must_use]
    pub fn secret_in_body(self, secret: impl Into<Secret>) -> Self {
        self.with(Proof::SecretInBody(secret.into()))
    }

    /// The key that the client signs an assertion with for every request ([RFC 7523, section 2.2]).
    ///
    /// An assertion that is refused while the provider's clock differs from this machine's is made once
    /// more by the provider's clock: the `Date` of its answer, if that is no more than a day off.
    ///
    /// [RFC 7523, section 2.2]: https://www.rfc-editor.org/rfc/rfc7523#section-2.2
    #[must_use]
    pub fn private_key(self, key: PrivateKey) -> Self {
        self.with(Proof::Key(key))
    }

    /// Where assertions come from that somebody else signs: a key management service, or a platform that
    /// vouches for the program, as Kubernetes does for Entra ID by a [`TokenFile`](crate::TokenFile). The
    /// source is asked for every token request, and told of an assertion that was
    /// [rejected](TokenSource::rejected).
    #[must_use]
    pub fn assertions<S>(self, source: S) -> Self
    where
        S: TokenSource + Send + Sync + 'static,
        S::Future: Send + 'static,
    {
        self.with(Proof::Assertions(Arc::new(source)))
    }

    /// Whom assertions of [`private_key`](OAuthClient::private_key) are meant for:
    /// [`AssertionAudience::Issuer`] by default.
    #[must_use]
    pub fn assertion_audience(mut self, audience: impl Into<AssertionAudience>) -> Self {
        Arc::make_mut(&mut self.shared).assertion_audience = audience.into();
        self
    }

    /// The wall clock that assertions are dated by, and the lives of tokens that come with a sign-in are judged
    /// by. The system's by default.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        Arc::make_mut(&mut self.shared).clock = clock;
        self
    }

    fn with(mut self, proof: Proof) -> Self {
        Arc::make_mut(&mut self.shared).proof = proof;
        self
    }

    pub(super) fn provider(&self) -> &Provider {
        &self.shared.provider
    }

    pub(super) fn id(&self) -> &str {
        &self.shared.id
    }

    pub(super) fn now(&self) -> SystemTime {
        self.shared.clock.now()
    }

    pub(super) fn moment(&self) -> Moment {
        self.shared.clock.moment()
    }

    /// A grant at the token endpoint.
    pub(super) async fn grant(&self, asked: Asked, form: Form) -> Result<TokenReply, AuthError> {
        let metadata = self.provider().metadata().await?;
        let endpoint = metadata.token_endpoint.clone();
        let reply = self.ask(&metadata, &endpoint, asked, form).await?;
        TokenReply::read(&reply, &asked.at(&endpoint))
    }

    /// A form to any endpoint that wants the client's authentication, and its answer, which is a success.
    pub(super) async fn ask(
        &self,
        metadata: &Metadata,
        endpoint: &Uri,
        asked: Asked,
        form: Form,
    ) -> Result<Reply, AuthError> {
        let what = asked.at(endpoint);
        let ahead = self.shared.ahead.load(Ordering::Relaxed);
        let proof = self.prove(metadata, endpoint, asked, ahead).await?;
        let sent = self.post(endpoint, asked, &form, &proof).await?;
        let skew = self.skew(&sent);
        let answer = judge(sent, asked, &what);
        let Err(error) = &answer else {
            return answer;
        };
        if OAuthError::of(error).is_none_or(|error| error.code() != "invalid_client") {
            return answer;
        }
        if let (Proof::Assertions(source), Some(assertion)) = (&self.shared.proof, &proof.foreign) {
            source.reject(assertion);
        }
        // An assertion may have been dated by a clock that the provider does not share.
        let skew = match (&self.shared.proof, skew) {
            (Proof::Key(_), Some(skew)) if skew.abs_diff(ahead) > TOLERATED_SKEW => skew,
            _ => return answer,
        };
        let proof = self.prove(metadata, endpoint, asked, skew).await?;
        let sent = self.post(endpoint, asked, &form, &proof).await?;
        let answer = judge(sent, asked, &what);
        if answer.is_ok() {
            self.shared.ahead.store(skew, Ordering::Relaxed);
        }
        answer
    }

    async fn prove(
        &self,
        metadata: &Metadata,
        endpoint: &Uri,
        asked: Asked,
        ahead: i64,
    ) -> Result<Evidence, AuthError> {
        let mut evidence = Evidence::default();
        let form = &mut evidence.form;
        let in_header = match &self.shared.proof {
            Proof::Secret(secret) if !metadata.takes_secret_in_body_only => Some(secret),
            _ => None,
        };
        // RFC 8628 wants the id of those who do not prove themselves; some providers want everybody's.
        if in_header.is_none() || asked == Asked::DeviceAuthorization {
            form.push("client_id", self.id());
        }
        if let Some(secret) = in_header {
            evidence.header = Some(self.basic(secret)?);
            return Ok(evidence);
        }
        match &self.shared.proof {
            Proof::None => {}
            Proof::Secret(secret) | Proof::SecretInBody(secret) => {
                form.push_secret("client_secret", secret);
            }
            Proof::Key(key) => {
                let audience = match &self.shared.assertion_audience {
                    AssertionAudience::Other(audience) => audience.clone(),
                    AssertionAudience::Endpoint => endpoint.to_string(),
                    AssertionAudience::Issuer => match &metadata.issuer {
                        Some(issuer) => issuer.clone(),
                        None => metadata.token_endpoint.to_string(),
                    },
                };
                let now = shifted(self.now(), ahead);
                form.push("client_assertion_type", ASSERTION_TYPE);
                form.push_secret(
                    "client_assertion",
                    &key.assertion(self.id(), &audience, now)?,
                );
            }
            Proof::Assertions(source) => {
                let assertion = source.fetch().await?;
                form.push("client_assertion_type", ASSERTION_TYPE);
                form.push_secret("client_assertion", &Secret::new(assertion.expose()));
                evidence.foreign = Some(assertion);
            }
        }
        Ok(evidence)
    }

    async fn post(
        &self,
        endpoint: &Uri,
        asked: Asked,
        form: &Form,
        proof: &Evidence,
    ) -> Result<Reply, AuthError> {
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(endpoint)
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        if let Some(value) = &proof.header {
            request = request.header(header::AUTHORIZATION, value);
        }
        let request = request.body(Full::new(form.body_with(&proof.form)));
        let request = request.map_err(|_| unwritable("the request"))?;
        let transport = self.provider().transport();
        transport
            .send(&asked.at(endpoint), request, asked.patience())
            .await
    }

    fn basic(&self, secret: &Secret) -> Result<HeaderValue, AuthError> {
        let room = 3 * (self.id().len() + secret.expose().len()) + 1;
        let mut pair = Zeroizing::new(String::with_capacity(room));
        pair.extend(form_urlencoded::byte_serialize(self.id().as_bytes()));
        pair.push(':');
        pair.extend(form_urlencoded::byte_serialize(secret.expose().as_bytes()));
        let mut text = Zeroizing::new(String::with_capacity(8 + room.div_ceil(3) * 4));
        text.push_str("Basic ");
        STANDARD.encode_string(pair.as_bytes(), &mut text);
        // Wiped with the last of its clones.
        let mut value = HeaderValue::from_maybe_shared(Bytes::from_owner(text))
            .map_err(|_| unwritable("the secret"))?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// How many seconds the provider's clock is ahead, by the date of its answer. That one is believed:
    /// it came over https, or from this machine.
    fn skew(&self, reply: &Reply) -> Option<i64> {
        let date = reply.headers.get(header::DATE)?.to_str().ok()?;
        let theirs = httpdate::parse_http_date(date).ok()?;
        let ours = self.now();
        let (ahead, difference) = match theirs.duration_since(ours) {
            Ok(ahead) => (true, ahead),
            Err(behind) => (false, behind.duration()),
        };
        let seconds = Some(difference.as_secs()).filter(|&seconds| seconds <= MOST_SKEW)?;
        let seconds = i64::try_from(seconds).ok()?;
        Some(if ahead { seconds } else { -seconds })
    }
}

/// What proves the client in one request.
#[derive(Default)]
struct Evidence {
    header: Option<HeaderValue>,
    form: Form,
    /// The assertion of somebody else's, who may have to hear that it is no good.
    foreign: Option<Token>,
}

impl fmt::Debug for OAuthClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let proof = match &self.shared.proof {
            Proof::None => "none",
            Proof::Secret(_) => "client_secret_basic",
            Proof::SecretInBody(_) => "client_secret_post",
            Proof::Key(_) => "private_key_jwt",
            Proof::Assertions(_) => "assertions",
        };
        f.debug_struct("OAuthClient")
            .field("provider", self.provider())
            .field("id", &self.id())
            .field("authentication", &proof)
            .finish_non_exhaustive()
    }
}

fn shifted(time: SystemTime, by: i64) -> SystemTime {
    let duration = Duration::from_secs(by.unsigned_abs());
    let shifted = match by >= 0 {
        true => time.checked_add(duration),
        false => time.checked_sub(duration),
    };
    shifted.unwrap_or(time)
}

fn unwritable(what: &str) -> AuthError {
    AuthError::new(
        AuthErrorKind::Configuration,
        format!("{what} cannot be written into a token request"),
    )
}
