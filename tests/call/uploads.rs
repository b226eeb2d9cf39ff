//! Bodies: texts, files, and what comes in on stdin.

use super::{Folder, call, demo, feed, run};

/// More than is kept in memory.
const LARGE: usize = 3 * 1024 * 1024;

fn received(api: &str, who: &str, path: &str, bytes: usize) -> String {
    format!(
        r#"{{"api":"{api}","message":"you are {who}","received":"POST {path}, {bytes} bytes"}}"#
    )
}

/// Bytes that are no text and do not repeat: what is sent twice or left out has another hash.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 7_u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    std::iter::repeat_with(next).take(length).collect()
}

#[test]
fn a_body_says_what_it_is() {
    let folder = Folder::new();
    folder.write("order.json", "no JSON");
    folder.write("order", r#"{"item": "pear"}"#);
    folder.write("noise", [7; 16]);
    for (data, expected) in [
        (&["-d", "hello"][..], "text/plain; charset=utf-8"),
        (&["-d", r#"{"item":"pear"}"#], "application/json"),
        (&["--json", "hello"], "application/json"),
        (&["-d", "@order.json"], "application/json"),
        (&["-d", "@order"], "application/json"),
        (&["-d", "@noise"], "application/octet-stream"),
        (&["-d", "@-"], "application/octet-stream"),
        (&["--json", "@-"], "application/json"),
        (&["-d", "hello", "-H", "Content-Type: text/csv"], "text/csv"),
    ] {
        let mut command = call(&folder, &["--demo", "-v", "--api", "status", "/"]);
        let run = run(command.args(data));
        let header = format!("> content-type: {expected}\n");
        run.is(0, &["> POST /status/", &header]);
        assert_eq!(run.err.matches("> content-type:").count(), 1, "{}", run.err);
    }
}

#[test]
fn a_method_may_be_named_in_two_places() {
    for line in ["PUT /a", "put /a", "-X PUT /a", "/a -X put"] {
        let run = demo(&format!("--api status -d hello {line}"));
        assert!(run.out.contains("PUT /status/a, 5 bytes"), "{run:#?}");
    }
}

/// The stand-in computes the signature over the bytes that arrive.
#[test]
fn large_files_arrive_whole_and_signed() {
    let folder = Folder::new();
    folder.write("large", noise(LARGE));
    for (api, who, path) in [
        ("orders", "guest", "/prod/up"),
        ("status", "anybody", "/status/up"),
        ("catalog", "known by your key", "/catalog/up"),
    ] {
        let arguments = ["--demo", "-v", "--api", api, "-d", "@large", "/up"];
        let run = run(&mut call(&folder, &arguments));
        run.is(0, &[]);
        assert_eq!(run.out, received(api, who, path, LARGE));
    }
}

#[test]
fn stdin_is_sent_as_it_comes_or_signed_as_a_whole() {
    let folder = Folder::new();
    let content = noise(LARGE);
    for (api, who, path) in [
        ("orders", "guest", "/prod/up"),
        ("status", "anybody", "/status/up"),
    ] {
        let arguments = ["--demo", "--api", api, "-d", "@-", "/up"];
        let run = feed(&mut call(&folder, &arguments), &content);
        assert_eq!(run.good(), received(api, who, path, LARGE));
    }
    let arguments = ["--demo", "--api", "orders", "-d", "@-", "/up"];
    let too_much = vec![7; 10 * 1024 * 1024 + 1];
    let run = feed(&mut call(&folder, &arguments), &too_much);
    run.is(2, &["write it to a file, and type `-d @FILE`"]);
    assert_eq!(run.out, "");
}
