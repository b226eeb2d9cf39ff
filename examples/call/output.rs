//! What is printed: notes and heads on stderr, the answer on stdout or in a file.

use std::fmt::Display;
use std::fs::File;
use std::io::{self, IsTerminal as _, Write};
use std::path::PathBuf;

use anstyle::{AnsiColor, Style};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::args::OutputArgs;
use crate::exit::Failure;

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
    let _ = writeln!(anstream::stderr().lock(), "{message}");
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
        true => format!("<redacted, {} bytes>", value.len()),
        false => printable(&String::from_utf8_lossy(value.as_bytes())),
    }
}

/// Whether a header's name speaks of a secret.
pub(crate) fn is_secret(name: &HeaderName) -> bool {
    const PARTS: [&str; 6] = ["auth", "cookie", "key", "password", "secret", "token"];
    // It says only what would be accepted.
    *name != header::WWW_AUTHENTICATE && PARTS.iter().any(|part| name.as_str().contains(part))
}

/// A text that others may have written: a terminal obeys control characters.
pub(crate) fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' | '\t' | '\'' | '"' | '\\' => shown.push(character),
            other => shown.extend(other.escape_debug()),
        }
    }
    shown
}

/// Where the answer goes.
pub(crate) struct Sink {
    out: Box<dyn Write>,
    name: String,
    is_terminal: bool,
    begun: bool,
    ends_in_line: bool,
    closed: bool,
}

/// What came of a piece of the answer.
pub(crate) enum Written {
    Yes,
    /// Nobody reads any more, as under `head`.
    Closed,
    /// It is no text, and would go to a terminal.
    Binary,
}

impl Sink {
    pub(crate) fn open(args: &OutputArgs) -> Result<Self, Failure> {
        let (out, name): (Box<dyn Write>, _) = match &args.output {
            Some(path) => (Box::new(create(path)?), path.display().to_string()),
            None => (Box::new(io::stdout()), "the output".to_owned()),
        };
        Ok(Self {
            out,
            name,
            is_terminal: args.output.is_none() && io::stdout().is_terminal(),
            begun: false,
            ends_in_line: true,
            closed: false,
        })
    }

    /// The answer's head.
    pub(crate) fn head(&mut self, first: &str, headers: &HeaderMap) -> Result<(), Failure> {
        let mut text = format!("{first}\n");
        for (name, value) in headers {
            let value = printable(&String::from_utf8_lossy(value.as_bytes()));
            text.push_str(&format!("{name}: {value}\n"));
        }
        text.push('\n');
        self.put(text.as_bytes())
    }

    /// A piece of the answer's body.
    pub(crate) fn write(&mut self, data: &Bytes) -> Result<Written, Failure> {
        if data.is_empty() {
            return Ok(Written::Yes);
        }
        if self.is_terminal && !self.begun && data.contains(&0) {
            return Ok(Written::Binary);
        }
        self.begun = true;
        self.ends_in_line = data.ends_with(b"\n");
        self.put(data)?;
        Ok(match self.closed {
            true => Written::Closed,
            false => Written::Yes,
        })
    }

    pub(crate) fn finish(&mut self) -> Result<(), Failure> {
        // For the prompt that comes next.
        if self.is_terminal && !self.ends_in_line {
            self.put(b"\n")?;
        }
        Ok(())
    }

    fn put(&mut self, data: &[u8]) -> Result<(), Failure> {
        if self.closed {
            return Ok(());
        }
        match self.out.write_all(data).and_then(|()| self.out.flush()) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(())
            }
            Err(error) => Err(Failure::no_answer(format!(
                "{} cannot be written: {error}",
                self.name
            ))),
        }
    }
}

fn create(path: &PathBuf) -> Result<File, Failure> {
    File::create(path).map_err(|error| {
        Failure::no_answer(format!(
            "`-o {}` cannot be written: {error}",
            path.display()
        ))
    })
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
