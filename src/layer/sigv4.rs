//! AWS Signature Version 4.

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::{StatusCode, Uri, header, request, response};

use super::acquire::Acquire;
use super::guard::{Admission, Existing, Guard, Resolved, Setting, has_header, keep_first};
use super::hint::AuthHint;
use super::overrides::AuthOverride;
use super::reject::{Attempt, Reason, Refusal, Skew, Skews, TOLERANCE, skew_that_matters};
use super::{Applied, Authorizer, BodySigner, Guarded, Need, Scoped, Verdict};
use crate::clock::Clock;
use crate::error::{AuthError, AuthErrorKind};
use crate::identity::CredentialsSource;
use crate::origin::{Target, is_plain};
use crate::payload::PayloadHash;
use crate::query;
use crate::sigv4::presigned::{
    SECURITY_TOKEN, is_of_presignature, is_presigned, with_one_presignature, without_presignature,
};
use crate::sigv4::{Presigning, Signer, SigningCredentials, X_AMZ_SECURITY_TOKEN};

mod layer;
mod plain_uri;

pub use layer::{SigV4Layer, Signs};

use self::plain_uri::{align_host_header, check_encrypted, with_plain_authority};

/// The [`Authorizer`] of [`SigV4Layer`].
pub struct SigV4<C> {
    source: Arc<C>,
    signer: Signer,
    payload: PayloadMode,
    /// If the signature goes into the query.
    presigning: Option<Arc<Presigning>>,
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
    /// What signs the pieces of the body, until it is on its way.
    signer: Option<BodySigner>,
}

impl<C: CredentialsSource> Authorizer for SigV4<C> {
    type Plan = SigV4Plan;
    type Credential = SigningCredentials;
    type Acquire = Acquire<C::Future, SigningCredentials>;

    // Out of the way of the other schemes, where a selector has all of them.
    #[inline(never)]
    fn cover(&self, head: &mut request::Parts) -> Result<Option<(SigV4Plan, Need)>, AuthError> {
        match self.covers_at_once(head) {
            true => Ok(Some((SigV4Plan::default(), self.need()))),
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
        // What `cover` could not know: how the body would be made ready.
        if payload.is_unsigned() && head.uri.scheme_str() != Some("https") {
            check_encrypted(&head.uri)?;
        }
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
        if let Some(presigning) = &self.presigning {
            self.signer
                .presign_quietly(head, credentials, payload, time, presigning)?;
            return Ok(Applied::default());
        }
        self.signer.sign(head, credentials, payload, time)?;
        if payload.has_signed_pieces() {
            plan.signer = self.body_signer_of(head, credentials, payload, (now, time))?;
        }
        Ok(Applied::default())
    }

    #[inline]
    fn body_signer(&self, plan: &mut SigV4Plan) -> Option<BodySigner> {
        plan.signer.take()
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
                    let at = (now, self.tolerance());
                    self.skews.refused(attempt, reason, &head.headers, at)
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
            let at = (self.clock.now(), self.tolerance());
            let measured = plan
                .attempt
                .as_ref()
                .and_then(|attempt| skew_that_matters(attempt, &head.headers, at));
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
    /// Goes by what another has learned of servers' clocks, and adds to it.
    #[cfg(feature = "amplify")]
    pub(crate) fn learn_from(&mut self, other: &Self) {
        self.skews = other.skews.clone();
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

    /// By how much the clocks may differ before a signature is refused for it. A URL that lasts for less than what
    /// services take otherwise is over when it arrives, if it was made by a slower clock.
    fn tolerance(&self) -> Duration {
        let presigning = self.presigning.as_ref();
        presigning.map_or(TOLERANCE, |presigning| TOLERANCE.min(presigning.time()))
    }

    /// What a signature of the payload needs of it.
    #[inline]
    fn need(&self) -> Need {
        match self.signer.takes_chunks() {
            // The signatures of pieces cover that of the head, in its header.
            _ if self.presigning.is_some() || self.signer.is_v4a() => Need::Payload,
            true => Need::Chunks,
            false => Need::Events,
        }
    }

    /// What signs the pieces of a body, whose head was signed as of `time` when it was `now` by the clock.
    #[cold]
    fn body_signer_of(
        &self,
        head: &request::Parts,
        credentials: &SigningCredentials,
        payload: &PayloadHash,
        (now, time): (SystemTime, SystemTime),
    ) -> Result<Option<BodySigner>, AuthError> {
        if payload.has_signed_chunks() {
            let signer = self.signer.chunk_signer(head, credentials, time)?;
            return Ok(Some(BodySigner::Chunks(Box::new(signer))));
        }
        #[cfg(feature = "event-stream")]
        {
            let signer = self.signer.event_signer(head, credentials)?;
            // By the clock that the head went by, be it corrected or not, and whatever becomes of the machine's
            // meanwhile.
            let (clock, started) = (self.clock.clone(), self.clock.moment().monotonic);
            let clock = Clock::from_fn(move || {
                let passed = match clock.is_system() {
                    true => clock.moment().monotonic.since(started),
                    false => clock.now().duration_since(now).unwrap_or_default(),
                };
                time.checked_add(passed).unwrap_or(time)
            });
            Ok(Some(BodySigner::Events(Box::new((signer, clock)))))
        }
        #[cfg(not(feature = "event-stream"))]
        {
            let _ = now;
            Ok(None)
        }
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
            Some(hash) if hash.has_signed_pieces() => return Err(signatures_at_hand()),
            Some(hash) => Need::Hashed(hash),
            None => match self.payload {
                PayloadMode::Signed => self.need(),
                PayloadMode::Unsigned => Need::Hashed(PayloadHash::Unsigned),
            },
        };
        let plan = SigV4Plan {
            credentials: overrides.and_then(AuthOverride::own_credentials).cloned(),
            ..SigV4Plan::default()
        };

        let mut uri = None;
        let current = resolved.uri(head);
        if let Need::Hashed(hash) = need
            && hash.is_unsigned()
        {
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

/// Chunks and events cannot have been signed before the head, whose signature they cover.
#[cold]
fn signatures_at_hand() -> AuthError {
    AuthError::new(
        AuthErrorKind::Request,
        "a body cannot bring signed chunks or events along, which cover the signature of the head: leave them to \
         the layer, with `.payload(Chunked::signed())` or `.payload(SignedEvents)`",
    )
}

#[cold]
fn is_loopback(uri: &Uri) -> bool {
    matches!(Target::of(uri), Ok(Some(target)) if target.is_loopback())
}

#[allow(private_interfaces)]
impl<C> Guarded for SigV4<C> {
    fn set(&mut self, setting: &Setting) {
        self.guard.set(setting);
        match setting {
            Setting::Clock(clock) => {
                self.clock = clock.clone();
                // What was learned is about the other one, which clones of the layer go on with.
                self.skews = Skews::default();
            }
            Setting::HeedLoopbackDate => self.date = Date::Loopback,
            Setting::IgnoreDate => self.date = Date::Ignored,
            _ => {}
        }
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
            presigning: self.presigning.clone(),
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
            .field("presigning", &self.presigning)
            .field("guard", &self.guard)
            .finish_non_exhaustive()
    }
}
