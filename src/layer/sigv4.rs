//! AWS Signature Version 4.

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;

use http::uri::Authority;
use http::{HeaderValue, StatusCode, Uri, header, request, response};

use super::acquire::Acquire;
use super::body::Buffer;
use super::guard::{Admission, Existing, Guard, Resolved, has_header, keep_first};
use super::hint::AuthHint;
use super::overrides::AuthOverride;
use super::reject::{Attempt, Reason, Refusal, Skew, Skews, skew_that_matters};
use super::scope::Scope;
use super::{Applied, AuthorizeLayer, Authorizer, Guarded, HeadOnly, Need, Scoped, Verdict};
use crate::clock::Clock;
use crate::error::{AuthError, AuthErrorKind};
use crate::identity::{CredentialsSource, IntoCredentialsSource};
use crate::origin::{Target, is_plain};
use crate::payload::PayloadHash;
use crate::query;
use crate::sigv4::{
    Signer, SigningCredentials, SigningOptions, SigningScope, X_AMZ_SECURITY_TOKEN,
};

/// Signs every request with AWS Signature Version 4, for IAM-protected APIs.
///
/// ```
/// use aws_credential_types::Credentials;
/// use tower::ServiceBuilder;
/// use tower_client_auth::{AuthBody, SigV4Layer};
///
/// # fn client() -> impl Clone { tower::service_fn(|_: http::Request<AuthBody<String>>| async {
/// #     Ok::<_, std::io::Error>(http::Response::new(String::new())) }) }
/// let credentials = Credentials::new("AKIDEXAMPLE", "secret", None, None, "example");
/// let service = ServiceBuilder::new()
///     .layer(SigV4Layer::new("eu-west-1", "execute-api", credentials)?)
///     .service(client());
/// # Ok::<(), tower_client_auth::AuthError>(())
/// ```
///
/// With credentials that rotate, for an API with a domain of its own, and smaller bodies:
///
/// ```
/// use aws_credential_types::Credentials;
/// use tower_client_auth::{Buffer, SigV4Layer};
///
/// # #[cfg(feature = "cache")] {
/// # let provider = Credentials::new("AKIDEXAMPLE", "secret", None, None, "example");
/// // `provider` is any `ProvideCredentials`, `aws_config`'s default chain for one
/// let layer = SigV4Layer::from_provider("eu-west-1", "execute-api", provider)?
///     .scope("https://api.example.com")?
///     .payload(Buffer::new(64 * 1024));
/// # }
/// # Ok::<(), tower_client_auth::AuthError>(())
/// ```
///
/// - **Where it signs**: [AWS's own domains](Scope::aws) and loopback; name a custom domain with
///   [`scope`](AuthorizeLayer::scope). Requests to anywhere else go out unsigned.
/// - **What it signs**: everything but the headers [listed here](crate::sigv4#what-is-signed); the
///   service's quirks come from [`SigningOptions::for_service`].
/// - **Bodies** are read and hashed first, up to 10 MiB ([`Buffer`]), because most services check the
///   hash. Hashing takes about 0.6 ms per MiB on the executor: for large bodies hand over a known
///   hash ([`AuthOverride::payload_hash`]), or leave them [unsigned](AuthorizeLayer::unsigned_payload)
///   where the service allows it. VPC Lattice demands that, and always gets it.
/// - **A request that is signed already**, by `Authorization` header or as a presigned URL, is left
///   alone, unless [`existing`](AuthorizeLayer::existing) says otherwise. Leftovers of a signature
///   without one (`x-amz-date` and its like, in headers or the query) are replaced.
///
/// The difference to calling `aws_sigv4` by hand: this layer knows the service's quirks, fetches and
/// renews credentials, reads the clock at the last moment, keeps the host it signed and the host it
/// sends the same, and signs nothing that goes to strangers.
///
/// See `examples/hyper_util.rs` for the service in a struct, `examples/aws_config.rs` for AWS's default
/// credentials chain, `examples/axum_proxy.rs` for a proxy that signs, and `examples/reqwest.rs`.
///
/// # Over tonic
///
/// The body that goes out is an [`AuthBody`](crate::AuthBody), and a tonic `Channel` takes a body of
/// tonic's. One line below the layer turns the first into the second, as in `examples/tonic.rs`:
///
/// ```text
/// .map_request(|request: Request<AuthBody<tonic::body::Body>>| request.map(tonic::body::Body::new))
/// ```
///
/// # Errors
///
/// [`AuthErrorKind::PayloadTooLarge`] and [`AuthErrorKind::Payload`] for bodies that cannot be read
/// into memory, [`AuthErrorKind::Expired`] for credentials that are over, the source's own errors,
/// and those of [`Signer::sign`].
pub type SigV4Layer<C, P = Buffer, I = HeadOnly> = AuthorizeLayer<SigV4<C>, P, I>;

impl<C: CredentialsSource> AuthorizeLayer<SigV4<C>, Buffer> {
    /// Signs for `service` (its signing name: `execute-api` for API Gateway) in `region`, with
    /// [`Credentials`](aws_credential_types::Credentials) or any [`CredentialsSource`].
    ///
    /// # Errors
    ///
    /// Those of [`SigningScope::new`] and [`SigningCredentials::new`].
    pub fn new<S>(region: &str, service: &str, credentials: S) -> Result<Self, AuthError>
    where
        S: IntoCredentialsSource<Source = C>,
    {
        let scope = SigningScope::new(region, service)?;
        Ok(Self::from_parts(
            SigV4 {
                source: Arc::new(credentials.into_credentials_source()?),
                signer: Signer::new(scope, SigningOptions::for_service(service)),
                payload: PayloadMode::Signed,
                guard: Guard::new(Scope::aws())?,
                clock: Clock::system(),
                skews: Skews::default(),
                date: Date::Https,
            },
            Buffer::default(),
        ))
    }
}

#[cfg(feature = "cache")]
impl<P> AuthorizeLayer<SigV4<crate::Cached<P, SigningCredentials>>, Buffer>
where
    P: aws_credential_types::provider::ProvideCredentials + 'static,
{
    /// Signs with the credentials of any AWS provider, kept in a cache of its own. To share a cache
    /// between layers, make one with [`Cached::credentials`](crate::Cached::credentials) and pass
    /// clones to [`SigV4Layer::new`](crate::SigV4Layer).
    ///
    /// # Errors
    ///
    /// Those of [`SigningScope::new`].
    pub fn from_provider(region: &str, service: &str, provider: P) -> Result<Self, AuthError> {
        Self::new(region, service, crate::Cached::credentials(provider))
    }
}

impl<C, P, I> AuthorizeLayer<SigV4<C>, P, I> {
    /// Signing options in place of the service's preset.
    pub fn options(mut self, options: SigningOptions) -> Self {
        let scope = self.authorizer_mut().signer.scope().clone();
        self.authorizer_mut().signer = Signer::new(scope, options);
        self
    }

    /// Lets servers on loopback correct the clock as well, which takes https otherwise: for tests against
    /// local ones, whose `Date` nobody else can change on its way.
    pub fn heed_loopback_date(mut self) -> Self {
        self.authorizer_mut().heed_loopback_date();
        self
    }

    /// Goes by its own clock alone, whatever servers say.
    ///
    /// Otherwise a server over https that refuses a signature can move the time of later ones for its own
    /// origin, by a day at most. Whoever ends TLS in front of the service could collect signatures so that
    /// are good for another day.
    pub fn ignore_date(mut self) -> Self {
        self.authorizer_mut().ignore_date();
        self
    }

    /// Does not sign the body, so that it streams: `UNSIGNED-PAYLOAD`.
    ///
    /// TLS is all that protects the body then, so plain http is refused except to loopback. S3
    /// accepts it; API Gateway and most other services do not. VPC Lattice accepts nothing else,
    /// and needs no call of this.
    pub fn unsigned_payload(mut self) -> Self {
        self.authorizer_mut().payload = PayloadMode::Unsigned;
        self
    }
}

/// The [`Authorizer`] of [`SigV4Layer`].
pub struct SigV4<C> {
    source: Arc<C>,
    signer: Signer,
    payload: PayloadMode,
    guard: Guard,
    clock: Clock,
    skews: Skews,
    date: Date,
}

/// Whose `Date` may correct the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Date {
    /// That of servers over https: nobody else can set it on the way.
    Https,
    /// That of local servers as well.
    Loopback,
    /// Nobody's.
    Ignored,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PayloadMode {
    Signed,
    Unsigned,
}

/// What a SigV4 layer decided about a request.
#[derive(Debug, Default)]
pub struct SigV4Plan {
    credentials: Option<SigningCredentials>,
    /// The latest signature, if the answer's `Date` can be trusted.
    attempt: Option<Attempt>,
    /// How far the server's clock seems to be off, for the next signature.
    guess: Cell<Option<Skew>>,
}

impl<C: CredentialsSource> Authorizer for SigV4<C> {
    type Plan = SigV4Plan;
    type Credential = SigningCredentials;
    type Acquire = Acquire<C::Future, SigningCredentials>;

    // Out of the way of the other schemes, where a selector has all of them.
    #[inline(never)]
    fn cover(&self, head: &mut request::Parts) -> Result<Option<(SigV4Plan, Need)>, AuthError> {
        match self.covers_at_once(head) {
            true => Ok(Some((SigV4Plan::default(), Need::Payload))),
            false => self.look_closer(head),
        }
    }

    fn acquire(&self, plan: &SigV4Plan) -> Self::Acquire {
        match &plan.credentials {
            Some(credentials) => Acquire::own(credentials.clone()),
            None => Acquire::source(self.source.credentials()),
        }
    }

    fn at_hand(&self, plan: &SigV4Plan) -> Option<SigningCredentials> {
        match &plan.credentials {
            Some(credentials) => Some(credentials.clone()),
            None => self.source.at_hand(),
        }
    }

    fn apply(
        &self,
        plan: &mut SigV4Plan,
        credentials: &SigningCredentials,
        payload: &PayloadHash,
        head: &mut request::Parts,
    ) -> Result<Applied, AuthError> {
        let checked = plan.credentials.is_none() && self.source.checks_expiry();
        let now = if !checked && credentials.may_expire() {
            let now = self.clock.moment();
            if credentials.has_expired(&now) {
                return Err(AuthError::new(
                    AuthErrorKind::Expired,
                    "the AWS credentials have expired and the source has no newer ones; the \
                     request was not sent",
                ));
            }
            now.wall
        } else {
            self.clock.now()
        };
        let mut time = now;
        plan.attempt = match head.uri.authority() {
            Some(authority) => {
                // Anybody on the way can set a `Date` over plain http.
                let https = head.uri.scheme_str() == Some("https");
                let heeds = https || self.date == Date::Loopback && is_loopback(&head.uri);
                (heeds && self.date != Date::Ignored).then(|| {
                    let (attempt, guess);
                    guess = plan.guess.take();
                    (attempt, time) = self.skews.attempt(https, authority, now, guess);
                    attempt
                })
            }
            None => None,
        };
        self.signer.sign(head, credentials, payload, time)?;
        Ok(Applied::default())
    }

    fn judge(
        &self,
        plan: &SigV4Plan,
        _credentials: &SigningCredentials,
        head: &response::Parts,
        peeked: Option<&[u8]>,
    ) -> Verdict {
        if head.status.is_success() {
            self.accepted(plan);
            return Verdict::Accept;
        }
        if !may_refuse(head.status) {
            return Verdict::Accept;
        }
        let refusal = Refusal::of(head, peeked);
        let reason = refusal.reason();
        // Credentials the caller brought are the caller's to renew.
        let refresh = match &plan.credentials {
            None => Verdict::Refresh,
            Some(_) => Verdict::Accept,
        };
        match reason {
            // An answer that says something else is the application's, and so is any 400 for that matter.
            None if head.status == StatusCode::BAD_REQUEST || refusal.is_readable => {
                Verdict::Accept
            }
            Some(Reason::Clock | Reason::Signature) | None => {
                let skew = plan.attempt.as_ref().and_then(|attempt| {
                    let now = self.clock.now();
                    self.skews.refused(attempt, reason, &head.headers, now)
                });
                plan.guess.set(skew);
                match skew {
                    Some(_) => Verdict::Resync,
                    None if refusal.is_request_expired() => refresh,
                    None => Verdict::Accept,
                }
            }
            Some(Reason::Expired | Reason::Unknown) => refresh,
            Some(_) => Verdict::Accept,
        }
    }

    fn hint(
        &self,
        plan: &SigV4Plan,
        credentials: &SigningCredentials,
        head: &response::Parts,
        peeked: Option<&[u8]>,
    ) -> Option<AuthHint> {
        if !may_refuse(head.status) {
            return None;
        }
        let refusal = Refusal::of(head, peeked);
        let skew = || {
            let measured = plan
                .attempt
                .as_ref()
                .and_then(|attempt| skew_that_matters(attempt, &head.headers, self.clock.now()));
            measured.map(|skew| AuthHint::ClockSkew {
                seconds: Some(skew.seconds()),
            })
        };
        match refusal.reason() {
            Some(Reason::Clock) => skew().or(Some(AuthHint::ClockSkew { seconds: None })),
            Some(Reason::Signature) => skew().or(Some(AuthHint::SignatureMismatch)),
            Some(Reason::Mismatch) => Some(AuthHint::SignatureMismatch),
            Some(Reason::Expired) => Some(AuthHint::CredentialsExpired),
            Some(Reason::Unknown) => Some(AuthHint::CredentialsUnknown),
            Some(Reason::Scope) => Some(AuthHint::WrongScope {
                expected: refusal.expected_scope().map(Into::into),
            }),
            Some(Reason::Denied) => Some(AuthHint::AccessDenied {
                role: refusal.role().map(Into::into),
                standing: credentials.standing(),
            }),
            Some(Reason::Unsigned) => Some(AuthHint::NoSuchRoute),
            Some(Reason::Incomplete | Reason::Unauthorized) => Some(AuthHint::WrongMode),
            Some(Reason::Forbidden) => Some(AuthHint::Forbidden),
            Some(Reason::Other) => None,
            None if head.status == StatusCode::BAD_REQUEST || refusal.is_readable => None,
            None => skew(),
        }
    }

    fn is_same(&self, rejected: &SigningCredentials, acquired: &SigningCredentials) -> bool {
        rejected.is_alike(acquired)
    }

    fn reject(&self, _plan: &SigV4Plan, credentials: &SigningCredentials) {
        self.source.rejected(credentials);
    }
}

/// Whether an answer with this status may be about the signature. A service that speaks JSON says 400.
fn may_refuse(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN
    )
}

impl<C> SigV4<C> {
    pub(crate) fn ignore_date(&mut self) {
        self.date = Date::Ignored;
    }

    pub(crate) fn heed_loopback_date(&mut self) {
        self.date = Date::Loopback;
    }

    /// Hears that a signature was good, whatever came of the request.
    #[inline]
    fn accepted(&self, plan: &SigV4Plan) {
        if let Some(attempt) = &plan.attempt {
            self.skews.accepted(attempt);
        }
    }

    /// Whether a request has its payload signed and can go as it is, without a closer look: it says nothing
    /// of its own authorization, and there is nothing to be changed about its URI. Many do.
    #[inline]
    fn covers_at_once(&self, head: &request::Parts) -> bool {
        matches!(self.payload, PayloadMode::Signed)
            && self.signer.signs_payload()
            && head.uri.query().is_none()
            && self.guard.existing() != Existing::Reject
            && self.guard.admits_plainly(head)
            && !has_header(&head.headers, &header::AUTHORIZATION)
    }

    fn look_closer(
        &self,
        head: &mut request::Parts,
    ) -> Result<Option<(SigV4Plan, Need)>, AuthError> {
        let overrides = AuthOverride::of(head);
        let resolved = match self.guard.admits_at_once(head) {
            true => Resolved::UNCHANGED,
            false => match self.guard.admit(head, overrides)? {
                Admission::Cover(resolved) => resolved,
                Admission::Leave(resolved) => {
                    resolved.commit(head);
                    return Ok(None);
                }
            },
        };
        let signed = has_header(&head.headers, &header::AUTHORIZATION);
        let presigned = is_presigned(&head.uri);
        if signed || presigned {
            match self.guard.existing() {
                Existing::Keep => {
                    let kept = with_one_presignature(resolved.uri(head))?;
                    resolved.commit(head);
                    if let Some(uri) = kept {
                        head.uri = uri;
                    }
                    keep_first(head, &header::AUTHORIZATION);
                    keep_first(head, &X_AMZ_SECURITY_TOKEN);
                    return Ok(None);
                }
                Existing::Reject => return Err(Existing::refuse("a signature")),
                Existing::Replace => {}
            }
        }
        if self.guard.existing() == Existing::Reject
            && (head.headers.contains_key(X_AMZ_SECURITY_TOKEN)
                || query::pairs(&head.uri).any(|pair| query::is_named_like(pair, SECURITY_TOKEN)))
        {
            return Err(Existing::refuse("a session token"));
        }
        let need = match overrides.and_then(AuthOverride::own_payload_hash) {
            // A hash does not help a service that takes none.
            _ if !self.signer.signs_payload() => Need::Hashed(PayloadHash::Unsigned),
            Some(hash) => Need::Hashed(hash),
            None => match self.payload {
                PayloadMode::Signed => Need::Payload,
                PayloadMode::Unsigned => Need::Hashed(PayloadHash::Unsigned),
            },
        };
        let plan = SigV4Plan {
            credentials: overrides.and_then(AuthOverride::own_credentials).cloned(),
            ..SigV4Plan::default()
        };

        let mut uri = None;
        let current = resolved.uri(head);
        if need == Need::Hashed(PayloadHash::Unsigned) {
            check_encrypted(current)?;
        }
        if query::pairs(current).any(is_of_presignature) {
            uri = Some(without_presignature(current)?);
        }
        let current = uri.as_ref().unwrap_or(current);
        if !current.authority().is_some_and(is_plain)
            && let Some(plain) = with_plain_authority(current)?
        {
            uri = Some(plain);
        }

        // Nothing fails from here on.
        resolved.commit(head);
        if let Some(uri) = uri {
            head.uri = uri;
        }
        if !self.guard.allows_host_header() && has_header(&head.headers, &header::HOST) {
            align_host_header(head);
        }
        Ok(Some((plan, need)))
    }
}

#[cold]
fn is_loopback(uri: &Uri) -> bool {
    matches!(Target::of(uri), Ok(Some(target)) if target.is_loopback())
}

/// The query parameters of a presigned URL.
const PRESIGNED: [&str; 7] = [
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-SignedHeaders",
    SIGNATURE,
    SECURITY_TOKEN,
];
const SIGNATURE: &str = "X-Amz-Signature";
const SECURITY_TOKEN: &str = "X-Amz-Security-Token";

fn is_presigned(uri: &Uri) -> bool {
    query::pairs(uri).any(|pair| query::is_named_like(pair, SIGNATURE))
}

fn is_of_presignature(pair: &str) -> bool {
    PRESIGNED
        .iter()
        .any(|name| query::is_named_like(pair, name))
}

/// Without a signature too they are leftovers: services refuse a request that seems to be signed in
/// two ways.
fn without_presignature(uri: &Uri) -> Result<Uri, AuthError> {
    query::replace(uri, &query::without(uri, is_of_presignature))
}

/// The URI with the first copy of each parameter of a presigned URL, if there are more.
fn with_one_presignature(uri: &Uri) -> Result<Option<Uri>, AuthError> {
    let mut seen = [false; PRESIGNED.len()];
    let mut repeated = false;
    let text = query::without(uri, |pair| {
        let known = PRESIGNED.iter().zip(&mut seen);
        let again = known
            .filter(|(name, _)| query::is_named_like(pair, name))
            .any(|(_, seen)| std::mem::replace(seen, true));
        repeated |= again;
        again
    });
    repeated.then(|| query::replace(uri, &text)).transpose()
}

/// An unsigned body has nothing but TLS to protect it.
fn check_encrypted(uri: &Uri) -> Result<(), AuthError> {
    match Target::of(uri)? {
        Some(target) if target.https || target.is_loopback() => Ok(()),
        _ => Err(AuthError::new(
            AuthErrorKind::PlainText,
            "an unsigned payload needs https: anybody on the way could change it",
        )),
    }
}

/// The URI without userinfo and without a port that is the scheme's own, if it has either. HTTP/2
/// sends the authority as it is, and the signed host has neither.
fn with_plain_authority(uri: &Uri) -> Result<Option<Uri>, AuthError> {
    let (Some(authority), Some(target)) = (uri.authority(), Target::of(uri)?) else {
        return Ok(None);
    };
    let explicit_default = authority.as_str().len() > target.host.len() && target.default_port();
    // `:08443` is parsed as the number that is signed.
    let odd_port = authority
        .port()
        .is_some_and(|port| port.as_str().starts_with(['0', '+']));
    if !explicit_default && !odd_port && !authority.as_str().contains('@') {
        return Ok(None);
    }
    let text = if target.default_port() {
        target.host.to_owned()
    } else {
        format!("{}:{}", target.host, target.port)
    };
    let malformed = || {
        AuthError::new(
            AuthErrorKind::Request,
            "the request's URI has no usable host",
        )
    };
    let mut parts = uri.clone().into_parts();
    parts.authority = Some(Authority::try_from(text).map_err(|_| malformed())?);
    Uri::from_parts(parts).map(Some).map_err(|_| malformed())
}

/// A `Host` header that means the URI's authority is made to read like it, because it is sent, and
/// checked, as it stands.
fn align_host_header(head: &mut request::Parts) {
    let Some(host) = head.headers.get_mut(header::HOST) else {
        return;
    };
    let plain = head.uri.authority().map(Authority::as_str);
    if plain.is_some_and(|plain| plain.as_bytes() != host.as_bytes())
        && let Some(Ok(value)) = plain.map(HeaderValue::from_str)
    {
        *host = value;
    }
}

#[allow(private_interfaces)]
impl<C> Guarded for SigV4<C> {
    fn each_guard(&mut self, change: &mut dyn FnMut(&mut Guard)) {
        change(&mut self.guard);
    }

    fn set_clock(&mut self, clock: Clock) {
        self.clock = clock;
        // What was learned is about the other one, which clones of the layer go on with.
        self.skews = Skews::default();
    }
}

#[allow(private_interfaces)]
impl<C> Scoped for SigV4<C> {
    fn guard_mut(&mut self) -> &mut Guard {
        &mut self.guard
    }
}

impl<C> Clone for SigV4<C> {
    fn clone(&self) -> Self {
        Self {
            source: Arc::clone(&self.source),
            signer: self.signer.clone(),
            payload: self.payload,
            guard: self.guard.clone(),
            clock: self.clock.clone(),
            skews: self.skews.clone(),
            date: self.date,
        }
    }
}

impl<C> fmt::Debug for SigV4<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigV4")
            .field("signer", &self.signer)
            .field("payload", &self.payload)
            .field("guard", &self.guard)
            .finish_non_exhaustive()
    }
}
