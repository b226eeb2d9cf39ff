//! The headers of a request.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::args::RequestArgs;
use crate::exit::Failure;
use crate::output;

/// The caller's headers, and what clients usually send.
pub(crate) fn read(args: &RequestArgs) -> Result<HeaderMap, Failure> {
    let mut headers = HeaderMap::new();
    for text in &args.headers {
        let (name, mut value) = header_of(text)?;
        check_name(&name)?;
        if output::is_secret(&name) {
            value.set_sensitive(true);
        }
        let fits = headers.try_append(name, value);
        fits.map_err(|_| Failure::usage("there are more headers than a request can have"))?;
    }
    let accept = match args.json {
        Some(_) => "application/json",
        None => "*/*",
    };
    let agent = concat!("tower-client-auth-call/", env!("CARGO_PKG_VERSION"));
    for (name, usual) in [(header::ACCEPT, accept), (header::USER_AGENT, agent)] {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(usual));
    }
    Ok(headers)
}

fn check_name(name: &HeaderName) -> Result<(), Failure> {
    if *name == header::HOST {
        return Err(Failure::usage(
            "`-H host` could only name the URL's own host, or a credential would go to another: leave it out",
        ));
    }
    // What the client writes itself, and would contradict.
    let of_the_client = [
        header::CONNECTION,
        header::CONTENT_LENGTH,
        header::TE,
        header::TRAILER,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
    ];
    match of_the_client.contains(name) {
        true => Err(Failure::usage(format!(
            "`-H {name}` is about the connection, which the program sees to itself: leave it out"
        ))),
        false => Ok(()),
    }
}

fn header_of(text: &str) -> Result<(HeaderName, HeaderValue), Failure> {
    let parts = text.split_once(':');
    let parsed = parts.and_then(|(name, value)| {
        // As bytes, which all of UTF-8 is.
        let value = HeaderValue::from_bytes(value.trim().as_bytes()).ok()?;
        Some((name.trim().parse().ok()?, value))
    });
    parsed.ok_or_else(|| {
        // Not repeated here: it may hold a password.
        Failure::usage(
            "`-H` takes a name, a colon and a value: type `-H 'accept: application/json'`",
        )
    })
}
