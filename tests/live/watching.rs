//! Files that change, in the ways in which files are changed.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use tempfile::TempDir;
use tower_client_auth::AuthErrorKind;

use super::*;

/// For what comes within a second; less than it takes until a file is read again unasked.
const PATIENCE: Duration = Duration::from_secs(25);

/// What was told of replacements: a configuration's number, or why there is none.
type Told = Receiver<Result<usize, String>>;

fn told_of(live: &LiveSelector) -> Told {
    let (tell, told) = channel();
    live.on_replace(move |outcome| {
        let outcome = outcome.map(number_of).map_err(AuthError::to_string);
        // Nobody listens any more at the end of a test.
        let _ = tell.send(outcome);
    });
    told
}

fn number_of(config: &Config) -> usize {
    let path = config.apis["catalog"].endpoint.path();
    path.trim_start_matches("/g").parse().expect("a number")
}

fn next(told: &Told) -> Result<usize, String> {
    told.recv_timeout(PATIENCE).expect("a replacement")
}

struct World {
    folder: TempDir,
    live: LiveSelector,
    told: Told,
}

impl World {
    fn new() -> Self {
        let live = live();
        Self {
            folder: TempDir::new().expect("a folder"),
            told: told_of(&live),
            live,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).expect("a file");
        path
    }

    /// As editors and deployments do it, so that nobody sees half a file.
    fn rename_over(&self, name: &str, text: &str) {
        let other = self.write("another", text);
        fs::rename(other, self.path(name)).expect("a file renamed");
    }
}

#[tokio::test]
async fn a_file_is_followed_however_it_changes() {
    let world = World::new();
    let file = world.write("config.json", &numbered(1));
    let layer = world.live.layer_for_all().expect("a layer");
    let watch = world.live.watch(&file).expect("a watch");
    assert_eq!(next(&world.told), Ok(1), "what is there at once");

    // Written in place; renamed over; gone and made anew; in place with the same text, which is no change.
    world.write("config.json", &numbered(2));
    assert_eq!(next(&world.told), Ok(2));
    world.rename_over("config.json", &numbered(3));
    assert_eq!(next(&world.told), Ok(3));
    fs::remove_file(&file).expect("a file removed");
    let error = next(&world.told).expect_err("gone");
    assert!(
        error.ends_with("the file cannot be read: entity not found"),
        "{error}"
    );
    world.write("config.json", &numbered(4));
    assert_eq!(next(&world.told), Ok(4));
    world.write("config.json", &numbered(4));
    world.write("config.json", "{");
    let error = next(&world.told).expect_err("half a file");
    assert!(error.contains("config.json:1:"), "{error}");

    // What was in use before the bad one is.
    let seen = send(&layer, request("orders")).await.expect("sent");
    assert_eq!(generation(&seen), 4);
    let status = world.live.status();
    assert_eq!((status.generation, status.refused), (5, 2));

    // One that parses and cannot be used: the layer has no credential for it.
    let bad = numbered(5).replace("OPENID_CONNECT", "AWS_LAMBDA");
    world.rename_over("config.json", &bad);
    let error = next(&world.told).expect_err("no token source");
    assert!(
        error.contains("`partners` has mode `AWS_LAMBDA`"),
        "{error}"
    );
    world.rename_over("config.json", &numbered(6));
    assert_eq!(next(&world.told), Ok(6));
    let seen = send(&layer, request("orders")).await.expect("sent");
    assert_eq!(generation(&seen), 6);

    // Nobody watches any more.
    drop(watch);
    world.rename_over("config.json", &numbered(7));
    let other = World::new();
    other.live.watch(&file).expect("a watch").detach();
    assert_eq!(next(&other.told), Ok(7));
    world.rename_over("config.json", &numbered(8));
    assert_eq!(next(&other.told), Ok(8));
    // By then it would have been told of at least one of them.
    std::thread::sleep(Duration::from_millis(500));
    assert!(world.told.try_recv().is_err(), "told after its end");
}

/// The folder goes, and another comes, of the same name; or it was another all along.
#[cfg(unix)]
#[test]
fn a_file_is_followed_into_other_folders() {
    use std::os::unix::fs::symlink;

    let world = World::new();
    let (folder, elsewhere) = (world.path("here"), world.path("elsewhere"));
    let write = |folder: &Path, number: usize| {
        fs::write(folder.join("config.json"), numbered(number)).expect("a file");
    };
    fs::create_dir(&folder).expect("a folder");
    write(&folder, 1);
    let _watch = world
        .live
        .watch(folder.join("config.json"))
        .expect("a watch");
    assert_eq!(next(&world.told), Ok(1));
    // Told of what happens in the other folder, too.
    fs::create_dir(&elsewhere).expect("a folder");
    write(&elsewhere, 2);
    symlink(elsewhere.join("config.json"), world.path("link")).expect("a link");
    fs::rename(world.path("link"), folder.join("config.json")).expect("a link renamed");
    assert_eq!(next(&world.told), Ok(2));
    for number in 3..6 {
        write(&elsewhere, number);
        assert_eq!(next(&world.told), Ok(number));
    }
    fs::remove_dir_all(&folder).expect("a folder removed");
    let error = next(&world.told).expect_err("gone");
    assert!(error.contains("cannot be read"), "{error}");
    fs::create_dir(&folder).expect("a folder");
    write(&folder, 6);
    assert_eq!(next(&world.told), Ok(6));
    for number in 7..10 {
        write(&folder, number);
        assert_eq!(next(&world.told), Ok(number));
    }
}

/// What belongs to the program may fail, and may do what it likes with the watch.
#[test]
fn what_panics_is_not_the_end() {
    let world = World::new();
    let file = world.write("config", &numbered(1));
    let parse = |text: &str| match text.trim() {
        "panic" => panic!("as the test wants it"),
        text => text.parse(),
    };
    let watch = world.live.watch_with(file, parse).expect("a watch");
    assert_eq!(next(&world.told), Ok(1));
    world.rename_over("config", "panic");
    let error = next(&world.told).expect_err("no configuration");
    assert!(
        error.ends_with("config: the parser of the file panicked"),
        "{error}"
    );
    // Those after it are told, and this one stops the watch while it is told.
    let watch = std::sync::Mutex::new(Some(watch));
    world.live.on_replace(move |outcome| {
        if outcome.is_ok_and(|config| number_of(config) == 3) {
            drop(watch.lock().expect("no panic").take());
        }
        panic!("as the test wants it")
    });
    let last = told_of(&world.live);
    for number in [2, 3] {
        world.rename_over("config", &numbered(number));
        assert_eq!(next(&last), Ok(number));
        assert_eq!(next(&world.told), Ok(number));
    }
    world.rename_over("config", &numbered(4));
    std::thread::sleep(Duration::from_millis(500));
    assert!(last.try_recv().is_err(), "told after its end");
}

/// A pipe is read once, and whoever waits for it waits for ever.
#[cfg(unix)]
#[test]
fn what_is_no_file_is_not_waited_for() {
    let world = World::new();
    let error = world.live.watch(world.folder.path());
    let error = error.expect_err("a folder").to_string();
    assert!(
        error.ends_with("this is no file, and so there is nothing to watch"),
        "{error}"
    );
}

/// Kubernetes mounts a folder of links to a folder behind a link, which it replaces.
#[cfg(unix)]
#[test]
fn a_mounted_file_is_followed() {
    use std::os::unix::fs::symlink;

    let world = World::new();
    let version = |number: usize| {
        let folder = world.path(&format!("..{number}"));
        fs::create_dir(&folder).expect("a folder");
        fs::write(folder.join("config.json"), numbered(number)).expect("a file");
    };
    let point_to = |number: usize| {
        let link = world.path("..data_tmp");
        symlink(Path::new(&format!("..{number}")), &link).expect("a link");
        fs::rename(link, world.path("..data")).expect("a link renamed");
    };
    version(1);
    point_to(1);
    let file = world.path("config.json");
    symlink(Path::new("..data/config.json"), &file).expect("a link");
    let _watch = world.live.watch(&file).expect("a watch");
    assert_eq!(next(&world.told), Ok(1));
    for number in 2..6 {
        version(number);
        point_to(number);
        fs::remove_dir_all(world.path(&format!("..{}", number - 1))).expect("a folder removed");
        assert_eq!(next(&world.told), Ok(number));
    }
}

/// As many as an impatient person makes, some of them bad: the last one is in use at the end.
#[test]
fn many_changes_in_a_row_end_with_the_last() {
    let world = World::new();
    let file = world.write("config.json", &numbered(1));
    let _watch = world.live.watch(&file).expect("a watch");
    assert_eq!(next(&world.told), Ok(1));
    for number in 2..500 {
        match number % 5 {
            0 => world.rename_over("config.json", &numbered(number)[..number % 100]),
            1 => drop(world.write("config.json", &numbered(number))),
            _ => world.rename_over("config.json", &numbered(number)),
        }
    }
    let last = std::iter::from_fn(|| Some(next(&world.told))).find(|told| told == &Ok(499));
    assert_eq!(last, Some(Ok(499)));
    assert_eq!(number_of(&world.live.config()), 499);
}

#[test]
fn what_cannot_be_used_at_first_is_an_error() {
    let world = World::new();
    let error = world.live.watch(world.path("none.json"));
    let error = error.expect_err("no file").to_string();
    assert!(
        error.ends_with("none.json: the file cannot be read: entity not found"),
        "{error}"
    );
    let file = world.write("config.json", &numbered(1).replace("AWS_IAM", "AWS-IAM"));
    let error = world.live.watch(file).expect_err("a slip").to_string();
    assert!(error.contains("did you mean `AWS_IAM`?"), "{error}");
    assert_eq!(world.live.status().refused, 2);
}

#[test]
fn other_formats_have_their_own_parser() {
    let toml = |number: usize| {
        format!(
            "[apis.catalog]\nmode = \"API_KEY\"\napi_key = \"CANARY-{number}\"\n\
             endpoint = \"https://g{number}.example.com/g{number}\"\n"
        )
    };
    let world = World::new();
    let file = world.write("config.toml", &toml(1));
    let parse = |text: &str| {
        toml::from_str(text).map_err(|error| {
            AuthError::new(AuthErrorKind::Configuration, error.message().to_owned())
        })
    };
    let _watch = world.live.watch_with(file, parse).expect("a watch");
    assert_eq!(next(&world.told), Ok(1));
    world.rename_over("config.toml", &toml(2).replace("api_key = ", "api_key "));
    let error = next(&world.told).expect_err("no TOML");
    assert!(error.contains("config.toml: "), "{error}");
    let printed = format!("{:?} {:?}", world.live, world.live.status());
    assert!(!printed.contains("CANARY"), "{printed}");
    world.rename_over("config.toml", &toml(3));
    assert_eq!(next(&world.told), Ok(3));
}
