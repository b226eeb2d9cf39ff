//! Over real connections, HTTP/1 and HTTP/2, to a server that answers before it has read what it is sent.

use axum::Router;
use axum::extract::Request as Incoming;
use axum::routing::put;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use sha2::{Digest as _, Sha256};

use super::*;

const MEGABYTE: usize = 1024 * 1024;

/// Refuses the first token at once, and says of what else comes how much it is and what it hashes to.
async fn upload(request: Incoming) -> (http::StatusCode, String) {
    if request.headers()["authorization"] == "Bearer token-0" {
        return (http::StatusCode::UNAUTHORIZED, String::new());
    }
    let body = request.into_body().collect().await;
    let body = body.expect("a whole body").to_bytes();
    let hash: [u8; 32] = Sha256::digest(&body).into();
    (
        http::StatusCode::OK,
        format!("{} {}", body.len(), hex::encode(hash)),
    )
}

async fn uploads(http2: bool) {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0))
        .await
        .expect("a port");
    let origin = format!("http://{}", listener.local_addr().expect("an address"));
    let server = tokio::spawn(async move {
        let app = Router::new().route("/", put(upload));
        axum::serve(listener, app).await.expect("a server");
    });
    let mut random = Random(0x5eed_0000_0005_0018);
    for round in 0..20 {
        let length = round * MEGABYTE / 10 + 1;
        let bytes = random_bytes(&mut random, length);
        let pieces: Vec<_> = bytes.chunks(30_000).map(Bytes::copy_from_slice).collect();
        let hash: [u8; 32] = Sha256::digest(&bytes).into();
        // A piece at a time, as from a disk or a network.
        let body = slowly(&pieces, None);
        let client = Client::builder(TokioExecutor::new())
            .http2_only(http2)
            .build_http();
        let layer = BearerTokenLayer::new(origin.as_str(), Tokens::default())
            .expect("a layer")
            .retry_rejected(ReplayBody::new(4 * MEGABYTE));
        let request = Request::put(format!("{origin}/"))
            .body(body)
            .expect("a request");
        let request = request.map(Box::pin);
        let response = layer.layer(client).oneshot(request).await;
        let response = response.unwrap_or_else(|error| panic!("{length} bytes: {error:?}"));
        assert_eq!(response.status(), 200, "{length} bytes");
        let said = response
            .into_body()
            .collect()
            .await
            .expect("a body")
            .to_bytes();
        assert_eq!(said, format!("{length} {}", hex::encode(hash)));
    }
    server.abort();
}

#[tokio::test]
async fn early_answers_over_http_1() {
    uploads(false).await;
}

#[tokio::test]
async fn early_answers_over_http_2() {
    uploads(true).await;
}
