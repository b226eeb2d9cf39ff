//! Promise 6: a caller that leaves hangs no one.
//!
//! Random schedules of eight callers, who come and go as they like, over providers that do what they
//! like. Whoever stays is answered within the time that the loads may take.

mod provider;

use std::ops::AddAssign;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::FutureExt;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tower_client_auth::{AuthError, Cached, Token, TokenSource};

use self::provider::Provider;
use super::{LOAD_TIMEOUT, Random, TICK, schedules, tasks_left};
use crate::support::promise;

const CALLERS: u64 = 8;

/// How many loads a caller may have to wait for, if each is invalidated before it ends; after that it
/// gets an error.
const LOADS_PER_CALLER: u32 = 4;

/// Longer than anybody may wait; who has not been answered by then never will be.
const FOR_EVER: Duration = Duration::from_secs(3_600);

/// How a caller waits.
enum Wait {
    Patiently,
    /// Until then, and leaves.
    Until(Duration),
    /// Asks, and leaves at once, or after a single look.
    Not,
    Once,
    /// Looks once, keeps its place for a while without looking, and leaves.
    Idly(Duration),
    /// Looks once, and has another task wait.
    Elsewhere,
}

struct Caller {
    arrival: Duration,
    wait: Wait,
    /// Whether it lets the cache go while it waits, so that only its place keeps the load alive.
    lets_go: bool,
    /// Rejects what it got, this much later.
    rejects: Option<Duration>,
    invalidates: bool,
}

impl Caller {
    fn draw(random: &mut Random) -> Self {
        Self {
            // Often all at the same moment.
            arrival: match random.below(3) {
                0 => Duration::ZERO,
                _ => random.millis(3_000),
            },
            wait: match random.below(9) {
                0 | 1 => Wait::Until(random.millis(2_000)),
                2 => Wait::Not,
                3 => Wait::Once,
                4 => Wait::Idly(random.millis(40_000)),
                5 => Wait::Elsewhere,
                _ => Wait::Patiently,
            },
            lets_go: random.one_in(2),
            rejects: random.one_in(4).then(|| random.millis(1_000)),
            invalidates: random.one_in(16),
        }
    }

    async fn call(self, cache: Cached<Provider>, bound: Duration) -> Tally {
        sleep(self.arrival).await;
        let begun = Instant::now();
        let mut call = cache.token();
        let keeps = !self.lets_go || self.rejects.is_some() || self.invalidates;
        let cache = keeps.then_some(cache);
        let answer = match self.wait {
            Wait::Patiently => settle(call, begun, bound).await,
            Wait::Until(patience) => match timeout(patience, settle(call, begun, bound)).await {
                Ok(answer) => answer,
                Err(_) => Answer::Left,
            },
            Wait::Not => Answer::Left,
            Wait::Once => {
                drop((&mut call).now_or_never());
                Answer::Left
            }
            Wait::Idly(idle) => {
                drop((&mut call).now_or_never());
                sleep(idle).await;
                drop(call);
                Answer::Left
            }
            Wait::Elsewhere => match (&mut call).now_or_never() {
                Some(answer) => answer.into(),
                None => {
                    let other = tokio::spawn(settle(call, begun, bound));
                    other.await.expect("no panic escapes")
                }
            },
        };
        if let Some(cache) = cache {
            if let (Some(after), Answer::Token(token)) = (self.rejects, &answer) {
                sleep(after).await;
                cache.rejected(token);
            }
            if self.invalidates {
                cache.invalidate();
            }
        }
        Tally::of(&answer)
    }
}

/// What became of a caller.
enum Answer {
    Token(Token),
    Error,
    Left,
    Hung,
}

impl From<Result<Token, AuthError>> for Answer {
    fn from(answer: Result<Token, AuthError>) -> Self {
        answer.map_or(Self::Error, Self::Token)
    }
}

/// Waits for an answer, which has to come within `bound`.
async fn settle(
    call: <Cached<Provider> as TokenSource>::Future,
    begun: Instant,
    bound: Duration,
) -> Answer {
    let answer = call.await;
    // Who was woken by nothing but the last timer has been hanging until then.
    match begun.elapsed() <= bound {
        true => answer.into(),
        false => Answer::Hung,
    }
}

/// Eight callers and a cache.
async fn schedule(number: u64) -> Tally {
    let mut random = Random(number);
    let provider = Provider::draw(&mut random);
    let callers: Vec<_> = (0..CALLERS).map(|_| Caller::draw(&mut random)).collect();
    let invalidates = callers.iter().any(|caller| caller.invalidates);
    let loads = if invalidates { LOADS_PER_CALLER } else { 1 };
    let bound = ((provider.longest() + TICK) * loads).min(LOAD_TIMEOUT + TICK);
    let healed = Arc::clone(&provider.healed);
    let cache = Cached::new(provider);

    // A task each, so that nobody is looked after merely because a neighbour was woken.
    let mut tasks = JoinSet::new();
    for caller in callers {
        tasks.spawn(caller.call(cache.clone(), bound));
    }
    // Unless somebody has to stay, the callers are all there is to keep the cache.
    let cache = random.one_in(2).then_some(cache);
    let mut tally = Tally {
        schedules: 1,
        ..Tally::default()
    };
    let all = timeout(FOR_EVER, async {
        while let Some(one) = tasks.join_next().await {
            tally += one.expect("no panic escapes");
        }
    });
    if all.await.is_err() {
        tally.hung += tasks.len() as u64;
    }
    tally.hung_first = (tally.hung > 0).then_some(number);
    if let Some(cache) = cache {
        healed.store(true, Ordering::SeqCst);
        // Past every load that hangs.
        sleep(2 * LOAD_TIMEOUT).await;
        if cache.token().await.is_err() {
            sleep(Duration::from_secs(6)).await; // the longest pause is 5 seconds
            cache.token().await.expect("a cache that has recovered");
        }
        tally.recovered += 1;
    }
    tally
}

#[derive(Default)]
struct Tally {
    schedules: u64,
    tokens: u64,
    errors: u64,
    left: u64,
    hung: u64,
    /// In which schedule.
    hung_first: Option<u64>,
    recovered: u64,
}

impl Tally {
    fn of(answer: &Answer) -> Self {
        let mut tally = Self::default();
        *match answer {
            Answer::Token(_) => &mut tally.tokens,
            Answer::Error => &mut tally.errors,
            Answer::Left => &mut tally.left,
            Answer::Hung => &mut tally.hung,
        } = 1;
        tally
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.schedules += other.schedules;
        self.tokens += other.tokens;
        self.errors += other.errors;
        self.left += other.left;
        self.hung += other.hung;
        self.hung_first = self.hung_first.or(other.hung_first);
        self.recovered += other.recovered;
    }
}

async fn random_departures(count: u64) {
    let mut tally = Tally::default();
    for one in schedules(count, schedule).await {
        tally += one;
    }
    promise(
        6,
        format!(
            "{} schedules x {CALLERS} callers: {} got a token, {} an error, {} left; {} hung; {} \
             caches asked afterwards, all recovered",
            tally.schedules, tally.tokens, tally.errors, tally.left, tally.hung, tally.recovered
        ),
    );
    assert_eq!((tally.hung, tally.hung_first), (0, None));
    let counted = tally.tokens + tally.errors + tally.left;
    assert_eq!(counted, count * CALLERS);
    sleep(2 * LOAD_TIMEOUT + TICK).await; // some loads must finish
    assert_eq!(tasks_left().await, 0);
}

#[tokio::test(start_paused = true)]
async fn random_departures_hang_nobody() {
    random_departures(100_000).await;
}

#[tokio::test(start_paused = true)]
#[ignore = "soak: a million schedules"]
async fn a_million_random_departures_hang_nobody() {
    random_departures(1_000_000).await;
}
