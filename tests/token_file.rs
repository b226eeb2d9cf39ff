//! Tokens from files that others replace.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use futures::FutureExt as _;
use http::{Request, Response};
use http_body_util::Full;
use tokio::time::sleep;
use tower::{Layer, ServiceExt};
use tower_client_auth::{
    AuthErrorKind, BearerTokenLayer, Cached, Clock, CloneBody, ManualClock, TokenFile, TokenSource,
};

use crate::support::Recorder;

/// A directory of its own, gone at the end.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("token-file-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("a directory");
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("token")
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Replaces the file in one step, as kubelet and most others do.
fn replace(file: &Path, text: &str) {
    let fresh = file.with_extension("new");
    fs::write(&fresh, text).expect("written");
    fs::rename(&fresh, file).expect("replaced");
}

#[tokio::test(start_paused = true)]
async fn a_replaced_file_is_picked_up_behind_the_requests() {
    let directory = Directory::new("replaced");
    replace(&directory.file(), "first\n");
    let tokens = TokenFile::new(directory.file()).cached();
    assert_eq!(tokens.token().await.expect("a token").expose(), "first");
    replace(&directory.file(), "  second\r\n");
    sleep(Duration::from_secs(30)).await;
    assert_eq!(tokens.token().await.expect("a token").expose(), "first");
    assert_eq!(tokens.status().refreshes, 1);
    sleep(Duration::from_secs(30)).await;
    let behind = tokens.token().now_or_never().expect("no wait");
    assert_eq!(behind.expect("a token").expose(), "first");
    sleep(Duration::from_secs(1)).await;
    assert_eq!(tokens.token().await.expect("a token").expose(), "second");
    assert_eq!(tokens.status().refreshes, 2);
}

#[tokio::test(start_paused = true)]
async fn a_file_that_goes_away_does_no_harm_while_the_token_is_there() {
    let directory = Directory::new("gone");
    replace(&directory.file(), "first");
    let tokens = TokenFile::new(directory.file()).cached();
    tokens.prefetch().await.expect("a token");
    fs::remove_file(directory.file()).expect("gone");
    for _ in 0..100 {
        sleep(Duration::from_secs(10)).await;
        let token = tokens.token().now_or_never().expect("no wait");
        assert_eq!(token.expect("a token").expose(), "first");
    }
    let status = tokens.status();
    assert!(status.ready && status.failures > 5, "{status:?}");
    replace(&directory.file(), "second");
    for _ in 0..8 {
        sleep(Duration::from_secs(10)).await;
        tokens.token().await.expect("a token");
    }
    assert_eq!(tokens.token().await.expect("a token").expose(), "second");
}

#[tokio::test]
async fn what_cannot_be_used_is_named_and_tried_again() {
    let directory = Directory::new("unusable");
    let file = directory.file();
    let tokens = TokenFile::new(&file).cached();
    let unusable = async |problem: &str| {
        let error = TokenFile::new(&file).token().await.expect_err(problem);
        assert_eq!(error.kind(), AuthErrorKind::Source, "{problem}");
        assert!(error.is_transient(), "{problem}");
        let cause = std::error::Error::source(&error).expect("a cause");
        let text = cause.to_string();
        assert!(text.contains(problem), "{text}");
        assert!(text.contains(&file.display().to_string()), "{text}");
        assert!(!text.contains("mF_9"), "{text}");
    };
    unusable("No such file").await;
    tokens.token().await.expect_err("no file");
    fs::write(&file, " \n").expect("written");
    unusable("empty").await;
    fs::write(&file, [b'm', b'F', b'_', b'9', 0xff]).expect("written");
    unusable("not text").await;
    fs::write(&file, "mF_9".repeat(1 << 18)).expect("written");
    TokenFile::new(&file).token().await.expect("1 MiB");
    fs::write(&file, "mF_9 ".repeat(1 << 18)).expect("written");
    unusable("longer than 1 MiB").await;
    fs::remove_file(&file).expect("gone");
    fs::create_dir(&file).expect("a directory");
    unusable("not a regular file").await;
    fs::remove_dir(&file).expect("gone");
    fs::write(&file, "two\nlines").expect("written");
    let error = Cached::new(TokenFile::new(&file)).token().await;
    let error = error.expect_err("a newline within");
    assert_eq!(error.kind(), AuthErrorKind::MalformedCredential);
    // The cache has failed once only.
    fs::write(&file, "mF_9.B5f-4.1JqM").expect("written");
    let token = tokens.token().await.expect("a token");
    assert_eq!(token.expose(), "mF_9.B5f-4.1JqM");
}

/// A rejected token is not sent again as if it were another, and is when it has been replaced.
#[tokio::test(start_paused = true)]
async fn the_same_text_is_the_same_token() {
    let directory = Directory::new("same");
    replace(&directory.file(), "revoked");
    let recorder = Recorder::answering(|_, seen| {
        let status = match seen.one("authorization") {
            "Bearer revoked" => 401,
            _ => 200,
        };
        let response = Response::builder().status(status);
        response.body(Full::default()).expect("an answer")
    });
    let source = TokenFile::new(directory.file()).cached();
    let layer = BearerTokenLayer::new("https://api.example.com", source);
    let layer = layer.expect("a layer").retry_rejected(CloneBody);
    let client = layer.layer(recorder.clone());
    let call = || {
        let request = Request::get("https://api.example.com/");
        let request = request.body(Full::<Bytes>::default()).expect("a request");
        client.clone().oneshot(request)
    };
    assert_eq!(call().await.expect("an answer").status(), 401);
    assert_eq!(recorder.seen().len(), 1, "not sent again");
    replace(&directory.file(), "replaced");
    sleep(Duration::from_secs(2)).await;
    assert_eq!(call().await.expect("an answer").status(), 200);
    assert_eq!(recorder.seen().len(), 3);
}

/// Kubernetes: tokens of an hour, replaced after 48 minutes, over two days.
#[tokio::test(start_paused = true)]
async fn projected_tokens_are_always_valid() {
    const HOUR: u64 = 3600;
    const START: u64 = 1_700_000_000;
    let directory = Directory::new("projected");
    let jwt = |issued: u64| {
        let claims = format!(r#"{{"iat":{issued},"exp":{}}}"#, issued + HOUR);
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims))
    };
    let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    let clock = ManualClock::new(at(START));
    let source = TokenFile::new(directory.file());
    let tokens = Cached::builder(source)
        .refresh_every(Duration::from_secs(60))
        .clock(Clock::from(clock.clone()))
        .build()
        .expect("a cache");
    let mut issued = START;
    replace(&directory.file(), &jwt(issued));
    let (mut requests, mut oldest) = (0, 0);
    while clock.now() < at(START + 48 * HOUR) {
        let now = clock.now().duration_since(at(0)).expect("later").as_secs();
        if now >= issued + 48 * 60 {
            issued = now;
            replace(&directory.file(), &jwt(issued));
        }
        let token = tokens.token().await.expect("a token");
        let claims = token.expose().split('.').nth(1).expect("claims");
        let claims = URL_SAFE_NO_PAD.decode(claims).expect("base64");
        let claims: serde_json::Value = serde_json::from_slice(&claims).expect("JSON");
        let age = now - claims["iat"].as_u64().expect("a number");
        oldest = oldest.max(age);
        requests += 1;
        sleep(Duration::from_secs(7)).await;
    }
    // Replaced after 48 minutes, seen within one more.
    assert!(oldest <= 48 * 60 + 60 + 14, "{oldest}");
    let reads = tokens.status().refreshes;
    assert!(reads <= 48 * 60 * 60 / 45 + 1, "{reads}");
    println!(
        "projected tokens: {requests} requests, {reads} reads, the oldest sent {oldest} s old"
    );
}

#[test]
fn outside_a_runtime_it_says_what_is_missing() {
    let read = TokenFile::new("/nowhere").token().now_or_never();
    let error = read.expect("no wait").expect_err("no runtime");
    assert_eq!(error.kind(), AuthErrorKind::Configuration);
}
