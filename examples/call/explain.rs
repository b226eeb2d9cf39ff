//! What was signed, and where the server sees something else.

use http::request;
use tower_client_auth::sigv4::{Explanation, Signer, SigningOptions, SigningScope};
use tower_client_auth::{ApiConfig, AuthError, PayloadHash};

use crate::output::{self, printable};

/// More than this, no server needs to say why.
const MOST: usize = 256 * 1024;

/// What a request was signed as, and the answer to it, as far as it has come.
pub(crate) struct Explained {
    explanation: Option<Explanation>,
    answer: Vec<u8>,
}

impl Explained {
    /// Explains a request as it was sent.
    pub(crate) fn show(
        api: &ApiConfig,
        sent: Option<request::Parts>,
        payload: Option<PayloadHash>,
    ) -> Self {
        let explanation = match sent {
            Some(head) if is_signed(&head) => explain(api, &head, payload),
            _ => {
                output::remark(format_args!(
                    "`--explain`: the request has no signature (mode {})",
                    api.mode
                ));
                None
            }
        };
        if let Some(explanation) = &explanation {
            output::line(explanation);
            output::line("");
        }
        Self {
            explanation,
            answer: Vec::new(),
        }
    }

    /// Takes a piece of the answer.
    pub(crate) fn learn(&mut self, data: &[u8]) {
        let room = MOST.saturating_sub(self.answer.len());
        self.answer.extend_from_slice(&data[..room.min(data.len())]);
    }

    /// Says where the server differs.
    /// Of a status that may have other reasons, only if it does.
    pub(crate) fn compare(&self, may_differ: bool) {
        let Some(explanation) = &self.explanation else {
            return;
        };
        match explanation.first_difference(&self.answer) {
            Some(difference) => {
                output::note(format_args!("the server: {}", printable(&difference)))
            }
            None if may_differ => {}
            None => output::note("the server does not tell what it computed"),
        }
    }
}

fn is_signed(head: &request::Parts) -> bool {
    let value = head.headers.get(http::header::AUTHORIZATION);
    value.is_some_and(|value| value.as_bytes().starts_with(b"AWS4-"))
}

fn explain(
    api: &ApiConfig,
    head: &request::Parts,
    payload: Option<PayloadHash>,
) -> Option<Explanation> {
    let explained = || -> Result<Explanation, AuthError> {
        let service = api.signing_name();
        let scope = SigningScope::new(api.region.as_deref().unwrap_or_default(), service)?;
        let signer = Signer::new(scope, SigningOptions::for_service(service));
        signer.explain(head, &payload.unwrap_or(PayloadHash::Unsigned))
    };
    match explained() {
        Ok(explanation) => Some(explanation),
        Err(error) => {
            output::problem(&format!("`--explain`: {}", printable(&error.to_string())));
            None
        }
    }
}
