//! Requests that hide another: it never reaches the upstream as one of its own.

use super::raw::{Upstream, is_well, proxy, send, status};
use super::until;

/// What is behind a head that two servers could read in two ways.
const HIDDEN: &str = "GET /hidden HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n";

#[test]
fn a_hidden_request_never_arrives() {
    let heads = [
        (
            "both lengths",
            "content-length: 4\r\ntransfer-encoding: chunked\r\n",
        ),
        (
            "both, the other way round",
            "transfer-encoding: chunked\r\ncontent-length: 4\r\n",
        ),
        ("two lengths", "content-length: 0\r\ncontent-length: 46\r\n"),
        ("a list of lengths", "content-length: 0, 46\r\n"),
        ("a length with a sign", "content-length: +0\r\n"),
        ("a length that is none", "content-length: 0x0\r\n"),
        (
            "chunked is not the last",
            "transfer-encoding: chunked, identity\r\n",
        ),
        ("a coding that is none", "transfer-encoding: xchunked\r\n"),
        (
            "two codings",
            "transfer-encoding: identity\r\ntransfer-encoding: chunked\r\n",
        ),
        ("a space before the colon", "content-length : 0\r\n"),
        ("a folded line", "transfer-encoding:\r\n chunked\r\n"),
        ("a bare line feed", "x-a: b\ntransfer-encoding: chunked\r\n"),
        (
            "a carriage return in a value",
            "x-a: b\rcontent-length: 4\r\n",
        ),
        ("a NUL in a value", "x-a: b\0\r\n"),
        ("a tab before the coding", "transfer-encoding:\tchunked\r\n"),
        (
            "a vertical tab in the coding",
            "transfer-encoding: \x0bchunked\r\n",
        ),
    ];
    let bodies = [
        ("chunked", format!("0\r\n\r\n{HIDDEN}")),
        (
            "in a chunk",
            format!("{:x}\r\n{HIDDEN}\r\n0\r\n\r\n", HIDDEN.len()),
        ),
        ("a chunk of a bad size", format!("-1\r\n{HIDDEN}")),
        (
            "a chunk of an enormous size",
            format!("10000000000000000\r\n{HIDDEN}"),
        ),
        ("a size with a line feed", format!("0\n\n{HIDDEN}")),
        ("plain", HIDDEN.to_owned()),
    ];
    let (mut count, mut outer) = (0, 0);
    for settings in [",mode=none", ",service=execute-api,region=eu-west-1"] {
        let upstream = Upstream::good();
        let proxy = proxy(
            &upstream,
            settings,
            &["--body-timeout", "1", "--head-timeout", "1"],
        );
        for (head_name, head) in heads {
            for (body_name, body) in &bodies {
                let what = format!("{head_name}, {body_name}");
                let text = format!("POST /outer HTTP/1.1\r\nhost: 127.0.0.1\r\n{head}\r\n{body}");
                let answer = send(&proxy, text.as_bytes());
                // Every request that arrived is one that the proxy took for one, and answered.
                let arrived = upstream.lines();
                let hidden = arrived
                    .iter()
                    .filter(|line| line.contains("hidden"))
                    .count();
                outer += usize::from(status(&answer) == 200);
                // What is logged is so a little later.
                let is_known = || {
                    let lines = proxy.lines();
                    let asked = lines
                        .iter()
                        .filter(|line| line["path"] == "/hidden")
                        .count();
                    (hidden <= asked && arrived.len() - hidden <= lines.len() - asked).then_some(())
                };
                assert!(until(is_known).is_some(), "{what}: {arrived:?}, {answer}");
                count += 1;
            }
        }
        is_well(&proxy, &upstream);
    }
    assert!(outer > 0, "none was taken at all");
    println!(
        "proxy: of {count} requests that could hide another {outer} were passed on, as what the proxy took them for, and \
         the others refused"
    );
}

#[test]
fn a_bad_request_ends_its_connection() {
    let upstream = Upstream::good();
    let proxy = proxy(&upstream, ",mode=none", &[]);
    for bad in [
        "GET / HTTP/1.1\r\nhost: a b\r\n\r\n",
        "GET / HTTP/1.1\r\n: x\r\n\r\n",
        "NONSENSE\r\n\r\n",
    ] {
        let answer = send(&proxy, format!("{bad}{HIDDEN}").as_bytes());
        // The first one can be read, if not understood; what follows it is a request of the same caller.
        assert_eq!(status(&answer), 400, "{bad}: {answer}");
    }
    is_well(&proxy, &upstream);
}
