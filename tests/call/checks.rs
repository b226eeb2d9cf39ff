//! What `apis`, `check` and `--verbose` say of a file, and what is not sent for it.

use std::io::ErrorKind;
use std::net::TcpListener;

use super::{Folder, call, demo, run};

/// Credentials that are there are not yet meant for a file's host.
#[test]
fn the_credentials_of_the_machine_are_for_those_who_ask() {
    let folder = Folder::new();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("a listener");
    let port = listener.local_addr().expect("an address").port();
    let file = format!(
        r#"{{"apis": {{"api": {{"endpoint": "http://tests.localhost:{port}", "mode": "AWS_IAM",
            "region": "eu-west-1", "service": "s3"}}}}}}"#
    );
    folder.write("tower-client-auth.json", file);
    let mut command = call(&folder, &["--timeout", "5", "/"]);
    let command = command
        .env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
        .env("AWS_SECRET_ACCESS_KEY", "CANARY");
    run(command).is(4, &["type `--aws`", "for tests.localhost and eu-west-1/s3"]);
    let nobody = listener.accept().expect_err("nobody");
    assert_eq!(nobody.kind(), ErrorKind::WouldBlock);
    let checked = run(&mut call(&folder, &["check"])).good();
    assert!(
        checked.contains("a call still needs its credential"),
        "{checked}"
    );
    let checked = run(&mut call(&folder, &["check", "--aws"])).good();
    assert!(checked.contains("it can be called"), "{checked}");
}

#[test]
fn a_check_honours_what_was_given() {
    let checked = demo("check").good();
    for words in [
        "configured; a call still needs its credential: the API `legacy` wants a token",
        "\n6 of 7 can be called, 1 more once there is a credential; nothing was sent\n",
    ] {
        assert!(checked.contains(words), "no `{words}` in {checked}");
    }
    let given = demo("check --token-command true").good();
    assert!(given.contains("\nall 7 can be called; "), "{given}");
    let unset = demo("check --api legacy --token-env CANARY").good();
    for words in [
        "is not set",
        "it is configured, and a call still needs its credential; ",
    ] {
        assert!(unset.contains(words), "no `{words}` in {unset}");
    }
    assert!(!unset.contains("CANARY"), "{unset}");

    let folder = Folder::new();
    folder.write("tower-client-auth.json", r#"{"apis": {}}"#);
    run(&mut call(&folder, &["check"])).is(3, &["tower-client-auth.json has no APIs"]);
}

#[test]
fn places_that_are_not_awss_own_are_named() {
    let folder = Folder::new();
    let file = r#"{"apis": {"api": {"endpoint": "https://api.example.com", "mode": "AMAZON_COGNITO_USER_POOLS"}},
        "auth": {
            "user_pool": {"id": "eu-west-1_A", "client_id": "c", "region": "eu-west-1",
                "endpoint": "https://users.example.com/a"},
            "identity_pool": {"id": "eu-west-1:01234567-89ab-cdef-0123-456789abcdef", "region": "eu-west-1",
                "endpoint": "identities.example.com:8443"}}}"#;
    folder.write("tower-client-auth.json", file);
    let listed = run(&mut call(&folder, &["apis"])).good();
    for place in ["users.example.com", "identities.example.com:8443"] {
        assert!(
            listed.contains(&format!("\n  is at        {place}\n")),
            "{listed}"
        );
    }
    let users = "credential: the user's Access token; the user pool is at users.example.com\n";
    let checked = run(&mut call(&folder, &["check"])).good();
    assert!(checked.contains(users), "{checked}");
    run(&mut call(&folder, &["-v", "/"])).is(4, &[users]);
}

#[test]
fn what_goes_in_plain_text_is_said() {
    let folder = Folder::new();
    for (host, is_said) in [
        ("api.example.com", true),
        ("a.localhost:1", false),
        ("127.0.0.1:1", false),
    ] {
        let file = format!(
            r#"{{"apis": {{"api": {{"endpoint": "http://{host}", "mode": "API_KEY", "api_key": "CANARY",
                "allow_plain_http": true}}}}}}"#
        );
        folder.write("tower-client-auth.json", file);
        let checked = run(&mut call(&folder, &["check"])).good();
        let words = "the network in plain text (`allow_plain_http`)";
        assert_eq!(checked.contains(words), is_said, "{checked}");
        let called = run(&mut call(&folder, &["-v", "--timeout", "1", "/"]));
        assert_eq!(called.err.contains(words), is_said, "{called:#?}");
    }
}

#[cfg(unix)]
#[test]
fn a_command_that_prints_without_an_end_is_ended() {
    demo("--api legacy --token-command yes /").is(4, &["printed more than 64 KiB"]);
}

/// A row that does not fit would be two.
#[cfg(unix)]
#[test]
fn a_narrow_terminal_shows_blocks() {
    use super::pty::Terminal;

    let folder = Folder::new();
    let (code, screen) = Terminal::run(&call(&folder, &["--demo", "apis"])).end();
    assert_eq!(code, Some(0), "{screen}");
    let block = "\r\norders\r\n  REST  AWS_IAM  eu-west-1\r\n  https://abc123.execute-api";
    assert!(screen.contains(block), "{screen}");
    assert!(demo("apis").good().contains("\nNAME      KIND  MODE "));
}
