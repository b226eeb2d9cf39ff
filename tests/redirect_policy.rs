//! `DropCredentials`, by itself and among other policies.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::Full;
use tower::{Layer, ServiceBuilder, ServiceExt};
use tower_client_auth::{
    ApiKeyLayer, AuthOverride, BearerTokenLayer, BoxError, DropCredentials, Scope, Token,
};
use tower_http::follow_redirect::FollowRedirectLayer;
use tower_http::follow_redirect::policy::{Limited, PolicyExt};

use crate::support::{Recorder, Seen};

const HOME: &str = "https://api.example.com/";

/// Sends the first request on to `target`.
fn redirecting(target: &str) -> Recorder {
    let target: Arc<str> = target.into();
    Recorder::answering(move |before, _| {
        let mut response = Response::new(Full::default());
        if before == 0 {
            *response.status_mut() = StatusCode::FOUND;
            let location = target.parse().expect("a value");
            response.headers_mut().insert(header::LOCATION, location);
        }
        response
    })
}

fn request() -> Request<Full<Bytes>> {
    Request::get(HOME).body(Full::default()).expect("a request")
}

fn second(server: &Recorder) -> Seen {
    let mut seen = server.seen();
    assert_eq!(seen.len(), 2, "the redirect was followed");
    seen.remove(1)
}

#[tokio::test]
async fn it_works_on_either_side_of_either_combination() {
    let key = || ApiKeyLayer::new("https://api.example.com", "k").expect("a layer");
    macro_rules! abroad {
        ($policy:expr) => {{
            let server = redirecting("https://evil.example/");
            let policy = $policy;
            let service = ServiceBuilder::new()
                .layer(key())
                .layer(FollowRedirectLayer::with_policy(policy))
                .service(server.clone());
            service.oneshot(request()).await.expect("an answer");
            second(&server).all("x-api-key").len()
        }};
    }
    let drop = DropCredentials::new;
    assert_eq!(abroad!(Limited::new(10)), 1, "without it, the key leaks");
    assert_eq!(abroad!(drop()), 0);
    assert_eq!(
        abroad!(drop().and::<_, Full<Bytes>, BoxError>(Limited::new(10))),
        0
    );
    assert_eq!(
        abroad!(Limited::new(10).and::<_, Full<Bytes>, BoxError>(drop())),
        0
    );
    assert_eq!(
        abroad!(drop().or::<_, Full<Bytes>, BoxError>(Limited::new(10))),
        0
    );
    assert_eq!(
        abroad!(Limited::new(10).or::<_, Full<Bytes>, BoxError>(drop())),
        0
    );
}

#[tokio::test]
async fn a_request_that_skips_authorization_skips_it_after_a_redirect_too() {
    // Two origins in scope: what the request says of itself must hold at the second as well.
    let scope = Scope::origins(["https://api.example.com", "https://b.example.com"]);
    let token = Token::new("service-account").expect("a token");
    let layer = BearerTokenLayer::new(scope.expect("a scope"), token).expect("a layer");
    let server = redirecting("https://b.example.com/");
    let service =
        FollowRedirectLayer::with_policy(DropCredentials::new()).layer(layer.layer(server.clone()));
    let mut request = request();
    request.extensions_mut().insert(AuthOverride::skip());
    service.oneshot(request).await.expect("an answer");
    assert!(second(&server).all("authorization").is_empty());
}
