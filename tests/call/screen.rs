//! An answer at a terminal, which obeys what it is told.

use std::fs;

use super::answers::Canned;
use super::pty::Terminal;
use super::{Folder, call};

fn shown(answer: Vec<u8>, arguments: &[&str]) -> (Option<i32>, String) {
    let server = Canned::new(vec![answer.leak()]);
    let folder = Folder::new();
    let file = format!(
        r#"{{"apis": {{"api": {{"endpoint": "{}", "mode": "NONE"}}}}}}"#,
        server.origin
    );
    folder.write("tower-client-auth.json", file);
    let ended = Terminal::run(call(&folder, arguments).env("NO_COLOR", "1")).end();
    if let Ok(kept) = fs::read(folder.path("file")) {
        assert!(kept.ends_with(b"\x1b[2J"), "{kept:?}");
    }
    ended
}

fn answer(body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

#[test]
fn control_characters_do_nothing() {
    // More than one piece, and what is obeyed in the last.
    let body = [
        "Zoë\t☃\r\n".repeat(40_000).as_bytes(),
        "\u{9b}31m\x07\x1b[2J".as_bytes(),
    ]
    .concat();
    let (code, screen) = shown(answer(&body), &["/"]);
    assert_eq!(code, Some(0));
    assert_eq!(screen.matches("Zoë\t☃\r").count(), 40_000);
    assert!(screen.contains(r"\u{9b}31m\u{7}\u{1b}[2J"), "{screen}");
    for control in ['\u{9b}', '\x07', '\x1b', char::REPLACEMENT_CHARACTER] {
        assert!(!screen.contains(control), "{control:?}");
    }
    // As it came.
    shown(answer(b"\x1b[2J"), &["-o", "file", "/"]);
}

#[test]
fn an_answer_that_is_no_text_is_refused_wherever_that_shows() {
    let late = [&b"text ".repeat(100_000)[..], b"\0"].concat();
    for body in [late, b"\0".to_vec()] {
        let (code, screen) = shown(answer(&body), &["/"]);
        assert_eq!(code, Some(1), "{screen}");
        assert!(screen.contains("type `-o FILE`, or pipe it"), "{screen}");
        assert!(!screen.contains('\0'));
    }
    // Bytes that are no characters are shown as such.
    let (code, screen) = shown(answer(b"a\x9b31m\xe2"), &["/"]);
    assert_eq!(code, Some(0), "{screen}");
    assert!(
        screen.trim_end().ends_with("a\u{fffd}31m\u{fffd}"),
        "{screen}"
    );
}
