//! Presigned URLs and SigV4a: servers that others wrote accept what was signed, and refuse it as soon as
//! anything of it changes. And what the layer makes of a signature that goes into the query.

mod changes;
mod layer;
mod ministack;
mod multi_region;
mod renewals;
mod s3s;
mod services;
mod websockets;

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use tower::{Layer, ServiceExt};
use tower_client_auth::sigv4::{
    Presigning, Signer, SigningCredentials, SigningOptions, SigningScope,
};
use tower_client_auth::{Clock, IntoCredentialsSource, PayloadHash, SigV4Layer};

use crate::loopback::{self, Http, LoopbackClient};
use crate::support::Recorder;
use changes::CHANGES;

const MINUTE: Duration = Duration::from_secs(60);

type Source = <Credentials as IntoCredentialsSource>::Source;

/// Who makes a URL, and what it is like.
#[derive(Clone)]
struct Signing {
    scope: SigningScope,
    credentials: Credentials,
    time: SystemTime,
    presigning: Presigning,
}

/// What makes it.
#[derive(Clone, Copy, Debug)]
enum By {
    Signer,
    Layer,
}

impl Signing {
    /// Good for an hour from now on.
    fn new(region: &str, service: &str, credentials: Credentials) -> Self {
        Self {
            scope: SigningScope::new(region, service).expect("a scope"),
            credentials,
            time: Clock::system().now(),
            presigning: lasting(60 * MINUTE),
        }
    }

    /// With SigV4a.
    fn in_regions(self, regions: &str) -> Self {
        let scope = SigningScope::v4a(regions, self.scope.service()).expect("a scope");
        Self { scope, ..self }
    }

    fn covering(self, headers: impl IntoIterator<Item = HeaderName>) -> Self {
        let presigning = self.presigning.signed_headers(headers).expect("names");
        Self { presigning, ..self }
    }

    fn made(self, time: SystemTime, expires_in: Duration) -> Self {
        Self {
            time,
            presigning: lasting(expires_in),
            ..self
        }
    }

    /// What its holder sends.
    async fn presigned(&self, by: By, request: &Request<Bytes>) -> Request<Bytes> {
        match by {
            By::Signer => self.by_signer(request),
            By::Layer => self.by_layer(request).await,
        }
    }

    fn by_signer(&self, request: &Request<Bytes>) -> Request<Bytes> {
        let options = SigningOptions::for_service(self.scope.service());
        let payload = match self.scope.service() {
            "s3" => PayloadHash::Unsigned,
            _ => PayloadHash::of(request.body()),
        };
        let credentials = SigningCredentials::new(self.credentials.clone()).expect("credentials");
        let (mut head, body) = request.clone().into_parts();
        Signer::new(self.scope.clone(), options)
            .presign(
                &mut head,
                &credentials,
                &payload,
                self.time,
                &self.presigning,
            )
            .expect("presigned");
        Request::from_parts(head, body)
    }

    async fn by_layer(&self, request: &Request<Bytes>) -> Request<Bytes> {
        let layer = self.layer().presigned(self.presigning.clone());
        match self.scope.service() {
            "s3" => sent_by(layer.unsigned_payload(), request).await,
            _ => sent_by(layer, request).await,
        }
    }

    fn layer(&self) -> SigV4Layer<Source> {
        let (region, service, time) = (self.scope.region(), self.scope.service(), self.time);
        // A SigV4a scope has no region, and its layer must be given one nevertheless.
        let is_set = self.scope.to_string() == service;
        let first = if is_set { "none" } else { region };
        let layer = SigV4Layer::new(first, service, self.credentials.clone()).expect("a layer");
        let layer = layer.clock(Clock::from_fn(move || time));
        match is_set {
            true => layer.region_set(region).expect("a region set"),
            false => layer,
        }
    }
}

/// What a layer sends of a request.
async fn sent_by(layer: SigV4Layer<Source>, request: &Request<Bytes>) -> Request<Bytes> {
    let recorder = Recorder::new();
    let service = layer.layer(recorder.clone());
    let sent = service.oneshot(request.clone().map(Full::new)).await;
    sent.expect("an answer");
    let seen = recorder.only();
    Request::from_parts(seen.head, seen.body)
}

fn lasting(time: Duration) -> Presigning {
    Presigning::expires_in(time).expect("a time")
}

fn request(method: Method, uri: &Uri, headers: &[(&'static str, &str)]) -> Request<Bytes> {
    let mut request = Request::builder().method(method).uri(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Bytes::new()).expect("a request")
}

/// The pairs of a query.
fn pairs(uri: &Uri) -> Vec<String> {
    let query = uri.query().unwrap_or_default().split('&');
    query
        .filter(|pair| !pair.is_empty())
        .map(str::to_owned)
        .collect()
}

fn with_pairs(uri: &Uri, pairs: &[String]) -> Uri {
    let mut parts = uri.clone().into_parts();
    let text = format!("{}?{}", uri.path(), pairs.join("&"));
    parts.path_and_query = Some(text.parse().expect(&text));
    Uri::from_parts(parts).expect("a URI")
}

/// Of a websocket too.
fn is_good(status: StatusCode) -> bool {
    status.is_success() || status == StatusCode::SWITCHING_PROTOCOLS
}

#[derive(Debug)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

/// Sends what it is given, as anybody could who has it.
struct Holder(LoopbackClient);

impl Holder {
    fn new() -> Self {
        Self(loopback::client(Http::One, None))
    }

    async fn send(&self, request: &Request<Bytes>) -> Answer {
        let request = request.clone().map(|body| Full::new(body).boxed());
        let answer = self.0.request(request).await.expect("an answer");
        let (head, body) = answer.into_parts();
        let body = body.collect().await.expect("a whole body").to_bytes();
        Answer {
            status: head.status,
            headers: head.headers,
            text: String::from_utf8_lossy(&body).into_owned(),
        }
    }

    async fn accepted(&self, request: &Request<Bytes>, tally: &mut Tally) -> Answer {
        let answer = self.send(request).await;
        assert!(is_good(answer.status), "{request:?}: {answer:?}");
        tally.accepted += 1;
        answer
    }

    /// For one of these reasons. An answer to HEAD has none.
    async fn refused(
        &self,
        what: &str,
        request: &Request<Bytes>,
        reasons: &[&str],
        tally: &mut Tally,
    ) {
        let answer = self.send(request).await;
        let is_head = request.method() == Method::HEAD;
        let kind = answer.headers.get("x-amzn-errortype");
        let kind = kind.map_or("", |kind| kind.to_str().expect("ASCII"));
        let mut reasons = reasons.iter();
        let says = is_head || reasons.any(|one| answer.text.contains(one) || kind.contains(one));
        assert!(
            !is_good(answer.status) && says,
            "{what}: {request:?}: {answer:?}"
        );
        tally.refused += 1;
    }

    /// Refused after each change to it, and then accepted as it was signed.
    async fn accepted_untouched_alone(
        &self,
        request: &Request<Bytes>,
        tally: &mut Tally,
    ) -> Answer {
        for change in &CHANGES {
            let mut changed = request.clone();
            if (change.make)(&mut changed) {
                self.refused(change.what, &changed, change.refusals, tally)
                    .await;
            }
        }
        self.accepted(request, tally).await
    }
}

#[derive(Default)]
struct Tally {
    accepted: usize,
    refused: usize,
}
