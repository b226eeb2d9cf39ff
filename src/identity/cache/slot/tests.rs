//! The slot's decisions, one at a time, and under the schedules that shuttle thinks of.
//!
//! Shuttle runs its threads one after another and chooses who goes on at each access to an atomic or
//! a lock, and it takes every access for sequentially consistent: what `Relaxed` allows beyond that is
//! not seen here. The seeds are fixed. Other schedules are tried by
//! `SHUTTLE_RANDOM_SEED=1 cargo test --all-features --lib cache::slot`; a failing one is printed, and
//! `shuttle::replay` runs it again.

mod job;
mod journal;
mod numbers;
mod races;
mod storm;
mod table;
mod world;

use shuttle::scheduler::{DfsScheduler, PctScheduler, RandomScheduler, Scheduler};
use shuttle::{Config, Runner};

const SEED: u64 = 0x5eed;

/// How many preemptions a bug needs that the second scheduler is good at finding.
const DEPTH: usize = 3;

/// Runs `test` under `iterations` random schedules, and as many with few preemptions.
fn explore(iterations: usize, test: impl Fn() + Clone + Send + Sync + 'static) {
    let random = RandomScheduler::new_from_seed(SEED, iterations);
    let few = PctScheduler::new_from_seed(SEED, DEPTH, iterations);
    let schedules = run(random, test.clone()) + run(few, test);
    println!("{schedules} schedules");
}

/// Runs `test`, which must not choose anything at random, under every schedule there is.
fn every_schedule(test: impl Fn() + Send + Sync + 'static) {
    let schedules = run(DfsScheduler::new(None, false), test);
    println!("all {schedules} schedules");
}

/// For tests of one thread: the slot only works inside shuttle here.
fn once(test: impl Fn() + Send + Sync + 'static) {
    run(RandomScheduler::new_from_seed(SEED, 1), test);
}

fn run(scheduler: impl Scheduler + 'static, test: impl Fn() + Send + Sync + 'static) -> usize {
    let mut config = Config::new();
    // About `Relaxed`, see above.
    config.silence_warnings = true;
    Runner::new(scheduler, config).run(move || {
        // The cache's jitter, so that a schedule can be run again.
        fastrand::seed(SEED);
        test();
    })
}
