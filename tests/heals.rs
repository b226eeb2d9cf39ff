//! Requests heal, over a real client and at servers that check: a clock that is off corrects itself,
//! credentials that are over or revoked are replaced, and a refusal that neither would change is handed on
//! after one sending.

use std::convert::Infallible;
use std::future::ready;
use std::mem;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::credential_fn::provide_credentials_fn;
use bytes::Bytes;
use http::request::Builder;
use http::{Request, Response, StatusCode, header};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep};
use tower::util::BoxCloneService;
use tower::{Layer, Service, ServiceBuilder, ServiceExt};
use tower_client_auth::layer::InspectErrors;
use tower_client_auth::{
    AuthBody, AuthHint, BearerTokenLayer, BoxError, Buffer, Cached, Clock, CloneBody,
    CredentialsSource, IntoCredentialsSource, SigV4Layer, Token,
};

use crate::loopback::{self, Http};
use crate::ministack::{MiniStack, REGION, Twin, Who};
use crate::servers::{self, Server};
use crate::support::promise;

/// S3, REST and query services answer 403, JSON services 400.
const REFUSALS: [StatusCode; 2] = [StatusCode::FORBIDDEN, StatusCode::BAD_REQUEST];

/// How many requests come after one that healed.
const FOLLOWING: usize = 20;

/// The role that [`Who::Role`] has assumed.
const ROLE: &str = "arn:aws:iam::000000000000:role/tester";

/// What a signature layer sends.
type Signed = AuthBody<Full<Bytes>>;

/// How each request was answered that reached the client: one for each sending.
#[derive(Clone, Default)]
struct Answered(Arc<Mutex<Vec<StatusCode>>>);

impl Answered {
    fn note(&self, status: StatusCode) {
        self.0.lock().expect("no panic").push(status);
    }

    /// Those since the last time.
    fn take(&self) -> Vec<StatusCode> {
        mem::take(&mut *self.0.lock().expect("no panic"))
    }
}

/// What the layers are on.
fn client<B>(answered: &Answered) -> BoxCloneService<Request<B>, Response<Incoming>, BoxError>
where
    B: Body<Data = Bytes, Error = Infallible> + Send + Sync + 'static,
{
    let answered = answered.clone();
    ServiceBuilder::new()
        .map_request(|request: Request<B>| request.map(BodyExt::boxed))
        .map_response(move |response: Response<Incoming>| {
            answered.note(response.status());
            response
        })
        .map_err(|error: legacy::Error| BoxError::from(error))
        .service(loopback::client(Http::One, None))
        .boxed_clone()
}

/// Signs for a service of MiniStack, and looks for the reason of refusals.
fn signing<S>(service: &str, credentials: S) -> SigV4Layer<S::Source, Buffer, InspectErrors>
where
    S: IntoCredentialsSource,
{
    let layer = SigV4Layer::new(REGION, service, credentials).expect("a layer");
    layer.inspect_errors(64 * 1024)
}

/// The status, and what the layer makes of it.
async fn send<S, B>(service: S, request: Request<Full<Bytes>>) -> (StatusCode, Option<AuthHint>)
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>, Error = BoxError>,
    B: Body,
{
    let response = service.oneshot(request).await.expect("an answer");
    let hint = AuthHint::of(&response).cloned();
    let (head, body) = response.into_parts();
    // Read to its end, so that the connection can be used again.
    drop(body.collect().await);
    (head.status, hint)
}

/// One request to each kind of service that checks: its signing name, and the request.
fn calls(stack: &MiniStack) -> [(&'static str, Request<Full<Bytes>>); 4] {
    let call = |request: Builder, kind: &str, body: &'static str| {
        let request = request.header(header::CONTENT_TYPE, kind);
        request.body(Full::from(body)).expect("a request")
    };
    let at = |path| stack.uri("localhost", path);
    let gateway = format!("{}.execute-api.localhost", stack.text("/rest_api/id"));
    let object = Request::put(at("/tests/heals"));
    let item = Request::post(at("/")).header("x-amz-target", "DynamoDB_20120810.PutItem");
    let fields = r#"{"TableName":"tests","Item":{"id":{"S":"heals"}}}"#;
    let form = "application/x-www-form-urlencoded; charset=utf-8";
    let who = "Action=GetCallerIdentity&Version=2011-06-15";
    let order = Request::post(stack.uri(&gateway, "/prod/iam"));
    [
        ("s3", call(object, "text/plain", "hello")),
        ("dynamodb", call(item, "application/x-amz-json-1.0", fields)),
        ("sts", call(Request::post(at("/")), form, who)),
        ("execute-api", call(order, "application/json", "{}")),
    ]
}

/// The first request is refused, sent once more and accepted, those that follow are accepted at once.
/// Returns what it was refused with.
async fn heals<S, B>(
    what: &str,
    service: S,
    request: &Request<Full<Bytes>>,
    answered: &Answered,
) -> StatusCode
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>, Error = BoxError> + Clone,
    B: Body,
{
    let (status, hint) = send(service.clone(), request.clone()).await;
    let first = answered.take();
    assert_eq!(status, StatusCode::OK, "{what}: {first:?} {hint:?}");
    assert_eq!(first.len(), 2, "{what}: {first:?}");
    assert!(REFUSALS.contains(&first[0]), "{what}: {first:?}");
    for _ in 0..FOLLOWING {
        let (status, hint) = send(service.clone(), request.clone()).await;
        assert_eq!(status, StatusCode::OK, "{what}: {hint:?}");
    }
    assert_eq!(answered.take(), [StatusCode::OK; FOLLOWING], "{what}");
    first[0]
}

/// A clock that is an hour ahead, or behind.
fn off(ahead: bool) -> Clock {
    const HOUR: Duration = Duration::from_secs(3600);
    Clock::from_fn(move || match ahead {
        true => Clock::system().now() + HOUR,
        false => Clock::system().now() - HOUR,
    })
}

#[tokio::test]
async fn a_clock_that_is_off_corrects_itself() {
    if servers::skipped("ministack, a clock that is off") {
        return;
    }
    let stack = MiniStack::shared();
    // A server is behind a clock that is ahead.
    for (ahead, expected) in [(true, -3600), (false, 3600)] {
        for (service, request) in calls(stack) {
            let what = format!("{service}, {expected} s");
            // Each layer has to learn it by itself.
            let layer = || {
                let layer = signing(service, stack.key_pair(Who::User, None));
                layer.clock(off(ahead)).heed_loopback_date()
            };
            let answered = Answered::default();
            let healing = layer().retry_rejected(Buffer::default());
            let healing = healing.layer(client::<Signed>(&answered));
            let refusal = heals(&what, healing, &request, &answered).await;
            let figure = format!("{refusal}, 2 sends; then {FOLLOWING} requests, 1 send each");
            promise(19, format!("{what}: {figure}"));

            let learning = layer().layer(client::<Signed>(&answered));
            let (status, hint) = send(learning.clone(), request.clone()).await;
            let Some(AuthHint::ClockSkew {
                seconds: Some(seconds),
            }) = hint
            else {
                panic!("{what}: {status} {hint:?}")
            };
            // The request was on its way for a part of it.
            assert!(i64::abs(seconds - expected) <= 30, "{what}: {seconds} s");
            let second = send(learning, request).await;
            assert_eq!(second, (StatusCode::OK, None), "{what}: learned anyway");
            assert_eq!(answered.take(), [status, StatusCode::OK], "{what}");
            println!("{what}, handed on: {status}, {seconds} s; the next one is accepted");
        }
    }
}

/// Requests are refused for this reason, and sent once each.
async fn stays_refused<C: CredentialsSource>(
    layer: SigV4Layer<C, Buffer, InspectErrors>,
    (service, request): (&str, Request<Full<Bytes>>),
    times: usize,
    why: &AuthHint,
) {
    let answered = Answered::default();
    let layer = layer.retry_rejected(Buffer::default());
    let signed = layer.layer(client::<Signed>(&answered));
    for _ in 0..times {
        let (status, hint) = send(signed.clone(), request.clone()).await;
        assert!(REFUSALS.contains(&status), "{service}: {status}");
        assert_eq!(hint.as_ref(), Some(why), "{service}");
    }
    assert_eq!(answered.take().len(), times, "{service}: 1 send each");
    let figure = format!("{times} of {times} requests refused, 1 send each");
    promise(20, format!("{service}, {why:?}: {figure}"));
}

#[tokio::test]
async fn a_date_over_plain_http_is_not_believed_unless_told() {
    if servers::skipped("ministack, a date that is not heeded") {
        return;
    }
    let stack = MiniStack::shared();
    for call in calls(stack) {
        let layer = signing(call.0, stack.key_pair(Who::User, None)).clock(off(true));
        // The server says that it is the clock, and nobody says by how much.
        stays_refused(layer, call, 3, &AuthHint::ClockSkew { seconds: None }).await;
    }
}

/// A cache that loads these credentials one after another, and the last ones ever after. How often it
/// has comes with it.
fn cached(all: Vec<Credentials>) -> (impl CredentialsSource, Arc<AtomicUsize>) {
    let loads = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&loads);
    let provider = provide_credentials_fn(move || {
        let load = counter.fetch_add(1, Ordering::SeqCst);
        let next = all.get(load).or(all.last()).expect("credentials");
        ready(Ok(next.clone()))
    });
    (Cached::credentials(provider), loads)
}

/// The role's credentials for so long, and for this action only. They do not say when they end.
async fn assume(stack: &MiniStack, seconds: u32, action: &str) -> Credentials {
    let allow = json!({ "Effect": "Allow", "Action": action, "Resource": "*" });
    let policy = json!({ "Version": "2012-10-17", "Statement": [allow] });
    let question = json!({
        "RoleArn": ROLE,
        "RoleSessionName": "heals",
        "DurationSeconds": seconds,
        "Policy": policy.to_string(),
    });
    let target = "AWSSecurityTokenServiceV20110615.AssumeRole";
    let request = Request::post(stack.uri("localhost", "/"))
        .header(header::CONTENT_TYPE, "application/x-amz-json-1.1")
        .header("x-amz-target", target)
        .body(Full::<Bytes>::from(question.to_string()))
        .expect("a request");
    let layer = signing("sts", stack.key_pair(Who::User, None));
    let signed = layer.layer(client::<Signed>(&Answered::default()));
    let response = signed.oneshot(request).await.expect("an answer");
    let answer = response.into_body().collect().await.expect("a body");
    let answer: Value = serde_json::from_slice(&answer.to_bytes()).expect("JSON");
    let text = |name: &str| {
        let text = answer["Credentials"][name].as_str();
        text.expect("a session").to_owned()
    };
    let (key, secret) = (text("AccessKeyId"), text("SecretAccessKey"));
    Credentials::new(key, secret, Some(text("SessionToken")), None, "tests")
}

#[tokio::test]
async fn credentials_that_are_over_or_unknown_are_replaced_once() {
    if servers::skipped("ministack, credentials that are over") {
        return;
    }
    let stack = MiniStack::shared();
    let expired = assume(stack, 1, "*").await;
    sleep(Duration::from_millis(1_500)).await;
    let twin = |who, twin| stack.key_pair(who, Some(twin));
    for (what, bad) in [
        ("expired", expired),
        ("an altered token", twin(Who::Role, Twin::AlteredToken)),
        ("an unknown key", twin(Who::User, Twin::UnknownKey)),
    ] {
        for (service, request) in calls(stack) {
            let what = format!("{service}, {what}");
            // Why they are refused, where nothing is done about it.
            let plain = signing(service, bad.clone()).layer(client::<Signed>(&Answered::default()));
            let (_, hint) = send(plain, request.clone()).await;
            // MiniStack forgets sessions that are over as soon as somebody begins another.
            let reasons = [AuthHint::CredentialsExpired, AuthHint::CredentialsUnknown];
            let told = hint.as_ref().is_some_and(|hint| reasons.contains(hint));
            assert!(told, "{what}: {hint:?}");

            let answered = Answered::default();
            let (source, loads) = cached(vec![bad.clone(), stack.key_pair(Who::Role, None)]);
            let layer = signing(service, source).retry_rejected(Buffer::default());
            let signed = layer.layer(client::<Signed>(&answered));
            let refusal = heals(&what, signed, &request, &answered).await;
            let loads = loads.load(Ordering::SeqCst);
            assert_eq!(loads, 2, "{what}");
            let figure = format!("{refusal}, 2 sends, {loads} loads; then 1 send each");
            promise(17, format!("{what}, {hint:?}: {figure}"));
        }
    }
}

#[tokio::test]
async fn what_no_other_credentials_would_change_is_sent_once() {
    if servers::skipped("ministack, refusals that stay") {
        return;
    }
    let stack = MiniStack::shared();
    let guest = assume(stack, 3600, "sts:*").await;
    let role = Some("tester".into());
    let denied = AuthHint::AccessDenied {
        role,
        standing: None,
    };
    let wrong = stack.key_pair(Who::User, Some(Twin::WrongSecret));
    for (credentials, times, why) in [
        (guest, 100, denied),
        (wrong, 20, AuthHint::SignatureMismatch),
    ] {
        for call in calls(stack) {
            if call.0 == "sts" && matches!(why, AuthHint::AccessDenied { .. }) {
                // Who one is may be asked without any permission.
                continue;
            }
            let (source, loads) = cached(vec![credentials.clone()]);
            let layer = signing(call.0, source).heed_loopback_date();
            stays_refused(layer, call, times, &why).await;
            assert_eq!(loads.load(Ordering::SeqCst), 1, "{why:?}");
        }
    }
}

/// npm's `oidc-provider`, and what tokens it gave out.
#[derive(Clone)]
struct Issuer {
    origin: String,
    granted: Arc<Mutex<Vec<String>>>,
}

impl Issuer {
    /// Access tokens last for so many seconds.
    fn started(lifetime: u32) -> (Server, Self) {
        let server = Server::oidc_provider(Some(lifetime), None);
        let issuer = Self {
            origin: format!("http://127.0.0.1:{}", server.port),
            granted: Arc::default(),
        };
        (server, issuer)
    }

    async fn post(&self, path: &str, form: &str) -> Result<Bytes, BoxError> {
        // The secret has characters that mean something in a form.
        let client = "client_id=revocable&client_secret=s3cr%25t+%2B%2F%3A%3D%26%3F";
        let request = Request::post(format!("{}{path}", self.origin))
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Full::from(format!("{client}&{form}")).boxed())?;
        // Not the one that the layer is on.
        let response = loopback::client(Http::One, None).request(request).await?;
        let status = response.status();
        let answer = response.into_body().collect().await?.to_bytes();
        match status {
            StatusCode::OK => Ok(answer),
            _ => Err(format!("{path}: {status} {answer:?}").into()),
        }
    }

    async fn grant(self) -> Result<Token, BoxError> {
        let answer = self.post("/token", "grant_type=client_credentials").await?;
        let answer: Value = serde_json::from_slice(&answer)?;
        let token = answer["access_token"].as_str().ok_or("no token")?;
        let seconds = answer["expires_in"].as_u64().ok_or("no lifetime")?;
        self.granted.lock().expect("no panic").push(token.into());
        Ok(Token::from(token.to_owned()).expires_in(Duration::from_secs(seconds)))
    }

    /// Revokes the latest token, which is the one in use.
    async fn revoke(&self) {
        let latest = self.granted.lock().expect("no panic").last().cloned();
        let form = format!("token={}", latest.expect("a token"));
        let revoked = self.post("/token/revocation", &form).await;
        revoked.expect("a revocation");
    }
}

#[tokio::test]
async fn tokens_of_two_seconds_fail_no_request_even_where_they_are_revoked() {
    const LIFETIME: u32 = 2;
    const REQUESTS: usize = 1_500;
    const APART: Duration = Duration::from_millis(20);
    // The provider counts in whole seconds: tokens end up to one sooner than they say.
    const REVOKED_BEFORE: [usize; 3] = [600, 750, 950];
    if servers::skipped("oidc-provider, tokens of two seconds") {
        return;
    }
    let (_server, issuer) = Issuer::started(LIFETIME);
    let source = Cached::new({
        let issuer = issuer.clone();
        move || issuer.clone().grant()
    });
    let answered = Answered::default();
    let layer = BearerTokenLayer::new(issuer.origin.as_str(), source).expect("a layer");
    let service = layer
        .retry_rejected(CloneBody)
        .layer(client::<Full<Bytes>>(&answered));
    let request = Request::get(format!("{}/resource", issuer.origin));
    let request = request.body(Full::default()).expect("a request");

    let start = Instant::now();
    let mut ticks = interval(APART);
    let mut sent = JoinSet::new();
    for number in 0..REQUESTS {
        ticks.tick().await;
        if REVOKED_BEFORE.contains(&number) {
            issuer.revoke().await;
        }
        sent.spawn(send(service.clone(), request.clone()));
    }
    let answers = sent.join_all().await;
    let elapsed = start.elapsed().as_secs_f64();

    let accepted = answers.iter().filter(|answer| answer.0.is_success());
    let failed = REQUESTS - accepted.count();
    let fetches = issuer.granted.lock().expect("no panic").len();
    let again = answered.take().len() - REQUESTS;
    // A token that was revoked costs another.
    let most = 1.5 * elapsed / f64::from(LIFETIME) + 2.0 + REVOKED_BEFORE.len() as f64;
    promise(
        11,
        format!(
            "{failed} of {REQUESTS} requests failed in {elapsed:.1} s with tokens of {LIFETIME} s, \
             {} of which were revoked; {again} sent twice, {fetches} fetches, at most {most:.1} promised",
            REVOKED_BEFORE.len(),
        ),
    );
    assert_eq!(failed, 0);
    assert!(again > 0, "a token was revoked, and nobody noticed");
    assert!(fetches as f64 <= most, "{fetches} fetches");
}
