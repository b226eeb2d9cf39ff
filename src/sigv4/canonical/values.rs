//! The values of signed headers.

use super::super::scratch::Text;
use crate::words::has_twice;

/// The values that a [`Layout`](super::Layout) refers to by their places.
pub(crate) struct Values<'a> {
    /// Those that a signature brings along, in the places [`HOST`] to [`REGIONS`].
    pub(crate) added: [&'a [u8]; REQUEST],
    /// Those of the request, with their names, from the place [`REQUEST`] on.
    pub(crate) request: &'a [(&'a str, &'a [u8])],
}

pub(crate) const HOST: usize = 0;
pub(crate) const DATE: usize = 1;
pub(crate) const TOKEN: usize = 2;
pub(crate) const HASH: usize = 3;
pub(crate) const REGIONS: usize = 4;
pub(crate) const REQUEST: usize = 5;

impl<'a> Values<'a> {
    #[inline(always)]
    pub(super) fn get(&self, place: usize) -> &'a [u8] {
        match self.added.get(place) {
            Some(value) => value,
            None => {
                let header = self.request.get(place.wrapping_sub(REQUEST));
                debug_assert!(header.is_some(), "a layout of other headers");
                header.map(|(_, value)| *value).unwrap_or_default()
            }
        }
    }

    /// How many bytes all of them have.
    pub(super) fn size(&self) -> usize {
        let added = self.added.iter().map(|value| value.len());
        let request = self.request.iter().map(|(_, value)| value.len());
        added.sum::<usize>() + request.sum::<usize>()
    }
}

/// Without space around it, and with single spaces inside. Tabs are trimmed as well, since that is
/// what HTTP does to them on the way (RFC 9110, section 5.5), and otherwise kept.
#[inline(always)]
pub(super) fn write_value(text: &mut Text<'_>, value: &[u8]) {
    let start = text.len();
    text.extend(value);
    // Most values have neither.
    if text.may_have(start, |byte, _| (byte == b' ') | (byte == b'\t')) {
        rewrite_value(text, start, value);
    }
}

/// `value` was written as it is, at `start`.
fn rewrite_value(text: &mut Text<'_>, start: usize, value: &[u8]) {
    let trimmed = trim_ows(value);
    let has_spaces = has_twice(trimmed, b' ');
    if trimmed.len() == value.len() && !has_spaces {
        return;
    }
    text.truncate(start);
    if !has_spaces {
        text.extend(trimmed);
        return;
    }
    let mut space = false;
    for &byte in trimmed {
        if byte == b' ' && space {
            continue;
        }
        space = byte == b' ';
        text.push(byte);
    }
}

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
            // With little room behind it, too.
            for spare in [0, 1, 100] {
                let mut buffer = vec![0; value.len() + spare];
                let mut text = Text::new(&mut buffer);
                write_value(&mut text, value.as_bytes());
                assert_eq!(text.written(), written.as_bytes(), "{value}");
            }
        }
    }
}
