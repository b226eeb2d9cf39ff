//! What the operating system does not tell, with less patience than usual.

use std::fs;
use std::sync::mpsc::channel;

use super::*;

const SOON: Every = Every {
    told: Duration::from_millis(20),
    untold: Duration::from_millis(20),
};

fn text(path: &str) -> String {
    let endpoint = format!("https://api.example.com/{path}");
    format!(r#"{{"apis": {{"open": {{"mode": "NONE", "endpoint": "{endpoint}"}} }} }}"#)
}

/// A link further up is in a folder that nobody watches.
#[cfg(unix)]
#[test]
fn another_folder_of_the_same_name_is_seen_in_time() {
    use std::os::unix::fs::symlink;

    let world = tempfile::tempdir().expect("a folder");
    let path = |name: &str| world.path().join(name);
    for release in ["one", "two", "three"] {
        fs::create_dir(path(release)).expect("a folder");
        fs::write(path(release).join("config.json"), text(release)).expect("a file");
    }
    symlink("one", path("current")).expect("a link");
    let config: Config = text("zero").parse().expect("a configuration");
    let live = config.selector().live();
    let (tell, told) = channel();
    live.on_replace(move |outcome| {
        let path = outcome.map(|config| config.apis["open"].endpoint.path().to_owned());
        let _ = tell.send(path.expect("a configuration that can be used"));
    });
    let file = path("current").join("config.json");
    let parse = Arc::new(Config::from_text_of);
    let _watch = live.start(file, parse, SOON).expect("a watch");
    for release in ["one", "two", "three"] {
        if release != "one" {
            symlink(release, path("next")).expect("a link");
            fs::rename(path("next"), path("current")).expect("a link renamed");
        }
        let seen = told.recv_timeout(Duration::from_secs(60));
        assert_eq!(seen.expect("told in time"), format!("/{release}"));
    }
}
