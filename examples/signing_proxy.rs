//! A proxy for programs that have no credentials: what they send goes on signed, with a key, or with a token.
//!
//! ```sh
//! cargo run --release --example signing_proxy -- --upstream https://s3.eu-west-1.amazonaws.com
//! ```
//!
//! and then, in another terminal, as if there were no credentials to speak of:
//!
//! ```sh
//! curl http://127.0.0.1:8080/my-bucket/my-object
//! AWS_ACCESS_KEY_ID=any AWS_SECRET_ACCESS_KEY=any AWS_ENDPOINT_URL=http://127.0.0.1:8080 aws s3 ls
//! ```
//!
//! `--help` has the rest.

#[path = "signing_proxy/access_log.rs"]
mod access_log;
#[path = "signing_proxy/args.rs"]
mod args;
#[path = "signing_proxy/body.rs"]
mod body;
#[path = "signing_proxy/callers.rs"]
mod callers;
#[path = "signing_proxy/chunks.rs"]
mod chunks;
#[path = "signing_proxy/forward.rs"]
mod forward;
#[path = "signing_proxy/headers.rs"]
mod headers;
#[path = "signing_proxy/hosts.rs"]
mod hosts;
#[path = "signing_proxy/linger.rs"]
mod linger;
#[path = "signing_proxy/listen.rs"]
mod listen;
#[path = "signing_proxy/metrics.rs"]
mod metrics;
#[path = "signing_proxy/ops.rs"]
mod ops;
#[path = "signing_proxy/pattern.rs"]
mod pattern;
#[path = "signing_proxy/record.rs"]
mod record;
#[path = "signing_proxy/refusal.rs"]
mod refusal;
#[path = "signing_proxy/routes.rs"]
mod routes;
#[path = "signing_proxy/secrets.rs"]
mod secrets;
#[path = "signing_proxy/server.rs"]
mod server;
#[path = "signing_proxy/services.rs"]
mod services;
#[path = "signing_proxy/upstream/mod.rs"]
mod upstream;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use tokio::sync::{Semaphore, watch};
use tower_client_auth::BoxError;

use crate::access_log::AccessLog;
use crate::args::{Arguments, LimitArgs};
use crate::callers::Callers;
use crate::forward::{Limits, Proxy, with_causes};
use crate::headers::Rules;
use crate::listen::{Address, Listener};
use crate::ops::Ops;
use crate::routes::Routes;
use crate::secrets::Key;
use crate::server::{Phase, Settings};
use crate::services::{Inside, Outside};
use crate::upstream::Upstreams;

#[tokio::main]
async fn main() -> ExitCode {
    match serve(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("signing_proxy: {}", with_causes(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

async fn serve(args: Arguments) -> Result<(), BoxError> {
    let caller_key = caller_key(&args)?;
    let numbers = metrics::install()?;
    let mut upstreams = Upstreams::new(&args).await?;
    let ops = Ops::new(std::mem::take(&mut upstreams.probes), numbers);
    let (log, _closing) = AccessLog::new(args.front.access_log.is_on());
    let settings = settings(&args.limits);

    let listeners = listen(&args.front.listen).await?;
    let ops_listeners = listen(args.front.ops.as_slice()).await?;
    announce(&args, &upstreams, &listeners, &ops_listeners);

    let proxy = Proxy {
        routes: Routes::new(upstreams, &args.front.names),
        callers: Callers::new(caller_key, &args.front.origins),
        rules: Rules::new(&args.headers, !args.front.origins.is_empty()),
        ops: Arc::clone(&ops),
        ops_inside: ops_listeners.is_empty(),
        limits: Limits {
            body: args.limits.max_body,
            body_timeout: Duration::from_secs(args.limits.body_timeout),
            answer_timeout: Duration::from_secs(args.limits.answer_timeout),
        },
        in_flight: Arc::new(Semaphore::new(args.limits.max_requests)),
    };
    let inside = Inside::new(proxy, log, &args.front.origins)?;
    // So that the first caller need not wait, and a wrong setting shows at once.
    tokio::spawn({
        let ops = Arc::clone(&ops);
        async move { ops.warn().await }
    });

    let (phase, phases) = watch::channel(Phase::Serving);
    // Probes are answered until the end.
    let (ops_phase, ops_phases) = watch::channel(Phase::Serving);
    let asked = tokio::spawn(server::run(
        ops_listeners,
        Outside::new(Arc::clone(&ops)),
        settings.clone(),
        ops_phases,
    ));
    let serving = server::run(listeners, inside, settings.clone(), phases);
    let ending = async {
        told_to_end().await;
        eprintln!("signing_proxy: ending, once what is under way is over");
        ops.drain();
        server::end(&phase, &settings).await;
    };
    let (served, ()) = tokio::join!(serving, ending);
    ops_phase.send_replace(Phase::Closed);
    let _ = asked.await?;
    served
}

fn caller_key(args: &Arguments) -> Result<Option<Key>, BoxError> {
    let Some(typed) = &args.front.caller_key else {
        return Ok(None);
    };
    let key = typed.place("--caller-key")?.read();
    let key = key.map_err(|error| format!("--caller-key: {error}"))?;
    Ok(Some(Key::new(&key)))
}

fn settings(limits: &LimitArgs) -> Settings {
    Settings {
        max_head: limits.max_head,
        max_connections: limits.max_connections,
        head_timeout: Duration::from_secs(limits.head_timeout),
        drain_delay: Duration::from_secs(limits.drain_delay),
        drain: Duration::from_secs(limits.drain),
    }
}

async fn listen(addresses: &[Address]) -> Result<Vec<Listener>, BoxError> {
    let mut listeners = Vec::new();
    for address in addresses {
        listeners.push(Listener::bind(address).await?);
    }
    Ok(listeners)
}

/// Says what leads where. On stderr: stdout is the access log's.
fn announce(args: &Arguments, upstreams: &Upstreams, listeners: &[Listener], ops: &[Listener]) {
    for listener in listeners {
        eprintln!("signing_proxy: listening on {}", listener.address());
    }
    for listener in ops {
        eprintln!(
            "signing_proxy: /healthz, /readyz and /metrics on {}",
            listener.address()
        );
    }
    for upstream in &upstreams.all {
        eprintln!("signing_proxy: {upstream}");
    }
    let is_open = |address: &Address| match address {
        Address::Tcp(address) => {
            !address.starts_with("127.")
                && !address.starts_with("localhost:")
                && !address.starts_with("[::1]:")
        }
        Address::Unix(_) => false,
    };
    if args.front.caller_key.is_none() && listeners.iter().any(|one| is_open(&one.address())) {
        eprintln!(
            "signing_proxy: everybody who reaches it acts with its credentials: `--caller-key` wants a key of callers"
        );
    }
}

/// By an orchestrator, or by whoever sits before it.
async fn told_to_end() {
    let interrupted = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminated) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = interrupted => {}
                _ = terminated.recv() => {}
            }
            return;
        }
    }
    let _ = interrupted.await;
}
