//! A slot with callers and loads, and the journal of what they do.

use std::cell::Cell;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use shuttle::thread::JoinHandle;

use super::super::{Handle, Slot, Turn, late};
use super::job::{Job, Outcome};
use super::journal::{Journal, number};
use crate::clock::{Clock, Deadline, Moment};
use crate::error::AuthError;
use crate::identity::Token;
use crate::identity::cache::policy::{Policy, Schedule};

pub(super) const SECOND: Duration = Duration::from_secs(1);

/// Longer than any pause.
pub(super) const LONG: Duration = Duration::from_secs(100);

/// What there is at the beginning: in how many seconds it is to be refreshed, to be waited for, expired
/// and over. It was fresh when it came.
pub(super) type Before = Option<[i32; 4]>;

pub(super) const NOTHING: Before = None;
pub(super) const FRESH: Before = Some([1, 60, 120, 120]);
pub(super) const ADVISORY: Before = Some([0, 10_000, 20_000, 20_000]);
pub(super) const MANDATORY: Before = Some([-5, 0, 20_000, 20_000]);
pub(super) const EXPIRED: Before = Some([-6, -5, 0, 20_000]);
pub(super) const OVER: Before = Some([-6, -5, 0, 0]);

/// How old that is.
const AGE: i32 = 10;

pub(super) fn down() -> AuthError {
    AuthError::transient("the issuer is down")
}

pub(super) fn refusal() -> AuthError {
    AuthError::terminal("invalid_client")
}

/// What is rejected always goes, which makes it simple to say what may be served.
pub(super) fn strictly() -> Policy {
    Policy {
        rejected_hold: (Duration::ZERO, Duration::ZERO),
        ..Policy::default()
    }
}

pub(super) struct World {
    pub(super) slot: Slot<Token, Arc<Job>>,
    beginning: Moment,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// The standard library's mutex, so that shuttle does not take reading the clock and keeping the
    /// journal for steps. Never held while the slot is at work.
    journal: Mutex<Journal>,
}

impl World {
    pub(super) fn new(policy: Policy) -> Arc<Self> {
        Arc::new(Self {
            slot: Slot::new(policy),
            beginning: Clock::system().moment(),
            threads: Mutex::default(),
            journal: Mutex::default(),
        })
    }

    pub(super) fn strict() -> Arc<Self> {
        Self::new(strictly())
    }

    /// The same where every load must finish, or need not.
    pub(super) fn finishing(finish: bool) -> Arc<Self> {
        Self::new(Policy {
            finish,
            ..strictly()
        })
    }

    pub(super) fn spawn(self: &Arc<Self>, work: impl FnOnce(&Arc<Self>) + Send + 'static) {
        let here = Arc::clone(self);
        let thread = shuttle::thread::spawn(move || work(&here));
        lock(&self.threads).push(thread);
    }

    /// Waits for all threads, those of the loads among them.
    pub(super) fn join(&self) {
        loop {
            let Some(thread) = lock(&self.threads).pop() else {
                return;
            };
            thread.join().expect("no panic");
        }
    }

    pub(super) fn now(&self) -> Moment {
        self.at(self.journal().passed)
    }

    fn at(&self, passed: Duration) -> Moment {
        Moment {
            wall: self.beginning.wall + passed,
            monotonic: self.beginning.monotonic.saturating_add(passed),
        }
    }

    pub(super) fn pass(&self, time: Duration) {
        self.journal().passed += time;
    }

    /// In how many seconds a credential is to be refreshed, to be waited for, expired and over.
    pub(super) fn schedule(&self, seconds: [i32; 4]) -> Schedule {
        let now = Deadline::new(self.now(), Duration::ZERO).expect("now");
        let [refresh, wait, expiry, end] = seconds.map(|seconds| {
            let by = seconds.unsigned_abs() * SECOND;
            Some(match seconds < 0 {
                true => now.sooner(by),
                false => now.later(by),
            })
        });
        Schedule {
            refresh,
            wait,
            expiry,
            end,
        }
    }

    /// Returns how many loads there were for that.
    pub(super) fn begin(&self, before: Before) -> u64 {
        if before.is_some() {
            let job = self.launch();
            self.land_before(&job, before);
        }
        self.launches()
    }

    pub(super) fn land_before(&self, job: &Job, before: Before) {
        let seconds = before.expect("a credential");
        let schedule = self.schedule(seconds.map(|seconds| seconds + AGE));
        assert!(schedule.is_fresh(&self.now()), "as it came");
        self.store(job, schedule);
        self.pass(AGE.unsigned_abs() * SECOND);
    }

    /// How many loads were launched.
    pub(super) fn launches(&self) -> u64 {
        self.journal().launches()
    }

    pub(super) fn look(&self) -> Option<Token> {
        let before = self.journal().clone();
        let read = Cell::new(None);
        let value = self.slot.look(|| {
            let now = self.now();
            read.set(Some(now));
            now
        })?;
        let policy = self.slot.policy();
        self.journal().serve(&before, &value, read.get(), policy);
        Some(value)
    }

    /// `start` is given the load if one is launched.
    pub(super) fn attend(&self, start: impl FnOnce(Arc<Job>)) -> Turn<Token, Arc<Job>> {
        let before = self.journal().clone();
        let now = self.now();
        let policy = self.slot.policy();
        let turn = self.slot.attend(&now, |number| {
            let mut journal = self.journal();
            let latest = self.at(journal.passed);
            journal.launch(number, now, latest, policy);
            drop(journal);
            let job = Job::new(number);
            start(Arc::clone(&job));
            Ok(job)
        });
        match &turn {
            Turn::Serve(value) => self.journal().serve(&before, value, Some(now), policy),
            Turn::Refuse(_) => {}
            Turn::Wait(ticket) => {
                assert_eq!(ticket.number, ticket.handle.number);
                self.journal().wait(&before, ticket, &now, policy);
            }
        }
        turn
    }

    /// Starts a load that the test itself brings to an end.
    pub(super) fn launch(&self) -> Arc<Job> {
        self.launch_if_due().expect("a load")
    }

    /// What a caller makes of the slot now.
    pub(super) fn launch_if_due(&self) -> Option<Arc<Job>> {
        let launched = Cell::new(None);
        self.attend(|job| launched.set(Some(job)));
        launched.take()
    }

    /// Starts a load, and lets all of its time pass.
    pub(super) fn launch_late(&self) -> Arc<Job> {
        let job = self.launch();
        self.pass(self.slot.policy().overdue());
        job
    }

    pub(super) fn land(&self, job: &Job, schedule: Schedule) {
        match job.is_aborted() {
            true => self.lose(job),
            false => self.store(job, schedule),
        }
    }

    /// The same of a load that was past its last step when it was aborted, if it was.
    pub(super) fn store(&self, job: &Job, schedule: Schedule) {
        let value = Token::from(job.number.to_string());
        self.journal().landing(job.number, schedule.end);
        let now = self.now();
        let needless = self.slot.land(job.number, value.clone(), schedule, now);
        let numbers = needless.iter().map(|needless| needless.number);
        self.journal().landed(job.number, numbers);
        for needless in needless {
            assert!(!self.slot.policy().finish, "it must finish");
            needless.abort();
        }
        job.end(Outcome::Landed(value));
    }

    pub(super) fn fail(&self, job: &Job, error: AuthError) {
        self.journal().ending(job.number);
        self.slot.fail(job.number, error.clone(), &self.now());
        self.journal().ended(job.number);
        job.end(Outcome::Failed(error));
    }

    pub(super) fn lose(&self, job: &Job) {
        self.journal().ending(job.number);
        self.slot.lose(job.number);
        self.journal().ended(job.number);
        job.end(Outcome::Lost);
    }

    /// Its runtime has stopped before it could run.
    pub(super) fn vanish(&self, job: &Job) {
        let mut journal = self.journal();
        journal.vanished = true;
        journal.ending(job.number);
        drop(journal);
        job.end(Outcome::Lost);
        self.journal().ended(job.number);
    }

    pub(super) fn expire(&self) {
        self.slot.expire(&self.now());
    }

    pub(super) fn reject(&self, value: &Token) {
        let number = number(value);
        self.journal().load(number).rejecting = true;
        self.slot.reject(value, &self.now());
        self.journal().rejected(number);
    }

    /// Returns the loads that were under way.
    pub(super) fn invalidate(&self) -> Vec<Arc<Job>> {
        let launched = self.journal().invalidating();
        let flights = self.slot.invalidate();
        let numbers = flights.iter().map(|job| job.number);
        self.journal().invalidated(launched, numbers);
        for job in &flights {
            assert!(!self.slot.policy().finish, "it must finish");
            job.abort();
        }
        assert!(self.slot.is_invalidated(launched));
        flights
    }

    /// A caller, as `CachedFuture` is one. `patient` is asked before each wait. Each load that it
    /// starts is a thread that does `load`.
    pub(super) fn call(
        self: &Arc<Self>,
        patient: impl Fn() -> bool,
        load: impl Fn(&Self, &Job) + Clone + Send + 'static,
    ) -> Result<Token, AuthError> {
        let invalidated = self.journal().invalidated;
        let start = move |job: Arc<Job>| {
            let load = load.clone();
            self.spawn(move |world| load(world, &job));
        };
        let value = self.answer(patient, start)?;
        let number = number(&value);
        assert!(number > invalidated, "{number} was invalidated by then");
        Ok(value)
    }

    fn answer(
        &self,
        patient: impl Fn() -> bool,
        start: impl Fn(Arc<Job>),
    ) -> Result<Token, AuthError> {
        for _ in 0..100 {
            if let Some(value) = self.look() {
                return Ok(value);
            }
            let ticket = match self.attend(&start) {
                Turn::Serve(value) => return Ok(value),
                Turn::Refuse(error) => return Err(error),
                Turn::Wait(ticket) => ticket,
            };
            let number = ticket.number;
            if !patient() {
                self.expire();
                let best = match self.is_invalidated(number) {
                    true => None,
                    false => self.best(ticket.fallback),
                };
                return best.ok_or_else(|| late(self.slot.policy().load_timeout));
            }
            match ticket.handle.wait() {
                _ if self.is_invalidated(number) => {}
                Outcome::Landed(value) => return Ok(value),
                Outcome::Failed(error) => return self.best(ticket.fallback).ok_or(error),
                Outcome::Lost => self.slot.lose(number),
            }
        }
        panic!("a caller starts over and over");
    }

    fn best(&self, fallback: Option<Token>) -> Option<Token> {
        self.look().or_else(|| {
            let before = self.journal().clone();
            let value = fallback.filter(|value| self.slot.holds(value))?;
            let policy = self.slot.policy();
            self.journal().serve(&before, &value, None, policy);
            Some(value)
        })
    }

    fn is_invalidated(&self, number: u64) -> bool {
        let invalidated = self.journal().invalidated;
        let is = self.slot.is_invalidated(number);
        let may_be = self.journal().load(number).may_be_invalidated;
        assert!(is || number > invalidated, "{number} is invalidated");
        assert!(!is || may_be, "{number} is not invalidated");
        is
    }

    /// When all threads are done: what is current follows from what they did, in whatever order. And
    /// nobody has to do for ever with what there is.
    pub(super) fn check_the_end(&self) {
        let status = self.slot.status(&self.now());
        let journal = self.journal().clone();
        let is_over = !status.refreshing || journal.vanished;
        assert!(is_over, "every load has come to an end");
        if let Some((newest, load)) = journal.newest()
            && !self.is_invalidated(newest)
        {
            let current = self.slot.current.get().map(|current| current.number);
            let expected = (!load.rejecting).then_some(newest);
            assert_eq!(current, expected, "the newest, unless it was rejected");
        }

        self.pass(LONG);
        match self.look() {
            Some(value) => {
                let end = self.journal().load(number(&value)).end;
                assert!(end.is_none(), "it is not refreshed");
            }
            None => {
                let job = self.launch();
                self.land(&job, Schedule::default());
                let value = self.look().expect("it has landed");
                assert_eq!(number(&value), job.number);
            }
        }
    }

    fn journal(&self) -> MutexGuard<'_, Journal> {
        lock(&self.journal)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
