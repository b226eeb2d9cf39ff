//! The canonical request, written into one buffer.
//!
//! After [Create a signed AWS API request][aws], steps 1 and 2.
//!
//! [aws]: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html

mod escape;
mod host;
mod layout;
mod path;
mod query;
mod recent;
mod role;
mod sort_key;
mod values;

use std::ops::Range;

use http::{Method, Uri};

pub(super) use self::escape::{escape, is_unreserved};
pub(super) use self::host::signed_host;
pub(super) use self::layout::{Entry, Layout};
pub(super) use self::path::normalize as normalized;
pub(super) use self::query::Parameter;
pub(super) use self::recent::{Arranged, Brings, IN_QUERY, Unsorted};
pub(super) use self::values::{HOST, REQUEST, Values};
use super::options::SigningOptions;
use super::scratch::Text;

/// What a canonical request is written from.
pub(super) struct Source<'a> {
    pub(super) method: &'a Method,
    pub(super) uri: &'a Uri,
    /// What the signature adds to the query of the URI.
    pub(super) parameters: &'a [Parameter<'a>],
    pub(super) layout: &'a Layout,
    pub(super) values: Values<'a>,
    /// The hash of the payload in digits, or what stands for it.
    pub(super) payload: &'a [u8],
}

impl Source<'_> {
    /// How much room [`write`](Self::write) takes at most, and the list of signed headers once more.
    pub(super) fn room(&self) -> usize {
        let newlines = 3;
        self.method.as_str().len()
            + path::room(self.uri.path())
            + query::room(self.uri.query().unwrap_or_default(), self.parameters)
            + self.layout.room(&self.values)
            + self.payload.len()
            + newlines
    }

    /// Returns where the list of signed headers stands.
    #[inline(always)]
    pub(super) fn write(&self, text: &mut Text<'_>, options: &SigningOptions) -> Range<usize> {
        text.extend(self.method.as_str().as_bytes());
        text.push(b'\n');
        path::write_path(text, self.uri.path(), options);
        text.push(b'\n');
        let query = self.uri.query().unwrap_or_default();
        query::write_query(text, query, self.parameters);
        let list = self.layout.write(text, &self.values);
        text.push(b'\n');
        text.extend(self.payload);
        list
    }
}
