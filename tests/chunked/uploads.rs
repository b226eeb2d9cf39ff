//! Through sockets, to a server in a process of its own: what was uploaded comes down as it was.

use http::Method;
use http::header::CONTENT_LENGTH;
use tower_client_auth::{AuthError, AuthErrorKind};

use super::fs_server::FsServer;
use super::generated::assert_same;
use super::*;
use crate::oracle::Random;
use crate::servers;

const CHUNKS: [u64; 5] = [8 * KIB, 64 * KIB, 1024 * KIB, 8 * KIB + 1, 100_003];

/// What goes up, and how.
struct Upload {
    http: Http,
    mode: Mode,
    chunk: u64,
    seed: u64,
    length: u64,
    /// The largest piece of the body.
    largest: u64,
}

impl Upload {
    fn random(random: &mut Random, mode: Mode, chunk: u64, length: u64) -> Self {
        let http = random.pick(&[Http::One, Http::Two]);
        let pieces: &[u64] = if length > 1_000_000 || (http == Http::Two && !mode.is_signed()) {
            // Servers take many tiny frames of HTTP/2 for an attack. What is signed goes out in whole chunks.
            &[10_000, 400_000]
        } else if length > 100_000 {
            &[100, 10_000, 400_000]
        } else {
            &[1, 100, 10_000, 400_000]
        };
        Self {
            http,
            mode,
            chunk,
            seed: random.next(),
            length,
            largest: random.pick(pieces),
        }
    }

    /// Sends it there, has it back, and leaves nothing.
    async fn goes_up_and_comes_down(&self, origin: &str) {
        let Self {
            http,
            mode,
            chunk,
            seed,
            length,
            largest,
        } = *self;
        let what = format!(
            "{http:?}, {mode:?}, {length} bytes in chunks of {chunk}, seed {seed:#x}, pieces of {largest}"
        );
        let chunked = mode.chunked().chunk_size(chunk as usize);
        let service = sending(http, (REGION, credentials()), chunked.expect("a size"));

        let uri = format!("{origin}/{BUCKET}/{seed}");
        let mut up = mode.put(&uri, Generated::new(seed, length, largest));
        if length == 0 {
            // There is none then.
            up.headers_mut().remove(ALGORITHM);
        }
        let (status, answer) = read(service.clone().oneshot(up).await.expect(&what)).await;
        assert!(status.is_success(), "{what}: {status} {answer}");
        let ask = |method| {
            let request = Request::builder().method(method).uri(&uri);
            let request = request.body(Generated::nothing()).expect("a request");
            service.clone().oneshot(request)
        };
        let answer = ask(Method::GET).await.expect(&what);
        assert_eq!(answer.status(), StatusCode::OK, "{what}");
        assert_same(answer.into_body(), seed, length, &what).await;
        let (status, answer) = read(ask(Method::DELETE).await.expect(&what)).await;
        assert!(status.is_success(), "{what}: {status} {answer}");
    }
}

fn tell(uploads: usize, bytes: u64) {
    let gigabytes = bytes as f64 / (1024.0 * 1024.0 * 1024.0);
    println!("chunked: {uploads} uploads, {gigabytes:.2} GiB, 0 differ");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_uploaded_comes_down_as_it_was() {
    if servers::skipped("s3s-fs, uploads in chunks") {
        return;
    }
    let server = FsServer::started();
    let mut random = Random(0x5eed_0000_0001_0037);
    let (mut uploads, mut bytes) = (0, 0);
    for mode in Mode::all() {
        for chunk in CHUNKS {
            // From a byte to 16 MiB, as many small ones as large ones.
            let bits = random.below(25) as u32;
            let anything = 2_u64.pow(bits) + random.next() % 2_u64.pow(bits);
            for length in [0, 1, chunk - 1, chunk, chunk + 1, 2 * chunk, anything] {
                let upload = Upload::random(&mut random, mode, chunk, length);
                upload.goes_up_and_comes_down(&server.origin()).await;
                uploads += 1;
                bytes += length;
            }
        }
    }
    assert!(server.is_empty(), "what was deleted is still there");
    tell(uploads, bytes);
}

async fn large(modes: &[Mode]) {
    if servers::skipped("s3s-fs, large uploads in chunks") {
        return;
    }
    let server = FsServer::started();
    let length = KIB * KIB * KIB;
    for &mode in modes {
        let upload = Upload {
            http: Http::One,
            mode,
            chunk: 64 * KIB,
            seed: 0x5eed_0000_0002_0037,
            length,
            largest: 400_000,
        };
        upload.goes_up_and_comes_down(&server.origin()).await;
    }
    tell(modes.len(), modes.len() as u64 * length);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_upload_comes_down_as_it_was() {
    large(&[Mode::SignedAnd(Checksum::Crc64Nvme)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes: 11 GiB up and down"]
async fn large_uploads_in_all_modes_come_down_as_they_were() {
    large(&Mode::all()).await;
}

/// The server has no whole request then, and keeps no part of it for the whole.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_is_not_as_long_as_was_said_leaves_no_object() {
    const SAID: u64 = 50_000;
    if servers::skipped("s3s-fs, uploads that break off") {
        return;
    }
    let server = FsServer::started();
    for http in [Http::One, Http::Two] {
        for mode in Mode::all() {
            for length in [0, 1, SAID - 1, SAID + 1, 3 * SAID] {
                let what = format!("{http:?}, {mode:?}, {length} bytes for {SAID}");
                let by = (REGION, credentials());
                let service = sending(http, by, mode.chunked());
                let uri = format!("{}/{BUCKET}/broken", server.origin());
                let mut put = mode.put(&uri, Generated::new(1, length, 10_000).of_unknown_length());
                put.headers_mut().insert(CONTENT_LENGTH, SAID.into());
                let error = service.clone().oneshot(put).await.expect_err(&what);
                // Over HTTP/2 hyper keeps to itself why it resets a stream.
                if http == Http::One {
                    let found = AuthError::find(error.as_ref()).map(AuthError::kind);
                    assert_eq!(found, Some(AuthErrorKind::Payload), "{what}: {error:?}");
                }
                let get = Request::get(&uri).body(Generated::nothing());
                let answer = service.oneshot(get.expect("a request")).await.expect(&what);
                assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{what}");
            }
        }
    }
    assert!(server.is_empty());
}
