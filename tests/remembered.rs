//! Requests to be signed before another, so that the signer remembers what their headers are like when
//! the other comes: the same, or nearly.

use http::header::{ACCEPT, COOKIE, HOST, HeaderName};
use http::{HeaderMap, HeaderValue};

use crate::oracle::Random;

/// How the headers of [`before`] differ in their names.
pub(crate) const CHANGES: [&str; 7] = [
    "the same names before",
    "one more before",
    "one less before",
    "one twice before",
    "a host more or less before",
    "another order before",
    "an older signature before",
];

/// What to sign before `headers`, and which of the [`CHANGES`] it is. No value is the same.
pub(crate) fn before(random: &mut Random, headers: &HeaderMap) -> (HeaderMap, &'static str) {
    let value = HeaderValue::from_static("what  came before");
    let mut before = headers.clone();
    let any = |random: &mut Random| {
        let names: Vec<&HeaderName> = headers.keys().collect();
        (!names.is_empty()).then(|| names[random.below(names.len())].clone())
    };
    // As many without a change as with any.
    let change = match random.one_in(2) {
        true => 0,
        false => 1 + random.below(CHANGES.len() - 1),
    };
    match (change, any(random)) {
        (1, _) => {
            before.append(random.pick(&[&ACCEPT, &COOKIE]), value.clone());
        }
        (2, Some(name)) => {
            before.remove(name);
        }
        (3, Some(name)) => {
            before.append(name, value.clone());
        }
        (4, _) => {
            let had_one = before.remove(HOST).is_some();
            if !had_one {
                before.append(HOST, value.clone());
            }
        }
        (5, Some(name)) => {
            // Whatever comes last takes its place.
            let values: Vec<HeaderValue> = before.get_all(&name).iter().cloned().collect();
            before.remove(&name);
            for value in values {
                before.append(&name, value);
            }
        }
        (6, _) => {
            before.append("x-amz-date", value.clone());
        }
        // There is nothing to be changed.
        _ => {}
    }
    for other in before.values_mut() {
        *other = value.clone();
    }
    (before, CHANGES[change])
}
