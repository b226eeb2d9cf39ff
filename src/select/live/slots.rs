//! What all layers of one live selector have in common: the configuration of the moment, made up for each.

use std::mem;
use std::slice;
use std::sync::{Arc, Mutex, Weak};

use arc_swap::ArcSwap;

use super::status::LiveStatus;
use crate::config::{AuthConfig, Config, IdentityPoolConfig, UserPoolConfig};
use crate::error::AuthError;
#[cfg(feature = "sigv4")]
use crate::layer::Skews;
use crate::layer::{Guarded as _, Setting};
use crate::lock::lock;
use crate::observe;
use crate::select::selected::Selected;
use crate::select::selector::AuthSelector;
use crate::select::which::{Which, configuration, joined};

pub(super) type Listener = Arc<dyn Fn(Result<&Config, &AuthError>) + Send + Sync>;

pub(super) struct Slots {
    /// What requests go by: one value for all layers, so that one store changes them all.
    current: ArcSwap<Generation>,
    /// Held while that is changed, and never by a request.
    making: Mutex<Making>,
}

/// What all layers are to a configuration, each at the number of its slot.
struct Generation {
    selected: Vec<Option<Arc<Selected>>>,
}

struct Making {
    selector: AuthSelector,
    /// Those that are gone leave their numbers to others.
    slots: Vec<Weak<Slot>>,
    status: LiveStatus,
    listeners: Vec<Listener>,
}

/// The place of a layer, and of its clones and services: gone with the last of them.
pub(super) struct Slot {
    number: usize,
    recipe: Recipe,
}

/// How a layer is made of a configuration.
#[derive(Clone)]
struct Recipe {
    which: Which,
    settings: Vec<Setting>,
    /// Clocks are servers', not configurations'.
    #[cfg(feature = "sigv4")]
    skews: Skews,
}

impl Slots {
    pub(super) fn new(selector: AuthSelector) -> Self {
        Self {
            current: ArcSwap::from_pointee(Generation {
                selected: Vec::new(),
            }),
            making: Mutex::new(Making {
                selector,
                slots: Vec::new(),
                status: LiveStatus {
                    generation: 1,
                    refused: 0,
                    refusal: None,
                },
                listeners: Vec::new(),
            }),
        }
    }

    /// What a layer is at the moment. `None` for one of other slots, which there is none of.
    #[inline]
    pub(super) fn current(&self, slot: &Slot) -> Option<Arc<Selected>> {
        self.current.load().selected.get(slot.number)?.clone()
    }

    /// Makes a layer, and has it made anew with every configuration.
    pub(super) fn add(&self, which: Which) -> Result<Arc<Slot>, AuthError> {
        let mut making = lock(&self.making);
        let recipe = Recipe::new(which);
        let selected = recipe.make(&making.selector)?;
        Ok(self.put(&mut making, recipe, Some(selected)))
    }

    /// The same layer with one more setting.
    pub(super) fn set(&self, slot: &Slot, setting: &Setting) -> Arc<Slot> {
        let mut making = lock(&self.making);
        let mut recipe = slot.recipe.clone();
        recipe.add(setting);
        let selected = self.current(slot).map(|selected| {
            let mut selected = Selected::clone(&selected);
            recipe.set(&mut selected, slice::from_ref(setting));
            selected
        });
        self.put(&mut making, recipe, selected)
    }

    fn put(&self, making: &mut Making, recipe: Recipe, selected: Option<Selected>) -> Arc<Slot> {
        let mut all = self.current.load().selected.clone();
        let vacant = |slot: &Weak<Slot>| slot.strong_count() == 0;
        let number = making.slots.iter().position(vacant);
        let number = number.unwrap_or(making.slots.len());
        let slot = Arc::new(Slot { number, recipe });
        making
            .slots
            .resize(making.slots.len().max(number + 1), Weak::new());
        making.slots[number] = Arc::downgrade(&slot);
        all.resize(making.slots.len(), None);
        all[number] = selected.map(Arc::new);
        self.current.store(Arc::new(Generation { selected: all }));
        slot
    }

    /// Changes all layers in one step, or none. An error in place of a configuration is one that could not be read.
    pub(super) fn replace(&self, config: Result<Config, AuthError>) -> Result<(), AuthError> {
        let mut making = lock(&self.making);
        let replaced = config.and_then(|config| {
            let selector = making.selector.with(config)?;
            Ok((making.all(&selector)?, selector))
        });
        let outcome = match replaced {
            Ok((selected, selector)) => {
                let config = Arc::clone(&selector.config);
                // What is dropped may be the last of a token source: not under the lock.
                let before = mem::replace(&mut making.selector, selector);
                making.status.generation += 1;
                making.status.refusal = None;
                self.current.store(Arc::new(Generation { selected }));
                observe::configuration_replaced(making.status.generation);
                Ok((config, before))
            }
            Err(error) => {
                making.status.refused += 1;
                making.status.refusal = Some(error.clone());
                observe::configuration_refused(&error);
                Err(error)
            }
        };
        let listeners = making.listeners.clone();
        drop(making);
        let told = outcome.as_ref().map(|(config, _)| &**config);
        for listener in listeners {
            listener(told);
        }
        outcome.map(|_| ())
    }

    pub(super) fn config(&self) -> Arc<Config> {
        Arc::clone(&lock(&self.making).selector.config)
    }

    pub(super) fn status(&self) -> LiveStatus {
        lock(&self.making).status.clone()
    }

    pub(super) fn listen(&self, listener: Listener) {
        lock(&self.making).listeners.push(listener);
    }
}

impl Making {
    fn all(&self, selector: &AuthSelector) -> Result<Vec<Option<Arc<Selected>>>, AuthError> {
        let (mut all, mut errors) = (Vec::with_capacity(self.slots.len()), Vec::new());
        for slot in &self.slots {
            let slot = slot.upgrade();
            all.push(match slot.map(|slot| slot.recipe.make(selector)) {
                None => None,
                Some(Ok(selected)) => Some(Arc::new(selected)),
                Some(Err(error)) => {
                    errors.push(error);
                    None
                }
            });
        }
        match joined(errors) {
            Some(error) => Err(error),
            None => Ok(all),
        }
    }
}

impl Recipe {
    fn new(which: Which) -> Self {
        Self {
            which,
            settings: Vec::new(),
            #[cfg(feature = "sigv4")]
            skews: Skews::default(),
        }
    }

    fn add(&mut self, setting: &Setting) {
        self.settings.push(setting.clone());
        // What was learned is about the other one, which clones of the layer go on with.
        #[cfg(feature = "sigv4")]
        if let Setting::Clock(_) = setting {
            self.skews = Skews::default();
        }
    }

    fn make(&self, selector: &AuthSelector) -> Result<Selected, AuthError> {
        let mut selected = selector.select(&self.which)?;
        self.set(&mut selected, &self.settings);
        Ok(selected)
    }

    fn set(&self, selected: &mut Selected, settings: &[Setting]) {
        for setting in settings {
            selected.set(setting);
        }
        #[cfg(feature = "sigv4")]
        selected.share_skews(&self.skews);
    }
}

impl AuthSelector {
    /// The same for another configuration.
    fn with(&self, config: Config) -> Result<Self, AuthError> {
        if self.has_session() && !has_same_pools(&self.config.auth, &config.auth) {
            return Err(configuration(
                "the configuration names another user pool or identity pool than the one before, and a session \
                 belongs to its pools: restart the program, or make a session and a selector of the new one",
            ));
        }
        Ok(Self {
            config: Arc::new(config),
            ..self.clone()
        })
    }

    fn has_session(&self) -> bool {
        let mut own = self.own.values();
        self.all.has_session() || own.any(|own| own.has_session())
    }
}

/// Whether a session of the one is a session of the other.
fn has_same_pools(one: &AuthConfig, other: &AuthConfig) -> bool {
    let users = one.user_pool.as_ref().map(user_pool);
    let identities = one.identity_pool.as_ref().map(identity_pool);
    users == other.user_pool.as_ref().map(user_pool)
        && identities == other.identity_pool.as_ref().map(identity_pool)
}

fn user_pool(pool: &UserPoolConfig) -> ([&str; 3], [Option<&str>; 2]) {
    let secret = pool.client_secret.as_ref().map(|secret| secret.expose());
    (
        [&pool.id, &pool.client_id, &pool.region],
        [pool.endpoint.as_deref(), secret],
    )
}

fn identity_pool(pool: &IdentityPoolConfig) -> ([&str; 2], Option<&str>, bool) {
    (
        [&pool.id, &pool.region],
        pool.endpoint.as_deref(),
        pool.allow_guests,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::Existing;

    /// A program may make layers for as long as it runs, one for each tenant and request perhaps.
    #[test]
    fn places_are_used_again() {
        let config: Config =
            r#"{"apis": {"open": {"mode": "NONE", "endpoint": "https://api.example.com"}}}"#
                .parse()
                .expect("a configuration");
        let slots = Slots::new(config.selector());
        let kept = slots.add(Which::All).expect("a layer");
        for _ in 0..1_000 {
            let slot = slots.add(Which::Only).expect("a layer");
            let slot = slots.set(&slot, &Setting::Existing(Existing::Replace));
            assert!(slots.current(&slot).is_some());
        }
        assert!(slots.current(&kept).is_some());
        assert_eq!(lock(&slots.making).slots.len(), 3);
        assert_eq!(slots.current.load().selected.len(), 3);
        slots.replace(Ok(config)).expect("a good one");
        let there = slots.current.load().selected.iter().flatten().count();
        assert_eq!(there, 1);
    }
}
