//! The proxy as a process.

use std::error::Error;
use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Ends when it is dropped.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    child: Child,
}

impl Proxy {
    pub(crate) fn start(upstream: u16, arguments: &[&str]) -> Result<Self, Box<dyn Error>> {
        let this = std::env::current_exe()?;
        let profile = this
            .ancestors()
            .nth(2)
            .ok_or("this program has no folder")?;
        let program = profile.join("examples").join("signing_proxy");
        let port = free_port()?;
        let child = Command::new(&program)
            .arg("--upstream")
            .arg(format!(
                "http://127.0.0.1:{upstream},service=execute-api,region=eu-west-1"
            ))
            .args([
                "--access-log",
                "off",
                "--listen",
                &format!("127.0.0.1:{port}"),
            ])
            .args(arguments)
            .env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
            .env(
                "AWS_SECRET_ACCESS_KEY",
                "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
            )
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| {
                let path = program.display();
                format!(
                    "{path}: {error}; `cargo build --release --example signing_proxy` builds it"
                )
            })?;
        let proxy = Self { port, child };
        until_listening(port)?;
        Ok(proxy)
    }

    /// Memory that it holds, in KiB.
    pub(crate) fn resident(&self) -> Result<u64, Box<dyn Error>> {
        let id = self.child.id().to_string();
        let output = Command::new("ps")
            .args(["-o", "rss=", "-p", &id])
            .output()?;
        Ok(String::from_utf8(output.stdout)?.trim().parse()?)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()?
        .port())
}

pub(crate) fn until_listening(port: u16) -> Result<(), Box<dyn Error>> {
    for _ in 0..500 {
        if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Err(format!("nothing listens on port {port}").into())
}
