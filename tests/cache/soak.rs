//! What takes longer than a test should: a month of traffic, in virtual time.
//!
//! A day of it is in the normal suite. The month:
//!
//! ```sh
//! cargo test --all-features --release --test main -- --ignored --nocapture soak
//! ```

use std::fmt;
use std::io::ErrorKind;
use std::time::{Duration, SystemTime};

use tokio::runtime::Handle;
use tokio::time::{Instant, sleep, sleep_until};
use tower_client_auth::{Cached, Clock, ManualClock, Token, TokenSource};

use super::outages::{
    COLD_PAUSE, Fault, HOUR, LOAD_TIMEOUT, MINUTE, Outcome, Provider, Random, Traffic,
};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// A timer of tokio's may end a millisecond late.
const GRAIN: Duration = Duration::from_millis(2);

/// How much there is of everything.
struct Plan {
    seed: u64,
    days: u32,
    requests: u32,
    outages: u32,
    rejections: u32,
}

const FAULTS: [Fault; 6] = [
    Fault::Io(ErrorKind::ConnectionRefused),
    Fault::Slow,
    Fault::Hang,
    Fault::Late,
    Fault::Panic,
    Fault::Expired,
];

/// What became of it.
#[derive(Debug, Default)]
struct Report {
    requests: usize,
    failures: usize,
    /// Failures in spite of a valid token.
    unnecessary: usize,
    rejections: usize,
    faults: usize,
    tokens: usize,
    /// How many tasks there were at most besides those of requests.
    tasks: usize,
    /// How long after an outage a request failed.
    longest_aftermath: Duration,
    /// The process's memory at the end of each day.
    resident: Vec<Option<usize>>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} of {} requests failed although there was a valid token ({} because there was none, \
             the last {:.1} s after an outage), {} tokens, {} loads in outages, {} tokens were \
             rejected, at most {} tasks",
            self.unnecessary,
            self.requests,
            self.failures - self.unnecessary,
            self.longest_aftermath.as_secs_f64(),
            self.tokens,
            self.faults,
            self.rejections,
            self.tasks,
        )
    }
}

/// Knows what a cache could know, from the provider's own record: which tokens are valid when.
struct Oracle {
    provider: Provider,
    /// Which token was rejected, and when.
    rejected: Vec<(usize, Instant)>,
    outages: Vec<(Instant, Instant)>,
}

impl Oracle {
    fn new(provider: &Provider) -> Self {
        Self {
            provider: provider.clone(),
            rejected: Vec::new(),
            outages: Vec::new(),
        }
    }

    /// Writes down that `token` is rejected now, unless another one was a short time ago: a server
    /// that rejects everything is another test's.
    fn rejects(&mut self, token: &Token) -> bool {
        let now = Instant::now();
        let last = self.rejected.last();
        let may = last.is_none_or(|(_, at)| now - *at > 10 * MINUTE);
        if may {
            self.rejected.push((self.provider.number(token), now));
        }
        may
    }

    fn rejected_at(&self, number: usize) -> Option<Instant> {
        let found = self.rejected.iter().rev().find(|(n, _)| *n == number);
        found.map(|(_, at)| *at)
    }

    /// Whether there was something to send a request with at `moment`, and shortly before and after.
    ///
    /// A token replaces the one before, which need not be kept: nobody tells a cache that a server
    /// rejects the new one and would take the old one still. One that is late does not replace what
    /// a later load brought.
    fn had_a_valid_token(&self, moment: Instant) -> bool {
        let tokens = self.provider.tokens();
        let known = (tokens.saturating_sub(4)..tokens)
            .map(|index| (index + 1, self.provider.record(index + 1)))
            .filter(|(_, handed)| handed.at + GRAIN <= moment);
        let Some((number, current)) = known.max_by_key(|(_, handed)| handed.asked) else {
            return false;
        };
        let rejected = self.rejected_at(number);
        moment + GRAIN <= current.end && rejected.is_none_or(|at| moment < at)
    }

    /// How long after the outage before it this is; zero if in it.
    fn aftermath(&self, moment: Instant) -> Duration {
        let mut begun = self.outages.iter().rev();
        let last = begun.find(|(from, _)| *from <= moment);
        let (_, until) = last.expect("no failure before the first outage");
        moment.saturating_duration_since(*until)
    }

    fn judge(&mut self, outcome: &Outcome, report: &mut Report) {
        report.requests += 1;
        match &outcome.answer {
            Ok(token) => {
                let number = self.provider.number(token);
                let end = self.provider.record(number).end;
                assert!(outcome.answered < end, "token {number} was over");
                let rejected = self.rejected_at(number);
                assert!(
                    rejected.is_none_or(|at| outcome.answered <= at),
                    "token {number} had been rejected"
                );
            }
            Err(error) => {
                report.failures += 1;
                if self.had_a_valid_token(outcome.asked) || self.had_a_valid_token(outcome.answered)
                {
                    report.unnecessary += 1;
                    let waited = outcome.answered - outcome.asked;
                    println!("in spite of a valid token, after {waited:?}: {error:?}");
                }
                let after = self.aftermath(outcome.answered);
                report.longest_aftermath = report.longest_aftermath.max(after);
            }
        }
    }
}

async fn run(plan: Plan) -> Report {
    let mut random = Random(plan.seed);
    let wall = ManualClock::new(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000));
    // Tokens name the time of day they end at.
    let provider = Provider::new(HOUR)
        .taking(Duration::from_millis(200))
        .by(&wall);
    let cache = Cached::builder(provider.clone()).clock(Clock::from(wall));
    let cache = cache.build().expect("a cache");
    let start = Instant::now();
    let span = DAY * plan.days;

    let mut oracle = Oracle::new(&provider);
    for number in 0..plan.outages {
        // One in each part of the time, anywhere in it.
        let part = span / plan.outages;
        let length = MINUTE + random.within(49 * MINUTE);
        let from = start + part * number + random.within(part - length);
        provider.fails(
            from,
            from + length,
            FAULTS[random.below(FAULTS.len() as u64) as usize],
        );
        oracle.outages.push((from, from + length));
    }

    let mut report = Report::default();
    let mut traffic = Traffic::new(&cache, |outcome: Outcome| {
        oracle.judge(&outcome, &mut report);
        // Once in a while a server takes back what it accepted before.
        if let Ok(token) = outcome.answer
            && random.below(u64::from(plan.requests / plan.rejections)) == 0
            && oracle.rejects(&token)
        {
            cache.rejected(&token);
            report.rejections += 1;
        }
    });
    let mut gaps = Random(!plan.seed);
    let longest_gap = 2 * span / plan.requests;
    let (mut at, mut tasks, mut resident) = (start, 0, Vec::new());
    for request in 1..=plan.requests {
        at += gaps.within(longest_gap);
        sleep_until(at).await;
        traffic.ask();
        let alive = Handle::current().metrics().num_alive_tasks();
        tasks = tasks.max(alive.saturating_sub(traffic.waiting()));
        if request % (plan.requests / plan.days) == 0 {
            resident.push(resident_pages());
        }
    }
    traffic.end().await;
    // Loads that hang are given up at last.
    sleep(2 * LOAD_TIMEOUT).await;
    assert_eq!(Handle::current().metrics().num_alive_tasks(), 0);
    assert_eq!(report.requests, plan.requests as usize);
    assert_eq!(report.unnecessary, 0, "{report:?}");
    // A load that hangs may have begun just before the provider was well again, and be noticed by the
    // next request only.
    let latest = LOAD_TIMEOUT + longest_gap + COLD_PAUSE;
    assert!(report.longest_aftermath <= latest, "{report:?}");
    // One load under way, and those before it that have not been given up yet.
    assert!(tasks <= 3, "{tasks} tasks");
    Report {
        faults: provider.faults(),
        tokens: provider.tokens(),
        tasks,
        resident,
        ..report
    }
}

/// How much memory the process has, where that can be asked for.
fn resident_pages() -> Option<usize> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    statm.split(' ').nth(1)?.parse().ok()
}

#[tokio::test(start_paused = true)]
async fn a_day_of_traffic_fails_nothing_that_could_be_sent() {
    for seed in 1..=5 {
        let plan = Plan {
            seed: 0xda_7000 + seed,
            days: 1,
            requests: 33_000,
            outages: 6,
            rejections: 6,
        };
        let report = run(plan).await;
        assert!(report.tokens >= 24, "{report:?}");
        println!("soak: a day: {report}");
    }
}

#[tokio::test(start_paused = true)]
#[ignore = "soak: a month of traffic"]
async fn a_month_of_traffic_fails_nothing_that_could_be_sent() {
    let plan = Plan {
        seed: 0x0005_0a6e,
        days: 30,
        requests: 1_000_000,
        outages: 100,
        rejections: 100,
    };
    let report = run(plan).await;
    assert!(report.tokens >= 720, "{report:?}");
    assert!(report.failures > 0, "some outages outlast a token");
    println!("soak: a month: {report}");
    if let (Some(early), Some(late)) = (report.resident[2], report.resident[29]) {
        println!("soak: {early} pages of memory after day 3, {late} after day 30");
        // 16 MiB, of pages of 4 KiB. A token and its load take about one.
        assert!(late <= early + 4096, "{:?}", report.resident);
    }
}
