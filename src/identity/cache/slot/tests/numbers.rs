//! How long callers wait, how long a load is let alone, and for how long a failure or a rejection
//! counts.

use std::sync::Arc;
use std::time::Duration;

use super::super::Turn;
use super::job::Job;
use super::journal::number;
use super::once;
use super::world::{
    ADVISORY, EXPIRED, LONG, MANDATORY, NOTHING, OVER, SECOND, World, down, refusal,
};
use crate::identity::Token;
use crate::identity::cache::policy::{Policy, Schedule};

const MILLI: Duration = Duration::from_millis(1);

/// For each moment at which the load may have begun, and each at which a caller may come.
#[test]
fn nobody_waits_for_longer_than_the_setting_for_one_load_nor_for_more_than_half_of_the_rest() {
    const SETTING: Duration = Duration::from_secs(5);
    // All in tenths of a second: how long the mandatory window is, when the load begins before or in
    // it, and when the caller comes.
    once(|| {
        let mut waits = 0;
        for (window, is_expired) in [
            (20_i64, false),
            (60, false),
            (100, false),
            (400, false),
            (100, true),
        ] {
            for begins in (-100..window).step_by(7) {
                for comes in (begins.max(0)..window).step_by(3) {
                    let world = World::strict();
                    let job = world.launch();
                    let end = 20 + window as i32 / 10;
                    let expiry = if is_expired { 20 } else { end };
                    world.land(&job, world.schedule([1, 20, expiry, end]));
                    world.pass(20 * SECOND - tenths(-begins) + tenths(begins));
                    assert_eq!(world.launch().number, 2);
                    world.pass(tenths(comes - begins));
                    if comes - begins >= 300 {
                        continue; // it is overdue
                    }
                    let spent = tenths(comes - begins.max(0));
                    let left = tenths(window - comes);
                    let expected = SETTING.saturating_sub(spent).min(left / 2);
                    let patience = match world.attend(|_| panic!("one is under way")) {
                        Turn::Serve(_) => Duration::ZERO,
                        Turn::Wait(ticket) => ticket.patience,
                        Turn::Refuse(error) => panic!("it is valid: {error}"),
                    };
                    assert_eq!(patience, expected, "{window}, {begins}, {comes}");
                    waits += u32::from(!patience.is_zero());
                }
            }
        }
        assert!(waits > 1_000, "{waits} were told to wait");
    });
}

fn tenths(tenths: i64) -> Duration {
    Duration::from_millis(100 * u64::try_from(tenths).unwrap_or(0))
}

#[test]
fn waiting_again_and_again_for_one_load_comes_to_no_more() {
    once(|| {
        for window in 1..60 {
            let world = World::strict();
            let job = world.launch();
            world.land(&job, world.schedule([1, 2, 2 + window, 2 + window]));
            world.pass(2 * SECOND);
            let mut total = Duration::ZERO;
            loop {
                match world.attend(|_| ()) {
                    Turn::Serve(_) => break,
                    Turn::Wait(ticket) => {
                        total += ticket.patience;
                        world.pass(ticket.patience);
                    }
                    Turn::Refuse(error) => panic!("it is valid: {error}"),
                }
            }
            assert!(total <= 5 * SECOND, "{window}: {total:?}");
            assert!(total < window as u32 * SECOND, "{window}: {total:?}");
        }
    });
}

#[test]
fn how_long_the_pauses_are() {
    // What there is, the failures in a row, and the pause after the last one, in ms.
    let table = [
        (ADVISORY, vec![down()], 1_000..1_250),
        (ADVISORY, vec![down(), down()], 2_000..2_500),
        (ADVISORY, vec![refusal()], 1_000..1_250),
        (MANDATORY, vec![down()], 0..0),
        (MANDATORY, vec![down(), down()], 100..125),
        (MANDATORY, vec![down(), down(), down()], 200..250),
        (MANDATORY, vec![refusal()], 1_000..1_250),
        (EXPIRED, vec![down()], 1_000..1_250),
        (EXPIRED, vec![down(), down()], 2_000..2_500),
        (EXPIRED, vec![refusal()], 1_000..1_250),
        (OVER, vec![down()], 0..0),
        (OVER, vec![down(), down()], 100..125),
        (OVER, vec![refusal(), refusal()], 2_000..2_500),
        (NOTHING, vec![down()], 0..0),
        (NOTHING, vec![down(), down()], 100..125),
        (NOTHING, vec![refusal()], 1_000..1_250),
        (NOTHING, vec![refusal(), down()], 100..125),
    ];
    once(move || {
        // For as many jitters.
        for _ in 0..20 {
            for (before, failures, pause) in &table {
                let about = format!("{before:?}, {failures:?}");
                let world = World::strict();
                world.begin(*before);
                for error in failures {
                    // Past the pause of the one before, and nowhere near the next stage.
                    world.pass(3 * SECOND);
                    let job = world.launch();
                    world.fail(&job, error.clone());
                }
                let mut passed = Duration::ZERO;
                if pause.start > 0 {
                    passed = pause.start * MILLI - MILLI;
                    assert!(world.launch_if_due().is_none(), "{about}: at once");
                    world.pass(passed);
                    assert!(world.launch_if_due().is_none(), "{about}: too soon");
                }
                world.pass(pause.end * MILLI - passed);
                assert!(world.launch_if_due().is_some(), "{about}: not again");
            }
        }
    });
}

#[test]
fn what_lands_ends_the_pause_and_the_row_of_failures() {
    once(|| {
        let world = World::strict();
        let late = world.launch_late();
        let refused = world.launch();
        world.fail(&refused, refusal());
        world.land(&late, world.schedule([1, 60, 120, 120]));
        let status = world.slot.status(&world.now());
        assert_eq!((status.failures, status.failures_in_a_row), (2, 0));
        assert!(status.last_error.is_none());
        // The second failure in a row would be the answer for two.
        world.pass(SECOND);
        assert!(world.look().is_none(), "it is to be refreshed");
        assert!(world.launch_if_due().is_some());
    });
}

/// A metadata server hands out the same old credentials, say.
#[test]
fn what_is_due_as_it_comes_is_no_reason_to_load_at_every_request() {
    once(|| {
        let advisory = [-1, 10_000, 20_000, 20_000];
        let mandatory = [-2, -1, 20_000, 20_000];
        let expired = [-3, -2, -1, 20_000];
        for seconds in [advisory, mandatory, expired] {
            let world = World::strict();
            let due_again = |number: u64| {
                let job = world.launch();
                assert_eq!(job.number, number);
                world.land(&job, world.schedule(seconds));
                // In its advisory window it is served without the lock.
                assert_eq!(world.look().is_some(), seconds == advisory);
                let Turn::Serve(_) = world.attend(|_| panic!("too soon")) else {
                    panic!("nobody waits");
                };
            };
            for (loads, pause) in [1, 2, 4, 8, 16, 32, 60, 60].into_iter().enumerate() {
                due_again(loads as u64 + 1);
                world.pass(pause * SECOND - MILLI);
                assert!(world.launch_if_due().is_none(), "{pause}: too soon");
                world.pass(pause * SECOND / 4 + MILLI);
                assert!(world.look().is_none());
            }
            // Nobody goes without a credential for that, and what comes fresh ends the row.
            due_again(9);
            let value = world.slot.current.get().expect("a value").value.clone();
            world.reject(&value);
            let job = world.launch();
            world.land(&job, world.schedule([1, 60, 120, 120]));
            world.pass(SECOND);
            due_again(11);
            world.pass(5 * SECOND / 4);
            due_again(12);
            // And so does an invalidation.
            world.invalidate();
            due_again(13);
            world.pass(5 * SECOND / 4);
            assert!(world.launch_if_due().is_some());
        }
    });
}

#[test]
fn a_load_that_hangs_has_failed_when_it_is_overdue_and_not_when_somebody_notices() {
    once(|| {
        let world = World::strict();
        world.begin(ADVISORY);
        world.launch_late();
        world.pass(5 * SECOND / 4);
        assert!(world.launch_if_due().is_some(), "the pause is over");
        assert_eq!(world.slot.status(&world.now()).failures, 1);
    });
}

#[test]
fn what_becomes_of_a_load_from_before_an_invalidation_says_nothing_about_what_comes_after() {
    let ends: [fn(&World, &Job); 3] = [
        |world, job| world.fail(job, refusal()),
        |world, job| world.lose(job),
        |world, _| world.expire(),
    ];
    once(move || {
        for end in ends {
            let world = World::finishing(true);
            let old = world.launch_late();
            world.invalidate();
            end(&world, &old);
            let status = world.slot.status(&world.now());
            assert_eq!((status.failures, status.refreshing), (0, false));
            assert!(world.launch_if_due().is_some());
        }
    });
}

#[test]
fn a_task_that_ended_without_a_word_makes_room_and_is_no_failure() {
    once(|| {
        for before in [NOTHING, OVER, MANDATORY, EXPIRED] {
            let world = World::strict();
            world.begin(before);
            let job = world.launch();
            world.vanish(&job);
            assert_eq!(world.launch().number, job.number + 1);
            assert_eq!(world.slot.status(&world.now()).failures, 0);
        }
    });
}

#[test]
fn a_load_that_is_overdue_is_given_up_and_used_all_the_same() {
    once(|| {
        for (finish, overdue) in [(false, 30), (true, 60)] {
            let world = World::finishing(finish);
            let first = world.launch();
            world.pass(overdue * SECOND - MILLI);
            world.expire();
            let status = world.slot.status(&world.now());
            assert_eq!((status.failures, status.refreshing), (0, true));
            assert!(world.launch_if_due().is_none(), "it has a moment left");
            world.pass(MILLI);
            let second = world.launch();
            let status = world.slot.status(&world.now());
            assert_eq!((status.failures, status.refreshing), (1, true));
            let error = status.last_error.expect("it was late");
            assert!(error.is_transient());

            // Of those that must finish, two are never at work.
            assert_eq!(first.is_aborted(), finish);

            // The second is still under way, whatever is heard of the first.
            world.expire();
            world.slot.fail(first.number, refusal(), &world.now());
            world.slot.lose(first.number);
            assert_eq!(world.slot.status(&world.now()).failures, 1);
            assert!(world.launch_if_due().is_none());

            world.store(&first, Schedule::default());
            assert_eq!(number(&world.look().expect("late")), 1);
            let status = world.slot.status(&world.now());
            assert!(status.ready && status.last_error.is_none());
            // Nobody waits for the second any more; where it must finish, it does.
            assert_eq!(status.refreshing, finish);
            world.land(&second, Schedule::default());
            let newest = number(&world.look().expect("a value"));
            assert_eq!(newest, if finish { 2 } else { 1 });
            assert_eq!(world.slot.status(&world.now()).refreshes, newest);
        }
    });
}

#[test]
fn a_caller_notices_that_a_load_is_overdue_without_starting_another() {
    once(|| {
        let world = World::strict();
        world.launch_late();
        world.expire();
        let status = world.slot.status(&world.now());
        assert_eq!((status.failures, status.refreshing), (1, false));
        world.expire();
        assert_eq!(world.slot.status(&world.now()).failures, 1);
    });
}

#[test]
fn loads_that_are_given_up_are_handed_over_in_the_end_and_not_kept_for_ever() {
    once(|| {
        for end in [
            |world: &World| world.slot.close(),
            |world: &World| world.slot.invalidate(),
        ] {
            let world = World::strict();
            let first = world.launch_late();
            let second = world.launch();
            let numbers = |jobs: Vec<Arc<Job>>| -> Vec<u64> {
                let mut numbers: Vec<_> = jobs.iter().map(|job| job.number).collect();
                numbers.sort_unstable();
                numbers
            };
            assert_eq!(numbers(end(&world)), [first.number, second.number]);
            assert!(end(&world).is_empty());
            assert!(!world.slot.status(&world.now()).refreshing);

            let world = World::strict();
            for _ in 0..100 {
                world.launch_late();
                world.expire();
                world.pass(LONG);
            }
            assert!(end(&world).len() <= 3, "all but the newest ended long ago");

            // One that has ended is not handed over, and one that must finish only in the end.
            let world = World::strict();
            let late = world.launch_late();
            world.expire();
            world.slot.fail(late.number, down(), &world.now());
            assert!(end(&world).is_empty());
        }
        let world = World::finishing(true);
        world.launch_late();
        world.launch();
        assert!(world.invalidate().is_empty());
        assert_eq!(world.slot.close().len(), 2);
    });
}

/// Whether the value goes that is current.
fn rejects(world: &World) -> bool {
    let value = world.look().expect("a value");
    world.reject(&value);
    world.look().is_none()
}

fn land_another(world: &World) {
    let job = world.launch();
    world.land(&job, Schedule::default());
}

#[test]
fn what_replaces_a_rejected_value_stays_for_longer_and_longer() {
    once(|| {
        let world = World::new(Policy::default());
        land_another(&world);
        assert!(rejects(&world), "the first goes at once");
        for hold in [1, 2, 4, 8, 16, 32, 60, 60] {
            land_another(&world);
            assert!(!rejects(&world), "{hold}: at once");
            world.pass(hold * SECOND - MILLI);
            assert!(!rejects(&world), "{hold}: too soon");
            world.pass(hold * SECOND / 4 + MILLI);
            assert!(rejects(&world), "{hold}: not again");
        }
        land_another(&world);
        world.pass(LONG);
        assert!(rejects(&world), "it worked until now");
        land_another(&world);
        assert!(
            rejects(&world),
            "one that replaces what worked may be no good by itself"
        );
        land_another(&world);
        assert!(!rejects(&world), "at once");
        world.pass(5 * SECOND / 4);
        assert!(rejects(&world), "it is the first in a row");

        land_another(&world);
        assert!(!rejects(&world), "at once");
        world.invalidate();
        land_another(&world);
        assert!(rejects(&world), "all is forgotten");
        land_another(&world);
        assert!(!rejects(&world), "at once");
        world.pass(5 * SECOND / 4);
        assert!(rejects(&world), "it is the first in a row");
    });
}

#[test]
fn only_the_very_value_is_rejected() {
    once(|| {
        let world = World::strict();
        land_another(&world);
        let twin = Token::from("1");
        world.slot.reject(&twin, &world.now());
        assert!(world.look().is_some(), "it merely has the same text");
    });
}
