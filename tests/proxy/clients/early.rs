//! Answers that come before the request's end, as refusals of large uploads do: callers get them.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};

use crate::chunked::{KEY, SECRET};
use crate::proxy::{PATIENCE, Proxy};

/// More than the buffers of two connections take: writing it has to fail where nobody reads it.
const LENGTH: usize = 64 * 1024 * 1024;

/// Refuses every request once it has its head, and reads the rest before it closes the connection, as S3 does.
fn refusing() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let port = listener.local_addr().expect("bound").port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            let mut head = [0; 4096];
            let _ = stream.read(&mut head);
            let answer =
                "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno";
            let _ = stream.write_all(answer.as_bytes());
            let _ = std::io::copy(&mut stream, &mut std::io::sink());
        }
    });
    port
}

/// Sends all of a request before it reads any of the answer, as simple programs do.
fn send(proxy: &Proxy, head: &str) -> String {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port())).expect("the proxy");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
    let head = format!(
        "PUT /bucket/large HTTP/1.1\r\nHost: localhost\r\nContent-Length: {LENGTH}\r\n{head}\r\n"
    );
    stream.write_all(head.as_bytes()).expect("a head");
    let piece = vec![0; 1024 * 1024];
    for _ in 0..LENGTH / piece.len() {
        stream.write_all(&piece).expect("somebody who reads it");
    }
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).expect("an answer");
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn a_caller_that_still_sends_gets_the_refusal() {
    let port = refusing();
    let upstream = format!("http://127.0.0.1:{port},service=s3,region=eu-west-1");
    let proxy = Proxy::start(&["--upstream", &upstream], (KEY, SECRET));
    assert_eq!(send(&proxy, ""), "HTTP/1.1 403");
    let lines = proxy.until_lines(1);
    assert_eq!(lines[0]["status"], 403, "{}", lines[0]);
    assert!(lines[0]["refused"].is_null(), "{}", lines[0]);
}

#[test]
fn a_caller_that_still_sends_gets_the_proxy_s_own_refusal() {
    let upstream = "http://127.0.0.1:1,service=s3,region=eu-west-1";
    let arguments = ["--upstream", upstream, "--max-body", "1000"];
    let proxy = Proxy::start(&arguments, (KEY, SECRET));
    assert_eq!(send(&proxy, ""), "HTTP/1.1 413");
    let page = "Origin: https://stranger.example\r\n";
    assert_eq!(send(&proxy, page), "HTTP/1.1 403");
    let codes = proxy.until_lines(2);
    let codes: Vec<_> = codes.iter().map(|line| &line["refused"]).collect();
    assert_eq!(codes, ["body_too_long", "page_not_allowed"]);
}
