//! What ends with the test run, however that ends.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::SKIP;

/// A program and whatever it starts in its process group, and with them their supervisor, which ends them when
/// this is dropped or this process is gone.
pub(crate) struct Supervised(Child);

impl Supervised {
    /// Starts a program whose output goes to `log`.
    pub(crate) fn start(command: &Command, log: &Path) -> Self {
        let supervisor = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers/supervise.py");
        let mut supervised = Command::new("python3");
        supervised
            .arg(supervisor)
            .arg(command.get_program())
            .args(command.get_args())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(File::create(log).map_or(Stdio::null(), Stdio::from));
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => supervised.env(name, value),
                None => supervised.env_remove(name),
            };
        }
        Self(supervised.spawn().unwrap_or_else(|error| {
            panic!("python3 cannot be started ({error}): install it, or set {SKIP}=1")
        }))
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.0.try_wait().expect("a child").is_some()
    }

    /// The supervisor's process.
    pub(super) fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        // Closes the pipe the supervisor listens to.
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}
