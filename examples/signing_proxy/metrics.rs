//! Numbers for Prometheus, about requests; with feature `metrics`, those of the layers are beside them.

use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, Unit};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tower_client_auth::BoxError;

/// Seconds.
const BOUNDS: [f64; 14] = [
    0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0,
];

const REQUESTS: &str = "signing_proxy_requests_total";
const SECONDS: &str = "signing_proxy_request_duration_seconds";
const IN_FLIGHT: &str = "signing_proxy_requests_in_flight";
const RECEIVED: &str = "signing_proxy_request_body_bytes_total";
const SENT: &str = "signing_proxy_response_body_bytes_total";
const REFUSED: &str = "signing_proxy_refused_total";
const CONNECTIONS: &str = "signing_proxy_connections";

/// What is read at `/metrics`.
pub(crate) fn install() -> Result<PrometheusHandle, BoxError> {
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("duration_seconds".to_owned()), &BOUNDS)?
        .build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder)?;
    metrics::describe_counter!(
        REQUESTS,
        "Requests that were answered, by upstream and class of status"
    );
    metrics::describe_histogram!(
        SECONDS,
        Unit::Seconds,
        "From a request's head to the end of its answer"
    );
    metrics::describe_gauge!(IN_FLIGHT, "Requests that are under way");
    metrics::describe_counter!(RECEIVED, Unit::Bytes, "Bodies of requests");
    metrics::describe_counter!(SENT, Unit::Bytes, "Bodies of answers");
    metrics::describe_counter!(
        REFUSED,
        "Requests that the proxy answered by itself, by reason"
    );
    metrics::describe_gauge!(CONNECTIONS, "Connections of callers");

    // What was measured is put into its buckets now and then, so that it takes no memory where nobody reads it.
    let upkeep = handle.clone();
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(Duration::from_secs(1));
        loop {
            ticks.tick().await;
            upkeep.run_upkeep();
        }
    });
    Ok(handle)
}

/// Those of one upstream. They are looked up once, and not for each request.
pub(crate) struct Numbers {
    classes: [Counter; 6],
    seconds: Histogram,
    in_flight: Gauge,
    received: Counter,
    sent: Counter,
}

impl Numbers {
    pub(crate) fn new(upstream: &str) -> Self {
        let classes = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];
        let upstream = upstream.to_owned();
        Self {
            classes: classes.map(
                |class| metrics::counter!(REQUESTS, "upstream" => upstream.clone(), "status" => class),
            ),
            seconds: metrics::histogram!(SECONDS, "upstream" => upstream.clone()),
            in_flight: metrics::gauge!(IN_FLIGHT, "upstream" => upstream.clone()),
            received: metrics::counter!(RECEIVED, "upstream" => upstream.clone()),
            sent: metrics::counter!(SENT, "upstream" => upstream),
        }
    }

    pub(crate) fn began(&self) {
        self.in_flight.increment(1.0);
    }

    /// `status` is 0 if no answer was given.
    pub(crate) fn ended(&self, status: u16, took: Duration, received: u64, sent: u64) {
        self.in_flight.decrement(1.0);
        if let Some(class) = self.classes.get(usize::from(status / 100)) {
            class.increment(1);
        }
        self.seconds.record(took);
        self.received.increment(received);
        self.sent.increment(sent);
    }
}

pub(crate) fn refused(reason: &'static str) {
    metrics::counter!(REFUSED, "reason" => reason).increment(1);
}

pub(crate) fn connections() -> Gauge {
    metrics::gauge!(CONNECTIONS)
}
