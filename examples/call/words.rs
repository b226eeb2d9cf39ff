//! The words of the command line: a method, and a path or a URL.

use http::{Method, Uri};

use crate::args::Arguments;
use crate::exit::Failure;
use crate::output::printable;
use crate::redact;

/// What is to be called, as far as it was typed.
pub(crate) struct Goal {
    pub(crate) named: Option<Method>,
    /// An API of kind GraphQL needs none.
    pub(crate) uri: Option<Uri>,
    pub(crate) has_body: bool,
}

impl Goal {
    pub(crate) fn read(args: &Arguments, has_body: bool) -> Result<Self, Failure> {
        let (word, target) = words(args);
        let uri = target.map(uri).transpose()?;
        let option = args.request.request.as_deref();
        if let (Some(word), Some(option)) = (word, option) {
            let (word, option) = (printable(word), printable(option));
            return Err(Failure::usage(format!(
                "`{word}` and `-X {option}` are two methods: leave one of them out"
            )));
        }
        let named = word.or(option).map(method).transpose()?;
        Ok(Self {
            named,
            uri,
            has_body,
        })
    }

    pub(crate) fn method(&self) -> Method {
        self.named.clone().unwrap_or(match self.has_body {
            true => Method::POST,
            false => Method::GET,
        })
    }

    /// The URL, if it is one, and not a path.
    pub(crate) fn whole(&self) -> Option<&Uri> {
        self.uri.as_ref().filter(|uri| uri.authority().is_some())
    }

    /// What to say where there is no path.
    pub(crate) fn missing(&self) -> Failure {
        Failure::usage(match &self.named {
            Some(name) => {
                format!("what to {name} is missing: type a path behind it, such as `{name} /items`")
            }
            None => "what to call is missing: type a path, such as `/items`; `apis` lists the APIs"
                .to_owned(),
        })
    }
}

/// The method and the target: a word alone is a target, unless it can only be a method.
pub(crate) fn words(args: &Arguments) -> (Option<&str>, Option<&str>) {
    match (args.first.as_deref(), args.second.as_deref()) {
        (Some(only), None) if !is_usual_method(only) => (None, Some(only)),
        both => both,
    }
}

const USUAL_METHODS: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];

fn is_usual_method(text: &str) -> bool {
    USUAL_METHODS.contains(&text.to_ascii_uppercase().as_str())
}

fn method(text: &str) -> Result<Method, Failure> {
    let problem = || {
        Failure::usage(format!(
            "`{}` is no HTTP method: type `POST /items`, the method first",
            printable(&redact::url(text))
        ))
    };
    // Methods are case-sensitive, and these are hardly ever meant in small letters.
    let known = is_usual_method(text);
    let name = match known {
        true => text.to_ascii_uppercase(),
        false => text.to_owned(),
    };
    match name.parse() {
        Ok(method) if known || text.chars().all(|c| c.is_ascii_uppercase()) => Ok(method),
        _ => Err(problem()),
    }
}

fn uri(text: &str) -> Result<Uri, Failure> {
    let shown = || printable(&redact::url(text));
    if is_usual_method(text) {
        return Err(Failure::usage(format!(
            "what to {text} is missing: type a path behind it, such as `{text} /items`"
        )));
    }
    let is_whole = text.contains("://") && !text.starts_with('/');
    if !is_whole && !text.starts_with('/') {
        let text = shown();
        return Err(Failure::usage(format!(
            "`{text}` is neither a path nor a URL: type `/{text}`, or `https://…`"
        )));
    }
    let authority = authority(text, is_whole);
    if authority.contains('@') {
        return Err(Failure::usage(
            "a user name or password in a URL is never sent: leave out what is before the `@`",
        ));
    }
    if text.contains('#') {
        return Err(Failure::usage(format!(
            "what is behind a `#` is never sent: leave it out of `{}`, or write the character as %23",
            shown()
        )));
    }
    if text.contains(char::is_whitespace) {
        let spaces: Vec<_> = shown()
            .split(char::is_whitespace)
            .map(str::to_owned)
            .collect();
        return Err(Failure::usage(format!(
            "there is a space in it: write a space as %20, and type\n'{}'",
            spaces.join("%20").replace('\'', "%27")
        )));
    }
    if !authority.is_ascii() {
        return Err(Failure::usage(
            "hosts are written in ASCII: type the name as name servers have it, such as `xn--bcher-kva.example`",
        ));
    }
    let uri = encoded(text).parse::<Uri>().ok();
    uri.filter(|uri| !is_whole || uri.authority().is_some()).ok_or_else(|| {
        Failure::usage(format!(
            "`{}` cannot be sent as it stands: write what URLs do not hold in percent signs, a space as %20",
            shown()
        ))
    })
}

/// What is not ASCII in percent signs, as browsers do: UTF-8.
fn encoded(text: &str) -> String {
    let bytes = text.bytes().map(|byte| match byte.is_ascii() {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    });
    bytes.collect()
}

fn authority(text: &str, is_whole: bool) -> &str {
    match text.split_once("://") {
        Some((_, rest)) if is_whole => rest.split(['/', '?', '#']).next().unwrap_or_default(),
        _ => "",
    }
}
