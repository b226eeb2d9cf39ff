//! What all layers of one live selector have in common: the configuration of the moment, made up for each.

use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};

use arc_swap::ArcSwap;

use super::recipe::{Recipe, Slot};
use super::status::LiveStatus;
use super::telling::{Listener, Outcome, Telling};
use crate::config::Config;
use crate::error::AuthError;
use crate::layer::Setting;
use crate::lock::lock;
use crate::select::selected::Selected;
use crate::select::selector::AuthSelector;
use crate::select::which::{Which, joined};

pub(super) struct Slots {
    /// What requests go by: one value for all layers, so that one store changes them all.
    current: ArcSwap<Generation>,
    /// Held while that is changed, and never by a request. What belongs to programs (listeners, subscribers, what is
    /// dropped) does not run under it.
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
    telling: Telling,
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
                status: LiveStatus::new(),
                telling: Telling::default(),
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
        let selected = recipe.make(&making.selector, None)?;
        let (slot, _gone) = self.put(&mut making, recipe, Some(selected));
        drop(making);
        Ok(slot)
    }

    /// The same layer with one more setting.
    pub(super) fn set(&self, slot: &Slot, setting: &Setting) -> Arc<Slot> {
        let mut making = lock(&self.making);
        let selected = self.current(slot);
        let selected = selected.map(|selected| Recipe::set(&selected, setting));
        let recipe = slot.recipe.with(setting);
        let (slot, _gone) = self.put(&mut making, recipe, selected);
        drop(making);
        slot
    }

    /// Gives a layer a place. What was in that, if anything, is the caller's to drop.
    fn put(
        &self,
        making: &mut Making,
        recipe: Recipe,
        selected: Option<Selected>,
    ) -> (Arc<Slot>, Arc<Generation>) {
        let vacant = |slot: &Weak<Slot>| slot.strong_count() == 0;
        let number = making.slots.iter().position(vacant);
        let number = number.unwrap_or(making.slots.len());
        let slot = Arc::new(Slot { number, recipe });
        let room = making.slots.len().max(number + 1);
        making.slots.resize(room, Weak::new());
        making.slots[number] = Arc::downgrade(&slot);
        let mut all = self.current.load().selected.clone();
        all.resize(room, None);
        all[number] = selected.map(Arc::new);
        let generation = Arc::new(Generation { selected: all });
        (slot, self.current.swap(generation))
    }

    /// Changes all layers in one step, or none: or not even that, if it was [stopped](Slots::stop). An error in place of
    /// a configuration is one that could not be read.
    pub(super) fn replace(
        &self,
        config: Result<Config, AuthError>,
        stopped: Option<&AtomicBool>,
    ) -> Result<(), AuthError> {
        let mut making = lock(&self.making);
        if stopped.is_some_and(|stopped| stopped.load(Ordering::Relaxed)) {
            return Ok(());
        }
        // For as long as they are made: whoever drops them meanwhile does not drop the last one here.
        let in_use: Vec<_> = making.slots.iter().map(Weak::upgrade).collect();
        let made = config.and_then(|config| {
            let selector = making.selector.with(config)?;
            Ok((self.make_all(&in_use, &selector)?, selector))
        });
        let (outcome, gone): (Outcome, _) = match made {
            Ok((selected, selector)) => {
                let config = Arc::clone(&selector.config);
                let before = mem::replace(&mut making.selector, selector);
                making.status.replaced();
                let generation = Arc::new(Generation { selected });
                (Ok(config), Some((before, self.current.swap(generation))))
            }
            Err(error) => {
                making.status.refused(&error);
                (Err(error), None)
            }
        };
        let generation = making.status.generation;
        making.telling.add(outcome.clone(), generation);
        drop(making);
        drop((in_use, gone));
        Telling::tell(|| lock(&self.making), |making| &mut making.telling);
        outcome.map(|_| ())
    }

    fn make_all(
        &self,
        slots: &[Option<Arc<Slot>>],
        selector: &AuthSelector,
    ) -> Result<Vec<Option<Arc<Selected>>>, AuthError> {
        let (mut all, mut errors) = (Vec::with_capacity(slots.len()), Vec::new());
        for slot in slots {
            let made = slot.as_ref().map(|slot| {
                let before = self.current(slot);
                slot.recipe.make(selector, before.as_deref())
            });
            all.push(match made {
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

    /// Sets what keeps a later replacement from being made. One that is being made is made first.
    #[cfg(feature = "watch")]
    pub(super) fn stop(&self, stopped: &AtomicBool) {
        let _making = lock(&self.making);
        stopped.store(true, Ordering::Relaxed);
    }

    pub(super) fn config(&self) -> Arc<Config> {
        Arc::clone(&lock(&self.making).selector.config)
    }

    pub(super) fn status(&self) -> LiveStatus {
        lock(&self.making).status.clone()
    }

    pub(super) fn listen(&self, listener: Listener) {
        lock(&self.making).telling.listen(listener);
    }
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
        slots.replace(Ok(config), None).expect("a good one");
        let there = slots.current.load().selected.iter().flatten().count();
        assert_eq!(there, 1);
    }
}
