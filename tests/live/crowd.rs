//! Many requests at once, and replacements in between.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use http_body::Frame;
use http_body_util::StreamBody;
use tokio::task::yield_now;

use super::*;
use crate::support::promise;

const REPLACEMENTS: usize = 1_000;
/// Every so many, one is bad.
const BAD: usize = 5;
/// Requests that end between two replacements, at least.
const BETWEEN: usize = 100;
const WORKERS: usize = 4;

/// Ways in which a configuration cannot be used.
fn bad(number: usize) -> Config {
    let good = numbered(number);
    let bad = match number / BAD % 6 {
        0 => good.replace("\"catalog\"", "\"catalogue\""),
        1 => good.replace("API_KEY", "AMAZON_COGNITO_USER_POOLS"),
        2 => good.replace("OPENID_CONNECT", "AWS_LAMBDA"),
        3 => good.replace(
            &format!(",\n                          \"region\": \"region-g{number}\""),
            "",
        ),
        4 => good.replace("https://partners.", "https://"),
        _ => r#"{"apis": {}}"#.to_owned(),
    };
    assert_ne!(bad, good);
    bad.parse().expect("what parses, and cannot be used")
}

/// Bodies of which a second part comes later, so that a configuration can be replaced while one is read.
fn body_in_parts() -> impl http_body::Body<Data = Bytes, Error = Infallible> + Send + 'static {
    let parts = futures::stream::unfold(0, |part| async move {
        yield_now().await;
        (part < 3).then(|| (Ok(Frame::data(Bytes::from_static(b"part"))), part + 1))
    });
    StreamBody::new(parts)
}

struct Run {
    live: LiveSelector,
    sent: AtomicUsize,
    failed: AtomicUsize,
    /// Requests that a replacement overtook.
    overtaken: AtomicUsize,
    stop: AtomicBool,
}

impl Run {
    /// Sends requests to all APIs through layers of its own until it is told to stop.
    async fn work(self: Arc<Self>) {
        let all = self.live.layer_for_all().expect("a layer");
        let one = self.live.layer("catalog").expect("a layer");
        let mut latest = 0;
        for round in 0_usize.. {
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
            let (layer, api) = [
                (&all, "catalog"),
                (&all, "orders"),
                (&all, "partners"),
                (&one, "catalog"),
            ][round % 4];
            let server = Recorder::new();
            let request = request(api).map(|_| body_in_parts());
            match layer.layer(server.clone()).oneshot(request).await {
                Ok(_) => {
                    let used = generation(&server.only());
                    // One store changes all layers: none is behind what another has shown.
                    assert!(used >= latest, "{used} after {latest}");
                    latest = used;
                    if used < self.current() {
                        self.overtaken.fetch_add(1, Ordering::Relaxed);
                    }
                }
                Err(_) => {
                    self.failed.fetch_add(1, Ordering::Relaxed);
                }
            }
            self.sent.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The number of the configuration in use.
    fn current(&self) -> usize {
        let endpoint = self.live.config().apis["catalog"].endpoint.to_string();
        let number = endpoint.rsplit_once('g').map(|(_, number)| number);
        number.and_then(|text| text.parse().ok()).expect("a number")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_configuration_is_replaced_whole_or_not_at_all() {
    let live = live();
    let told = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
    let counted = Arc::clone(&told);
    live.on_replace(move |outcome| {
        counted[usize::from(outcome.is_err())].fetch_add(1, Ordering::Relaxed);
    });
    let run = Arc::new(Run {
        live: live.clone(),
        sent: AtomicUsize::new(0),
        failed: AtomicUsize::new(0),
        overtaken: AtomicUsize::new(0),
        stop: AtomicBool::new(false),
    });
    let workers: Vec<_> = (0..WORKERS)
        .map(|_| tokio::spawn(Arc::clone(&run).work()))
        .collect();
    let checked = live.layer_for_all().expect("a layer");

    let (mut replaced, mut refused) = (0, 0);
    for number in 2..REPLACEMENTS + 2 {
        let before = run.current();
        if number % BAD == 0 {
            live.replace(bad(number)).expect_err("a bad configuration");
            refused += 1;
            assert_eq!(run.current(), before);
        } else {
            live.replace(config(number)).expect("a good configuration");
            replaced += 1;
            assert_eq!(run.current(), number);
        }
        let status = live.status();
        assert_eq!(status.generation, replaced + 1);
        assert_eq!(status.refused, refused);
        assert_eq!(status.refusal.is_some(), number % BAD == 0);
        // Whoever has replaced it sees it in the very next request.
        let seen = send(&checked, request("orders")).await.expect("sent");
        assert_eq!(generation(&seen), run.current());

        let target = run.sent.load(Ordering::Relaxed) + BETWEEN;
        while run.sent.load(Ordering::Relaxed) < target {
            assert!(
                !workers.iter().any(|worker| worker.is_finished()),
                "a worker is gone"
            );
            yield_now().await;
        }
    }
    run.stop.store(true, Ordering::Relaxed);
    for worker in workers {
        worker
            .await
            .expect("every request of one configuration alone");
    }

    let count = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
    let (sent, failed, overtaken) = (count(&run.sent), count(&run.failed), count(&run.overtaken));
    promise(
        36,
        format_args!(
            "{sent} requests during {replaced} replacements and {refused} refused ones, {overtaken} overtaken: \
             {failed} failed, 0 of two configurations"
        ),
    );
    assert!(sent >= 100_000, "{sent}");
    assert_eq!((replaced, refused), (800, 200));
    assert_eq!(failed, 0);
    assert!(overtaken > 0, "no replacement fell into a request");
    assert_eq!((count(&told[0]), count(&told[1])), (800, 200));
}
