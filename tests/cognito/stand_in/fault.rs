//! What may happen to a call, on its way there or back.

use std::future::pending;
use std::io::{self, ErrorKind};
use std::sync::LazyLock;

use bytes::Bytes;
use futures::{StreamExt, stream};
use http::Response;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tower_client_auth::BoxError;

use super::calls::full;
use super::{Answer, Body};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cognito) enum Fault {
    Refused,
    Reset,
    /// The connection breaks in the middle of the answer.
    Broken,
    /// The answer ends in its middle, as if that were its end.
    Half,
    Stalled,
    /// The answer stops in its middle, and does not end.
    StalledInside,
    InternalError,
    Unavailable,
    TooMany,
    /// A proxy's page, with status 200.
    Html,
    /// A proxy's page, with status 403.
    Forbidden,
    Redirect,
    /// 2 MiB, which it says before.
    Long,
    /// 2 MiB, in frames of 16 KiB.
    LongInFrames,
    Empty,
    Garbage,
}

pub(in crate::cognito) const FAULTS: [Fault; 16] = [
    Fault::Refused,
    Fault::Reset,
    Fault::Broken,
    Fault::Half,
    Fault::Stalled,
    Fault::StalledInside,
    Fault::InternalError,
    Fault::Unavailable,
    Fault::TooMany,
    Fault::Html,
    Fault::Forbidden,
    Fault::Redirect,
    Fault::Long,
    Fault::LongInFrames,
    Fault::Empty,
    Fault::Garbage,
];

/// What would have been the answer to any call.
const ANSWER: &str = r#"{"AuthenticationResult":{"AccessToken":"c4nary-token","ExpiresIn":3600},"IdentityId":"c4nary"}"#;

const PAGE: &str = "<html>c4nary: sign in to the hotel's network</html>";

impl Fault {
    pub(in crate::cognito) fn stalls(self) -> bool {
        matches!(self, Self::Stalled | Self::StalledInside)
    }

    /// Whether it may be over by itself.
    pub(in crate::cognito) fn passes(self) -> bool {
        self != Self::Redirect
    }

    /// Whether it comes whole, and with a status that says that all is well.
    pub(in crate::cognito) fn looks_well(self) -> bool {
        matches!(self, Self::Empty)
    }

    pub(super) async fn strike(self) -> Answer {
        let fails = |kind: ErrorKind| Err(io::Error::from(kind).into());
        let half = Bytes::from_static(&ANSWER.as_bytes()[..ANSWER.len() / 2]);
        let page = |status| answer(status, "text/html", full(PAGE));
        match self {
            Self::Refused => fails(ErrorKind::ConnectionRefused),
            Self::Reset => fails(ErrorKind::ConnectionReset),
            Self::Broken => {
                let reset = io::Error::from(ErrorKind::ConnectionReset);
                let frames: [Result<Bytes, BoxError>; 2] = [Ok(half), Err(reset.into())];
                let frames = stream::iter(frames).map(|frame| frame.map(Frame::data));
                json(200, StreamBody::new(frames).boxed_unsync())
            }
            Self::Half => json(200, full(half)),
            Self::Stalled => pending().await,
            Self::StalledInside => {
                let frames = stream::iter([Ok::<_, BoxError>(half)]).chain(stream::pending());
                let frames = frames.map(|frame| frame.map(Frame::data));
                json(200, StreamBody::new(frames).boxed_unsync())
            }
            Self::InternalError => answer(500, "text/plain", full("c4nary-error")),
            Self::Unavailable => exception(503, "InternalErrorException"),
            Self::TooMany => exception(429, "TooManyRequestsException"),
            Self::Html => page(200),
            Self::Forbidden => page(403),
            Self::Redirect => {
                let mut response = page(307)?;
                let elsewhere = http::HeaderValue::from_static("https://evil.example/c4nary");
                response.headers_mut().insert("location", elsewhere);
                Ok(response)
            }
            Self::Long => {
                static LONG: LazyLock<Bytes> = LazyLock::new(|| vec![b' '; 2 << 20].into());
                json(200, full(LONG.clone()))
            }
            Self::LongInFrames => {
                let frame = Bytes::from(vec![b' '; 16 * 1024]);
                let frames = vec![frame; 128].into_iter().map(Ok::<_, BoxError>);
                let frames = stream::iter(frames).map(|frame| frame.map(Frame::data));
                json(200, StreamBody::new(frames).boxed_unsync())
            }
            Self::Empty => json(200, full("")),
            Self::Garbage => json(200, full(&b"\xff\xfec4nary{{\0"[..])),
        }
    }
}

fn exception(status: u16, code: &str) -> Answer {
    json(
        status,
        full(format!(r#"{{"__type":"{code}","message":"c4nary"}}"#)),
    )
}

fn json(status: u16, body: Body) -> Answer {
    answer(status, "application/x-amz-json-1.1", body)
}

fn answer(status: u16, kind: &str, body: Body) -> Answer {
    let response = Response::builder().status(status);
    Ok(response.header("content-type", kind).body(body)?)
}
