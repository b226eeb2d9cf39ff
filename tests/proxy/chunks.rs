//! Uploads in chunks that callers signed with credentials of their own: s3s gets them in chunks of the proxy's.

#[path = "../../examples/upload/store.rs"]
mod store;

use aws_credential_types::Credentials;
use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tower::{Layer, ServiceExt};
use tower_client_auth::{Checksum, Chunked, ChunkedBody, SigV4Layer};

use super::Proxy;
use crate::oracle::Random;

type Http = Client<HttpConnector, Full<Bytes>>;

fn client() -> Http {
    Client::builder(TokioExecutor::new()).build_http()
}

fn proxy(origin: &str, payload: &str) -> Proxy {
    let upstream = format!("s3={origin},service=s3,region=us-east-1,payload={payload}");
    Proxy::start(
        &["--upstream", &upstream],
        (store::ACCESS_KEY_ID, store::SECRET_ACCESS_KEY),
    )
}

/// Puts an object as an SDK does that has credentials, though nobody knows them.
async fn put(uri: &str, chunked: Chunked, data: &Bytes) -> StatusCode {
    let nobody = Credentials::new("AKIDUNKNOWN", "unknown", None, None, "tests");
    let layer = SigV4Layer::new("us-east-1", "s3", nobody)
        .expect("a layer")
        .payload(chunked);
    let client: Client<HttpConnector, ChunkedBody<Full<Bytes>>> =
        Client::builder(TokioExecutor::new()).build_http();
    let request = Request::put(uri)
        .body(Full::new(data.clone()))
        .expect("a request");
    let answer = layer
        .layer(client)
        .oneshot(request)
        .await
        .expect("an answer");
    answer.status()
}

async fn get(uri: &str) -> (StatusCode, Bytes) {
    let request = Request::get(uri).body(Full::default()).expect("a request");
    read(client().request(request).await.expect("an answer")).await
}

async fn read(answer: http::Response<Incoming>) -> (StatusCode, Bytes) {
    let status = answer.status();
    (
        status,
        answer
            .into_body()
            .collect()
            .await
            .expect("a body")
            .to_bytes(),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chunks_of_callers_are_signed_anew() {
    let folder = tempfile::tempdir().expect("a folder");
    let origin = store::start(folder.path()).await.expect("a server");
    let mut random = Random(13);
    let mut count = 0;
    for payload in ["auto", "hash", "unsigned"] {
        let proxy = proxy(&origin, payload);
        for length in [
            1,
            8 * 1024,
            64 * 1024 - 1,
            64 * 1024,
            64 * 1024 + 1,
            1_000_003,
        ] {
            let data: Bytes = (0..length).map(|_| random.next() as u8).collect();
            for chunked in [
                Chunked::signed(),
                Chunked::signed().checksum(Checksum::Crc32c),
                Chunked::signed().chunk_size(8 * 1024).expect("a size"),
                Chunked::unsigned(Checksum::Crc32),
            ] {
                count += 1;
                let uri = format!("{}/{}/{payload}-{count}", proxy.origin, store::BUCKET);
                let what = format!("{payload}, {length} bytes, {chunked:?}");
                let status = put(&uri, chunked, &data).await;
                assert_eq!(status, StatusCode::OK, "{what}: {:?}", proxy.lines().last());
                let (status, stored) = get(&uri).await;
                assert_eq!(status, StatusCode::OK, "{what}");
                assert!(stored == data, "{what}: other bytes");
            }
        }
    }
    println!(
        "proxy: {count} of {count} uploads in chunks of callers were signed anew, and are the same"
    );
}

/// Of a body that says it is in chunks.
const BROKEN: [(&str, &str, &str); 9] = [
    ("no chunk at all", "5", "hello"),
    (
        "a size that is none",
        "5",
        "x;chunk-signature=0\r\nhello\r\n0;chunk-signature=0\r\n\r\n",
    ),
    (
        "a size with a sign",
        "5",
        "+5;chunk-signature=0\r\nhello\r\n0;chunk-signature=0\r\n\r\n",
    ),
    ("no last chunk", "5", "5;chunk-signature=0\r\nhello\r\n"),
    ("cut off", "5", "5;chunk-signature=0\r\nhel"),
    (
        "more than it said",
        "4",
        "5;chunk-signature=0\r\nhello\r\n0;chunk-signature=0\r\n\r\n",
    ),
    (
        "less than it said",
        "6",
        "5;chunk-signature=0\r\nhello\r\n0;chunk-signature=0\r\n\r\n",
    ),
    (
        "something behind it",
        "5",
        "5;chunk-signature=0\r\nhello\r\n0;chunk-signature=0\r\n\r\nmore",
    ),
    (
        "a chunk that is longer than its size",
        "6",
        "5;chunk-signature=0\r\nhello!\r\n0;chunk-signature=0\r\n\r\n",
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_chunks_are_refused_and_not_stored() {
    let folder = tempfile::tempdir().expect("a folder");
    let origin = store::start(folder.path()).await.expect("a server");
    for payload in ["auto", "hash", "unsigned"] {
        let proxy = proxy(&origin, payload);
        let uri = format!("{}/{}/object", proxy.origin, store::BUCKET);
        let send = |decoded: &str, body: &str| {
            let request = Request::builder()
                .method(Method::PUT)
                .uri(&uri)
                .header(header::CONTENT_ENCODING, "aws-chunked")
                .header("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD")
                .header("x-amz-decoded-content-length", decoded)
                .body(Full::from(body.to_owned()));
            client().request(request.expect("a request"))
        };
        for (what, decoded, body) in BROKEN {
            let (status, answer) = read(send(decoded, body).await.expect("an answer")).await;
            assert!(
                status.is_client_error(),
                "{payload}, {what}: {status} {answer:?}"
            );
            assert_eq!(
                get(&uri).await.0,
                StatusCode::NOT_FOUND,
                "{payload}, {what}: stored"
            );
        }
        let good = "5;chunk-signature=0\r\nhello\r\n0;chunk-signature=0\r\n\r\n";
        let answer = send("5", good).await.expect("an answer");
        assert_eq!(
            answer.status(),
            StatusCode::OK,
            "{payload}: {:?}",
            proxy.lines().last()
        );
        assert_eq!(get(&uri).await.1, "hello", "{payload}");
        let request = Request::delete(&uri)
            .body(Full::default())
            .expect("a request");
        assert!(
            client()
                .request(request)
                .await
                .expect("an answer")
                .status()
                .is_success()
        );
    }
    println!(
        "proxy: {} of {} broken uploads were refused, and not stored",
        3 * BROKEN.len(),
        3 * BROKEN.len()
    );
}
