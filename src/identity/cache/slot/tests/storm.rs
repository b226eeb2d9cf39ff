//! Everything at once, at random. What must hold throughout is in the journal.

use std::time::Duration;

use shuttle::rand::{Rng, RngCore, thread_rng};

use super::explore;
use super::job::Job;
use super::world::{SECOND, World, down, refusal, strictly};
use crate::identity::cache::policy::{Policy, Schedule};

const CALLERS: usize = 3;
const CALLS: usize = 2;

/// Less than what may pass in a run, so that some loads are overdue.
const LOAD_TIMEOUT: Duration = Duration::from_secs(10);

#[test]
fn whatever_happens_and_in_whatever_order() {
    explore(15_000, storm);
}

fn storm() {
    // The cache's jitter.
    fastrand::seed(thread_rng().next_u64());
    let world = World::new(Policy {
        load_timeout: LOAD_TIMEOUT,
        finish: thread_rng().gen_bool(0.3),
        ..strictly()
    });
    for _ in 0..CALLERS {
        world.spawn(|world| {
            for _ in 0..CALLS {
                let patient = || thread_rng().gen_bool(0.8);
                // An error is as good as a value here: the journal looks at the rest.
                if let Ok(value) = world.call(patient, load)
                    && thread_rng().gen_bool(0.3)
                {
                    world.reject(&value);
                }
            }
        });
    }
    world.spawn(|world| {
        if thread_rng().gen_bool(0.5) {
            world.invalidate();
        }
    });
    world.spawn(|world| {
        for _ in 0..3 {
            world.pass(thread_rng().gen_range(0..6) * SECOND);
            shuttle::thread::yield_now();
        }
    });
    world.join();
    world.check_the_end();
}

fn load(world: &World, job: &Job) {
    for _ in 0..thread_rng().gen_range(0..3) {
        shuttle::thread::yield_now();
    }
    let end = match job.number {
        // So that no caller starts over and over.
        10.. => 0,
        _ => thread_rng().gen_range(0..11),
    };
    match end {
        0..3 => world.land(job, Schedule::default()),
        3..6 => {
            let refresh = thread_rng().gen_range(-1..4);
            let wait = refresh + thread_rng().gen_range(0..4);
            let expiry = wait + thread_rng().gen_range(1..8);
            let end = expiry + thread_rng().gen_range(0..2) * 5;
            world.land(job, world.schedule([refresh, wait, expiry, end]));
        }
        6..8 => world.fail(job, down()),
        8 => world.fail(job, refusal()),
        9 => world.lose(job),
        _ => world.vanish(job),
    }
}
