//! An upload as the layer would have sent it, to be looked at and changed before it is.

use std::time::SystemTime;

use aws_sigv4::sign::v4;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_LENGTH};
use http::request;
use http_body_util::Full;
use tower::Layer;
use tower_client_auth::Clock;

use super::taken_apart::TakenApart;
use super::*;
use crate::support::Recorder;

#[derive(Clone, Debug)]
pub(super) struct Signed {
    pub(super) head: request::Parts,
    pub(super) body: TakenApart,
    time: SystemTime,
    region: String,
    credentials: Credentials,
}

impl Signed {
    /// By the layer, at this time.
    pub(super) async fn new<B>(
        (region, credentials): (&str, Credentials),
        time: SystemTime,
        chunked: Chunked,
        request: Request<B>,
    ) -> Self
    where
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        let layer = SigV4Layer::new(region, "s3", credentials.clone()).expect("a layer");
        let layer = layer.payload(chunked).clock(Clock::from_fn(move || time));
        let recorder = Recorder::new();
        let sent = layer.layer(recorder.clone()).oneshot(request).await;
        sent.expect("an answer");
        let seen = recorder.only();
        assert_eq!(seen.trailers, None, "all is in the body");
        Self {
            head: seen.head,
            body: TakenApart::of(&seen.body),
            time,
            region: region.to_owned(),
            credentials,
        }
    }

    /// As it goes out, whatever became of it.
    pub(super) fn request(&self) -> Request<Full<Bytes>> {
        let mut head = self.head.clone();
        // The client's to say.
        head.headers.remove(CONTENT_LENGTH);
        Request::from_parts(head, Full::from(self.body.joined()))
    }

    pub(super) fn time(&self) -> SystemTime {
        self.time
    }

    /// All signatures of the body anew, by the SDKs' signer.
    pub(super) fn sign_body_again(&mut self) {
        let (region, time) = (self.region.clone(), self.time);
        self.sign_body_as(&region, time);
    }

    /// The same with the key of another region or day.
    pub(super) fn sign_body_as(&mut self, region: &str, time: SystemTime) {
        let identity = self.credentials.clone().into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(region)
            .name("s3")
            .time(time)
            .settings(())
            .build()
            .expect("complete");
        let authorization = self.head.headers[AUTHORIZATION].to_str().expect("ASCII");
        let (_, seed) = authorization.split_once("Signature=").expect("a signature");
        let mut running = seed.to_owned();
        for chunk in &mut self.body.chunks {
            let data = Bytes::from(chunk.data.clone());
            let signed = v4::sign_chunk(&data, &running, &params).expect("signed");
            running = signed.signature().to_owned();
            chunk.signature = Some(running.clone());
        }
        let trailers = &mut self.body.trailers;
        if trailers.is_empty() {
            return;
        }
        trailers.retain(|(name, _)| name != TRAILER_SIGNATURE);
        let mut map = HeaderMap::new();
        for (name, value) in trailers.iter() {
            let name: http::HeaderName = name.parse().expect("a name");
            map.append(name, value.parse().expect("a value"));
        }
        let map = map.try_into().expect("text");
        let signed = v4::sign_trailer(&map, &running, &params).expect("signed");
        let signature = signed.signature().to_owned();
        trailers.push((TRAILER_SIGNATURE.to_owned(), signature));
    }
}

pub(super) const TRAILER_SIGNATURE: &str = "x-amz-trailer-signature";
