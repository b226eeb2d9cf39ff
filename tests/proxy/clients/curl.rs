//! curl: over every way to the proxy that it knows, and with bodies that no memory should hold.

use std::path::Path;
use std::process::Command;

use super::memory;
use super::{
    Files, HINT, LENGTH, Twins, all_were_refused, none_was_refused, texts, without_credentials,
};
use crate::chunked::BUCKET;
use crate::chunked::fs_server::FsServer;
use crate::proxy::Proxy;
use crate::servers;

/// By which a proxy may grow while more than twice as much passes through it. It holds what is under way on a
/// connection, and a chunk to sign.
const GROWTH_IN_MIB: u64 = 40;

/// How curl gets to the proxy.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Plain,
    /// The proxy as the proxy of all requests, whose URLs are the server's.
    AsProxy,
    UnixSocket,
    Http2,
}

impl Way {
    const ALL: [Self; 4] = [Self::Plain, Self::AsProxy, Self::UnixSocket, Self::Http2];
}

/// What curl has of the proxy.
struct Caller<'a> {
    proxy: &'a Proxy,
    socket: &'a Path,
    server: &'a str,
}

/// What curl says of an answer.
#[derive(Debug)]
struct Answer {
    status: String,
    #[allow(dead_code, reason = "a test that fails shows it")]
    err: String,
}

impl Caller<'_> {
    /// Sends a request and writes the answer to a file.
    fn curl(&self, way: Way, key: &str, arguments: &[&str], into: &Path) -> Answer {
        let Self {
            proxy,
            socket,
            server,
        } = self;
        let mut command = Command::new("curl");
        without_credentials(&mut command)
            .args(["--silent", "--show-error", "--write-out", "%{http_code}"])
            .arg("--output")
            .arg(into)
            .args(arguments);
        let origin = match way {
            Way::Plain => &proxy.origin,
            Way::AsProxy => {
                command.args(["--proxy", &proxy.origin]);
                *server
            }
            Way::UnixSocket => {
                command.arg("--unix-socket").arg(socket);
                "http://localhost"
            }
            Way::Http2 => {
                command.arg("--http2-prior-knowledge");
                &proxy.origin
            }
        };
        command.arg(format!("{origin}/{BUCKET}/{key}"));
        let (status, err) = texts(&command.output().expect("curl"));
        Answer { status, err }
    }

    fn put(&self, way: Way, key: &str, file: &Path, into: &Path) -> Answer {
        let file = file.to_str().expect("UTF-8");
        self.curl(way, key, &["--upload-file", file], into)
    }

    fn get(&self, way: Way, key: &str, into: &Path) -> Answer {
        self.curl(way, key, &[], into)
    }
}

#[test]
fn curl_has_100_mib_accepted_over_every_way_and_with_a_wrong_secret_refused() {
    if servers::skipped("curl through the proxy") {
        return;
    }
    let server = FsServer::started();
    // A socket's path has to be short.
    let sockets = tempfile::tempdir().expect("a folder");
    let socket = |name| sockets.path().join(name);
    let twins = Twins::to_s3s(&server, Some(sockets.path()));
    let origin = server.origin();
    let (good_socket, wrong_socket) = (socket("good"), socket("wrong"));
    let good = Caller {
        proxy: &twins.good,
        socket: &good_socket,
        server: &origin,
    };
    let wrong = Caller {
        proxy: &twins.wrong,
        socket: &wrong_socket,
        server: &origin,
    };
    let files = Files::new(3);
    let (small, got) = (files.path("small"), files.path("got"));
    std::fs::write(&small, "hello").expect("a file");

    for way in Way::ALL {
        let key = format!("{way:?}%20%C3%A9");
        let answer = good.put(way, &key, &small, &got);
        assert_eq!(answer.status, "200", "{way:?}: {answer:?}");
        let answer = good.get(way, &key, &got);
        assert_eq!(answer.status, "200", "{way:?}: {answer:?}");
        assert_eq!(std::fs::read(&got).expect("an answer"), b"hello", "{way:?}");
    }

    let before = memory::resident(twins.good.id());
    let mut most = 0;
    for way in Way::ALL {
        let key = format!("large-{way:?}");
        let answer = good.put(way, &key, &files.large, &got);
        assert_eq!(answer.status, "200", "{way:?}: {answer:?}");
        let answer = good.get(way, &key, &got);
        assert_eq!(answer.status, "200", "{way:?}: {answer:?}");
        assert!(files.is_large(&got), "{way:?}: other bytes");
        most = memory::most(twins.good.id());
    }
    let grown = most.saturating_sub(before);
    println!(
        "proxy: {before} MiB resident before 100 MiB up and down four times, {most} MiB at most while that went on"
    );
    assert!(grown < GROWTH_IN_MIB, "{grown} MiB");

    let lines = none_was_refused(&twins.good, 4 * Way::ALL.len());
    let sizes = |field: &str| lines.iter().filter(|line| line[field] == LENGTH).count();
    assert_eq!((sizes("received"), sizes("sent")), (4, 4), "{lines:#?}");
    let over_2 = lines.iter().filter(|line| line["http"] == "2").count();
    assert_eq!(over_2, 4, "{lines:#?}");

    let mut refused = 0;
    for way in Way::ALL {
        let key = format!("large-{way:?}");
        for answer in [
            wrong.put(way, &key, &files.large, &got),
            wrong.put(way, "small", &small, &got),
            wrong.get(way, &key, &got),
        ] {
            assert_eq!(answer.status, "403", "{way:?}: {answer:?}");
            let text = std::fs::read_to_string(&got).expect("an answer");
            assert!(text.contains("SignatureDoesNotMatch"), "{way:?}: {text}");
            refused += 1;
        }
    }
    all_were_refused(&twins.wrong, refused);
    println!(
        "proxy: curl: {} requests accepted over {:?}, half of them with 100 MiB; {refused} refused with a wrong secret",
        lines.len(),
        Way::ALL
    );
}

/// S3 wants to know how much comes, and so does whoever runs into this.
#[test]
fn a_body_of_unknown_length_is_refused_in_words() {
    if servers::skipped("curl with a body of unknown length") {
        return;
    }
    let server = FsServer::started();
    let twins = Twins::to_s3s(&server, None);
    let files = tempfile::tempdir().expect("a folder");
    let (got, body) = (files.path().join("got"), files.path().join("body"));
    std::fs::write(&body, "hello").expect("a file");
    let body = body.to_str().expect("UTF-8");
    let caller = Caller {
        proxy: &twins.good,
        socket: &got,
        server: "",
    };
    let chunked = [
        "--header",
        "transfer-encoding: chunked",
        "--upload-file",
        body,
    ];
    let answer = caller.curl(Way::Plain, "unknown", &chunked, &got);
    let text = std::fs::read_to_string(&got).expect("an answer");
    assert_eq!(answer.status, "400", "{answer:?} {text}");
    assert!(text.contains("not_signable"), "{text}");
    assert!(text.contains("length"), "{text}");
    let lines = twins.good.until_lines(1);
    assert!(!lines[0].to_string().contains(HINT), "{}", lines[0]);
    assert!(server.is_empty(), "nothing was stored");
}
