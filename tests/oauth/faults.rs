//! What goes wrong on the wire, with every source: an error that says so and passes, and health when it is over.

use std::collections::HashMap;
use std::pin::Pin;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::future::join_all;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use tokio::time::{Instant, sleep};
use tower_client_auth::oauth::{
    MemoryStore, OAuthClient, PrivateKey, Provider, RefreshTokenStore, TokenType,
};
use tower_client_auth::{AuthError, AuthErrorKind, BoxError, Cached, Secret, Token, TokenSource};

use super::issuer::{CANARY, CLIENT, FAULTS, Fault, Issuer, SECOND, SECRET};
use crate::support::promise;

/// The sources, all of one kind.
type AnySource = Pin<Box<dyn Future<Output = Result<Token, AuthError>> + Send>>;

trait Source: Send + Sync {
    fn fetch(&self) -> AnySource;
}

impl<S> Source for S
where
    S: TokenSource + Send + Sync,
    S::Future: Send + 'static,
{
    fn fetch(&self) -> AnySource {
        Box::pin(self.token())
    }
}

pub(super) fn ec_key() -> PrivateKey {
    let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
    let der = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new()).expect("a key");
    let text = STANDARD.encode(der.as_ref());
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n");
    PrivateKey::from_pem(pem.as_bytes()).expect("a key")
}

/// A store in which a user is signed in already.
async fn signed_in(issuer: &Issuer, client: &OAuthClient) -> MemoryStore {
    let store = MemoryStore::new();
    let session = client.refresh_token(store.clone());
    let token = Secret::new(issuer.session());
    // The key that the crate itself uses.
    let key = format!("{} {CLIENT}", super::issuer::ISSUER);
    store.save(&key, &token).await.expect("saved");
    assert!(session.is_signed_in().await.expect("a store"));
    store
}

type Named = (&'static str, Box<dyn Source>);

/// Every source there is. `direct` asks the provider each time, the others are cached.
async fn sources(issuer: &Issuer, direct: bool) -> Vec<Named> {
    let client = issuer.client();
    let keyed = OAuthClient::new(issuer.provider(), CLIENT).private_key(ec_key());
    let subject = || async { Ok::<_, BoxError>("subject") };
    let endpoint = Provider::new("https://login.example.com/token", issuer.transport());
    let known = OAuthClient::new(endpoint.expect("a provider"), CLIENT).secret_in_body(SECRET);
    let store = signed_in(issuer, &client).await;
    // Each with a provider of its own, which knows no endpoints yet.
    let by_secret = issuer.client().client_credentials();
    let in_body = known.client_credentials().scope("read");
    let by_key = keyed.client_credentials();
    let session = client.refresh_token(store);
    let exchange = issuer
        .client()
        .token_exchange(subject, TokenType::AccessToken);
    match direct {
        true => vec![
            ("client_secret_basic", Box::new(by_secret)),
            ("client_secret_post", Box::new(in_body)),
            ("private_key_jwt", Box::new(by_key)),
            ("refresh_token", Box::new(session)),
            ("token exchange", Box::new(exchange)),
        ],
        false => vec![
            ("client_secret_basic", Box::new(by_secret.cached())),
            ("client_secret_post", Box::new(in_body.cached())),
            ("private_key_jwt", Box::new(by_key.cached())),
            ("refresh_token", Box::new(session.cached())),
            ("token exchange", Box::new(exchange.cached())),
        ],
    }
}

/// An error that says what happened and that it may pass, and nothing of what came or was sent.
fn check(error: &AuthError, context: &str) {
    assert!(error.is_transient(), "{context}: {error}");
    assert_eq!(error.kind(), AuthErrorKind::Source, "{context}: {error}");
    let mut next: Option<&dyn std::error::Error> = Some(error);
    let mut printed = String::new();
    while let Some(error) = next {
        printed.push_str(&format!("{error}\n{error:?}\n{error:#?}\n"));
        next = error.source();
    }
    for secret in [CANARY, "c4nary", SECRET, "subject"] {
        assert!(!printed.contains(secret), "{context}: {printed}");
    }
    // Or it is the cache that does not wait any longer.
    let says_who = printed.contains("login.example.com") || printed.contains("30 seconds");
    assert!(says_who, "{context}: {printed}");
}

#[tokio::test(start_paused = true)]
async fn every_fault_is_an_error_that_says_so() {
    let mut texts: HashMap<String, String> = HashMap::new();
    let mut cases = 0;
    for fault in FAULTS {
        // Once while the endpoints are not known, and once when they are.
        for known in [false, true] {
            let issuer = Issuer::default();
            for (name, source) in sources(&issuer, true).await {
                if known {
                    source.fetch().await.expect("well");
                }
                let start = Instant::now();
                issuer.fails(fault, start + 3600 * SECOND);
                let error = source.fetch().await.expect_err("a fault");
                check(&error, &format!("{fault:?}, {name}"));
                let patience = match (name, known) {
                    // What a refresh brings could not be had again.
                    ("refresh_token", true) => 60,
                    _ => 10,
                };
                let took = if fault.stalls() { patience } else { 0 };
                assert_eq!(start.elapsed(), took * SECOND, "{fault:?}, {name}");
                texts
                    .entry(format!("{fault:?}"))
                    .or_insert(error.to_string());
                issuer.fails(fault, start);
                source.fetch().await.expect("well again");
                cases += 1;
            }
        }
    }
    for (fault, text) in texts {
        println!("{fault}: {text}");
    }
    promise(
        9,
        format!(
            "{cases} faults of 16 kinds on the wire of every source: clear, transient, and over at once"
        ),
    );
}

/// Faults for a while, and requests all the time. Returns how long after its end the last request failed.
async fn strike(issuer: &Issuer, source: &dyn Source, fault: Fault, lasts: Duration) -> Duration {
    let ends = Instant::now() + lasts;
    issuer.fails(fault, ends);
    let mut last_failure = None;
    loop {
        let asked = Instant::now();
        match source.fetch().await {
            Ok(_) if asked >= ends => break,
            Ok(_) => {}
            Err(error) => {
                check(&error, &format!("{fault:?}"));
                last_failure = Some(Instant::now());
            }
        }
        sleep(Duration::from_millis(240)).await;
        assert!(asked < ends + 3600 * SECOND, "{fault:?} stays for good");
    }
    last_failure.map_or(Duration::ZERO, |at| at.saturating_duration_since(ends))
}

#[tokio::test(start_paused = true)]
async fn no_fault_outlasts_itself() {
    const EACH: usize = 1_000;
    // A pause of a cache without a token, and what a request that hangs takes.
    const PAUSE: Duration = Duration::from_secs(5);
    let (mut faults, mut worst, mut worst_stall) = (0, Duration::ZERO, Duration::ZERO);
    for fault in FAULTS {
        let issuer = Issuer::default();
        issuer.rotates();
        let mut lasts = Duration::from_millis(700);
        while issuer.faults() < EACH {
            // New ones each time, so that nothing is known.
            for (name, source) in sources(&issuer, false).await {
                let late = strike(&issuer, &*source, fault, lasts).await;
                let stall = match (fault.stalls(), name) {
                    (false, _) => Duration::ZERO,
                    // The callers of a cache wait for 30 seconds; behind them it goes on.
                    (true, "refresh_token") => 60 * SECOND,
                    (true, _) => 10 * SECOND,
                };
                assert!(late <= PAUSE + stall, "{fault:?}, {name}: {late:?}");
                match fault.stalls() {
                    true => worst_stall = worst_stall.max(late),
                    false => worst = worst.max(late),
                }
                lasts = (lasts * 5 / 4).min(40 * SECOND);
            }
        }
        assert!(!issuer.has_revoked(), "{fault:?}");
        faults += issuer.faults();
    }
    promise(
        9,
        format!(
            "after {faults} faults of 16 kinds on the wire of 5 sources the last request failed {:.1} s after \
             the fault at the latest, {:.1} s after one that stalls",
            worst.as_secs_f64(),
            worst_stall.as_secs_f64()
        ),
    );
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_the_answer_at_once_and_for_seconds() {
    for code in [
        "invalid_client",
        "unauthorized_client",
        "invalid_scope",
        "unsupported_grant_type",
    ] {
        let issuer = Issuer::default();
        let source = issuer.client().client_credentials().cached();
        issuer.answers(super::issuer::refusal(http::StatusCode::UNAUTHORIZED, code));
        issuer.answers(super::issuer::json_response(
            http::StatusCode::OK,
            &super::issuer::metadata(),
        ));
        let error = source.token().await.expect_err(code);
        assert!(!error.is_transient() && error.kind() == AuthErrorKind::Source);
        assert!(error.to_string().contains(code), "{error}");
        let asks = (0..100_000).map(|_| source.token());
        for answer in join_all(asks).await {
            assert_eq!(answer.expect_err("held").to_string(), error.to_string());
        }
        assert_eq!(
            issuer.exchanges(),
            2,
            "one for the metadata, one for the token"
        );
    }
    promise(
        10,
        "100,001 requests after `invalid_client` and the like: 1 token request",
    );
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_jumps_fails_nothing() {
    use std::time::SystemTime;
    use tower_client_auth::{Clock, ManualClock};

    let mut jumps = 0;
    for forward in [true, false] {
        for by in [60, 3_600, 86_400, 30 * 86_400] {
            let issuer = Issuer::default();
            issuer.lifetime(600);
            let manual = ManualClock::new(SystemTime::UNIX_EPOCH + 1_800_000_000 * SECOND);
            let client = issuer.client();
            let keyed = OAuthClient::new(issuer.provider(), CLIENT)
                .private_key(ec_key())
                .clock(Clock::from(manual.clone()));
            let store = signed_in(&issuer, &client).await;
            let clock = || Clock::from(manual.clone());
            let subject = || async { Ok::<_, BoxError>("subject") };
            let exchange = client.token_exchange(subject, TokenType::AccessToken);
            let caches: [Box<dyn Source>; 4] = [
                Box::new(
                    Cached::builder(client.client_credentials())
                        .clock(clock())
                        .build()
                        .expect("a cache"),
                ),
                Box::new(
                    Cached::builder(keyed.client_credentials())
                        .clock(clock())
                        .build()
                        .expect("a cache"),
                ),
                Box::new(
                    Cached::builder(client.refresh_token(store))
                        .clock(clock())
                        .build()
                        .expect("a cache"),
                ),
                Box::new(
                    Cached::builder(exchange)
                        .clock(clock())
                        .build()
                        .expect("a cache"),
                ),
            ];
            for cache in &caches {
                cache.fetch().await.expect("a token");
            }
            let duration = by * SECOND;
            match forward {
                true => manual.jump_forward(duration),
                false => manual.set(manual.now() - duration),
            }
            let before = issuer.exchanges();
            for _ in 0..1_300 {
                for cache in &caches {
                    cache
                        .fetch()
                        .await
                        .expect("a token, whatever the clock says");
                }
                sleep(SECOND).await;
            }
            // Two lives of ten minutes and what the jump ended, for each.
            let fetched = issuer.exchanges() - before;
            assert!((8..=20).contains(&fetched), "{fetched} after {by} s");
            jumps += 1;
        }
    }
    promise(
        9,
        format!("{jumps} jumps of the wall clock by 1 min to 30 days, 4 sources: 0 failures"),
    );
}
