//! The help, and what the README shows.

use std::path::Path;

use super::{Folder, Run, call, run};
use crate::support::compare;

fn help(width: &str, arguments: &[&str]) -> Run {
    run(call(&Folder::new(), arguments).env("COLUMNS", width))
}

#[test]
fn the_help_is_as_it_was_read() {
    let help = help("100", &["--help"]).good();
    for line in help.lines() {
        assert!(line.chars().count() <= 100, "too long: {line}");
        assert!(!line.ends_with(' '), "a space at the end: {line}");
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/call/help.txt");
    compare(&file, &help);
}

#[test]
fn the_help_fits_a_small_terminal() {
    let help = help("80", &["--help"]).good();
    let widest = help.lines().map(|line| line.chars().count()).max();
    assert!(widest <= Some(80), "{widest:?} columns");
}

#[test]
fn the_commands_have_a_help_too() {
    for command in ["apis", "check", "sign-in", "sign-out"] {
        let help = help("100", &[command, "--help"]).good();
        assert!(help.contains("--config <FILE>"), "{help}");
    }
}

/// Each block of the README that calls the demo shows what is printed, but for the port and the time.
#[test]
fn the_demo_is_what_the_readme_shows() {
    let readme = include_str!("../../README.md");
    let mut shown = 0;
    for block in readme
        .split("```")
        .filter(|block| block.contains("$ cargo run --example call"))
    {
        let (_, line) = block.split_once("--example call -- ").expect("arguments");
        let (line, expected) = line.split_once('\n').expect("an answer");
        let arguments: Vec<_> = line.split(' ').collect();
        let run = run(&mut call(&Folder::new(), &arguments));
        let printed = [run.err, run.out].join("\n");
        for line in expected.lines().filter(|line| !matches!(*line, "" | "…")) {
            let found = printed.lines().any(|printed| is_like(printed, line));
            assert!(found, "no `{line}` in\n{printed}");
        }
        shown += 1;
    }
    assert!(shown >= 2, "{shown} blocks");
}

/// The same, but for digits, and for what a `…` leaves out.
fn is_like(printed: &str, shown: &str) -> bool {
    let plain = |text: &str| -> String {
        let digits = |c: char| if c.is_ascii_digit() { '0' } else { c };
        text.chars().map(digits).collect()
    };
    match shown.strip_suffix('…') {
        Some(start) => plain(printed).starts_with(&plain(start)),
        None => plain(printed) == plain(shown),
    }
}
