//! Which API a URL belongs to: the one of its origin whose path is the longest that it begins with.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use http::Uri;
use http::uri::Scheme;

use crate::config::{Endpoint, has_dot_segment};
use crate::error::{AuthError, AuthErrorKind};
use crate::origin::{Origin, Target};
use crate::suggest;
use crate::words::has;

/// The endpoints of several APIs, ready to be searched: by origin, and then by path.
#[derive(Clone, Debug, Default)]
pub(super) struct Routes {
    /// Sorted by spelling, so that the usual request, which spells its origin as the configuration
    /// does, is found without taking the origin apart.
    trees: Vec<Tree>,
}

/// The APIs of an origin.
#[derive(Clone, Debug)]
struct Tree {
    origin: Origin,
    /// By their paths, which have no slash at the end.
    apis: HashMap<Box<str>, usize>,
    /// How long these paths are: nothing else need be looked for.
    lengths: RangeInclusive<usize>,
}

impl Routes {
    /// # Errors
    ///
    /// If two of the endpoints are one and the same: no URL tells them apart.
    pub(super) fn new<'a>(
        endpoints: impl IntoIterator<Item = (&'a str, &'a Endpoint)>,
    ) -> Result<Self, AuthError> {
        let mut routes = Self::default();
        let mut names = Vec::new();
        for (api, (name, endpoint)) in endpoints.into_iter().enumerate() {
            names.push(name);
            let tree = routes.tree(endpoint.uri())?;
            if let Some(other) = tree.add(endpoint.path(), api) {
                let two = [names[other], name];
                return Err(AuthError::new(
                    AuthErrorKind::Configuration,
                    format!(
                        "{} have the same endpoint, so a URL does not tell them apart: leave one out \
                         with `layer_for`, or build a layer for each",
                        suggest::list(two)
                    ),
                ));
            }
        }
        let spelling =
            |tree: &Tree, other: &Tree| tree.origin.spelling().cmp(&other.origin.spelling());
        routes.trees.sort_by(spelling);
        Ok(routes)
    }

    /// The tree of a URI's origin, planted if there is none.
    fn tree(&mut self, uri: &Uri) -> Result<&mut Tree, AuthError> {
        let origin = Origin::of(uri)?;
        let target = Target::of(uri)?;
        let known = self
            .trees
            .iter()
            .position(|tree| target.is_some_and(|target| tree.origin.matches(&target)));
        let at = known.unwrap_or(self.trees.len());
        if known.is_none() {
            self.trees.push(Tree {
                origin,
                apis: HashMap::new(),
                lengths: RangeInclusive::new(usize::MAX, 0),
            });
        }
        Ok(&mut self.trees[at])
    }

    /// The index of the API that a URL belongs to, if it belongs to any.
    ///
    /// # Errors
    ///
    /// [`AuthErrorKind::Request`] for a URL whose origin or path cannot be told.
    pub(super) fn find(&self, uri: &Uri) -> Result<Option<usize>, AuthError> {
        let path = uri.path();
        let api = match self.find_tree(uri)? {
            Some(tree) => tree.find(path),
            None => self.find_encrypted(uri)?,
        };
        match api {
            None => Ok(None),
            Some(api) => check_path(path).map(|()| Some(api)),
        }
    }

    /// What a URL over plain http would belong to if it were encrypted: that the scheme is wrong is
    /// for the API's own checks to say, as it is where there is no other API.
    fn find_encrypted(&self, uri: &Uri) -> Result<Option<usize>, AuthError> {
        let Some(target) = Target::of(uri)?.filter(|target| !target.https) else {
            return Ok(None);
        };
        let mut hosts = self
            .trees
            .iter()
            .filter(|tree| tree.origin.matches_host(&target));
        Ok(hosts.find_map(|tree| tree.find(uri.path())))
    }

    fn find_tree(&self, uri: &Uri) -> Result<Option<&Tree>, AuthError> {
        if let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority())
            && (*scheme == Scheme::HTTPS || *scheme == Scheme::HTTP)
        {
            let spelling = (*scheme == Scheme::HTTPS, authority.as_str());
            let found = self
                .trees
                .binary_search_by(|tree| tree.origin.spelling().cmp(&spelling));
            if let Ok(at) = found {
                return Ok(Some(&self.trees[at]));
            }
        }
        let Some(target) = Target::of(uri)? else {
            return Ok(None);
        };
        Ok(self.trees.iter().find(|tree| tree.origin.matches(&target)))
    }
}

impl Tree {
    /// Adds an API. Returns the one that has the path already.
    fn add(&mut self, path: &str, api: usize) -> Option<usize> {
        let (shortest, longest) = (*self.lengths.start(), *self.lengths.end());
        self.lengths = shortest.min(path.len())..=longest.max(path.len());
        self.apis.insert(path.into(), api)
    }

    /// The API with the longest path that `path` is, or begins with at a slash.
    fn find(&self, path: &str) -> Option<usize> {
        let bytes = path.as_bytes();
        self.lengths
            .clone()
            .rev()
            .filter(|end| matches!(bytes.get(*end), Some(b'/')) || *end == bytes.len())
            .find_map(|end| self.apis.get(path.get(..end)?).copied())
    }
}

/// Whether a path is `above`, or begins with it at a slash.
#[inline]
pub(super) fn lies_below(path: &str, above: &str) -> bool {
    // Bytes, which need not be looked at for where a character begins.
    let (path, above) = (path.as_bytes(), above.as_bytes());
    path.starts_with(above) && matches!(path.get(above.len()), None | Some(b'/'))
}

/// Refuses a path with `.` or `..` in it: servers and clients resolve them, each at its own time, and
/// then it may be another API's.
#[inline]
pub(super) fn check_path(path: &str) -> Result<(), AuthError> {
    // Most paths have none of these.
    match has(path.as_bytes(), ODD) {
        true => check_segments(path),
        false => Ok(()),
    }
}

/// What a segment that means another place has in it, in one way or another. A slash that is
/// encoded, too, begins with a percent sign.
const ODD: [u8; 3] = *b".%\\";

#[cold]
fn check_segments(path: &str) -> Result<(), AuthError> {
    if has_dot_segment(path) {
        return Err(AuthError::new(
            AuthErrorKind::Request,
            "the request's path has a `.` or `..` in it, so it cannot be told which API it belongs to: \
             resolve it first",
        ));
    }
    Ok(())
}
