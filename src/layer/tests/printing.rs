//! What is printed of types that programs never hold.

use super::*;

/// Types that have no public way to be had, and may still be printed.
#[test]
fn what_is_inside_the_layers_prints_no_secret() {
    let overrides = AuthOverride::new().token(Token::from(SECRET));
    let overrides = overrides
        .credentials(credentials(None))
        .expect("credentials");
    let overridden = || {
        head(ORIGIN, |head| {
            drop(head.extensions.insert(overrides.clone()))
        })
    };
    fn print<A: Authorizer + std::fmt::Debug>(
        authorizer: &A,
        credential: &A::Credential,
        mut head: request::Parts,
    ) -> String
    where
        A::Plan: std::fmt::Debug,
        A::Acquire: std::fmt::Debug,
    {
        let covered = authorizer.cover(&mut head).expect("covered");
        let (mut plan, need) = covered.expect("in scope");
        let pending = authorizer.acquire(&plan);
        let applied = authorizer.apply(&mut plan, credential, &PayloadHash::EMPTY, &mut head);
        format!("{authorizer:#?} {plan:#?} {need:?} {pending:?} {applied:?} {head:#?}")
    }
    for text in [
        print(
            bearer(Token::from(SECRET)).authorizer_mut(),
            &Token::from(SECRET),
            overridden(),
        ),
        print(sigv4().authorizer_mut(), &credentials(None), overridden()),
        print(api_key().authorizer_mut(), &(), overridden()),
    ] {
        assert!(!text.contains(SECRET), "{text}");
        assert!(text.contains("guard"), "something was printed");
    }
}

/// The parts of a prepared body, neither of which shows what is in it.
#[test]
fn prepared_bodies_print_no_content() {
    use futures::FutureExt as _;

    let body = http_body_util::Full::new(bytes::Bytes::from(SECRET));
    let (mut head, buffer) = (head(ORIGIN, same), Buffer::default());
    let Step::Later(pending) = buffer.prepare(&mut head, Need::Payload, body) else {
        panic!("a body is to be read");
    };
    let mut text = format!("{pending:?}");
    let (prepared, hash) = pending.now_or_never().expect("at once").expect("a body");
    let spare = PreparePayload::<http_body_util::Full<bytes::Bytes>>::keep(&buffer, &prepared);
    text += &format!("{prepared:?} {hash:?} {spare:?}");
    text += &format!("{:?}", buffer.seal(prepared, Sealing::default()));
    assert!(!text.contains(SECRET), "{text}");
    let list = format!("{:?}", &SECRET.as_bytes()[..4]);
    assert!(!text.contains(list.trim_matches(['[', ']'])), "{text}");
}
