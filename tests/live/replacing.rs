//! What a replacement changes, what it keeps, and when it is refused.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{Response, StatusCode, header};
use tower_client_auth::{Buffer, Existing, ManualClock, OutOfScope, Token};

use super::*;

#[tokio::test]
async fn the_next_request_goes_by_the_new_configuration() {
    let live = live();
    let layer = live.layer_for_all().expect("a layer");
    // Services that are there, and clones of theirs, as well as layers.
    let server = Recorder::new();
    let service = layer.layer(server.clone());
    for number in [1, 2, 3] {
        if number > 1 {
            live.replace(config(number)).expect("a good one");
        }
        for api in ["catalog", "orders", "partners"] {
            service.clone().oneshot(request(api)).await.expect("sent");
            let seen = server.seen().pop().expect("a request");
            assert_eq!(generation(&seen), number, "{api}");
        }
    }
    assert_eq!(live.config().apis["catalog"].endpoint.path(), "/g3");
}

#[tokio::test]
async fn a_request_that_names_no_new_api_is_told_which_there_are() {
    let live = live();
    let layer = live.layer_for_all().expect("a layer");
    let smaller = r#"{"apis": {"news": {"mode": "NONE", "endpoint": "https://news.example.com"}}}"#;
    live.replace(smaller.parse().expect("a configuration"))
        .expect("a good one: the layer is for whatever there is");
    let error = send(&layer, request("catalog")).await.expect_err("gone");
    let error = error.to_string();
    assert_eq!(
        error,
        "the request names the API `catalog`, and the layer serves `news`"
    );
    let seen = send(&layer, request("news")).await.expect("sent");
    assert_eq!(seen.head.uri, "https://news.example.com/items?page=2");
}

/// The second attempt of a request is by the configuration of its first.
#[tokio::test]
async fn a_request_under_way_ends_as_it_began() {
    let asked = AtomicUsize::new(0);
    let tokens = move || {
        let number = asked.fetch_add(1, Ordering::SeqCst);
        async move { Ok(format!("Bearer {number}")) }
    };
    let selector = config(1).selector().aws_credentials(credentials());
    let live = selector
        .and_then(|selector| selector.tokens(AuthorizationMode::OpenIdConnect, tokens))
        .expect("a selector")
        .live();
    let layer = live
        .layer("partners")
        .expect("a layer")
        .retry_rejected(Buffer::default().read_ahead());
    let replacing = live.clone();
    let server = Recorder::answering(move |before, _| {
        let mut response = Response::new(Full::default());
        if before == 0 {
            replacing.replace(config(2)).expect("a good one");
            *response.status_mut() = StatusCode::UNAUTHORIZED;
        }
        response
    });
    let response = layer.layer(server.clone()).oneshot(request("partners"));
    assert_eq!(response.await.expect("sent").status(), StatusCode::OK);
    let attempts: Vec<_> = server
        .seen()
        .iter()
        .map(|seen| format!("{} {}", seen.one("authorization"), seen.head.uri))
        .collect();
    let url = "https://partners.g1.example.com/g1/items?page=2";
    assert_eq!(
        attempts,
        [format!("Bearer 0 {url}"), format!("Bearer 1 {url}")]
    );
    assert_eq!(live.status().generation, 2);
}

#[tokio::test]
async fn what_is_cached_stays_cached() {
    let fetches = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&fetches);
    let tokens = move || {
        counted.fetch_add(1, Ordering::SeqCst);
        async { Ok(Token::from("Bearer token").expires_in(Duration::from_secs(3600))) }
    };
    let selector = config(1).selector().aws_credentials(credentials());
    let live = selector
        .and_then(|selector| selector.tokens(AuthorizationMode::OpenIdConnect, tokens))
        .expect("a selector")
        .live();
    let layer = live.layer("partners").expect("a layer");
    for number in 1..20 {
        live.replace(config(number)).expect("a good one");
        let seen = send(&layer, request("partners")).await.expect("sent");
        assert_eq!(generation(&seen), number);
    }
    assert_eq!(fetches.load(Ordering::SeqCst), 1);
}

/// Of a server's clock that is off, too: the first request pays for it, and none after a replacement.
#[tokio::test]
async fn a_servers_clock_stays_known() {
    let clock = ManualClock::new(std::time::UNIX_EPOCH + Duration::from_secs(1_700_000_000));
    let live = live();
    let layer = live
        .layer("orders")
        .expect("a layer")
        .clock(clock)
        .retry_rejected(Buffer::default());
    // 10 minutes ahead, at 1,700,000,600.
    let server = Recorder::answering(|_, seen| {
        let on_time = seen.one("x-amz-date") == "20231114T222320Z";
        let response = Response::builder().header(header::DATE, "Tue, 14 Nov 2023 22:23:20 GMT");
        let response = match on_time {
            true => response,
            false => response
                .status(StatusCode::FORBIDDEN)
                .header("x-amzn-errortype", "InvalidSignatureException"),
        };
        response.body(Full::default()).expect("a response")
    });
    // One host for all, since clocks are servers'.
    let at_one_host = |number| {
        let text = numbered(number).replace(&format!("orders.g{number}."), "orders.");
        text.parse::<Config>().expect("a configuration")
    };
    let mut sent = 0;
    for number in 2..6 {
        live.replace(at_one_host(number)).expect("a good one");
        let response = layer.layer(server.clone()).oneshot(request("orders"));
        assert_eq!(response.await.expect("sent").status(), StatusCode::OK);
        let attempts = server.seen().len() - sent;
        assert_eq!(attempts, if number == 2 { 2 } else { 1 }, "{number}");
        sent += attempts;
    }
}

#[tokio::test]
async fn settings_stay_and_are_one_layers_own() {
    let live = live();
    let plain = live.layer_for_all().expect("a layer");
    let strict = plain
        .clone()
        .existing(Existing::Replace)
        .out_of_scope(OutOfScope::Reject);
    for number in [1, 2, 3] {
        live.replace(config(number)).expect("a good one");
        let carrying = || {
            let mut request = request("catalog");
            let headers = request.headers_mut();
            headers.insert("x-api-key", "key-of-a-stranger".parse().expect("a value"));
            request
        };
        let seen = send(&plain, carrying()).await.expect("sent");
        assert_eq!(seen.one("x-api-key"), "key-of-a-stranger");
        let seen = send(&strict, carrying()).await.expect("sent");
        assert_eq!(seen.one("x-api-key"), format!("key-g{number}"));

        let elsewhere = || {
            let request = Request::get("https://elsewhere.example.com/");
            request.body(Full::default()).expect("a request")
        };
        let seen = send(&plain, elsewhere()).await.expect("sent");
        assert!(seen.head.headers.is_empty());
        let error = send(&strict, elsewhere()).await.expect_err("out of scope");
        assert!(error.to_string().contains("was told to reject"), "{error}");
    }
}

#[tokio::test]
async fn what_was_given_for_an_api_stays_given() {
    let live = selector()
        .api_key_for("catalog", "key-of-the-program")
        .expect("there is such an API")
        .live();
    let layer = live.layer("catalog").expect("a layer");
    for number in [2, 3] {
        live.replace(config(number)).expect("a good one");
        let seen = send(&layer, request("catalog")).await.expect("sent");
        assert_eq!(seen.one("x-api-key"), "key-of-the-program");
        assert_eq!(seen.head.uri.path(), format!("/g{number}/items"));
    }
}

#[tokio::test]
async fn a_refusal_says_why_and_changes_nothing() {
    let live = live();
    let all = live.layer_for_all().expect("a layer");
    let one = live.layer("catalog").expect("a layer");
    let told = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&told);
    live.on_replace(move |outcome| {
        let text = outcome.map(|config| config.apis.len().to_string());
        let text = text.unwrap_or_else(|error| error.to_string());
        heard.lock().expect("no panic").push(text);
    });
    let changed = |from: &str, to: &str| -> Config {
        let text = numbered(2).replace(from, to);
        assert_ne!(text, numbered(2));
        text.parse().expect("a configuration")
    };
    for (config, expected) in [
        (
            changed("\"catalog\"", "\"catalogs\""),
            "there is no API `catalog`: did you mean `catalogs`?",
        ),
        (
            changed("API_KEY", "AWS_LAMBDA"),
            // Of both layers, and said once.
            "the API `catalog` has mode `AWS_LAMBDA`, and there is no token source for it: give one with \
             `AuthSelector::tokens`",
        ),
        (
            changed("key-g2", "key "),
            "the API `catalog`: the API key starts or ends with a space: trim it",
        ),
    ] {
        assert_eq!(refusal(live.replace(config)), expected);
        let status = live.status();
        let shown = status.refusal.map(|error| error.to_string());
        assert_eq!(shown.as_deref(), Some(expected));
        assert_eq!(status.generation, 1);
        for (layer, api) in [(&all, "orders"), (&all, "catalog"), (&one, "catalog")] {
            let seen = send(layer, request(api)).await.expect("sent");
            assert_eq!(generation(&seen), 1);
        }
    }
    assert_eq!(live.status().refused, 3);
    live.replace(config(2)).expect("a good one");
    assert!(live.status().refusal.is_none());
    let told = told.lock().expect("no panic");
    assert_eq!(told.len(), 4);
    assert_eq!(told[3], "3");
}

/// Under another name it would get what was given for all APIs, of another identity perhaps.
#[tokio::test]
async fn what_was_given_for_an_api_is_not_given_up() {
    let partner = || async { Ok("Bearer of-the-partner") };
    let live = selector()
        .tokens_for("partners", AuthorizationMode::OpenIdConnect, partner)
        .expect("there is such an API")
        .live();
    let all = live.layer_for_all().expect("a layer");
    let renamed = numbered(2).replace("\"partners\"", "\"partner\"");
    let error = refusal(live.replace(renamed.parse().expect("a configuration")));
    assert_eq!(error, "there is no API `partners`: did you mean `partner`?");
    let seen = send(&all, request("partners")).await.expect("sent");
    assert_eq!(seen.one("authorization"), "Bearer of-the-partner");
    live.replace(config(2)).expect("a good one");
    let seen = send(&all, request("partners")).await.expect("sent");
    assert_eq!(seen.one("authorization"), "Bearer of-the-partner");
}

/// Also by a listener that makes one, and by several threads at once.
#[test]
fn replacements_are_told_in_their_order() {
    const THREADS: usize = 4;
    const EACH: usize = 200;
    let live = live();
    let told = Arc::new(Mutex::new(Vec::new()));
    for _ in 0..2 {
        let (heard, replacing) = (Arc::clone(&told), live.clone());
        live.on_replace(move |outcome| {
            let config = outcome.expect("good ones");
            let mut heard = heard.lock().expect("no panic");
            heard.push(config.apis["catalog"].endpoint.to_string());
            let is_first = heard.len() == 1;
            drop(heard);
            if is_first {
                replacing.replace(self::config(1)).expect("a good one");
            }
        });
    }
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let live = &live;
            scope.spawn(move || {
                for number in 0..EACH {
                    let number = 2 + thread * EACH + number;
                    live.replace(config(number)).expect("a good one");
                }
            });
        }
    });
    let told = told.lock().expect("no panic");
    // Each by both, one after the other, and the last one is in use.
    assert_eq!(told.len(), 2 * (THREADS * EACH + 1));
    for both in told.chunks(2) {
        assert_eq!(both[0], both[1]);
    }
    let last = live.config().apis["catalog"].endpoint.to_string();
    assert_eq!(told.last(), Some(&last));
    assert_eq!(live.status().generation as usize, THREADS * EACH + 2);
}

/// Whoever made a layer and dropped it does not care any more.
#[tokio::test]
async fn a_layer_that_is_gone_refuses_nothing() {
    let live = live();
    let all = live.layer_for_all().expect("a layer");
    let one = live.layer("catalog").expect("a layer");
    let service = one.layer(Recorder::new());
    drop(one);
    let without = || -> Config {
        let text = numbered(2).replace("\"catalog\"", "\"news\"");
        text.parse().expect("a configuration")
    };
    // The service is there.
    let error = refusal(live.replace(without()));
    assert!(error.starts_with("there is no API `catalog`"), "{error}");
    drop(service);
    live.replace(without()).expect("a good one");
    let seen = send(&all, request("news")).await.expect("sent");
    assert_eq!(generation(&seen), 2);
    // A layer made of the place that has become free is one of the new configuration.
    let error = live.layer("catalog").expect_err("gone");
    assert!(error.to_string().starts_with("there is no API"), "{error}");
    let news = live.layer("news").expect("a layer");
    live.replace(without()).expect("a good one");
    let seen = send(&news, request("news")).await.expect("sent");
    assert_eq!(generation(&seen), 2);
}

#[test]
fn an_only_layer_is_of_whatever_is_the_only_one() {
    let one = |name: &str| -> Config {
        let api = r#"{"mode": "NONE", "endpoint": "https://api.example.com"}"#;
        let text = format!(r#"{{"apis": {{"{name}": {api}}}}}"#);
        text.parse().expect("a configuration")
    };
    let live = one("first").selector().live();
    let _layer = live.only_layer().expect("a layer");
    live.replace(one("second")).expect("one as well");
    let error = refusal(live.replace(config(2)));
    assert!(
        error.starts_with("the configuration has several APIs"),
        "{error}"
    );
}

/// A session belongs to its pools.
#[test]
fn other_pools_take_another_session() {
    let with_pool = |client: &str| -> Config {
        let text = format!(
            r#"{{"apis": {{"profile": {{"mode": "AMAZON_COGNITO_USER_POOLS",
                                        "endpoint": "https://api.example.com"}} }},
                 "auth": {{"user_pool": {{"id": "eu-west-1_AbCdEfGhI", "region": "eu-west-1",
                                          "client_id": "{client}"}} }} }}"#
        );
        text.parse().expect("a configuration")
    };
    let without_pools = || -> Config {
        let api = r#"{"mode": "NONE", "endpoint": "https://api.example.com"}"#;
        let text = format!(r#"{{"apis": {{"profile": {api}}} }}"#);
        text.parse().expect("a configuration")
    };
    let first = with_pool("client-1");
    let transport = tower_client_auth::Transport::hyper().expect("a client");
    let session = first.session(transport).expect("a session");
    let live = first.selector().session(session).live();
    let _layer = live.layer_for_all().expect("a layer");
    live.replace(with_pool("client-1")).expect("the same pool");
    let error = refusal(live.replace(with_pool("client-2")));
    assert!(
        error.starts_with(
            "`auth.user_pool.client_id` is not what it was, and the session belongs to the pools"
        ),
        "{error}"
    );
    let without = without_pools();
    let error = refusal(live.replace(without));
    assert!(
        error.starts_with("`auth.user_pool` is not what it was"),
        "{error}"
    );

    // Nobody's session.
    let live = first
        .selector()
        .tokens(AuthorizationMode::CognitoUserPools, || async {
            Ok("token")
        })
        .expect("a selector")
        .live();
    let _layer = live.layer_for_all().expect("a layer");
    live.replace(with_pool("client-2")).expect("no session");
}
