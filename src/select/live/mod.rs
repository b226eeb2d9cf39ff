//! A configuration that is replaced while its layers are in use.

mod authorizer;
mod recipe;
mod slots;
mod status;
mod telling;
#[cfg(feature = "watch")]
mod watch;

use std::fmt;
use std::sync::Arc;

pub use authorizer::{Live, LivePlan};
pub use status::LiveStatus;
#[cfg(feature = "watch")]
pub use watch::ConfigWatch;

use self::slots::Slots;
use super::selector::AuthSelector;
use super::which::Which;
use crate::config::{ApiKind, Config};
use crate::error::AuthError;
use crate::layer::{AuthorizeLayer, Buffer, HeadOnly};

/// Authorizes requests as the configuration of the moment says: the layer of a [`LiveSelector`].
///
/// It is an [`ApiAuthLayer`](crate::ApiAuthLayer) in everything else, its settings included.
pub type LiveAuthLayer<P = Buffer, I = HeadOnly> = AuthorizeLayer<Live, P, I>;

/// Makes layers whose configuration can be replaced while they are in use, without a restart.
///
/// ```
/// use tower::ServiceBuilder;
/// use tower_client_auth::{AuthBody, Config};
///
/// # fn client() -> impl Clone { tower::service_fn(|_: http::Request<AuthBody<String>>| async {
/// #     Ok::<_, std::io::Error>(http::Response::new(String::new())) }) }
/// # let file = |key: &str| format!(r#"{{"apis":{{"catalog":
/// #     {{"endpoint":"https://api.example.com","mode":"API_KEY","api_key":"{key}"}}}}}}"#);
/// # let text = file("da2-fakeApiId123456");
/// # let next = file("da2-fakeApiId234567");
/// let live = text.parse::<Config>()?.selector().live();
/// let api = ServiceBuilder::new()
///     .layer(live.layer_for_all()?)
///     .service(client());
///
/// // Later, perhaps in another task: requests from now on have the new key.
/// live.replace(next.parse()?)?;
///
/// // A bad one is an error, and changes nothing.
/// let bad: Config = r#"{"apis":{"catalog":{"endpoint":"https://api.example.com","mode":"AWS_IAM"}}}"#.parse()?;
/// let error = live.replace(bad).expect_err("there are no AWS credentials");
/// assert!(error.to_string().starts_with("the API `catalog` has mode `AWS_IAM`"));
/// assert_eq!(live.status().generation, 2);
/// # Ok::<(), tower_client_auth::AuthError>(())
/// ```
///
/// With feature `watch` it replaces the configuration whenever its file changes: see `LiveSelector::watch`.
///
/// # What a replacement does
///
/// - All layers change in one step. A request is authorized by one configuration from its first step to its
///   last, its second attempt included: those under way finish on the one that they began with.
/// - All layers are made anew before any is replaced. If one of them cannot be, because its API is gone
///   or has a mode without a credential, nothing is replaced, and [`replace`](LiveSelector::replace) says why.
/// - Settings of layers stay. Token sources, credentials and sessions are those that the [`AuthSelector`] was
///   given; what they have cached stays, too, and what was learned about the clocks of servers.
/// - What was given for one API ([`tokens_for`](AuthSelector::tokens_for) and its like) is for that one: a
///   configuration without an API of its name is refused, so that a new name does not get what is for all.
/// - A session belongs to its pools. If one was given for all APIs, a configuration whose `auth` has other pools is
///   refused: it takes a new session, and so a new selector.
///
/// # What it costs
///
/// Each request counts one reference to the configuration up and down. Layers of an `AuthSelector` do not.
#[derive(Clone)]
#[must_use = "a selector does nothing until it makes a layer"]
pub struct LiveSelector {
    slots: Arc<Slots>,
}

impl AuthSelector {
    /// The same selector, of layers whose configuration can be replaced.
    pub fn live(self) -> LiveSelector {
        LiveSelector {
            slots: Arc::new(Slots::new(self)),
        }
    }
}

impl LiveSelector {
    /// Replaces the configuration in all layers at once, or in none.
    ///
    /// # Errors
    ///
    /// Those of the methods by which layers were made, for any that still is in use:
    /// [`AuthSelector::layer`] and its like. [`AuthErrorKind::Configuration`](crate::AuthErrorKind::Configuration)
    /// if it lacks an API that something was given for, or if the session is of other pools. The configuration of
    /// before then stays.
    pub fn replace(&self, config: Config) -> Result<(), AuthError> {
        self.slots.replace(Ok(config), None)
    }

    /// The configuration of the moment.
    pub fn config(&self) -> Arc<Config> {
        self.slots.config()
    }

    /// How often the configuration was replaced, and whether the latest one was refused.
    pub fn status(&self) -> LiveStatus {
        self.slots.status()
    }

    /// Has `listener` called after each replacement, with the new configuration, and after each that was refused,
    /// with the reason; in their order.
    ///
    /// It is called on a thread that replaces one, a watching one for instance: hand longer work on. If it panics, the
    /// others are called all the same. It stays for as long as the selector and its layers, so let it not hold them.
    pub fn on_replace<F>(&self, listener: F)
    where
        F: Fn(Result<&Config, &AuthError>) + Send + Sync + 'static,
    {
        self.slots.listen(Arc::new(listener));
    }

    /// As [`AuthSelector::layer`]. An API of this name must be in every later configuration, as long as the layer or a
    /// service of it is there.
    ///
    /// # Errors
    ///
    /// Those of [`AuthSelector::layer`].
    pub fn layer(&self, api: &str) -> Result<LiveAuthLayer, AuthError> {
        self.layer_for([api])
    }

    /// As [`AuthSelector::only_layer`]. Every later configuration must have one API as well, of whatever name.
    ///
    /// # Errors
    ///
    /// Those of [`AuthSelector::only_layer`].
    pub fn only_layer(&self) -> Result<LiveAuthLayer, AuthError> {
        self.make(Which::Only)
    }

    /// As [`AuthSelector::only_layer_of`]. Every later configuration must have one API of this kind as well.
    ///
    /// # Errors
    ///
    /// Those of [`AuthSelector::only_layer_of`].
    pub fn only_layer_of(&self, kind: ApiKind) -> Result<LiveAuthLayer, AuthError> {
        self.make(Which::OnlyOf(kind))
    }

    /// As [`AuthSelector::layer_for_all`]: for all that there are at the moment of a request.
    ///
    /// An API that a later configuration lacks is none of them any more, and so requests to its URL are out of scope:
    /// they go out without a credential, unless [`out_of_scope`](crate::AuthorizeLayer::out_of_scope) rejects that. To
    /// have such a configuration refused, name the APIs: [`layer_for`](LiveSelector::layer_for).
    ///
    /// # Errors
    ///
    /// Those of [`AuthSelector::layer_for_all`].
    pub fn layer_for_all(&self) -> Result<LiveAuthLayer, AuthError> {
        self.make(Which::All)
    }

    /// As [`AuthSelector::layer_for`]. APIs of these names must be in every later configuration.
    ///
    /// # Errors
    ///
    /// Those of [`AuthSelector::layer_for`].
    pub fn layer_for<N: AsRef<str>>(
        &self,
        apis: impl IntoIterator<Item = N>,
    ) -> Result<LiveAuthLayer, AuthError> {
        self.make(Which::named(apis))
    }

    fn make(&self, which: Which) -> Result<LiveAuthLayer, AuthError> {
        let live = Live::new(Arc::clone(&self.slots), which)?;
        Ok(AuthorizeLayer::from_parts(live, Buffer::default()))
    }
}

impl fmt::Debug for LiveSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveSelector")
            .field("config", &self.config())
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}
