//! The help, and slips that it explains.

use std::path::Path;
use std::process::Output;

use crate::examples::example;
use crate::support::compare;

fn run(width: &str, arguments: &[&str]) -> Output {
    let mut command = example("signing_proxy");
    command.env("COLUMNS", width).args(arguments);
    command.output().expect("the example")
}

fn help(width: &str) -> String {
    String::from_utf8(run(width, &["--help"]).stdout).expect("text")
}

#[test]
fn the_help_is_as_it_was_read() {
    let help = help("100");
    for line in help.lines() {
        assert!(line.chars().count() <= 100, "too long: {line}");
        assert!(!line.ends_with(' '), "a space at the end: {line}");
    }
    compare(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/proxy/help.txt"),
        &help,
    );
}

#[test]
fn slips_are_told_and_what_was_meant() {
    for (arguments, expected) in [
        (&[][..], "--config <FILE>"),
        (
            &["-u", "s3.eu-west-1.amazonaws.com"],
            "s3.eu-west-1.amazonaws.com",
        ),
        (
            &["-u", "https://api.example.com"],
            "does not tell what to sign for: add `,service=",
        ),
        (
            &["-u", "https://s3.amazonaws.com,mode=key"],
            "`mode` is one of iam, api-key",
        ),
        (
            &["-u", "https://s3.amazonaws.com,regoin=x"],
            "`regoin` is no setting of an upstream",
        ),
        (
            &["-u", "https://s3.amazonaws.com,region"],
            "`region` needs a value",
        ),
        (
            &["-u", "https://s3.amazonaws.com,payload=no"],
            "`payload` is one of auto, hash, unsigned",
        ),
        (
            &["-u", "a/b=https://s3.amazonaws.com"],
            "one that a path can begin with",
        ),
        (
            &[
                "-u",
                "a=https://s3.amazonaws.com",
                "-u",
                "a=https://sqs.eu-west-1.amazonaws.com",
            ],
            "there are two upstreams called `a`",
        ),
        (
            &["-u", "https://s3.amazonaws.com", "--default", "x"],
            "there is no upstream `x`; there are s3.amazonaws.com",
        ),
        (
            &["-u", "https://s3.amazonaws.com", "-l", ":8080"],
            "`0.0.0.0:8080`",
        ),
        (
            &["-u", "https://s3.amazonaws.com", "--caller-key", "hunter2"],
            "`env:` and the name of a variable",
        ),
        (
            &[
                "-u",
                "https://s3.amazonaws.com",
                "--caller-key",
                "env:NO_SUCH_VARIABLE",
            ],
            "is not set",
        ),
        (
            &["-u", "https://s3.amazonaws.com", "--set-header", "x"],
            "`NAME: VALUE`",
        ),
        (
            &["-u", "https://s3.amazonaws.com", "--strip-header", "*"],
            "the beginning of one and `*`",
        ),
        (
            &["-u", "https://s3.amazonaws.com", "--ca", "no-such-file"],
            "--ca no-such-file",
        ),
        (&["--config", "no-such-file"], "no-such-file"),
        (
            &["-u", "http://localhost:1,mode=none", "-l", "192.0.2.1:8080"],
            "cannot listen on http://192.0.2.1:8080",
        ),
        (
            &["-u", "http://s3.eu-west-1.amazonaws.com"],
            "`,plain-http` behind it",
        ),
        (
            &["-u", "a=https://api.example.com,mode=api-key"],
            "type `--api-key a=env:VARIABLE`",
        ),
    ] {
        let output = run("100", arguments);
        let words = String::from_utf8_lossy(&output.stderr).replace('\n', " ");
        assert!(!output.status.success(), "{arguments:?} is taken");
        assert!(words.contains(expected), "{arguments:?}: {words}");
        assert!(
            !words.contains("hunter2") || !arguments.contains(&"hunter2"),
            "{words}"
        );
    }
}
