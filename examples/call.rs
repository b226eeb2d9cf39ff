//! Calls an API from the command line, as its configuration file says: curl with this crate's layers.
//!
//! ```sh
//! cargo run --example call -- --demo --api orders GET /items
//! ```
//!
//! calls an API of a stand-in on this machine. With the file of an Amplify project, it calls the project's own:
//!
//! ```sh
//! cargo run --example call -- --config amplifyconfiguration.json --api orders GET /items
//! ```
//!
//! `--help` says more. What a program needs of this is in `call/auth.rs` and `call/request.rs`.

// The command line, and what it names.
#[path = "call/args.rs"]
mod args;
#[path = "call/files.rs"]
mod files;
#[path = "call/slips.rs"]
mod slips;
#[path = "call/target.rs"]
mod target;
#[path = "call/words.rs"]
mod words;

// Credentials, and who signs in for them.
#[path = "call/auth.rs"]
mod auth;
#[path = "call/binding.rs"]
mod binding;
#[path = "call/browser.rs"]
mod browser;
#[path = "call/challenges.rs"]
mod challenges;
#[path = "call/commands.rs"]
mod commands;
#[path = "call/fits.rs"]
mod fits;
#[path = "call/nobody.rs"]
mod nobody;
#[path = "call/places.rs"]
mod places;
#[path = "call/prompt.rs"]
mod prompt;
#[path = "call/sign_in.rs"]
mod sign_in;
#[path = "call/sources.rs"]
mod sources;
#[path = "call/user.rs"]
mod user;
#[path = "call/world.rs"]
mod world;

// The call.
#[path = "call/advice.rs"]
mod advice;
#[path = "call/announce.rs"]
mod announce;
#[path = "call/answer.rs"]
mod answer;
#[path = "call/body.rs"]
mod body;
#[path = "call/client.rs"]
mod client;
#[path = "call/explain.rs"]
mod explain;
#[path = "call/headers.rs"]
mod headers;
#[path = "call/idle.rs"]
mod idle;
#[path = "call/meter.rs"]
mod meter;
#[path = "call/request.rs"]
mod request;
#[path = "call/tap.rs"]
mod tap;

// The other commands.
#[path = "call/check.rs"]
mod check;
#[path = "call/listing.rs"]
mod listing;
#[path = "call/sessions.rs"]
mod sessions;

#[path = "call/exit.rs"]
mod exit;
#[path = "call/output.rs"]
mod output;
#[path = "call/redact.rs"]
mod redact;
#[path = "call/screen.rs"]
mod screen;
#[path = "call/sink.rs"]
mod sink;

// The stand-ins. There is nothing to copy from them.
#[path = "call/demo.rs"]
mod demo;
#[allow(dead_code, reason = "each example needs a part of it")]
#[path = "stand_in/provider.rs"]
mod provider;
#[allow(dead_code, reason = "each example needs a part of it")]
#[path = "stand_in/signature.rs"]
mod signature;
#[allow(dead_code, reason = "each example needs a part of it")]
#[path = "stand_in/cognito.rs"]
mod stand_in;

use std::io::ErrorKind;
use std::path::Path;
use std::process::ExitCode;

use args::{Arguments, Command};
use clap::Parser as _;
use exit::{Exit, Failure};
use files::File;
use tokio::runtime::Runtime;
use world::World;

fn main() -> ExitCode {
    // It ends the program itself: with 2, or with 0 after `--help`.
    let arguments = Arguments::parse();
    let runtime = match Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            output::problem(&format!("there is no runtime: {error}"));
            return Exit::NoAnswer.into();
        }
    };
    let outcome = runtime.block_on(run(&arguments));
    // A thread that reads stdin would be waited for.
    runtime.shutdown_background();
    let exit = outcome.unwrap_or_else(|failure| failure.report());
    exit.into()
}

async fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    slips::check(arguments)?;
    if let Some(path) = &arguments.credential.store {
        check_store(path)?;
    }
    let Some(command) = arguments.command else {
        return request::run(arguments).await;
    };
    if slips::is_listing(arguments) {
        return listing::run(&File::read(arguments.api.config.as_deref())?);
    }
    let (world, file) = World::new(arguments).await?;
    let Some(mut file) = file else {
        return Err(Failure::usage(
            "this needs a configuration file: type `--config FILE`",
        ));
    };
    match command {
        Command::Apis => listing::run(&file),
        Command::Check => check::run(&world, &mut file, arguments).await,
        Command::SignIn => sessions::sign_in(&world, &file, arguments).await,
        Command::SignOut => sessions::sign_out(&world, &file).await,
    }
}

/// What is wrong with it is better said before somebody has signed in.
fn check_store(path: &Path) -> Result<(), Failure> {
    let shown = path.display();
    if path.is_dir() {
        return Err(Failure::configuration(format!(
            "`--store {shown}` names a folder: type the name of a file, such as `--store {shown}/sessions.json`"
        )));
    }
    match std::fs::File::open(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Failure::configuration(format!(
            "`--store {shown}` cannot be read: {error}"
        ))),
        _ => Ok(()),
    }
}
