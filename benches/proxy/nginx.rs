//! nginx: what answers, and what it is compared with.

use std::error::Error;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::processes::until_listening;

/// Ends when it is dropped.
pub(crate) struct Nginx {
    child: Child,
    _folder: TempDir,
}

impl Nginx {
    /// Answers by itself on one port, and passes on to that from another.
    pub(crate) fn start(answering: u16, passing: u16) -> Result<Self, Box<dyn Error>> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().display();
        let file = folder.path().join("nginx.conf");
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|name| format!("{name}_temp_path {path}/{name};"))
            .join("\n    ");
        std::fs::write(
            &file,
            format!(
                "daemon off;
pid {path}/pid;
error_log {path}/error.log;
worker_processes 1;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    {temporary}
    upstream answering {{
        server 127.0.0.1:{answering};
        keepalive 128;
        keepalive_requests 1000000000;
    }}
    server {{
        listen 127.0.0.1:{answering};
        default_type application/json;
        location / {{ return 200 '{{\"ok\":true}}'; }}
    }}
    server {{
        listen 127.0.0.1:{passing};
        location / {{
            proxy_pass http://answering;
            proxy_http_version 1.1;
            proxy_set_header Connection \"\";
        }}
    }}
}}
"
            ),
        )?;
        // Not every user has it in the path.
        let path = format!(
            "{}:/usr/sbin:/usr/local/sbin",
            std::env::var("PATH").unwrap_or_default()
        );
        let child = Command::new("nginx")
            .env("PATH", path)
            .arg("-e")
            .arg(folder.path().join("error.log"))
            .arg("-c")
            .arg(&file)
            .stdout(Stdio::null())
            .spawn()
            .map_err(|error| {
                format!("nginx: {error} (on Debian: `apt-get install nginx-light`)")
            })?;
        let nginx = Self {
            child,
            _folder: folder,
        };
        until_listening(answering)?;
        until_listening(passing)?;
        Ok(nginx)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // It has to end its workers by itself.
        let _ = Command::new("kill")
            .arg(self.child.id().to_string())
            .status();
        let _ = self.child.wait();
    }
}
