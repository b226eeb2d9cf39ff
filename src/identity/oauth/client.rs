//! The client: its id, how it proves itself, and the requests it makes.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
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
use crate::clock::Clock;
use crate::error::{AuthError, AuthErrorKind};
use crate::identity::source::TokenSource;
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
    assertion_audience: Option<String>,
    clock: Clock,
    /// How many seconds the provider's clock is ahead of ours, as far as assertions have shown.
    ahead: Arc<AtomicI64>,
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

impl OAuthClient {
    /// The client that `provider` knows as `id`.
    pub fn new(provider: Provider, id: impl Into<String>) -> Self {
        Self {
            shared: Arc::new(Shared {
                provider,
                id: id.into(),
                proof: Proof::None,
                assertion_audience: None,
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
    /// more by the provider's clock: the `Date` of its answer.
    ///
    /// [RFC 7523, section 2.2]: https://www.rfc-editor.org/rfc/rfc7523#section-2.2
    #[must_use]
    pub fn private_key(self, key: PrivateKey) -> Self {
        self.with(Proof::Key(key))
    }

    /// Where assertions come from that somebody else signs: a key management service, or a platform that
    /// vouches for the program, as Kubernetes does for Entra ID by a [`TokenFile`](crate::TokenFile). The
    /// source is asked for every token request.
    #[must_use]
    pub fn assertions<S>(self, source: S) -> Self
    where
        S: TokenSource + Send + Sync + 'static,
        S::Future: Send + 'static,
    {
        self.with(Proof::Assertions(Arc::new(source)))
    }

    /// Whom assertions of [`private_key`](OAuthClient::private_key) are meant for. By default the issuer
    /// identifier where it is known, and else the token endpoint.
    #[must_use]
    pub fn assertion_audience(mut self, audience: impl Into<String>) -> Self {
        Arc::make_mut(&mut self.shared).assertion_audience = Some(audience.into());
        self
    }

    /// The wall clock that assertions are dated by. The system's by default.
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
        let sent = self.post(metadata, endpoint, asked, &form, ahead).await?;
        let skew = self.skew(&sent);
        let answer = judge(sent, asked, &what);
        let (Err(error), Some(skew), Proof::Key(_)) = (&answer, skew, &self.shared.proof) else {
            return answer;
        };
        // The assertion may have been dated by a clock that the provider does not share.
        let refused = OAuthError::of(error).is_some_and(|e| e.code() == "invalid_client");
        if !refused || skew.abs_diff(ahead) <= TOLERATED_SKEW {
            return answer;
        }
        let sent = self.post(metadata, endpoint, asked, &form, skew).await?;
        let answer = judge(sent, asked, &what);
        if answer.is_ok() {
            self.shared.ahead.store(skew, Ordering::Relaxed);
        }
        answer
    }

    async fn post(
        &self,
        metadata: &Metadata,
        endpoint: &Uri,
        asked: Asked,
        form: &Form,
        ahead: i64,
    ) -> Result<Reply, AuthError> {
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(endpoint)
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let mut proof = Form::default();
        match &self.shared.proof {
            Proof::Secret(secret) if !metadata.takes_secret_in_body_only => {
                request = request.header(header::AUTHORIZATION, self.basic(secret)?);
            }
            other => {
                proof.push("client_id", self.id());
                match other {
                    Proof::None => {}
                    Proof::Secret(secret) | Proof::SecretInBody(secret) => {
                        proof.push_secret("client_secret", secret);
                    }
                    Proof::Key(key) => {
                        let endpoint = || metadata.token_endpoint.to_string();
                        let audience = self.shared.assertion_audience.clone();
                        let audience = audience.or_else(|| metadata.issuer.clone());
                        let now = shifted(self.now(), ahead);
                        let audience = audience.unwrap_or_else(endpoint);
                        let assertion = key.assertion(self.id(), &audience, now)?;
                        proof.push("client_assertion_type", ASSERTION_TYPE);
                        proof.push_secret("client_assertion", &assertion);
                    }
                    Proof::Assertions(source) => {
                        let assertion = Secret::new(source.fetch().await?.expose());
                        proof.push("client_assertion_type", ASSERTION_TYPE);
                        proof.push_secret("client_assertion", &assertion);
                    }
                }
            }
        }
        let request = request.body(Full::new(form.body_with(&proof)));
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
        let mut value = HeaderValue::from_str(&text).map_err(|_| unwritable("the secret"))?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// How many seconds the provider's clock is ahead, by the date of its answer. That one is believed:
    /// it came over https, or from this machine.
    fn skew(&self, reply: &Reply) -> Option<i64> {
        let date = reply.headers.get(header::DATE)?.to_str().ok()?;
        let theirs = httpdate::parse_http_date(date).ok()?;
        let ours = self.now();
        let seconds = |d: Duration| i64::try_from(d.as_secs()).ok();
        match theirs.duration_since(ours) {
            Ok(ahead) => seconds(ahead),
            Err(behind) => Some(-seconds(behind.duration())?),
        }
    }
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
