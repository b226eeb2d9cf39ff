//! What a request says about its own authorization, and what the selector makes of it.

use http::HeaderValue;
use tower_client_auth::{ApiName, AuthErrorKind, AuthOverride, AuthorizationMode, Existing, Token};

use super::{KEY, TOKEN, complete, credential, every_mode, expectations, get, send, sent, uri};

/// A name stays on a request through a redirect within an origin.
#[tokio::test]
async fn a_name_takes_no_credential_out_of_its_apis_path() {
    let selector = complete(&every_mode());
    for layer in [selector.layer("keyed"), selector.layer_for_all()] {
        let layer = layer.expect("a layer");
        for uri in [
            "https://keyed.example.com/elsewhere",
            "https://keyed.example.com/",
        ] {
            let mut request = get(uri);
            request.extensions_mut().insert(ApiName::new("keyed"));
            assert_eq!(credential(&sent(&layer, request).await), "nothing", "{uri}");
        }
        let mut request = get("https://keyed.example.com/v1/../elsewhere");
        request.extensions_mut().insert(ApiName::new("keyed"));
        assert!(send(&layer, request).await.is_err());
    }
}

/// A stranger's `Authorization` is a credential to an API with a key, too.
#[tokio::test]
async fn what_is_there_already_is_settled_in_mode_api_key() {
    let layer = complete(&every_mode()).layer("keyed").expect("a layer");
    let request = || {
        let mut request = get("/x");
        for value in ["Custom one", "Custom two"] {
            let value = HeaderValue::from_static(value);
            request.headers_mut().append("authorization", value);
        }
        request
    };
    let seen = sent(&layer, request()).await;
    assert_eq!(seen.one("authorization"), "Custom one");
    assert!(seen.head.headers["authorization"].is_sensitive());
    assert!(seen.all("x-api-key").is_empty());

    let seen = sent(&layer.clone().existing(Existing::Replace), request()).await;
    assert_eq!(credential(&seen), format!("key {KEY}"));

    let (kind, _) = send(&layer.existing(Existing::Reject), request())
        .await
        .expect_err("refused");
    assert_eq!(kind, AuthErrorKind::Request);
}

#[tokio::test]
async fn a_request_can_ask_for_another_mode() {
    let selector = complete(&every_mode());
    let layer = selector.layer("graph").expect("a layer");
    for (mode, expected) in [
        (AuthorizationMode::None, "nothing".to_owned()),
        (AuthorizationMode::ApiKey, format!("key {KEY}")),
        (
            AuthorizationMode::AwsIam,
            "signature eu-west-1/appsync".to_owned(),
        ),
        (
            AuthorizationMode::AwsLambda,
            format!("token {TOKEN}-AWS_LAMBDA"),
        ),
        (
            AuthorizationMode::CognitoUserPools,
            format!("token {TOKEN}-AMAZON_COGNITO_USER_POOLS"),
        ),
        (
            AuthorizationMode::OpenIdConnect,
            format!("token {TOKEN}-OPENID_CONNECT"),
        ),
    ] {
        let mut request = get("/");
        request
            .extensions_mut()
            .insert(AuthOverride::new().mode(mode));
        assert_eq!(credential(&sent(&layer, request).await), expected);
    }

    // Together with another token; and skipping comes before all.
    let own = AuthOverride::new()
        .mode(AuthorizationMode::AwsLambda)
        .token(Token::from("own"));
    let mut request = get("/");
    request.extensions_mut().insert(own);
    assert_eq!(credential(&sent(&layer, request).await), "token own");
    let mut request = get("/x");
    request
        .extensions_mut()
        .insert(AuthOverride::skip().mode(AuthorizationMode::ApiKey));
    let seen = sent(&layer, request).await;
    assert_eq!(credential(&seen), "nothing");
    assert_eq!(
        uri(&seen).to_string(),
        "https://graph.example.com/graphql/x"
    );
}

#[tokio::test]
async fn a_mode_that_cannot_be_had_is_an_error_of_the_request() {
    let layer = every_mode().selector().layer("open").expect("a layer");
    for (mode, expected) in [
        (AuthorizationMode::ApiKey, "there is no key for it"),
        (
            AuthorizationMode::AwsIam,
            "there are no AWS credentials for it",
        ),
        (
            AuthorizationMode::OpenIdConnect,
            "there is no token source for it",
        ),
    ] {
        let mut request = get("/x");
        request
            .extensions_mut()
            .insert(AuthOverride::new().mode(mode));
        let (kind, message) = send(&layer, request).await.expect_err("nothing to use");
        assert_eq!(kind, AuthErrorKind::Configuration);
        assert!(message.starts_with("the API `open` "), "{message}");
        assert!(message.contains(expected), "{message}");
    }
}

/// Amplify's rule, in every mode.
#[tokio::test]
async fn who_brings_an_authorization_keeps_it() {
    let selector = complete(&every_mode());
    for (name, _, usual) in expectations() {
        let layer = selector.layer(name).expect("a layer");
        let with_own = || {
            let mut request = get("/x");
            let own = HeaderValue::from_static("Custom mine");
            request.headers_mut().insert("authorization", own);
            request
        };
        assert_eq!(
            credential(&sent(&layer, with_own()).await),
            "token Custom mine",
            "{name}"
        );

        let layer = layer.existing(Existing::Replace);
        let expected = match name {
            "open" => "token Custom mine".to_owned(),
            _ => usual,
        };
        assert_eq!(
            credential(&sent(&layer, with_own()).await),
            expected,
            "{name}"
        );
    }

    let mut request = get("/x");
    request
        .headers_mut()
        .insert("x-api-key", HeaderValue::from_static("mine"));
    let layer = selector.layer("keyed").expect("a layer");
    assert_eq!(credential(&sent(&layer, request).await), "key mine");
}
