//! Answers that the demo does not give, from a server on this machine.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use super::{Folder, Run, call, run};

/// Answers one request after the other, and hands out what it got.
pub(super) struct Canned {
    pub(super) origin: String,
    pub(super) requests: Receiver<String>,
}

impl Canned {
    pub(super) fn new(answers: Vec<&'static [u8]>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let (requests, received) = channel();
        thread::spawn(move || {
            for answer in answers {
                let (mut stream, _) = listener.accept().expect("a connection");
                requests
                    .send(request(&mut stream))
                    .expect("a test that goes on");
                stream.write_all(answer).expect("a client that listens");
            }
        });
        Self {
            // A name that a name server must not be asked for.
            origin: format!("http://tests.localhost:{}", address.port()),
            requests: received,
        }
    }

    /// The next request, head and body.
    pub(super) fn request(&self) -> String {
        let patience = Duration::from_secs(60);
        self.requests.recv_timeout(patience).expect("a request")
    }
}

/// A request, whose body is read too: a connection that is closed with something unread loses the
/// answer.
pub(super) fn request(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut next = |end: &dyn Fn(&[u8]) -> bool| {
        while !end(&head) {
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("a request");
            head.push(byte[0]);
        }
        head.clone()
    };
    let head = String::from_utf8(next(&|read| read.ends_with(b"\r\n\r\n"))).expect("text");
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.map_or(0, |length| length.parse().expect("a number"));
    let all = next(&|read| read.len() == head.len() + length);
    String::from_utf8(all).expect("text")
}

/// Calls an API of any mode there.
pub(super) fn ask(server: &Canned, mode: &str, arguments: &[&str]) -> Run {
    ask_in(&Folder::new(), server, mode, arguments)
}

pub(super) fn ask_in(folder: &Folder, server: &Canned, mode: &str, arguments: &[&str]) -> Run {
    let file = format!(
        r#"{{"apis": {{"api": {{"endpoint": "{}", "mode": "{mode}", "region": "eu-west-1", "service": "s3"}}}}}}"#,
        server.origin
    );
    folder.write("tower-client-auth.json", file);
    let mut command = call(folder, arguments);
    let command = command
        .env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
        .env("AWS_SECRET_ACCESS_KEY", "CANARY");
    run(command)
}

#[test]
fn a_redirect_is_told_and_not_followed() {
    let server = Canned::new(vec![
        b"HTTP/1.1 302 Found\r\nlocation: https://elsewhere.example.com/\x9b2J\r\ncontent-length: 0\r\n\r\n",
    ]);
    let run = ask(&server, "NONE", &["/a"]);
    run.is(
        0,
        &["302 Found, and redirects are not followed; location: https://elsewhere.example.com/"],
    );
    assert!(server.request().starts_with("GET /a HTTP/1.1\r\n"));
}

#[test]
fn other_errors_have_a_code_of_their_own() {
    for (answer, code, words) in [
        (
            &b"HTTP/1.1 404 Not Found\r\ncontent-length: 4\r\n\r\nnone"[..],
            6,
            "the API answered 404 Not Found",
        ),
        (
            b"HTTP/1.1 500 Oops\r\ncontent-length: 4\r\n\r\nnone",
            6,
            "the API answered 500",
        ),
        (
            b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nnone",
            1,
            "the answer broke off",
        ),
        (b"nonsense", 1, "no answer from tests.localhost:"),
    ] {
        let server = Canned::new(vec![answer]);
        let run = ask(&server, "NONE", &["/"]);
        run.is(code, &[words]);
        assert!(
            run.out == "none" || words.starts_with("no answer"),
            "{run:#?}"
        );
    }
    let nobody = Canned::new(Vec::new());
    ask(&nobody, "NONE", &["/"]).is(1, &["no answer from tests.localhost:", "refused"]);
}

#[test]
fn a_silent_server_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    // It listens until the client has gone, or for a minute.
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let patience = stream.set_read_timeout(Some(Duration::from_secs(60)));
        patience.expect("a timeout");
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let server = Canned {
        origin: format!("http://{address}"),
        ..Canned::new(Vec::new())
    };
    let run = ask(&server, "NONE", &["--timeout", "1", "/"]);
    run.is(
        1,
        &["the server did nothing for 1 s: `--timeout 4` waits longer"],
    );
}

#[test]
fn the_difference_to_the_servers_signature_is_told() {
    const BODY: &str = "<Error><Code>SignatureDoesNotMatch</Code><CanonicalRequest>GET\n/another\n\n\
                        </CanonicalRequest></Error>";
    let answer = format!(
        "HTTP/1.1 403 Forbidden\r\ncontent-type: application/xml\r\ncontent-length: {}\r\n\r\n{BODY}",
        BODY.len()
    );
    let server = Canned::new(vec![answer.leak().as_bytes()]);
    let run = ask(&server, "AWS_IAM", &["--aws", "--explain", "/a"]);
    run.is(
        5,
        &[
            "canonical request:\nGET\n/a\n",
            "the path is `/a` here and `/another` at the server",
        ],
    );
    assert_eq!(run.out, BODY);
    assert!(!run.err.contains("CANARY"));
    assert!(server.request().contains("/eu-west-1/s3/aws4_request"));
}

#[test]
fn a_command_is_run_again_for_a_token_that_is_rejected() {
    let server = Canned::new(vec![
        b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ngood",
    ]);
    let counter = "echo x >> count; echo token-$(wc -l < count | tr -d ' ')";
    let run = ask(
        &server,
        "AWS_LAMBDA",
        &["--token-command", counter, "-d", "order", "/"],
    );
    assert_eq!(run.good(), "good");
    assert!(server.request().contains("authorization: token-1\r\n"));
    assert!(server.request().contains("authorization: token-2\r\n"));
}

#[test]
fn graphql_is_called_by_its_name_alone() {
    for path in [&[][..], &["/"]] {
        let server = Canned::new(vec![b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"]);
        let folder = Folder::new();
        let file = format!(
            r#"{{"apis": {{"data": {{"endpoint": "{}/graphql", "kind": "GraphQL", "mode": "NONE"}}}}}}"#,
            server.origin
        );
        folder.write("tower-client-auth.json", file);
        let arguments = [&["--api", "data", "--json", "{}"], path].concat();
        assert_eq!(run(&mut call(&folder, &arguments)).good(), "{}");
        assert!(server.request().starts_with("POST /graphql HTTP/1.1\r\n"));
    }
}

#[test]
fn what_is_not_ascii_is_sent_in_percent_signs() {
    let server = Canned::new(vec![b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nme"]);
    let run = ask(&server, "NONE", &["/caf\u{e9}?a=\u{2603}"]);
    assert_eq!(run.good(), "me");
    let sent = server.request();
    assert!(sent.starts_with("GET /caf%C3%A9?a=%E2%98%83 HTTP/1.1\r\n"));
}
