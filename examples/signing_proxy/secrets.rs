//! Keys and tokens: never on the command line itself, which other users of a machine can see.

use std::env;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use sha2::{Digest, Sha256};
use tower_client_auth::{BoxError, Secret};
use zeroize::Zeroizing;

/// Where a secret is.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    Variable(String),
    File(PathBuf),
}

impl Place {
    /// What is there now, without white space around it.
    pub(crate) fn read(&self) -> Result<Secret, BoxError> {
        let text = match self {
            Self::Variable(name) => {
                env::var(name).map_err(|_| "the environment variable is not set".to_owned())
            }
            Self::File(path) => std::fs::read_to_string(path)
                .map_err(|error| format!("{}: {error}", path.display())),
        };
        let text = Zeroizing::new(text?);
        match text.trim() {
            "" => Err("there is nothing in it".into()),
            text => Ok(Secret::new(text)),
        }
    }
}

impl FromStr for Place {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            Some(("env", name)) if !name.is_empty() => Ok(Self::Variable(name.to_owned())),
            Some(("file", path)) if !path.is_empty() => Ok(Self::File(path.into())),
            // What was typed may be the secret itself: it is not repeated.
            _ => Err("type `env:` and the name of a variable, or `file:` and a path"),
        }
    }
}

/// A secret of one upstream.
#[derive(Clone, Debug)]
pub(crate) struct NamedSecret {
    pub(crate) upstream: String,
    pub(crate) place: Place,
}

impl FromStr for NamedSecret {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (upstream, place) = text
            .split_once('=')
            .ok_or("type the upstream's name, `=`, and where its secret is")?;
        Ok(Self {
            upstream: upstream.to_owned(),
            place: place.parse()?,
        })
    }
}

/// What callers have to show.
#[derive(Clone)]
pub(crate) struct Key {
    /// Compared in place of the key, so that the time this takes tells nothing of it.
    hash: [u8; 32],
}

impl Key {
    pub(crate) fn is(&self, given: &[u8]) -> bool {
        Sha256::digest(given).as_slice() == self.hash
    }
}

impl FromStr for Key {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let key = text
            .parse::<Place>()?
            .read()
            .map_err(|error| error.to_string())?;
        Ok(Self {
            hash: Sha256::digest(key.expose()).into(),
        })
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").finish_non_exhaustive()
    }
}
