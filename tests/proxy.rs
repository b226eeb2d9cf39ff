//! The example `signing_proxy`, as a process of its own: what callers and upstreams see of it, and what whoever
//! runs it sees.

mod chunks;
mod clients;
mod ending;
mod help;
mod hosts;
mod raw;
mod slow;
mod smoke;
mod smuggling;
mod strangers;
mod upstreams;

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStderr, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;

use crate::examples::example;

/// How long anything may take on a machine that is busy with other tests.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A proxy, which ends when this is dropped.
pub(crate) struct Proxy {
    /// `http://127.0.0.1:…`: the first address it listens on.
    pub(crate) origin: String,
    child: Child,
    out: Arc<Mutex<String>>,
    err: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
}

impl Proxy {
    /// Starts one on a port of its own, unless the arguments name an address, with these credentials to sign with.
    pub(crate) fn start(arguments: &[&str], credentials: (&str, &str)) -> Self {
        Self::with(
            arguments,
            &[
                ("AWS_ACCESS_KEY_ID", credentials.0),
                ("AWS_SECRET_ACCESS_KEY", credentials.1),
            ],
        )
    }

    /// The same, in an environment of the test's own and with nothing else of AWS's in it.
    pub(crate) fn with(arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = example("signing_proxy");
        command
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if !arguments.contains(&"--listen") {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("AWS_") {
                command.env_remove(name);
            }
        }
        command
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_CONFIG_FILE", "/nonexistent")
            .env("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
            .envs(variables.iter().copied());
        let mut child = command.spawn().expect("the proxy");
        let (out, err) = (Arc::default(), Arc::default());
        let stdout = child.stdout.take().expect("its output");
        let mut stderr = BufReader::new(child.stderr.take().expect("its messages"));
        let origin = origin(&mut stderr, &err);
        let readers = vec![collect(stdout, &out), collect(stderr, &err)];
        let proxy = Self {
            origin: origin.unwrap_or_default(),
            child,
            out,
            err,
            readers,
        };
        assert!(
            !proxy.origin.is_empty(),
            "it does not listen: {}",
            proxy.messages()
        );
        proxy
    }

    pub(crate) fn port(&self) -> u16 {
        let port = self
            .origin
            .rsplit(':')
            .next()
            .and_then(|port| port.parse().ok());
        port.expect("a port")
    }

    /// What it has said so far, on stderr.
    pub(crate) fn messages(&self) -> String {
        self.err
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The lines of the access log so far.
    pub(crate) fn lines(&self) -> Vec<Value> {
        let out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        // The last one may be under way.
        let whole = out.rfind('\n').map_or("", |end| &out[..end]);
        whole
            .lines()
            .map(|line| serde_json::from_str(line).expect("a line of JSON"))
            .collect()
    }

    /// Waits until the access log has as many lines.
    pub(crate) fn until_lines(&self, count: usize) -> Vec<Value> {
        until(|| {
            let lines = self.lines();
            (lines.len() >= count).then_some(lines)
        })
        .unwrap_or_else(|| panic!("{} lines of {count}", self.lines().len()))
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Tells it to end, as an orchestrator does.
    #[cfg(unix)]
    pub(crate) fn terminate(&self) {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, rustix::process::Signal::TERM).expect("a signal");
    }

    /// Waits until it has ended: whether well, and all that it said.
    pub(crate) fn ended(mut self) -> (bool, String, String) {
        let status = until(|| self.child.try_wait().expect("a child"));
        let status = status.unwrap_or_else(|| panic!("it does not end: {}", self.messages()));
        for reader in self.readers.drain(..) {
            reader.join().expect("a reader");
        }
        let out = self
            .out
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        (status.success(), out, self.messages())
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What comes before the patience ends.
pub(crate) fn until<T>(mut look: impl FnMut() -> Option<T>) -> Option<T> {
    const PAUSE: Duration = Duration::from_millis(5);
    for _ in 0..PATIENCE.as_millis() / PAUSE.as_millis() {
        if let Some(found) = look() {
            return Some(found);
        }
        std::thread::sleep(PAUSE);
    }
    None
}

/// The first address it says it listens on.
fn origin(stderr: &mut BufReader<ChildStderr>, err: &Mutex<String>) -> Option<String> {
    loop {
        let mut line = String::new();
        if stderr.read_line(&mut line).ok()? == 0 {
            return None;
        }
        err.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push_str(&line);
        if let Some(address) = line.trim().strip_prefix("signing_proxy: listening on ") {
            return Some(address.to_owned());
        }
    }
}

fn collect(mut from: impl Read + Send + 'static, into: &Arc<Mutex<String>>) -> JoinHandle<()> {
    let into = Arc::clone(into);
    std::thread::spawn(move || {
        let mut buffer = [0; 64 * 1024];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            let text = String::from_utf8_lossy(&buffer[..count]);
            into.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push_str(&text);
        }
    })
}
