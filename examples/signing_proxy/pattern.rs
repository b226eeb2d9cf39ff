//! Names of headers and parameters: one, or all that begin alike.

use std::str::FromStr;

/// `x-tenant`, or `x-internal-*`. Case does not count.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    text: String,
    is_prefix: bool,
}

impl Pattern {
    pub(crate) fn matches(&self, name: &str) -> bool {
        match self.is_prefix {
            true => name
                .get(..self.text.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(&self.text)),
            false => name.eq_ignore_ascii_case(&self.text),
        }
    }
}

impl FromStr for Pattern {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, is_prefix) = match text.strip_suffix('*') {
            Some(start) => (start, true),
            None => (text, false),
        };
        match name.is_empty() || name.contains('*') {
            true => Err("type a name, or the beginning of one and `*`"),
            false => Ok(Self {
                text: name.to_owned(),
                is_prefix,
            }),
        }
    }
}
