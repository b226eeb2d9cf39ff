//! What a refusal means, and why a server was not reached, in words that say what to type.

use super::answers::{Canned, ask};

/// Whose credential was refused: nobody's, or the caller's own.
#[test]
fn a_refusal_without_the_modes_credential_says_so() {
    let refusal = b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n";
    let own = ["--aws", "-H", "authorization: CANARY", "/"];
    for (mode, arguments, words) in [
        ("NONE", &["/"][..], "the file gives this API mode NONE"),
        (
            "AWS_IAM",
            &["--mode", "none", "/"],
            "`--mode none` sends no credential",
        ),
        (
            "AWS_IAM",
            &own,
            "without it, the credential of mode AWS_IAM is sent",
        ),
        (
            "AWS_IAM",
            &own,
            "* your own `-H authorization` is sent as it is",
        ),
    ] {
        let server = Canned::new(vec![refusal]);
        let run = ask(&server, mode, arguments);
        run.is(5, &[words]);
        assert!(!run.err.contains("the layer"), "{}", run.err);
        assert!(!run.err.contains("CANARY"), "{}", run.err);
        assert_eq!(server.request().contains("CANARY"), arguments == own);
    }
}

#[test]
fn what_was_signed_is_told_without_an_answer_too() {
    let nobody = Canned::new(Vec::new());
    let run = ask(&nobody, "AWS_IAM", &["--aws", "--explain", "/a"]);
    run.is(
        1,
        &[
            "canonical request:\nGET\n/a\n",
            "refused: is it running there?",
        ],
    );
}

#[test]
fn a_name_without_an_address_is_named() {
    let nowhere = Canned {
        origin: "https://nowhere.invalid".to_owned(),
        ..Canned::new(Vec::new())
    };
    ask(&nowhere, "NONE", &["/"]).is(
        1,
        &["no answer from nowhere.invalid:443: there is no address of `nowhere.invalid`"],
    );
}
