//! The cache itself.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::builder::CachedBuilder;
use super::cache_ref::{CacheRef, Forget as _};
use super::flight::Flight;
use super::future::CachedFuture;
use super::ledger::Handle as _;
use super::policy::Policy;
use super::slot::{Slot, Turn};
use super::status::CacheStatus;
use crate::clock::{Clock, Monotonic};
use crate::error::{AuthError, AuthErrorKind};
use crate::identity::load::{Cacheable, Load};
use crate::identity::source::TokenSource;
use crate::identity::token::Token;

/// Keeps what a source returned, and renews it before it ends, behind the requests that use it.
///
/// ```
/// use std::time::Duration;
/// use tower_client_auth::{BearerTokenLayer, Cached, Token};
///
/// # async fn ask_the_issuer() -> Result<(String, u64), std::io::Error> { Ok(("t".into(), 60)) }
/// let source = Cached::new(|| async {
///     let (token, seconds) = ask_the_issuer().await?;
///     Ok(Token::from(token).expires_in(Duration::from_secs(seconds)))
/// });
/// let layer = BearerTokenLayer::new("https://api.example.com", source)?;
/// # Ok::<(), tower_client_auth::AuthError>(())
/// ```
///
/// - **A hit completes at once**: no lock, no task switch, no allocation.
/// - **A miss is loaded once.** However many requests miss at the same moment, the source is asked
///   once, and all of them get that one answer, success or failure.
/// - **Loads run on tokio tasks of their own**, on the runtime of the request that started them. A
///   request that gives up (a timeout, a closed connection) does not take the load along: whoever
///   comes next finds it under way or done.
/// - **Clones share one cache.** Dropping the last one stops a load that is under way, unless the
///   source [must finish](TokenSource::must_finish) it.
///
/// A closure that shares state with its futures clones it twice, once for itself and once for each
/// future; a type that implements [`TokenSource`] may read better:
///
/// ```
/// use std::sync::Arc;
/// use tower_client_auth::Cached;
///
/// # struct Issuer; impl Issuer { async fn token(&self) -> Result<String, std::io::Error> { Ok("t".into()) } }
/// # let issuer = Arc::new(Issuer);
/// let source = Cached::new(move || {
///     let issuer = Arc::clone(&issuer);
///     async move { Ok(issuer.token().await?) }
/// });
/// ```
///
/// # When it loads
///
/// | the credential | what a request does |
/// |---|---|
/// | is fresh | uses it |
/// | is in its *advisory window* | uses it; the first such request starts a refresh |
/// | is in its *mandatory window* | waits for the refresh, at most 5 s for each and at most half of what is left, then uses what it has |
/// | has expired, was rejected, or is not there yet | waits for the load, at most 30 s |
///
/// The advisory window is the last 5 minutes of a life of up to 20 minutes, the last 15 of one under
/// 90, else the last hour, and a third of the life at most; the refresh comes at a random point of
/// its first half, so that a fleet does not refresh at once. The mandatory window is the last minute,
/// and a tenth of the life at most. Nothing is refreshed that nobody uses. [`Cached::builder`] sets
/// other numbers.
///
/// Lifetimes are counted by the wall clock and by the monotonic clock, and end when either says so: a
/// laptop that slept does not send what expired meanwhile. A credential without an expiry is kept until
/// it is rejected.
///
/// # When a load fails
///
/// - While the credential is valid, requests go on using it. The source is tried again after 1 s, then
///   2, 4 and so on up to 60, each stretched at random by up to a quarter.
/// - Without one, the requests that wait get the error. The next request tries again at once; after
///   more failures in a row there are pauses of 0.1 s up to 5, in which that error is the answer. In the
///   mandatory window the pauses are these as well.
/// - A refusal, which is an error that [is not transient](AuthError::is_transient), is the answer for
///   1 to 5 seconds.
/// - An answer that comes later than after 30 s is used, if it comes within 60.
/// - A credential that the server rejects is dropped, and the next request waits for another. If those
///   that follow are rejected from the start as well, they are used nevertheless for 1 s, then 2, up to
///   60: the server's answers are more telling than errors of ours, and the issuer is left alone. Never for
///   longer than a quarter of their life.
///
/// # Errors
///
/// The source's own error; [`AuthErrorKind::Expired`] if it returned something that is over
/// already; [`AuthErrorKind::MalformedCredential`] if that cannot be sent at all;
/// [`AuthErrorKind::Configuration`] outside a tokio runtime (which must have its timer
/// enabled), and for a source that asks its own cache. A panic in the source is an
/// [`AuthErrorKind::Source`] error.
///
/// A source asks its own cache if it sends its request through a client with this very layer. That is
/// noticed in the load's own task; through a channel to another task (`tower::buffer`) it ends with the
/// load timeout.
///
/// # In tests
///
/// Lifetimes and pauses follow tokio's paused clock with this crate's feature `test-util`, which also has
/// `ManualClock`.
///
/// [`AuthErrorKind::Expired`]: crate::AuthErrorKind::Expired
/// [`AuthErrorKind::MalformedCredential`]: crate::AuthErrorKind::MalformedCredential
/// [`AuthErrorKind::Configuration`]: crate::AuthErrorKind::Configuration
/// [`AuthErrorKind::Source`]: crate::AuthErrorKind::Source
pub struct Cached<S, V = Token> {
    state: Arc<State<S, V>>,
}

impl<S: Load<Token>> Cached<S, Token> {
    /// Caches the tokens of `source`, with the default settings.
    pub fn new(source: S) -> Self {
        let policy = Policy::of(&source);
        Self::over(source, policy, Clock::system())
    }

    /// The same, renewed at least every `period`.
    pub(in crate::identity) fn refreshing(source: S, period: Duration) -> Self {
        let policy = Policy {
            refresh_every: Some(period),
            ..Policy::of(&source)
        };
        Self::over(source, policy, Clock::system())
    }

    /// Caches the tokens of `source`, with settings of your own.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_client_auth::Cached;
    ///
    /// # async fn ask_the_issuer() -> Result<String, std::io::Error> { Ok("opaque".into()) }
    /// let source = Cached::builder(|| async { Ok(ask_the_issuer().await?) })
    ///     .load_timeout(Duration::from_secs(5))
    ///     .assume_lifetime(Duration::from_secs(15 * 60)) // this issuer does not say
    ///     .build()?;
    /// # Ok::<(), tower_client_auth::AuthError>(())
    /// ```
    pub fn builder(source: S) -> CachedBuilder<S, Token> {
        CachedBuilder::new(source)
    }
}

#[cfg(feature = "sigv4")]
impl<P> Cached<P, crate::sigv4::SigningCredentials>
where
    P: aws_credential_types::provider::ProvideCredentials + 'static,
{
    /// Caches the credentials of any AWS credentials provider, the default chain of `aws-config`
    /// among them, which does not cache by itself.
    ///
    /// ```
    /// use aws_credential_types::Credentials;
    /// use tower_client_auth::{Cached, SigV4Layer};
    ///
    /// # let provider = Credentials::new("AKIDEXAMPLE", "secret", None, None, "example");
    /// let credentials = Cached::credentials(provider); // share it between layers by cloning
    /// let orders = SigV4Layer::new("eu-west-1", "execute-api", credentials.clone())?;
    /// let search = SigV4Layer::new("eu-west-1", "es", credentials)?;
    /// # Ok::<(), tower_client_auth::AuthError>(())
    /// ```
    pub fn credentials(provider: P) -> Self {
        Self::over(provider, Policy::default(), Clock::system())
    }

    /// Caches the credentials of a provider, with settings of your own.
    ///
    /// ```
    /// use std::time::Duration;
    /// use aws_credential_types::Credentials;
    /// use tower_client_auth::Cached;
    ///
    /// # let provider = Credentials::new("AKIDEXAMPLE", "secret", None, None, "example");
    /// let credentials = Cached::credentials_builder(provider)
    ///     .serve_past_expiry(Duration::from_secs(15 * 60)) // the metadata service may be down
    ///     .build()?;
    /// # Ok::<(), tower_client_auth::AuthError>(())
    /// ```
    pub fn credentials_builder(provider: P) -> CachedBuilder<P, crate::sigv4::SigningCredentials> {
        CachedBuilder::new(provider)
    }
}

impl<S: Load<V>, V: Cacheable> Cached<S, V> {
    /// With the default settings, under a name that operators know, and by this clock.
    #[cfg(any(feature = "amplify", feature = "cognito"))]
    pub(crate) fn named(source: S, name: &str, clock: Clock) -> Self {
        let policy = Policy {
            name: name.into(),
            ..Policy::of(&source)
        };
        Self::over(source, policy, clock)
    }

    pub(super) fn over(source: S, policy: Policy, clock: Clock) -> Self {
        let state = Arc::new(State {
            source: Arc::new(source),
            clock,
            slot: Slot::new(policy),
        });
        state.source.kept_by(CacheRef::new(&state));
        Self { state }
    }

    /// Loads if there is nothing valid, and waits until there is: at start-up, so that the first
    /// request need not wait, and a wrong secret shows before traffic comes.
    ///
    /// # Errors
    ///
    /// Those of the cache, which a request would have got.
    pub async fn prefetch(&self) -> Result<(), AuthError> {
        self.get().await.map(drop)
    }

    /// Whether a user has to sign in before there is a credential: loads if there is nothing valid, and waits for what
    /// comes of it. At the start of a program, this says whether to ask for a password or to open a browser.
    ///
    /// # Errors
    ///
    /// Those of the cache, but for [`AuthErrorKind::SignInRequired`](crate::AuthErrorKind::SignInRequired), which is
    /// the answer `true`. That an issuer cannot be reached is an error, and no answer.
    pub async fn needs_sign_in(&self) -> Result<bool, AuthError> {
        match self.prefetch().await {
            Ok(()) => Ok(false),
            Err(error) if error.kind() == AuthErrorKind::SignInRequired => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Forgets the credential, and what a load under way will bring: after a sign-out, or a rotation
    /// that the cache cannot know of. The next request loads anew; requests that wait now get what
    /// that load brings. A load that [must finish](TokenSource::must_finish) does so first.
    ///
    /// What a source remembers by itself, another `Cached` for one, is not forgotten.
    pub fn invalidate(&self) {
        self.state.forget();
    }

    /// How the cache is doing, for dashboards and readiness probes. Starts nothing: see
    /// [`CacheStatus::ready`] for what that means to a probe.
    pub fn status(&self) -> CacheStatus {
        self.state.slot.status(&self.state.clock.moment())
    }

    #[cfg(feature = "cognito")]
    pub(in crate::identity) fn source(&self) -> &S {
        &self.state.source
    }

    #[inline]
    fn at_hand(&self) -> Option<V> {
        self.state.at_hand()
    }

    fn get(&self) -> CachedFuture<S, V> {
        match self.state.at_hand() {
            Some(value) => CachedFuture::done(Ok(value)),
            None => self.state.join(None),
        }
    }

    fn reject(&self, rejected: &V) {
        // The source first: it might hand out the same one again to a load that starts in between.
        self.state.source.rejected(rejected);
        let now = self.state.clock.moment();
        self.state.slot.reject(rejected, &now);
    }
}

impl<S, V> Clone for Cached<S, V> {
    fn clone(&self) -> Self {
        Self {
            state: Arc::clone(&self.state),
        }
    }
}

impl<S, V> fmt::Debug for Cached<S, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cached").finish_non_exhaustive()
    }
}

impl<S: Load<Token>> TokenSource for Cached<S, Token> {
    type Future = CachedFuture<S, Token>;

    fn token(&self) -> Self::Future {
        self.get()
    }

    #[inline]
    fn at_hand(&self) -> Option<Token> {
        self.at_hand()
    }

    fn checks_expiry(&self) -> bool {
        true
    }

    fn must_finish(&self) -> bool {
        self.state.slot.policy().finish
    }

    fn kept_by(&self, cache: CacheRef) {
        self.state.source.kept_by(cache);
    }

    fn rejected(&self, token: &Token) {
        self.reject(token);
    }
}

#[cfg(feature = "sigv4")]
impl<P> crate::identity::CredentialsSource for Cached<P, crate::sigv4::SigningCredentials>
where
    P: Load<crate::sigv4::SigningCredentials>,
{
    type Future = CachedFuture<P, crate::sigv4::SigningCredentials>;

    fn credentials(&self) -> Self::Future {
        self.get()
    }

    #[inline]
    fn at_hand(&self) -> Option<crate::sigv4::SigningCredentials> {
        self.at_hand()
    }

    fn checks_expiry(&self) -> bool {
        true
    }

    fn rejected(&self, credentials: &crate::sigv4::SigningCredentials) {
        self.reject(credentials);
    }
}

/// What all clones share.
pub(super) struct State<S, V> {
    pub(super) source: Arc<S>,
    pub(super) clock: Clock,
    pub(super) slot: Slot<V, Flight<V>>,
}

impl<S: Load<V>, V: Cacheable> State<S, V> {
    #[inline]
    pub(super) fn at_hand(&self) -> Option<V> {
        self.slot.look(|| self.clock.moment_roughly())
    }

    /// Waits for the load under way, or starts one, or does with what there is.
    #[cold]
    pub(super) fn join(self: &Arc<Self>, until: Option<Monotonic>) -> CachedFuture<S, V> {
        let now = self.clock.moment();
        match self
            .slot
            .attend(&now, |number| Flight::launch(self, number))
        {
            Turn::Serve(value) => CachedFuture::done(Ok(value)),
            Turn::Refuse(error) => CachedFuture::done(Err(error)),
            Turn::Wait(ticket) => CachedFuture::waiting(Arc::clone(self), ticket, &now, until),
        }
    }

    /// The value, unless it is over.
    pub(super) fn usable(&self, value: V) -> Option<V> {
        let over = value
            .deadline()
            .is_some_and(|end| end.has_passed(&self.clock.moment()));
        (!over).then_some(value)
    }
}

impl<S, V> Drop for State<S, V> {
    fn drop(&mut self) {
        if !self.slot.policy().finish {
            self.slot.close().iter().for_each(Flight::abort);
        }
    }
}
