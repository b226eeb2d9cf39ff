//! A file goes up to S3 while it is read, in chunks that are signed one by one, and comes down again.
//!
//! ```sh
//! cargo run --example upload
//! cargo run --example upload -- path/to/a/file
//! ```
//!
//! The server is s3s, an S3 that others wrote, on this machine: it checks the signature of each chunk.

#[path = "upload/store.rs"]
mod store;

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use aws_credential_types::Credentials;
use bytes::{Bytes, BytesMut};
use futures::stream;
use http::{Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use sha2::{Digest, Sha256};
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;
use tower::util::MapRequestLayer;
use tower::{Layer, Service, ServiceExt};
use tower_client_auth::sigv4::SigningCredentials;
use tower_client_auth::{
    BoxError, Checksum, Chunked, ChunkedBody, ReplayBody, ReplayedBody, SigV4Layer,
};

type Body = UnsyncBoxBody<Bytes, io::Error>;

/// What goes out: the body in chunks, of which what has gone by is kept for a second attempt.
type Sent = ChunkedBody<ReplayedBody<Body>>;

type Signing = SigV4Layer<SigningCredentials, Chunked<ReplayBody>>;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let folder = tempfile::tempdir()?;
    let path = match std::env::args_os().nth(1) {
        Some(path) => PathBuf::from(path),
        None => sample(folder.path())?,
    };
    let origin = store::start(&folder.path().join("store")).await?;
    let uri = format!("{origin}/{}/object", store::BUCKET);

    // What a program needs: the layer, and a client below it.
    let credentials = Credentials::new(
        store::ACCESS_KEY_ID,
        store::SECRET_ACCESS_KEY,
        None,
        None,
        "example",
    );
    let chunked = Chunked::signed()
        .checksum(Checksum::Crc64Nvme)
        .keeping(ReplayBody::default());
    let layer: Signing = SigV4Layer::new("eu-west-1", "s3", credentials)?.retry_rejected(chunked);
    let client: Client<HttpConnector, Sent> = Client::builder(TokioExecutor::new()).build_http();
    let service = layer.layer(client.clone());

    let file = tokio::fs::metadata(&path).await;
    let length = file.map_err(|e| format!("{}: {e}", path.display()))?.len();
    let answer = service.clone().oneshot(put(&uri, &path).await?).await?;
    let chunks = length.div_ceil(Chunked::DEFAULT_CHUNK_SIZE as u64);
    drop(expect(answer, StatusCode::OK).await?);
    println!("up    {length} bytes, in {chunks} signed chunks");

    let before = hash_of_file(&path).await?;
    let same = before == download(&service, &uri).await?;
    let bytes = if same { "same" } else { "WRONG" };
    println!("down  the {bytes} bytes");

    // Somebody on the way changes one letter.
    let tampering = MapRequestLayer::new(|request: Request<Sent>| request.map(tampered));
    let client: Client<HttpConnector, Body> = Client::builder(TokioExecutor::new()).build_http();
    let unlucky = layer.layer(tampering.layer(client));
    let hello = Full::from("hello").map_err(|e| match e {});
    let request = Request::put(&uri).body(hello.boxed_unsync())?;
    let answer = unlucky.oneshot(request).await?;
    let refused = !answer.status().is_success() && before == download(&service, &uri).await?;
    let outcome = match refused {
        true => "refused, and not stored",
        false => "ACCEPTED",
    };
    println!("hello became jello on its way: {outcome}");
    match same && refused {
        true => Ok(()),
        false => Err("that was not expected".into()),
    }
}

/// The length is known before the file has been read, which S3 insists on.
async fn put(uri: &str, path: &Path) -> Result<Request<Body>, BoxError> {
    let file = File::open(path).await?;
    let length = file.metadata().await?.len();
    let request = Request::put(uri).header("content-length", length);
    Ok(request.body(body_of(file))?)
}

/// A file that is read while it is sent.
fn body_of(file: File) -> Body {
    let frames = stream::try_unfold(file, async |mut file| {
        let mut piece = BytesMut::with_capacity(64 * 1024);
        file.read_buf(&mut piece).await?;
        let frame = (!piece.is_empty()).then(|| (Frame::data(piece.freeze()), file));
        Ok::<_, io::Error>(frame)
    });
    StreamBody::new(frames).boxed_unsync()
}

fn tampered(body: Sent) -> Body {
    let body = body.map_frame(|frame| {
        frame.map_data(|data| match &data[..] {
            b"hello" => Bytes::from("jello"),
            _ => data,
        })
    });
    body.map_err(io::Error::other).boxed_unsync()
}

/// What an object hashes to.
async fn download<S>(service: &S, uri: &str) -> Result<[u8; 32], BoxError>
where
    S: Service<Request<Body>, Response = Response<Incoming>, Error = BoxError> + Clone,
{
    let nothing = Empty::new().map_err(|e| match e {});
    let request = Request::get(uri).body(nothing.boxed_unsync())?;
    let answer = service.clone().oneshot(request).await?;
    let mut body = expect(answer, StatusCode::OK).await?;
    hash_of(&mut body).await
}

async fn hash_of_file(path: &Path) -> Result<[u8; 32], BoxError> {
    hash_of(&mut body_of(File::open(path).await?)).await
}

async fn hash_of<B>(body: &mut B) -> Result<[u8; 32], BoxError>
where
    B: http_body::Body<Data = Bytes> + Unpin,
    BoxError: From<B::Error>,
{
    let mut hash = Sha256::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            hash.update(&data);
        }
    }
    Ok(hash.finalize().into())
}

/// The answer's body, if it has the status; otherwise what it says.
async fn expect(answer: Response<Incoming>, expected: StatusCode) -> Result<Incoming, BoxError> {
    let (status, body) = (answer.status(), answer.into_body());
    if status == expected {
        return Ok(body);
    }
    let text = body.collect().await?.to_bytes();
    Err(format!("{status}: {}", String::from_utf8_lossy(&text)).into())
}

/// Some 100 MB to upload, which were never in memory.
fn sample(folder: &Path) -> io::Result<PathBuf> {
    let path = folder.join("sample");
    let mut file = io::BufWriter::new(std::fs::File::create(&path)?);
    for line in 0..10_000_000 {
        writeln!(file, "{line:9}")?;
    }
    file.flush()?;
    Ok(path)
}
