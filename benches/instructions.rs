//! How many instructions a signature takes, as valgrind's callgrind counts them.
//!
//! Times vary with the machine and with what else it does; counts hardly do. So these can be compared
//! with recorded ones: `cargo bench --bench instructions` fails if a count is more than 3 % above the one
//! in `benches/instructions.txt`, or if a signature of R1 takes more than a quarter of what `aws-sigv4`
//! takes for it. `-- --record` writes the counts down instead of comparing them. Where the test profile
//! is built already, `cargo test --all-features --bench instructions -- --bench` does the same with
//! counts of its own.
//!
//! Every count is the difference between two runs of this same program under callgrind, which build the
//! same requests, but sign all of them or none. Start-up, the requests themselves and whatever happens
//! only with the first signature cancel out. All signatures are made at the same time, since those of one
//! second share some of the work; a clock is not read. Hashing the body is part of a signature as long as
//! the body is small. Bodies of 64 KiB and 1 MiB are hashed once, outside of what is counted: valgrind is
//! slow, and there would be nothing else to see.
//!
//! Valgrind knows no SHA extensions, so all hashing is done in software here, and takes most of the
//! instructions. How much more others take is therefore less than what times show on a machine that has
//! these extensions. The counts depend on the versions of the compiler and the C library, and on which
//! vector instructions the machine has: hence the 3 %.

#[allow(dead_code, reason = "shared with a benchmark of them all")]
#[path = "sign/peers.rs"]
mod peers;
#[allow(dead_code, reason = "shared with a benchmark that needs more of it")]
#[path = "sign/requests.rs"]
mod requests;

use std::collections::BTreeMap;
use std::fs;
use std::hint::black_box;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, SystemTime};

use http::{Request, request};
use tower_client_auth::sigv4::Presigning;

use self::requests::{Sample, samples};

/// For how long URLs are presigned.
const EXPIRY: Duration = Duration::from_secs(900);

const EMPTY_HASH: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// The recorded counts: programs that check for overflows, as those of the test profile do, take more.
const BASELINE: &str = match cfg!(debug_assertions) {
    true => "benches/instructions-checked.txt",
    false => "benches/instructions.txt",
};

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(BASELINE)
}

/// By how much a count may differ from the recorded one.
const TOLERANCE: f64 = 0.03;

/// Over how many signatures the count of one is taken.
const SIGNATURES: usize = 300;

/// The largest body that is hashed with every signature.
const SMALL: usize = 4096;

const CHILD: &str = "--child";
const OURS: &str = "ours";
const PRESIGNED: &str = "presigned";
const AWS_SIGV4: &str = "aws-sigv4";

/// Always the same, whatever the real time is.
fn clock() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_440_938_160)
}

fn ours(sample: &Sample) -> impl FnMut(&mut request::Parts) {
    let (signer, credentials) = sample.signer();
    let known = (sample.body.len() > SMALL).then(|| sample.payload());
    move |head| {
        let payload = known.unwrap_or_else(|| sample.payload());
        signer
            .sign(head, &credentials, &payload, clock())
            .expect("signed");
    }
}

fn presigned(sample: &Sample) -> impl FnMut(&mut request::Parts) {
    let (signer, credentials) = sample.signer();
    let presigning = Presigning::expires_in(EXPIRY).expect("a time");
    let payload = sample.payload();
    move |head| {
        signer
            .presign(head, &credentials, &payload, clock(), &presigning)
            .expect("signed");
    }
}

/// What callgrind runs.
fn child(signer: &str, name: &str, signatures: usize) {
    let samples = samples();
    let sample = samples.iter().find(|sample| sample.name == name);
    let sample = sample.expect("a request of that name");
    match signer {
        OURS => repeat(signatures, || sample.fresh(), ours(sample)),
        PRESIGNED => repeat(signatures, || sample.fresh(), presigned(sample)),
        _ => repeat(
            signatures,
            || Request::from_parts(sample.fresh(), ()),
            peers::aws_sigv4(sample),
        ),
    }
}

/// Builds always as many requests, and signs one of them, for what happens only once, and `signatures`
/// more.
fn repeat<R>(signatures: usize, build: impl Fn() -> R, mut sign: impl FnMut(&mut R)) {
    let mut requests: Vec<R> = (0..=SIGNATURES).map(|_| build()).collect();
    for request in black_box(&mut requests).iter_mut().take(1 + signatures) {
        sign(request);
    }
    black_box(&requests);
    // There is more to free where more was signed.
    std::mem::forget(requests);
}

/// The instructions of a run that signs so many requests.
fn run(signer: &str, name: &str, signatures: usize) -> Result<u64, String> {
    let program = std::env::current_exe()
        .map_err(|error| format!("this program does not find itself: {error}"))?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args([CHILD, signer, name, &signatures.to_string()])
        .output()
        .map_err(|error| match error.kind() {
            ErrorKind::NotFound => {
                "valgrind is missing, which counts the instructions: install it with `apt-get install \
                 valgrind`"
                    .to_owned()
            }
            _ => format!("valgrind cannot be run: {error}"),
        })?;
    let log = String::from_utf8_lossy(&output.stderr);
    let count = log
        .lines()
        .find_map(|line| line.split_once("Collected : "))
        .and_then(|(_, count)| count.trim().parse().ok());
    match count {
        Some(count) if output.status.success() => Ok(count),
        _ => Err(format!("valgrind counted nothing, but said:\n{log}")),
    }
}

/// The instructions of one signature.
fn count(signer: &str, name: &str) -> Result<u64, String> {
    let without = run(signer, name, 0)?;
    let with = run(signer, name, SIGNATURES)?;
    let difference = with
        .checked_sub(without)
        .ok_or_else(|| format!("{name}: signing took less than nothing"))?;
    Ok(difference / SIGNATURES as u64)
}

/// Lines of a name and a number, between comments.
fn parse(text: &str) -> Result<BTreeMap<&str, u64>, String> {
    let lines = text.lines().map(str::trim);
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| {
            let (name, count) = line.rsplit_once(' ').unwrap_or_default();
            match count.parse::<u64>() {
                Ok(count) if count > 0 => Ok((name.trim_end(), count)),
                _ => Err(format!("{BASELINE}: `{line}` is not a name and a count")),
            }
        })
        .collect()
}

/// Keeps the comments, and replaces everything else.
fn record(old: &str, counts: &[(String, u64)]) -> Result<(), String> {
    let comments = old.lines().filter(|line| line.starts_with('#'));
    let mut text: String = comments.map(|line| format!("{line}\n")).collect();
    for (name, count) in counts {
        text.push_str(&format!("{name} {count}\n"));
    }
    fs::write(path(), text).map_err(|error| format!("{BASELINE} cannot be written: {error}"))
}

/// Prints the table, and returns what is wrong.
fn measure(recording: bool) -> Result<Vec<String>, String> {
    let text = fs::read_to_string(path())
        .map_err(|error| format!("{BASELINE} cannot be read: {error}"))?;
    let baseline = match recording {
        true => BTreeMap::new(),
        false => parse(&text)?,
    };
    let mut problems = Vec::new();
    let mut counts = Vec::new();
    println!("instructions per signature");
    for sample in &samples() {
        let signers: &[&str] = match sample.name {
            "R1" => &[OURS, PRESIGNED, AWS_SIGV4],
            "R2" => &[OURS, PRESIGNED],
            _ => &[OURS],
        };
        for signer in signers {
            let name = match *signer {
                OURS => sample.name.to_owned(),
                other => format!("{} {other}", sample.name),
            };
            let count = count(signer, sample.name)?;
            print!("  {name:<14} {:<32} {count:>8}", sample.what);
            match baseline.get(name.as_str()) {
                Some(&recorded) => {
                    let change = count as f64 / recorded as f64 - 1.0;
                    println!(" {:>+7.1} % of {recorded}", change * 100.0);
                    if change > TOLERANCE {
                        problems.push(format!(
                            "{name}: {count} instructions, {:.1} % more than the {recorded} recorded",
                            change * 100.0
                        ));
                    } else if change < -TOLERANCE {
                        println!("    less than recorded: record it, so that it stays so");
                    }
                }
                None if recording => println!(),
                None => {
                    println!();
                    problems.push(format!("{name}: no count is recorded"));
                }
            }
            counts.push((name, count));
        }
    }
    if recording {
        record(&text, &counts)?;
        println!("recorded in {BASELINE}");
    } else if !problems.is_empty() {
        problems.push(
            "if that is meant, or if only the compiler, the C library or the machine is another, record \
             it with the same command and `--record` at its end"
                .to_owned(),
        );
    }
    let find = |name: &str| counts.iter().find(|(other, _)| other == name);
    if let (Some((_, ours)), Some((_, theirs))) = (find("R1"), find("R1 aws-sigv4")) {
        let ratio = *theirs as f64 / *ours as f64;
        println!("R1: aws-sigv4 = {ratio:.2} × this crate (at least 4)");
        if ratio < 4.0 {
            problems.push(format!(
                "R1: {ours} instructions are more than a quarter of the {theirs} of aws-sigv4"
            ));
        }
    }
    Ok(problems)
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [mode, signer, name, signatures] = &arguments[..]
        && mode == CHILD
    {
        child(signer, name, signatures.parse().expect("a number"));
        return ExitCode::SUCCESS;
    }
    let has = |name: &str| arguments.iter().any(|argument| argument == name);
    // `cargo bench` passes the one, `cargo test --benches` does not.
    if !has("--bench") || has("--test") {
        return ExitCode::SUCCESS;
    }
    let problems = measure(has("--record")).unwrap_or_else(|problem| vec![problem]);
    for problem in &problems {
        eprintln!("{problem}");
    }
    match problems.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}
