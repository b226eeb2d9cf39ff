//! What is printed beside the answer: notes and heads on stderr, and texts of the program's own.

use std::fmt::Display;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use anstyle::{AnsiColor, Style};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::exit::Failure;
use crate::redact;

/// How problems begin, as with other programs.
const PROBLEM: Style = AnsiColor::Red.on_default().bold();
const NAME: Style = AnsiColor::Cyan.on_default();
const FAINT: Style = Style::new().dimmed();

/// A line that says what went wrong, and maybe others after it.
pub(crate) fn problem(message: &str) {
    let mut lines = message.lines();
    let first = lines.next().unwrap_or_default();
    line(format_args!("{PROBLEM}call:{PROBLEM:#} {first}"));
    for next in lines {
        line(format_args!("      {next}"));
    }
}

/// A line that may help.
pub(crate) fn note(message: impl Display) {
    line(format_args!("      {message}"));
}

/// What the program did, or is about to do.
pub(crate) fn remark(message: impl Display) {
    line(format_args!("{FAINT}*{FAINT:#} {message}"));
}

/// A line on stderr, without colours where those are not wanted. If nobody reads it, nobody misses it.
pub(crate) fn line(message: impl Display) {
    let begin = match IN_A_LINE.swap(false, Ordering::Relaxed) {
        true => "\n",
        false => "",
    };
    let _ = writeln!(anstream::stderr().lock(), "{begin}{message}");
}

/// Whether what is on stdout has begun a line that is one on stderr too.
static IN_A_LINE: AtomicBool = AtomicBool::new(false);

/// The next line is in a line of its own.
pub(crate) fn begin_a_line() {
    IN_A_LINE.store(true, Ordering::Relaxed);
}

/// Whether stdout and stderr are the same file, as under `2>&1`.
#[cfg(unix)]
pub(crate) fn is_one_place() -> bool {
    use std::os::fd::AsFd;
    use std::os::unix::fs::MetadataExt as _;
    let place = |stream: &dyn AsFd| -> io::Result<(u64, u64)> {
        let file = std::fs::File::from(stream.as_fd().try_clone_to_owned()?);
        file.metadata().map(|data| (data.dev(), data.ino()))
    };
    matches!((place(&io::stdout()), place(&io::stderr())), (Ok(out), Ok(err)) if out == err)
}

#[cfg(not(unix))]
pub(crate) fn is_one_place() -> bool {
    false
}

/// Headers as they went over the wire, or will: each line after `mark`.
pub(crate) fn headers(mark: &str, headers: &HeaderMap) {
    for (name, value) in headers {
        let value = shown(name, value);
        line(format_args!(
            "{FAINT}{mark}{FAINT:#} {NAME}{name}{NAME:#}: {value}"
        ));
    }
}

/// A first line, such as `GET /items HTTP/1.1`.
pub(crate) fn first_line(mark: &str, text: &str) {
    line(format_args!("{FAINT}{mark}{FAINT:#} {}", printable(text)));
}

/// A header's value, unless it is a secret.
pub(crate) fn shown(name: &HeaderName, value: &HeaderValue) -> String {
    match value.is_sensitive() || is_secret(name) {
        true => redact::redacted(value.len()),
        false => {
            let text = String::from_utf8_lossy(value.as_bytes());
            printable(&redact::value(name, &text))
        }
    }
}

/// Whether a header's name speaks of a secret.
pub(crate) fn is_secret(name: &HeaderName) -> bool {
    redact::is_secret_name(name.as_str())
}

/// A text that others may have written, in one line: a terminal obeys control characters, and a line of
/// theirs looks like one of the program's own.
pub(crate) fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\'' | '"' | '\\' => shown.push(character),
            other => shown.extend(other.escape_debug()),
        }
    }
    shown
}

/// Prints a text of the program's own on stdout. A closed pipe ends it quietly.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    match anstream::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::no_answer(
            format!("the output cannot be written: {error}"),
        )),
        _ => Ok(()),
    }
}
