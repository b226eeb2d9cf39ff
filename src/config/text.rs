//! The text of a configuration file: what of it is data, and where in the file that stands.

use zeroize::Zeroizing;

use super::problem::{Place, Problem};
use super::wrapper;

/// A configuration file's text. It may hold keys, so it is wiped.
pub(super) struct Text {
    file: Zeroizing<String>,
    data: Zeroizing<String>,
    syntax: Syntax,
    /// From where on an offset in the data is which offset in the file; never empty.
    shifts: Vec<Shift>,
}

/// How the data is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Syntax {
    /// JSON, and nothing but.
    Json,
    /// An object literal of JavaScript, as far as it is only data.
    JavaScript,
}

/// From `data` on, offsets in the data lag by a constant behind those in the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shift {
    pub(super) data: usize,
    pub(super) file: usize,
}

impl Text {
    pub(super) fn new(file: Zeroizing<String>) -> Result<Self, Problem> {
        let found = wrapper::unwrap(&file)?;
        Ok(Self {
            data: found.data,
            syntax: found.syntax,
            shifts: found.shifts,
            file,
        })
    }

    pub(super) fn data(&self) -> &str {
        &self.data
    }

    pub(super) fn syntax(&self) -> Syntax {
        self.syntax
    }

    /// Where in the file an offset in the data is.
    pub(super) fn place(&self, offset: usize) -> Place {
        let shift = self.shifts.iter().rev().find(|s| s.data <= offset);
        let at = shift.map_or(offset, |shift| offset - shift.data + shift.file);
        Place::of(&self.file, at)
    }
}
