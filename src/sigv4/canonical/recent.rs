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
use super::values::{DATE, HASH, HOST, REQUEST, TOKEN};

/// How many headers are handled in place. More of them take an allocation, and are not kept.
const INLINE: usize = 24;

/// How many layouts a thread keeps.
const KEPT: usize = 4;

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
    all: Vec<Arranged>,
    /// Which of them is replaced next.
    oldest: usize,
}

/// The headers of a request, names and values, in the order of their map, which is an arbitrary one.
pub(crate) struct Unsorted<'a>(SmallVec<[(&'a str, &'a [u8]); INLINE]>);

/// What a signature brings along besides host and date.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Brings {
    pub(crate) token: bool,
    pub(crate) hash: bool,
}

/// What there is to know about the headers of a request by their names.
#[derive(Default)]
pub(crate) struct Arranged {
    /// The names it is about, each with a line feed behind it, which no name has.
    names: String,
    count: usize,
    unsigned: Vec<HeaderName>,
    brings: Brings,
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
        let is_about = |arranged: &Arranged| arranged.is_about(self, unsigned, brings);
        let at = recent.all.iter().position(is_about);
        let at = at.unwrap_or_else(|| recent.add(self, unsigned, brings));
        let result = sign(&recent.all[at]);
        if recent.all[at].is_large() {
            recent.all.swap_remove(at);
        }
        let _ = RECENT.try_with(|place| place.set(recent));
        result
    }
}

impl Recent {
    /// Arranges `headers` in the place that is returned.
    #[cold]
    fn add(&mut self, headers: &Unsorted<'_>, unsigned: &[HeaderName], brings: Brings) -> usize {
        let at = match self.all.len() {
            KEPT.. => self.oldest,
            free => {
                self.all.push(Arranged::default());
                free
            }
        };
        self.oldest = (at + 1) % KEPT;
        // The memory of what was there is used again.
        self.all[at].arrange(headers, unsigned, brings);
        at
    }
}

impl Arranged {
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

    /// Whether it is not worth its memory.
    #[inline]
    fn is_large(&self) -> bool {
        self.count > INLINE || self.names.len() > LONGEST
    }

    /// Makes it be about these headers.
    fn arrange(&mut self, headers: &Unsorted<'_>, unsigned: &[HeaderName], brings: Brings) {
        self.names.clear();
        self.names
            .reserve(headers.0.iter().map(|(name, _)| name.len() + 1).sum());
        self.count = headers.0.len();
        self.unsigned.clear();
        self.unsigned.extend_from_slice(unsigned);
        self.brings = brings;
        (self.host, self.hosts, self.has_leftovers) = (None, 0, false);

        let mut entries = SmallVec::<[Entry<'_>; INLINE]>::new();
        for (at, (name, _)) in headers.0.iter().enumerate() {
            self.names.push_str(name);
            self.names.push('\n');
            match Role::of(name) {
                Role::Signed if !unsigned.iter().any(|unsigned| unsigned == name) => {
                    entries.push(Entry::new(name, REQUEST + at, false));
                }
                Role::Signed | Role::Unsigned => {}
                Role::Host => {
                    self.hosts += 1;
                    self.host = self.host.or(Some(at));
                }
                Role::Signature => self.has_leftovers = true,
            }
        }
        // A URI has no spaces, and a `Host` header may have any.
        entries.push(Entry::new("host", HOST, self.hosts == 0));
        entries.push(Entry::new("x-amz-date", DATE, true));
        if brings.token {
            // Credentials whose token has a space are refused.
            entries.push(Entry::new("x-amz-security-token", TOKEN, true));
        }
        if brings.hash {
            entries.push(Entry::new("x-amz-content-sha256", HASH, true));
        }
        self.layout.arrange(&mut entries);
    }
}

#[cfg(test)]
mod tests {
    use http::header;

    use super::*;

    /// The list of signed headers, and whether it was remembered.
    fn list(headers: &HeaderMap, unsigned: &[HeaderName], brings: Brings) -> (String, bool) {
        let unsorted = Unsorted::new(headers);
        let recent = RECENT.take();
        let is_about = |arranged: &Arranged| arranged.is_about(&unsorted, unsigned, brings);
        let is_known = recent.all.iter().any(is_about);
        RECENT.set(recent);
        let list = unsorted.arranged(unsigned, brings, |arranged| arranged.layout.list().to_vec());
        (String::from_utf8(list).expect("ASCII"), is_known)
    }

    fn headers(names: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for name in names {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
            headers.append(name, header::HeaderValue::from_static("value"));
        }
        headers
    }

    #[test]
    fn what_is_remembered_is_about_the_same_names_in_the_same_order() {
        let none = Brings::default();
        let first = headers(&["b", "aa", "te"]);
        assert_eq!(
            list(&first, &[], none),
            ("aa;b;host;x-amz-date".into(), false)
        );
        assert_eq!(
            list(&first, &[], none),
            ("aa;b;host;x-amz-date".into(), true)
        );
        // As long, and alike in whatever else may be confused.
        for (names, expected) in [
            (&["aa", "b", "te"], "aa;b;host;x-amz-date"),
            (&["b", "ab", "te"], "ab;b;host;x-amz-date"),
            (&["ba", "a", "te"], "a;ba;host;x-amz-date"),
            (&["b", "aa", "tf"], "aa;b;host;tf;x-amz-date"),
        ] {
            assert_eq!(list(&headers(names), &[], none), (expected.into(), false));
        }
    }

    #[test]
    fn what_is_signed_besides_makes_a_difference() {
        RECENT.take();
        let request = headers(&["accept"]);
        let unsigned = [header::ACCEPT];
        let all = [(false, false), (true, false), (false, true), (true, true)];
        for known in [false, true] {
            for (token, hash) in all {
                let mut expected = "accept;host".to_owned();
                expected += if hash { ";x-amz-content-sha256" } else { "" };
                expected += ";x-amz-date";
                expected += if token { ";x-amz-security-token" } else { "" };
                let brings = Brings { token, hash };
                assert_eq!(list(&request, &[], brings), (expected, known));
            }
        }
        let (list, known) = list(&request, &unsigned, Brings::default());
        assert_eq!((list.as_str(), known), ("host;x-amz-date", false));
    }

    #[test]
    fn little_is_kept() {
        for at in 0..10 {
            list(&headers(&[&format!("x-{at}")]), &[], Brings::default());
        }
        let many: Vec<String> = (0..=INLINE).map(|at| format!("y-{at}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        list(&headers(&many), &[], Brings::default());
        list(
            &headers(&[&"z".repeat(LONGEST + 1)]),
            &[],
            Brings::default(),
        );
        let recent = RECENT.take();
        let names = recent.all.iter().map(|arranged| arranged.names.as_str());
        assert_eq!(names.collect::<Vec<_>>(), ["x-8\n", "x-9\n", "x-7\n"]);
    }
}
