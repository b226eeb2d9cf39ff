//! What is remembered is what would be found out anew, and about nothing else.

use http::{HeaderValue, header};

use super::super::values::Values;
use super::*;
use crate::sigv4::scratch::Text;

/// What is found out: the canonical lines of values that are all told apart, and what goes with them.
#[derive(Debug, PartialEq)]
struct Found {
    text: String,
    host: Option<usize>,
    hosts: usize,
    has_leftovers: bool,
}

impl Found {
    fn of(arranged: &Arranged, headers: &Unsorted<'_>) -> Self {
        let values = Values {
            added: [
                b"the host",
                b"the date",
                b"the token",
                b"the hash",
                b"the regions",
            ],
            request: headers.as_slice(),
        };
        let mut buffer = vec![0; arranged.layout.room(&values)];
        let mut text = Text::new(&mut buffer);
        arranged.layout.write(&mut text, &values);
        Self {
            text: String::from_utf8(text.written().to_vec()).expect("ASCII"),
            host: arranged.host,
            hosts: arranged.hosts,
            has_leftovers: arranged.has_leftovers,
        }
    }
}

/// Whether these headers were known. What was known of them is as it is found out anew.
fn is_known(headers: &HeaderMap, unsigned: &[HeaderName], brings: Brings) -> bool {
    let headers = Unsorted::new(headers);
    let recent = RECENT.take();
    let is_known = recent.find(&headers, unsigned, brings).is_some();
    RECENT.set(recent);
    let anew = Found::of(&Arranged::of(&headers, unsigned, brings), &headers);
    let found = headers.arranged(unsigned, brings, |arranged| Found::of(arranged, &headers));
    assert_eq!(found, anew);
    is_known
}

/// A map with these names, one after the other, and a value for each that no other has.
fn headers(names: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (at, name) in names.iter().enumerate() {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
        let value = HeaderValue::from_str(&format!("value {at}")).expect("a value");
        headers.append(name, value);
    }
    headers
}

fn names_known() -> Vec<String> {
    let recent = RECENT.take();
    let names = recent.all.iter().map(|known| known.names.clone()).collect();
    RECENT.set(recent);
    names
}

/// Requests that are easily taken for one another.
const ALIKE: &[&[&str]] = &[
    &[],
    &["b", "aa", "te"],
    &["aa", "b", "te"],
    &["b", "ab", "te"],
    &["ba", "a", "te"],
    &["b", "aa", "tf"],
    &["b", "aa"],
    &["b", "aa", "te", "c"],
    &["b", "aa", "te", "te"],
    &["b", "b", "aa", "te"],
    &["b", "aa", "host"],
    &["b", "aa", "host", "host"],
    &["b", "aa", "x-amz-date"],
    &["b", "aa", "authorization"],
    &["baa", "te"],
    &["b", "aate"],
];

#[test]
fn what_is_remembered_is_about_the_same_names_in_the_same_order() {
    let none = Brings::default();
    for first in ALIKE {
        for second in ALIKE {
            RECENT.take();
            let [one, other] = [first, second].map(|names| headers(names));
            assert!(!is_known(&one, &[], none), "{first:?}");
            assert!(is_known(&one, &[], none), "{first:?}");
            assert_eq!(is_known(&other, &[], none), first == second, "{second:?}");
            assert!(is_known(&other, &[], none), "{second:?}");
            assert!(is_known(&one, &[], none), "{first:?}");
        }
    }
}

#[test]
fn what_is_signed_besides_makes_a_difference() {
    RECENT.take();
    let request = headers(&["accept", "cookie"]);
    let all = [0, 1, 2, 3, 4, 7, 8].map(|bits| Brings {
        token: bits & 1 > 0,
        hash: bits & 2 > 0,
        regions: bits & 4 > 0,
        in_query: bits & 8 > 0,
    });
    for known in [false, true] {
        for brings in all {
            assert_eq!(is_known(&request, &[], brings), known);
        }
    }
    let none = Brings::default();
    for known in [false, true] {
        for unsigned in [
            &[header::ACCEPT][..],
            &[header::COOKIE],
            &[header::ACCEPT, header::COOKIE],
        ] {
            assert_eq!(is_known(&request, unsigned, none), known, "{unsigned:?}");
        }
    }
}

#[test]
fn values_are_not_remembered() {
    RECENT.take();
    let mut request = headers(&["b", "aa"]);
    assert!(!is_known(&request, &[], Brings::default()));
    for value in ["", "  spaces  inside ", "a longer value than there was"] {
        request.insert("b", HeaderValue::from_static(value));
        assert!(is_known(&request, &[], Brings::default()), "{value}");
    }
}

#[test]
fn little_is_kept_and_the_oldest_goes_first() {
    RECENT.take();
    let none = Brings::default();
    let names: Vec<String> = (0..KEPT + 2).map(|at| format!("x-{at}")).collect();
    for name in &names {
        assert!(!is_known(&headers(&[name]), &[], none));
    }
    let lines: Vec<String> = names.iter().map(|name| format!("{name}\n")).collect();
    // Two have taken the places of the first two.
    let kept = [&lines[KEPT..], &lines[2..KEPT]].concat();
    assert_eq!(names_known(), kept);

    // Large ones are signed as well, and take no place.
    let most: Vec<String> = (0..=INLINE).map(|at| format!("y-{at}")).collect();
    let most: Vec<&str> = most.iter().map(String::as_str).collect();
    let long = "z".repeat(LONGEST + 1);
    for large in [headers(&most), headers(&[&long])] {
        for _ in 0..2 {
            assert!(!is_known(&large, &[], none));
        }
    }
    assert_eq!(names_known(), kept);
    for small in [headers(&most[1..]), headers(&[&long[1..]])] {
        assert!(!is_known(&small, &[], none));
        assert!(is_known(&small, &[], none));
    }
}

#[test]
fn many_values_of_a_long_name_take_little_room() {
    let long = HeaderName::from_bytes("z".repeat(60_000).as_bytes()).expect("a name");
    let mut request = HeaderMap::new();
    for _ in 0..10_000 {
        request.append(&long, HeaderValue::from_static("v"));
    }
    let arranged = Arranged::of(&Unsorted::new(&request), &[], Brings::default());
    assert!(arranged.layout.memory() < 2_000_000);
}
