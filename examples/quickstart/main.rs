//! See the layers at work, without an AWS account:
//!
//! ```sh
//! cargo run --example quickstart
//! ```
//!
//! reads `amplifyconfiguration.json` beside this file and calls each API in it through the layer
//! that comes of it; then it sends the same requests changed on the way and with wrong credentials.
//! What a stand-in on this machine answered for the file's hosts becomes a table. `tour.rs` has the
//! lines that a program needs.
//!
//! ```sh
//! cargo run --example quickstart -- --endpoint https://… --region eu-west-1 --service execute-api
//! ```
//!
//! signs one real call with the credentials in the environment. `--help` says more.

mod args;
mod call;
mod gateway;
mod real;
mod reroute;
mod rows;
#[path = "../stand_in/signature.rs"]
mod signature;
mod table;
mod tour;

use std::process::ExitCode;

use args::Command;
use tower_client_auth::BoxError;

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = match args::parse(std::env::args().skip(1)) {
        Ok(Command::Tour) => tour::run().await,
        Ok(Command::Call(call)) => real::run(*call).await,
        Ok(Command::Help) => {
            println!("{}", args::USAGE);
            return ExitCode::SUCCESS;
        }
        Err(problem) => {
            eprintln!("{problem}\n\n{}", args::USAGE);
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{}", with_causes(&error));
            ExitCode::FAILURE
        }
    }
}

/// An error with everything that led to it, which `Display` alone leaves out.
fn with_causes(error: &BoxError) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}\n  because: {cause}");
        next = cause.source();
    }
    text
}
