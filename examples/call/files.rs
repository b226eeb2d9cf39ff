//! The configuration file: the one that is named, or the one that is there.

use std::path::{Path, PathBuf};

use tower_client_auth::Config;

use crate::exit::Failure;

/// Where Amplify's tools, and people, put theirs.
const USUAL: [&str; 10] = [
    "tower-client-auth.json",
    "amplify_outputs.json",
    "amplifyconfiguration.json",
    "src/amplify_outputs.json",
    "src/amplifyconfiguration.json",
    "src/aws-exports.js",
    "aws-exports.js",
    "lib/amplify_outputs.dart",
    "lib/amplifyconfiguration.dart",
    "app/src/main/res/raw/amplifyconfiguration.json",
];

/// A configuration, and what to call it.
pub(crate) struct File {
    pub(crate) config: Config,
    pub(crate) name: String,
    /// Whether nobody named it.
    pub(crate) is_found: bool,
}

impl File {
    pub(crate) fn read(named: Option<&Path>) -> Result<Self, Failure> {
        let path = match named {
            Some(path) => path.to_owned(),
            None => find()?,
        };
        Ok(Self {
            config: Config::from_path(&path)?,
            name: path.display().to_string(),
            is_found: named.is_none(),
        })
    }
}

fn find() -> Result<PathBuf, Failure> {
    let there = USUAL.iter().map(PathBuf::from);
    let there: Vec<_> = there.filter(|path| path.is_file()).collect();
    match &there[..] {
        [only] => Ok(only.clone()),
        [] => Err(Failure::usage(
            "there is no configuration file in this folder: type `--config amplifyconfiguration.json`, \
             with the path of yours\n\
             to see how it works without one: `--demo --api orders GET /items`\n\
             for a URL that wants a signature: `--region eu-west-1 --service execute-api https://…`",
        )),
        several => {
            let names: Vec<_> = several
                .iter()
                .map(|path| path.display().to_string())
                .collect();
            Err(Failure::usage(format!(
                "there are several configuration files in this folder: type one of\n--config {}",
                names.join("\n--config ")
            )))
        }
    }
}
