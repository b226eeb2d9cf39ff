//! How a layer is made, and made anew of another configuration.

use std::sync::Arc;

use crate::config::{AuthConfig, Config};
use crate::error::AuthError;
use crate::layer::{Guarded as _, Setting};
use crate::select::selected::Selected;
use crate::select::selector::AuthSelector;
use crate::select::which::{Which, configuration, joined};

/// The place of a layer, and of its clones and services: gone with the last of them.
pub(super) struct Slot {
    pub(super) number: usize,
    pub(super) recipe: Recipe,
}

/// How a layer is made of a configuration.
#[derive(Clone)]
pub(super) struct Recipe {
    which: Which,
    settings: Vec<Setting>,
}

impl Recipe {
    pub(super) fn new(which: Which) -> Self {
        Self {
            which,
            settings: Vec::new(),
        }
    }

    /// The same with one more setting.
    pub(super) fn with(&self, setting: &Setting) -> Self {
        let mut recipe = self.clone();
        recipe.settings.push(setting.clone());
        recipe
    }

    /// What is made with one more setting.
    pub(super) fn set(selected: &Selected, setting: &Setting) -> Selected {
        let mut selected = selected.clone();
        selected.set(setting);
        selected
    }

    /// Makes it, with what the one `before` has learned of servers' clocks.
    pub(super) fn make(
        &self,
        selector: &AuthSelector,
        before: Option<&Selected>,
    ) -> Result<Selected, AuthError> {
        let mut selected = selector.select(&self.which)?;
        for setting in &self.settings {
            selected.set(setting);
        }
        if let Some(before) = before {
            selected.learn_from(before);
        }
        Ok(selected)
    }
}

impl AuthSelector {
    /// The same for another configuration.
    ///
    /// # Errors
    ///
    /// [`AuthErrorKind::Configuration`](crate::AuthErrorKind::Configuration) if what was given for an API or for a pool
    /// would have to be used for another.
    pub(super) fn with(&self, config: Config) -> Result<Self, AuthError> {
        if self.all.has_session()
            && let Some(member) = changed_pool(&self.config.auth, &config.auth)
        {
            return Err(configuration(format!(
                "`{member}` is not what it was, and the session belongs to the pools of before: restart the program, \
                 or make a session and a selector of the new configuration"
            )));
        }
        let selector = Self {
            config: Arc::new(config),
            ..self.clone()
        };
        // An API of another name would be called with what was given for all of them.
        let missing = self.own.keys().filter_map(|name| selector.find(name).err());
        match joined(missing.collect()) {
            Some(error) => Err(error),
            None => Ok(selector),
        }
    }
}

/// What a session was made of and is different now.
fn changed_pool(one: &AuthConfig, other: &AuthConfig) -> Option<&'static str> {
    let users = [one, other].map(|auth| auth.user_pool.as_ref());
    if let [Some(one), Some(other)] = users {
        let secrets = [one, other].map(|pool| pool.client_secret.as_ref().map(|s| s.expose()));
        for (member, is_same) in [
            ("auth.user_pool.id", one.id == other.id),
            ("auth.user_pool.client_id", one.client_id == other.client_id),
            ("auth.user_pool.region", one.region == other.region),
            ("auth.user_pool.endpoint", one.endpoint == other.endpoint),
            ("auth.user_pool.client_secret", secrets[0] == secrets[1]),
        ] {
            if !is_same {
                return Some(member);
            }
        }
    } else if users.iter().any(Option::is_some) {
        return Some("auth.user_pool");
    }
    let identities = [one, other].map(|auth| auth.identity_pool.as_ref());
    if let [Some(one), Some(other)] = identities {
        for (member, is_same) in [
            ("auth.identity_pool.id", one.id == other.id),
            ("auth.identity_pool.region", one.region == other.region),
            (
                "auth.identity_pool.endpoint",
                one.endpoint == other.endpoint,
            ),
            (
                "auth.identity_pool.allow_guests",
                one.allow_guests == other.allow_guests,
            ),
        ] {
            if !is_same {
                return Some(member);
            }
        }
    } else if identities.iter().any(Option::is_some) {
        return Some("auth.identity_pool");
    }
    None
}
