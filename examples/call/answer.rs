//! What came back: the body as it is, and what it probably means.

use std::pin::pin;

use bytes::Bytes;
use http::{HeaderName, Response, StatusCode, header, response};
use http_body::Body as HttpBody;
use http_body_util::BodyExt as _;
use tower_client_auth::{ApiConfig, AuthHint, BoxError, PayloadHash};

use crate::advice;
use crate::args::Arguments;
use crate::exit::{Exit, Failure};
use crate::explain::Explained;
use crate::output::{self, printable};
use crate::redact;
use crate::sink::{Sink, Written};
use crate::tap::{Sent, first_line};

/// What was asked for, and how.
pub(crate) struct Asked<'a> {
    pub(crate) args: &'a Arguments,
    pub(crate) api: &'a ApiConfig,
    /// The credential's header, if it is the caller's own.
    pub(crate) own: Option<&'a HeaderName>,
    pub(crate) sent: Sent,
    pub(crate) payload: Option<PayloadHash>,
}

pub(crate) async fn show<B>(
    response: Response<B>,
    asked: &Asked<'_>,
    mut sink: Sink,
) -> Result<Exit, Failure>
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    let hint = AuthHint::of(&response).cloned();
    let (head, body) = response.into_parts();
    let args = &asked.args.output;
    let mut explained = args
        .explain
        .then(|| Explained::show(asked.api, asked.sent.take(), asked.payload));
    sink.begin()?;
    let mut is_binary = false;
    if args.include {
        sink.head(&first_line(&head), &head.headers)?;
    }
    let read = pieces(body, |data| {
        if let Some(explained) = &mut explained {
            explained.learn(&data);
        }
        Ok(match sink.write(&data)? {
            Written::Yes => true,
            Written::Closed => false,
            Written::Binary => {
                is_binary = true;
                false
            }
        })
    })
    .await;
    sink.finish()?;
    read?;
    if is_binary {
        output::problem(
            "the answer is no text, and a terminal might obey it: type `-o FILE`, or pipe it",
        );
    }
    if !args.silent {
        tell(&head, hint.as_ref(), asked);
    }
    let exit = Exit::of(head.status);
    if let Some(explained) = explained
        && (exit == Exit::Refused || head.status == StatusCode::BAD_REQUEST)
    {
        explained.compare(exit != Exit::Refused);
    }
    Ok(match is_binary {
        true => Exit::NoAnswer,
        false => exit,
    })
}

/// What the status says, and what to do about it.
fn tell(head: &response::Parts, hint: Option<&AuthHint>, asked: &Asked<'_>) {
    let status = head.status;
    if status.is_redirection() && status != StatusCode::NOT_MODIFIED {
        let location = head.headers.get(header::LOCATION);
        let location = location.map(|location| String::from_utf8_lossy(location.as_bytes()));
        let location = location
            .as_deref()
            .map_or_else(|| "nowhere".to_owned(), |url| printable(&redact::url(url)));
        output::problem(&format!(
            "the API answered {status}, and redirects are not followed; location: {location}"
        ));
    }
    if status.as_u16() >= 400 {
        output::problem(&format!("the API answered {status}"));
    }
    for line in advice::refused(status, hint, asked) {
        output::note(line);
    }
}

/// Reads a body to its end, piece by piece.
async fn pieces<B>(
    body: B,
    mut each: impl FnMut(Bytes) -> Result<bool, Failure>,
) -> Result<(), Failure>
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    let mut body = pin!(body);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            let failure = Failure::from(error.into());
            Failure::no_answer(format!("the answer broke off: {}", failure.message))
        })?;
        if let Ok(data) = frame.into_data()
            && !each(data)?
        {
            break;
        }
    }
    Ok(())
}
