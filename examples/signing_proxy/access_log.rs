//! A line of JSON for each request. There is neither a query nor a header in it: secrets are often there.

use std::io::Write as _;
use std::time::Duration;

use serde::Serialize;
use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};

/// Where lines go: to a thread of its own, so that no request waits for a slow terminal. What it cannot keep up
/// with is dropped.
#[derive(Clone)]
pub(crate) struct AccessLog {
    writer: Option<NonBlocking>,
}

/// Ends the thread once all lines are written.
pub(crate) struct Closing {
    _guard: Option<WorkerGuard>,
}

/// One request.
#[derive(Serialize)]
pub(crate) struct Line<'a> {
    pub(crate) time: String,
    pub(crate) peer: &'a str,
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) http: &'a str,
    /// None if it got to none.
    pub(crate) upstream: Option<&'a str>,
    /// None if the caller went away first.
    pub(crate) status: Option<u16>,
    pub(crate) received: u64,
    pub(crate) sent: u64,
    pub(crate) ms: f64,
    /// Whether the answer got to its end.
    pub(crate) complete: bool,
    /// Why the proxy answered by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) refused: Option<&'a str>,
    /// What went wrong, or why the upstream refused the credential.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) because: Option<&'a str>,
}

impl AccessLog {
    pub(crate) fn new(is_on: bool) -> (Self, Closing) {
        if !is_on {
            return (Self { writer: None }, Closing { _guard: None });
        }
        let (writer, guard) = NonBlockingBuilder::default()
            .buffered_lines_limit(8192)
            .lossy(true)
            .finish(std::io::stdout());
        let log = Self {
            writer: Some(writer),
        };
        (
            log,
            Closing {
                _guard: Some(guard),
            },
        )
    }

    pub(crate) fn is_on(&self) -> bool {
        self.writer.is_some()
    }

    pub(crate) fn write(&self, line: &Line<'_>) {
        let Some(mut writer) = self.writer.clone() else {
            return;
        };
        if let Ok(mut text) = serde_json::to_vec(line) {
            text.push(b'\n');
            // It never fails: what does not fit is dropped.
            let _ = writer.write_all(&text);
        }
    }
}

/// In milliseconds, with microseconds behind the point.
pub(crate) fn millis(time: Duration) -> f64 {
    time.as_micros() as f64 / 1000.0
}
