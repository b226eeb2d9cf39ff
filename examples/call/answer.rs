//! What came back: the body as it is, and what it probably means.

use std::pin::pin;

use bytes::Bytes;
use http::{Response, StatusCode, header, response};
use http_body::Body as HttpBody;
use http_body_util::BodyExt as _;
use tower_client_auth::{ApiConfig, AuthHint, AuthorizationMode, BoxError, PayloadHash, Standing};

use crate::args::OutputArgs;
use crate::exit::{Exit, Failure};
use crate::explain::Explained;
use crate::output::{self, Sink, Written, printable};
use crate::tap::{Sent, first_line};

pub(crate) async fn show<B>(
    response: Response<B>,
    args: &OutputArgs,
    api: &ApiConfig,
    sent: &Sent,
    payload: Option<PayloadHash>,
) -> Result<Exit, Failure>
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    let hint = AuthHint::of(&response).cloned();
    let (head, body) = response.into_parts();
    let mut explained = match args.explain {
        true => Some(Explained::show(api, sent.take(), payload)),
        false => None,
    };
    let mut sink = Sink::open(args)?;
    if args.include {
        sink.head(&first_line(&head), &head.headers)?;
    }
    pieces(body, |data| {
        if let Some(explained) = &mut explained {
            explained.learn(&data);
        }
        Ok(match sink.write(&data)? {
            Written::Yes => true,
            Written::Closed => false,
            Written::Binary => {
                output::problem(
                    "the answer is no text, and a terminal might obey it: type `-o FILE`, or pipe it",
                );
                false
            }
        })
    })
    .await?;
    sink.finish()?;
    if !args.silent {
        tell(&head, hint.as_ref(), args, api.mode);
    }
    let exit = Exit::of(head.status);
    if let Some(explained) = explained
        && exit == Exit::Refused
    {
        explained.compare();
    }
    Ok(exit)
}

/// What the status says, and what to do about it.
fn tell(
    head: &response::Parts,
    hint: Option<&AuthHint>,
    args: &OutputArgs,
    mode: AuthorizationMode,
) {
    let status = head.status;
    if status.is_redirection() && status != StatusCode::NOT_MODIFIED {
        let location = head.headers.get(header::LOCATION);
        let location = location.map(|location| String::from_utf8_lossy(location.as_bytes()));
        let location = location
            .as_deref()
            .map_or_else(|| "nowhere".to_owned(), printable);
        output::problem(&format!(
            "the API answered {status}, and redirects are not followed; location: {location}"
        ));
    }
    if status.as_u16() >= 400 {
        output::problem(&format!("the API answered {status}"));
    }
    let Some(hint) = hint else {
        return;
    };
    output::note(format_args!("probably: {}", printable(&hint.to_string())));
    match hint {
        AuthHint::AccessDenied {
            standing: Some(Standing::Guest),
            ..
        } => {
            output::note("a user may be allowed to: `--user NAME` signs one in");
        }
        AuthHint::SignatureMismatch if !args.explain => {
            output::note("`--explain` shows what was signed");
        }
        AuthHint::TokenRejected if mode == AuthorizationMode::CognitoUserPools => {
            output::note("`--id-token` sends the user's other token");
        }
        AuthHint::TokenRejected => output::note("`--bearer` writes `Bearer ` before it"),
        AuthHint::WrongMode => output::note("`--mode` tries another"),
        _ => {}
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
