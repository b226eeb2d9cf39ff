//! The examples run to their end, and show what they are there to show.
//!
//! Each checks itself, and fails if something is not as expected. `cargo test` builds them; a run that
//! was told to build this test alone (`--test main`) does not, and finds the ones built before.

use std::process::Command;

#[test]
fn quickstart() {
    run(&mut example("quickstart"), "24 of 24 as expected");
}

#[test]
fn hyper_util() {
    run(
        &mut example("hyper_util"),
        "tokens issued for those two:  1",
    );
}

#[test]
fn reqwest() {
    run(
        &mut example("reqwest"),
        "above the layer:   the stranger got no key",
    );
}

#[test]
fn axum_proxy() {
    run(
        &mut example("axum_proxy"),
        "with a forged Host             200 OK",
    );
}

#[test]
fn tonic() {
    run(&mut example("tonic"), "with a signature:  Serving");
}

#[test]
fn stack() {
    run(
        &mut example("stack"),
        "API token-1, API token-2, stranger none: 200 OK",
    );
}

#[test]
fn aws_config_without_an_environment() {
    let mut example = example("aws_config");
    run(
        example.env_remove("AWS_ACCESS_KEY_ID"),
        "signed by AKIDEXAMPLE",
    );
}

#[test]
fn aws_config_with_an_environment() {
    let mut example = example("aws_config");
    let example = example
        .env("AWS_ACCESS_KEY_ID", "AKIDENVIRONMENT")
        .env("AWS_SECRET_ACCESS_KEY", "secret")
        .env_remove("AWS_SESSION_TOKEN");
    run(example, "signed by AKIDENVIRONMENT");
}

/// An example's executable, which cargo puts beside the folder of this test's.
fn example(name: &str) -> Command {
    let this = std::env::current_exe().expect("the test's own path");
    let profile = this
        .ancestors()
        .nth(2)
        .expect("target/<profile>/deps/<test>");
    let file = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    let path = profile.join("examples").join(file);
    assert!(
        path.exists(),
        "{} is missing: build it with `cargo test --all-features --examples --no-run`",
        path.display(),
    );
    Command::new(path)
}

fn run(example: &mut Command, line: &str) {
    let output = example.output().expect("an example that starts");
    let out = String::from_utf8_lossy(&output.stdout);
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{out}{err}", output.status);
    assert!(out.contains(line), "no `{line}` in\n{out}{err}");
}
