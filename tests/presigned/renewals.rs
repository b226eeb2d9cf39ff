//! What a layer that presigns does about time: credentials that end, refusals that renew them, and clocks
//! that are off.

use std::future::{Ready, ready};
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use http::header::{CONTENT_ENCODING, DATE};
use http::{HeaderValue, Response};
use jiff::Timestamp;
use tower_client_auth::{
    AuthError, AuthErrorKind, AuthHint, AuthOverride, Buffer, Checksum, Chunked, CredentialsSource,
    ManualClock,
};

use super::changes::value;
use super::*;
use crate::support::Seen;

const URL: &str = "https://api.example.com/orders?a=1";
const REGION: &str = "eu-west-1";
const TOKEN: &str = "canary-session";

/// 2026-11-23 12:00:00.
fn noon() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_435_200)
}

fn keys(number: usize, end: Option<SystemTime>) -> Credentials {
    let token = Some(format!("{TOKEN}-{number}"));
    Credentials::new(format!("AKID{number}"), "canary-secret", token, end, "test")
}

/// Hands out other credentials each time: `AKID1`, `AKID2` and so on.
#[derive(Clone, Default)]
struct Rotating(Arc<AtomicUsize>);

impl CredentialsSource for Rotating {
    type Future = Ready<Result<SigningCredentials, AuthError>>;

    fn credentials(&self) -> Self::Future {
        let number = self.0.fetch_add(1, Ordering::SeqCst) + 1;
        ready(SigningCredentials::new(keys(number, None)))
    }
}

fn post() -> Request<Full<Bytes>> {
    let request = Request::post(URL).header("x-note", "a");
    request.body(Full::from("hello")).expect("a request")
}

fn layer<S: IntoCredentialsSource>(
    service: &str,
    credentials: S,
    clock: &ManualClock,
) -> SigV4Layer<S::Source>
where
    S::Source: CredentialsSource,
{
    let layer = SigV4Layer::new(REGION, service, credentials).expect("a layer");
    let layer = layer.scope("https://api.example.com").expect("an origin");
    layer.clock(clock.clone()).presigned(lasting(60 * MINUTE))
}

/// Says no to the first request, by these headers, and yes to all others.
fn refusing_once(headers: &[(&'static str, String)]) -> Recorder {
    let headers = headers.to_vec();
    Recorder::answering(move |before, _| {
        let mut answer = Response::new(Full::default());
        if before == 0 {
            *answer.status_mut() = StatusCode::FORBIDDEN;
            for (name, value) in &headers {
                let value = HeaderValue::try_from(value).expect("a value");
                answer.headers_mut().insert(*name, value);
            }
        }
        answer
    })
}

/// The two attempts, each with one signature, of the same request.
fn attempts(recorder: &Recorder) -> [Request<Bytes>; 2] {
    let seen: Vec<Seen> = recorder.seen();
    let attempts = seen.into_iter().map(|seen| {
        assert_eq!(seen.body, "hello");
        let request = Request::from_parts(seen.head, seen.body);
        let all = pairs(request.uri());
        assert_eq!(all[0], "a=1");
        let mut names: Vec<&str> = all
            .iter()
            .filter_map(|pair| pair.split('=').next())
            .collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count, "{all:?}");
        // `a`, and the token among the signature's; S3 is told the payload's hash, too.
        assert!((8..=9).contains(&names.len()), "{all:?}");
        request
    });
    let attempts: Vec<_> = attempts.collect();
    attempts.try_into().expect("two attempts")
}

#[tokio::test]
async fn a_refused_url_is_made_anew_with_other_credentials() {
    let clock = ManualClock::new(noon());
    let server = refusing_once(&[("x-amzn-errortype", "ExpiredTokenException".to_owned())]);
    let source = Rotating::default();
    let layer = layer("execute-api", source, &clock).retry_rejected(Buffer::default());
    let answer = layer.layer(server.clone()).oneshot(post()).await;
    assert_eq!(answer.expect("an answer").status(), StatusCode::OK);
    for (attempt, number) in attempts(&server).iter().zip(1..) {
        let credential = value(attempt, "X-Amz-Credential");
        assert!(
            credential.starts_with(&format!("AKID{number}%2F")),
            "{credential}"
        );
        let token = value(attempt, "X-Amz-Security-Token");
        assert_eq!(token, format!("{TOKEN}-{number}"));
        // Made of the request as it was: what is signed is what a first attempt would have been.
        let expected = Signing {
            scope: SigningScope::new(REGION, "execute-api").expect("a scope"),
            credentials: keys(number, None),
            time: noon(),
            presigning: lasting(60 * MINUTE),
        };
        let (head, _) = post().into_parts();
        let expected = expected.by_signer(&Request::from_parts(head, Bytes::from("hello")));
        assert_eq!(attempt.uri(), expected.uri());
    }
}

#[tokio::test]
async fn a_clock_that_is_off_is_put_right_for_the_second_url() {
    for ahead in [60 * MINUTE, 7 * MINUTE] {
        let clock = ManualClock::new(noon());
        let theirs = httpdate::fmt_http_date(noon() + ahead);
        let server = refusing_once(&[
            (DATE.as_str(), theirs),
            ("x-amzn-errortype", "InvalidSignatureException".to_owned()),
        ]);
        let layer = layer("execute-api", keys(1, None), &clock);
        let layer = layer.retry_rejected(Buffer::default());
        let answer = layer.layer(server.clone()).oneshot(post()).await;
        assert_eq!(answer.expect("an answer").status(), StatusCode::OK);
        let dates = attempts(&server).map(|attempt| value(&attempt, "X-Amz-Date"));
        let minutes = ahead.as_secs() / 60;
        let later = format!("20261123T{:02}{:02}00Z", 12 + minutes / 60, minutes % 60);
        assert_eq!(dates, ["20261123T120000Z".to_owned(), later]);
    }
}

/// What S3 says of a URL whose time is over, or has not come.
fn in_words_of_s3(words: &'static str, date: SystemTime) -> Recorder {
    Recorder::answering(move |before, _| {
        if before > 0 {
            return Response::new(Full::default());
        }
        let text = format!("<Error><Code>AccessDenied</Code><Message>{words}</Message></Error>");
        Response::builder()
            .status(StatusCode::FORBIDDEN)
            .header("content-type", "application/xml")
            .header(DATE, httpdate::fmt_http_date(date))
            .body(Full::from(text))
            .expect("an answer")
    })
}

#[tokio::test]
async fn s3_says_in_words_of_its_own_that_it_is_the_clock() {
    let later = |by| noon() + by;
    for (words, lasts, date, again) in [
        ("Request has expired", 60 * MINUTE, later(90 * MINUTE), true),
        // So short a time is over while services take other signatures still.
        ("Request has expired", MINUTE, later(2 * MINUTE), true),
        (
            "Request is not yet valid",
            60 * MINUTE,
            noon() - 20 * MINUTE,
            true,
        ),
        // It was slow on its way: another attempt would be the same.
        ("Request has expired", MINUTE, noon(), false),
        ("Request has expired", 60 * MINUTE, later(2 * MINUTE), false),
        ("Access Denied", MINUTE, later(2 * MINUTE), false),
    ] {
        let what = format!("{words}, {lasts:?}, {date:?}");
        let (clock, server) = (ManualClock::new(noon()), in_words_of_s3(words, date));
        let layer = layer("s3", keys(1, None), &clock)
            .presigned(lasting(lasts))
            .retry_rejected(Buffer::default())
            .inspect_errors(64 * 1024);
        let answer = layer.layer(server.clone()).oneshot(post()).await;
        let answer = answer.expect("an answer");
        assert_eq!(answer.status() == StatusCode::OK, again, "{what}");
        match again {
            true => {
                let [_, second] = attempts(&server);
                let time = date.duration_since(SystemTime::UNIX_EPOCH).expect("a time");
                let expected = Timestamp::from_second(time.as_secs() as i64).expect("a time");
                let expected = expected.strftime("%Y%m%dT%H%M%SZ").to_string();
                assert_eq!(value(&second, "X-Amz-Date"), expected, "{what}");
            }
            false => {
                let hint = AuthHint::of(&answer).expect(&what);
                let is_clock = matches!(hint, AuthHint::ClockSkew { .. });
                assert_eq!(is_clock, words != "Access Denied", "{what}: {hint}");
            }
        }
    }
}

#[tokio::test]
async fn credentials_of_the_requests_own_are_not_renewed() {
    let clock = ManualClock::new(noon());
    let server = refusing_once(&[("x-amzn-errortype", "ExpiredTokenException".to_owned())]);
    let source = Rotating::default();
    let layer = layer("execute-api", source.clone(), &clock).retry_rejected(Buffer::default());
    let mut request = post();
    let own = AuthOverride::new().credentials(keys(9, None));
    request.extensions_mut().insert(own.expect("credentials"));
    let answer = layer.layer(server.clone()).oneshot(request).await;
    assert_eq!(answer.expect("an answer").status(), StatusCode::FORBIDDEN);
    let uri = server.only().head.uri.to_string();
    assert!(
        uri.contains("AKID9%2F") && uri.contains("canary-session-9"),
        "{uri}"
    );
    assert_eq!(source.0.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn credentials_that_end_sooner_end_the_url_and_expired_ones_make_none() {
    let clock = ManualClock::new(noon());
    for (left, expected) in [
        (2 * 60 * MINUTE, Ok("3600")),
        (60 * MINUTE, Ok("3600")),
        (59 * MINUTE, Ok("3540")),
        (Duration::from_millis(2_900), Ok("2")),
        (Duration::from_secs(1), Ok("1")),
        // Less than a second is no time for a URL.
        (Duration::from_millis(999), Err(AuthErrorKind::Expired)),
        (Duration::ZERO, Err(AuthErrorKind::Expired)),
    ] {
        let server = Recorder::new();
        let layer = layer("s3", keys(1, Some(noon() + left)), &clock);
        let sent = layer.layer(server.clone()).oneshot(post()).await;
        match expected {
            Ok(seconds) => {
                sent.expect("an answer");
                let seen = server.only();
                let request = Request::from_parts(seen.head, seen.body);
                assert_eq!(value(&request, "X-Amz-Expires"), seconds, "{left:?}");
            }
            Err(kind) => {
                let error = sent.expect_err("over");
                let error = AuthError::find(error.as_ref()).expect("ours");
                assert_eq!(error.kind(), kind, "{left:?}");
                assert!(server.seen().is_empty(), "{left:?}");
                assert!(
                    !format!("{error:?} {error}").contains("canary"),
                    "{error:?}"
                );
            }
        }
    }
    let server = Recorder::new();
    let layer = layer("s3", keys(1, Some(noon() - MINUTE)), &clock);
    let sent = layer.layer(server.clone()).oneshot(post()).await;
    sent.expect_err("long over");
    assert!(server.seen().is_empty());
}

/// The signatures of chunks cover that of the head in a header, and there is none.
#[tokio::test]
async fn a_body_is_not_sent_in_chunks_where_the_layer_presigns() {
    let clock = ManualClock::new(noon());
    for chunked in [
        Chunked::signed(),
        Chunked::signed().checksum(Checksum::Crc32),
        Chunked::unsigned(Checksum::Crc64Nvme),
    ] {
        let what = format!("{chunked:?}");
        let server = Recorder::new();
        let layer = layer("s3", keys(1, None), &clock).payload(chunked);
        let sent = layer.layer(server.clone()).oneshot(post()).await;
        sent.expect(&what);
        let seen = server.only();
        assert_eq!(seen.body, "hello", "{what}");
        assert_eq!(seen.trailers, None, "{what}");
        for name in [
            CONTENT_ENCODING.as_str(),
            "x-amz-decoded-content-length",
            "x-amz-trailer",
            "x-amz-content-sha256",
        ] {
            assert!(seen.all(name).is_empty(), "{what}: {name}");
        }
        let request = Request::from_parts(seen.head, seen.body);
        let hash = PayloadHash::of(b"hello").to_string();
        assert_eq!(value(&request, "X-Amz-Content-Sha256"), hash, "{what}");
    }
}

/// Where the log goes.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        let mut log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        log.extend_from_slice(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whoever hands out a URL is told that it ends sooner; a request that is sent at once has no use for that.
#[tokio::test]
async fn a_url_that_ends_sooner_than_asked_is_told_of() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let lines = || {
        let mut log = log.0.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8(std::mem::take(&mut *log)).expect("text");
        assert!(!text.contains("canary"), "{text}");
        let told = |line: &&str| line.contains("a presigned URL ends");
        text.lines()
            .filter(told)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let signer = Signer::new(
        SigningScope::new(REGION, "s3").expect("a scope"),
        SigningOptions::for_service("s3"),
    );
    for (left, shortened) in [(60 * MINUTE, false), (10 * MINUTE, true)] {
        let end = Some(noon() + left);
        let credentials = SigningCredentials::new(keys(1, end)).expect("credentials");
        let mut head = post().into_parts().0;
        let hash = PayloadHash::Unsigned;
        let presigning = lasting(60 * MINUTE);
        let presigned = signer.presign(&mut head, &credentials, &hash, noon(), &presigning);
        let presigned = presigned.expect("presigned");
        assert_eq!(presigned.is_shortened(), shortened);
        assert_eq!(presigned.expires_at(), noon() + left);
        let told = lines();
        assert_eq!(told.len(), usize::from(shortened), "{told:?}");
        for line in told {
            for part in [" WARN ", "seconds=600", "asked=3600"] {
                assert!(line.contains(part), "{line}");
            }
        }

        let server = Recorder::new();
        let layer = layer("s3", keys(1, end), &ManualClock::new(noon()));
        layer
            .layer(server.clone())
            .oneshot(post())
            .await
            .expect("an answer");
        let seen = server.only();
        let request = Request::from_parts(seen.head, seen.body);
        let expected = if shortened { "600" } else { "3600" };
        assert_eq!(value(&request, "X-Amz-Expires"), expected);
        assert_eq!(lines(), Vec::<String>::new());
    }
}
