//! A cache of AWS credentials.

use std::fmt;
use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};
use http::{Request, Response};
use http_body_util::Full;
use tokio::time::sleep;
use tower::{Layer, ServiceExt};
use tower_client_auth::sigv4::SigningCredentials;
use tower_client_auth::{AuthErrorKind, Clock, CredentialsSource, ManualClock, SigV4Layer};

use super::*;
use crate::support::Recorder;

pub(super) type Provided = Result<Credentials, CredentialsError>;
pub(super) type CachedCredentials = Cached<Provider, SigningCredentials>;

/// Does what a test says for each load, by its number from 1.
pub(super) struct Provider {
    loads: Loads,
    script: Box<dyn Fn(usize) -> BoxFuture<'static, Provided> + Send + Sync>,
}

impl Provider {
    pub(super) fn new<Fut>(
        loads: &Loads,
        script: impl Fn(usize) -> Fut + Send + Sync + 'static,
    ) -> Self
    where
        Fut: Future<Output = Provided> + Send + 'static,
    {
        Self {
            loads: loads.clone(),
            script: Box::new(move |number| Box::pin(script(number))),
        }
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Provider")
    }
}

impl ProvideCredentials for Provider {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let number = self.loads.0.begun.fetch_add(1, Ordering::SeqCst) + 1;
        future::ProvideCredentials::new((self.script)(number))
    }
}

/// `AKID<number>`, until then.
pub(super) fn keys(number: usize, end: Option<SystemTime>) -> Credentials {
    Credentials::new(format!("AKID{number}"), "secret", None, end, "test")
}

pub(super) fn manual_clock() -> ManualClock {
    ManualClock::new(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000))
}

/// What a layer over `cache` does with one request: the access key id that it was signed with when it
/// arrived, or the error. And how long that took.
pub(super) async fn send(
    cache: &CachedCredentials,
    clock: &ManualClock,
) -> (Result<String, AuthError>, Duration) {
    let layer = SigV4Layer::new("eu-west-1", "execute-api", cache.clone()).expect("a layer");
    let below = Recorder::new();
    let service = layer.clock(Clock::from(clock.clone())).layer(below.clone());
    let request = Request::get("https://abc.execute-api.eu-west-1.amazonaws.com/prod");
    let request = request.body(Full::<bytes::Bytes>::default());
    let start = Instant::now();
    let answer: Result<Response<_>, BoxError> = service.oneshot(request.expect("a request")).await;
    let waited = start.elapsed();
    let answer = match answer {
        Ok(_) => {
            let seen = below.only();
            let signature = seen.one("authorization");
            let (_, rest) = signature.split_once("Credential=").expect("a signature");
            let (key, _) = rest.split_once('/').expect("a scope");
            Ok(key.to_owned())
        }
        Err(error) => {
            assert!(below.seen().is_empty(), "nothing was sent");
            Err(AuthError::find(error.as_ref()).expect("ours").clone())
        }
    };
    (answer, waited)
}

#[tokio::test(start_paused = true)]
async fn a_crowd_makes_one_load() {
    let loads = Loads::default();
    let cache = Cached::credentials(Provider::new(&loads, |number| async move {
        sleep(SECOND).await;
        Ok(keys(number, None))
    }));
    let crowd = futures::future::join_all((0..1_000).map(|_| cache.credentials())).await;
    let first = crowd[0].as_ref().expect("credentials").clone();
    for answer in crowd {
        assert!(answer.expect("credentials").is_same(&first));
    }
    assert_eq!(loads.begun(), 1);
    let hit = CredentialsSource::at_hand(&cache).expect("at hand");
    assert!(hit.is_same(&first));

    CredentialsSource::rejected(&cache, &first);
    let next = cache.credentials().await.expect("credentials");
    assert_eq!(next.access_key_id(), "AKID2");
    CredentialsSource::rejected(&cache, &first); // late
    assert!(CredentialsSource::at_hand(&cache).is_some());
}

/// An hour's life: the refresh comes between a quarter of an hour and half of one before its end.
#[tokio::test(start_paused = true)]
async fn they_are_renewed_behind_the_requests_that_are_signed() {
    let clock = manual_clock();
    let loads = Loads::default();
    let wall = clock.clone();
    let provider = Provider::new(&loads, move |number| {
        let end = wall.now() + HOUR;
        async move {
            sleep(2 * SECOND).await;
            Ok(keys(number, Some(end)))
        }
    });
    let cache = Cached::credentials_builder(provider)
        .clock(Clock::from(clock.clone()))
        .build()
        .expect("a cache");
    cache.prefetch().await.expect("credentials");
    assert_about(
        cache.status().expires_in.expect("an end"),
        HOUR - 2 * SECOND,
    );
    sleep(44 * 60 * SECOND).await;
    assert_eq!(send(&cache, &clock).await.0.expect("sent"), "AKID1");
    settle().await;
    assert_eq!(loads.begun(), 1);
    sleep(9 * 60 * SECOND).await;
    let (answer, waited) = send(&cache, &clock).await;
    assert_eq!(answer.expect("sent"), "AKID1");
    assert_eq!(waited, Duration::ZERO);
    settle().await;
    assert_eq!(loads.begun(), 2);
    sleep(3 * SECOND).await;
    let (answer, waited) = send(&cache, &clock).await;
    assert_eq!(answer.expect("sent"), "AKID2");
    assert_eq!(waited, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_fails_is_tried_again_and_one_that_refuses_is_left_alone() {
    type Failure = fn() -> CredentialsError;
    let failures: [(Failure, bool); 5] = [
        (|| CredentialsError::provider_error("a 503"), true),
        (|| CredentialsError::provider_timed_out(SECOND), true),
        (|| CredentialsError::unhandled("not UTF-8"), true),
        (|| CredentialsError::not_loaded("nothing set up"), false),
        (|| CredentialsError::invalid_configuration("a typo"), false),
    ];
    for (failure, transient) in failures {
        let clock = manual_clock();
        let loads = Loads::default();
        let cache = Cached::credentials(Provider::new(&loads, move |number| async move {
            match number {
                1 => Err(failure()),
                _ => Ok(keys(number, None)),
            }
        }));
        let error = send(&cache, &clock).await.0.expect_err("a failure");
        assert_eq!(error.kind(), AuthErrorKind::Source);
        assert_eq!(error.is_transient(), transient, "{error:?}");
        assert_eq!(cause(&error), failure().to_string());
        let again = send(&cache, &clock).await.0;
        if transient {
            assert_eq!(again.expect("sent"), "AKID2");
        } else {
            let again = again.expect_err("the refusal holds");
            assert!(!again.is_transient());
            assert_eq!(loads.begun(), 1);
            sleep(2 * SECOND).await;
            assert_eq!(send(&cache, &clock).await.0.expect("sent"), "AKID2");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn malformed_ones_are_an_error_and_not_kept() {
    let clock = manual_clock();
    let loads = Loads::default();
    let cache = Cached::credentials(Provider::new(&loads, |number| async move {
        Ok(match number {
            1 => Credentials::new("AKID1", "secret\n", None, None, "test"),
            _ => keys(number, None),
        })
    }));
    for _ in 0..2 {
        let error = send(&cache, &clock).await.0.expect_err("malformed");
        assert_eq!(error.kind(), AuthErrorKind::MalformedCredential);
    }
    assert_eq!(loads.begun(), 1);
    sleep(2 * SECOND).await;
    assert_eq!(send(&cache, &clock).await.0.expect("sent"), "AKID2");
}
