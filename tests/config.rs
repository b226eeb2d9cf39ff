//! Configuration files: good ones say what they say, bad ones get a message that helps.

mod formats;
mod mutations;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use tower_client_auth::config::AuthConfig;
use tower_client_auth::{ApiConfig, AuthError, Config};

/// A part of every secret in the files.
const CANARY: &str = "CANARY";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config")
}

/// The files of a folder, in the order of their names.
fn files(of: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder().join(of)).expect("the fixtures");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("a file").path()).collect();
    files.sort();
    files
}

fn name(file: &Path) -> &str {
    file.file_name()
        .and_then(|name| name.to_str())
        .expect("a name")
}

/// A message without the folder that the repository happens to be in.
fn here(message: &str) -> String {
    let folder = folder().join("");
    let message = message.replace(folder.to_str().expect("a path"), "");
    message.replacen("good/", "", 1).replacen("bad/", "", 1)
}

/// Holds what was got against what is written down.
fn compare(snapshot: &str, got: &str) {
    crate::support::compare(&folder().join(snapshot), got);
}

#[test]
fn good_files_say_what_they_say() {
    let mut text = String::new();
    let mut count = 0;
    for file in files("good") {
        let config = Config::from_path(&file).unwrap_or_else(|error| panic!("{error}"));
        writeln!(text, "{} ({:?})", name(&file), config.format()).expect("a string");
        for (name, api) in &config.apis {
            writeln!(text, "    {name}: {}", describe_api(api)).expect("a string");
        }
        describe_auth(&config.auth, &mut text);
        for warning in config.warnings() {
            writeln!(text, "    warning: {}", here(&warning.to_string())).expect("a string");
        }
        let shown = format!("{config:?}");
        assert!(!shown.contains(CANARY), "{}: {shown}", name(&file));
        count += 1;
    }
    compare("good.txt", &text);
    assert!(count >= 40, "{count} good files");
    println!("{count} good files");
}

#[test]
fn bad_files_get_a_message_that_helps() {
    let mut text = String::new();
    let mut count = 0;
    for file in files("bad") {
        let error = match Config::from_path(&file) {
            Ok(config) => panic!("{}: {config:?}", name(&file)),
            Err(error) => error,
        };
        assert!(!shown(&error).contains(CANARY), "{error:?}");
        writeln!(text, "{}", here(&error.to_string())).expect("a string");
        count += 1;
    }
    compare("bad.txt", &text);
    assert!(count >= 60, "{count} bad files");
    println!("{count} bad files, each with its message");
}

/// All that an error says, in whatever way it is asked.
fn shown(error: &AuthError) -> String {
    let mut text = format!("{error} {error:?}");
    let mut next = std::error::Error::source(error);
    while let Some(source) = next {
        write!(text, " {source} {source:?}").expect("a string");
        next = source.source();
    }
    text
}

fn describe_api(api: &ApiConfig) -> String {
    let mut text = format!("{} {} {}", api.kind, api.mode, api.endpoint);
    if let Some(region) = &api.region {
        write!(text, " in {region}").expect("a string");
    }
    write!(text, " as {}", api.signing_name()).expect("a string");
    if let Some(key) = &api.api_key {
        write!(text, ", a key of {} characters", key.expose().len()).expect("a string");
    }
    for mode in &api.additional_modes {
        write!(text, ", also {mode}").expect("a string");
    }
    text
}

fn describe_auth(auth: &AuthConfig, text: &mut String) {
    let mut line = |what: &str| writeln!(text, "    {what}").expect("a string");
    if let Some(pool) = &auth.user_pool {
        let secret = pool.client_secret.as_ref();
        line(&format!(
            "user pool {} in {}, client {}{}{}",
            pool.id,
            pool.region,
            pool.client_id,
            secret.map_or("", |_| " with a secret"),
            pool.endpoint
                .as_ref()
                .map_or(String::new(), |host| format!(", at {host}")),
        ));
        if let Some(oauth) = &pool.oauth {
            line(&format!(
                "login at {} for {:?}, back to {:?} and {:?}",
                oauth.domain,
                oauth.scopes,
                oauth.sign_in_redirect_uris,
                oauth.sign_out_redirect_uris
            ));
        }
    }
    if let Some(pool) = &auth.identity_pool {
        let guests = if pool.allow_guests {
            "guests"
        } else {
            "no guests"
        };
        line(&format!(
            "identity pool {} in {}, {guests}",
            pool.id, pool.region
        ));
    }
    if let Some(oidc) = &auth.oidc {
        line(&format!(
            "issuer {}, client {}, {:?} for {:?}",
            oidc.issuer, oidc.client_id, oidc.scopes, oidc.audience
        ));
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = Config::from_path("no/such/amplifyconfiguration.json").expect_err("no file");
    assert_eq!(
        error.to_string(),
        "no/such/amplifyconfiguration.json: the file cannot be read: entity not found"
    );
    let source = std::error::Error::source(&error).expect("a reason");
    assert!(source.downcast_ref::<std::io::Error>().is_some());
}

#[test]
fn a_text_without_a_file_has_its_place_in_words() {
    let error = r#"{"apis": {"orders": {"endpoint": "https://api.example.com"}}}"#
        .parse::<Config>()
        .expect_err("no mode");
    assert_eq!(
        error.to_string(),
        "line 1, column 21: apis.orders: `mode` is missing here"
    );
}
