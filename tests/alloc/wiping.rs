//! What is left in memory that is given back.

use tower_client_auth::sigv4::{Signer, SigningOptions, SigningScope};
use tower_client_auth::{PayloadHash, Secret};

use super::meter::spilled;
use super::*;

const TEXT: &str = "da2-ThisIsWatched/7f3e91c2";
const ENCODED: &str = "da2-ThisIsWatched%2F7f3e91c2";

/// What the crate gives back is wiped, but for the copies in a `HeaderValue` or a `Uri`, which
/// nobody can wipe. A type that did not wipe would do so here, whatever it says at compile time.
#[test]
fn freed_memory_holds_no_secret() {
    // The instrument first: it sees a string that is not wiped, and what one leaves when it grows.
    assert_eq!(spilled(TEXT, || TEXT.to_owned()), 1);
    assert_eq!(spilled(TEXT, || TEXT.to_owned() + "more"), 2);

    assert_eq!(spilled(TEXT, || Secret::new(TEXT)), 0);
    assert_eq!(spilled(TEXT, || Token::new(TEXT)), 0);
    assert_eq!(spilled(TEXT, || Token::from(Secret::new(TEXT))), 0);
    assert_eq!(
        spilled(TEXT, || Token::new(TEXT)
            .map(|token| (token.clone(), token))),
        0
    );

    // What is left behind is the header value, once per layer, however many requests there were.
    assert_eq!(spilled(TEXT, || ApiKeyLayer::new(ORIGIN, TEXT)), 1);
    let bearer = BearerTokenLayer::new(ORIGIN, Token::from(TEXT));
    let mut bearer = bearer.expect("a layer").layer(service_fn(nothing));
    for _ in 0..3 {
        assert_eq!(
            spilled(TEXT, || bearer.call(put(Empty::new())).now_or_never()),
            0
        );
    }
    assert_eq!(spilled(TEXT, || bearer), 1);

    // A key in the query: nothing for the layer, and the request's own URI.
    let layer = ApiKeyLayer::new(ORIGIN, TEXT).expect("a layer");
    assert_eq!(spilled(ENCODED, || layer.clone().query("key")), 0);
    let mut query = layer
        .query("key")
        .expect("a name")
        .layer(service_fn(nothing));
    assert_eq!(
        spilled(ENCODED, || query.call(put(Empty::new())).now_or_never()),
        1
    );
    assert_eq!(spilled(ENCODED, || query), 0);

    // A signature: credentials, and what of the request it covers.
    let credentials = |secret: &str, session: Option<&str>| {
        let session = session.map(str::to_owned);
        Credentials::new("AKIDEXAMPLE", secret, session, None, "test")
    };
    let secret = credentials(TEXT, None);
    assert_eq!(spilled(TEXT, || SigningCredentials::new(secret.clone())), 0);
    assert_eq!(spilled(TEXT, || SigningCredentials::new(secret)), 0);
    let scope = SigningScope::new("eu-west-1", "s3").expect("a scope");
    let signer = Signer::new(scope, SigningOptions::default());
    let head = || Request::get(format!("{ORIGIN}/?token={TEXT}")).header("x-api-key", TEXT);
    for (what, credentials, most) in [
        ("a key of the request", credentials("secret", None), 0),
        ("a session token", credentials("secret", Some(TEXT)), 0),
        // Not ours: to derive a signing key, `aws-sigv4` writes `AWS4` and the secret into a string and
        // lets go of it. The key is kept, so that this is once a day, region and service.
        ("a secret access key", credentials(TEXT, None), 1),
    ] {
        let credentials = SigningCredentials::new(credentials).expect("credentials");
        let mut head = head().body(()).expect("a request").into_parts().0;
        let (hash, time) = (PayloadHash::EMPTY, SystemTime::UNIX_EPOCH);
        let mut sign = || {
            signer
                .sign(&mut head, &credentials, &hash, time)
                .expect("a signature")
        };
        let copies = spilled(TEXT, &mut sign);
        assert!(copies <= most, "{copies}");
        let later: usize = (0..100).map(|_| spilled(TEXT, &mut sign)).sum();
        assert_eq!(later, 0, "{what}");
        promise(
            27,
            format!(
                "{copies} freed blocks with {what} at the first signature, {later} at 100 more"
            ),
        );
    }
}

/// Forms and replies are made of secrets: of what goes through the crate's hands nothing is left.
#[cfg(feature = "oauth")]
#[test]
fn what_goes_to_a_provider_and_comes_from_it_is_wiped() {
    use tower_client_auth::Transport;
    use tower_client_auth::oauth::{MemoryStore, OAuthClient, Provider, RefreshTokenStore as _};

    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    // In frames, so that the reply has to be put together.
    let reply = format!(
        r#"{{"x":"{}","access_token":"{TEXT}","refresh_token":"{TEXT}+"}}"#,
        "y".repeat(20_000)
    );
    let reply: &'static str = reply.leak();
    let client = service_fn(move |request: Request<Full<Bytes>>| async move {
        request.into_body().collect().await?;
        let frames = reply.as_bytes().chunks(1_000);
        let frames =
            frames.map(|frame| Ok::<_, Infallible>(Frame::data(Bytes::from_static(frame))));
        let body = http_body_util::StreamBody::new(futures::stream::iter(frames));
        Ok::<_, Infallible>(Response::new(body))
    });
    let provider = Provider::new("https://login.example.com/token", Transport::new(client));
    let client = OAuthClient::new(provider.expect("a provider"), "tests").secret_in_body(TEXT);
    let store = MemoryStore::new();
    let token = Secret::new(TEXT);
    let saved = store.save("https://login.example.com/token tests", &token);
    runtime.block_on(saved).expect("saved");
    let own = client.client_credentials().parameter("more", TEXT);
    let session = client.refresh_token(store);
    let exchange =
        client.token_exchange(Token::from(TEXT), tower_client_auth::oauth::TokenType::Jwt);
    let mut exchanges = 0;
    for text in [TEXT, ENCODED] {
        for _ in 0..3 {
            for (what, copies) in [
                (
                    "client_credentials",
                    spilled(text, || runtime.block_on(own.token()).expect("a token")),
                ),
                (
                    "refresh_token",
                    spilled(text, || runtime.block_on(session.token()).expect("a token")),
                ),
                (
                    "token exchange",
                    spilled(text, || {
                        runtime.block_on(exchange.token()).expect("a token")
                    }),
                ),
            ] {
                assert_eq!(copies, 0, "{what}");
                exchanges += 1;
            }
        }
    }
    promise(
        27,
        format!("{exchanges} token requests, no copy of a secret in freed memory"),
    );
}

/// The same for what goes to Cognito: passwords, answers, refresh tokens and the client's secret, in JSON.
#[cfg(feature = "cognito")]
#[test]
fn what_goes_to_cognito_and_comes_from_it_is_wiped() {
    use tower_client_auth::Transport;
    use tower_client_auth::cognito::{IdentityPool, Session, SignIn, UserPool};
    use tower_client_auth::oauth::{TokenKind, Tokens};

    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let tokens = format!(
        r#"{{"AuthenticationResult":{{"x":"{}","AccessToken":"{TEXT}","IdToken":"{TEXT}","RefreshToken":"{TEXT}+"}}}}"#,
        "y".repeat(20_000)
    );
    let answer = move |target: &str, body: &[u8]| match target.rsplit('.').next().expect("a target")
    {
        "InitiateAuth" if body.windows(8).any(|part| part == b"PASSWORD") => format!(
            r#"{{"ChallengeName":"NEW_PASSWORD_REQUIRED","Session":"{TEXT}","ChallengeParameters":{{"a":"{TEXT}"}}}}"#
        ),
        "GetId" => r#"{"IdentityId":"eu-west-1:0"}"#.to_owned(),
        "GetCredentialsForIdentity" => format!(
            r#"{{"Credentials":{{"AccessKeyId":"ASIAEXAMPLE","SecretKey":"{TEXT}","SessionToken":"{TEXT}","Expiration":4e9}}}}"#
        ),
        _ => tokens.clone(),
    };
    let answer = std::sync::Arc::new(answer);
    // What a server has in memory is its own, and lasts for the test.
    let client = service_fn(move |request: Request<Full<Bytes>>| {
        let target = request.headers()["x-amz-target"]
            .to_str()
            .expect("ASCII")
            .to_owned();
        let body = request
            .into_body()
            .collect()
            .now_or_never()
            .expect("at once");
        let reply: &'static str = answer(&target, &body.expect("a body").to_bytes()).leak();
        let frames = reply.as_bytes().chunks(1_000);
        let frames =
            frames.map(|frame| Ok::<_, Infallible>(Frame::data(Bytes::from_static(frame))));
        let body = http_body_util::StreamBody::new(futures::stream::iter(frames));
        async { Ok::<_, Infallible>(Response::new(body)) }
    });
    let transport = Transport::new(client);
    let pool = UserPool::new("eu-west-1_A", "client", transport.clone());
    let pool = pool.expect("a pool").client_secret(TEXT);
    let identities = IdentityPool::new("eu-west-1:0", transport).expect("a pool");
    let login = identities.clone().login("example.com", Token::from(TEXT));
    let session = Session::new(pool.clone());
    let issued = Tokens::new(Token::from(TEXT)).with_refresh_token(TEXT);
    runtime
        .block_on(session.sign_in(&issued))
        .expect("signed in");
    let cached = session.tokens(TokenKind::Id);

    let mut calls = 0;
    for _ in 0..3 {
        let sign_in = spilled(TEXT, || {
            let step = runtime.block_on(pool.sign_in_with_password("alice", TEXT));
            let Ok(SignIn::NewPassword(challenge)) = step else {
                panic!("another step");
            };
            let done = runtime.block_on(challenge.attribute("email", TEXT).answer(TEXT));
            done.and_then(SignIn::tokens).expect("tokens")
        });
        let refresh = spilled(TEXT, || {
            cached.invalidate();
            runtime
                .block_on(async { cached.token().await })
                .expect("a token")
        });
        let credentials = spilled(TEXT, || {
            use aws_credential_types::provider::ProvideCredentials as _;

            runtime
                .block_on(login.provide_credentials())
                .expect("credentials")
        });
        for (what, copies) in [
            ("sign-in", sign_in),
            ("refresh", refresh),
            ("credentials", credentials),
        ] {
            assert_eq!(copies, 0, "{what}");
            calls += 1;
        }
    }
    promise(
        27,
        format!("{calls} exchanges with Cognito, no copy of a secret in freed memory"),
    );
}

/// A buffer that grows leaves a copy behind. The one a signature is computed over must therefore be
/// large enough from the start, whatever the request is made of.
#[test]
fn the_text_of_a_signature_never_has_to_grow() {
    let parts = [
        "", "%", "(", "%28", "/", "a", "&", "a&", "=", "a=b&", "+", "%F",
    ];
    let mut signatures = 0;
    for service in ["s3", "execute-api"] {
        let scope = SigningScope::new("eu-west-1", service).expect("a scope");
        let signer = Signer::new(scope, SigningOptions::for_service(service));
        let credentials = SigningCredentials::new(credentials()).expect("credentials");
        for path in parts {
            for query in parts {
                for headers in [0, 1, 20] {
                    let uri = format!("{ORIGIN}/{}?!={TEXT}&{}", path.repeat(99), query.repeat(99));
                    let mut request = Request::get(uri);
                    for at in 0..headers {
                        // Some names once, some often; values as short as they get.
                        request = request.header(format!("x-{}", at % 15), "");
                    }
                    let mut head = request.body(()).expect("a request").into_parts().0;
                    let (hash, time) = (PayloadHash::of(b"x"), SystemTime::UNIX_EPOCH);
                    let sign = || signer.sign(&mut head, &credentials, &hash, time);
                    assert_eq!(
                        spilled(ENCODED, sign),
                        0,
                        "{service} {path} {query} {headers}"
                    );
                    signatures += 1;
                }
            }
        }
    }
    promise(
        27,
        format!("{signatures} signatures, no copy of their text in freed memory"),
    );
}
