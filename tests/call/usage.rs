//! What is typed wrong gets an answer that says what to type.

use super::{Folder, call, demo, run};

/// A part of every secret that is typed where none belongs.
const CANARY: &str = "CANARY";

#[test]
fn wrong_usage_says_what_to_type() {
    let folder = Folder::new();
    folder.write("folder/file", "");
    let cases: &[(&[&str], &str)] = &[
        (&[], "call --demo --api orders GET /items\n"),
        (&["--demo"], "type `--api` with the name of one"),
        (&["/items"], "type `--config amplifyconfiguration.json`"),
        (&["--demo", "items"], "type `/items`"),
        (&["--demo", "GET"], "such as `GET /items`"),
        (&["--demo", "get"], "such as `GET /items`"),
        (&["--demo", "/items", "GET"], "such as `GET /items`"),
        (
            &["--demo", "/items", "/items"],
            "type `POST /items`, the method first",
        ),
        (&["--demo", "/items"], "type `--api` with the name of one"),
        (
            &["--demo", "--api", "order", "/items"],
            "did you mean `orders`?",
        ),
        (
            &["--demo", "--api", "order", "check"],
            "did you mean `orders`?",
        ),
        (
            &["--demo", "--api", "orders", "/a b?c=é d"],
            "and type\n      '/a%20b?c=é%20d'",
        ),
        (
            &["--demo", "--api", "orders", "/a{b\u{7}"],
            "a space as %20",
        ),
        (
            &["--demo", "--api", "orders", "/a#token=CANARY"],
            "behind a `#` is never sent",
        ),
        (
            &["--demo", "--api", "orders"],
            "type a path, such as `/items`",
        ),
        (&["--demo", "cheks"], "did you mean `check`?"),
        (&["--demo", "signin"], "did you mean `sign-in`?"),
        (&["login"], "did you mean `sign-in`?"),
        (&["help"], "did you mean `--help`?"),
        (&["--demo", "profile", "/me"], "type `--api profile /me`"),
        (&["--demo", "profile"], "type `--api profile /items`"),
        (&["--demo", "-o", "a", "apis"], "are about an answer"),
        (&["--demo", "--explain", "check"], "are about an answer"),
        (&["--demo", "-i", "apis"], "are about an answer"),
        (
            &["--demo", "https://api.example.net/x"],
            "lies below no API",
        ),
        (
            &["--demo", "https://api.example.com/catalogue"],
            "lies below no API",
        ),
        (
            &[
                "--demo",
                "--api",
                "catalog",
                "https://api.example.com/status",
            ],
            "but below `status`: leave `--api` out",
        ),
        (
            &["--demo", "https://a:CANARY@api.example.com/status"],
            "leave out what is before the `@`",
        ),
        (
            &["--demo", "--api", "orders", "--mode", "aim", "/"],
            "one of none, api-key, iam",
        ),
        (
            &["--region", "eu-west-1", "https://a.example.com"],
            "--service <SERVICE>",
        ),
        (
            &["--service", "s3", "https://a.example.com"],
            "--region <REGION>",
        ),
        (
            &["--region", "eu-west-1", "--service", "s3", "/items"],
            "sign a whole URL",
        ),
        (
            &["--demo", "--config", "a.json", "/"],
            "cannot be used with",
        ),
        (
            &[
                "--demo",
                "--api",
                "orders",
                "-H",
                "authorization CANARY",
                "/",
            ],
            "`-H 'accept: application/json'`",
        ),
        (
            &[
                "--demo",
                "--api",
                "orders",
                "-H",
                "x: CANARY\n",
                "-H",
                "a b: CANARY",
                "/",
            ],
            "a name, a colon",
        ),
        (
            &["--demo", "--api", "orders", "-d", "@missing.json", "/"],
            "`-d @missing.json` cannot be read",
        ),
        (
            &["--demo", "--api", "orders", "-d", "@folder", "/"],
            "names a folder",
        ),
        (
            &["--demo", "--api", "orders", "-d", "a", "--json", "b", "/"],
            "cannot be used with",
        ),
        (
            &["--demo", "--api", "orders", "-X", "PUT", "POST", "/"],
            "`POST` and `-X PUT` are two methods",
        ),
        (
            &["--demo", "--api", "catalog", "https://b.example.com/"],
            "nor below another",
        ),
        (
            &["--demo", "--api", "orders", "-H", "Host: a", "/"],
            "leave it out",
        ),
        (
            &["--demo", "--api", "orders", "-H", "content-length: 1", "/"],
            "`-H content-length` is about the connection",
        ),
        (
            &["--demo", "--api", "orders", "-H", "connection: close", "/"],
            "`-H connection` is about the connection",
        ),
        (
            &["--demo", "--api", "orders", "--timeout", "0", "/"],
            "1..=86400",
        ),
        (
            &[
                "--demo",
                "--api",
                "profile",
                "--user",
                "a",
                "--browser",
                "/",
            ],
            "cannot be used with",
        ),
        (
            &["--demo", "--api", "profile", "--user", "a", "--guest", "/"],
            "cannot be used with",
        ),
        (
            &["--demo", "--api", "catalog", "--user", "a", "/"],
            "leave it out, or name another mode",
        ),
        (
            &["--demo", "--api", "status", "--aws", "/"],
            "`--aws` signs with AWS credentials",
        ),
        (
            &["--demo", "--api", "orders", "--device", "/"],
            "`--device` signs a user of an OpenID provider in",
        ),
        (
            &["--demo", "--api", "orders", "--token-env", "A", "/"],
            "`--token-…` gives a token",
        ),
        (
            &["--demo", "--api", "orders", "--api-key-env", "A", "/"],
            "`--api-key-env` gives an API key",
        ),
        (
            &["--demo", "--api", "partners", "--id-token", "/"],
            "`--id-token` is about users",
        ),
        (
            &["--demo", "--api", "profile", "--guest", "/"],
            "`--guest` is about identity pools",
        ),
        (
            &["--demo", "--api", "catalog", "sign-in"],
            "nobody signs in for an API of mode API_KEY",
        ),
        (&["--demo", "-d", "a", "apis"], "send no request of yours"),
        (&["--demo", "-s", "-v", "/"], "cannot be used with"),
        (&["--password", "CANARY", "/"], "`--user NAME` asks for one"),
        (&["--password=CANARY", "/"], "`--user NAME` asks for one"),
        (&["-b", "a=CANARY", "/"], "type `-H 'cookie: NAME=VALUE'`"),
        (&["-F", "a=CANARY", "/"], "forms are not built here"),
        (&["-L", "/"], "redirects are not followed"),
        (&["-sk", "/"], "SSL_CERT_FILE"),
        (&["--token=CANARY", "/"], "a similar argument exists: '--"),
        (&["--api-key=CANARY", "/"], "a similar argument exists: '--"),
        (&["-u", "alice:CANARY", "/"], "`--user NAME` asks for one"),
    ];
    for (arguments, words) in cases {
        let run = run(&mut call(&folder, arguments));
        assert_eq!(run.code, Some(2), "{arguments:?}: {run:#?}");
        assert!(
            run.err.contains(words),
            "{arguments:?}: no `{words}` in\n{}",
            run.err
        );
        assert_eq!(run.out, "", "{arguments:?}");
        assert!(!run.err.contains(CANARY), "{arguments:?}: {}", run.err);
    }
    println!("{} slips, each with its answer", cases.len());
}

/// Nothing is sent without what the mode needs, and nobody is asked where nobody is.
#[test]
fn what_is_missing_is_said() {
    for (line, words) in [
        ("--api profile /me", "nobody is signed in"),
        ("--api profile --user alice /me", "nobody is signed in"),
        ("--api partners --device /me", "nobody is signed in"),
        ("--api invoices --user alice /", "nobody is signed in"),
        ("sign-in", "nobody can be asked here"),
        ("--api legacy /", "type `--token-env NAME`"),
        (
            "--api status --mode user-pools --token-env CANARY /",
            "the environment variable that `--token-env` names is not set",
        ),
        (
            "--api catalog --api-key-env CANARY /",
            "`--api-key-env` names is not set",
        ),
        ("--api status --mode api-key /", "type `--api-key-env NAME`"),
        (
            "--api legacy --token-file missing /",
            "no token in the file of `--token-file`",
        ),
        (
            "--api legacy --token-command false /",
            "failed: exit status: 1",
        ),
        ("--api legacy --token-command true /", "printed no token"),
        (
            "--api orders --aws /",
            "there are no AWS credentials: export",
        ),
        (
            "--api orders --profile missing /",
            "there are no AWS credentials: export",
        ),
    ] {
        let run = demo(line);
        assert_eq!(
            (run.code, run.out.as_str()),
            (Some(4), ""),
            "{line}: {run:#?}"
        );
        assert!(
            run.err.contains(words),
            "{line}: no `{words}` in\n{}",
            run.err
        );
        assert!(!run.err.contains(CANARY), "{line}: {}", run.err);
    }
}

const FILE: &str =
    r#"{"apis": {"orders": {"endpoint": "https://api.example.com", "mode": "NONE"}}}"#;

#[test]
fn the_file_of_the_folder_is_found() {
    let folder = Folder::new();
    folder.write("src/amplifyconfiguration.json", FILE);
    let apis = run(&mut call(&folder, &["apis"])).good();
    assert!(
        apis.starts_with("src/amplifyconfiguration.json: "),
        "{apis}"
    );

    folder.write("tower-client-auth.json", FILE);
    let several = run(&mut call(&folder, &["apis"]));
    several.is(
        2,
        &[
            "--config tower-client-auth.json",
            "--config src/amplifyconfiguration.json",
        ],
    );
    let named = run(&mut call(
        &folder,
        &["apis", "--config", "tower-client-auth.json"],
    ))
    .good();
    assert!(named.starts_with("tower-client-auth.json: "), "{named}");
}

#[test]
fn what_cannot_be_used_of_a_file_is_said() {
    let folder = Folder::new();
    for (file, arguments, words) in [
        ("", vec!["/"], "the file is empty"),
        (
            &FILE.replace("mode", "mod"),
            vec!["/"],
            "tower-client-auth.json:1:",
        ),
        (&FILE.replace("https", "http"), vec!["/"], "plain http"),
        (
            &FILE.replace("NONE", "AWS_IAM"),
            vec!["--aws", "/"],
            "does not say in which region",
        ),
    ] {
        folder.write("tower-client-auth.json", file);
        run(&mut call(&folder, &arguments)).is(3, &[words]);
    }
    run(&mut call(&folder, &["--config", "missing.json", "/"])).is(3, &["missing.json: "]);
}

#[test]
fn graphql_has_no_paths() {
    let folder = Folder::new();
    let file = FILE
        .replace("orders", "data")
        .replace(".com", ".com/graphql")
        .replace(r#""mode""#, r#""kind": "GraphQL", "mode""#);
    folder.write("tower-client-auth.json", file);
    for (arguments, words) in [
        (&["-d", "{}", "/items"][..], "leave the path out"),
        (
            &["-d", "{}", "https://api.example.com/graphql/a"],
            "leave the path out",
        ),
        (&["--api", "data"], "answers a query: type `--json"),
        (&["/"], "answers a query: type `--json"),
    ] {
        run(&mut call(&folder, arguments)).is(2, &[words]);
    }
}

#[test]
fn a_store_that_is_none_is_said_before_anything_is_sent() {
    let folder = Folder::new();
    folder.write("store/file", "");
    let arguments = ["--demo", "--store", "store", "--api", "status", "/"];
    run(&mut call(&folder, &arguments)).is(3, &["such as `--store store/sessions.json`"]);
}

#[test]
fn a_check_tells_good_apis_from_bad_ones() {
    let folder = Folder::new();
    let apis = r#"{"apis": {
        "bad": {"endpoint": "https://a.example.com", "mode": "AWS_IAM"},
        "key": {"endpoint": "https://b.example.com", "mode": "API_KEY", "api_key": "CANARY-1"},
        "orders": {"endpoint": "https://c.example.com", "mode": "AWS_IAM", "region": "eu-west-1"}
    }}"#;
    folder.write("tower-client-auth.json", apis);
    let checked = run(&mut call(&folder, &["check", "--aws"]));
    checked.is(3, &[]);
    for words in [
        "cannot be used: the API `bad`",
        "would send: x-api-key: <redacted, 8 bytes>",
        "credential: AWS's default chain",
        "signed for: eu-west-1/execute-api",
        "would send: authorization: <redacted, ",
        "1 of 3 cannot be called; nothing was sent",
    ] {
        assert!(
            checked.out.contains(words),
            "no `{words}` in\n{}",
            checked.out
        );
    }
    assert!(!checked.out.contains(CANARY));
    for (api, more) in [("key", &[][..]), ("orders", &["--aws"])] {
        let arguments = [&["check", "--api", api], more].concat();
        let checked = run(&mut call(&folder, &arguments)).good();
        assert!(
            checked.ends_with("it can be called; nothing was sent\n"),
            "{checked}"
        );
    }
    let listed = run(&mut call(&folder, &["apis"])).good();
    assert!(
        listed.contains("key     REST  API_KEY  -          https://b.example.com"),
        "{listed}"
    );
    assert!(!listed.contains(CANARY));
}
