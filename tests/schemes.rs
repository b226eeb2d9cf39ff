//! Every scheme of the crate behind one type, so that a promise can be asked of all of them.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use bytes::Bytes;
use http::{HeaderName, Request, Response};
use http_body_util::Full;
use tower::util::BoxCloneService;
use tower::{Layer, Service, ServiceExt};
use tower_client_auth::layer::{Guarded, Scoped};
use tower_client_auth::sigv4::Presigning;
use tower_client_auth::{
    ApiKeyLayer, AuthBody, AuthError, AuthErrorKind, AuthOverride, AuthorizeLayer, Authorizer,
    BearerTokenLayer, BoxError, Buffer, Clock, Existing, Scope, SigV4Layer, Token, TokenStyle,
};

use crate::support::{Recorder, Seen};

/// In every secret, so that one search finds them all, in whatever place and encoding of the rest.
pub(crate) const CANARY: &str = "CANARY";
pub(crate) const API_KEY: &str = "da2-CANARY/apikey+7f3a";
pub(crate) const API_KEY_ENCODED: &str = "da2-CANARY%2Fapikey%2B7f3a";
pub(crate) const TOKEN: &str = "CANARY-token-91bc";
pub(crate) const OWN_TOKEN: &str = "CANARY-own-token-44d0";
const KEY_ID: &str = "AKIDCANARYLAYER";
const OWN_KEY_ID: &str = "AKIDCANARYOWN";
const SECRET_KEY: &str = "CANARY-secret-access-key";
pub(crate) const SESSION: &str = "CANARY-session-55de";
pub(crate) const OWN_SESSION: &str = "CANARY-own-session-0aa1";

pub(crate) const REGION: &str = "eu-west-1";
pub(crate) const SERVICE: &str = "execute-api";
/// The header and the query parameter of the schemes that let one choose.
pub(crate) const ID_TOKEN: &str = "x-id-token";
pub(crate) const QUERY_KEY: &str = "key";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    SigV4,
    /// SigV4 with credentials that the request brings along.
    OwnCredentials,
    /// SigV4 with the signature in the query.
    Presigned,
    ApiKey,
    QueryKey,
    Bearer,
    /// The token verbatim, in a header of its own.
    RawBearer,
    /// A token that the request brings along.
    OwnToken,
}

impl Scheme {
    pub(crate) const ALL: [Self; 8] = [
        Self::SigV4,
        Self::OwnCredentials,
        Self::Presigned,
        Self::ApiKey,
        Self::QueryKey,
        Self::Bearer,
        Self::RawBearer,
        Self::OwnToken,
    ];

    pub(crate) fn signs(self) -> bool {
        matches!(self, Self::SigV4 | Self::OwnCredentials | Self::Presigned)
    }

    /// Whether the credential is in the URI.
    pub(crate) fn is_in_query(self) -> bool {
        matches!(self, Self::Presigned | Self::QueryKey)
    }

    /// The headers that carry the credential.
    pub(crate) fn headers(self) -> &'static [&'static str] {
        match self {
            Self::SigV4 | Self::OwnCredentials => &["authorization", "x-amz-security-token"],
            Self::ApiKey => &["x-api-key"],
            Self::Presigned | Self::QueryKey => &[],
            Self::Bearer | Self::OwnToken => &["authorization"],
            Self::RawBearer => &[ID_TOKEN],
        }
    }

    /// What an authorized request has in its HTTP/1 head.
    pub(crate) fn marks(self) -> Vec<String> {
        match self {
            Self::SigV4 => signature_marks(KEY_ID, SESSION),
            Self::OwnCredentials => signature_marks(OWN_KEY_ID, OWN_SESSION),
            Self::Presigned => vec![
                format!("&X-Amz-Credential={KEY_ID}%2F"),
                format!("&X-Amz-Security-Token={SESSION}&"),
                "&X-Amz-Signature=".to_owned(),
            ],
            Self::ApiKey => vec![format!("\r\nx-api-key: {API_KEY}\r\n")],
            Self::QueryKey => vec![format!("{QUERY_KEY}={API_KEY_ENCODED} HTTP/1.1\r\n")],
            Self::Bearer => vec![format!("\r\nauthorization: Bearer {TOKEN}\r\n")],
            Self::RawBearer => vec![format!("\r\n{ID_TOKEN}: {TOKEN}\r\n")],
            Self::OwnToken => vec![format!("\r\nauthorization: Bearer {OWN_TOKEN}\r\n")],
        }
    }

    /// A request with all that this scheme wants the caller to say.
    pub(crate) fn request(self, uri: &str) -> Request<Full<Bytes>> {
        let mut request = Request::get(uri).body(Full::default()).expect(uri);
        match self {
            Self::OwnCredentials => {
                let own = AuthOverride::new().credentials(credentials(OWN_KEY_ID, OWN_SESSION));
                request
                    .extensions_mut()
                    .insert(own.expect("good credentials"));
            }
            Self::OwnToken => {
                let own = Token::new(OWN_TOKEN).expect("a good token");
                request
                    .extensions_mut()
                    .insert(AuthOverride::new().token(own));
            }
            _ => {}
        }
        request
    }

    pub(crate) fn layer<S, R>(self, setup: &Setup, inner: S) -> Result<Client<R>, AuthError>
    where
        S: Service<Request<AuthBody<Full<Bytes>>>, Response = Response<R>>,
        S: Clone + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send,
        R: Send + 'static,
    {
        let scope = setup.scope.clone();
        let token = Token::new(TOKEN)?;
        match self {
            Self::SigV4 | Self::OwnCredentials => {
                let layer = SigV4Layer::new(REGION, SERVICE, credentials(KEY_ID, SESSION))?;
                setup.apply(layer.scope(scope)?, inner)
            }
            Self::Presigned => {
                let layer = SigV4Layer::new(REGION, SERVICE, credentials(KEY_ID, SESSION))?;
                let presigning = Presigning::expires_in(Duration::from_secs(60))?;
                setup.apply(layer.presigned(presigning).scope(scope)?, inner)
            }
            Self::ApiKey => setup.apply(ApiKeyLayer::new(scope, API_KEY)?, inner),
            Self::QueryKey => {
                setup.apply(ApiKeyLayer::new(scope, API_KEY)?.query(QUERY_KEY)?, inner)
            }
            Self::Bearer | Self::OwnToken => {
                setup.apply(BearerTokenLayer::new(scope, token)?, inner)
            }
            Self::RawBearer => {
                let layer = BearerTokenLayer::new(scope, token)?
                    .style(TokenStyle::Raw)
                    .header_name(HeaderName::from_static(ID_TOKEN))?;
                setup.apply(layer, inner)
            }
        }
    }
}

fn signature_marks(key_id: &str, session: &str) -> Vec<String> {
    vec![
        format!("\r\nauthorization: AWS4-HMAC-SHA256 Credential={key_id}/"),
        format!("\r\nx-amz-security-token: {session}\r\n"),
    ]
}

fn credentials(key_id: &str, session: &str) -> Credentials {
    Credentials::new(key_id, SECRET_KEY, Some(session.to_owned()), None, "test")
}

pub(crate) fn layer_credentials() -> Credentials {
    credentials(KEY_ID, SESSION)
}

pub(crate) fn own_credentials() -> Credentials {
    credentials(OWN_KEY_ID, OWN_SESSION)
}

/// When everything in these tests is signed.
pub(crate) fn signing_time() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_440_938_160)
}

pub(crate) type Client<R> = BoxCloneService<Request<Full<Bytes>>, Response<R>, BoxError>;

/// What all schemes can be told.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) scope: Scope,
    pub(crate) existing: Existing,
    pub(crate) default_origin: Option<&'static str>,
    pub(crate) allow_host_header: bool,
}

impl Setup {
    pub(crate) fn of(scope: Scope) -> Self {
        Self {
            scope,
            existing: Existing::default(),
            default_origin: None,
            allow_host_header: false,
        }
    }

    pub(crate) fn at(origin: &str) -> Self {
        Self::of(Scope::origin(origin).expect(origin))
    }

    fn apply<A, S, R, P>(
        &self,
        layer: AuthorizeLayer<A, P>,
        inner: S,
    ) -> Result<Client<R>, AuthError>
    where
        A: Authorizer + Guarded + Scoped + Clone + Send + Sync + 'static,
        A::Plan: Send,
        A::Credential: Send,
        A::Acquire: Send,
        S: Service<Request<AuthBody<Full<Bytes>>>, Response = Response<R>>,
        S: Clone + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send,
        R: Send + 'static,
    {
        let mut layer = layer
            // One body type for all.
            .payload(Buffer::default())
            .clock(Clock::from_fn(signing_time))
            .existing(self.existing);
        if let Some(origin) = self.default_origin {
            layer = layer.default_origin(origin)?;
        }
        if self.allow_host_header {
            layer = layer.allow_host_header();
        }
        Ok(BoxCloneService::new(layer.layer(inner)))
    }
}

/// Sends one request, and says how it ended and what was sent.
pub(crate) async fn send(
    scheme: Scheme,
    setup: &Setup,
    request: Request<Full<Bytes>>,
) -> (Result<(), AuthErrorKind>, Recorder) {
    let recorder = Recorder::new();
    let client = scheme.layer(setup, recorder.clone()).expect("a layer");
    let outcome = match client.oneshot(request).await {
        Ok(_) => Ok(()),
        Err(error) => Err(AuthError::find(error.as_ref())
            .unwrap_or_else(|| panic!("not ours: {error}"))
            .kind()),
    };
    if outcome.is_err() {
        assert!(recorder.seen().is_empty(), "an error, and yet it was sent");
    }
    (outcome, recorder)
}

/// Whether a request carries any of the secrets.
pub(crate) fn has_credential(seen: &Seen) -> bool {
    let holds = |bytes: &[u8]| String::from_utf8_lossy(bytes).contains(CANARY);
    let mut values = seen.head.headers.values();
    values.any(|value| holds(value.as_bytes())) || holds(seen.head.uri.to_string().as_bytes())
}
