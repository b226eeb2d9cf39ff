//! Layers that follow their configuration file.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::LiveSelector;
use crate::config::{Config, read_text};
use crate::error::{AuthError, AuthErrorKind};
use crate::observe;

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
    /// # How quickly, and how safely
    ///
    /// A change counts once the file has stayed the same for 100 ms. Replace the file by renaming another to its name, and
    /// it is never seen half written. Links are followed, so that files which Kubernetes mounts are seen to change.
    /// Whatever the operating system does not tell, such as changes over a network, is seen within 30 s; where it tells
    /// nothing at all, within some 2 s.
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
    /// they read, and there may be keys in it: take from their errors what does not.
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
        let mut watcher = Watcher {
            live: self.clone(),
            files: Files::new(&path, wake.clone()),
            path,
            parse,
            seen: None,
            every,
        };
        // After it is watched, so that no change falls in between.
        watcher.look()?;
        let stopped = Arc::new(AtomicBool::new(false));
        let watch = ConfigWatch {
            stopped: Arc::clone(&stopped),
            wake,
        };
        thread::Builder::new()
            .name("config-watch".to_owned())
            .spawn(move || watcher.run(&woken, &stopped))
            .map_err(|error| {
                let message = "no thread could be started that watches the configuration file";
                AuthError::new(AuthErrorKind::Configuration, message).with_source(error)
            })?;
        Ok(watch)
    }
}

/// Watches a configuration file for as long as it is there: made by [`LiveSelector::watch`].
#[must_use = "the file is watched for as long as this is there"]
pub struct ConfigWatch {
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
        self.stopped.store(true, Ordering::Relaxed);
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
    files: Files,
    seen: Option<Seen>,
    every: Every,
}

impl Watcher {
    fn run(mut self, woken: &Receiver<()>, stopped: &AtomicBool) {
        loop {
            let every = match self.files.are_told {
                true => self.every.told,
                false => self.every.untold,
            };
            // Woken or not, it looks. Whoever is gone has said so.
            let _ = woken.recv_timeout(every);
            if stopped.load(Ordering::Relaxed) {
                return;
            }
            // In a folder where much goes on, too, it is to cost nothing.
            thread::sleep(SETTLE);
            // Folders come and go with what links point to.
            self.files.follow(&self.path);
            if self.seen.as_ref() == Some(&Seen::of(&read_text(&self.path))) {
                continue;
            }
            self.settle();
            if stopped.load(Ordering::Relaxed) {
                return;
            }
            // Told to everybody who wants to know; the next change may be better.
            let _ = self.look();
        }
    }

    /// Waits until the file stays the same.
    fn settle(&self) {
        let mut seen = Seen::of(&read_text(&self.path));
        for _ in 0..PATIENCE {
            thread::sleep(SETTLE);
            let now = Seen::of(&read_text(&self.path));
            if now == seen {
                return;
            }
            seen = now;
        }
    }

    /// Replaces the configuration by what is in the file, if that is new.
    fn look(&mut self) -> Result<(), AuthError> {
        let text = read_text(&self.path);
        let seen = Some(Seen::of(&text));
        if seen == self.seen {
            return Ok(());
        }
        self.seen = seen;
        let config = text.and_then(|text| (self.parse)(&text, &self.path));
        self.live.slots.replace(config)
    }
}

/// Who tells that something has changed near a file.
struct Files {
    watcher: Option<RecommendedWatcher>,
    folders: Vec<PathBuf>,
    are_told: bool,
}

impl Files {
    fn new(path: &Path, wake: SyncSender<()>) -> Self {
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if event.map_or(true, |event| is_change(&event.kind)) {
                // One that is waiting says the same.
                let _ = wake.try_send(());
            }
        });
        let mut files = Self {
            watcher: watcher.inspect_err(|_| observe::not_watching()).ok(),
            folders: Vec::new(),
            are_told: false,
        };
        files.follow(path);
        files
    }

    /// Watches the folders whose changes can change the file. Folders, because files are replaced by others of their
    /// name.
    fn follow(&mut self, path: &Path) {
        let Some(watcher) = &mut self.watcher else {
            return;
        };
        let mut folders = Vec::new();
        for file in links(path) {
            folders.extend(file.parent().map(Path::to_owned));
        }
        for gone in self.folders.iter().filter(|old| !folders.contains(old)) {
            let _ = watcher.unwatch(gone);
        }
        // Also those that are watched: there may be another folder of their name by now.
        self.are_told = !folders.is_empty();
        for folder in &folders {
            let mode = RecursiveMode::NonRecursive;
            self.are_told &= watcher.watch(folder, mode).is_ok();
        }
        self.folders = folders;
    }
}

/// A file and what it is a link to, and so on.
fn links(path: &Path) -> Vec<PathBuf> {
    /// As many as Linux follows.
    const MOST: usize = 40;
    let mut files = vec![path.to_owned()];
    while let Some(Ok(target)) = files.last().map(std::fs::read_link)
        && files.len() < MOST
    {
        let folder = files.last().and_then(|file| file.parent());
        let next = folder.map_or(target.clone(), |folder| folder.join(&target));
        files.push(next);
    }
    files.extend(path.canonicalize());
    files.sort();
    files.dedup();
    files
}

/// Whether a file may say something else now. To read it, as is done on every change, must not be one.
fn is_change(kind: &EventKind) -> bool {
    match kind {
        EventKind::Access(kind) => *kind == AccessKind::Close(AccessMode::Write),
        _ => true,
    }
}

impl fmt::Debug for ConfigWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConfigWatch").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
