//! What a signature costs, beside what hashing alone costs and beside other signers.
//!
//! `cargo bench --bench sign` prints, for six requests, the time of every signer that can sign the
//! like, as ratios from an interleaved harness: every round times every contestant over freshly built
//! requests, in rotating order, so that a noisy machine slows all of them alike. It then lets two
//! threads sign at once, puts signatures into the query and makes those of SigV4a (feature `sigv4a`), both
//! beside `aws-sigv4`, and draws a chart: `target/sign.svg`, or where `-- --chart FILE` says. `-- R1 R3`
//! measures only these two.

#[path = "sign/chart.rs"]
mod chart;
#[path = "sign/floor.rs"]
mod floor;
mod harness;
#[path = "sign/peers.rs"]
mod peers;
#[path = "sign/requests.rs"]
mod requests;

use std::cell::Cell;
use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant, SystemTime};

use http::{Request, request};
use tower_client_auth::sigv4::Presigning;

use self::chart::Chart;
use self::floor::Floor;
use self::harness::{interleave, now};
use self::requests::{Sample, samples};

/// For how long URLs are presigned.
const EXPIRY: Duration = Duration::from_secs(900);

const EMPTY_HASH: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// The most that ours should take, by request, in times the floor.
const BOUNDS: [f64; 6] = [1.45, 1.80, 1.20, 1.03, 1.03, 1.40];

#[allow(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn clock() -> SystemTime {
    SystemTime::now()
}

/// Builds as many requests as it is told, signs them, and says how many nanoseconds one took.
type Contestant<'a> = (&'static str, Box<dyn FnMut(usize) -> f64 + 'a>);

fn contestant<'a, R>(
    name: &'static str,
    build: impl Fn() -> R + 'a,
    mut sign: impl FnMut(&mut R) + 'a,
) -> Contestant<'a> {
    let time = move |batch| {
        let mut requests: Vec<R> = (0..batch).map(|_| build()).collect();
        let start = now();
        for request in black_box(&mut requests) {
            sign(request);
        }
        let elapsed = start.elapsed();
        black_box(requests);
        elapsed.as_nanos() as f64 / batch as f64
    };
    (name, Box::new(time))
}

fn ours(sample: &Sample) -> impl FnMut(&mut request::Parts) {
    let (signer, credentials) = sample.signer();
    move |head| {
        let payload = sample.payload();
        signer
            .sign(head, &credentials, &payload, clock())
            .expect("signed");
    }
}

fn contestants(sample: &Sample) -> Vec<Contestant<'_>> {
    let mut floor = Floor::new(sample);
    let url = || url::Url::parse(&sample.head.uri.to_string()).expect("a URL");
    let mut all = vec![
        contestant(chart::OURS, || sample.fresh(), ours(sample)),
        contestant(
            chart::FLOOR,
            || sample.fresh(),
            move |head| floor.sign(head, &sample.body),
        ),
        contestant(
            "aws-sigv4",
            || Request::from_parts(sample.fresh(), ()),
            peers::aws_sigv4(sample),
        ),
        contestant("reqsign-aws-v4", || sample.fresh(), peers::reqsign(sample)),
        contestant(
            "rust-s3",
            move || (url(), sample.fresh()),
            peers::rust_s3(sample),
        ),
        contestant(
            "object_store",
            || {
                let body = object_store::client::HttpRequestBody::from(sample.body.clone());
                Request::from_parts(sample.fresh(), body)
            },
            peers::object_store(sample),
        ),
    ];
    // With the headers in another order each time: what the signer remembers of the last few requests is
    // of no use. There are not enough orders of two headers.
    if sample.head.headers.len() > 3 {
        let count = Cell::new(0);
        let build = move || {
            count.set(count.get() + 1);
            sample.permuted(count.get())
        };
        all.push(contestant(chart::NEW_HEADERS, build, ours(sample)));
    }
    // It presigns, and leaves every payload unsigned.
    if sample.body.is_empty() || !sample.signed {
        all.push(contestant(
            "rusty-s3 (presigned)",
            move || Some(url()),
            peers::rusty_s3(sample),
        ));
    }
    all
}

fn compare(sample: &Sample, bound: f64, scale: usize, chart: &mut Chart) {
    let mut contestants = contestants(sample);
    let (rounds, batch) = match sample.body.len() * usize::from(sample.signed) {
        0..=4096 => (200, 64),
        4097..=100_000 => (100, 8),
        _ => (40, 2),
    };
    for (_, time) in &mut contestants {
        time(batch);
    }
    let times = interleave(rounds * scale, contestants.len(), |at| {
        contestants[at].1(batch)
    });
    println!("\n{} ({}), times the floor", sample.name, sample.what);
    for (at, (name, _)) in contestants.iter().enumerate() {
        let ratio = times.ratio(at, 1);
        println!("  {name:<24} {:>10.0} ns {ratio:>7.2}", times.median(at));
        chart.add(sample, name, ratio);
    }
    println!(
        "  this crate = {:.2} × floor (at most {bound:.2}); aws-sigv4 = {:.1} × this crate{}",
        times.ratio(0, 1),
        times.ratio(2, 0),
        if sample.name == "R1" {
            " (at least 6.5)"
        } else {
            ""
        },
    );
}

/// The signature in the query, and one of SigV4a, beside those of `aws-sigv4`.
fn others(sample: &Sample, scale: usize) {
    let presigned = |at_least| {
        let (signer, credentials) = sample.signer();
        let presigning = Presigning::expires_in(EXPIRY).expect("a time");
        let ours = move |head: &mut request::Parts| {
            let payload = sample.payload();
            signer
                .presign(head, &credentials, &payload, clock(), &presigning)
                .expect("signed");
        };
        beside_aws_sigv4(
            ("in the query", at_least),
            sample,
            ours,
            peers::aws_sigv4_presigned(sample),
            scale,
        );
    };
    presigned((sample.name == "R1").then_some(5.0));
    #[cfg(feature = "sigv4a")]
    {
        let (signer, credentials) = sample.signer_v4a();
        let ours = move |head: &mut request::Parts| {
            let payload = sample.payload();
            signer
                .sign(head, &credentials, &payload, clock())
                .expect("signed");
        };
        beside_aws_sigv4(
            ("of SigV4a", (sample.name == "R1").then_some(1.5)),
            sample,
            ours,
            peers::aws_sigv4a(sample),
            scale,
        );
    }
}

fn beside_aws_sigv4<'a>(
    (what, at_least): (&'static str, Option<f64>),
    sample: &'a Sample,
    ours: impl FnMut(&mut request::Parts) + 'a,
    theirs: impl FnMut(&mut Request<()>) + 'a,
    scale: usize,
) {
    const BATCH: usize = 32;
    let fresh = || Request::from_parts(sample.fresh(), ());
    let mut contestants = [
        contestant(what, || sample.fresh(), ours),
        contestant("aws-sigv4", fresh, theirs),
        contestant("in headers", || sample.fresh(), self::ours(sample)),
    ];
    for (_, time) in &mut contestants {
        time(BATCH);
    }
    let times = interleave(50 * scale, 3, |at| contestants[at].1(BATCH));
    let least = at_least.map_or_else(String::new, |least| format!(" (at least {least})"));
    println!(
        "  {what}: {:.0} ns, {:.2} × that in headers; aws-sigv4 {:.0} ns = {:.1} × this crate{least}",
        times.median(0),
        times.ratio(0, 2),
        times.median(1),
        times.ratio(1, 0),
    );
}

/// Signatures per second of two threads over those of one, for the floor and for ours.
fn scaling(sample: &Sample, scale: usize) {
    /// Few enough for all of them to stay in the cache of a core.
    const REQUESTS: usize = 512;

    /// When one thread began to sign all of its requests, and when it was done.
    fn sign_all(
        mut sign: impl FnMut(&mut request::Parts),
        sample: &Sample,
        waiting: &AtomicUsize,
    ) -> [Instant; 2] {
        let mut requests: Vec<_> = (0..REQUESTS).map(|_| sample.fresh()).collect();
        sign(&mut sample.fresh());
        // Not asleep, since threads wake one after the other.
        waiting.fetch_sub(1, Ordering::AcqRel);
        while waiting.load(Ordering::Acquire) > 0 {
            std::hint::spin_loop();
        }
        let begin = now();
        for request in black_box(&mut requests) {
            sign(request);
        }
        [begin, now()]
    }
    let (signer, credentials) = sample.signer();
    // How many signatures a nanosecond that many threads make, from the first to the last.
    let run = |threads: usize, ours: bool| -> f64 {
        let waiting = AtomicUsize::new(threads);
        let times: Vec<[Instant; 2]> = std::thread::scope(|scope| {
            let handles: Vec<_> = (0..threads)
                .map(|_| {
                    scope.spawn(|| match ours {
                        true => {
                            let sign = |head: &mut request::Parts| {
                                let payload = sample.payload();
                                let signed = signer.sign(head, &credentials, &payload, clock());
                                signed.expect("signed");
                            };
                            sign_all(sign, sample, &waiting)
                        }
                        // Every thread has a floor of its own: nothing is shared.
                        false => {
                            let mut floor = Floor::new(sample);
                            sign_all(|head| floor.sign(head, &sample.body), sample, &waiting)
                        }
                    })
                })
                .collect();
            let join = |handle: ScopedJoinHandle<'_, _>| handle.join().expect("done");
            handles.into_iter().map(join).collect()
        });
        let begin = times.iter().map(|[begin, _]| *begin).min();
        let end = times.iter().map(|[_, end]| *end).max();
        let elapsed = end.expect("a thread") - begin.expect("a thread");
        (threads * REQUESTS) as f64 / elapsed.as_nanos() as f64
    };
    let rates = interleave(400 * scale, 4, |at| run(1 + at % 2, at < 2));
    println!(
        "  two threads: this crate {:.2} × one, the floor {:.2} × one: {:.2} of it (at least 0.95)",
        rates.ratio(1, 0),
        rates.ratio(3, 2),
        rates.combined(|round| (round[1] / round[0]) / (round[3] / round[2])),
    );
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // `cargo test --benches` runs it as well, and wants no figures.
    if !arguments.iter().any(|argument| argument == "--bench") {
        return;
    }
    let scale = match arguments.iter().any(|argument| argument == "--quick") {
        true => 1,
        false => 4,
    };
    let file = arguments.iter().position(|argument| argument == "--chart");
    let file = file.and_then(|at| arguments.get(at + 1));
    let only: Vec<&String> = arguments
        .iter()
        .filter(|name| name.starts_with('R'))
        .collect();
    let mut chart = Chart::default();
    for (sample, bound) in samples().iter().zip(BOUNDS) {
        if !only.is_empty() && !only.iter().any(|name| *name == sample.name) {
            continue;
        }
        compare(sample, bound, scale, &mut chart);
        // The time of a megabyte's SHA-256 says nothing of either.
        if sample.body.len() <= 4096 || !sample.signed {
            others(sample, scale);
        }
        if ["R1", "R3"].contains(&sample.name) {
            scaling(sample, scale);
        }
    }
    let file = file.map_or("target/sign.svg", String::as_str);
    match std::fs::write(file, chart.svg()) {
        Ok(()) => println!("\nthe chart is in {file}"),
        Err(error) => println!("\nthe chart cannot be written to {file}: {error}"),
    }
}
