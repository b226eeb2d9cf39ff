//! Beside Amplify's own parser of its configuration files, the one in npm's `aws-amplify`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tower_client_auth::config::{ConfigFormat, OAuthConfig};
use tower_client_auth::{ApiConfig, ApiKind, AuthorizationMode, Config};

use crate::servers;

/// A good file that both parsers read: theirs knows neither Gen 1 nor this crate's own format.
struct Fixture {
    path: PathBuf,
    text: String,
    config: Config,
}

fn fixtures() -> Vec<Fixture> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config/good");
    let files = fs::read_dir(folder).expect("the good files");
    let mut paths: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
    paths.sort();
    paths.push(written());
    let fixtures = paths.into_iter().map(|path| Fixture {
        text: fs::read_to_string(&path).expect("a text"),
        config: Config::from_path(&path).expect("a good file"),
        path,
    });
    let theirs = [ConfigFormat::Gen2, ConfigFormat::AwsExports];
    fixtures
        .filter(|fixture| theirs.contains(&fixture.config.format()))
        .collect()
}

/// A file with what no tool writes, and both parsers read.
fn written() -> PathBuf {
    let name = format!("{}-amplify_outputs.json", std::process::id());
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let outputs = json!({
        "version": "1",
        "data": {
            "aws_region": "eu-west-1",
            "url": "https://fake.appsync-api.eu-west-1.amazonaws.com/graphql",
            "default_authorization_type": "NONE",
            "authorization_types": [],
        },
    });
    fs::write(&file, outputs.to_string()).expect("a file");
    file
}

/// What their parser says about each of the files, in that order.
fn theirs(fixtures: &[Fixture]) -> Vec<Value> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers/amplify_parse.cjs");
    let output = Command::new("node")
        .arg(script)
        .args(fixtures.iter().map(|fixture| &fixture.path))
        .env("NODE_PATH", servers::node_modules())
        .output()
        .expect("node");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let lines = String::from_utf8(output.stdout).expect("UTF-8");
    let said: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).expect("an object"))
        .collect();
    assert_eq!(said.len(), fixtures.len(), "a line for each file");
    for (said, fixture) in said.iter().zip(fixtures) {
        let kind = match fixture.config.format() {
            ConfigFormat::Gen2 => "outputs",
            _ => "legacy",
        };
        assert_eq!(said["kind"], kind, "{said}");
    }
    said
}

/// What one of the two says, member by member. What it does not say is not there.
type Facts = BTreeMap<String, Value>;

fn their_facts(said: &Value) -> Facts {
    let mut facts = Facts::new();
    for part in ["rest", "graphql", "auth"] {
        add_leaves(&mut facts, part.to_owned(), &said[part]);
    }
    for (member, value) in &mut facts {
        if member.ends_with("/endpoint") {
            let url = value.as_str().expect("a URL").trim_end_matches('/');
            *value = json!(url);
        }
    }
    // What a page with a sign-in button needs is nothing to this crate.
    facts.remove("auth/oauth/responseType");
    facts.remove("auth/oauth/providers");
    // Guests get credentials of an identity pool: without one the question does not arise here, and
    // they answer it all the same.
    if !facts.contains_key("auth/identityPoolId") {
        facts.remove("auth/allowGuestAccess");
    }
    facts
}

fn add_leaves(facts: &mut Facts, at: String, value: &Value) {
    match value {
        Value::Null => {}
        Value::Object(members) => {
            for (name, value) in members {
                add_leaves(facts, format!("{at}/{name}"), value);
            }
        }
        leaf => {
            facts.insert(at, leaf.clone());
        }
    }
}

/// What this crate says, in their terms.
fn our_facts(config: &Config) -> Facts {
    let mut facts = Facts::new();
    let mut add = |member: String, value: Value| add_leaves(&mut facts, member, &value);
    for (name, api) in &config.apis {
        match api.kind {
            ApiKind::Rest => add(format!("rest/{name}"), rest(api)),
            ApiKind::GraphQl => add("graphql".to_owned(), graphql(api)),
            kind => panic!("a test for {kind} is missing"),
        }
    }
    if let Some(pool) = &config.auth.user_pool {
        add("auth/userPoolId".to_owned(), json!(pool.id));
        add("auth/userPoolClientId".to_owned(), json!(pool.client_id));
        if let Some(server) = &pool.oauth {
            add("auth/oauth".to_owned(), oauth(server));
        }
    }
    if let Some(pool) = &config.auth.identity_pool {
        add("auth/identityPoolId".to_owned(), json!(pool.id));
        add("auth/allowGuestAccess".to_owned(), json!(pool.allow_guests));
    }
    facts
}

fn rest(api: &ApiConfig) -> Value {
    json!({
        "endpoint": api.endpoint.to_string(),
        "region": api.region,
        "service": api.service,
    })
}

fn graphql(api: &ApiConfig) -> Value {
    json!({
        "endpoint": api.endpoint.to_string(),
        "region": api.region,
        "defaultAuthMode": their_name(api.mode),
        "apiKey": api.api_key.as_ref().map(|key| key.expose()),
    })
}

fn oauth(server: &OAuthConfig) -> Value {
    json!({
        "domain": server.domain,
        "scopes": server.scopes,
        "redirectSignIn": server.sign_in_redirect_uris,
        "redirectSignOut": server.sign_out_redirect_uris,
    })
}

fn their_name(mode: AuthorizationMode) -> &'static str {
    match mode {
        AuthorizationMode::None => "none",
        AuthorizationMode::ApiKey => "apiKey",
        AuthorizationMode::AwsIam => "iam",
        AuthorizationMode::CognitoUserPools => "userPool",
        AuthorizationMode::OpenIdConnect => "oidc",
        AuthorizationMode::AwsLambda => "lambda",
        mode => panic!("a test for {mode} is missing"),
    }
}

/// Takes out what is known to differ, with its reason, where `theirs` says nothing. What they do say
/// is never a known difference.
fn without_known_differences(fixture: &Fixture, mut ours: Facts, theirs: &Facts) -> Facts {
    let gen2 = fixture.config.format() == ConfigFormat::Gen2;
    let said = |member: &str| theirs.contains_key(member);
    // REST APIs under `rest_api` are amplify-flutter's alone; the JavaScript client has no such member.
    let flutters = rest_api(fixture);
    ours.retain(|member, _| {
        let name = member
            .strip_prefix("rest/")
            .and_then(|rest| rest.rsplit_once('/'));
        !name.is_some_and(|(name, _)| flutters.contains(name))
    });
    // An API without a region is in the project's: that is what their signer falls back to, and ours
    // is told when the file is read. Gen 2 files have no project.
    if !gen2 {
        ours.retain(|member, _| !member.ends_with("/region") || said(member));
    }
    // `NONE` is no mode of theirs in Gen 2: it is dropped, and then the client asks for one.
    if gen2 && ours.get("graphql/defaultAuthMode") == Some(&json!("none")) {
        ours.remove("graphql/defaultAuthMode");
    }
    // In Gen 2 a file that says nothing about guests lets none in, for them; for this crate that is the
    // pool's to decide. And their answer does not tell silence from a `false`.
    let guests = "auth/allowGuestAccess";
    if gen2 && !said(guests) {
        let silent = !fixture.text.contains("unauthenticated_identities_enabled");
        if ours.get(guests) == Some(&json!(silent)) {
            ours.remove(guests);
        }
    }
    ours
}

/// The names of the APIs under `rest_api`.
fn rest_api(fixture: &Fixture) -> BTreeSet<String> {
    if !fixture.text.contains("\"rest_api\"") {
        return BTreeSet::new();
    }
    let file: Value = serde_json::from_str(&fixture.text).expect("a JSON file");
    let apis = file["rest_api"].as_object().expect("an object");
    apis.keys().cloned().collect()
}

/// What the two do not agree on.
fn differences(fixture: &Fixture, theirs: &Facts) -> Vec<String> {
    let ours = without_known_differences(fixture, our_facts(&fixture.config), theirs);
    let members: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
    let differ = |member: &&String| ours.get(*member) != theirs.get(*member);
    let file = fixture.path.file_name().expect("a file").to_string_lossy();
    members
        .into_iter()
        .filter(differ)
        .map(|member| {
            let (ours, theirs) = (ours.get(member), theirs.get(member));
            format!("{file}, {member}: ours {ours:?}, theirs {theirs:?}")
        })
        .collect()
}

/// Another value of the same type.
fn altered(value: &Value) -> Value {
    match value {
        Value::Bool(value) => json!(!value),
        Value::String(value) => json!(format!("{value}x")),
        Value::Array(values) => json!([values.as_slice(), &[json!("x")]].concat()),
        value => panic!("a member of another type: {value}"),
    }
}

#[test]
fn files_mean_what_amplify_takes_them_to_mean() {
    if servers::skipped("aws-amplify's parser") {
        return;
    }
    let fixtures = fixtures();
    let answers: Vec<Facts> = theirs(&fixtures).iter().map(their_facts).collect();
    let (mut members, mut known, mut found) = (0, 0, 0);
    for (at, (fixture, theirs)) in fixtures.iter().zip(&answers).enumerate() {
        let differences = differences(fixture, theirs);
        assert!(differences.is_empty(), "{differences:#?}");
        members += theirs.len();
        known += our_facts(&fixture.config).len() - theirs.len();
        found += finds_what_differs(fixture, theirs);
        let another = &answers[(at + 1) % answers.len()];
        if another != theirs {
            let differences = self::differences(fixture, another);
            assert!(!differences.is_empty(), "{:?}", fixture.path);
        }
    }
    let count = |format| {
        let of = |fixture: &&Fixture| fixture.config.format() == format;
        fixtures.iter().filter(of).count()
    };
    let (gen2, exports) = (count(ConfigFormat::Gen2), count(ConfigFormat::AwsExports));
    assert!(
        gen2 > 0 && exports > 0 && members > 0,
        "there must be files to compare"
    );
    println!(
        "aws-amplify's parser: {gen2} Gen 2 files and {exports} aws-exports agree in all {members} \
         members that it knows, {known} others differ for known reasons, {found} altered answers were \
         noticed"
    );
    fs::remove_file(&fixtures.last().expect("the written one").path).expect("a file");
}

/// Alters their answer in one member after another, and expects just that to be found. Returns how many
/// those were.
fn finds_what_differs(fixture: &Fixture, theirs: &Facts) -> usize {
    for (member, value) in theirs {
        let mut wrong = theirs.clone();
        wrong.insert(member.clone(), altered(value));
        let differences = differences(fixture, &wrong);
        assert_eq!(differences.len(), 1, "{member}: {differences:?}");
    }
    theirs.len()
}
