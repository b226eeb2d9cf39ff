//! Whatever can fail fails when a layer is made, with what to do about it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tower_client_auth::{
    ApiAuthLayer, ApiConfig, ApiKind, AuthError, AuthErrorKind, AuthorizationMode, Cached, Config,
    Token,
};

use super::{EVERY_MODE, complete, credential, credentials, every_mode, get, sent};

fn message(outcome: Result<ApiAuthLayer, AuthError>) -> String {
    let error = outcome.expect_err("nothing to build from");
    assert_eq!(error.kind(), AuthErrorKind::Configuration);
    error.to_string()
}

#[test]
fn what_a_mode_lacks_is_said() {
    let selector = every_mode().selector();
    for (api, expected) in [
        (
            "signed",
            "the API `signed` has mode `AWS_IAM`, and there are no AWS credentials for it: give them \
             with `AuthSelector::aws_credentials` or `AuthSelector::aws_provider`, or a session that has an \
             identity pool with `AuthSelector::session` (feature `cognito`)",
        ),
        (
            "members",
            "the API `members` has mode `AMAZON_COGNITO_USER_POOLS`, and there is no token source for \
             it: give one with `AuthSelector::tokens`, or a session with `AuthSelector::session` (feature \
             `cognito`)",
        ),
        (
            "partners",
            "the API `partners` has mode `OPENID_CONNECT`, and there is no token source for it: give \
             one with `AuthSelector::tokens`",
        ),
        (
            "scripted",
            "the API `scripted` has mode `AWS_LAMBDA`, and there is no token source for it: give one \
             with `AuthSelector::tokens`",
        ),
        ("open_", "there is no API `open_`: did you mean `open`?"),
        (
            "billing",
            "there is no API `billing`: there are `graph`, `keyed`, `members`, `open`, `partners`, \
             `scripted` and `signed`",
        ),
    ] {
        assert_eq!(message(selector.layer(api)), expected);
    }
    assert!(selector.layer("open").is_ok());
    assert!(selector.layer("keyed").is_ok());
    // One of them is enough.
    assert!(message(selector.layer_for_all()).contains("has mode"));
    assert!(selector.layer_for(["open", "keyed"]).is_ok());
    assert!(message(selector.layer_for(["open", "kayed"])).contains("did you mean `keyed`?"));
}

#[test]
fn a_missing_key_or_region_is_said() {
    let config: Config = r#"{"apis": {
        "keyed": {"endpoint": "https://api.example.com", "mode": "API_KEY"},
        "signed": {"endpoint": "https://api.example.com", "mode": "AWS_IAM"}
    }}"#
    .parse()
    .expect("a good file");
    let selector = config
        .selector()
        .aws_credentials(credentials())
        .expect("good ones");
    assert_eq!(
        message(selector.layer("keyed")),
        "the API `keyed` has mode `API_KEY`, and there is no key for it: write it into the \
         configuration, or give it with `AuthSelector::api_key_for`"
    );
    assert_eq!(
        message(selector.layer("signed")),
        "the API `signed` has mode `AWS_IAM`, and the configuration does not say in which region it \
         is: add its region"
    );
    assert_eq!(
        message(selector.layer_for_all()),
        "the API `keyed` has mode `API_KEY`, and there is no key for it: write it into the \
         configuration, or give it with `AuthSelector::api_key_for`; the API `signed` has mode `AWS_IAM`, \
         and the configuration does not say in which region it is: add its region"
    );
}

/// A region set makes signatures of SigV4a, and needs no region.
#[tokio::test]
async fn a_region_set_is_signed_for() {
    let mut config: Config = r#"{"apis": {"everywhere": {
        "endpoint": "https://api.example.com", "mode": "AWS_IAM", "service": "s3", "region_set": "us-east-1, eu-*"
    }}}"#
    .parse()
    .expect("a good file");
    let selector = |config: &Config| {
        let selector = config.clone().selector();
        selector.aws_credentials(credentials()).expect("good ones")
    };
    let layer = selector(&config).layer("everywhere").expect("a layer");
    let headers = sent(&layer, get("/key")).await.head.headers;
    assert_eq!(headers["x-amz-region-set"], "us-east-1,eu-*");
    let authorization = headers["authorization"].to_str().expect("ASCII");
    assert!(
        authorization.starts_with("AWS4-ECDSA-P256-SHA256 Credential=AKID"),
        "{authorization}"
    );
    assert!(
        authorization.contains("/s3/aws4_request, "),
        "{authorization}"
    );

    let api = config.apis.get_mut("everywhere").expect("there");
    api.region_set = Some("eu west".to_owned());
    assert_eq!(
        message(selector(&config).layer("everywhere")),
        "the API `everywhere`: the region set has a character other than letters, digits, `-`, `.` and `_`: give \
         regions with commas between them, such as `us-east-1,eu-*`, or `*` for all"
    );
}

#[test]
fn a_key_that_cannot_be_sent_is_an_error_with_the_apis_name() {
    for key in ["", "CANARY\n", "CANARY ü"] {
        let selector = every_mode()
            .selector()
            .api_key_for("keyed", key)
            .expect("a known API");
        let error = selector.layer("keyed").expect_err("no key");
        assert_eq!(error.kind(), AuthErrorKind::MalformedCredential);
        assert!(
            error
                .to_string()
                .starts_with("the API `keyed`: the API key "),
            "{error}"
        );
        assert!(!format!("{error} {error:?}").contains("CANARY"));
    }
}

#[test]
fn plain_http_is_refused_unless_it_is_allowed() {
    let mut config = Config::default();
    let api = |endpoint: &str| {
        let mut api = ApiConfig::new(endpoint, AuthorizationMode::ApiKey).expect("a URL");
        api.api_key = Some("da2-fakeApiId123456".into());
        api
    };
    config
        .apis
        .insert("plain".into(), api("http://api.example.com"));
    config
        .apis
        .insert("local".into(), api("http://localhost:3000"));
    let error = config.selector().layer("plain").expect_err("plain http");
    assert_eq!(error.kind(), AuthErrorKind::PlainText);
    assert!(error.to_string().contains("`plain`"), "{error}");
    assert!(config.selector().layer("local").is_ok());

    let plain = config.apis.get_mut("plain").expect("there");
    plain.allow_plain_http = true;
    assert!(config.selector().layer("plain").is_ok());
}

#[test]
fn two_apis_with_one_endpoint_are_ambiguous() {
    for (one, other) in [
        (
            "https://api.example.com/v1",
            "https://API.example.com:443/v1/",
        ),
        ("https://api.example.com", "https://api.example.com/"),
        ("http://[::1]:3000", "http://[0:0:0:0:0:0:0:1]:3000/"),
    ] {
        let mut config = Config::default();
        for (name, endpoint) in [("one", one), ("other", other)] {
            let api = ApiConfig::new(endpoint, AuthorizationMode::None).expect("a URL");
            config.apis.insert(name.to_owned(), api);
        }
        assert_eq!(
            message(config.selector().layer_for_all()),
            "`one` and `other` have the same endpoint, so a URL does not tell them apart: leave one \
             out with `layer_for`, or build a layer for each"
        );
        assert!(config.selector().layer_for(["one"]).is_ok());
    }
}

#[test]
fn the_only_api_needs_no_name() {
    let none: Config = r#"{"apis": {}}"#.parse().expect("a good file");
    assert_eq!(
        message(none.selector().only_layer()),
        "the configuration has no APIs"
    );
    assert_eq!(
        message(none.selector().layer_for_all()),
        "the configuration has no APIs"
    );
    assert_eq!(
        message(none.selector().layer("orders")),
        "there is no API `orders`: the configuration has none"
    );

    let one: Config =
        r#"{"apis": {"orders": {"endpoint": "https://api.example.com", "mode": "NONE"}}}"#
            .parse()
            .expect("a good file");
    assert!(one.selector().only_layer().is_ok());

    let selector = complete(&every_mode());
    assert_eq!(
        message(selector.only_layer()),
        "the configuration has several APIs: name one of `graph`, `keyed`, `members`, `open`, \
         `partners`, `scripted` and `signed`"
    );
    assert_eq!(
        message(selector.only_layer_of(ApiKind::Rest)),
        "the configuration has several REST APIs: name one of `keyed`, `members`, `open`, \
         `partners`, `scripted` and `signed`"
    );
    assert!(selector.only_layer_of(ApiKind::GraphQl).is_ok());
}

#[test]
fn tokens_are_for_modes_that_take_them() {
    for mode in AuthorizationMode::ALL {
        let outcome = every_mode().selector().tokens(*mode, Token::from("token"));
        match mode {
            AuthorizationMode::None | AuthorizationMode::ApiKey | AuthorizationMode::AwsIam => {
                let error = outcome.expect_err("no token there").to_string();
                let expected = format!(
                    "mode `{mode}` takes no token; those that do are `AMAZON_COGNITO_USER_POOLS`, \
                     `OPENID_CONNECT` and `AWS_LAMBDA`"
                );
                assert_eq!(error, expected);
            }
            _ => assert!(outcome.is_ok()),
        }
    }
}

#[tokio::test]
async fn what_is_given_for_one_api_comes_before_what_is_given_for_all() {
    let text = EVERY_MODE.replace("AWS_LAMBDA", "OPENID_CONNECT");
    let config: Config = text.parse().expect("a good file");
    let mode = AuthorizationMode::OpenIdConnect;
    let selector = config
        .selector()
        .tokens(mode, Token::from("everybody's"))
        .and_then(|selector| selector.tokens_for("scripted", mode, Token::from("scripted's")))
        .and_then(|selector| selector.api_key_for("keyed", "another-key"))
        .expect("known APIs");
    for (api, expected) in [
        ("partners", "token everybody's"),
        ("scripted", "token scripted's"),
        ("keyed", "key another-key"),
    ] {
        let layer = selector.layer(api).expect("a layer");
        assert_eq!(credential(&sent(&layer, get("/x")).await), expected);
    }
    let error = selector
        .tokens_for("nobody", mode, Token::from("x"))
        .expect_err("no such API");
    assert!(
        error
            .to_string()
            .starts_with("there is no API `nobody`: there are ")
    );
}

#[tokio::test]
async fn one_token_is_fetched_for_all_layers_and_requests() {
    let fetched = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&fetched);
    let selector = every_mode()
        .selector()
        .tokens(AuthorizationMode::OpenIdConnect, move || {
            let fetch = counter.fetch_add(1, Ordering::Relaxed);
            async move { Ok(format!("token-{fetch}")) }
        })
        .expect("a mode with tokens");
    for layer in [
        selector.layer("partners").expect("a layer"),
        selector
            .clone()
            .layer_for(["open", "partners"])
            .expect("a layer"),
    ] {
        for _ in 0..3 {
            let seen = sent(&layer, get("https://partners.example.com:8443/v1/x")).await;
            assert_eq!(credential(&seen), "token token-0");
        }
    }
    assert_eq!(fetched.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_cache_of_ones_own_stays_as_it_is() {
    let cache = Cached::new(|| async { Ok("from-the-cache") });
    let selector = every_mode()
        .selector()
        .tokens(AuthorizationMode::AwsLambda, cache.clone())
        .expect("a mode with tokens");
    let layer = selector.layer("scripted").expect("a layer");
    assert_eq!(
        credential(&sent(&layer, get("/x")).await),
        "token from-the-cache"
    );
    // What happens to it shows, so it is not behind another one.
    cache.invalidate();
    assert!(!cache.status().ready);
    sent(&layer, get("/x")).await;
    assert!(cache.status().ready);
}

#[test]
fn layers_of_all_modes_fit_into_one_collection() {
    fn is_shared<T: Clone + Send + Sync + 'static>(_: &T) {}
    let selector = complete(&every_mode());
    is_shared(&selector);
    let layers: Vec<ApiAuthLayer> = selector
        .config()
        .apis
        .keys()
        .map(|name| selector.layer(name).expect("a layer"))
        .collect();
    assert_eq!(layers.len(), 7);
    is_shared(&layers);
    let shown = format!("{layers:?} {selector:?}");
    assert!(!shown.contains("CANARY"), "{shown}");
}
