//! The examples run to their end, and show what they are there to show.
//!
//! Each checks itself, and fails if something is not as expected. `cargo test` builds them; a run that
//! was told to build this test alone (`--test main`) does not, and finds the ones built before.

use std::process::{Command, Stdio};

#[test]
fn quickstart() {
    run(&mut example("quickstart"), "31 of 31 as expected");
}

/// The README begins with the quickstart's file, and with a part of what it prints.
#[test]
fn quickstart_is_what_the_readme_shows() {
    let readme = include_str!("../README.md");
    let file = include_str!("../examples/quickstart/amplifyconfiguration.json");
    assert!(
        readme.contains(&format!("```json\n{file}```")),
        "another file"
    );

    let shown = readme
        .split("```")
        .find(|block| block.contains("A stand-in for"));
    let mut shown = shown.expect("the table").lines().skip(1);
    assert!(shown.next().is_some(), "the line with a port of its own");
    let out = run(&mut example("quickstart"), "What the file says");
    let mut lines = out.lines();
    for line in shown.filter(|line| !matches!(*line, "" | "…")) {
        assert!(
            lines.any(|printed| printed == line),
            "no `{line}` in\n{out}"
        );
    }
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

/// Prints what the README shows, and says what is wrong with a file that is not there.
#[test]
fn upload() {
    let out = run(&mut example("upload"), "refused, and not stored");
    let shown = format!("$ cargo run --example upload\n{out}```");
    assert!(include_str!("../README.md").contains(&shown), "{out}");

    let output = example("upload").arg("no-such-file").output();
    let err = output.expect("an example that starts").stderr;
    let err = String::from_utf8_lossy(&err);
    assert!(err.contains("no-such-file: "), "{err}");
}

/// Prints what the README shows, with links that are shorter there.
#[test]
fn presign() {
    let mut example = example("presign");
    let out = run(example.stdin(Stdio::null()), "403 Request has expired");
    let shorten = |line: &str| match line.split_once("?X-Amz-Algorithm") {
        Some(_) => "  http://127.0.0.1:…".to_owned(),
        None => line.to_owned(),
    };
    let out: Vec<String> = out.trim_end().lines().map(shorten).collect();
    let shown = format!("$ cargo run --example presign\n{}\n```", out.join("\n"));
    assert!(include_str!("../README.md").contains(&shown), "{shown}");
}

#[test]
fn stack() {
    run(
        &mut example("stack"),
        "API token-1, API token-2, stranger none: 200 OK",
    );
}

#[test]
fn oidc_client_credentials() {
    let mut example = example("oidc_client_credentials");
    let out = run(&mut example, "10 × 200 OK, token requests so far: 2");
    assert!(out.contains("answered invalid_client"), "{out}");
}

#[test]
fn oidc_login() {
    let out = run(&mut example("oidc_login"), "nobody is signed in");
    assert!(
        out.contains("You are signed in. This window can be closed."),
        "{out}"
    );
}

/// A guest becomes a user, and a guest again, in this order.
#[test]
fn cognito_session() {
    let out = run(&mut example("cognito_session"), "A stand-in for Cognito");
    let mut rest = out.as_str();
    for line in [
        "Nobody is signed in",
        "catalog (AWS_IAM):                   200 OK: you are guest",
        "orders (AWS_IAM):                    403 Forbidden: the server knows who it is, and no policy allows this: the request was signed as a guest's",
        "profile (AMAZON_COGNITO_USER_POOLS): not sent: nobody is signed in",
        "Alice signs in",
        "with a wrong password:               the user pool service at cognito-idp.eu-west-1.amazonaws.com answered ",
        "with hers:                           signed in",
        "requests with her name in them:      4",
        "requests with her password in them:  0",
        "Alice is signed in",
        "catalog (AWS_IAM):                   200 OK: you are member",
        "orders (AWS_IAM):                    200 OK: you are member",
        "profile (AMAZON_COGNITO_USER_POOLS): 200 OK: you are alice",
        "When her token has ended",
        "profile (AMAZON_COGNITO_USER_POOLS): 200 OK: you are alice",
        "refreshed by then:                   1",
        "Alice has signed out",
        "sessions that the pool still knows:  0",
        "catalog (AWS_IAM):                   200 OK: you are guest",
        "orders (AWS_IAM):                    403 Forbidden: ",
        "profile (AMAZON_COGNITO_USER_POOLS): not sent: nobody is signed in",
    ] {
        let Some((_, after)) = rest.split_once(line) else {
            panic!("no `{line}` in its place in\n{out}");
        };
        rest = after;
    }
}

/// What is missing for a call of one's own is said before anything is sent.
#[test]
fn cognito_session_says_what_to_type() {
    for (arguments, expected) in [
        ("--api orders", "add `--config amplifyconfiguration.json`"),
        ("--config a.json", "add `--api orders`"),
        (
            "--config a.json --api orders --user alice",
            "PASSWORD is not set",
        ),
        (
            "--password=hunter2",
            "`--password` is no option of this program",
        ),
    ] {
        let mut example = example("cognito_session");
        let example = example.args(arguments.split(' ')).env_remove("PASSWORD");
        let output = example.output().expect("an example that starts");
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments}\n{err}");
        assert!(err.contains(expected), "no `{expected}` in\n{err}");
        assert!(!err.contains("hunter2"), "{err}");
    }
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
pub(crate) fn example(name: &str) -> Command {
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

/// Returns what it printed.
fn run(example: &mut Command, line: &str) -> String {
    let output = example.output().expect("an example that starts");
    let out = String::from_utf8_lossy(&output.stdout);
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{out}{err}", output.status);
    assert!(out.contains(line), "no `{line}` in\n{out}{err}");
    out.into_owned()
}
