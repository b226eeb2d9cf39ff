//! What a program asks for beside the token itself: scope, audience, resource, and a provider's own.

use std::fmt;

use super::form::Form;
use crate::error::{AuthError, AuthErrorKind};
use crate::secret::Secret;

#[derive(Clone, Default)]
pub(super) struct Options {
    pub(super) scope: Option<String>,
    pub(super) targets: Vec<(&'static str, String)>,
    extra: Vec<(String, Secret)>,
}

/// What the crate sends itself, under conditions of its own.
const OURS: [&str; 22] = [
    "actor_token",
    "actor_token_type",
    "audience",
    "client_assertion",
    "client_assertion_type",
    "client_id",
    "client_secret",
    "code",
    "code_challenge",
    "code_challenge_method",
    "code_verifier",
    "device_code",
    "grant_type",
    "redirect_uri",
    "refresh_token",
    "requested_token_type",
    "resource",
    "response_type",
    "scope",
    "state",
    "subject_token",
    "subject_token_type",
];

impl Options {
    pub(super) fn are_default(&self) -> bool {
        self.scope.is_none() && self.targets.is_empty() && self.extra.is_empty()
    }

    pub(super) fn add_extra(&mut self, name: String, value: Secret) {
        self.extra.push((name, value));
    }

    pub(super) fn has_scope(&self, scope: &str) -> bool {
        let mut scopes = self.scope.iter().flat_map(|scopes| scopes.split(' '));
        scopes.any(|known| known == scope)
    }

    /// Adds them to a form.
    pub(super) fn write(&self, form: &mut Form) -> Result<(), AuthError> {
        if let Some(scope) = &self.scope {
            form.push("scope", scope.clone());
        }
        for (name, value) in &self.targets {
            form.push(*name, value.clone());
        }
        for (name, value) in &self.extra {
            // A parameter that is there twice is an error to providers, and one that replaces ours may be
            // a hole: the error says which it was before anything is sent.
            let problem = match OURS.contains(&name.as_str()) {
                true => "is the crate's to send: there is a setting for it",
                false if form.has(name) => "would be sent twice",
                false => {
                    form.push_secret(name.clone(), value);
                    continue;
                }
            };
            return Err(AuthError::new(
                AuthErrorKind::Configuration,
                format!("`parameter({name:?}, …)` {problem}"),
            ));
        }
        Ok(())
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("scope", &self.scope)
            .field("targets", &self.targets)
            .finish_non_exhaustive()
    }
}

/// The setters that all grants share, over one that changes the options.
macro_rules! option_setters {
    () => {
        /// The scopes to ask for, separated by spaces. What the provider grants by itself if there are none.
        pub fn scope(self, scope: impl Into<String>) -> Self {
            self.set(|options| options.scope = Some(scope.into()))
        }

        /// The API that the token is for, where the provider asks for its `audience`: Auth0 does, and token
        /// exchange ([RFC 8693, section 2.1]). Call it again for further ones.
        ///
        /// [RFC 8693, section 2.1]: https://www.rfc-editor.org/rfc/rfc8693#section-2.1
        pub fn audience(self, audience: impl Into<String>) -> Self {
            self.set(|options| options.targets.push(("audience", audience.into())))
        }

        /// The API that the token is for, as its absolute URI ([RFC 8707]). Call it again for further ones.
        ///
        /// [RFC 8707]: https://www.rfc-editor.org/rfc/rfc8707#section-2
        pub fn resource(self, resource: impl Into<String>) -> Self {
            self.set(|options| options.targets.push(("resource", resource.into())))
        }

        /// A parameter of the provider's own, for the request that a grant begins with (of a sign-in by a
        /// browser: its URL). Its value is kept as a secret is.
        ///
        /// One that the crate sends itself is an [`AuthErrorKind::Configuration`] error when a token is asked
        /// for.
        ///
        /// [`AuthErrorKind::Configuration`]: crate::AuthErrorKind::Configuration
        pub fn parameter(self, name: impl Into<String>, value: impl Into<String>) -> Self {
            self.set(|options| options.add_extra(name.into(), crate::secret::Secret::new(value)))
        }
    };
}
pub(super) use option_setters;
