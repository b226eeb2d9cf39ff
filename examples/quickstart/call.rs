//! Requests, and what came of them in one line.

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use serde_json::Value;
use tower::{Service, ServiceExt};
use tower_client_auth::{AuthError, BoxError};

/// What came of a request.
#[derive(Default)]
pub(crate) struct Answer {
    /// The status and what the server said, or why nothing was sent.
    pub(crate) line: String,
    /// The API that answered, by the name it has in the file.
    pub(crate) api: String,
    /// The credential that the server says it got.
    pub(crate) credential: String,
    /// The headers that the server found signed.
    pub(crate) signed: Vec<String>,
}

/// Sends a request.
pub(crate) async fn call<S, B>(api: S, request: Request<Full<Bytes>>) -> Answer
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>>,
    S::Error: Into<BoxError>,
    B: Body,
    B::Error: Into<BoxError>,
{
    exchange(api, request).await.unwrap_or_else(|error| Answer {
        line: match AuthError::find(error.as_ref()) {
            // The promise that comes with an `AuthError`.
            Some(auth) => format!("not sent: {auth}"),
            None => format!("failed: {}", crate::with_causes(&error)),
        },
        ..Answer::default()
    })
}

async fn exchange<S, B>(api: S, request: Request<Full<Bytes>>) -> Result<Answer, BoxError>
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>>,
    S::Error: Into<BoxError>,
    B: Body,
    B::Error: Into<BoxError>,
{
    let response = api.oneshot(request).await.map_err(Into::into)?;
    let status = response.status();
    let body = response.into_body().collect().await.map_err(Into::into)?;
    let body: Value = serde_json::from_slice(&body.to_bytes())?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Ok(Answer {
        line: match status.is_success() {
            true => status.to_string(),
            false => format!("{} {}", status.as_u16(), text(&body["message"])),
        },
        api: text(&body["api"]),
        credential: text(&body["credential"]),
        signed: body["signed"]
            .as_array()
            .into_iter()
            .flatten()
            .map(text)
            .collect(),
    })
}
