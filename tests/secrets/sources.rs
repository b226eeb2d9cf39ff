//! What is said when a source, a body or a signature fails.

use std::error::Error;

use aws_credential_types::provider::{self, ProvideCredentials, error::CredentialsError, future};
use futures::stream;
use http::request::Parts;
use http_body::Frame;
use http_body_util::StreamBody;
use tower_client_auth::{Applied, AuthError, AuthErrorKind, AuthorizeLayer, Authorizer, Need};

use super::failures::{Failures, bearer, client, clock, sigv4};
use super::*;

/// A provider of AWS credentials that has none, or bad ones.
#[derive(Debug)]
struct Provider(fn() -> provider::Result);

impl ProvideCredentials for Provider {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready((self.0)())
    }
}

/// An error that says little and shows too much, as parsers of replies do.
#[derive(Debug)]
struct Talkative(#[allow(dead_code)] &'static str);

impl std::fmt::Display for Talkative {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the reply could not be parsed")
    }
}

impl Error for Talkative {}

#[tokio::test]
async fn no_failing_source_spills_a_secret() {
    let mut failures = Failures::default();
    let _tracing = failures.output.trace();
    let recorder = Recorder::new();
    use AuthErrorKind::{Configuration, Expired, MalformedCredential, Source};

    let token = |token: Token| client(bearer(token), recorder.clone());
    let failing = || async {
        Err::<String, BoxError>(std::io::Error::from(std::io::ErrorKind::TimedOut).into())
    };
    let terminal = || async { Err::<String, _>(AuthError::terminal("invalid_client")) };
    let panicking = || async {
        // Without the hook, whose text is the source's and not ours.
        std::panic::resume_unwind(Box::new(TOKEN));
        #[allow(unreachable_code)]
        Ok::<&str, BoxError>(TOKEN)
    };
    let expired = || async { Ok(jwt(NOW - 3600)) };
    let spoiled = || async { Ok(format!("{TOKEN}\n")) };
    let provider = |answer| {
        Cached::credentials_builder(Provider(answer))
            .clock(clock())
            .build()
            .expect("a cache")
    };
    let aws = |answer| {
        let layer = SigV4Layer::new("eu-west-1", "s3", provider(answer)).expect("a layer");
        let layer = layer.scope(ORIGIN).expect("an origin").clock(clock());
        client(layer, recorder.clone())
    };
    let fixed = SigV4Layer::new("eu-west-1", "s3", other_credentials(Some(at(NOW - 1))));
    let fixed = fixed
        .expect("a layer")
        .scope(ORIGIN)
        .expect("an origin")
        .clock(clock());
    for (kind, client) in [
        (Source, client(bearer(failing), recorder.clone())),
        (Source, client(bearer(token_fn(terminal)), recorder.clone())),
        (
            Source,
            client(
                bearer(
                    Cached::builder(failing)
                        .clock(clock())
                        .build()
                        .expect("a cache"),
                ),
                recorder.clone(),
            ),
        ),
        (
            Source,
            client(
                bearer(
                    Cached::builder(panicking)
                        .clock(clock())
                        .build()
                        .expect("a cache"),
                ),
                recorder.clone(),
            ),
        ),
        (
            Expired,
            client(
                bearer(
                    Cached::builder(expired)
                        .clock(clock())
                        .build()
                        .expect("a cache"),
                ),
                recorder.clone(),
            ),
        ),
        (Expired, client(bearer(expired), recorder.clone())),
        (
            MalformedCredential,
            client(bearer(spoiled), recorder.clone()),
        ),
        (
            MalformedCredential,
            token(Token::from(format!("Bearer {TOKEN}"))),
        ),
        (MalformedCredential, token(Token::from(format!(" {TOKEN}")))),
        (MalformedCredential, token(Token::from(""))),
        (Expired, token(Token::from(TOKEN).expires_at(at(NOW - 1)))),
        (Expired, token(Token::from(jwt(NOW - 3600)))),
        (
            Source,
            aws(|| Err(CredentialsError::provider_timed_out(Duration::from_secs(5)))),
        ),
        (
            Source,
            aws(|| Err(CredentialsError::not_loaded("no profile"))),
        ),
        (
            Source,
            aws(|| std::panic::resume_unwind(Box::new(SECRET_KEY))),
        ),
        (Expired, aws(|| Ok(other_credentials(Some(at(NOW - 1)))))),
        (
            MalformedCredential,
            aws(|| Ok(Credentials::from_keys("A", format!("{SECRET_KEY}\n"), None))),
        ),
        (Expired, client(fixed, recorder.clone())),
    ] {
        failures.of_kind(
            kind,
            client.oneshot(request("https://api.example.com/")).await,
        );
    }

    let overridden = |overrides: AuthOverride| {
        let mut request = request("https://api.example.com/");
        request.extensions_mut().insert(overrides);
        request
    };
    for (kind, overriding) in [
        (MalformedCredential, Token::from(format!("{OTHER_TOKEN}\r"))),
        (Expired, Token::from(OTHER_TOKEN).expires_at(at(NOW - 1))),
    ] {
        let request = overridden(AuthOverride::new().token(overriding));
        failures.of_kind(kind, token(Token::from(TOKEN)).oneshot(request).await);
    }
    let overriding = AuthOverride::new().credentials(other_credentials(Some(at(NOW - 1))));
    let request = overridden(overriding.expect("credentials"));
    failures.of_kind(
        Expired,
        client(sigv4(), recorder.clone()).oneshot(request).await,
    );

    // No runtime, no load.
    let source = Cached::new(|| async { Ok(TOKEN) });
    let lonely = std::thread::spawn(move || futures::executor::block_on(source.token()));
    failures.of_kind(Configuration, lonely.join().expect("no panic"));

    // Whoever follows the chain finds the source's own error, and asks it at their own risk; ours
    // shows its words and not its insides.
    let talkative = AuthError::terminal(Talkative(TOKEN));
    failures.output.debug(&talkative);
    failures.output.line(talkative.to_string());
    assert!(format!("{talkative:?}").contains("could not be parsed"));

    assert!(recorder.seen().is_empty(), "nothing was sent");
    let Failures { output, count } = failures;
    assert_eq!(detector().hits(&output.text()), []);
    promise(25, format!("{count} failing sources, 0 hits"));
}

#[tokio::test]
async fn no_failing_body_or_signature_spills_a_secret() {
    let mut failures = Failures::default();
    let _tracing = failures.output.trace();
    let recorder = Recorder::new();
    use AuthErrorKind::{Payload, PayloadTooLarge, PlainText, Request as Malformed};

    let chunks = |last: Result<&'static str, BoxError>| {
        let frames = [Ok(BODY), last].map(|chunk| chunk.map(|c| Frame::data(Bytes::from(c))));
        StreamBody::new(stream::iter(frames)).boxed_unsync()
    };
    let put = |body: Body| request("https://api.example.com/").map(|_| body);
    let length = |value: &'static str| {
        let mut request = request("https://api.example.com/");
        request
            .headers_mut()
            .insert("content-length", HeaderValue::from_static(value));
        request
    };
    let late = || Clock::from_fn(|| SystemTime::UNIX_EPOCH - Duration::from_secs(1));
    let small = || client(sigv4().payload(Buffer::new(BODY.len())), recorder.clone());
    let plain = Scope::origin("http://intranet")
        .expect("an origin")
        .allow_plain_http();
    let plain = sigv4().scope(plain).expect("a scope").unsigned_payload();
    let strict = || client(sigv4().existing(Existing::Reject), recorder.clone());
    let mut leftover = request("https://api.example.com/");
    let token = HeaderValue::from_static(CALLER_TOKEN);
    leftover.headers_mut().insert("x-amz-security-token", token);
    let presigned = format!("https://api.example.com/?X-Amz-Signature={PASSWORD}");
    for (kind, client, request) in [
        (PayloadTooLarge, small(), put(chunks(Ok("more")))),
        (PayloadTooLarge, small(), length("4096")),
        (
            Payload,
            small(),
            put(chunks(Err("connection reset".into()))),
        ),
        (Malformed, small(), length(CALLER_KEY)),
        (Malformed, small(), length("3")),
        (
            Malformed,
            client(sigv4().clock(late()), recorder.clone()),
            request("https://api.example.com/"),
        ),
        (
            PlainText,
            client(plain, recorder.clone()),
            request("http://intranet/"),
        ),
        (Malformed, strict(), request(&presigned)),
        (Malformed, strict(), leftover),
    ] {
        failures.of_kind(kind, client.oneshot(request).await);
    }
    let needy = AuthorizeLayer::with_authorizer(Needy);
    let outcome = client(needy, recorder.clone()).oneshot(request("/")).await;
    failures.of_kind(AuthErrorKind::Configuration, outcome);

    let layer = bearer(Token::from(format!("{TOKEN}\n")));
    let mut answer = layer
        .layer(recorder.clone())
        .call(request("https://api.example.com/"));
    failures.add((&mut answer).await);
    failures.of_kind(Malformed, (&mut answer).await);

    assert!(recorder.seen().is_empty(), "nothing was sent");
    let Failures { output, count } = failures;
    assert_eq!(detector().hits(&output.text()), []);
    promise(25, format!("{count} failing bodies and signatures, 0 hits"));
}

/// Wants the payload where nobody reads it.
#[derive(Clone)]
struct Needy;

impl Authorizer for Needy {
    type Plan = ();
    type Credential = ();
    type Acquire = std::future::Ready<Result<(), AuthError>>;

    fn cover(&self, _head: &mut Parts) -> Result<Option<((), Need)>, AuthError> {
        Ok(Some(((), Need::Payload)))
    }

    fn acquire(&self, _plan: &()) -> Self::Acquire {
        unreachable!("the body comes first")
    }

    fn apply(
        &self,
        _plan: &mut (),
        _credential: &(),
        _payload: &PayloadHash,
        _head: &mut Parts,
    ) -> Result<Applied, AuthError> {
        unreachable!("there is nothing to apply")
    }
}
