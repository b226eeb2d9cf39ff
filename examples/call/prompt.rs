//! Questions at a terminal.

use std::io::{self, Write as _};

use tower_client_auth::Secret;

use crate::exit::Failure;
use crate::output;

/// Asks for a line.
pub(crate) async fn line(question: &str) -> Result<String, Failure> {
    let mut stderr = anstream::stderr();
    let _ = write!(stderr, "{question}").and_then(|()| stderr.flush());
    let reading = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        io::stdin().read_line(&mut line).map(|_| line)
    });
    let line = reading.await.map_err(io::Error::other).flatten();
    let line = line.map_err(unanswered)?;
    match line.trim() {
        "" => Err(Failure::no_credential(
            "nothing was entered, so nobody is signed in",
        )),
        line => Ok(line.to_owned()),
    }
}

/// Asks for what is not to be seen.
pub(crate) async fn secret(question: &str) -> Result<Secret, Failure> {
    #[cfg(unix)]
    interrupt::watch().map_err(unanswered)?;
    let question = question.to_owned();
    let reading = tokio::task::spawn_blocking(|| rpassword::prompt_password(question));
    let text = match reading.await.map_err(io::Error::other).flatten() {
        // Whoever watches ends the program.
        #[cfg(unix)]
        Err(error) if error.kind() == io::ErrorKind::Interrupted => std::future::pending().await,
        text => Secret::new(text.map_err(unanswered)?),
    };
    match text.expose() {
        "" => Err(Failure::no_credential(
            "nothing was entered, so nobody is signed in",
        )),
        _ => Ok(text),
    }
}

fn unanswered(error: io::Error) -> Failure {
    Failure::no_credential(format!(
        "nobody answered: {}",
        output::printable(&error.to_string())
    ))
}

/// Ctrl-C where the terminal does not show what is typed: `rpassword` interrupts the program before it has put the
/// terminal back, and would leave a shell in which nobody sees what they type.
#[cfg(unix)]
mod interrupt {
    use std::fs::File;
    use std::io;
    use std::process;
    use std::sync::OnceLock;

    use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
    use tokio::signal::unix::{SignalKind, signal};

    /// As shells have it for whom a Ctrl-C has ended.
    const INTERRUPTED: i32 = 128 + 2;

    /// From here on, an interrupt ends the program when the terminal is as it was.
    pub(super) fn watch() -> io::Result<()> {
        static BEGUN: OnceLock<()> = OnceLock::new();
        if BEGUN.get().is_some() {
            return Ok(());
        }
        let terminal = File::open("/dev/tty")?;
        let before = tcgetattr(&terminal)?;
        let mut interrupts = signal(SignalKind::interrupt())?;
        BEGUN.get_or_init(|| {
            tokio::spawn(async move {
                interrupts.recv().await;
                end(&terminal, &before);
            });
        });
        Ok(())
    }

    fn end(terminal: &File, before: &Termios) -> ! {
        let _ = tcsetattr(terminal, OptionalActions::Now, before);
        // The prompt's line was not ended.
        crate::output::line("");
        process::exit(INTERRUPTED)
    }
}
