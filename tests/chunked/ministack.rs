//! MiniStack: objects as they were, with their checksums and without the encoding in chunks; and no others.

use http::header::CONTENT_ENCODING;
use http::{Method, Uri};
use tower_client_auth::Clock;

use super::changes::{CHANGES, LENGTH, Where};
use super::generated::assert_same;
use super::signed::Signed;
use super::*;
use crate::ministack::{MiniStack, REGION, Who};
use crate::servers;
use crate::support::promise;

const MODE: &str = "x-amz-checksum-mode";
const SEED: u64 = 0x5eed_0000_0007_0037;

/// In the bucket that its tests have.
fn object(stack: &MiniStack, name: &str) -> Uri {
    stack.uri("localhost", &format!("/tests/{name}"))
}

fn generated() -> Generated {
    Generated::new(SEED, LENGTH, 10_000)
}

#[tokio::test]
async fn an_object_is_as_it_was_without_the_encoding_in_chunks() {
    if servers::skipped("ministack, uploads in chunks") {
        return;
    }
    let stack = MiniStack::shared();
    let data = super::generated::bytes(SEED, 0, LENGTH);
    for mode in Mode::all() {
        for (who, encoding) in [(Who::User, None), (Who::Role, Some("gzip"))] {
            let what = format!("{mode:?}, {encoding:?}");
            let by = (REGION, stack.key_pair(who, None));
            let chunked = mode.chunked().chunk_size(10_000).expect("a size");
            let service = sending(Http::One, by, chunked);
            let uri = object(stack, "chunked").to_string();
            let mut put = mode.put(&uri, generated());
            if let Some(encoding) = encoding {
                let encoding = encoding.parse().expect("a value");
                put.headers_mut().insert(CONTENT_ENCODING, encoding);
            }
            let (status, answer) = read(service.clone().oneshot(put).await.expect(&what)).await;
            assert!(status.is_success(), "{what}: {status} {answer}");

            let get = Request::get(&uri).header(MODE, "ENABLED");
            let get = get.body(Generated::nothing()).expect("a request");
            let answer = service.oneshot(get).await.expect("an answer");
            assert_eq!(answer.status(), StatusCode::OK, "{what}");
            let headers = answer.headers();
            let stored = headers.get(CONTENT_ENCODING).map(|value| value.to_str());
            assert_eq!(stored.transpose().expect("ASCII"), encoding, "{what}");
            for checksum in CHECKSUMS {
                let expected = mode.checksum() == Some(checksum);
                let expected = expected.then(|| checksum.of(&data));
                assert_eq!(
                    headers.get(checksum.header_name()),
                    expected.as_ref(),
                    "{what}"
                );
            }
            assert_same(answer.into_body(), SEED, LENGTH, &what).await;
        }
    }
}

#[tokio::test]
async fn what_was_changed_on_the_way_is_not_kept() {
    // It keeps out what was cut short, where s3s does not.
    const REFUSALS: [&str; 3] = ["SignatureDoesNotMatch", "BadDigest", "IncompleteBody"];
    if servers::skipped("ministack, changed uploads in chunks") {
        return;
    }
    let stack = MiniStack::shared();
    let client = client(Http::One);
    let send = async |upload: &Signed| {
        let answer = client.request(upload.request().map(any)).await;
        read(answer.expect("an answer")).await
    };
    let (mut accepted, mut refused) = (0, 0);
    for mode in Mode::all() {
        let time = Clock::system().now();
        let by = || (REGION, stack.key_pair(Who::User, None));
        let chunked = || mode.chunked().chunk_size(8 * KIB as usize).expect("a size");
        let upload = async |name: &str, seed| {
            let uri = object(stack, name).to_string();
            let request = mode.put(&uri, Generated::new(seed, LENGTH, 10_000));
            Signed::new(by(), time, chunked(), request).await
        };
        let ask = async |method: Method| {
            let request = Request::builder()
                .method(method)
                .uri(object(stack, "changed"));
            let request = request.body(Generated::nothing()).expect("a request");
            let answer = sending(Http::One, by(), chunked()).oneshot(request).await;
            answer.expect("an answer").status()
        };
        let good = upload("changed", SEED).await;
        let other = upload("other", !SEED).await;
        // It does not check the signature of trailers: s3s does.
        let checked = |at: Where| at.is_in(mode) && at != Where::SignedTrailer;
        let mut changed = Vec::new();
        for change in CHANGES.iter().filter(|change| checked(change.at)) {
            let mut upload = good.clone();
            (change.make)(&mut upload, &other);
            changed.push((change.what, upload));
        }
        let mut cut = good.clone();
        cut.body.chunks.pop();
        cut.body.trailers.clear();
        cut.body.end.clear();
        changed.push(("the end left out", cut));
        for (what, upload) in changed {
            let what = format!("{mode:?}, {what}");
            let (status, answer) = send(&upload).await;
            let reason = REFUSALS.iter().any(|code| answer.contains(code));
            assert!(!status.is_success() && reason, "{what}: {status} {answer}");
            assert_eq!(ask(Method::GET).await, StatusCode::NOT_FOUND, "{what}");
            refused += 1;
        }
        let (status, answer) = send(&good).await;
        assert!(status.is_success(), "{mode:?}: {status} {answer}");
        assert!(ask(Method::DELETE).await.is_success());
        accepted += 1;
    }
    promise(
        30,
        format_args!(
            "MiniStack accepts {accepted} uploads in chunks, and keeps nothing of {refused} that were changed"
        ),
    );
}
