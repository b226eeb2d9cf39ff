//! Who signs in, where, and what is said where nobody can.

use std::net::TcpListener;

use super::pty::Terminal;
use super::{Folder, call, demo, run};

/// As the help has it.
const PASSWORD: &str = "correct-horse-battery-staple";

fn at_demo(folder: &Folder, line: &str) -> Terminal {
    let arguments: Vec<_> = ["--demo"].into_iter().chain(line.split(' ')).collect();
    Terminal::run(&call(folder, &arguments))
}

#[test]
fn an_interrupt_leaves_the_terminal_as_it_was() {
    let folder = Folder::new();
    let mut terminal = at_demo(&folder, "--api profile --user alice /me");
    terminal.expect("Password of alice: ");
    terminal.interrupt_secret();
    let (code, is_usual) = terminal.end_and_modes();
    assert_eq!(code, Some(130));
    assert!(is_usual, "nobody would see what they type then");
}

#[test]
fn an_email_address_may_stand_for_a_name() {
    let folder = Folder::new();
    let mut terminal = at_demo(&folder, "--api profile --user alice@example.com /me");
    terminal.expect("Password of alice@example.com: ");
    terminal.type_secret(PASSWORD);
    terminal.expect("you are alice");
    assert_eq!(terminal.end().0, Some(0));
}

/// Who signs in and what is sent come from the same keyboard.
#[test]
fn a_body_is_typed_after_the_password() {
    let folder = Folder::new();
    for line in [
        "--api profile --user alice -d @- /me",
        "--api profile --json @- --user alice /me",
        "--api invoices --user alice -d @- /me",
    ] {
        let mut terminal = at_demo(&folder, line);
        let before = terminal.expect("Password of alice: ");
        assert!(!before.contains("until Ctrl-D"), "{before}");
        terminal.type_secret(PASSWORD);
        terminal.expect("the body is what you type, until Ctrl-D");
        terminal.type_line("hello\n\u{4}");
        terminal.expect("/me, 6 bytes");
        assert_eq!(terminal.end().0, Some(0), "{line}");
    }
}

/// A line that can be pasted, with all that decides who is signed in.
#[test]
fn the_advice_is_what_has_to_be_typed() {
    let folder = Folder::new();
    let file = r#"{"apis": {"it": {"endpoint": "https://api.example.com", "mode": "NONE"}}, "auth": {
        "user_pool": {"id": "eu-west-1_A", "client_id": "c", "region": "eu-west-1"},
        "oidc": {"issuer": "https://issuer.example.com", "client_id": "c"}}}"#;
    folder.write("it's mine.json", file);
    let line = [
        "--config",
        "it's mine.json",
        "--mode",
        "oidc",
        "--store",
        "a b.json",
        "/",
    ];
    run(&mut call(&folder, &line)).is(
        4,
        &[r"type `call --config 'it'\''s mine.json' --mode oidc --store 'a b.json' sign-in` in a terminal"],
    );
    let line = [
        "--config",
        "it's mine.json",
        "--mode",
        "user-pools",
        "--api",
        "it",
        "/",
    ];
    run(&mut call(&folder, &line)).is(4, &["--api it --mode user-pools sign-in`"]);
    // It goes by what was typed.
    demo("--api catalog --mode none sign-in").is(2, &["nobody signs in for an API of mode NONE"]);
    demo("--api status --mode lambda sign-in").is(2, &["of mode AWS_LAMBDA"]);
    demo("--api profil sign-in").is(2, &["`--api`: ", "did you mean `profile`?"]);
}

#[test]
fn a_port_that_is_in_use_is_named() {
    let folder = Folder::new();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port();
    let file = format!(
        r#"{{"apis": {{}}, "auth": {{"user_pool": {{"id": "eu-west-1_A", "client_id": "c", "region": "eu-west-1",
            "oauth": {{"domain": "auth.example.com", "sign_in_redirect_uris": ["http://localhost:{port}/"]}}}}}}}}"#
    );
    folder.write("tower-client-auth.json", file);
    let at_terminal = |more: &[&str]| {
        let arguments = [&["sign-in", "--browser"], more].concat();
        Terminal::run(&call(&folder, &arguments)).end()
    };
    let (code, screen) = at_terminal(&[]);
    assert_eq!(code, Some(3), "{screen}");
    for words in [
        &format!("come back to http://localhost:{port}/, and port {port} cannot be listened on"),
        "type `--redirect http://localhost:8400/`",
    ] {
        let screen = screen.replace("\r\n", " ").replace("       ", " ");
        assert!(screen.contains(words), "no `{words}` in {screen}");
    }
    let (code, screen) = at_terminal(&["--redirect", "https://example.com/"]);
    assert_eq!(code, Some(2), "{screen}");
    assert!(screen.contains("`--redirect`: "), "{screen}");
}
