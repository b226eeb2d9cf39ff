//! The preset in a real browser: a page calls an API of another origin, whose checks of credentials stand
//! behind the layer. What the page says of it is compared with what reached the API.

mod api;
pub(crate) mod calls;
pub(crate) mod chromium;
pub(crate) mod page;

use std::time::Duration;

use api::Arrival;
use calls::{Case, End};
use chromium::Browser;
use page::{Outcome, Place};

/// A browser on a machine that is busy with a build takes its time.
pub(crate) const PATIENCE: Duration = Duration::from_secs(180);

#[tokio::test]
async fn a_page_calls_what_the_preset_allows_and_reads_what_the_api_answers() {
    let Some(program) = chromium::program("the CORS preset in a browser") else {
        return;
    };
    let (ours, theirs, api) = (Place::new().await, Place::new().await, Place::new().await);
    let our_cases = calls::from_a_page_on_the_list(&api.origin);
    let their_cases = calls::from_a_stranger(&api.origin);
    let log = api::serve(api, &ours.origin);
    let (our_origin, their_origin) = (ours.origin.clone(), theirs.origin.clone());

    let last = page::serve(theirs, &their_cases, None);
    let first = page::serve(ours, &our_cases, Some(their_origin.clone()));
    let mut browser = Browser::open(&program, &our_origin);
    let seen = async { (first.await, last.await) };
    let seen = tokio::time::timeout(PATIENCE, browser.until(seen)).await;
    let (ours, theirs) = seen
        .unwrap_or_else(|_| panic!("no results yet: see {}", browser.log().display()))
        .unwrap_or_else(|error| panic!("{error}"));
    drop(browser);

    let mut figures = Figures::default();
    for (cases, results, origin) in [
        (&our_cases, ours, &our_origin),
        (&their_cases, theirs, &their_origin),
    ] {
        let results = results.expect("a page that hands in what it saw");
        assert_eq!(results.len(), cases.len());
        for (case, outcomes) in cases.iter().zip(results) {
            assert_eq!(outcomes.len(), case.times, "{}", case.name);
            for outcome in &outcomes {
                case.check(outcome);
            }
            figures.add(case, &log.of(&case.path, origin));
        }
    }
    // Whatever else came would be in nobody's expectations.
    assert_eq!(figures.arrivals, log.len(), "all that arrived was expected");
    figures.print();
}

impl Case {
    pub(crate) fn check(&self, seen: &Outcome) {
        let name = self.name;
        match self.end {
            End::Answer => {
                assert_eq!(seen.status, Some(200), "{name}: {seen:?}");
                // An answer to `HEAD` has no body.
                let body = if self.method == "HEAD" { "" } else { "welcome" };
                assert_eq!(seen.body, body, "{name}");
            }
            End::Refusal(status, error) => {
                assert_eq!(seen.status, Some(status), "{name}: {seen:?}");
                assert_eq!(seen.header("x-amzn-errortype"), Some(error), "{name}");
                assert_eq!(seen.header("x-amzn-requestid"), Some("42"), "{name}");
                let bearer = (status == 401).then_some("Bearer");
                assert_eq!(seen.header("www-authenticate"), bearer, "{name}");
                let later = (status == 429).then_some("7");
                assert_eq!(seen.header("retry-after"), later, "{name}");
            }
            End::Blocked | End::Unreadable => {
                let error = seen.error.as_deref();
                assert_eq!(error, Some("TypeError: Failed to fetch"), "{name}");
                return;
            }
        }
        // A browser's clock is corrected by it.
        assert!(seen.header("date").is_some(), "{name}: {seen:?}");
        assert_eq!(seen.header("x-internal"), None, "{name}: not on the list");
    }
}

/// How many of what there were.
#[derive(Default)]
struct Figures {
    answered: usize,
    refused: usize,
    blocked: usize,
    unreadable: usize,
    preflights: usize,
    arrivals: usize,
}

impl Figures {
    /// Counts a case, having compared it with what reached the API.
    fn add(&mut self, case: &Case, arrived: &[Arrival]) {
        let Case { name, times, .. } = *case;
        let (asked, sent): (Vec<_>, Vec<_>) = arrived.iter().partition(|a| a.is_preflight);
        assert_eq!(asked.len(), case.preflights, "{name}: {arrived:?}");
        assert!(asked.iter().all(|a| !a.has_credential), "{name}: {asked:?}");
        assert!(asked.iter().all(|a| !a.was_handled), "{name}: {asked:?}");
        // Inside of the check, the layer is not asked.
        let inside = case.path.starts_with("/inside-");
        let is_right = |a: &&Arrival| a.status.is_success() != inside;
        assert!(asked.iter().all(is_right), "{name}: {asked:?}");
        let handled = sent.iter().filter(|a| a.was_handled).count();
        let (expected_sent, expected_handled) = match case.end {
            End::Answer | End::Unreadable => (times, times),
            End::Refusal(..) => (times, 0),
            // What is simple enough is sent without asking, and only the answer is kept from the page.
            End::Blocked if case.preflights == 0 => (times, 0),
            End::Blocked => (0, 0),
        };
        assert_eq!(sent.len(), expected_sent, "{name}: {arrived:?}");
        assert_eq!(handled, expected_handled, "{name}: {arrived:?}");
        match case.end {
            End::Answer => self.answered += times,
            End::Refusal(..) => self.refused += times,
            End::Blocked => self.blocked += times,
            End::Unreadable => self.unreadable += times,
        }
        self.preflights += asked.len();
        self.arrivals += arrived.len();
    }

    fn print(&self) {
        let Self {
            answered,
            refused,
            blocked,
            unreadable,
            preflights,
            arrivals,
        } = self;
        println!("browser: {answered} calls allowed and answered");
        println!("browser: {refused} refused by the API, and readable");
        println!(
            "browser: {blocked} refused by the browser, none of which reached the API's handler; \
             {unreadable} did, unasked, and could not be read"
        );
        println!(
            "browser: {preflights} of {arrivals} requests were preflights, without a credential"
        );
    }
}

#[tokio::test]
async fn a_browser_that_is_named_has_to_work() {
    if crate::servers::skipped("a browser that is named") {
        return;
    }
    for program in ["false", "/no/such/browser"] {
        let mut browser = Browser::open(program.as_ref(), "http://127.0.0.1:1/");
        let end = browser.until(std::future::pending::<()>());
        let error = tokio::time::timeout(PATIENCE, end).await.expect("an end");
        assert!(error.expect_err("no browser").contains("the browser ended"));
    }
}
