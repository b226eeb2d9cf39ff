//! Large bodies, which are hashed on other threads than the executor's.

use std::future::Future;
use std::pin::Pin;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Weak};

use bytes::Bytes;
use futures::executor::block_on;
use futures::{FutureExt, poll};
use http::Response;
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;
use tower::{Layer, ServiceExt};
use tower_client_auth::{
    AuthError, AuthErrorKind, AuthorizeLayer, BoxError, Buffer, Need, PayloadHash,
};

use super::{Notary, chunks, frames, put, sha256, trailers};
use crate::support::{Recorder, Seen};

/// From how many bytes on bodies are hashed elsewhere.
const FROM: usize = 1000;

fn buffer() -> Buffer {
    Buffer::new(10 * FROM).hash_elsewhere_from(FROM)
}

/// A layer, and what comes out of it.
struct Signed {
    buffer: Buffer,
    notary: Notary,
    recorder: Recorder,
}

type Call = Pin<Box<dyn Future<Output = Result<Response<Full<Bytes>>, BoxError>>>>;

impl Signed {
    fn new(buffer: Buffer, need: Need) -> Self {
        let (notary, recorder) = (Notary::new(need), Recorder::new());
        Self {
            buffer,
            notary,
            recorder,
        }
    }

    fn call<B>(&self, body: B) -> Call
    where
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<BoxError>,
    {
        let layer = AuthorizeLayer::with_authorizer(self.notary.clone()).payload(self.buffer);
        let service = layer.layer(self.recorder.clone());
        Box::pin(service.oneshot(put(body)))
    }

    fn outcome(&self) -> (Seen, PayloadHash) {
        let hashes = self.notary.hashes();
        assert_eq!(hashes.len(), 1);
        (self.recorder.only(), hashes[0])
    }
}

fn data(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 251) as u8).collect()
}

fn whole(body: impl Into<Bytes>) -> Full<Bytes> {
    Full::new(body.into())
}

/// A runtime of one thread, with one more for what blocks.
fn runtime() -> Runtime {
    let mut builder = Builder::new_current_thread();
    let runtime = builder.max_blocking_threads(1).build();
    runtime.expect("a runtime")
}

/// Takes the only thread there is for what blocks, until the sender is dropped.
async fn occupy() -> Sender<()> {
    let (free, gate) = channel::<()>();
    let (begins, begun) = oneshot::channel();
    spawn_blocking(move || {
        begins.send(()).expect("the test waits for it");
        let _ = gate.recv();
    });
    begun.await.expect("the thread runs");
    free
}

#[tokio::test]
async fn a_body_hashed_elsewhere_is_the_one_that_is_hashed_in_place() {
    for length in [0, 1, FROM - 1, FROM, FROM + 1, 3 * FROM] {
        let body = data(length);
        for buffer in [
            buffer(),
            Buffer::default().hash_elsewhere_from(0),
            Buffer::default(),
        ] {
            let signed = Signed::new(buffer, Need::Payload);
            let call = signed.call(whole(body.clone()));
            call.await.expect("an answer");
            let (seen, hash) = signed.outcome();
            assert_eq!((&seen.body[..], hash), (&body[..], sha256(&body)));
            assert_eq!(seen.trailers, None);

            let mut cut = chunks(body.chunks(300));
            cut.push(Ok(Frame::trailers(trailers("x-checksum", "42"))));
            let signed = Signed::new(buffer, Need::Payload);
            signed.call(frames(cut)).await.expect("an answer");
            let (seen, hash) = signed.outcome();
            assert_eq!((&seen.body[..], hash), (&body[..], sha256(&body)));
            assert_eq!(seen.trailers, Some(trailers("x-checksum", "42")));
        }
    }
}

#[test]
fn the_executor_goes_on_while_a_large_body_is_hashed() {
    let body = data(FROM);
    for body_of in [
        whole(body.clone())
            .map_err(|never| match never {})
            .boxed_unsync(),
        frames(chunks(body.chunks(300))),
    ] {
        runtime().block_on(async {
            let free = occupy().await;
            let signed = Signed::new(buffer(), Need::Payload);
            let mut call = signed.call(body_of);
            assert!(poll!(&mut call).is_pending());
            let other = tokio::spawn(async { "goes on" });
            assert_eq!(other.await.expect("a task"), "goes on");
            assert!(poll!(&mut call).is_pending());
            assert!(signed.recorder.seen().is_empty());

            drop(free);
            call.await.expect("an answer");
            let (seen, hash) = signed.outcome();
            assert_eq!((&seen.body[..], hash), (&body[..], sha256(&body)));
        });
    }
}

#[test]
fn a_smaller_body_waits_for_no_thread() {
    let body = data(FROM - 1);
    runtime().block_on(async {
        let _free = occupy().await;
        for cut in [FROM, 300] {
            let signed = Signed::new(buffer(), Need::Payload);
            let call = signed.call(frames(chunks(body.chunks(cut))));
            let answer = call.now_or_never().expect("nothing to wait for");
            answer.expect("an answer");
            assert_eq!(signed.outcome().1, sha256(&body));
        }
    });
}

#[test]
fn what_need_not_be_hashed_waits_for_no_thread() {
    let body = data(FROM);
    let known = PayloadHash::of(b"of something else");
    runtime().block_on(async {
        let _free = occupy().await;
        for (need, hash) in [
            (Need::Hashed(known), known),
            (Need::Head, PayloadHash::Unsigned),
        ] {
            let signed = Signed::new(buffer().read_ahead(), need);
            let call = signed.call(whole(body.clone()));
            let answer = call.now_or_never().expect("nothing to wait for");
            answer.expect("an answer");
            assert_eq!(signed.outcome().1, hash);
        }
    });
}

#[test]
fn outside_a_runtime_a_large_body_is_hashed_in_place() {
    let body = data(FROM);
    let signed = Signed::new(buffer(), Need::Payload);
    let call = signed.call(whole(body.clone()));
    let answer = call.now_or_never().expect("nothing to wait for");
    answer.expect("an answer");
    let (seen, hash) = signed.outcome();
    assert_eq!((&seen.body[..], hash), (&body[..], sha256(&body)));
}

#[test]
fn a_runtime_that_shuts_down_meanwhile_leaves_no_request_waiting() {
    let runtime = runtime();
    let signed = Signed::new(buffer(), Need::Payload);
    let (call, free) = runtime.block_on(async {
        let free = occupy().await;
        let mut call = signed.call(whole(data(FROM)));
        assert!(poll!(&mut call).is_pending());
        (call, free)
    });
    runtime.shutdown_background();
    drop(free);
    // Whether the thread still does what waits for it is tokio's to say.
    match block_on(call) {
        Ok(_) => assert_eq!(signed.outcome().1, sha256(&data(FROM))),
        Err(error) => ended_too_soon(&error),
    }
}

#[test]
fn a_runtime_that_has_shut_down_is_an_error() {
    let runtime = runtime();
    let handle = runtime.handle().clone();
    runtime.shutdown_background();
    let _inside = handle.enter();
    let signed = Signed::new(buffer(), Need::Payload);
    let call = signed.call(whole(data(FROM)));
    ended_too_soon(&block_on(call).expect_err("nobody hashes it"));
    assert!(signed.recorder.seen().is_empty());
}

#[track_caller]
fn ended_too_soon(error: &BoxError) {
    let error = AuthError::find(error.as_ref()).expect("ours");
    assert_eq!(error.kind(), AuthErrorKind::Configuration);
    assert!(error.to_string().contains("shut down"), "{error}");
}

/// Bytes of which can be seen whether anybody has them.
struct Owned(
    Vec<u8>,
    #[allow(dead_code, reason = "it is counted")] Arc<()>,
);

impl AsRef<[u8]> for Owned {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

fn owned(length: usize) -> (Bytes, Weak<()>) {
    let owner = Arc::new(());
    let weak = Arc::downgrade(&owner);
    (Bytes::from_owner(Owned(data(length), owner)), weak)
}

#[test]
fn a_request_that_is_given_up_leaves_nothing_behind() {
    runtime().block_on(async {
        let free = occupy().await;
        let signed = Signed::new(buffer(), Need::Payload);
        let (body, owner) = owned(FROM);
        let mut call = signed.call(whole(body));
        assert!(poll!(&mut call).is_pending());
        drop(call);
        drop(free);
        // The thread takes one thing after the other.
        spawn_blocking(|| {}).await.expect("the thread is free");
        assert_eq!(owner.strong_count(), 0);
        assert!(signed.recorder.seen().is_empty());
    });
}

#[test]
fn bytes_of_the_callers_are_sent_without_a_copy() {
    runtime().block_on(async {
        let signed = Signed::new(buffer(), Need::Payload);
        let body = Bytes::from(data(FROM));
        let call = signed.call(whole(body.clone()));
        call.await.expect("an answer");
        assert_eq!(signed.outcome().0.body.as_ptr(), body.as_ptr());
    });
}
