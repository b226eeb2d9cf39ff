//! Promise 22: no credential leaves its origin.
//!
//! A real client writes real HTTP/1, and every byte that reaches a server is looked at. The
//! connector goes by what a connector goes by, scheme, host and port of the URI; one origin leads
//! to the home server, everything else to a foreign one. Both answer with redirects.
//!
//! What no client can prevent: a server that writes the request's own URL, and an API key with it,
//! into a `Location` or a page hands the key on by itself.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::{StatusCode, Uri};
use http_body_util::Full;
use hyper_util::client::legacy;
use tower::util::BoxCloneService;
use tower::{Layer, ServiceExt};
use tower_client_auth::{AuthBody, AuthError, AuthErrorKind, DropCredentials};
use tower_http::follow_redirect::FollowRedirectLayer;
use tower_http::follow_redirect::policy::{Limited, PolicyExt};

use crate::schemes::{API_KEY, CANARY, Scheme, Setup};
use crate::support::promise;
use crate::targets::{HOMES, Home};
use crate::wire::{Exchange, World};

const STATUSES: [u16; 5] = [301, 302, 303, 307, 308];

/// The ways of a request: to the home server `H`, to the target `T`, to a stranger `F`.
const WAYS: [&str; 7] = ["HT", "HHT", "HTH", "HFT", "HTHT", "THT", "FHT"];
const STRANGER: &str = "https://evil.example/f";

/// Where the layer stands with regard to the one that follows redirects.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// Below: every hop passes the layer. Nothing but its scope holds the credential back, since
    /// the policy only counts.
    Inside,
    /// Above: the redirect layer repeats what it was given, less what our policy takes off.
    Outside,
}

#[tokio::test]
async fn no_credential_leaves_its_origin() {
    let mut tally = Tally::default();
    for home in &HOMES {
        let statuses = if home.origin == HOMES[0].origin {
            &STATUSES[..]
        } else {
            &STATUSES[1..2]
        };
        for (target, same) in home.targets() {
            for scheme in Scheme::ALL {
                for place in [Place::Inside, Place::Outside] {
                    for way in WAYS {
                        for &status in statuses {
                            if let Some(case) = Case::new(home, target, same, way, status) {
                                tally.add(case.run(scheme, place).await);
                            }
                        }
                    }
                }
            }
        }
    }
    promise(22, &tally);
    assert!(tally.cases >= 2_000);
    // Refusals aside, whatever was to reach a stranger did; else this would prove nothing.
    assert!(tally.foreign * 10 > tally.cases * 7, "{tally}");
}

#[tokio::test]
async fn no_credential_goes_straight_to_strangers() {
    let mut tally = Tally::default();
    for home in &HOMES {
        for (target, same) in home.targets() {
            for scheme in Scheme::ALL {
                // The way ends where it begins: no redirect has a part in it.
                if let Some(case) = Case::new(home, target, same, "T", 200) {
                    tally.add(case.run(scheme, Place::Inside).await);
                }
            }
        }
    }
    promise(22, format!("without redirects: {tally}"));
    assert!(tally.foreign * 2 > tally.cases, "{tally}");
}

/// A contrast, and the reason why `DropCredentials` exists: under our layer, tower-http's own policy
/// takes `authorization` off and lets `x-api-key` pass. Should this test fail one day, the policy
/// has become better than its documentation.
#[tokio::test]
async fn the_standard_policy_below_a_layer_hands_an_api_key_to_strangers() {
    for (scheme, leaks) in [
        (Scheme::ApiKey, true),
        (Scheme::RawBearer, true),
        (Scheme::Bearer, false),
    ] {
        let world = World::new(HOMES[0].origin, vec![redirect(302, STRANGER)]);
        let inner = FollowRedirectLayer::new().layer(world.client::<AuthBody<Full<Bytes>>>());
        let client = scheme.layer(&Setup::at(HOMES[0].origin), inner);
        let request = scheme.request("https://api.example.com/start");
        let response = client.expect("a layer").oneshot(request).await;
        assert_eq!(response.expect("an answer").status(), 200);
        let log = world.log();
        assert_eq!(log.len(), 2);
        assert_eq!(log[1].holds(CANARY), leaks, "{scheme:?}");
        assert_eq!(log[1].holds(API_KEY), scheme == Scheme::ApiKey);
    }
}

#[derive(Default)]
struct Tally {
    cases: usize,
    foreign: usize,
    refused: usize,
    home: usize,
}

impl Tally {
    fn add(&mut self, (log, refused): (Vec<Exchange>, bool)) {
        self.cases += 1;
        self.refused += usize::from(refused);
        self.foreign += usize::from(log.iter().any(|exchange| !exchange.home));
        self.home += usize::from(log.iter().any(|e| e.home && e.holds(CANARY)));
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} cases, {} reached a foreign server, 0 secret bytes there ({} had the credential at \
             home, {} were refused for plain text)",
            self.cases, self.foreign, self.home, self.refused,
        )
    }
}

struct Case {
    setup: Setup,
    world: Arc<World>,
    start: String,
    hops: usize,
    /// Where the last hop must lead, if the way says so much.
    ends_at_home: Option<bool>,
    name: String,
}

impl Case {
    /// `None` if the way would begin with a target that only means something in a `Location`.
    fn new(home: &Home, target: &str, same: bool, way: &str, status: u16) -> Option<Self> {
        let at_home = format!("{}/start", home.origin);
        let urls: Vec<&str> = way
            .chars()
            .map(|place| match place {
                'H' => &at_home,
                'F' => STRANGER,
                _ => target,
            })
            .collect();
        urls[0].parse::<Uri>().ok()?.scheme()?;
        let answers = urls[1..].iter().map(|url| redirect(status, url)).collect();
        Some(Self {
            setup: Setup::of((home.scope)()),
            world: World::new(home.origin, answers),
            start: urls[0].to_owned(),
            hops: urls.len(),
            ends_at_home: (way == "HT").then_some(same),
            name: format!("{} {way} {target} {status}", home.origin),
        })
    }

    /// What was sent, and whether the layer put an end to it.
    async fn run(self, scheme: Scheme, place: Place) -> (Vec<Exchange>, bool) {
        let limit = Limited::new(10);
        let client = match place {
            Place::Inside => {
                let client = scheme.layer(&self.setup, self.world.client());
                let client = client.expect("a layer");
                BoxCloneService::new(FollowRedirectLayer::with_policy(limit).layer(client))
            }
            Place::Outside => {
                let policy =
                    limit.and::<_, AuthBody<Full<Bytes>>, legacy::Error>(DropCredentials::new());
                let inner = FollowRedirectLayer::with_policy(policy).layer(self.world.client());
                scheme.layer(&self.setup, inner).expect("a layer")
            }
        };
        let name = format!("{scheme:?} {place:?} {}", self.name);
        let outcome = client.oneshot(scheme.request(&self.start)).await;
        let log = self.world.log();
        let refused = match outcome {
            Ok(response) => {
                assert_eq!(response.status(), StatusCode::OK, "{name}");
                assert_eq!(log.len(), self.hops, "{name}: not all hops were made");
                false
            }
            Err(error) => {
                let error = AuthError::find(error.as_ref()).expect(&name);
                assert_eq!(error.kind(), AuthErrorKind::PlainText, "{name}");
                assert!(log.len() < self.hops, "{name}: sent in spite of an error");
                true
            }
        };
        if let (Some(at_home), false) = (self.ends_at_home, refused) {
            // The table and the connector must agree about what is foreign.
            assert_eq!(log.last().map(|last| last.home), Some(at_home), "{name}");
        }
        judge(scheme, place, &log, &name);
        (log, refused)
    }
}

fn judge(scheme: Scheme, place: Place, log: &[Exchange], name: &str) {
    let signatures: Vec<&str> = log
        .iter()
        .filter(|exchange| exchange.home)
        .filter_map(|exchange| exchange.text().split_once("Signature="))
        .map(|(_, rest)| &rest[..64])
        .collect();
    let mut strayed = false;
    for (hop, exchange) in log.iter().enumerate() {
        strayed |= !exchange.home;
        let expected = exchange.home
            && match place {
                Place::Inside => true,
                // The redirect layer knows headers, not what a query was made of; and what was
                // taken off at a stranger's stays off.
                Place::Outside => !strayed && (hop == 0 || !scheme.is_in_query()),
            };
        if expected {
            for mark in scheme.marks() {
                assert!(exchange.holds(&mark), "{name}: hop {hop} lacks {mark}");
            }
        } else {
            assert!(!exchange.holds(CANARY), "{name}: leak at hop {hop}");
            let signed = signatures.iter().any(|signature| exchange.holds(signature));
            assert!(!signed, "{name}: a signature leaks at hop {hop}");
        }
    }
}

fn redirect(status: u16, location: &str) -> (StatusCode, String) {
    let status = StatusCode::from_u16(status).expect("a status");
    (status, location.to_owned())
}
