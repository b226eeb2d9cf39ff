//! Keys and tokens: never on the command line itself, which other users of a machine can see.

use std::env;
use std::fmt;
use std::path::PathBuf;

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

/// A place as it was typed. It may be the secret itself, by mistake: nobody repeats it.
#[derive(Clone)]
pub(crate) struct Typed(String);

impl Typed {
    /// The place behind an option.
    pub(crate) fn place(&self, option: &str) -> Result<Place, BoxError> {
        match self.0.split_once(':') {
            Some(("env", name)) if !name.is_empty() => Ok(Place::Variable(name.to_owned())),
            Some(("file", path)) if !path.is_empty() => Ok(Place::File(path.into())),
            _ => Err(format!(
                "{option}: type `env:` and the name of a variable, or `file:` and a path"
            )
            .into()),
        }
    }

    /// The same of one upstream: its name, and the place.
    pub(crate) fn named(&self, option: &str) -> Result<(String, Place), BoxError> {
        let (upstream, place) = self.0.split_once('=').ok_or_else(|| {
            format!("{option}: type the upstream's name, `=`, and where its secret is: `env:VARIABLE` or `file:PATH`")
        })?;
        let place = Self(place.to_owned()).place(&format!("{option} {upstream}"))?;
        Ok((upstream.to_owned(), place))
    }
}

impl From<String> for Typed {
    fn from(text: String) -> Self {
        Self(text)
    }
}

/// What callers have to show.
#[derive(Clone)]
pub(crate) struct Key {
    /// Compared in place of the key, so that the time this takes tells nothing of it.
    hash: [u8; 32],
}

impl Key {
    pub(crate) fn new(key: &Secret) -> Self {
        Self {
            hash: Sha256::digest(key.expose()).into(),
        }
    }

    pub(crate) fn is(&self, given: &[u8]) -> bool {
        Sha256::digest(given).as_slice() == self.hash
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").finish_non_exhaustive()
    }
}

impl fmt::Debug for Typed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Typed").finish_non_exhaustive()
    }
}
