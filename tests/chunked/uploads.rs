//! Through sockets, to a server in a process of its own: what was uploaded comes down as it was.

use http::Method;

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
        let largest = match length {
            // Servers take many tiny frames of HTTP/2 for an attack. What is signed goes out in whole chunks.
            _ if http == Http::Two && !mode.is_signed() => random.pick(&[10_000, 400_000]),
            ..100_000 => random.pick(&[1, 100, 10_000, 400_000]),
            ..1_000_000 => random.pick(&[100, 10_000, 400_000]),
            _ => random.pick(&[10_000, 400_000]),
        };
        Self {
            http,
            mode,
            chunk,
            seed: random.next(),
            length,
            largest,
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
        let up = mode.put(&uri, Generated::new(seed, length, largest));
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
            let anything = 1 + random.below(4 * chunk as usize) as u64;
            for length in [1, chunk - 1, chunk, chunk + 1, 2 * chunk, anything] {
                let upload = Upload::random(&mut random, mode, chunk, length);
                upload.goes_up_and_comes_down(&server.origin()).await;
                uploads += 1;
                bytes += length;
            }
        }
    }
    tell(uploads, bytes);
}

async fn large(mebibytes: u64, mode: Mode) {
    if servers::skipped("s3s-fs, a large upload in chunks") {
        return;
    }
    let server = FsServer::started();
    let upload = Upload {
        http: Http::One,
        mode,
        chunk: 64 * KIB,
        seed: 0x5eed_0000_0002_0037,
        length: mebibytes * KIB * KIB,
        largest: 400_000,
    };
    upload.goes_up_and_comes_down(&server.origin()).await;
    tell(1, upload.length);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_upload_comes_down_as_it_was() {
    large(1024, Mode::SignedAnd(Checksum::Crc64Nvme)).await;
}
