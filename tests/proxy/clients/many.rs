//! Ten thousand requests over many connections at once: the server computes every signature anew.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures::future::join_all;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use super::{Twins, all_were_refused, generated, none_was_refused};
use crate::chunked::BUCKET;
use crate::chunked::fs_server::FsServer;
use crate::proxy::Proxy;
use crate::servers;
use crate::support::promise;

/// Half of them put an object, and the other half get it.
const REQUESTS: usize = 10_000;
const WRONG_REQUESTS: usize = 1_000;
const CONNECTIONS: usize = 32;

/// What goes before a number. A server takes some of these for others than they are if they are rewritten on the
/// way.
#[rustfmt::skip]
const KEYS: [&str; 14] = [
    "plain-", "a/b/c-", "a%20b/%28c%29%27%C3%A9-", "caf%c3%a9-", "a+b-", "a%2Bb-", "a(b)!*'-",
    "a:b@c=d;e,f$g&h-", "%7Ea~-._", "a%252Fb-", "a%2Fb-", "a//b-", "%41%2d%5F", "\"{|}[]^-",
];

#[rustfmt::skip]
const QUERIES: [&str; 11] = [
    "", "?", "?x-id=GetObject", "?response-content-type=text/plain", "?a&&b&", "?b=2&a=1&C=3&a-b=4",
    "?response-content-disposition=attachment%3B%20filename%3D%22a.pdf%22&response-content-language=de",
    "?a=%20&b=+&c=%2B", "?a=%2F&b=/&c=%2f", "?caf%C3%A9=%c3%a9", "?a=!*'();:@$,/?[]{}|^`",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_requests_are_accepted_and_none_refused() {
    if servers::skipped("ten thousand requests through the proxy") {
        return;
    }
    let server = FsServer::started();
    let twins = Twins::to_s3s(&server, None);
    let accepted = send(&twins.good, REQUESTS, StatusCode::OK).await;
    assert_eq!(accepted, REQUESTS);
    let lines = none_was_refused(&twins.good, REQUESTS);
    assert_eq!(lines.len(), REQUESTS);
    let mut peers: Vec<&str> = lines.iter().filter_map(|l| l["peer"].as_str()).collect();
    peers.sort_unstable();
    peers.dedup();
    // The line tells the port, too.
    assert!(peers.len() <= CONNECTIONS, "{} connections", peers.len());

    let refused = send(&twins.wrong, WRONG_REQUESTS, StatusCode::FORBIDDEN).await;
    all_were_refused(&twins.wrong, refused);
    promise(
        30,
        format_args!(
            "the proxy: {accepted} requests accepted by s3s and 0 refused, over {CONNECTIONS} connections; all \
             {refused} refused with a wrong secret"
        ),
    );
}

/// Returns how many were answered so.
async fn send(proxy: &Proxy, requests: usize, expected: StatusCode) -> usize {
    let next = Arc::new(AtomicUsize::new(0));
    let answered = Arc::new(AtomicUsize::new(0));
    let callers = (0..CONNECTIONS).map(|_| {
        let (next, answered) = (Arc::clone(&next), Arc::clone(&answered));
        let origin = proxy.origin.clone();
        tokio::spawn(async move {
            // One request at a time: a connection for each.
            let client = Client::builder(TokioExecutor::new()).build_http();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= requests / 2 {
                    return;
                }
                put_and_get(&client, &origin, number, expected).await;
                answered.fetch_add(2, Ordering::Relaxed);
            }
        })
    });
    for caller in join_all(callers).await {
        caller.expect("all as expected");
    }
    answered.load(Ordering::Relaxed)
}

async fn put_and_get(
    client: &Client<HttpConnector, Full<Bytes>>,
    origin: &str,
    number: usize,
    expected: StatusCode,
) {
    let uri = format!("{origin}/{BUCKET}/{}{number}", KEYS[number % KEYS.len()]);
    // Up to two chunks.
    let length = (number * 7919 % 100_000) as u64;
    let body = generated::bytes(number as u64, 0, length);
    let put = Request::put(format!("{uri}?x-id=PutObject"))
        .header("x-amz-meta-note", "two  spaces")
        .body(Full::from(body.clone()));
    let get = Request::get(format!("{uri}{}", QUERIES[number % QUERIES.len()]));
    let get = get.body(Full::default());
    for (request, returned) in [(put, Bytes::new()), (get, body)] {
        let request = request.expect("a request");
        let what = format!("{} {}", request.method(), request.uri());
        let answer = client.request(request).await.expect("an answer");
        let status = answer.status();
        let answer = answer.into_body().collect().await;
        let answer = answer.expect("a whole answer").to_bytes();
        assert_eq!(status, expected, "{what}: {answer:?}");
        if status == StatusCode::OK {
            assert!(answer == returned, "{what}: other bytes");
        }
    }
}
