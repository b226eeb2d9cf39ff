//! What operators see: numbers as a recorder gets them, and events as a log has them. No secret is in
//! either.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use tower::{ServiceBuilder, ServiceExt};
use tower_client_auth::{
    AuthBody, AuthHint, BearerTokenLayer, BoxError, Buffer, Cached, Clock, CloneBody, Config,
    SigV4Layer, Token,
};
use tracing::Instrument as _;

const ORIGIN: &str = "https://api.example.com";
const CANARY: &str = "canary-4uZb";

/// Where the log goes.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        let mut log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        log.extend_from_slice(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// What is logged on this thread while the guard is there.
    fn start(&self, level: tracing::Level) -> tracing::subscriber::DefaultGuard {
        let log = self.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(level)
            .with_ansi(false)
            .with_writer(move || log.clone())
            .finish();
        tracing::subscriber::set_default(subscriber)
    }

    fn lines(&self) -> Vec<String> {
        let log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8(log.clone()).expect("text");
        text.lines().map(str::to_owned).collect()
    }

    /// The only line with that text.
    fn line(&self, text: &str) -> String {
        let lines = self.lines();
        let mut found = lines.iter().filter(|line| line.contains(text));
        let line = found
            .next()
            .unwrap_or_else(|| panic!("no `{text}` in {lines:#?}"));
        assert_eq!(found.next(), None, "`{text}` is there twice");
        line.clone()
    }
}

/// Runs `work` on a runtime of one thread, and returns what the recorder of that thread got.
fn recorded(work: impl Future<Output = ()>) -> BTreeMap<String, DebugValue> {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    metrics::with_local_recorder(&recorder, || runtime.block_on(work));
    numbers(&snapshotter)
}

/// By name and labels, as Prometheus would write them.
fn numbers(snapshotter: &Snapshotter) -> BTreeMap<String, DebugValue> {
    let all = snapshotter.snapshot().into_vec().into_iter();
    all.map(|(key, _, _, value)| {
        let key = key.key();
        let labels = key
            .labels()
            .map(|label| format!("{}={}", label.key(), label.value()));
        let labels = labels.collect::<Vec<_>>().join(",");
        (format!("{}{{{labels}}}", key.name()), value)
    })
    .collect()
}

fn count(numbers: &BTreeMap<String, DebugValue>, name: &str) -> u64 {
    match numbers.get(&format!("tower_client_auth_{name}")) {
        Some(DebugValue::Counter(count)) => *count,
        other => panic!("{name}: {other:?} in {:#?}", numbers.keys()),
    }
}

fn samples(numbers: &BTreeMap<String, DebugValue>, name: &str) -> Vec<f64> {
    match numbers.get(&format!("tower_client_auth_{name}")) {
        Some(DebugValue::Histogram(values)) => values.iter().map(|value| value.0).collect(),
        other => panic!("{name}: {other:?} in {:#?}", numbers.keys()),
    }
}

/// Tokens with a number each; the first load fails.
fn tokens() -> Cached<impl Fn() -> futures::future::BoxFuture<'static, Result<Token, BoxError>>> {
    let loads = Arc::new(Mutex::new(0));
    let source = move || -> futures::future::BoxFuture<'static, Result<Token, BoxError>> {
        let number = {
            let mut loads = loads.lock().unwrap_or_else(PoisonError::into_inner);
            *loads += 1;
            *loads
        };
        Box::pin(async move {
            match number {
                1 => Err(format!("the issuer says {CANARY}").into()),
                _ => {
                    let token = Token::new(format!("{CANARY}-{number}"))?;
                    Ok(token.expires_in(Duration::from_secs(3600)))
                }
            }
        })
    };
    Cached::builder(source)
        .name("orders")
        .build()
        .expect("a cache")
}

/// Takes all tokens but number 2, and nothing at `/secret`.
async fn server(request: Request<Full<Bytes>>) -> Result<Response<String>, BoxError> {
    let token = request.headers()["authorization"].to_str()?.to_owned();
    let status = match request.uri().path() {
        "/secret" => StatusCode::FORBIDDEN,
        _ if token.ends_with("-2") => StatusCode::UNAUTHORIZED,
        _ => StatusCode::OK,
    };
    let challenge = format!("Bearer error=\"insufficient_scope\", scope=\"orders:{status}\"");
    let mut response = Response::builder().status(status);
    if status == StatusCode::FORBIDDEN {
        response = response.header("www-authenticate", challenge);
    }
    Ok(response.body(CANARY.to_owned())?)
}

fn get(path: &str) -> Request<Full<Bytes>> {
    Request::get(format!("{ORIGIN}{path}?secret={CANARY}"))
        .header("cookie", CANARY)
        .body(Full::from(CANARY))
        .expect("a request")
}

#[test]
fn refreshes_rejections_and_refusals_are_counted_and_logged() {
    let log = Log::default();
    let _log = log.start(tracing::Level::DEBUG);
    let numbers = recorded(async {
        let client = ServiceBuilder::new()
            .layer(
                BearerTokenLayer::new(ORIGIN, tokens())
                    .expect("a layer")
                    .retry_rejected(CloneBody),
            )
            .service_fn(server);
        let failed = client.clone().oneshot(get("/")).await;
        failed.expect_err("the first load fails");
        // Rejected, fetched anew, and accepted.
        let caller = tracing::info_span!("caller");
        let answer = client.clone().oneshot(get("/")).instrument(caller).await;
        assert_eq!(answer.expect("an answer").status(), StatusCode::OK);
        let answer = client.oneshot(get("/secret")).await.expect("an answer");
        let scope = Some("orders:403 Forbidden".into());
        assert_eq!(
            AuthHint::of(&answer),
            Some(&AuthHint::InsufficientScope { scope })
        );
    });
    for (name, expected) in [
        ("refreshes_total{cache=orders,outcome=transient}", 1),
        ("refreshes_total{cache=orders,outcome=success}", 2),
        ("rejections_total{verdict=refresh}", 1),
        ("replays_total{reason=refresh}", 1),
        ("refusals_total{hint=insufficient_scope}", 1),
    ] {
        assert_eq!(count(&numbers, name), expected, "{name}");
    }
    // What was healed is no refusal.
    let refusals = numbers.keys().filter(|name| name.contains("refusals"));
    assert_eq!(refusals.count(), 1);
    let took = samples(&numbers, "refresh_duration_seconds{cache=orders}");
    assert_eq!(took.len(), 3);
    let left = samples(&numbers, "seconds_to_expiry{cache=orders}");
    assert_eq!(left.len(), 2);
    assert!(
        left.iter().all(|left| (3590.0..=3600.0).contains(left)),
        "{left:?}"
    );

    assert!(log.line("could not be loaded").contains(" WARN "));
    let loaded: Vec<_> = log.lines();
    let loaded = loaded.iter().filter(|line| line.contains("was loaded"));
    // In the span of the request that started it.
    let spans: Vec<bool> = loaded
        .map(|line| line.contains("caller:refresh{cache=\"orders\" load="))
        .collect();
    assert_eq!(spans, [true, true]);
    log.line("rejected the credential");
    log.line("is sent again");
    assert!(log.line("needs the scope").contains("status=403"));

    let (lines, names) = (log.lines(), numbers.keys().cloned().collect::<Vec<_>>());
    assert!(!lines.concat().contains(CANARY), "{lines:#?}");
    assert!(!names.concat().contains(CANARY), "{names:#?}");
}

#[test]
fn the_span_of_the_caller_is_carried_along_where_its_own_is_not_shown() {
    let log = Log::default();
    let _log = log.start(tracing::Level::WARN);
    recorded(async {
        let caller = tracing::warn_span!("caller");
        let cached = tokens();
        cached
            .prefetch()
            .instrument(caller)
            .await
            .expect_err("fails");
    });
    assert!(log.line("could not be loaded").contains(" caller: "));
}

#[test]
fn a_clock_that_is_off_is_told() {
    let log = Log::default();
    let _log = log.start(tracing::Level::DEBUG);
    let numbers = recorded(async {
        let hour = Duration::from_secs(3600);
        let credentials =
            Credentials::new("AKIDEXAMPLE", CANARY, Some(CANARY.into()), None, "test");
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_435_200);
        let client = ServiceBuilder::new()
            .layer(
                SigV4Layer::new("eu-west-1", "execute-api", credentials)
                    .and_then(|layer| layer.scope(ORIGIN))
                    .expect("a layer")
                    .clock(Clock::from_fn(move || now - hour))
                    .retry_rejected(Buffer::default()),
            )
            .service_fn(move |request: Request<AuthBody<Full<Bytes>>>| async move {
                let is_now = request.headers()["x-amz-date"] == "20261123T120000Z";
                let response = Response::builder().header("date", httpdate::fmt_http_date(now));
                let response = match is_now {
                    true => response,
                    false => response
                        .status(403)
                        .header("x-amzn-errortype", "InvalidSignatureException"),
                };
                Ok::<_, BoxError>(response.body(CANARY.to_owned())?)
            });
        for _ in 0..3 {
            let answer = client.clone().oneshot(get("/")).await.expect("an answer");
            assert_eq!(answer.status(), StatusCode::OK);
        }
    });
    assert_eq!(count(&numbers, "rejections_total{verdict=resync}"), 1);
    assert_eq!(count(&numbers, "replays_total{reason=resync}"), 1);
    let skew = numbers.get("tower_client_auth_clock_skew_seconds{}");
    assert_eq!(skew, Some(&DebugValue::Gauge(3600.0.into())));
    assert!(log.line("clock is off").contains("seconds=3600"));
    assert!(!log.lines().concat().contains(CANARY), "{:#?}", log.lines());
}

#[tokio::test(start_paused = true)]
async fn what_is_due_for_renewal_and_served_is_counted() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _recorder = metrics::set_default_local_recorder(&recorder);
    let loads = Arc::new(Mutex::new(0));
    let source = move || {
        let mut loads = loads.lock().unwrap_or_else(PoisonError::into_inner);
        *loads += 1;
        let works = *loads == 1;
        async move {
            match works {
                true => Ok(Token::new("t")?.expires_in(Duration::from_secs(600))),
                false => Err::<Token, BoxError>("down".into()),
            }
        }
    };
    let cached = Cached::builder(source)
        .name("stale")
        .build()
        .expect("a cache");
    cached.prefetch().await.expect("a token");
    let stale = || {
        let numbers = numbers(&snapshotter);
        match numbers.get("tower_client_auth_stale_serves_total{cache=stale}") {
            Some(DebugValue::Counter(count)) => *count,
            _ => 0,
        }
    };
    for _ in 0..10 {
        cached.prefetch().await.expect("a token");
    }
    assert_eq!(stale(), 0);
    // In its advisory window, and the source is down.
    tokio::time::advance(Duration::from_secs(500)).await;
    for _ in 0..10 {
        cached.prefetch().await.expect("a token");
        tokio::task::yield_now().await;
    }
    assert_eq!(stale(), 10);
}

#[test]
fn replaced_and_refused_configurations_are_seen() {
    let log = Log::default();
    let _log = log.start(tracing::Level::INFO);
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _recorder = metrics::set_default_local_recorder(&recorder);
    let config = |mode: &str| -> Config {
        let text = format!(
            r#"{{"apis": {{"catalog": {{"endpoint": "{ORIGIN}", "mode": "{mode}", "api_key": "{CANARY}"}} }} }}"#
        );
        text.parse().expect("a configuration")
    };
    let live = config("API_KEY").selector().live();
    let layer = live.layer_for_all().expect("a layer");
    live.replace(config("API_KEY")).expect("a good one");
    live.replace(config("AWS_IAM"))
        .expect_err("no AWS credentials");
    live.replace(config("API_KEY")).expect("a good one");

    let numbers = numbers(&snapshotter);
    let replaced = "config_replacements_total{outcome=replaced}";
    assert_eq!(count(&numbers, replaced), 2);
    let refused = "config_replacements_total{outcome=refused}";
    assert_eq!(count(&numbers, refused), 1);
    let refused = numbers.get("tower_client_auth_config_refused{}");
    assert_eq!(refused, Some(&DebugValue::Gauge(0.0.into())));
    let line = log.line("a new configuration was refused");
    assert!(line.contains("WARN") && line.contains("has mode `AWS_IAM`"));
    assert!(
        log.line("generation=2")
            .contains("the configuration was replaced")
    );
    assert!(log.line("generation=3").contains("INFO"));
    let printed = format!("{live:?} {layer:?} {:?}", live.status());
    assert!(printed.contains("catalog"), "{printed}");
    for text in [printed, log.lines().concat()] {
        assert!(!text.contains(CANARY), "{text}");
    }
}
