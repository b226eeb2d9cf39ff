//! Settings that make no sense, and those that are as large as can be.

use std::future::ready;

use tokio::time::sleep;
use tower_client_auth::AuthErrorKind;

use super::*;

type Setting = fn(CachedBuilder<Source, Token>) -> CachedBuilder<Source, Token>;

/// Longer than any test, and as much time as there is in a few sleeps of tokio's.
const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

#[test]
fn a_bad_setting_is_an_error_that_names_it() {
    const ZERO: Duration = Duration::ZERO;
    let settings: [(&str, Setting); 7] = [
        ("load_timeout", |b| b.load_timeout(ZERO)),
        ("refresh_every", |b| b.refresh_every(ZERO)),
        ("assume_lifetime", |b| b.assume_lifetime(ZERO)),
        ("back_off", |b| b.back_off(2 * SECOND, SECOND)),
        ("cold_back_off", |b| b.cold_back_off(2 * SECOND, SECOND)),
        ("refusal_hold", |b| b.refusal_hold(2 * SECOND, SECOND)),
        ("rejected_hold", |b| b.rejected_hold(2 * SECOND, SECOND)),
    ];
    for (name, set) in settings {
        let builder = set(Loads::default().builder(|number| ready(endless(number))));
        let error = builder.build().expect_err(name);
        assert_eq!(error.kind(), AuthErrorKind::Configuration);
        assert!(error.to_string().contains(&format!("`{name}`")), "{error}");
        assert!(!error.is_transient());
    }
}

#[test]
fn zero_is_a_setting_where_it_makes_sense() {
    let loads = Loads::default();
    let builder = loads.builder(|number| ready(endless(number)));
    let builder = builder
        .advisory_window(Duration::ZERO)
        .mandatory_window(Duration::ZERO)
        .mandatory_wait(Duration::ZERO)
        .back_off(Duration::ZERO, Duration::ZERO)
        .cold_back_off(Duration::ZERO, Duration::ZERO)
        .refusal_hold(Duration::ZERO, Duration::ZERO)
        .rejected_hold(Duration::ZERO, Duration::ZERO);
    builder.build().expect("a cache");
    assert_eq!(loads.begun(), 0);
}

#[tokio::test(start_paused = true)]
async fn for_ever_is_a_setting_where_a_life_goes_well() {
    let loads = Loads::default();
    let builder = loads.builder(|number| ready(lasting(number, HOUR)));
    let cache = builder
        .load_timeout(Duration::MAX)
        .advisory_window(Duration::MAX)
        .mandatory_window(Duration::MAX)
        .mandatory_wait(Duration::MAX)
        .refresh_every(Duration::MAX)
        .assume_lifetime(Duration::MAX)
        .build()
        .expect("a cache");
    cache.prefetch().await.expect("a token");
    assert_eq!(warm(&cache), "token-1");
    sleep(HOUR - 5 * SECOND).await; // in both windows, by any jitter
    let (token, _) = ask(&cache).await;
    assert_eq!(token.expect("a token"), "token-2");
    sleep(2 * HOUR).await;
    assert_eq!(ask(&cache).await.0.expect("a token"), "token-3");
}

#[tokio::test(start_paused = true)]
async fn a_pause_for_ever_ends_never_and_breaks_nothing() {
    const EVER: Duration = Duration::MAX;
    // Without a token, a refusal.
    let loads = Loads::default();
    let builder = loads.builder(|_| ready(Err(AuthError::terminal("revoked").into())));
    let cache = builder.refusal_hold(EVER, EVER).build().expect("a cache");
    for _ in 0..3 {
        let error = ask(&cache).await.0.expect_err("a refusal");
        assert_eq!(cause(&error), "revoked");
        sleep(YEAR / 3).await;
    }
    assert_eq!(loads.begun(), 1);

    // The same, an outage: the first is tried again at once.
    let loads = Loads::default();
    let builder = loads.builder(|number| ready(down(number)));
    let cache = builder.cold_back_off(EVER, EVER).build().expect("a cache");
    for expected in ["failure-1", "failure-2", "failure-2"] {
        let error = ask(&cache).await.0.expect_err("an outage");
        assert_eq!(cause(&error), expected);
        sleep(YEAR / 3).await;
    }
    assert_eq!(loads.begun(), 2);

    // With one.
    let loads = Loads::default();
    let cache = loads
        .builder(|number| {
            ready(if number == 1 {
                endless(1)
            } else {
                down(number)
            })
        })
        .refresh_every(SECOND)
        .back_off(EVER, EVER)
        .build()
        .expect("a cache");
    for _ in 0..4 {
        assert_eq!(ask(&cache).await.0.expect("a token"), "token-1");
        sleep(YEAR / 4).await;
    }
    assert_eq!(loads.begun(), 2);
    assert_eq!(cache.status().failures, 1);

    // With one that the server does not like.
    let loads = Loads::default();
    let builder = loads.builder(|number| ready(endless(number)));
    let cache = builder.rejected_hold(EVER, EVER).build().expect("a cache");
    for expected in ["token-1", "token-2", "token-2"] {
        let token = cache.token().await.expect("a token");
        assert_eq!(token.expose(), expected);
        cache.rejected(&token);
        sleep(YEAR / 3).await;
    }
}
