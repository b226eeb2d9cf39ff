//! A terminal, and somebody who types.

use std::io::{Read as _, Write as _};
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use pty_process::Size;
use pty_process::blocking::{self, Pty};
use rustix::termios::{LocalModes, tcgetattr};

/// A program at a terminal of its own, which shows what is typed unless the program says otherwise.
pub(super) struct Terminal {
    pty: Arc<Pty>,
    child: Child,
    output: Receiver<Vec<u8>>,
    /// All that was shown.
    screen: Vec<u8>,
    /// How much of it was waited for.
    seen: usize,
}

/// Longer than any of it takes.
const PATIENCE: Duration = Duration::from_secs(120);

impl Terminal {
    pub(super) fn run(command: &Command) -> Self {
        let (pty, pts) = blocking::open().expect("a terminal");
        pty.resize(Size::new(40, 100)).expect("a size");
        let mut program = blocking::Command::new(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            program = match value {
                Some(value) => program.env(name, value),
                None => program.env_remove(name),
            };
        }
        if let Some(folder) = command.get_current_dir() {
            program = program.current_dir(folder);
        }
        let child = program
            .env("TERM", "xterm")
            .spawn(pts)
            .expect("an example that starts");
        let (pty, (chunks, output)) = (Arc::new(pty), channel());
        let reader = Arc::clone(&pty);
        thread::spawn(move || {
            let mut chunk = [0; 4096];
            // At its end there is an error.
            while let Ok(read @ 1..) = (&*reader).read(&mut chunk) {
                if chunks.send(chunk[..read].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self {
            pty,
            child,
            output,
            screen: Vec::new(),
            seen: 0,
        }
    }

    /// Waits until something is shown, and returns what was shown before it.
    #[track_caller]
    pub(super) fn expect(&mut self, words: &str) -> String {
        loop {
            let new = &self.screen[self.seen..];
            let found = new
                .windows(words.len())
                .position(|part| part == words.as_bytes());
            if let Some(at) = found {
                let before = String::from_utf8_lossy(&new[..at]).into_owned();
                self.seen += at + words.len();
                return before;
            }
            match self.output.recv_timeout(PATIENCE) {
                Ok(chunk) => self.screen.extend(chunk),
                Err(_) => panic!("no `{words}` in\n{}", String::from_utf8_lossy(&self.screen)),
            }
        }
    }

    pub(super) fn type_line(&mut self, text: &str) {
        (&*self.pty)
            .write_all(format!("{text}\n").as_bytes())
            .expect("a program that reads");
    }

    /// Types it once the terminal does not show what is typed.
    pub(super) fn type_secret(&mut self, text: &str) {
        self.wait_for_a_secret();
        self.type_line(text);
    }

    /// Ctrl-C where a secret was to be typed.
    pub(super) fn interrupt_secret(&mut self) {
        self.wait_for_a_secret();
        self.type_line("half a secret\u{3}");
    }

    fn wait_for_a_secret(&mut self) {
        let shows = |pty: &Pty| {
            let modes = tcgetattr(pty).expect("the terminal's modes").local_modes;
            modes.contains(LocalModes::ECHO)
        };
        let mut looks = 0..10_000;
        // Nothing tells of it.
        while shows(&self.pty) {
            assert!(looks.next().is_some(), "the terminal shows what is typed");
            if let Ok(chunk) = self.output.recv_timeout(Duration::from_millis(1)) {
                self.screen.extend(chunk);
            }
        }
    }

    /// The code that it ended with, and whether the terminal is as shells want it.
    pub(super) fn end_and_modes(self) -> (Option<i32>, bool) {
        let pty = Arc::clone(&self.pty);
        let (code, _) = self.end();
        let usual = LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG;
        let modes = tcgetattr(&*pty).expect("the terminal's modes");
        (code, modes.local_modes.contains(usual))
    }

    /// The code that it ended with, and all that was shown.
    pub(super) fn end(mut self) -> (Option<i32>, String) {
        while let Ok(chunk) = self.output.recv_timeout(PATIENCE) {
            self.screen.extend(chunk);
        }
        let status = self.child.wait().expect("its end");
        let screen = String::from_utf8_lossy(&self.screen).into_owned();
        assert!(!screen.contains("panicked"), "{screen}");
        (status.code(), screen)
    }
}
