//! Promise 16, for sessions: no request goes out as somebody who is not signed in, whoever signs in and out meanwhile.
//!
//! A schedule is one session over a stand-in, with layers that are built once, while nobody is signed in. Users sign in
//! and out at random moments, tokens and credentials end or are rejected, and eight callers send requests all the while.
//! Each request has to be of one of those who were signed in at some time between its start and its end. From the
//! moment at which `sign_in` or `sign_out` is called it may be the next one's, and from the moment at which it has
//! returned it must be.
//!
//! It is sign-ins that are told apart, and not only users: somebody who comes back is not sent with a token of before.
//!
//! 10,000 schedules of 1,000 requests each. A tenth goes through layers, and what is looked at is the header that
//! arrives below them; the others ask the caches that these layers take theirs from, which is where any of it could
//! go wrong, and costs less.

#[path = "schedules/course.rs"]
mod course;
#[path = "schedules/world.rs"]
mod world;

use std::ops::AddAssign;
use std::sync::Arc;
use std::thread;

use tokio::runtime::Builder;
use tokio::task::JoinSet;

use self::world::{Pace, World};
use crate::support::promise;

const SCHEDULES: u64 = 10_000;
const CALLERS: u64 = 8;
const REQUESTS: u64 = 125;

/// What became of requests.
#[derive(Debug, Default)]
struct Tally {
    requests: u64,
    /// Went out as a user, and as a guest.
    as_user: u64,
    as_guest: u64,
    /// Tokens of nobody.
    refused: u64,
    /// Guests who were told to sign in, while somebody was about to.
    turned_away: u64,
    /// Requests that waited while four users or more came and went, and were told to come again.
    worn_out: u64,
    crossed: u64,
    switches: u64,
    /// Switches at whose beginning loads were under way.
    overtaken: u64,
    /// Loads that a switch stopped.
    abandoned: u64,
    refreshes: u64,
    /// Where the first crossing was: it can be run again by its number.
    first_crossed: Option<u64>,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.requests += other.requests;
        self.as_user += other.as_user;
        self.as_guest += other.as_guest;
        self.refused += other.refused;
        self.turned_away += other.turned_away;
        self.worn_out += other.worn_out;
        self.crossed += other.crossed;
        self.switches += other.switches;
        self.overtaken += other.overtaken;
        self.abandoned += other.abandoned;
        self.refreshes += other.refreshes;
        self.first_crossed = self.first_crossed.or(other.first_crossed);
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} requests ({} as a user, {} as a guest, {} tokens of nobody, {} guests turned away while somebody \
             signed in, {} worn out), {} switches, {} of them while loads were under way, {} loads stopped by one, \
             {} refreshes: {} crossed",
            self.requests,
            self.as_user,
            self.as_guest,
            self.refused,
            self.turned_away,
            self.worn_out,
            self.switches,
            self.overtaken,
            self.abandoned,
            self.refreshes,
            self.crossed
        )
    }
}

/// Runs one, to its end.
async fn schedule(number: u64, pace: Pace, requests: u64) -> Tally {
    let mut random = fastrand::Rng::with_seed(number);
    let world = Arc::new(World::new(number, pace, &mut random));
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let world = Arc::clone(&world);
        callers.spawn(world.requests(requests, random.fork()));
    }
    let switching = tokio::spawn(Arc::clone(&world).switches(random.fork()));
    let mut tally = Tally::default();
    while let Some(caller) = callers.join_next().await {
        tally += caller.expect("a caller that does not panic");
    }
    world.ends();
    tally += switching.await.expect("no panic");
    world.count(&mut tally);
    if tally.crossed > 0 {
        tally.first_crossed = Some(number);
    }
    tally
}

fn check(tally: &Tally) {
    assert_eq!(
        tally.crossed, 0,
        "the first in schedule {:?}",
        tally.first_crossed
    );
    let told = tally.as_user + tally.as_guest + tally.refused;
    assert_eq!(
        told + tally.turned_away + tally.worn_out,
        tally.requests,
        "every request ended in one of these ways"
    );
}

/// Runs the schedules whose numbers leave this remainder, on a thread with a clock of its own.
fn some(remainder: u64, threads: u64) -> Tally {
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    let mut tally = Tally::default();
    for number in (remainder..SCHEDULES).step_by(threads as usize) {
        // The pauses and windows of the crate's caches are random too.
        fastrand::seed(number);
        tally += runtime.block_on(schedule(number, Pace::Virtual, REQUESTS));
    }
    tally
}

#[test]
fn no_request_goes_out_as_somebody_else() {
    let threads = thread::available_parallelism().map_or(1, |number| number.get().min(4)) as u64;
    let mut tally = Tally::default();
    thread::scope(|scope| {
        let threads: Vec<_> = (0..threads)
            .map(|remainder| scope.spawn(move || some(remainder, threads)))
            .collect();
        for thread in threads {
            tally += thread.join().expect("no panic");
        }
    });
    promise(16, format!("sessions: {SCHEDULES} schedules, {tally}"));
    check(&tally);
    assert_eq!(tally.requests, SCHEDULES * CALLERS * REQUESTS);
    // It was not for want of opportunity.
    assert!(tally.switches > 3 * SCHEDULES, "{tally}");
    assert!(tally.overtaken > 3_000, "{tally}");
    assert!(tally.abandoned > 500, "{tally}");
    assert!(tally.refreshes > SCHEDULES, "{tally}");
    assert!(tally.as_user > tally.requests / 4, "{tally}");
    assert!(tally.as_guest > tally.requests / 50, "{tally}");
    assert!(tally.refused > tally.requests / 50, "{tally}");
    // Both of these are rare, and no reason to look away.
    assert_eq!(tally.turned_away, 0, "{tally}");
    assert!(tally.worn_out < tally.requests / 1_000, "{tally}");
}

/// The same on real threads and in real time, which a paused clock cannot show: races.
#[test]
fn nor_on_real_threads() {
    const RUNS: u64 = 20;
    const REQUESTS: u64 = 2_000;
    let runtime = Builder::new_multi_thread()
        .worker_threads(4)
        .enable_time()
        .build()
        .expect("a runtime");
    let mut tally = Tally::default();
    for number in 0..RUNS {
        tally += runtime.block_on(schedule(number, Pace::Real, REQUESTS));
    }
    promise(16, format!("sessions on 4 threads: {tally}"));
    check(&tally);
    assert_eq!(tally.requests, RUNS * CALLERS * REQUESTS);
    assert!(tally.switches > 5 * RUNS, "{tally}");
}
