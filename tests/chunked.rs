//! Uploads in chunks, at servers that others wrote: what the layer sends is stored as it was, and refused as soon
//! as anything of it changes on the way.

mod changes;
pub(crate) mod fs_server;
pub(crate) mod generated;
mod in_process;
#[path = "../examples/signing_proxy/linger.rs"]
mod linger;
mod ministack;
mod operations;
mod oracle;
mod replays;
mod signed;
mod taken_apart;
mod tampering;
mod uploads;

use std::fmt::Debug;

use aws_credential_types::Credentials;
use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tower::util::BoxCloneService;
use tower::{ServiceBuilder, ServiceExt};
use tower_client_auth::{BoxError, Checksum, Chunked, ChunkedBody, SigV4Layer};

use crate::loopback::{Http, Loopback};
use generated::Generated;

pub(crate) const KEY: &str = "AKIDEXAMPLE";
pub(crate) const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
pub(crate) const REGION: &str = "eu-west-1";
pub(crate) const BUCKET: &str = "uploads";
const KIB: u64 = 1024;

/// Has a server compute a checksum, and compare it.
const ALGORITHM: &str = "x-amz-sdk-checksum-algorithm";

const CHECKSUMS: [Checksum; 5] = [
    Checksum::Crc32,
    Checksum::Crc32c,
    Checksum::Crc64Nvme,
    Checksum::Sha1,
    Checksum::Sha256,
];

/// What protects the body.
#[derive(Clone, Copy, Debug)]
enum Mode {
    Signed,
    SignedAnd(Checksum),
    Unsigned(Checksum),
}

impl Mode {
    fn all() -> Vec<Self> {
        let mut all = vec![Mode::Signed];
        all.extend(CHECKSUMS.map(Mode::SignedAnd));
        all.extend(CHECKSUMS.map(Mode::Unsigned));
        all
    }

    fn chunked(self) -> Chunked {
        match self {
            Mode::Signed => Chunked::signed(),
            Mode::SignedAnd(checksum) => Chunked::signed().checksum(checksum),
            Mode::Unsigned(checksum) => Chunked::unsigned(checksum),
        }
    }

    fn is_signed(self) -> bool {
        !matches!(self, Mode::Unsigned(_))
    }

    fn checksum(self) -> Option<Checksum> {
        match self {
            Mode::Signed => None,
            Mode::SignedAnd(checksum) | Mode::Unsigned(checksum) => Some(checksum),
        }
    }

    /// What a server needs to be told to check the checksum behind a body.
    fn put<B>(self, uri: &str, body: B) -> Request<B> {
        let mut request = Request::put(uri);
        if let Some(checksum) = self.checksum() {
            let name = checksum.header_name();
            let algorithm = name.as_str().strip_prefix("x-amz-checksum-");
            let algorithm = algorithm.expect("a checksum").to_ascii_uppercase();
            request = request.header(ALGORITHM, algorithm);
        }
        request.body(body).expect("a request")
    }
}

type AnyBody = UnsyncBoxBody<Bytes, BoxError>;

fn any<B>(body: B) -> AnyBody
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    body.map_err(Into::into).boxed_unsync()
}

/// For plain http.
fn client(http: Http) -> Client<HttpConnector<Loopback>, AnyBody> {
    let mut connector = HttpConnector::new_with_resolver(Loopback);
    // Small frames one after another would each wait for an acknowledgement.
    connector.set_nodelay(true);
    Client::builder(TokioExecutor::new())
        .http2_only(http == Http::Two)
        .build(connector)
}

/// The layer on such a client.
fn sending(
    http: Http,
    (region, credentials): (&str, Credentials),
    chunked: Chunked,
) -> BoxCloneService<Request<Generated>, Response<Incoming>, BoxError> {
    let layer = SigV4Layer::new(region, "s3", credentials).expect("a layer");
    ServiceBuilder::new()
        .layer(layer.payload(chunked))
        .map_request(|request: Request<ChunkedBody<Generated>>| request.map(any))
        .service(client(http))
        .boxed_clone()
}

/// What an answer says.
async fn read<B>(answer: Response<B>) -> (StatusCode, String)
where
    B: Body<Error: Debug>,
{
    let (head, body) = answer.into_parts();
    let body = body.collect().await.expect("a whole body").to_bytes();
    (head.status, String::from_utf8_lossy(&body).into_owned())
}

fn credentials() -> Credentials {
    Credentials::new(KEY, SECRET, None, None, "tests")
}
