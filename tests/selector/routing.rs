//! Which API a URL belongs to: held against a search that is slow and plain to see.

use proptest::prelude::*;
use proptest::test_runner::{Config as Runs, TestRunner};
use tower_client_auth::{ApiConfig, AuthorizationMode, Config};

use super::{credential, get, send};

const RUNS: u32 = 20_000;

/// An endpoint or a URL, in parts.
#[derive(Clone, Debug)]
struct Place {
    scheme: &'static str,
    host: &'static str,
    port: &'static str,
    segments: Vec<&'static str>,
    slash: bool,
}

impl Place {
    fn text(&self) -> String {
        let mut text = format!("{}://{}{}", self.scheme, self.host, self.port);
        for segment in &self.segments {
            text.push('/');
            text.push_str(segment);
        }
        if self.slash {
            text.push('/');
        }
        text
    }

    /// What makes an origin, spelled in one way.
    fn origin(&self) -> (String, String, String) {
        let port = match (self.scheme, self.port) {
            ("https", "" | ":" | ":443") => "443",
            ("http", "" | ":" | ":80") => "80",
            (_, port) => port.trim_start_matches(':'),
        };
        (
            self.scheme.to_owned(),
            self.host.to_ascii_lowercase(),
            port.to_owned(),
        )
    }

    /// Whether `self` is `above`, or lies below it.
    fn lies_below(&self, above: &Place) -> bool {
        self.origin() == above.origin() && self.segments.starts_with(&above.segments)
    }
}

/// Few of each, so that they meet: some begin like others, some sort before a slash.
fn place() -> impl Strategy<Value = Place> {
    let host = prop::sample::select(vec![
        "a.localhost",
        "A.LocalHost",
        "b.localhost",
        "localhost",
    ]);
    let port = prop::sample::select(vec!["", "", "", ":443", ":80", ":8080"]);
    let segment = prop::sample::select(vec![
        "v1",
        "v10",
        "v",
        "v1-",
        "v1.",
        "v1%2F",
        "!",
        "~",
        "a",
        "a b".split(' ').next().unwrap_or("a"),
        "items",
        "item",
    ]);
    (
        prop::sample::select(vec!["https", "https", "http"]),
        host,
        port,
        prop::collection::vec(segment, 0..4),
        any::<bool>(),
    )
        .prop_map(|(scheme, host, port, segments, slash)| Place {
            scheme,
            host,
            port,
            segments,
            slash,
        })
}

/// The index of the API that a URL belongs to, by trying all of them.
fn oracle(apis: &[Place], url: &Place) -> Option<usize> {
    let above = apis
        .iter()
        .enumerate()
        .filter(|(_, api)| url.lies_below(api));
    above
        .max_by_key(|(_, api)| api.segments.len())
        .map(|(at, _)| at)
}

fn are_ambiguous(apis: &[Place]) -> bool {
    apis.iter().enumerate().any(|(at, api)| {
        let mut others = apis[..at].iter();
        others.any(|other| other.origin() == api.origin() && other.segments == api.segments)
    })
}

#[test]
fn the_api_is_the_one_a_plain_search_finds() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let counts = std::cell::Cell::new((0, 0, 0));
    let mut runner = TestRunner::new_with_rng(
        Runs::with_cases(RUNS),
        proptest::test_runner::TestRng::deterministic_rng(
            proptest::test_runner::RngAlgorithm::ChaCha,
        ),
    );
    let cases = (
        prop::collection::vec(place(), 1..12),
        prop::collection::vec(place(), 1..8),
    );
    let outcome = runner.run(&cases, |(apis, urls)| {
        let mut config = Config::default();
        for (at, place) in apis.iter().enumerate() {
            let mut api = ApiConfig::new(place.text(), AuthorizationMode::ApiKey).expect("a URL");
            api.api_key = Some(format!("key-{at}").into());
            config.apis.insert(format!("{at:03}"), api);
        }
        let layer = config.selector().layer_for_all();
        prop_assert_eq!(layer.is_err(), are_ambiguous(&apis));
        let (ambiguous, found, none) = counts.get();
        let Ok(layer) = layer else {
            counts.set((ambiguous + 1, found, none));
            return Ok(());
        };
        let (mut found, mut none) = (found, none);
        // Those that lie below one of the APIs more often than chance would have it.
        let below = urls.iter().zip(&apis).map(|(url, api)| Place {
            segments: [&api.segments[..], &url.segments[..]].concat(),
            slash: url.slash,
            ..api.clone()
        });
        for url in urls.iter().cloned().chain(below.collect::<Vec<_>>()) {
            let text = url.text();
            let seen = runtime
                .block_on(send(&layer, get(&text)))
                .expect("it is sent");
            let expected = match oracle(&apis, &url) {
                Some(at) => {
                    found += 1;
                    format!("key key-{at}")
                }
                None => {
                    none += 1;
                    "nothing".to_owned()
                }
            };
            prop_assert_eq!(credential(&seen), expected, "{} among {:?}", text, apis);
        }
        counts.set((ambiguous, found, none));
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
    let (ambiguous, found, none) = counts.get();
    assert!(
        ambiguous > 100 && found > 10_000 && none > 10_000,
        "{ambiguous} {found} {none}"
    );
    println!(
        "{RUNS} random configurations: {ambiguous} ambiguous; {found} URLs led to the API that a plain \
         search finds, {none} to none, as that says"
    );
}
