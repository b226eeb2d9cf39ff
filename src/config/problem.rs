//! What is wrong with a file, or odd about it, and where.

use std::fmt;

use crate::error::{AuthError, AuthErrorKind};

/// A line and a column, both from 1; columns count characters, as editors do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) line: usize,
    pub(super) column: usize,
}

impl Place {
    /// Of a byte in a text. Lines end as JSON files' do: with a line feed, or a carriage return that
    /// none follows.
    pub(super) fn of(text: &str, offset: usize) -> Self {
        let before = text.as_bytes();
        let before = &before[..offset.min(before.len())];
        let mut line = 1;
        let mut start = if text.starts_with('\u{feff}') { 3 } else { 0 };
        for (at, byte) in before.iter().enumerate() {
            if *byte == b'\n' || *byte == b'\r' && text.as_bytes().get(at + 1) != Some(&b'\n') {
                line += 1;
                start = at + 1;
            }
        }
        // The bytes that begin a character.
        let in_line = before.get(start..).unwrap_or_default().iter();
        let characters = in_line.filter(|byte| **byte & 0xc0 != 0x80).count();
        Self {
            line,
            column: characters + 1,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// What stops a file from being read. Never holds what the file says, other than the names of members
/// that no key looks like.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) message: String,
    /// The member it is about: `apis.orders.mode`.
    pub(super) path: Option<String>,
    /// Where in the data, or in the whole file.
    pub(super) at: Option<At>,
    /// The same member, if it has still to be looked for.
    pub(super) member: Vec<String>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum At {
    Data(usize),
    File(Place),
}

impl Problem {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            path: None,
            at: None,
            member: Vec::new(),
        }
    }

    /// At an offset in the data, if nothing better is known.
    pub(super) fn at(mut self, offset: usize) -> Self {
        self.at.get_or_insert(At::Data(offset));
        self
    }

    pub(super) fn in_file(mut self, place: Place) -> Self {
        self.at.get_or_insert(At::File(place));
        self
    }

    /// About a member, if none is named yet.
    pub(super) fn about(mut self, path: impl FnOnce() -> String) -> Self {
        self.path.get_or_insert_with(path);
        self
    }

    /// About a member that was found to be wrong after it was read: an element of a list by its
    /// position.
    pub(super) fn about_member<S: AsRef<str>>(mut self, members: &[S]) -> Self {
        self.member = members
            .iter()
            .map(|name| name.as_ref().to_owned())
            .collect();
        self
    }

    /// As the crate's error. `place` tells where an offset in the data is.
    pub(super) fn into_error(
        self,
        file: Option<&str>,
        place: impl FnOnce(usize) -> Place,
    ) -> AuthError {
        let place = self.at.map(|at| match at {
            At::Data(offset) => place(offset),
            At::File(place) => place,
        });
        let message = Located {
            file,
            place,
            path: self.path.as_deref(),
            message: &self.message,
        }
        .to_string();
        AuthError::new(AuthErrorKind::Configuration, message)
    }
}

/// Something in a configuration file that was passed over or assumed, and might not be what was meant.
///
/// Amplify's files gain members every year, so what this crate does not know is no error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigWarning {
    file: Option<String>,
    path: String,
    place: Place,
    message: String,
}

impl ConfigWarning {
    pub(super) fn new(file: Option<&str>, path: String, place: Place, message: String) -> Self {
        Self {
            file: file.map(str::to_owned),
            path,
            place,
            message,
        }
    }

    /// The member it is about: `api.plugins.awsAPIPlugin.orders`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Its line in the file, from 1.
    pub fn line(&self) -> usize {
        self.place.line
    }

    /// Its column in the file, in characters from 1.
    pub fn column(&self) -> usize {
        self.place.column
    }

    /// What is odd about it.
    pub fn message(&self) -> &str {
        &self.message
    }
}

/// `amplify_outputs.json:3:5: data.url: …`, which editors and terminals turn into a link.
impl fmt::Display for ConfigWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let located = Located {
            file: self.file.as_deref(),
            place: Some(self.place),
            path: Some(&self.path),
            message: &self.message,
        };
        fmt::Display::fmt(&located, f)
    }
}

struct Located<'a> {
    file: Option<&'a str>,
    place: Option<Place>,
    path: Option<&'a str>,
    message: &'a str,
}

impl fmt::Display for Located<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.file, self.place) {
            (Some(file), Some(place)) => write!(f, "{file}:{place}: ")?,
            (Some(file), None) => write!(f, "{file}: ")?,
            (None, Some(place)) => {
                write!(f, "line {}, column {}: ", place.line, place.column)?;
            }
            (None, None) => {}
        }
        if let Some(path) = self.path.filter(|path| !path.is_empty()) {
            write!(f, "{path}: ")?;
        }
        f.write_str(self.message)
    }
}

/// Adds a member's name to a path. Whatever might be a key in the wrong place is left out.
pub(super) fn push_member(path: &mut String, name: &str) {
    if !is_printable(name) {
        path.push_str("[…]");
    } else if name
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-' || b == b'$')
        && !name.is_empty()
    {
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(name);
    } else {
        path.push_str(&format!("[\"{name}\"]"));
    }
}

/// Whether a character changes how a message looks without being seen in it.
pub(super) fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
        || c == '\u{feff}'
}

/// Whether a member's name can stand in a message. Keys are long and have many digits among their
/// letters; the names that people and Amplify give are not so.
pub(super) fn is_printable(name: &str) -> bool {
    const LONGEST: usize = 60;
    /// As `apif2c8d9e1`, which Amplify makes up, may have.
    const SHORT: usize = 16;
    const DIGITS: usize = 2;
    let digits = name.bytes().filter(u8::is_ascii_digit).count();
    name.chars().count() <= LONGEST
        && !name.chars().any(is_invisible)
        && (name.len() <= SHORT || digits <= DIGITS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_as_editors_do() {
        let text = "\u{feff}a\r\nbü\rc\nd";
        let of = |what: &str| Place::of(text, text.find(what).expect("there")).to_string();
        assert_eq!(of("a"), "1:1");
        assert_eq!(of("ü"), "2:2");
        assert_eq!(of("c"), "3:1");
        assert_eq!(of("d"), "4:1");
        assert_eq!(Place::of(text, 1000).to_string(), "4:2");
    }

    #[test]
    fn paths_hold_no_keys() {
        let path = |names: &[&str]| {
            let mut path = String::new();
            names.iter().for_each(|name| push_member(&mut path, name));
            path
        };
        assert_eq!(path(&["apis", "my-api", "mode"]), "apis.my-api.mode");
        assert_eq!(path(&["apis", "my api"]), "apis[\"my api\"]");
        assert_eq!(path(&["apis", ""]), "apis[\"\"]");
        assert_eq!(
            path(&["aws_user_pools_web_client_id"]),
            "aws_user_pools_web_client_id"
        );
        assert_eq!(path(&["x", "da2-abcdefgh12345678abcdefgh12"]), "x[…]");
    }
}
