//! What the formats have in common once they are read.

use serde::{Deserialize as _, Deserializer};

use super::model::{ApiConfig, AuthConfig};
use crate::mode::AuthorizationMode;

/// What a file was found to say.
#[derive(Default)]
pub(super) struct Parts {
    pub(super) apis: Vec<Entry>,
    pub(super) auth: AuthConfig,
}

/// An API, and the member that it was read from.
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) api: ApiConfig,
    pub(super) path: Vec<String>,
}

/// How a format's objects are read, by the names of the types that stand for them.
pub(super) struct Rules {
    /// Whether unknown members are errors.
    pub(super) strict: bool,
    /// Members that are known, and nothing to this crate.
    pub(super) passed_over: &'static [(&'static str, &'static [&'static str])],
    /// Members whose absence is worth a warning, and what it says.
    pub(super) assumed: &'static [(&'static str, &'static str, &'static str)],
}

impl Rules {
    pub(super) fn passes_over(&self, object: &str, member: &str) -> bool {
        self.passed_over
            .iter()
            .any(|(name, members)| *name == object && members.contains(&member))
    }
}

/// The warning where an API does not say how it is authorized. Amplify's documentation names IAM as
/// the default, and most of its clients refuse such a file.
pub(super) const ASSUMED_IAM: &str =
    "no authorization type is given, so `AWS_IAM` is assumed: write it down";

/// The mode of an API that does not say.
pub(super) fn or_iam(mode: Option<AuthorizationMode>) -> AuthorizationMode {
    mode.unwrap_or(AuthorizationMode::AwsIam)
}

/// Reads a mode that may be left out, but not be `null`: who writes that means something.
pub(super) fn some_mode<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<AuthorizationMode>, D::Error> {
    AuthorizationMode::deserialize(deserializer).map(Some)
}

/// The name of the one GraphQL API that Gen 2 files and aws-exports have, which has none there.
pub(super) const GRAPHQL: &str = "data";

/// The parts of a list that was written as one string with commas.
pub(super) fn split(list: Option<String>) -> Vec<String> {
    let list = list.unwrap_or_default();
    list.split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(str::to_owned)
        .collect()
}
