//! Servers and signers that others wrote, which the tests install and start themselves.
//!
//! What is installed goes under the target directory, in pinned versions, and is used again by the
//! next run. Every server has a supervisor that ends it when the test run ends, however that ends.
//! `TOWER_CLIENT_AUTH_SKIP_SERVERS=1` leaves out the tests that need any of this, and says so.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

mod asked;
mod supervised;

pub(crate) use asked::Asked;
pub(crate) use supervised::Supervised;

const SKIP: &str = "TOWER_CLIENT_AUTH_SKIP_SERVERS";
const REQUIREMENTS: &str = include_str!("servers/requirements.txt");
const CLIENT_REQUIREMENTS: &str = include_str!("servers/requirements-clients.txt");
const PACKAGE: &str = include_str!("servers/package.json");

/// Whether a test that needs a server is to be left out; then it says so.
pub(crate) fn skipped(test: &str) -> bool {
    let skip = std::env::var_os(SKIP).is_some_and(|value| value == "1");
    if skip {
        // Not `println`, which the test runner keeps to itself when a test passes.
        let _ = writeln!(std::io::stderr(), "SKIPPED {test}: {SKIP} is set");
    }
    skip
}

/// A Python with the packages of `requirements.txt`.
pub(crate) fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| environment("python", "requirements.txt", REQUIREMENTS))
}

/// A Python with boto3 and the aws command line, which want another botocore than the servers.
pub(crate) fn clients_python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| environment("clients", "requirements-clients.txt", CLIENT_REQUIREMENTS))
}

/// The Python of a virtual environment.
fn environment(name: &str, file: &str, requirements: &str) -> PathBuf {
    let folder = install(name, requirements, |folder| {
        run(
            Command::new("python3").args(["-m", "venv"]).arg(folder),
            "python3 is missing, or older than 3.10, or without its venv module: install them (on Debian: `apt-get install \
             python3 python3-venv`)",
        );
        let list = folder.join("requirements.txt");
        fs::write(&list, requirements).expect("a file");
        run(
            Command::new(folder.join("bin/python"))
                .args([
                    "-m",
                    "pip",
                    "install",
                    "--quiet",
                    "--disable-pip-version-check",
                ])
                .arg("--requirement")
                .arg(&list),
            &format!("pip cannot install the packages of tests/servers/{file}: is PyPI reachable?"),
        );
    });
    folder.join("bin/python")
}

/// The folder with the packages of `package.json`, for `NODE_PATH`.
pub(crate) fn node_modules() -> &'static Path {
    static MODULES: OnceLock<PathBuf> = OnceLock::new();
    MODULES.get_or_init(|| {
        let folder = install("node", PACKAGE, |folder| {
            fs::create_dir_all(folder).expect("a folder under target");
            fs::write(folder.join("package.json"), PACKAGE).expect("a file");
            run(
                Command::new("npm")
                    .args([
                        "install",
                        "--silent",
                        "--ignore-scripts",
                        "--no-audit",
                        "--no-fund",
                    ])
                    .current_dir(folder),
                "npm is missing, or cannot install the packages of tests/servers/package.json: \
                 install Node.js 20.19 or later with npm (on Debian 13 or later: `apt-get install \
                 nodejs npm`); is the npm registry reachable?",
            );
        });
        folder.join("node_modules")
    })
}

/// A server, which ends when this is dropped or this process is gone.
pub(crate) struct Server {
    pub(crate) port: u16,
    process: Supervised,
}

impl Server {
    /// Starts a server that is told its port, and waits until it answers at `health`.
    pub(crate) fn start(is_up: impl Fn(u16) -> bool, command: impl Fn(u16) -> Command) -> Self {
        // Between looking for a free port and using it somebody else may take it.
        let mut logs = String::new();
        for _ in 0..3 {
            let port = free_port();
            logs.push_str(&format!(" {}", log(port).display()));
            let mut server = Self {
                port,
                process: Supervised::start(&command(port), &log(port)),
            };
            if server.comes_up(&is_up) {
                return server;
            }
        }
        panic!("the server ended or did not answer within a minute, on three ports: see {logs}");
    }

    /// npm's `oidc-provider`: `lifetime` is that of access tokens in seconds, `keys` has those of its clients.
    pub(crate) fn oidc_provider(lifetime: Option<u32>, keys: Option<&Path>) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers/oidc_provider.cjs");
        let is_up = |port| answers(port, "/.well-known/openid-configuration");
        Self::start(is_up, |port| {
            let mut command = Command::new("node");
            command
                .arg(&script)
                .arg(port.to_string())
                .args(lifetime.map(|seconds| seconds.to_string()))
                .env("NODE_PATH", node_modules());
            if let Some(keys) = keys {
                command.env("OIDC_CLIENT_KEYS", keys);
            }
            command
        })
    }

    fn comes_up(&mut self, is_up: impl Fn(u16) -> bool) -> bool {
        for _ in 0..600 {
            if self.process.has_ended() {
                return false;
            }
            if is_up(self.port) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        false
    }
}

/// Where a server's output goes.
fn log(port: u16) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("server-{port}.log"))
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("bound").port()
}

/// Whether something takes connections there.
pub(crate) fn listens(port: u16) -> bool {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// Whether an HTTP server there answers 200 to this path.
pub(crate) fn answers(port: u16, path: &str) -> bool {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let exchange = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n"
        )?;
        let mut start = [0; 12];
        stream.read_exact(&mut start)?;
        Ok(String::from_utf8_lossy(&start).into_owned())
    };
    exchange().is_ok_and(|status| status.ends_with("200"))
}

/// Runs `fill` on an empty folder, once for all test runs that want the same content.
fn install(name: &str, content: &str, fill: impl FnOnce(&Path)) -> PathBuf {
    let servers = Path::new(env!("CARGO_TARGET_TMPDIR")).join("servers");
    fs::create_dir_all(&servers).expect("a folder under target");
    // Two test runs at once must not fill one folder.
    let lock = File::create(servers.join(format!("{name}.lock"))).expect("a lock file");
    lock.lock().expect("the lock");
    let folder = servers.join(name);
    let done = folder.join("installed");
    if fs::read_to_string(&done).is_ok_and(|installed| installed == content) {
        return folder;
    }
    if folder.exists() {
        fs::remove_dir_all(&folder).expect("what an older or broken run left");
    }
    fill(&folder);
    fs::write(done, content).expect("a file");
    folder
}

fn run(command: &mut Command, otherwise: &str) {
    let output = command.output();
    match output {
        Ok(output) if output.status.success() => {}
        Ok(output) => panic!(
            "{otherwise}\n(or set {SKIP}=1 to leave these tests out)\n{}",
            String::from_utf8_lossy(&output.stderr)
        ),
        Err(error) => panic!("{otherwise}\n(or set {SKIP}=1 to leave these tests out)\n{error}"),
    }
}

const HOLD: &str = "TOWER_CLIENT_AUTH_HOLD_SERVER";

/// The test run that [`a_killed_test_run_leaves_nothing_behind`] kills; by itself it does nothing.
#[test]
fn holds_a_server() {
    if std::env::var_os(HOLD).is_none() {
        return;
    }
    let server = Server::start(listens, |port| {
        let mut command = Command::new("python3");
        let port = port.to_string();
        command.args(["-m", "http.server", &port, "--bind", "127.0.0.1"]);
        // Not what happens to be the current folder.
        command.args(["--directory", env!("CARGO_TARGET_TMPDIR")]);
        command
    });
    println!("holding {} {}", server.port, server.process.id());
    std::thread::sleep(Duration::from_secs(60));
}

#[test]
fn a_killed_test_run_leaves_nothing_behind() {
    if skipped("supervision") {
        return;
    }
    let mut run = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "servers::holds_a_server", "--nocapture"])
        .env(HOLD, "1")
        .stdout(Stdio::piped())
        .spawn()
        .expect("a test run");
    let output = BufReader::new(run.stdout.take().expect("piped"));
    let holding = output.lines().map_while(Result::ok).find_map(|line| {
        let numbers = line.split_once("holding ")?.1.to_owned();
        let (port, supervisor) = numbers.split_once(' ')?;
        Some((port.parse().ok()?, supervisor.trim().parse().ok()?))
    });
    let (port, supervisor): (u16, u32) = holding.expect("a server in the test run");
    assert!(listens(port));

    run.kill().expect("SIGKILL");
    run.wait().expect("an end");
    let gone = || !listens(port) && !Path::new(&format!("/proc/{supervisor}")).exists();
    let ends = (0..100).any(|_| {
        std::thread::sleep(Duration::from_millis(100));
        gone()
    });
    assert!(ends, "the server at port {port} is still there");
}
