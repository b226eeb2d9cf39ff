//! The authorizer that hands each request to the configuration of the moment.

use std::fmt;
use std::sync::Arc;

use http::{request, response};

use super::recipe::Slot;
use super::slots::Slots;
use crate::error::{AuthError, AuthErrorKind};
#[cfg(feature = "sigv4")]
use crate::layer::BodySigner;
#[cfg(feature = "sigv4")]
use crate::layer::Signs;
use crate::layer::{Applied, AuthHint, Authorizer, Guarded, Need, Setting, Verdict};
use crate::payload::PayloadHash;
use crate::select::selected::{Selected, SelectedAcquire, SelectedCredential, SelectedPlan};
use crate::select::which::Which;

/// The [`Authorizer`] of [`LiveAuthLayer`](crate::LiveAuthLayer).
#[derive(Clone)]
pub struct Live {
    slots: Arc<Slots>,
    /// Clones share it, and with it what they are made of.
    slot: Arc<Slot>,
}

/// What was decided about a request, and by which configuration.
#[derive(Debug)]
pub struct LivePlan {
    selected: Arc<Selected>,
    plan: SelectedPlan,
}

impl Live {
    pub(super) fn new(slots: Arc<Slots>, which: Which) -> Result<Self, AuthError> {
        let slot = slots.add(which)?;
        Ok(Self { slots, slot })
    }

    #[inline]
    fn current(&self) -> Result<Arc<Selected>, AuthError> {
        self.slots.current(&self.slot).ok_or_else(lost)
    }
}

impl Authorizer for Live {
    type Plan = LivePlan;
    type Credential = SelectedCredential;
    type Acquire = SelectedAcquire;

    #[inline]
    fn cover(&self, head: &mut request::Parts) -> Result<Option<(LivePlan, Need)>, AuthError> {
        let selected = self.current()?;
        let covered = selected.cover(head)?;
        Ok(covered.map(|(plan, need)| (LivePlan { selected, plan }, need)))
    }

    fn acquire(&self, plan: &LivePlan) -> SelectedAcquire {
        plan.selected.acquire(&plan.plan)
    }

    #[inline]
    fn at_hand(&self, plan: &LivePlan) -> Option<SelectedCredential> {
        plan.selected.at_hand(&plan.plan)
    }

    #[inline]
    fn apply(
        &self,
        plan: &mut LivePlan,
        credential: &SelectedCredential,
        payload: &PayloadHash,
        head: &mut request::Parts,
    ) -> Result<Applied, AuthError> {
        plan.selected
            .apply(&mut plan.plan, credential, payload, head)
    }

    #[cfg(feature = "sigv4")]
    #[inline]
    fn body_signer(&self, plan: &mut LivePlan) -> Option<BodySigner> {
        plan.selected.body_signer(&mut plan.plan)
    }

    fn judge(
        &self,
        plan: &LivePlan,
        credential: &SelectedCredential,
        head: &response::Parts,
        peeked: Option<&[u8]>,
    ) -> Verdict {
        plan.selected.judge(&plan.plan, credential, head, peeked)
    }

    fn hint(
        &self,
        plan: &LivePlan,
        credential: &SelectedCredential,
        head: &response::Parts,
        peeked: Option<&[u8]>,
    ) -> Option<AuthHint> {
        plan.selected.hint(&plan.plan, credential, head, peeked)
    }

    fn is_same(&self, rejected: &SelectedCredential, acquired: &SelectedCredential) -> bool {
        rejected.is_alike(acquired)
    }

    fn reject(&self, plan: &LivePlan, credential: &SelectedCredential) {
        plan.selected.reject(&plan.plan, credential);
    }
}

#[allow(private_interfaces)]
impl Guarded for Live {
    /// Clones go on without the setting, so that this one is a layer of its own from here on.
    fn set(&mut self, setting: &Setting) {
        self.slot = self.slots.set(&self.slot, setting);
    }
}

#[cfg(feature = "sigv4")]
impl Signs for Live {}

/// A layer of other slots, which there is none of.
#[cold]
fn lost() -> AuthError {
    AuthError::new(
        AuthErrorKind::Configuration,
        "the layer belongs to no configuration",
    )
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Live");
        if let Ok(selected) = self.current() {
            shown.field("selected", &selected);
        }
        shown.finish_non_exhaustive()
    }
}
