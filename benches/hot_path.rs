//! What a warm layer costs around a service that does nothing, against tower-http's closest peers.
//!
//! `cargo bench --bench hot_path` first prints ratios from an interleaved harness, then lets
//! criterion follow the trend. The ratios are the figures to quote: every round times every
//! contestant over freshly built requests, in rotating order, so that a noisy machine slows all of
//! them alike.

mod harness;

use std::convert::Infallible;
use std::fmt::Write as _;
use std::future::{Ready, ready};
use std::hint::black_box;
use std::task::{Context, Poll};
use std::time::Duration;

use aws_credential_types::Credentials;
use criterion::{BatchSize, Criterion};
use futures::FutureExt as _;
use http::{HeaderName, HeaderValue, Request, Response};
use tower::{Layer, Service};
use tower_client_auth::{ApiKeyLayer, BearerTokenLayer, Cached, Passthrough, SigV4Layer, Token};
use tower_http::auth::AddAuthorizationLayer;
use tower_http::set_header::SetRequestHeaderLayer;

const ORIGIN: &str = "https://api.example.com";
const KEY: &str = "da2-fakeApiId123456abcdefghij";
const TOKEN: &str = "eyJhbGciOiJSUzI1NiJ9.c29tZSBvcGFxdWUgY2xhaW1z.c2lnbmF0dXJl";

#[derive(Clone)]
struct Noop;

impl Service<Request<()>> for Noop {
    type Response = Response<()>;
    type Error = Infallible;
    type Future = Ready<Result<Response<()>, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        black_box(request);
        ready(Ok(Response::new(())))
    }
}

fn request() -> Request<()> {
    Request::get("https://api.example.com/prod/v1/items/42")
        .header("accept", "application/json")
        .header("accept-language", "en")
        .header("content-type", "application/json")
        .header("user-agent", "bench/1.0")
        .header("x-request-id", "8f14e45f-ceea-467f-9575-5f4a1b6c3d2e")
        .body(())
        .expect("a request")
}

/// One contestant: calls its service with the request and drives the answer to its end.
struct Contestant {
    name: &'static str,
    call: Box<dyn FnMut(Request<()>)>,
}

fn contestant<S>(name: &'static str, mut service: S) -> Contestant
where
    S: Service<Request<()>, Response = Response<()>> + 'static,
{
    Contestant {
        name,
        call: Box::new(move |request| {
            let answer = service.call(request).now_or_never();
            assert!(black_box(answer).is_some_and(|answer| answer.is_ok()));
        }),
    }
}

fn contestants(runtime: &tokio::runtime::Runtime) -> Vec<Contestant> {
    let bearer = |source| BearerTokenLayer::new(ORIGIN, source).expect("a layer");
    let token = || Token::new(TOKEN).expect("a token");

    let cached =
        Cached::new(|| async { Ok(Token::new(TOKEN)?.expires_in(Duration::from_secs(24 * 3600))) });
    runtime.block_on(async {
        tower_client_auth::TokenSource::token(&cached)
            .await
            .expect("warm");
    });

    let credentials = Credentials::new("AKIDEXAMPLE", "secret", None, None, "bench");
    vec![
        contestant("no-op", Noop),
        contestant(
            "SetRequestHeaderLayer",
            SetRequestHeaderLayer::overriding(
                HeaderName::from_static("x-api-key"),
                HeaderValue::from_static(KEY),
            )
            .layer(Noop),
        ),
        contestant(
            "ApiKeyLayer",
            ApiKeyLayer::new(ORIGIN, KEY).expect("a layer").layer(Noop),
        ),
        contestant(
            "AddAuthorizationLayer",
            AddAuthorizationLayer::bearer(TOKEN).layer(Noop),
        ),
        contestant("BearerTokenLayer", bearer(token()).layer(Noop)),
        contestant(
            "BearerTokenLayer, cached",
            BearerTokenLayer::new(ORIGIN, cached)
                .expect("a layer")
                .layer(Noop),
        ),
        contestant(
            "SigV4Layer, no payload read",
            SigV4Layer::new("eu-west-1", "execute-api", credentials)
                .and_then(|layer| layer.scope(ORIGIN))
                .expect("a layer")
                .unsigned_payload()
                .payload(Passthrough)
                .layer(Noop),
        ),
    ]
}

/// Ours, the peer it is measured against, and the most it may cost in relation to it.
const PAIRS: [(&str, &str, Option<f64>); 4] = [
    ("ApiKeyLayer", "SetRequestHeaderLayer", Some(1.3)),
    ("BearerTokenLayer", "AddAuthorizationLayer", Some(2.2)),
    (
        "BearerTokenLayer, cached",
        "AddAuthorizationLayer",
        Some(2.2),
    ),
    ("SigV4Layer, no payload read", "no-op", None),
];

const ROUNDS: usize = 20_000;
/// Large enough for the clock's resolution, small enough to stay in the first-level cache.
const BATCH: usize = 64;

fn interleaved(contestants: &mut [Contestant]) {
    let times = harness::interleave(ROUNDS, contestants.len(), |at| {
        let batch: Vec<_> = (0..BATCH).map(|_| request()).collect();
        let start = harness::now();
        for request in batch {
            (contestants[at].call)(request);
        }
        start.elapsed().as_nanos() as f64 / BATCH as f64
    });
    let index = |name: &str| {
        let found = contestants.iter().position(|c| c.name == name);
        found.expect("a contestant of that name")
    };
    let mut table =
        String::from("whole call around a no-op service, medians of interleaved rounds\n");
    for (at, contestant) in contestants.iter().enumerate() {
        let ns = times.median(at);
        writeln!(table, "  {:<30} {ns:>7.0} ns", contestant.name).expect("a string");
    }
    for (ours, peer, most) in PAIRS {
        let ratio = times.ratio(index(ours), index(peer));
        let bound = most.map_or(String::new(), |most| format!(" (at most {most:.1})"));
        writeln!(table, "  {ours} = {ratio:.2} × {peer}{bound}").expect("a string");
    }
    println!("{table}");
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let mut contestants = contestants(&runtime);
    interleaved(&mut contestants);

    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("hot_path");
    for contestant in &mut contestants {
        group.bench_function(contestant.name, |bencher| {
            bencher.iter_batched(request, &mut contestant.call, BatchSize::SmallInput);
        });
    }
    group.finish();
    criterion.final_summary();
}
