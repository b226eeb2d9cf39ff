//! Layouts of recent requests, by the names of their headers.
//!
//! A program sends the same few headers over and over, with other values. Telling which of them are
//! signed and sorting them takes longer than finding out that it was done before.
//!
//! Only names are kept, no values.

use std::cell::Cell;

use http::{HeaderMap, HeaderName};
use smallvec::SmallVec;

use super::layout::{Entry, Layout};
use super::role::Role;
use super::values::{DATE, HASH, HOST, REGIONS, REQUEST, TOKEN};

/// How many headers are handled in place. More of them take an allocation, and are not remembered.
const INLINE: usize = 24;

/// How many layouts a thread keeps.
const KEPT: usize = 8;

/// How long all names of a request together may be for its layout to be kept, in bytes.
const LONGEST: usize = 1024;

thread_local! {
    static RECENT: Cell<Recent> = const {
        Cell::new(Recent {
            all: Vec::new(),
            oldest: 0,
        })
    };
}

/// What a thread keeps.
#[derive(Default)]
struct Recent {
    all: Vec<Remembered>,
    /// Which of them is replaced next.
    oldest: usize,
}

#[derive(Default)]
struct Remembered {
    /// The names it is about, each with a line feed behind it, which no name has.
    names: String,
    count: usize,
    unsigned: Vec<HeaderName>,
    brings: Brings,
    arranged: Arranged,
}

/// The headers of a request, names and values, in the order of their map, which is an arbitrary one.
pub(crate) struct Unsorted<'a>(SmallVec<[(&'a str, &'a [u8]); INLINE]>);

/// What a signature brings along besides host and date.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Brings {
    pub(crate) token: bool,
    pub(crate) hash: bool,
    pub(crate) regions: bool,
    /// Whether it is in the query, and nothing of it among the headers.
    pub(crate) in_query: bool,
}

/// Nothing, of a signature in the query.
pub(crate) const IN_QUERY: Brings = Brings {
    token: false,
    hash: false,
    regions: false,
    in_query: true,
};

/// What there is to know about the headers of a request by their names.
#[derive(Default)]
pub(crate) struct Arranged {
    pub(crate) layout: Layout,
    /// Which of the request's values is that of the `Host` header: the first, if there are more.
    pub(crate) host: Option<usize>,
    pub(crate) hosts: usize,
    /// Whether there are headers of an older signature. They are not signed, and must go.
    pub(crate) has_leftovers: bool,
}

impl<'a> Unsorted<'a> {
    #[inline]
    pub(crate) fn new(headers: &'a HeaderMap) -> Self {
        let headers = headers.iter();
        Self(
            headers
                .map(|(name, value)| (name.as_str(), value.as_bytes()))
                .collect(),
        )
    }

    #[inline]
    pub(crate) fn as_slice(&self) -> &[(&'a str, &'a [u8])] {
        &self.0
    }

    /// Lets `sign` use what these headers are like; `unsigned` are those that are left out.
    #[inline]
    pub(crate) fn arranged<R>(
        &self,
        unsigned: &[HeaderName],
        brings: Brings,
        sign: impl FnOnce(&Arranged) -> R,
    ) -> R {
        // A thread that is ending has none.
        let mut recent = RECENT.try_with(Cell::take).unwrap_or_default();
        let large;
        let arranged = match recent.find(self, unsigned, brings) {
            Some(at) => &recent.all[at].arranged,
            None if self.is_large() => {
                large = Arranged::of(self, unsigned, brings);
                &large
            }
            None => recent.add(self, unsigned, brings),
        };
        let result = sign(arranged);
        let _ = RECENT.try_with(|place| place.set(recent));
        result
    }

    /// Whether what is found out about them is not worth its memory.
    #[cold]
    fn is_large(&self) -> bool {
        let names = self.0.iter().map(|(name, _)| name.len());
        self.0.len() > INLINE || names.sum::<usize>() > LONGEST
    }
}

impl Recent {
    #[inline]
    fn find(
        &self,
        headers: &Unsorted<'_>,
        unsigned: &[HeaderName],
        brings: Brings,
    ) -> Option<usize> {
        let is_about = |known: &Remembered| known.is_about(headers, unsigned, brings);
        self.all.iter().position(is_about)
    }

    /// Arranges `headers`, and remembers it.
    #[cold]
    fn add(
        &mut self,
        headers: &Unsorted<'_>,
        unsigned: &[HeaderName],
        brings: Brings,
    ) -> &Arranged {
        let at = match self.all.len() {
            KEPT.. => self.oldest,
            free => {
                self.all.push(Remembered::default());
                free
            }
        };
        self.oldest = (at + 1) % KEPT;
        // The memory of what was there is used again.
        let known = &mut self.all[at];
        known.names.clear();
        for (name, _) in &headers.0 {
            known.names.push_str(name);
            known.names.push('\n');
        }
        known.count = headers.0.len();
        known.unsigned.clear();
        known.unsigned.extend_from_slice(unsigned);
        known.brings = brings;
        known.arranged.arrange(headers, unsigned, brings);
        &known.arranged
    }
}

impl Remembered {
    /// Whether it is about these headers.
    #[inline]
    fn is_about(&self, headers: &Unsorted<'_>, unsigned: &[HeaderName], brings: Brings) -> bool {
        if self.count != headers.0.len() || self.brings != brings || self.unsigned != unsigned {
            return false;
        }
        let mut rest = self.names.as_bytes();
        for (name, _) in &headers.0 {
            match rest.strip_prefix(name.as_bytes()) {
                Some([b'\n', after @ ..]) => rest = after,
                _ => return false,
            }
        }
        true
    }
}

impl Arranged {
    #[cold]
    fn of(headers: &Unsorted<'_>, unsigned: &[HeaderName], brings: Brings) -> Self {
        let mut arranged = Self::default();
        arranged.arrange(headers, unsigned, brings);
        arranged
    }

    /// That of a signature in the query which covers these headers only, and the host: also such as are
    /// left out otherwise.
    #[cold]
    pub(crate) fn choosing(headers: &Unsorted<'_>, chosen: &[HeaderName]) -> Self {
        let mut arranged = Self::default();
        arranged.arrange_by(headers, IN_QUERY, |name| match Role::of(name) {
            Role::Signed | Role::Unsigned if chosen.iter().any(|chosen| chosen == name) => {
                Role::Signed
            }
            Role::Signed => Role::Unsigned,
            other => other,
        });
        arranged
    }

    /// Makes it be about these headers.
    #[cold]
    fn arrange(&mut self, headers: &Unsorted<'_>, unsigned: &[HeaderName], brings: Brings) {
        self.arrange_by(headers, brings, |name| match Role::of(name) {
            Role::Signed if unsigned.iter().any(|unsigned| unsigned == name) => Role::Unsigned,
            role => role,
        });
    }

    fn arrange_by(&mut self, headers: &Unsorted<'_>, brings: Brings, role: impl Fn(&str) -> Role) {
        (self.host, self.hosts, self.has_leftovers) = (None, 0, false);
        let mut entries = SmallVec::<[Entry<'_>; INLINE + REQUEST]>::new();
        for (at, (name, _)) in headers.0.iter().enumerate() {
            match role(name) {
                Role::Signed => entries.push(Entry::new(name, REQUEST + at, false)),
                Role::Unsigned => {}
                Role::Host => {
                    self.hosts += 1;
                    self.host = self.host.or(Some(at));
                }
                Role::Signature => self.has_leftovers = true,
            }
        }
        // A URI has no spaces, and a `Host` header may have any.
        entries.push(Entry::new("host", HOST, self.hosts == 0));
        if !brings.in_query {
            entries.push(Entry::new("x-amz-date", DATE, true));
        }
        if brings.token {
            // Credentials whose token has a space are refused.
            entries.push(Entry::new("x-amz-security-token", TOKEN, true));
        }
        if brings.hash {
            entries.push(Entry::new("x-amz-content-sha256", HASH, true));
        }
        if brings.regions {
            entries.push(Entry::new("x-amz-region-set", REGIONS, true));
        }
        self.layout.arrange(&mut entries);
    }
}

#[cfg(test)]
mod tests;
