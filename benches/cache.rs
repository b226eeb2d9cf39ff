//! What one warm read of a cache costs, "the token to send now, known to be valid now", against what
//! one would write by hand.
//!
//! `cargo bench --bench cache` first prints ratios from an interleaved harness, with one thread and
//! with two that read the same cache, then lets criterion follow the trend. The ratios are the
//! figures to quote.
//!
//! Not with `--all-features`: with `test-util` our clock follows tokio's, which can be paused, and is
//! slower for it.
//!
//! Every peer holds the same token beside its expiry, compares that with the clock and clones the
//! token; moka looks after the expiry itself. They are spared what a program would have to add: none
//! of them loads or renews anything, `OnceCell` could not even hold a second token, and one that finds
//! its lock taken spins instead of waiting for a task switch.

mod harness;

use std::fmt::Write as _;
use std::future::pending;
use std::hint::{black_box, spin_loop};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use criterion::Criterion;
use futures::FutureExt as _;
use tokio::runtime::Runtime;
use tokio::sync::{Mutex, OnceCell, RwLock, watch};
use tower_client_auth::{BoxError, Cached, Token, TokenSource};

use harness::Times;

const TOKEN: &str = "eyJhbGciOiJSUzI1NiJ9.c29tZSBvcGFxdWUgY2xhaW1z.c2lnbmF0dXJl";
const DAY: Duration = Duration::from_secs(24 * 3600);

fn token() -> Token {
    Token::new(TOKEN).expect("a token").expires_in(DAY)
}

/// One contestant: reads that often.
struct Contestant {
    name: &'static str,
    read: Box<dyn Fn(usize) + Send + Sync>,
}

fn contestant(
    name: &'static str,
    read: impl Fn() -> Option<Token> + Send + Sync + 'static,
) -> Contestant {
    let found = read().expect("a token at hand");
    assert_eq!(found.expose(), TOKEN);
    Contestant {
        name,
        // The loop is in here, so that a read is no call through a pointer.
        read: Box::new(move |times| {
            for _ in 0..times {
                assert!(black_box(read()).is_some());
            }
        }),
    }
}

/// What a peer keeps.
struct Held {
    token: Token,
    expiry: Instant,
}

impl Held {
    fn new() -> Self {
        Self {
            token: token(),
            expiry: harness::now() + DAY,
        }
    }

    #[inline]
    fn valid(&self) -> Option<Token> {
        (harness::now() < self.expiry).then(|| self.token.clone())
    }

    #[inline]
    fn unchecked(&self) -> Option<Token> {
        Some(self.token.clone())
    }
}

/// Again and again until it is there: no task to wait in.
#[inline]
fn spin<T>(mut attempt: impl FnMut() -> Option<T>) -> T {
    loop {
        if let Some(value) = attempt() {
            return value;
        }
        spin_loop();
    }
}

fn ours(runtime: &Runtime) -> [Contestant; 3] {
    let cached = Cached::new(|| async { Ok(token()) });
    runtime.block_on(cached.prefetch()).expect("a first load");
    let again = cached.clone();
    let renewing = renewing(runtime);
    [
        contestant("Cached", move || cached.at_hand()),
        contestant("Cached, through `token()`", move || {
            again.token().now_or_never()?.ok()
        }),
        contestant("Cached, while it is renewed", move || renewing.at_hand()),
    ]
}

/// A cache whose refresh is under way, and stays so: the provider hangs.
fn renewing(runtime: &Runtime) -> impl TokenSource + Send + Sync + 'static {
    let first = AtomicBool::new(true);
    let source = move || {
        let first = first.swap(false, Ordering::Relaxed);
        async move {
            if !first {
                pending::<()>().await;
            }
            Ok::<_, BoxError>(token())
        }
    };
    let cached = Cached::builder(source)
        .refresh_every(Duration::from_millis(1))
        .load_timeout(Duration::from_secs(3600))
        .build()
        .expect("a cache");
    runtime.block_on(async {
        cached.prefetch().await.expect("a first load");
        while !cached.status().refreshing {
            tokio::time::sleep(Duration::from_millis(5)).await;
            cached.token().await.expect("the first token");
        }
    });
    assert_eq!(cached.status().refreshes, 1);
    cached
}

/// What one would write by hand. `read` makes what is sent of what is held.
fn by_hand<R>(names: [&'static str; 4], read: R) -> [Contestant; 4]
where
    R: Fn(&Held) -> Option<Token> + Copy + Send + Sync + 'static,
{
    let mutex = Mutex::new(Some(Held::new()));
    let lock = RwLock::new(Some(Held::new()));
    let cell = OnceCell::new_with(Some(Held::new()));
    let (sender, receiver) = watch::channel(Some(Held::new()));
    [
        contestant(names[0], move || {
            read(spin(|| mutex.try_lock().ok()).as_ref()?)
        }),
        contestant(names[1], move || {
            read(spin(|| lock.try_read().ok()).as_ref()?)
        }),
        contestant(names[2], move || read(cell.get()?)),
        contestant(names[3], move || {
            let _ = &sender; // or the channel would be closed
            read(receiver.borrow().as_ref()?)
        }),
    ]
}

fn moka(name: &'static str, lifetime: Option<Duration>) -> Contestant {
    let mut cache = moka::future::Cache::builder().max_capacity(1);
    if let Some(lifetime) = lifetime {
        cache = cache.time_to_live(lifetime);
    }
    let cache = cache.build();
    futures::executor::block_on(cache.insert((), token()));
    contestant(name, move || spin(|| cache.get(&()).now_or_never()))
}

/// Ours, then the peers, then those that do not ask whether the token has expired.
fn contestants(runtime: &Runtime) -> Vec<Contestant> {
    let mut all = Vec::from(ours(runtime));
    all.extend(by_hand(
        [
            "tokio Mutex",
            "tokio RwLock",
            "tokio OnceCell, set once",
            "tokio watch",
        ],
        Held::valid,
    ));
    all.push(moka("moka", Some(DAY)));
    assert_eq!(all.len(), UNCHECKED);
    all.extend(by_hand(
        [
            "tokio Mutex, no expiry",
            "tokio RwLock, no expiry",
            "tokio OnceCell, no expiry",
            "tokio watch, no expiry",
        ],
        Held::unchecked,
    ));
    all.push(moka("moka, no expiry", None));
    all
}

/// What all are measured against, the first peer, the one that cannot be renewed, and the first
/// contestant that checks no expiry.
const OURS: usize = 0;
const PEERS: usize = 3;
const SET_ONCE: usize = 5;
const UNCHECKED: usize = 8;

/// How many rounds there are, and how often each contestant reads in one: long enough for the clock's
/// resolution, and for two threads to run side by side for nearly all of it.
const ALONE: (usize, usize) = (5_000, 500);
const IN_PAIRS: (usize, usize) = (2_000, 2_000);

fn alone(contestants: &[Contestant]) -> Times {
    let (rounds, reads) = ALONE;
    harness::interleave(rounds, contestants.len(), |at| {
        let start = harness::now();
        (contestants[at].read)(reads);
        start.elapsed().as_nanos() as f64 / reads as f64
    })
}

/// Two threads read the same cache at once, each that often.
fn in_pairs(contestants: &[Contestant]) -> Times {
    let (rounds, reads) = IN_PAIRS;
    let whose_turn = AtomicUsize::new(0);
    let meeting = Meeting::default();
    thread::scope(|scope| {
        scope.spawn(|| {
            loop {
                meeting.wait();
                let Some(contestant) = contestants.get(whose_turn.load(Ordering::Relaxed)) else {
                    return;
                };
                (contestant.read)(reads);
                meeting.wait();
            }
        });
        let times = harness::interleave(rounds, contestants.len(), |at| {
            whose_turn.store(at, Ordering::Relaxed);
            meeting.wait();
            let start = harness::now();
            (contestants[at].read)(reads);
            meeting.wait();
            start.elapsed().as_nanos() as f64 / reads as f64
        });
        whose_turn.store(usize::MAX, Ordering::Relaxed);
        meeting.wait();
        times
    })
}

/// A barrier for two that spins: a thread that had to be woken would miss a good part of a round.
#[derive(Default)]
struct Meeting {
    arrivals: AtomicUsize,
}

impl Meeting {
    fn wait(&self) {
        let before = self.arrivals.fetch_add(1, Ordering::AcqRel);
        let all = before / 2 * 2 + 2;
        let mut spins = 0_u32;
        while self.arrivals.load(Ordering::Acquire) < all {
            spins += 1;
            match spins % 10_000 {
                0 => thread::yield_now(), // the other one may need this core
                _ => spin_loop(),
            }
        }
    }
}

fn table(contestants: &[Contestant], alone: &Times, in_pairs: &Times) -> String {
    let mut table = String::from(
        "one warm read, medians of interleaved rounds; ×: in relation to ours, round by round\n",
    );
    let mut line = |line: std::fmt::Arguments<'_>| writeln!(table, "{line}").expect("a string");
    let (one, two) = ("1 thread", "2 threads");
    line(format_args!("  {:<28} {one:>20} {two:>20}", ""));
    for (at, contestant) in contestants.iter().enumerate() {
        if at == UNCHECKED {
            line(format_args!(
                "  what the clock costs: peers that do not ask"
            ));
        }
        let cell = |times: &Times| {
            let (ns, ratio) = (times.median(at), times.ratio(at, OURS));
            format!("{ns:>9.1} ns {ratio:>5.2} ×")
        };
        let (one, two) = (cell(alone), cell(in_pairs));
        line(format_args!(
            "  {:<28} {one:>20} {two:>20}",
            contestant.name
        ));
    }
    for (times, threads) in [(alone, one), (in_pairs, two)] {
        let verdict = verdict(contestants, times);
        line(format_args!("{threads}: {verdict}"));
    }
    table
}

/// Against what can be renewed as well; a cell that is set once is no cache, however fast.
fn verdict(contestants: &[Contestant], times: &Times) -> String {
    let ratio = |at| times.ratio(at, OURS);
    let best = (PEERS..UNCHECKED)
        .filter(|at| *at != SET_ONCE)
        .min_by(|a, b| ratio(*a).total_cmp(&ratio(*b)))
        .expect("peers");
    let name = contestants[best].name;
    let verdict = match ratio(best) {
        ratio if ratio < 1.0 => {
            let more = (1.0 / ratio - 1.0) * 100.0;
            format!("ours takes {more:.0} % longer than {name}")
        }
        ratio => format!("ours is the fastest; {name} takes {ratio:.2} × as long"),
    };
    let cell = ratio(SET_ONCE);
    format!("{verdict}, and a cell that is set once {cell:.2} ×")
}

fn main() {
    if cfg!(feature = "test-util") {
        println!("with `test-util` our clock is slower: run this without `--all-features`\n");
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let contestants = contestants(&runtime);
    let (alone, in_pairs) = (alone(&contestants), in_pairs(&contestants));
    println!("{}", table(&contestants, &alone, &in_pairs));

    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("cache");
    for contestant in &contestants {
        group.bench_function(contestant.name, |bencher| {
            bencher.iter_custom(|reads| {
                let start = harness::now();
                (contestant.read)(usize::try_from(reads).expect("a count"));
                start.elapsed()
            });
        });
    }
    group.finish();
    criterion.final_summary();
}
