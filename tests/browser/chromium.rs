//! Chromium without a window, and without a driver: the page does all by itself.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::future::Future;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::servers::{self, Supervised};

const NAMED: &str = "TOWER_CLIENT_AUTH_CHROMIUM";
const NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// The browser to test with; if there is none, or none is wanted, it says so.
pub(crate) fn program(test: &str) -> Option<PathBuf> {
    if servers::skipped(test) {
        return None;
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let found = find(env::var_os(NAMED), &path);
    if found.is_none() {
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED {test}: there is no {} on PATH: install one (on Debian: `apt-get install \
             chromium`), or name one with {NAMED}",
            NAMES.join(", "),
        );
    }
    found
}

/// One that is named is taken at its word, and then has to work.
fn find(named: Option<OsString>, path: &OsStr) -> Option<PathBuf> {
    let on_path = || {
        let mut programs =
            env::split_paths(path).flat_map(|folder| NAMES.map(|name| folder.join(name)));
        programs.find(|program| program.is_file())
    };
    named.map(PathBuf::from).or_else(on_path)
}

/// A browser with a profile of its own, both of which are gone when this is dropped.
pub(crate) struct Browser {
    process: Option<Supervised>,
    profile: PathBuf,
    log: PathBuf,
}

impl Browser {
    pub(crate) fn open(program: &Path, url: &str) -> Self {
        static OPENED: AtomicUsize = AtomicUsize::new(0);
        let name = format!(
            "browser-{}-{}",
            std::process::id(),
            OPENED.fetch_add(1, Ordering::Relaxed)
        );
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let (profile, log) = (folder.join(&name), folder.join(format!("{name}.log")));
        fs::create_dir_all(&profile).expect("a folder under target");
        let mut profile_flag = OsString::from("--user-data-dir=");
        profile_flag.push(&profile);
        let mut command = Command::new(program);
        command
            .args(FLAGS)
            .arg(profile_flag)
            .arg(url)
            // Else it leaves caches and settings in the user's own folders.
            .env("XDG_CACHE_HOME", &profile)
            .env("XDG_CONFIG_HOME", &profile);
        Self {
            process: Some(Supervised::start(&command, &log)),
            profile,
            log,
        }
    }

    /// What comes of `work`, or an error if the browser ends before.
    pub(crate) async fn until<T>(&mut self, work: impl Future<Output = T>) -> Result<T, String> {
        let mut work = std::pin::pin!(work);
        let mut looks = tokio::time::interval(Duration::from_millis(100));
        loop {
            tokio::select! {
                done = &mut work => return Ok(done),
                _ = looks.tick() => {
                    if self.process.as_mut().is_none_or(Supervised::has_ended) {
                        return Err(format!(
                            "the browser ended, or could not be started: see {} (and {NAMED})",
                            self.log.display(),
                        ));
                    }
                }
            }
        }
    }

    /// Where its output goes.
    pub(crate) fn log(&self) -> &Path {
        &self.log
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It writes to its profile until it has ended.
        drop(self.process.take());
        let _ = fs::remove_dir_all(&self.profile);
        // A test that fails says where it is.
        if !std::thread::panicking() {
            let _ = fs::remove_file(&self.log);
        }
    }
}

const FLAGS: [&str; 17] = [
    "--headless",
    // Containers often cannot give it one, and it opens no page but the test's.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    // As the Fetch standard has it, and Firefox: `Access-Control-Allow-Headers: *` leaves out `authorization`.
    // Without it Chromium warns, and lets the header pass.
    "--enable-features=CorsNonWildcardRequestHeadersSupport",
    "--no-first-run",
    "--no-default-browser-check",
    // Nothing but the test's requests: no updates, no reports, and no name is even looked up.
    "--disable-background-networking",
    "--disable-breakpad",
    "--disable-client-side-phishing-detection",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--disable-extensions",
    "--disable-sync",
    "--no-proxy-server",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
];

#[test]
fn a_browser_is_found_on_the_path_unless_one_is_named() {
    let folder =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("path-{}", std::process::id()));
    let empty = folder.join("empty");
    fs::create_dir_all(&empty).expect("a folder under target");
    let path = env::join_paths([&empty, &folder]).expect("a path");
    assert_eq!(find(None, &path), None);
    fs::write(folder.join("google-chrome"), "").expect("a file");
    assert_eq!(find(None, &path), Some(folder.join("google-chrome")));
    fs::write(folder.join("chromium"), "").expect("a file");
    assert_eq!(find(None, &path), Some(folder.join("chromium")));
    let named = Some(OsString::from("my-browser"));
    assert_eq!(find(named, &path), Some(PathBuf::from("my-browser")));
    fs::remove_dir_all(folder).expect("its own folder");
}
