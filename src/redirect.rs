//! A redirect policy for the one arrangement in which a scope cannot help.

use std::fmt;

use http::{HeaderName, Request, Uri, header};
use tower_http::follow_redirect::policy::{Action, Attempt, Policy};

use crate::origin::Target;

/// Takes the credentials off a request that is redirected to another origin, when the redirect layer
/// is *below* the authorizing one.
///
/// The usual place of a redirect layer is above, where every hop passes the scope again and needs
/// nothing else. Below, it repeats the headers it was given. Its own filter knows `authorization`,
/// `cookie` and `proxy-authorization`; it does not know `x-api-key`, `x-amz-security-token` or a
/// header of your own. This policy removes every header whose value is marked
/// [sensitive](http::HeaderValue::is_sensitive), as this crate marks all of its own, and those five
/// whether marked or not. What was removed stays off on later hops.
///
/// ```
/// use tower::ServiceBuilder;
/// use tower_client_auth::{ApiKeyLayer, DropCredentials};
/// use tower_http::follow_redirect::FollowRedirectLayer;
/// use tower_http::follow_redirect::policy::{Limited, PolicyExt};
///
/// let stack = ServiceBuilder::new()
///     .layer(ApiKeyLayer::new("https://api.example.com", "da2-fakeApiId123456")?)
///     .layer(FollowRedirectLayer::with_policy(
///         Limited::new(10).and::<_, (), ()>(DropCredentials::new()),
///     ));
/// # Ok::<(), tower_client_auth::AuthError>(())
/// ```
///
/// It follows every redirect; combine it with policies that limit them. A redirect from https to
/// plain http is another origin too. A signature does not survive any redirect, since it covers host
/// and path: below a `SigV4Layer` redirects end in a refusal by the server.
#[derive(Clone, Default)]
pub struct DropCredentials {
    /// Where the request was to go at first, and its credentials may go.
    home: Option<Uri>,
    foreign: bool,
}

impl DropCredentials {
    /// The policy.
    pub fn new() -> Self {
        Self::default()
    }
}

impl<B, E> Policy<B, E> for DropCredentials {
    fn redirect(&mut self, _attempt: &Attempt<'_>) -> Result<Action, E> {
        Ok(Action::Follow)
    }

    /// All is decided here, because this is called for every policy of a combination.
    fn on_request(&mut self, request: &mut Request<B>) {
        match &self.home {
            None => self.home = Some(request.uri().clone()),
            // For good: what a foreign host redirects to was chosen by it.
            Some(home) => self.foreign |= !is_same_origin(home, request.uri()),
        }
        if !self.foreign {
            return;
        }
        let headers = request.headers_mut();
        let names: Vec<_> = headers
            .iter()
            .filter(|(name, value)| value.is_sensitive() || KNOWN.contains(name))
            .map(|(name, _)| name.clone())
            .collect();
        for name in names {
            headers.remove(name);
        }
    }
}

/// Credentials by their names, for callers who do not mark theirs.
const KNOWN: [HeaderName; 5] = [
    header::AUTHORIZATION,
    header::COOKIE,
    header::PROXY_AUTHORIZATION,
    HeaderName::from_static("x-amz-security-token"),
    HeaderName::from_static("x-api-key"),
];

/// What cannot be compared is not the same.
fn is_same_origin(home: &Uri, uri: &Uri) -> bool {
    match (Target::of(home), Target::of(uri)) {
        (Ok(Some(home)), Ok(Some(target))) => home.is_same_origin(&target),
        _ => false,
    }
}

impl fmt::Debug for DropCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the URI, which may hold a key in its query.
        f.debug_struct("DropCredentials").finish_non_exhaustive()
    }
}
