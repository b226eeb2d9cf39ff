//! The table of the slot's documentation, cell by cell, and the numbers behind it.

use std::sync::Arc;
use std::time::Duration;

use super::super::Turn;
use super::job::Job;
use super::journal::number;
use super::once;
use super::world::{ADVISORY, EXPIRED, FRESH, MANDATORY, OVER, SECOND, World, refusal};
use crate::error::{AuthError, AuthErrorKind};
use crate::identity::Token;
use crate::identity::cache::policy::Schedule;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Credential {
    Fresh,
    /// Always fresh.
    Endless,
    Advisory,
    Mandatory,
    /// It serves past its expiry.
    Expired,
    Over,
    Missing,
}

use Credential::{Advisory, Endless, Expired, Fresh, Mandatory, Missing, Over};

const ALL: [Credential; 7] = [Fresh, Endless, Advisory, Mandatory, Expired, Over, Missing];

impl Credential {
    fn land(self, world: &World, job: &Job) {
        match self {
            Fresh => world.land_before(job, FRESH),
            Endless => world.store(job, Schedule::default()),
            Advisory => world.land_before(job, ADVISORY),
            Mandatory => world.land_before(job, MANDATORY),
            Expired => world.land_before(job, EXPIRED),
            Over => world.land_before(job, OVER),
            Missing => world.lose(job),
        }
    }

    fn is_valid(self) -> bool {
        !matches!(self, Over | Missing)
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Besides {
    UnderWay,
    BackingOff,
    Neither,
}

use Besides::{BackingOff, Neither, UnderWay};

/// Brings a cache into the state of one cell, by its first load and perhaps a second.
fn cell(credential: Credential, besides: Besides) -> Arc<World> {
    // Beside a fresh credential there is another load only if the first one came late, and only where
    // that does not make an end of the second.
    let is_late = matches!(credential, Fresh | Endless) && besides != Neither;
    let world = World::finishing(is_late);
    let first = world.launch();
    let late = is_late.then(|| {
        world.pass(world.slot.policy().overdue());
        world.launch()
    });
    credential.land(&world, &first);
    if besides != Neither {
        let second = late.unwrap_or_else(|| world.launch());
        if besides == BackingOff {
            world.fail(&second, refusal());
        }
    }
    world
}

/// What a caller does, in the words of the table.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Then {
    Serve,
    Wait,
    WaitALittleThenServe,
    TheFailureAgain,
}

use Then::{Serve, TheFailureAgain, Wait, WaitALittleThenServe};

/// Whether a caller is served without the lock, whether it starts a load, and what it does then.
fn caller(world: &World) -> (bool, bool, Then) {
    let at_once = world.look().is_some();
    let launches = world.launches();
    let then = match world.attend(|_| ()) {
        Turn::Serve(value) => {
            assert_eq!(number(&value), 1);
            Serve
        }
        Turn::Refuse(error) => {
            assert_eq!(error.to_string(), refusal().to_string());
            TheFailureAgain
        }
        Turn::Wait(ticket) => {
            assert_eq!(ticket.number, world.launches(), "for the newest load");
            match ticket.fallback {
                Some(value) => {
                    assert_eq!(number(&value), 1);
                    assert_eq!(ticket.patience, 5 * SECOND);
                    WaitALittleThenServe
                }
                None => Wait,
            }
        }
    };
    (at_once, world.launches() > launches, then)
}

#[test]
fn every_cell_of_the_table() {
    // at once, loads, then
    #[rustfmt::skip]
    let table = [
        (Fresh,     UnderWay,   (true,  false, Serve)),
        (Fresh,     BackingOff, (true,  false, Serve)),
        (Fresh,     Neither,    (true,  false, Serve)),
        (Endless,   UnderWay,   (true,  false, Serve)),
        (Endless,   BackingOff, (true,  false, Serve)),
        (Endless,   Neither,    (true,  false, Serve)),
        (Advisory,  UnderWay,   (true,  false, Serve)),
        (Advisory,  BackingOff, (true,  false, Serve)),
        (Advisory,  Neither,    (false, true,  Serve)),
        (Mandatory, UnderWay,   (false, false, WaitALittleThenServe)),
        (Mandatory, BackingOff, (false, false, Serve)),
        (Mandatory, Neither,    (false, true,  WaitALittleThenServe)),
        (Expired,   UnderWay,   (false, false, WaitALittleThenServe)),
        (Expired,   BackingOff, (false, false, Serve)),
        (Expired,   Neither,    (false, true,  WaitALittleThenServe)),
        (Over,      UnderWay,   (false, false, Wait)),
        (Over,      BackingOff, (false, false, TheFailureAgain)),
        (Over,      Neither,    (false, true,  Wait)),
        (Missing,   UnderWay,   (false, false, Wait)),
        (Missing,   BackingOff, (false, false, TheFailureAgain)),
        (Missing,   Neither,    (false, true,  Wait)),
    ];
    once(move || {
        for (credential, besides, expected) in table {
            let found = caller(&cell(credential, besides));
            assert_eq!(found, expected, "{credential:?}, {besides:?}");
        }
    });
}

#[test]
fn no_clock_is_read_for_what_never_ends() {
    once(|| {
        let world = cell(Endless, Neither);
        let value = world.slot.look(|| panic!("the clock is read"));
        assert_eq!(number(&value.expect("it is there")), 1);
        assert!(World::strict().slot.look(|| panic!("so it is")).is_none());
    });
}

#[test]
fn a_load_that_cannot_start_is_no_failure_and_has_no_number() {
    once(|| {
        for credential in ALL {
            let world = cell(credential, Neither);
            let unable = || AuthError::new(AuthErrorKind::Configuration, "no runtime");
            match world.slot.attend(&world.now(), |_| Err(unable())) {
                Turn::Serve(value) => {
                    assert!(credential.is_valid(), "{credential:?}");
                    assert_eq!(number(&value), 1);
                }
                Turn::Refuse(error) => {
                    assert!(!credential.is_valid(), "{credential:?}");
                    assert_eq!(error.kind(), AuthErrorKind::Configuration);
                }
                Turn::Wait(_) => panic!("{credential:?}: there is nothing to wait for"),
            }
            let status = world.slot.status(&world.now());
            assert!(!status.refreshing && status.failures == 0, "{credential:?}");
            if !matches!(credential, Fresh | Endless) {
                assert_eq!(world.launch().number, 2, "{credential:?}");
            }
        }
    });
}

#[test]
fn an_invalidation_forgets_everything() {
    once(|| {
        for credential in ALL {
            for besides in [UnderWay, BackingOff, Neither] {
                let about = format!("{credential:?}, {besides:?}");
                let world = cell(credential, besides);
                let launches = world.launches();
                let flights = world.invalidate();
                // It stays, if it must finish, and answers nobody.
                let finish = world.slot.policy().finish;
                let stays = finish && besides == UnderWay;
                let returned = usize::from(besides == UnderWay && !finish);
                assert_eq!(flights.len(), returned, "{about}");
                let status = world.slot.status(&world.now());
                assert!(!status.ready, "{about}");
                assert_eq!(status.refreshing, stays, "{about}");
                assert!(status.last_error.is_none(), "{about}");
                assert_eq!(status.failures_in_a_row, 0, "{about}");
                for number in 1..=launches + 1 {
                    let expected = number <= launches;
                    assert_eq!(world.slot.is_invalidated(number), expected, "{about}");
                }
                let schedule = Schedule::default();
                if stays {
                    let Turn::Wait(ticket) = world.attend(|_| panic!("beside it")) else {
                        panic!("{about}: there is nothing to be had");
                    };
                    world.land(&ticket.handle, schedule);
                } else {
                    let value = Token::from("old");
                    world.slot.land(launches, value, schedule, world.now());
                }
                assert!(world.slot.look(|| world.now()).is_none(), "{about}");
                assert!(world.launch_if_due().is_some(), "{about}");
            }
        }
    });
}

#[test]
fn what_the_status_says() {
    once(|| {
        for (credential, expires_in) in [
            (Fresh, Some(120 * SECOND)),
            (Endless, None),
            (Advisory, Some(20_000 * SECOND)),
            (Mandatory, Some(20_000 * SECOND)),
            (Expired, Some(Duration::ZERO)),
            (Over, None),
            (Missing, None),
        ] {
            for besides in [UnderWay, BackingOff, Neither] {
                let about = format!("{credential:?}, {besides:?}");
                let world = cell(credential, besides);
                let status = world.slot.status(&world.now());
                assert_eq!(status.ready, credential.is_valid(), "{about}");
                assert_eq!(status.expires_in, expires_in, "{about}");
                assert_eq!(status.age.is_some(), status.ready, "{about}");
                assert_eq!(status.refreshing, besides == UnderWay, "{about}");
                let landed = u64::from(credential != Missing);
                assert_eq!(status.refreshes, landed, "{about}");
                let in_a_row = u32::from(besides == BackingOff);
                assert_eq!(status.failures_in_a_row, in_a_row, "{about}");
                let is_error = status.last_error.is_some();
                assert_eq!(is_error, besides == BackingOff, "{about}");
            }
        }
    });
}
