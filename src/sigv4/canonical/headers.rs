//! The headers of a canonical request: which are signed, and how they are written.

use std::ops::Range;

use http::{HeaderMap, HeaderName};
use smallvec::SmallVec;

use super::super::scratch::Text;
use super::sort_key::{KEY, Key, bytes_of, sort_key};
use crate::words::{has, has_twice};

/// How many headers are sorted in place. More of them take an allocation.
const INLINE: usize = 24;

/// The headers to be signed, as references to where they are.
#[derive(Default)]
pub(crate) struct SignedHeaders<'a> {
    entries: SmallVec<[Entry<'a>; INLINE]>,
}

struct Entry<'a> {
    /// The beginning of the name, which settles nearly every comparison.
    key: Key,
    name: &'a str,
    value: &'a [u8],
    /// Whether the value is known to be written as it is.
    plain: bool,
}

/// What was found among the headers of a request, besides those to be signed.
#[derive(Default)]
pub(crate) struct Found<'a> {
    /// The `Host` headers: the first, and how many there are.
    pub(crate) host: Option<&'a [u8]>,
    pub(crate) hosts: usize,
    /// Whether there are headers of an older signature. They are not signed, and must go.
    pub(crate) leftovers: bool,
}

impl<'a> SignedHeaders<'a> {
    /// The request's own headers that are signed, less `Host` and what the signature brings along.
    pub(crate) fn of_request(headers: &'a HeaderMap, unsigned: &[HeaderName]) -> (Self, Found<'a>) {
        let mut found = Found::default();
        let mut signed = Self::default();
        for (name, value) in headers {
            let text = name.as_str();
            match Role::of(text) {
                Role::Signed if !unsigned.contains(name) => {
                    signed.push(text, value.as_bytes(), false);
                }
                Role::Signed | Role::Unsigned => {}
                Role::Host => {
                    found.hosts += 1;
                    found.host = found.host.or(Some(value.as_bytes()));
                }
                Role::Signature => found.leftovers = true,
            }
        }
        (signed, found)
    }

    /// One more, in whatever place. A value that is `plain` has no space at its ends and no two beside
    /// each other, so that it need not be looked at.
    #[inline]
    pub(crate) fn push(&mut self, name: &'a str, value: &'a [u8], plain: bool) {
        self.entries.push(Entry {
            key: sort_key(name.as_bytes()),
            name,
            value,
            plain,
        });
    }

    /// In the order of the canonical request. The values of one name stay in the order they are sent
    /// in.
    pub(crate) fn sort(&mut self) {
        self.entries.sort_by(|entry, other| {
            let by_name = || entry.name.cmp(other.name);
            entry.key.cmp(&other.key).then_with(by_name)
        });
    }

    /// How much room [`write`](Self::write) takes at most, and the list of names once more.
    pub(crate) fn room(&self) -> usize {
        let sizes = self.entries.iter();
        // Each name has a separator behind it; the value ends its line.
        let sizes = sizes.map(|entry| 3 * (entry.name.len() + 1) + entry.value.len() + 1);
        // A short name is written with the whole of its key at first.
        sizes.sum::<usize>() + 2 + KEY
    }

    /// A line for each name, an empty one, and the list of names, which is returned as its place in
    /// the text.
    #[inline(always)]
    pub(crate) fn write(&self, text: &mut Text<'_>) -> Range<usize> {
        let mut last: Option<&Entry<'_>> = None;
        for entry in &self.entries {
            if last.is_some_and(|last| last.is_like(entry)) {
                // Joins the line before.
                text.pop();
                text.push(b',');
            } else {
                entry.write_name(text);
                text.push(b':');
            }
            match entry.plain {
                true => text.extend(entry.value),
                false => write_value(text, entry.value),
            }
            text.push(b'\n');
            last = Some(entry);
        }
        text.push(b'\n');
        let start = text.len();
        last = None;
        for entry in &self.entries {
            if !last.is_some_and(|last| last.is_like(entry)) {
                entry.write_name(text);
                text.push(b';');
            }
            last = Some(entry);
        }
        // There is at least one name, `host` in a signature, and so a last separator.
        text.pop();
        start..text.len()
    }
}

impl Entry<'_> {
    /// Whether the name is the same.
    #[inline]
    fn is_like(&self, other: &Self) -> bool {
        self.key == other.key && self.name == other.name
    }

    #[inline(always)]
    fn write_name(&self, text: &mut Text<'_>) {
        // The key is the beginning of the name: a copy of known size, where others are calls.
        text.extend_short(&bytes_of(self.key), self.name.len());
        if let Some(rest) = self.name.as_bytes().get(KEY..) {
            text.extend(rest);
        }
    }
}

/// What a header is to a signature.
enum Role {
    Signed,
    /// Changed between signing and checking, or maybe.
    Unsigned,
    /// Signed as it will be sent, which the URI has a say in.
    Host,
    /// Part of a signature; of an older one, that is.
    Signature,
}

impl Role {
    #[inline]
    fn of(name: &str) -> Self {
        // By length first: that settles it for most names.
        let unsigned = match name.len() {
            2 => name == "te",
            3 => name == "via",
            4 if name == "host" => return Self::Host,
            6 => name == "expect",
            7 => matches!(name, "baggage" | "trailer" | "upgrade"),
            9 => name == "forwarded",
            10 if name == "x-amz-date" => return Self::Signature,
            10 => matches!(
                name,
                "connection" | "keep-alive" | "tracestate" | "user-agent"
            ),
            11 => name == "traceparent",
            13 if name == "authorization" => return Self::Signature,
            14 => name == "content-length",
            15 => matches!(name, "accept-encoding" | "x-amzn-trace-id"),
            17 => name == "transfer-encoding",
            20 if matches!(name, "x-amz-content-sha256" | "x-amz-security-token") => {
                return Self::Signature;
            }
            _ => false,
        };
        let unsigned = unsigned
            || name.starts_with("proxy-")
            || name.starts_with("sec-websocket-")
            || name.starts_with("x-forwarded-");
        match unsigned {
            true => Self::Unsigned,
            false => Self::Signed,
        }
    }
}

/// Without space around it, and with single spaces inside. Tabs are trimmed as well, since that is
/// what HTTP does to them on the way (RFC 9110, section 5.5), and otherwise kept.
#[inline(always)]
fn write_value(text: &mut Text<'_>, value: &[u8]) {
    let value = trim_ows(value);
    if !has(value, [b' ']) || !has_twice(value, b' ') {
        text.extend(value);
        return;
    }
    let mut space = false;
    for &byte in value {
        if byte == b' ' && space {
            continue;
        }
        space = byte == b' ';
        text.push(byte);
    }
}

#[inline]
fn trim_ows(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_trimmed_and_folded() {
        for (value, written) in [
            (" \t a  b\tc   \"d  e\" ", "a b\tc \"d e\""),
            ("", ""),
            (" \t ", ""),
            ("a b", "a b"),
            ("a  b", "a b"),
            ("a \t b", "a \t b"),
        ] {
            let mut buffer = vec![0; value.len()];
            let mut text = Text::new(&mut buffer);
            write_value(&mut text, value.as_bytes());
            assert_eq!(text.written(), written.as_bytes(), "{value}");
        }
    }

    #[test]
    fn names_are_sorted_and_values_are_not() {
        let names = [
            "x-b",
            "x-a",
            "x-a-longer-than-the-key-2",
            "x-a-longer-than-the-key-1",
        ];
        let mut headers = HeaderMap::new();
        for value in ["2", "1"] {
            for name in names {
                let value = value.parse().expect("a value");
                headers.append(HeaderName::from_static(name), value);
            }
        }
        let (mut signed, _) = SignedHeaders::of_request(&headers, &[]);
        signed.sort();
        let mut buffer = vec![0; signed.room()];
        let mut text = Text::new(&mut buffer);
        let list = signed.write(&mut text);
        let text = String::from_utf8(text.written().to_vec()).expect("ASCII");
        let list_text = "x-a;x-a-longer-than-the-key-1;x-a-longer-than-the-key-2;x-b";
        assert_eq!(&text[list], list_text);
        assert_eq!(
            text,
            format!(
                "x-a:2,1\nx-a-longer-than-the-key-1:2,1\nx-a-longer-than-the-key-2:2,1\nx-b:2,1\n\n\
                 {list_text}"
            )
        );
    }
}
