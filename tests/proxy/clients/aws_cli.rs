//! The aws command line.

use std::path::Path;
use std::process::Command;

use super::{Files, Twins, all_were_refused, none_was_refused, texts, without_credentials};
use crate::proxy::Proxy;
use crate::servers;

const TEXT: &str = "Größe ½ – 日本語 🦀";

const REFUSALS: [&str; 3] = [
    "SignatureDoesNotMatch",
    "InvalidSignatureException",
    "(403)",
];

#[test]
fn the_aws_command_line_has_all_accepted_and_with_a_wrong_secret_refused() {
    if servers::skipped("the aws command line through the proxy") {
        return;
    }
    let twins = Twins::to_ministack();
    let files = Files::new(2);
    let got = [files.path("got-one"), files.path("got-parts")];
    let all = commands(&files.large, &got);
    for (words, shown) in &all {
        let (ended_well, out, err) = run(&twins.good, words);
        assert!(ended_well, "{words:?}: {out}{err}");
        assert!(out.contains(shown), "{words:?}: {out}{err}");
    }
    for file in &got {
        assert!(files.is_large(file), "{}", file.display());
        std::fs::remove_file(file).expect("it was there");
    }
    let lines = none_was_refused(&twins.good, all.len());

    for (words, _) in &all {
        let (ended_well, out, err) = run(&twins.wrong, words);
        assert!(!ended_well, "{words:?}: {out}{err}");
        let reason = REFUSALS.iter().any(|code| err.contains(code));
        assert!(reason, "{words:?}: {out}{err}");
    }
    for file in &got {
        assert!(!file.exists(), "{}", file.display());
    }
    all_were_refused(&twins.wrong, all.len());
    println!(
        "proxy: aws: {} commands, {} requests accepted; all {} commands refused with a wrong secret",
        all.len(),
        lines.len(),
        all.len()
    );
}

/// What is typed, and what it shows.
fn commands(large: &Path, got: &[std::path::PathBuf; 2]) -> Vec<(Vec<String>, String)> {
    let name = format!("cli-{}", std::process::id());
    let [one, parts] = got.each_ref().map(|path| path.display().to_string());
    let large = large.display().to_string();
    let item = format!(r#"{{"id":{{"S":"{TEXT}"}}}}"#);
    let queue = format!("http://localhost/000000000000/{name}");
    let of_one = ["--bucket", "tests", "--key", "cli/one put"];
    let url = "s3://tests/cli/parts";
    let table = ["--table-name", &name];
    let line = |words: &[&[&str]], shown: &str| {
        let words = words.iter().flat_map(|part| part.iter());
        let words = words.map(|word| (*word).to_owned()).collect();
        (words, shown.to_owned())
    };
    vec![
        line(
            &[&["s3api", "put-object"], &of_one, &["--body", &large]],
            "ETag",
        ),
        line(&[&["s3api", "get-object"], &of_one, &[&one]], "104857600"),
        line(&[&["s3", "cp", "--no-progress", &large, url]], "upload: "),
        line(&[&["s3", "cp", "--no-progress", url, &parts]], "download: "),
        line(
            &[
                &["dynamodb", "create-table"],
                &table,
                &["--billing-mode", "PAY_PER_REQUEST"],
                &[
                    "--attribute-definitions",
                    "AttributeName=id,AttributeType=S",
                ],
                &["--key-schema", "AttributeName=id,KeyType=HASH"],
            ],
            &name,
        ),
        line(&[&["dynamodb", "put-item"], &table, &["--item", &item]], ""),
        line(
            &[
                &["dynamodb", "get-item", "--output", "text"],
                &table,
                &["--key", &item],
            ],
            TEXT,
        ),
        line(&[&["sqs", "create-queue", "--queue-name", &name]], &name),
        line(
            &[&[
                "sqs",
                "send-message",
                "--queue-url",
                &queue,
                "--message-body",
                TEXT,
            ]],
            "MessageId",
        ),
        line(
            &[&[
                "sqs",
                "receive-message",
                "--output",
                "text",
                "--queue-url",
                &queue,
            ]],
            TEXT,
        ),
    ]
}

fn run(proxy: &Proxy, words: &[String]) -> (bool, String, String) {
    let python = servers::clients_python();
    let mut command = Command::new(python);
    without_credentials(&mut command)
        .arg(python.with_file_name("aws"))
        .args(["--endpoint-url", &proxy.origin, "--output", "json"])
        .args(words)
        .env("PYTHONIOENCODING", "utf-8");
    let output = command.output().expect("a Python");
    let (out, err) = texts(&output);
    (output.status.success(), out, err)
}
