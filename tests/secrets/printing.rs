//! What is printed and traced while everything goes well.

use std::future::{pending, poll_fn};

use futures::FutureExt as _;
use tower_client_auth::layer::HeadOnly;
use tower_client_auth::sigv4::{Signer, SigningOptions};
use tower_client_auth::{
    Applied, AuthBody, CloneBody, DropCredentials, ManualClock, Need, Passthrough, TokenFile,
    TokenStyle, Verdict,
};

use super::*;

/// Answers when it is told to, that is, never.
#[derive(Clone, Debug)]
struct Stuck;

impl<B> Service<Request<B>> for Stuck {
    type Response = Response<Full<Bytes>>;
    type Error = BoxError;
    type Future = std::future::Pending<Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _request: Request<B>) -> Self::Future {
        pending()
    }
}

#[tokio::test]
async fn no_type_prints_a_secret() {
    let output = Output::default();
    let _tracing = output.trace();
    let mut types = 0;
    let mut print = |value: &dyn std::fmt::Debug| {
        output.debug(value);
        types += 1;
    };

    let token = Token::new(jwt(NOW + 3600)).expect("a token");
    let opaque = Token::from(TOKEN).expires_in(Duration::from_secs(9));
    print(&Secret::new(BARE));
    print(&token);
    print(&opaque);
    print(&Token::from(Secret::new(BARE)).expires_at(at(NOW)));
    print(&TokenStyle::Raw);
    let function = token_fn(|| async { Ok::<_, BoxError>(TOKEN) });
    print(&function);
    print(&function.token());
    let cached = Cached::new(function);
    print(&cached);
    print(&cached.status());
    print(&cached.token());
    print(&cached.token().await.expect("a token"));
    print(&cached.token());
    print(&cached.status());
    print(&Cached::builder(|| async { Ok(TOKEN) }));
    let file = std::env::temp_dir().join(format!("printed-token-{}", std::process::id()));
    std::fs::write(&file, TOKEN).expect("a file");
    let source = TokenFile::new(&file);
    print(&source);
    print(&source.token());
    print(&source.token().await.expect("a token"));
    print(&source);
    // Not text, though it begins like it; then too long.
    for content in [
        [TOKEN.as_bytes(), &[0xff]].concat(),
        TOKEN.repeat(100_000).into(),
    ] {
        std::fs::write(&file, content).expect("a file");
        let error = source.token().await.expect_err("unusable");
        print(&error);
        output.error(&error);
    }
    std::fs::remove_file(&file).expect("the file");

    let credentials = SigningCredentials::new(credentials()).expect("credentials");
    print(&credentials);
    print(&SigningCredentials::new(other_credentials(Some(at(NOW)))).expect("credentials"));
    let scope = SigningScope::new("eu-west-1", "execute-api").expect("a scope");
    print(&scope);
    output.line(scope.to_string());
    let options = SigningOptions::for_service("s3");
    print(&options);
    print(&Signer::new(scope, options));

    let overrides = AuthOverride::new()
        .token(Token::from(OTHER_TOKEN))
        .payload_hash(PayloadHash::of(BODY.as_bytes()))
        .credentials(other_credentials(None))
        .expect("credentials");
    print(&overrides);
    print(&AuthOverride::skip());
    print(&PayloadHash::of(BODY.as_bytes()));
    output.line(PayloadHash::of(BODY.as_bytes()).to_string());
    print(
        &Scope::origin(ORIGIN)
            .expect("an origin")
            .union(Scope::aws()),
    );
    print(&Clock::from_fn(|| at(NOW)));
    print(&ManualClock::new(at(NOW)));
    print(&Existing::Reject);
    print(&DropCredentials::new());
    print(&(
        Need::Hashed(PayloadHash::EMPTY),
        Verdict::Refresh,
        Applied::default(),
    ));

    let key = ApiKeyLayer::new(ORIGIN, API_KEY).expect("a layer");
    let query = key.clone().query("key").expect("a name");
    let bearer = BearerTokenLayer::new(ORIGIN, token.clone()).expect("a layer");
    let waiting = BearerTokenLayer::new(ORIGIN, cached).expect("a layer");
    let sigv4 = SigV4Layer::new("eu-west-1", "execute-api", credentials).expect("a layer");
    print(&key);
    print(&query);
    print(&waiting);
    print(&sigv4);
    let mut service = bearer.retry_rejected(Buffer::default()).layer(Stuck);
    print(&service);
    print(&sigv4.layer(Stuck));

    // Futures are printed fresh and half way, with everything in them.
    let mut answer = service.call(request("https://api.example.com/"));
    print(&answer);
    poll_fn(|cx| Poll::Ready(answer.poll_unpin(cx).is_pending())).await;
    print(&answer);
    let mut answer = sigv4.scope(ORIGIN).expect("a scope").layer(Stuck);
    let mut answer = answer.call(request("https://api.example.com/"));
    print(&answer);
    poll_fn(|cx| Poll::Ready(answer.poll_unpin(cx).is_pending())).await;
    print(&answer);

    print(&(Passthrough, CloneBody, Buffer::default(), HeadOnly));
    print(&AuthBody::<Body>::default());

    assert_eq!(detector().hits(&output.text()), []);
    promise(
        25,
        format!("{types} values of public types printed, 0 hits"),
    );
}

/// What a layer adds is marked sensitive, so that even a head that is printed whole, below all
/// layers, keeps it.
#[tokio::test]
async fn requests_that_go_well_print_no_secret() {
    let output = Output::default();
    let _tracing = output.trace();
    let recorder = Recorder::answering(|before, _| {
        let status = if before % 2 == 0 { 401 } else { 200 };
        Response::builder()
            .status(status)
            .body(Full::default())
            .expect("an answer")
    });
    let clock = || Clock::from_fn(|| at(NOW));
    let key = ApiKeyLayer::new(ORIGIN, API_KEY).expect("a layer");
    let raw = HeaderName::from_static("x-id-token");
    let source = Cached::builder(|| async { Ok(jwt(NOW + 3600)) })
        .clock(clock())
        .build()
        .expect("a cache");
    let bearer = BearerTokenLayer::new(ORIGIN, source)
        .expect("a layer")
        .clock(clock());
    let bearer = bearer
        .style(TokenStyle::Raw)
        .header_name(raw)
        .expect("a name");
    let sigv4 = SigV4Layer::new("eu-west-1", "s3", credentials()).expect("a layer");
    let sigv4 = sigv4.scope(ORIGIN).expect("a scope").clock(clock());
    let stack = tower::ServiceBuilder::new()
        .layer(key)
        .layer(bearer.retry_rejected(CloneBody))
        .layer(sigv4)
        .service(recorder.clone());

    for overriding in [false, true] {
        for uri in ["https://api.example.com/x", "https://elsewhere.example/x"] {
            let mut request = request(uri).map(|_| Full::<Bytes>::from(BODY));
            if overriding {
                let overrides = AuthOverride::new().token(Token::from(OTHER_TOKEN));
                let overrides = overrides.credentials(other_credentials(None));
                request
                    .extensions_mut()
                    .insert(overrides.expect("credentials"));
            }
            let response = stack.clone().oneshot(request).await.expect("an answer");
            output.debug(&response);
        }
    }
    let seen = recorder.seen();
    for request in &seen {
        output.debug(&request.head);
        assert_eq!(request.body, BODY.as_bytes());
    }
    let sent = |name: &str| -> Vec<&str> { seen.iter().flat_map(|s| s.all(name)).collect() };
    assert!(
        sent("x-api-key").contains(&API_KEY),
        "the secrets were there to be printed"
    );
    assert!(sent("x-id-token").contains(&OTHER_TOKEN));
    assert!(sent("x-amz-security-token").contains(&OTHER_SESSION));

    let text = output.text();
    assert!(
        text.contains("outside the credential's scope"),
        "events were seen"
    );
    assert_eq!(detector().hits(&text), []);
    promise(
        25,
        format!("{} requests sent, traced and printed, 0 hits", seen.len()),
    );
}
