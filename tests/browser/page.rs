//! A page that makes the calls it is given, and hands in what came of them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::response::Html;
use axum::routing::{get, post};
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::calls::Case;

const PAGE: &str = include_str!("page.html");

/// An origin of its own: a port on loopback, with nobody there yet.
pub(crate) struct Place {
    pub(crate) origin: String,
    pub(crate) listener: TcpListener,
}

impl Place {
    pub(crate) async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        Self {
            origin: format!("http://{address}"),
            listener,
        }
    }

    pub(crate) fn serve(self, router: Router) {
        tokio::spawn(async { axum::serve(self.listener, router).await });
    }
}

/// What a script could see of a call.
#[derive(Debug, Deserialize)]
pub(crate) struct Outcome {
    pub(crate) status: Option<u16>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) body: String,
    pub(crate) error: Option<String>,
}

impl Outcome {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

/// The outcomes of each case, as the page hands them in. Then it leaves for `next`.
pub(crate) fn serve(
    place: Place,
    cases: &[Case],
    next: Option<String>,
) -> impl Future<Output = Option<Vec<Vec<Outcome>>>> {
    let (sender, receiver) = oneshot::channel();
    let sender = Arc::new(Mutex::new(Some(sender)));
    let calls = serde_json::to_string(cases).expect("JSON");
    let take = move |results: String| async move {
        let sender = sender.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(sender) = sender {
            let _ = sender.send(results);
        }
        next.unwrap_or_default()
    };
    let router = Router::new()
        .route("/", get(Html(PAGE)))
        .route("/calls", get(calls))
        .route("/results", post(take));
    place.serve(router);
    async {
        let results: String = receiver.await.ok()?;
        let outcomes = serde_json::from_str(&results);
        Some(outcomes.unwrap_or_else(|error| panic!("{error}: the page says: {results}")))
    }
}
