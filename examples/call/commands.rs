//! `--token-command`: runs a command for a token, and neither waits nor reads without an end.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::process::Command;
use tokio::time::timeout;
use tower_client_auth::{AuthError, AuthErrorKind, Secret, Token};
use zeroize::Zeroizing;

/// For somebody who has to sign in at another program first.
const PATIENCE: Duration = Duration::from_secs(120);

/// Far above any token that fits into a header.
const MOST: usize = 64 * 1024;

pub(crate) async fn run(command: &str) -> Result<Token, AuthError> {
    let (shell, flag) = match cfg!(windows) {
        true => ("cmd", "/C"),
        false => ("sh", "-c"),
    };
    // The body may come by stdin, and problems are the command's to tell.
    let child = Command::new(shell)
        .args([flag, command])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .spawn();
    let cannot = |error| lasting(format!("cannot be run: {error}"));
    let mut child = child.map_err(cannot)?;
    let mut output = Zeroizing::new(Vec::with_capacity(MOST + 1));
    let ending = async {
        if let Some(stdout) = child.stdout.take() {
            let mut stdout = stdout.take(MOST as u64 + 1);
            stdout.read_to_end(&mut output).await?;
        }
        match output.len() > MOST {
            true => Ok(None),
            false => child.wait().await.map(Some),
        }
    };
    let status = timeout(PATIENCE, ending).await;
    let status = status.map_err(|_| {
        lasting(format!(
            "did not end within {} s, and was ended",
            PATIENCE.as_secs()
        ))
    })?;
    let Some(status) = status.map_err(cannot)? else {
        return Err(lasting(
            "printed more than 64 KiB: its output has to be the token and nothing else",
        ));
    };
    if !status.success() {
        return Err(lasting(format!("failed: {status}")));
    }
    let text = Secret::new(std::str::from_utf8(&output).unwrap_or_default());
    match text.expose().trim() {
        "" => Err(lasting(
            "printed no token: its output has to be the token and nothing else",
        )),
        token => Token::new(token),
    }
}

fn lasting(what: impl AsRef<str>) -> AuthError {
    let message = format!("the command of `--token-command` {}", what.as_ref());
    AuthError::new(AuthErrorKind::Source, message)
}
