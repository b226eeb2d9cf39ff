//! An identity pool: AWS credentials for whoever has a login, and for guests.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};
use serde::{Deserialize, Serialize};

use super::endpoint::{Endpoint, Service};
use super::error::{Asked, CognitoError};
use super::identity_id::Identities;
use super::logins::{Logins, Sources, Voucher, are_alike, owner};
use crate::clock::Clock;
use crate::error::{AuthError, AuthErrorKind};
use crate::identity::Cached;
use crate::identity::cache::CacheRef;
use crate::identity::oauth::{RefreshTokenStore, Text, key};
use crate::identity::source::TokenSource;
use crate::identity::transport::{Reply, Transport};
use crate::sigv4::SigningCredentials;
use crate::standing::Standing;

/// A Cognito identity pool: AWS credentials for guests, and for users that some provider vouches for.
///
/// By itself it is for tokens from elsewhere than a user pool, or for guests only;
/// [`Session`](super::Session) joins it with a user pool.
///
/// ```
/// # use tower_client_auth::{SigV4Layer, Transport};
/// use tower_client_auth::cognito::IdentityPool;
///
/// # async fn send(_: http::Request<http_body_util::Full<bytes::Bytes>>)
/// #     -> Result<http::Response<http_body_util::Full<bytes::Bytes>>, tower_client_auth::BoxError> {
/// #     Ok(http::Response::default())
/// # }
/// # async fn ask_the_issuer() -> Result<String, std::io::Error> { Ok("t".into()) }
/// # let transport = Transport::new(tower::service_fn(send));
/// let credentials = IdentityPool::new("eu-west-1:01234567-89ab-cdef-0123-456789abcdef", transport)?
///     .login("login.example.com/tenant", || async { Ok(ask_the_issuer().await?) })
///     .cached();
/// let layer = SigV4Layer::new("eu-west-1", "execute-api", credentials)?;
/// # Ok::<(), tower_client_auth::AuthError>(())
/// ```
///
/// It is a [`ProvideCredentials`], so an AWS SDK client takes it as well. [`cached`](IdentityPool::cached) is what a
/// layer wants.
///
/// # What it calls, and when
///
/// `GetId` and `GetCredentialsForIdentity`, each time it is asked: behind a [`Cached`] once for all requests, and
/// again before the credentials end, which is after an hour. Both are public calls without a signature. With logins
/// it is the pool's role for users that signs, without any the one for guests; which role that is, the pool decides.
/// Between the two it never chooses by itself: a login whose token cannot be had, or is refused, is an error.
///
/// An identity's id is remembered, so that `GetId` is called once for each user. A guest's is all that there is of a
/// guest: keep it in a [`store`](IdentityPool::store), or every run of the program makes another.
///
/// # Errors
///
/// | what | the error |
/// |---|---|
/// | the pool gives nothing to guests | [`SignInRequired`](AuthErrorKind::SignInRequired) |
/// | a login's source fails | that error |
/// | the pool does not take the login, nor a newer token of its source; it does not exist; it has no role | [`Source`](AuthErrorKind::Source) |
/// | unreachable, slow, throttled, 5xx | [`Source`](AuthErrorKind::Source), transient |
#[derive(Clone)]
pub struct IdentityPool {
    endpoint: Endpoint,
    id: String,
    guests: bool,
    sources: Sources,
    identities: Identities,
    clock: Clock,
    /// The last access key that was given out, and as whose.
    issued: Arc<Mutex<Option<(String, Standing)>>>,
    /// The last logins that were refused although they were as new as any.
    hopeless: Arc<Mutex<Option<Logins>>>,
}

/// What operators know its credentials by.
pub(super) const CACHE: &str = "identity pool credentials";

/// Real ones have 55 characters or so.
const MAX_ID: usize = 256;

impl IdentityPool {
    /// The pool of that id, in the region that the id begins with.
    ///
    /// # Errors
    ///
    /// [`AuthErrorKind::Configuration`] for what is no id of an identity pool.
    pub fn new(pool_id: &str, transport: Transport) -> Result<Self, AuthError> {
        let endpoint = Endpoint::of_pool(Service::IdentityPools, pool_id, transport)?;
        Ok(Self {
            identities: Identities::new(key(&endpoint.id(), &[pool_id])),
            endpoint,
            id: pool_id.to_owned(),
            guests: true,
            sources: Sources::default(),
            clock: Clock::system(),
            issued: Arc::default(),
            hopeless: Arc::default(),
        })
    }

    /// Another place to call than AWS's for the region: an interface VPC endpoint, a FIPS endpoint, a server on
    /// this machine. A URL, or a host.
    ///
    /// # Errors
    ///
    /// [`AuthErrorKind::Configuration`] if `place` is neither a URL nor a host, and [`AuthErrorKind::PlainText`] for plain http to
    /// another machine.
    pub fn endpoint(mut self, place: &str) -> Result<Self, AuthError> {
        self.endpoint = self.endpoint.at(place)?;
        self.identities
            .rename(key(&self.endpoint.id(), &[&self.id]));
        Ok(self)
    }

    /// Does not even ask for credentials of a guest: for pools that have none.
    #[must_use]
    pub fn refuse_guests(mut self) -> Self {
        self.guests = false;
        self
    }

    /// Keeps the id of the identity between runs of the program. It is no secret, and is kept like one.
    #[must_use]
    pub fn store(mut self, store: impl RefreshTokenStore) -> Self {
        self.identities.set_store(Arc::new(store));
        self
    }

    /// A login: the name by which the pool knows the provider, and where the provider's tokens come from.
    ///
    /// | provider | name | token |
    /// |---|---|---|
    /// | any OpenID provider | its issuer, without `https://` | ID token |
    /// | a user pool | `cognito-idp.<region>.amazonaws.com/<pool id>` | ID token |
    /// | Google | `accounts.google.com` | ID token |
    /// | Apple | `appleid.apple.com` | ID token |
    /// | Facebook | `graph.facebook.com` | access token |
    /// | Amazon | `www.amazon.com` | access token |
    ///
    /// With several of them, one identity has all of these logins.
    #[must_use]
    pub fn login<S>(mut self, provider: &str, source: S) -> Self
    where
        S: TokenSource + Send + Sync + 'static,
        S::Future: Send + 'static,
    {
        self.sources.0.insert(provider.to_owned(), Arc::new(source));
        self.identities.forget_in_memory();
        self
    }

    /// The wall clock that lives of credentials are counted by. The system's by default.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Keeps credentials for all requests, and renews them before they end.
    pub fn cached(self) -> Cached<Self, SigningCredentials> {
        let clock = self.clock.clone();
        Cached::named(self, CACHE, clock)
    }

    /// The id of the identity, such as is in the path of a user's own files.
    ///
    /// # Errors
    ///
    /// See [`IdentityPool`].
    pub async fn identity_id(&self) -> Result<String, AuthError> {
        self.identity_of(&self.sources).await
    }

    pub(super) async fn identity_of(&self, voucher: &dyn Voucher) -> Result<String, AuthError> {
        let logins = voucher.logins().await?;
        self.check_guest(&logins)?;
        let owner = owner(&logins);
        if let Some(id) = self.identities.of(owner.as_deref()).await {
            return Ok(id);
        }
        let id = self.ask_for_id(&logins).await?;
        self.identities.remember(owner.as_deref(), &id).await;
        Ok(id)
    }

    pub(super) fn sources(&self) -> &Sources {
        &self.sources
    }

    pub(super) fn own_clock(&self) -> &Clock {
        &self.clock
    }

    pub(super) fn set_account(&mut self, account: &str) {
        let key = key(&self.endpoint.id(), &[&self.id, account]);
        self.identities.rename(key);
    }

    pub(super) fn set_default_store(&mut self, store: &Arc<dyn RefreshTokenStore>) {
        self.identities.set_default_store(store);
    }

    pub(super) async fn forget_identity(&self) {
        self.identities.forget().await;
    }

    pub(super) fn kept_by(&self, cache: &CacheRef) {
        for source in self.sources.0.values() {
            source.kept_by(cache.clone());
        }
    }

    /// Credentials of whoever `voucher` vouches for.
    pub(super) async fn issue(&self, voucher: &dyn Voucher) -> Result<Credentials, AuthError> {
        let logins = voucher.logins().await?;
        let refused = match self.credentials(&logins).await {
            Err(error) if is_refusal(&error) && !self.is_hopeless(&logins) => error,
            answer => return answer,
        };
        // They may be over by the pool's clock, or revoked. Others are asked for once: if those are refused as well,
        // it is not about the tokens, and each further try would be a refresh for nothing.
        voucher.reject(&logins);
        let newer = voucher.logins().await?;
        let answer = match are_alike(&newer, &logins) {
            true => Err(refused),
            false => self.credentials(&newer).await,
        };
        if answer.as_ref().is_err_and(is_refusal) {
            *lock(&self.hopeless) = Some(newer);
        }
        answer
    }

    fn is_hopeless(&self, logins: &Logins) -> bool {
        let hopeless = lock(&self.hopeless);
        logins.is_empty()
            || hopeless
                .as_ref()
                .is_some_and(|known| are_alike(known, logins))
    }

    /// Credentials of whoever these logins vouch for; of a guest, if there are none.
    async fn credentials(&self, logins: &Logins) -> Result<Credentials, AuthError> {
        self.check_guest(logins)?;
        let owner = owner(logins);
        if let Some(id) = self.identities.of(owner.as_deref()).await {
            match self.ask_for_credentials(&id, logins).await {
                // The identity was deleted, or belongs to somebody else by now. A guest has nothing but it.
                Err(error) if is_refusal(&error) && (!logins.is_empty() || is_gone(&error)) => {}
                answer => return answer,
            }
        }
        let id = self.ask_for_id(logins).await?;
        let credentials = self.ask_for_credentials(&id, logins).await?;
        // Not before it has proved good for something: it takes the place of another.
        self.identities.remember(owner.as_deref(), &id).await;
        Ok(credentials)
    }

    fn check_guest(&self, logins: &Logins) -> Result<(), AuthError> {
        match self.guests || !logins.is_empty() {
            true => Ok(()),
            false => Err(AuthError::new(
                AuthErrorKind::SignInRequired,
                "nobody is signed in, and the identity pool gives nothing to guests: sign in",
            )),
        }
    }

    async fn ask_for_id(&self, logins: &Logins) -> Result<String, AuthError> {
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct GetId<'a> {
            identity_pool_id: &'a str,
            #[serde(skip_serializing_if = "BTreeMap::is_empty")]
            logins: BTreeMap<&'a str, &'a str>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Answer {
            identity_id: String,
        }

        let call = GetId {
            identity_pool_id: &self.id,
            logins: exposed(logins),
        };
        let answer: Answer = self.endpoint.call(asked(logins), "GetId", &call).await?;
        let id = answer.identity_id;
        // It is stored, and stands in paths of files.
        match id.len() <= MAX_ID && id.bytes().all(|b| b.is_ascii_graphic()) {
            true => Ok(id),
            false => Err(self.endpoint.unreadable()),
        }
    }

    async fn ask_for_credentials(
        &self,
        id: &str,
        logins: &Logins,
    ) -> Result<Credentials, AuthError> {
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct GetCredentialsForIdentity<'a> {
            identity_id: &'a str,
            #[serde(skip_serializing_if = "BTreeMap::is_empty")]
            logins: BTreeMap<&'a str, &'a str>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Answer {
            credentials: Issued,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Issued {
            access_key_id: String,
            secret_key: Text,
            session_token: Text,
            expiration: f64,
        }

        let call = GetCredentialsForIdentity {
            identity_id: id,
            logins: exposed(logins),
        };
        let operation = "GetCredentialsForIdentity";
        let reply = self.endpoint.ask(asked(logins), operation, &call).await?;
        let answer: Answer = self.endpoint.read(&reply)?;
        let issued = answer.credentials;
        let end = self.end(&reply, issued.expiration);
        let standing = match logins.is_empty() {
            true => Standing::Guest,
            false => Standing::SignedIn,
        };
        *lock(&self.issued) = Some((issued.access_key_id.clone(), standing));
        Ok(Credentials::new(
            issued.access_key_id,
            issued.secret_key.0.expose(),
            Some(issued.session_token.0.expose().to_owned()),
            Some(end.ok_or_else(|| self.endpoint.unreadable())?),
            "CognitoIdentityPool",
        ))
    }

    /// As whom this access key was given out, if it was the last one.
    pub(super) fn standing_of(&self, access_key_id: &str) -> Option<Standing> {
        let issued = lock(&self.issued);
        let (last, standing) = issued.as_ref()?;
        (last == access_key_id).then_some(*standing)
    }

    /// When credentials end by this machine's clock, which need not be the pool's: how long they last is told by
    /// the answer's own date.
    fn end(&self, reply: &Reply, seconds: f64) -> Option<SystemTime> {
        let since_epoch = Duration::try_from_secs_f64(seconds).ok()?;
        let end = SystemTime::UNIX_EPOCH.checked_add(since_epoch)?;
        let date = reply.headers.get(http::header::DATE);
        let date = date.and_then(|date| httpdate::parse_http_date(date.to_str().ok()?).ok());
        match date {
            Some(date) => {
                let life = end.duration_since(date).unwrap_or_default();
                self.clock.now().checked_add(life)
            }
            None => Some(end),
        }
    }
}

fn asked(logins: &Logins) -> Asked {
    match logins.is_empty() {
        true => Asked::GuestCredentials,
        false => Asked::Credentials,
    }
}

fn exposed(logins: &Logins) -> BTreeMap<&str, &str> {
    let logins = logins.iter();
    logins
        .map(|(provider, token)| (provider.as_str(), token.expose()))
        .collect()
}

/// Whether the pool said no to this identity or these logins, rather than to anybody.
fn is_refusal(error: &AuthError) -> bool {
    let code = CognitoError::of(error).map(CognitoError::code);
    !error.is_transient()
        && matches!(
            code,
            Some(
                "NotAuthorizedException"
                    | "ResourceNotFoundException"
                    | "ResourceConflictException"
            )
        )
}

/// Whether a guest's identity is not there any more, or not a guest's.
fn is_gone(error: &AuthError) -> bool {
    CognitoError::of(error).is_some_and(|error| {
        error.code() == "ResourceNotFoundException" || error.says("is forbidden")
    })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ProvideCredentials for IdentityPool {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            self.issue(&self.sources).await.map_err(provider_error)
        })
    }
}

/// An error of ours as the SDKs know them. A cache of this crate finds it again.
pub(super) fn provider_error(error: AuthError) -> CredentialsError {
    match error.kind() {
        AuthErrorKind::SignInRequired => CredentialsError::not_loaded(error),
        AuthErrorKind::Configuration => CredentialsError::invalid_configuration(error),
        _ => CredentialsError::provider_error(error),
    }
}

impl fmt::Debug for IdentityPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdentityPool")
            .field("id", &self.id)
            .field("guests", &self.guests)
            .field("logins", &self.sources.0.keys())
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}
