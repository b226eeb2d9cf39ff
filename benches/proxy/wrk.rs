//! wrk: what asks.

use std::error::Error;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

/// What it saw in one round.
pub(crate) struct Seen {
    pub(crate) requests: u64,
    /// Without a good answer.
    pub(crate) failed: u64,
    /// Per second.
    pub(crate) rate: f64,
    /// In microseconds.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

/// Says so in one line. wrk's own words are for people.
const SCRIPT: &str = "done = function(summary, latency)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format('seen %d %d %d %f %f\\n', summary.requests, failed, summary.duration,
    latency:percentile(50), latency:percentile(99)))
end
";

pub(crate) struct Load {
    connections: usize,
    folder: TempDir,
}

impl Load {
    pub(crate) fn new(connections: usize) -> Result<Self, Box<dyn Error>> {
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("seen.lua"), SCRIPT)?;
        Ok(Self {
            connections,
            folder,
        })
    }

    pub(crate) fn put_on(&self, port: u16, time: Duration) -> Result<Seen, Box<dyn Error>> {
        let output = Command::new("wrk")
            .args([
                "--threads",
                "1",
                "--connections",
                &self.connections.to_string(),
            ])
            .args(["--duration", &format!("{}s", time.as_secs())])
            .arg("--script")
            .arg(self.folder.path().join("seen.lua"))
            .arg(format!("http://127.0.0.1:{port}/orders?limit=10"))
            .output()
            .map_err(|error| format!("wrk: {error} (on Debian: `apt-get install wrk`)"))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        seen(&text).ok_or_else(|| format!("wrk says nothing that is understood: {text}").into())
    }
}

fn seen(text: &str) -> Option<Seen> {
    let line = text.lines().find_map(|line| line.strip_prefix("seen "))?;
    let numbers = line.split(' ').map(|word| word.parse::<f64>().ok());
    let [requests, failed, micros, p50, p99] = numbers.collect::<Option<Vec<f64>>>()?[..] else {
        return None;
    };
    Some(Seen {
        requests: requests as u64,
        failed: failed as u64,
        rate: requests / (micros / 1e6),
        p50,
        p99,
    })
}
