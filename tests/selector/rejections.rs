//! Rejected requests through the layer of all modes: each is sent once more, with its body.

use std::convert::Infallible;
use std::future::ready;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use aws_credential_types::credential_fn::provide_credentials_fn;
use http::{Response, StatusCode};
use http_body_util::{BodyExt, StreamBody};
use tower::{ServiceBuilder, service_fn};
use tower_client_auth::{AuthBody, AuthHint, Buffer};

use super::*;

/// What a server saw: the credential, and the body.
type Log = Arc<Mutex<Vec<(String, Bytes)>>>;

/// Refuses the first of all requests, as it is told.
fn server<B>(
    log: Log,
    refusal: fn() -> Response<Full<Bytes>>,
) -> impl tower::Service<
    Request<AuthBody<B>>,
    Response = Response<Full<Bytes>>,
    Error = Infallible,
    Future: Send,
> + Clone
where
    B: http_body::Body<Data = Bytes, Error = Infallible> + Send + 'static,
{
    service_fn(move |request: Request<AuthBody<B>>| {
        let log = Arc::clone(&log);
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.expect("a body").to_bytes();
            let header = |name| head.headers.get(name).and_then(|value| value.to_str().ok());
            let credential = header("authorization").or(header("x-api-key"));
            let credential = credential.unwrap_or_default().to_owned();
            let mut log = log.lock().expect("no panic");
            log.push((credential, body));
            Ok(match log.len() {
                1 => refusal(),
                _ => Response::new(Full::default()),
            })
        }
    })
}

fn unauthorized() -> Response<Full<Bytes>> {
    let response = Response::builder().status(StatusCode::UNAUTHORIZED);
    let body = Full::from(r#"{"message":"Unauthorized"}"#);
    response.body(body).expect("a response")
}

fn expired() -> Response<Full<Bytes>> {
    let body = r#"{"__type":"com.amazonaws#ExpiredTokenException","message":"…"}"#;
    let response = Response::builder().status(StatusCode::BAD_REQUEST);
    response.body(Full::from(body)).expect("a response")
}

fn forbidden() -> Response<Full<Bytes>> {
    let response = Response::builder().status(StatusCode::FORBIDDEN);
    let body = Full::from(r#"{"message":"Forbidden"}"#);
    response.body(body).expect("a response")
}

/// Sources that hand out something else each time.
fn selector() -> AuthSelector {
    let asked = Arc::new(AtomicUsize::new(0));
    let provider = provide_credentials_fn(move || {
        let number = asked.fetch_add(1, Ordering::SeqCst);
        let key = format!("AKID{number}");
        ready(Ok(Credentials::new(key, "secret", None, None, "test")))
    });
    let mut selector = every_mode().selector().aws_provider(provider);
    for mode in MODES_WITH_TOKENS {
        let asked = Arc::new(AtomicUsize::new(0));
        let source = move || {
            let number = asked.fetch_add(1, Ordering::SeqCst);
            ready(Ok(Token::from(format!("{mode}-{number}"))))
        };
        selector = selector.tokens(mode, source).expect("a mode with tokens");
    }
    selector
}

fn post<B>(endpoint: &str, body: B) -> Request<B> {
    Request::post(format!("{endpoint}/items"))
        .body(body)
        .expect("a request")
}

#[tokio::test]
async fn every_mode_sends_a_rejected_request_once_more() {
    for (api, endpoint, _) in expectations() {
        let has_signature = ["signed", "graph"].contains(&api);
        let has_token = ["members", "partners", "scripted"].contains(&api);
        let refusal = match has_signature {
            true => expired,
            false => unauthorized,
        };
        let log = Log::default();
        let layer = selector().layer_for_all().expect("a layer");
        let layer = layer
            .retry_rejected(Buffer::default().read_ahead())
            .inspect_errors(64 * 1024);
        let service = ServiceBuilder::new().layer(layer);
        let service = service.service(server(Arc::clone(&log), refusal));
        let request = post(endpoint, Full::<Bytes>::from("a body"));
        let answer = service.oneshot(request).await.expect("an answer");

        let log = log.lock().expect("no panic");
        assert!(log.iter().all(|(_, body)| body == "a body"), "{api}");
        match has_signature || has_token {
            true => {
                assert_eq!((log.len(), answer.status()), (2, StatusCode::OK), "{api}");
                assert_ne!(log[0].0, log[1].0, "{api}: another credential");
            }
            // There is no other key, and no credential at all.
            false => {
                assert_eq!((log.len(), answer.status()), (1, StatusCode::UNAUTHORIZED));
                let expected = match api {
                    "keyed" => AuthHint::ApiKeyRejected,
                    _ => AuthHint::SentWithoutCredential,
                };
                assert_eq!(AuthHint::of(&answer), Some(&expected), "{api}");
            }
        }
    }
}

#[tokio::test]
async fn a_body_of_unknown_length_streams_and_is_sent_once() {
    for api in ["members", "partners", "scripted"] {
        let log = Log::default();
        let layer = selector().layer(api).expect("a layer");
        let layer = layer.retry_rejected(Buffer::default().read_ahead());
        let service = layer.layer(server(Arc::clone(&log), unauthorized));
        let frames = futures::stream::iter(
            ["a ", "body"]
                .map(|part| Ok::<_, Infallible>(http_body::Frame::data(Bytes::from(part)))),
        );
        let request = post("", StreamBody::new(frames));
        let answer = service.oneshot(request).await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{api}");
        assert_eq!(
            AuthHint::of(&answer),
            Some(&AuthHint::TokenRejected),
            "{api}"
        );
        let log = log.lock().expect("no panic");
        assert_eq!(log.len(), 1, "{api}");
        assert_eq!(log[0].1, "a body", "{api}");
    }
}

#[tokio::test]
async fn a_refusal_is_told_by_the_mode_it_came_in() {
    for (api, endpoint, _) in expectations() {
        let layer = selector().layer_for_all().expect("a layer");
        let layer = layer.inspect_errors(64 * 1024);
        let service = layer.layer(server(Log::default(), forbidden));
        let request = post(endpoint, Full::<Bytes>::from("a body"));
        let answer = service.oneshot(request).await.expect("an answer");
        let expected = match api {
            "open" => AuthHint::SentWithoutCredential,
            "keyed" => AuthHint::ApiKeyRejected,
            "signed" | "graph" => AuthHint::Forbidden,
            _ => AuthHint::InsufficientScope { scope: None },
        };
        assert_eq!(AuthHint::of(&answer), Some(&expected), "{api}");
    }
}
