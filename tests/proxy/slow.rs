//! Callers that are slow on purpose.

use std::io::Write;
use std::thread::sleep;
use std::time::Duration;

use super::raw::{DRIP, Upstream, ask, connect, is_well, proxy, rest, send, status};

const NONE: &str = ",mode=none";

#[test]
fn heads_that_never_end_are_given_up() {
    let upstream = Upstream::good();
    let proxy = proxy(&upstream, NONE, &["--head-timeout", "1"]);
    let beginnings: [&[u8]; 5] = [
        b"",
        b"G",
        b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\nx-a: ",
        // Half of HTTP/2's.
        b"PRI * HTTP/2.0\r\n\r\nSM",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ];
    std::thread::scope(|scope| {
        for beginning in beginnings {
            for drips in [false, true] {
                let proxy = &proxy;
                scope.spawn(move || {
                    let mut stream = connect(proxy);
                    stream.write_all(beginning).expect("a beginning");
                    let mut reading = stream.try_clone().expect("a socket");
                    let ended = std::thread::spawn(move || rest(&mut reading));
                    // What trickles in is no life.
                    for _ in 0..100 {
                        if ended.is_finished() || (drips && stream.write_all(b"a").is_err()) {
                            break;
                        }
                        sleep(DRIP);
                    }
                    let answer = ended.join().expect("an end");
                    assert!(!answer.contains(" 200 "), "{beginning:?}: {answer}");
                });
            }
        }
    });
    assert_eq!(upstream.requests(), 0);
    is_well(&proxy, &upstream);
    println!("proxy: 10 of 10 heads that never end were given up");
}

#[test]
fn a_hundred_slow_callers_keep_nobody_waiting() {
    let upstream = Upstream::good();
    let proxy = proxy(&upstream, NONE, &["--head-timeout", "20"]);
    let slow: Vec<_> = (0..100)
        .map(|_| {
            let mut stream = connect(&proxy);
            stream
                .write_all(b"GET / HTTP/1.1\r\nhost: ")
                .expect("a beginning");
            stream
        })
        .collect();
    for _ in 0..20 {
        is_well(&proxy, &upstream);
    }
    drop(slow);
}

#[test]
fn bodies_that_stall_are_given_up() {
    let upstream = Upstream::good();
    for settings in [NONE, ",service=execute-api,region=eu-west-1"] {
        let proxy = proxy(&upstream, settings, &["--body-timeout", "1"]);
        let head = "POST /stalls HTTP/1.1\r\nhost: 127.0.0.1\r\n";
        for framing in [
            "content-length: 10\r\n\r\nhel",
            "transfer-encoding: chunked\r\n\r\n5\r\nhel",
        ] {
            let answer = send(&proxy, format!("{head}{framing}").as_bytes());
            // In mode NONE the upstream may have answered already.
            assert!(
                [408, 200].contains(&status(&answer)),
                "{settings}, {framing}: {answer}"
            );
            if settings != NONE {
                assert!(answer.contains("body_stalled"), "{answer}");
            }
        }
        if settings != NONE {
            assert!(
                !upstream.got().contains("authorization"),
                "{}",
                upstream.got()
            );
        }
        is_well(&proxy, &upstream);
    }
}

#[test]
fn what_is_too_large_is_refused_and_not_sent() {
    let upstream = Upstream::good();
    let proxy = proxy(
        &upstream,
        ",service=execute-api,region=eu-west-1",
        &[
            "--max-head",
            "8192",
            "--max-body",
            "100000",
            "--max-buffer",
            "50000",
        ],
    );
    let long = |count| "a".repeat(count);
    let header = format!("x-long: {}", long(20_000));
    let many: Vec<String> = (0..200).map(|n| format!("x-{n}: a")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let path = format!("GET /{}", long(20_000));
    let mut count = 0;
    for (what, answer, expected) in [
        ("a long header", ask(&proxy, "GET /", &[&header]), 431),
        ("many headers", ask(&proxy, "GET /", &many), 431),
        ("a long path", ask(&proxy, &path, &[]), 431),
        (
            "a body that says it is too long",
            ask(&proxy, "PUT /", &["content-length: 100001"]),
            413,
        ),
        (
            "one that must be read first",
            ask(&proxy, "PUT /", &["content-length: 50001"]),
            413,
        ),
    ] {
        // A URI that is too long has a status of its own.
        assert!(
            [expected, 414].contains(&status(&answer)),
            "{what}: {answer}"
        );
        count += 1;
    }
    for chunks in [6, 12] {
        let chunk = format!("2710\r\n{}\r\n", long(10_000));
        let body = format!("{}0\r\n\r\n", chunk.repeat(chunks));
        let head = "PUT / HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n";
        let answer = send(&proxy, format!("{head}{body}").as_bytes());
        assert_eq!(status(&answer), 413, "{chunks} chunks: {answer}");
        count += 1;
    }
    assert_eq!(upstream.got(), "");
    is_well(&proxy, &upstream);
    println!("proxy: {count} of {count} requests that are too large were refused, and not sent");
}

#[test]
fn bodies_that_turn_out_too_long_never_arrive_whole() {
    let upstream = Upstream::good();
    let proxy = proxy(&upstream, NONE, &["--max-body", "100000"]);
    let chunk = format!("2710\r\n{}\r\n", "a".repeat(10_000));
    let body = format!("{}0\r\n\r\n", chunk.repeat(30));
    let head = "PUT /long HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n";
    send(&proxy, format!("{head}{body}").as_bytes());
    assert!(
        !upstream.got().ends_with("\r\n0\r\n\r\n"),
        "it arrived whole"
    );
    is_well(&proxy, &upstream);
    sleep(Duration::ZERO);
}
