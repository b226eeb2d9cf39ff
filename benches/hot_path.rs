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
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use bytes::Bytes;
use criterion::{BatchSize, Criterion};
use futures::FutureExt as _;
use http::{HeaderName, HeaderValue, Request, Response};
use http_body_util::Full;
use tower::{Layer, Service};
use tower_client_auth::sigv4::{Signer, SigningCredentials, SigningOptions, SigningScope};
use tower_client_auth::{
    ApiAuthLayer, ApiConfig, ApiKeyLayer, AuthSelector, AuthorizationMode, BearerTokenLayer,
    Cached, Config, LiveAuthLayer, Passthrough, PayloadHash, SigV4Layer, Token,
};
use tower_http::auth::AddAuthorizationLayer;
use tower_http::set_header::SetRequestHeaderLayer;

const ORIGIN: &str = "https://api.example.com";
const KEY: &str = "da2-fakeApiId123456abcdefghij";
const TOKEN: &str = "eyJhbGciOiJSUzI1NiJ9.c29tZSBvcGFxdWUgY2xhaW1z.c2lnbmF0dXJl";

#[derive(Clone)]
struct Noop;

/// What programs use that send bodies with some requests and none with others.
type Body = Full<Bytes>;

impl<B> Service<Request<B>> for Noop {
    type Response = Response<()>;
    type Error = Infallible;
    type Future = Ready<Result<Response<()>, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        black_box(request);
        ready(Ok(Response::new(())))
    }
}

/// What a program does that has no layer: it signs the request, and calls the client.
struct ByHand {
    signer: Signer,
    credentials: SigningCredentials,
}

impl ByHand {
    fn new() -> Self {
        let scope = SigningScope::new("eu-west-1", "execute-api").expect("a scope");
        let credentials = Credentials::new("AKIDEXAMPLE", "secret", None, None, "bench");
        Self {
            signer: Signer::new(scope, SigningOptions::default()),
            credentials: SigningCredentials::new(credentials).expect("credentials"),
        }
    }
}

impl Service<Request<Body>> for ByHand {
    type Response = Response<()>;
    type Error = Infallible;
    type Future = Ready<Result<Response<()>, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Service::<Request<Body>>::poll_ready(&mut Noop, cx)
    }

    #[allow(clippy::disallowed_methods, reason = "a benchmark measures real time")]
    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (mut head, body) = request.into_parts();
        let (hash, now) = (PayloadHash::EMPTY, SystemTime::now());
        self.signer
            .sign(&mut head, &self.credentials, &hash, now)
            .expect("signed");
        Noop.call(Request::from_parts(head, body))
    }
}

fn request() -> Request<Body> {
    Request::get("https://api.example.com/prod/v1/items/42")
        .header("accept", "application/json")
        .header("accept-language", "en")
        .header("content-type", "application/json")
        .header("user-agent", "bench/1.0")
        .header("x-request-id", "8f14e45f-ceea-467f-9575-5f4a1b6c3d2e")
        .body(Body::default())
        .expect("a request")
}

/// One contestant: calls its service with the request and drives the answer to its end.
struct Contestant {
    name: &'static str,
    call: Box<dyn FnMut(Request<Body>)>,
}

fn contestant<S>(name: &'static str, mut service: S) -> Contestant
where
    S: Service<Request<Body>, Response = Response<()>> + 'static,
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

    let credentials = || Credentials::new("AKIDEXAMPLE", "secret", None, None, "bench");
    let signing = || {
        SigV4Layer::new("eu-west-1", "execute-api", credentials())
            .and_then(|layer| layer.scope(ORIGIN))
            .expect("a layer")
    };
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
            signing()
                .unsigned_payload()
                .payload(Passthrough)
                .layer(Noop),
        ),
        contestant("Signer, by hand", ByHand::new()),
        contestant("SigV4Layer", signing().layer(Noop)),
        contestant(
            "ApiAuthLayer, API_KEY",
            selected(AuthorizationMode::ApiKey, &[]).layer(Noop),
        ),
        contestant(
            "ApiAuthLayer, OPENID_CONNECT",
            selected(AuthorizationMode::OpenIdConnect, &[]).layer(Noop),
        ),
        contestant(
            "ApiAuthLayer, AWS_IAM",
            selected(AuthorizationMode::AwsIam, &[]).layer(Noop),
        ),
        contestant(
            "LiveAuthLayer, API_KEY",
            live(AuthorizationMode::ApiKey).layer(Noop),
        ),
        contestant(
            "LiveAuthLayer, AWS_IAM",
            live(AuthorizationMode::AwsIam).layer(Noop),
        ),
        contestant(
            "one of 100 hosts",
            selected(
                AuthorizationMode::ApiKey,
                &others(|n| format!("https://{n:02}.example.com/prod")),
            )
            .layer(Noop),
        ),
        contestant(
            "one of 100 paths",
            selected(
                AuthorizationMode::ApiKey,
                &others(|n| format!("{ORIGIN}/prod/v1/{n:02}")),
            )
            .layer(Noop),
        ),
    ]
}

/// A selector's layer in a mode, alone or beside other APIs.
fn selected(mode: AuthorizationMode, others: &[String]) -> ApiAuthLayer {
    let selector = selector(mode, others);
    selector.layer_for_all().expect("a layer")
}

/// The same layer, of a configuration that can be replaced.
fn live(mode: AuthorizationMode) -> LiveAuthLayer {
    let live = selector(mode, &[]).live();
    live.layer_for_all().expect("a layer")
}

fn selector(mode: AuthorizationMode, others: &[String]) -> AuthSelector {
    let mut config = Config::default();
    let endpoints = others
        .iter()
        .map(String::as_str)
        .chain(["https://api.example.com/prod"]);
    for endpoint in endpoints {
        let mut api = ApiConfig::new(endpoint, mode).expect("a URL");
        api.region = Some("eu-west-1".to_owned());
        api.api_key = Some(KEY.into());
        config.apis.insert(endpoint.to_owned(), api);
    }
    config
        .selector()
        .tokens(AuthorizationMode::OpenIdConnect, Token::from(TOKEN))
        .and_then(|selector| {
            selector.aws_credentials(Credentials::new(
                "AKIDEXAMPLE",
                "secret",
                None,
                None,
                "bench",
            ))
        })
        .expect("a selector")
}

/// As many as make a hundred APIs with one more.
fn others(endpoint: impl Fn(usize) -> String) -> Vec<String> {
    (1..100).map(endpoint).collect()
}

/// Ours, the peer it is measured against, and the most it may cost in relation to it.
const PAIRS: [(&str, &str, Option<f64>); 9] = [
    ("ApiKeyLayer", "SetRequestHeaderLayer", Some(1.3)),
    ("BearerTokenLayer", "AddAuthorizationLayer", Some(2.2)),
    (
        "BearerTokenLayer, cached",
        "AddAuthorizationLayer",
        Some(2.2),
    ),
    ("SigV4Layer, no payload read", "no-op", None),
    ("ApiAuthLayer, API_KEY", "ApiKeyLayer", Some(1.35)),
    (
        "ApiAuthLayer, OPENID_CONNECT",
        "BearerTokenLayer",
        Some(1.35),
    ),
    ("ApiAuthLayer, AWS_IAM", "SigV4Layer", Some(1.35)),
    ("LiveAuthLayer, API_KEY", "ApiAuthLayer, API_KEY", None),
    ("LiveAuthLayer, AWS_IAM", "ApiAuthLayer, AWS_IAM", None),
];

/// What is added to what, and the most it may add, in nanoseconds.
const DIFFERENCES: [(&str, &str, f64); 3] = [
    ("SigV4Layer", "Signer, by hand", 150.0),
    ("one of 100 hosts", "ApiAuthLayer, API_KEY", 100.0),
    ("one of 100 paths", "ApiAuthLayer, API_KEY", 100.0),
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
        let bound = most.map_or(String::new(), |most| format!(" (at most {most:.2})"));
        writeln!(table, "  {ours} = {ratio:.2} × {peer}{bound}").expect("a string");
    }
    for (more, base, most) in DIFFERENCES {
        let added = times.difference(index(more), index(base));
        writeln!(
            table,
            "  {more} = {base} + {added:.0} ns (at most {most:.0})"
        )
        .expect("a string");
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
