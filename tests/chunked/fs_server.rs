//! s3s-fs, an S3 server that keeps its objects in a folder, in a process of its own.

use std::env;
use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s_fs::FileSystem;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tower::ServiceExt;

use super::linger::Lingering;
use super::{BUCKET, KEY, SECRET};
use crate::servers::{self, Server};

const PORT: &str = "TOWER_CLIENT_AUTH_FS_SERVER_PORT";
const FOLDER: &str = "TOWER_CLIENT_AUTH_FS_SERVER_FOLDER";

/// Ends when it is dropped, and then its folder is removed.
pub(crate) struct FsServer {
    server: Server,
    folder: TempDir,
}

impl FsServer {
    pub(crate) fn started() -> Self {
        let folder = folder();
        let program = env::current_exe().expect("this program");
        let server = Server::start(servers::listens, |port| {
            let mut command = Command::new(&program);
            let test = "chunked::fs_server::serves_until_it_is_ended";
            command
                .args(["--exact", test, "--nocapture"])
                .env(PORT, port.to_string())
                .env(FOLDER, folder.path());
            command
        });
        Self { server, folder }
    }

    pub(crate) fn origin(&self) -> String {
        format!("http://127.0.0.1:{}", self.server.port)
    }

    /// Whether there is no object in the bucket.
    pub(crate) fn is_empty(&self) -> bool {
        let mut objects = fs::read_dir(self.folder.path().join(BUCKET)).expect("a bucket");
        objects.next().is_none()
    }
}

/// One with a bucket in it, which is a folder.
pub(super) fn folder() -> TempDir {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder under target");
    fs::create_dir(folder.path().join(BUCKET)).expect("a bucket");
    folder
}

/// Checks signatures of one key pair.
fn service(folder: &Path) -> S3Service {
    let files = FileSystem::new(folder).expect("a folder");
    let mut builder = S3ServiceBuilder::new(files);
    builder.set_auth(SimpleAuth::from_single(KEY, SECRET));
    builder.build()
}

/// What [`FsServer`] starts; by itself it does nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn serves_until_it_is_ended() {
    let (Ok(port), Some(folder)) = (env::var(PORT), env::var_os(FOLDER)) else {
        return;
    };
    let service = service(folder.as_ref());
    let address = (Ipv4Addr::LOCALHOST, port.parse().expect("a port"));
    let listener = TcpListener::bind(address).await.expect("a free port");
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        stream.set_nodelay(true).expect("a socket");
        let service = service.clone();
        // As S3 does: a refusal would be lost otherwise while the client still sends.
        let service = service_fn(move |request| {
            let service = service.clone();
            service.oneshot(Lingering::request(request))
        });
        tokio::spawn(async move {
            let server = auto::Builder::new(TokioExecutor::new());
            // What goes wrong with a connection is the client's to tell.
            let _ = server.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}
