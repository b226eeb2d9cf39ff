//! Finds a secret in a text, in whichever way it was written down.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::FmtSpan;

/// A secret that is cut short leaks too; this much of one is enough to be noticed.
const WINDOW: usize = 12;

struct Needle {
    secret: &'static str,
    form: &'static str,
    text: String,
}

pub(crate) struct Detector {
    needles: Vec<Needle>,
}

impl Detector {
    /// `secrets` are names and texts.
    pub(crate) fn new(secrets: &[(&'static str, &str)]) -> Self {
        let mut needles = Vec::new();
        for (secret, text) in secrets {
            assert!(text.len() > WINDOW && text.is_ascii(), "{secret}");
            needles.extend(forms(text).into_iter().map(|(form, text)| Needle {
                secret,
                form,
                text,
            }));
        }
        Self { needles }
    }

    /// What was found, each with the way it was written.
    pub(crate) fn hits(&self, output: &str) -> Vec<(&'static str, &'static str)> {
        // Pretty-printed lists and wrapped lines are put back together.
        let squeezed: String = output.chars().filter(|c| !c.is_whitespace()).collect();
        let mut hits: Vec<_> = self
            .needles
            .iter()
            .filter(|needle| squeezed.contains(&needle.text))
            .map(|needle| (needle.secret, needle.form))
            .collect();
        hits.dedup();
        hits
    }
}

fn forms(text: &str) -> Vec<(&'static str, String)> {
    let bytes = text.as_bytes();
    let each = |f: fn(&u8) -> String| -> Vec<String> { bytes.iter().map(f).collect() };
    let unreserved = |b: &u8| b.is_ascii_alphanumeric() || b"-._~".contains(b);
    let percent = bytes.iter().map(|b| match unreserved(b) {
        true => char::from(*b).to_string(),
        false => format!("%{b:02X}"),
    });
    let percent: String = percent.collect();
    let mut forms = vec![
        ("percent, lower case", percent.to_ascii_lowercase()),
        ("percent", percent),
        ("percent throughout", each(|b| format!("%{b:02X}")).concat()),
        ("hex", each(|b| format!("{b:02x}")).concat()),
        ("hex, upper case", each(|b| format!("{b:02X}")).concat()),
        ("decimal list", each(u8::to_string).join(",")),
    ];
    for window in text.as_bytes().windows(WINDOW) {
        let window = std::str::from_utf8(window).expect("ASCII");
        forms.push(("raw", window.to_owned()));
    }
    for before in 0..3 {
        forms.push(("base64", base64_core(&STANDARD_NO_PAD, bytes, before)));
        forms.push(("base64url", base64_core(&URL_SAFE_NO_PAD, bytes, before)));
    }
    forms
}

/// The digits that depend on `text` alone when `before` bytes stand ahead of it.
fn base64_core(engine: &impl base64::Engine, text: &[u8], before: usize) -> String {
    let padded = [vec![0; before], text.to_vec()].concat();
    let digits = engine.encode(&padded);
    digits[(before * 8).div_ceil(6)..padded.len() * 8 / 6].to_owned()
}

/// All that was printed, traced and said in errors.
#[derive(Clone, Default)]
pub(crate) struct Output(Arc<Mutex<Vec<u8>>>);

impl Output {
    pub(crate) fn text(&self) -> String {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }

    pub(crate) fn line(&self, text: impl AsRef<[u8]>) {
        let mut bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        bytes.extend_from_slice(text.as_ref());
        bytes.push(b'\n');
    }

    /// Both ways to print a value for programmers.
    pub(crate) fn debug(&self, value: &dyn std::fmt::Debug) {
        self.line(format!("{value:?}\n{value:#?}"));
    }

    /// An error and everything below it, in every way it can be printed.
    pub(crate) fn error(&self, error: &(dyn std::error::Error + 'static)) {
        let mut next = Some(error);
        while let Some(error) = next {
            self.line(format!("{error}\n{error:#}"));
            self.debug(&error);
            next = error.source();
        }
    }

    /// Writes every event and span of this thread down, those of dependencies too.
    pub(crate) fn trace(&self) -> tracing::subscriber::DefaultGuard {
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_span_events(FmtSpan::FULL)
            .with_ansi(false)
            .with_writer(self.clone())
            .finish();
        tracing::subscriber::set_default(subscriber)
    }
}

impl io::Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Output {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
