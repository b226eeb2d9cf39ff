//! Who tells that something has changed near a file.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex};

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};

use crate::lock::lock;
use crate::observe;

/// The folders whose changes can change a file. Folders, because files are replaced by others of their name.
pub(super) struct Folders {
    watcher: Option<RecommendedWatcher>,
    watched: Vec<Folder>,
    names: Names,
    tell: bool,
}

/// The last parts of paths that matter, whatever the operating system calls the rest.
type Names = Arc<Mutex<BTreeSet<OsString>>>;

/// A folder, and which one of that name it is: there may be another by now.
#[derive(PartialEq, Eq)]
struct Folder {
    path: PathBuf,
    identity: Identity,
}

impl Folders {
    pub(super) fn new(file: &Path, wake: SyncSender<()>) -> Self {
        let names = Names::default();
        let known = Arc::clone(&names);
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            if event.map_or(true, |event| matters(&event, &known)) {
                // One that is waiting says the same.
                let _ = wake.try_send(());
            }
        });
        let mut folders = Self {
            watcher: watcher.ok(),
            watched: Vec::new(),
            names,
            tell: true,
        };
        folders.follow(file);
        folders
    }

    /// Whether changes are told at all.
    pub(super) fn tell(&self) -> bool {
        self.tell
    }

    /// Watches the folders of the file and of what it is a link to.
    pub(super) fn follow(&mut self, file: &Path) {
        let links = links(file);
        *lock(&self.names) = names(&links);
        let mut wanted: Vec<Folder> = Vec::new();
        let mut all_there = true;
        for path in links.iter().filter_map(|link| link.parent()) {
            match identity(path) {
                // Two paths to one folder would be one to the operating system.
                Some(identity) if wanted.iter().any(|folder| folder.identity == identity) => {}
                Some(identity) => wanted.push(Folder {
                    path: path.to_owned(),
                    identity,
                }),
                None => all_there = false,
            }
        }
        let tell = all_there & self.watch(wanted);
        if self.tell && !tell {
            observe::not_watching();
        }
        self.tell = tell;
    }

    /// Watches these, and no others. Not again what is watched: some systems would tell twice.
    fn watch(&mut self, wanted: Vec<Folder>) -> bool {
        let Some(watcher) = &mut self.watcher else {
            return false;
        };
        // First, since another of the same name would be unwatched in its place.
        self.watched.retain(|folder| {
            let stays = wanted.contains(folder);
            if !stays {
                let _ = watcher.unwatch(&folder.path);
            }
            stays
        });
        let mut all = true;
        for folder in wanted {
            if self.watched.contains(&folder) {
                continue;
            }
            match watcher.watch(&folder.path, RecursiveMode::NonRecursive) {
                Ok(()) => self.watched.push(folder),
                Err(_) => all = false,
            }
        }
        all
    }
}

/// A file and what it is a link to, and so on.
fn links(file: &Path) -> Vec<PathBuf> {
    /// As many as Linux follows.
    const MOST: usize = 40;
    let mut files = vec![file.to_owned()];
    while let Some(Ok(target)) = files.last().map(std::fs::read_link)
        && files.len() < MOST
    {
        let folder = files.last().and_then(|file| file.parent());
        let next = folder.map_or(target.clone(), |folder| folder.join(&target));
        files.push(next);
    }
    files.extend(file.canonicalize());
    files.sort();
    files.dedup();
    files
}

/// The names of files and of the folders they are in: one of those may be a link that changes.
fn names(links: &[PathBuf]) -> BTreeSet<OsString> {
    let parts = links.iter().flat_map(|link| link.ancestors());
    parts
        .filter_map(|part| part.file_name().map(OsString::from))
        .collect()
}

/// Whether a file may say something else now. To read it, as is done on every change, must not be one.
fn matters(event: &Event, names: &Names) -> bool {
    let is_change = match &event.kind {
        EventKind::Access(kind) => *kind == AccessKind::Close(AccessMode::Write),
        _ => true,
    };
    let names = lock(names);
    let mut paths = event.paths.iter();
    // Without any, something was missed.
    is_change
        && (event.paths.is_empty()
            || paths.any(|path| path.file_name().is_none_or(|name| names.contains(name))))
}

#[cfg(unix)]
type Identity = (u64, u64);

#[cfg(unix)]
fn identity(path: &Path) -> Option<Identity> {
    use std::os::unix::fs::MetadataExt as _;

    let found = std::fs::metadata(path).ok()?;
    Some((found.dev(), found.ino()))
}

#[cfg(not(unix))]
type Identity = (PathBuf, Option<std::time::SystemTime>);

#[cfg(not(unix))]
fn identity(path: &Path) -> Option<Identity> {
    let found = std::fs::metadata(path).ok()?;
    Some((path.canonicalize().ok()?, found.created().ok()))
}

#[cfg(test)]
mod tests {
    use notify::event::{CreateKind, ModifyKind, RenameMode};

    use super::*;

    #[test]
    fn a_change_is_of_the_file_or_of_a_folder_it_is_in() {
        let links = ["/etc/app/config.json", "/etc/app/..data/config.json"];
        let names = Arc::new(Mutex::new(names(&links.map(PathBuf::from))));
        let event = |kind: EventKind, path: &str| Event::new(kind).add_path(path.into());
        let renamed = EventKind::Modify(ModifyKind::Name(RenameMode::To));
        let written = EventKind::Access(AccessKind::Close(AccessMode::Write));
        let read = EventKind::Access(AccessKind::Close(AccessMode::Read));
        let opened = EventKind::Access(AccessKind::Open(AccessMode::Any));
        let file = "/etc/app/config.json";
        for (event, expected) in [
            (event(written, file), true),
            (event(renamed, file), true),
            (event(EventKind::Create(CreateKind::File), file), true),
            (event(EventKind::Any, file), true),
            (event(renamed, "/etc/app/..data"), true),
            // As the operating system may call the same folder.
            (event(renamed, "/private/etc/app/..data"), true),
            (
                event(renamed, "/etc/app/another").add_path(file.into()),
                true,
            ),
            (Event::new(EventKind::Other), true),
            (event(written, "/etc/app/log.txt"), false),
            (event(read, file), false),
            (event(opened, file), false),
        ] {
            assert_eq!(matters(&event, &names), expected, "{event:?}");
        }
    }
}
