//! Where the answer goes: a terminal, a pipe, or a file.

use std::fs::{self, File, OpenOptions};
use std::io::{self, IsTerminal as _, Write};
use std::path::{Path, PathBuf};

use http::HeaderMap;

use crate::args::OutputArgs;
use crate::exit::Failure;
use crate::output::{self, printable};
use crate::screen::Screen;

pub(crate) struct Sink {
    out: Out,
    ends_in_line: bool,
    closed: bool,
}

enum Out {
    Terminal(Screen),
    Pipe,
    File(Kept),
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
    /// Before anything is sent: what has nowhere to go need not be asked for.
    pub(crate) fn open(args: &OutputArgs) -> Result<Self, Failure> {
        let out = match &args.output {
            Some(path) => Out::File(Kept::open(path)?),
            None if io::stdout().is_terminal() => Out::Terminal(Screen::default()),
            None => Out::Pipe,
        };
        Ok(Self {
            out,
            ends_in_line: true,
            closed: false,
        })
    }

    /// An answer has come: what a file held before it is over.
    pub(crate) fn begin(&mut self) -> Result<(), Failure> {
        match &mut self.out {
            Out::File(file) => file.begin(),
            _ => Ok(()),
        }
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
    pub(crate) fn write(&mut self, data: &[u8]) -> Result<Written, Failure> {
        if data.is_empty() {
            return Ok(Written::Yes);
        }
        match &mut self.out {
            Out::Terminal(_) if data.contains(&0) => return Ok(Written::Binary),
            Out::Terminal(screen) => {
                let text = screen.show(data);
                self.put(text.as_bytes())?;
            }
            _ => self.put(data)?,
        }
        self.ends_in_line = data.ends_with(b"\n");
        Ok(match self.closed {
            true => Written::Closed,
            false => Written::Yes,
        })
    }

    pub(crate) fn finish(&mut self) -> Result<(), Failure> {
        if let Out::Terminal(screen) = &mut self.out {
            let rest = screen.end();
            self.put(rest.as_bytes())?;
        }
        match &self.out {
            // For the prompt that comes next.
            Out::Terminal(_) if !self.ends_in_line => self.put(b"\n"),
            Out::Pipe if !self.ends_in_line && output::is_one_place() => {
                output::begin_a_line();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn put(&mut self, data: &[u8]) -> Result<(), Failure> {
        if self.closed || data.is_empty() {
            return Ok(());
        }
        let written = match &mut self.out {
            Out::File(kept) => kept.file.write_all(data),
            _ => {
                let mut stdout = io::stdout();
                stdout.write_all(data).and_then(|()| stdout.flush())
            }
        };
        match written {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(())
            }
            Err(error) => Err(match &self.out {
                Out::File(kept) => unwritable(&kept.path, &error),
                _ => Failure::no_answer(format!("the output cannot be written: {error}")),
            }),
        }
    }
}

/// The file of `-o`. Until an answer has come, it is as it was.
struct Kept {
    file: File,
    path: PathBuf,
    is_new: bool,
}

impl Kept {
    fn open(path: &Path) -> Result<Self, Failure> {
        let new = OpenOptions::new().write(true).create_new(true).open(path);
        let (file, is_new) = match new {
            Ok(file) => (Ok(file), true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                (OpenOptions::new().write(true).open(path), false)
            }
            Err(error) => (Err(error), false),
        };
        Ok(Self {
            file: file.map_err(|error| unwritable(path, &error))?,
            path: path.to_owned(),
            is_new,
        })
    }

    fn begin(&mut self) -> Result<(), Failure> {
        self.is_new = false;
        let metadata = self.file.metadata();
        // Pipes and devices have no length.
        let emptied = match metadata.map(|metadata| metadata.is_file()) {
            Ok(true) => self.file.set_len(0),
            Ok(false) => Ok(()),
            Err(error) => Err(error),
        };
        emptied.map_err(|error| unwritable(&self.path, &error))
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if self.is_new {
            // If it stays, it is empty.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn unwritable(path: &Path, error: &io::Error) -> Failure {
    Failure::no_answer(format!(
        "`-o {}` cannot be written: {error}",
        path.display()
    ))
}
