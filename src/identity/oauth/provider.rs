//! The authorization server: where its endpoints are.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::lock::Mutex;
use http::{Method, Request, StatusCode, Uri, header};
use http_body_util::Full;

use super::error::is_for_now;
use super::metadata::{Metadata, is_plain_url};
use crate::clock::Monotonic;
use crate::error::{AuthError, AuthErrorKind};
use crate::identity::transport::{Transport, check_url};

/// An OAuth 2.0 or OpenID provider: where its endpoints are, and how to reach them.
///
/// ```
/// use tower_client_auth::Transport;
/// use tower_client_auth::oauth::Provider;
///
/// # async fn send(_: http::Request<http_body_util::Full<bytes::Bytes>>)
/// #     -> Result<http::Response<http_body_util::Full<bytes::Bytes>>, tower_client_auth::BoxError> {
/// #     Ok(http::Response::default())
/// # }
/// # let transport = Transport::new(tower::service_fn(send));
/// // asks https://login.example.com/.well-known/openid-configuration when it first has to know
/// let provider = Provider::discover("https://login.example.com", transport.clone())?;
///
/// // asks nobody
/// let provider = Provider::new("https://login.example.com/oauth2/token", transport)?
///     .device_authorization_endpoint("https://login.example.com/oauth2/device")?;
/// # Ok::<(), tower_client_auth::AuthError>(())
/// ```
///
/// Clones share what was discovered.
///
/// # Discovery
///
/// - It calls `<issuer>/.well-known/openid-configuration` ([OpenID Connect Discovery, section 4]), and if
///   there is none, `/.well-known/oauth-authorization-server<path of the issuer>` ([RFC 8414, section 3]),
///   when the first token is fetched, and again once that is a day ago. No secret is sent.
/// - The answer is used only if its `issuer` is the very text that was given here, as both demand: a
///   provider must not be able to speak for another one. All its endpoints have to be https, or on this
///   machine if the issuer is.
/// - While the provider cannot be reached, the endpoints that are known go on being used; until any are
///   known, that is a transient error, and the next attempt asks again.
///
/// [OpenID Connect Discovery, section 4]: https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfig
/// [RFC 8414, section 3]: https://www.rfc-editor.org/rfc/rfc8414#section-3
#[derive(Clone)]
pub struct Provider {
    transport: Transport,
    source: Source,
}

#[derive(Clone)]
enum Source {
    Given(Arc<Metadata>),
    Discovered(Arc<Discovery>),
}

struct Discovery {
    issuer: Issuer,
    /// Held while somebody asks: others wait for that answer.
    found: Mutex<Option<Found>>,
}

struct Found {
    metadata: Arc<Metadata>,
    until: Monotonic,
}

/// How long metadata is used. Endpoints hardly ever move, and a provider that moves them keeps the old
/// ones for longer than this.
const MAX_AGE: Duration = Duration::from_secs(24 * 3600);

/// When they cannot be had anew, and the old ones are used.
const ASK_AGAIN: Duration = Duration::from_secs(5 * 60);

impl Provider {
    /// A provider whose endpoints are found out from its issuer identifier, when they are first needed.
    ///
    /// # Errors
    ///
    /// [`AuthErrorKind::Configuration`] if `issuer` is no absolute URL without query and fragment, and
    /// [`AuthErrorKind::PlainText`] for plain http to another machine.
    pub fn discover(issuer: &str, transport: Transport) -> Result<Self, AuthError> {
        let issuer = Issuer::parse(issuer)?;
        Ok(Self {
            transport,
            source: Source::Discovered(Arc::new(Discovery {
                issuer,
                found: Mutex::new(None),
            })),
        })
    }

    /// A provider whose token endpoint is known. The other endpoints are set one by one, if they are needed.
    ///
    /// # Errors
    ///
    /// [`AuthErrorKind::Configuration`] if it is no absolute URL, and [`AuthErrorKind::PlainText`] for plain
    /// http to another machine.
    pub fn new(token_endpoint: &str, transport: Transport) -> Result<Self, AuthError> {
        let token_endpoint = endpoint(token_endpoint, "the token endpoint")?;
        Ok(Self {
            transport,
            source: Source::Given(Arc::new(Metadata::of_token_endpoint(token_endpoint))),
        })
    }

    /// Where a user signs in, in a browser.
    ///
    /// # Errors
    ///
    /// Those of [`Provider::new`]; [`AuthErrorKind::Configuration`] for a provider that is discovered.
    pub fn authorization_endpoint(self, url: &str) -> Result<Self, AuthError> {
        let url = endpoint(url, "the authorization endpoint")?;
        self.set(|metadata| metadata.authorization_endpoint = Some(url))
    }

    /// Where device codes are asked for ([RFC 8628](https://www.rfc-editor.org/rfc/rfc8628#section-3.1)).
    ///
    /// # Errors
    ///
    /// As above.
    pub fn device_authorization_endpoint(self, url: &str) -> Result<Self, AuthError> {
        let url = endpoint(url, "the device authorization endpoint")?;
        self.set(|metadata| metadata.device_authorization_endpoint = Some(url))
    }

    /// Where tokens are revoked ([RFC 7009](https://www.rfc-editor.org/rfc/rfc7009#section-2)).
    ///
    /// # Errors
    ///
    /// As above.
    pub fn revocation_endpoint(self, url: &str) -> Result<Self, AuthError> {
        let url = endpoint(url, "the revocation endpoint")?;
        self.set(|metadata| metadata.revocation_endpoint = Some(url))
    }

    /// The issuer identifier, if the provider has one: what an ID token's `iss` has to be, and the audience
    /// of client assertions.
    ///
    /// # Errors
    ///
    /// As above.
    pub fn issuer(self, issuer: &str) -> Result<Self, AuthError> {
        let issuer = Issuer::parse(issuer)?;
        self.set(|metadata| metadata.issuer = Some(issuer.text))
    }

    fn set(mut self, change: impl FnOnce(&mut Metadata)) -> Result<Self, AuthError> {
        match &mut self.source {
            Source::Given(metadata) => change(Arc::make_mut(metadata)),
            Source::Discovered(_) => {
                return Err(AuthError::new(
                    AuthErrorKind::Configuration,
                    "the endpoints of a provider that is discovered are what it says: use \
                     `Provider::new` to set them",
                ));
            }
        }
        Ok(self)
    }

    pub(super) fn transport(&self) -> &Transport {
        &self.transport
    }

    /// What tells this provider from others, before anything is discovered.
    pub(super) fn id(&self) -> String {
        match &self.source {
            Source::Discovered(discovery) => discovery.issuer.text.clone(),
            // Not the issuer, which is whatever the program says: the endpoint is what secrets go to.
            Source::Given(metadata) => metadata.token_endpoint.to_string(),
        }
    }

    /// The endpoints, asked for if they are not known, or not any more.
    pub(super) async fn metadata(&self) -> Result<Arc<Metadata>, AuthError> {
        let discovery = match &self.source {
            Source::Given(metadata) => return Ok(Arc::clone(metadata)),
            Source::Discovered(discovery) => discovery,
        };
        let mut found = discovery.found.lock().await;
        let now = Monotonic::now();
        match &*found {
            Some(known) if now < known.until => return Ok(Arc::clone(&known.metadata)),
            _ => {}
        }
        let (metadata, age) = match (discovery.ask(&self.transport).await, &*found) {
            (Ok(metadata), _) => (Arc::new(metadata), MAX_AGE),
            // They were good a moment ago.
            (Err(_), Some(known)) => (Arc::clone(&known.metadata), ASK_AGAIN),
            (Err(error), None) => return Err(error),
        };
        *found = Some(Found {
            metadata: Arc::clone(&metadata),
            until: now.saturating_add(age),
        });
        Ok(metadata)
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Provider");
        match &self.source {
            // Without its query.
            Source::Given(metadata) => {
                debug.field("token_endpoint", &metadata.token_endpoint.host())
            }
            Source::Discovered(discovery) => debug.field("issuer", &discovery.issuer.text),
        };
        debug.finish_non_exhaustive()
    }
}

impl Discovery {
    async fn ask(&self, transport: &Transport) -> Result<Metadata, AuthError> {
        let what = format!("the discovery document of {}", self.issuer.host());
        let mut answers = Vec::new();
        for url in self.issuer.well_known()? {
            let request = Request::builder()
                .method(Method::GET)
                .uri(url)
                .header(header::ACCEPT, "application/json")
                .body(Full::<Bytes>::default())
                .map_err(|_| not_an_issuer())?;
            let reply = transport.send(&what, request, 1).await?;
            match reply.status {
                StatusCode::OK => {
                    let https = self.issuer.is_https();
                    return Metadata::parse(&reply, &what, &self.issuer.text, https);
                }
                status if status.is_redirection() => {
                    return Err(AuthError::new(
                        AuthErrorKind::Configuration,
                        format!(
                            "{what} is somewhere else ({status}), and redirects are not followed: use \
                             the issuer that it leads to, or have your network let it through"
                        ),
                    ));
                }
                // Nothing there, which some servers say in other words.
                status if status.is_client_error() && !is_for_now(status) => answers.push(status),
                status => {
                    return Err(AuthError::passing(format!(
                        "{what} cannot be had: {status}"
                    )));
                }
            }
        }
        let is_missing = |status: &StatusCode| matches!(status.as_u16(), 404 | 410);
        match answers.iter().find(|status| !is_missing(status)) {
            // A firewall, perhaps.
            Some(status) => Err(AuthError::passing(format!(
                "{what} cannot be had: {status}"
            ))),
            None => Err(AuthError::refused(format!(
                "{what} does not exist: check the issuer, or use `Provider::new` with the token endpoint if the \
                 provider has no discovery"
            ))),
        }
    }
}

/// An issuer identifier: a URL that compares by its text.
struct Issuer {
    text: String,
    url: Uri,
}

impl Issuer {
    fn parse(text: &str) -> Result<Self, AuthError> {
        let url: Uri = text.parse().map_err(|_| not_an_issuer())?;
        check_url(&url, "the issuer")?;
        if url.query().is_some() || text.contains('#') {
            return Err(not_an_issuer());
        }
        Ok(Self {
            text: text.to_owned(),
            url,
        })
    }

    fn host(&self) -> &str {
        self.url.host().unwrap_or_default()
    }

    fn is_https(&self) -> bool {
        self.url.scheme_str() == Some("https")
    }

    /// Where its metadata may be: OpenID's place first, which is behind the path, then OAuth's, which is
    /// before it.
    fn well_known(&self) -> Result<[Uri; 2], AuthError> {
        let path = self.url.path().trim_end_matches('/');
        let at = |path: String| {
            let mut parts = self.url.clone().into_parts();
            parts.path_and_query = Some(path.parse().map_err(|_| not_an_issuer())?);
            Uri::from_parts(parts).map_err(|_| not_an_issuer())
        };
        Ok([
            at(format!("{path}/.well-known/openid-configuration"))?,
            at(format!("/.well-known/oauth-authorization-server{path}"))?,
        ])
    }
}

fn not_an_issuer() -> AuthError {
    AuthError::new(
        AuthErrorKind::Configuration,
        "expected an issuer, such as `https://login.example.com/tenant`: an absolute URL without query \
         and fragment",
    )
}

fn endpoint(url: &str, what: &str) -> Result<Uri, AuthError> {
    let uri = url.parse().ok().filter(|_| is_plain_url(url));
    let uri: Uri = uri.ok_or_else(|| {
        AuthError::new(
            AuthErrorKind::Configuration,
            format!("{what} is no URL: expected `https://host/path`"),
        )
    })?;
    check_url(&uri, what)?;
    Ok(uri)
}
