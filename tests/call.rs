//! The example `call`, typed as people type it.

#[path = "call/answers.rs"]
mod answers;
#[path = "call/checks.rs"]
mod checks;
#[path = "call/demo.rs"]
mod demo;
#[path = "call/help.rs"]
mod help;
#[cfg(unix)]
#[path = "call/kept.rs"]
mod kept;
#[cfg(unix)]
#[path = "call/pty.rs"]
mod pty;
#[path = "call/reasons.rs"]
mod reasons;
#[cfg(unix)]
#[path = "call/screen.rs"]
mod screen;
#[path = "call/secrecy.rs"]
mod secrecy;
#[cfg(unix)]
#[path = "call/servers.rs"]
mod servers;
#[cfg(unix)]
#[path = "call/signing_in.rs"]
mod signing_in;
#[cfg(unix)]
#[path = "call/terminal.rs"]
mod terminal;
#[path = "call/uploads.rs"]
mod uploads;
#[path = "call/usage.rs"]
mod usage;
#[path = "call/waits.rs"]
mod waits;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::examples::example;

/// What a run left behind.
#[derive(Debug)]
struct Run {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Run {
    fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        let run = Self {
            code: output.status.code(),
            out: text(output.stdout),
            err: text(output.stderr),
        };
        assert!(!run.err.contains("panicked"), "{}", run.err);
        run
    }

    /// The answer, which has to be there.
    #[track_caller]
    fn good(self) -> String {
        assert_eq!(self.code, Some(0), "{self:#?}");
        self.out
    }

    #[track_caller]
    fn is(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:#?}");
        for words in words {
            assert!(self.err.contains(words), "no `{words}` in {self:#?}");
        }
    }
}

/// The program in a folder of its own, with nothing of whoever runs the tests.
fn call(folder: &Folder, arguments: &[&str]) -> Command {
    let mut command = example("call");
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("AWS_")) {
            command.env_remove(name);
        }
    }
    command
        .args(arguments)
        .current_dir(&folder.0)
        .stdin(Stdio::null())
        .env("HOME", &folder.0)
        .env("XDG_CONFIG_HOME", folder.path("config"))
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env_remove("NO_COLOR")
        .env_remove("CLICOLOR_FORCE");
    command
}

fn run(command: &mut Command) -> Run {
    Run::of(command.output().expect("an example that starts"))
}

/// The same at the demo, with a line of arguments that have no spaces in them.
fn demo(line: &str) -> Run {
    let folder = Folder::new();
    let arguments: Vec<_> = ["--demo"].into_iter().chain(line.split(' ')).collect();
    run(&mut call(&folder, &arguments))
}

/// The same with something on stdin.
fn feed(command: &mut Command, input: &[u8]) -> Run {
    let command = command.stdin(Stdio::piped());
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("an example that starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    thread::scope(|scope| {
        // It may not want all of it.
        scope.spawn(move || drop(stdin.write_all(input)));
        Run::of(child.wait_with_output().expect("its output"))
    })
}

/// A folder that goes with the value.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("call-{}-{number}", std::process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        let parent = path.parent().expect("a folder");
        fs::create_dir_all(parent).expect("a folder");
        fs::write(path, content).expect("a file");
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
