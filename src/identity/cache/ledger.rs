//! The books of a slot: what is under way, what went wrong, and since when.

use crate::clock::Monotonic;
use crate::error::AuthError;

pub(super) struct Ledger<F> {
    /// How many loads there have been.
    pub(super) started: u64,
    /// Loads up to this number do not land any more.
    pub(super) floor: u64,
    /// Loads up to this number answer nobody any more either.
    pub(super) invalidated: u64,
    pub(super) flight: Option<Flight<F>>,
    /// Loads that have been given up and may answer yet.
    pub(super) late: Vec<Flight<F>>,
    pub(super) hold: Option<Hold>,
    pub(super) rejections: Rejections,
    pub(super) refreshes: u64,
    pub(super) failures: u64,
    pub(super) failures_in_a_row: u32,
    /// How many loads in a row brought something that was due again already.
    pub(super) due_in_a_row: u32,
}

/// A load under way.
pub(super) struct Flight<F> {
    pub(super) number: u64,
    pub(super) since: Monotonic,
    pub(super) handle: F,
}

/// Why the source is left alone for now, and for how long.
pub(super) struct Hold {
    /// A failure, which is the answer where there is no credential. Without one, the last load brought
    /// something that is due again already.
    pub(super) error: Option<AuthError>,
    /// While there is a credential.
    pub(super) warm: Monotonic,
    /// Where there is none, or not for long.
    pub(super) cold: Monotonic,
}

pub(super) struct Rejections {
    /// The last generation that was rejected.
    pub(super) number: u64,
    /// How many generations in a row never worked.
    pub(super) in_a_row: u32,
    /// Until when a rejected generation stays.
    pub(super) hold: Monotonic,
}

/// What a load is waited for by.
pub(super) trait Handle: Clone {
    /// Whether it has come to an end. A load that ran has told the slot before.
    fn has_ended(&self) -> bool;

    /// Stops it, at once or at its next step.
    fn abort(&self);
}

impl<F> Ledger<F> {
    pub(super) fn new() -> Self {
        Self {
            started: 0,
            floor: 0,
            invalidated: 0,
            flight: None,
            late: Vec::new(),
            hold: None,
            rejections: Rejections {
                number: 0,
                in_a_row: 0,
                hold: Monotonic::MIN,
            },
            refreshes: 0,
            failures: 0,
            failures_in_a_row: 0,
            due_in_a_row: 0,
        }
    }

    /// Load `number` has ended: the load under way, if that is the one.
    pub(super) fn take(&mut self, number: u64) -> Option<Flight<F>> {
        self.late.retain(|flight| flight.number != number);
        self.flight.take_if(|flight| flight.number == number)
    }

    pub(super) fn take_all(&mut self) -> Vec<F> {
        let flights = self.late.drain(..).chain(self.flight.take());
        flights.map(|flight| flight.handle).collect()
    }
}

impl Rejections {
    /// Generation `number` was rejected: soon after it came, or not.
    pub(super) fn note(&mut self, number: u64, soon: bool) {
        if self.number != number {
            self.number = number;
            self.in_a_row = match soon {
                true => self.in_a_row.saturating_add(1),
                // It worked, and so may the next one: if that is revoked in turn, it need not stay.
                false => 0,
            };
        }
    }
}
