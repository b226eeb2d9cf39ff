//! Layers that follow their configuration file.

mod folders;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;
use std::{fmt, fs, thread};

use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use self::folders::Folders;
use super::LiveSelector;
use crate::config::{Config, read_text};
use crate::error::{AuthError, AuthErrorKind};

/// How long a file must stay the same before it counts as written. Whoever writes it in pieces pauses for less.
const SETTLE: Duration = Duration::from_millis(100);
/// How often it is read again while it does not, before it is taken as it is.
const PATIENCE: u32 = 20;
/// How often the file is looked at although nobody said that it has changed: file systems over a network say nothing, and
/// neither does a link further up.
const RECHECK: Duration = Duration::from_secs(30);
/// The same where nobody can say so at all.
const POLL: Duration = Duration::from_secs(2);

impl LiveSelector {
    /// Replaces the configuration whenever its file changes: one of Amplify's, or this crate's own format as JSON, as
    /// [`Config::from_path`] reads them.
    ///
    /// ```no_run
    /// use tower_client_auth::Config;
    ///
    /// # fn example() -> Result<(), tower_client_auth::AuthError> {
    /// let file = "amplifyconfiguration.json";
    /// let live = Config::from_path(file)?.selector().live();
    /// live.on_replace(|outcome| match outcome {
    ///     Ok(config) => eprintln!("{} APIs", config.apis.len()),
    ///     Err(error) => eprintln!("{error}; going on as before"),
    /// });
    /// let watch = live.watch(file)?; // as long as this is there
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// It reads the file at once, since it may have changed since somebody read it, and then from a thread of its own. A
    /// file that cannot be read or used later on changes nothing: the refusal is in [`status`](LiveSelector::status), goes
    /// to [`on_replace`](LiveSelector::on_replace), and is an event and a number with features `tracing` and `metrics`.
    ///
    /// What the program has changed in its [`Config`] by itself goes with the first reading. Give a selector such things
    /// ([`api_key_for`](crate::AuthSelector::api_key_for)), or change them in [`watch_with`](LiveSelector::watch_with). Of
    /// two files that are watched for one selector, the one that changed last counts.
    ///
    /// # How quickly, and how safely
    ///
    /// What is used is what the file says once it has stayed the same for 100 ms; this waits for that, too. Replace the
    /// file by renaming another to its name, and it is never seen half written. Links are followed, so that files which
    /// Kubernetes mounts are seen to change. Whatever the operating system does not tell, such as changes over a
    /// network, is seen within 30 s; where it tells nothing at all, within some 2 s.
    ///
    /// # Errors
    ///
    /// [`AuthErrorKind::Configuration`] if the file cannot be read or used now; those of
    /// [`replace`](LiveSelector::replace).
    pub fn watch(&self, path: impl Into<PathBuf>) -> Result<ConfigWatch, AuthError> {
        self.start(path.into(), Arc::new(Config::from_text_of), Every::USUAL)
    }

    /// The same for any other format.
    ///
    /// ```no_run
    /// use tower_client_auth::{AuthError, AuthErrorKind};
    ///
    /// # fn example(live: tower_client_auth::LiveSelector) -> Result<(), AuthError> {
    /// let watch = live.watch_with("orders.toml", |text| {
    ///     toml::from_str(text).map_err(|error| {
    ///         // not its `Display`, which quotes the line
    ///         AuthError::new(AuthErrorKind::Configuration, error.message().to_owned())
    ///     })
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// What `parse` says of a file that it cannot read is shown, after the file's name. Parsers like to quote from what
    /// they read, and there may be keys in it: take from their errors what does not. One that panics has refused the file.
    ///
    /// A file in YAML or TOML may be cut off and say something all the same, an endpoint of `https://api.example.co` for
    /// instance: such files should always be renamed into their place.
    ///
    /// # Errors
    ///
    /// Those of [`watch`](LiveSelector::watch).
    pub fn watch_with<F>(
        &self,
        path: impl Into<PathBuf>,
        parse: F,
    ) -> Result<ConfigWatch, AuthError>
    where
        F: Fn(&str) -> Result<Config, AuthError> + Send + Sync + 'static,
    {
        let parse = move |text: &str, path: &Path| {
            parse(text).map_err(|error| {
                AuthError::new(error.kind(), format!("{}: {error}", path.display()))
            })
        };
        self.start(path.into(), Arc::new(parse), Every::USUAL)
    }

    fn start(
        &self,
        path: PathBuf,
        parse: Arc<Parse>,
        every: Every,
    ) -> Result<ConfigWatch, AuthError> {
        // Whoever changes the folder we are in does not mean another file.
        let path = std::path::absolute(&path).unwrap_or(path);
        let (wake, woken) = sync_channel(1);
        let stopped = Arc::new(AtomicBool::new(false));
        let mut watcher = Watcher {
            live: self.clone(),
            folders: Folders::new(&path, wake.clone()),
            path,
            parse,
            seen: None,
            every,
            stopped: Arc::clone(&stopped),
        };
        // After it is watched, so that no change falls in between.
        watcher.look()?;
        let watch = ConfigWatch {
            live: self.clone(),
            stopped,
            wake,
        };
        thread::Builder::new()
            .name("config-watch".to_owned())
            .spawn(move || watcher.run(&woken))
            .map_err(|error| {
                let message = "no thread could be started that watches the configuration file";
                AuthError::new(AuthErrorKind::Configuration, message).with_source(error)
            })?;
        Ok(watch)
    }
}

/// Watches a configuration file for as long as it is there: made by [`LiveSelector::watch`]. Once it is dropped, the file
/// replaces nothing any more.
#[must_use = "the file is watched for as long as this is there"]
pub struct ConfigWatch {
    live: LiveSelector,
    stopped: Arc<AtomicBool>,
    wake: SyncSender<()>,
}

impl ConfigWatch {
    /// Watches until the program ends.
    pub fn detach(self) {
        std::mem::forget(self);
    }
}

impl Drop for ConfigWatch {
    fn drop(&mut self) {
        self.live.slots.stop(&self.stopped);
        // If it is full, the thread wakes anyway.
        let _ = self.wake.try_send(());
    }
}

type Parse = dyn Fn(&str, &Path) -> Result<Config, AuthError> + Send + Sync;

/// How often a file is looked at unasked, where changes are told and where they are not.
#[derive(Clone, Copy)]
struct Every {
    told: Duration,
    untold: Duration,
}

impl Every {
    const USUAL: Self = Self {
        told: RECHECK,
        untold: POLL,
    };
}

/// What a file was like when it was last looked at, without what is in it.
#[derive(PartialEq, Eq)]
enum Seen {
    Text([u8; 32]),
    Unreadable(String),
    Changing,
}

type Text = Result<Zeroizing<String>, AuthError>;

impl Seen {
    fn of(text: &Text) -> Self {
        match text {
            Ok(text) => Self::Text(Sha256::digest(text.as_bytes()).into()),
            Err(error) => Self::Unreadable(error.to_string()),
        }
    }
}

struct Watcher {
    live: LiveSelector,
    path: PathBuf,
    parse: Arc<Parse>,
    folders: Folders,
    seen: Option<Seen>,
    every: Every,
    stopped: Arc<AtomicBool>,
}

impl Watcher {
    fn run(mut self, woken: &Receiver<()>) {
        loop {
            let every = match self.folders.tell() {
                true => self.every.told,
                false => self.every.untold,
            };
            // Woken or not, it looks. Whoever is gone has said so.
            let _ = woken.recv_timeout(every);
            if self.stopped.load(Ordering::Relaxed) {
                return;
            }
            // Folders come and go with what links point to.
            self.folders.follow(&self.path);
            // Told to everybody who wants to know; the next change may be better.
            let _ = self.look();
        }
    }

    /// Replaces the configuration by what is in the file, if that is new.
    fn look(&mut self) -> Result<(), AuthError> {
        let (text, seen) = self.settled();
        let seen = Some(seen);
        if seen == self.seen {
            return Ok(());
        }
        self.seen = seen;
        let config = text.and_then(|text| self.parse(&text));
        self.live.slots.replace(config, Some(&self.stopped))
    }

    /// What the file says, once it has stayed the same for a while. If nothing is new, at once.
    fn settled(&self) -> (Text, Seen) {
        let text = self.read();
        let mut seen = Seen::of(&text);
        if self.seen.as_ref() == Some(&seen) {
            return (text, seen);
        }
        for _ in 0..PATIENCE {
            thread::sleep(SETTLE);
            let text = self.read();
            let now = Seen::of(&text);
            if now == seen {
                return (text, now);
            }
            seen = now;
        }
        let error = self
            .error("the file keeps changing: it is read once it has stayed the same for 100 ms");
        (Err(error), Seen::Changing)
    }

    fn read(&self) -> Text {
        // A pipe would be waited for, and what comes out of it is gone then.
        let is_other = fs::metadata(&self.path).is_ok_and(|found| !found.is_file());
        match is_other {
            true => Err(self.error("this is no file, and so there is nothing to watch")),
            false => read_text(&self.path),
        }
    }

    fn parse(&self, text: &str) -> Result<Config, AuthError> {
        let parsed = catch_unwind(AssertUnwindSafe(|| (self.parse)(text, &self.path)));
        parsed.unwrap_or_else(|_| Err(self.error("the parser of the file panicked")))
    }

    fn error(&self, message: &str) -> AuthError {
        let message = format!("{}: {message}", self.path.display());
        AuthError::new(AuthErrorKind::Configuration, message)
    }
}

impl fmt::Debug for ConfigWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConfigWatch").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
