//! What goes to the token endpoint.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::StatusCode;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, UnparsedPublicKey};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};
use tower_client_auth::oauth::{
    AssertionAudience, OAuthClient, OAuthError, PrivateKey, Provider, TokenType,
};
use tower_client_auth::{AuthErrorKind, BoxError, Clock, Secret, Token, TokenSource};

use super::issuer::{CLIENT, ISSUER, Issuer, SECRET, json_response, metadata, refusal, text};

/// The only form that came to the token endpoint.
fn only(issuer: &Issuer) -> std::collections::HashMap<String, String> {
    let forms = issuer.forms();
    assert_eq!(forms.len(), 1);
    forms.into_iter().next().expect("one")
}

#[tokio::test]
async fn a_secret_goes_into_the_header_encoded_twice() {
    let issuer = Issuer::default();
    let grant = issuer.client().client_credentials().scope("a b");
    grant.token().await.expect("a token");
    let form = only(&issuer);
    // As RFC 6749, section 2.3.1 and appendix B have it.
    let pair = format!("{CLIENT}:s3cr%25t+%2B%2F%3A%3D%26%3F%C3%BC");
    let expected = format!("Basic {}", STANDARD.encode(pair));
    assert_eq!(form["authorization"], expected);
    assert_eq!(form["grant_type"], "client_credentials");
    assert_eq!(form["scope"], "a b");
    assert_eq!(
        form.len(),
        3,
        "neither the id nor the secret is there as well"
    );
}

#[tokio::test]
async fn a_secret_goes_into_the_form_where_it_has_to() {
    let issuer = Issuer::default();
    let client = OAuthClient::new(issuer.provider(), CLIENT).secret_in_body(SECRET);
    client.client_credentials().token().await.expect("a token");
    // The provider says that it takes no other way.
    let mut only_post = metadata();
    only_post["token_endpoint_auth_methods_supported"] = json!(["client_secret_post"]);
    issuer.answers(json_response(StatusCode::OK, &only_post));
    issuer
        .client()
        .client_credentials()
        .token()
        .await
        .expect("a token");
    // It takes both: the header is what every provider has to know.
    only_post["token_endpoint_auth_methods_supported"] =
        json!(["client_secret_post", "client_secret_basic"]);
    issuer.answers(json_response(StatusCode::OK, &only_post));
    issuer
        .client()
        .client_credentials()
        .token()
        .await
        .expect("a token");
    let forms = issuer.forms();
    for form in &forms[..2] {
        assert_eq!(
            (&*form["client_id"], &*form["client_secret"]),
            (CLIENT, SECRET)
        );
        assert!(!form.contains_key("authorization"));
    }
    assert!(forms[2].contains_key("authorization") && !forms[2].contains_key("client_secret"));
}

#[tokio::test]
async fn whatever_is_asked_for_is_in_the_form() {
    let issuer = Issuer::default();
    let grant = issuer
        .client()
        .client_credentials()
        .audience("https://api.example.com")
        .resource("https://other.example.com/a?b")
        .parameter("tenant", "blue & green");
    grant.token().await.expect("a token");
    let form = only(&issuer);
    assert_eq!(form["audience"], "https://api.example.com");
    assert_eq!(form["resource"], "https://other.example.com/a?b");
    assert_eq!(form["tenant"], "blue & green");
}

#[tokio::test]
async fn a_parameter_that_the_crate_sends_itself_is_refused_before_anything_is_sent() {
    for name in [
        "grant_type",
        "client_secret",
        "scope",
        "refresh_token",
        "client_assertion",
    ] {
        let issuer = Issuer::default();
        let grant = issuer
            .client()
            .client_credentials()
            .parameter(name, "c4nary-value");
        let error = grant.token().await.expect_err(name);
        assert_eq!(error.kind(), AuthErrorKind::Configuration);
        assert!(error.to_string().contains(name) && !format!("{error:?}").contains("c4nary"));
        assert_eq!(issuer.exchanges(), 0);
    }
}

fn claims(part: &str) -> Value {
    let json = URL_SAFE_NO_PAD.decode(part).expect("base64url");
    serde_json::from_slice(&json).expect("JSON")
}

#[tokio::test]
async fn an_assertion_is_signed_for_this_provider_and_this_moment() {
    let random = ring::rand::SystemRandom::new();
    let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
    let der = EcdsaKeyPair::generate_pkcs8(algorithm, &random).expect("a key");
    let pair = EcdsaKeyPair::from_pkcs8(algorithm, der.as_ref(), &random).expect("a key");
    let text = STANDARD.encode(der.as_ref());
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n");
    let key = PrivateKey::from_pem(pem.as_bytes()).expect("a key");
    assert!(!format!("{key:?}").contains(&text[..20]));

    let issuer = Issuer::default();
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let client = OAuthClient::new(issuer.provider(), CLIENT)
        .private_key(key.key_id("2026-11").header("x5t#S256", "thumb"))
        .clock(Clock::from_fn(move || now));
    let grant = client.client_credentials();
    grant.token().await.expect("a token");
    grant.token().await.expect("a token");
    let endpoint = Provider::new("https://login.example.com/token", issuer.transport());
    let undiscovered = OAuthClient::new(endpoint.expect("a provider"), CLIENT);
    let undiscovered = undiscovered.private_key(super::faults::ec_key());
    undiscovered
        .client_credentials()
        .token()
        .await
        .expect("a token");
    let called = OAuthClient::new(issuer.provider(), CLIENT)
        .private_key(super::faults::ec_key())
        .assertion_audience(AssertionAudience::Endpoint);
    called.client_credentials().token().await.expect("a token");
    let named = undiscovered.assertion_audience("https://elsewhere.example.com");
    named.client_credentials().token().await.expect("a token");

    let forms = issuer.forms();
    let mut ids = std::collections::HashSet::new();
    for form in &forms[..2] {
        assert_eq!(form["client_id"], CLIENT);
        assert_eq!(
            form["client_assertion_type"],
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        );
        let parts: Vec<_> = form["client_assertion"].split('.').collect();
        assert_eq!(
            claims(parts[0]),
            json!({ "alg": "ES256", "typ": "JWT", "kid": "2026-11", "x5t#S256": "thumb" })
        );
        let mut said = claims(parts[1]);
        let id = said["jti"].take();
        assert!(
            ids.insert(id.as_str().expect("an id").to_owned()),
            "used once"
        );
        assert_eq!(
            said,
            json!({
                "iss": CLIENT, "sub": CLIENT, "aud": ISSUER, "jti": null,
                "iat": 1_800_000_000, "exp": 1_800_000_300,
            })
        );
        let signed = format!("{}.{}", parts[0], parts[1]);
        let signature = URL_SAFE_NO_PAD.decode(parts[2]).expect("base64url");
        let public = UnparsedPublicKey::new(
            &ring::signature::ECDSA_P256_SHA256_FIXED,
            pair.public_key().as_ref(),
        );
        public
            .verify(signed.as_bytes(), &signature)
            .expect("a signature");
        assert!(public.verify(&signed.as_bytes()[1..], &signature).is_err());
    }
    for (form, audience) in [
        (&forms[2], "https://login.example.com/token"),
        (&forms[3], "https://login.example.com/token"),
        (&forms[4], "https://elsewhere.example.com"),
    ] {
        let payload = form["client_assertion"].split('.').nth(1).expect("claims");
        assert_eq!(claims(payload)["aud"], audience);
    }
}

#[tokio::test]
async fn an_assertion_goes_by_the_providers_clock_once_ours_was_refused() {
    const NOW: u64 = 1_800_000_000;
    let at = |seconds: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    let refused = |ours: u64| {
        let mut response = refusal(StatusCode::UNAUTHORIZED, "invalid_client");
        let date = httpdate::fmt_http_date(at(NOW + ours))
            .parse()
            .expect("a date");
        response.headers_mut().insert("date", date);
        response
    };
    let issued = |form: &std::collections::HashMap<String, String>| {
        let payload = form["client_assertion"].split('.').nth(1).expect("claims");
        claims(payload)["iat"].as_u64().expect("a time")
    };
    let client = |issuer: &Issuer| {
        OAuthClient::new(issuer.provider(), CLIENT)
            .private_key(super::faults::ec_key())
            .clock(Clock::from_fn(move || at(NOW)))
            .client_credentials()
    };
    // An hour off: the second attempt is by the provider's clock, and so are all that follow.
    let issuer = Issuer::default();
    let grant = client(&issuer);
    issuer.answers(refused(3600));
    issuer.answers(json_response(StatusCode::OK, &metadata()));
    grant.token().await.expect("a token");
    grant.token().await.expect("a token");
    let forms = issuer.forms();
    let times: Vec<_> = forms.iter().map(issued).collect();
    assert_eq!(times, [NOW, NOW + 3600, NOW + 3600]);
    // No difference, or none that counts: the key is not the right one.
    for off in [0, 5] {
        let issuer = Issuer::default();
        issuer.answers(refused(off));
        issuer.answers(json_response(StatusCode::OK, &metadata()));
        client(&issuer).token().await.expect_err("a wrong key");
        assert_eq!(issuer.forms().len(), 1);
    }
    // The other clock is of no help: nothing of it stays.
    let issuer = Issuer::default();
    let grant = client(&issuer);
    issuer.answers(refused(3600));
    issuer.answers(refused(3600));
    issuer.answers(json_response(StatusCode::OK, &metadata()));
    grant.token().await.expect_err("a wrong key");
    grant.token().await.expect("a token");
    let times: Vec<_> = issuer.forms().iter().map(issued).collect();
    assert_eq!(times, [NOW, NOW + 3600, NOW]);
    // A clock from another year is not followed: the assertion would be good until then.
    for off in [24 * 3600 + 60, 365 * 24 * 3600] {
        let issuer = Issuer::default();
        issuer.answers(refused(off));
        issuer.answers(json_response(StatusCode::OK, &metadata()));
        client(&issuer).token().await.expect_err("a wrong key");
        assert_eq!(issuer.forms().len(), 1);
    }
    // Secrets have no date.
    let issuer = Issuer::default();
    issuer.answers(refused(3600));
    issuer.answers(json_response(StatusCode::OK, &metadata()));
    issuer
        .client()
        .client_credentials()
        .token()
        .await
        .expect_err("a wrong secret");
    assert_eq!(issuer.forms().len(), 1);
}

#[tokio::test]
async fn keys_that_cannot_sign_are_refused_in_words() {
    let pem = |label: &str, der: &[u8]| {
        format!(
            "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
            STANDARD.encode(der)
        )
    };
    for (text, word) in [
        (String::new(), "no private key"),
        ("c4nary".to_owned(), "no private key"),
        (pem("CERTIFICATE", b"c4nary"), "no private key"),
        (pem("ENCRYPTED PRIVATE KEY", b"c4nary"), "encrypted"),
        (pem("EC PRIVATE KEY", b"c4nary"), "converted"),
        (pem("PRIVATE KEY", b"c4nary"), "RSA with 2048"),
        (pem("RSA PRIVATE KEY", b"c4nary"), "RSA with 2048"),
        (
            "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nYzRuYXJ5\n\
             -----END RSA PRIVATE KEY-----\n"
                .to_owned(),
            "encrypted",
        ),
    ] {
        let error = PrivateKey::from_pem(text.as_bytes()).expect_err("unusable");
        assert_eq!(error.kind(), AuthErrorKind::MalformedCredential);
        assert!(error.to_string().contains(word), "{text}: {error}");
        assert!(!format!("{error:?}").contains("c4nary"));
    }
}

#[tokio::test]
async fn an_assertion_of_somebody_elses_is_sent_as_it_is() {
    let issuer = Issuer::default();
    let pod = || async { Ok::<_, BoxError>("projected-token") };
    let client = OAuthClient::new(issuer.provider(), CLIENT).assertions(pod);
    client.client_credentials().token().await.expect("a token");
    assert_eq!(only(&issuer)["client_assertion"], "projected-token");
    let failing = || async { Err::<Token, BoxError>("no pod".into()) };
    let client = OAuthClient::new(issuer.provider(), CLIENT).assertions(failing);
    let error = client
        .client_credentials()
        .token()
        .await
        .expect_err("no assertion");
    assert!(error.is_transient());
    assert_eq!(issuer.forms().len(), 1, "nothing more was sent");
}

#[tokio::test]
async fn an_assertion_that_is_refused_is_told_to_its_source() {
    let issuer = Issuer::default();
    let pod = Subject::default();
    let client = OAuthClient::new(issuer.provider(), CLIENT).assertions(pod.clone());
    for (code, rejected) in [("invalid_scope", 0), ("invalid_client", 1)] {
        issuer.answers(refusal(StatusCode::UNAUTHORIZED, code));
        if issuer.exchanges() == 0 {
            issuer.answers(json_response(StatusCode::OK, &metadata()));
        }
        client.client_credentials().token().await.expect_err(code);
        assert_eq!(pod.0.load(Ordering::SeqCst), rejected, "{code}");
    }
}

#[tokio::test]
async fn a_token_is_exchanged_as_the_rfc_has_it() {
    let issuer = Issuer::default();
    let source = |text: &'static str| move || async move { Ok::<_, BoxError>(text) };
    let exchange = issuer
        .client()
        .token_exchange(source("subject"), TokenType::Jwt)
        .actor(source("actor"), TokenType::AccessToken)
        .requested_type(TokenType::Other("urn:example:token".into()))
        .audience("https://api.example.com")
        .scope("read");
    exchange.token().await.expect("a token");
    let mut form = only(&issuer);
    form.remove("authorization");
    let expected = [
        (
            "grant_type",
            "urn:ietf:params:oauth:grant-type:token-exchange",
        ),
        ("subject_token", "subject"),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:jwt"),
        ("actor_token", "actor"),
        (
            "actor_token_type",
            "urn:ietf:params:oauth:token-type:access_token",
        ),
        ("requested_token_type", "urn:example:token"),
        ("audience", "https://api.example.com"),
        ("scope", "read"),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(form, expected.into_iter().collect());
}

/// A source that counts what is told to it.
#[derive(Clone, Default)]
struct Subject(Arc<AtomicUsize>);

impl TokenSource for Subject {
    type Future = std::future::Ready<Result<Token, tower_client_auth::AuthError>>;

    fn token(&self) -> Self::Future {
        std::future::ready(Ok(Token::from("subject")))
    }

    fn rejected(&self, _: &Token) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn a_subject_that_is_refused_is_told_to_its_source() {
    for (code, rejected) in [
        ("invalid_request", 1),
        ("invalid_grant", 1),
        ("invalid_client", 0),
    ] {
        let issuer = Issuer::default();
        let subject = Subject::default();
        let exchange = issuer
            .client()
            .token_exchange(subject.clone(), TokenType::IdToken);
        issuer.answers(refusal(StatusCode::BAD_REQUEST, code));
        issuer.answers(json_response(StatusCode::OK, &metadata()));
        let error = exchange.token().await.expect_err(code);
        assert!(!error.is_transient() && error.kind() == AuthErrorKind::Source);
        assert_eq!(subject.0.load(Ordering::SeqCst), rejected, "{code}");
    }
}

#[tokio::test]
async fn every_refusal_has_its_kind() {
    use AuthErrorKind::{SignInRequired, Source};

    // What the provider answers, then what becomes of it: for a client's own token, and for a user's.
    for (status, code, own, users) in [
        (
            400,
            "invalid_grant",
            (Source, false),
            (SignInRequired, false),
        ),
        (401, "invalid_client", (Source, false), (Source, false)),
        (400, "invalid_request", (Source, false), (Source, false)),
        (400, "invalid_scope", (Source, false), (Source, false)),
        (400, "invalid_target", (Source, false), (Source, false)),
        (400, "unauthorized_client", (Source, false), (Source, false)),
        (
            400,
            "unsupported_grant_type",
            (Source, false),
            (Source, false),
        ),
        (400, "access_denied", (Source, false), (Source, false)),
        (
            400,
            "interaction_required",
            (Source, false),
            (SignInRequired, false),
        ),
        (
            400,
            "login_required",
            (Source, false),
            (SignInRequired, false),
        ),
        (400, "slow_down", (Source, true), (Source, true)),
        (
            400,
            "temporarily_unavailable",
            (Source, true),
            (Source, true),
        ),
        (400, "use_dpop_nonce", (Source, false), (Source, false)),
        (400, "c4nary_code", (Source, false), (Source, false)),
        // GitHub's way.
        (
            200,
            "bad_refresh_token",
            (Source, false),
            (SignInRequired, false),
        ),
        (200, "invalid_client", (Source, false), (Source, false)),
        // Whatever is in the body, it is about the moment.
        (500, "invalid_grant", (Source, true), (Source, true)),
        (503, "invalid_client", (Source, true), (Source, true)),
        (429, "invalid_grant", (Source, true), (Source, true)),
    ] {
        let status = StatusCode::from_u16(status).expect("a status");
        for (of_user, expected) in [(false, own), (true, users)] {
            let issuer = Issuer::default();
            let client = issuer.client();
            let store = tower_client_auth::oauth::MemoryStore::new();
            use tower_client_auth::oauth::RefreshTokenStore as _;
            let token = Secret::new(issuer.session());
            store
                .save(&format!("{ISSUER} {CLIENT}"), &token)
                .await
                .expect("saved");
            issuer.answers(refusal(status, code));
            issuer.answers(json_response(StatusCode::OK, &metadata()));
            let answer = match of_user {
                true => client.refresh_token(store.clone()).token().await,
                false => client.client_credentials().token().await,
            };
            let error = answer.expect_err(code);
            assert_eq!(
                (error.kind(), error.is_transient()),
                expected,
                "{status} {code}"
            );
            let printed = format!("{error} {error:?}");
            assert!(!printed.contains("c4nary"), "{printed}");
            if !status.is_server_error() && status != StatusCode::TOO_MANY_REQUESTS {
                let provider = OAuthError::of(&error).expect("the provider's words");
                assert_eq!((provider.code(), provider.status()), (code, Some(status)));
                assert!(provider.description().expect("words").contains("c4nary"));
                assert!(!format!("{provider} {provider:?}").contains("c4nary"));
            }
            // No refusal but one that is about the session touches it.
            if of_user && expected.0 != SignInRequired {
                client
                    .refresh_token(store)
                    .token()
                    .await
                    .expect("still signed in");
            }
        }
    }
}

#[tokio::test]
async fn what_no_oauth_server_says_is_told_apart() {
    for (status, transient) in [
        (404, false),
        (405, false),
        (410, false),
        (302, false),
        (307, false),
        (400, true),
        (401, true),
        (403, true),
        (502, true),
    ] {
        let issuer = Issuer::default();
        let status = StatusCode::from_u16(status).expect("a status");
        let mut response = text(status, "text/html", "<html>c4nary</html>");
        let place = http::HeaderValue::from_static("https://evil.example.com/c4nary");
        response.headers_mut().insert("location", place);
        issuer.answers(response);
        issuer.answers(json_response(StatusCode::OK, &metadata()));
        let source = issuer.client().client_credentials();
        let error = source.token().await.expect_err("no token");
        assert_eq!(error.is_transient(), transient, "{status}: {error}");
        assert_eq!(error.kind(), AuthErrorKind::Source);
        assert!(!format!("{error} {error:?}").contains("c4nary"));
        assert_eq!(issuer.exchanges(), 2, "a redirect is not followed");
    }
}

#[tokio::test]
async fn lives_are_what_the_reply_says() {
    let issuer = Issuer::default();
    let part = |json: &str| URL_SAFE_NO_PAD.encode(json);
    let jwt = format!(
        "{}.{}.{}",
        part("{}"),
        part(r#"{"exp":4102444800}"#),
        part("s")
    );
    for (reply, life) in [
        (json!({ "access_token": "opaque" }), "life: Unknown"),
        (
            json!({ "access_token": "opaque", "expires_in": 60 }),
            "life: For(60s)",
        ),
        (
            json!({ "access_token": "opaque", "expires_in": "60" }),
            "life: For(60s)",
        ),
        (json!({ "access_token": jwt }), "life: Claimed"),
        (
            json!({ "access_token": jwt, "expires_in": 1 }),
            "life: For(1s)",
        ),
    ] {
        issuer.answers(json_response(StatusCode::OK, &reply));
        let endpoint = Provider::new("https://login.example.com/token", issuer.transport());
        let client = OAuthClient::new(endpoint.expect("a provider"), CLIENT);
        let token = client.client_credentials().token().await.expect("a token");
        let printed = format!("{token:?}");
        assert!(printed.contains(life), "{printed}");
    }
}
