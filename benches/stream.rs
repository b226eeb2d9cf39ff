//! How fast large bodies go through the layers that stream them, beside a client without any.
//!
//! `cargo bench --bench stream` sends 1 GiB at a time over loopback to a server that throws it away, and
//! prints how many MiB went in a second. In each of seven rounds every contestant has its turn, in rotating
//! order, and is held against its own baseline of the same round: a client without a layer, or, for what has
//! to hash, one whose body hashes what passes. Beside other work a round of this length is not slow for all
//! alike: `STREAM_MIB=64 STREAM_ROUNDS=100` takes more and shorter turns.

#[path = "stream/bodies.rs"]
mod bodies;
mod harness;
#[path = "stream/server.rs"]
mod server;

use std::env;

use aws_credential_types::Credentials;
use http::{Request, StatusCode};
use http_body::Body;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::runtime::{Builder, Runtime};
use tower::{Layer, Service, ServiceExt};
use tower_client_auth::{
    BearerTokenLayer, BoxError, Checksum, Chunked, ReplayBody, SigV4Layer, Token,
};

use self::bodies::{Frames, HashEach, aws_chunked};

const PASS_THROUGH: &str = "pass-through";
const HASH_EACH: &str = "hash each chunk";

type Upload<'a> = Box<dyn FnMut() + 'a>;

/// Sends a body each time it is called.
struct Contestant<'a> {
    name: &'static str,
    /// What it is held against, and the least part of its speed it should have.
    baseline: Option<(&'static str, Option<f64>)>,
    send: Upload<'a>,
}

/// What all contestants are given.
struct Course {
    runtime: Runtime,
    origin: String,
    length: u64,
}

impl Course {
    fn new() -> Result<Self, BoxError> {
        let mib = setting("STREAM_MIB", 1024)?;
        Ok(Self {
            runtime: Builder::new_current_thread().enable_all().build()?,
            origin: server::start()?,
            length: mib * 1024 * 1024,
        })
    }

    fn body(&self) -> Frames {
        Frames::new(self.length)
    }

    /// Sends what `body` makes through a layer around a client of its own.
    fn through<'a, L, B, Sent>(&'a self, layer: L, body: impl Fn(&Course) -> B + 'a) -> Upload<'a>
    where
        L: Layer<Client<HttpConnector, Sent>>,
        L::Service: Service<Request<B>, Response = http::Response<hyper::body::Incoming>> + 'a,
        <L::Service as Service<Request<B>>>::Error: std::fmt::Debug,
        Sent: Body + Send + Unpin + 'static,
        Sent::Data: Send,
        Sent::Error: Into<BoxError>,
        B: 'a,
    {
        let client = Client::builder(TokioExecutor::new()).build_http();
        let mut service = layer.layer(client);
        Box::new(move || {
            let request = Request::put(format!("{}/bucket/object", self.origin));
            let request = request.body(body(self)).expect("a request");
            let answer = self.runtime.block_on(async {
                let service = service.ready().await.expect("ready");
                service.call(request).await.expect("an answer")
            });
            assert_eq!(answer.status(), StatusCode::OK);
        })
    }
}

/// A number of the environment's, if it has one of that name.
fn setting(name: &str, default: u64) -> Result<u64, BoxError> {
    match env::var(name) {
        Ok(number) => Ok(number.parse()?),
        Err(_) => Ok(default),
    }
}

/// In place of a layer.
fn none<S>() -> impl Layer<S, Service = S> {
    tower::layer::layer_fn(|service| service)
}

fn contestants(course: &Course) -> Result<Vec<Contestant<'_>>, BoxError> {
    let replay = BearerTokenLayer::new(&course.origin, Token::new("mF_9.B5f-4.1JqM")?)?
        .retry_rejected(ReplayBody::default());
    let credentials = Credentials::new("AKIDEXAMPLE", "secret", None, None, "bench");
    let s3 = SigV4Layer::new("eu-west-1", "s3", credentials)?;
    let signed = Chunked::signed();
    let mut all = vec![
        Contestant {
            name: PASS_THROUGH,
            baseline: None,
            send: course.through(none(), Course::body),
        },
        Contestant {
            name: HASH_EACH,
            baseline: None,
            send: course.through(none(), |course| HashEach(course.body())),
        },
        Contestant {
            name: "ReplayBody, beyond its limit",
            baseline: Some((PASS_THROUGH, Some(0.97))),
            send: course.through(replay, Course::body),
        },
        Contestant {
            name: "aws-runtime, unsigned, CRC32C",
            baseline: Some((PASS_THROUGH, None)),
            send: course.through(none(), |course| aws_chunked(course.body())),
        },
    ];
    for (name, chunked, baseline, least) in [
        ("Chunked, signed", signed, HASH_EACH, Some(0.90)),
        (
            "Chunked, signed, CRC64NVME",
            signed.checksum(Checksum::Crc64Nvme),
            HASH_EACH,
            None,
        ),
        (
            "Chunked, unsigned, CRC32C",
            Chunked::unsigned(Checksum::Crc32c),
            PASS_THROUGH,
            Some(0.85),
        ),
        (
            "Chunked, unsigned, CRC64NVME",
            Chunked::unsigned(Checksum::Crc64Nvme),
            PASS_THROUGH,
            Some(0.85),
        ),
    ] {
        all.push(Contestant {
            name,
            baseline: Some((baseline, least)),
            send: course.through(s3.clone().payload(chunked), Course::body),
        });
    }
    Ok(all)
}

fn main() -> Result<(), BoxError> {
    let (course, rounds) = (Course::new()?, setting("STREAM_ROUNDS", 7)?);
    let mut contestants = contestants(&course)?;
    // Connections are made, and have found out how much they may send at once.
    for contestant in &mut contestants {
        (contestant.send)();
    }
    let times = harness::interleave(rounds as usize, contestants.len(), |at| {
        let start = harness::now();
        (contestants[at].send)();
        start.elapsed().as_secs_f64()
    });

    let mib = course.length as f64 / (1024.0 * 1024.0);
    println!("{mib} MiB over loopback, medians of {rounds} interleaved rounds");
    for (at, contestant) in contestants.iter().enumerate() {
        let speed = mib / times.median(at);
        print!("  {:<36} {speed:>6.0} MiB/s", contestant.name);
        if let Some((baseline, least)) = contestant.baseline {
            let peer = contestants.iter().position(|c| c.name == baseline);
            let ratio = times.ratio(peer.expect("a contestant of that name"), at);
            let bound = least.map_or(String::new(), |least| format!(" (at least {least:.2})"));
            print!(" = {ratio:.2} × {baseline}{bound}");
        }
        println!();
    }
    Ok(())
}
