//! Each mode at the demo, whose stand-in checks what arrives.

use std::process::Stdio;

use super::{Folder, call, demo, run};

/// A part of every secret below.
const SECRETS: [&str; 4] = [
    "da2-fakeApiId123456",
    "mF_9.B5f-4.1JqM",
    "legacy-token-42",
    "a-secret-nobody-else-knows",
];

/// Environment variables of a run.
type Variables<'a> = &'a [(&'a str, &'a str)];

const OWNER: Variables<'_> = &[
    ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
    ("AWS_SECRET_ACCESS_KEY", "a-secret-nobody-else-knows"),
];
const IMPOSTOR: Variables<'_> = &[
    ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
    ("AWS_SECRET_ACCESS_KEY", "a-guess"),
];

fn at(api: &str, who: &str, path: &str) -> String {
    format!(r#"{{"api":"{api}","message":"you are {who}","received":"GET {path}, 0 bytes"}}"#)
}

#[test]
fn each_mode_is_answered() {
    let folder = Folder::new();
    folder.write("token", "mF_9.B5f-4.1JqM\n");
    let cases: [(&[&str], Variables<'_>, String); 9] = [
        (
            &["--api", "status", "GET", "/items"],
            &[],
            at("status", "anybody", "/status/items"),
        ),
        (
            &["--api", "catalog", "/?a=%20b"],
            &[],
            at("catalog", "known by your key", "/catalog/?a=%20b"),
        ),
        (
            &["https://api.example.com/catalog/1"],
            &[],
            at("catalog", "known by your key", "/catalog/1"),
        ),
        (
            &["--api", "orders", "/items"],
            &[],
            at("orders", "guest", "/prod/items"),
        ),
        (
            &["--api", "orders", "--guest", "/items"],
            &[],
            at("orders", "guest", "/prod/items"),
        ),
        (
            &["--api", "orders", "--aws", "/items"],
            OWNER,
            at("orders", "the account's owner", "/prod/items"),
        ),
        (
            &[
                "--api",
                "partners",
                "--bearer",
                "--token-file",
                "token",
                "/me",
            ],
            &[],
            at("partners", "known by your token", "/v1/me"),
        ),
        (
            &["--api", "legacy", "--token-env", "TOKEN", "/me"],
            &[("TOKEN", "legacy-token-42")],
            at("legacy", "known by your token", "/v1/me"),
        ),
        (
            &[
                "--api",
                "legacy",
                "--token-command",
                "echo legacy-token-42",
                "/me",
            ],
            &[],
            at("legacy", "known by your token", "/v1/me"),
        ),
    ];
    for (arguments, variables, expected) in cases {
        for flags in [&["--demo"][..], &["--demo", "-v"], &["--demo", "--explain"]] {
            let arguments = [flags, arguments].concat();
            let mut command = call(&folder, &arguments);
            let run = run(command.envs(variables.iter().copied()));
            assert_eq!(
                (run.code, &run.out),
                (Some(0), &expected),
                "{arguments:?}: {}",
                run.err
            );
            assert!(
                run.err.starts_with("* demo: a stand-in on 127.0.0.1:"),
                "{}",
                run.err
            );
            // Not to a pipe.
            assert!(!run.err.contains('\u{1b}'), "{}", run.err);
            for secret in SECRETS {
                assert!(!run.err.contains(secret), "{arguments:?}: {}", run.err);
            }
        }
    }
}

#[test]
fn each_mode_refuses_what_is_wrong() {
    let folder = Folder::new();
    let cases: [(&[&str], Variables<'_>, &[&str]); 7] = [
        (
            &["--api", "catalog", "--api-key-env", "KEY", "/"],
            &[("KEY", "a-guess")],
            &["403 Forbidden"],
        ),
        (
            &["--api", "orders", "--aws", "/"],
            IMPOSTOR,
            &["another signature", "`--explain` shows what was signed"],
        ),
        (
            &["--api", "invoices", "/"],
            &[],
            &["the role `guest`", "`--user NAME` signs one in"],
        ),
        (
            &["--api", "profile", "--token-env", "T", "/"],
            &[("T", "a-guess")],
            &["401", "`--id-token`"],
        ),
        (
            &["--api", "partners", "--token-env", "T", "/"],
            &[("T", "mF_9.B5f-4.1JqM")],
            &["401", "`--bearer`"],
        ),
        (
            &["--api", "legacy", "--token-env", "T", "/"],
            &[("T", "a-guess")],
            &["401 Unauthorized"],
        ),
        (
            &["--api", "orders", "--mode", "none", "/"],
            &[],
            &["403 Forbidden"],
        ),
    ];
    for (arguments, variables, words) in cases {
        let mut command = call(&folder, &["--demo"]);
        let refused = run(command.args(arguments).envs(variables.iter().copied()));
        refused.is(5, words);
        assert!(
            refused.out.to_ascii_lowercase().contains(r#"{"message":""#),
            "{refused:#?}"
        );
        assert!(!refused.err.contains("a-guess"), "{refused:#?}");

        let mut command = call(&folder, &["--demo", "--silent"]);
        let silent = run(command.args(arguments).envs(variables.iter().copied()));
        assert_eq!(
            (silent.code, silent.err.as_str()),
            (Some(5), ""),
            "{silent:#?}"
        );
    }
}

#[test]
fn what_goes_over_the_wire_is_shown_without_secrets() {
    let run = demo("-v --api orders -H x-tenant:blue -H cookie:CANARY /items");
    run.is(
        0,
        &[
            "* mode AWS_IAM, signed for eu-west-1/execute-api",
            "* credential: the identity pool",
            "> GET /prod/items",
            "> host: abc123.execute-api.eu-west-1.amazonaws.com",
            "> x-tenant: blue",
            "> cookie: <redacted, 6 bytes>",
            "> x-amz-security-token: <redacted, 32 bytes>",
            "> authorization: <redacted, ",
            "< HTTP/1.1 200 OK",
            "< content-type: application/json",
        ],
    );
    assert!(
        !run.err.contains("CANARY") && !run.err.contains("Credential="),
        "{}",
        run.err
    );
}

/// The stand-in signs the bytes that arrive.
#[test]
fn headers_may_be_of_any_language() {
    let folder = Folder::new();
    let arguments = ["--demo", "--api", "orders", "-H", "x-name: Zoë", "/items"];
    let answer = run(&mut call(&folder, &arguments)).good();
    assert_eq!(answer, at("orders", "guest", "/prod/items"));
}

#[test]
fn a_signature_is_explained() {
    let line = "--explain --api orders -H x-tenant:blue -H x-auth-user:CANARY /items?b=2&a=1";
    let run = demo(line);
    assert!(!run.err.contains("CANARY"), "{}", run.err);
    run.is(
        0,
        &[
            "canonical request:\nGET\n/prod/items\na=1&b=2\n",
            "\nx-amz-security-token:[redacted, 32 bytes]\nx-auth-user:[redacted, 6 bytes]\nx-tenant:blue\n",
            "string to sign:\nAWS4-HMAC-SHA256\n",
            "/eu-west-1/execute-api/aws4_request\n",
        ],
    );
    demo("--explain --api status /").is(0, &["the request has no signature (mode NONE)"]);
}

#[test]
fn the_answer_goes_where_it_is_wanted() {
    let folder = Folder::new();
    let arguments = ["--demo", "--api", "status", "/items", "-i"];
    let with_head = run(&mut call(&folder, &arguments)).good();
    let (head, body) = with_head.split_once("\n\n").expect("a head");
    assert!(head.starts_with("HTTP/1.1 200 OK\n"), "{head}");
    assert!(
        head.contains("\ncontent-type: application/json\n"),
        "{head}"
    );
    assert_eq!(body, at("status", "anybody", "/status/items"));

    let arguments = ["--demo", "--api", "status", "/items", "-o", "answer.json"];
    let kept = run(&mut call(&folder, &arguments)).good();
    assert_eq!(kept, "");
    let file = std::fs::read_to_string(folder.path("answer.json")).expect("a file");
    assert_eq!(file, at("status", "anybody", "/status/items"));

    let arguments = [
        "--demo",
        "--api",
        "status",
        "/items",
        "-o",
        "missing/answer.json",
    ];
    run(&mut call(&folder, &arguments)).is(1, &["`-o missing/answer.json` cannot be written"]);
}

/// As under `head`, which goes away.
#[test]
fn a_closed_pipe_is_no_failure() {
    let folder = Folder::new();
    for arguments in [
        &["--demo", "--api", "status", "/"][..],
        &["--demo", "apis"],
        &["--help"],
    ] {
        let mut command = call(&folder, arguments);
        let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("an example that starts");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("its output");
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {err}");
        assert!(!err.contains("panicked"), "{err}");
    }
}

#[test]
fn modes_have_the_names_that_people_give_them() {
    for (name, mode) in [
        ("none", "NONE"),
        ("Api-Key", "API_KEY"),
        ("IAM", "AWS_IAM"),
        ("aws_iam", "AWS_IAM"),
        ("user-pools", "AMAZON_COGNITO_USER_POOLS"),
        ("AMAZON_COGNITO_USER_POOLS", "AMAZON_COGNITO_USER_POOLS"),
        ("oidc", "OPENID_CONNECT"),
        ("lambda", "AWS_LAMBDA"),
    ] {
        let checked = demo(&format!("check --api orders --mode {name}")).good();
        assert!(
            checked.contains(&format!("\norders  {mode}  https://")),
            "{checked}"
        );
    }
}
