//! What a host says of its signatures: beside all that botocore knows, and what its list has no names for.

#[path = "../../examples/signing_proxy/hosts.rs"]
mod inferred;

use std::path::Path;
use std::process::Command;

use crate::servers::{python, skipped};
use inferred::infer;

/// Domains of partitions that are not connected to the internet.
const ISOLATED: [&str; 5] = [
    ".ic.gov",
    ".sgov.gov",
    ".adc-e.uk",
    ".hci.ic.gov",
    ".csp.hci.ic.gov",
];

#[test]
fn every_host_that_botocore_knows_is_signed_for_as_botocore_does() {
    if skipped("hosts beside botocore") {
        return;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers/botocore_hosts.py");
    let output = Command::new(python()).arg(script).output().expect("python");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).expect("text");
    let mut count = 0;
    for line in text.lines() {
        let [host, service, region] = line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("not understood: {line}");
        };
        if ISOLATED.iter().any(|domain| host.ends_with(domain)) {
            assert_eq!(infer(host), None, "{host}");
            continue;
        }
        let found = infer(host).map(|signed| (signed.service, signed.region));
        assert_eq!(
            found,
            Some((service.to_owned(), region.to_owned())),
            "{host}"
        );
        count += 1;
    }
    assert!(count > 15_000, "only {count} hosts");
    println!("proxy: {count} of {count} hosts of AWS are signed for as botocore does");
}

#[test]
fn hosts_of_an_account_are_told_apart() {
    for (host, expected) in [
        ("bucket.s3.eu-west-1.amazonaws.com", ("s3", "eu-west-1")),
        ("a.dotted.bucket.s3.amazonaws.com", ("s3", "us-east-1")),
        ("bucket.s3-us-west-2.amazonaws.com", ("s3", "us-west-2")),
        (
            "bucket.s3.dualstack.eu-west-1.amazonaws.com",
            ("s3", "eu-west-1"),
        ),
        (
            "point-123456789012.s3-accesspoint.eu-west-1.amazonaws.com",
            ("s3", "eu-west-1"),
        ),
        (
            "123456789012.s3-control.eu-west-1.amazonaws.com",
            ("s3", "eu-west-1"),
        ),
        (
            "eu-west-1.s3.eu-central-1.amazonaws.com",
            ("s3", "eu-central-1"),
        ),
        (
            "abc123.execute-api.eu-west-1.amazonaws.com",
            ("execute-api", "eu-west-1"),
        ),
        (
            "abc123.lambda-url.eu-west-1.on.aws",
            ("lambda", "eu-west-1"),
        ),
        (
            "abc123.appsync-api.eu-west-1.amazonaws.com",
            ("appsync", "eu-west-1"),
        ),
        ("search-a-b.eu-west-1.es.amazonaws.com", ("es", "eu-west-1")),
        ("abc123.eu-west-1.aoss.amazonaws.com", ("aoss", "eu-west-1")),
        (
            "abc123-ats.iot.eu-west-1.amazonaws.com",
            ("iotdata", "eu-west-1"),
        ),
        (
            "vpce-1-2.sqs.eu-west-1.vpce.amazonaws.com",
            ("sqs", "eu-west-1"),
        ),
        (
            "bucket.vpce-1-2.s3.eu-west-1.vpce.amazonaws.com",
            ("s3", "eu-west-1"),
        ),
        ("S3.EU-West-1.AmazonAWS.com.", ("s3", "eu-west-1")),
    ] {
        let found = infer(host).unwrap_or_else(|| panic!("nothing for {host}"));
        assert_eq!((&*found.service, &*found.region), expected, "{host}");
    }
}

#[test]
fn other_hosts_tell_nothing() {
    for host in [
        "",
        "localhost",
        "127.0.0.1",
        "[::1]",
        "api.example.com",
        "amazonaws.com",
        ".amazonaws.com",
        "s3.eu-west-1.amazonaws.com.evil.example",
        "s3.eu-west-1.evilamazonaws.com",
        // Of a bucket in any region.
        "bucket.s3-accelerate.amazonaws.com",
        // Of several regions: SigV4a.
        "abc123.mrap.accesspoint.s3-global.amazonaws.com",
    ] {
        assert_eq!(infer(host), None, "{host}");
    }
}
