//! Each mode against MiniStack, from one file: what is good is answered, what is wrong is refused.

use serde_json::json;
use tower_client_auth::oauth::{OAuthClient, Provider};
use tower_client_auth::{TokenSource as _, Transport};

use super::pty::Terminal;
use super::{Folder, Run, call, run};
use crate::cognito::Pools;
use crate::ministack::{MiniStack, REGION};
use crate::servers;

/// The secret of the OpenID provider's client.
const SECRET: &str = "s3cr%t +/:=&?";

struct World {
    pools: &'static Pools,
    folder: Folder,
}

impl World {
    fn new() -> Self {
        let world = Self {
            pools: Pools::shared(),
            folder: Folder::new(),
        };
        world.folder.write("tower-client-auth.json", world.file());
        world
    }

    /// In the crate's own format.
    fn file(&self) -> String {
        let pools = self.pools;
        let here = pools.stack.uri("127.0.0.1", "").to_string();
        let here = here.trim_end_matches('/');
        let api = |name: &str, mode: &str| json!({ "endpoint": self.endpoint(name), "mode": mode });
        let mut key = api("key", "API_KEY");
        key["api_key"] = pools.text("/rest_api/key").into();
        let mut iam = api("iam", "AWS_IAM");
        iam["region"] = REGION.into();
        let file = json!({
            "apis": {
                "open": api("open", "NONE"),
                "key": key,
                "iam": iam,
                "pool": api("pool", "AMAZON_COGNITO_USER_POOLS"),
                "jwt": api("jwt", "OPENID_CONNECT"),
                "lambda": api("lambda", "AWS_LAMBDA"),
            },
            "auth": {
                "user_pool": {
                    "id": pools.text("/user_pool/id"),
                    "client_id": pools.client_id("secret"),
                    "client_secret": pools.text("/clients/secret/secret"),
                    "region": REGION,
                    "endpoint": here,
                },
                "identity_pool": {
                    "id": pools.text("/identity_pools/with_guests"),
                    "region": REGION,
                    "endpoint": here,
                },
            },
        });
        file.to_string()
    }

    fn endpoint(&self, api: &str) -> String {
        let (id, path) = match api {
            "jwt" => (self.pools.stack.text("/oidc_api"), ""),
            "lambda" => (self.pools.stack.text("/lambda_api/id"), "/prod/lambda"),
            _ => {
                let id = self.pools.text("/rest_api/id");
                return self.at(id, &format!("/prod/{api}"));
            }
        };
        self.at(id, path)
    }

    fn at(&self, id: &str, path: &str) -> String {
        let uri = self
            .pools
            .stack
            .uri(&format!("{id}.execute-api.localhost"), path);
        uri.to_string().trim_end_matches('/').to_owned()
    }

    /// A call of an API by its URL, with variables in the environment.
    fn call(&self, api: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Run {
        let below = if api == "jwt" { "/jwt" } else { "?a=1" };
        let url = format!("{}{below}", self.endpoint(api));
        let arguments = [arguments, &[&url]].concat();
        let mut command = call(&self.folder, &arguments);
        run(command.envs(variables.iter().copied()))
    }

    #[track_caller]
    fn accepts(&self, api: &str, arguments: &[&str], variables: &[(&str, &str)]) {
        let run = self.call(api, arguments, variables);
        assert!(
            run.code == Some(0) && run.out.contains("ok"),
            "{api}: {run:#?}"
        );
    }

    #[track_caller]
    fn refuses(&self, api: &str, arguments: &[&str], variables: &[(&str, &str)]) {
        let run = self.call(api, arguments, variables);
        assert_eq!(run.code, Some(5), "{api}: {run:#?}");
        assert!(run.err.contains("the API answered 40"), "{api}: {run:#?}");
    }
}

/// Of the provider that one of the APIs trusts.
async fn oidc_token(world: &World) -> String {
    let issuer = world.pools.stack.token_endpoint().to_string();
    let transport = Transport::hyper().expect("a transport");
    let provider = Provider::new(&issuer, transport).expect("a provider");
    let client = OAuthClient::new(provider, "tests").secret(SECRET);
    let token = client.client_credentials().token().await.expect("a token");
    token.expose().to_owned()
}

#[tokio::test]
async fn every_mode_is_accepted_and_its_twins_refused() {
    if servers::skipped("call, every mode") {
        return;
    }
    let world = World::new();
    world.accepts("open", &[], &[]);

    world.accepts("key", &[], &[]);
    world.refuses("key", &["--api-key-env", "KEY"], &[("KEY", "a-guess")]);
    world.refuses("key", &["--mode", "none"], &[]);

    let stack = world.pools.stack;
    let (id, secret) = (stack.text("/user/key"), stack.text("/user/secret"));
    let user = [("AWS_ACCESS_KEY_ID", id), ("AWS_SECRET_ACCESS_KEY", secret)];
    let impostor = [
        ("AWS_ACCESS_KEY_ID", id),
        ("AWS_SECRET_ACCESS_KEY", "a-guess"),
    ];
    world.accepts("iam", &["--guest"], &[]);
    world.accepts("iam", &["--aws"], &user);
    world.accepts("iam", &["--aws", "--json", r#"{"order":1}"#], &user);
    world.refuses("iam", &["--aws"], &impostor);
    world.refuses("iam", &["--mode", "none"], &[]);

    let token = oidc_token(&world).await;
    world.folder.write("token", format!("{token}\n"));
    world
        .folder
        .write("forged", format!("{}AAAA", &token[..token.len() - 4]));
    world.accepts("jwt", &["--bearer", "--token-file", "token"], &[]);
    world.accepts("jwt", &["--bearer", "--token-command", "cat token"], &[]);
    world.refuses("jwt", &["--bearer", "--token-command", "cat forged"], &[]);

    let token = stack.text("/lambda_api/token");
    world.accepts("lambda", &["--token-env", "TOKEN"], &[("TOKEN", token)]);
    world.refuses("lambda", &["--token-env", "TOKEN"], &[("TOKEN", "a-guess")]);

    world.refuses("pool", &["--token-env", "TOKEN"], &[("TOKEN", "a-guess")]);
    let nobody = world.call("pool", &[], &[]);
    nobody.is(
        4,
        &[
            "nobody is signed in",
            "type `call --config tower-client-auth.json sign-in`",
        ],
    );
}

/// Signed in once, at a terminal, and then for every run until the sign-out.
#[tokio::test]
async fn a_user_stays_signed_in() {
    if servers::skipped("call, a user") {
        return;
    }
    let world = World::new();
    let mut terminal = Terminal::run(&call(&world.folder, &["sign-in", "--user", "alice"]));
    terminal.expect("Password of alice at 127.0.0.1:");
    terminal.type_secret(world.pools.password("alice"));
    terminal.expect("signed in: alice");
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(0), "{screen}");
    assert!(!screen.contains(world.pools.password("alice")), "{screen}");

    world.accepts("pool", &[], &[]);
    world.accepts("pool", &["--user", "alice"], &[]);
    world.accepts("pool", &["--id-token"], &[]);
    world.accepts("iam", &[], &[]);
    let elsewhere = world.call("pool", &["--store", "other.json"], &[]);
    elsewhere.is(4, &["nobody is signed in"]);
    let other = world.call("pool", &["--user", "bob"], &[]);
    other.is(4, &["another user's"]);
    let already = run(&mut call(&world.folder, &["sign-in"])).good();
    assert_eq!(already, "signed in already: alice\n");

    let over = run(&mut call(&world.folder, &["sign-out"])).good();
    assert_eq!(over, "signed out: alice\n");
    let again = run(&mut call(&world.folder, &["sign-out"])).good();
    assert_eq!(again, "nobody was signed in\n");
    world.call("pool", &[], &[]).is(4, &["nobody is signed in"]);
    // As a guest.
    world.accepts("iam", &[], &[]);
}

/// A URL that is in no file, signed for a region and a service.
#[tokio::test]
async fn a_call_goes_over_tls_and_http_2() {
    if servers::skipped("call, TLS") {
        return;
    }
    let stack = MiniStack::started(true);
    let certificate = stack.certificate().expect("a certificate");
    let url = stack.rest_api("/prod/iam?a=1").to_string();
    assert!(url.starts_with("https://"), "{url}");
    let folder = Folder::new();
    let arguments = ["--region", REGION, "--service", "execute-api", "-i", &url];
    let ask = |secret: &str, trusted: bool| {
        let mut command = call(&folder, &arguments);
        command
            .env("AWS_ACCESS_KEY_ID", stack.text("/user/key"))
            .env("AWS_SECRET_ACCESS_KEY", secret);
        if trusted {
            command.env("SSL_CERT_FILE", certificate);
        }
        run(&mut command)
    };
    let secret = stack.text("/user/secret");
    let answer = ask(secret, true).good();
    assert!(answer.starts_with("HTTP/2 200\n"), "{answer}");
    ask("a-guess", true).is(5, &["the API answered 403"]);
    // Nobody vouches for it.
    ask(secret, false).is(1, &["no answer from", "certificate"]);
}
