//! One race each: what may come of it is known exactly.

use std::sync::Arc;
use std::time::Duration;

use super::super::Turn;
use super::job::Job;
use super::journal::number;
use super::world::{ADVISORY, EXPIRED, LONG, MANDATORY, NOTHING, SECOND, World, down, refusal};
use super::{every_schedule, explore};
use crate::identity::cache::policy::{Policy, Schedule};

/// A load that brings what never ends.
fn lands(world: &World, job: &Job) {
    world.land(job, Schedule::default());
}

/// A caller that waits for as long as it takes.
fn patient() -> bool {
    true
}

/// The load whose value such a caller gets.
fn gets(world: &Arc<World>, load: impl Fn(&World, &Job) + Clone + Send + 'static) -> Option<u64> {
    world.call(patient, load).ok().as_ref().map(number)
}

#[test]
fn a_crowd_makes_one_load_and_all_get_what_it_brings() {
    explore(10_000, || {
        let world = World::strict();
        for _ in 0..4 {
            world.spawn(|world| assert_eq!(gets(world, lands), Some(1)));
        }
        world.join();
        assert_eq!(world.launches(), 1);
        world.check_the_end();
    });
}

#[test]
fn an_older_load_never_replaces_what_a_newer_one_brought() {
    for finish in [true, false] {
        explore(5_000, move || {
            let world = World::finishing(finish);
            let first = world.launch_late();
            let second = world.launch();
            for job in [first, second] {
                world.spawn(move |world| world.store(&job, Schedule::default()));
            }
            if let Some(one) = world.look() {
                let two = world.look().expect("nobody takes it away");
                assert!(number(&one) <= number(&two));
            }
            world.join();
            assert_eq!(number(&world.look().expect("both have landed")), 2);
            world.check_the_end();
        });
    }
}

#[test]
fn what_was_loaded_before_an_invalidation_is_not_served_after_it() {
    every_schedule(|| {
        let world = World::strict();
        let job = world.launch();
        world.spawn(move |world| lands(world, &job));
        world.invalidate();
        assert!(world.look().is_none());
        world.join();
        assert!(world.look().is_none(), "it has landed after all");
        assert!(
            world.launch_if_due().is_some(),
            "there is nothing to wait for"
        );
    });
    explore(10_000, || {
        let world = World::strict();
        let old = world.launch_late();
        let new = world.launch();
        for job in [old, new] {
            world.spawn(move |world| lands(world, &job));
        }
        world.spawn(|world| assert!(gets(world, lands).is_some()));
        world.invalidate();
        if let Some(value) = world.look() {
            assert!(number(&value) > 2, "it is of the caller's load");
        }
        world.join();
        world.check_the_end();
    });
}

#[test]
fn an_invalidation_ends_every_pause() {
    for finish in [false, true] {
        every_schedule(move || {
            let world = World::finishing(finish);
            world.begin(ADVISORY);
            let job = world.launch();
            world.spawn(move |world| world.fail(&job, refusal()));
            world.invalidate();
            assert!(world.look().is_none());
            world.join();
            assert!(world.launch_if_due().is_some(), "that failure was before");
        });
    }
}

/// Two of them would use the same refresh token.
#[test]
fn a_load_that_must_finish_is_alone_until_it_has_whatever_is_invalidated() {
    explore(5_000, || {
        let world = World::finishing(true);
        let old = world.launch();
        world.spawn(move |world| lands(world, &old));
        world.spawn(|world| drop(world.invalidate()));
        for _ in 0..2 {
            // Those that were there when it was invalidated wait for two loads.
            world.spawn(|world| assert!(gets(world, lands).is_some()));
        }
        world.join();
        assert!(world.launches() <= 2);
        world.check_the_end();
    });
}

#[test]
fn a_late_rejection_never_evicts_a_newer_value() {
    every_schedule(|| {
        let world = World::strict();
        world.begin(ADVISORY);
        let second = world.launch();
        let Turn::Serve(first) = world.attend(|_| panic!("one is under way")) else {
            panic!("it is valid");
        };
        world.spawn(move |world| lands(world, &second));
        world.reject(&first);
        world.join();
        let value = world.look().expect("nobody rejected the second");
        assert_eq!(number(&value), 2);
    });
}

#[test]
fn a_crowd_that_rejects_one_value_gets_one_other() {
    for hold in [SECOND, Duration::ZERO] {
        explore(5_000, move || {
            let world = World::new(Policy {
                rejected_hold: (hold, hold),
                ..Policy::default()
            });
            let job = world.launch();
            lands(&world, &job);
            let first = world.look().expect("it has landed");
            for _ in 0..3 {
                let first = first.clone();
                world.spawn(move |world| {
                    world.reject(&first);
                    assert_eq!(gets(world, lands), Some(2));
                });
            }
            world.join();
            assert_eq!(world.launches(), 2);
            world.check_the_end();
        });
    }
}

#[test]
fn while_a_failure_is_the_answer_nobody_loads() {
    for (before, error, pause) in [
        (NOTHING, refusal(), 2),
        (ADVISORY, refusal(), 2),
        (ADVISORY, down(), 2),
        (MANDATORY, refusal(), 2),
        (EXPIRED, down(), 2),
    ] {
        explore(4_000, move || {
            let world = World::strict();
            let launches = world.begin(before);
            for _ in 0..3 {
                let error = error.clone();
                world.spawn(move |world| {
                    for _ in 0..2 {
                        let error = error.clone();
                        let fails = move |world: &World, job: &Job| world.fail(job, error.clone());
                        assert_eq!(gets(world, fails).is_some(), before.is_some());
                    }
                });
            }
            world.join();
            assert_eq!(world.launches(), launches + 1, "all at the same time");
            assert_eq!(world.slot.status(&world.now()).failures, 1);
            world.pass(pause * SECOND);
            assert!(world.look().is_none());
            assert!(world.launch_if_due().is_some(), "the pause is over");
        });
    }
}

#[test]
fn a_load_that_hangs_is_given_up_once_and_its_late_answer_harms_nobody() {
    for finish in [true, false] {
        explore(5_000, move || {
            let world = World::finishing(finish);
            let hung = world.launch_late();
            // It answers after all, who waited for it gives up, and others come.
            world.spawn(move |world| world.store(&hung, Schedule::default()));
            world.spawn(|world| world.expire());
            for _ in 0..2 {
                world.spawn(|world| assert!(gets(world, lands).is_some()));
            }
            world.join();
            assert!(world.launches() <= 2);
            let status = world.slot.status(&world.now());
            assert!(status.failures <= 1, "it is one failure");
            assert!(status.ready);
            world.check_the_end();
        });
    }
}

#[test]
fn those_who_wait_for_a_load_that_is_lost_start_one_other() {
    for before in [NOTHING, MANDATORY, EXPIRED] {
        explore(5_000, move || {
            let world = World::strict();
            let lost = world.begin(before) + 1;
            for _ in 0..3 {
                world.spawn(move |world| {
                    let got = gets(world, move |world, job| match job.number == lost {
                        true => world.lose(job),
                        false => lands(world, job),
                    });
                    assert_eq!(got, Some(lost + 1));
                });
            }
            world.join();
            assert_eq!(world.launches(), lost + 1);
            world.check_the_end();
        });
    }
}

#[test]
fn however_a_refresh_ends_another_one_follows() {
    /// How a load ends, and after how many seconds the next one may begin.
    type End = (fn(&World, &Job), u32);
    let ends: [End; 6] = [
        (
            // In its advisory window as it comes.
            |world, job| world.land(job, world.schedule([-1, 10_000, 20_000, 20_000])),
            2,
        ),
        (|world, job| world.fail(job, down()), 2),
        (|world, job| world.fail(job, refusal()), 2),
        (|world, job| world.lose(job), 0),
        // Its runtime stopped before it could say so: until it is overdue, nobody notices.
        (|world, job| world.vanish(job), 32),
        // Nothing more is heard of it; three may have failed so.
        (
            |world, _| {
                world.pass(world.slot.policy().overdue());
                world.expire();
            },
            5,
        ),
    ];
    for (end, pause) in ends {
        explore(3_000, move || {
            let world = World::strict();
            world.begin(ADVISORY);
            assert!(world.look().is_none(), "it is to be refreshed");
            let job = world.launch();
            assert!(world.look().is_some(), "a refresh is under way");
            world.spawn(move |world| end(world, &job));
            for _ in 0..2 {
                world.spawn(move |world| assert!(gets(world, end).is_some()));
            }
            world.join();
            world.pass(pause * SECOND);
            assert!(world.look().is_none(), "nothing is under way");
            assert!(world.launch_if_due().is_some());
            // That one hangs, as only time can tell.
            assert!(world.look().is_some());
            world.pass(world.slot.policy().load_timeout);
            assert!(world.look().is_none());
            assert!(world.launch_if_due().is_none(), "it has failed just now");
            assert!(world.look().is_some());
            world.pass(LONG);
            assert!(world.look().is_none());
            assert!(world.launch_if_due().is_some());
        });
    }
}
