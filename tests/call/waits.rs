//! Servers that are slow, gone, or elsewhere; and files that cannot be had.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use super::answers::{Canned, ask, ask_in, request};
use super::{Folder, call, run};

/// Answers one request, a piece at a time, and then listens until the client has gone.
fn in_pieces(pieces: Vec<&'static str>, pause: Duration) -> Canned {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        request(&mut stream);
        for piece in pieces {
            stream
                .write_all(piece.as_bytes())
                .expect("a client that listens");
            thread::sleep(pause);
        }
        let patience = stream.set_read_timeout(Some(Duration::from_secs(60)));
        patience.expect("a timeout");
        let _ = stream.read_to_end(&mut Vec::new());
    });
    Canned {
        origin: format!("http://{address}"),
        ..Canned::new(Vec::new())
    }
}

#[test]
fn an_answer_that_stops_is_given_up() {
    for (head, mode, path) in [
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nnone",
            "NONE",
            &["/"][..],
        ),
        // The layer looks at what it says.
        (
            "HTTP/1.1 403 Forbidden\r\ncontent-length: 9\r\n\r\nnone",
            "AWS_IAM",
            &["--aws", "/"],
        ),
    ] {
        let server = in_pieces(vec![head], Duration::ZERO);
        let run = ask(&server, mode, &[&["--timeout", "1"][..], path].concat());
        run.is(
            1,
            &["the server did nothing for 1 s: `--timeout 4` waits longer"],
        );
    }
}

#[test]
fn an_answer_that_moves_is_waited_for() {
    let pieces = vec![
        "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n",
        "p",
        "i",
        "e",
        "c",
        "e",
        "s",
    ];
    // Longer than the patience in all, and far from it between two.
    let server = in_pieces(pieces, Duration::from_millis(400));
    let run = ask(&server, "NONE", &["--timeout", "2", "/"]);
    assert_eq!(run.good(), "pieces");
}

#[test]
fn this_machine_has_two_addresses() {
    let Ok(listener) = TcpListener::bind("[::1]:0") else {
        println!("skipped: this machine has no IPv6");
        return;
    };
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        request(&mut stream);
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nhere";
        stream.write_all(answer).expect("a client that listens");
    });
    let server = Canned {
        origin: format!("http://localhost:{port}"),
        ..Canned::new(Vec::new())
    };
    assert_eq!(ask(&server, "NONE", &["/"]).good(), "here");
}

#[test]
fn what_has_nowhere_to_go_is_not_asked_for() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("a listener");
    let address = listener.local_addr().expect("an address");
    let server = Canned {
        origin: format!("http://{address}"),
        ..Canned::new(Vec::new())
    };
    for place in ["missing/answer", "."] {
        let run = ask(&server, "NONE", &["-o", place, "-d", "order", "/"]);
        run.is(1, &[&format!("`-o {place}` cannot be written")]);
        let nobody = listener.accept().expect_err("nobody");
        assert_eq!(nobody.kind(), std::io::ErrorKind::WouldBlock);
    }
}

#[test]
fn a_file_is_as_it_was_until_an_answer_has_come() {
    let folder = Folder::new();
    folder.write("old", "what was there before");
    for (answers, code, old, new) in [
        (vec![], 1, "what was there before", None),
        (
            vec![&b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nme"[..]; 2],
            0,
            "me",
            Some("me"),
        ),
    ] {
        let server = Canned::new(answers);
        for name in ["old", "new"] {
            ask_in(&folder, &server, "NONE", &["-o", name, "/"]).is(code, &[]);
        }
        assert_eq!(fs::read_to_string(folder.path("old")).expect("a file"), old);
        assert_eq!(fs::read_to_string(folder.path("new")).ok().as_deref(), new);
    }
}

/// Under `2>&1`, into a file.
#[cfg(unix)]
#[test]
fn what_is_said_of_an_answer_begins_a_line() {
    let folder = Folder::new();
    let file = File::create(folder.path("both")).expect("a file");
    let mut command = call(&folder, &["--demo", "--api", "invoices", "/"]);
    command
        .stdout(Stdio::from(file.try_clone().expect("a file")))
        .stderr(Stdio::from(file));
    run(&mut command).is(5, &[]);
    let both = fs::read_to_string(folder.path("both")).expect("a file");
    assert!(both.contains("}\ncall: the API answered 403"), "{both}");
}
