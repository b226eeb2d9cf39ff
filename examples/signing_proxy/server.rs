//! Connections of callers: HTTP/1 and HTTP/2, with limits, until the process is told to end.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::{HeaderValue, Request, Response, header};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::{sleep, timeout};
use tower_client_auth::BoxError;

use crate::listen::{Listener, Stream};
use crate::metrics;
use crate::record::Answer;

/// How far the end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    Serving,
    /// Each answer is the last of its connection, and new ones are taken still.
    Draining,
    /// No new ones are.
    Closing,
    /// Whoever is silent goes.
    Closed,
}

#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) max_head: usize,
    pub(crate) max_connections: usize,
    pub(crate) head_timeout: Duration,
    pub(crate) drain_delay: Duration,
    pub(crate) drain: Duration,
}

/// How long a connection may be silent before it is closed at the end: a request that is on its way is not lost so.
const LINGER: Duration = Duration::from_millis(1000);

/// How many requests one HTTP/2 connection may have at a time.
const STREAMS: u32 = 256;

/// Answers requests of one peer.
pub(crate) trait Serve: Clone + Send + Sync + 'static {
    fn serve(
        &self,
        peer: &Arc<str>,
        request: Request<Incoming>,
    ) -> impl Future<Output = Response<Answer>> + Send;
}

/// Takes connections until the phase says otherwise, and returns once all are over or out of time.
pub(crate) async fn run<S: Serve>(
    listeners: Vec<Listener>,
    service: S,
    settings: Settings,
    mut phase: watch::Receiver<Phase>,
) -> Result<(), BoxError> {
    let slots = Arc::new(Semaphore::new(settings.max_connections));
    // Nothing is ever sent: it closes with the last connection.
    let (open, mut all_closed) = mpsc::channel::<()>(1);
    let mut accepting = tokio::task::JoinSet::new();
    for listener in listeners {
        let front = Front {
            service: service.clone(),
            settings: settings.clone(),
            phase: phase.clone(),
            slots: Arc::clone(&slots),
            open: open.clone(),
        };
        accepting.spawn(front.accept(listener));
    }
    drop(open);
    phase.wait_for(|phase| *phase >= Phase::Closing).await?;
    while accepting.join_next().await.is_some() {}
    let _ = timeout(settings.drain, all_closed.recv()).await;
    Ok(())
}

#[derive(Clone)]
struct Front<S> {
    service: S,
    settings: Settings,
    phase: watch::Receiver<Phase>,
    slots: Arc<Semaphore>,
    open: mpsc::Sender<()>,
}

impl<S: Serve> Front<S> {
    async fn accept(self, listener: Listener) {
        let mut phase = self.phase.clone();
        let mut closing = std::pin::pin!(async move {
            let _ = phase.wait_for(|phase| *phase >= Phase::Closing).await;
        });
        loop {
            // Before there is room for it, a connection waits where the system keeps it.
            let slot = tokio::select! {
                slot = Arc::clone(&self.slots).acquire_owned() => slot,
                () = &mut closing => break,
            };
            let Ok(slot) = slot else { break };
            // Those that wait already are taken before the listener closes.
            let accepted = tokio::select! {
                biased;
                accepted = listener.accept() => accepted,
                () = &mut closing => break,
            };
            match accepted {
                Ok((stream, peer)) => {
                    let front = self.clone();
                    tokio::spawn(async move {
                        let gauge = metrics::connections();
                        gauge.increment(1.0);
                        front.connection(stream, peer.into()).await;
                        gauge.decrement(1.0);
                        drop(slot);
                    });
                }
                // Of one connection, or of all: file descriptors may run out, and come back.
                Err(_) => sleep(Duration::from_millis(10)).await,
            }
        }
    }

    async fn connection(self, stream: Stream, peer: Arc<str>) {
        let Self {
            service,
            settings,
            mut phase,
            open,
            ..
        } = self;
        let _open = open;
        let asked = Arc::new(AtomicBool::new(false));
        let speaks_http2 = Arc::new(AtomicBool::new(false));
        let (seen, http2, now) = (Arc::clone(&asked), Arc::clone(&speaks_http2), phase.clone());
        let service = service_fn(move |request: Request<Incoming>| {
            seen.store(true, Ordering::Relaxed);
            let is_http1 = request.version() < http::Version::HTTP_2;
            http2.store(!is_http1, Ordering::Relaxed);
            let (service, peer, now) = (service.clone(), Arc::clone(&peer), now.clone());
            async move {
                let mut response = service.serve(&peer, request).await;
                if is_http1 && *now.borrow() > Phase::Serving {
                    let close = HeaderValue::from_static("close");
                    response.headers_mut().insert(header::CONNECTION, close);
                }
                Ok::<_, Infallible>(response)
            }
        });
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(settings.head_timeout)
            .max_buf_size(settings.max_head)
            .half_close(false);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_header_list_size(u32::try_from(settings.max_head).unwrap_or(u32::MAX))
            .max_concurrent_streams(STREAMS)
            .keep_alive_interval(settings.head_timeout)
            .keep_alive_timeout(settings.head_timeout)
            .adaptive_window(true);
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(connection);

        // Until the first request has come there is no telling which HTTP it is, and whose timeouts hold.
        let first = sleep(settings.head_timeout);
        let closed = async {
            let _ = phase.wait_for(|phase| *phase >= Phase::Draining).await;
            // HTTP/2 has a way to say which requests are still answered; HTTP/1 has to be waited for.
            if !speaks_http2.load(Ordering::Relaxed) {
                let _ = phase.wait_for(|phase| *phase >= Phase::Closed).await;
            }
        };
        let mut closed = std::pin::pin!(closed);
        tokio::select! {
            _ = connection.as_mut() => return,
            () = first => if !asked.load(Ordering::Relaxed) {
                return;
            },
            () = &mut closed => {
                connection.as_mut().graceful_shutdown();
                let _ = connection.await;
                return;
            }
        }
        tokio::select! {
            _ = connection.as_mut() => return,
            () = &mut closed => {}
        }
        connection.as_mut().graceful_shutdown();
        let _ = connection.await;
    }
}

/// Goes through the phases, from the first sign of the end on.
pub(crate) async fn end(phase: &watch::Sender<Phase>, settings: &Settings) {
    phase.send_replace(Phase::Draining);
    sleep(settings.drain_delay).await;
    phase.send_replace(Phase::Closing);
    sleep(LINGER.min(settings.drain)).await;
    phase.send_replace(Phase::Closed);
}
