//! What others must not read, and what others must not write.

use super::answers::{Canned, ask};
use super::{Folder, call, run};

#[test]
fn secrets_in_urls_and_headers_are_not_shown() {
    let path = "/a?b=shown&api_key=CANARY&access%5Ftoken=CANARY&X-Amz-Security-Token=CANARY&X-Amz-Signature=CANARY\
                &pin=CANARY&CANARY-that-is-longer-than-any-name-is";
    for verbose in [true, false] {
        let server = Canned::new(vec![
            b"HTTP/1.1 302 Found\r\nlocation: https://a:CANARY@b.example.com/c?code=CANARY&page=2#id_token=CANARY\r\n\
              link: <https://b.example.com/?sig=CANARY>; rel=next\r\nx-session: CANARY\r\ncontent-length: 0\r\n\r\n",
        ]);
        let mut arguments = vec![path];
        for header in [
            "x-session: CANARY",
            "x-jwt: CANARY",
            "x-pin: CANARY",
            "x-credential: CANARY",
            "x-pass: CANARY",
            "x-otp: CANARY",
            "x-signature: CANARY",
            "referer: https://a.example.com/?token=CANARY",
            "x-tenant: blue",
        ] {
            arguments.extend(["-H", header]);
        }
        if verbose {
            arguments.push("-v");
        }
        let run = ask(&server, "NONE", &arguments);
        run.is(0, &["https://<redacted, 8 bytes>@b.example.com/c?code=<redacted, 6 bytes>&page=2#id_token=<redacted"]);
        assert!(!run.err.contains("CANARY"), "{}", run.err);
        if verbose {
            run.is(
                0,
                &[
                    "> GET /a?b=shown&api_key=<redacted, 6 bytes>&",
                    "> x-tenant: blue",
                ],
            );
        }
        assert_eq!(server.request().matches("CANARY").count(), 14);
    }
}

/// A line that somebody else wrote does not look like one of the program's own.
#[test]
fn what_others_say_stays_in_one_line() {
    let body = r#"{"__type": "NotAuthorizedException", "message": "no\ncall: forged\r\n* forged\tline\u001b[2J"}"#;
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: application/x-amz-json-1.1\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let pool = Canned::new(vec![answer.leak().as_bytes()]);
    let folder = Folder::new();
    let file = format!(
        r#"{{"apis": {{"api": {{"endpoint": "https://a.example.com", "mode": "AWS_IAM", "region": "eu-west-1"}}}},
            "auth": {{"identity_pool": {{"id": "eu-west-1:01234567-89ab-cdef-0123-456789abcdef",
            "region": "eu-west-1", "endpoint": "{}"}}}}}}"#,
        pool.origin
    );
    folder.write("tower-client-auth.json", file);
    let run = run(&mut call(&folder, &["/"]));
    run.is(4, &[r"no\ncall: forged\r\n* forged\tline\u{1b}[2J"]);
    for line in run.err.lines() {
        let line = line.trim_start();
        let is_forged = line.starts_with("call: forged") || line.starts_with("* forged");
        assert!(!is_forged, "{}", run.err);
    }
}
