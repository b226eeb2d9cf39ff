//! A redirect policy for the one arrangement in which a scope cannot help.

use http::Request;
use tower_http::follow_redirect::policy::{Action, Attempt, Policy};

use crate::layer::Target;

/// Takes the credentials off a request that is redirected to another origin, when the redirect layer
/// is *below* the authorizing one.
///
/// The usual place of a redirect layer is above, where every hop passes the scope again and needs
/// nothing else. Below, it repeats the headers it was given. Its own filter knows `authorization`,
/// `cookie` and `proxy-authorization`; it does not know `x-api-key`, `x-amz-security-token` or a
/// header of your own. This policy removes every header whose value is marked
/// [sensitive](http::HeaderValue::is_sensitive), as this crate marks all of its own, and those three
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
#[derive(Clone, Copy, Debug, Default)]
pub struct DropCredentials {
    foreign: bool,
}

impl DropCredentials {
    /// The policy.
    pub fn new() -> Self {
        Self::default()
    }
}

impl<B, E> Policy<B, E> for DropCredentials {
    fn redirect(&mut self, attempt: &Attempt<'_>) -> Result<Action, E> {
        let origin = |uri| match Target::of(uri) {
            Ok(Some(target)) => Some(target),
            Ok(None) | Err(_) => None,
        };
        let same = match (origin(attempt.previous()), origin(attempt.location())) {
            (Some(from), Some(to)) => from.is_same_origin(&to),
            // What cannot be compared is not the same.
            _ => false,
        };
        // Whoever is asked after a foreign host is asked at its word.
        self.foreign |= !same;
        Ok(Action::Follow)
    }

    fn on_request(&mut self, request: &mut Request<B>) {
        use http::header::{AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION};

        if !self.foreign {
            return;
        }
        let headers = request.headers_mut();
        let names: Vec<_> = headers
            .iter()
            .filter(|(name, value)| {
                value.is_sensitive() || [AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION].contains(name)
            })
            .map(|(name, _)| name.clone())
            .collect();
        for name in names {
            headers.remove(name);
        }
        // It may carry a token for another layer further down.
        request.extensions_mut().remove::<crate::AuthOverride>();
    }
}
