//! The table "When the input is bad" of the crate's documentation, row by row.

#[path = "bad_input/causes.rs"]
mod causes;

use std::error::Error;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use aws_credential_types::Credentials;
use bytes::Bytes;
use http::{HeaderValue, Request};
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use tower::{Layer, Service, ServiceExt};
use tower_client_auth::sigv4::SigningCredentials;
use tower_client_auth::{
    ApiKeyLayer, AuthError, AuthErrorKind, AuthOverride, BearerTokenLayer, BoxError, Buffer,
    Existing, Scope, SigV4Layer, Token, TokenSource,
};

use crate::support::Recorder;

const ORIGIN: &str = "https://api.example.com";
const SECRET: &str = "da2-KeyOfTheBadInputTests";

/// What went wrong, once it is certain that nothing was sent and nothing was said that is secret.
async fn refused<L, B>(layer: L, request: Request<B>) -> AuthError
where
    L: Layer<Recorder>,
    L::Service: Service<Request<B>, Error = BoxError>,
{
    let recorder = Recorder::new();
    let outcome = layer.layer(recorder.clone()).oneshot(request).await;
    let error = outcome.map(drop).expect_err("a refusal");
    assert!(recorder.seen().is_empty(), "sent in spite of: {error}");
    let found = AuthError::find(error.as_ref()).expect("an error of the layer");
    discreet(found);
    found.clone()
}

fn discreet(error: &AuthError) {
    let mut next: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = next {
        let text = format!("{error} {error:?}");
        assert!(!text.contains(SECRET), "{text}");
        next = error.source();
    }
}

/// Kind and advice of an error.
#[track_caller]
fn says(error: &AuthError, kind: AuthErrorKind, advice: &str) {
    assert_eq!(error.kind(), kind, "{error}");
    let text = error.to_string();
    assert!(text.contains(advice), "{text:?} does not say {advice:?}");
    discreet(error);
}

#[track_caller]
fn not_built<T>(outcome: Result<T, AuthError>, kind: AuthErrorKind, advice: &str) {
    let Err(error) = outcome.map(drop) else {
        panic!("a layer was built");
    };
    says(&error, kind, advice);
    assert!(!error.is_transient());
}

fn api_key() -> ApiKeyLayer {
    ApiKeyLayer::new(ORIGIN, SECRET).expect("a layer")
}

fn bearer<T: TokenSource>(source: T) -> BearerTokenLayer<T> {
    BearerTokenLayer::new(ORIGIN, source).expect("a layer")
}

fn sigv4() -> SigV4Layer<SigningCredentials> {
    let credentials = Credentials::new("AKIDEXAMPLE", SECRET, None, None, "test");
    let layer = SigV4Layer::new("eu-west-1", "execute-api", credentials).expect("a layer");
    layer.scope(ORIGIN).expect("an origin")
}

fn get(uri: &str) -> Request<Full<Bytes>> {
    Request::get(uri).body(Full::default()).expect("a request")
}

fn good() -> Request<Full<Bytes>> {
    get("https://api.example.com/orders")
}

#[test]
fn an_empty_region_or_service_is_refused_when_the_layer_is_built() {
    let credentials = || Credentials::new("AKIDEXAMPLE", SECRET, None, None, "test");
    for (region, service, advice) in [
        (
            "",
            "execute-api",
            "the region is empty: give the one the API is deployed in",
        ),
        (
            "eu-west-1",
            "",
            "the service is empty: give its signing name",
        ),
        ("eu west", "s3", "has a character other than letters"),
    ] {
        let layer = SigV4Layer::new(region, service, credentials());
        not_built(layer, AuthErrorKind::Configuration, advice);
    }
}

#[test]
fn a_scope_that_is_no_origin_is_refused_when_the_layer_is_built() {
    const ADVICE: &str = "expected an origin, such as `https://api.example.com`";
    for (origin, advice) in [
        ("api.example.com", ADVICE),
        ("", ADVICE),
        ("https://api.example.com:99999", ADVICE),
        ("ftp://api.example.com", ADVICE),
        (
            "https://user:da2-KeyOfTheBadInputTests@api.example.com",
            ADVICE,
        ),
        ("https://api.example.com/v1", "leave the path out"),
    ] {
        const KIND: AuthErrorKind = AuthErrorKind::Configuration;
        not_built(ApiKeyLayer::new(origin, SECRET), KIND, advice);
        not_built(
            BearerTokenLayer::new(origin, Token::from(SECRET)),
            KIND,
            advice,
        );
        not_built(sigv4().scope(origin), KIND, advice);
        not_built(api_key().default_origin(origin), KIND, advice);
    }
    let none: [&str; 0] = [];
    not_built(
        api_key().scope(none),
        AuthErrorKind::Configuration,
        "name at least one",
    );
}

#[test]
fn a_malformed_key_is_refused_when_the_layer_is_built() {
    const KIND: AuthErrorKind = AuthErrorKind::MalformedCredential;
    let spoiled = |end: &str| format!("{SECRET}{end}");
    for (key, advice) in [
        (String::new(), "is empty"),
        (spoiled("\n"), "a trailing newline from a file, perhaps"),
        (spoiled(" "), "trim it"),
        (spoiled("é"), "outside ASCII"),
    ] {
        not_built(ApiKeyLayer::new(ORIGIN, key.clone()), KIND, advice);
        not_built(Token::new(key), KIND, advice);
    }
    let credentials = Credentials::new("AKIDEXAMPLE", spoiled("\n"), None, None, "test");
    not_built(
        SigV4Layer::new("r", "s", credentials.clone()),
        KIND,
        "trim it",
    );
    not_built(
        AuthOverride::new().credentials(credentials),
        KIND,
        "the secret access key",
    );
}

#[tokio::test]
async fn a_malformed_token_of_a_source_is_refused_at_the_request() {
    const KIND: AuthErrorKind = AuthErrorKind::MalformedCredential;
    for (token, advice) in [
        (format!("{SECRET}\r\n"), "contains a control character"),
        (String::new(), "the token is empty"),
        (format!("Bearer {SECRET}"), "use `TokenStyle::Raw`"),
    ] {
        let source = move || std::future::ready(Ok(token.clone()));
        says(&refused(bearer(source), good()).await, KIND, advice);
    }
    let mut request = good();
    let spoiled = Token::from(format!("{SECRET}\0"));
    request
        .extensions_mut()
        .insert(AuthOverride::new().token(spoiled));
    let error = refused(bearer(Token::from(SECRET)), request).await;
    says(&error, KIND, "contains a control character");
}

#[tokio::test]
async fn plain_http_is_refused() {
    const KIND: AuthErrorKind = AuthErrorKind::PlainText;
    let advice = "use https, or `Scope::allow_plain_http`";
    not_built(
        ApiKeyLayer::new("http://api.example.com", SECRET),
        KIND,
        advice,
    );
    not_built(sigv4().scope("http://api.example.com"), KIND, advice);

    let plain = || get("http://api.example.com/orders");
    let query = api_key().query("key").expect("a name");
    for error in [
        refused(api_key(), plain()).await,
        refused(query, plain()).await,
        refused(bearer(Token::from(SECRET)), plain()).await,
        refused(sigv4(), plain()).await,
    ] {
        says(&error, KIND, "use https");
    }
    let scope = Scope::origin("http://intranet")
        .expect("an origin")
        .allow_plain_http();
    let unsigned = sigv4().scope(scope).expect("a scope").unsigned_payload();
    let error = refused(unsigned, get("http://intranet/")).await;
    says(&error, KIND, "an unsigned payload needs https");
}

#[tokio::test]
async fn a_request_that_cannot_be_placed_is_refused() {
    const KIND: AuthErrorKind = AuthErrorKind::Request;
    for (uri, advice) in [
        ("/orders", "give the layer a `default_origin`"),
        ("*", "use an absolute one"),
        ("api.example.com:443", "use an absolute one"),
        (
            "https://api.example.com:99999/",
            "a port that is not a number",
        ),
        ("ftp://api.example.com/", "neither http nor https"),
    ] {
        says(&refused(api_key(), get(uri)).await, KIND, advice);
        says(
            &refused(bearer(Token::from(SECRET)), get(uri)).await,
            KIND,
            advice,
        );
        says(&refused(sigv4(), get(uri)).await, KIND, advice);
    }
    let other = || {
        let mut request = good();
        let host = HeaderValue::from_static("elsewhere.example");
        request.headers_mut().insert("host", host);
        request
    };
    let advice = "remove the header";
    says(&refused(api_key(), other()).await, KIND, advice);
    says(
        &refused(bearer(Token::from(SECRET)), other()).await,
        KIND,
        advice,
    );
    says(&refused(sigv4(), other()).await, KIND, advice);
}

#[tokio::test]
async fn a_credential_that_is_there_already_is_refused_if_so_told() {
    let with = |name: &'static str| {
        let mut request = good();
        request
            .headers_mut()
            .insert(name, HeaderValue::from_static(SECRET));
        request
    };
    let token = bearer(Token::from("mF_9")).existing(Existing::Reject);
    let query = api_key()
        .query("key")
        .expect("a name")
        .existing(Existing::Reject);
    let taken = get("https://api.example.com/?key=da2-KeyOfTheBadInputTests");
    let signed = || sigv4().existing(Existing::Reject);
    for (error, what) in [
        (
            refused(api_key().existing(Existing::Reject), with("x-api-key")).await,
            "an API key",
        ),
        (refused(query, taken).await, "an API key"),
        (refused(token, with("authorization")).await, "a token"),
        (
            refused(signed(), with("authorization")).await,
            "a signature",
        ),
        (
            refused(signed(), with("x-amz-security-token")).await,
            "a session token",
        ),
    ] {
        says(
            &error,
            AuthErrorKind::Request,
            &format!("already carries {what}"),
        );
    }
}

/// A body that counts how much of it is asked for.
struct Counted {
    polls: Arc<AtomicUsize>,
    announced: Option<u64>,
}

const CHUNK: usize = 1000;

impl Body for Counted {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        self.polls.fetch_add(1, Ordering::Relaxed);
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b'x'; CHUNK])))))
    }

    fn size_hint(&self) -> SizeHint {
        self.announced
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_before_it_is_read() {
    for (announced, header, most) in [
        (Some(5001), None, 0),
        (None, Some("5001"), 0),
        (None, Some("18446744073709551615"), 0),
        (None, None, 6),
        (None, Some("5000"), 6),
    ] {
        let polls = Arc::<AtomicUsize>::default();
        let body = Counted {
            polls: Arc::clone(&polls),
            announced,
        };
        let mut request = good().map(|_| body);
        if let Some(length) = header {
            let length = HeaderValue::from_static(length);
            request.headers_mut().insert("content-length", length);
        }
        let error = refused(sigv4().payload(Buffer::new(5 * CHUNK)), request).await;
        let advice = "larger than the 5000 bytes this layer buffers to hash it: raise the limit";
        says(&error, AuthErrorKind::PayloadTooLarge, advice);
        assert_eq!(polls.load(Ordering::Relaxed), most);
    }
}
