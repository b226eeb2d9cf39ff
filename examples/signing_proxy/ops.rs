//! What whoever runs this proxy asks it: whether it lives, whether it is ready, and its numbers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::{Method, Response, StatusCode, request};
use metrics_exporter_prometheus::PrometheusHandle;
use serde::Serialize;

use crate::forward::with_causes;
use crate::refusal::{answer, json};
use crate::upstream::credentials::Probe;
use crate::upstream::stack::Outbound;

pub(crate) struct Ops {
    probes: Vec<Probe>,
    numbers: PrometheusHandle,
    draining: AtomicBool,
}

#[derive(Serialize)]
struct Readiness {
    ready: bool,
    draining: bool,
    credentials: Vec<Credential>,
}

#[derive(Serialize)]
struct Credential {
    what: String,
    ready: bool,
    expires_in_seconds: Option<u64>,
    refreshing: bool,
    failures_in_a_row: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<String>,
}

impl Ops {
    pub(crate) fn new(probes: Vec<Probe>, numbers: PrometheusHandle) -> Arc<Self> {
        Arc::new(Self {
            probes,
            numbers,
            draining: AtomicBool::new(false),
        })
    }

    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// What probes ask, who have no key.
    pub(crate) async fn public(&self, head: &request::Parts) -> Option<Response<Outbound>> {
        if ![Method::GET, Method::HEAD].contains(&head.method) {
            return None;
        }
        match head.uri.path() {
            "/healthz" => Some(answer(StatusCode::OK, "text/plain", "ok\n")),
            "/readyz" => Some(self.readiness().await),
            _ => None,
        }
    }

    /// The rest.
    pub(crate) fn private(&self, head: &request::Parts) -> Option<Response<Outbound>> {
        let is_asked = head.method == Method::GET && head.uri.path() == "/metrics";
        is_asked.then(|| {
            let kind = "text/plain; version=0.0.4; charset=utf-8";
            answer(StatusCode::OK, kind, self.numbers.render())
        })
    }

    /// Says which credentials cannot be had, if there are any.
    pub(crate) async fn warn(&self) {
        for probe in &self.probes {
            if let Some(error) = probe.ask().await.last_error {
                eprintln!(
                    "signing_proxy: {} cannot be had: {}",
                    probe.what,
                    with_causes(&error)
                );
            }
        }
    }

    async fn readiness(&self) -> Response<Outbound> {
        let draining = self.draining.load(Ordering::Relaxed);
        let asked = self.probes.iter().map(|probe| async {
            let status = probe.ask().await;
            Credential {
                what: probe.what.clone(),
                ready: status.ready,
                expires_in_seconds: status.expires_in.map(|left| left.as_secs()),
                refreshing: status.refreshing,
                failures_in_a_row: status.failures_in_a_row,
                last_error: status.last_error.map(|error| with_causes(&error)),
            }
        });
        let credentials = futures::future::join_all(asked).await;
        let ready = !draining && credentials.iter().all(|credential| credential.ready);
        let status = match ready {
            true => StatusCode::OK,
            false => StatusCode::SERVICE_UNAVAILABLE,
        };
        json(
            status,
            &Readiness {
                ready,
                draining,
                credentials,
            },
        )
    }
}
