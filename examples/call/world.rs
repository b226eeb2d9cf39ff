//! Where calls go, and where sessions are kept: the network and a file, or the stand-in and memory.

use std::env;
use std::path::PathBuf;

use tower_client_auth::cognito::Session;
use tower_client_auth::oauth::{FileStore, MemoryStore, OAuthClient, RefreshToken};
use tower_client_auth::{Config, Transport};

use crate::args::Arguments;
use crate::binding;
use crate::client::{self, Connector};
use crate::demo;
use crate::exit::Failure;
use crate::files::File;
use crate::output;

pub(crate) struct World {
    pub(crate) connector: Connector,
    /// For whoever signs users in: not the client that the layers are on.
    pub(crate) transport: Transport,
    /// `None` is memory.
    store: Option<PathBuf>,
    /// Whose sessions they are: this file's, or one's that names the same places.
    account: String,
    /// Whether a file says who gives credentials out, and not the command line.
    pub(crate) has_file: bool,
    pub(crate) is_demo: bool,
}

impl World {
    /// The world, and the configuration file; none if the command line says it all.
    pub(crate) async fn new(args: &Arguments) -> Result<(Self, Option<File>), Failure> {
        let (connector, file) = match args.api.demo {
            true => {
                let (address, file) = demo::start().await?;
                if !args.output.silent {
                    demo::announce(address);
                }
                (Connector::stand_in(address), Some(file))
            }
            false => {
                let file = match args.api.region {
                    Some(_) => None,
                    None => Some(File::read(args.api.config.as_deref())?),
                };
                (Connector::network()?, file)
            }
        };
        if let Some(file) = &file
            && file.is_found
            && !args.output.silent
        {
            let name = output::printable(&file.name);
            output::remark(format_args!(
                "configuration: {name}, which is in this folder"
            ));
        }
        let world = Self {
            account: file
                .as_ref()
                .map_or_else(String::new, |file| binding::fingerprint(&file.config)),
            has_file: file.is_some(),
            transport: Transport::new(client::build(&connector)),
            connector,
            store: match args.api.demo {
                true => None,
                false => args.credential.store.clone().or_else(default_store),
            },
            is_demo: args.api.demo,
        };
        Ok((world, file))
    }

    /// Who uses the program. A guest is nobody who is signed in, and leaves nothing behind.
    pub(crate) fn session(&self, config: &Config, guest: bool) -> Result<Session, Failure> {
        let session = config.session(self.transport.clone())?;
        let session = session.account(&self.account);
        Ok(match &self.store {
            Some(path) if !guest => session.store(FileStore::new(path)),
            _ => session,
        })
    }

    pub(crate) fn refresh_token(&self, client: &OAuthClient) -> RefreshToken {
        let session = match &self.store {
            Some(path) => client.refresh_token(FileStore::new(path)),
            None => client.refresh_token(MemoryStore::new()),
        };
        session.account(&self.account)
    }

    /// Whether who signs in is signed in the next time as well.
    pub(crate) fn remembers(&self) -> bool {
        self.store.is_some()
    }
}

/// Where programs keep what is a user's own: the XDG Base Directory Specification.
fn default_store() -> Option<PathBuf> {
    let folder = |name: &str| {
        let path = env::var_os(name).map(PathBuf::from);
        path.filter(|path| path.is_absolute())
    };
    let config = folder("XDG_CONFIG_HOME").or_else(|| Some(folder("HOME")?.join(".config")))?;
    Some(config.join("tower-client-auth/sessions.json"))
}
