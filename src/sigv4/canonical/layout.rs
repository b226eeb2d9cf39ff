//! How the headers of a canonical request are laid out, which depends on their names alone.

use std::ops::Range;

use super::super::scratch::{SHORT, Text};
use super::sort_key::{Key, sort_key};
use super::values::{Values, write_value};

/// The order of the signed headers, and all that is written besides their values.
#[derive(Default)]
pub(crate) struct Layout {
    lines: Vec<Line>,
    /// What is longer than the heads of lines can hold, one behind the other.
    tails: Vec<u8>,
    /// The list of signed headers.
    list: Vec<u8>,
    /// How much room all of it takes, the list twice.
    size: usize,
}

/// A value and what comes before it.
struct Line {
    /// A line feed, the name and a colon; or a comma, if the value joins that of the line before. As much
    /// of it as fits: a copy of known size, where others are calls.
    head: [u8; SHORT],
    length: usize,
    /// Where the rest of it is.
    tail: usize,
    /// Which value.
    place: usize,
    is_plain: bool,
}

impl Line {
    /// That of a value which joins the one before. Its tail, if it gets one, begins at `tail`.
    fn new(entry: &Entry<'_>, tail: usize) -> Self {
        Self {
            head: [b','; SHORT],
            length: 1,
            tail,
            place: entry.place,
            is_plain: entry.is_plain,
        }
    }
}

/// A header to be signed.
pub(crate) struct Entry<'a> {
    /// The beginning of the name, which settles nearly every comparison.
    key: Key,
    name: &'a str,
    place: usize,
    is_plain: bool,
}

impl<'a> Entry<'a> {
    /// The value is in that place of [`Values`]. One that `is_plain` has neither spaces nor tabs, so that
    /// it need not be looked at.
    #[inline]
    pub(crate) fn new(name: &'a str, place: usize, is_plain: bool) -> Self {
        Self {
            key: sort_key(name.as_bytes()),
            name,
            place,
            is_plain,
        }
    }

    /// Whether the name is the same.
    #[inline]
    fn is_like(&self, other: &Self) -> bool {
        self.key == other.key && self.name == other.name
    }
}

impl Layout {
    /// Lays out `entries`, in the order of the canonical request. The values of one name stay in the order
    /// they are in.
    pub(crate) fn arrange(&mut self, entries: &mut [Entry<'_>]) {
        entries.sort_by(|entry, other| {
            let by_name = || entry.name.cmp(other.name);
            entry.key.cmp(&other.key).then_with(by_name)
        });
        self.lines.clear();
        self.tails.clear();
        self.list.clear();
        self.size = 0;
        self.lines.reserve(entries.len());
        for alike in entries.chunk_by(Entry::is_like) {
            for (at, entry) in alike.iter().enumerate() {
                let line = match at {
                    0 => self.first_line(entry),
                    _ => Line::new(entry, self.tails.len()),
                };
                self.size += line.length;
                self.lines.push(line);
            }
        }
        // The head of the last line is written with the whole of its array at first.
        self.size += 2 * self.list.len() + b"\n\n".len() + SHORT;
    }

    /// The line of a name's first value. Adds the name to the list.
    fn first_line(&mut self, entry: &Entry<'_>) -> Line {
        let name = entry.name.as_bytes();
        let mut line = Line::new(entry, self.tails.len());
        line.length = name.len() + 2;
        let (fitting, rest) = name.split_at(name.len().min(SHORT - 2));
        line.head[0] = b'\n';
        line.head[1..=fitting.len()].copy_from_slice(fitting);
        match rest {
            [] => line.head[1 + fitting.len()] = b':',
            [last, tail @ ..] => {
                line.head[SHORT - 1] = *last;
                self.tails.extend_from_slice(tail);
                self.tails.push(b':');
            }
        }
        if !self.list.is_empty() {
            self.list.push(b';');
        }
        self.list.extend_from_slice(name);
        line
    }

    /// The list of signed headers.
    pub(crate) fn names(&self) -> &[u8] {
        &self.list
    }

    /// How many bytes it keeps.
    #[cfg(test)]
    pub(crate) fn memory(&self) -> usize {
        let lines = self.lines.capacity() * size_of::<Line>();
        lines + self.tails.capacity() + self.list.capacity()
    }

    /// How much room [`write`](Self::write) takes at most, and the list of names once more.
    pub(crate) fn room(&self, values: &Values<'_>) -> usize {
        self.size + values.size()
    }

    /// A line for each name, an empty one, and the list of names, which is returned as its place in
    /// the text. The first thing that is written is a line feed.
    #[inline(always)]
    pub(crate) fn write(&self, text: &mut Text<'_>, values: &Values<'_>) -> Range<usize> {
        for line in &self.lines {
            text.extend_short(&line.head, line.length);
            if let Some(rest) = line.length.checked_sub(SHORT)
                && rest > 0
            {
                let tail = self.tails.get(line.tail..line.tail + rest);
                text.extend(tail.unwrap_or_default());
            }
            let value = values.get(line.place);
            match line.is_plain {
                true => text.extend(value),
                false => write_value(text, value),
            }
        }
        text.extend(b"\n\n");
        let start = text.len();
        text.extend(&self.list);
        start..text.len()
    }
}

#[cfg(test)]
mod tests {
    use super::super::values::REQUEST;
    use super::*;

    /// What is written of headers with these names, each of which has its place for a value; and the list.
    fn written(names: &[&str]) -> (String, String) {
        let mut entries: Vec<_> = names
            .iter()
            .zip(REQUEST..)
            .map(|(name, place)| Entry::new(name, place, false))
            .collect();
        let mut layout = Layout::default();
        layout.arrange(&mut entries);
        let places: Vec<String> = (0..names.len()).map(|place| place.to_string()).collect();
        let request: Vec<_> = places.iter().map(|place| ("", place.as_bytes())).collect();
        let values = Values {
            added: [b""; REQUEST],
            request: &request,
        };
        let mut buffer = vec![0; layout.room(&values)];
        let mut text = Text::new(&mut buffer);
        let list = layout.write(&mut text, &values);
        let text = String::from_utf8(text.written().to_vec()).expect("ASCII");
        let list = text[list].to_owned();
        (text, list)
    }

    #[test]
    fn names_are_sorted_and_values_are_not() {
        let long = "x-a-longer-than-there-is-room-for-in-a-head";
        let names = ["x-b", "x-a", &format!("{long}-2"), &format!("{long}-1")];
        let (text, list) = written(&[names, names].concat());
        assert_eq!(list, format!("x-a;{long}-1;{long}-2;x-b"));
        assert_eq!(
            text,
            format!("\nx-a:1,5\n{long}-1:3,7\n{long}-2:2,6\nx-b:0,4\n\n{list}")
        );
    }

    #[test]
    fn names_of_any_length_are_written_in_full() {
        for length in 1..=2 * SHORT + 6 {
            let name = "abcdefg".repeat(10)[..length].to_owned();
            let longer = format!("{name}z");
            assert_eq!(
                written(&[&name]),
                (format!("\n{name}:0\n\n{name}"), name.clone())
            );
            let list = format!("{name};{longer}");
            assert_eq!(
                written(&[&longer, &name, &longer, &name]),
                (format!("\n{name}:1,3\n{longer}:0,2\n\n{list}"), list)
            );
        }
    }
}
