//! An identity pool: AWS credentials for whoever has a login, and for guests.

use std::fmt;
use std::sync::{Arc, Mutex};

use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};

use super::endpoint::{Endpoint, Service};
use super::identity_id::Identities;
use super::logins::Sources;
use crate::clock::Clock;
use crate::error::{AuthError, AuthErrorKind};
use crate::identity::Cached;
use crate::identity::cache::CacheRef;
use crate::identity::oauth::{RefreshTokenStore, key};
use crate::identity::source::TokenSource;
use crate::identity::transport::Transport;
use crate::lock::lock;
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
/// `GetCredentialsForIdentity`, each time it is asked, and `GetId` before, where the identity is not known yet: behind
/// a [`Cached`] once for all requests, and again before the credentials end, which is after an hour. Both are public
/// calls without a signature. With logins
/// it is the pool's role for users that signs, without any the one for guests; which role that is, the pool decides.
/// Between the two it never chooses by itself: a login whose token cannot be had, or is refused, is an error.
///
/// An identity's id is remembered, for as long as the user stays the same. A guest's is all that there is of a
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
    pub(super) endpoint: Endpoint,
    pub(super) id: String,
    pub(super) guests: bool,
    sources: Sources,
    pub(super) identities: Identities,
    pub(super) clock: Clock,
    /// The last access key that was given out, and as whose.
    pub(super) issued: Arc<Mutex<Option<(String, Standing)>>>,
    /// The last logins that were refused, and those that were as new as any and refused as well.
    pub(super) hopeless: Arc<Mutex<[[u8; 32]; 2]>>,
}

/// What operators know its credentials by.
pub(super) const CACHE: &str = "identity pool credentials";

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
    /// [`AuthErrorKind::Configuration`] if `place` is neither a URL nor a host, and [`AuthErrorKind::PlainText`] for
    /// plain http to another machine.
    pub fn endpoint(mut self, place: &str) -> Result<Self, AuthError> {
        self.endpoint = self.endpoint.at(place)?;
        self.identities
            .rename(key(&self.endpoint.id(), &[&self.id]));
        self.hopeless = Arc::default();
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
        self.hopeless = Arc::default();
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

    pub(super) fn sources(&self) -> &Sources {
        &self.sources
    }

    pub(super) fn set_account(&mut self, account: &str) {
        let key = key(&self.endpoint.id(), &[&self.id, account]);
        self.identities.rename(key);
        self.hopeless = Arc::default();
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

    /// As whom this access key was given out, if it was the last one.
    pub(super) fn standing_of(&self, access_key_id: &str) -> Option<Standing> {
        let issued = lock(&self.issued);
        let (last, standing) = issued.as_ref()?;
        (last == access_key_id).then_some(*standing)
    }
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
