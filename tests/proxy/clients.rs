//! Programs that others wrote, through the proxy, to servers that others wrote and that check signatures, keys and
//! tokens. Whatever is accepted through one proxy is refused through its twin, which has a wrong secret.

mod aws_cli;
mod boto3;
mod curl;
mod early;
mod many;
mod memory;
mod modes;
mod pages;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

use super::Proxy;
use crate::chunked::fs_server::FsServer;
use crate::chunked::generated;
use crate::chunked::{KEY, REGION as S3S_REGION, SECRET};
use crate::ministack::{MiniStack, REGION, Twin, Who};

const MIB: u64 = 1024 * 1024;
/// What large bodies have.
const LENGTH: u64 = 100 * MIB;

/// What a proxy with a wrong secret writes into its access log.
const HINT: &str = "the server computed another signature";

/// Two proxies to the same upstreams.
struct Twins {
    good: Proxy,
    /// It signs with a wrong secret.
    wrong: Proxy,
}

impl Twins {
    /// To three services of MiniStack, which are all at one origin.
    fn to_ministack() -> Self {
        let stack = MiniStack::shared();
        let upstreams = ["s3", "dynamodb", "sqs"].map(|service| {
            let origin = stack.uri("127.0.0.1", "");
            let origin = origin.to_string();
            let origin = origin.trim_end_matches('/');
            format!("{service}={origin},service={service},region={REGION}")
        });
        let arguments: Vec<&str> = upstreams
            .iter()
            .flat_map(|upstream| ["--upstream", upstream])
            .collect();
        let start = |twin| {
            let pair = stack.key_pair(Who::User, twin);
            Proxy::start(&arguments, (pair.access_key_id(), pair.secret_access_key()))
        };
        Self {
            good: start(None),
            wrong: start(Some(Twin::WrongSecret)),
        }
    }

    /// To an S3 server that keeps objects in a folder, and checks every chunk of an upload. With a folder for
    /// their sockets, they listen there too.
    fn to_s3s(server: &FsServer, sockets: Option<&Path>) -> Self {
        let origin = server.origin();
        let upstream = format!("{origin},service=s3,region={S3S_REGION}");
        let start = |name, secret| {
            let socket = sockets.map(|folder| format!("unix:{}", folder.join(name).display()));
            let mut arguments = vec!["--upstream", &upstream, "--listen", "127.0.0.1:0"];
            if let Some(socket) = &socket {
                arguments.extend(["--listen", socket]);
            }
            Proxy::start(&arguments, (KEY, secret))
        };
        Self {
            good: start("good", SECRET),
            wrong: start("wrong", "another secret"),
        }
    }
}

/// All requests came to the upstream, which refused them all, and the log says why.
fn all_were_refused(wrong: &Proxy, at_least: usize) {
    let lines = wrong.until_lines(at_least);
    for line in &lines {
        let status = line["status"].as_u64();
        assert!(matches!(status, Some(400 | 403)), "{line}");
        assert!(line["upstream"].is_string(), "{line}");
        assert!(line["refused"].is_null(), "{line}");
        // Only what is in a body can be told from it.
        let because = line["because"].as_str();
        let hinted = because.is_some_and(|because| because.contains(HINT));
        assert!(hinted || line["method"] == "HEAD", "{line}");
    }
}

/// All requests came to the upstream, and none was refused.
fn none_was_refused(good: &Proxy, at_least: usize) -> Vec<Value> {
    let lines = good.until_lines(at_least);
    for line in &lines {
        assert!(line["upstream"].is_string(), "{line}");
        let status = line["status"].as_u64().unwrap_or_default();
        assert!((200..300).contains(&status), "{line}");
        assert_eq!(line["complete"], true, "{line}");
    }
    lines
}

/// A folder with a large file in it.
struct Files {
    folder: TempDir,
    large: PathBuf,
}

impl Files {
    fn new(seed: u64) -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
        let large = folder.path().join("large");
        std::fs::write(&large, generated::bytes(seed, 0, LENGTH)).expect("a file");
        Self { folder, large }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Whether this is the large file, to the byte.
    fn is_large(&self, other: &Path) -> bool {
        let read = |path: &Path| std::fs::read(path).expect("a file");
        read(&self.large) == read(other)
    }
}

/// As a program is that has no credentials to speak of, and no other settings.
fn without_credentials(command: &mut Command) -> &mut Command {
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().to_ascii_lowercase();
        if name.starts_with("aws_") || name.ends_with("_proxy") {
            command.env_remove(name.to_ascii_uppercase());
            command.env_remove(name);
        }
    }
    command
        .env("AWS_ACCESS_KEY_ID", "any")
        .env("AWS_SECRET_ACCESS_KEY", "any")
        .env("AWS_DEFAULT_REGION", REGION)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_CONFIG_FILE", "/nonexistent")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
        .env("AWS_MAX_ATTEMPTS", "1")
}

/// What it printed on stdout and on stderr.
fn texts(output: &Output) -> (String, String) {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}
