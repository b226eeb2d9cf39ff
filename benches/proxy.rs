//! Requests per second through the example `signing_proxy`, beside the same proxy without the layers and beside
//! nginx. wrk asks, and nginx answers, on this machine.
//!
//! ```sh
//! cargo build --release --example signing_proxy
//! cargo bench --bench proxy
//! ```
//!
//! Takes nginx and wrk (on Debian: `apt-get install nginx-light wrk`), and a minute and a half on two cores.
//! `cargo bench --bench proxy -- --quick` takes five seconds, and is no measurement.

#[path = "proxy/nginx.rs"]
mod nginx;
#[path = "proxy/processes.rs"]
mod processes;
#[path = "proxy/wrk.rs"]
mod wrk;

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use nginx::Nginx;
use processes::{Proxy, free_port};
use wrk::{Load, Seen};

/// How long each is asked, and how often.
struct Plan {
    rounds: usize,
    seconds: u64,
}

/// As many as a service has connections to its sidecar.
const CONNECTIONS: usize = 32;

/// A row of the table.
struct Row {
    name: &'static str,
    port: u16,
    seen: Vec<Seen>,
}

fn main() -> ExitCode {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let plan = match quick {
        true => Plan {
            rounds: 1,
            seconds: 1,
        },
        false => Plan {
            rounds: 5,
            seconds: 5,
        },
    };
    match measure(&plan) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("proxy: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(plan: &Plan) -> Result<(), Box<dyn Error>> {
    let (upstream, passing) = (free_port()?, free_port()?);
    let _nginx = Nginx::start(upstream, passing)?;
    let signing = Proxy::start(upstream, &[])?;
    let plain = Proxy::start(upstream, &["--without-layers"])?;
    let mut rows = [
        ("nginx, proxy_pass", passing),
        ("signing_proxy, without the layers", plain.port),
        ("signing_proxy, SigV4", signing.port),
    ]
    .map(|(name, port)| Row {
        name,
        port,
        seen: Vec::new(),
    });

    // Nobody measures the first requests.
    let load = Load::new(CONNECTIONS)?;
    for row in &rows {
        load.put_on(row.port, Duration::from_secs(1))?;
    }
    let before = signing.resident()?;
    for _ in 0..plan.rounds {
        for row in &mut rows {
            let seen = load.put_on(row.port, Duration::from_secs(plan.seconds))?;
            row.seen.push(seen);
        }
    }
    let after = signing.resident()?;
    report(&rows);
    println!("memory of the one that signs: {before} KiB before, {after} KiB after");

    let failed: u64 = rows
        .iter()
        .flat_map(|row| &row.seen)
        .map(|seen| seen.failed)
        .sum();
    match failed {
        0 => Ok(()),
        failed => Err(format!("{failed} requests were refused, or got no answer").into()),
    }
}

fn report(rows: &[Row]) {
    let rate = |row: &Row| median(row.seen.iter().map(|seen| seen.rate).collect());
    println!(
        "{:36}{:>10} {:>8} {:>9} {:>9} {:>12}",
        "", "per s", "refused", "p50 µs", "p99 µs", "requests"
    );
    for row in rows {
        let micros = |pick: fn(&Seen) -> f64| median(row.seen.iter().map(pick).collect());
        println!(
            "{:36}{:>10.0} {:>8} {:>9.0} {:>9.0} {:>12}",
            row.name,
            rate(row),
            row.seen.iter().map(|seen| seen.failed).sum::<u64>(),
            micros(|seen| seen.p50),
            micros(|seen| seen.p99),
            row.seen.iter().map(|seen| seen.requests).sum::<u64>(),
        );
    }
    if let [nginx, plain, signing] = rows {
        let (nginx, plain, signing) = (rate(nginx), rate(plain), rate(signing));
        println!(
            "with the layers: {:.3} of the same without them, {:.3} of nginx",
            signing / plain,
            signing / nginx
        );
    }
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(f64::NAN)
}
