//! How it ends: told to, under load, it loses no request.
#![cfg(unix)]

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};

use super::Proxy;
use super::raw::{ask, connect, status};

/// Answers a little later than it is asked.
async fn upstream() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let answer = service_fn(async |request: Request<Incoming>| {
                if request.uri().path() == "/never" {
                    std::future::pending::<()>().await;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
                let path = request.uri().path().to_owned();
                let _ = request.into_body().collect().await;
                Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(path)))
            });
            tokio::spawn(async move {
                let server = auto::Builder::new(TokioExecutor::new());
                let _ = server.serve_connection(TokioIo::new(stream), answer).await;
            });
        }
    });
    port
}

fn started(port: u16, arguments: &[&str]) -> Proxy {
    let upstream = format!("api=http://127.0.0.1:{port},service=execute-api,region=eu-west-1");
    let mut all = vec!["--upstream", &upstream];
    all.extend(arguments);
    Proxy::start(&all, ("AKIDEXAMPLE", "secret"))
}

#[derive(Default)]
struct Counts {
    answered: AtomicUsize,
    lost: AtomicUsize,
    /// No answer begins any more once it is over.
    over: AtomicBool,
}

impl Counts {
    fn count(&self, good: bool) {
        let counter = if good { &self.answered } else { &self.lost };
        counter.fetch_add(1, Ordering::SeqCst);
    }
}

/// Asks one request after another, each over the connection before it unless that was said to close.
async fn ask_by_http1(port: u16, counts: Arc<Counts>) {
    while !counts.over.load(Ordering::SeqCst) {
        // Nobody is there any more: nothing was sent.
        let Ok(stream) = TcpStream::connect(("127.0.0.1", port)).await else {
            return;
        };
        let Ok((mut sender, connection)) =
            http1::handshake::<_, Full<Bytes>>(TokioIo::new(stream)).await
        else {
            return;
        };
        tokio::spawn(connection);
        loop {
            // It is closed while idle: nothing is sent then.
            if sender.ready().await.is_err() {
                break;
            }
            let request = Request::post("/orders").header(header::HOST, "localhost");
            let request = request.body(Full::from("hello")).expect("a request");
            match sender.send_request(request).await {
                Ok(answer) => {
                    let closes = answer.headers().contains_key(header::CONNECTION);
                    let good = answer.status().is_success();
                    let body = answer.into_body().collect().await;
                    counts.count(good && body.is_ok_and(|body| body.to_bytes() == "/orders"));
                    if closes {
                        break;
                    }
                }
                // Not sent, by its own account: the connection had ended before.
                Err(error) if error.is_canceled() => break,
                Err(_) => {
                    counts.count(false);
                    break;
                }
            }
        }
    }
}

async fn ask_by_http2(port: u16, counts: Arc<Counts>) {
    while !counts.over.load(Ordering::SeqCst) {
        let Ok(stream) = TcpStream::connect(("127.0.0.1", port)).await else {
            return;
        };
        let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
        let Ok((mut sender, connection)) = handshake else {
            return;
        };
        tokio::spawn(connection);
        while sender.ready().await.is_ok() {
            let request =
                Request::post("http://localhost/orders").body(Full::<Bytes>::from("hello"));
            match sender.send_request(request.expect("a request")).await {
                Ok(answer) => {
                    let good = answer.status().is_success();
                    let body = answer.into_body().collect().await;
                    counts.count(good && body.is_ok_and(|body| body.to_bytes() == "/orders"));
                }
                // The server said which requests it still answers, and this one is to be sent elsewhere.
                Err(_) => break,
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn told_to_end_under_load_it_loses_no_request() {
    let port = upstream().await;
    let (mut answered, mut lost) = (0, 0);
    for (delay, round) in [("0", 0), ("1", 1), ("0", 2)] {
        let proxy = started(port, &["--drain-delay", delay]);
        let counts = Arc::new(Counts::default());
        let asking: Vec<_> = (0..32)
            .map(|_| tokio::spawn(ask_by_http1(proxy.port(), Arc::clone(&counts))))
            .chain((0..4).map(|_| tokio::spawn(ask_by_http2(proxy.port(), Arc::clone(&counts)))))
            .collect();
        while counts.answered.load(Ordering::SeqCst) < 500 + 50 * round {
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
        proxy.terminate();
        let ended = tokio::task::spawn_blocking(move || proxy.ended());
        let (success, _, messages) = ended.await.expect("an end");
        assert!(success, "{messages}");
        counts.over.store(true, Ordering::SeqCst);
        for one in asking {
            one.await.expect("a caller");
        }
        answered += counts.answered.load(Ordering::SeqCst);
        lost += counts.lost.load(Ordering::SeqCst);
    }
    assert_eq!(lost, 0, "of {answered} requests");
    println!(
        "proxy: told to end three times under load, it answered {answered} requests and lost {lost}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_it_drains_it_is_not_ready_and_answers_still() {
    let proxy = started(upstream().await, &["--drain-delay", "2"]);
    assert_eq!(status(&ask(&proxy, "GET /readyz", &[])), 200);
    proxy.terminate();
    let readiness = super::until(|| {
        let answer = ask(&proxy, "GET /readyz", &[]);
        (status(&answer) == 503).then_some(answer)
    });
    let readiness = readiness.expect("not ready any more");
    assert!(readiness.contains("\"draining\":true"), "{readiness}");
    assert_eq!(status(&ask(&proxy, "GET /orders", &[])), 200);
    let ended = tokio::task::spawn_blocking(move || proxy.ended());
    assert!(ended.await.expect("an end").0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_never_ends_is_ended() {
    use std::io::Write as _;
    let proxy = started(upstream().await, &["--drain", "1"]);
    let mut stream = connect(&proxy);
    stream
        .write_all(b"GET /never HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .expect("a request");
    tokio::time::sleep(Duration::from_millis(200)).await;
    proxy.terminate();
    let ended = tokio::task::spawn_blocking(move || proxy.ended());
    assert!(ended.await.expect("an end").0);
}
