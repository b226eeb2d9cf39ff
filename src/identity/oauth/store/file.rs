//! A store in a file, which several programs may share.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures::future::{Either, select};
use futures::lock::{Mutex, OwnedMutexGuard};
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;
use zeroize::Zeroizing;

use super::super::reply::Text;
use super::{RefreshTokenStore, StoreFuture, StoreLock};
use crate::error::{AuthError, AuthErrorKind, BoxError};
use crate::identity::runtime::{no_runtime, timer};
use crate::secret::Secret;

/// Keeps refresh tokens in a file, for programs whose users stay signed in.
///
/// ```no_run
/// use tower_client_auth::oauth::FileStore;
///
/// let home = std::env::var("HOME")?;
/// let store = FileStore::new(format!("{home}/.config/my-program/sessions.json"));
/// # Ok::<(), std::env::VarError>(())
/// ```
///
/// - **Nobody else can read it**: it is made with mode `0600`, missing folders with `0700`, and a file that
///   others can read is refused. On Windows the folder's permissions are what it gets. The tokens are not
///   encrypted: whoever is the user, or root, has them. Where that is too little, use a keyring of the
///   platform's, by a [`RefreshTokenStore`] of your own.
/// - **It is replaced in one step**, and written to the disk before: a crash leaves the old file or the new one,
///   and maybe one with a name of its own beside it. A symbolic link to a file stays one. Whoever changes it holds
///   a lock on `<file>.write` meanwhile, so that no change of one key undoes that of another.
/// - **Programs may share it**: who refreshes a token holds a lock on `<file>.lock` meanwhile, which the
///   operating system gives back if the program dies. Locks of a network file system are as good as that is.
///   After 70 seconds of waiting for one, there is a transient error. It is one lock for all sessions in the file:
///   this store is for a user's programs, and a server with many users wants a database.
///
/// Keep it in a folder that only its user can write to: others could put files of theirs in its place.
///
/// The file is JSON, `{"version":1,"tokens":{"<provider> <client> <account>":"<refresh token>"}}`. Files are read and
/// written on tokio's blocking threads.
#[derive(Clone)]
pub struct FileStore {
    path: Arc<Path>,
    /// So that tasks of one program do not poll for one lock beside each other.
    refreshing: Arc<Mutex<()>>,
}

/// Tokens are a few KiB each. A path that names something else is not read into memory whole.
const MAX_LENGTH: u64 = 1024 * 1024;

const VERSION: u32 = 1;

/// Longer than what a refresh waits for its answer, and it holds the lock meanwhile.
const LOCK_PATIENCE: Duration = Duration::from_secs(70);

/// Slow disks take seconds.
const WRITE_PATIENCE: Duration = Duration::from_secs(10);

/// Locks cannot be waited for without a thread that may wait for ever.
const LOCK_INTERVAL: Duration = Duration::from_millis(25);

impl FileStore {
    /// A store in the file at `path`, which need not exist yet, nor its folder.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into().into(),
            refreshing: Arc::default(),
        }
    }

    async fn with<T, F>(&self, work: F) -> Result<T, BoxError>
    where
        F: FnOnce(&Path) -> Result<T, AuthError> + Send + 'static,
        T: Send + 'static,
    {
        let path = Arc::clone(&self.path);
        let runtime = Handle::try_current().map_err(|_| no_runtime())?;
        match runtime.spawn_blocking(move || work(&path)).await {
            Ok(answer) => answer.map_err(BoxError::from),
            Err(_) => Err("the tokio runtime stopped while a token file was used".into()),
        }
    }

    async fn hold(&self) -> Result<(OwnedMutexGuard<()>, File), BoxError> {
        let held = async {
            let task = Arc::clone(&self.refreshing).lock_owned().await;
            loop {
                if let Some(file) = self.with(try_lock).await? {
                    return Ok((task, file));
                }
                timer(LOCK_INTERVAL)?.await;
            }
        };
        match select(std::pin::pin!(held), timer(LOCK_PATIENCE)?).await {
            Either::Left((held, _)) => held,
            Either::Right(_) => {
                let path = self.path.display();
                Err(AuthError::passing(format!(
                    "somebody else holds the lock of the token file {path}, and does not let go of it"
                ))
                .into())
            }
        }
    }
}

impl RefreshTokenStore for FileStore {
    fn load<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Option<Secret>> {
        let key = key.to_owned();
        Box::pin(self.with(move |path| Ok(read(path)?.remove(&key).map(|text| text.0))))
    }

    fn save<'a>(&'a self, key: &'a str, token: &'a Secret) -> StoreFuture<'a, ()> {
        let (key, token) = (key.to_owned(), Text(token.clone()));
        Box::pin(self.with(move |path| {
            let _alone = lock_to_write(path)?;
            let mut tokens = read(path)?;
            tokens.insert(key, token);
            write(path, &tokens)
        }))
    }

    fn clear<'a>(&'a self, key: &'a str) -> StoreFuture<'a, ()> {
        let key = key.to_owned();
        Box::pin(self.with(move |path| {
            let _alone = lock_to_write(path)?;
            let mut tokens = read(path)?;
            match tokens.remove(&key) {
                Some(_) => write(path, &tokens),
                None => Ok(()),
            }
        }))
    }

    /// One lock for all keys, since they share a file.
    fn lock<'a>(&'a self, _key: &'a str) -> StoreFuture<'a, StoreLock> {
        // The file's lock is let go of before the next task looks for it.
        Box::pin(async move { Ok(StoreLock::new(Guard(Some(self.hold().await?)))) })
    }
}

struct Guard(Option<(OwnedMutexGuard<()>, File)>);

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some((task, file)) = self.0.take() {
            drop(file);
            drop(task);
        }
    }
}

impl fmt::Debug for FileStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileStore")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

type TokensByKey = BTreeMap<String, Text>;

#[derive(Deserialize)]
struct Content {
    version: u32,
    tokens: TokensByKey,
}

fn read(path: &Path) -> Result<TokensByKey, AuthError> {
    let unusable = |problem: &str| {
        let path = path.display();
        AuthError::new(
            AuthErrorKind::Configuration,
            format!("the token file {path} cannot be used: {problem}"),
        )
    };
    // Before it is opened: a pipe would wait there for somebody who writes.
    let opened = fs::metadata(path).and_then(|about| match about.is_file() {
        true => File::open(path).map(Some),
        false => Ok(None),
    });
    let file = match opened {
        Ok(Some(file)) => file,
        Ok(None) => return Err(unusable("it is not a regular file")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(TokensByKey::new()),
        Err(error) => return Err(failed(path, error)),
    };
    let about = file.metadata().map_err(|error| failed(path, error))?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;

        if about.permissions().mode() & 0o077 != 0 {
            return Err(unusable(
                "other users may read or write it: have a look whether somebody did, then `chmod 600` it",
            ));
        }
    }
    let room = usize::try_from(about.len().min(MAX_LENGTH)).unwrap_or_default();
    let mut bytes = Zeroizing::new(Vec::with_capacity(room + 1));
    file.take(MAX_LENGTH + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| failed(path, error))?;
    if bytes.len() as u64 > MAX_LENGTH {
        return Err(unusable("it is longer than 1 MiB"));
    }
    if bytes.trim_ascii().is_empty() {
        return Ok(TokensByKey::new());
    }
    // Without the source, which may repeat what was there.
    let content: Content = serde_json::from_slice(&bytes).map_err(|_| {
        unusable("it is none that this crate wrote. It is left as it is: move it away if it is not needed")
    })?;
    if content.version != VERSION {
        return Err(unusable("it was written by a later version of this crate"));
    }
    Ok(content.tokens)
}

fn write(path: &Path, tokens: &TokensByKey) -> Result<(), AuthError> {
    replace(path, tokens).map_err(|error| failed(path, error))
}

fn replace(path: &Path, tokens: &TokensByKey) -> io::Result<()> {
    #[derive(Serialize)]
    struct Written<'a> {
        version: u32,
        tokens: BTreeMap<&'a str, &'a str>,
    }
    let content = Written {
        version: VERSION,
        tokens: tokens
            .iter()
            .map(|(key, text)| (key.as_str(), text.0.expose()))
            .collect(),
    };
    // The longest escape has six characters. A buffer that grows would leave copies behind.
    let room = tokens
        .iter()
        .map(|(key, text)| 6 * (key.len() + text.0.expose().len()) + 8);
    let mut bytes = Zeroizing::new(Vec::with_capacity(64 + room.sum::<usize>()));
    serde_json::to_writer(&mut *bytes, &content)?;
    bytes.push(b'\n');
    if bytes.len() as u64 > MAX_LENGTH {
        // Nobody could read it again.
        let problem = "it would be longer than 1 MiB: there are too many sessions in it";
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, problem));
    }

    let path = resolve(path)?;
    let folder = folder_of(&path);
    // On the same file system, or it could not be renamed; with mode 0600.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(&bytes)?;
    file.as_file().sync_all()?;
    file.persist(&path).map_err(|error| error.error)?;
    // The name too has to survive a crash. Not all systems can open a folder.
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
    Ok(())
}

/// `None` while somebody else holds it.
fn try_lock(path: &Path) -> Result<Option<File>, AuthError> {
    let lock = || -> io::Result<Option<File>> {
        let file = open_lock(path, ".lock")?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    };
    lock().map_err(|error| failed(path, error))
}

/// Keeps others from writing the file between reading it and writing it, whichever key they change: the other lock
/// is for whoever refreshes a token, and not everybody who saves does. It is held for milliseconds, unless a program
/// was stopped meanwhile.
fn lock_to_write(path: &Path) -> Result<File, AuthError> {
    let lock = || -> io::Result<File> {
        let file = open_lock(path, ".write")?;
        let mut pauses = 0..WRITE_PATIENCE.as_millis() / LOCK_INTERVAL.as_millis();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) if pauses.next().is_some() => {
                    // On a thread for that.
                    std::thread::sleep(LOCK_INTERVAL);
                }
                Err(TryLockError::WouldBlock) => {
                    let problem = "another program is writing it, and does not come to an end";
                    return Err(io::Error::new(io::ErrorKind::WouldBlock, problem));
                }
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
    };
    lock().map_err(|error| failed(path, error))
}

fn open_lock(path: &Path, suffix: &str) -> io::Result<File> {
    let path = resolve(path)?;
    let mut name = path.into_os_string();
    name.push(suffix);
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    // Nobody's link, and no pipe, that was put there.
    match fs::symlink_metadata(&name) {
        Ok(about) if !about.is_file() => {
            let problem = "its lock is not a regular file";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
        }
        _ => {}
    }
    options.open(name)
}

/// Where the file really is, behind symbolic links, in a folder that exists.
fn resolve(path: &Path) -> io::Result<PathBuf> {
    match fs::canonicalize(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut builder = fs::DirBuilder::new();
            builder.recursive(true);
            #[cfg(unix)]
            {
                use std::os::unix::fs::DirBuilderExt as _;
                builder.mode(0o700);
            }
            builder.create(folder_of(path))?;
            Ok(path.to_owned())
        }
        resolved => resolved,
    }
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// A full disk, a missing permission: nobody is signed out by that.
fn failed(path: &Path, error: io::Error) -> AuthError {
    let path = path.display();
    AuthError::passing(format!("the token file {path} cannot be used: {error}"))
}
