//! Requests heal, over a real client and at servers that check: a clock that is off corrects itself,
//! credentials that are over or revoked are replaced, and a refusal that neither would change is handed on
//! after one sending.

use std::convert::Infallible;
use std::future::ready;
use std::mem;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::credential_fn::provide_credentials_fn;
use bytes::Bytes;
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
    let call = |uri, kind: &str, body: &'static str| {
        let request = Request::post(uri).header(header::CONTENT_TYPE, kind);
        request.body(Full::from(body)).expect("a request")
    };
    let at = |path| stack.uri("localhost", path);
    let gateway = format!("{}.execute-api.localhost", stack.text("/rest_api/id"));
    let mut put = call(at("/tests/heals"), "text/plain", "hello");
    *put.method_mut() = http::Method::PUT;
    let item = r#"{"TableName":"tests","Item":{"id":{"S":"heals"}}}"#;
    let mut item = call(at("/"), "application/x-amz-json-1.0", item);
    let target = http::HeaderValue::from_static("DynamoDB_20120810.PutItem");
    item.headers_mut().insert("x-amz-target", target);
    let who = "Action=GetCallerIdentity&Version=2011-06-15";
    let form = "application/x-www-form-urlencoded; charset=utf-8";
    let order = stack.uri(&gateway, "/prod/iam");
    [
        ("s3", put),
        ("dynamodb", item),
        ("sts", call(at("/"), form, who)),
        (
            "execute-api",
            call(order, "application/json", r#"{"order":1}"#),
        ),
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
    for (service, request) in calls(stack) {
        for ahead in [true, false] {
            let way = if ahead { "ahead" } else { "behind" };
            let what = format!("{service}, an hour {way}");
            let answered = Answered::default();
            let layer = signing(service, stack.key_pair(Who::User, None))
                .clock(off(ahead))
                .heed_loopback_date()
                .retry_rejected(Buffer::default());
            let signed = layer.layer(client::<Signed>(&answered));
            let refusal = heals(&what, signed, &request, &answered).await;
            println!("{what}: {refusal} once, 2 sends; then {FOLLOWING} requests, 1 send each");
        }
    }
}

#[tokio::test]
async fn a_clock_is_learned_even_from_a_refusal_that_is_handed_on() {
    if servers::skipped("ministack, a clock that is off, once") {
        return;
    }
    let stack = MiniStack::shared();
    for (service, request) in calls(stack) {
        // A server is behind a clock that is ahead.
        for (ahead, expected) in [(true, -3600), (false, 3600)] {
            let answered = Answered::default();
            let layer = signing(service, stack.key_pair(Who::User, None))
                .clock(off(ahead))
                .heed_loopback_date();
            let signed = layer.layer(client::<Signed>(&answered));
            let (status, hint) = send(signed.clone(), request.clone()).await;
            assert!(REFUSALS.contains(&status), "{service}: {status}");
            let Some(AuthHint::ClockSkew { seconds }) = hint else {
                panic!("{service}: {status} {hint:?}")
            };
            // The request was on its way for a part of the difference.
            let error = i64::abs(seconds - expected);
            assert!(error <= 30, "{service}: {seconds} s, not {expected}");
            let second = send(signed, request.clone()).await;
            assert_eq!(second, (StatusCode::OK, None), "{service}");
            assert_eq!(answered.take().len(), 2, "{service}: 1 send each");
            println!("{service}: {status}, {seconds} s; the next request is accepted");
        }
    }
}

#[tokio::test]
async fn a_date_over_plain_http_is_not_believed_unless_told() {
    if servers::skipped("ministack, a date that is not heeded") {
        return;
    }
    let stack = MiniStack::shared();
    for (service, request) in calls(stack) {
        let answered = Answered::default();
        let layer = signing(service, stack.key_pair(Who::User, None))
            .clock(off(true))
            .retry_rejected(Buffer::default());
        let signed = layer.layer(client::<Signed>(&answered));
        for _ in 0..3 {
            let (status, hint) = send(signed.clone(), request.clone()).await;
            assert!(REFUSALS.contains(&status), "{service}: {status}");
            // The server says that it is the clock, and nobody says by how much.
            let skew = AuthHint::ClockSkew { seconds: 0 };
            assert_eq!(hint, Some(skew), "{service}");
        }
        assert_eq!(answered.take().len(), 3, "{service}: 1 send each");
        println!("{service}: 3 of 3 requests refused, 1 send each");
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
        text.unwrap_or_else(|| panic!("no session: {answer}"))
            .to_owned()
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
            let hint = hint.filter(|hint| reasons.contains(hint)).expect(&what);

            let answered = Answered::default();
            let (source, loads) = cached(vec![bad.clone(), stack.key_pair(Who::Role, None)]);
            let layer = signing(service, source).retry_rejected(Buffer::default());
            let signed = layer.layer(client::<Signed>(&answered));
            let refusal = heals(&what, signed, &request, &answered).await;
            let loads = loads.load(Ordering::SeqCst);
            assert_eq!(loads, 2, "{what}");
            println!("{what}: {refusal} ({hint:?}) once, 2 sends, {loads} loads; then 1 send each");
        }
    }
}

/// Requests with these credentials are refused for this reason, and sent once each: nothing is loaded
/// anew for them.
async fn stays_refused(
    (service, request): (&str, Request<Full<Bytes>>),
    credentials: Credentials,
    times: usize,
    why: &AuthHint,
) {
    let answered = Answered::default();
    let (source, loads) = cached(vec![credentials]);
    let layer = signing(service, source)
        .heed_loopback_date()
        .retry_rejected(Buffer::default());
    let signed = layer.layer(client::<Signed>(&answered));
    for _ in 0..times {
        let (status, hint) = send(signed.clone(), request.clone()).await;
        assert!(REFUSALS.contains(&status), "{service}: {status}");
        assert_eq!(hint.as_ref(), Some(why), "{service}");
    }
    let (sends, loads) = (answered.take().len(), loads.load(Ordering::SeqCst));
    assert_eq!((sends, loads), (times, 1), "{service}");
    println!("{service}, {why:?}: {times} requests, {sends} sends, {loads} load");
}

#[tokio::test]
async fn what_no_policy_allows_is_sent_once() {
    if servers::skipped("ministack, policies") {
        return;
    }
    let stack = MiniStack::shared();
    let guest = assume(stack, 3600, "sts:*").await;
    let role = Some("tester".into());
    let denied = AuthHint::AccessDenied { role };
    // Nobody is denied to ask who they are.
    for call in calls(stack).into_iter().filter(|(name, _)| *name != "sts") {
        stays_refused(call, guest.clone(), 100, &denied).await;
    }
}

#[tokio::test]
async fn a_wrong_signature_is_sent_once() {
    if servers::skipped("ministack, wrong secrets") {
        return;
    }
    let stack = MiniStack::shared();
    let wrong = stack.key_pair(Who::User, Some(Twin::WrongSecret));
    for call in calls(stack) {
        stays_refused(call, wrong.clone(), 20, &AuthHint::SignatureMismatch).await;
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
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers/oidc_provider.cjs");
        let is_up = |port| servers::answers(port, "/.well-known/openid-configuration");
        let server = Server::start(is_up, |port| {
            let mut command = Command::new("node");
            command
                .arg(&script)
                .args([port.to_string(), lifetime.to_string()])
                .env("NODE_PATH", servers::node_modules());
            command
        });
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
    // A token that is rejected in its first five seconds counts as one that never worked: the cache leaves
    // the issuer alone for 1 s after the first of them, for 2 after the second. So these are further apart.
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

    let failed = answers.iter().filter(|(status, _)| *status != StatusCode::OK);
    let failed = failed.count();
    let fetches = issuer.granted.lock().expect("no panic").len();
    let again = answered.take().len() - REQUESTS;
    let most = 1.5 * elapsed / f64::from(LIFETIME) + 2.0;
    promise(
        11,
        format!(
            "tokens of {LIFETIME} s at 50 requests/s for {elapsed:.1} s, revoked {} times: {failed} of \
             {REQUESTS} requests failed, {again} were sent again, {fetches} fetches of {most:.1} promised",
            REVOKED_BEFORE.len(),
        ),
    );
    assert_eq!(failed, 0);
    assert!(again > 0, "a token was revoked, and nobody noticed");
    assert!(fetches as f64 <= most, "{fetches} fetches");
}
