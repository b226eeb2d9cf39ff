//! What was done to a slot, and what follows for whoever asks it.
//!
//! A call takes effect somewhere between its beginning and its return, so what had returned before
//! another one began came before it, and of anything else nothing is known.

use std::time::Duration;

use super::super::Ticket;
use crate::clock::{Deadline, Moment};
use crate::identity::Token;
use crate::identity::cache::policy::Policy;

#[derive(Clone, Default)]
pub(super) struct Journal {
    /// The time since the beginning.
    pub(super) passed: Duration,
    /// By their numbers, from 1.
    loads: Vec<Load>,
    /// The newest load whose `land` has returned.
    landed: u64,
    /// The loads whose `land` is at work.
    landing: Vec<u64>,
    /// The newest load that was launched before an `invalidate` that has returned.
    pub(super) invalidated: u64,
    /// How many `invalidate` are at work.
    invalidating: u32,
    /// The values whose `reject` has returned.
    rejected: Vec<u64>,
    /// Whether a load has ended without a word, which the next caller finds.
    pub(super) vanished: bool,
    /// The newest value that was served.
    served: u64,
}

#[derive(Clone)]
pub(super) struct Load {
    since: Moment,
    pub(super) end: Option<Deadline>,
    /// Whether a call has begun that ends it, or `invalidate` has ended it.
    ending: bool,
    /// Whether that call has returned.
    ended: bool,
    /// Whether an `invalidate` was at work when it was launched, or later.
    pub(super) may_be_invalidated: bool,
    landing: bool,
    pub(super) rejecting: bool,
}

/// The load that a value came with.
pub(super) fn number(value: &Token) -> u64 {
    value.expose().parse().expect("the number of its load")
}

impl Journal {
    pub(super) fn launches(&self) -> u64 {
        self.loads.len() as u64
    }

    pub(super) fn load(&mut self, number: u64) -> &mut Load {
        &mut self.loads[number as usize - 1]
    }

    /// The newest load whose `land` has at least begun.
    pub(super) fn newest(&self) -> Option<(u64, &Load)> {
        let loads = (1..).zip(&self.loads);
        loads.filter(|(_, load)| load.landing).last()
    }

    /// Load `number` is launched, by a caller whose clock reads `now`; another one's may be at
    /// `latest` already.
    pub(super) fn launch(&mut self, number: u64, now: Moment, latest: Moment, policy: &Policy) {
        let is_invalidating = self.invalidating > 0;
        // Those that must finish are never left alone with another one.
        let is_ended_so = is_invalidating && !policy.finish;
        for (other, load) in (1..).zip(&self.loads) {
            let is_overdue = latest.monotonic.since(load.since.monotonic) >= policy.overdue();
            // An older one that lands makes an end of it.
            let is_needless = !policy.finish && self.landing.iter().any(|older| *older < other);
            assert!(
                load.ending || is_overdue || is_ended_so || is_needless,
                "load {number} beside load {other}"
            );
        }
        self.loads.push(Load {
            since: now,
            end: None,
            ending: false,
            ended: false,
            may_be_invalidated: is_invalidating,
            landing: false,
            rejecting: false,
        });
        assert_eq!(number, self.launches(), "they are numbered");
    }

    pub(super) fn ending(&mut self, number: u64) {
        self.load(number).ending = true;
    }

    pub(super) fn ended(&mut self, number: u64) {
        self.load(number).ended = true;
    }

    pub(super) fn landing(&mut self, number: u64, end: Option<Deadline>) {
        self.landing.push(number);
        let load = self.load(number);
        load.ending = true;
        load.landing = true;
        load.end = end;
    }

    /// `needless` are the loads that there was no need of any more.
    pub(super) fn landed(&mut self, number: u64, needless: impl Iterator<Item = u64>) {
        self.landing.retain(|other| *other != number);
        self.landed = self.landed.max(number);
        self.ended(number);
        for needless in needless {
            assert_ne!(needless, number);
            self.ending(needless);
            self.ended(needless);
        }
    }

    pub(super) fn invalidating(&mut self) -> u64 {
        self.invalidating += 1;
        for load in &mut self.loads {
            load.may_be_invalidated = true;
        }
        self.launches()
    }

    /// `launched` is what `invalidating` returned, `flights` are the loads that do not go on.
    pub(super) fn invalidated(&mut self, launched: u64, flights: impl Iterator<Item = u64>) {
        self.invalidating -= 1;
        self.invalidated = self.invalidated.max(launched);
        for flight in flights {
            self.ending(flight);
            self.ended(flight);
        }
    }

    pub(super) fn rejected(&mut self, number: u64) {
        self.rejected.push(number);
    }

    /// `value` was served to one who asked at `now`, when the journal was what it was `before`.
    pub(super) fn serve(
        &mut self,
        before: &Self,
        value: &Token,
        now: Option<Moment>,
        policy: &Policy,
    ) {
        let number = number(value);
        assert!(number > before.invalidated, "{number} was invalidated");
        assert!(number >= before.landed, "{number}: a newer one had landed");
        assert!(number >= before.served, "{number}: a newer one was served");
        let always_goes = policy.rejected_hold.1.is_zero();
        let is_rejected = always_goes && before.rejected.contains(&number);
        assert!(!is_rejected, "{number} was rejected");
        let end = self.load(number).end;
        let is_over = end.zip(now).is_some_and(|(end, now)| end.has_passed(&now));
        assert!(!is_over, "{number} was over");
        self.served = self.served.max(number);
    }

    /// The same of a place among those who wait.
    pub(super) fn wait<F>(
        &mut self,
        before: &Self,
        ticket: &Ticket<Token, F>,
        now: &Moment,
        policy: &Policy,
    ) {
        let number = ticket.number;
        assert!(number <= self.launches(), "{number} was never launched");
        assert!(number > before.landed, "{number}: a newer one had landed");
        let waits_twice = policy.finish;
        assert!(
            number > before.invalidated || waits_twice,
            "{number} was invalidated"
        );
        let known = before.loads.get(number as usize - 1);
        let is_over = known.is_some_and(|load| load.ended);
        assert!(!is_over, "{number} had come to an end");
        match &ticket.fallback {
            Some(value) => {
                assert!(!ticket.patience.is_zero(), "then there is no wait");
                self.serve(before, value, Some(*now), policy);
            }
            None => {
                let waited = now.monotonic.since(self.load(number).since.monotonic);
                let rest = policy.overdue().checked_sub(waited);
                assert_eq!(Some(ticket.patience), rest, "until it is overdue");
            }
        }
    }
}
