//! Pages in a real browser: those of an allowed origin use the proxy's key, which they do not have; those of another
//! get nothing, and nothing of theirs gets to the upstream.

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::Request;
use http::request::Parts;
use http::{HeaderMap, StatusCode};

use crate::browser::PATIENCE;
use crate::browser::calls::{End, without_a_credential};
use crate::browser::chromium::{self, Browser};
use crate::browser::page::{self, Place};
use crate::proxy::Proxy;

const KEY: &str = "the-key-of-the-proxy";

#[tokio::test]
async fn pages_of_an_allowed_origin_use_the_proxy_and_no_others() {
    let Some(program) = chromium::program("pages through the proxy") else {
        return;
    };
    let (ours, theirs, upstream) = (Place::new().await, Place::new().await, Place::new().await);
    let proxy = Proxy::with(
        &[
            "--upstream",
            &format!("orders={},mode=api-key", upstream.origin),
            "--api-key",
            "orders=env:KEY",
            "--allow-origin",
            &ours.origin,
        ],
        &[("KEY", KEY)],
    );
    let arrived = serve(upstream);
    let our_cases = without_a_credential(&proxy.origin, "orders", End::Answer);
    let their_cases = without_a_credential(&proxy.origin, "orders", End::Blocked);
    let (our_origin, their_origin) = (ours.origin.clone(), theirs.origin.clone());

    let last = page::serve(theirs, &their_cases, None);
    let first = page::serve(ours, &our_cases, Some(their_origin));
    let mut browser = Browser::open(&program, &our_origin);
    let seen = async { (first.await, last.await) };
    let seen = tokio::time::timeout(PATIENCE, browser.until(seen)).await;
    let (ours, theirs) = seen
        .unwrap_or_else(|_| panic!("no results yet: see {}", browser.log().display()))
        .unwrap_or_else(|error| panic!("{error}"));
    drop(browser);
    for (cases, outcomes) in [(&our_cases, ours), (&their_cases, theirs)] {
        let outcomes = outcomes.expect("a page that hands in what it saw");
        assert_eq!(outcomes.len(), cases.len());
        for (case, seen) in cases.iter().zip(outcomes) {
            case.check(&seen[0]);
        }
    }

    let answered = our_cases
        .iter()
        .filter(|case| matches!(case.end, End::Answer));
    let answered = answered.count();
    let arrived = arrived.lock().unwrap_or_else(PoisonError::into_inner);
    assert_eq!(arrived.len(), answered, "{arrived:#?}");
    for head in arrived.iter() {
        assert_eq!(head.headers["x-api-key"], KEY, "{head:?}");
        for name in ["authorization", "origin", "referer", "sec-fetch-site"] {
            assert!(!head.headers.contains_key(name), "{name}: {head:?}");
        }
    }
    // What the stranger's browser sends without asking first.
    let lines = proxy.until_lines(answered + 2);
    let refused = lines
        .iter()
        .filter(|line| line["refused"] == "page_not_allowed");
    let refused = refused.inspect(|line| assert!(line["upstream"].is_null(), "{line}"));
    assert_eq!(refused.count(), 2, "{lines:#?}");
    assert_eq!(lines.len(), answered + 2, "{lines:#?}");
    println!(
        "proxy: {answered} calls of an allowed page answered; of a stranger's {} none was, and none got to the upstream",
        their_cases.len()
    );
}

/// An API that wants the key, and what arrived at it.
fn serve(place: Place) -> Arc<Mutex<Vec<Parts>>> {
    let arrived: Arc<Mutex<Vec<Parts>>> = Arc::default();
    let log = Arc::clone(&arrived);
    let answer = move |request: Request| {
        let (head, _) = request.into_parts();
        let answer = answer(&head.headers);
        log.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(head);
        async move { answer }
    };
    place.serve(Router::new().fallback(answer));
    arrived
}

fn answer(headers: &HeaderMap) -> (StatusCode, &'static str) {
    match headers.get("x-api-key") {
        Some(key) if key == KEY => (StatusCode::OK, "welcome"),
        _ => (StatusCode::FORBIDDEN, "no"),
    }
}
