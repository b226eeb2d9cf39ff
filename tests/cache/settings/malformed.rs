//! A source that hands over what cannot be sent.

use std::future::ready;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use tokio::time::sleep;
use tower::{Layer, ServiceExt};
use tower_client_auth::{AuthError, AuthErrorKind, BearerTokenLayer};

use super::*;
use crate::support::Recorder;

const BAD: [&str; 6] = ["", "two\nlines", "newline\n", " padded ", "nul\0", "ümlaut"];

#[tokio::test(start_paused = true)]
async fn it_is_an_error_is_not_kept_and_the_next_try_works() {
    for bad in BAD {
        let loads = Loads::default();
        let cache = loads.cached(move |number| {
            ready(match number {
                1 => Ok(Token::from(bad)),
                _ => endless(number),
            })
        });
        for _ in 0..3 {
            let error = ask(&cache).await.0.expect_err("malformed");
            assert_eq!(error.kind(), AuthErrorKind::MalformedCredential, "{bad:?}");
            assert!(!error.is_transient());
            // Its own text is not in the error, whatever it holds.
            assert!(bad.is_empty() || !format!("{error} {error:?}").contains(bad));
        }
        assert_eq!(loads.begun(), 1, "it holds");
        assert!(cache.at_hand().is_none());
        let status = cache.status();
        assert!(!status.ready);
        assert_eq!((status.refreshes, status.failures), (0, 1));
        sleep(SECOND + SECOND / 4 + 10 * MILLISECOND).await;
        assert_eq!(ask(&cache).await.0.expect("a token"), "token-2");
        assert_eq!(warm(&cache), "token-2");
    }
}

#[tokio::test(start_paused = true)]
async fn it_does_not_replace_a_valid_one() {
    for bad in BAD {
        let loads = Loads::default();
        let cache = loads.cached(move |number| {
            ready(match number {
                2 => Ok(Token::from(bad)),
                _ => lasting(number, 1000 * SECOND),
            })
        });
        cache.prefetch().await.expect("a token");
        sleep(860 * SECOND).await; // past the refresh point, by any jitter
        assert_eq!(warm(&cache), "token-1");
        settle().await;
        assert_eq!(loads.begun(), 2);
        let error = cache.status().last_error.expect("an error");
        assert_eq!(error.kind(), AuthErrorKind::MalformedCredential);
        assert_eq!(warm(&cache), "token-1");
        sleep(2 * SECOND).await; // the pause is over
        assert_eq!(warm(&cache), "token-1");
        settle().await;
        assert_eq!(warm(&cache), "token-3");
    }
}

/// Two words may be a token that is sent as it is, so a cache cannot know. The layer can, and as nothing
/// is sent, no server ever rejects them.
#[tokio::test(start_paused = true)]
async fn what_only_the_layer_knows_is_not_kept_either() {
    let loads = Loads::default();
    let cache = loads.cached(|number| {
        ready(match number {
            1 => Ok(Token::from("upstream error")),
            _ => endless(number),
        })
    });
    let layer = BearerTokenLayer::new("https://api.example.com", cache).expect("a layer");
    let recorder = Recorder::new();
    let client = layer.layer(recorder.clone());
    let call = || {
        let request = Request::get("https://api.example.com/").body(Full::<Bytes>::default());
        client.clone().oneshot(request.expect("a request"))
    };
    let error = call().await.expect_err("malformed");
    let error = AuthError::find(error.as_ref()).expect("ours");
    assert_eq!(error.kind(), AuthErrorKind::MalformedCredential);
    assert!(recorder.seen().is_empty());
    call().await.expect("the next one is fine");
    assert_eq!(recorder.only().one("authorization"), "Bearer token-2");
}
