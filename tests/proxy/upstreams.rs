//! Upstreams that are dead, silent or broken.

use std::io::Write;
use std::net::{Shutdown, TcpListener};

use super::Proxy;
use super::raw::{Upstream, ask, proxy, status};

#[test]
fn whoever_cannot_be_reached_is_a_bad_gateway() {
    let port = {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.local_addr().expect("bound").port()
    };
    let upstream = format!("api=http://127.0.0.1:{port},mode=none");
    let proxy = Proxy::start(&["--upstream", &upstream], ("AKIDEXAMPLE", "canary-secret"));
    let answer = ask(&proxy, "GET /", &[]);
    assert_eq!(status(&answer), 502, "{answer}");
    assert!(answer.contains("upstream_failed"), "{answer}");
    let line = &proxy.until_lines(1)[0];
    assert_eq!(line["refused"], "upstream_failed", "{line}");
    let because = line["because"].as_str().unwrap_or_default();
    assert!(because.contains("refused"), "{line}");
    assert_eq!(status(&ask(&proxy, "GET /healthz", &[])), 200);
}

#[test]
fn whoever_says_nothing_is_waited_for_and_no_longer() {
    let upstream = Upstream::start(|_| {});
    let proxy = proxy(&upstream, ",mode=none", &["--answer-timeout", "1"]);
    let answer = ask(&proxy, "GET /", &[]);
    assert_eq!(status(&answer), 504, "{answer}");
    assert_eq!(proxy.until_lines(1)[0]["refused"], "upstream_silent");
    assert_eq!(status(&ask(&proxy, "GET /healthz", &[])), 200);
}

#[test]
fn whoever_hangs_up_or_talks_nonsense_is_a_bad_gateway() {
    for (what, upstream) in [
        (
            "hangs up",
            Upstream::start(|stream| {
                let _ = stream.shutdown(Shutdown::Both);
            }),
        ),
        (
            "talks nonsense",
            Upstream::start(|stream| {
                let _ = stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n");
            }),
        ),
        (
            "has a head that never ends",
            Upstream::start(|stream| {
                let _ = stream.write_all(&b"HTTP/1.1 200 OK\r\nx-a: a\r\n".repeat(50_000));
            }),
        ),
    ] {
        let proxy = proxy(&upstream, ",mode=none", &[]);
        let answer = ask(&proxy, "GET /", &[]);
        assert_eq!(status(&answer), 502, "{what}: {answer}");
        assert_eq!(
            proxy.until_lines(1)[0]["refused"],
            "upstream_failed",
            "{what}"
        );
        assert_eq!(status(&ask(&proxy, "GET /healthz", &[])), 200);
    }
}

/// A caller must not take a part for the whole.
#[test]
fn an_answer_that_breaks_off_is_not_taken_for_whole() {
    for (what, upstream, timeout) in [
        (
            "of a length",
            Upstream::start(|stream| {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf");
                let _ = stream.shutdown(Shutdown::Both);
            }),
            "60",
        ),
        (
            "in chunks",
            Upstream::start(|stream| {
                let _ = stream.write_all(
                    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n",
                );
                let _ = stream.shutdown(Shutdown::Both);
            }),
            "60",
        ),
        (
            "stalled",
            Upstream::start(|stream| {
                let _ = stream.write_all(
                    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n",
                );
            }),
            "1",
        ),
    ] {
        let proxy = proxy(&upstream, ",mode=none", &["--body-timeout", timeout]);
        let answer = ask(&proxy, "GET /", &[]);
        assert_eq!(status(&answer), 200, "{what}: {answer}");
        let is_whole = answer.ends_with("0\r\n\r\n")
            || !answer.contains("half") && answer.contains("content-length: 4");
        assert!(!is_whole, "{what}: {answer}");
        let line = &proxy.until_lines(1)[0];
        assert_eq!(line["complete"], false, "{what}: {line}");
        assert_eq!(status(&ask(&proxy, "GET /healthz", &[])), 200);
    }
}
