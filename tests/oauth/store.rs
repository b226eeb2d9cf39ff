//! The file that refresh tokens are in.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tower_client_auth::oauth::{FileStore, RefreshTokenStore};
use tower_client_auth::{AuthError, AuthErrorKind, BoxError, Secret};

/// A new folder under the target directory.
pub(super) fn folder(name: &str) -> PathBuf {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("store-{name}-{}-{number}", std::process::id());
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a folder");
    folder
}

fn auth(error: BoxError) -> AuthError {
    *error.downcast().expect("an error of this crate")
}

async fn load(store: &FileStore, key: &str) -> Option<String> {
    let found = store.load(key).await.expect("a store");
    found.map(|token| token.expose().to_owned())
}

#[tokio::test]
async fn what_was_saved_is_there_and_nobody_else_can_read_it() {
    let folder = folder("saved");
    let path = folder.join("a/b/sessions.json");
    let store = FileStore::new(&path);
    assert_eq!(load(&store, "one").await, None);
    store.clear("one").await.expect("nothing to clear");
    assert!(!path.exists());
    let odd = "line\nbreak \"quote\" \\ ü \u{1f511}";
    store.save("one", &Secret::new(odd)).await.expect("saved");
    store
        .save("two", &Secret::new("second"))
        .await
        .expect("saved");
    let other = FileStore::new(&path);
    assert_eq!(load(&other, "one").await.as_deref(), Some(odd));
    other
        .save("one", &Secret::new("third"))
        .await
        .expect("saved");
    assert_eq!(load(&store, "one").await.as_deref(), Some("third"));
    store.clear("one").await.expect("cleared");
    assert_eq!(load(&store, "one").await, None);
    assert_eq!(load(&store, "two").await.as_deref(), Some("second"));
    let text = fs::read_to_string(&path).expect("a file");
    assert_eq!(text, "{\"version\":1,\"tokens\":{\"two\":\"second\"}}\n");
    assert!(!format!("{store:?}").contains("second"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(&folder.join("a")), 0o700);
        assert_eq!(mode(&folder.join("a/b")), 0o700);
        drop(store.lock("one").await.expect("the lock"));
        assert_eq!(mode(&folder.join("a/b/sessions.json.lock")), 0o600);
    }
    // Nothing is left behind but the file and its two locks.
    assert!(fs::read_dir(folder.join("a/b")).expect("a folder").count() <= 3);
}

#[tokio::test]
async fn files_that_cannot_be_trusted_are_left_as_they_are() {
    for (content, word) in [
        ("c4nary", "wrote"),
        ("{\"version\":1}", "wrote"),
        ("{\"version\":1,\"tokens\":{\"a\":7}}", "wrote"),
        ("{\"version\":1,\"tokens\":{\"a\":\"c4nary\"", "wrote"),
        (
            "{\"version\":2,\"tokens\":{\"a\":\"c4nary\"}}",
            "later version",
        ),
    ] {
        let path = folder("bad").join("sessions.json");
        fs::write(&path, content).expect("written");
        restrict(&path, 0o600);
        let store = FileStore::new(&path);
        let saved = store.save("a", &Secret::new("new")).await;
        for error in [
            store.load("a").await.map(drop),
            saved,
            store.clear("a").await,
        ] {
            let error = auth(error.expect_err(content));
            assert_eq!(error.kind(), AuthErrorKind::Configuration);
            assert!(error.to_string().contains(word), "{error}");
            assert!(
                !format!("{error} {error:?}").contains("c4nary"),
                "{error:?}"
            );
        }
        assert_eq!(fs::read_to_string(&path).expect("a file"), content);
    }
    // What `mktemp` makes is as good as nothing.
    let path = folder("empty").join("sessions.json");
    fs::write(&path, "\n").expect("written");
    restrict(&path, 0o600);
    let store = FileStore::new(&path);
    assert_eq!(load(&store, "a").await, None);
    store.save("a", &Secret::new("b")).await.expect("saved");
}

#[cfg(unix)]
fn restrict(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("permissions");
}

#[cfg(not(unix))]
fn restrict(_: &Path, _: u32) {}

#[cfg(unix)]
#[tokio::test]
async fn a_file_that_others_can_read_is_refused() {
    let path = folder("open").join("sessions.json");
    let store = FileStore::new(&path);
    store.save("a", &Secret::new("b")).await.expect("saved");
    for mode in [0o644, 0o640, 0o602, 0o666] {
        restrict(&path, mode);
        let error = auth(store.load("a").await.expect_err("others can read it"));
        assert!(error.to_string().contains("chmod 600"), "{error}");
        store
            .save("a", &Secret::new("c"))
            .await
            .expect_err("refused");
    }
    restrict(&path, 0o400);
    assert_eq!(load(&store, "a").await.as_deref(), Some("b"));
    // A folder, and a file that cannot be written.
    let error = auth(
        FileStore::new(path.parent().expect("a folder"))
            .load("a")
            .await
            .expect_err("a folder"),
    );
    assert!(error.to_string().contains("regular file"), "{error}");
    let missing = FileStore::new("/proc/none/sessions.json");
    let error = auth(
        missing
            .save("a", &Secret::new("b"))
            .await
            .expect_err("no folder"),
    );
    assert!(error.is_transient(), "it may be a full disk: {error}");
}

#[tokio::test]
async fn a_file_never_gets_too_long_to_be_read() {
    let path = folder("full").join("sessions.json");
    let store = FileStore::new(&path);
    let long = |letter: &str| Secret::new(letter.repeat(600 * 1024));
    store.save("a", &long("a")).await.expect("saved");
    let error = auth(store.save("b", &long("b")).await.expect_err("too long"));
    assert!(
        error.is_transient() && error.to_string().contains("1 MiB"),
        "{error}"
    );
    assert_eq!(load(&store, "b").await, None);
    assert_eq!(
        load(&store, "a").await.expect("still there").len(),
        600 * 1024
    );
    store.clear("a").await.expect("cleared");
    store.save("b", &long("b")).await.expect("saved");
}

#[cfg(unix)]
#[tokio::test]
async fn a_pipe_in_its_place_hangs_nobody() {
    let folder = folder("pipe");
    for name in ["sessions.json", "other.json.lock"] {
        let status = std::process::Command::new("mkfifo")
            .arg(folder.join(name))
            .status();
        assert!(status.expect("mkfifo").success());
    }
    let pipe = FileStore::new(folder.join("sessions.json"));
    let locked = FileStore::new(folder.join("other.json"));
    for error in [
        pipe.load("a").await.map(drop).expect_err("a pipe"),
        locked.lock("a").await.map(drop).expect_err("a pipe"),
    ] {
        let error = auth(error);
        assert!(error.to_string().contains("regular file"), "{error}");
    }
}

#[test]
fn outside_a_runtime_it_is_an_error() {
    let store = FileStore::new(folder("runtime").join("sessions.json"));
    let error = auth(futures::executor::block_on(store.load("a")).expect_err("no runtime"));
    assert_eq!(error.kind(), AuthErrorKind::Configuration);
}

#[cfg(unix)]
#[tokio::test]
async fn a_symbolic_link_stays_one() {
    let folder = folder("link");
    let (real, link) = (folder.join("real.json"), folder.join("link.json"));
    FileStore::new(&real)
        .save("a", &Secret::new("b"))
        .await
        .expect("saved");
    std::os::unix::fs::symlink(&real, &link).expect("a link");
    let store = FileStore::new(&link);
    store.save("a", &Secret::new("c")).await.expect("saved");
    assert!(fs::symlink_metadata(&link).expect("a link").is_symlink());
    assert_eq!(
        load(&FileStore::new(&real), "a").await.as_deref(),
        Some("c")
    );
    // Whoever goes through either holds one lock.
    let _lock = store.lock("a").await.expect("the lock");
    let other = FileStore::new(&real);
    let waits = tokio::time::timeout(Duration::from_millis(300), other.lock("a")).await;
    assert!(waits.is_err(), "it is held");
}

#[tokio::test]
async fn a_lock_is_waited_for_and_given_back() {
    let path = folder("lock").join("sessions.json");
    let (one, other) = (FileStore::new(&path), FileStore::new(&path));
    let lock = one.lock("a").await.expect("the lock");
    // The same store, and one of another program.
    for store in [&one, &other] {
        let waits = tokio::time::timeout(Duration::from_millis(200), store.lock("a")).await;
        assert!(waits.is_err(), "it is held");
    }
    let waiting = tokio::spawn(async move { other.lock("a").await.is_ok() });
    tokio::time::sleep(Duration::from_millis(100)).await;
    drop(lock);
    assert!(waiting.await.expect("no panic"));
    drop(one.lock("a").await.expect("the lock"));
}

#[tokio::test(start_paused = true)]
async fn a_lock_that_is_never_given_back_is_an_error_that_names_it() {
    let path = folder("stuck").join("sessions.json");
    let _lock = FileStore::new(&path).lock("a").await.expect("the lock");
    let error = auth(FileStore::new(&path).lock("a").await.expect_err("held"));
    assert!(
        error.is_transient() && error.to_string().contains("sessions.json"),
        "{error}"
    );
}

/// Readers beside a writer see the old file or the new one, and never half of one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_is_replaced_in_one_step() {
    let path = folder("atomic").join("sessions.json");
    let store = FileStore::new(&path);
    let long = |n: usize| Secret::new(format!("{n}-{}", "x".repeat(20_000)));
    store.save("a", &long(0)).await.expect("saved");
    let writer = {
        let store = store.clone();
        tokio::spawn(async move {
            for n in 1..=60 {
                store.save("a", &long(n)).await.expect("saved");
            }
        })
    };
    let mut read = 0;
    while !writer.is_finished() {
        let token = load(&store, "a").await.expect("a token");
        assert_eq!(
            token.len(),
            long(0).expose().len() + usize::from(!token[..2].ends_with('-'))
        );
        read += 1;
    }
    writer.await.expect("no panic");
    assert!(read > 0);
}

/// Programs that share a file change it at any time, key by key.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn changes_of_one_key_do_not_undo_those_of_another() {
    let path = folder("keys").join("sessions.json");
    let tasks = (0..8).map(|task| {
        // Each as if it were a program of its own.
        let store = FileStore::new(&path);
        tokio::spawn(async move {
            let key = format!("key-{task}");
            for round in 0..20 {
                let text = Secret::new(format!("{task}-{round}"));
                store.save(&key, &text).await.expect("saved");
                if round % 5 == 4 {
                    store.clear(&key).await.expect("cleared");
                    assert!(store.load(&key).await.expect("read").is_none());
                    store.save(&key, &text).await.expect("saved");
                }
                let loaded = store.load(&key).await.expect("read").expect("there");
                assert_eq!(loaded.expose(), text.expose());
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.expect("no panic");
    }
}
