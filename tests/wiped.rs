//! Our own copies of secrets are wiped, and the others are written down.

use tower_client_auth::Secret;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::support::promise;

/// Compiles or does not.
const fn is_wiped<T: ZeroizeOnDrop>() {}

/// `Secret` is what every other type of the crate keeps its secrets in; what else holds one, and
/// whether anything is left of it in freed memory, is for unit tests and for the watched allocator.
const _: () = is_wiped::<Secret>();

#[test]
fn a_secret_can_be_wiped_before_its_end() {
    let mut secret = Secret::new("da2-fakeApiId123456");
    let copy = secret.clone();
    secret.zeroize();
    assert_eq!(secret.expose(), "");
    assert_eq!(
        copy.expose(),
        "da2-fakeApiId123456",
        "a clone is a text of its own"
    );
}

/// A `String` that is handed over is not copied, or the copy that stays behind would not be wiped.
#[test]
fn a_string_is_taken_over_as_it_is() {
    let text = String::from("da2-fakeApiId123456");
    let at = text.as_ptr();
    let secret = Secret::new(text);
    assert_eq!(secret.expose().as_ptr(), at);
    let token = tower_client_auth::Token::from(String::from("mF_9"));
    assert_eq!(token.expose(), "mF_9");
}

#[test]
fn what_cannot_be_wiped_is_in_the_threat_model() {
    let text = include_str!("../THREAT_MODEL.md");
    for named in ["HeaderValue", "wipe"] {
        assert!(text.contains(named), "{named} is not mentioned");
    }
}

#[test]
fn the_library_has_no_unsafe_code() {
    let root = include_str!("../src/lib.rs");
    assert!(root.lines().any(|line| line == "#![forbid(unsafe_code)]"));
    promise(
        27,
        "Secret is ZeroizeOnDrop, HeaderValue copies are documented, unsafe is forbidden",
    );
}
