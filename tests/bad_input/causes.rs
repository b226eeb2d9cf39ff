//! Errors that have a cause, and errors that are one.

use std::error::Error;
use std::fmt;
use std::io;
use std::time::{Duration, SystemTime};

use http::Response;
use tower::service_fn;
use tower_client_auth::token_fn;

use super::*;

#[tokio::test]
async fn a_body_that_fails_is_named_as_the_cause() {
    let frames = [
        Ok(Frame::data(Bytes::from_static(SECRET.as_bytes()))),
        Err(io::Error::from(io::ErrorKind::ConnectionReset)),
    ];
    let body = http_body_util::StreamBody::new(futures::stream::iter(frames));
    let error = refused(sigv4(), good().map(|_| body)).await;
    says(&error, AuthErrorKind::Payload, "nothing was sent");
    let cause = error
        .source()
        .and_then(|cause| cause.downcast_ref::<io::Error>());
    assert_eq!(
        cause.expect("its own error").kind(),
        io::ErrorKind::ConnectionReset
    );
}

/// An error as other people define theirs.
#[derive(Debug)]
struct Outage(Option<BoxError>);

impl fmt::Display for Outage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the issuer is down")
    }
}

impl Error for Outage {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0
            .as_deref()
            .map(|cause| cause as &(dyn Error + 'static))
    }
}

#[tokio::test]
async fn a_source_that_fails_is_named_as_the_cause() {
    let source = token_fn(|| async { Err::<Token, _>(Outage(None)) });
    let error = refused(bearer(source), good()).await;
    says(
        &error,
        AuthErrorKind::Source,
        "the credential source failed; the request was not sent",
    );
    assert!(error.is_transient(), "a source that knows better says so");
    assert!(error.source().is_some_and(|cause| cause.is::<Outage>()));

    let source = token_fn(|| async { Err::<Token, _>(AuthError::terminal(Outage(None))) });
    let error = refused(bearer(source), good()).await;
    says(
        &error,
        AuthErrorKind::Source,
        "the credential source refused",
    );
    assert!(!error.is_transient());
    assert!(error.source().is_some_and(|cause| cause.is::<Outage>()));

    // A source may wrap what another one of this crate said.
    let source = token_fn(|| async {
        let told = AuthError::terminal("invalid_client");
        Err::<Token, _>(Outage(Some(told.into())))
    });
    assert!(!refused(bearer(source), good()).await.is_transient());
}

#[tokio::test]
async fn what_has_expired_is_not_sent() {
    let past = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
    let token = Token::from(SECRET).expires_at(past);
    let error = refused(bearer(token), good()).await;
    says(
        &error,
        AuthErrorKind::Expired,
        "the source has no newer one",
    );
    let credentials = Credentials::new("AKIDEXAMPLE", SECRET, None, Some(past), "test");
    let layer = SigV4Layer::new("eu-west-1", "s3", credentials).expect("a layer");
    let error = refused(layer.scope(ORIGIN).expect("an origin"), good()).await;
    says(
        &error,
        AuthErrorKind::Expired,
        "the source has no newer ones",
    );
}

#[tokio::test]
async fn the_clients_own_error_comes_through_untouched() {
    async fn fail<B>(_: Request<B>) -> Result<Response<()>, Outage> {
        Err(Outage(Some(
            io::Error::from(io::ErrorKind::BrokenPipe).into(),
        )))
    }
    let query = api_key().query("key").expect("a name");
    for outcome in [
        api_key().layer(service_fn(fail)).oneshot(good()).await,
        query.layer(service_fn(fail)).oneshot(good()).await,
        bearer(Token::from(SECRET))
            .layer(service_fn(fail))
            .oneshot(good())
            .await,
        sigv4().layer(service_fn(fail)).oneshot(good()).await,
        // Out of scope.
        sigv4()
            .layer(service_fn(fail))
            .oneshot(get("https://elsewhere.example/"))
            .await,
    ] {
        let error = outcome.expect_err("the client failed");
        assert!(AuthError::find(error.as_ref()).is_none());
        let own = error.downcast::<Outage>().expect("the very error");
        assert!(own.source().is_some_and(|cause| cause.is::<io::Error>()));
    }
}

#[test]
fn an_auth_error_is_found_however_it_is_wrapped() {
    let auth = || AuthError::new(AuthErrorKind::Expired, "over");
    let wrapped = Outage(Some(Outage(Some(auth().into())).into()));
    let io = io::Error::other(Outage(Some(auth().into())));
    let bare_io = io::Error::other(auth());
    let deep_io = Outage(Some(io::Error::other(io::Error::other(auth())).into()));
    let all: [&(dyn Error + 'static); 5] = [&auth(), &wrapped, &io, &bare_io, &deep_io];
    for (at, error) in all.into_iter().enumerate() {
        let found = AuthError::find(error).map(AuthError::kind);
        assert_eq!(found, Some(AuthErrorKind::Expired), "{at}: {error:?}");
    }
    assert!(AuthError::find(&Outage(None)).is_none());
    assert!(AuthError::find(&io::Error::from(io::ErrorKind::Other)).is_none());
}

/// `tower`'s own middleware between the layer and whoever looks at the error.
#[tokio::test]
async fn an_auth_error_is_found_behind_a_buffer_and_a_timeout() {
    let service = tower::ServiceBuilder::new()
        .buffer(4)
        .timeout(Duration::from_secs(60))
        .layer(bearer(Token::from(format!("{SECRET}\n"))))
        .service(Recorder::new());
    let error = service
        .oneshot(good())
        .await
        .expect_err("a malformed token");
    let found = AuthError::find(error.as_ref()).expect("the layer's error");
    says(found, AuthErrorKind::MalformedCredential, "trim it");
}
