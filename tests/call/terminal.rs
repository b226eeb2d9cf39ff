//! At a terminal: questions, colours, progress, and what is not shown.

use super::answers::Canned;
use super::pty::Terminal;
use super::{Folder, call};

#[path = "../../examples/oidc_login/browser.rs"]
mod browser;

/// As the help has it.
const PASSWORD: &str = "correct-horse-battery-staple";

fn at_demo(folder: &Folder, line: &str) -> Terminal {
    let arguments: Vec<_> = ["--demo"].into_iter().chain(line.split(' ')).collect();
    Terminal::run(&call(folder, &arguments))
}

#[test]
fn a_password_is_asked_for_and_not_shown() {
    let folder = Folder::new();
    let mut terminal = at_demo(&folder, "--api profile /me");
    terminal.expect("User name: ");
    terminal.type_line("alice");
    terminal.expect("Password of alice: ");
    terminal.type_secret("CANARY");
    terminal.expect("Incorrect username or password. Once more:");
    terminal.expect("Password of alice: ");
    terminal.type_secret(PASSWORD);
    terminal
        .expect(r#"{"api":"profile","message":"you are alice","received":"GET /v1/me, 0 bytes"}"#);
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(0), "{screen}");
    // What may be seen is.
    assert!(screen.contains("User name: alice"), "{screen}");
    assert!(
        !screen.contains("CANARY") && !screen.contains(PASSWORD),
        "{screen}"
    );
    // The prompt that comes next is in a line of its own.
    assert!(screen.ends_with("}\r\n"), "{screen}");
}

#[test]
fn wrong_passwords_end_without_a_call() {
    let folder = Folder::new();
    let mut terminal = at_demo(&folder, "--api invoices --user alice /");
    for _ in 0..3 {
        terminal.expect("Password of alice: ");
        terminal.type_secret("CANARY");
    }
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(4), "{screen}");
    assert!(
        !screen.contains("you are") && !screen.contains("CANARY"),
        "{screen}"
    );
}

#[test]
fn a_user_may_do_what_a_guest_may_not() {
    let folder = Folder::new();
    let mut terminal = at_demo(&folder, "-v --api invoices --user alice /");
    terminal.expect("Password of alice: ");
    terminal.type_secret(PASSWORD);
    terminal.expect("you are member");
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(0), "{screen}");
    // Asked for before the call.
    assert_eq!(
        screen.matches("GET /prod/").count(),
        2,
        "once sent, once received: {screen}"
    );
}

#[tokio::test]
async fn a_user_signs_in_by_a_browser_and_by_a_code() {
    let folder = Folder::new();
    let line = "--api partners --bearer /me";
    let mut terminal = at_demo(&folder, &format!("--browser {line}"));
    terminal.expect("open this in a browser on this machine:\r\n");
    let url = terminal.expect("\r\n");
    let page = browser::sign_in(&url).await.expect("a browser");
    assert!(page.contains("You are signed in"), "{page}");
    terminal.expect("you are known by your token");
    assert_eq!(terminal.end().0, Some(0));

    let mut terminal = at_demo(&folder, &format!("--device {line}"));
    terminal.expect("open this in a browser anywhere:\r\n");
    let url = terminal.expect("\r\n");
    terminal.expect("enter this code: ");
    let code = terminal.expect("\r\n");
    browser::enter(&url, &code).await.expect("a browser");
    terminal.expect("you are known by your token");
    assert_eq!(terminal.end().0, Some(0));
}

#[test]
fn colours_are_for_terminals() {
    let folder = Folder::new();
    let arguments = ["--demo", "-v", "--api", "status", "/"];
    let (code, screen) = Terminal::run(&call(&folder, &arguments)).end();
    assert_eq!(code, Some(0));
    assert!(screen.contains("\u{1b}["), "{screen}");
    let (_, plain) = Terminal::run(call(&folder, &arguments).env("NO_COLOR", "1")).end();
    assert!(!plain.contains("\u{1b}["), "{plain}");
}

#[test]
fn large_uploads_show_how_far_they_are() {
    let folder = Folder::new();
    folder.write("large", vec![7; 9 * 1024 * 1024]);
    folder.write("small", vec![7; 1024]);
    let (code, screen) = at_demo(&folder, "--api orders -d @large /up").end();
    assert_eq!(code, Some(0), "{screen}");
    for words in ["hashing ", "sending ", "/9.00 MiB"] {
        assert!(screen.contains(words), "no `{words}` in {screen}");
    }
    for line in [
        "--api orders -d @small /up",
        "--silent --api orders -d @large /up",
    ] {
        let (code, screen) = at_demo(&folder, line).end();
        assert_eq!(code, Some(0), "{screen}");
        assert!(!screen.contains("MiB"), "{screen}");
    }
}

#[test]
fn what_is_no_text_is_not_for_terminals() {
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n\x1b[31m\0\0\0";
    let folder = Folder::new();
    for (more, shown) in [(&[][..], false), (&["-o", "file"], true)] {
        let server = Canned::new(vec![answer]);
        let file = format!(
            r#"{{"apis": {{"api": {{"endpoint": "{}", "mode": "NONE"}}}}}}"#,
            server.origin
        );
        folder.write("tower-client-auth.json", file);
        let arguments = [&["/"], more].concat();
        let (code, screen) = Terminal::run(&call(&folder, &arguments)).end();
        assert_eq!(code, Some(if shown { 0 } else { 1 }), "{screen}");
        assert_eq!(
            screen.contains("type `-o FILE`, or pipe it"),
            !shown,
            "{screen}"
        );
        assert!(!screen.contains('\0'), "{screen}");
    }
    let kept = std::fs::read(folder.path("file")).expect("a file");
    assert_eq!(kept, b"\x1b[31m\0\0\0");
}

fn json(status: &str, body: &str) -> &'static [u8] {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\ncontent-type: application/x-amz-json-1.1\r\n");
    format!("{head}content-length: {length}\r\nconnection: close\r\n\r\n{body}")
        .leak()
        .as_bytes()
}

/// A pool that asks for everything, one thing after the other.
#[test]
fn a_pool_may_ask_for_more_than_a_password() {
    let challenge = |name: &str, parameters: &str| {
        let body = format!(
            r#"{{"ChallengeName": "{name}", "Session": "CANARY-session", "ChallengeParameters": {{{parameters}}}}}"#
        );
        json("200 OK", &body)
    };
    let done = r#"{"AuthenticationResult": {"AccessToken": "CANARY-a", "IdToken": "CANARY-i",
        "RefreshToken": "CANARY-r", "TokenType": "Bearer", "ExpiresIn": 3600}}"#;
    let wrong =
        r#"{"__type": "CodeMismatchException", "message": "Invalid code \u001b[31mprovided"}"#;
    let short = r#"{"__type": "InvalidPasswordException", "message": "Password not long enough"}"#;
    let pool = Canned::new(vec![
        challenge(
            "NEW_PASSWORD_REQUIRED",
            r#""requiredAttributes": "[\"userAttributes.email\"]""#,
        ),
        json("400 Bad Request", short),
        challenge(
            "SELECT_MFA_TYPE",
            r#""MFAS_CAN_CHOOSE": "[\"EMAIL_OTP\",\"SOFTWARE_TOKEN_MFA\"]""#,
        ),
        challenge("EMAIL_OTP", r#""CODE_DELIVERY_DESTINATION": "a***@e***""#),
        json("400 Bad Request", wrong),
        challenge(
            "MFA_SETUP",
            r#""MFAS_CAN_SETUP": "[\"SOFTWARE_TOKEN_MFA\"]""#,
        ),
        json(
            "200 OK",
            r#"{"SecretCode": "JBSWY3DPEHPK3PXP", "Session": "CANARY-session"}"#,
        ),
        json(
            "200 OK",
            r#"{"Status": "SUCCESS", "Session": "CANARY-session"}"#,
        ),
        json("200 OK", done),
    ]);
    let folder = Folder::new();
    let file = format!(
        r#"{{"apis": {{}}, "auth": {{"user_pool":
            {{"id": "eu-west-1_A", "client_id": "c", "region": "eu-west-1", "endpoint": "{}"}}}}}}"#,
        pool.origin
    );
    folder.write("tower-client-auth.json", file);
    let mut terminal = Terminal::run(&call(&folder, &["sign-in", "--user", "alice"]));
    terminal.expect("Password of alice at tests.localhost:");
    terminal.type_secret("CANARY-old");
    terminal.expect("Your email: ");
    terminal.type_line("alice@example.com");
    for (first, second, then) in [
        ("CANARY-1", "CANARY-2", "these two differ. Once more:"),
        (
            "CANARY-1",
            "CANARY-1",
            "Password not long enough Once more:",
        ),
        ("CANARY-3", "CANARY-3", "2  an authenticator app"),
    ] {
        terminal.expect("New password: ");
        terminal.type_secret(first);
        terminal.expect("The same once more: ");
        terminal.type_secret(second);
        terminal.expect(then);
    }
    terminal.expect("The number: ");
    terminal.type_line("7");
    terminal.expect("there is no such number");
    terminal.expect("The number: ");
    terminal.type_line("1");
    terminal.expect("Code in the email (a***@e***): ");
    terminal.type_line("000000");
    // Escaped: a terminal obeys it otherwise.
    terminal.expect(r"Invalid code \u{1b}[31mprovided Once more:");
    terminal.expect("Code in the email (a***@e***): ");
    terminal.type_line("123456");
    terminal.expect("otpauth://totp/call?secret=JBSWY3DPEHPK3PXP");
    terminal.expect("Code that the app shows now: ");
    terminal.type_line("654321");
    terminal.expect("signed in");
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(0), "{screen}");
    assert!(!screen.contains("CANARY"), "{screen}");

    // As it was typed, in its place.
    let asked: Vec<String> = (0..9).map(|_| pool.request()).collect();
    for (at, sent) in [
        (2, "CANARY-3"),
        (2, "alice@example.com"),
        (3, "EMAIL_OTP"),
        (5, "123456"),
        (7, "654321"),
    ] {
        assert!(asked[at].contains(sent), "no `{sent}` in {}", asked[at]);
    }
    assert!(!asked[0].contains("CANARY-old"), "{}", asked[0]);
    let kept = std::fs::read_to_string(folder.path("config/tower-client-auth/sessions.json"));
    assert!(kept.expect("a session").contains("CANARY-r"));
}
