//! s3s with the files of s3s-fs, behind a socket.

use std::net::Ipv4Addr;

use ::s3s::auth::SimpleAuth;
use ::s3s::service::S3ServiceBuilder;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, RANGE};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use s3s_fs::FileSystem;
use tempfile::TempDir;
use tokio::net::TcpListener;

use super::changes::{MISMATCH, remove};
use super::*;
use crate::support::promise;

const KEY: &str = "AKIDEXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const REGION: &str = "eu-west-1";
const BUCKET: &str = "handed-out";

struct Server {
    port: u16,
    _folder: TempDir,
}

impl Server {
    /// It serves for as long as the test's runtime is there.
    async fn start() -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
        std::fs::create_dir(folder.path().join(BUCKET)).expect("a bucket");
        let files = FileSystem::new(folder.path()).expect("a folder");
        let mut builder = S3ServiceBuilder::new(files);
        builder.set_auth(SimpleAuth::from_single(KEY, SECRET));
        let service = builder.build();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.expect("a port");
        let port = listener.local_addr().expect("bound").port();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let service = service.clone();
                tokio::spawn(async move {
                    let server = auto::Builder::new(TokioExecutor::new());
                    // What goes wrong with a connection is the client's to tell.
                    let _ = server.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self {
            port,
            _folder: folder,
        }
    }

    fn object(&self, key: &str) -> Uri {
        let uri = format!("http://localhost:{}/{BUCKET}/{key}", self.port);
        uri.parse().expect(&uri)
    }
}

fn credentials(token: Option<&str>) -> Credentials {
    Credentials::new(KEY, SECRET, token.map(str::to_owned), None, "tests")
}

fn signing() -> Signing {
    Signing::new(REGION, "s3", credentials(None))
}

fn put(uri: &Uri, headers: &[(&'static str, &str)], body: &'static str) -> Request<Bytes> {
    request(Method::PUT, uri, headers).map(|_| Bytes::from_static(body.as_bytes()))
}

#[tokio::test]
async fn whatever_a_url_allows_is_accepted_and_nothing_else() {
    let server = Server::start().await;
    let holder = Holder::new();
    let mut tally = Tally::default();
    let keys = [
        "report.pdf",
        "a%20b/%28c%29%27%C3%A9",
        "a+b",
        "a%2Bb",
        "a(b)!*'.txt",
        "a:b@c=d;e,f$g&h",
        "%7Ea~-._",
        "a%252Fb",
        "a%2Fb",
    ];
    for (at, key) in keys.iter().enumerate() {
        // The token is one more signed parameter to s3s.
        let token = [None, Some("IQoJb3JpZ2luX2VjE/+==")][at % 2];
        let signing = Signing::new(REGION, "s3", credentials(token));
        for by in [By::Signer, By::Layer] {
            let uri = server.object(key);
            let kept = [
                ("content-type", "text/plain"),
                ("x-amz-meta-note", "two  spaces"),
            ];
            let requests = [
                put(&uri, &kept, "what is stored"),
                request(Method::HEAD, &uri, &[]),
                request(Method::GET, &uri, &[]),
                request(Method::GET, &uri, &[("range", "bytes=5-6")]),
                request(
                    Method::GET,
                    &with_pairs(
                        &uri,
                        &[
                            "response-content-disposition=attachment%3B%20filename%3D%22a.pdf%22"
                                .to_owned(),
                            "response-content-language=de".to_owned(),
                        ],
                    ),
                    &[],
                ),
                request(Method::DELETE, &uri, &[]),
            ];
            for unsigned in requests {
                let sent = signing.presigned(by, &unsigned).await;
                assert!(sent.headers().get("authorization").is_none());
                let answer = holder.accepted_untouched_alone(&sent, &mut tally).await;
                if unsigned.method() == Method::GET {
                    let part = unsigned.headers().contains_key(RANGE);
                    let stored = if part { "is" } else { "what is stored" };
                    assert_eq!(answer.text, stored, "{key}");
                }
            }
            let gone = signing
                .presigned(by, &request(Method::GET, &uri, &[]))
                .await;
            let answer = holder.send(&gone).await;
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{key}");
        }
    }
    promise(
        30,
        format!(
            "s3s accepts {} presigned URLs, of {} keys, and refuses all {} changes to them",
            tally.accepted,
            keys.len(),
            tally.refused
        ),
    );
}

#[tokio::test]
async fn headers_are_bound_that_were_chosen_and_no_others() {
    let server = Server::start().await;
    let holder = Holder::new();
    let mut tally = Tally::default();
    let uri = server.object("upload");
    let upload = put(
        &uri,
        &[
            ("content-type", "image/png"),
            ("content-length", "5"),
            ("cache-control", "no-store"),
        ],
        "12345",
    );
    let chosen = [
        vec![],
        vec![HOST],
        vec![CONTENT_TYPE],
        vec![CONTENT_LENGTH],
        vec![CONTENT_TYPE, CONTENT_LENGTH],
    ];
    for chosen in chosen {
        let signing = signing().covering(chosen.clone());
        for by in [By::Signer, By::Layer] {
            let sent = signing.presigned(by, &upload).await;
            holder.accepted(&sent, &mut tally).await;
            let mut larger = sent.clone();
            *larger.body_mut() = Bytes::from_static(b"123456");
            larger.headers_mut().insert(CONTENT_LENGTH, 6.into());
            let mut other = sent.clone();
            let page = http::HeaderValue::from_static("text/html");
            other.headers_mut().insert(CONTENT_TYPE, page);
            let mut none = sent.clone();
            none.headers_mut().remove(CONTENT_TYPE);
            for (what, name, changed) in [
                ("a larger body", CONTENT_LENGTH, larger),
                ("another type", CONTENT_TYPE, other),
                ("no type", CONTENT_TYPE, none),
            ] {
                match chosen.contains(&name) {
                    true => holder.refused(what, &changed, MISMATCH, &mut tally).await,
                    false => drop(holder.accepted(&changed, &mut tally).await),
                }
            }
        }
    }
    promise(
        30,
        format!(
            "s3s accepts {} uploads by URLs with chosen headers, and refuses all {} that differ in one of these",
            tally.accepted, tally.refused
        ),
    );
}

#[tokio::test]
async fn a_url_is_good_from_when_it_was_signed_until_it_expires() {
    let server = Server::start().await;
    let holder = Holder::new();
    let mut tally = Tally::default();
    let now = Clock::system().now();
    let uri = server.object("timed");
    let upload = put(&uri, &[], "stored");
    holder
        .accepted(&signing().by_signer(&upload), &mut tally)
        .await;
    let week = Duration::from_secs(7 * 24 * 60 * 60);
    for by in [By::Signer, By::Layer] {
        for (time, expires_in, refusal) in [
            (now - 14 * MINUTE, 15 * MINUTE, None),
            (now + 14 * MINUTE, MINUTE, None),
            (now - week + 60 * MINUTE, week, None),
            (now - 2 * MINUTE, MINUTE, Some("Request has expired")),
            (now - week - MINUTE, week, Some("Request has expired")),
            (now + 16 * MINUTE, week, Some("RequestTimeTooSkewed")),
        ] {
            let signing = signing().made(time, expires_in);
            let get = request(Method::GET, &uri, &[]);
            let sent = signing.presigned(by, &get).await;
            match refusal {
                None => {
                    let answer = holder.accepted_untouched_alone(&sent, &mut tally).await;
                    assert_eq!(answer.text, "stored");
                }
                Some(reason) => {
                    holder
                        .refused("the time", &sent, &[reason], &mut tally)
                        .await
                }
            }
        }
    }
    promise(
        30,
        format!(
            "s3s accepts {} presigned URLs in their time, and refuses {} before or behind it or changed",
            tally.accepted, tally.refused
        ),
    );
}

#[tokio::test]
async fn only_the_right_credentials_make_a_good_url() {
    let server = Server::start().await;
    let holder = Holder::new();
    let mut tally = Tally::default();
    let uri = server.object("whose");
    for by in [By::Signer, By::Layer] {
        let upload = put(&uri, &[], "stored");
        let wrong = Credentials::new(KEY, "another secret", None, None, "tests");
        let sent = Signing::new(REGION, "s3", wrong)
            .presigned(by, &upload)
            .await;
        holder
            .refused("the secret", &sent, MISMATCH, &mut tally)
            .await;
        let unknown = Credentials::new("AKIDNOBODY", SECRET, None, None, "tests");
        let sent = Signing::new(REGION, "s3", unknown)
            .presigned(by, &upload)
            .await;
        holder
            .refused("the key", &sent, &["NotSignedUp"], &mut tally)
            .await;
        let sent = signing().presigned(by, &upload).await;
        let mut bare = sent.clone();
        let names: Vec<String> = pairs(sent.uri());
        for pair in names {
            let (name, _) = pair.split_once('=').expect("a pair");
            assert!(remove(&mut bare, name), "{name}");
        }
        holder
            .refused("the signature", &bare, &["AccessDenied"], &mut tally)
            .await;
        // What it stores is up to whoever has the URL, whose payload is not signed.
        let mut other = sent.clone();
        *other.body_mut() = Bytes::from_static(b"something else");
        holder.accepted(&other, &mut tally).await;
        holder.accepted(&sent, &mut tally).await;
    }
}
