//! boto3, which is told of the proxy by its environment alone.

use std::process::Command;

use serde_json::Value;

use super::{Files, Twins, all_were_refused, none_was_refused, texts, without_credentials};
use crate::proxy::Proxy;
use crate::servers;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/servers/proxy_boto3.py");

const REFUSALS: [&str; 2] = ["SignatureDoesNotMatch", "InvalidSignatureException"];

#[test]
fn boto3_has_100_mib_items_and_messages_accepted_and_with_a_wrong_secret_refused() {
    if servers::skipped("boto3 through the proxy") {
        return;
    }
    let twins = Twins::to_ministack();
    let files = Files::new(1);
    let accepted = asked(&twins.good, &files);
    for line in &accepted {
        assert_eq!(line["status"], 200, "{line}");
        assert_eq!(line["same"], true, "{line}");
    }
    let lines = none_was_refused(&twins.good, accepted.len());
    for name in ["s3", "dynamodb", "sqs"] {
        let of = lines.iter().filter(|line| line["upstream"] == name);
        assert!(of.count() >= 3, "{name}: {lines:#?}");
    }

    let refused = asked(&twins.wrong, &files);
    assert_eq!(refused.len(), accepted.len());
    for line in &refused {
        let status = line["status"].as_u64();
        assert!(matches!(status, Some(400 | 403)), "{line}");
        // An answer to `HEAD` has no more than its status.
        let code = line["code"].as_str().unwrap_or_default();
        assert!(REFUSALS.contains(&code) || code == "403", "{line}");
    }
    all_were_refused(&twins.wrong, refused.len());
    println!(
        "proxy: boto3: {} operations, {} requests accepted; all {} operations refused with a wrong secret",
        accepted.len(),
        lines.len(),
        refused.len()
    );
}

/// What came of each operation.
fn asked(proxy: &Proxy, files: &Files) -> Vec<Value> {
    let mut command = Command::new(servers::clients_python());
    without_credentials(&mut command)
        .arg(SCRIPT)
        .arg(&files.large)
        // Of this run alone: queues and tables are not made twice.
        .arg(format!("boto3-{}", std::process::id()))
        .env("AWS_ENDPOINT_URL", &proxy.origin);
    let output = command.output().expect("a Python");
    let (out, err) = texts(&output);
    assert!(output.status.success(), "{out}{err}");
    out.lines()
        .map(|line| serde_json::from_str(line).expect("a line of JSON"))
        .collect()
}
