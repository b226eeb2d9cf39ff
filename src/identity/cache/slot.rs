//! What a cache knows, and what happens to it: the decisions, without tasks, timers or I/O.
//!
//! | the credential | a load is under way | backing off | neither |
//! |---|---|---|---|
//! | is fresh | serve | serve | serve |
//! | in its advisory window | serve | serve | load, serve |
//! | in its mandatory window, or served past its expiry | wait a little, then serve | serve | load, wait a little, then serve |
//! | is over, or there is none | wait | the failure again | load, wait |
//!
//! Loads are numbered. One lands only if no later one has, and if nothing was invalidated since it
//! began.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::ledger::{Flight, Handle, Hold, Ledger};
use super::policy::{Policy, Schedule, Stage};
use super::status::CacheStatus;
use super::sync::{AtomicI64, Current, Mutex, MutexGuard, Ordering};
use crate::clock::{Moment, Monotonic};
use crate::error::AuthError;
use crate::identity::load::Cacheable;
use crate::observe;

pub(super) struct Slot<V, F> {
    policy: Policy,
    current: Current<Generation<V>>,
    /// Until when there is nothing to do in an advisory window: a load is under way, or one has
    /// failed. Only a hint that saves the lock.
    quiet_until: AtomicI64,
    /// Never held across an await, nor while a source or its errors are dropped.
    ledger: Mutex<Ledger<F>>,
}

/// A credential and what is known about it.
struct Generation<V> {
    value: V,
    number: u64,
    landed: Moment,
    schedule: Schedule,
}

/// What a caller is to do.
pub(super) enum Turn<V, F> {
    Serve(V),
    Refuse(AuthError),
    Wait(Ticket<V, F>),
}

/// A place among those who wait for a load.
pub(super) struct Ticket<V, F> {
    pub(super) number: u64,
    pub(super) handle: F,
    /// How long to wait for this load: until it is overdue, or until the fallback is as good.
    pub(super) patience: Duration,
    /// What to go on with if the load fails or takes too long.
    pub(super) fallback: Option<V>,
}

impl<V: Cacheable, F: Handle> Slot<V, F> {
    pub(super) fn new(policy: Policy) -> Self {
        Self {
            policy,
            current: Current::empty(),
            quiet_until: AtomicI64::new(Monotonic::MIN.as_nanos()),
            ledger: Mutex::new(Ledger::new()),
        }
    }

    /// The warm path: what is at hand, if there is nothing else to do. Takes no lock, and reads no
    /// clock for a credential that never ends.
    #[inline]
    pub(super) fn look(&self, now: impl FnOnce() -> Moment) -> Option<V> {
        self.current.read(|generation| {
            let generation = generation?;
            if generation.schedule.is_timed() {
                let now = now();
                let schedule = &generation.schedule;
                if !schedule.is_fresh(&now) {
                    if schedule.is_pressing(&now) || !self.is_quiet(&now) {
                        return None;
                    }
                    observe::stale_serve(&self.policy.name);
                }
            }
            Some(generation.value.clone())
        })
    }

    /// Whether somebody sees to the renewal already, or it has to wait.
    #[inline]
    fn is_quiet(&self, now: &Moment) -> bool {
        now.monotonic.as_nanos() < self.quiet_until.load(Ordering::Relaxed)
    }

    /// Everything but the warm path. `launch` is given a load's number and starts it.
    pub(super) fn attend(
        &self,
        now: &Moment,
        launch: impl FnOnce(u64) -> Result<F, AuthError>,
    ) -> Turn<V, F> {
        // Dropped after the lock is free again.
        let (_hold, _lost);
        let mut ledger = self.lock();
        // A load may have landed since the caller looked.
        let generation = self.current.get();
        let stage = generation
            .as_ref()
            .map_or(Stage::Over, |generation| generation.schedule.stage(now));
        let value = match (&generation, stage) {
            (Some(generation), Stage::Fresh) => return Turn::Serve(generation.value.clone()),
            (Some(generation), Stage::Advisory | Stage::Mandatory | Stage::Expired) => {
                Some(generation.value.clone())
            }
            (None, _) | (_, Stage::Over) => None,
        };

        // A task that ended without a word: its runtime stopped before it could run.
        _lost = ledger.flight.take_if(|flight| flight.handle.has_ended());
        // Nobody need have waited for all of that time: callers have timeouts of their own.
        _hold = self.give_up_overdue(&mut ledger, now);
        let flight = match ledger.flight.take() {
            Some(flight) => flight,
            None => {
                let until = |hold: &Hold| match stage {
                    Stage::Advisory | Stage::Expired => hold.warm,
                    Stage::Fresh | Stage::Mandatory | Stage::Over => hold.cold,
                };
                if let Some(hold) = &ledger.hold
                    && now.monotonic < until(hold)
                {
                    match (&value, &hold.error) {
                        (Some(value), _) => return self.serve_stale(value.clone()),
                        (None, Some(error)) => return Turn::Refuse(error.clone()),
                        (None, None) => {}
                    }
                }
                let number = ledger.started + 1;
                match launch(number) {
                    Ok(handle) => {
                        ledger.started = number;
                        self.hush(now.monotonic.saturating_add(self.policy.overdue()));
                        Flight {
                            number,
                            since: now.monotonic,
                            handle,
                        }
                    }
                    // Outside a runtime, say: no reason not to send what is valid.
                    Err(error) => {
                        return value.map_or(Turn::Refuse(error), |value| self.serve_stale(value));
                    }
                }
            }
        };
        let patience = match (&generation, &value) {
            (Some(generation), Some(_)) => {
                self.patience(&generation.schedule, flight.since, stage, now)
            }
            _ => {
                let waited = now.monotonic.since(flight.since);
                self.policy.overdue().saturating_sub(waited)
            }
        };
        let turn = match value {
            Some(value) if patience.is_zero() => self.serve_stale(value),
            fallback => Turn::Wait(Ticket {
                number: flight.number,
                handle: flight.handle.clone(),
                patience,
                fallback,
            }),
        };
        ledger.flight = Some(flight);
        turn
    }

    /// Serves what is due for renewal.
    fn serve_stale(&self, value: V) -> Turn<V, F> {
        observe::stale_serve(&self.policy.name);
        Turn::Serve(value)
    }

    /// How long to wait for something newer than a credential that is valid still. No longer than
    /// the setting *for one load*, whenever the caller came; and for at most half of what is left,
    /// or the credential would end with the waiting.
    fn patience(
        &self,
        schedule: &Schedule,
        since: Monotonic,
        stage: Stage,
        now: &Moment,
    ) -> Duration {
        let (Stage::Mandatory | Stage::Expired, Some(wait), Some(end)) =
            (stage, schedule.wait, schedule.end)
        else {
            return Duration::ZERO;
        };
        let waited = now.monotonic.since(since).min(wait.past(now));
        let rest = self.policy.mandatory_wait.saturating_sub(waited);
        rest.min(end.left(now) / 2)
    }

    /// Stores what load `number` brought, and makes room for the next load, in one step: in between, a
    /// value that has just been rejected could be had once more from the load it came with.
    ///
    /// Returns the loads that are not needed any more: those that were started when this one was late,
    /// and those before it.
    pub(super) fn land(&self, number: u64, value: V, schedule: Schedule, now: Moment) -> Vec<F> {
        let mut ledger = self.lock();
        let flight = ledger.take(number);
        let mut needless = Vec::new();
        let mut hold = None;
        if number > ledger.floor {
            if !self.policy.finish {
                needless = ledger.take_all();
            }
            ledger.floor = number;
            ledger.refreshes += 1;
            ledger.failures_in_a_row = 0;
            // A metadata server that hands out the same old credentials, a life shorter than the load:
            // no reason to load at every request.
            if schedule.is_fresh(&now) {
                ledger.due_in_a_row = 0;
            } else {
                ledger.due_in_a_row = ledger.due_in_a_row.saturating_add(1);
                let until = self.policy.due_again(ledger.due_in_a_row);
                let until = now.monotonic.saturating_add(until);
                hold = Some(Hold {
                    error: None,
                    warm: until,
                    cold: until,
                });
            }
            self.hush(hold.as_ref().map_or(Monotonic::MIN, |hold| hold.warm));
            hold = std::mem::replace(&mut ledger.hold, hold);
            self.current.set(Some(Arc::new(Generation {
                value,
                number,
                landed: now,
                schedule,
            })));
        }
        drop(ledger);
        // Not under the lock: they hold what is not ours, a source's error among it.
        drop((flight, hold));
        needless
    }

    /// Load `number` failed. The failure of one that has been given up already says nothing new, and
    /// that of one from before `invalidate` nothing about what comes after.
    pub(super) fn fail(&self, number: u64, error: AuthError, now: &Moment) {
        let mut ledger = self.lock();
        let flight = ledger.take(number);
        let mut hold = None;
        if flight.is_some() {
            if number > ledger.invalidated {
                hold = self.note_failure(&mut ledger, error, now.monotonic);
            } else {
                self.hush(Monotonic::MIN);
            }
        }
        drop(ledger);
        drop((flight, hold));
    }

    /// Load `number` came to nothing, by nobody's fault: its runtime stopped.
    pub(super) fn lose(&self, number: u64) {
        let mut ledger = self.lock();
        let flight = ledger.take(number);
        if flight.is_some() {
            self.hush(Monotonic::MIN);
        }
        drop(ledger);
        drop(flight);
    }

    /// Makes room for another load if the one under way has had its time. If it answers after all, its
    /// value counts.
    pub(super) fn expire(&self, now: &Moment) {
        let mut ledger = self.lock();
        let hold = self.give_up_overdue(&mut ledger, now);
        drop(ledger);
        drop(hold);
    }

    fn give_up_overdue(&self, ledger: &mut Ledger<F>, now: &Moment) -> Option<Hold> {
        let timeout = self.policy.overdue();
        let age = |flight: &Flight<F>| now.monotonic.since(flight.since);
        let overdue = ledger.flight.take_if(|flight| age(flight) >= timeout)?;
        if self.policy.finish {
            // It has had all the time there is, and might go on beside the next one: where its runtime
            // stood still.
            overdue.handle.abort();
        }
        // A load that is older than that has ended, or its runtime has.
        let over = timeout.saturating_mul(3);
        ledger.late.retain(|flight| age(flight) < over);
        // Since then, and not since somebody noticed.
        let at = overdue.since.saturating_add(timeout);
        let number = overdue.number;
        ledger.late.push(overdue);
        if number <= ledger.invalidated {
            self.hush(Monotonic::MIN);
            return None;
        }
        self.note_failure(ledger, late(self.policy.load_timeout), at)
    }

    /// Returns what it replaces, to be dropped when the lock is free again.
    fn note_failure(
        &self,
        ledger: &mut Ledger<F>,
        error: AuthError,
        at: Monotonic,
    ) -> Option<Hold> {
        ledger.failures += 1;
        ledger.failures_in_a_row = ledger.failures_in_a_row.saturating_add(1);
        let (warm, cold) = self.policy.hold(ledger.failures_in_a_row, &error);
        let warm = at.saturating_add(warm);
        self.hush(warm);
        ledger.hold.replace(Hold {
            error: Some(error),
            warm,
            cold: at.saturating_add(cold),
        })
    }

    /// Whether `value` is the current one, and not just the same text.
    pub(super) fn holds(&self, value: &V) -> bool {
        self.current
            .read(|current| current.is_some_and(|current| current.value.is_same(value)))
    }

    /// Evicts `rejected`, if it is the current value, and if the last one that was rejected has not
    /// only just been replaced: a server that rejects everything is no reason to load again and again.
    pub(super) fn reject(&self, rejected: &V, now: &Moment) {
        if !self.holds(rejected) {
            return;
        }
        let mut ledger = self.lock();
        // A newer one may have landed in between.
        let current = self.current.get();
        let Some(generation) = current.filter(|current| current.value.is_same(rejected)) else {
            return;
        };
        let age = now.monotonic.since(generation.landed.monotonic);
        let expiry = generation.schedule.expiry;
        let life = expiry.map(|expiry| expiry.left(&generation.landed));
        let rejections = &mut ledger.rejections;
        rejections.note(generation.number, Policy::never_worked(age, life));
        if now.monotonic >= rejections.hold {
            let hold = self.policy.rejected(rejections.in_a_row, life);
            rejections.hold = now.monotonic.saturating_add(hold);
            self.current.set(None);
        }
        drop(ledger);
    }

    /// Forgets everything: the value, failures, and what loads under way will bring. Returns those that
    /// need not go on.
    pub(super) fn invalidate(&self) -> Vec<F> {
        let mut ledger = self.lock();
        ledger.floor = ledger.started;
        ledger.invalidated = ledger.started;
        let hold = ledger.hold.take();
        ledger.failures_in_a_row = 0;
        ledger.due_in_a_row = 0;
        ledger.rejections.in_a_row = 0;
        ledger.rejections.hold = Monotonic::MIN;
        self.hush(Monotonic::MIN);
        let old = self.current.get();
        self.current.set(None);
        // One that must finish stays, and answers nobody: another one beside it would use the same
        // refresh token. Whoever waits for it waits for the next one as well.
        let flights = match self.policy.finish {
            true => Vec::new(),
            false => ledger.take_all(),
        };
        drop(ledger);
        drop((old, hold));
        flights
    }

    /// Whether the answer of load `number` is nobody's any more.
    pub(super) fn is_invalidated(&self, number: u64) -> bool {
        number <= self.lock().invalidated
    }

    pub(super) fn status(&self, now: &Moment) -> CacheStatus {
        let ledger = self.lock();
        let generation = self.current.get();
        let generation = generation
            .as_deref()
            .filter(|generation| generation.schedule.stage(now) != Stage::Over);
        CacheStatus {
            ready: generation.is_some(),
            expires_in: generation
                .and_then(|generation| generation.schedule.expiry)
                .map(|expiry| expiry.left(now)),
            age: generation.map(|g| now.monotonic.since(g.landed.monotonic)),
            refreshing: ledger.flight.is_some(),
            refreshes: ledger.refreshes,
            failures: ledger.failures,
            failures_in_a_row: ledger.failures_in_a_row,
            last_error: ledger.hold.as_ref().and_then(|hold| hold.error.clone()),
        }
    }

    fn hush(&self, until: Monotonic) {
        self.quiet_until.store(until.as_nanos(), Ordering::Relaxed);
    }
}

impl<V, F> Slot<V, F> {
    pub(super) fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The loads under way, which the slot then knows no more.
    pub(super) fn close(&self) -> Vec<F> {
        self.lock().take_all()
    }

    fn lock(&self) -> MutexGuard<'_, Ledger<F>> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a load that takes too long ends in, for those who wait for it.
pub(super) fn late(timeout: Duration) -> AuthError {
    AuthError::transient(format!(
        "the source has not answered within {} seconds",
        timeout.as_secs_f64()
    ))
}

#[cfg(test)]
mod tests;
