//! Starts MiniStack, and what its APIs depend on.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use aws_credential_types::Credentials;
use http::Uri;
use serde_json::Value;

use crate::servers::{self, Server};

/// Region of everything that [`setup`](MiniStack::started) makes.
pub(crate) const REGION: &str = "us-east-1";

/// A running MiniStack and what the setup script made in it.
pub(crate) struct MiniStack {
    pub(crate) server: Server,
    known: Value,
    tls: Option<Tls>,
    /// The OpenID provider that one of the APIs trusts.
    issuer: Option<Server>,
}

struct Tls {
    certificate: PathBuf,
    key: PathBuf,
}

/// A key pair of the user or the role.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Who {
    User,
    Role,
}

impl MiniStack {
    /// The one all tests share: it lives as long as the test run.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<MiniStack> = OnceLock::new();
        SHARED.get_or_init(|| Self::started(false))
    }

    pub(crate) fn started(with_tls: bool) -> Self {
        let tls = with_tls.then(Tls::new);
        let server = start(tls.as_ref());
        // Over TLS it cannot fetch the keys that tokens are verified with.
        let issuer = (!with_tls).then(|| Server::oidc_provider(None, None));
        let scheme = if with_tls { "https" } else { "http" };
        let endpoint = format!("{scheme}://127.0.0.1:{}", server.port);
        let upstream = format!("http://127.0.0.1:{}/", upstream());
        let issuer_url = issuer.as_ref().map(url);
        let mut arguments = vec![endpoint.as_ref(), upstream.as_ref()];
        arguments.extend(issuer_url.as_deref().map(OsStr::new));
        let printed = script("ministack_setup.py", &arguments);
        Self {
            server,
            known: serde_json::from_str(&printed).expect("what the script prints"),
            tls,
            issuer,
        }
    }

    pub(crate) fn certificate(&self) -> Option<&Path> {
        self.tls.as_ref().map(|tls| tls.certificate.as_path())
    }

    /// Something that the setup script made.
    pub(crate) fn text(&self, path: &str) -> &str {
        let found = self.known.pointer(path).and_then(Value::as_str);
        found.unwrap_or_else(|| panic!("the setup script made no {path}"))
    }

    pub(crate) fn uri(&self, host: &str, path: &str) -> Uri {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let uri = format!("{scheme}://{host}:{}{path}", self.server.port);
        uri.parse().expect("a URI")
    }

    /// Where the OpenID provider gives out tokens.
    pub(crate) fn token_endpoint(&self) -> Uri {
        let issuer = self.issuer.as_ref().expect("there is none beside TLS");
        format!("{}/token", url(issuer)).parse().expect("a URI")
    }

    pub(crate) fn rest_api(&self, path: &str) -> Uri {
        let host = format!("{}.execute-api.localhost", self.text("/rest_api/id"));
        self.uri(&host, path)
    }

    pub(super) fn credentials(&self, who: Who) -> Parts {
        let of = |who: &str, token| Parts {
            key: self.text(&format!("/{who}/key")).to_owned(),
            secret: self.text(&format!("/{who}/secret")).to_owned(),
            token,
        };
        match who {
            Who::User => of("user", None),
            Who::Role => of("role", Some(self.text("/role/token").to_owned())),
        }
    }

    /// A key pair, good or with a mistake.
    pub(crate) fn key_pair(&self, who: Who, twin: Option<super::Twin>) -> Credentials {
        let good = self.credentials(who);
        let parts = match twin {
            Some(twin) => twin.credentials(good),
            None => good,
        };
        Credentials::new(parts.key, parts.secret, parts.token, None, "tests")
    }
}

pub(super) struct Parts {
    pub(super) key: String,
    pub(super) secret: String,
    pub(super) token: Option<String>,
}

impl Tls {
    fn new() -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let tls = Self {
            // Two test runs at once must not share them.
            certificate: folder.join(format!("ministack-{}.crt", std::process::id())),
            key: folder.join(format!("ministack-{}.key", std::process::id())),
        };
        script(
            "certificate.py",
            &[tls.certificate.as_os_str(), tls.key.as_os_str()],
        );
        tls
    }
}

fn start(tls: Option<&Tls>) -> Server {
    let python = servers::python();
    let program = python.with_file_name("ministack");
    let is_up = |port| match tls {
        Some(_) => servers::listens(port),
        None => servers::answers(port, "/_ministack/health"),
    };
    Server::start(is_up, |port| {
        let mut command = Command::new(python);
        command
            .arg(&program)
            .env("AUTH", "true")
            .env("BIND_HOST", "127.0.0.1")
            .env("GATEWAY_PORT", port.to_string())
            .env("MINISTACK_HOST", "localhost")
            .env("IOT_MTLS_ENABLED", "0")
            .env("SFTP_ENABLED", "0")
            // Its Lambda functions leave folders behind.
            .env("TMPDIR", env!("CARGO_TARGET_TMPDIR"));
        if let Some(tls) = tls {
            command
                .env("USE_SSL", "1")
                .env("MINISTACK_SSL_CERT", &tls.certificate)
                .env("MINISTACK_SSL_KEY", &tls.key);
        }
        command
    })
}

fn url(server: &Server) -> String {
    format!("http://127.0.0.1:{}", server.port)
}

/// Something behind the HTTP API that says 200 to everything. Returns its port.
fn upstream() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let port = listener.local_addr().expect("bound").port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            let mut request = [0; 4096];
            if stream.read(&mut request).is_ok() {
                let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
                let _ = stream.write_all(answer.as_bytes());
            }
        }
    });
    port
}

/// Runs one of our scripts with the packages of the servers, and returns what it printed.
fn script(name: &str, arguments: &[&OsStr]) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers");
    let output = Command::new(servers::python())
        .arg(folder.join(name))
        .args(arguments)
        .output()
        .expect("a Python");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}: {errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
