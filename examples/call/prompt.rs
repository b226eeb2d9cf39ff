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
    let question = question.to_owned();
    let reading = tokio::task::spawn_blocking(|| rpassword::prompt_password(question));
    let text = reading.await.map_err(io::Error::other).flatten();
    let text = Secret::new(text.map_err(unanswered)?);
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
