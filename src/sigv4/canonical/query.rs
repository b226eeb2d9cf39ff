//! The query of a canonical request.

use std::cmp::Ordering;

use smallvec::SmallVec;

use super::super::scratch::Text;
use super::escape::{is_unreserved, unescape, write_encoded, write_escape};
use super::sort_key::{Key, sort_key};

/// How many pairs are sorted in place. More of them take an allocation.
const INLINE: usize = 16;

/// A pair as it was written, `name=value&`. No query is longer than these numbers can say: a URI has
/// less than 64 KiB.
struct Pair {
    /// The beginning of the name, which settles nearly every comparison.
    key: Key,
    start: u32,
    /// Where the `=` is.
    middle: u32,
    /// Where the `&` is.
    end: u32,
}

impl Pair {
    /// By encoded name, then by encoded value.
    #[inline(always)]
    fn cmp(&self, other: &Self, text: &[u8]) -> Ordering {
        match self.key == other.key {
            false => self.key.cmp(&other.key),
            true => self.cmp_all(other, text),
        }
    }

    #[inline(never)]
    fn cmp_all(&self, other: &Self, text: &[u8]) -> Ordering {
        let part = |start, end| text.get(start as usize..end as usize);
        let own = (part(self.start, self.middle), part(self.middle, self.end));
        let others = (
            part(other.start, other.middle),
            part(other.middle, other.end),
        );
        own.cmp(&others)
    }
}

/// A parameter that a signature adds: its name, and its value as it is to be sent.
pub(in super::super) type Parameter<'a> = (&'static str, &'a [u8]);

/// How much room `query` and what is added to it take while they are written.
pub(super) fn room(query: &str, parameters: &[Parameter<'_>]) -> usize {
    let added = parameters.iter();
    let added = added.map(|(name, value)| name.len() + value.len() + b"=&".len());
    // Every byte is escaped, one pair has no `=`, and all of it stands there twice while it is
    // sorted.
    2 * (3 * query.len() + 2 + added.sum::<usize>())
}

/// Decodes to bytes and encodes strictly; `+` is a space, as services read it.
#[inline(always)]
pub(super) fn write_query(text: &mut Text<'_>, query: &str, parameters: &[Parameter<'_>]) {
    if !query.is_empty() || !parameters.is_empty() {
        text.elsewhere(|text| write_pairs(text, query, parameters));
    }
}

#[inline(always)]
fn write_pairs(text: &mut Text<'_>, query: &str, parameters: &[Parameter<'_>]) {
    let first = text.len();
    let mut pairs = SmallVec::<[Pair; INLINE]>::new();
    let mut sorted = true;
    let mut rest = query.as_bytes();
    while !rest.is_empty() {
        let start = text.len();
        let mut middle = None;
        // One pair. Nothing is left of an empty one.
        loop {
            rest = text.extend_while(rest, is_unreserved);
            let Some((&byte, after)) = rest.split_first() else {
                break;
            };
            rest = after;
            match byte {
                b'&' => break,
                b'=' if middle.is_none() => {
                    middle = Some(text.len());
                    text.push(b'=');
                }
                b'+' => write_escape(text, b' '),
                b'%' => match unescape(after) {
                    Some((byte, after)) => {
                        write_encoded(text, byte);
                        rest = after;
                    }
                    None => write_escape(text, b'%'),
                },
                byte => write_escape(text, byte),
            }
        }
        if text.len() == start {
            continue;
        }
        let middle = middle.unwrap_or_else(|| {
            text.push(b'=');
            text.len().saturating_sub(1)
        });
        sorted &= end_pair(text, &mut pairs, start, middle);
    }
    for (name, value) in parameters {
        let start = text.len();
        text.extend(name.as_bytes());
        let middle = text.len();
        text.push(b'=');
        text.extend(value);
        sorted &= end_pair(text, &mut pairs, start, middle);
    }
    if !sorted {
        let written = text.written();
        pairs.sort_unstable_by(|pair, other| pair.cmp(other, written));
        let unsorted = text.len();
        for pair in &pairs {
            text.repeat(pair.start as usize..pair.end as usize + 1);
        }
        text.remove(first, unsorted);
    }
    if !pairs.is_empty() {
        // The last `&`.
        text.pop();
    }
}

/// Ends the pair that was written since `start`. Returns whether it belongs behind those before it.
#[inline(always)]
fn end_pair(
    text: &mut Text<'_>,
    pairs: &mut SmallVec<[Pair; INLINE]>,
    start: usize,
    middle: usize,
) -> bool {
    let pair = Pair {
        key: sort_key(text.written().get(start..middle).unwrap_or_default()),
        start: start as u32,
        middle: middle as u32,
        end: text.len() as u32,
    };
    text.push(b'&');
    let in_order = |last: &Pair| last.cmp(&pair, text.written()).is_le();
    let in_order = pairs.last().is_none_or(in_order);
    pairs.push(pair);
    in_order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(query: &str) -> String {
        query_with(query, &[])
    }

    fn query_with(query: &str, parameters: &[Parameter<'_>]) -> String {
        let mut buffer = vec![0; 7 + room(query, parameters)];
        let mut text = Text::new(&mut buffer);
        text.extend(b"before\n");
        write_query(&mut text, query, parameters);
        let text = String::from_utf8(text.written().to_vec()).expect("ASCII");
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
    fn what_a_signature_adds_is_sorted_in() {
        let added: [Parameter<'_>; 2] = [("X-B", b"1%2F2"), ("X-C", b"")];
        for (given, whole) in [
            ("", "X-B=1%2F2&X-C="),
            ("&", "X-B=1%2F2&X-C="),
            ("A=1", "A=1&X-B=1%2F2&X-C="),
            ("a=1", "X-B=1%2F2&X-C=&a=1"),
            ("a=1&X-B&A=2&X-BA=+", "A=2&X-B=&X-B=1%2F2&X-BA=%20&X-C=&a=1"),
        ] {
            assert_eq!(query_with(given, &added), whole, "{given}");
        }
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
