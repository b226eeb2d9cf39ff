//! The crate's own format, through serde from whatever holds it.

use std::fs;
use std::path::Path;

use tower_client_auth::{ApiKind, AuthorizationMode, Config};

use super::{CANARY, describe_api, files, name};

const TOML: &str = r#"
[apis.orders]
endpoint = "https://abc123.execute-api.eu-west-1.amazonaws.com/prod"
region = "eu-west-1"
mode = "AWS_IAM"

[apis.blog]
endpoint = "https://blog.example.com/graphql"
kind = "GraphQL"
mode = "API_KEY"
api_key = "da2-CANARYfake1234567890"
additional_modes = ["OPENID_CONNECT"]

[auth.oidc]
issuer = "https://login.example.com"
client_id = "orders"
"#;

const YAML: &str = r#"
apis:
  orders:
    endpoint: https://abc123.execute-api.eu-west-1.amazonaws.com/prod
    region: eu-west-1
    mode: AWS_IAM
  blog:
    endpoint: https://blog.example.com/graphql
    kind: GraphQL
    mode: API_KEY
    api_key: da2-CANARYfake1234567890
    additional_modes: [OPENID_CONNECT]
auth:
  oidc:
    issuer: https://login.example.com
    client_id: orders
"#;

fn described(config: &Config) -> Vec<String> {
    let apis = config.apis.iter();
    apis.map(|(name, api)| format!("{name}: {}", describe_api(api)))
        .collect()
}

#[test]
fn toml_and_yaml_say_the_same() {
    let toml: Config = toml::from_str(TOML).expect("good TOML");
    let yaml: Config = serde_yaml_ng::from_str(YAML).expect("good YAML");
    assert_eq!(described(&toml), described(&yaml));
    assert_eq!(
        described(&toml),
        [
            "blog: GraphQL API_KEY https://blog.example.com/graphql as appsync, a key of 24 \
             characters, also OPENID_CONNECT",
            "orders: REST AWS_IAM https://abc123.execute-api.eu-west-1.amazonaws.com/prod in \
             eu-west-1 as execute-api",
        ]
    );
    assert_eq!(toml.apis["orders"].mode, AuthorizationMode::AwsIam);
    assert!(!format!("{toml:?}").contains(CANARY));
}

#[test]
fn serde_says_what_is_wrong_too() {
    let error = |from: &str, to: &str| {
        assert!(TOML.contains(from), "{from}");
        let error = toml::from_str::<Config>(&TOML.replace(from, to)).expect_err(to);
        error.message().to_owned()
    };
    assert!(error("\"AWS_IAM\"", "\"AWS-IAM\"").ends_with("did you mean `AWS_IAM`?"));
    assert!(error("region =", "regoin =").contains("unknown field `regoin`, expected one of"));
    assert!(error("https://abc", "abc").starts_with("expected the API's whole URL"));
    assert!(error("mode = \"AWS_IAM\"", "").contains("missing field `mode`"));
    let number = error("\"da2-CANARYfake1234567890\"", "1234567890");
    assert_eq!(number, "expected a string, found a number");
}

/// Both ways lead through the same types; this holds them together where they part.
#[test]
fn from_path_and_serde_agree_about_the_own_format() {
    let mut count = 0;
    for (of, good) in [("good", true), ("bad", false)] {
        for file in files(of) {
            if !name(&file).starts_with("own-") {
                continue;
            }
            let text = fs::read_to_string(&file).expect("UTF-8");
            match (
                Config::from_path(&file),
                serde_json::from_str::<Config>(&text),
            ) {
                (Ok(ours), Ok(serde)) => assert_eq!(described(&ours), described(&serde)),
                (Err(_), Err(_)) => assert!(!good),
                // Two members of one name in a map, and what only makes sense as a whole, are
                // checked where a layer is made.
                (Err(_), Ok(_)) => assert!(
                    [
                        "own-api-name-empty.json",
                        "own-region-set-empty-part.json",
                        "own-api-twice.json",
                        "own-and-gen1.json",
                        "own-and-gen2.json",
                        "own-endpoint-plain-http.json",
                        "own-issuer-plain-http.json",
                    ]
                    .contains(&name(&file)),
                    "{}",
                    name(&file)
                ),
                (Ok(_), Err(error)) => panic!("{}: {error}", name(&file)),
            }
            count += 1;
        }
    }
    assert!(count > 30, "{count}");
}

/// The schema in the repository is the types'.
#[test]
fn the_schema_is_up_to_date() {
    let schema = schemars::schema_for!(Config);
    let mut text = serde_json::to_string_pretty(&schema).expect("JSON");
    text.push('\n');
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("config.schema.json");
    if std::env::var_os(crate::support::BLESS).is_some_and(|value| value == "1") {
        fs::write(&file, &text).expect("a file");
    }
    let written = fs::read_to_string(&file).expect("config.schema.json");
    // Not printed: it is long.
    assert!(
        written == text,
        "set {}=1 to write config.schema.json anew",
        crate::support::BLESS
    );
}

/// Some of the types are read by hand, so their schema is written by hand as well.
#[test]
fn the_schema_names_what_is_read() {
    let schema = serde_json::to_value(schemars::schema_for!(Config)).expect("JSON");
    let names = |of: &str| -> Vec<String> {
        let variants = schema["$defs"][of]["oneOf"].as_array().expect(of);
        let name = |variant: &serde_json::Value| variant["const"].as_str().expect(of).to_owned();
        variants.iter().map(name).collect()
    };
    let modes = AuthorizationMode::ALL.iter().map(|mode| mode.as_str());
    assert_eq!(names("AuthorizationMode"), modes.collect::<Vec<_>>());
    assert_eq!(
        names("ApiKind"),
        [ApiKind::Rest, ApiKind::GraphQl].map(ApiKind::as_str)
    );
    assert_eq!(schema["$defs"]["Endpoint"]["type"], "string");
    assert_eq!(schema["required"], serde_json::json!(["apis"]));

    // What an editor underlines is what is refused.
    let api = &schema["$defs"]["ApiConfig"];
    assert_eq!(api["required"], serde_json::json!(["endpoint", "mode"]));
    for of in ["ApiConfig", "AuthConfig", "UserPoolConfig", "OidcConfig"] {
        assert_eq!(schema["$defs"][of]["additionalProperties"], false, "{of}");
    }
}
