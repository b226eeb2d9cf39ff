//! A program that answers one JSON value a line with another.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;

use super::{node_modules, python};

pub(crate) struct Asked {
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
    /// It ends when this process does, because its input ends then.
    _process: Child,
}

impl Asked {
    /// A script of `tests/servers` in Python.
    pub(crate) fn python(script: &str) -> Self {
        Self::start(Command::new(python()).arg(path(script)))
    }

    /// A script of `tests/servers` in JavaScript.
    pub(crate) fn node(script: &str) -> Self {
        let mut node = Command::new("node");
        node.env("NODE_PATH", node_modules());
        // Of versions of Node.js that packages will leave behind some day.
        node.env("NODE_NO_WARNINGS", "1");
        Self::start(node.arg(path(script)))
    }

    fn start(command: &mut Command) -> Self {
        let process = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = process.spawn().expect("a process");
        Self {
            questions: process.stdin.take().expect("a pipe"),
            answers: BufReader::new(process.stdout.take().expect("a pipe")),
            _process: process,
        }
    }

    pub(crate) fn ask(&mut self, question: &Value) -> Value {
        writeln!(self.questions, "{question}").expect("the program is running");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("an answer");
        serde_json::from_str(&answer).expect("it answered; if not, it says why above")
    }
}

fn path(script: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/servers")
        .join(script)
}
