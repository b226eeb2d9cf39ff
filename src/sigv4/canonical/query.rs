//! The query of a canonical request.

use std::cmp::Ordering;

use smallvec::SmallVec;

use super::escape::{is_unreserved, unescape, write_escape};
use super::sort_key;

/// How many pairs are sorted in place. More of them take an allocation.
const INLINE: usize = 16;

/// A pair as it was written: `text[start..middle]` is the name, `text[middle + 1..end]` the value.
struct Pair {
    /// The beginning of the name, which settles nearly every comparison.
    key: u128,
    start: usize,
    middle: usize,
    end: usize,
}

impl Pair {
    fn name<'a>(&self, text: &'a [u8]) -> &'a [u8] {
        &text[self.start..self.middle]
    }

    fn value<'a>(&self, text: &'a [u8]) -> &'a [u8] {
        &text[self.middle + 1..self.end]
    }

    /// By encoded name, then by encoded value.
    fn cmp(&self, other: &Self, text: &[u8]) -> Ordering {
        self.key.cmp(&other.key).then_with(|| {
            let (own, others) = (self.name(text), other.name(text));
            own.cmp(others)
                .then_with(|| self.value(text).cmp(other.value(text)))
        })
    }
}

/// How much room `query` takes while it is written.
pub(super) fn room(query: &str) -> usize {
    // Every byte is escaped, one pair has no `=`, and all of it stands there twice while it is
    // sorted.
    2 * (3 * query.len() + 2)
}

pub(super) fn write_query(text: &mut Vec<u8>, query: &str) {
    let start = text.len();
    let mut pairs = SmallVec::<[Pair; INLINE]>::new();
    let mut sorted = true;
    for pair in query.as_bytes().split(|byte| *byte == b'&') {
        if pair.is_empty() {
            continue;
        }
        let start = text.len();
        let value = write_form(text, pair, Some(b'='));
        let middle = text.len();
        text.push(b'=');
        write_form(text, value, None);
        let pair = Pair {
            key: sort_key(&text[start..middle]),
            start,
            middle,
            end: text.len(),
        };
        sorted = sorted
            && pairs
                .last()
                .is_none_or(|last: &Pair| last.cmp(&pair, text).is_le());
        text.push(b'&');
        pairs.push(pair);
    }
    if pairs.is_empty() {
        return;
    }
    if !sorted {
        pairs.sort_unstable_by(|pair, other| pair.cmp(other, text));
        let unsorted = text.len();
        for pair in &pairs {
            // With the `&` behind it.
            text.extend_from_within(pair.start..pair.end + 1);
        }
        text.copy_within(unsorted.., start);
        text.truncate(unsorted);
    }
    // The last `&`.
    text.pop();
}

/// Decodes to bytes and encodes strictly; `+` is a space, as services read it. Returns what follows
/// the first `end`.
#[inline]
fn write_form<'a>(text: &mut Vec<u8>, mut part: &'a [u8], end: Option<u8>) -> &'a [u8] {
    loop {
        let run = part.iter().take_while(|byte| is_unreserved(**byte)).count();
        let (clean, rest) = part.split_at(run);
        text.extend_from_slice(clean);
        let Some((&first, after)) = rest.split_first() else {
            return rest;
        };
        if Some(first) == end {
            return after;
        }
        part = match unescape(rest) {
            Some((byte, after)) => {
                match is_unreserved(byte) {
                    true => text.push(byte),
                    false => write_escape(text, byte),
                }
                after
            }
            None => {
                write_escape(text, if first == b'+' { b' ' } else { first });
                after
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(query: &str) -> String {
        let mut text = b"before\n".to_vec();
        text.reserve_exact(room(query));
        let capacity = text.capacity();
        write_query(&mut text, query);
        assert_eq!(text.capacity(), capacity, "{query}");
        let text = String::from_utf8(text).expect("ASCII");
        text.strip_prefix("before\n").expect("kept").to_owned()
    }

    #[test]
    fn queries_are_sorted_after_encoding() {
        assert_eq!(query("b=1&a=2&a=1&A=%2f"), "A=%2F&a=1&a=2&b=1");
        assert_eq!(query("k&k2=&=v"), "=v&k=&k2=");
        assert_eq!(query("a=1+2&a=%2B"), "a=%2B&a=1%202");
        assert_eq!(query("a+=1&a%20=0&a-=2"), "a%20=0&a%20=1&a-=2");
        assert_eq!(query("a=b=c"), "a=b%3Dc");
        assert_eq!(query("&&a&&"), "a=");
        assert_eq!(query("&"), "");
    }

    #[test]
    fn names_with_a_long_beginning_in_common_are_sorted_too() {
        let long = "x".repeat(16);
        assert_eq!(
            query(&format!("{long}b=1&{long}a=2&{long}=3")),
            format!("{long}=3&{long}a=2&{long}b=1")
        );
    }

    #[test]
    fn bytes_that_are_no_text_stay_distinct() {
        assert_eq!(query("a=%FF"), "a=%FF");
        assert_eq!(query("a=%FE"), "a=%FE");
        assert_eq!(query("a=%F"), "a=%25F");
    }
}
