//! What the benchmarks share: contestants that take turns.
//!
//! Every round times every contestant, in rotating order, so that a noisy machine slows all of them
//! alike; ratios are taken within a round.

use std::time::Instant;

/// The times of every contestant, round by round.
pub(crate) struct Times(Vec<Vec<f64>>);

/// Lets `contestants` take turns for that many rounds; `time` takes the time of one of them.
pub(crate) fn interleave(
    rounds: usize,
    contestants: usize,
    mut time: impl FnMut(usize) -> f64,
) -> Times {
    let mut times: Vec<Vec<f64>> = vec![Vec::with_capacity(rounds); contestants];
    for round in 0..rounds {
        for turn in 0..contestants {
            let at = (turn + round) % contestants;
            times[at].push(time(at));
        }
    }
    Times(times)
}

impl Times {
    pub(crate) fn median(&self, at: usize) -> f64 {
        median(self.0[at].clone())
    }

    /// The median of what `ours` took in relation to `peer` in the same round.
    pub(crate) fn ratio(&self, ours: usize, peer: usize) -> f64 {
        self.combined(|round| round[ours] / round[peer])
    }

    /// The median of what `more` took longer than `base` in the same round.
    #[allow(dead_code, reason = "not every benchmark looks at differences")]
    pub(crate) fn difference(&self, more: usize, base: usize) -> f64 {
        self.combined(|round| round[more] - round[base])
    }

    /// The median of what `combine` makes of all that was measured in a round.
    pub(crate) fn combined(&self, combine: impl Fn(&[f64]) -> f64) -> f64 {
        let rounds = self.0.first().map_or(0, Vec::len);
        let round = |at| self.0.iter().map(|times| times[at]).collect::<Vec<_>>();
        median((0..rounds).map(|at| combine(&round(at))).collect())
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[allow(clippy::disallowed_methods, reason = "a benchmark measures real time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
