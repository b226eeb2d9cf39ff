//! Promise 15: a rejection that comes late does not evict the newer token.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::join_all;
use tokio::time::{Instant, sleep, sleep_until};
use tower_client_auth::{BoxError, Cached, Token, TokenSource};

use super::{Random, schedules};
use crate::support::promise;

const ROTATIONS: usize = 2;

/// All tokens have the same text: a cache has to tell its generations apart by more than that.
const TEXT: &str = "the same text";

/// Into the advisory window, which begins after two thirds of the lifetime at the earliest and after
/// five sixths at the latest, and not into the mandatory one, the last tenth.
const LIFETIME: Duration = Duration::from_secs(30);
const ADVISORY: Duration = Duration::from_millis(26_000);

/// How a token comes to be replaced.
#[derive(Clone, Copy)]
enum Rotation {
    /// The server rejects it.
    Rejected,
    Invalidated,
    /// It is renewed behind the requests, and rejected by the server while that goes on.
    Refreshed,
}

/// One cache, whose token is replaced twice. Around each of these moments, requests that were
/// sent with older tokens learn that those were rejected, and others ask for a token. Returns how many
/// rejections there were, and how many loads too many.
async fn interleaving(number: u64) -> (u64, u64) {
    let mut random = Random(number);
    let load = random.millis(1_000);
    // When each load began, which is what lives are counted from.
    let loads = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&loads);
    let cache = Cached::new(move || {
        log.lock().expect("no panic").push(Instant::now());
        async move {
            sleep(load).await;
            Ok::<_, BoxError>(Token::from(TEXT).expires_in(LIFETIME))
        }
    });
    let mut current = cache.token().await.expect("a token");
    let mut old = Vec::new();
    let mut rejections = 0;
    for _ in 0..ROTATIONS {
        let rotation = match random.below(3) {
            0 => Rotation::Rejected,
            1 => Rotation::Invalidated,
            _ => Rotation::Refreshed,
        };
        // After the 5 seconds within which a token that is rejected counts as one that never worked.
        sleep(Duration::from_secs(5) + random.millis(5_000)).await;
        match rotation {
            Rotation::Rejected => cache.rejected(&current),
            Rotation::Invalidated => cache.invalidate(),
            Rotation::Refreshed => {
                let begun = *loads.lock().expect("no panic").last().expect("a load");
                sleep_until(begun + ADVISORY).await;
                let still = cache.token().await.expect("a token");
                assert!(still.is_same(&current), "renewed behind it");
                cache.rejected(&still);
            }
        }
        old.push(current);
        let events: Vec<_> = (0..6)
            .map(|event| {
                // Often right when the load begins, and right when it ends.
                let at = match random.below(6) {
                    0 => Duration::ZERO,
                    1 => load.saturating_sub(Duration::from_millis(1)),
                    2 => load,
                    3 => load + Duration::from_millis(1),
                    _ => random.millis(1_500),
                };
                let rejected = match event {
                    0 => None,
                    _ => random
                        .one_in(2)
                        .then(|| old[random.below(old.len() as u64) as usize].clone()),
                };
                (at, rejected)
            })
            .collect();
        rejections += events.iter().filter(|(_, late)| late.is_some()).count() as u64;
        let (cached, replaced) = (&cache, &old);
        let events = events.into_iter().map(|(at, late)| async move {
            sleep(at).await;
            match late {
                Some(old) => cached.rejected(&old),
                None => {
                    let token = cached.token().await.expect("a token");
                    let is_old = replaced.iter().any(|old| old.is_same(&token));
                    assert!(!is_old, "one that was replaced");
                }
            }
        });
        join_all(events).await;
        current = cache.token().await.expect("a token");
    }
    let loads = loads.lock().expect("no panic").len();
    (rejections, (loads - 1 - ROTATIONS) as u64)
}

async fn late_rejections(interleavings: u64) {
    let (mut rejections, mut extra) = (0, 0);
    for (late, loads) in schedules(interleavings, interleaving).await {
        rejections += late;
        extra += loads;
    }
    promise(
        15,
        format!("{interleavings} interleavings, {rejections} late rejections, {extra} extra loads"),
    );
    assert_eq!(extra, 0);
}

#[tokio::test(start_paused = true)]
async fn a_late_rejection_does_not_evict_the_newer_token() {
    late_rejections(100_000).await;
}

#[tokio::test(start_paused = true)]
#[ignore = "soak: a million interleavings"]
async fn a_million_late_rejections_evict_no_newer_token() {
    late_rejections(1_000_000).await;
}
